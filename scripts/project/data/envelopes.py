"""Rows inside what a handler returns: `{"items": rows}`, `Page(items=rows)`, and what a pagination library makes."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from project.data.queries import READ, Execution
from project.data.rows import LIST, Rows
from project.data.statements import READS
from project.language.conditions import skipped
from project.language.dataflow import reaching
from project.language.scopes import Function, Scope, parent
from project.language.value_types import Bound

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 4
ANY_LIST = ""  # the list field of the page, whatever its name
_PAGINATORS = frozenset(("paginate", "apaginate"))


@dataclass(frozen=True, slots=True)
class Part:
    """Rows that a returned value holds under `key`."""

    key: str
    rows: Rows


class Envelopes:
    """Parts of returned values that hold rows."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def of(self, function: Function, depth: int = 0) -> Iterator[Part]:
        """Parts of everything a function returns."""
        for given in function.all(ast.Return):
            if given.value is not None:
                yield from self._parts(given.value, function, depth)

    def _parts(self, expr: ast.expr, scope: Function, depth: int) -> Iterator[Part]:
        if depth > MAX_DEPTH:
            return
        if isinstance(expr, ast.Await):
            yield from self._parts(expr.value, scope, depth)
        elif isinstance(expr, ast.Dict):
            for key, value in zip(expr.keys, expr.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield from self._held(key.value, value, scope)
        elif isinstance(expr, ast.Name):
            for binding in reaching(scope, expr.id, expr):
                if binding.kind == "assign" and binding.value is not None and binding.index is None:
                    yield from self._parts(binding.value, scope, depth + 1)
        elif isinstance(expr, ast.Call):
            yield from self._made(expr, scope, depth)

    def _held(self, key: str, value: ast.expr, scope: Scope) -> Iterator[Part]:
        for rows in self._project.rows.of(value, scope):
            yield Part(key, rows)

    def _made(self, call: ast.Call, scope: Function, depth: int) -> Iterator[Part]:
        """By a Pydantic model, a paginator, or a function of the project."""
        if self._project.schemas.of(self._project.names.resolve(call.func, scope)) is not None:
            for given in call.keywords:
                if given.arg is not None:
                    yield from self._held(given.arg, given.value, scope)
            return
        if _last(call.func) in _PAGINATORS and self._is_paginator(call, scope):
            yield from self._paginated(call, scope)
            return
        for value in self._project.values.of(call.func, scope):
            function = value.function if isinstance(value, Bound) else value
            if isinstance(function, Function) and not function.is_generator:
                hop = scope.place(call, f"calls {function.qualname}")
                known = self._project.conditions.given(self._project.calls.site(call, scope), function)
                for part in self.of(function, depth + 1):
                    execution = part.rows.execution
                    if execution.scope is function and skipped(execution.node, known):
                        continue
                    for rows in self._project.rows.bound(part.rows, value, function, call, scope, hop):
                        yield replace(part, rows=rows)

    def _is_paginator(self, call: ast.Call, scope: Scope) -> bool:
        return (self._project.names.canonical(call.func, scope) or "").startswith("fastapi_pagination.")

    def _paginated(self, call: ast.Call, scope: Scope) -> Iterator[Part]:
        """`paginate(session, select(Model))`."""
        for given in (*call.args, *(k.value for k in call.keywords)):
            for statement in self._project.queries.statements.of(given, scope):
                if statement.kind in READS and statement.model is not None:
                    awaited = isinstance(parent(call), ast.Await)
                    execution = Execution(
                        call, scope, "paginate", READ, "sqlalchemy", (statement,), None, awaited, None, "resolved"
                    )
                    yield Part(ANY_LIST, Rows(execution, statement, statement.model, LIST))


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
