"""Comparisons of a path with a folder by its text alone: `..` in a joined part that was never resolved passes them."""

from __future__ import annotations

import ast

from project.language.scopes import Function, Scope, subtree

LEXICAL = frozenset("relative_to is_relative_to commonpath commonprefix startswith".split())
_RESOLVES = frozenset("resolve realpath abspath normpath samefile secure_filename basename".split())
_JOINS = frozenset("join joinpath Path PurePath PosixPath".split())
_TEXT_OF = frozenset("str fspath as_posix Path PurePath PosixPath expanduser absolute".split())
_MAX_STEPS = 8


def is_lexical(expr: ast.expr, scope: Scope) -> bool:
    """Whether an expression compares a path that was joined here and never resolved: `(base / name).relative_to(base)`,
    `os.path.commonpath([base, os.path.join(base, name)])`, `base in path.parents`."""
    if isinstance(expr, ast.Attribute) and expr.attr == "parents":
        return _is_raw(expr.value, scope, 0)
    if not isinstance(expr, ast.Call) or _last(expr.func) not in LEXICAL:
        return False
    if _last(expr.func).startswith("common"):
        given = expr.args[0] if expr.args else None
        return isinstance(given, (ast.List, ast.Tuple)) and any(_is_raw(e, scope, 0) for e in given.elts)
    return isinstance(expr.func, ast.Attribute) and _is_raw(expr.func.value, scope, 0)


def _is_raw(expr: ast.expr, scope: Scope, steps: int) -> bool:
    """Whether a path is joined from parts here, and neither the whole nor a joined part was resolved."""
    if steps > _MAX_STEPS:
        return False
    if isinstance(expr, ast.Name):
        bindings = scope.bindings.get(expr.id, []) if isinstance(scope, Function) else []
        values = [b.value for b in bindings if b.kind == "assign" and b.index is None and b.value is not None]
        return bool(values) and len(values) == len(bindings) and all(_is_raw(v, scope, steps + 1) for v in values)
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Div):
        return not _is_settled(expr.right, scope, steps) or _is_raw(expr.left, scope, steps + 1)
    if not isinstance(expr, ast.Call):
        return False
    name, parts = _last(expr.func), expr.args
    joined = parts if name == "joinpath" else parts[1:]
    if name in _JOINS and any(not _is_settled(part, scope, steps) for part in joined):
        return True
    inner = expr.func.value if isinstance(expr.func, ast.Attribute) and not parts else next(iter(parts), None)
    return name in _TEXT_OF and inner is not None and _is_raw(inner, scope, steps + 1)


def _is_settled(part: ast.expr, scope: Scope, steps: int) -> bool:
    """Whether a joined part cannot lead out of the folder: a constant, or what was resolved or cut to a name."""
    if isinstance(part, ast.Constant):
        return True
    if any(isinstance(n, ast.Call) and _last(n.func) in _RESOLVES for n in subtree(part)):
        return True
    if isinstance(part, ast.Attribute) and part.attr in ("name", "stem"):
        return True
    if isinstance(part, ast.Name) and steps < _MAX_STEPS:
        values = [b.value for b in scope.bindings.get(part.id, []) if b.value is not None and b.kind == "assign"]
        return any(_is_settled(value, scope, steps + 1) for value in values)
    return False


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
