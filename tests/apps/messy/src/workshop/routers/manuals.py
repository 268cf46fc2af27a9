import os

from fastapi import APIRouter, HTTPException
from fastapi.responses import FileResponse

from workshop.schemas import Health

MANUALS = os.getenv("MANUALS", "manuals")

router = APIRouter(prefix="/v1/manuals", tags=["manuals"])


@router.get("/pages/{number}")
def read_page(number: int) -> FileResponse:  # TST001
    """A scanned page."""
    path = os.path.join(MANUALS, f"page-{number}.png")
    if not os.path.exists(path):
        raise HTTPException(404, "No such page")
    return FileResponse(path)


@router.get("/count")
def count_manuals() -> Health:
    """How many there are."""
    return Health(status=str(len(os.listdir(MANUALS))))


@router.get("/files/{name:path}")
async def read_manual(name: str) -> FileResponse:
    """A manual as the maker wrote it."""
    return FileResponse(os.path.join(MANUALS, name))  # SEC012
