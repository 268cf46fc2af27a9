"""Which statement can run after which in the same function."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.language.scopes import parents

LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


def follows(later: ast.AST, earlier: ast.AST) -> bool:
    """Whether `later` stands further down and can run after `earlier`: no branch excludes it, nothing leaves first."""
    if _position(later) <= _position(earlier):
        return False
    above: dict[int, ast.AST] = {}
    child: ast.AST = earlier
    for holder in parents(earlier):
        above[id(holder)] = child
        child = holder
    child = later
    for holder in parents(later):
        if id(holder) in above:
            return _in_order(holder, above[id(holder)], child, earlier)
        child = holder
    return False


def _in_order(holder: ast.AST, first: ast.AST, second: ast.AST, earlier: ast.AST) -> bool:
    if isinstance(second, ast.ExceptHandler):
        return False
    blocks = list(_blocks(holder))
    block = next((b for b in blocks if any(s is first for s in b)), None)
    if block is None:
        return True
    if not any(s is second for s in block):
        return not isinstance(holder, ast.If)
    between = block[_index(block, first) + 1 : _index(block, second)]
    return not _leaves_inside(first, earlier) and not any(isinstance(s, LEAVES) for s in between)


def _leaves_inside(statement: ast.AST, node: ast.AST) -> bool:
    """Whether the way from `node` to the end of the statement that holds it always leaves the block."""
    child: ast.AST = node
    for holder in parents(node):
        for block in _blocks(holder):
            if any(s is child for s in block) and holder is not statement and _ends(block, child):
                return True
            if any(s is child for s in block) and holder is statement:
                return _ends(block, child)
        if holder is statement:
            return False
        child = holder
    return False


def _ends(block: list[ast.stmt], child: ast.AST) -> bool:
    return any(isinstance(s, LEAVES) for s in block[_index(block, child) + 1 :])


def _blocks(holder: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, None)
        if isinstance(block, list):
            yield block


def _index(block: list[ast.stmt], child: ast.AST) -> int:
    return next(i for i, s in enumerate(block) if s is child)


def _position(node: ast.AST) -> tuple[int, int]:
    return getattr(node, "lineno", 0), getattr(node, "col_offset", 0)
