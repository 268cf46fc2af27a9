from collections.abc import AsyncIterator, Iterator

from sqlalchemy import create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import Session, sessionmaker

from workshop.config import settings

engine = create_engine(settings.database_url, pool_pre_ping=True)
SessionLocal = sessionmaker(engine)
async_engine = create_async_engine(settings.async_database_url, pool_pre_ping=True)
AsyncSessions = async_sessionmaker(async_engine)  # DAT004


def get_db() -> Iterator[Session]:
    with SessionLocal() as db:
        yield db
        db.commit()  # DAT006


async def get_session() -> AsyncIterator[AsyncSession]:
    async with AsyncSessions() as session:
        yield session


def get_stock_db() -> Iterator[Session]:
    db = SessionLocal()  # DAT008
    yield db
