"""The route map: what FastAPI has at run time, read from the code."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import Function, Scope
from project.place import Place
from project.routing.dependencies import Dependency, unwrapped
from project.routing.interpret_values import Cls, Func, Handler, Middleware, RouterState, Value, plain

if TYPE_CHECKING:
    from project import Project


@dataclass(frozen=True, slots=True)
class Route:
    """One HTTP or WebSocket route as FastAPI serves it.

    `file`, `line` are the def of the handler, `decorator_line` its first decorator's. `dependencies` are flattened
    and canonical; `dependency_tree` has them as objects. `app_dependencies` ... `own_dependencies` name those of each
    level. `mounts` gives for each mounted application on the way, outermost first, where it is made and the path
    it is served under. `auth` is None when it cannot be said; `auth_how` says where the guard stands: app, include,
    router, route, parameter (of the handler), middleware, route class or handler. `auth_optional` is the dependency of
    an open route that reads credentials and lets a request without them pass.
    """

    methods: tuple[str, ...]
    path: str
    file: str
    line: int
    decorator_line: int
    handler: str
    function: Function | None
    is_async: bool
    dependencies: tuple[str, ...]
    dependency_tree: tuple[Dependency, ...]
    response_model: str | None
    response_model_value: Value
    status_code: int
    websocket: bool
    app: str
    conditional: bool
    tags: tuple[str, ...]
    include_in_schema: bool
    deprecated: bool
    response_class: str | None
    security_scopes: tuple[str, ...]
    place: Place
    router_place: Place
    include_places: tuple[Place, ...]
    app_dependencies: tuple[str, ...]
    include_dependencies: tuple[str, ...]
    router_dependencies: tuple[str, ...]
    own_dependencies: tuple[str, ...]
    mounts: tuple[tuple[Place, str], ...] = ()
    endpoint: Value = None
    options: dict[str, Value] = field(default_factory=dict)
    auth: bool | None = None
    auth_by: str = ""
    auth_how: str = ""
    auth_optional: str = ""

    @property
    def dependency_functions(self) -> tuple[Function | External, ...]:
        """What FastAPI itself calls for this route besides the handler, each once."""
        found: dict[int | str, Function | External] = {}
        for root in self.dependency_tree:
            for node in root.walk():
                if node.function is not None:
                    found.setdefault(id(node.function), node.function)
                elif node.external is not None:
                    found.setdefault(node.external.dotted, node.external)
        return tuple(found.values())


@dataclass(frozen=True, slots=True)
class App:
    """A FastAPI (or Starlette) application: where and with what it is made. `name` is `package.module:variable`."""

    name: str
    place: Place
    state: RouterState
    mounted: bool

    @property
    def call(self) -> ast.Call | None:
        """The call that makes it, None when a subclass was made by other means."""
        return self.state.node if isinstance(self.state.node, ast.Call) else None

    @property
    def scope(self) -> Scope:
        """Where that call stands."""
        return self.state.scope

    @property
    def kwargs(self) -> dict[str, Value]:
        """Arguments of the constructor."""
        return self.state.kwargs

    @property
    def middleware(self) -> list[Middleware]:
        """In the order added; the last runs first."""
        return self.state.middleware

    @property
    def exception_handlers(self) -> list[Handler]:
        return self.state.handlers

    @property
    def events(self) -> list[tuple[str, Value, Place]]:
        """`on_event` handlers and `on_startup=`: kind, function, place."""
        return self.state.events

    @property
    def lifespan(self) -> Function | None:
        return _function(self.kwargs.get("lifespan"))


@dataclass(frozen=True, slots=True)
class Router:
    """An APIRouter: where it is made, its prefix, whether any application serves it, how many routes it holds."""

    place: Place
    prefix: str | None
    served: bool
    routes: int
    state: RouterState


@dataclass(frozen=True, slots=True)
class UnknownRoute:
    """What looks like a registration and was not understood."""

    path: str
    line: int
    why: str


@dataclass(frozen=True, slots=True)
class RouteMap:
    """All routes in serving order for each application, and what could not be known."""

    routes: list[Route]
    unknown: list[UnknownRoute]
    apps: list[App]
    routers: list[Router]

    @property
    def known(self) -> int:
        return len(self.routes)

    @property
    def candidates(self) -> int:
        """Everything that looks like a registration: known routes and places not understood."""
        return len(self.routes) + len(self.unknown)


def called_functions(project: Project, value: Value) -> Iterator[Function]:
    """What runs when FastAPI calls a value: a function, or `dispatch` and `__call__` of a class."""
    value = plain(value)
    if isinstance(value, Cls):
        for name in ("dispatch", "__call__"):
            method = project.names.class_member(value.scope, name)
            if isinstance(method, Function):
                yield method
    else:
        function = _function(value)
        if function is not None:
            yield function


def _function(value: Value) -> Function | None:
    value = unwrapped(plain(value))
    return value.function if isinstance(value, Func) else None
