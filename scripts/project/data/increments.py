"""Numbers of rows that the code reads, changes and writes back: `row.stock -= 1`."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.rows import ONE, Rows
from project.language.dataflow import reaching
from project.language.literals import class_value, entry, keyword, truth
from project.language.scopes import Class, Function, Scope
from project.language.value_types import Instance
from project.place import Place

if TYPE_CHECKING:
    from project import Project
    from project.data.models import Model

CALLERS_DEEP = 3
_OPERATORS = (ast.Add, ast.Sub, ast.Mult)
_WRITES = ("commit", "flush", "add", "save")
_LOCKS = ("with_for_update", "for_update", "select_for_update")
_LOCK = re.compile(r"(?<![a-z])(r|red)?lock", re.IGNORECASE)
_NUMBERS = (
    "Integer BigInteger SmallInteger Numeric Float Double DECIMAL Decimal INTEGER BIGINT int float decimal "
    "IntField BigIntField SmallIntField DecimalField FloatField"
).split()


@dataclass(frozen=True, slots=True)
class Increment:
    """A column of a row is set to what was read, plus or minus something. `read`: where the row comes from."""

    place: Place
    scope: Scope
    model: Model
    column: str
    read: Place
    certainty: str


def increments(project: Project) -> Iterator[Increment]:
    """Those whose row was read without a lock, from a model without a version column."""
    columns = frozenset(name for model in project.models.all for name in model.columns)
    for module in project.app_modules:
        for scope in module.walk():
            for node, target in _changed(scope):
                if target.attr in columns:
                    yield from _increment(project, node, target, scope)


def _changed(scope: Scope) -> Iterator[tuple[ast.stmt, ast.Attribute]]:
    """`x.n += 1`, `x.n = x.n + 1` and `x.n = (x.n or 0) + 1`, with `x.n`."""
    for augmented in scope.all(ast.AugAssign):
        if isinstance(augmented.target, ast.Attribute) and isinstance(augmented.op, _OPERATORS):
            yield augmented, augmented.target
    for assigned in scope.all(ast.Assign):
        target, value = assigned.targets[0], assigned.value
        if isinstance(target, ast.Attribute) and isinstance(value, ast.BinOp) and isinstance(value.op, _OPERATORS):
            left = value.left.values[0] if isinstance(value.left, ast.BoolOp) else value.left
            if isinstance(left, ast.Attribute) and ast.unparse(left) == ast.unparse(target):
                yield assigned, target


def _increment(project: Project, node: ast.stmt, target: ast.Attribute, scope: Scope) -> Iterator[Increment]:
    given = [rows for rows in project.rows.of(target.value, scope) if rows.shape == ONE]
    found = [(r.model, r.execution.place("read without a lock"), r.execution.certainty, _is_locked(r)) for r in given]
    for model, read, certainty, locked in found or _handed_over(project, node, target.value, scope):
        column = model.columns.get(target.attr) if model is not None else None
        if model is None or column is None or column.type_name.rsplit(".", 1)[-1] not in _NUMBERS:
            continue
        if not locked and not _is_versioned(model) and not _under_lock(project, scope):
            yield Increment(scope.place(node), scope, model, target.attr, read, certainty)
        return


def _handed_over(
    project: Project, node: ast.stmt, expr: ast.expr, scope: Scope
) -> Iterator[tuple[Model | None, Place, str, bool]]:
    """A row that the function gets as a parameter and writes afterwards."""
    bindings = reaching(scope, expr.id, expr) if isinstance(expr, ast.Name) else []
    written = any(call.lineno > node.lineno for name in _WRITES for call in scope.called.get(name, ()))
    if written and bindings and all(b.kind == "param" for b in bindings):
        for value in project.values.of(expr, scope):
            model = project.models.of(value.cls) if isinstance(value, Instance) else None
            yield model, scope.place(bindings[0].node, "handed over"), "inferred", False


def _is_locked(rows: Rows) -> bool:
    call = rows.execution.call
    if call is not None and keyword(call, "with_for_update") is not None:
        return truth(keyword(call, "with_for_update")) is not False
    return any(s.opaque or s.calls(*_LOCKS) for s in rows.execution.statements)


def _under_lock(project: Project, scope: Scope) -> bool:
    """Whether the function or one that leads to it takes a lock."""
    around, seen = [scope], {scope}
    for _ in range(CALLERS_DEEP):
        if any(map(_locks, around)):
            return True
        sites = [site for s in around if isinstance(s, Function) for site in project.calls.callers(s)]
        around = [site.scope for site in sites if site.scope not in seen]
        seen.update(around)
    return any(map(_locks, around))


def _locks(scope: Scope) -> bool:
    """Whether the function itself takes a lock of any kind, or refreshes the row under one."""
    words = {n.attr for n in scope.all(ast.Attribute)} | {n.id for n in scope.all(ast.Name)}
    words |= {k.arg or "" for k in scope.all(ast.keyword)}
    return any(_LOCK.search(word) or word in _LOCKS for word in words)


def _is_versioned(model: Model) -> bool:
    cls = model.cls
    while isinstance(cls, Class):
        if entry(class_value(cls, "__mapper_args__"), "version_id_col") is not None:
            return True
        cls = cls.parent if isinstance(cls.parent, Class) else None
    return False
