"""Indexes: foreign keys and filtered columns that have none."""

from __future__ import annotations

import re
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, has_few_rows, is_for_admins, joined
from project import Project
from project.data.filters import Filter
from project.data.models import DOCUMENT, Model
from project.data.statements import DELETE
from project.data.table_parts import Column

_FEW_VALUES = frozenset("Boolean BOOLEAN bool Enum ENUM BooleanField CharEnumField IntEnumField SmallInteger".split())
_NEVER_LOOKED_UP = frozenset(
    "bytes ARRAY Numeric DECIMAL Decimal Float float Double REAL DateTime datetime Date date Time TIMESTAMP "
    "Interval".split()
)
_DELETES = re.compile(r"_*(delete|remove|purge|wipe)_")
OFTEN = 3  # queries of requests that filter by unindexed keys of a table
_IDENTIFIES = re.compile(r"(^|_)(email|name|slug|key|token|code|hash|username|uuid|number|url|path)$")
_FEW = re.compile(r"(^|_)(type|status|state|kind|role|deleted|active|enabled|level|priority|severity)$")
_SNAKE = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")


@data.check(
    "DAT003",
    "foreign-key-without-index",
    title="Foreign key or filtered column without an index",
    impact=HIGH,
    fix="Add index=True to the column, and a migration that creates the index (concurrently on PostgreSQL).",
)
def foreign_key_without_index(project: Project) -> Found:
    """Neither SQLAlchemy, Tortoise nor PostgreSQL and SQLite index a foreign key: joins and filters scan the table, and
    each delete of a parent scans all its children.

    Source: PostgreSQL, Foreign Keys,
    https://www.postgresql.org/docs/current/ddl-constraints.html#DDL-CONSTRAINTS-FK

    Bad:
        from fastapi import FastAPI
        from sqlalchemy import ForeignKey, create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))  # DAT003
            email: Mapped[str]  # DAT003

        app = FastAPI()
        engine = create_engine("sqlite://")

        @app.get("/heroes")
        def by_email(email: str) -> int:
            with Session(engine) as session:
                return session.scalar(select(Hero).where(Hero.email == email)).id
    Good:
        from fastapi import FastAPI
        from sqlalchemy import ForeignKey, create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
            email: Mapped[str] = mapped_column(unique=True)

        app = FastAPI()
        engine = create_engine("sqlite://")

        @app.get("/heroes")
        def by_email(email: str) -> int:
            with Session(engine) as session:
                return session.scalar(select(Hero).where(Hero.email == email)).id
    Not this:
        # app/models.py
        from sqlalchemy import Column, ForeignKey, Index, Integer, String, UniqueConstraint
        from sqlalchemy.orm import declarative_base

        Base = declarative_base()

        class Team(Base):
            __tablename__ = "teams"
            id = Column(Integer, primary_key=True)

        class Membership(Base):
            __tablename__ = "memberships"
            __table_args__ = (UniqueConstraint("user_id", "team_id"), Index("ix_team", "team_id"))
            team_id = Column(ForeignKey("teams.id"), primary_key=True)
            user_id = Column(ForeignKey("users.id"), primary_key=True)

        class User(Base):
            __tablename__ = "users"
            id = Column(Integer, primary_key=True)
            team_id = Column(ForeignKey("teams.id"))
            boss_id = Column(ForeignKey("users.id"))
            name = Column(String)

        Index("ix_boss", User.boss_id.desc())
        # migrations/versions/1_users.py
        from alembic import op

        revision = "1"
        down_revision = None

        def upgrade():
            op.create_index("ix_users_team", "users", ["team_id"])
    """
    keys_indexed = project.running.indexes_foreign_keys
    filtered = _filtered(project)
    for model in project.models.all:
        keys = [] if keys_indexed else list(_open_keys(project, model))
        used = filtered.get(model.dotted, {})
        looked_up = [c for c in model.columns.values() if c.name in used and c not in keys]
        if keys:
            yield _key_hit(project, model, keys, used, any(_is_joined(project, model, c) for c in keys))
        if looked_up:
            yield _filter_hit(project, model, looked_up, used)
        yield from _empty_indexes(model)


def _is_joined(project: Project, model: Model, column: Column) -> bool:
    """Whether rows are found by a key without a filter in sight: through a collection of the parent, or as a link table
    is.
    """
    return column.primary_key or any(
        project.models.target(parent, relationship) is model and project.models.is_collection(parent, relationship)
        for parent in _parents(project, column)
        for relationship in parent.relationships.values()
    )


def _parents(project: Project, column: Column) -> list[Model]:
    """Models that a foreign key points to."""
    key = column.foreign_key or ""
    named = (key.rpartition(".")[0] or key).rpartition(".")[2]
    return [m for m in project.models.all if named and named in (m.table, m.name)]


def _follow_in_index(model: Model, keys: list[Column]) -> bool:
    """Whether each key stands further back in an index or constraint, which serves queries that give its start too."""
    later = {c for i in model.indexes if i.kind != "ForeignKeyConstraint" for c in i.columns[1:]}
    return all(not k.primary_key and (k.column in later or k.name in later) for k in keys)


