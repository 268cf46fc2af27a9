"""Middleware on each request, and how the server is started."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import LOW, MEDIUM, Found, Hit
from project import Class, Function, Module, Project
from project.language.scopes import parents
from project.language.value_types import Instance
from project.place import Place
from project.serving.roots import calls_to

BASE = ("starlette.middleware.base.BaseHTTPMiddleware",)
HTTP_EXCEPTIONS = ("fastapi.HTTPException", "starlette.exceptions.HTTPException")
OLD_WORKER = "uvicorn.workers."
STACKED = 3


@performance.check(
    "ASY015",
    "base-http-middleware",
    title="HTTPException in a BaseHTTPMiddleware, or several of them on each request",
    impact=MEDIUM,
    fix="Return a response instead of raising, check users in a dependency, and write middleware as a pure ASGI class.",
)
def base_http_middleware(project: Project) -> Found:
    """Middleware stands outside the exception handlers: an HTTPException raised in it becomes a 500. Each
    BaseHTTPMiddleware also adds some tenths of a millisecond to every request, a pure ASGI class next to nothing.

    Source: Starlette, Middleware, https://starlette.dev/middleware/#basehttpmiddleware ; Starlette 1.10

    Bad:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        @app.middleware("http")
        async def only_known(request, call_next):
            if "x-key" not in request.headers:
                raise HTTPException(status_code=401)  # ASY015
            return await call_next(request)
    Good:
        from fastapi import FastAPI
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.middleware("http")
        async def only_known(request, call_next):
            if "x-key" not in request.headers:
                return JSONResponse({"detail": "unknown"}, status_code=401)
            return await call_next(request)
    Not this:
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import JSONResponse
        from starlette.middleware.base import BaseHTTPMiddleware

        class Known(BaseHTTPMiddleware):
            async def dispatch(self, request, call_next):
                try:
                    if "x-key" not in request.headers:
                        raise HTTPException(status_code=401)
                except HTTPException as error:
                    return JSONResponse({"detail": error.detail}, status_code=error.status_code)
                return await call_next(request)

        app = FastAPI()
        app.add_middleware(Known)
    """
    layers: list[tuple[Function, Place]] = []
    for function, place in _layers(project):
        layers.append((function, place))
        for statement in function.all(ast.Raise):
            if _is_http_exception(project, statement, function) and not _is_caught(statement):
                message = f"raised in the middleware {_name(function)}: the client gets a 500"
                yield Hit(function.place(statement), message, (function.place(label=f"middleware {_name(function)}"),))
    if len(layers) >= STACKED:
        (_, first), *more = layers
        message = f"{len(layers)} BaseHTTPMiddleware layers run around every request"
        yield Hit(first, message, impact=LOW, places=tuple(place for _, place in more))


def _layers(project: Project) -> Iterator[tuple[Function, Place]]:
    """What each BaseHTTPMiddleware of the applications runs (class or decorated function), and where it is added."""
    seen: set[Function] = set()
    for root in project.roots:
        function = root.function
        if root.kind != "middleware" or function in seen or function.is_lambda:
            continue
        owner = function.owner
        is_base = function.name == "dispatch" and owner is not None and project.names.derives(owner, *BASE)
        if is_base or (owner is None and len(function.params) == 2 and function.is_async):
            seen.add(function)
            yield function, function.place(label=f"middleware {_name(function)}")


def _name(function: Function) -> str:
    return function.owner.name if function.owner is not None else function.name


def _is_http_exception(project: Project, statement: ast.Raise, function: Function) -> bool:
    called = statement.exc.func if isinstance(statement.exc, ast.Call) else statement.exc
    entity = project.names.resolve(called, function) if called is not None else None
    if isinstance(entity, Class):
        return project.names.derives(entity, *HTTP_EXCEPTIONS)
    return entity is not None and entity.dotted in HTTP_EXCEPTIONS


def _is_caught(statement: ast.Raise) -> bool:
    """Whether a try statement of the middleware itself catches the exception."""
    child: ast.AST = statement
    for holder in parents(statement):
        if isinstance(holder, ast.Try) and any(s is child for s in holder.body):
            caught = [ast.unparse(h.type) if h.type is not None else "Exception" for h in holder.handlers]
            if any("Exception" in c for c in caught):
                return True
        child = holder
    return False


@performance.check(
    "ASY018",
    "server-process-config",
    title="Server started in a way that does not work or goes away",
    impact=MEDIUM,
    fix="Give uvicorn.run an import string for several workers, and take the worker class from uvicorn-worker.",
)
def server_process_config(project: Project) -> Found:
    """uvicorn.run with an application object exits when workers or reload are asked for: the processes it starts need
    an import string. gunicorn's worker class moved out of uvicorn with version 0.30.

    Source: FastAPI, Server Workers, https://fastapi.tiangolo.com/deployment/server-workers/ ; uvicorn 0.54

    Bad:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi", "uvicorn>=0.30", "gunicorn"]
        # Procfile
        web: gunicorn app.main:app -w 4 -k uvicorn.workers.UvicornWorker  # ASY018
        # app/main.py
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI()

        if __name__ == "__main__":
            uvicorn.run(app, port=8000, workers=4)  # ASY018
    Good:
        # app/main.py
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI()

        if __name__ == "__main__":
            uvicorn.run("app.main:app", port=8000, workers=4)
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi", "uvicorn==0.29.0", "gunicorn"]
        # Procfile
        web: gunicorn app.main:app -w 4 -k uvicorn.workers.UvicornWorker
        # app/main.py
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI()

        if __name__ == "__main__":
            uvicorn.run(app, port=8000, workers=1, reload=False)
    """
    for call, scope in calls_to(project, frozenset(("run",))):
        given = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "app"), None)
        if given is None or "uvicorn.run" not in {v.dotted for v in project.values.of(call.func, scope)}:
            continue
        made = [v for v in project.values.of(given, scope) if isinstance(v, Instance)]
        if not made or any(v.dotted == "builtins.str" for v in made):
            continue
        for keyword in call.keywords:
            if keyword.arg in ("workers", "reload"):
                default = project.defaults.of(keyword.value, scope)
                asked = default is not None and default.value not in (None, False, 0, 1, "", "0", "1", "false", "False")
                if asked or (keyword.arg == "reload" and default is not None and default.value is True):
                    message = f"uvicorn.run gets the application itself and {keyword.arg}=: it exits with a failure"
                    yield Hit(scope.place(call), message)
                    break
    if project.stack.at_least("uvicorn", "0.30"):
        for place in _old_workers(project):
            yield Hit(
                place,
                "uvicorn.workers is deprecated: the worker class comes from the package uvicorn-worker",
                impact=LOW,
            )


def _old_workers(project: Project) -> Iterator[Place]:
    for server in project.stack.servers:
        if server.options.get("worker-class", "").startswith(OLD_WORKER):
            yield server.place
    for module in project.modules.values():
        if module.path.rsplit("/", 1)[-1].startswith("gunicorn"):
            yield from _in_config(module)


def _in_config(module: Module) -> Iterator[Place]:
    for binding in module.bindings.get("worker_class", ()):
        value = binding.value
        if isinstance(value, ast.Constant) and str(value.value).startswith(OLD_WORKER):
            yield module.place(value)
