"""Exceptions of Python itself that are answered as mistakes of the client."""

from __future__ import annotations

from collections.abc import Iterator

from api_design.dimension import api
from check import MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.routing.interpret_values import plain
from project.routing.routes import called_functions

_ANYBODYS = frozenset(
    "builtins.ValueError builtins.TypeError builtins.KeyError builtins.LookupError builtins.IndexError "
    "builtins.AttributeError builtins.AssertionError builtins.RuntimeError builtins.Exception".split()
)


@api.check(
    "API032",
    "server-error-answered-as-client-error",
    title="Any ValueError or the like answered with 4xx",
    impact=MEDIUM,
    fix="Raise and register exception classes of your own; leave Python's own to the answer 500.",
)
def server_error_answered_as_client_error(project: Project) -> Found:
    """int(), json, Pydantic and others raise these for bugs: those become 400, past all alarms.

    Source: Starlette, Exceptions (handlers are looked up by the class and its bases),
    https://www.starlette.io/exceptions/

    Bad:
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.exception_handler(ValueError)
        def value_error(request: Request, error: ValueError) -> JSONResponse:
            return JSONResponse({"detail": str(error)}, status_code=400)  # API032
    Good:
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse

        class Refused(ValueError): ...

        app = FastAPI()

        @app.exception_handler(Refused)
        def refused(request: Request, error: Refused) -> JSONResponse:
            return JSONResponse({"detail": str(error)}, status_code=400)
    Not this:
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.exception_handler(ValueError)
        def value_error(request: Request, error: ValueError) -> JSONResponse:
            return JSONResponse({"detail": "failed"}, status_code=500)

        @app.exception_handler(TypeError)
        def type_error(request: Request, error: TypeError) -> JSONResponse:
            status = 400 if "argument" in str(error) else 500
            return JSONResponse({"detail": "failed"}, status_code=status)
    """
    for name, function in _handlers(project):
        answers = [(site, site.argument(1, "status_code")) for site in _responses(project, function)]
        statuses = [project.http_errors.status(given, function) for _, given in answers]
        if statuses and all(status is not None and 400 <= status < 500 for status in statuses):
            message = (
                f"every {name} is answered with {statuses[0]}: bugs of the server look like mistakes of the client"
            )
            yield Hit(answers[0][0].place(), message)


def _handlers(project: Project) -> Iterator[tuple[str, Function]]:
    """Handlers of exceptions that anything may raise, each function once."""
    seen: set[Function] = set()
    for app in project.route_map.apps:
        for handler in app.exception_handlers:
            dotted = getattr(plain(handler.exception), "dotted", "")
            for function in called_functions(project, handler.function) if dotted in _ANYBODYS else ():
                if function not in seen:
                    seen.add(function)
                    yield dotted.removeprefix("builtins."), function


def _responses(project: Project, function: Function) -> list[CallSite]:
    return [s for s in project.calls.sites(function) if any(n.startswith("starlette.responses.") for n in s.names)]
