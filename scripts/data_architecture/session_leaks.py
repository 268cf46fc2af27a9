"""Sessions that nobody closes for sure."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, request_hop
from project import Class, Function, Module, Project, Scope
from project.data.lasting_sessions import lasting_sessions
from project.data.sessions import Opening, is_session
from project.language.command_line import parses_arguments, runs_from_command_line
from project.language.scopes import parent, parents
from project.language.value_types import Bound


@data.check(
    "DAT008",
    "session-leak",
    title="Session that nobody closes for sure",
    impact=HIGH,
    anti_pattern=6,
    fix="Open sessions with a with statement, and inject them into routes with Depends.",
)
def session_leak(project: Project) -> Found:
    """A session that is not closed keeps its connection and transaction; a shared one mixes the data of all requests.

    Source: SQLAlchemy, Session Basics, https://docs.sqlalchemy.org/en/21/orm/session_basics.html

    Bad:
        from fastapi import FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import sessionmaker

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("sqlite://"))
        shared = SessionLocal()  # DAT008

        class Database:
            def __init__(self):
                self.session = SessionLocal()  # DAT008

        database = Database()

        def get_db():
            db = SessionLocal()  # DAT008
            yield db
            db.close()

        @app.get("/count")
        def count() -> int:
            db = next(get_db())  # DAT008
            return db.scalar(text("SELECT 1"))

        @app.get("/sum")
        def total() -> int:
            db = SessionLocal()  # DAT008
            found = db.scalar(text("SELECT 2"))
            db.close()
            return found
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import Session, sessionmaker

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("sqlite://"))

        def get_db():
            with SessionLocal() as db:
                yield db

        @app.get("/count")
        def count(db: Annotated[Session, Depends(get_db)]) -> int:
            return db.scalar(text("SELECT 1"))
    Not this:
        from sqlalchemy import create_engine, text
        from sqlalchemy.orm import scoped_session, sessionmaker

        SessionLocal = sessionmaker(create_engine("sqlite://"))
        registry = scoped_session(SessionLocal)

        def get_db():
            db = SessionLocal()
            try:
                yield db
            finally:
                db.close()

        def report() -> int:
            db = SessionLocal()
            try:
                return db.scalar(text("SELECT 1"))
            finally:
                db.close()

        def open_session():
            return SessionLocal()

        def in_block() -> int:
            db = SessionLocal()
            with db:
                return db.scalar(text("SELECT 1"))
    """
    for opening in project.sessions.openings:
        message = _leak(opening)
        if message and not _ends_with_process(project, opening):
            name, impact = message
            places = (opening.scope.place(),) if opening.yielded else ()
            yield Hit(opening.place, name, request_hop(project, opening.scope), impact, places=places)
    for lasting in lasting_sessions(project):
        yield Hit(
            lasting.opening.place,
            f"{lasting.keeper} keeps one session for the whole process: every request shares it",
            (lasting.made,),
        )
    yield from _generators_stepped(project)


def _leak(opening: Opening) -> tuple[str, str] | None:
    if opening.scoped or opening.held == "with":
        return None
    if isinstance(opening.scope, (Module, Class)):
        if opening.held != "name" or _is_script(opening) or opening.closed:
            return None
        return f"{opening.name} is one session for the whole process: every request and thread shares it", HIGH
    if opening.held != "name" or opening.closed in ("with", "finally") or not opening.uses:
        return None
    if opening.closed == "plain":
        return (
            f"{opening.name} is closed only when nothing raises: an exception before close() keeps its connection",
            HIGH if opening.yielded else MEDIUM,
        )
    if opening.yielded:
        return f"{opening.name} is handed out by yield and never closed", HIGH
    return f"{opening.name} is opened here and never closed", HIGH


def _ends_with_process(project: Project, opening: Opening) -> bool:
    """Whether the session lives in a command: the process ends soon after and gives its connection back."""
    inside = isinstance(opening.scope, Function) and not opening.yielded
    return inside and project.requests.within(opening.scope) is None and runs_from_command_line(project, opening.scope)


def _is_script(opening: Opening) -> bool:
    """Whether the session is opened in a main block, or by a file that is a command."""
    blocks = (h for h in parents(opening.call) if isinstance(h, ast.If))
    return parses_arguments(opening.scope.module) or any("__main__" in ast.unparse(b.test) for b in blocks)


def _generators_stepped(project: Project) -> Iterator[Hit]:
    """`next(get_db())`: the generator is dropped at once, so its `finally` closes the session before it is used."""
    found: dict[Function, list[tuple[Scope, ast.Call]]] = {}
    for call, scope in project.spelled.calls("next", "anext", "__next__", "__anext__"):
        inner = _stepped(call)
        if inner is None or isinstance(parent(call), ast.withitem):
            continue
        for value in project.values.of(inner.func, scope):
            function = value.function if isinstance(value, Bound) else value
            if isinstance(function, Function) and function.is_generator and _yields_session(project, function):
                found.setdefault(function, []).append((scope, call))
    for function, calls in found.items():
        scope, call = calls[0]
        what = f"{function.name} is stepped once and dropped, which closes the session before it is used"
        more = f" ({counted(len(calls), 'place')})" if len(calls) > 1 else ""
        places = tuple(s.place(c) for s, c in calls[1:])
        yield Hit(scope.place(call), what + more, request_hop(project, scope), places=places)


def _stepped(call: ast.Call) -> ast.Call | None:
    """The inner call of `next(f())`, `anext(f())`, `f().__next__()`, `f().__anext__()`."""
    if isinstance(call.func, ast.Name) and call.func.id in ("next", "anext") and call.args:
        return call.args[0] if isinstance(call.args[0], ast.Call) else None
    if isinstance(call.func, ast.Attribute) and call.func.attr in ("__next__", "__anext__"):
        return call.func.value if isinstance(call.func.value, ast.Call) else None
    return None


def _yields_session(project: Project, function: Function) -> bool:
    if any(f is function for f, _ in project.sessions.generators()):
        return True
    return any(is_session(project, y.value, function) for y in function.all(ast.Yield) if y.value is not None)
