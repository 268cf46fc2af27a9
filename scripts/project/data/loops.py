"""Statements sent once for each item of a loop, directly or through functions that get the item.

A loop over something fixed (a literal, an enum, `range`), over batches, or one that stops at the first hit is left out.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.data import gates
from project.data.queries import READ, WRITE, Execution
from project.data.sizes import Sizes
from project.data.statements import PARAMETER, argument
from project.language.calls import CallSite
from project.language.conditions import Known, skipped
from project.language.scopes import COMPREHENSIONS, LOOPS, Binding, Function, Scope, parent, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

MAX_HOPS = 3
_CONCURRENT = frozenset(
    "asyncio.gather asyncio.wait asyncio.as_completed asyncio.create_task asyncio.TaskGroup.create_task "
    "asyncio.ensure_future".split()
)
_ENDS = (ast.Return, ast.Raise, ast.Break)


@dataclass(frozen=True, slots=True, eq=False)
class Loop:
    """A for loop or one `for` of a comprehension. `names` are the loop variables."""

    node: ast.AST
    scope: Scope
    names: frozenset[str]
    iterable: ast.expr

    def place(self, label: str = "") -> Place:
        return self.scope.place(self.iterable, label)

    @property
    def over(self) -> str:
        """What is looped over, as written, cut to a readable length."""
        written = ast.unparse(self.iterable)
        return written if len(written) <= 60 else written[:59] + "…"


@dataclass(frozen=True, slots=True, eq=False)
class PerItem:
    """A call in a loop that sends `execution` for each item; `way` are the calls from the loop to it, outermost
    first. `rare`: a condition in the loop lets few items through.
    """

    loop: Loop
    node: ast.expr
    way: tuple[CallSite, ...]
    execution: Execution
    effect: str
    rare: bool

    @property
    def certainty(self) -> str:
        return (
            "inferred"
            if self.execution.certainty != "resolved" or any(s.certainty != "resolved" for s in self.way)
            else "resolved"
        )


Way = tuple[tuple[CallSite, ...], Execution]


class Loops:
    """Loops of the application and the statements sent in them."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._sizes = Sizes(project)
        self._reached: dict[tuple[Function, frozenset[str], frozenset[str], Known, int], Way | None] = {}
        self._names: dict[tuple[int, frozenset[str]], frozenset[str]] = {}

    @cached_property
    def per_item(self) -> list[PerItem]:
        """Every call that sends a statement per item, in order of files and lines."""
        found: list[PerItem] = []
        for module in self._project.app_modules:
            for scope in module.walk():
                if any(kind in scope.nodes for kind in (ast.For, ast.AsyncFor, *COMPREHENSIONS)):
                    found.extend(self._in_scope(scope))
        return sorted(found, key=lambda p: (p.loop.scope.module.path, p.node.lineno, p.node.col_offset))

    @cached_property
    def querying(self) -> frozenset[Function]:
        """Functions that send a statement, themselves or through project functions they call."""
        found = {s for s in self._project.queries.functions if isinstance(s, Function)}
        stack = list(found)
        while stack:
            for site in self._project.calls.callers(stack.pop()):
                caller = site.scope
                if isinstance(caller, Function) and caller not in found:
                    found.add(caller)
                    stack.append(caller)
        return frozenset(found)

    def _in_scope(self, scope: Scope) -> Iterator[PerItem]:
        direct = self._project.queries.of(scope)
        nodes = {id(e.node) for e in direct}
        for execution in direct:
            for loop in self.around(execution.node, scope):
                names = self._names_from(loop)
                if self._depends(execution, names) and not self._batched(execution, names):
                    if not self._quiet(loop, execution.node, (), execution):
                        yield self._item(loop, execution.node, (), execution)
                    break
        for site in self._project.calls.sites(scope):
            if id(site.node) in nodes or not self.querying.intersection(site.targets):
                continue
            for loop in self.around(site.node, scope):
                found = self._through(site, self._names_from(loop), MAX_HOPS)
                if found is not None:
                    way, execution = found
                    if not self._quiet(loop, site.node, way, execution):
                        yield self._item(loop, site.node, way, execution)
                    break

    def _item(self, loop: Loop, node: ast.expr, way: tuple[CallSite, ...], execution: Execution) -> PerItem:
        steps: list[tuple[ast.AST, Scope]] = [(site.node, site.scope) for site in way]
        steps.append((execution.node, execution.scope))
        rare = gates.rarely_sent(node, loop.node, loop.names) or any(
            isinstance(function, Function) and gates.rarely_reached(step, function) for step, function in steps[1:]
        )
        return PerItem(loop, node, way, execution, self._effect(execution), rare)

    # Loops

    def around(self, node: ast.AST, scope: Scope) -> Iterator[Loop]:
        """Loops whose every round runs this node, the innermost first."""
        child: ast.AST = node
        for holder in parents(node):
            if isinstance(holder, (ast.For, ast.AsyncFor)) and any(s is child for s in holder.body):
                yield Loop(holder, scope, _target_names(holder.target), holder.iter)
            elif isinstance(holder, COMPREHENSIONS):
                index = next((i for i, g in enumerate(holder.generators) if g is child), len(holder.generators))
                if index < len(holder.generators) and not _in_ifs(node, holder.generators[index]):
                    index -= 1
                for generator in reversed(holder.generators[: index + 1]):
                    yield Loop(holder, scope, _target_names(generator.target), generator.iter)
            child = holder

    def _names_from(self, loop: Loop) -> frozenset[str]:
        key = (id(loop.node), loop.names)
        if key not in self._names:
            inside = {id(n) for n in subtree(loop.node)} if isinstance(loop.node, LOOPS) else set()
            self._names[key] = self.derived(loop.scope, loop.names, inside)
        return self._names[key]

    def derived(self, scope: Scope, seeds: Iterable[str], inside: set[int] | None = None) -> frozenset[str]:
        """Names of a scope whose value comes from these, by assignments (only those in the nodes `inside`, when
        given).
        """
        names = set(seeds)
        pending = [
            b
            for bs in scope.bindings.values()
            for b in bs
            if b.value is not None and b.kind in ("assign", "augmented", "for", "with")
        ]
        if inside is not None:
            pending = [b for b in pending if id(b.node) in inside]
        changed = bool(names)
        while changed:
            changed = False
            for binding in pending:
                if binding.name not in names and binding.value is not None and self._carries(binding, names):
                    names.add(binding.name)
                    changed = True
        return frozenset(names)

    def _carries(self, binding: Binding, names: set[str]) -> bool:
        return binding.kind != "with" and _mention([binding.value] if binding.value is not None else [], names)

    # Through functions

    def _through(self, site: CallSite, names: frozenset[str], hops: int, known: Known = frozenset()) -> Way | None:
        """The shortest way from a call that is handed one of `names` to a statement that depends on it."""
        if hops == 0 or self._in_task(site):
            return None
        best: Way | None = None
        for target in site.targets:
            if target not in self.querying or gates.keeps_results(target):
                continue
            tainted, single = self._handed(site.call, target, site, names)
            if not tainted:
                continue
            found = self._within(target, tainted, single, hops, self._project.conditions.given(site, target, known))
            if found is not None and (best is None or len(found[0]) + 1 < len(best[0])):
                best = ((site, *found[0]), found[1])
        return best

    def _in_task(self, site: CallSite) -> bool:
        """Whether the call only makes a coroutine for a task of its own."""
        holder = parent(site.node)
        if not isinstance(holder, ast.Call) or site.awaited:
            return False
        last = _name(holder.func)
        return last in ("create_task", "ensure_future", "run_coroutine_threadsafe", "add_task") and not isinstance(
            parent(holder), ast.Await
        )

    def _handed(
        self, call: ast.Call | None, target: Function, site: CallSite, names: frozenset[str]
    ) -> tuple[frozenset[str], frozenset[str]]:
        """Parameters of the callee that get something made from `names`, and those of them that get `[item]`."""
        receiver = (
            call.func.value
            if call is not None and isinstance(call.func, ast.Attribute)
            else site.node.value
            if isinstance(site.node, ast.Attribute)
            else None
        )
        offset = self._project.queries.statements.offset(call, target, site.scope) if call is not None else 1
        found, single = set(), set()
        if offset and target.params and receiver is not None and _mention([receiver], names):
            found.add(target.params[0][0].arg)
        if call is not None:
            for arg, _ in target.params[offset:]:
                given = argument(call, target, arg.arg, offset)
                if given is not None and _mention([given], names):
                    found.add(arg.arg)
                    if isinstance(given, (ast.List, ast.Tuple, ast.Set)):
                        single.add(arg.arg)
        return frozenset(found), frozenset(single)

    def _within(
        self, function: Function, tainted: frozenset[str], single: frozenset[str], hops: int, known: Known
    ) -> Way | None:
        key = (function, tainted, single, known, hops)
        if key in self._reached:
            return self._reached[key]
        self._reached[key] = None
        names = self.derived(function, tainted)
        lists = self.derived(function, tainted - single) if single else names
        found: Way | None = None
        for execution in self._project.queries.of(function):
            if (
                _mention(execution.arguments, names)
                and not self._batched(execution, lists)
                and not skipped(execution.node, known)
                and not gates.off_the_path(execution.node)
                and not gates.loads_what_is_missing(execution.node, function)
            ):
                found = ((), execution)
                break
        if found is None:
            sites = [
                s
                for s in self._project.calls.sites(function)
                if not skipped(s.node, known) and not gates.off_the_path(s.node)
            ]
            ways = [w for s in sites if (w := self._through(s, names, hops - 1, known)) is not None]
            found = min(ways, key=lambda w: len(w[0]), default=None)
        self._reached[key] = found
        return found

    # What is no N+1

    def _effect(self, execution: Execution) -> str:
        """A `refresh` after a commit, or of an object that was just added, belongs to the write."""
        if execution.method == "merge":
            return WRITE
        if execution.method == "refresh" and execution.call is not None and execution.call.args:
            return WRITE if gates.refreshes_what_was_written(execution.call, execution.scope) else READ
        return execution.effect

    def _depends(self, execution: Execution, names: frozenset[str]) -> bool:
        """Whether a statement is sent for the item; not when the item is, or holds, the statement itself."""
        if not _mention(execution.arguments, names):
            return False
        first = execution.arguments[0]
        while isinstance(first, ast.Attribute):
            first = first.value
        own = isinstance(first, ast.Name) and first.id in names and execution.method in ("execute", "exec", "scalars")
        if own and all(s.kind == PARAMETER for s in execution.statements):
            return False
        return not gates.names_the_table(execution.node, names)

    def _batched(self, execution: Execution, names: frozenset[str]) -> bool:
        """Whether the statement takes many items at once: `.in_(ids)`, `id__in=ids`, `ANY(:ids)`, a list of rows."""
        given = execution.call.args if execution.call is not None and execution.method in ("execute", "exec") else []
        if len(given) > 1 and self._is_list(given[1], execution.scope):
            return True
        parts: list[ast.AST] = [b.call for s in execution.statements for b in s.built]
        parts.extend(execution.arguments)
        if execution.call is not None:
            parts.append(execution.call)
        calls = [c for p in parts for c in subtree(p) if isinstance(c, ast.Call)]
        for call in calls:
            if (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in ("in_", "any_", "not_in")
                and _mention(call.args, names)
            ):
                return True
            if any(k.arg and k.arg.endswith("__in") and _mention([k.value], names) for k in call.keywords):
                return True
        return any(
            isinstance(c, ast.Constant)
            and isinstance(c.value, str)
            and (" IN (" in c.value.upper() or " IN :" in c.value.upper() or "ANY(" in c.value.upper())
            for s in execution.statements
            for c in subtree(s.node)
        )

    def _is_list(self, expr: ast.expr, scope: Scope) -> bool:
        """Several parameter sets for one statement."""
        if isinstance(expr, ast.Name):
            return any(isinstance(b.value, (ast.ListComp, ast.List)) for b in scope.bindings.get(expr.id, []))
        return isinstance(expr, (ast.ListComp, ast.List))

    def _quiet(self, loop: Loop, node: ast.expr, way: tuple[CallSite, ...], execution: Execution) -> bool:
        return (
            self._sizes.fixed(loop.iterable, loop.scope)
            or any(part in name.lower() for name in loop.names for part in ("batch", "chunk", "segment", "page"))
            or gates.off_the_path(node)
            or gates.loads_what_is_missing(execution.node, execution.scope)
            or self._runs_once(loop, node)
            or gates.remembered(node, loop.node)
            or self._own_session_concurrently(loop, node, way, execution)
        )

    def _runs_once(self, loop: Loop, node: ast.expr) -> bool:
        """Whether the statement is left behind at once: its block ends with return, break or raise."""
        child: ast.AST = node
        current = parent(node)
        while current is not None and current is not loop.node:
            for block in _blocks(current):
                if any(s is child for s in block) and isinstance(block[-1], _ENDS):
                    return True
            child, current = current, parent(current)
        if isinstance(loop.node, (ast.For, ast.AsyncFor)):
            return any(s is child for s in loop.node.body) and isinstance(loop.node.body[-1], _ENDS)
        return False

    def _own_session_concurrently(
        self, loop: Loop, node: ast.expr, way: tuple[CallSite, ...], execution: Execution
    ) -> bool:
        """Coroutines that are gathered and open a session each: concurrent by intent."""
        if not way or not self._gathered(loop, node):
            return False
        session = execution.session
        while isinstance(session, ast.Attribute):
            session = session.value
        if not isinstance(session, ast.Name):
            return session is None
        kinds = {b.kind for b in execution.scope.bindings.get(session.id, [])}
        return bool(kinds & {"with", "assign"})

    def _gathered(self, loop: Loop, node: ast.expr) -> bool:
        for holder in parents(node):
            if isinstance(holder, ast.Call) and self._project.names.canonical(holder.func, loop.scope) in _CONCURRENT:
                return True
        awaited = isinstance(parent(node), ast.Await)
        return not awaited and not isinstance(loop.node, LOOPS) and self._later_gathered(loop)

    def _later_gathered(self, loop: Loop) -> bool:
        """`tasks = [f(x) for x in xs]; await asyncio.gather(*tasks)`."""
        holder = parent(loop.node)
        if not isinstance(holder, ast.Assign) or not isinstance(holder.targets[0], ast.Name):
            return False
        name = holder.targets[0].id
        for call in loop.scope.all(ast.Call):
            if self._project.names.canonical(call.func, loop.scope) in _CONCURRENT and _mention(call.args, {name}):
                return True
        return False


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _blocks(node: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(node, name, None)
        if isinstance(block, list) and block:
            yield block


def _target_names(target: ast.expr) -> frozenset[str]:
    return frozenset(n.id for n in subtree(target) if isinstance(n, ast.Name))


def _in_ifs(node: ast.AST, generator: ast.comprehension) -> bool:
    return any(n is node for test in generator.ifs for n in subtree(test))


def _mention(exprs: Iterable[ast.expr], names: Iterable[str]) -> bool:
    wanted = names if isinstance(names, (set, frozenset)) else set(names)
    return any(isinstance(n, ast.Name) and n.id in wanted for e in exprs for n in subtree(e))
