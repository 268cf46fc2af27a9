"""Exceptions: which are raised where, which handlers catch them, and which leave a path operation unanswered."""

from __future__ import annotations

import ast
import builtins
from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.conditions import NOTHING, Known, skipped
from project.language.names import External, Variable
from project.language.scopes import Class, Function, Scope, child_nodes, own_scope, parent, parents
from project.language.value_types import Instance
from project.place import Place
from project.routing.interpret_values import Choice, Cls, plain
from project.routing.interpret_values import Value as Registered
from project.routing.routes import called_functions

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

Kind = Class | External
EXCEPTION, BASE_EXCEPTION = "builtins.Exception", "builtins.BaseException"
HTTP_ERRORS = frozenset(("fastapi.HTTPException", "starlette.exceptions.HTTPException"))
# Answered by FastAPI itself, or no failure of the request.
ANSWERED = HTTP_ERRORS | frozenset(
    "fastapi.exceptions.RequestValidationError fastapi.exceptions.WebSocketRequestValidationError "
    "starlette.exceptions.WebSocketException fastapi.WebSocketException starlette.websockets.WebSocketDisconnect "
    "builtins.StopIteration builtins.StopAsyncIteration builtins.GeneratorExit asyncio.CancelledError".split()
)
_FASTCRUD = "Custom NotFound Forbidden Unauthorized UnprocessableEntity DuplicateValue RateLimit BadRequest".split()
_PARENTS = {
    "fastapi.HTTPException": "starlette.exceptions.HTTPException",
    "fastapi.exceptions.RequestValidationError": "fastapi.exceptions.ValidationException",
    **{
        f"{library}.{name}": f"{library}.{base}"
        for library in ("httpx", "httpx2")
        for name, base in (
            ("HTTPStatusError", "HTTPError"),
            ("RequestError", "HTTPError"),
            ("TransportError", "RequestError"),
            ("NetworkError", "TransportError"),
            ("ConnectError", "NetworkError"),
            ("TimeoutException", "TransportError"),
        )
    },
    **{f"aiohttp.Client{kind}Error": "aiohttp.ClientError" for kind in ("Response", "Connection")},
    **{f"requests.{name}": "requests.RequestException" for name in ("HTTPError", "ConnectionError", "Timeout")},
    "requests.RequestException": "builtins.OSError",
    "json.JSONDecodeError": "json.decoder.JSONDecodeError",
    "json.decoder.JSONDecodeError": "builtins.ValueError",
    "binascii.Error": "builtins.ValueError",
    **{f"fastcrud.exceptions.http_exceptions.{name}Exception": "fastapi.HTTPException" for name in _FASTCRUD},
}
_LIBRARY = frozenset((*_PARENTS, *_PARENTS.values()))
SUPPRESS = "contextlib.suppress"
MAX_WAYS = 3  # ways on which one exception class leaves a function, when conditions may close some of them


@dataclass(frozen=True, slots=True, eq=False)
class Raised:
    """One `raise` of a known exception class."""

    kind: Kind
    node: ast.Raise
    function: Function

    def place(self, label: str = "") -> Place:
        return self.function.place(self.node, label or f"raises {self.kind.dotted.rsplit('.', 1)[-1]}")


@dataclass(frozen=True, slots=True, eq=False)
class Escape:
    """An exception that leaves a function: raised in it (`site` None) or by what it calls at `site`, `inner` there."""

    raised: Raised
    site: CallSite | None = None
    inner: Escape | None = None
    certainty: str = "resolved"

    def trace(self) -> tuple[Place, ...]:
        """Each call on the way, then the raise."""
        places: list[Place] = []
        current = self
        while current.site is not None and current.inner is not None:
            places.append(current.site.place(f"calls {current.inner.holder.qualname}"))
            current = current.inner
        return (*places, current.raised.place())

    @property
    def holder(self) -> Function:
        """The function it leaves."""
        return function_of(self.site) if self.site is not None else self.raised.function


