"""What runs while the application serves: everything reached from the functions that FastAPI calls itself."""

from __future__ import annotations

import ast
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.conditions import NOTHING, Known, skipped
from project.language.scopes import Function, Scope, parent, parents
from project.place import Place
from project.serving.roots import KINDS, Root, is_task_start

if TYPE_CHECKING:
    from project import Project


MAX_WAYS = 4


@dataclass(slots=True, eq=False)
class Way:
    """A function called with what is `known` of its parameters; `callers`: where that happens."""

    function: Function
    known: Known
    callers: dict[Way, None] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Step:
    """How a function came to run: as a root, or called at `site`, which stands in the function of `caller`."""

    root: Root | None
    site: CallSite | None
    caller: Way | None = None


Entry = tuple[Function, Known, Step]
Steps = dict[Function, dict[Way, Step]]


class Reach:
    """Functions reached from roots, each with the shortest way there; ways from start-up only where there is no other.

    With `threads`, work handed to a thread counts as reached; without, only what stays on the caller's thread does.
    `plain` leaves coroutines out: what remains of a thread that runs no event loop.
    """

    def __init__(self, project: Project, roots: Iterable[Root], threads: bool, plain: bool = False) -> None:
        self._project = project
        self._threads = threads
        self._plain = plain
        self.roots = list(roots)
        self._rare: frozenset[Function] = frozenset()
        self._starting: Steps = {}
        self._ways: dict[Function, list[Way]] = {}

    @cached_property
    def _steps(self) -> Steps:
        found: Steps = {}
        serving = [r for r in self.roots if r.kind != "start-up"]
        starting = [r for r in self.roots if r.kind == "start-up"]
        later = self._spread(found, [(r.function, NOTHING, Step(r, None)) for r in serving])
        first: list[Entry] = [(r.function, NOTHING, Step(r, None)) for r in starting]
        while first:
            first = self._spread(self._starting, first)
        # A task that start-up leaves behind runs while requests are served.
        left = self._started(self._starting)
        tasks = [Root(f, "background task", f"task {f.name} of the start-up", True) for f in left]
        later += self._spread(found, [(t.function, NOTHING, Step(t, None)) for t in tasks if t.function not in found])
        often = set(found)
        # What start-up makes is there already when the first request asks for it.
        for function, steps in self._starting.items():
            found.setdefault(function, dict(steps))
        while later:
            later = self._spread(found, later)
        self._rare = frozenset(found.keys() - often)
        return found

    def _spread(self, found: Steps, entries: Iterable[Entry]) -> list[Entry]:
        """Add what is reached from `entries`; gives back what is only reached by making something once."""
        queue: deque[Entry] = deque(entries)
        later: list[Entry] = []
        while queue:
            function, known, step = queue.popleft()
            way, new = self._entered(function, known)
            if step.caller is not None:
                way.callers[step.caller] = None
            if not new and function in found:
                found[function].setdefault(way, step)
                continue
            found.setdefault(function, {}).setdefault(way, step)
            for site, target in self._edges(function):
                if known and skipped(site.node, known):
                    continue
                said = self._project.conditions.given(site, target, known)
                entry = (target, said, Step(None, site, way))
                (later if self._project.lifetimes.is_made_once(site) else queue).append(entry)
        return later

    def _entered(self, function: Function, known: Known) -> tuple[Way, bool]:
        """The way for what is known of the parameters here, and whether it is a new one."""
        ways = self._ways.setdefault(function, [])
        for way in ways:
            if way.known <= known:
                return way, False
        ways.append(Way(function, known if len(ways) < MAX_WAYS else NOTHING))
        return ways[-1], True

    def _open(self, function: Function, site: CallSite | None) -> list[Way]:
        """Ways on which a call of a function is made."""
        ways = self._ways.get(function, []) if self._steps else []
        return ways if site is None else [w for w in ways if not skipped(site.node, w.known)]

    def _started(self, steps: Steps) -> Iterator[Function]:
        """Coroutine functions that the reached functions start as tasks."""
        for function in steps:
            for site in self._project.calls.sites(function):
                coroutines = [t for t in site.targets if t.is_async]
                if coroutines and is_task_start(self._project, site):
                    yield from coroutines

    def _edges(self, function: Function) -> list[tuple[CallSite, Function]]:
        if function not in self._known_edges:
            found = self._project.edges.of(function)
            if self._threads:
                kept = found
            else:
                kept = [e for e in found if not (e.off_thread or (e.without_loop and not self._plain))]
            self._known_edges[function] = [(e.site, e.target) for e in kept if not (self._plain and e.target.is_async)]
        return self._known_edges[function]

    @cached_property
    def _known_edges(self) -> dict[Function, list[tuple[CallSite, Function]]]:
        return {}

    def __contains__(self, scope: object) -> bool:
        return scope in self._steps

    @property
    def functions(self) -> Iterable[Function]:
        return self._steps.keys()

    def calls_of(self, wanted: Callable[[str], bool]) -> Iterator[tuple[Function, CallSite, str]]:
        """Calls of library functions whose canonical name passes a test, by file and line; each with that name."""
        found: dict[CallSite, tuple[Function, str]] = {}
        for name, sites in self._library_calls.items():
            if wanted(name):
                for function, site in sites:
                    found.setdefault(site, (function, name))
        for site, (function, name) in sorted(found.items(), key=_by_place):
            if self._is_live(function, site):
                yield function, site, name

    @cached_property
    def _library_calls(self) -> dict[str, list[tuple[Function, CallSite]]]:
        found: dict[str, list[tuple[Function, CallSite]]] = {}
        for function in self._steps:
            for site in self._project.calls.sites(function):
                for name in site.names:
                    found.setdefault(name, []).append((function, site))
        return found

    def _is_live(self, function: Function, site: CallSite) -> bool:
        if not (self._threads or self._plain) and self._project.running_loop.is_absent_at(site.node, function):
            return False
        return bool(self._open(function, site))

    def is_rare(self, function: Function) -> bool:
        """Whether a function runs only while the application starts, or once to make what is then kept."""
        return function in self._steps and function in self._rare

    @cached_property
    def _without_error(self) -> frozenset[Function]:
        """Functions to which a way leads on which no call stands in an `except` clause."""
        queue = deque(f for f, steps in self._steps.items() if next(iter(steps.values())).root is not None)
        found = set(queue)
        while queue:
            for site, target in self._edges(queue.popleft()):
                if target not in found and target in self._steps and clause_of(site.node) is None:
                    found.add(target)
                    queue.append(target)
        return frozenset(found)

    def only_after(self, function: Function, site: CallSite) -> ast.ExceptHandler | None:
        """The clause after whose error alone a call of a reached function is made."""
        clause = clause_of(site.node)
        if clause is not None or function in self._without_error:
            return clause
        sites = (step.site for step, _ in self._way(function, site) if step.site is not None)
        return next((c for s in sites if (c := clause_of(s.node)) is not None), None)

    def only_if_chosen(self, function: Function, site: CallSite) -> bool:
        """Whether a call on the way is made for one provider of several, or with a setting that is off by default."""
        sites = [site, *(step.site for step, _ in self._way(function, site) if step.site is not None)]
        return any(_is_chosen(self._project, s) for s in sites)

    def way_from(self, root: Root, function: Function) -> tuple[Place, ...]:
        """The shortest way from one of the roots that wait for a function, as `trace` gives it.

        Empty without one on which no call stands in an `except` clause.
        """
        below: dict[Function, Function | None] = {function: None}
        queue = deque([function])
        while queue and root.function not in below:
            current = queue.popleft()
            for caller in self.waiting_callers(current):
                if caller not in below and self._usual_sites(caller, current):
                    below[caller] = current
                    queue.append(caller)
        hops = [root.place()] if root.function in below else []
        caller, called = root.function, below.get(root.function)
        while called is not None:
            hops.append(_hop(self._usual_sites(caller, called)[0], called))
            caller, called = called, below[called]
        return tuple(hops)

    def trace(self, function: Function, site: CallSite | None = None) -> tuple[Place, ...]:
        """The way from a root to this function: the root, then each call on the way, with file and line.

        With a `site` in the function, a way on which that call is made.
        """
        hops: list[Place] = []
        for step, current in self._way(function, site):
            hops.append(step.root.place() if step.root is not None else _hop(step.site, current))
        return tuple(reversed(hops))

    def _way(self, function: Function, site: CallSite | None = None) -> Iterator[tuple[Step, Function]]:
        steps = self._starting if self.is_rare(function) and function in self._starting else self._steps
        ways = steps[function]
        way = next((w for w in ways if site is None or not skipped(site.node, w.known)), next(iter(ways)))
        while True:
            known = steps[way.function]
            step = known.get(way) or next(iter(known.values()))
            yield step, way.function
            if step.caller is None:
                return
            way = step.caller

    def root(self, function: Function, site: CallSite | None = None) -> Root:
        """The root of the shortest way to this function (and to a call in it)."""
        return next(step.root for step, _ in self._way(function, site) if step.root is not None)

    def sites(self, function: Function) -> list[CallSite]:
        """The calls of the shortest way to this function, the nearest first."""
        return [step.site for step, _ in self._way(function) if step.site is not None]

    def step(self, function: Function) -> Step | None:
        """How a function is reached first, None when it is not."""
        return next(iter(self._steps.get(function, {}).values()), None)

    def entry(self, function: Function, site: CallSite | None = None) -> CallSite | None:
        """The call by which a coroutine on the way enters plain functions that lead here: the place to hand over.

        None when the function is itself a coroutine.
        """
        entered = None
        for step, current in self._way(function, site):
            if current.is_async:
                break
            entered = step.site
        return entered

    def certainty(self, function: Function, site: CallSite | None = None) -> str:
        """resolved, or inferred when a hop on the shortest way was."""
        hops = (step.site.certainty for step, _ in self._way(function, site) if step.site is not None)
        return next((c for c in hops if c != "resolved"), "resolved")

    @cached_property
    def _callers(self) -> dict[Function, list[Function]]:
        found: dict[Function, list[Function]] = {}
        for function in self._steps:
            for _, target in self._edges(function):
                found.setdefault(target, []).append(function)
        return found

    def callers(self, function: Function) -> list[Function]:
        """Reached functions that call this one."""
        return self._callers.get(function, [])

    def callers_each_time(self, function: Function) -> list[Function]:
        """Callers, without those that call a function of every request only to make something once."""
        once = self._project.lifetimes.is_made_once
        if self.is_rare(function):
            return self.callers(function)
        return [c for c in self.callers(function) if not all(map(once, self._sites_between(c, function)))]

    def waiting_callers(self, function: Function) -> list[Function]:
        """Those of them that do not leave it to a task of its own."""
        if function not in self._waiting:
            callers = self.callers_each_time(function)
            if function.is_async:
                callers = [c for c in callers if not self._only_starts(c, function)]
            self._waiting[function] = callers
        return self._waiting[function]

    @cached_property
    def _waiting(self) -> dict[Function, list[Function]]:
        return {}

    def _only_starts(self, caller: Function, function: Function) -> bool:
        return all(is_task_start(self._project, site) for site in self._sites_between(caller, function))

    def calls_unconditionally(self, caller: Function, function: Function) -> bool:
        """Whether a call of one by the other neither follows an error nor depends on the configuration."""
        return any(map(is_unconditional, self._sites_between(caller, function)))

    def _usual_sites(self, caller: Function, function: Function) -> list[CallSite]:
        return [site for site in self._sites_between(caller, function) if clause_of(site.node) is None]

    def _sites_between(self, caller: Function, function: Function) -> list[CallSite]:
        return [site for site, target in self._edges(caller) if target is function]

    @cached_property
    def _roots_of(self) -> dict[Function, list[Root]]:
        found: dict[Function, list[Root]] = {}
        for root in self.roots:
            found.setdefault(root.function, []).append(root)
        return found

    @cached_property
    def rooted(self) -> frozenset[Function]:
        """Functions that are called without being called by the project."""
        return frozenset(self._roots_of)

    def roots_reaching(self, function: Function, site: CallSite | None = None) -> list[Root]:
        """Every root that waits for this function (itself, or a task that runs it), handlers first.

        With a `site` in the function, those that wait for that call.
        """
        key = tuple(self._open(function, site))
        if key not in self._reaching:
            self._reaching[key] = self._roots_above(key)
        return self._reaching[key]

    @cached_property
    def _reaching(self) -> dict[tuple[Way, ...], list[Root]]:
        return {}

    def _roots_above(self, ways: Iterable[Way]) -> list[Root]:
        stack = list(ways)
        seen = set(stack)
        found: list[Root] = []
        while stack:
            current = stack.pop()
            if not current.known:
                found.extend(self._roots_of.get(current.function, ()))
            waiting = self.waiting_callers(current.function)
            for caller in current.callers:
                if caller not in seen and caller.function in waiting:
                    seen.add(caller)
                    stack.append(caller)
        return sorted(set(found), key=lambda r: (KINDS.index(r.kind), r.label))

    def within(self, scope: Scope) -> Function | None:
        """The reached function that holds a scope, the scope itself first."""
        current: Scope | None = scope
        while current is not None and current not in self._steps:
            current = current.parent
        return current if isinstance(current, Function) else None


