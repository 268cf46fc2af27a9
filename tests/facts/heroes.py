"""Teams and heroes: the models, the database and the helpers of the proofs about data."""

import asyncio
import datetime
import gc
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncAttrs, AsyncEngine, AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

Maker = async_sessionmaker[AsyncSession]


class Base(AsyncAttrs, DeclarativeBase):
    pass


class Team(Base):
    __tablename__ = "team"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    motto: Mapped[str | None]
    founded: Mapped[datetime.datetime | None]
    heroes: Mapped[list["Hero"]] = relationship(back_populates="team")


class Hero(Base):
    __tablename__ = "hero"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(sa.ForeignKey("team.id"))
    team: Mapped[Team] = relationship(back_populates="heroes")


def filled(folder: Path) -> sa.Engine:
    """An engine on a file database with four teams of two heroes each."""
    made = sa.create_engine(f"sqlite:///{folder}/app.db")
    Base.metadata.create_all(made)
    with Session(made) as session, session.begin():
        session.add_all(Team(name=f"team {n}", heroes=[Hero(), Hero()]) for n in range(4))
    return made


class Statements:
    """Counts the statements that an engine sends."""

    def __init__(self, engine: sa.Engine) -> None:
        self.texts: list[str] = []
        sa.event.listen(engine, "before_cursor_execute", self._note)

    def _note(self, _connection: Any, _cursor: Any, text: str, *_: Any) -> None:
        self.texts.append(text)

    def of(self, work: Callable[[], object]) -> int:
        before = len(self.texts)
        work()
        return len(self.texts) - before


def run_async(engine: sa.Engine, work: Callable[[Maker, AsyncEngine], Awaitable[None]], **options: Any) -> None:
    """Runs `work` with an async sessionmaker and engine on the same file; `options` go to the sessionmaker."""

    async def main() -> None:
        made = create_async_engine(f"sqlite+aiosqlite:///{engine.url.database}")
        try:
            await work(async_sessionmaker(made, **options), made)
        finally:
            await made.dispose()

    asyncio.run(main())
    gc.collect()  # a refused lazy load leaves a coroutine behind; its warning belongs to this test
