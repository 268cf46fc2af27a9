"""Which routes the paths in tests may mean: with and without the prefix of a mounted application."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.names import Variable
from project.language.scopes import Function
from project.suite.url_patterns import Pattern, RouteIndex

if TYPE_CHECKING:
    from project import Project
    from project.place import Place
    from project.routing.routes import Route

_MAX_STATEMENTS = 2


class TestedRoutes:
    """Routes by what a test may call them. A mounted application that tests use itself has its own paths too."""

    __test__ = False

    def __init__(self, project: Project, routes: list[Route]) -> None:
        self._project = project
        self.routes = routes

    def reached(self, patterns: set[tuple[str | None, Pattern]]) -> set[int]:
        """Numbers of the routes that requests with these methods and paths may reach."""
        indexes = [self._whole, self._mounted] if self._mounted is not None else [self._whole]
        return {
            number
            for method, pattern in patterns
            for index in indexes
            for number in index.find(pattern)
            if _same_method(method, self.routes[number])
        }

    @cached_property
    def _whole(self) -> RouteIndex:
        return RouteIndex([r.path for r in self.routes])

    @cached_property
    def _mounted(self) -> RouteIndex | None:
        """By the path inside the application that tests use; None when they use no mounted one."""
        used = used_applications(self._project) if any(r.mounts for r in self.routes) else frozenset()
        inner = [next((p for made, p in reversed(r.mounts) if made in used), "") for r in self.routes]
        return (
            RouteIndex([r.path.removeprefix(p) for r, p in zip(self.routes, inner, strict=True)])
            if any(inner)
            else None
        )


def used_applications(project: Project) -> frozenset[Place]:
    """Where the mounted applications are made that a test imports or reads."""
    mounted = {app.name: app.place for app in project.route_map.apps if app.mounted}
    last = {name.rpartition(":")[2] for name in mounted}
    found = set()
    for module in project.tests.modules if mounted else ():
        for scope in module.walk():
            nodes = [n for n in scope.all(ast.Attribute) if n.attr in last]
            named = [n for n, bs in scope.bindings.items() if any(b.kind in ("import", "from") for b in bs)]
            entities = [project.names.resolve(node, scope) for node in nodes]
            for entity in (*entities, *(project.names.lookup(scope, name) for name in named)):
                found.add(_spelled(entity))
    return frozenset(mounted[name] for name in found & mounted.keys())


def _spelled(entity: object) -> str:
    if isinstance(entity, Variable):
        return f"{entity.scope.dotted}:{entity.name}"
    return f"{entity.module.dotted}:{entity.qualname}" if isinstance(entity, Function) else ""


def names_of(route: Route) -> set[str]:
    """Under which names tests may speak of a route."""
    name = route.options.get("name")
    names = {route.handler, name} if isinstance(name, str) else {route.handler}
    return names | ({route.function.dotted, route.function.name} if route.function is not None else set())


def whole_work(project: Project, route: Route) -> Function | None:
    """The one function of the project that is all a handler does, when nothing else runs for its route."""
    function = route.function
    if function is None or route.dependency_functions or function.is_lambda:
        return None
    body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
    called = {t for site in project.calls.sites(function) for t in site.targets if isinstance(t, Function)}
    return called.pop() if len(body) <= _MAX_STATEMENTS and len(called) == 1 else None


def _same_method(method: str | None, route: Route) -> bool:
    if route.websocket:
        return method in (None, "WS")
    return method is None or method in route.methods or (method == "HEAD" and "GET" in route.methods)