# An `except` of one of these often is the usual way: what is not there yet is looked up or made.
_ASKED_FOR = frozenset("KeyError LookupError IndexError AttributeError StopIteration ValueError TypeError".split())


_CONFIGURED = re.compile(r"\b(?:[A-Z][A-Z0-9]*_[A-Z0-9_]+|settings\.\w+)\b")
_MAX_TEST = 60
_CHOICE = re.compile(r"provider|vendor|backend|engine|driver|platform", re.IGNORECASE)


def _hop(site: CallSite | None, called: Function) -> Place:
    """A call on a way; its label names the error or the configuration under which alone it is made."""
    assert site is not None
    clause = clause_of(site.node)
    only = f", after {ast.unparse(clause.type)}" if clause is not None and clause.type is not None else ""
    return site.place(f"calls {called.qualname}{only or _configuration(site.node)}")


def is_unconditional(site: CallSite) -> bool:
    """Whether a call neither stands in an `except` clause nor depends on the configuration."""
    return clause_of(site.node) is None and not _configuration(site.node)


def _configuration(node: ast.AST) -> str:
    inner: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, ast.If) and any(inner is statement for statement in holder.body):
            test = ast.unparse(holder.test)
            if _CONFIGURED.search(test) and len(test) <= _MAX_TEST:
                return f", if {test}"
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            break
        inner = holder
    return ""


