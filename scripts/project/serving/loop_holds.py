"""What holds the event loop, which routes wait for that, and what each of them could do instead."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.scopes import Function
from project.routing.routes import Route
from project.serving.blocking import METADATA, Blocking, blocking, kind_of
from project.serving.reach import is_unconditional
from project.serving.roots import Root

if TYPE_CHECKING:
    from project import Project

# Those that wait longest first.
KINDS = ("network", "sleep", "subprocess", "lock", "database", "hashing", "compute", "file")
SHORT = 0.05  # seconds
QUICK = 10_000  # rounds of PBKDF2, a few milliseconds
SERIOUS = frozenset(KINDS) - {"file"}
# Calls that an argument makes long: its position, its name, and from where on it matters.
_AMOUNTS: dict[str, tuple[int, str, float]] = {
    "time.sleep": (0, "secs", SHORT),
    "hashlib.pbkdf2_hmac": (3, "iterations", QUICK),
}
_UPLOAD = "fastapi.datastructures.UploadFile"
_DEF, _CLIENT, _THREAD = "def", "async client", "thread"


@dataclass(frozen=True, slots=True, eq=False)
class Held:
    """A call that holds the loop, in the function that makes it. `once`: only at start-up or to make what is kept;
    `after`: the clause after whose error alone it runs; `per_key`: what it gives is kept for each key."""

    function: Function
    site: CallSite
    name: str
    kind: Blocking
    once: bool
    after: ast.ExceptHandler | None = None
    per_key: bool = False

    @property
    def spelled(self) -> str:
        """The call as a person would write it."""
        named = self.name.replace("sqlalchemy.orm.sessionmaker.", "sqlalchemy.orm.scoped_session.")
        return named.removeprefix("builtins.").replace("()", "").removesuffix(".__call__")

    @property
    def is_of_object(self) -> bool:
        """Whether it is a call of something that the method's own object keeps: `self.client.get(...)`."""
        node: ast.expr = self.site.node
        while isinstance(node, (ast.Attribute, ast.Call)):
            node = node.func if isinstance(node, ast.Call) else node.value
        function = self.function
        me = function.params[0][0].arg if function.owner is not None and function.params else ""
        return bool(me) and isinstance(node, ast.Name) and node.id == me

    @property
    def is_trivial(self) -> bool:
        """A question to the file system, or a sleep or a hash too short to matter."""
        position, word, most = _AMOUNTS.get(self.name, (0, "", 0))
        if not word:
            return self.name in METADATA
        amount = self.site.argument(position, word)
        return isinstance(amount, ast.Constant) and isinstance(amount.value, (int, float)) and amount.value < most

    @property
    def order(self) -> tuple[bool, int, str, int, int]:
        """Sorts what runs without an error first, then the gravest, then by place."""
        weight = KINDS.index(self.kind.kind) + self.is_trivial
        return (
            self.after is not None,
            weight,
            self.function.module.path,
            self.site.node.lineno,
            self.site.node.col_offset,
        )


@dataclass(frozen=True, slots=True)
class Block:
    """A route that holds the loop: in which function that FastAPI calls (the handler or a dependency), by which call
    (the nearest), how many calls away, and what would mend it.

    `remedy` is "def" (nothing it awaits needs the loop), "async client" or "thread"; `instead` says which.
    `sometimes`: every way stands in an `except` clause or depends on the configuration.
    """

    function: Function
    held: Held
    calls_away: int
    remedy: str
    instead: str
    sometimes: bool = False


