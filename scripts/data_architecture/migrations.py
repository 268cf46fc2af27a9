"""Migrations: what a revision does to tables that have rows, the revision graph, and env.py."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.versions import databases
from data_architecture.wording import counted, joined
from project import Class, Module, Place, Project, Scope
from project.literals import keyword, truth
from project.migrations import Environment, Operation, Revision
from project.models import SQLALCHEMY, SQLMODEL, Model
from project.names import External, Variable

RECENT = 5  # revisions next to a head: those that may not have run everywhere yet
_DROPS = re.compile(r"\b(DROP\s+TABLE|DROP\s+COLUMN|TRUNCATE)\b", re.IGNORECASE)
_DYNAMIC = frozenset("import_module import_string iter_modules walk_packages glob rglob listdir __import__ __getattr__ import_submodules".split())
_DOTTED = re.compile(r"[a-z_]\w*(\.\w+)*$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^\s*sqlalchemy\.url\s*=\s*\w+(?:\+\w+)?://[^:/@\s]+:([^@\s]+)@", re.MULTILINE)


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
    yield from _by_age(project, found, _not_null_message, HIGH)


def _not_null(revision: Revision) -> Iterator[Operation]:
    """Operations that fail on rows: the table is older, there is no default, and nothing filled the column before."""
    for at, operation in enumerate(revision.upgrade):
        if operation.table in revision.created or operation.table is None or operation.column is None:
            continue
        before = revision.upgrade[:at]
        if operation.name == "add_column" and operation.declared is not None:
            column = operation.declared
            if column.nullable is False and not column.server_default and not column.primary_key and not _emptied(operation, before):
                yield operation
        elif operation.name == "alter_column" and truth(keyword(operation.call, "nullable")) is False and keyword(operation.call, "new_column_name") is None:
            default = keyword(operation.call, "server_default")
            filled = _filled(operation, before) or _emptied(operation, before)
            if not filled and (default is None or isinstance(default, ast.Constant)) and truth(keyword(operation.call, "existing_nullable")) is not False:
                yield operation


def _filled(operation: Operation, before: list[Operation]) -> bool:
    """Whether an earlier statement names the column (a backfill), or the revision added it with a default."""
    words = {operation.column, operation.column.rstrip("_") if operation.column else ""}
    for other in before:
        if other.name in ("execute", "bulk_insert") and any(w and w in other.sql for w in words):
            return True
        if other.name == "add_column" and other.column == operation.column and other.declared is not None and other.declared.server_default:
            return True
        if other.name == "alter_column" and keyword(other.call, "new_column_name") is not None:
            return True
    return _loops_over_rows(operation)


def _loops_over_rows(operation: Operation) -> bool:
    """A backfill through a session or connection in the same function or file."""
    for scope in operation.scope.module.walk():
        for call in scope.all(ast.Call):
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr in ("execute", "exec", "commit", "update", "values", "bulk_update_mappings") and operation.column:
                if any(operation.column == n.value for n in ast.walk(call) if isinstance(n, ast.Constant)) or any(operation.column == k.arg for k in call.keywords):
                    return True
    return False


def _emptied(operation: Operation, before: list[Operation]) -> bool:
    """Whether the table was emptied or dropped before."""
    for other in before:
        if other.name == "drop_table" and other.table == operation.table:
            return True
        words = other.sql.upper()
        if other.name == "execute" and operation.table and operation.table.upper() in words and ("DELETE" in words or "TRUNCATE" in words):
            return True
    return False


def _not_null_message(operations: list[Operation]) -> str:
    names = joined([f"{o.table}.{o.column}" for o in operations])
    if operations[0].name == "add_column":
        return f"{names} added NOT NULL without a default: fails on a table with rows"
    return f"{names} set to NOT NULL without a backfill: fails when a row holds NULL"


def _by_age(project: Project, found: Iterable[tuple[Revision, Operation]], message: object, impact: str) -> Iterator[Hit]:
    """One hit for each recent revision, one low hit for all older ones together."""
    recent = {id(r) for r in project.migrations.newest_first[:RECENT]}
    groups: dict[int, list[Operation]] = {}
    older: list[Operation] = []
    for revision, operation in found:
        if id(revision) in recent:
            groups.setdefault(id(revision), []).append(operation)
        else:
            older.append(operation)
    for operations in groups.values():
        yield Hit(operations[0].place, message(operations), impact=impact, places=tuple(o.place for o in operations[1:]))  # type: ignore[operator]
    if older:
        files = len({o.place.path for o in older})
        text = message(older[:1])  # type: ignore[operator]
        yield Hit(older[0].place, f"in {counted(files, 'older revision')}, {counted(len(older), 'operation')}, first: {text}", impact=LOW, places=tuple(o.place for o in older[1:]))


@data.check(
    "DAT012",
    "migration-graph",
    title="Revision graph with several heads, gaps or duplicates",
    impact=HIGH,
    fix="Run alembic merge heads, and let CI run alembic heads and alembic check.",
)
def migration_graph(project: Project) -> Found:
    """`alembic upgrade head` stops at several heads, at a revision that names a missing parent, and at two files with one id.

    Source: Alembic, Working with Branches, https://alembic.sqlalchemy.org/en/latest/branches.html

    Bad:
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
        # migrations/versions/2_users.py
        revision = "2"  # DAT012
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/3_orders.py
        revision = "3"
        down_revision = "1"

        def upgrade():
            pass
    Good:
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
        # migrations/versions/2_users.py
        revision = "2"
        down_revision = "1"

        def upgrade():
            pass
    Not this:
        # migrations/versions/1_start.py
        revision: str = "1"
        down_revision: str | None = None

        def upgrade() -> None:
            pass
        # migrations/versions/2_users.py
        revision = "2"
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/3_orders.py
        revision = "3"
        down_revision = "1"

        def upgrade():
            pass
        # migrations/versions/4_merge.py
        revision = "4"
        down_revision = ("2", "3")

        def upgrade():
            pass
    """
    for folder in _by_folder(project.migrations.revisions).values():
        yield from _graph(project, folder)


def _by_folder(revisions: Iterable[Revision]) -> dict[str, list[Revision]]:
    """Revisions of one version location; years and the like below `versions` belong together."""
    found: dict[str, list[Revision]] = {}
    for revision in revisions:
        parts = revision.folder.split("/")
        while parts and parts[-1].isdigit():
            parts.pop()
        found.setdefault("/".join(parts), []).append(revision)
    return found


def _graph(project: Project, revisions: list[Revision]) -> Iterator[Hit]:
    everywhere = {r.id for r in project.migrations.revisions}
    followed = {d for r in project.migrations.revisions for d in r.down}
    heads = [r for r in revisions if r.id not in followed]
    if len(heads) > 1 and not any(r.labels for r in revisions):
        names = joined([h.id for h in heads])
        yield Hit(heads[0].place, f"{counted(len(heads), 'head')}: {names}; alembic upgrade head stops here", places=tuple(h.place for h in heads[1:]))
    for revision in revisions:
        missing = [d for d in revision.down if d not in everywhere]
        if missing and not any(d.startswith("$") for d in missing) and len(revisions) > 1:
            yield Hit(revision.place, f"revision {revision.id} follows {missing[0]}, which no file defines")
    counts = Counter(r.id for r in revisions)
    for identity, number in counts.items():
        if number > 1:
            same = [r for r in revisions if r.id == identity]
            yield Hit(same[1].place, f"{number} files have revision id {identity}", places=tuple(r.place for r in same[:1]))


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
    empty = [r for r in project.migrations.newest_first if r.downgrade_empty and r.downgrade_place and any(o.name not in ("execute", "bulk_insert") for o in r.upgrade)]
    places = [r.downgrade_place for r in empty if r.downgrade_place is not None]
    if places:
        total = len(project.migrations.revisions)
        yield Hit(places[0], f"{len(places)} of {counted(total, 'revision')} change the schema and have an empty downgrade", places=tuple(places[1:]))


@data.check(
    "DAT014",
    "migration-destructive",
    title="Migration drops tables or columns",
    impact=HIGH,
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
    yield from _by_age(project, found, _destructive_message, HIGH)


def _destructive(revision: Revision) -> Iterator[Operation]:
    for at, operation in enumerate(revision.upgrade):
        before = revision.upgrade[:at]
        if operation.name in ("drop_table", "drop_column"):
            what = operation.column if operation.name == "drop_column" else operation.table
            if operation.table in revision.created or operation.table is None and what is None or _moved(what, before) or _made_here(operation, before):
                continue
            yield operation
        elif operation.name == "execute" and _DROPS.search(operation.sql) and "IF EXISTS" not in operation.sql.upper():
            yield operation


def _moved(name: str | None, before: list[Operation]) -> bool:
    """Whether an earlier statement of the revision reads what is dropped: its data went elsewhere."""
    return name is not None and any(o.name in ("execute", "bulk_insert") and re.search(rf"\b{re.escape(name)}\b", o.sql) for o in before)


def _made_here(operation: Operation, before: list[Operation]) -> bool:
    """A column that the revision itself added, or a table it renamed."""
    return any(o.name == "add_column" and (o.table, o.column) == (operation.table, operation.column) for o in before) or any(
        o.name == "rename_table" for o in before
    )


def _destructive_message(operations: list[Operation]) -> str:
    names = joined([f"{o.table}.{o.column}" if o.name == "drop_column" else o.table or "a table" for o in operations])
    return f"drops {names}: its data is lost, and the release that still uses it fails"


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
    if "postgresql" not in databases(project):
        return
    added = {(o.table, o.column) for r in project.migrations.revisions for o in r.upgrade if o.name == "add_column"}
    found = [
        (r, o)
        for r in project.migrations.newest_first[:RECENT]
        for o in r.upgrade
        if o.name == "create_index" and o.table and o.table not in r.created and not truth(keyword(o.call, "postgresql_concurrently"))
        and not (o.columns and (o.table, o.columns[0]) in added and any(p.name == "add_column" and p.column == o.columns[0] for p in r.upgrade))
    ]
    yield from _by_age(project, found, _lock_message, MEDIUM)


def _lock_message(operations: list[Operation]) -> str:
    return f"index on {joined(sorted({o.table or '?' for o in operations}))} is built without CONCURRENTLY: writes wait until it is done"


@data.check(
    "DAT017",
    "alembic-env-metadata",
    title="Alembic does not see all models",
    impact=HIGH,
    fix="Import every model module in env.py (or the package that imports them all) before target_metadata is read.",
)
def alembic_env_metadata(project: Project) -> Found:
    """Autogenerate compares with what env.py imported: an unknown table is never created, and one that exists looks deleted.

    Source: Alembic, Auto Generating Migrations, https://alembic.sqlalchemy.org/en/latest/autogenerate.html

    Bad:
        # app/base.py
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass
        # app/models.py
        from sqlalchemy.orm import Mapped, mapped_column
        from app.base import Base

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        # migrations/env.py
        from alembic import context
        from app.base import Base

        target_metadata = Base.metadata  # DAT017

        def run_migrations_online():
            context.configure(target_metadata=target_metadata)
    Good:
        # app/base.py
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass
        # app/models.py
        from sqlalchemy.orm import Mapped, mapped_column
        from app.base import Base

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        # migrations/env.py
        from alembic import context
        from app.models import Base

        target_metadata = Base.metadata

        def run_migrations_online():
            context.configure(target_metadata=target_metadata)
    Not this:
        # app/base.py
        from sqlalchemy.orm import DeclarativeBase

        class Base(DeclarativeBase):
            pass
        # app/models/__init__.py
        from app.models.user import User
        # app/models/user.py
        from sqlalchemy.orm import Mapped, mapped_column
        from app.base import Base

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
        # migrations/env.py
        from alembic import context
        import app.models  # noqa: F401
        from app.base import Base

        target_metadata = Base.metadata

        def run_migrations_online():
            context.configure(target_metadata=target_metadata)
    """
    for environment in project.migrations.environments:
        target, place = environment.target, environment.target_place
        if target is None or place is None:
            continue
        if isinstance(target, ast.Constant) and target.value is None:
            if project.models.all:
                yield Hit(place, "target_metadata is None: autogenerate and alembic check see no model")
            continue
        missing = _unseen_models(project, environment)
        if missing:
            names = joined([m.name for m in missing])
            yield Hit(place, f"env.py never imports {names}: autogenerate does not create {'it' if len(missing) == 1 else 'them'} and drops what exists", places=tuple(m.place for m in missing))
        if truth(environment.options.get("compare_type")) is False:
            yield Hit(environment.module.place(environment.options["compare_type"]), "compare_type=False hides changes of column types", impact=MEDIUM)
    yield from _credentials(project)


def _unseen_models(project: Project, environment: Environment) -> list[Model]:
    """Models on the metadata of env.py whose modules it does not import, directly or not."""
    if _dynamic(_called_by(project, environment.module)):
        return []
    seen = _imported(project, environment.module)
    if _dynamic(environment.module.walk()):
        packages = _packages_named(project, environment.module)
        if not packages:
            return []
        seen |= {m for parts, m in project.names.modules.items() if any(parts[: len(p)] == p for p in packages)}
    bases = _bases(project, environment)
    if not bases:
        return []
    return [
        m
        for m in project.models.all
        if m.cls is not None
        and m.orm in (SQLALCHEMY, SQLMODEL)
        and m.cls.module.kind == "app"
        and m.cls.module not in seen
        and any(b in bases for b in project.names.mro(m.cls))
    ]


def _dynamic(scopes: Iterable[Scope]) -> bool:
    """Whether modules are found by name or in folders."""
    for scope in scopes:
        if any(n.attr in _DYNAMIC for n in scope.all(ast.Attribute)) or any(n.id in _DYNAMIC for n in scope.all(ast.Name)):
            return True
    return False


def _packages_named(project: Project, module: Module) -> set[tuple[str, ...]]:
    """Packages that env.py names in a string (`import_models("app.models")`) or by their `__path__`."""
    found: set[tuple[str, ...]] = set()
    for scope in module.walk():
        for constant in scope.all(ast.Constant):
            if isinstance(constant.value, str) and _DOTTED.match(constant.value):
                parts = project.names.module_parts(module, constant.value)
                if parts:
                    found.add(parts)
        for attribute in scope.all(ast.Attribute):
            owner = project.names.resolve(attribute.value, scope) if attribute.attr in ("__path__", "__file__") else None
            if isinstance(owner, Module):
                found.add(owner.parts)
    return found


def _called_by(project: Project, module: Module) -> list[Scope]:
    """Functions of other files that env.py calls, with what they hold."""
    found: list[Scope] = []
    for scope in module.walk():
        for call in scope.all(ast.Call):
            found.extend(s for t in project.calls.site(call, scope).targets if t.module is not module for s in t.walk())
    return found


def _bases(project: Project, environment: Environment) -> set[Class | External]:
    """Classes whose metadata env.py hands over; empty when that cannot be said (lists, functions, several)."""
    target = environment.target
    if not (isinstance(target, ast.Attribute) and target.attr == "metadata"):
        return set()
    owner = project.names.resolve(target.value, environment.module)
    if isinstance(owner, (Class, External)):
        return {owner}
    if isinstance(owner, Variable):  # Base = declarative_base(): every model that is no SQLModel
        return {c for m in project.models.all if m.cls is not None and m.orm == SQLALCHEMY for c in (m.cls,)}
    return set()


def _imported(project: Project, start: Module) -> set[Module]:
    """Every module that importing this one imports, packages on the way included."""
    names = project.names
    seen: set[Module] = set()
    stack = [start]
    while stack:
        module = stack.pop()
        if module in seen:
            continue
        seen.add(module)
        scopes: list[Scope] = [*module.walk(), *_called_by(project, module)] if module is start else [module]
        for scope in scopes:
            for bindings in scope.bindings.values():
                for binding in bindings:
                    if binding.kind not in ("import", "from"):
                        continue
                    dotted = binding.imported if binding.kind == "import" else binding.target
                    parts = names.module_parts(module, dotted)
                    if parts is None:
                        continue
                    reached = [parts[: i + 1] for i in range(len(parts))]
                    if binding.kind == "from":
                        reached.append((*parts, binding.imported))
                    stack.extend(m for r in reached if (m := names.modules.get(r)) is not None)
    return seen


def _credentials(project: Project) -> Iterator[Hit]:
    for path in project.files:
        if path.rsplit("/", 1)[-1] == "alembic.ini":
            for number, line in enumerate(project.text_of(path), 1):
                match = _CREDENTIALS.match(line)
                if match and match[1] not in ("pass", "password", "%(password)s") and "%(" not in match[1] and "$" not in match[1] and "{" not in match[1]:
                    yield Hit(Place(path, number, number, "alembic.ini"), "the database password stands in alembic.ini", impact=MEDIUM)


@data.check(
    "DAT018",
    "naming-convention-missing",
    title="Constraints without names",
    impact=LOW,
    fix="Give the base MetaData(naming_convention={...}) so that each constraint gets a name.",
)
def naming_convention_missing(project: Project) -> Found:
    """A constraint without a name cannot be dropped or compared by a migration.

    Source: Alembic, The Importance of Naming Constraints, https://alembic.sqlalchemy.org/en/latest/naming.html

    Bad:
        # models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):  # DAT018
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(unique=True)
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
    Good:
        # models.py
        from sqlalchemy import MetaData
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            metadata = MetaData(naming_convention={"uq": "uq_%(table_name)s_%(column_0_name)s"})

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(unique=True)
        # migrations/versions/1_start.py
        revision = "1"
        down_revision = None

        def upgrade():
            pass
    Not this:
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str] = mapped_column(unique=True)
    """
    if not (project.migrations.revisions or project.migrations.environments):
        return
    if any("naming_convention" in m.source.text for m in project.modules.values()):
        return
    unnamed = [m for m in project.models.all if m.orm in (SQLALCHEMY, SQLMODEL) and any(c.unique or c.foreign_key for c in m.columns.values())]
    base = next((b for m in unnamed if m.cls is not None for b in reversed(project.names.mro(m.cls)) if isinstance(b, Class)), None)
    if unnamed and base is not None:
        yield Hit(base.place(), f"no naming convention: unique and foreign key constraints of {counted(len(unnamed), 'table')} have no name of their own")
