from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Query, Request
from fastapi.security import OAuth2PasswordBearer, OAuth2PasswordRequestForm
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.errors import ForbiddenError, UnauthenticatedError
from app.models import LIBRARIAN, User
from app.rate_limit import LoginLimiter
from app.repositories.users import UserRepository
from app.security import user_id_of
from app.services.books import BookService
from app.services.loans import LoanService
from app.services.metadata import MetadataClient
from app.services.notices import Notifier
from app.services.users import UserService
from app.settings import Settings

bearer_token = OAuth2PasswordBearer(tokenUrl="api/v1/auth/token")
LoginForm = Annotated[OAuth2PasswordRequestForm, Depends()]


async def app_settings(request: Request) -> Settings:
    settings: Settings = request.state.settings
    return settings


async def session_factory(request: Request) -> async_sessionmaker[AsyncSession]:
    sessions: async_sessionmaker[AsyncSession] = request.state.sessions
    return sessions


SettingsDep = Annotated[Settings, Depends(app_settings)]
SessionsDep = Annotated[async_sessionmaker[AsyncSession], Depends(session_factory)]


async def get_session(sessions: SessionsDep) -> AsyncIterator[AsyncSession]:
    async with sessions() as session:
        yield session


SessionDep = Annotated[AsyncSession, Depends(get_session)]


async def current_user(
    token: Annotated[str, Depends(bearer_token)], settings: SettingsDep, sessions: SessionsDep
) -> User:
    """Closes its own session at once, so a route that then waits for others holds no connection."""
    async with sessions() as session:
        user = await UserRepository(session).get(user_id_of(token, settings))
    if user is None:
        raise UnauthenticatedError("Token is not valid")
    return user


CurrentUser = Annotated[User, Depends(current_user)]


async def require_librarian(user: CurrentUser) -> User:
    if user.role != LIBRARIAN:
        raise ForbiddenError("Only librarians may do this")
    return user


async def limit_logins(request: Request, form: LoginForm) -> None:
    limiter: LoginLimiter = request.state.login_limiter
    address = request.client.host if request.client else "unknown"
    await limiter.check(address, form.username)


async def limit_registrations(request: Request) -> None:
    limiter: LoginLimiter = request.state.login_limiter
    address = request.client.host if request.client else "unknown"
    await limiter.check(address, f"register {address}")


@dataclass(frozen=True, slots=True)
class PageBounds:
    limit: int
    offset: int


async def page_bounds(
    limit: Annotated[int, Query(ge=1, le=100)] = 50, offset: Annotated[int, Query(ge=0)] = 0
) -> PageBounds:
    return PageBounds(limit, offset)


PageDep = Annotated[PageBounds, Depends(page_bounds)]


async def user_service(session: SessionDep, settings: SettingsDep) -> UserService:
    return UserService(session, settings)


async def book_service(session: SessionDep) -> BookService:
    return BookService(session)


async def loan_service(session: SessionDep, settings: SettingsDep) -> LoanService:
    return LoanService(session, settings)


async def metadata_client(request: Request) -> MetadataClient:
    return MetadataClient(request.state.metadata_http, request.state.metadata_cache)


async def notifier(request: Request, sessions: SessionsDep) -> Notifier:
    return Notifier(sessions, request.state.mail_http)


UserServiceDep = Annotated[UserService, Depends(user_service)]
BookServiceDep = Annotated[BookService, Depends(book_service)]
LoanServiceDep = Annotated[LoanService, Depends(loan_service)]
MetadataDep = Annotated[MetadataClient, Depends(metadata_client)]
NotifierDep = Annotated[Notifier, Depends(notifier)]