class LoopHolds:
    """Calls that hold the event loop and what they mean for each route, worked out once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._needs: dict[Function, bool] = {}

    @cached_property
    def calls(self) -> list[Held]:
        """Every call that holds the event loop, one a line, by file and line."""
        return list(self._find())

    def of(self, kinds: Iterable[str]) -> Iterator[Held]:
        """Calls of these kinds."""
        wanted = frozenset(kinds)
        return (held for held in self.calls if held.kind.kind in wanted)

    def _find(self) -> Iterator[Held]:
        project = self._project
        lines: set[tuple[str, int, str]] = set()
        for function, site, name in project.event_loop.calls_of(lambda n: kind_of(n) in KINDS):
            kind = blocking(name)
            if kind is None or _called_off(site) or self.reads_upload(site):
                continue
            line = (function.module.path, site.node.lineno, kind.kind)
            if line not in lines:
                lines.add(line)
                once = project.event_loop.is_rare(function) or project.lifetimes.is_made_once(site)
                after = project.event_loop.only_after(function, site)
                yield Held(function, site, name, kind, once, after, not once and self._is_kept_per_key(function, site))

    def _is_kept_per_key(self, function: Function, site: CallSite) -> bool:
        """Whether a call, or every call of the function that makes it, stands behind a cache."""
        per_key = self._project.lifetimes.is_made_per_key
        if per_key(site):
            return True
        loop = self._project.event_loop
        above = [s for s in self._project.calls.callers(function) if s.scope in loop]
        return bool(above) and function not in loop.rooted and all(map(per_key, above))

    def reads_upload(self, site: CallSite) -> bool:
        """Whether the file of an upload is an argument of the call."""
        call = site.call
        given = [*call.args, *(k.value for k in call.keywords)] if call is not None else []
        files = (g.value for g in given if isinstance(g, ast.Attribute) and g.attr == "file")
        return any(v.dotted == _UPLOAD for owner in files for v in self._project.values.of(owner, site.scope))

    # Routes

    def block(self, route: Route) -> Block | None:
        """What holds the loop when this route runs: in its handler or one of its asynchronous dependencies.

        None when nothing was seen, or only local files and what is done once.
        """
        for nearest, sometimes in ((self._nearest_always, False), (self._nearest, True)):
            for function in self._on_loop(route):
                for way in (function, *self._project.indirect.wrappers(function)):
                    found = nearest.get(way)
                    if found is not None:
                        return Block(function, *found, *self.remedy(function, found[0], route.websocket), sometimes)
        return None

    def _on_loop(self, route: Route) -> Iterator[Function]:
        loop = self._project.event_loop
        if route.function is not None and (route.is_async or route.function in loop.rooted):
            yield route.function
        yield from (f for f in route.dependency_functions if isinstance(f, Function) and f in loop.rooted)

    @cached_property
    def _nearest(self) -> dict[Function, tuple[Held, int]]:
        """For each function that leads to a serious call, the nearest of those and how many calls away it is."""
        return self._nearest_by(self._serious, lambda *_: True)

    @cached_property
    def _nearest_always(self) -> dict[Function, tuple[Held, int]]:
        """The same for ways on which no call stands in an `except` clause or depends on the configuration."""
        always = [h for h in self._serious if h.after is None and is_unconditional(h.site)]
        return self._nearest_by(always, self._project.event_loop.calls_unconditionally)

    @cached_property
    def _serious(self) -> list[Held]:
        serious = (h for h in self.calls if h.kind.kind in SERIOUS and not (h.once or h.is_trivial))
        return sorted(serious, key=lambda h: h.order)

    def _nearest_by(
        self, calls: Iterable[Held], leads: Callable[[Function, Function], bool]
    ) -> dict[Function, tuple[Held, int]]:
        found: dict[Function, tuple[Held, int]] = {}
        for held in calls:
            found.setdefault(held.function, (held, 0))
        queue = deque(found)
        while queue:
            function = queue.popleft()
            held, away = found[function]
            for caller in self._project.event_loop.waiting_callers(function):
                if caller not in found and leads(caller, function):
                    found[caller] = held, away + 1
                    queue.append(caller)
        return found

    # What would mend it

    def remedy(self, root: Function, held: Held, websocket: bool = False) -> tuple[str, str]:
        """(remedy, what to use) for a function that FastAPI calls itself and a call that it leads to."""
        if root.is_async and not websocket and not self.needs_loop(root):
            return _DEF, f"a plain def: {root.name} awaits nothing that needs the event loop"
        threaded = held.kind.instead in ("run_in_threadpool", "asyncio.to_thread") or held.kind.kind in (
            "hashing",
            "compute",
            "file",
        )
        return (_THREAD if threaded else _CLIENT), held.kind.instead

    def can_be_plain(self, root: Root) -> bool:
        """Whether FastAPI would run this root in the threadpool if it were a plain def, and nothing speaks against."""
        return (
            root.kind in ("handler", "dependency", "exception handler", "background task")
            and root.function.is_async
            and not root.label.startswith(("WS ", "socket event", "task "))
            and not self._awaits_own(root.function)
            and not self.needs_loop(root.function)
        )

    def _awaits_own(self, function: Function) -> bool:
        """Whether a coroutine awaits another one of the project, which would have to become a plain def as well."""
        calls = (node.value for node in function.all(ast.Await) if isinstance(node.value, ast.Call))
        return any(target.is_async for call in calls for target in self._project.calls.site(call, function).targets)

    def needs_loop(self, function: Function) -> bool:
        """Whether a coroutine awaits something that a plain def could not do without the event loop."""
        if function not in self._needs:
            self._needs[function] = False
            self._needs[function] = self._asks_for_loop(function)
        return self._needs[function]

    def _asks_for_loop(self, function: Function) -> bool:
        waits_itself = ast.AsyncFor in function.nodes or ast.AsyncWith in function.nodes
        if waits_itself or any(c.is_async for c in function.all(ast.comprehension)):
            return True
        if function.is_generator and function.is_async and not self._is_provider(function):
            return True
        sites = self._project.calls.sites(function)
        if any(name in _USES_LOOP for site in sites for name in site.names):
            return True
        return any(self._needs_await(node, function) for node in function.all(ast.Await))

    def _is_provider(self, function: Function) -> bool:
        return any(root.function is function and root.kind == "dependency" for root in self._project.event_loop.roots)

    def _needs_await(self, node: ast.Await, function: Function) -> bool:
        if not isinstance(node.value, ast.Call):
            return True
        site = self._project.calls.site(node.value, function)
        if site.targets and not site.names:
            return any(not t.is_async or self.needs_loop(t) for t in site.targets)
        return not site.names or not all(name in _AVOIDABLE for name in site.names)


# Awaited by many a handler that could take the same as a parameter, or do it in its own thread.
_AVOIDABLE = frozenset(
    f"{owner}.{name}"
    for owner, names in (
        ("starlette.requests.Request", "json body"),
        (_UPLOAD, "read write seek close"),
        ("asyncio", "sleep to_thread"),
        ("starlette.concurrency", "run_in_threadpool"),
        ("anyio.to_thread", "run_sync"),
    )
    for name in names.split()
)
# What a context variable is set to in the threadpool is lost to the path operation.
_USES_LOOP = frozenset(
    "contextvars.ContextVar.set "
    "asyncio.create_task asyncio.ensure_future asyncio.get_running_loop asyncio.get_event_loop asyncio.gather "
    "asyncio.AbstractEventLoop.create_task asyncio.AbstractEventLoop.run_in_executor".split()
)


def _called_off(site: CallSite) -> bool:
    """An awaited call is of an asynchronous object; a result asked for without waiting does not wait."""
    timeout = site.argument(-1, "timeout") or site.argument(-1, "block")
    if site.awaited or (isinstance(timeout, ast.Constant) and timeout.value in (0, False)):
        return True
    call = site.call
    if call is None:
        return False
    if any(isinstance(a, ast.Attribute) and a.attr == "WNOHANG" for a in call.args):
        return True
    if isinstance(call.func, ast.Attribute) and call.func.attr == "result":
        asked = ast.unparse(call.func.value) + ".done()"
        return any(ast.unparse(c) == asked for c in site.scope.all(ast.Call) if not c.args)
    return False
