from fastapi import APIRouter
from pydantic import BaseModel
from sqlalchemy import text

from app.dependencies import SessionDep

router = APIRouter(prefix="/health", tags=["health"])


class Health(BaseModel):
    status: str


@router.get("/live")
async def read_liveness() -> Health:
    """The process answers."""
    return Health(status="up")


@router.get("/ready")
async def read_readiness(session: SessionDep) -> Health:
    """The database answers as well."""
    await session.execute(text("SELECT 1"))
    return Health(status="ready")
