import secrets
from datetime import UTC, datetime, timedelta

import jwt
from fastapi.concurrency import run_in_threadpool
from pwdlib import PasswordHash

from app.errors import UnauthenticatedError
from app.settings import Settings

ALGORITHM = "HS256"

password_hash = PasswordHash.recommended()
# Verified when the account is unknown, so that both answers take the same time.
unknown_account_hash = password_hash.hash(secrets.token_urlsafe(16))


async def hash_password(password: str) -> str:
    return await run_in_threadpool(password_hash.hash, password)


async def password_matches(password: str, stored: str | None) -> bool:
    matches = await run_in_threadpool(password_hash.verify, password, stored or unknown_account_hash)
    return matches and stored is not None


def issue_access_token(user_id: int, settings: Settings) -> str:
    now = datetime.now(UTC)
    claims = {"sub": str(user_id), "iat": now, "exp": now + timedelta(minutes=settings.token_minutes)}
    return jwt.encode(claims, settings.token_key.get_secret_value(), algorithm=ALGORITHM)


def user_id_of(token: str, settings: Settings) -> int:
    try:
        claims = jwt.decode(
            token, settings.token_key.get_secret_value(), algorithms=[ALGORITHM], options={"require": ["exp", "sub"]}
        )
        return int(claims["sub"])
    except (jwt.InvalidTokenError, ValueError) as error:
        raise UnauthenticatedError("Token is not valid") from error
