"""Tables that the application itself creates."""

from __future__ import annotations

import ast
import re

from check import HIGH, MEDIUM, Found, Hit
from data_architecture.dimension import data
from project import Class, Function, Module, Place, Project, Scope
from project.language.command_line import is_command_line
from project.language.names import Variable
from project.language.scopes import parents
from project.language.value_types import Instance

_DEV = re.compile(r"debug|dev|test|local|sqlite|memory|embedded", re.IGNORECASE)


@data.check(
    "DAT016",
    "create-all-in-app",
    title="The application creates tables at start",
    impact=MEDIUM,
    fix="Let migrations own the schema: run alembic upgrade head in the release step.",
)
def create_all_in_app(project: Project) -> Found:
    """`create_all` never alters a table that exists, so the schema drifts from the models, and every worker runs it at
    once.

    Source: SQLAlchemy, Metadata, https://docs.sqlalchemy.org/en/21/core/metadata.html, and Alembic, Tutorial,
    https://alembic.sqlalchemy.org/en/latest/tutorial.html

    Bad:
        from contextlib import asynccontextmanager
        from fastapi import FastAPI
        from sqlalchemy.ext.asyncio import create_async_engine
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass

        engine = create_async_engine("postgresql+asyncpg://db/app", pool_pre_ping=True)

        @asynccontextmanager
        async def lifespan(app):
            async with engine.begin() as connection:
                await connection.run_sync(Base.metadata.create_all)  # DAT016
            yield

        app = FastAPI(lifespan=lifespan)
    Good:
        from fastapi import FastAPI
        from sqlalchemy.ext.asyncio import create_async_engine

        engine = create_async_engine("postgresql+asyncpg://db/app", pool_pre_ping=True)
        app = FastAPI()
    Not this:
        # main.py
        from fastapi import FastAPI
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass

        engine = create_engine("postgresql://db/app", pool_pre_ping=True)
        DEBUG = False
        app = FastAPI()

        if DEBUG:
            Base.metadata.create_all(engine)

        def create_tables():
            Base.metadata.create_all(engine)
        # tests/conftest.py
        from main import Base, engine

        def setup():
            Base.metadata.create_all(engine)
    """
    migrated = bool(project.migrations.environments or project.migrations.revisions)
    if not migrated and project.running.databases <= {"sqlite"}:
        return
    for node, scope in project.spelled.attributes("create_all", "generate_schemas"):
        what = _creates(project, node, scope)
        way = _way_from_start(project, node, scope) if what and not is_command_line(scope) else None
        if way is not None:
            beside = ", beside the migrations of the project" if migrated else ""
            trace = (*way, scope.place(node, what))
            yield Hit(
                scope.place(node), f"{what} runs when the application starts{beside}", trace, HIGH if migrated else None
            )


def _creates(project: Project, node: ast.Attribute, scope: Scope) -> str:
    if node.attr == "create_all" and isinstance(node.value, (ast.Attribute, ast.Name)):
        owner = node.value
        named = (
            isinstance(owner, ast.Attribute)
            and owner.attr == "metadata"
            and not _is_side_base(project, owner.value, scope)
        )
        made = any(
            isinstance(v, Instance) and v.dotted == "sqlalchemy.MetaData" for v in project.values.of(owner, scope)
        )
        return "create_all" if named or made else ""
    if node.attr == "generate_schemas":
        return "generate_schemas" if project.names.canonical(node.value, scope) == "tortoise.Tortoise" else ""
    return ""


def _is_side_base(project: Project, expr: ast.expr, scope: Scope) -> bool:
    """A base class that only models of its own module have, in a project whose other models have another one."""
    owner = project.names.resolve(expr, scope)
    others = [m for m in project.models.all if m.place.path != scope.module.path]
    if owner is None or not others:
        return False
    home = (
        owner.module.path
        if isinstance(owner, Class)
        else owner.scope.module.path
        if isinstance(owner, Variable)
        else ""
    )
    return home == scope.module.path and not any(
        m.cls is not None and owner in project.names.mro(m.cls) for m in others
    )


def _way_from_start(project: Project, node: ast.AST, scope: Scope) -> tuple[Place, ...] | None:
    """The calls from what runs with the application (import, start, request) to this code, None when nothing leads
    there.

    A branch for development or tests does not count.
    """
    if any(isinstance(h, ast.If) and _DEV.search(ast.unparse(h.test)) for h in parents(node)):
        return None
    roots = {r.function for r in project.roots}
    seen: set[Scope] = set()
    pending: list[tuple[Scope, tuple[Place, ...]]] = [(scope, ())]
    while pending:
        current, way = pending.pop(0)
        if current in seen:
            continue
        seen.add(current)
        if isinstance(current, (Module, Class)):
            return None if _only_main(node if current is scope else None) else way
        if current in roots:
            return way
        for site in project.calls.callers(current) if isinstance(current, Function) else ():
            branch = any(
                isinstance(h, ast.If) and ("__main__" in ast.unparse(h.test) or _DEV.search(ast.unparse(h.test)))
                for h in parents(site.node)
            )
            if not branch and not is_command_line(site.scope):
                pending.append((site.scope, (site.place(f"calls {current.name}"), *way)))
        if isinstance(current.parent, Function):
            pending.append((current.parent, way))
    return None


def _only_main(node: ast.AST | None) -> bool:
    return node is not None and any(isinstance(h, ast.If) and "__main__" in ast.unparse(h.test) for h in parents(node))