class Exceptions:
    """Raises, handlers and escapes of everything that runs for a request."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names
        self._raised: dict[Function, list[Raised]] = {}
        self._ancestors: dict[Kind, frozenset[str]] = {}
        self._caught: dict[tuple[int, str], bool] = {}
        self._converting: dict[Function, list[ast.ExceptHandler]] = {}

    # Classes

    def ancestors(self, kind: Kind) -> frozenset[str]:
        """Canonical names of an exception class and everything it inherits from, as far as known."""
        if kind not in self._ancestors:
            found: set[str] = set()
            for base in self._names.mro(kind) if isinstance(kind, Class) else [kind]:
                found.update(_library_line(base.dotted) if isinstance(base, External) else [base.dotted])
            self._ancestors[kind] = frozenset(found | {BASE_EXCEPTION})
        return self._ancestors[kind]

    def is_exception(self, kind: Kind) -> bool:
        """Whether a class is an exception, by its bases."""
        return EXCEPTION in self.ancestors(kind)

    def is_http(self, kind: Kind) -> bool:
        return bool(self.ancestors(kind) & HTTP_ERRORS)

    # Who is called

    @cached_property
    def handlers(self) -> frozenset[Function]:
        """Path operation functions."""
        return frozenset(route.function for route in self._project.routes if route.function is not None)

    @cached_property
    def dependencies(self) -> frozenset[Function]:
        """Functions that FastAPI calls as dependencies."""
        return frozenset(root.function for root in self._project.roots if root.kind == "dependency")

    # Raises

    def raised(self, function: Function) -> list[Raised]:
        """`raise` statements directly in a function whose class is known; a bare `raise` is none."""
        if function not in self._raised:
            self._raised[function] = list(self._raises(function))
        return self._raised[function]

    def _raises(self, function: Function) -> Iterator[Raised]:
        for node in function.all(ast.Raise):
            kind = self._kind_of(node.exc, function)
            if kind is not None:
                yield Raised(kind, node, function)

    def _kind_of(self, expr: ast.expr | None, function: Function) -> Kind | None:
        if expr is None:
            return None
        if isinstance(expr, ast.Name) and any(b.kind == "except" for b in function.bindings.get(expr.id, ())):
            return None
        called = self._names.resolve(expr.func if isinstance(expr, ast.Call) else expr, function)
        if isinstance(called, (Class, External)) and self._looks_raised(called):
            return self._raised_by_making(called) or called
        kinds = [v.cls for v in self._project.values.of(expr, function) if isinstance(v, Instance)]
        return kinds[0] if len(kinds) == 1 and self._looks_raised(kinds[0]) else None

    def _raised_by_making(self, kind: Kind) -> Kind | None:
        """What the constructor of an exception class always raises itself: that, and not the class, goes up."""
        made = self._names.class_member(kind, "__init__") if isinstance(kind, Class) else None
        if not isinstance(made, Function):
            return None
        always = [s for s in made.body if isinstance(s, ast.Raise)]
        return self._kind_of(always[0].exc, made) if always else None

    def _looks_raised(self, kind: Kind) -> bool:
        last = kind.dotted.rsplit(".", 1)[-1]
        return self.is_exception(kind) or (isinstance(kind, External) and last[:1].isupper() and "()" not in last)

    # Handlers inside functions

    def around(self, node: ast.AST) -> Iterator[list[ast.ExceptHandler] | ast.Call]:
        """What is around a node in its function, the nearest first: the clauses of a `try`, or a context manager."""
        child = node
        for holder in parents(node):
            if own_scope(holder) is not None:
                return
            if _is_try(holder) and any(child is s for s in holder.body):  # type: ignore[attr-defined]
                yield holder.handlers  # type: ignore[attr-defined]
            if isinstance(holder, (ast.With, ast.AsyncWith)) and any(child is s for s in holder.body):
                yield from (i.context_expr for i in reversed(holder.items) if isinstance(i.context_expr, ast.Call))
            child = holder

    def caught_kinds(self, handler: ast.ExceptHandler, scope: Scope) -> list[Kind | None]:
        """Classes an `except` names; None for what is not known, `BaseException` for a bare one."""
        if handler.type is None:
            return [External(BASE_EXCEPTION)]
        return list(self._classes(handler.type, scope, 0))

    def _classes(self, expr: ast.expr, scope: Scope, depth: int) -> Iterator[Kind | None]:
        if isinstance(expr, ast.Tuple):
            for item in expr.elts:
                yield from self._classes(item, scope, depth + 1)
            return
        entity = self._names.resolve(expr, scope)
        if isinstance(entity, Variable) and depth < 4:
            for binding in entity.bindings:
                if binding.value is not None:
                    yield from self._classes(binding.value, entity.scope, depth + 1)
                else:
                    yield None
            return
        yield entity if isinstance(entity, (Class, External)) else None

    def catches(self, handler: ast.ExceptHandler, kind: Kind, scope: Scope) -> bool | None:
        """Whether an `except` clause catches an exception class; None when that is not known."""
        wanted = self.ancestors(kind)
        found = self.caught_kinds(handler, scope)
        if any(k is not None and k.dotted in wanted for k in found):
            return True
        if isinstance(kind, External) and not kind.dotted.startswith("builtins.") and kind.dotted not in _LIBRARY:
            return None
        return None if None in found else False

    def stopped(self, node: ast.AST, kind: Kind, scope: Function) -> bool:
        """Whether an exception raised at a node may end in its own function."""
        key = (id(node), kind.dotted)
        if key not in self._caught:
            self._caught[key] = any(self._stops(outer, kind, scope) for outer in self.around(node))
        return self._caught[key]

    def _stops(self, outer: list[ast.ExceptHandler] | ast.Call, kind: Kind, scope: Scope) -> bool:
        if isinstance(outer, ast.Call):
            return self._manager_stops(outer, kind, scope)
        clause = self._clause(outer, kind, scope)
        return clause is not None and not rethrows(clause)

    def _clause(self, clauses: list[ast.ExceptHandler], kind: Kind, scope: Scope) -> ast.ExceptHandler | None:
        """The `except` clause that gets an exception class: the first that may catch it."""
        return next((c for c in clauses if self.catches(c, kind, scope) is not False), None)

    def ending_in(self, clause: ast.ExceptHandler, scope: Function) -> Iterator[Escape]:
        """Known exceptions that start in the `try` of an `except` clause, there or in what it calls, and end in it."""
        for raised in self.raised(scope):
            if self._ends_in(raised.node, clause, raised.kind, scope):
                yield Escape(raised)
        for site in self._project.calls.sites(scope):
            for target in site.targets:
                for escape in self.escapes(target):
                    kind = escape.raised.kind
                    if not self._converts(target, kind) and self._ends_in(site.node, clause, kind, scope):
                        yield Escape(escape.raised, site, escape, site.certainty)

    def _ends_in(self, node: ast.AST, clause: ast.ExceptHandler, kind: Kind, scope: Function) -> bool:
        for outer in self.around(node):
            if isinstance(outer, list) and clause in outer:
                return self._clause(outer, kind, scope) is clause
            if self._stops(outer, kind, scope):
                return False
        return False

    def _manager_stops(self, call: ast.Call, kind: Kind, scope: Scope) -> bool:
        """Whether a context manager may keep or change an exception that passes through it."""
        if self._names.canonical(call.func, scope) == SUPPRESS:
            given = [k for argument in call.args for k in self._classes(argument, scope, 0)]
            return any(k is None or k.dotted in self.ancestors(kind) for k in given)
        for value in self._project.values.of(call.func, scope):
            if isinstance(value, Class):
                ends = [self._names.class_member(value, name) for name in ("__exit__", "__aexit__")]
                if any(isinstance(e, Function) and (e.all(ast.Return) or e.all(ast.Raise)) for e in ends):
                    return True
            elif isinstance(value, Function) and any(not rethrows(h) for h in value.all(ast.ExceptHandler)):
                return True
        return False

    # Escapes

    @cached_property
    def _escapes(self) -> dict[Function, dict[str, list[Escape]]]:
        found: dict[Function, dict[str, list[Escape]]] = {}
        queue: deque[Escape] = deque()
        for function in self._project.requests.functions:
            for raised in self.raised(function):
                if not self.stopped(raised.node, raised.kind, function):
                    self._keep(Escape(raised), found, queue)
        while queue:
            escape = queue.popleft()
            function = escape.holder
            if self._converts(function, escape.raised.kind):
                continue
            for site in self._callers.get(function, ()):
                if not self.stopped(site.node, escape.raised.kind, function_of(site)):
                    certainty = site.certainty if site.certainty != "resolved" else escape.certainty
                    self._keep(Escape(escape.raised, site, escape, certainty), found, queue)
        return found

    def _keep(self, escape: Escape, found: dict[Function, dict[str, list[Escape]]], queue: deque[Escape]) -> None:
        """Add a way on which an exception leaves a function, unless one is known that no condition closes."""
        ways = found.setdefault(escape.holder, {}).setdefault(escape.raised.kind.dotted, [])
        if len(ways) < MAX_WAYS and not any(self._is_open(w) for w in ways) and self._happens(escape):
            ways.append(escape)
            queue.append(escape)

    def _is_open(self, escape: Escape) -> bool:
        """Whether no argument of a caller could close a way."""
        return not self._project.conditions.relevant(escape.holder)

    def _happens(self, escape: Escape) -> bool:
        """Whether the arguments on a way let it come to the raise."""
        known: Known = NOTHING
        current = escape
        while current.site is not None and current.inner is not None:
            if skipped(current.site.node, known):
                return False
            known = self._project.conditions.given(current.site, current.inner.holder, known, certain=True)
            current = current.inner
        return not skipped(current.raised.node, known)

    @cached_property
    def _callers(self) -> dict[Function, list[CallSite]]:
        """Calls of a function among what runs for requests."""
        found: dict[Function, list[CallSite]] = {}
        for function in self._project.requests.functions:
            for site in self._project.calls.sites(function):
                for target in site.targets:
                    found.setdefault(target, []).append(site)
        return found

    def reaches_client(self, function: Function, kind: Kind) -> bool:
        """Whether an exception that leaves a function may leave a path operation or dependency as well, unanswered."""
        if self.is_answered(kind):
            return False
        seen = {function}
        waiting = [function]
        while waiting:
            current = waiting.pop()
            if self._converts(current, kind):
                continue
            if current in self.handlers or current in self.dependencies:
                return True
            for site in self._callers.get(current, ()):
                caller = site.scope
                if isinstance(caller, Function) and caller not in seen and not self.stopped(site.node, kind, caller):
                    seen.add(caller)
                    waiting.append(caller)
        return False

    def escapes(self, function: Function) -> list[Escape]:
        """Exceptions that may leave a function, one for each class, its decorators not counted."""
        return [ways[0] for ways in self._escapes.get(function, {}).values() if ways]

    def _converts(self, function: Function, kind: Kind) -> bool:
        """Whether a decorator of the function catches an exception class."""
        if function not in self._converting:
            scope = function.parent or function.module
            self._converting[function] = [
                handler
                for decorator in function.decorators
                for value in self._project.values.of(_called(decorator), scope)
                if isinstance(value, (Function, Class))
                for inner in value.walk()
                for handler in inner.all(ast.ExceptHandler)
            ]
        handlers = self._converting[function]
        return any(self.catches(h, kind, function) is not False and not rethrows(h) for h in handlers)

    # Handlers of applications

    @cached_property
    def registered(self) -> list[tuple[Registered, Place]]:
        """What exception handlers are registered for: class, status code or unknown, and where."""
        found = []
        for app in self._project.route_map.apps:
            for handler in app.exception_handlers:
                value = plain(handler.exception)
                found += [(o, handler.place) for o in (value.options if isinstance(value, Choice) else [value])]
        return found

    def is_answered(self, kind: Kind) -> bool:
        """Whether an exception class has an answer: by FastAPI, by a registered handler, or perhaps by either."""
        if self.ancestors(kind) & ANSWERED:
            return True
        for value, _ in self.registered:
            name = value.scope.dotted if isinstance(value, Cls) else getattr(value, "dotted", None)
            if name in self.ancestors(kind) or value == 500:
                return True
            if not isinstance(value, (Cls, External, int)):
                return True
        return any(self.catches(h, kind, s) is not False and not rethrows(h) for h, s in self._outer_handlers)

    @cached_property
    def _outer_handlers(self) -> list[tuple[ast.ExceptHandler, Scope]]:
        """`except` clauses of middleware and of route classes, which see what path operations raise."""
        functions = [
            f
            for app in self._project.route_map.apps
            for m in app.middleware
            for f in called_functions(self._project, m.value)
        ]
        for module in self._project.app_modules:
            for cls in module.classes:
                if self._names.derives(cls, "fastapi.routing.APIRoute", "starlette.routing.Route"):
                    functions += cls.methods.values()
        return [(h, s) for f in functions for s in f.walk() for h in s.all(ast.ExceptHandler)]

    def unanswered(self, route: Route) -> list[Escape]:
        """Exceptions that leave a path operation or one of its dependencies and end as a 500."""
        called = [route.function, *route.dependency_functions]
        found: dict[str, Escape] = {}
        for function in called:
            if isinstance(function, Function):
                for escape in self.escapes(function):
                    kind = escape.raised.kind
                    if not self._converts(function, kind) and not self.is_answered(kind):
                        found.setdefault(kind.dotted, escape)
        return list(found.values())


def function_of(site: CallSite) -> Function:
    """The function a call stands in."""
    assert isinstance(site.scope, Function)
    return site.scope


@lru_cache(maxsize=50_000)
def rethrows(handler: ast.ExceptHandler) -> bool:
    """Whether an `except` clause raises what it caught again, at least on some way."""
    raised = (node.exc for node in nodes_of(handler) if isinstance(node, ast.Raise))
    return any(exc is None or (isinstance(exc, ast.Name) and exc.id == handler.name) for exc in raised)


@lru_cache(maxsize=50_000)
def nodes_of(handler: ast.ExceptHandler) -> list[ast.AST]:
    """Every node in the body of an `except` clause, nested functions left out."""
    found: list[ast.AST] = []
    stack: list[ast.AST] = list(reversed(handler.body))
    while stack:
        node = stack.pop()
        found.append(node)
        if own_scope(node) is None:
            stack.extend(reversed(child_nodes(node)))
    return found


def try_of(handler: ast.ExceptHandler) -> ast.Try:
    """The `try` statement a clause belongs to."""
    holder = parent(handler)
    assert holder is not None
    return holder  # type: ignore[return-value]


def _is_try(node: ast.AST) -> bool:
    return isinstance(node, ast.Try) or node.__class__.__name__ == "TryStar"


def _called(decorator: ast.expr) -> ast.expr:
    return decorator.func if isinstance(decorator, ast.Call) else decorator


def _library_line(dotted: str) -> list[str]:
    """A library exception and its bases as far as they are known."""
    dotted = dotted.replace("requests.exceptions.", "requests.").replace("aiohttp.client_exceptions.", "aiohttp.")
    if dotted.startswith("builtins."):
        cls = getattr(builtins, dotted[9:], None)
        if isinstance(cls, type) and issubclass(cls, BaseException):
            return [f"builtins.{base.__name__}" for base in cls.__mro__ if base is not object]
        return [dotted]
    found = [dotted]
    while found[-1] in _PARENTS:
        found.append(_PARENTS[found[-1]])
    if found[-1].startswith("builtins."):
        return [*found[:-1], *_library_line(found[-1])]
    known = dotted.endswith(("Exception", "Error", "Exit", "Interrupt", "Warning")) or found[-1] in _LIBRARY
    return [*found, EXCEPTION] if known or dotted in ANSWERED else found
