"""Background tasks: what they are given, and tasks that are dropped."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import HIGH, MEDIUM, Found, Hit
from project import Class, Function, Project, Scope
from project.data.statements import is_session_class
from project.language.calls import CallSite
from project.language.order import follows
from project.language.scopes import parent, parents
from project.language.value_types import Bound, Instance
from project.serving.roots import TASK_MAKERS, calls_to

_MADE = frozenset(("add_task", "BackgroundTask"))
_RESPONSES = "starlette.responses."


@performance.check(
    "ASY006",
    "background-task-holds-request-state",
    title="Background task given the request's session or rows",
    impact=HIGH,
    fix="Pass ids, and open a session of its own inside the task.",
)
def background_task_holds_request_state(project: Project) -> Found:
    """A task that works with the request's session keeps its connection until the task ends; with scope="function",
    and from FastAPI 0.106 to 0.117, that session is closed before the task begins.

    Source: FastAPI, Dependencies with yield, https://fastapi.tiangolo.com/tutorial/dependencies/dependencies-with-yield/

    Bad:
        from fastapi import BackgroundTasks, Depends, FastAPI
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()

        async def get_db():
            async with SessionLocal() as session:
                yield session

        async def announce(session, order_id): ...

        @app.post("/orders")
        async def order(order_id: int, background: BackgroundTasks, db: AsyncSession = Depends(get_db)):
            background.add_task(announce, db, order_id)  # ASY006
    Good:
        from fastapi import BackgroundTasks, FastAPI
        from sqlalchemy.ext.asyncio import async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()

        async def announce(order_id):
            async with SessionLocal() as session: ...

        @app.post("/orders")
        async def order(order_id: int, background: BackgroundTasks):
            background.add_task(announce, order_id)
    Not this:
        from fastapi import BackgroundTasks, Depends, FastAPI
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        app = FastAPI()
        SessionLocal = async_sessionmaker()

        async def get_db():
            async with SessionLocal() as session:
                yield session

        async def announce(order_id, sessions): ...

        @app.post("/orders")
        async def order(order_id: int, background: BackgroundTasks, db: AsyncSession = Depends(get_db)):
            await db.commit()
            background.add_task(announce, order_id, SessionLocal)
    """
    for site in _task_makers(project):
        call = site.call
        if call is None:
            continue
        handed = [*call.args[1:], *(k.value for k in call.keywords if k.arg not in ("func", None))]
        sessions = [a for a in handed if _is_session(project, a, site.scope)]
        rows = [a for a in handed if _row(project, a, site.scope)]
        task = site.argument(0, "func")
        what = ast.unparse(task)[:60] if task is not None else "the task"
        keeper = _keeps_session(project, task, site.scope)
        if sessions:
            message = f"{what} works with the session of the request ({ast.unparse(sessions[0])})"
            yield Hit(site.place(), message)
        elif keeper:
            yield Hit(site.place(), f"{what} works with the session of the request (in {keeper})", certainty="inferred")
        elif rows:
            message = f"{what} gets {ast.unparse(rows[0])}, a row that belongs to the session of the request"
            yield Hit(site.place(), message, impact=MEDIUM)


def _task_makers(project: Project) -> Iterator[CallSite]:
    for call, scope in calls_to(project, _MADE):
        site = project.calls.site(call, scope)
        if TASK_MAKERS.intersection(site.names):
            yield site


def _is_session(project: Project, expr: ast.expr, scope: Scope) -> bool:
    if not isinstance(expr, (ast.Name, ast.Attribute)):
        return False
    return any(isinstance(v, Instance) and is_session_class(v, project.names) for v in project.values.of(expr, scope))


def _row(project: Project, expr: ast.expr, scope: Scope) -> bool:
    if not isinstance(expr, (ast.Name, ast.Attribute)):
        return False
    values = project.values.of(expr, scope)
    found = [project.models.of(v.cls) for v in values if isinstance(v, Instance)]
    return any(m is not None and m.orm == "sqlalchemy" for m in found)


def _keeps_session(project: Project, task: ast.expr | None, scope: Scope) -> str:
    """The class of a bound method's object that keeps a session which a dependency made, "" when there is none."""
    for value in project.values.of(task, scope) if isinstance(task, ast.Attribute) else ():
        if not isinstance(value, Bound) or not isinstance(value.owner, Class):
            continue
        init = project.names.class_member(value.owner, "__init__")
        asked = [d for _, d in init.params if d is not None] if isinstance(init, Function) else []
        if any(
            project.values.depends(d, init.parent or init.module) is not None
            for d in asked
            if isinstance(init, Function)
        ):
            used = {a.attr for a in value.function.all(ast.Attribute)}
            for name in used:
                held = project.values.attribute(Instance(value.owner), name)
                if any(isinstance(v, Instance) and is_session_class(v, project.names) for v in held):
                    return value.owner.name
    return ""


