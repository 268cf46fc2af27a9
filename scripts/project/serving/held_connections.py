"""Path operations that keep a database connection while they wait for others, stream or leave a task."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.statements import is_session_class
from project.language.calls import CallSite
from project.language.dataflow import reaching
from project.language.indirect import parameter_at
from project.language.order import follows
from project.language.scopes import Function, parents
from project.language.value_types import Instance
from project.place import Place
from project.routing.dependencies import Dependency
from project.routing.routes import Route
from project.serving.blocking import kind_of
from project.serving.roots import TASK_MAKERS

if TYPE_CHECKING:
    from project import Project

STREAMS = frozenset(
    "starlette.responses.StreamingResponse sse_starlette.EventSourceResponse sse_starlette.sse.EventSourceResponse "
    "fastapi.sse.EventSourceResponse".split()
)
MAX_DEPTH = 4
_RELEASES = frozenset(("commit", "close", "rollback", "invalidate"))
_SLEEPS = frozenset(("asyncio.sleep", "anyio.sleep"))


@dataclass(frozen=True, slots=True)
class HeldConnection:
    """`node` waits (kind http, workflow, model, stream or task) while the connection that `used` took is kept.

    `holder`: the function that took it, a dependency or the path operation itself.
    """

    route: Route
    function: Function
    node: ast.expr
    kind: str
    used: Place
    session: str
    holder: Function


class HeldConnections:
    """Reads handlers whose session comes from a dependency with yield, statement by statement."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._queried: dict[tuple[Function, str], bool] = {}

    def find(self) -> Iterator[HeldConnection]:
        """The first wait of each handler, each handler once."""
        seen: set[Function] = set()
        for route in self._project.routes:
            function = route.function
            if function is None or function in seen:
                continue
            seen.add(function)
            found = self._of_route(route, function)
            if found is not None:
                yield found

    def _of_route(self, route: Route, function: Function) -> HeldConnection | None:
        nodes = [n for root in route.dependency_tree for n in root.walk()]
        providers = {n.function: n for n in nodes if n.function is not None and self._yields_session(n.function)}
        if not providers:
            return None
        names = {n.param for n in route.dependency_tree if n.function in providers and n.param}
        waits = sorted(self._waits(function), key=lambda w: (w[0].lineno, w[0].col_offset))
        if not waits:
            return None
        uses = list(self._uses(function, names))
        releases = [c for c in function.all(ast.Call) if self._gives_up(c, names, function)]
        before = self._used_before(nodes, set(providers))
        short = all(self._is_closed_early(n.function, set(providers)) for n in nodes if n.function) and (
            self._is_closed_early(function, set(providers))
        )
        for node, kind in waits:
            if kind in ("stream", "task") and short:
                continue
            taken = [u for u in uses if kind == "task" or follows(node, u)]
            if kind == "task" and any(not any(follows(u, r) for u in taken) for r in releases):
                continue
            if any(follows(node, r) and not any(follows(u, r) for u in taken) for r in releases):
                continue
            if taken:
                used = function.place(taken[-1], "the connection is taken")
                return HeldConnection(route, function, node, kind, used, min(names), function)
            if before is not None and not any(follows(node, r) for r in releases):
                session = min(names) if names else "the session"
                used = before.place(label=f"dependency {before.name} takes the connection")
                return HeldConnection(route, function, node, kind, used, session, before)
        return None

    def _yields_session(self, function: Function) -> bool:
        if not function.is_generator:
            return False
        given = self._project.values.provided(function)
        return any(isinstance(v, Instance) and is_session_class(v, self._project.names) for v in given)

    def _used_before(self, nodes: list[Dependency], providers: set[Function]) -> Function | None:
        """A dependency that queries with the same session before the handler runs, and does not give it back."""
        for node in nodes:
            function = node.function
            if function is None or function in providers:
                continue
            names = {child.param for child in node.children if child.function in providers}
            kept = not any(_releases(c, names) for c in function.all(ast.Call))
            if kept and any(self._queries_with(function, name) for name in names):
                return function
        return None

    def _uses(self, function: Function, names: set[str]) -> Iterator[ast.expr]:
        """Calls in the handler that send a statement with its session."""
        for execution in self._project.queries.of(function):
            session = execution.session
            if isinstance(session, ast.Name) and session.id in names:
                yield execution.node
        for site in self._project.calls.sites(function):
            if any(self._queries_with(t, p) for t in site.targets for p in self._taking(site, t, names)):
                yield site.node

    def _gives_up(self, call: ast.Call, names: set[str], scope: Function) -> bool:
        """Whether a call commits or closes the session, itself or in a function that takes it."""
        if _releases(call, names):
            return True
        site = self._project.calls.site(call, scope)
        return any(
            _releases(inner, {name})
            for target in site.targets
            for name in self._taking(site, target, names)
            for inner in target.all(ast.Call)
        )

    def _is_closed_early(self, function: Function, providers: set[Function]) -> bool:
        """Whether all sessions that a function asks for are closed before the response is sent (scope="function")."""
        for parameter in self._project.parameters.of(function):
            if any(p in providers for p in parameter.providers):
                scope = parameter.info.get("scope")
                if not (isinstance(scope, ast.Constant) and scope.value == "function"):
                    return False
        return True

    def _taking(self, site: CallSite, target: Function, names: set[str]) -> Iterator[str]:
        """Parameters of a called function that take one of these parameters of the caller."""
        call = site.call
        if call is None or not isinstance(site.scope, Function):
            return
        for position, given in enumerate(call.args):
            if isinstance(given, ast.Name) and given.id in names and _is_parameter(given, given.id, site.scope):
                yield parameter_at(target, position, site)
        for keyword in call.keywords:
            value = keyword.value
            if not keyword.arg or not isinstance(value, ast.Name) or value.id not in names:
                continue
            if _is_parameter(value, value.id, site.scope):
                yield keyword.arg

    def _queries_with(self, function: Function, name: str, depth: int = 0) -> bool:
        """Whether a function sends a statement with the session that a parameter holds, itself or by handing it on."""
        key = (function, name)
        if not name or depth > MAX_DEPTH:
            return False
        if key not in self._queried:
            self._queried[key] = False
            sessions = (e.session for e in self._project.queries.of(function))
            self._queried[key] = any(_is_parameter(s, name, function) for s in sessions) or any(
                self._queries_with(t, p, depth + 1)
                for site in self._project.calls.sites(function)
                for t in site.targets
                for p in self._taking(site, t, {name})
            )
        return self._queried[key]

    def _waits(self, function: Function) -> Iterator[tuple[ast.expr, str]]:
        for site in self._project.calls.sites(function):
            if site.call is None:
                continue
            if TASK_MAKERS.intersection(site.names):
                if self._leaves_long_task(site):
                    yield site.node, "task"
            elif STREAMS.intersection(site.names):
                if self._streams_slowly(site):
                    yield site.node, "stream"
            elif site.awaited or any(isinstance(p, (ast.AsyncWith, ast.AsyncFor)) for p in parents(site.node)):
                kind = self._project.waiting.at(site)
                if kind and not self._gives_back(site):
                    yield site.node, kind

    def _leaves_long_task(self, site: CallSite) -> bool:
        """Whether a background task waits for others, and dependencies are left only after it (FastAPI 0.118)."""
        if self._project.stack.at_least("fastapi", "0.118") is False:
            return False
        tasks = self._project.calls.passed(site.argument(0, "func"), site.scope)
        return any(self._takes_long(t) for t in tasks)

    def _takes_long(self, function: Function, depth: int = 0) -> bool:
        if function in self._project.waiting.functions:
            return True
        sites = self._project.calls.sites(function)
        if any(_is_pause(s) or any(kind_of(n) in ("network", "sleep") for n in s.names) for s in sites):
            return True
        return depth < MAX_DEPTH and any(self._takes_long(t, depth + 1) for s in sites for t in s.targets)

    def _gives_back(self, site: CallSite) -> bool:
        """Whether what is called commits or closes a session itself, maybe before it waits."""
        return any(_releases(call, None) for t in site.targets for s in t.walk() for call in s.all(ast.Call))

    def _streams_slowly(self, site: CallSite) -> bool:
        """Whether the streamed generator waits for others: for a service, for a queue, for the next round."""
        content = site.argument(0, "content")
        if not isinstance(content, ast.Call):
            return False
        return any(self._is_slow(t) for t in self._project.calls.site(content, site.scope).targets if t.is_generator)

    def _is_slow(self, generator: Function, depth: int = 0) -> bool:
        """Whether a generator waits: for a service, a queue, the next round, or for another generator that does."""
        if generator in self._project.waiting.functions or generator.all(ast.AsyncFor):
            return True
        if any(isinstance(w.test, ast.Constant) for w in generator.all(ast.While)):
            return True
        sites = self._project.calls.sites(generator)
        if any(kind_of(name) in ("network", "sleep", "lock") for site in sites for name in site.names):
            return True
        if any(map(_is_pause, sites)):
            return True
        inner = {t for site in sites for t in site.targets if t.is_generator} if depth < MAX_DEPTH else set()
        return any(self._is_slow(t, depth + 1) for t in inner)


def _is_pause(site: CallSite) -> bool:
    """Whether a coroutine sleeps, for longer than to let others run."""
    given = site.argument(0, "delay")
    return bool(_SLEEPS.intersection(site.names)) and not (isinstance(given, ast.Constant) and not given.value)


def _is_parameter(session: ast.expr | None, name: str, function: Function) -> bool:
    """Whether a name still holds what the caller handed over, and is not bound anew (`async with own(db) as db`)."""
    if not isinstance(session, ast.Name) or session.id != name:
        return False
    return all(b.kind == "param" for b in reaching(function, name, session))


def _releases(call: ast.Call, names: set[str] | None) -> bool:
    """Whether a call gives the connection back: `session.commit()` and the like (of any session without `names`)."""
    func = call.func
    if not isinstance(func, ast.Attribute) or func.attr not in _RELEASES:
        return False
    return names is None or (isinstance(func.value, ast.Name) and func.value.id in names)
