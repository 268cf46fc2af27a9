from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, ConfigDict, SecretStr, StringConstraints

from app.schemas.common import Email, Password

FullName = Annotated[str, StringConstraints(min_length=1, max_length=120, strip_whitespace=True)]


class UserBase(BaseModel):
    email: Email
    full_name: FullName


class UserCreate(UserBase):
    password: Password


class UserUpdate(BaseModel):
    full_name: FullName | None = None
    preferences: dict[str, bool] | None = None


class UserPublic(UserBase):
    model_config = ConfigDict(from_attributes=True)

    id: int
    role: str
    password_changed_at: datetime
    preferences: dict[str, bool]


class PasswordChange(BaseModel):
    current_password: SecretStr
    new_password: Password


class TokenOut(BaseModel):
    access_token: str
    token_type: str = "bearer"  # noqa: S105
