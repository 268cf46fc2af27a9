"""Which assignments of a name can reach a place in the same function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.language.scopes import COMPREHENSIONS, LOOPS, Binding, Scope, parent

_ENDS = (ast.Return, ast.Raise, ast.Break, ast.Continue)


def reaching(scope: Scope, name: str, at: ast.AST) -> list[Binding]:
    """Bindings of `name` in `scope` that may hold when `at` runs, the nearest first.

    Straight-line order, branches that exclude each other and loops are respected; what stands in a nested function
    sees every binding.
    """
    bindings = scope.bindings.get(name, [])
    if len(bindings) <= 1:
        return bindings
    above = {id(node): child for node, child in _above(at, scope)}
    if id(scope.node) not in above:
        return bindings
    inner = [b for b in bindings if id(_comprehension(b)) in above]
    if inner:
        return inner[-1:]
    visible = [b for b in bindings if _comprehension(b) is None and not _inside(b, above)]
    before = [b for b in visible if _start(b.node) < _start(at)]
    found: list[Binding] = []
    for binding in reversed(before):
        how = _relation(binding, above)
        if how == "excluded":
            continue
        found.append(binding)
        if how == "certain":
            break
    found.extend(_around([b for b in visible if b not in before], found, above))
    return found or bindings


def _around(later: list[Binding], found: list[Binding], above: dict[int, ast.AST]) -> Iterator[Binding]:
    """Bindings further down in a loop that holds the place: they come round, unless the loop assigns anew each time."""
    for binding in later:
        for loop in _holders(binding):
            if isinstance(loop, LOOPS) and id(loop) in above:
                if not any(id(loop) in {id(h) for h in _holders(f)} for f in found):
                    yield binding
                break


def _comprehension(binding: Binding) -> ast.AST | None:
    """The comprehension whose variable this is."""
    if binding.kind != "for" or isinstance(binding.node, LOOPS):
        return None
    return next((h for h in _holders(binding) if isinstance(h, COMPREHENSIONS)), None)


def _start(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)


def _inside(binding: Binding, above: dict[int, ast.AST]) -> bool:
    """Whether the place stands inside what the binding is made from (`x = f(x)`, `with f(x) as x`, `for x in f(x)`)."""
    if id(binding.node) not in above or binding.kind == "param":
        return False
    if isinstance(binding.node, (ast.For, ast.AsyncFor)):
        return above[id(binding.node)] is binding.node.iter
    return binding.kind in ("assign", "augmented", "with")


def _above(at: ast.AST, scope: Scope) -> Iterator[tuple[ast.AST, ast.AST]]:
    """Holders of a node up to the scope's own, each with the child that leads to the node."""
    child: ast.AST = at
    yield at, at
    current = parent(at)
    while current is not None:
        yield current, child
        if current is scope.node:
            return
        child, current = current, parent(current)


def _holders(binding: Binding) -> Iterator[ast.AST]:
    current = parent(binding.node)
    while current is not None:
        yield current
        current = parent(current)


def _relation(binding: Binding, above: dict[int, ast.AST]) -> str:
    """`certain` when the place is always reached through the binding, `excluded` when never, else `possible`."""
    if binding.kind == "param":
        return "certain"
    if id(binding.node) in above:  # a loop or with statement that holds the place
        return "certain"
    child: ast.AST = binding.node
    conditional = False
    for holder in _holders(binding):
        if id(holder) in above:
            other = above[id(holder)]
            same = _field(holder, child) == _field(holder, other)
            if isinstance(holder, ast.If) and not same and "test" not in (_field(holder, child), _field(holder, other)):
                return "excluded"
            return (
                "possible" if conditional or (not same and isinstance(holder, (ast.If, ast.Try, *LOOPS))) else "certain"
            )
        if isinstance(holder, (ast.If, ast.Try, ast.ExceptHandler, ast.IfExp, ast.BoolOp, *LOOPS)):
            if isinstance(holder, ast.If) and _leaves(holder, child):
                return "excluded"
            conditional = conditional or _field(holder, child) not in ("test", "finalbody")
        child = holder
    return "possible"


def _leaves(branch: ast.If, child: ast.AST) -> bool:
    """Whether the branch that holds `child` ends by leaving the function or the loop."""
    block = branch.body if any(c is child for c in branch.body) else branch.orelse
    return bool(block) and isinstance(block[-1], _ENDS) and any(c is child for c in block)


def _field(holder: ast.AST, child: ast.AST) -> str:
    for name, value in ast.iter_fields(holder):
        if value is child or (isinstance(value, list) and any(v is child for v in value)):
            return name
    return ""
