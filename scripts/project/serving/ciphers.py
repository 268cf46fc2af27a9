"""Functions that encrypt and when they give the plain text back; columns that are encrypted."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.scopes import Function, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_ENCRYPTS = re.compile(r"(?<!de)(?<!un)(en|_|^)(crypt|cipher)(?!o|ed)", re.IGNORECASE)
_COLUMN = re.compile("encrypt", re.IGNORECASE)
_SAME = frozenset(("encode", "decode", "str", "bytes"))


@dataclass(frozen=True, slots=True)
class Plain:
    """Where a function that encrypts returns what it was given, and the test that leads there ("" in an `except`)."""

    function: Function
    place: Place
    test: str


def given_back_plain(project: Project) -> Iterator[Plain]:
    """Every such return that something else than the value itself decides about."""
    for module in project.app_modules:
        for function in module.functions:
            if _is_encryption(function):
                yield from _plain(function)


def _is_encryption(function: Function) -> bool:
    bound = function.name == "process_bind_param" and function.owner is not None
    named = _COLUMN.search(function.owner.name) if bound and function.owner else _ENCRYPTS.search(function.name)
    return bool(named) and "decrypt" not in function.name.lower() and any(_encrypts(c) for c in function.all(ast.Call))


def _encrypts(call: ast.Call) -> bool:
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("encrypt", "encryptor", "encrypt_and_digest", "seal") or bool(_ENCRYPTS.search(name))


def _plain(function: Function) -> Iterator[Plain]:
    given = {arg.arg for arg, _ in function.params if arg.arg not in ("self", "cls", "dialect", "key")}
    for returned in function.all(ast.Return):
        name = _same(returned.value)
        if name not in given:
            continue
        holder = next((h for h in parents(returned) if isinstance(h, (ast.If, ast.ExceptHandler))), None)
        if isinstance(holder, ast.ExceptHandler):
            yield Plain(function, function.place(returned), "")
        elif isinstance(holder, ast.If) and returned in holder.body:
            test = next((t for t in _alternatives(holder.test) if not _mentions(t, name)), None)
            if test is not None and _is_setting(test, function):
                yield Plain(function, function.place(returned), ast.unparse(test))


def _same(expr: ast.expr | None) -> str:
    """`value` of `value`, `value.encode()` and `str(value)`."""
    while isinstance(expr, ast.Call):
        if isinstance(expr.func, ast.Attribute) and expr.func.attr in _SAME:
            expr = expr.func.value
        elif isinstance(expr.func, ast.Name) and expr.func.id in _SAME and expr.args:
            expr = expr.args[0]
        else:
            return ""
    return expr.id if isinstance(expr, ast.Name) else ""


def _alternatives(test: ast.expr) -> list[ast.expr]:
    return test.values if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or) else [test]


def _is_setting(test: ast.expr, function: Function) -> bool:
    """Whether nothing that is looked up for this one call decides: names of the module, attributes, what they give."""
    names = {n.id for n in subtree(test) if isinstance(n, ast.Name)}
    values = [b.value for name in names for b in function.bindings.get(name, []) if b.value is not None]
    looked_up = (n for value in values for n in subtree(value) if isinstance(n, ast.Call) and n.args)
    return all("environ" in ast.unparse(n) or "getenv" in ast.unparse(n) for n in looked_up)


def _mentions(expr: ast.expr, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in subtree(expr))


def encrypted_columns(project: Project) -> dict[str, Place]:
    """Columns by `Model.name` whose type says that they are encrypted."""
    found: dict[str, Place] = {}
    for model in project.models.all:
        for column in model.columns.values():
            typed = f"{column.type_name} {ast.unparse(column.type) if column.type is not None else ''}"
            if _COLUMN.search(typed):
                found[f"{model.name}.{column.name}"] = column.place
    return found
