"""What Alembic sees of the models: `env.py`, names of constraints."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, joined
from project import Class, Module, Place, Project, Scope
from project.data.migrations import Environment
from project.data.models import SQLALCHEMY, SQLMODEL, Model
from project.language.literals import truth
from project.language.names import External, Variable

_DYNAMIC = frozenset(
    "import_module import_string iter_modules walk_packages glob rglob listdir __import__ __getattr__ "
    "import_submodules".split()
)
_DOTTED = re.compile(r"[a-z_]\w*(\.\w+)*$", re.IGNORECASE)
_CREDENTIALS = re.compile(r"^\s*sqlalchemy\.url\s*=\s*\w+(?:\+\w+)?://[^:/@\s]+:([^@\s]+)@", re.MULTILINE)
_LOCAL = re.compile(r"@(localhost|127\.0\.0\.1|\[::1\]|db|postgres|mysql)[:/\s]")


@data.check(
    "DAT017",
    "alembic-env-metadata",
    title="Alembic does not see all models",
    impact=HIGH,
    fix="Import every model module in env.py (or the package that imports them all) before target_metadata is read.",
)
def alembic_env_metadata(project: Project) -> Found:
    """Autogenerate compares with what env.py imported: an unknown table is never created, and one that exists looks
    deleted.

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
    unseen = _unseen_by_all(project)
    several = len(project.migrations.environments) > 1
    for environment in project.migrations.environments:
        target, place = environment.target, environment.target_place
        if target is None or place is None:
            continue
        if isinstance(target, ast.Constant) and target.value is None:
            if project.models.all:
                yield Hit(place, "target_metadata is None: autogenerate and alembic check see no model")
            continue
        missing = unseen.pop(id(environment), [])
        if missing:
            names = joined([m.name for m in missing])
            who = "no env.py imports" if several else "env.py never imports"
            yield Hit(
                place,
                f"{who} {names}: autogenerate drops what exists and creates nothing",
                impact=MEDIUM if several else None,
                places=tuple(m.place for m in missing),
            )
        if truth(environment.options.get("compare_type")) is False:
            yield Hit(
                environment.module.place(environment.options["compare_type"]),
                "compare_type=False hides changes of column types",
                impact=MEDIUM,
            )
    yield from _credentials(project)


def _unseen_by_all(project: Project) -> dict[int, list[Model]]:
    """Models that an environment does not see, by its id. Where several share a base (a database each), a model is
    missing only when none of them sees it, and that is said of the first.
    """
    environments = project.migrations.environments
    unseen = [_unseen_models(project, e) for e in environments]
    if not unseen:
        return {}
    missing = [m for m in unseen[0] if all(m in models for models in unseen[1:])]
    return {id(environments[0]): [m for m in missing if not all(_has_other_home(project, e, m) for e in environments)]}


def _has_other_home(project: Project, environment: Environment, model: Model) -> bool:
    """Whether a package with migrations of its own holds the model, as plugins do."""
    assert model.cls is not None
    homes = {_home(r.folder) for r in project.migrations.revisions}
    around = [h for h in homes if h and model.cls.module.path.startswith(f"{h}/")]
    nearest = max(around, key=len, default="")
    return bool(nearest) and not environment.module.path.startswith(f"{nearest}/")


def _home(folder: str) -> str:
    """The package that a folder of revisions belongs to: `shop` for `shop/migrations/versions`."""
    parts = folder.split("/")
    return "/".join(parts[: -2 if parts[-1] == "versions" else -1])


def _unseen_models(project: Project, environment: Environment) -> list[Model]:
    """Models on the metadata of env.py whose modules it does not import, directly or not. A class over a view is none
    of them: autogenerate would make a table for it.
    """
    if _dynamic(_called_by(project, environment.module)):
        return []
    seen = _imported(project, environment.module)
    for call, scope in project.spelled.calls("revision", "check"):  # a command of the project's own runs env.py
        if (project.names.canonical(call.func, scope) or "").startswith("alembic.command."):
            seen |= _imported(project, scope.module)
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
        and not (m.table or "").endswith(("_view", "_mv"))
        and any(b in bases for b in project.names.mro(m.cls))
    ]


def _dynamic(scopes: Iterable[Scope]) -> bool:
    """Whether modules are found by name or in folders."""
    for scope in scopes:
        if any(n.attr in _DYNAMIC for n in scope.all(ast.Attribute)) or any(
            n.id in _DYNAMIC for n in scope.all(ast.Name)
        ):
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
            owner = (
                project.names.resolve(attribute.value, scope) if attribute.attr in ("__path__", "__file__") else None
            )
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
                if (
                    match
                    and match[1] not in ("pass", "password", "%(password)s")
                    and "%(" not in match[1]
                    and "$" not in match[1]
                    and "{" not in match[1]
                ):
                    yield Hit(
                        Place(path, number, number, "alembic.ini"),
                        "the database password stands in alembic.ini",
                        impact=LOW if _LOCAL.search(line) else MEDIUM,
                    )


@data.check(
    "DAT018",
    "naming-convention-missing",
    title="Constraints without names",
    impact=LOW,
    fix="Give the base MetaData(naming_convention={...}) so that each constraint gets a name.",
)
def naming_convention_missing(project: Project) -> Found:
    """The database names such a constraint itself, each in its own way and SQLite not at all: a migration that drops it
    must know that name, and the same revision fails elsewhere.

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
    by_column = bool(project.running.databases) and project.running.databases <= {"mysql", "mariadb"}
    unnamed = [
        m
        for m in project.models.all
        if m.orm in (SQLALCHEMY, SQLMODEL)
        and any(c.foreign_key or (c.unique and not by_column) for c in m.columns.values())
    ]
    base = next((found for m in unnamed if (found := _declarative_base(project, m)) is not None), None)
    if unnamed and base is not None:
        yield Hit(
            base,
            f"no naming convention: constraints of {counted(len(unnamed), 'table')} have no name of their own",
        )


def _declarative_base(project: Project, model: Model) -> Place | None:
    """Where the base of a model is made: a class, or the variable that `declarative_base()` gave; mixins are none.

    A model of SQLModel has no base of its own: the model itself.
    """
    order = project.names.mro(model.cls) if model.cls is not None else []
    for cls in reversed([c for c in order if isinstance(c, Class) and project.models.orm(c)]):
        for expr in cls.node.bases:
            entity = project.names.resolve(expr, cls.parent or cls.module)
            if isinstance(entity, Variable) and entity.bindings:
                return entity.scope.place(entity.bindings[0].node)
        if model.orm != SQLMODEL or cls is model.cls:
            return cls.place()
    return None
