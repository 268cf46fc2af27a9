"""What is sure of a value where it is used: constants, what was just made, what a test or an early return left over."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

from project.language.scopes import LOOPS, Binding, Scope, own_scope, parents

MAX_DEPTH = 4
LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_MADE = (
    ast.JoinedStr, ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp, ast.Compare, ast.UnaryOp
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Exactly:
    """The one value a name has: a constant, or an attribute of a class such as `Kind.FILE`, as it is written."""

    text: str
    truth: bool
    group: str = ""  # what holds the attribute: two texts of one group are two values


Some = Literal["some"]
SOME: Some = "some"
State = bool | Some | Exactly  # surely true, surely false (or None), surely not None, or of one value
States = dict[str, State]
NONE = Exactly("None", False, "constant")
MakesObject = Callable[[ast.expr, Scope], "bool | None"]


def exactly(expr: ast.expr | None) -> Exactly | None:
    """The value of a constant or of an attribute of a class."""
    if isinstance(expr, ast.Constant):
        group = expr.value.__class__.__name__ if isinstance(expr.value, (bool, int, float)) else "constant"
        return Exactly(repr(expr.value), bool(expr.value), group)
    if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and expr.value.id[:1].isupper():
        return Exactly(ast.unparse(expr), True, expr.value.id)
    return None


def truth(state: State | None) -> bool | None:
    """Whether a value in this state is true; None when that is not known."""
    return state.truth if isinstance(state, Exactly) else state if isinstance(state, bool) else None


def is_given(state: State | None) -> bool | None:
    """Whether a value in this state is something else than None."""
    if isinstance(state, Exactly):
        return state.text != "None"
    return None if state is None or state is False else True


def joined(first: State | None, second: State | None) -> State | None:
    """What is sure when either of two holds."""
    if first == second or first is None or second is None:
        return first if first == second else None
    if truth(first) is not None and truth(first) is truth(second):
        return truth(first)
    return SOME if is_given(first) and is_given(second) else None


def holds(test: ast.expr, states: States) -> bool | None:
    """Whether a condition holds, from what is known of names: `x`, `not x`, `x is None`, `x is not None`, `x == "a"`,
    `x in ("a", "b")`, and/or of them. Attributes are looked up as they are written: `self.flag`.
    """
    if isinstance(test, (ast.Name, ast.Attribute)):
        return truth(states.get(_written(test)))
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = holds(test.operand, states)
        return None if inner is None else not inner
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, (ast.Name, ast.Attribute)):
        state = states.get(_written(test.left))
        return None if state is None else _compared(state, test.ops[0], test.comparators[0])
    if isinstance(test, ast.BoolOp):
        found = [holds(v, states) for v in test.values]
        stop = isinstance(test.op, ast.Or)
        return stop if stop in found else None if None in found else not stop
    return None


def _written(expr: ast.Name | ast.Attribute) -> str:
    if isinstance(expr, ast.Name):
        return expr.id
    return f"{expr.value.id}.{expr.attr}" if isinstance(expr.value, ast.Name) else ""


def _compared(state: State, operator: ast.cmpop, other: ast.expr) -> bool | None:
    if isinstance(other, ast.Constant) and other.value is None and isinstance(operator, (ast.Is, ast.IsNot)):
        given = is_given(state)
        return None if given is None else given is isinstance(operator, ast.IsNot)
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
    value = exactly(other)
    if value is None or (value.group != state.group and NONE not in (value, state)):
        return None
    return value.text == state.text


def implied(test: ast.expr, name: str, outcome: bool) -> State | None:
    """What is sure of a name when a condition on it has this outcome."""
    if isinstance(test, ast.NamedExpr):
        test = test.target
    if isinstance(test, ast.Name):
        return outcome if test.id == name else None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return implied(test.operand, name, not outcome)
    if isinstance(test, ast.BoolOp):
        if isinstance(test.op, ast.And) is not outcome:
            return None
        return next((s for v in test.values if (s := implied(v, name, outcome)) is not None), None)
    if isinstance(test, ast.Compare) and len(test.ops) == 1:
        left = test.left.target if isinstance(test.left, ast.NamedExpr) else test.left
        if isinstance(left, ast.Name) and left.id == name:
            return _implied_by(test.ops[0], exactly(test.comparators[0]), outcome)
    if isinstance(test, ast.Call) and outcome and len(test.args) == 2 and _last(test.func) == "isinstance":
        return SOME if _last(test.args[0]) == name else None
    return None


def _implied_by(operator: ast.cmpop, other: Exactly | None, outcome: bool) -> State | None:
    equal = isinstance(operator, (ast.Is, ast.Eq))
    if other is None or not (equal or isinstance(operator, (ast.IsNot, ast.NotEq))):
        return None
    return other if equal is outcome else SOME if other == NONE else None


class Narrowing:
    """States of expressions; `makes` says of a call whether it makes a true object (True), something that is not None
    (False), or perhaps None (None)."""

    def __init__(self, makes: MakesObject) -> None:
        self._makes = makes

    def of(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> State | None:
        """What is sure of an expression where it stands."""
        if expr is None or depth > MAX_DEPTH:
            return None
        exact = exactly(expr)
        if exact is not None:
            return exact
        if isinstance(expr, ast.Name):
            return self.at(expr.id, expr, scope, depth)
        if isinstance(expr, ast.IfExp):
            return joined(self.of(expr.body, scope, depth + 1), self.of(expr.orelse, scope, depth + 1))
        if isinstance(expr, ast.BoolOp) and isinstance(expr.op, ast.Or):
            last = self.of(expr.values[-1], scope, depth + 1)
            return True if truth(last) else SOME if is_given(last) else None
        if isinstance(expr, ast.Call):
            made = self._makes(expr.func, scope)
            return made if made else SOME if made is False else None
        if isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
            return True if any(not isinstance(e, ast.Starred) for e in expr.elts) else SOME
        if isinstance(expr, ast.Dict):
            return True if any(k is not None for k in expr.keys) else SOME
        return SOME if isinstance(expr, _MADE) else None

    def at(self, name: str, at: ast.AST, scope: Scope, depth: int = 0) -> State | None:
        """What is sure of a local where a node runs, by the tests and assignments that lead there."""
        bindings = scope.bindings.get(name, [])
        if not bindings:
            return None
        child: ast.AST = at
        for holder in parents(at):
            for statement in before_in_block(holder, child):
                decided, state = self._after(statement, name, bindings, scope, depth)
                if decided:
                    return state
            inside = _around(holder, child, name)
            if inside is not None:
                return inside
            if own_scope(holder) is not None or (_repeats(holder, child) and _bound_in(holder, bindings)):
                return None
            child = holder
        return None

    def _after(
        self, statement: ast.stmt, name: str, bindings: list[Binding], scope: Scope, depth: int
    ) -> tuple[bool, State | None]:
        """Whether a statement decides what a name holds after it, and what is sure then."""
        bound = _bound_in(statement, bindings)
        if isinstance(statement, ast.If):
            if not bound or all(_inside(b.node, statement.test) for b in bound):
                state = _left_over(statement, name)
                return bool(bound) or state is not None, state
            return True, self._filled(statement, name, bindings, scope, depth)
        if isinstance(statement, (ast.With, ast.AsyncWith)) and not any(b.kind == "with" for b in bound):
            return next(
                (found for s in reversed(statement.body) if (found := self._after(s, name, bindings, scope, depth))[0]),
                (False, None),
            )
        if bound:
            (only, *others) = bound
            plain = not others and only.node is statement and only.kind == "assign" and only.index is None
            return True, self.of(only.value, scope, depth + 1) if plain else None
        if isinstance(statement, ast.Assert):
            state = implied(statement.test, name, True)
            return state is not None, state
        return False, None

    def _filled(self, branch: ast.If, name: str, bindings: list[Binding], scope: Scope, depth: int) -> State | None:
        """After `if x is None: x = make()`: sure of x when both what stayed and what was made are."""
        if branch.orelse:
            return None
        made: State | None = None
        for statement in branch.body:
            decided, state = self._after(statement, name, bindings, scope, depth)
            made = state if decided else made
        return joined(implied(branch.test, name, False), made)


def leaves(block: list[ast.stmt]) -> bool:
    """Whether a block ends by leaving the function or the round of a loop."""
    return bool(block) and isinstance(block[-1], LEAVES)


def _left_over(branch: ast.If, name: str) -> State | None:
    """What an `if` that leaves in one branch lets through."""
    if leaves(branch.body):
        return implied(branch.test, name, False)
    return implied(branch.test, name, True) if leaves(branch.orelse) else None


def before_in_block(holder: ast.AST, child: ast.AST) -> list[ast.stmt]:
    """Statements that run before `child` in its block, the nearest first."""
    if not isinstance(child, ast.stmt):
        return []
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, None)
        if isinstance(block, list):
            for position, statement in enumerate(block):
                if statement is child:
                    return block[:position][::-1]
    return []


def _around(holder: ast.AST, child: ast.AST, name: str) -> State | None:
    """What the condition of a statement or expression says about a name in one of its branches."""
    if isinstance(holder, (ast.If, ast.IfExp, ast.While)):
        for part, outcome in ((holder.body, True), (holder.orelse, False)):
            if part is child or (isinstance(part, list) and any(s is child for s in part)):
                return None if isinstance(holder, ast.While) and not outcome else implied(holder.test, name, outcome)
    if isinstance(holder, ast.BoolOp):
        before = holder.values[: next((i for i, v in enumerate(holder.values) if v is child), 0)]
        found = (implied(v, name, isinstance(holder.op, ast.And)) for v in before)
        return next((s for s in found if s is not None), None)
    return None


def _repeats(holder: ast.AST, child: ast.AST) -> bool:
    """Whether other assignments of the holder may have run before `child`: a loop, or a `try` that was left."""
    if isinstance(holder, LOOPS):
        return True
    return isinstance(holder, (ast.Try, ast.ExceptHandler)) and not any(s is child for s in holder.body)


def _bound_in(node: ast.AST, bindings: list[Binding]) -> list[Binding]:
    start, end = getattr(node, "lineno", 0), getattr(node, "end_lineno", 0)
    return [b for b in bindings if b.kind != "param" and start <= _line(b.node) <= end]


def _line(node: ast.AST) -> int:
    if isinstance(node, ast.withitem):
        return node.context_expr.lineno
    return node.target.lineno if isinstance(node, ast.comprehension) else getattr(node, "lineno", 0)


def _inside(node: ast.AST, holder: ast.AST) -> bool:
    return node is holder or any(h is holder for h in parents(node))


def _last(expr: ast.expr) -> str:
    return expr.id if isinstance(expr, ast.Name) else ""
