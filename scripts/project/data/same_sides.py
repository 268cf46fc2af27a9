"""Comparisons of a name or attribute with itself, and whether a statement takes them as a condition."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.statements import PARAMETER
from project.language.names import External
from project.language.scopes import Scope, parents

if TYPE_CHECKING:
    from project import Project

_CONDITIONS = frozenset("where filter having join outerjoin join_from exclude".split())
_COMBINED = frozenset("and_ or_ not_ exists case".split())
_LIBRARIES = ("sqlalchemy.", "sqlmodel.")


@dataclass(frozen=True, slots=True, eq=False)
class SameSides:
    """`x == x`: the comparison; `in_query` when a statement takes it, `column` when it is one of a mapped class."""

    node: ast.Compare
    scope: Scope
    in_query: bool
    column: bool

    @property
    def text(self) -> str:
        return ast.unparse(self.node)


def same_sides(project: Project) -> Iterator[SameSides]:
    """Comparisons of two equal names or attributes in the application, in order of files and scopes."""
    for module in project.app_modules:
        for scope in module.walk():
            for node in scope.all(ast.Compare):
                if len(node.ops) == 1 and _is_same(node.left, node.comparators[0]):
                    yield SameSides(node, scope, _is_condition(project, node, scope), _is_column(project, node, scope))


def _is_same(left: ast.expr, right: ast.expr) -> bool:
    """`a.b.c` on both sides; nothing that a call or an item could change meanwhile."""
    while isinstance(left, ast.Attribute) and isinstance(right, ast.Attribute) and left.attr == right.attr:
        left, right = left.value, right.value
    return isinstance(left, ast.Name) and isinstance(right, ast.Name) and left.id == right.id


def _is_condition(project: Project, node: ast.Compare, scope: Scope) -> bool:
    """Whether it stands in `.where(...)` of a statement, or in `and_(...)` of SQLAlchemy."""
    return any(isinstance(holder, ast.Call) and _takes_condition(project, holder, scope) for holder in parents(node))


def _takes_condition(project: Project, call: ast.Call, scope: Scope) -> bool:
    func = call.func
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    if isinstance(func, ast.Attribute) and name in _CONDITIONS:
        return any(s.kind != PARAMETER for s in project.queries.statements.of(func.value, scope))
    if name not in _COMBINED and not isinstance(func, ast.Name):
        return False
    dotted = project.names.canonical(func, scope) or ""
    return dotted.startswith(_LIBRARIES) and dotted.rsplit(".", 1)[-1] in _COMBINED


def _is_column(project: Project, node: ast.Compare, scope: Scope) -> bool:
    """Whether the two sides are a column: of a mapped class, or of a class that is not known by its name."""
    side = node.left
    if not isinstance(side, ast.Attribute):
        return False
    if project.queries.statements.model_of(side.value, scope) is not None:
        return True
    entity = project.names.resolve(side.value, scope)
    return isinstance(entity, External) or (isinstance(side.value, ast.Name) and side.value.id[:1].isupper())
