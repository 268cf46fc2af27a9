"""Calls that hold the event loop: I/O, databases, hashing and heavy computing."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.place import Place
from project.serving.blocking import METADATA
from project.serving.loop_holds import Held
from project.serving.reach import Reach
from project.serving.roots import Root

MAX_PLACES = 60  # path operations among the places of one cause
SHORT_PBKDF2 = 200_000  # rounds
_MAKES_HASH = re.compile(r"(^|[._])(get_password_)?hash(pw|_password)?$", re.IGNORECASE)
_NEW_ACCOUNT = re.compile(r"create|regist|sign_?up|invit|provision|UserNotExists|NotFound|DoesNotExist", re.IGNORECASE)
_NEW_PASSWORD = re.compile(r"passw|reset|forgot", re.IGNORECASE)
SHOWN = 2  # labels of path operations in a message, besides the first


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
    yield from _groups(project, ("network", "sleep", "subprocess", "lock"), _by_entry)
    yield from _groups(project, ("file",), _by_module, LOW)


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
    yield from _groups(project, ("database",), _by_library, together=_sharing_entries)


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
    yield from _groups(project, ("hashing",), _by_entry)
    yield from _groups(project, ("compute",), _by_entry, MEDIUM)


def _groups(
    project: Project,
    kinds: Iterable[str],
    key: Callable[[Project, Held], object],
    impact: str | None = None,
    together: Callable[[Project, Iterable[list[Held]]], Iterable[list[Held]]] | None = None,
) -> Iterator[Hit]:
    """Calls of these kinds, those with one cause together; what only happens while starting is one signal."""
    serving: dict[object, list[Held]] = {}
    starting: list[Held] = []
    for held in project.loop_holds.of(kinds):
        if held.once:
            starting.append(held)
        else:
            serving.setdefault(key(project, held), []).append(held)
    for group in together(project, serving.values()) if together is not None else serving.values():
        trivial = all(h.is_trivial for h in group)
        if not all(h.name in METADATA for h in group):
            after_error = all(h.after is not None for h in group)
            graver = MEDIUM if after_error and impact is None else impact
            if all(h.per_key for h in group):
                graver = MEDIUM if graver is None else LOW
            yield _hit(project, sorted(group, key=lambda h: h.order), LOW if trivial else graver)
    if not all(h.is_trivial for h in starting):
        yield _hit(project, sorted(starting, key=lambda h: h.order), LOW)


def _by_entry(project: Project, held: Held) -> object:
    """One cause: the client that an object keeps, else the plain function that a coroutine calls or the coroutine."""
    if held.is_of_object:
        return held.function.owner, held.kind
    entry = project.event_loop.entry(held.function, held.site)
    return held.function if entry is None else entry.node


def _by_module(_: Project, held: Held) -> object:
    return held.function.module


def _by_library(_: Project, held: Held) -> object:
    """Calls of a synchronous driver or session in one class or module."""
    return held.function.owner or held.function.module, held.kind


def _sharing_entries(project: Project, groups: Iterable[list[Held]]) -> Iterator[list[Held]]:
    """One cause: groups of one kind together that a path operation (or whatever else FastAPI calls) waits for both."""
    joined: list[tuple[set[object], list[Held]]] = []
    for group in groups:
        reached = {(h.function, h.site) for h in group}
        loop = project.event_loop
        roots = [r for h in reached for r in loop.roots_reaching(*h) if r.kind != "start-up"]
        roots = roots or [loop.root(*h) for h in reached]
        entries: set[object] = {(r.function, group[0].kind.instead) for r in roots}
        together = [other for other in joined if not entries.isdisjoint(other[0])]
        joined = [other for other in joined if other not in together]
        held = [h for _, earlier in together for h in earlier] + group
        joined.append((entries.union(*(e for e, _ in together)), held))
    yield from (held for _, held in joined)


def _hit(project: Project, group: list[Held], impact: str | None) -> Hit:
    loop = project.event_loop
    first, root, routes, way = _shared_dependency(project, group) or _nearest(project, group[0])
    more = [h for h in group if h is not first]
    starting = root.kind == "start-up"
    where = f"while starting ({root.label})" if starting else f"in {root.label}{', once' if first.once else ''}"
    where += f" of {routes} routes" if routes else ""
    where += ", where its cache has no answer" if first.per_key else ""
    where += f", only after an error (except {_caught(first.after)})" if first.after is not None else ""
    certain = "inferred" not in (first.site.certainty, loop.certainty(first.function, first.site))
    also = {h.spelled for h in more} - {first.spelled}
    roots = [r for h in group for r in loop.roots_reaching(h.function, h.site)]
    if all(r.kind == "handler" and project.guard_matrix.handles_admins_only(r.function) for r in roots or [root]):
        impact = impact or MEDIUM
    if all(h.kind.kind == "hashing" for h in group):
        impact = _hashing(project, group, roots or [root], impact)
    elif all(loop.only_if_chosen(h.function, h.site) for h in group):
        impact = impact or MEDIUM
    left = root.kind == "background task" and all(r.kind == "start-up" for r in roots)
    if left and not _goes_round(project, root.function):
        impact = impact or MEDIUM  # a task that start-up leaves behind and that soon ends
    many = f"; so {'does' if len(more) == 1 else 'do'} {_counted(more, also)}" if more else ""
    others = [] if starting else _other_handlers(loop, group, root)
    plain = "" if starting or first.once else _plain_def(project, [root, *others])
    also_in = _listed([r.label for r in others])
    message = f"{first.spelled} blocks the event loop {where}; instead: {first.kind.instead}{plain}{many}{also_in}"
    trace = (*way, first.site.place(first.spelled))
    places = (*(h.site.place(h.spelled) for h in more), *(r.place() for r in others[:MAX_PLACES]))
    return Hit(first.site.place(), message, trace, impact, "resolved" if certain else "inferred", places)


def _hashing(project: Project, group: list[Held], roots: list[Root], impact: str | None) -> str | None:
    """Low for a hash made once in the life of an account, for a caller who is known; Medium for few rounds."""
    handlers = {root.function for root in roots}
    routes = [route for route in project.routes if route.function in handlers]
    known = impact is not None or (bool(routes) and all(route.auth for route in routes))
    if all(_MAKES_HASH.search(h.name) and _is_rare_change(h, roots) for h in group):
        return LOW if known else MEDIUM
    return impact or MEDIUM if all(_is_short(project, h) for h in group) else impact


def _is_rare_change(held: Held, roots: list[Root]) -> bool:
    """Whether a hash is made for a new account or password, by the names of what makes it or of all who ask for it."""
    after = _caught(held.after) if held.after is not None else ""
    if _NEW_ACCOUNT.search(f"{held.function.qualname} {after}"):
        return True
    return all(_NEW_ACCOUNT.search(root.label) or _NEW_PASSWORD.search(root.label) for root in roots)


def _is_short(project: Project, held: Held) -> bool:
    """Whether PBKDF2 goes so few rounds that it takes some tens of milliseconds."""
    rounds = held.site.argument(3, "iterations") if held.name == "hashlib.pbkdf2_hmac" else None
    known = project.defaults.of(rounds, held.site.scope)
    return known is not None and isinstance(known.value, int) and known.value <= SHORT_PBKDF2


def _goes_round(project: Project, task: Function) -> bool:
    """Whether a task, or a coroutine it awaits, has a loop that may go on while the application serves."""
    awaited = [t for site in project.calls.sites(task) if site.awaited for t in site.targets if t.is_async]
    return any(f.all(ast.While) or f.all(ast.AsyncFor) for f in (task, *awaited))


def _caught(clause: ast.ExceptHandler) -> str:
    return ast.unparse(clause.type) if clause.type is not None else "anything"


Way = tuple[Held, Root, int, tuple[Place, ...]]  # a call, where it starts, of how many routes that is a part, the trace


def _nearest(project: Project, held: Held) -> Way:
    loop = project.event_loop
    return held, loop.root(held.function, held.site), 0, loop.trace(held.function, held.site)


def _shared_dependency(project: Project, group: list[Held]) -> Way | None:
    """A dependency by which more routes come to wait, without an error, than path operations of their own."""
    loop = project.event_loop
    usual = [h for h in group[:20] if h.after is None and not h.once]
    reaching = {h: loop.roots_reaching(h.function, h.site) for h in usual}
    found = {r.function: r for roots in reaching.values() for r in roots if r.kind == "dependency"}
    handlers = {r.label for roots in reaching.values() for r in roots if r.kind == "handler"}
    counted = sorted(((-_routes_with(project, r), r.label, r) for r in found.values()), key=lambda c: c[:2])
    for fewer, _, root in counted:
        if -fewer > max(len(handlers), 1):
            for held in usual:
                way = loop.way_from(root, held.function) if root in reaching[held] else ()
                if way:
                    return held, root, -fewer, way
    return None


def _routes_with(project: Project, root: Root) -> int:
    return sum(root.function in route.dependency_functions for route in project.routes)


def _counted(more: list[Held], names: set[str]) -> str:
    shown = ", ".join(sorted(names)[:3])
    return f"{len(more)} more call{'s' if len(more) > 1 else ''} of the same cause{f' ({shown})' if shown else ''}"


def _other_handlers(loop: Reach, group: list[Held], root: Root) -> list[Root]:
    """Other path operations that reach one of the calls, each once."""
    reaching = (r for h in group for r in loop.roots_reaching(h.function, h.site) if r.kind == "handler")
    found = {r.function: r for r in reaching if r.function is not root.function}
    return sorted(found.values(), key=lambda r: r.label)


def _listed(labels: list[str]) -> str:
    """`; also in GET /a a, GET /b b and 7 more path operations`."""
    shown = labels if len(labels) <= SHOWN + 1 else labels[:SHOWN]
    more = f" and {len(labels) - len(shown)} more path operations" if len(labels) > len(shown) else ""
    return f"; also in {', '.join(shown)}{more}" if labels else ""


def _plain_def(project: Project, roots: list[Root]) -> str:
    """Where a plain def would do, as nothing the function awaits needs the event loop."""
    fit = [root for root in roots if project.loop_holds.can_be_plain(root)]
    if not fit:
        return ""
    if len(roots) == 1:
        return f", or a plain def ({fit[0].function.name} awaits nothing that needs the loop)"
    return f", or a plain def ({len(fit)} of the {len(roots)} await nothing that needs the loop)"
