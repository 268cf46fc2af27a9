"""Engines and connection pools: made once, with options that fit the server, and a schema that migrations own."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, joined
from project import Class, Function, Module, Project
from project.data.sessions import ASYNC_ENGINES, SYNC_ENGINES, Engine
from project.data.statements import is_session_class
from project.language.calls import CallSite
from project.language.command_line import is_command_line
from project.language.literals import truth
from project.language.scopes import parent, parents
from project.language.value_types import Instance

_MADE_ONCE = (
    SYNC_ENGINES
    | ASYNC_ENGINES
    | frozenset(
        "pymongo.MongoClient pymongo.AsyncMongoClient motor.motor_asyncio.AsyncIOMotorClient asyncpg.create_pool "
        "aiomysql.create_pool asyncmy.create_pool psycopg_pool.ConnectionPool psycopg_pool.AsyncConnectionPool".split()
    )
)
_CACHES = frozenset("functools.lru_cache functools.cache functools.cached_property async_lru.alru_cache".split())


@data.check(
    "DAT007",
    "engine-per-request",
    title="Engine or connection pool made for each request",
    impact=HIGH,
    anti_pattern=6,
    fix="Make the engine once at module level or in the lifespan, and dispose of it at shutdown.",
)
def engine_per_request(project: Project) -> Found:
    """Each engine brings a pool of its own, so every request opens new connections until the server refuses them.

    Source: SQLAlchemy, Working with Engines and Connections, https://docs.sqlalchemy.org/en/21/core/connections.html

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session

        app = FastAPI()

        def get_db():
            engine = create_engine("postgresql://db/app")  # DAT007
            with Session(engine) as session:
                yield session

        @app.get("/count")
        def count(db: Annotated[Session, Depends(get_db)]) -> int:
            return db.scalar(text("SELECT 1"))
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session

        app = FastAPI()
        engine = create_engine("postgresql://db/app", pool_pre_ping=True)

        def get_db():
            with Session(engine) as session:
                yield session

        @app.get("/count")
        def count(db: Annotated[Session, Depends(get_db)]) -> int:
            return db.scalar(text("SELECT 1"))
    Not this:
        from contextlib import asynccontextmanager
        from functools import lru_cache
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text

        tenants = {}

        @asynccontextmanager
        async def lifespan(app):
            app.state.engine = create_engine("postgresql://db/app")
            yield
            app.state.engine.dispose()

        app = FastAPI(lifespan=lifespan)

        @lru_cache
        def get_engine():
            return create_engine("postgresql://db/app")

        def tenant_engine(tenant: str):
            if tenant not in tenants:
                tenants[tenant] = create_engine("postgresql://db/" + tenant)
            return tenants[tenant]

        def try_address(address: str) -> bool:
            engine = create_engine(address)
            try:
                return engine.connect() is not None
            finally:
                engine.dispose()

        @app.get("/check")
        def check(address: str, engine=Depends(get_engine), other=Depends(tenant_engine)) -> bool:
            return try_address(address)
    """
    for function, site, name in project.requests.calls_of(_MADE_ONCE.__contains__):
        if site.call is None or project.requests.is_rare(function) or _outlives(project, function, site):
            continue
        root = project.requests.root(function)
        yield Hit(
            site.place(),
            f"{name.rsplit('.', 1)[-1]} makes a new pool each time {root.label} runs",
            (*project.requests.trace(function), site.place("makes a pool")),
            None,
            site.certainty,
        )


def _outlives(project: Project, function: Function, site: CallSite) -> bool:
    """Whether what is made stays: in a cache, a global, an object, a mapping; or is disposed of where it is made."""
    scope = function.parent or function.module
    for decorator in function.decorators:
        head = decorator.func if isinstance(decorator, ast.Call) else decorator
        last = head.attr if isinstance(head, ast.Attribute) else head.id if isinstance(head, ast.Name) else ""
        if project.names.canonical(head, scope) in _CACHES or "cache" in last.lower():
            return True
    if function.name in ("__init__", "__new__", "__post_init__", "lifespan") or any(
        _called(c) in ("dispose", "close", "aclose") for c in function.all(ast.Call)
    ):
        return True
    for holder in parents(site.node):
        if isinstance(holder, ast.If) and any(isinstance(n, (ast.Is, ast.NotIn)) for n in ast.walk(holder.test)):
            return True
        if isinstance(holder, (ast.Assign, ast.AnnAssign)):
            targets = holder.targets if isinstance(holder, ast.Assign) else [holder.target]
            if any(isinstance(t, (ast.Attribute, ast.Subscript)) for t in targets):
                return True
            names = {t.id for t in targets if isinstance(t, ast.Name)}
            if any(names & set(g.names) for g in function.all(ast.Global)) or any(_kept(function, n) for n in names):
                return True
        if isinstance(holder, ast.Return):
            return _callers_keep(project, function, 0)
    return False


def _kept(function: Function, name: str) -> bool:
    """Whether a local is stored on an object or in a mapping, handed back with caching callers unknown, or closed
    over.
    """
    for use in function.all(ast.Name):
        holder = parent(use)
        if use.id == name and isinstance(use.ctx, ast.Load) and isinstance(holder, (ast.Assign, ast.Return)):
            return True
    return False


def _callers_keep(project: Project, function: Function, depth: int) -> bool:
    """Whether every caller of a function that returns an engine keeps it."""
    callers = project.calls.callers(function)
    if not callers or depth > 3:
        return function not in project.sessions.dependencies
    return all(
        isinstance(s.scope, (Module, Class)) or (isinstance(s.scope, Function) and _outlives(project, s.scope, s))
        for s in callers
    )


def _called(node: ast.AST | None) -> str:
    func = node.func if isinstance(node, ast.Call) else None
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


@data.check(
    "DAT009",
    "pool-vs-threadpool",
    title="Sync sessions of plain routes can exhaust pool and threads",
    impact=MEDIUM,
    anti_pattern=6,
    fix="Cap the dependency with Depends(get_db, max_concurrency=N) (FastAPI 0.163), or close it before returning.",
)
def pool_vs_threadpool(project: Project) -> Found:
    """A finished `def` route keeps its connection while it waits for a thread to validate the response; under load all
    threads wait for connections and the process stands still until the pool's timeout.

    Source: FastAPI issue 12066, https://github.com/fastapi/fastapi/issues/12066, and SQLAlchemy, Connection Pooling,
    https://docs.sqlalchemy.org/en/21/core/pooling.html

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session, sessionmaker

        app = FastAPI()
        engine = create_engine("postgresql+psycopg://db/app", pool_pre_ping=True)  # DAT009
        SessionLocal = sessionmaker(engine)

        def get_db():
            with SessionLocal() as db:
                yield db

        DB = Annotated[Session, Depends(get_db)]

        class Count(BaseModel):
            value: int

        @app.get("/orders")
        def orders(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))

        @app.get("/users")
        def users(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))

        @app.get("/items")
        def items(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session, sessionmaker

        app = FastAPI()
        engine = create_engine("postgresql+psycopg://db/app", pool_pre_ping=True)
        SessionLocal = sessionmaker(engine)

        def get_db():
            with SessionLocal() as db:
                yield db

        DB = Annotated[Session, Depends(get_db, max_concurrency=15)]

        class Count(BaseModel):
            value: int

        @app.get("/orders")
        def orders(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))

        @app.get("/users")
        def users(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))

        @app.get("/items")
        def items(db: DB) -> Count:
            return Count(value=db.scalar(text("SELECT 1")))
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session, sessionmaker

        app = FastAPI()
        engine = create_engine("sqlite:///app.db")
        SessionLocal = sessionmaker(engine)

        def get_db():
            with SessionLocal() as db:
                yield db

        @app.get("/orders")
        def orders(db: Annotated[Session, Depends(get_db)]) -> int:
            return db.scalar(text("SELECT 1"))
    """
    engines = [
        e
        for e in project.sessions.engines
        if not e.asynchronous and e.dialect != "sqlite" and _pool(project, e) not in ("NullPool", "StaticPool")
    ]
    if not engines or project.running.databases == {"sqlite"} or _limits_threads(project):
        return
    held = {
        f
        for f, calls in project.sessions.dependencies.items()
        if _holds_sync_session(project, f) and not any(_capped(c) for c in calls)
    }
    routes = [
        r
        for r in project.routes
        if r.function is not None
        and not r.is_async
        and r.response_model
        and not held.isdisjoint(r.dependency_functions)
    ]
    if len(routes) >= 3:
        engine = engines[0]
        message = f"{counted(len(routes), 'plain route')} keep a connection until a thread validated their response"
        yield Hit(engine.place, message, tuple(r.place for r in routes[:3]))


def _capped(call: ast.Call) -> bool:
    return any(k.arg == "max_concurrency" for k in call.keywords)


def _limits_threads(project: Project) -> bool:
    """Whether the application sets the threadpool's size itself
    (`to_thread.current_default_thread_limiter().total_tokens`).
    """
    return any(True for _ in project.spelled.attributes("total_tokens"))


def _holds_sync_session(project: Project, function: Function) -> bool:
    if not function.is_generator:
        return False
    values = [v for y in function.all(ast.Yield) if y.value is not None for v in project.values.of(y.value, function)]
    return any(
        isinstance(v, Instance) and is_session_class(v, project.names) and "async" not in v.dotted for v in values
    )


_TABLE_CALLS = frozenset("create_all drop_all reflect inspect".split())


@data.check(
    "DAT010",
    "pool-options",
    title="Connection pool without the options its server needs",
    impact=MEDIUM,
    fix="Pass pool_pre_ping=True (for MySQL pool_recycle too), and set pool_size and max_overflow by workers.",
)
def pool_options(project: Project) -> Found:
    """Without pre-ping the first request after the server closed a connection fails; the default is 5 connections, 10
    more and a wait of 30 seconds for each process.

    Source: SQLAlchemy, Connection Pooling, Dealing with Disconnects,
    https://docs.sqlalchemy.org/en/21/core/pooling.html#dealing-with-disconnects

    Bad:
        from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

        engine = create_async_engine("postgresql+asyncpg://db/app")  # DAT010
        SessionLocal = async_sessionmaker(engine, expire_on_commit=False)
    Good:
        from sqlalchemy.ext.asyncio import async_sessionmaker, create_async_engine

        engine = create_async_engine("postgresql+asyncpg://db/app", pool_pre_ping=True, pool_size=10, max_overflow=10)
        SessionLocal = async_sessionmaker(engine, expire_on_commit=False)
    Not this:
        from sqlalchemy import create_engine
        from sqlalchemy.pool import NullPool

        local = create_engine("sqlite:///app.db")
        serverless = create_engine("postgresql://db/app", poolclass=NullPool)

        def connect(url: str, options: dict):
            return create_engine(url, **options)
    """
    kinds = project.running.databases
    found: dict[tuple[str, str], list[Engine]] = {}
    for engine in project.sessions.engines:
        if engine.dialect == "sqlite" or (not engine.dialect and kinds == {"sqlite"}) or is_command_line(engine.scope):
            continue
        if engine.more_options or _short_lived(engine) or _guarded_sqlite(engine):
            continue
        if _makes_tables_only(project, engine):
            continue
        wrong = list(_wrong_options(project, engine, kinds))
        if wrong:
            found.setdefault((engine.place.path, joined(wrong)), []).append(engine)
    for (_, message), (first, *others) in found.items():
        recycled = "pool_recycle" in first.options and "QueuePool" not in message
        impact = LOW if recycled or not re.search("pre_ping|QueuePool", message) else None
        yield Hit(first.place, message, impact=impact, places=tuple(other.place for other in others))


def _pool(project: Project, engine: Engine) -> str:
    """The class of its pool by its own name, whatever the import calls it; "" for the default."""
    given = engine.options.get("poolclass")
    if given is None:
        return ""
    return (project.names.canonical(given, engine.scope) or ast.unparse(given)).rsplit(".", 1)[-1]


def _wrong_options(project: Project, engine: Engine, kinds: frozenset[str]) -> Iterator[str]:
    options = engine.options
    name = _pool(project, engine)
    if name == "QueuePool" and engine.asynchronous:
        yield "QueuePool is refused by an async engine (AsyncAdaptedQueuePool is its pool)"
    if name in ("NullPool", "StaticPool"):
        return
    if "pool_pre_ping" not in options:
        if "pool_recycle" in options:
            yield "no pool_pre_ping: after a restart of the server each connection fails one request"
        else:
            yield "no pool_pre_ping: a connection the server closed fails the next request"
        if (
            (engine.dialect or "mysql") in ("mysql", "mariadb")
            and kinds & {"mysql", "mariadb"}
            and "pool_recycle" not in options
        ):
            yield "no pool_recycle below MySQL's wait_timeout"
        if "pool_size" not in options:
            yield "default pool of 5 and 10 more for each process"
    if truth(options.get("echo")):
        yield "echo=True writes every statement to the log"


def _short_lived(engine: Engine) -> bool:
    """An engine that is disposed of where it is made, or whose connection is used at once."""
    if isinstance(parent(engine.call), ast.Attribute):
        return True
    if not isinstance(engine.scope, Function):
        return False
    holder = parent(engine.call)
    names = {t.id for t in holder.targets if isinstance(t, ast.Name)} if isinstance(holder, ast.Assign) else set()
    uses = [n for s in engine.scope.walk() for n in s.all(ast.Name) if n.id in names and isinstance(n.ctx, ast.Load)]
    methods = {h.attr for n in uses if isinstance(h := parent(n), ast.Attribute)}
    others = [n for n in uses if not isinstance(parent(n), ast.Attribute)]
    return bool(uses) and (
        "dispose" in methods or (methods <= {"connect", "begin"} and all(_is_inspected(parent(n)) for n in others))
    )


def _makes_tables_only(project: Project, engine: Engine) -> bool:
    """An engine of a module that is only handed to `create_all`, `drop_all`, `reflect` or `inspect`."""
    holder = parent(engine.call)
    targets = holder.targets if isinstance(holder, ast.Assign) else []
    name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
    if not name or isinstance(engine.scope, Function):
        return False
    uses = list(_uses(project, name, project.names.lookup(engine.scope, name)))
    called = [h.func for n in uses if isinstance(h := _holder(n), ast.Call)]
    makes = [f for f in called if (f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "")) in _TABLE_CALLS]
    return bool(uses) and len(makes) == len(uses)


def _uses(project: Project, name: str, made: object) -> Iterator[ast.expr]:
    """Where code of the project reads the variable, under its name or one that an import gives it."""
    for module in project.modules.values():
        if module.kind == "test" or name not in module.source.text:
            continue
        scopes = list(module.walk())
        known = {n for s in scopes for n, bs in s.bindings.items() if any(b.imported == name for b in bs)} | {name}
        for scope in scopes:
            nodes: list[ast.Name | ast.Attribute] = [*scope.all(ast.Name), *scope.all(ast.Attribute)]
            for node in nodes:
                written = node.id if isinstance(node, ast.Name) else node.attr
                if written in known and isinstance(node.ctx, ast.Load) and project.names.resolve(node, scope) == made:
                    yield node


def _holder(node: ast.AST) -> ast.AST | None:
    """What an argument is handed to, also as `bind=engine`."""
    holder = parent(node)
    return parent(holder) if isinstance(holder, ast.keyword) else holder


def _is_inspected(holder: ast.AST | None) -> bool:
    """`inspect(engine)`: reads the schema."""
    return isinstance(holder, ast.Call) and ast.unparse(holder.func).rsplit(".", 1)[-1] == "inspect"


def _guarded_sqlite(engine: Engine) -> bool:
    """The branch of an `if` that is about SQLite."""
    child: ast.AST = engine.call
    for holder in parents(engine.call):
        if (
            isinstance(holder, ast.If)
            and any(s is child for s in holder.body)
            and "sqlite" in ast.unparse(holder.test).lower()
        ):
            return not any(isinstance(n, ast.Not) for n in ast.walk(holder.test))
        child = holder
    return False
