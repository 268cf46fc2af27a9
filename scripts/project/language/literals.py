"""Constant values of expressions: strings, numbers, booleans and lists of strings, through names and f-strings."""

from __future__ import annotations

import ast

from project.language.names import Names, Variable
from project.language.scopes import Class, Function, Scope

MAX_DEPTH = 8


def text(expr: ast.AST | None, scope: Scope, names: Names, depth: int = 0) -> str | None:
    """The string an expression always is, None when that cannot be said."""
    if expr is None or depth > MAX_DEPTH:
        return None
    if isinstance(expr, ast.Constant):
        return expr.value if isinstance(expr.value, str) else None
    if isinstance(expr, ast.JoinedStr):
        parts = [_piece(p, scope, names, depth) for p in expr.values]
        return None if None in parts else "".join(p for p in parts if p is not None)
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
        left, right = text(expr.left, scope, names, depth + 1), text(expr.right, scope, names, depth + 1)
        return None if left is None or right is None else left + right
    if isinstance(expr, (ast.Name, ast.Attribute)):
        return _named(expr, scope, names, depth)
    return None


def _piece(part: ast.expr, scope: Scope, names: Names, depth: int) -> str | None:
    return text(part.value if isinstance(part, ast.FormattedValue) else part, scope, names, depth + 1)


def _named(expr: ast.Name | ast.Attribute, scope: Scope, names: Names, depth: int) -> str | None:
    entity = names.resolve(expr, scope)
    if not isinstance(entity, Variable) or isinstance(entity.scope, Function):
        return None
    values = [b.value for b in entity.bindings if b.kind == "assign" and b.index is None]
    return text(values[0], entity.scope, names, depth + 1) if len(values) == 1 == len(entity.bindings) else None


def texts(expr: ast.AST | None, scope: Scope, names: Names) -> list[str] | None:
    """The strings of a list or tuple display (of one string also), None when any of them is unknown."""
    if isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
        found = [text(e, scope, names) for e in expr.elts]
        return None if None in found else [f for f in found if f is not None]
    if isinstance(expr, (ast.Name, ast.Attribute)):
        entity = names.resolve(expr, scope)
        if isinstance(entity, Variable) and len(entity.bindings) == 1 and entity.bindings[0].value is not None:
            value = entity.bindings[0].value
            return texts(value, entity.scope, names) if not isinstance(value, (ast.Name, ast.Attribute)) else None
        return None
    one = text(expr, scope, names)
    return None if one is None else [one]


def truth(expr: ast.AST | None) -> bool | None:
    """True or False for a literal boolean, else None."""
    return expr.value if isinstance(expr, ast.Constant) and isinstance(expr.value, bool) else None


def keyword(call: ast.Call, *names: str) -> ast.expr | None:
    """The value of the first of these keyword arguments, also inside a literal `**{...}`."""
    for given in call.keywords:
        if given.arg in names:
            return given.value
        if given.arg is None and isinstance(given.value, ast.Dict):
            found = entry(given.value, *names)
            if found is not None:
                return found
    return None


def entry(expr: ast.AST | None, *keys: str) -> ast.expr | None:
    """The value under one of these keys in a dict display or a `dict(...)` call."""
    if isinstance(expr, ast.Dict):
        for key, value in zip(expr.keys, expr.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in keys:
                return value
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Name) and expr.func.id == "dict":
        return keyword(expr, *keys)
    return None


def class_value(cls: Class, name: str) -> ast.expr | None:
    """The expression a class body assigns to a name, without its bases."""
    for binding in reversed(cls.bindings.get(name, [])):
        if binding.kind == "assign" and binding.index is None:
            return binding.value
    return None
