"""Sessions: who shares them, who commits when, who closes them."""

from __future__ import annotations

import ast

from check import HIGH, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, request_hop
from project import Function, Place, Project
from project.data.queries import WRITE
from project.data.sessions import Factory, Opening, options
from project.data.shared_sessions import shared_sessions
from project.data.statements import ASYNC_SESSIONS, is_session_class
from project.language.literals import truth
from project.language.scopes import parents
from project.language.value_types import Instance

MAX_CALLERS = 3
_CONTEXT_MANAGERS = frozenset(("contextlib.contextmanager", "contextlib.asynccontextmanager"))


@data.check(
    "DAT004",
    "async-expire-on-commit",
    title="AsyncSession expires objects at commit, and they are read afterwards",
    impact=HIGH,
    anti_pattern=6,
    fix="Make the factory with async_sessionmaker(engine, expire_on_commit=False).",
)
def async_expire_on_commit(project: Project) -> Found:
    """After commit each attribute must be loaded again, which AsyncSession cannot do on access: even the id of a new
    object raises MissingGreenlet (since SQLAlchemy 2.1 inside a StatementError, but with asyncpg).

    Source: SQLAlchemy, Asynchronous I/O, https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html

    Bad:
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)

        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"))  # DAT004

        async def create(session: AsyncSession) -> int:
            hero = Hero()
            session.add(hero)
            await session.commit()
            return hero.id
    Good:
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)

        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        async def create(session: AsyncSession) -> int:
            hero = Hero()
            session.add(hero)
            await session.commit()
            return hero.id
    Not this:
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)

        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"))

        async def create(session: AsyncSession) -> int:
            hero = Hero()
            session.add(hero)
            await session.commit()
            await session.refresh(hero)
            return hero.id
    """
    made: list[Factory | Opening] = [f for f in project.sessions.factories if f.asynchronous]
    made += [o for o in project.sessions.openings if _is_async_session_class(project, o)]
    given = [options(m.call) for m in made]
    expiring = [
        m for m, (option, more) in zip(made, given, strict=True) if not more and "expire_on_commit" not in option
    ]
    if not expiring or any(truth(option.get("expire_on_commit")) is False for option, _ in given):
        return
    reads = sorted({(p.path, p.line): p for p in project.expired_reads}.values())
    if reads:
        first = expiring[0]
        where = f"{reads[0].path}:{reads[0].line}"
        yield Hit(
            first.place,
            f"objects expire at commit, and {counted(len(reads), 'place')} read them afterwards, first {where}",
            (first.place, reads[0]),
            places=tuple(reads[:20]),
        )


def _is_async_session_class(project: Project, opening: Opening) -> bool:
    """`AsyncSession(engine)`, made without a factory."""
    return opening.asynchronous and project.names.canonical(opening.call.func, opening.scope) in ASYNC_SESSIONS


def _called(node: ast.AST | None) -> str:
    func = node.func if isinstance(node, ast.Call) else None
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


@data.check(
    "DAT005",
    "session-shared-across-tasks",
    title="One session used by several concurrent tasks",
    impact=HIGH,
    anti_pattern=6,
    fix="Open a session inside each coroutine, or run the statements one after the other.",
)
def session_shared_across_tasks(project: Project) -> Found:
    """A session is one connection for one task. Shared, it raises on first use, runs the statements one after the other
    at best, and breaks flushes and commits at worst; tests mostly miss it.

    Source: SQLAlchemy, Using AsyncSession with Concurrent Tasks,
    https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html

    Bad:
        import asyncio
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession

        async def count(session: AsyncSession, table: str):
            return await session.scalar(text("SELECT count(*) FROM " + table))

        class Repository:
            def __init__(self, session: AsyncSession):
                self.session = session

            async def newest(self):
                return await self.session.scalar(text("SELECT max(id) FROM orders"))

            async def oldest(self):
                return await self.session.scalar(text("SELECT min(id) FROM orders"))

        async def both(session: AsyncSession):
            return await asyncio.gather(count(session, "users"), count(session, "orders"))  # DAT005

        async def ends(session: AsyncSession):
            orders = Repository(session)
            async with asyncio.TaskGroup() as group:
                group.create_task(orders.newest())  # DAT005
                group.create_task(orders.oldest())

        async def each(session: AsyncSession, tables: list[str]):
            return await asyncio.gather(*[count(session, table) for table in tables])  # DAT005
    Good:
        import asyncio
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"))

        async def count(table: str):
            async with SessionLocal() as session:
                return await session.scalar(text("SELECT count(*) FROM " + table))

        async def both():
            return await asyncio.gather(count("users"), count("orders"))
    Not this:
        import asyncio
        import httpx
        from sqlalchemy import text
        from sqlalchemy.ext.asyncio import AsyncSession

        async def count(session: AsyncSession):
            return await session.scalar(text("SELECT count(*) FROM users"))

        async def one_of_two(session: AsyncSession, client: httpx.AsyncClient):
            return await asyncio.gather(count(session), client.get("https://rates.test"))

        async def in_turn(session: AsyncSession):
            return [await count(session), await count(session)]
    """
    for shared in shared_sessions(project):
        users = f"{len(shared.users)} calls" if not shared.repeated else "a call for each item"
        what = "AsyncSession" if shared.asynchronous else "Session"
        yield Hit(
            shared.together.place,
            f"{users} use the {what} {shared.session} at the same time",
            (*request_hop(project, shared.together.scope), *shared.users),
            None,
            shared.certainty,
        )


