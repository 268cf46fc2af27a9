"""Columns that statements filter by one value: what an index would serve."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.models import Model
from project.data.queries import Execution
from project.data.statements import Statement, Statements
from project.language.scopes import Scope

if TYPE_CHECKING:
    from project import Project

_LOOKUPS = frozenset("where filter having get get_or_none first exclude".split())


@dataclass(frozen=True, slots=True)
class Compared:
    """One column that a condition pins; `null` when it is compared with NULL."""

    model: Model
    column: str
    null: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class Filter:
    """One statement's filters on one model, by attribute names.

    `columns` are compared with a value, `nulls` with NULL (`is_(None)`).
    """

    model: Model
    columns: frozenset[str]
    nulls: frozenset[str]
    execution: Execution


class Filters:
    """Equality filters of every executed statement."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def all(self) -> list[Filter]:
        """In order of files and lines of the executing calls."""
        found: list[Filter] = []
        seen: set[tuple[int, str]] = set()
        for execution in self._project.queries.all:
            for statement in execution.statements:
                compared: dict[str, list[Compared]] = {}
                for one in equalities(self._project.queries.statements, statement):
                    compared.setdefault(one.model.dotted, []).append(one)
                for dotted, ones in compared.items():
                    if (id(statement.node), dotted) not in seen:
                        seen.add((id(statement.node), dotted))
                        columns = frozenset(c.column for c in ones if not c.null)
                        nulls = frozenset(c.column for c in ones if c.null)
                        found.append(Filter(ones[0].model, columns, nulls, execution))
        return found


def equalities(statements: Statements, statement: Statement) -> Iterator[Compared]:
    """Each `Model.attribute == value` that must hold, `filter_by(attribute=value)`, `.in_(...)`, `.is_(None)`."""
    main = next((s.model for s in statement.selected if s.model is not None), None)
    for built in statement.built:
        if built.name in _LOOKUPS:
            for given in built.call.args:
                for node in _required(given):
                    yield from _compared(statements, node, built.scope)
        if built.name in ("filter_by", *_LOOKUPS) and main is not None:
            for named in built.call.keywords:
                name = (named.arg or "").removesuffix("__in")
                if name in main.columns:
                    yield Compared(main, name)


def _required(expr: ast.expr) -> Iterator[ast.expr]:
    """The parts of a condition that all must hold: `a & b`, `and_(a, b)`, a list of them."""
    if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitAnd):
        yield from _required(expr.left)
        yield from _required(expr.right)
    elif isinstance(expr, ast.Call) and (
        (isinstance(expr.func, ast.Name) and expr.func.id == "and_")
        or (isinstance(expr.func, ast.Attribute) and expr.func.attr == "and_")
    ):
        for given in expr.args:
            yield from _required(given)
    else:
        yield expr


def _compared(statements: Statements, node: ast.expr, scope: Scope) -> Iterator[Compared]:
    sides: list[ast.expr] = []
    null = False
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        sides = [node.left, node.comparators[0]]
        if all(isinstance(s, ast.Attribute) and statements.model_of(s.value, scope) is not None for s in sides):
            return  # a join condition
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("in_", "is_"):
        sides = [node.func.value]
        null = node.func.attr == "is_"
    for side in sides:
        if isinstance(side, ast.Attribute):
            model = statements.model_of(side.value, scope)
            if model is not None and side.attr in model.columns:
                yield Compared(model, side.attr, null)
