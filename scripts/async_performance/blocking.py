"""Calls that hold the event loop: I/O, databases, hashing and heavy computing."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Module, Project
from project.blocking import Blocking, blocking
from project.calls import CallSite
from project.roots import Root

WAITING = ("network", "sleep", "subprocess", "lock", "loop")


@performance.check(
    "ASY001",
    "blocking-call-on-event-loop",
    title="Blocking call on the event loop",
    impact=HIGH,
    anti_pattern=2,
    fix="Await an asynchronous client, hand the call to run_in_threadpool, or make the path operation a plain def.",
)
def blocking_call_on_event_loop(project: Project) -> Found:
    """While one blocking call waits, every other request of the process waits with it.

    Source: FastAPI, Concurrency and async / await, https://fastapi.tiangolo.com/async/

    Bad:
        # app/main.py
        from fastapi import FastAPI
        from app.rates import load

        app = FastAPI()

        @app.get("/rates")
        async def read_rates():
            return load("EUR")
        # app/rates.py
        import requests as http

        def load(currency):
            return http.get(f"https://rates.test/{currency}", timeout=5).json()  # ASY001
    Good:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        async def read_rates(client: httpx.AsyncClient):
            return (await client.get("https://rates.test/EUR")).json()
    Not this:
        import asyncio
        import time
        import requests
        from fastapi import FastAPI
        from fastapi.concurrency import run_in_threadpool

        app = FastAPI()

        @app.get("/plain")
        def plain():
            time.sleep(1)
            return requests.get("https://x.test", timeout=5).json()

        @app.get("/thread")
        async def in_a_thread():
            def work():
                time.sleep(1)
                return requests.get("https://x.test", timeout=5).json()

            await run_in_threadpool(lambda: requests.get("https://x.test", timeout=5))
            return await asyncio.to_thread(work)
    """
    for function, sites in _by_function(project, WAITING):
        for site, kind in sites:
            yield _hit(project, function, site, kind)
    by_module: dict[Module, list[tuple[Function, Sites]]] = {}
    for function, sites in _by_function(project, ("file",)):
        by_module.setdefault(function.module, []).append((function, sites))
    for groups in by_module.values():
        function, (first, *_) = groups[0]
        more = [site for _, sites in groups for site in sites][1:]
        yield _hit(project, function, *first, LOW, more)


@performance.check(
    "ASY002",
    "sync-database-on-event-loop",
    title="Synchronous database call on the event loop",
    impact=HIGH,
    anti_pattern=2,
    fix="Make the path operation a plain def, or use AsyncSession with an asynchronous driver.",
)
def sync_database_on_event_loop(project: Project) -> Found:
    """A synchronous session or driver holds the loop for each statement; with an empty pool it holds it until a
    timeout, because the requests that would give connections back cannot run.

    Source: SQLAlchemy, Asynchronous I/O, https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html

    Bad:
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session, sessionmaker

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("postgresql://db/app"))

        def get_db():
            with SessionLocal() as session:
                yield session

        @app.get("/count")
        async def count(db: Session = Depends(get_db)):
            return db.execute(text("select count(*) from item")).scalar_one()  # ASY002
    Good:
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession

        app = FastAPI()

        async def get_db() -> AsyncSession: ...

        @app.get("/count")
        async def count(db: AsyncSession = Depends(get_db)):
            return (await db.execute(text("select count(*) from item"))).scalar_one()
    Not this:
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.orm import Session

        app = FastAPI()

        @app.get("/plain")
        def plain(db: Session = Depends()):
            return db.execute(text("select 1")).scalar_one()

        @app.post("/add")
        async def add(db: AsyncSession = Depends()):
            db.add(object())
            await db.commit()
            return await db.run_sync(lambda session: session.execute(text("select 1")))
    """
    for function, sites in _by_function(project, ("database",)):
        site, kind = sites[0]
        yield _hit(project, function, site, kind, more=sites[1:])


@performance.check(
    "ASY003",
    "computing-on-event-loop",
    title="Password hashing or heavy computing on the event loop",
    impact=HIGH,
    anti_pattern=2,
    fix="Hand hashing to run_in_threadpool; give pure Python computing to a process pool or a worker.",
)
def computing_on_event_loop(project: Project) -> Found:
    """One password hash takes a quarter of a second of computing; on the loop nothing else is served meanwhile.

    Source: FastAPI, Concurrency and async / await, https://fastapi.tiangolo.com/async/ ; pwdlib 0.3, Argon2

    Bad:
        from fastapi import FastAPI
        from pwdlib import PasswordHash

        app = FastAPI()
        passwords = PasswordHash.recommended()

        @app.post("/login")
        async def login(password: str, stored: str):
            return passwords.verify(password, stored)  # ASY003
    Good:
        from fastapi import FastAPI
        from fastapi.concurrency import run_in_threadpool
        from pwdlib import PasswordHash

        app = FastAPI()
        passwords = PasswordHash.recommended()

        @app.post("/login")
        async def login(password: str, stored: str):
            return await run_in_threadpool(passwords.verify, password, stored)
    Not this:
        import hashlib
        import jwt
        from fastapi import FastAPI
        from pwdlib import PasswordHash

        app = FastAPI()
        passwords = PasswordHash.recommended()

        @app.post("/login")
        def login(password: str, stored: str):
            return passwords.verify(password, stored)

        @app.get("/etag")
        async def etag(token: str):
            return hashlib.sha256(token.encode()).hexdigest(), jwt.decode(token, "k", algorithms=["HS256"])
    """
    for function, sites in _by_function(project, ("hashing", "compute")):
        for site, kind in sites:
            yield _hit(project, function, site, kind, None if kind.kind == "hashing" else MEDIUM)


Sites = list[tuple[CallSite, Blocking]]


def _by_function(project: Project, kinds: Iterable[str]) -> Iterator[tuple[Function, Sites]]:
    """Functions on the loop with their calls of these kinds, in source order, one a line."""
    found: dict[Function, Sites] = {}
    for function, site in project.event_loop.sites():
        for name in site.names:
            kind = blocking(name)
            if kind is not None and kind.kind in kinds and not _called_off(site):
                found.setdefault(function, []).append((site, kind))
                break
    for function, sites in found.items():
        ordered = sorted(sites, key=lambda s: (s[0].node.lineno, s[0].node.col_offset))
        yield function, [s for i, s in enumerate(ordered) if not i or s[0].node.lineno != ordered[i - 1][0].node.lineno]


def _called_off(site: CallSite) -> bool:
    """An awaited call is of an asynchronous object; a result asked for without waiting does not wait."""
    timeout = site.argument(-1, "timeout") or site.argument(-1, "block")
    return site.awaited or (isinstance(timeout, ast.Constant) and timeout.value in (0, False))


def _hit(
    project: Project,
    function: Function,
    site: CallSite,
    kind: Blocking,
    impact: str | None = None,
    more: Sites | None = None,
) -> Hit:
    loop = project.event_loop
    reaching = loop.roots_reaching(function)
    root = loop.root(function)
    if root.kind == "start-up":
        impact = LOW
    certainty = "inferred" if "inferred" in (site.certainty, loop.certainty(function)) else "resolved"
    name = next(n for n in site.names if blocking(n) is not None)
    message = (
        f"{_spelled(name)} blocks the event loop in {root.label}{_others(reaching, root)}; instead: {kind.instead}"
    )
    trace = (*loop.trace(function), site.place(_spelled(name)))
    places = tuple(s.place(_spelled(s.names[0])) for s, _ in more or ())
    return Hit(site.place(), message, trace, impact, certainty, places)


def _spelled(name: str) -> str:
    return name.removeprefix("builtins.").replace("()", "")


def _others(reaching: list[Root], root: Root) -> str:
    others = [r for r in reaching if r.label != root.label and r.kind == "handler"]
    return (
        f" and {len(others)} more path operations"
        if len(others) > 1
        else f" and in {others[0].label}"
        if others
        else ""
    )
