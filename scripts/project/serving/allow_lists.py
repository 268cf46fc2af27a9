"""Allow-lists by equality: what a function goes on with only when it equals something that it knows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.language.scopes import Scope, subtree

_ENDS = (ast.Raise, ast.Return, ast.Continue)
_FOUND = (ast.GeneratorExp, ast.ListComp, ast.SetComp)


def equal_to_known(scope: Scope) -> Iterator[tuple[str, ast.AST]]:
    """Names and attributes as written, each with the comparison: `if given != known: raise`, and
    `one = next((k for k in known if k.link == given), None)` where a condition looks at `one` afterwards."""
    tests = [n.test for n in scope.all(ast.If)] + [n.test for n in scope.all(ast.Assert)]
    tests += [n.test for n in scope.all(ast.IfExp)]
    tested = {n.id for test in tests for n in subtree(test) if isinstance(n, ast.Name)}
    for node in scope.all(ast.If):
        if isinstance(node.body[-1], _ENDS):
            yield from (pair for part in _alternatives(node.test) for pair in _compared(part, ast.NotEq))
    for test in tests:
        yield from _sought(test)
    for assign in scope.all(ast.Assign):
        if any(isinstance(target, ast.Name) and target.id in tested for target in assign.targets):
            yield from _sought(assign.value)


def _alternatives(test: ast.expr) -> list[ast.expr]:
    """The parts of a condition, each of which makes it true by itself."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]


def _sought(expr: ast.expr) -> Iterator[tuple[str, ast.AST]]:
    """`any(k.link == given for k in known)`, `next(k for k in known if k.link == given)`, `[k for … if …]`."""
    for found in subtree(expr):
        if isinstance(found, _FOUND):
            items = {n.id for g in found.generators for n in subtree(g.target) if isinstance(n, ast.Name)}
            for test in (found.elt, *(test for g in found.generators for test in g.ifs)):
                for text, node in _compared(test, ast.Eq):
                    if text.split(".", 1)[0] not in items:
                        yield text, node


def _compared(test: ast.expr, operator: type[ast.cmpop]) -> Iterator[tuple[str, ast.AST]]:
    """The sides of a comparison; a part of an `and` counts where both must hold."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) and operator is ast.Eq:
        yield from (pair for part in test.values for pair in _compared(part, operator))
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], operator):
        for side, other in ((test.left, test.comparators[0]), (test.comparators[0], test.left)):
            if isinstance(side, (ast.Name, ast.Attribute)) and not isinstance(other, ast.Constant):
                yield ast.unparse(side), test
