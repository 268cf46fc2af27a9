"""Builds the route map from what the interpreter left: walks applications, includes and mounts."""

from __future__ import annotations

import gc
import http
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import Function
from project.place import Place
from project.routing.dependencies import Dependencies, Dependency, call_name, function_of, type_text, unwrapped
from project.routing.guard_middleware import CONFIGURED, Request
from project.routing.guards import Guards
from project.routing.interpret import Interpreter
from project.routing.interpret_machine import OutOfBudgetError
from project.routing.interpret_registration import PLACEHOLDER
from project.routing.interpret_values import (
    Cls,
    Dep,
    Entry,
    Func,
    Generic,
    Inst,
    LibraryFunction,
    Made,
    Maybe,
    ModuleValue,
    RouterState,
    UnionType,
    Unknown,
    Value,
    options_of,
    plain,
    text_of,
    truth,
)
from project.routing.route_roots import run_project
from project.routing.routes import App, Route, RouteMap, Router, UnknownRoute

if TYPE_CHECKING:
    from project import Project

MAX_ROUTES = 50_000
MAX_TREE = 40
MAX_VISITS = 200_000
ROUTE_STEPS = 100_000


def read_routes(project: Project) -> RouteMap:
    """Interpret the router-building code of the project. Garbage collection is off meanwhile: values only grow."""
    enabled = gc.isenabled()
    gc.disable()
    try:
        run = Interpreter(project)
        run_project(run)
        return _Builder(run).build()
    finally:
        if enabled:
            gc.enable()


