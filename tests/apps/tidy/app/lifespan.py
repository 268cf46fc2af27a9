import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from typing import TypedDict

import httpx2
from fastapi import FastAPI
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine

from app.cache import TtlCache
from app.housekeeping import drop_expired_holds_forever
from app.rate_limit import LoginLimiter
from app.settings import Settings


class State(TypedDict):
    """What every request finds in `request.state`."""

    settings: Settings
    sessions: async_sessionmaker[AsyncSession]
    metadata_http: httpx2.AsyncClient
    mail_http: httpx2.AsyncClient
    metadata_cache: TtlCache
    login_limiter: LoginLimiter


def make_engine(settings: Settings) -> AsyncEngine:
    return create_async_engine(
        settings.database_url.get_secret_value(), pool_pre_ping=True, pool_size=10, max_overflow=10, pool_recycle=1800
    )


def make_lifespan(settings: Settings) -> Callable[[FastAPI], AbstractAsyncContextManager[State]]:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[State]:
        engine = make_engine(settings)
        sessions = async_sessionmaker(engine, expire_on_commit=False)
        timeout = httpx2.Timeout(5.0, read=10.0)
        async with (
            httpx2.AsyncClient(base_url=settings.metadata_url, timeout=timeout) as metadata_http,
            httpx2.AsyncClient(base_url=settings.mail_url, timeout=timeout) as mail_http,
        ):
            housekeeping = asyncio.create_task(drop_expired_holds_forever(sessions))
            try:
                yield {
                    "settings": settings,
                    "sessions": sessions,
                    "metadata_http": metadata_http,
                    "mail_http": mail_http,
                    "metadata_cache": TtlCache(seconds=3600, max_entries=10_000),
                    "login_limiter": LoginLimiter(settings),
                }
            finally:
                housekeeping.cancel()
                with suppress(asyncio.CancelledError):
                    await housekeeping
                await engine.dispose()

    return lifespan
