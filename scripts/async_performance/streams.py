"""Streams: connections they keep, clean-up they lose."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.language.scopes import parents
from project.serving.held_connections import STREAMS, HeldConnection, HeldConnections
from project.serving.roots import calls_to

_WHAT = {
    "http": "waits for another service",
    "model": "waits for a language model",
    "workflow": "waits for a workflow to end",
    "task": "leaves a background task that waits for others",
    "stream": "streams for as long as the client reads",
}
_SHORT = frozenset(("http", "task"))
_CANCELS = frozenset(
    "asyncio.CancelledError asyncio.exceptions.CancelledError builtins.GeneratorExit builtins.BaseException".split()
)


@performance.check(
    "ASY009",
    "session-held-during-slow-io",
    title="Database connection kept while waiting for another service",
    impact=MEDIUM,
    fix="Commit or close the session before the wait, or open a session around the query only.",
)
def session_held_during_slow_io(project: Project) -> Found:
    """A session keeps its connection from the first statement to commit. While the path operation waits for a service
    or streams, and while background tasks run (FastAPI 0.118 and newer), the pool has one connection less.

    Source: SQLAlchemy, Session Basics, https://docs.sqlalchemy.org/en/21/orm/session_basics.html

    Bad:
        import httpx
        from fastapi import Depends, FastAPI
        from fastapi.responses import StreamingResponse
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()
        http = httpx.AsyncClient()

        async def get_db():
            async with SessionLocal() as session:
                yield session

        async def current_user(db: AsyncSession = Depends(get_db)):
            return (await db.execute(text("select 1"))).scalar_one()

        @app.get("/rates")
        async def rates(db: AsyncSession = Depends(get_db)):
            await db.execute(text("select 1"))
            return (await http.get("https://rates.test")).json()  # ASY009

        async def tokens():
            async with http.stream("GET", "https://model.test") as answer:
                async for line in answer.aiter_lines():
                    yield line

        @app.get("/answer")
        async def answer(user=Depends(current_user)):
            return StreamingResponse(tokens())  # ASY009
    Good:
        import httpx
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()
        http = httpx.AsyncClient()

        async def get_db():
            async with SessionLocal() as session:
                yield session

        @app.get("/rates")
        async def rates(db: AsyncSession = Depends(get_db)):
            await db.execute(text("select 1"))
            await db.commit()
            return (await http.get("https://rates.test")).json()
    Not this:
        import httpx
        from fastapi import Depends, FastAPI
        from fastapi.responses import StreamingResponse
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()
        http = httpx.AsyncClient()

        async def get_db():
            async with SessionLocal() as session:
                yield session

        async def current_user():
            async with SessionLocal() as session:
                return (await session.execute(text("select 1"))).scalar_one()

        @app.get("/rates")
        async def rates(user=Depends(current_user), db: AsyncSession = Depends(get_db)):
            fresh = (await http.get("https://rates.test")).json()
            await db.execute(text("select 1"))
            return fresh

        @app.get("/export")
        async def export(db: AsyncSession = Depends(get_db)):
            rows = (await db.execute(text("select 1"))).all()
            return StreamingResponse(iter([str(rows)]))
    """
    groups: dict[object, list[HeldConnection]] = {}
    for held in HeldConnections(project).find():
        own = held.holder is held.function
        groups.setdefault((held.function.module, held.kind in _SHORT) if own else held.holder, []).append(held)
    yield from map(_kept, groups.values())


def _kept(group: list[HeldConnection]) -> Hit:
    """One signal for what one dependency keeps, or for the path operations of a file, streams first."""
    first, *more = sorted(group, key=lambda h: h.kind in _SHORT)
    label = f"{'/'.join(first.route.methods)} {first.route.path}"
    where = " in this file" if first.holder is first.function else " path operations do"
    many = f"; {len(more)} more{where}" if more else ""
    message = f"{label} {_WHAT[first.kind]} and keeps the connection of {first.session}{many}"
    trace = (first.used, first.function.place(first.node, _WHAT[first.kind]))
    places = tuple(h.function.place(h.node, f"{h.route.path} {_WHAT[h.kind]}") for h in more)
    impact = None if first.kind in _SHORT else HIGH
    return Hit(first.function.place(first.node), message, trace, impact, places=places)


@performance.check(
    "ASY020",
    "stream-ignores-disconnect",
    title="Stream that swallows the end of the client",
    impact=LOW,
    fix="Let CancelledError and GeneratorExit pass; clean up in finally.",
)
def stream_ignores_disconnect(project: Project) -> Found:
    """When the client leaves, the generator is cancelled where it awaits, or closed at its yield. One that catches this
    goes on, or fails with "generator ignored GeneratorExit", and what it holds is not given back.

    Source: Python, PEP 525, https://peps.python.org/pep-0525/#finalization

    Bad:
        import asyncio
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse

        app = FastAPI()

        async def ticks():
            while True:
                try:
                    yield "tick"
                except:  # ASY020
                    pass
                await asyncio.sleep(1)

        @app.get("/ticks")
        async def read_ticks():
            return StreamingResponse(ticks())
    Good:
        import asyncio
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse

        app = FastAPI()

        async def ticks():
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(1)
            finally:
                print("gone")

        @app.get("/ticks")
        async def read_ticks():
            return StreamingResponse(ticks())
    Not this:
        import asyncio
        from fastapi import FastAPI
        from fastapi.responses import StreamingResponse

        app = FastAPI()

        async def ticks():
            try:
                while True:
                    yield "tick"
                    await asyncio.sleep(1)
            except asyncio.CancelledError:
                print("gone")
                raise
            except Exception:
                yield "error"

        async def once():
            try:
                yield "tick"
            except asyncio.CancelledError:
                print("gone")

        @app.get("/ticks")
        async def read_ticks():
            return StreamingResponse(ticks())

        @app.get("/once")
        async def read_once():
            return StreamingResponse(once())
    """
    for generator in _streamed(project):
        for attempt in generator.all(ast.Try):
            if not _inside(attempt.body, generator):
                continue
            handler = next((h for h in attempt.handlers if _catches_end(project, h, generator)), None)
            if handler is not None and _goes_on(handler, generator):
                yield Hit(generator.place(handler), f"{generator.name} goes on after the client has left")


def _streamed(project: Project) -> Iterator[Function]:
    """Asynchronous generators that are sent as a stream, each once."""
    seen: set[Function] = set()
    for call, scope in calls_to(project, frozenset(s.rsplit(".", 1)[-1] for s in STREAMS)):
        content = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "content"), None)
        if not isinstance(content, ast.Call) or not STREAMS.intersection(project.calls.site(call, scope).names):
            continue
        for target in project.calls.site(content, scope).targets:
            if target.is_async and target.is_generator and target not in seen:
                seen.add(target)
                yield target


def _inside(body: list[ast.stmt], generator: Function) -> bool:
    return any(holder in body for y in generator.all(ast.Yield) for holder in parents(y))


def _catches_end(project: Project, handler: ast.ExceptHandler, generator: Function) -> bool:
    if handler.type is None:
        return True
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return any(project.names.canonical(k, generator) in _CANCELS for k in kinds)


def _goes_on(handler: ast.ExceptHandler, generator: Function) -> bool:
    """Whether the generator yields again after it caught its end: in the handler, or in the next round of a loop."""
    inside = {id(n) for s in handler.body for n in ast.walk(s)}
    leaves: list[ast.AST] = [*generator.all(ast.Raise), *generator.all(ast.Return), *generator.all(ast.Break)]
    if any(id(n) in inside for n in leaves):
        return False
    if any(id(y) in inside for y in generator.all(ast.Yield)):
        return True
    return any(isinstance(h, (ast.While, ast.For, ast.AsyncFor)) for h in parents(handler))
