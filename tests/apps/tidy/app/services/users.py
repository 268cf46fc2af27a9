from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, NotFoundError, UnauthenticatedError
from app.models import User
from app.models.base import now_utc
from app.repositories.users import UserRepository
from app.schemas.users import PasswordChange, UserCreate, UserUpdate
from app.security import hash_password, issue_access_token, password_matches
from app.settings import Settings


class UserService:
    """Each method that writes is one transaction."""

    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.users = UserRepository(session)

    async def register(self, new: UserCreate) -> User:
        hashed = await hash_password(new.password)
        user = User(**new.model_dump(exclude={"password"}), password_hash=hashed)
        try:
            await self.users.add(user)
        except IntegrityError as error:
            raise ConflictError("This address is already registered") from error
        await self.session.commit()
        return user

    async def log_in(self, email: str, password: str) -> str:
        """An access token; the answer does not tell an unknown address from a wrong password."""
        user = await self.users.by_email(email.lower())
        stored = user.password_hash if user else None
        await self.session.commit()
        if not await password_matches(password, stored) or user is None:
            raise UnauthenticatedError("Wrong address or password")
        return issue_access_token(user.id, self.settings)

    async def update(self, user_id: int, changes: UserUpdate) -> User:
        user = await self.existing(user_id)
        for field, value in changes.model_dump(exclude_unset=True, exclude_none=True).items():
            setattr(user, field, value)
        await self.session.commit()
        return user

    async def change_password(self, user_id: int, change: PasswordChange) -> None:
        user = await self.existing(user_id)
        if not await password_matches(change.current_password.get_secret_value(), user.password_hash):
            raise UnauthenticatedError("Wrong password")
        user.password_hash = await hash_password(change.new_password)
        user.password_changed_at = now_utc()
        await self.session.commit()

    async def existing(self, user_id: int) -> User:
        user = await self.users.get(user_id)
        if user is None:
            raise NotFoundError("No such member")
        return user
