"""Engines, factories, sessions: what opens them, who closes them, what uses one of them concurrently."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project import Project
from project.data.shared_sessions import shared_sessions

HEAD = """
    import asyncio
    from contextlib import closing
    from sqlalchemy import create_engine as make_engine, text
    from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
    from sqlalchemy.orm import Session, scoped_session, sessionmaker

    engine = make_engine("postgresql+psycopg://db/app", pool_pre_ping=True)
    other = create_async_engine("sqlite+aiosqlite://")
    SessionLocal = sessionmaker(engine)
    AsyncLocal = async_sessionmaker(other, expire_on_commit=False)
    OldAsync = sessionmaker(other, class_=AsyncSession)
    Scoped = scoped_session(sessionmaker(engine))
"""


def tree(folder: Path, body: str) -> Project:
    return make(folder, {"main.py": HEAD + body})


def test_engines_and_factories(tmp_path: Path) -> None:
    sessions = tree(tmp_path, "").sessions
    assert [(e.dialect, e.asynchronous, list(e.options)) for e in sessions.engines] == [
        ("postgresql", False, ["pool_pre_ping"]),
        ("sqlite", True, []),
    ]
    assert [(f.asynchronous, f.scoped) for f in sessions.factories] == [
        (False, False),
        (True, False),
        (True, False),
        (False, True),
    ]
    assert sessions.dialects == {"postgresql", "sqlite"}
    assert sessions.asynchronous


@pytest.mark.parametrize(
    ("body", "held", "closed", "yielded"),
    [
        ("with SessionLocal() as s:\n            s.execute(text('x'))", "with", "with", False),
        ("with SessionLocal() as s:\n            yield s", "with", "with", True),
        (
            "s = SessionLocal()\n        try:\n            yield s\n        finally:\n            s.close()",
            "name",
            "finally",
            True,
        ),
        ("s = SessionLocal()\n        yield s\n        s.close()", "name", "plain", True),
        ("s = SessionLocal()\n        s.execute(text('x'))", "name", "", False),
        ("s = SessionLocal()\n        with s:\n            s.execute(text('x'))", "name", "with", False),
        ("s = SessionLocal()\n        return s", "returned", "", False),
        ("return Session(engine)", "returned", "", False),
        ("with closing(SessionLocal()) as s:\n            s.execute(text('x'))", "with", "with", False),
        ("s = Scoped()\n        s.execute(text('x'))", "name", "", False),
    ],
)
def test_openings(tmp_path: Path, body: str, held: str, closed: str, yielded: bool) -> None:
    (opening,) = tree(tmp_path, f"\n    def f():\n        {body}\n").sessions.openings
    assert (opening.held, opening.closed, opening.yielded) == (held, closed, yielded)
    assert opening.scoped is ("Scoped" in body)


def test_dependencies_are_known_with_their_calls(tmp_path: Path) -> None:
    project = tree(
        tmp_path,
        """
    from typing import Annotated
    from fastapi import Depends

    def get_db():
        with SessionLocal() as s:
            yield s

    DB = Annotated[Session, Depends(get_db, scope="function")]

    def route(db: DB, again=Depends(get_db)):
        pass
""",
    )
    assert {f.name: len(calls) for f, calls in project.sessions.dependencies.items()} == {"get_db": 2}
    assert [(f.name, o.name) for f, o in project.sessions.generators()] == [("get_db", "s")]


@pytest.mark.parametrize(
    ("body", "shared"),
    [
        ("await asyncio.gather(count(s), count(s))", ["s"]),
        ("await asyncio.gather(s.execute(text('a')), s.execute(text('b')))", ["s"]),
        ("await asyncio.gather(*[count(s) for _ in ids])", ["s"]),
        ("await asyncio.gather(*(count(s) for _ in ids))", ["s"]),
        ("r = Repo(s)\n        await asyncio.gather(r.a(), r.b())", ["s"]),
        (
            "jobs = []\n        for i in ids:\n            jobs.append(count(s))\n        await asyncio.gather(*jobs)",
            ["s"],
        ),
        (
            "async with asyncio.TaskGroup() as g:\n            g.create_task(count(s)); g.create_task(count(s))",
            ["s"],
        ),
        ("await asyncio.gather(count(s), asyncio.sleep(1))", []),
        ("await asyncio.gather(*[own(i) for i in ids])", []),
        ("await asyncio.gather(count(s), count(t))", []),
        ("[await count(s) for _ in ids]", []),
    ],
)
def test_sessions_used_at_the_same_time(tmp_path: Path, body: str, shared: list[str]) -> None:
    project = tree(
        tmp_path,
        f"""
    async def count(session: AsyncSession) -> int:
        return await session.scalar(text("SELECT 1"))

    async def own(i: int) -> int:
        async with AsyncLocal() as session:
            return await session.scalar(text("SELECT 1"))

    class Repo:
        def __init__(self, session: AsyncSession):
            self.session = session
        async def a(self):
            return await self.session.scalar(text("SELECT 1"))
        async def b(self):
            return await self.session.scalar(text("SELECT 2"))

    async def f(s: AsyncSession, t: AsyncSession, ids: list[int]):
        {body}
""",
    )
    assert [s.session for s in shared_sessions(project)] == shared
