"""Middleware as a guard: followed for the path and method of each route."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from project.language.scopes import Function
from project.place import Place
from project.routing.dependencies import call_name, unwrapped
from project.routing.guard_behaviour import Behaviour
from project.routing.guard_flow import Behaviours
from project.routing.guard_made import Within
from project.routing.guard_refusals import REFUSALS
from project.routing.interpret_machine import OutOfBudgetError
from project.routing.interpret_values import Cls, Env, Func, Made, Middleware, Unknown, Value, plain
from project.routing.routes import called_functions

if TYPE_CHECKING:
    from project.routing.interpret import Interpreter

Answer = TypeVar("Answer")
STEPS = 5_000
CONFIGURED = "depends on configuration"


@dataclass(frozen=True, slots=True)
class Verdict:
    """`guards`: True, False or None (cannot be said). `by`: what guards.

    `optional`: it reads credentials but lets a request without them pass. `configured`: only as configuration has it.
    `scheme`: a security scheme itself, which only extracts. `how`: where it stands (Route.auth_how).
    """

    guards: bool | None
    by: str = ""
    optional: bool = False
    configured: bool = False
    scheme: bool = False
    how: str = ""


@dataclass(frozen=True, slots=True)
class Request:
    """What a middleware can know of a request to a route. kind: http or websocket."""

    path: str
    method: str
    kind: str


OPEN = Verdict(False)


class MiddlewareGuards:
    """A middleware guards the routes for which it answers 401 or 403 when credentials are missing."""

    def __init__(self, run: Interpreter, behaviours: Behaviours) -> None:
        self.run = run
        self.behaviours = behaviours
        self._refusing: dict[int, bool] = {}
        self._instances: dict[int, Value] = {}
        self._costly: set[int] = set()

    def of(self, middleware: Middleware, request: Request) -> Verdict:
        """The verdict on one middleware for requests to one route."""
        key = id(middleware)
        if key not in self._refusing:
            value = plain(middleware.value)
            functions = [*called_functions(self.run.project, value), *(m.function for m in self._methods(value))]
            forged = re.search("csrf|xsrf", call_name(value), re.IGNORECASE)
            self._refusing[key] = not forged and any(_refuses(self.behaviours.of(f)) for f in functions)
        return self._for_request(middleware, request) if self._refusing[key] else OPEN

    def _for_request(self, middleware: Middleware, request: Request) -> Verdict:
        """Conditions on path and method are decided; what configuration decides stays open."""
        func, receiver = self._function(middleware)
        name = f"middleware {call_name(plain(middleware.value))}"
        if func is None:
            return Verdict(None, name)
        env = _request_env(func, receiver, request)
        found = self.behaviours.where(
            func.function,
            (),
            Within(self.run, self.guarded, env),
            lambda statement: self._run(statement, env),
        )
        if not _refuses(found) or found.passes:
            return OPEN
        if middleware.conditional or found.configured:
            return Verdict(None, f"{name}, {CONFIGURED}")
        return Verdict(True if found.sure else None, name)

    def _run(self, statement: ast.stmt, env: Env) -> str | None:
        """Run a statement of a middleware; one that took too long for one route is left out for the others."""
        if id(statement) in self._costly:
            return None
        ended = self.guarded(lambda: self.run.run(statement, env))
        if ended is None:
            self._costly.add(id(statement))
        return ended

    def guarded(self, act: Callable[[], Answer]) -> Answer | None:
        """What the interpreter says within a few steps, None when that takes more."""
        run = self.run
        before = run.steps, run.limit, run.conditional
        run.steps, run.limit, run.conditional = 0, STEPS, 0
        try:
            return act()
        except (OutOfBudgetError, RecursionError):
            return None
        finally:
            run.steps, run.limit, run.conditional = before

    def _function(self, middleware: Middleware) -> tuple[Func | None, Value]:
        """What runs for a request, and the object it is a method of."""
        value = plain(middleware.value)
        if not isinstance(value, Cls):
            func = unwrapped(value)
            return (func if isinstance(func, Func) else None), None
        methods = self._methods(value)
        method = next((m for m in methods if _refuses(self.behaviours.of(m.function))), methods[0] if methods else None)
        key = id(middleware)
        if key not in self._instances:
            site = (value.env, value.scope.node)
            given: dict[str, Value] = {"app": Unknown("app"), **middleware.kwargs}
            self._instances[key] = self.guarded(lambda: self.run.call(value, [], given, site))
        return method, self._instances[key]

    def _methods(self, value: Value) -> list[Func]:
        """`dispatch` and `__call__` of a class and its bases, and of a class that a decorator wrapped in it."""
        if not isinstance(value, Cls):
            return []
        wrapped = value.env.vars.values() if isinstance(value.env.scope, Function) else ()
        classes = [value, *(held for v in wrapped if isinstance(held := plain(v), Cls) and held is not value)]
        bases = [base for cls in classes for base in self.run.mro(cls) if isinstance(base, Cls)]
        for base in bases:
            self.run.run_class_body(base)
        found = [b.body.vars.get(name) for name in ("dispatch", "__call__") for b in bases]
        return [method for method in found if isinstance(method, Func)]


def _request_env(func: Func, receiver: Value, request: Request) -> Env:
    """The names of a middleware function, for a request to the path of one route."""
    scope: dict[Value, Value] = {
        "type": request.kind,
        "path": request.path,
        "method": request.method,
        "root_path": "",
    }
    url = _made("starlette.datastructures.URL", {"path": request.path})
    made = _made("starlette.requests.Request", {"url": url, "method": request.method, "scope": scope})
    env = Env(func.function, func.env)
    for arg, _ in func.function.params:
        written = ast.unparse(arg.annotation) if arg.annotation is not None else ""
        if arg.arg == "self":
            env.vars[arg.arg] = receiver
        elif arg.arg == "scope" or written.endswith("Scope"):
            env.vars[arg.arg] = scope
        elif arg.arg == "request" or written.endswith(("Request", "HTTPConnection")):
            env.vars[arg.arg] = made
        else:
            env.vars[arg.arg] = Unknown(arg.arg)
    return env


def _made(dotted: str, attrs: dict[str, Value]) -> Made:
    return Made(dotted, [], {}, Place("", 0, 0), attrs)


def _refuses(found: Behaviour) -> bool:
    return bool((found.answers and found.reads) or found.refuses & REFUSALS)
