"""What a table is made of: columns, relationships, indexes and constraints."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from project.language.literals import truth
from project.language.scopes import Class, Scope
from project.place import Place

EAGER = frozenset("joined selectin subquery immediate".split())


@dataclass(frozen=True, slots=True)
class Column:
    """A column: `name` is the attribute, `column` the name in the table.

    `type_name`: canonical name of its type (`sqlalchemy.JSON`, or the Python type of a bare `Mapped[datetime]`).
    `foreign_key` is `table.column`, or "?" when its target is not a literal. nullable: None when unknown.
    """

    name: str
    column: str
    place: Place
    scope: Scope
    type_name: str = ""
    type: ast.expr | None = None
    nullable: bool | None = None
    unique: bool = False
    index: bool = False
    primary_key: bool = False
    foreign_key: str | None = None
    default: ast.expr | None = None
    server_default: bool = False
    owner: Class | None = None


@dataclass(frozen=True, slots=True)
class Relationship:
    """A relationship: `target` as written (class name or the class), `lazy` as SQLAlchemy names the strategies.

    `cascades`: deleting the parent takes the children with it, by `cascade` or `passive_deletes`, or that is unknown.
    """

    name: str
    place: Place
    target: str
    uselist: bool | None
    lazy: str
    secondary: bool = False
    back_populates: str = ""
    view_only: bool = False
    foreign_keys: tuple[str, ...] = ()
    backref: str = ""
    cascades: bool = False
    owner: Class | None = None

    @property
    def eager(self) -> bool:
        return self.lazy in EAGER or self.lazy == "unknown"


@dataclass(frozen=True, slots=True)
class Index:
    """An index or a constraint that brings one; columns as they are named in the table, "" for an expression."""

    columns: tuple[str, ...]
    unique: bool
    place: Place
    kind: str = "Index"


def cascades(cascade: ast.expr | None, passive: ast.expr | None) -> bool:
    """Whether `cascade="all, delete-orphan"` or `passive_deletes` keeps SQLAlchemy from setting keys of children to
    NULL; so does what cannot be read.
    """
    if passive is not None and truth(passive) is not False:
        return True
    if isinstance(cascade, ast.Constant) and isinstance(cascade.value, str):
        return bool({"all", "delete"} & {part.strip() for part in cascade.value.split(",")})
    return cascade is not None
