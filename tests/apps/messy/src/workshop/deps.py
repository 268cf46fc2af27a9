from dataclasses import dataclass
from typing import Annotated

import jwt
from fastapi import Depends, HTTPException, Query
from fastapi.security import OAuth2PasswordBearer
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from workshop import security
from workshop.db import get_db, get_session, get_stock_db

oauth2_scheme = OAuth2PasswordBearer(tokenUrl="v1/auth/login")


@dataclass(frozen=True)
class Claims:
    mechanic_id: int
    role: str


async def current_staff(token: Annotated[str, Depends(oauth2_scheme)]) -> Claims:
    try:
        claims = security.read_token(token)
    except jwt.InvalidTokenError as error:
        raise HTTPException(401, "Token is not valid", {"WWW-Authenticate": "Bearer"}) from error
    return Claims(mechanic_id=int(str(claims["sub"])), role=str(claims["role"]))


Staff = Annotated[Claims, Depends(current_staff)]


async def require_manager(staff: Staff) -> Claims:
    if staff.role != "manager":
        raise HTTPException(403, "Only managers may do this")
    return staff


@dataclass(frozen=True)
class Page:
    limit: int
    offset: int


async def page_of(
    limit: Annotated[int, Query(ge=1, le=100)] = 50, offset: Annotated[int, Query(ge=0)] = 0
) -> Page:
    return Page(limit, offset)


# Shared aliases, so that all routes share the limits: together no more sessions than the pool has connections.
Db = Annotated[Session, Depends(get_db, max_concurrency=12)]
StockDb = Annotated[Session, Depends(get_stock_db, max_concurrency=3)]
Async = Annotated[AsyncSession, Depends(get_session)]
PageOf = Annotated[Page, Depends(page_of)]
