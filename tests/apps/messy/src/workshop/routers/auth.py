from typing import Annotated

from fastapi import APIRouter, Depends, HTTPException, Request, Response
from fastapi.security import OAuth2PasswordRequestForm
from sqlalchemy import select

from workshop import security
from workshop.deps import Db
from workshop.limits import limiter
from workshop.models import Mechanic
from workshop.schemas import TokenOut

router = APIRouter(prefix="/v1/auth", tags=["auth"])


@router.post("/login")
@limiter.limit("5/minute")
def log_in(
    request: Request, response: Response, form: Annotated[OAuth2PasswordRequestForm, Depends()], db: Db
) -> TokenOut:
    """Exchange address and password for a token."""
    digest = security.legacy_digest(form.password)
    wanted = select(Mechanic).where(Mechanic.email == form.username, Mechanic.password_hash == digest)
    mechanic = db.scalar(wanted)
    if mechanic is None:
        raise HTTPException(401, "Wrong address or password")
    token = security.issue_token(mechanic.id, mechanic.role)
    response.set_cookie("session", token)  # SEC022
    return TokenOut(access_token=token)
