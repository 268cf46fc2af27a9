"""Broad clauses that lose little: the error is met elsewhere, or nothing is an answer that callers expect."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from project import Function, Project
from project.language.scopes import parent, subtree
from project.serving.exceptions import nodes_of, try_of
from project.serving.own_work import is_log

_EFFORT = re.compile(
    r"(^|_)(ack|ping|heartbeat|keep_?alive|hints?|poll|polling|prefetch|warm|warm_?up|maybe|best_effort|quietly|safely|"
    r"optional|try)(_|$)"
)
_FAILED = re.compile(r"error|fail|unavailable|unknown|invalid", re.I)
_CHANGES = re.compile(
    r"(^|_)(create|update|delete|save|write|send|store|insert|commit|execute|publish|charge|pay|upload|put|post|patch|"
    r"add|set|submit|enqueue|dispatch)(_|$)"
)


def is_met_elsewhere(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a second attempt right after says what fails, every caller refuses anyway, a cancelled task is awaited,
    or all that was tried is a line for the log."""
    tried = try_of(clause).body
    before, after = _neighbours(try_of(clause))
    if isinstance(after, ast.Try) and all(isinstance(s, ast.Pass) for s in clause.body) and _tells(after):
        return True
    if all(isinstance(s, ast.Assign) or is_log(s) for s in tried) and any(map(is_log, tried)):
        return True
    return _cancels(before, tried) or _callers_refuse(project, function)


def is_slight(clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a clause keeps the failure as a state, or answers with the nothing that its function answers anyway."""
    if _EFFORT.search(function.name.lower()):
        return True
    kept = [s.value for s in clause.body if isinstance(s, ast.Assign)]
    if any(_names_failure(value) for value in kept):
        return True
    return not _changes(clause) and any(_is_usual(s, clause, function) for s in clause.body)


def _neighbours(statement: ast.stmt) -> tuple[ast.stmt | None, ast.stmt | None]:
    """The statements before and after one, in the block it stands in."""
    holder = parent(statement)
    for part in ("body", "orelse", "finalbody"):
        block = getattr(holder, part, None)
        if isinstance(block, list) and statement in block:
            i = block.index(statement)
            return block[i - 1] if i else None, block[i + 1] if i + 1 < len(block) else None
    return None, None


def _tells(attempt: ast.Try) -> bool:
    """Whether every clause of a `try` raises or calls something with what it caught."""
    return all(any(isinstance(n, (ast.Raise, ast.Call)) for n in nodes_of(h)) for h in attempt.handlers)


def _cancels(before: ast.stmt | None, tried: list[ast.stmt]) -> bool:
    """`task.cancel()`, then only `await task` in the `try`."""
    call = before.value if isinstance(before, ast.Expr) else None
    if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "cancel"):
        return False
    awaited = [s.value.value for s in tried if isinstance(s, ast.Expr) and isinstance(s.value, ast.Await)]
    return len(tried) == len(awaited) == 1 and ast.dump(awaited[0]) == ast.dump(call.func.value)


def _callers_refuse(project: Project, function: Function) -> bool:
    """Whether a function is only called in clauses that raise right after."""
    sites = project.calls.callers(function)
    return bool(sites) and all(_raises_after(site.node) for site in sites)


def _raises_after(node: ast.AST) -> bool:
    while (holder := parent(node)) is not None and not isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)):
        if isinstance(holder, ast.ExceptHandler):
            return node in holder.body and isinstance(holder.body[-1], ast.Raise)
        node = holder
    return False


def _names_failure(value: ast.expr) -> bool:
    """A literal that says that something failed: `{"ok": False, "error": "..."}`, `"failed"`."""
    texts = (n.value for n in subtree(value) if isinstance(n, ast.Constant) and isinstance(n.value, str))
    return isinstance(value, (ast.Dict, ast.Constant)) and any(map(_FAILED.search, texts))


def _changes(clause: ast.ExceptHandler) -> bool:
    """Whether the `try` calls something whose name says that it changes or sends."""
    calls = (n.func for s in try_of(clause).body for n in subtree(s) if isinstance(n, ast.Call))
    names = (f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls)
    return any(map(_CHANGES.search, names))


def _is_usual(statement: ast.stmt, clause: ast.ExceptHandler, function: Function) -> bool:
    """An empty value that the function also returns without an error, or a name that is asked about afterwards."""
    if isinstance(statement, ast.Return) and _is_empty(statement.value):
        said = _text(statement.value)
        return any(_text(r.value) == said for r in _returns_outside(function))
    if isinstance(statement, ast.Assign) and _is_empty(statement.value):
        names = {t.id for t in statement.targets if isinstance(t, ast.Name)}
        end = try_of(clause).end_lineno or clause.lineno
        tests = [n.test for n in function.all(ast.If) if n.lineno > end]
        return any(isinstance(n, ast.Name) and n.id in names for test in tests for n in subtree(test))
    return False


def _returns_outside(function: Function) -> Iterator[ast.Return]:
    """Returns that stand in no `except` clause."""
    for returned in function.all(ast.Return):
        holder = parent(returned)
        while holder is not None and not isinstance(holder, (ast.ExceptHandler, ast.FunctionDef, ast.AsyncFunctionDef)):
            holder = parent(holder)
        if not isinstance(holder, ast.ExceptHandler):
            yield returned


def _text(value: ast.expr | None) -> str:
    return "None" if value is None else ast.unparse(value)


def _is_empty(value: ast.expr | None) -> bool:
    return _text(value) in ("None", "False", "[]", "()", "{}", "''", '""', "0")
