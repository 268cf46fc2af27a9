"""Plain functions that FastAPI runs in the threadpool without need."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from async_performance.dimension import performance
from check import LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.language.scopes import LOOPS, Binding
from project.language.value_types import Instance

HEALTH = re.compile(
    r"/(health|healthz|healthcheck|health_check|live|livez|liveness|ready|readyz|readiness|ping|heartbeat)/?$"
)
HARMLESS = re.compile(
    r"builtins\.(?:len|int|str|bool|float|list|dict|set|tuple|min|max|abs|sum|any|all|sorted|isinstance|getattr|hasattr|"
    r"ValueError|(?:str|dict|list)\.\w+)"
    r"|fastapi\.HTTPException|(?:starlette\.responses|starlette\.datastructures)\.\w+(?:\.get)?"
    r"|starlette\.requests\.Request\.(?:headers|cookies|query_params|path_params|state)\.\w+"
)


@performance.check(
    "ASY010",
    "needless-thread",
    title="Plain def that only computes, run in the threadpool",
    impact=LOW,
    fix="Make it an async def: it has nothing to wait for.",
)
def needless_thread(project: Project) -> Found:
    """Each plain dependency and path operation takes one of the forty threads of the process. A health check waits
    behind the busy ones, and a context variable set in such a dependency is not seen by the path operation.

    Source: FastAPI, Concurrency and async / await, https://fastapi.tiangolo.com/async/#dependencies

    Bad:
        import contextvars
        from fastapi import Depends, FastAPI

        app = FastAPI()
        tenant = contextvars.ContextVar("tenant", default=None)

        def paging(skip: int = 0, limit: int = 100):  # ASY010
            return {"skip": skip, "limit": limit}

        def set_tenant(name: str = "x"):
            tenant.set(name)  # ASY010

        @app.get("/health")
        def health():  # ASY010
            return {"ok": True}

        @app.get("/items")
        async def items(page=Depends(paging), _=Depends(set_tenant)):
            return tenant.get()
    Good:
        from fastapi import Depends, FastAPI

        app = FastAPI()

        async def paging(skip: int = 0, limit: int = 100):
            return {"skip": skip, "limit": limit}

        @app.get("/health")
        async def health():
            return {"ok": True}

        @app.get("/items")
        async def items(page=Depends(paging)):
            return []
    Not this:
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        from sqlalchemy.orm import Session

        app = FastAPI()

        def get_db() -> Session: ...

        def current_user(db: Session = Depends(get_db)):
            return db.execute(text("select 1")).scalar_one()

        @app.get("/health")
        def health(db: Session = Depends(get_db)):
            return db.execute(text("select 1")).scalar_one()

        @app.get("/items")
        def items(user=Depends(current_user)):
            return []
    """
    dependencies: dict[Function, None] = {}
    for root in project.roots:
        if root.kind == "dependency" and not root.on_loop and root.function.name != "__init__":
            dependencies[root.function] = None
    for function in dependencies:
        for site in _sets_context(project, function):
            message = f"{function.name} runs in a thread: the path operation does not see what it sets"
            yield Hit(site.place(), message, impact=MEDIUM)
    needless = [f for f in dependencies if _only_computes(project, f)]
    for route in project.routes:
        handler = route.function
        if handler is None or handler in needless or route.dependencies or not HEALTH.search(route.path):
            continue
        if _only_computes(project, handler):
            needless.append(handler)
    if needless:
        first, *more = sorted(needless, key=lambda f: (f.module.path, f.node.lineno))
        many = f"; so do {len(more)} more" if len(more) > 1 else "; so does 1 more" if more else ""
        message = f"{first.name} takes a thread of the pool for each request and only computes{many}"
        yield Hit(first.place(), message, places=tuple(f.place() for f in more))


def _sets_context(project: Project, function: Function) -> Iterator[CallSite]:
    if not function.is_generator:
        yield from (s for s in project.calls.sites(function) if "contextvars.ContextVar.set" in s.names)


def _is_row(project: Project, bindings: list[Binding], function: Function) -> bool:
    """Whether a parameter is an ORM row: reading its attributes may load them."""
    found = (v for b in bindings if b.kind == "param" for v in project.values.of_binding(b, function))
    return any(isinstance(v, Instance) and project.models.of(v.cls) is not None for v in found)


def _only_computes(project: Project, function: Function) -> bool:
    """Whether a plain function surely neither waits nor computes for long."""
    if function.is_async or function.is_generator or function.is_lambda or not function.body or function.decorators[1:]:
        return False
    if any(function.all(loop) for loop in (*LOOPS, ast.With, ast.Import, ast.ImportFrom)):
        return False
    if project.calls.is_stub(function) or any(_is_row(project, b, function) for b in function.bindings.values()):
        return False
    sites = project.calls.sites(function)
    return all(not s.targets and s.names and all(HARMLESS.fullmatch(n) for n in s.names) for s in sites)