class _Builder:
    """Walks the applications the interpreter left."""

    def __init__(self, run: Interpreter) -> None:
        self.run = run
        self.dependencies = Dependencies(run)
        self.guards = Guards(run, self.dependencies)
        self.late = _serves_late_routes(run.project)
        self.names = _variable_names(run)
        self.served: set[int] = set()
        self.placed: set[Place] = set()
        self.visits = 0

    def build(self) -> RouteMap:
        apps = [i for i in self.run.routers if i.state is not None and i.state.is_app]
        chosen = self._roots(apps)
        if not apps:
            chosen = [i for i in self.run.routers if i.state is not None and not i.state.included and i.state.entries]
        routes: list[Route] = []
        for inst in chosen:
            for route in self._routes_of(inst):
                routes.append(route)
                if len(routes) > MAX_ROUTES:
                    break
        routes = _merged(routes)
        found = {UnknownRoute(*u) for u in (*self.run.unknown, *self._not_served())}
        unknown = sorted(found, key=lambda u: (u.path, u.line, u.why))
        return RouteMap(routes, _once(unknown), [self._app(i) for i in apps], self._routers())

    def _app(self, inst: Inst) -> App:
        state = inst.state
        assert state is not None
        return App(self._app_name(inst), state.place, state, state.mounted)

    def _routers(self) -> list[Router]:
        return [
            Router(i.state.place, text_of(i.state.prefix), id(i.state) in self.served, len(i.state.entries), i.state)
            for i in self.run.routers
            if i.state is not None and not i.state.is_app
        ]

    def _not_served(self) -> Iterator[tuple[str, int, str]]:
        """Routes of the project's own routers that no application was seen to include; not those of another object
        that was made in the same place.
        """
        for inst in self.run.routers:
            state = inst.state
            if state is None or state.is_app or id(state) in self.served:
                continue
            for entry in map(plain, state.entries):
                if not isinstance(entry, Entry) or entry.kind not in ("route", "websocket"):
                    continue
                module = self.run.project.module(entry.place.path)
                if module is not None and module.kind != "test" and entry.place not in self.placed:
                    yield entry.place.path, entry.place.line, "no application was seen to include its router"

    def _roots(self, apps: list[Inst]) -> list[Inst]:
        """Applications that no other mounts; of several from one place the one that has a name."""
        found: dict[tuple[str, int], list[Inst]] = {}
        for inst in apps:
            assert inst.state is not None
            if not inst.state.mounted:
                found.setdefault((inst.state.place.path, inst.state.place.line), []).append(inst)
        mounted = {(i.state.place.path, i.state.place.line) for i in apps if i.state is not None and i.state.mounted}
        chosen: list[Inst] = []
        for key, group in found.items():
            named = [i for i in group if id(i) in self.names]
            chosen.extend(named or ([] if key in mounted else group[:1]))
        return chosen

    def _app_name(self, inst: Inst) -> str:
        state = inst.state
        assert state is not None
        if id(inst) in self.names:
            return self.names[id(inst)]
        factory = state.factory
        module = self.run.project.module(state.place.path)
        if factory is not None:
            return f"{factory.module.dotted}:{factory.qualname}"
        return f"{module.dotted if module is not None else state.place.path}:{'app' if state.is_app else 'router'}"

    # Walking

    def _routes_of(self, inst: Inst) -> Iterator[Route]:
        state = inst.state
        assert state is not None
        frame = _Frame(self._app_name(inst), "", [], [], [], False, (), (inst,))
        yield from self._walk(state, state.entries, frame)

    def _walk(self, state: RouterState, entries: Iterable[Value], frame: _Frame) -> Iterator[Route]:
        self.served.add(id(state))
        for entry in map(plain, list(entries)):
            self.visits += 1
            if self.visits > MAX_VISITS or not isinstance(entry, Entry):
                continue
            if entry.kind in ("route", "websocket"):
                self.placed.add(entry.place)
                yield from self._guarded_route(state, entry, frame)
            elif entry.target is not None and entry.target not in frame.path_of and len(frame.path_of) < MAX_TREE:
                target = entry.target.state
                assert target is not None
                copied = entry.kind == "include" and not self.late and entry.snapshot is not None
                if entry.kind == "include" or self.late or state.is_app:
                    inner = frame.below(entry, state.is_app)
                    yield from self._walk(target, (entry.snapshot or ()) if copied else target.entries, inner)

    def _guarded_route(self, state: RouterState, entry: Entry, frame: _Frame) -> Iterator[Route]:
        """One route, unless its dependencies take too long to follow."""
        self.run.steps, self.run.limit, self.run.conditional = 0, ROUTE_STEPS, 0
        try:
            yield self._route(state, entry, frame)
        except (OutOfBudgetError, RecursionError):
            self.run.unknown.append((entry.place.path, entry.place.line, "what it depends on takes too long to follow"))

    # One route

    def _route(self, state: RouterState, entry: Entry, frame: _Frame) -> Route:
        handler = unwrapped(entry.endpoint)
        function = function_of(self.run, entry.endpoint)
        place = function.place() if function is not None else entry.place
        app_level = [*frame.app_level, *(entry.router_dependencies if state.is_app else [])]
        router_level = [] if state.is_app else entry.router_dependencies
        levels = [
            self._trees(app_level, "app"),
            self._trees(frame.include_level, "include"),
            self._trees(router_level, "router"),
            self._trees(entry.dependencies, "route"),
            self.dependencies.of_call(entry.endpoint),
        ]
        tree = [d for level in levels for d in level]
        model, value = self._response_model(entry)
        request = Request(
            frame.prefix + str(entry.path),
            entry.methods[0] if entry.methods else "GET",
            "websocket" if entry.kind == "websocket" else "http",
        )
        verdict = self.guards.of_route(
            tree, entry, [i.state for i in frame.apps if i.state is not None], state, request
        )
        return Route(
            methods=entry.methods,
            path=frame.prefix + str(entry.path),
            file=place.path,
            line=place.line,
            decorator_line=_first_decorator(function, place.line),
            handler=call_name(handler),
            function=function,
            is_async=_is_async(entry.endpoint, function),
            dependencies=tuple(dict.fromkeys(d.name for root in tree for d in root.walk())),
            dependency_tree=tuple(tree),
            response_model=model,
            response_model_value=value,
            status_code=_status(entry.options.get("status_code")) or 200,
            websocket=entry.kind == "websocket",
            app=frame.app,
            conditional=frame.conditional or entry.conditional,
            tags=tuple(dict.fromkeys(t for v in [*frame.tags, *entry.tags] if (t := self.run.as_text(v)) is not None)),
            include_in_schema=truth(entry.options.get("include_in_schema", True)) is not False and frame.in_schema,
            deprecated=truth(entry.options.get("deprecated")) is True,
            response_class=_class_name(entry.options.get("response_class")),
            security_scopes=tuple(dict.fromkeys(s for root in tree for d in root.walk() for s in d.scopes)),
            place=entry.place,
            router_place=state.place,
            include_places=frame.include_places,
            app_dependencies=_names(levels[0]),
            include_dependencies=_names(levels[1]),
            router_dependencies=_names(levels[2]),
            own_dependencies=_names([*levels[3], *levels[4]]),
            mounts=frame.mounts,
            endpoint=entry.endpoint,
            options=entry.options,
            auth=verdict.guards,
            auth_by=verdict.by if verdict.guards is not False else "",
            auth_how=verdict.how if verdict.guards is not False else "",
            auth_optional=self.guards.optional(tree) if verdict.guards is False else "",
        )

    def _trees(self, values: list[Value], level: str) -> list[Dependency]:
        found = []
        for value in values:
            options = options_of(plain(value))
            for dep in map(plain, options):
                tree = self.dependencies.make(dep, level) if isinstance(dep, Dep) else None
                if tree is not None:
                    tree.conditional = isinstance(value, Maybe) or len(options) > 1
                    found.append(tree)
        return found

    def _response_model(self, entry: Entry) -> tuple[str | None, Value]:
        if entry.kind == "websocket":
            return None, None
        given = entry.options.get("response_model", _MISSING)
        if isinstance(given, Made) and given.dotted == PLACEHOLDER:
            given = given.args[0] if given.args and given.args[0] is not None else _MISSING
        if given is _MISSING:
            given = self._return_type(entry.endpoint)
            if self._is_response(given):
                return None, None
        given = plain(given)
        if given is None or (isinstance(given, Unknown) and not given.dotted):
            return None, None
        text = text_of(given)
        if text is not None:
            function = unwrapped(entry.endpoint)
            given = self.run.eval_text(text, function.env) if isinstance(function, Func) else given
        return type_text(given), given

    def _return_type(self, endpoint: Value) -> Value:
        function = unwrapped(endpoint)
        if isinstance(function, Inst) and isinstance(function.cls, Cls):
            found = self.run.class_variable(function.cls, "__call__")
            function = unwrapped(found[0]) if found is not None else None
        if not isinstance(function, Func) or function.function.returns is None or function.function.is_generator:
            return None
        return self.run.annotation(function.function.returns, function.env)

    def _is_response(self, value: Value) -> bool:
        """Whether a return type is a Response, which FastAPI does not make a response model of."""
        value = plain(value)
        if isinstance(value, Generic):
            value = value.base
        if isinstance(value, UnionType):
            return any(self._is_response(o) for o in value.options)
        if isinstance(value, External):
            return _RESPONSE.match(value.dotted) is not None
        return isinstance(value, Cls) and any(_RESPONSE.match(b) for b in self.run.library_bases(value))


