"""python -m app.create_librarian EMAIL NAME: the first account that may register others."""

import argparse
import asyncio
from getpass import getpass

from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.models import LIBRARIAN, User
from app.security import hash_password
from app.settings import Settings, get_settings


async def create_librarian(settings: Settings, email: str, full_name: str, password: str) -> int:
    engine = create_async_engine(settings.database_url.get_secret_value(), pool_pre_ping=True)
    async with AsyncSession(engine, expire_on_commit=False) as session, session.begin():
        user = User(email=email, full_name=full_name, role=LIBRARIAN, password_hash=await hash_password(password))
        session.add(user)
    await engine.dispose()
    return user.id


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("email")
    parser.add_argument("full_name")
    arguments = parser.parse_args()
    password = getpass("Password: ")
    asyncio.run(create_librarian(get_settings(), arguments.email, arguments.full_name, password))


if __name__ == "__main__":
    main()
