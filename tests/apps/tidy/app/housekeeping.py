import asyncio
import logging
from datetime import UTC, datetime

from sqlalchemy import delete
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import Hold

logger = logging.getLogger(__name__)
PAUSE_SECONDS = 3600


async def drop_expired_holds_forever(sessions: async_sessionmaker[AsyncSession]) -> None:
    while True:
        await asyncio.sleep(PAUSE_SECONDS)
        try:
            async with sessions.begin() as session:
                await session.execute(delete(Hold).where(Hold.expires_on < datetime.now(UTC).date()))
        except SQLAlchemyError:
            logger.exception("Expired holds were not dropped, next try in %s s", PAUSE_SECONDS)
