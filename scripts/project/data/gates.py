"""What keeps a statement in a loop from being sent for every item: error paths, conditions that rarely hold."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import lru_cache

from project.language.scopes import Function, Scope, parent, parents, subtree

MAX_SHORT = 10  # items of a loop that is not worth a batch
_ASKS = frozenset("select select_from query insert update".split())
_LOOK_UPS = frozenset(("get", "pop"))
_REHEARSAL = re.compile(r"(^|_)dry_?run($|_)|^simulat", re.IGNORECASE)
_KEEPS = re.compile(r"cache|redis|memo", re.IGNORECASE)


def off_the_path(node: ast.AST) -> bool:
    """Whether a node runs only after an exception, or only when nothing is to happen (`if dry_run:`)."""
    child = node
    for holder in parents(node):
        if isinstance(holder, ast.ExceptHandler):
            return True
        if isinstance(holder, ast.If) and any(s is child for s in holder.body) and _is_rehearsal(holder.test):
            return True
        child = holder
    return False


@lru_cache(maxsize=50_000)
def _is_rehearsal(test: ast.expr) -> bool:
    nodes = subtree(test)
    words = (
        n.id if isinstance(n, ast.Name) else n.attr if isinstance(n, ast.Attribute) else getattr(n, "value", "")
        for n in nodes
    )
    negated = any(isinstance(n, ast.Not) for n in nodes)
    return not negated and any(isinstance(w, str) and _REHEARSAL.search(w) for w in words)


def rarely_reached(node: ast.AST, function: Function) -> bool:
    """Whether a function that handles one item seldom comes to a statement: it looks in a cache first, or leaves early
    for all kinds of items but one.
    """
    params = frozenset(arg.arg for arg, _ in function.params)
    for test, holds in _conditions(node, function.node):
        if not holds and any(_is_member_test(part, ast.In) for part in _parts(test)):
            return True
        for part in _parts(test) if holds else ():
            if _found_nothing(part, function.node) or _is_member_test(part, ast.NotIn):
                return True
    left = [s for s in _statements_before(node, function) if isinstance(s, ast.If) and _leaves(s.body)]
    return any(_is_kind(s.test, params, ast.NotEq) or _found_kept(s.test, function) for s in left)


def _statements_before(node: ast.AST, function: Function) -> Iterator[ast.stmt]:
    """Statements of the function's own block that stand before the one with the node."""
    body = [] if isinstance(function.node, ast.Lambda) else function.node.body
    around = {id(node), *(id(h) for h in parents(node))}
    for statement in body:
        if id(statement) in around:
            return
        yield statement


def _leaves(block: list[ast.stmt]) -> bool:
    return isinstance(block[-1], (ast.Return, ast.Raise))


def _is_kind(test: ast.expr, params: frozenset[str], operator: type[ast.cmpop]) -> bool:
    """`kind != "file"` for a parameter."""
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], operator)
        and isinstance(test.left, ast.Name)
        and test.left.id in params
        and isinstance(test.comparators[0], (ast.Constant, ast.Attribute))
        and not _is_none(test.comparators[0])
    )


def _found_kept(test: ast.expr, function: Function) -> bool:
    """`if found:` or `if found is not None:` after `found = cache.get(...)`."""
    if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.IsNot):
        test = test.left
    if isinstance(test, ast.NamedExpr):
        return _is_look_up(test.value)
    if not isinstance(test, ast.Name):
        return False
    assigned = [n for n in subtree(function.node) if isinstance(n, ast.Assign) and _assigns(n, test.id)]
    return bool(assigned) and _is_look_up(assigned[0].value)


def rarely_sent(node: ast.AST, loop: ast.AST, names: frozenset[str]) -> bool:
    """Whether a condition between a loop and a statement lets only few items through: one that compares the item with
    a value for equality, or that falls back on the statement for what is not in memory.

    `names` are the loop variables.
    """
    for test, holds in _conditions(node, loop):
        if not holds and any(_is_member_test(part, ast.In) for part in _parts(test)):
            return True
        for part in _parts(test) if holds else ():
            if _picks_one(part, names) or _found_nothing(part, loop) or _is_member_test(part, ast.NotIn):
                return True
    return False


def _is_member_test(test: ast.expr, operator: type[ast.cmpop]) -> bool:
    """`item in known` or `item not in known`, where `known` is no list of constants."""
    return (
        isinstance(test, ast.Compare)
        and len(test.ops) == 1
        and isinstance(test.ops[0], operator)
        and isinstance(test.comparators[0], (ast.Name, ast.Attribute))
        and not _is_member(test.comparators[0])
    )


def remembered(node: ast.AST, loop: ast.AST) -> bool:
    """Whether results are kept (`if key not in kept: kept[key] = query(key)`): one statement for each different key."""
    child: ast.AST = node
    current = parent(node)
    while current is not None and current is not loop:
        if isinstance(current, ast.If) and any(s is child for s in current.body):
            for test in subtree(current.test):
                if isinstance(test, ast.Compare) and any(isinstance(o, ast.NotIn) for o in test.ops):
                    kept = {ast.unparse(c) for c in test.comparators}
                    stores = [
                        s for s in subtree(current) if isinstance(s, ast.Subscript) and isinstance(s.ctx, ast.Store)
                    ]
                    if any(ast.unparse(s.value) in kept for s in stores):
                        return True
        child, current = current, parent(current)
    return False