@dataclass(frozen=True, slots=True)
class _Frame:
    """What the includes and mounts on the way to a router add to its routes."""

    app: str
    prefix: str
    app_level: list[Value]
    include_level: list[Value]
    tags: list[Value]
    conditional: bool
    include_places: tuple[Place, ...]
    path_of: tuple[Inst, ...]
    in_schema: bool = True
    mounts: tuple[tuple[Place, str], ...] = ()

    @property
    def apps(self) -> list[Inst]:
        """The applications on the way, the outermost first."""
        return [i for i in self.path_of if i.state is not None and i.state.is_app]

    def below(self, entry: Entry, from_app: bool) -> _Frame:
        assert entry.target is not None
        prefix = self.prefix + str(entry.path)
        conditional = self.conditional or entry.conditional
        places = (*self.include_places, entry.place)
        path_of = (*self.path_of, entry.target)
        if entry.kind == "mount":
            mounts = (
                (*self.mounts, (entry.target.state.place, prefix)) if entry.target.state is not None else self.mounts
            )
            return _Frame(self.app, prefix, [], [], [], conditional, places, path_of, mounts=mounts)
        app_level = [*self.app_level, *(entry.router_dependencies if from_app else [])]
        include_level = [*self.include_level, *([] if from_app else entry.router_dependencies), *entry.dependencies]
        in_schema = self.in_schema and truth(entry.options.get("include_in_schema", True)) is not False
        return _Frame(
            self.app,
            prefix,
            app_level,
            include_level,
            [*self.tags, *entry.tags],
            conditional,
            places,
            path_of,
            in_schema,
            self.mounts,
        )