def _is_chosen(project: Project, site: CallSite) -> bool:
    inner: ast.AST = site.node
    for holder in parents(site.node):
        if isinstance(holder, ast.match_case):
            match = parent(holder)
            words = [n.value for n in ast.walk(holder.pattern) if isinstance(n, ast.Constant)]
            if isinstance(match, ast.Match) and words and _CHOICE.search(ast.unparse(match.subject)):
                return True
        elif isinstance(holder, ast.If) and any(inner is statement for statement in holder.body):
            known = project.defaults.of(holder.test, site.scope)
            if _asks_for_one(holder.test) or (known is not None and known.configurable and not known.value):
                return True
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            break
        inner = holder
    return False


def _asks_for_one(test: ast.expr) -> bool:
    """`provider == "bedrock"`."""
    return (
        isinstance(test, ast.Compare)
        and isinstance(test.ops[0], ast.Eq)
        and isinstance(test.comparators[0], ast.Constant)
        and isinstance(test.comparators[0].value, str)
        and _CHOICE.search(ast.unparse(test.left)) is not None
    )


def clause_of(node: ast.AST) -> ast.ExceptHandler | None:
    """The `except` clause for an error in which a node stands."""
    for holder in parents(node):
        if isinstance(holder, ast.ExceptHandler):
            kinds = holder.type.elts if isinstance(holder.type, ast.Tuple) else [holder.type]
            names = {getattr(kind, "id", getattr(kind, "attr", "")) for kind in kinds}
            if not names & _ASKED_FOR and not any("Import" in name or "NotFound" in name for name in names):
                return holder
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
            return None
    return None


def _by_place(found: tuple[CallSite, tuple[Function, str]]) -> tuple[str, int, int]:
    node = found[0].node
    return found[0].scope.module.path, node.lineno, node.col_offset