def loads_what_is_missing(execution: ast.AST, scope: Scope) -> bool:
    """Whether a refresh is for what is not loaded yet: the function asks the row (`inspect(row).unloaded`), or tries to
    read it first (`except MissingGreenlet`).
    """
    call = execution.value if isinstance(execution, ast.Await) else execution
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "refresh"):
        return False
    asks = any(n.attr in ("unloaded", "unloaded_expirable") for n in scope.all(ast.Attribute))
    handlers = (h.type for h in scope.all(ast.ExceptHandler) if h.type is not None)
    return asks or any("MissingGreenlet" in ast.unparse(h) for h in handlers)


def is_short_slice(expr: ast.expr) -> bool:
    """Whether a loop goes over a few items at most: `found[:5]`."""
    upper = expr.slice.upper if isinstance(expr, ast.Subscript) and isinstance(expr.slice, ast.Slice) else None
    return isinstance(upper, ast.Constant) and isinstance(upper.value, int) and 0 < upper.value <= MAX_SHORT


def refreshes_what_was_written(call: ast.Call, scope: Scope) -> bool:
    """Whether `refresh(row)` follows a commit in the same function, or `add(row)`."""
    row = ast.unparse(call.args[0])
    for other in scope.all(ast.Call):
        method = other.func.attr if isinstance(other.func, ast.Attribute) else ""
        if method in ("add", "merge") and other.args and ast.unparse(other.args[0]) == row:
            return True
        if method == "commit" and other.lineno < call.lineno and len(call.args) + len(call.keywords) == 1:
            return True
    return False


def names_the_table(execution: ast.AST, names: frozenset[str]) -> bool:
    """Whether the item is what is asked for, so that each statement is about another table: `query(func.count())
    .select_from(item)`.
    """
    return any(
        isinstance(n, ast.Call)
        and (n.func.attr if isinstance(n.func, ast.Attribute) else getattr(n.func, "id", "")) in _ASKS
        and any(isinstance(a, ast.Name) and a.id in names for a in n.args)
        for n in subtree(execution)
    )


def keeps_results(function: Function) -> bool:
    """Whether a decorator keeps results (`lru_cache`, `cached`, own ones with cache in their name)."""
    for decorator in function.decorators:
        head = decorator.func if isinstance(decorator, ast.Call) else decorator
        last = head.attr if isinstance(head, ast.Attribute) else head.id if isinstance(head, ast.Name) else ""
        if "cache" in last.lower() or "memo" in last.lower():
            return True
    return False


def _conditions(node: ast.AST, loop: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    """Tests of the ifs between a node and the loop, and whether the node stands in their body."""
    child = node
    current = parent(node)
    while current is not None and current is not loop:
        if isinstance(current, ast.If) and child is not current.test:
            yield current.test, any(s is child for s in current.body)
        elif isinstance(current, ast.IfExp) and child is not current.test:
            yield current.test, current.body is child
        child, current = current, parent(current)


def _parts(test: ast.expr) -> list[ast.expr]:
    """The conditions that all have to hold."""
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And) else [test]


def _picks_one(test: ast.expr, names: frozenset[str]) -> bool:
    """`item.key == wanted`, where `wanted` is no constant and does not come from the item."""
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], ast.Eq)):
        return False
    sides = (test.left, test.comparators[0])
    of_item = [_mentions(side, names) for side in sides]
    if of_item.count(True) != 1:
        return False
    other = sides[of_item.index(False)]
    return isinstance(other, (ast.Name, ast.Attribute)) and not _is_member(other)


def _is_member(expr: ast.expr) -> bool:
    """`Kind.FILE`: one of a few values that many items share."""
    last = expr.attr if isinstance(expr, ast.Attribute) else expr.id if isinstance(expr, ast.Name) else ""
    return last.isupper() or (
        isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and expr.value.id[:1].isupper()
    )


def _found_nothing(test: ast.expr, around: ast.AST) -> bool:
    """`not x` or `x is None`, where a loop or function assigned `x = known.get(...)`."""
    missing: ast.expr | None = None
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        missing = test.operand
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is):
        missing = test.left if _is_none(test.comparators[0]) else None
    if isinstance(missing, ast.NamedExpr):
        return _is_look_up(missing.value)
    if not isinstance(missing, ast.Name):
        return False
    assigned = [n for n in subtree(around) if isinstance(n, ast.Assign) and _assigns(n, missing.id)]
    return any(_is_look_up(a.value) for a in assigned)


def _assigns(node: ast.Assign, name: str) -> bool:
    return any(isinstance(t, ast.Name) and t.id == name for t in node.targets)


def _is_look_up(expr: ast.expr) -> bool:
    """`known.get(key)` on a plain name, where nothing is awaited and no session or class is asked, or on a cache."""
    inner = expr.value if isinstance(expr, ast.Await) else expr
    if (
        isinstance(inner, ast.Call)
        and isinstance(inner.func, ast.Attribute)
        and inner.func.attr in _LOOK_UPS
        and _KEEPS.search(ast.unparse(inner.func.value))
    ):
        return True
    return (
        isinstance(expr, ast.Call)
        and isinstance(expr.func, ast.Attribute)
        and expr.func.attr in _LOOK_UPS
        and isinstance(expr.func.value, ast.Name)
        and expr.func.value.id.islower()
        and "session" not in expr.func.value.id
        and expr.func.value.id not in ("db", "s", "repo", "crud")
        and len(expr.args) in (1, 2)
        and not expr.keywords
    )


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def _mentions(expr: ast.expr, names: frozenset[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in subtree(expr))
