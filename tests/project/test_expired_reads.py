"""Objects that a commit expired and that are read afterwards: by the function, its callers, or the response."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from project import Project

Write = Callable[[dict[str, str]], Path]

CODE = """
from fastapi import Depends, FastAPI
from pydantic import BaseModel, ConfigDict
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

app = FastAPI()
engine = create_async_engine("sqlite+aiosqlite://")

class Base(DeclarativeBase): ...

class Hero(Base):
    __tablename__ = "heroes"
    id: Mapped[int] = mapped_column(primary_key=True)

class HeroOut(BaseModel):
    model_config = ConfigDict(from_attributes=True)
    id: int

async def get_session():
    async with AsyncSession(engine) as session:
        yield session

class Heroes:
    def __init__(self, session: AsyncSession = Depends(get_session)):
        self.session = session

    async def create(self) -> Hero:
        hero = Hero()
        self.session.add(hero)
        {commit}
        return hero

class Service:
    def __init__(self, heroes: Heroes = Depends()):
        self.heroes = heroes

    async def create(self) -> Hero:
        return await self.heroes.create()

"""
READ_IN_ROUTE = """
@app.post("/heroes")
async def create(heroes: Heroes = Depends()) -> int:
    hero = await heroes.create()
    {between}
    return hero.id
"""
SERVICE = """
@app.post("/heroes", response_model=HeroOut)
async def create(service: Service = Depends()):
    return await service.create()
"""
HANDLER = """
@app.post("/heroes", response_model=HeroOut)
async def create(session: AsyncSession = Depends(get_session)):
    hero = Hero()
    session.add(hero)
    try:
        await session.commit()
    except ValueError:
        raise
    return hero
"""
FETCHED = """
async def rename(session: AsyncSession) -> int:
    hero = await session.get(Hero, 1)
    await session.commit()
    return hero.id
"""


@pytest.mark.parametrize(
    ("commit", "route", "found"),
    [
        ("await self.session.commit()", READ_IN_ROUTE.format(between="pass"), ["return hero.id"]),
        ("await self.session.commit()", SERVICE, ["return await service.create()"]),
        ("pass", HANDLER, ["return hero"]),
        ("pass", FETCHED, ["return hero.id"]),
        # loaded again, flushed only, left to a plain function
        ("await self.session.commit()\n        await self.session.refresh(hero)", SERVICE, []),
        ("await self.session.commit()\n        hero = await self.session.scalar(select(Hero))", SERVICE, []),
        ("await self.session.flush()", SERVICE, []),
        ("await self.session.commit()", READ_IN_ROUTE.format(between="await heroes.session.refresh(hero)"), []),
        ("await self.session.commit()", SERVICE.replace(", response_model=HeroOut", ", response_model=None"), []),
    ],
)
def test_reads_after_commit(write_tree: Write, commit: str, route: str, found: list[str]) -> None:
    code = CODE.replace("{commit}", commit) + route
    lines = code.splitlines()
    project = Project.at(write_tree({"main.py": code}))
    assert [lines[place.line - 1].strip() for place in project.expired_reads] == found
