"""What a call says about conditions on the parameters of the function it calls: which branches it cannot take."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from project.data.statements import argument
from project.language.calls import CallSite
from project.language.scopes import Function, Scope, parents, subtree

if TYPE_CHECKING:
    from project import Project

Known = frozenset[tuple[str, bool]]  # parameters that are surely given (True), or surely None or false (False)


class Conditions:
    """Parameters of calls as far as their truth is known."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def given(self, site: CallSite, target: Function, known: Known = frozenset()) -> Known:
        """What the call says about the callee's parameters: given, or left at a default that is None or false."""
        call = site.call
        if (
            call is None
            or any(isinstance(a, ast.Starred) for a in call.args)
            or any(k.arg is None for k in call.keywords)
        ):
            return frozenset()
        offset = self._project.queries.statements.offset(call, target, site.scope)
        states = dict(known)
        found: set[tuple[str, bool]] = set()
        for arg, default in target.params[offset:]:
            given = argument(call, target, arg.arg, offset)
            if given is None:
                if isinstance(default, ast.Constant) and not default.value:
                    found.add((arg.arg, False))
            elif isinstance(given, ast.Constant):
                found.add((arg.arg, bool(given.value)))
            elif not isinstance(given, ast.Name) or not self._optional(given.id, site.scope):
                found.add((arg.arg, True))
            elif given.id in states:
                found.add((arg.arg, states[given.id]))
        return frozenset(found)

    @staticmethod
    def _optional(name: str, scope: Scope) -> bool:
        param = scope.param(name) if isinstance(scope, Function) else None
        return param is not None and isinstance(param[1], ast.Constant) and not param[1].value


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
    states = dict(known)
    child: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, (ast.If, ast.IfExp)):
            state = _state(holder.test, states)
            in_body = child is holder.body or (isinstance(holder.body, list) and any(s is child for s in holder.body))
            in_else = child is holder.orelse or (
                isinstance(holder.orelse, list) and any(s is child for s in holder.orelse)
            )
            if (state is False and in_body) or (state is True and in_else):
                return True
        elif isinstance(holder, ast.BoolOp):
            before = holder.values[: next((i for i, v in enumerate(holder.values) if v is child), 0)]
            stop = isinstance(holder.op, ast.Or)
            if any(_state(v, states) is stop for v in before):
                return True
        child = holder
    return False


def _state(test: ast.expr, states: dict[str, bool]) -> bool | None:
    """Whether a condition holds, from what is known of names: `x`, `not x`, `x is None`, `x is not None`, and/or of
    them.
    """
    if isinstance(test, ast.Name):
        return states.get(test.id)
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        inner = _state(test.operand, states)
        return None if inner is None else not inner
    if (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.left, ast.Name)
        and test.left.id in states
    ):
        other = test.comparators[0]
        if isinstance(other, ast.Constant) and other.value is None and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
            return states[test.left.id] is isinstance(test.ops[0], ast.IsNot)
    if isinstance(test, ast.BoolOp):
        found = [_state(v, states) for v in test.values]
        stop = isinstance(test.op, ast.Or)
        return stop if stop in found else None if None in found else not stop
    return None
