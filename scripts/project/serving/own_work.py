"""What is left of a path operation without its translation between HTTP and the rest: the statements that are work."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from project.language.scopes import LOOPS, Function, subtree

LOGS = frozenset("debug info warning error exception critical log warn".split())
_LEAVES = (ast.Raise, ast.Return)
_NO_WORK = (ast.Raise, ast.Return, ast.Pass, ast.Import, ast.ImportFrom, ast.Continue, ast.Break)
_READS = frozenset("read iter_chunks iter_bytes receive stream".split())


@dataclass(frozen=True, slots=True)
class OwnWork:
    """Counts of what decides or does something: no clause of an `except`, line for the log, refusal of a field,
    reading of a stream. `rules` compare values that are not the request's own; `decisions` are all branches left."""

    statements: int = 0
    decisions: int = 0
    rules: int = 0


def own_work(function: Function) -> OwnWork:
    """Of a function with the functions defined in it."""
    if function.is_lambda:
        return OwnWork()
    given = frozenset(arg.arg for arg, _ in function.params)
    kept = list(_kept(function.body))
    branching = [s for s in kept if isinstance(s, (ast.If, *LOOPS)) or s.__class__.__name__ == "Match"]
    rules = [s.test for s in kept if isinstance(s, ast.If)]
    rules += [n.test for s in kept if not hasattr(s, "body") for n in subtree(s) if isinstance(n, ast.IfExp)]
    return OwnWork(
        statements=sum(not _is_translation(s, given) for s in kept),
        decisions=sum(not _is_translation(s, given) for s in branching),
        rules=sum(_decides(test, given) for test in rules),
    )


def _kept(body: list[ast.stmt]) -> Iterator[ast.stmt]:
    """Statements outside of clauses of an `except` and of loops that read a stream, no lines for the log."""
    for statement in body:
        if is_log(statement) or _is_text(statement) or (isinstance(statement, LOOPS) and _reads_stream(statement)):
            continue
        yield statement
        if statement.__class__.__name__ == "Match":
            for case in statement.cases:  # type: ignore[attr-defined]
                yield from _kept(case.body)
        for part in ("body", "orelse", "finalbody"):
            yield from _kept(getattr(statement, part, []))


def is_log(statement: ast.stmt) -> bool:
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr in LOGS


def _is_text(statement: ast.stmt) -> bool:
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _reads_stream(loop: ast.AST) -> bool:
    calls = (n for n in subtree(loop) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute))
    return any(isinstance(c.func, ast.Attribute) and c.func.attr in _READS for c in calls)


def _is_translation(statement: ast.stmt, given: frozenset[str]) -> bool:
    """Whether a statement only answers, refuses, says, or holds others together."""
    if isinstance(statement, ast.If):
        return (
            not statement.orelse
            and all(isinstance(s, _LEAVES) or is_log(s) for s in statement.body)
            and not (_decides(statement.test, given))
        )
    return isinstance(statement, (*_NO_WORK, ast.Try, ast.FunctionDef, ast.AsyncFunctionDef))


def _decides(test: ast.expr, given: frozenset[str]) -> bool:
    """Whether a condition compares a value that is neither the request's nor a constant."""
    for compared in (n for n in subtree(test) if isinstance(n, ast.Compare)):
        if not all(isinstance(op, (ast.Is, ast.IsNot)) for op in compared.ops):
            names = {n.id for n in subtree(compared) if isinstance(n, ast.Name)}
            if any(not name[:1].isupper() and name not in given for name in names):
                return True
    return False