@data.check(
    "DAT006",
    "commit-in-dependency-exit",
    title="Commit after yield runs when the response is already sent",
    impact=HIGH,
    anti_pattern=6,
    fix="Commit in the service, or declare the dependency with Depends(..., scope='function') (FastAPI 0.121).",
)
def commit_in_dependency_exit(project: Project) -> Found:
    """Code after `yield` runs after the response (FastAPI 0.118 and newer, and before 0.106): a failed commit cannot
    change the 200, and a client that reads at once may miss its own write.

    Source: FastAPI, Advanced Dependencies, https://fastapi.tiangolo.com/advanced/advanced-dependencies/

    Bad:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi==0.165.0"]
        # main.py
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

        app = FastAPI()
        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        async def get_session():
            async with SessionLocal() as session:
                yield session
                await session.commit()  # DAT006

        @app.post("/orders")
        async def create(session: Annotated[AsyncSession, Depends(get_session)]) -> None:
            session.add(object())
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi==0.165.0"]
        # main.py
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine

        app = FastAPI()
        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        async def get_session():
            async with SessionLocal() as session:
                yield session
                await session.commit()

        @app.post("/orders")
        async def create(session: Annotated[AsyncSession, Depends(get_session, scope="function")]) -> None:
            session.add(object())
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi==0.165.0"]
        # main.py
        from contextlib import asynccontextmanager
        from fastapi import Depends, FastAPI
        from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

        app = FastAPI()
        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        @asynccontextmanager
        async def session_scope():
            async with SessionLocal() as session:
                yield session
                await session.commit()

        async def get_session():
            async with SessionLocal() as session:
                yield session

        @app.post("/orders")
        async def create(session=Depends(get_session)) -> None:
            async with session_scope() as other:
                other.add(session)
    """
    if project.running.exits_before_response:
        return
    if _route_class_commits(project) or _writers_commit(project):
        return
    for function, calls in sorted(project.sessions.dependencies.items(), key=lambda item: item[0].place()):
        if (
            function.is_generator
            and not all(_function_scope(c) for c in calls)
            and not _is_context_manager(project, function)
        ):
            late = _late_commit(project, function)
            if late is not None:
                yield Hit(
                    late,
                    f"{function.name} commits after yield: the response is sent before the commit",
                    (function.place(label="dependency"), late),
                )


def _function_scope(call: ast.Call) -> bool:
    return any(
        k.arg == "scope" and isinstance(k.value, ast.Constant) and k.value.value == "function" for k in call.keywords
    )


def _is_context_manager(project: Project, function: Function) -> bool:
    outer = function.parent or function.module
    return any(project.names.canonical(d, outer) in _CONTEXT_MANAGERS for d in function.decorators)


def _route_class_commits(project: Project) -> bool:
    for module in project.app_modules:
        for cls in module.classes:
            if project.names.derives(cls, "fastapi.routing.APIRoute") and any(
                _called(c) == "commit" for s in cls.walk() for c in s.all(ast.Call)
            ):
                return True
    return False


def _writers_commit(project: Project) -> bool:
    """Whether all that changes rows commits before it is left, or is only called by what does: nothing is left over."""
    functions = [f for m in project.app_modules for f in m.functions if _changes(project, f)]
    return bool(functions) and all(_is_committed(project, f, frozenset()) for f in functions)


def _changes(project: Project, function: Function) -> list[int]:
    """Lines where a function changes rows itself."""
    written = [e.node.lineno for e in project.queries.of(function) if e.effect == WRITE]
    return written + [s.node.lineno for s in project.calls.sites(function) if project.queries.stored(s)]


def _is_committed(project: Project, function: Function, seen: frozenset[Function]) -> bool:
    commits = [c.lineno for c in function.all(ast.Call) if _called(c) == "commit"]
    if commits and max(commits) >= max(_changes(project, function), default=0):
        return True
    callers = [s.scope for s in project.calls.callers(function) if s.scope.module.kind == "app"]
    inner = seen | {function}
    return (
        bool(callers)
        and len(seen) < MAX_CALLERS
        and all(isinstance(c, Function) and c not in inner and _is_committed(project, c, inner) for c in callers)
    )


def _late_commit(project: Project, function: Function, depth: int = 0) -> Place | None:
    """Where a generator commits what it yields after the yield, or the `begin()` that does so on exit."""
    for given in function.all(ast.Yield):
        if given.value is None:
            continue
        written = ast.unparse(given.value)
        for call in function.all(ast.Call):
            after = (call.lineno, call.col_offset) > (given.lineno, given.col_offset)
            if (
                after
                and _called(call) == "commit"
                and isinstance(call.func, ast.Attribute)
                and ast.unparse(call.func.value) == written
            ):
                return function.place(call)
        for holder in parents(given):
            for item in getattr(holder, "items", ()) if isinstance(holder, (ast.With, ast.AsyncWith)) else ():
                opened = item.context_expr
                if isinstance(opened, ast.Call) and _commits_on_exit(project, opened, function, depth):
                    return function.place(opened)
    return None


def _commits_on_exit(project: Project, opened: ast.Call, function: Function, depth: int) -> bool:
    """`session.begin()`, `SessionLocal.begin()`, or a context manager of the project that commits when it is left."""
    if _called(opened) == "begin":
        return _begins_session(project, opened, function)
    targets = project.calls.site(opened, function).targets if depth < 2 else ()
    return any(
        t.is_generator and _is_context_manager(project, t) and _late_commit(project, t, depth + 1) is not None
        for t in targets
    )


def _begins_session(project: Project, opened: ast.Call, function: Function) -> bool:
    if not isinstance(opened.func, ast.Attribute):
        return False
    for value in project.values.of(opened.func.value, function):
        if isinstance(value, Instance) and (
            is_session_class(value, project.names) or value.dotted.endswith("sessionmaker")
        ):
            return True
    return False