_MISSING = object()
_RESPONSE = re.compile(r"(starlette|fastapi|sse_starlette|fastapi\.sse)(\.[\w.]+)?\.\w*Response$")


def _names(level: list[Dependency]) -> tuple[str, ...]:
    return tuple(d.name for d in level)


def _first_decorator(function: Function | None, line: int) -> int:
    return min([line, *(d.lineno for d in function.decorators)]) if function is not None else line


def _is_async(endpoint: Value, function: Function | None) -> bool:
    """Whether the handler runs on the event loop: it or what wraps it is a coroutine function."""
    value = endpoint
    while isinstance(value, Func) and value.wrapped is not None:
        if value.function.is_async:
            return True
        value = plain(value.wrapped)
    if isinstance(value, LibraryFunction):
        return value.is_async
    return function is not None and function.is_async


def _status(value: Value) -> int | None:
    value = plain(value)
    if isinstance(value, bool):
        return None
    if isinstance(value, int):
        return value
    if isinstance(value, External):
        digits = re.search(r"HTTP_(\d{3})", value.dotted)
        if digits:
            return int(digits[1])
        if value.dotted.startswith("http.HTTPStatus."):
            member = value.dotted.split(".")[2]
            return int(http.HTTPStatus[member]) if member in http.HTTPStatus.__members__ else None
    return None


def _class_name(value: Value) -> str | None:
    value = plain(value)
    if isinstance(value, Made) and value.dotted == PLACEHOLDER:
        return None
    return call_name(value) if isinstance(value, (Cls, External)) else None


def _serves_late_routes(project: Project) -> bool:
    """Whether routes added after `include_router` are served (FastAPI 0.137 and newer; unknown is newest)."""
    stack = getattr(project, "stack", None)
    at_least = getattr(stack, "at_least", None)
    return at_least is None or at_least("fastapi", "0.137") is not False


def _variable_names(run: Interpreter) -> dict[int, str]:
    """`package.module:variable` of applications and routers, by identity of the object."""
    found: dict[int, str] = {}
    for value in run.modules.values():
        for name, held in value.env.vars.items():
            for inst, text in _held(plain(held), name):
                if inst.state is None:
                    continue
                label = f"{value.module.dotted}:{text}"
                here = inst.state.place.path == value.module.path
                if id(inst) not in found or (here and "." not in text):
                    found[id(inst)] = label
    return found


def _held(value: Value, name: str) -> Iterator[tuple[Inst, str]]:
    if isinstance(value, ModuleValue):
        return
    if isinstance(value, Inst):
        if value.state is not None:
            yield value, name
        else:
            for attribute, inner in value.attrs.items():
                inner = plain(inner)
                if isinstance(inner, Inst) and inner.state is not None:
                    yield inner, f"{name}.{attribute}"


def _merged(routes: list[Route]) -> list[Route]:
    """One row for the variants of one registration that configuration chooses among; their guards may differ."""
    found: dict[tuple[object, ...], Route] = {}
    for route in routes:
        key = (
            (route.app, route.methods, route.path, route.handler, route.file, route.line, route.place)
            if route.conditional
            else (id(route),)
        )
        first = found.setdefault(key, route)
        if first is not route and first.auth is not route.auth:
            by = next(r.auth_by for r in (first, route) if r.auth_by)
            found[key] = replace(first, auth=None, auth_by=f"{by.removesuffix(f', {CONFIGURED}')}, {CONFIGURED}")
    return list(found.values())


def _once(unknown: list[UnknownRoute]) -> list[UnknownRoute]:
    """One entry a line."""
    found: dict[tuple[str, int], UnknownRoute] = {}
    for entry in unknown:
        found.setdefault((entry.path, entry.line), entry)
    return list(found.values())