@performance.check(
    "ASY007",
    "background-task-dropped",
    title="Background task that never runs",
    impact=MEDIUM,
    fix="Add the task right before the return, in one BackgroundTasks object.",
)
def background_task_dropped(project: Project) -> Found:
    """Background tasks run only when the path operation returns (a 4xx that it returns too): an exception raised
    afterwards drops them, and a response returned with its own background= replaces them.

    Source: FastAPI, Background Tasks, https://fastapi.tiangolo.com/tutorial/background-tasks/ ; FastAPI 0.165

    Bad:
        from fastapi import BackgroundTasks, FastAPI, HTTPException
        from starlette.background import BackgroundTask
        from starlette.responses import JSONResponse

        app = FastAPI()

        def note(name): ...

        @app.post("/login")
        async def login(name: str, password: str, background: BackgroundTasks):
            background.add_task(note, name)  # ASY007
            if password != "x":
                raise HTTPException(401)
            return {"ok": True}

        @app.post("/orders")
        async def order(name: str, background: BackgroundTasks):
            background.add_task(note, name)  # ASY007
            return JSONResponse({"ok": True}, background=BackgroundTask(note, "other"))
    Good:
        from fastapi import BackgroundTasks, FastAPI, HTTPException

        app = FastAPI()

        def note(name): ...

        @app.post("/login")
        async def login(name: str, password: str, background: BackgroundTasks):
            if password != "x":
                raise HTTPException(401)
            background.add_task(note, name)
            return {"ok": True}
    Not this:
        from fastapi import BackgroundTasks, FastAPI, HTTPException
        from starlette.responses import JSONResponse

        app = FastAPI()

        def note(name): ...

        @app.post("/orders")
        async def order(name: str, background: BackgroundTasks):
            if name:
                background.add_task(note, name)
            else:
                raise HTTPException(400)
            return JSONResponse({"ok": True})

        @app.post("/more")
        async def more(name: str, background: BackgroundTasks):
            try:
                background.add_task(note, name)
            except RuntimeError:
                raise HTTPException(500) from None
            return {"ok": True}
    """
    handlers = {r.function for r in project.routes if r.function is not None}
    for site in _task_makers(project):
        function = site.scope
        if (
            function not in handlers
            or not isinstance(function, Function)
            or not isinstance(parent(site.node), ast.Expr)
        ):
            continue
        raised = _raised_after(project, function, site.node)
        replaced = _replaced_by(project, function)
        if raised is not None:
            place = function.place(raised, "raises")
            yield Hit(site.place(), f"the task is dropped when line {raised.lineno} raises", (place,))
        elif replaced is not None:
            place = function.place(replaced, "has its own background")
            yield Hit(
                site.place(),
                f"the response of line {replaced.lineno} brings its own background task: this one never runs",
                (place,),
            )


def _raised_after(project: Project, function: Function, node: ast.expr) -> ast.Raise | None:
    """An HTTPException that is raised further down on the way that adds the task."""
    for statement in sorted(function.all(ast.Raise), key=lambda r: r.lineno):
        called = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
        if called is None or _is_late(statement) or not _is_http_exception(project, called, function):
            continue
        if follows(statement, node):
            return statement
    return None


def _is_http_exception(project: Project, expr: ast.expr, scope: Scope) -> bool:
    wanted = ("fastapi.HTTPException", "starlette.exceptions.HTTPException")
    entity = project.names.resolve(expr, scope)
    if isinstance(entity, Class):
        return project.names.derives(entity, *wanted)
    return entity is not None and entity.dotted in wanted


def _is_late(statement: ast.Raise) -> bool:
    """Whether the exception only says that something unforeseen happened (raised in an except block)."""
    return any(isinstance(h, ast.ExceptHandler) for h in parents(statement))


def _replaced_by(project: Project, function: Function) -> ast.Call | None:
    """A returned response with a background of its own."""
    for returned in function.all(ast.Return):
        call = returned.value
        if isinstance(call, ast.Call):
            given = next((k.value for k in call.keywords if k.arg == "background"), None)
            names = [v.dotted for v in project.values.of(call.func, function)]
            if given is not None and any(n.startswith(_RESPONSES) for n in names) and not _is_injected(given, function):
                return call
    return None


def _is_injected(given: ast.expr, function: Function) -> bool:
    """Whether the response passes on the BackgroundTasks that FastAPI injected."""
    return isinstance(given, ast.Name) and function.param(given.id) is not None
