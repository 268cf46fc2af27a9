"""Times without a zone: what an expression takes from the clock, and how a reader of UTC understands it."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from project.language.dataflow import reaching
from project.language.scopes import Scope

if TYPE_CHECKING:
    from project import Project

LOCAL, UTC, SHIFTED = "local", "utc", "shifted"
_CLOCKS = {"datetime.datetime.now": LOCAL, "datetime.datetime.today": LOCAL, "datetime.datetime.utcnow": UTC}
_ROUNDING = frozenset(("builtins.int", "builtins.round", "math.floor", "math.ceil"))
_DEPTH = 6


def naive_time(project: Project, expr: ast.expr | None, scope: Scope, depth: int = _DEPTH) -> str:
    """LOCAL for `datetime.now() + ...`, UTC for `datetime.utcnow() + ...`, both without a zone; SHIFTED for
    `datetime.utcnow().timestamp()`, which takes UTC for local time; "" for all that is right or not known.
    """
    if expr is None or not depth:
        return ""
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, (ast.Add, ast.Sub)):
        return naive_time(project, expr.left, scope, depth - 1) or naive_time(project, expr.right, scope, depth - 1)
    if isinstance(expr, ast.Name):
        bindings = reaching(scope, expr.id, expr) if expr.id in scope.bindings else []
        found = {naive_time(project, b.value, scope, depth - 1) if b.kind == "assign" else "" for b in bindings}
        return next((kind for kind in (LOCAL, SHIFTED, UTC) if kind in found), "")
    return _called(project, expr, scope, depth) if isinstance(expr, ast.Call) else ""


def _called(project: Project, call: ast.Call, scope: Scope, depth: int) -> str:
    dotted = project.names.canonical(call.func, scope) or ""
    if dotted in _CLOCKS:
        return "" if call.args or call.keywords else _CLOCKS[dotted]
    if dotted in _ROUNDING and call.args:
        return naive_time(project, call.args[0], scope, depth - 1)
    if not isinstance(call.func, ast.Attribute):
        return ""
    inner = naive_time(project, call.func.value, scope, depth - 1)
    if call.func.attr == "timestamp":
        return SHIFTED if inner == UTC else ""
    plain = call.func.attr == "replace" and not any(k.arg == "tzinfo" for k in call.keywords)
    return inner if plain else ""
