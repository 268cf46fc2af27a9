"""What a call says about conditions on the parameters of the function it calls: which branches it cannot take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.statements import argument
from project.language.calls import CallSite
from project.language.scopes import Function, Scope, parents, subtree

if TYPE_CHECKING:
    from project import Project


@dataclass(frozen=True, slots=True)
class Exactly:
    """The one value a parameter has: a constant, or an attribute of a class such as `Kind.FILE`, as it is written."""

    text: str
    truth: bool
    group: str = ""  # what holds the attribute: two texts of one group are two values


State = bool | Exactly
Known = frozenset[tuple[str, State]]  # parameters surely given (True), surely None or false (False), or of one value


class Conditions:
    """Parameters of calls as far as their truth is known."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._given: dict[tuple[CallSite, Function, Known], Known] = {}

    def given(self, site: CallSite, target: Function, known: Known = frozenset()) -> Known:
        """What the call says about the callee's parameters: given, or left at a default that is None or false."""
        key = (site, target, known)
        if key not in self._given:
            self._given[key] = self._find(site, target, known)
        return self._given[key]

    def _find(self, site: CallSite, target: Function, known: Known) -> Known:
        call = site.call
        if (
            call is None
            or any(isinstance(a, ast.Starred) for a in call.args)
            or any(k.arg is None for k in call.keywords)
        ):
            return frozenset()
        offset = self._project.queries.statements.offset(call, target, site.scope)
        states = dict(known)
        found: set[tuple[str, State]] = set()
        for arg, default in target.params[offset:]:
            given = argument(call, target, arg.arg, offset)
            state = self._state_of(given, default, site.scope, states)
            if state is not None and (
                _is_only_param(arg.arg, target) or (_truth(state) and _is_filled_if_missing(arg.arg, target))
            ):
                found.add((arg.arg, state))
        return frozenset(found)

    def _state_of(
        self, given: ast.expr | None, default: ast.expr | None, scope: Scope, states: dict[str, State]
    ) -> State | None:
        exact = _exactly(given if given is not None else default)
        if exact is not None or given is None:
            return exact
        if isinstance(given, ast.Name) and given.id in states and _is_only_param(given.id, scope):
            return states[given.id]
        return None if isinstance(given, ast.Name) and self._optional(given.id, scope) else True

    @staticmethod
    def _optional(name: str, scope: Scope) -> bool:
        param = scope.param(name) if isinstance(scope, Function) else None
        return param is not None and isinstance(param[1], ast.Constant) and not param[1].value


def _is_only_param(name: str, scope: Scope) -> bool:
    """Whether a name of a function is a parameter that nothing assigns again."""
    return [b.kind for b in scope.bindings.get(name, [])] == ["param"]


def _is_filled_if_missing(name: str, scope: Scope) -> bool:
    """Whether a parameter is assigned again only where it is missing: `if x is None: x = load()`."""
    bindings = scope.bindings.get(name, [])
    given: Known = frozenset([(name, True)])
    return [b.kind for b in bindings[:1]] == ["param"] and all(skipped(b.node, given) for b in bindings[1:])


def _exactly(expr: ast.expr | None) -> State | None:
    """What a constant or an attribute of a class says: its value, or only its truth for None and booleans."""
    if isinstance(expr, ast.Constant):
        return bool(expr.value) if expr.value is None or isinstance(expr.value, bool) else _constant(expr)
    if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and expr.value.id[:1].isupper():
        return Exactly(ast.unparse(expr), True, expr.value.id)
    return None


def _constant(expr: ast.Constant) -> Exactly:
    return Exactly(repr(expr.value), bool(expr.value), "constant")


def tested(function: Function) -> frozenset[str]:
    """Parameters that conditions of the function test."""
    params = {arg.arg for arg, _ in function.params}
    tests: list[ast.expr] = [n.test for n in function.all(ast.If)]
    tests.extend(n.test for n in function.all(ast.IfExp))
    tests.extend(v for n in function.all(ast.BoolOp) for v in n.values)
    return frozenset(n.id for t in tests for n in subtree(t) if isinstance(n, ast.Name) and n.id in params)


def skipped(node: ast.AST, known: Known) -> bool:
    """Whether a condition on a parameter keeps this node from running, given what is known of the parameters."""
    if not known:
        return False
    preventing: list[tuple[ast.expr, bool]] | None = node.__dict__.get("preventing")
    if preventing is None:
        preventing = node.__dict__["preventing"] = list(_preventing(node))
    if not preventing:
        return False
    states = dict(known)
    return any(_state(test, states) is outcome for test, outcome in preventing)


def _preventing(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """Conditions around a node, each with the outcome that keeps the node from running."""
    child: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, (ast.If, ast.IfExp)):
            for part, outcome in ((holder.body, False), (holder.orelse, True)):
                if child is part or (isinstance(part, list) and any(s is child for s in part)):
                    yield holder.test, outcome
        elif isinstance(holder, ast.BoolOp):
            before = holder.values[: next((i for i, v in enumerate(holder.values) if v is child), 0)]
            yield from ((value, isinstance(holder.op, ast.Or)) for value in before)
        child = holder


def _state(test: ast.expr, states: dict[str, State]) -> bool | None:
    """Whether a condition holds, from what is known of names: `x`, `not x`, `x is None`, `x is not None`, `x == "a"`,
    `x in ("a", "b")`, and/or of them.
    """
    if isinstance(test, ast.Name):
        return _truth(states.get(test.id))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _state(test.operand, states)
        return None if inner is None else not inner
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.left, ast.Name)
        and test.left.id in states
    ):
        return _compared(states[test.left.id], test.ops[0], test.comparators[0])
    if isinstance(test, ast.BoolOp):
        found = [_state(v, states) for v in test.values]
        stop = isinstance(test.op, ast.Or)
        return stop if stop in found else None if None in found else not stop
    return None


def _truth(state: State | None) -> bool | None:
    return state.truth if isinstance(state, Exactly) else state


def _compared(state: State, operator: ast.cmpop, other: ast.expr) -> bool | None:
    if isinstance(other, ast.Constant) and other.value is None and isinstance(operator, (ast.Is, ast.IsNot)):
        given = True if isinstance(state, Exactly) else state
        return given is isinstance(operator, ast.IsNot)
    if isinstance(state, Exactly) and isinstance(operator, (ast.Eq, ast.NotEq)):
        same = _same(state, other)
        return None if same is None else same is isinstance(operator, ast.Eq)
    if isinstance(state, Exactly) and isinstance(operator, (ast.In, ast.NotIn)):
        items = other.elts if isinstance(other, (ast.Tuple, ast.List, ast.Set)) else []
        same_as = [_same(state, item) for item in items]
        held = None if None in same_as or not items else True in same_as
        return None if held is None else held is isinstance(operator, ast.In)
    return None


def _same(state: Exactly, other: ast.expr) -> bool | None:
    """Whether two values are equal; None when one of them is not written out or they are of different kinds."""
    value = _exactly(other)
    if not isinstance(value, Exactly) or value.group != state.group:
        return None
    return value.text == state.text
