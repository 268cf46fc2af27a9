"""Migrations: what a revision does to tables that have rows, the revision graph, and env.py."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, joined
from project import Project
from project.data.migrations import Operation, Revision
from project.language.literals import keyword, truth

RECENT = 5  # revisions next to a head: those that may not have run everywhere yet
OTHER_SERVERS = frozenset("mysql mariadb mssql oracle".split())
_DROPS = re.compile(r"\b(DROP\s+TABLE|DROP\s+COLUMN|TRUNCATE)\b", re.IGNORECASE)


@data.check(
    "DAT011",
    "migration-not-null-without-default",
    title="Migration adds a NOT NULL column without a default",
    impact=HIGH,
    fix="Give the column a server_default, or add it nullable, fill it, and set NOT NULL in a later step.",
)
def migration_not_null_without_default(project: Project) -> Found:
    """The statement fails on every table that has rows; autogenerate writes exactly this.

    Source: Alembic, Operation Reference, https://alembic.sqlalchemy.org/en/latest/ops.html

    Bad:
        # migrations/versions/2_plan.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.add_column("users", sa.Column("plan", sa.String(20), nullable=False))  # DAT011
            with op.batch_alter_table("orders") as batch:
                batch.alter_column("placed", existing_type=sa.DateTime(), nullable=False)  # DAT011

        def downgrade():
            op.drop_column("users", "plan")
    Good:
        # migrations/versions/2_plan.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.add_column("users", sa.Column("plan", sa.String(20), nullable=False, server_default="free"))

        def downgrade():
            op.drop_column("users", "plan")
    Not this:
        # migrations/versions/2_plan.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.create_table("teams", sa.Column("id", sa.Integer, primary_key=True))
            op.add_column("teams", sa.Column("name", sa.String(20), nullable=False))
            op.add_column("users", sa.Column("plan", sa.String(20), nullable=True))
            op.execute("UPDATE users SET plan = 'free'")
            op.alter_column("users", "plan", nullable=False)

        def downgrade():
            op.alter_column("users", "plan", existing_type=sa.String(20), nullable=False)
    """
    found = [(r, o) for r in project.migrations.newest_first for o in _not_null(r)]
    yield from _by_age(project, found, _not_null_message, lambda _: HIGH)


def _not_null(revision: Revision) -> Iterator[Operation]:
    """Operations that fail on rows: the table is older, there is no default, and nothing filled the column before."""
    for at, operation in enumerate(revision.upgrade):
        if operation.table in revision.created or operation.table is None or operation.column is None:
            continue
        before = revision.upgrade[:at]
        if operation.name == "add_column" and operation.declared is not None:
            column = operation.declared
            if (
                column.nullable is False
                and not column.server_default
                and not column.primary_key
                and not _emptied(operation, before)
            ):
                yield operation
        elif (
            operation.name == "alter_column"
            and truth(keyword(operation.call, "nullable")) is False
            and keyword(operation.call, "new_column_name") is None
        ):
            default = keyword(operation.call, "server_default")
            filled = _filled(operation, before) or _emptied(operation, before)
            if (
                not filled
                and (default is None or isinstance(default, ast.Constant))
                and truth(keyword(operation.call, "existing_nullable")) is not False
            ):
                yield operation


def _filled(operation: Operation, before: list[Operation]) -> bool:
    """Whether an earlier statement names the column (a backfill), or the revision added it with a default."""
    words = {operation.column, operation.column.rstrip("_") if operation.column else ""}
    for other in before:
        if other.name in ("execute", "bulk_insert") and any(w and w in other.sql for w in words):
            return True
        if (
            other.name == "add_column"
            and other.column == operation.column
            and other.declared is not None
            and other.declared.server_default
        ):
            return True
        if other.name == "alter_column" and keyword(other.call, "new_column_name") is not None:
            return True
    return _loops_over_rows(operation)


def _loops_over_rows(operation: Operation) -> bool:
    """A backfill through a session or connection in the same function or file."""
    for scope in operation.scope.module.walk():
        for call in scope.all(ast.Call):
            func = call.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr in ("execute", "exec", "commit", "update", "values", "bulk_update_mappings")
                and operation.column
            ) and (
                any(operation.column == n.value for n in ast.walk(call) if isinstance(n, ast.Constant))
                or any(operation.column == k.arg for k in call.keywords)
            ):
                return True
    return False


def _emptied(operation: Operation, before: list[Operation]) -> bool:
    """Whether the table was emptied or dropped before."""
    for other in before:
        if other.name == "drop_table" and other.table == operation.table:
            return True
        words = other.sql.upper()
        if (
            other.name == "execute"
            and operation.table
            and operation.table.upper() in words
            and ("DELETE" in words or "TRUNCATE" in words)
        ):
            return True
    return False


def _not_null_message(operations: list[Operation]) -> str:
    names = joined([f"{o.table}.{o.column}" for o in operations])
    if operations[0].name == "add_column":
        return f"{names} added NOT NULL without a default: fails on a table with rows"
    return f"{names} set to NOT NULL without a backfill: fails when a row holds NULL"


def _by_age(
    project: Project,
    found: Iterable[tuple[Revision, Operation]],
    message: Callable[[list[Operation]], str],
    impact: Callable[[Revision], str],
) -> Iterator[Hit]:
    """One hit for each recent revision, one low hit for all older ones together."""
    recent = {id(r) for r in project.migrations.newest_first[:RECENT]}
    groups: dict[int, tuple[Revision, list[Operation]]] = {}
    older: list[Operation] = []
    for revision, operation in found:
        if id(revision) in recent:
            groups.setdefault(id(revision), (revision, []))[1].append(operation)
        else:
            older.append(operation)
    for revision, operations in groups.values():
        others = tuple(o.place for o in operations[1:])
        yield Hit(operations[0].place, message(operations), impact=impact(revision), places=others)
    if older:
        files = len({o.place.path for o in older})
        text = message(older[:1])
        yield Hit(
            older[0].place,
            f"in {counted(files, 'older revision')}, {counted(len(older), 'operation')}, first: {text}",
            impact=LOW,
            places=tuple(o.place for o in older[1:]),
        )


@data.check(
    "DAT013",
    "migration-downgrade-empty",
    title="Migrations that cannot be undone",
    impact=LOW,
    fix="Write the inverse operations, or raise with the reason why there is none.",
)
def migration_downgrade_empty(project: Project) -> Found:
    """When a release has to be taken back, an empty downgrade leaves the schema behind it.

    Source: Alembic, Tutorial, https://alembic.sqlalchemy.org/en/latest/tutorial.html

    Bad:
        # migrations/versions/2_plan.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.add_column("users", sa.Column("plan", sa.String(20)))

        def downgrade():  # DAT013
            pass
    Good:
        # migrations/versions/2_plan.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.add_column("users", sa.Column("plan", sa.String(20)))

        def downgrade():
            op.drop_column("users", "plan")
    Not this:
        # migrations/versions/3_merge.py
        revision = "3"
        down_revision = ("1", "2")

        def upgrade():
            pass

        def downgrade():
            pass
        # migrations/versions/4_data.py
        from alembic import op

        revision = "4"
        down_revision = "3"

        def upgrade():
            op.execute("UPDATE users SET plan = 'free' WHERE plan IS NULL")

        def downgrade():
            pass
    """
    empty = [
        r
        for r in project.migrations.newest_first
        if r.downgrade_empty and r.downgrade_place and any(o.name not in ("execute", "bulk_insert") for o in r.upgrade)
    ]
    places = [r.downgrade_place for r in empty if r.downgrade_place is not None]
    if places:
        total = len(project.migrations.revisions)
        yield Hit(
            places[0],
            f"{len(places)} of {counted(total, 'revision')} change the schema and cannot be taken back: "
            "their downgrade is empty or only raises",
            places=tuple(places[1:]),
        )


@data.check(
    "DAT014",
    "migration-destructive",
    title="Migration drops tables or columns",
    impact=MEDIUM,
    fix="Expand and contract: stop using it in one release, drop it in a later one; rename with new_column_name.",
)
def migration_destructive(project: Project) -> Found:
    """The data is gone and the running release fails at once; autogenerate also takes a rename for a drop and an add.

    Source: Alembic, What does Autogenerate Detect,
    https://alembic.sqlalchemy.org/en/latest/autogenerate.html#what-does-autogenerate-detect-and-what-does-it-not-detect

    Bad:
        # migrations/versions/2_names.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.add_column("users", sa.Column("full_name", sa.String(80)))
            op.drop_column("users", "name")  # DAT014

        def downgrade():
            op.add_column("users", sa.Column("name", sa.String(80)))
            op.drop_column("users", "full_name")
    Good:
        # migrations/versions/2_names.py
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.alter_column("users", "name", new_column_name="full_name")

        def downgrade():
            op.alter_column("users", "full_name", new_column_name="name")
    Not this:
        # migrations/versions/2_names.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.create_table("scratch", sa.Column("id", sa.Integer, primary_key=True))
            op.execute("UPDATE users SET full_name = name")
            op.drop_column("users", "name")
            op.drop_table("scratch")
            op.drop_index("ix_users_name", "users")

        def downgrade():
            op.drop_table("users")
    """
    found = [(r, o) for r in project.migrations.newest_first for o in _destructive(r)]
    heads = {id(r) for group in project.migrations.groups for r in project.migrations.heads(group)}
    alone = _runs_alone(project)

    def impact(revision: Revision) -> str:
        return _destructive_impact(revision) if id(revision) in heads else LOW if alone else MEDIUM

    yield from _by_age(project, found, _destructive_message, impact)


def _runs_alone(project: Project) -> bool:
    """Whether every server that the project starts has one worker, so that no older release runs beside a new one."""
    return bool(project.stack.servers) and all(s.workers == 1 for s in project.stack.servers if not s.reloads)


def _destructive(revision: Revision) -> Iterator[Operation]:
    for at, operation in enumerate(revision.upgrade):
        before = revision.upgrade[:at]
        if operation.name in ("drop_table", "drop_column"):
            what = operation.column if operation.name == "drop_column" else operation.table
            if (
                operation.table in revision.created
                or (operation.table is None and what is None)
                or _moved(what, before)
                or _made_here(operation, before)
            ):
                continue
            yield operation
        elif operation.name == "execute" and _DROPS.search(operation.sql) and "IF EXISTS" not in operation.sql.upper():
            yield operation


def _moved(name: str | None, before: list[Operation]) -> bool:
    """Whether an earlier statement of the revision reads what is dropped: its data went elsewhere."""
    return name is not None and any(
        o.name in ("execute", "bulk_insert") and re.search(rf"\b{re.escape(name)}\b", o.sql) for o in before
    )


def _made_here(operation: Operation, before: list[Operation]) -> bool:
    """A column that the revision itself added, or a table it renamed."""
    return any(
        o.name == "add_column" and (o.table, o.column) == (operation.table, operation.column) for o in before
    ) or any(o.name == "rename_table" for o in before)


def _destructive_impact(revision: Revision) -> str:
    """High when a column is dropped where another is added: autogenerate writes a rename so, and its data is gone."""
    dropped = {o.table for o in _destructive(revision) if o.name == "drop_column" and o.table}
    added = {o.table for o in revision.upgrade if o.name == "add_column"}
    return HIGH if dropped & added else MEDIUM


def _destructive_message(operations: list[Operation]) -> str:
    names = joined(list(dict.fromkeys(_dropped(o) for o in operations)))
    return f"drops {names}: its data is lost, and the release that still uses it fails"


def _dropped(operation: Operation) -> str:
    if operation.name != "drop_column":
        return operation.table or "a table"
    table = operation.table or "a table"
    return f"{table}.{operation.column}" if operation.column else f"columns of {table}"


@data.check(
    "DAT015",
    "migration-locks",
    title="Index built under a lock on a table that is in use",
    impact=MEDIUM,
    fix="Create it with postgresql_concurrently=True inside op.get_context().autocommit_block().",
)
def migration_locks(project: Project) -> Found:
    """A plain CREATE INDEX blocks every write to the table until it is done; a large table stops the service.

    Source: PostgreSQL, CREATE INDEX, https://www.postgresql.org/docs/current/sql-createindex.html

    Bad:
        # main.py
        from sqlalchemy import create_engine

        engine = create_engine("postgresql://db/app", pool_pre_ping=True)
        # migrations/versions/2_index.py
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.create_index("ix_orders_customer", "orders", ["customer_id"])  # DAT015

        def downgrade():
            op.drop_index("ix_orders_customer", "orders")
    Good:
        # main.py
        from sqlalchemy import create_engine

        engine = create_engine("postgresql://db/app", pool_pre_ping=True)
        # migrations/versions/2_index.py
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            with op.get_context().autocommit_block():
                op.create_index("ix_orders_customer", "orders", ["customer_id"], postgresql_concurrently=True)

        def downgrade():
            op.drop_index("ix_orders_customer", "orders")
    Not this:
        # main.py
        from sqlalchemy import create_engine

        engine = create_engine("postgresql://db/app", pool_pre_ping=True)
        # migrations/versions/2_index.py
        import sqlalchemy as sa
        from alembic import op

        revision = "2"
        down_revision = "1"

        def upgrade():
            op.create_table("orders", sa.Column("id", sa.Integer, primary_key=True))
            op.create_index("ix_orders_customer", "orders", ["customer_id"])

        def downgrade():
            op.drop_table("orders")
    """
    if "postgresql" not in project.running.databases:
        return
    added = {(o.table, o.column) for r in project.migrations.revisions for o in r.upgrade if o.name == "add_column"}
    found = [
        (r, o)
        for r in project.migrations.newest_first[:RECENT]
        for o in r.upgrade
        if o.name == "create_index"
        and o.table
        and o.table not in r.created
        and not truth(keyword(o.call, "postgresql_concurrently"))
        and not (
            o.columns
            and (o.table, o.columns[0]) in added
            and any(p.name == "add_column" and p.column == o.columns[0] for p in r.upgrade)
        )
    ]
    impact = LOW if project.running.databases & OTHER_SERVERS else MEDIUM  # which cannot build it so
    yield from _by_age(project, found, _lock_message, lambda _: impact)


def _lock_message(operations: list[Operation]) -> str:
    return (
        f"index on {joined(sorted({o.table or '?' for o in operations}))} is built without CONCURRENTLY, so writes wait"
    )
