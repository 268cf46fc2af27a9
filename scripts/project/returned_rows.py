"""Which ORM model an expression is a row of, or a list of rows: followed from what a function returns to its query."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from typing import TYPE_CHECKING

from project.dataflow import reaching
from project.models import Model
from project.scopes import Function, Scope
from project.value_types import Awaitable, Instance, Value

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 6
_KEEPS_ROWS = frozenset("builtins.list builtins.tuple builtins.sorted builtins.reversed".split())
_STEPS = frozenset("scalars scalar all first one one_or_none scalar_one scalar_one_or_none unique to_list fetchall fetchone".split())


class ReturnedRows:
    """Models of the rows an expression gives."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._of_function: dict[Function, frozenset[str]] = {}
        self._models = {m.dotted: m for m in project.models.all}

    def of(self, expr: ast.expr | None, scope: Scope) -> list[Model]:
        """Models whose rows (one, or a list of them) the expression gives; [] when it gives none, or nobody knows."""
        names = dict.fromkeys(self._rows(expr, scope, 0))
        return [self._models[name] for name in names if name in self._models]

    def _rows(self, expr: ast.expr | None, scope: Scope, depth: int) -> Iterator[str]:
        if expr is None or depth > MAX_DEPTH:
            return
        if isinstance(expr, (ast.Await, ast.NamedExpr, ast.Starred)):
            yield from self._rows(expr.value, scope, depth)
        elif isinstance(expr, ast.Name):
            yield from self._named(expr, scope, depth)
        elif isinstance(expr, ast.Call):
            yield from self._called(expr, scope, depth)
        elif isinstance(expr, (ast.IfExp, ast.BoolOp)):
            parts = [expr.body, expr.orelse] if isinstance(expr, ast.IfExp) else expr.values
            for part in parts:
                yield from self._rows(part, scope, depth + 1)
        elif isinstance(expr, (ast.ListComp, ast.List, ast.Tuple, ast.Attribute)):
            yield from self._by_type(expr, scope)

    def _named(self, expr: ast.Name, scope: Scope, depth: int) -> Iterator[str]:
        bindings = reaching(scope, expr.id, expr)
        for binding in bindings:
            if binding.kind == "assign" and binding.index is None:
                yield from self._rows(binding.value, scope, depth + 1)
        if not bindings or all(b.kind in ("param", "for") for b in bindings):
            yield from self._by_type(expr, scope)

    def _called(self, call: ast.Call, scope: Scope, depth: int) -> Iterator[str]:
        execution = self._project.queries.at(call, scope)
        if execution is not None:
            if execution.model is not None:
                yield execution.model.dotted
            for statement in execution.statements:
                if statement.model is not None and statement.kind not in ("update", "delete", "text"):
                    yield statement.model.dotted
            return
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in _STEPS:
            yield from self._rows(func.value, scope, depth)
            return
        if self._project.names.canonical(func, scope) in _KEEPS_ROWS and call.args:
            yield from self._rows(call.args[0], scope, depth + 1)
            return
        site = self._project.calls.site(call, scope)
        for target in site.targets:
            if target.name != "__init__":
                yield from self._from_function(target, depth + 1)
        if not site.targets or any(t.name == "__init__" for t in site.targets):
            yield from self._by_type(call, scope)

    def _from_function(self, function: Function, depth: int) -> Iterator[str]:
        if function not in self._of_function:
            self._of_function[function] = frozenset()
            found = {n for r in function.all(ast.Return) for n in self._rows(r.value, function, depth)}
            self._of_function[function] = frozenset(found)
        yield from sorted(self._of_function[function])

    def _by_type(self, expr: ast.expr, scope: Scope) -> Iterator[str]:
        for value in self._project.values.of(expr, scope):
            yield from self._model_of(value, 0)

    def _model_of(self, value: Value, depth: int) -> Iterator[str]:
        if isinstance(value, Awaitable) and value.value is not None:
            yield from self._model_of(value.value, depth)
        elif isinstance(value, Instance):
            model = self._project.models.of(value.cls)
            if model is not None:
                yield model.dotted
            elif value.dotted in ("builtins.list", "builtins.tuple", "builtins.set") and depth < 2:
                for argument in value.args:
                    yield from self._model_of(argument, depth + 1)
