"""Sessions: who shares them, who commits when, who closes them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, request_hop
from project import Function, Place, Project
from project.data.sessions import Factory, is_session
from project.data.shared_sessions import shared_sessions
from project.data.statements import is_session_class
from project.language.literals import truth
from project.language.scopes import parent, parents
from project.language.value_types import Instance

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
    object raises MissingGreenlet (wrapped in StatementError since SQLAlchemy 2.1).

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
    factories = [f for f in project.sessions.factories if f.asynchronous]
    expiring = [f for f in factories if "expire_on_commit" not in f.options]
    if not expiring or any(truth(f.options.get("expire_on_commit")) is False for f in factories):
        return
    reads = sorted({(p.path, p.line): p for p in _reads_after_commit(project)}.values())
    if reads:
        first: Factory = expiring[0]
        where = f"{reads[0].path}:{reads[0].line}"
        yield Hit(
            first.place,
            f"objects expire at commit, and {counted(len(reads), 'place')} read them afterwards, first {where}",
            (first.place, reads[0]),
            places=tuple(reads[:20]),
        )


def _reads_after_commit(project: Project) -> Iterator[Place]:
    functions = {id(s): s for _, s in project.spelled.calls("commit") if isinstance(s, Function) and s.is_async}
    for function in functions.values():
        yield from _reads_in(project, function)


def _reads_in(project: Project, function: Function) -> Iterator[Place]:
    """Attributes of model objects that are read below an awaited commit in the same block."""
    for wait in function.all(ast.Await):
        call = wait.value
        if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "commit"):
            continue
        if not is_session(project, call.func.value, function):
            continue
        after = _statements_after(wait)
        refreshed = {
            n.id
            for s in after
            for n in ast.walk(s)
            if isinstance(n, ast.Name) and isinstance(parent(n), ast.Call) and _called(parent(n)) == "refresh"
        }
        for statement in after:
            for node in ast.walk(statement):
                if (
                    (
                        isinstance(node, ast.Attribute)
                        and isinstance(node.ctx, ast.Load)
                        and isinstance(node.value, ast.Name)
                    )
                    and node.value.id not in refreshed
                    and _is_model_column(project, node, function)
                ):
                    yield function.place(node, f"reads {ast.unparse(node)} after commit")


def _statements_after(node: ast.AST) -> list[ast.stmt]:
    """Statements that follow in the same block, up to the next one that leaves it."""
    child: ast.AST = node
    for holder in parents(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(holder, name, None)
            if isinstance(block, list) and any(s is child for s in block):
                at = next(i for i, s in enumerate(block) if s is child)
                return list(block[at + 1 :])
        child = holder
    return []


def _called(node: ast.AST | None) -> str:
    func = node.func if isinstance(node, ast.Call) else None
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _is_model_column(project: Project, node: ast.Attribute, function: Function) -> bool:
    models = [
        m
        for v in project.values.of(node.value, function)
        if isinstance(v, Instance) and (m := project.models.of(v.cls)) is not None
    ]
    models += [r.model for r in project.rows.of(node.value, function) if r.model is not None and r.shape == "one"]
    return any(node.attr in m.columns for m in models)


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
    if _route_class_commits(project):
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
