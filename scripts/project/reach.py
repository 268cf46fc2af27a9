"""What runs while the application serves: where FastAPI calls into the project, and everything reached from there."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.calls import OFFLOADING, CallSite
from project.place import Place
from project.routes import called_functions
from project.scopes import Class, Function, Scope
from project.value_types import Bound, Instance

if TYPE_CHECKING:
    from project import Project

TASK_MAKERS = frozenset(
    "fastapi.BackgroundTasks.add_task starlette.background.BackgroundTask "
    "starlette.background.BackgroundTasks.add_task".split()
)
KINDS = ("handler", "dependency", "middleware", "exception handler", "background task", "start-up")


@dataclass(frozen=True, slots=True)
class Root:
    """A function that FastAPI calls itself. `kind` is one of KINDS, `label` names it (`POST /orders create_order`)."""

    function: Function
    kind: str
    label: str

    @property
    def on_loop(self) -> bool:
        """An async def is awaited on the event loop; a plain def runs in the threadpool."""
        return self.function.is_async

    def place(self) -> Place:
        return self.function.place(label=self.label)


@dataclass(frozen=True, slots=True)
class Step:
    """How a function came to run: as a root, or called at `site` (which stands in another function)."""

    root: Root | None
    site: CallSite | None


def roots(project: Project) -> list[Root]:
    """Every function FastAPI calls by itself, handlers first; each function and label once."""
    found: dict[tuple[Function, str], Root] = {}
    for root in (*_handlers(project), *_dependencies(project), *_by_apps(project), *_background(project)):
        found.setdefault((root.function, root.label), root)
    return sorted(found.values(), key=lambda r: KINDS.index(r.kind))


def _handlers(project: Project) -> Iterator[Root]:
    for route in project.routes:
        if route.function is not None:
            verb = "WS" if route.websocket else "/".join(route.methods)
            yield Root(route.function, "handler", f"{verb} {route.path} {route.function.name}")


def _dependencies(project: Project) -> Iterator[Root]:
    for route in project.routes:
        for provider in route.dependency_functions:
            function = _callable(project, provider)
            if function is not None:
                yield Root(function, "dependency", f"dependency {function.name}")


def _callable(project: Project, provider: object) -> Function | None:
    if isinstance(provider, Function):
        return provider
    if isinstance(provider, Bound):
        return provider.function
    if isinstance(provider, Class):
        made = project.names.class_member(provider, "__init__")
        return made if isinstance(made, Function) else None
    if isinstance(provider, Instance) and isinstance(provider.cls, Class):
        called = project.names.class_member(provider.cls, "__call__")
        return called if isinstance(called, Function) else None
    return None


def _by_apps(project: Project) -> Iterator[Root]:
    """Middleware, exception handlers and start-up of every application."""
    for app in project.route_map.apps:
        called = [(f, "middleware") for m in app.middleware for f in called_functions(project, m.value)]
        called += [(f, "exception handler") for h in app.exception_handlers for f in called_functions(project, h.function)]
        starting = [app.kwargs.get("lifespan"), *(value for _, value, _ in app.events)]
        called += [(f, "start-up") for value in starting for f in called_functions(project, value)]
        for function, kind in called:
            yield Root(function, kind, f"{kind} {function.owner.name if function.owner else function.name}")


def _background(project: Project) -> Iterator[Root]:
    calls = project.calls
    for module in project.app_modules:
        for scope in module.walk():
            for site in calls.sites(scope):
                if TASK_MAKERS.intersection(site.names):
                    for function in calls.passed(site.argument(0, "func"), scope):
                        yield Root(function, "background task", f"background task {function.name}")


class Reach:
    """Functions reached from roots, each with the shortest way there.

    With `threads`, work handed to a thread counts as reached; without, only what stays on the caller's thread does.
    """

    def __init__(self, project: Project, roots: Iterable[Root], threads: bool) -> None:
        self._project = project
        self._threads = threads
        self.roots = list(roots)

    @cached_property
    def _steps(self) -> dict[Function, Step]:
        found: dict[Function, Step] = {}
        queue: deque[Function] = deque()
        for root in self.roots:
            if root.function not in found:
                found[root.function] = Step(root, None)
                queue.append(root.function)
        while queue:
            for site, target in self._edges(queue.popleft()):
                if target not in found:
                    found[target] = Step(None, site)
                    queue.append(target)
        return found

    def _edges(self, function: Function) -> Iterator[tuple[CallSite, Function]]:
        calls = self._project.calls
        for site in calls.sites(function):
            for target in site.targets:
                if target.module.kind == "app" and (self._threads or not self._leaves(site, target)):
                    yield site, target
            if self._threads and OFFLOADING.intersection(site.names) and site.call is not None:
                for given in site.call.args:
                    yield from ((site, f) for f in calls.passed(given, function) if f.module.kind == "app")

    def _leaves(self, site: CallSite, target: Function) -> bool:
        """Whether the call runs elsewhere: offloaded by a decorator, or a plain def that a decorator made awaitable."""
        if self._project.calls.is_offloaded(target):
            return True
        return site.awaited and not target.is_async and bool(target.decorators)

    def __contains__(self, scope: object) -> bool:
        return scope in self._steps

    @property
    def functions(self) -> Iterable[Function]:
        return self._steps.keys()

    def sites(self) -> Iterator[tuple[Function, CallSite]]:
        """Every call made by the reached functions, by file and line."""
        for function in sorted(self._steps, key=lambda f: (f.module.path, f.node.lineno, f.node.col_offset)):
            for site in self._project.calls.sites(function):
                yield function, site

    def trace(self, function: Function) -> tuple[Place, ...]:
        """The way from a root to this function: the root, then each call on the way, with file and line."""
        hops: list[Place] = []
        for step, current in self._way(function):
            hops.append(step.root.place() if step.root else self._hop(step, current))
        return tuple(reversed(hops))

    def _hop(self, step: Step, current: Function) -> Place:
        assert step.site is not None
        return step.site.place(f"calls {current.qualname}")

    def _way(self, function: Function) -> Iterator[tuple[Step, Function]]:
        current = function
        while True:
            step = self._steps[current]
            yield step, current
            if step.site is None or not isinstance(step.site.scope, Function):
                return
            current = step.site.scope

    def root(self, function: Function) -> Root:
        """The root of the shortest way to this function."""
        return next(step.root for step, _ in self._way(function) if step.root is not None)

    def certainty(self, function: Function) -> str:
        """resolved, or inferred when a hop on the shortest way was."""
        hops = (step.site.certainty for step, _ in self._way(function) if step.site is not None)
        return next((c for c in hops if c != "resolved"), "resolved")

    @cached_property
    def _callers(self) -> dict[Function, list[Function]]:
        found: dict[Function, list[Function]] = {}
        for function in self._steps:
            for _, target in self._edges(function):
                found.setdefault(target, []).append(function)
        return found

    @cached_property
    def _roots_of(self) -> dict[Function, list[Root]]:
        found: dict[Function, list[Root]] = {}
        for root in self.roots:
            found.setdefault(root.function, []).append(root)
        return found

    def roots_reaching(self, function: Function) -> list[Root]:
        """Every root from which this function is reached, handlers first."""
        seen = {function}
        stack = [function]
        found: list[Root] = []
        while stack:
            current = stack.pop()
            found.extend(self._roots_of.get(current, ()))
            for caller in self._callers.get(current, ()):
                if caller not in seen:
                    seen.add(caller)
                    stack.append(caller)
        return sorted(found, key=lambda r: (KINDS.index(r.kind), r.label))

    def within(self, scope: Scope) -> Function | None:
        """The reached function that holds a scope, the scope itself first."""
        current: Scope | None = scope
        while current is not None and current not in self._steps:
            current = current.parent
        return current if isinstance(current, Function) else None