def _key_impact(project: Project, model: Model, keys: list[Column], filters: list[Filter], joined_by: bool) -> str:
    """High when many queries filter by the keys, Low when nothing in sight finds rows by them. Queries for
    administrators and for deletions of a parent are no reason, and small tables weigh less. Low for tables that
    nothing in sight adds rows to.
    """
    if project.growth.is_left(model) or (not filters and _follow_in_index(model, keys)):
        return LOW
    served = [f for f in filters if not _is_for_admins(project, f)]
    often = [f for f in served if not _deletes(f)]
    steps = (len(served) < OFTEN) + (not often and (bool(filters) or not joined_by)) + has_few_rows(project, model)
    return (HIGH, MEDIUM, LOW)[min(steps, 2)]


def _is_for_admins(project: Project, given: Filter) -> bool:
    function = project.requests.within(given.execution.scope)
    return function is None or is_for_admins(project, project.requests.root(function))


def _deletes(given: Filter) -> bool:
    """Whether a query deletes, itself or in a function that is there to delete."""
    named = _DELETES.match(getattr(given.execution.scope, "name", "")) is not None
    return named or any(s.kind == DELETE for s in given.execution.statements)


def _key_hit(project: Project, model: Model, keys: list[Column], used: dict[str, list[Filter]], joined_by: bool) -> Hit:
    verb = "has no index" if len(keys) == 1 else "have no index"
    filters = [f for c in keys for f in used.get(c.name, [])]
    uses = [f.execution.place("filters by it") for f in filters]
    return Hit(
        keys[0].place,
        f"{counted(len(keys), 'foreign key')} of {model.name} {verb}: {joined([c.name for c in keys])}"
        + (f" ({counted(len(filters), 'query filters', 'queries filter')} by them)" if filters else ""),
        tuple(uses[:3]),
        _key_impact(project, model, keys, filters, joined_by),
        places=tuple(c.place for c in keys[1:]),
    )


def _filter_hit(project: Project, model: Model, columns: list[Column], used: dict[str, list[Filter]]) -> Hit:
    filters = [f for c in columns for f in used[c.name]]
    verb = (
        "is filtered by equality and has no index"
        if len(columns) == 1
        else "are filtered by equality and have no index"
    )
    return Hit(
        columns[0].place,
        f"{joined([f'{model.name}.{c.name}' for c in columns])} {verb} ({counted(len(filters), 'query', 'queries')})",
        tuple(f.execution.place("filters by it") for f in filters[:3]),
        LOW if has_few_rows(project, model) else MEDIUM,
        filters[0].execution.certainty,
        tuple(c.place for c in columns[1:]),
    )


def _open_keys(project: Project, model: Model) -> Iterator[Column]:
    """Foreign keys of the model's own table that no index, key or unique constraint starts with."""
    for column in model.columns.values():
        own_key = column.foreign_key is not None and column.name in model.own and model.orm != DOCUMENT
        if own_key and not model.leads_index(column) and not _in_migrations(project, model, column):
            yield column


def _in_migrations(project: Project, model: Model, column: Column) -> bool:
    tables = {model.table.rsplit(".", 1)[-1]} if model.table else _guessed_tables(model)
    return any((t, column.column) in project.migrations.indexed for t in tables)


def _guessed_tables(model: Model) -> set[str]:
    snake = _SNAKE.sub("_", model.name).lower()
    return {model.name.lower(), snake, f"{snake}s"}


def _filtered(project: Project) -> dict[str, dict[str, list[Filter]]]:
    """Per model, the column that queries of requests filter by while nothing indexed narrows them down: one for each
    query.
    """
    found: dict[str, dict[str, list[Filter]]] = {}
    narrowed = {id(f.execution) for f in project.filters.all if _is_narrowed(project, f)}  # also by a joined table
    for given in project.filters.all:
        model = given.model
        columns = [model.columns[n] for n in sorted(given.columns)]
        if id(given.execution) in narrowed or project.requests.within(given.execution.scope) is None:
            continue
        open_columns = [c for c in columns if not _has_few_values(c) and c.name in model.own]
        if open_columns:
            best = min(open_columns, key=_selectivity)
            found.setdefault(model.dotted, {}).setdefault(best.name, []).append(given)
    return found


def _is_narrowed(project: Project, given: Filter) -> bool:
    pinned = (given.model.columns[n] for n in (*given.columns, *given.nulls))
    return any(_has_index(project, given.model, c) for c in pinned)


def _selectivity(column: Column) -> tuple[bool, bool, int]:
    """Keys of other tables first, then what names a row, then the order of declaration."""
    name = column.name
    return column.foreign_key is None and not name.endswith("_id"), not _IDENTIFIES.search(name), column.place.line


def _has_index(project: Project, model: Model, column: Column) -> bool:
    return (
        model.leads_index(column)
        or _in_migrations(project, model, column)
        or (column.foreign_key is not None and project.running.indexes_foreign_keys)
    )


def _has_few_values(column: Column) -> bool:
    """Whether an index on the column alone would help little, by its type or name."""
    last = column.type_name.rsplit(".", 1)[-1].removesuffix("()")
    if "JSON" in last or "Binary" in last or last in _NEVER_LOOKED_UP:
        return True
    return (
        last in _FEW_VALUES
        or column.name.startswith(("is_", "has_"))
        or "enum" in last.lower()
        or _FEW.search(column.name) is not None
    )


def _empty_indexes(model: Model) -> Iterator[Hit]:
    """`Index("email")` names an index and lists no column."""
    for index in model.indexes:
        if index.kind == "Index" and not index.columns:
            yield Hit(
                index.place, f"this Index of {model.name} has a name and no columns: it indexes nothing", impact=MEDIUM
            )
