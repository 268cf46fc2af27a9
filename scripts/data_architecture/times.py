"""Date and time: values without a time zone, and where they meet those with one."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted
from project import Function, Project, Scope
from project.data.models import SQLALCHEMY, Model
from project.language.literals import keyword, truth
from project.language.scopes import parent

_NAIVE = frozenset(("datetime.datetime.utcnow", "datetime.datetime.utcfromtimestamp"))


@data.check(
    "DAT021",
    "naive-datetime",
    title="Date and time without a time zone",
    impact=MEDIUM,
    fix="Use datetime.now(UTC) and DateTime(timezone=True) columns everywhere.",
)
def naive_datetime(project: Project) -> Found:
    """`datetime.utcnow()` says nothing about its zone and is deprecated since Python 3.12; asyncpg refuses an aware
    value for a column without time zone, which is a 500.

    Source: Python, datetime.utcnow, https://docs.python.org/3/library/datetime.html#datetime.datetime.utcnow

    Bad:
        # models.py
        from datetime import datetime, timezone
        import asyncpg
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            placed: Mapped[datetime] = mapped_column(default=lambda: datetime.now(timezone.utc))  # DAT021
        # service.py
        from datetime import datetime

        def stamp():
            return datetime.utcnow()  # DAT021
    Good:
        from datetime import datetime, timezone
        import asyncpg
        from sqlalchemy import DateTime
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            placed: Mapped[datetime] = mapped_column(
                DateTime(timezone=True), default=lambda: datetime.now(timezone.utc)
            )
    Not this:
        from datetime import datetime, timezone
        from sqlmodel import Field, SQLModel

        def now():
            return datetime.now(timezone.utc)

        class Order(SQLModel, table=True):
            id: int | None = Field(default=None, primary_key=True)
            placed: datetime = Field(default_factory=now)
    """
    naive = project.spelled.attributes("utcnow", "utcfromtimestamp")
    found = [(n, s) for n, s in naive if project.names.canonical(n, s) in _NAIVE]
    uses = sorted((s.place(n), n.attr) for n, s in found)
    mixed = [n for n, _ in found if not _is_field_default(n)] if _has_aware(project) else []
    if uses:
        written = " and ".join(f"datetime.{name}()" for name in sorted({name for _, name in uses}, reverse=True))
        yield Hit(
            uses[0][0],
            f"{written}: values without time zone ({counted(len(uses), 'place')})",
            impact=LOW if len(mixed) < 3 else None,
            places=tuple(place for place, _ in uses[1:]),
        )
    if _uses_asyncpg(project):
        for model in project.models.all:
            if model.orm == SQLALCHEMY:
                yield from _aware_in_naive(project, model)


def _is_field_default(node: ast.AST) -> bool:
    """`Field(default_factory=datetime.utcnow)`: a value from outside takes its place."""
    holder = parent(node)
    return isinstance(holder, ast.keyword) and holder.arg == "default_factory"


def _has_aware(project: Project) -> bool:
    """Whether times with a zone stand beside the naive ones: in columns, or made by `now(zone)`."""
    columns = (c for m in project.models.all for c in m.columns.values() if isinstance(c.type, ast.Call))
    if any("DateTime" in c.type_name and _with_zone(c.type) for c in columns):
        return True
    return any(_aware_call(project, call, scope) for call, scope in project.spelled.calls("now"))


def _uses_asyncpg(project: Project) -> bool:
    """asyncpg alone refuses such values: imported, or named in a database URL."""
    for module in project.app_modules:
        if any(
            b.target.split(".")[0] == "asyncpg"
            for bs in module.bindings.values()
            for b in bs
            if b.kind in ("import", "from")
        ):
            return True
        if "postgresql+asyncpg" in module.source.text:
            return True
    return False


def _aware_in_naive(project: Project, model: Model) -> Iterator[Hit]:
    for column in model.columns.values():
        last = column.type_name.rsplit(".", 1)[-1]
        naive = column.type_name == "datetime.datetime" or (
            last in ("DateTime", "TIMESTAMP")
            and column.type_name.startswith("sqlalchemy.")
            and not _with_zone(column.type)
        )
        if (
            naive
            and column.owner is model.cls
            and column.default is not None
            and _is_aware(project, column.default, column.scope)
        ):
            yield Hit(
                column.place,
                f"{model.name}.{column.name} has no time zone and gets aware values, which asyncpg refuses",
                impact=HIGH,
            )


def _with_zone(kind: ast.expr | None) -> bool:
    if not isinstance(kind, ast.Call):
        return False
    return (truth(keyword(kind, "timezone")) is not False and keyword(kind, "timezone") is not None) or bool(kind.args)


def _is_aware(project: Project, default: ast.expr, scope: Scope) -> bool:
    """`datetime.now(UTC)` in the default, or in the function it names."""
    found = _aware_call(project, default, scope)
    entity = project.names.resolve(default, scope)
    if not found and isinstance(entity, Function):
        found = any(_aware_call(project, r.value, entity) for r in entity.all(ast.Return) if r.value is not None)
    return found


def _aware_call(project: Project, expr: ast.expr, scope: Scope) -> bool:
    if isinstance(expr, ast.Lambda):
        expr = expr.body
    is_now = isinstance(expr, ast.Call) and project.names.canonical(expr.func, scope) == "datetime.datetime.now"
    return isinstance(expr, ast.Call) and is_now and bool(expr.args or expr.keywords)
