"""Columns: defaults, JSON values, relationships as they are declared."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import joined
from project import Class, Function, Place, Project
from project.data.models import SQLALCHEMY, SQLMODEL, Model
from project.data.table_parts import Column
from project.language.dataflow import reaching
from project.language.literals import keyword
from project.language.scopes import parent
from project.language.value_types import Instance

_EVALUATED = frozenset(
    "datetime.datetime.now datetime.datetime.utcnow datetime.datetime.today datetime.date.today "
    "datetime.datetime.utcfromtimestamp uuid.uuid1 uuid.uuid4 uuid.uuid7 time.time time.time_ns "
    "secrets.token_hex secrets.token_urlsafe secrets.token_bytes random.random random.randint".split()
)
_JSON = frozenset("JSON JSONB ARRAY PickleType HSTORE JSONType".split())
_CHANGES = frozenset("append extend insert pop popitem remove clear update setdefault add sort reverse".split())


@data.check(
    "DAT019",
    "default-evaluated-once",
    title="Default value made once at import, or shared by all rows",
    impact=HIGH,
    fix="Pass the callable: mapped_column(default=dict), SQLModel Field(default_factory=dict); or server_default.",
)
def default_evaluated_once(project: Project) -> Found:
    """A default that is called is frozen when the module is imported; a dict or list given as a column default is one
    object for all rows.

    Source: SQLAlchemy, Column INSERT/UPDATE Defaults, https://docs.sqlalchemy.org/en/21/core/defaults.html

    Bad:
        from datetime import datetime, timezone
        from uuid import uuid4
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy import JSON
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Event(Base):
            __tablename__ = "events"
            id: Mapped[int] = mapped_column(primary_key=True)
            made: Mapped[datetime] = mapped_column(default=datetime.now(timezone.utc))  # DAT019
            payload: Mapped[dict] = mapped_column(JSON, default={})  # DAT019

        class EventIn(BaseModel):
            key: str = str(uuid4())  # DAT019

        app = FastAPI()

        @app.post("/events")
        def add(event: EventIn) -> str:
            return event.key
    Good:
        from datetime import datetime, timezone
        from sqlalchemy import JSON, func
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Event(Base):
            __tablename__ = "events"
            id: Mapped[int] = mapped_column(primary_key=True)
            made: Mapped[datetime] = mapped_column(default=lambda: datetime.now(timezone.utc))
            stored: Mapped[datetime] = mapped_column(server_default=func.now())
            payload: Mapped[dict] = mapped_column(JSON, default=dict)
    Not this:
        from datetime import datetime
        from pydantic import BaseModel, Field
        from sqlalchemy import func
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase):
            pass

        class Event(Base):
            __tablename__ = "events"
            id: Mapped[int] = mapped_column(primary_key=True)
            made: Mapped[datetime] = mapped_column(default=func.now())
            name: Mapped[str] = mapped_column(default="")

        class Filters(BaseModel):
            tags: list[str] = []
            since: datetime = Field(default_factory=datetime.now)
    """
    for module in project.app_modules:
        frozen: dict[str | None, list[tuple[str, Place]]] = {}
        shared: list[tuple[str, Place]] = []
        for cls in module.classes:
            for name, default, is_column in _defaults(project, cls):
                named = (f"{cls.name}.{name}", cls.place(default))
                if is_column and isinstance(default, (ast.Dict, ast.List, ast.Set)):
                    harm = _harm_of_changes(project, cls, name)
                    if harm:
                        said = f"{_is_shared([named])}, and the code changes it in place"
                        yield Hit(named[1], said, impact=harm, certainty="inferred")
                    else:
                        shared.append(named)
                elif _is_frozen(project, cls, default):
                    frozen.setdefault(None if is_column or _travels(project, cls) else LOW, []).append(named)
        for impact, fields in frozen.items():
            yield _one_of(fields, f"{_default_of(fields)} evaluated once, when the module is imported", impact)
        if shared:  # harmless until something changes one
            yield _one_of(shared, _is_shared(shared), LOW)


def _default_of(fields: list[tuple[str, Place]]) -> str:
    names = joined([name for name, _ in fields])
    return f"the default of {names} is" if len(fields) == 1 else f"the defaults of {names} are"


def _is_shared(fields: list[tuple[str, Place]]) -> str:
    names = joined([name for name, _ in fields])
    return f"{names} {'has' if len(fields) == 1 else 'have each'} one object as default for all rows"


def _one_of(fields: list[tuple[str, Place]], message: str, impact: str | None) -> Hit:
    """One hit for the fields of a file."""
    return Hit(fields[0][1], message, impact=impact, places=tuple(place for _, place in fields[1:]))


def _travels(project: Project, cls: Class) -> bool:
    """Whether objects of a class, or of one made from it, are rows, or come with requests or go out in answers."""
    usage = project.usage
    models = [cls, *project.names.subclasses(cls)]
    tables = (project.models.of(model) is not None for model in models)
    return any(model in usage.bodies or model in usage.responses for model in models) or any(tables)


def _defaults(project: Project, cls: Class) -> Iterator[tuple[str, ast.expr, bool]]:
    """(field, default, whether of a SQLAlchemy column) of a class body: columns of any class, fields of Pydantic
    models.
    """
    schema = project.schemas.of(cls)
    for name, bindings in cls.bindings.items():
        binding = bindings[-1]
        value = binding.value
        if binding.kind != "assign" or value is None:
            continue
        last = _library_call(project, value, cls)
        if last in ("Column", "mapped_column") and isinstance(value, ast.Call):
            given = keyword(value, "default", "insert_default", "onupdate")
            if given is not None:
                yield name, given, True
        elif last == "Field" and isinstance(value, ast.Call):
            column = keyword(value, "sa_column")
            inner = keyword(column, "default") if isinstance(column, ast.Call) else None
            given = keyword(value, "default") or (value.args[0] if value.args else None)
            if inner is not None:
                yield name, inner, True
            if given is not None:
                yield name, given, False
        elif last.endswith("Field") and isinstance(value, ast.Call):
            given = keyword(value, "default")
            if given is not None:
                yield name, given, False
        elif schema is not None and binding.annotation is not None and not last:
            yield name, value, False


def _library_call(project: Project, value: ast.expr, cls: Class) -> str:
    if not isinstance(value, ast.Call):
        return ""
    dotted = project.names.canonical(value.func, cls) or ""
    known = ("sqlalchemy.", "sqlmodel.", "pydantic.", "tortoise.fields.")
    return dotted.rsplit(".", 1)[-1] if dotted.startswith(known) else ""


def _harm_of_changes(project: Project, cls: Class, name: str) -> str:
    """How bad changes in place are for a default that all new rows share: High on an object that the function makes,
    Medium on one that it is handed, "" on rows of a query, which have values of their own.
    """
    found: set[str] = set()
    for node, scope in project.spelled.attributes(name):
        changes = isinstance(node.ctx, ast.Load) and _changes_inside(node)
        if changes and isinstance(scope, Function) and not project.rows.of(node.value, scope):
            found.add(_whose(project, cls, node.value, scope))
    return next((impact for impact in (HIGH, MEDIUM) if impact in found), "")


def _whose(project: Project, cls: Class, expr: ast.expr, function: Function) -> str:
    if isinstance(expr, ast.Name):
        made = (b.value for b in reaching(function, expr.id, expr))
        if any(isinstance(v, ast.Call) and project.names.resolve(v.func, function) is cls for v in made):
            return HIGH
    model = _model_of(project, expr, function)
    return MEDIUM if model is not None and model.cls is not None and cls in project.names.mro(model.cls) else ""


def _is_frozen(project: Project, cls: Class, default: ast.expr) -> bool:
    return any(
        isinstance(node, ast.Call) and project.names.canonical(node.func, cls) in _EVALUATED
        for node in _outside_lambdas(default)
    )


def _outside_lambdas(expr: ast.expr) -> Iterator[ast.AST]:
    stack: list[ast.AST] = [expr]
    while stack:
        node = stack.pop()
        if not isinstance(node, ast.Lambda):
            yield node
            stack.extend(ast.iter_child_nodes(node))


@data.check(
    "DAT020",
    "json-mutation-untracked",
    title="JSON value changed in place is not saved",
    impact=MEDIUM,
    fix="Wrap the type in MutableDict.as_mutable(...), assign a new value, or call flag_modified.",
)
def json_mutation_untracked(project: Project) -> Found:
    """SQLAlchemy compares a plain JSON column only when it is assigned: a change inside it is lost at commit.

    Source: SQLAlchemy, Mutation Tracking, https://docs.sqlalchemy.org/en/21/orm/extensions/mutable.html

    Bad:
        from sqlalchemy import JSON
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            settings: Mapped[dict] = mapped_column(JSON, default=dict)

        def set_theme(session: Session, user_id: int, theme: str):
            user = session.get(User, user_id)
            user.settings["theme"] = theme  # DAT020
            session.commit()
    Good:
        from sqlalchemy import JSON
        from sqlalchemy.ext.mutable import MutableDict
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            settings: Mapped[dict] = mapped_column(MutableDict.as_mutable(JSON), default=dict)

        def set_theme(session: Session, user_id: int, theme: str):
            user = session.get(User, user_id)
            user.settings["theme"] = theme
            session.commit()
    Not this:
        from sqlalchemy import JSON
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
        from sqlalchemy.orm.attributes import flag_modified

        class Base(DeclarativeBase):
            pass

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)
            settings: Mapped[dict] = mapped_column(JSON, default=dict)

        def set_theme(session: Session, user_id: int, theme: str):
            user = session.get(User, user_id)
            user.settings["theme"] = theme
            flag_modified(user, "settings")
            session.commit()

        def replace(session: Session, user_id: int, theme: str):
            user = session.get(User, user_id)
            user.settings = {**user.settings, "theme": theme}
            session.commit()
    """
    names = {c.name for m in project.models.all for c in m.columns.values() if _is_json(c)}
    for node, function in project.spelled.attributes(*sorted(names)):
        if isinstance(function, Function) and isinstance(node.ctx, ast.Load) and _changes_inside(node):
            model = _model_of(project, node.value, function)
            column = model.columns.get(node.attr) if model is not None else None
            known = model is not None and column is not None and _is_json(column)
            if known and _is_committed(function, node) and not _tracked(function, node):
                assert model is not None
                message = f"this change inside {model.name}.{node.attr} is not seen by SQLAlchemy and not written"
                yield Hit(function.place(node), message, certainty="inferred")


def _is_json(column: Column) -> bool:
    return column.type_name.rsplit(".", 1)[-1] in _JSON and column.type_name.startswith(("sqlalchemy.", "sqlmodel."))


def _changes_inside(node: ast.Attribute) -> bool:
    """`obj.col[...] = x`, `del obj.col[...]`, `obj.col.append(...)` as a statement of its own."""
    holder = parent(node)
    if isinstance(holder, ast.Subscript) and holder.value is node:
        return isinstance(holder.ctx, (ast.Store, ast.Del))
    if isinstance(holder, ast.Attribute) and holder.attr in _CHANGES:
        call = parent(holder)
        return isinstance(call, ast.Call) and call.func is holder and isinstance(parent(call), ast.Expr)
    return False


def _model_of(project: Project, expr: ast.expr, function: Function) -> Model | None:
    """The SQLAlchemy model of a row that came from a query, is `self`, or is handed over by its annotation."""
    for rows in project.rows.of(expr, function):
        if rows.model is not None and rows.shape == "one" and rows.model.orm in (SQLALCHEMY, SQLMODEL):
            return rows.model
    given = isinstance(expr, ast.Name) and function.param(expr.id) is not None and function.name != "__init__"
    if given and not _is_stored(function, expr):
        for value in project.values.of(expr, function):
            model = project.models.of(value.cls) if isinstance(value, Instance) else None
            if model is not None and model.orm in (SQLALCHEMY, SQLMODEL):
                return model
    return None


def _is_stored(function: Function, expr: ast.expr) -> bool:
    """Whether a function writes the object it is handed as a new row: what was changed before is in the INSERT."""
    written = ast.unparse(expr)
    return any(
        isinstance(c.func, ast.Attribute)
        and c.func.attr in ("add", "create", "insert", "save", "add_all", "merge")
        and any(ast.unparse(a) == written for a in c.args)
        for c in function.all(ast.Call)
    )


def _is_committed(function: Function, node: ast.Attribute) -> bool:
    """Whether the change is meant to last: a commit or flush follows, or a model changes itself."""
    if function.owner is not None and function.params and ast.unparse(node.value) == function.params[0][0].arg:
        return True
    return any(
        isinstance(c.func, ast.Attribute) and c.func.attr in ("commit", "flush") and c.lineno > node.lineno
        for c in function.all(ast.Call)
    )


def _tracked(function: Function, node: ast.Attribute) -> bool:
    """Whether the function assigns the attribute too, says that it changed, or writes the value itself."""
    written = ast.unparse(node)
    if any(ast.unparse(k.value) == written for c in function.all(ast.Call) for k in c.keywords):
        return True
    for other in function.all(ast.Attribute):
        if other.attr == node.attr and isinstance(other.ctx, ast.Store):
            return True
    return any(
        (isinstance(n, ast.Name) and n.id in ("flag_modified", "flag_dirty"))
        or (isinstance(n, ast.Attribute) and n.attr in ("flag_modified", "flag_dirty"))
        for n in function.all(ast.Name, ast.Attribute)
    )
