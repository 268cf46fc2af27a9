"""ORM models: the tables a project maps, their columns, keys, indexes and relationships.

SQLAlchemy (declarative with `Column` and `Mapped`, mixins, abstract bases, `Table`, imperative mapping), SQLModel,
Tortoise ORM; Beanie and ODMantic documents by name and fields only.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from project.data.columns import Declarations
from project.data.table_parts import Column, Index, Relationship
from project.data.tortoise_models import tortoise_indexes, tortoise_members
from project.language.literals import class_value, keyword, text, truth
from project.language.names import External, Names, Variable
from project.language.scopes import Class, Module, Scope, subtree
from project.language.value_types import Instance
from project.language.values import ValueFacts
from project.place import Place

SQLALCHEMY, SQLMODEL, TORTOISE, DOCUMENT = "sqlalchemy", "sqlmodel", "tortoise", "document"
_ROOTS = {
    "sqlalchemy.orm.DeclarativeBase": SQLALCHEMY,
    "sqlalchemy.orm.DeclarativeBaseNoMeta": SQLALCHEMY,
    "sqlalchemy.orm.decl_api.DeclarativeBase": SQLALCHEMY,
    "sqlmodel.SQLModel": SQLMODEL,
    "sqlmodel.main.SQLModel": SQLMODEL,
    "tortoise.models.Model": TORTOISE,
    "tortoise.Model": TORTOISE,
    "beanie.Document": DOCUMENT,
    "beanie.odm.documents.Document": DOCUMENT,
    "odmantic.Model": DOCUMENT,
    "mongoengine.Document": DOCUMENT,
}
_LIBRARY_BASES = (
    "advanced_alchemy.base.",
    "advanced_alchemy.extensions.",
    "fastapi_users_db_sqlalchemy.",
    "fastapi_users.db.SQLAlchemy",
)
# Tables that a base of a library names; columns of that base are not known.
_LIBRARY_TABLES = (
    ("SQLAlchemyBaseUserTable", "user"),
    ("SQLAlchemyBaseOAuthAccountTable", "oauth_account"),
    ("SQLAlchemyBaseAccessTokenTable", "accesstoken"),
)
_MAKERS = frozenset("declarative_base generate_base automap_base".split())


@dataclass(slots=True, eq=False)
class Model:
    """A mapped class or a `Table`. `columns` and `relationships` by attribute name, those of bases and mixins too.

    `table` is None when its name is made at run time. `own` names the columns that stand in this model's own table.
    """

    name: str
    dotted: str
    orm: str
    place: Place
    table: str | None
    cls: Class | None = None
    columns: dict[str, Column] = field(default_factory=dict)
    relationships: dict[str, Relationship] = field(default_factory=dict)
    indexes: list[Index] = field(default_factory=list)
    own: frozenset[str] = frozenset()

    @property
    def primary_key(self) -> tuple[str, ...]:
        """Names in the table of the key's columns, in order."""
        stated = next((i.columns for i in self.indexes if i.kind == "PrimaryKeyConstraint"), ())
        return stated or tuple(c.column for c in self.columns.values() if c.primary_key)

    def column(self, name: str) -> Column | None:
        """A column by attribute or by its name in the table."""
        return self.columns.get(name) or next((c for c in self.columns.values() if c.column == name), None)

    def leads_index(self, column: Column) -> bool:
        """Whether the model itself has an index or key whose first column this is."""
        if column.index or column.unique or self.primary_key[:1] == (column.column,):
            return True
        firsts = {i.columns[0] for i in self.indexes if i.columns and i.kind != "ForeignKeyConstraint"}
        return column.column in firsts or column.name in firsts


def _library_table(order: Iterable[Class | External]) -> str | None:
    """The table name that a base of fastapi-users gives."""
    names = [
        b.dotted.rsplit(".", 1)[-1] for b in order if isinstance(b, External) and b.dotted.startswith(_LIBRARY_BASES)
    ]
    return next((table for name in names for start, table in _LIBRARY_TABLES if name.startswith(start)), None)


class Models:
    """Every table of the project, by class and by table name."""

    def __init__(self, names: Names, values: ValueFacts, modules: Iterable[Module]) -> None:
        self.names = names
        self.values = values
        self._modules = [m for m in modules if m.kind in ("app", "script")]
        self._declarations = Declarations(names, values)
        self._orms: dict[Class, str] = {}

    @cached_property
    def all(self) -> list[Model]:
        """Mapped classes and tables in order of files and lines."""
        found = [*self._mapped.values(), *self._tables]
        self._module_indexes(found)
        self._backrefs(found)
        return sorted(found, key=lambda m: (m.place.path, m.place.line))

    @cached_property
    def _by_class(self) -> dict[Class, Model]:
        return {m.cls: m for m in self.all if m.cls is not None}

    @cached_property
    def by_name(self) -> dict[str, list[Model]]:
        """Models by class name (a string in `relationship("Name")`)."""
        found: dict[str, list[Model]] = defaultdict(list)
        for model in self.all:
            found[model.name].append(model)
        return found

    @cached_property
    def relationship_names(self) -> frozenset[str]:
        return frozenset(name for m in self.all for name in m.relationships)

    def of(self, cls: object) -> Model | None:
        """The model a class is, None for anything else."""
        return self._by_class.get(cls) if isinstance(cls, Class) else None

    def target(self, model: Model, relationship: Relationship) -> Model | None:
        """The model a relationship leads to."""
        wanted = relationship.target
        candidates = self.by_name.get(wanted.rsplit(".", 1)[-1], [])
        exact = [m for m in candidates if m.dotted == wanted]
        if exact or len(candidates) == 1:
            return (exact or candidates)[0]
        shared = model.place.path.rsplit("/", 1)[0]
        return next((m for m in candidates if m.place.path.rsplit("/", 1)[0] == shared), None)

    def is_collection(self, model: Model, relationship: Relationship) -> bool:
        """Whether a relationship gives a list; without a word in the code, the side that has no foreign key."""
        if relationship.uselist is not None:
            return relationship.uselist
        target = self.target(model, relationship)
        return relationship.secondary or (target is not None and _points(target, model) and not _points(model, target))

    # Finding mapped classes

    @cached_property
    def _mapped(self) -> dict[Class, Model]:
        return {
            c: self._model(c, orm)
            for m in self._modules
            for c in m.classes
            if c.node.bases and (orm := self._mapped_by(c))
        }

    def _mapped_by(self, cls: Class) -> str:
        """Which ORM maps this class to a table or collection, "" when none does."""
        orm = self.orm(cls)
        if orm == SQLMODEL:
            tabled = any(k.arg == "table" and truth(k.value) for k in cls.node.keywords)
            return SQLMODEL if tabled else ""
        if orm == TORTOISE:
            meta = next((c for c in cls.children if isinstance(c, Class) and c.name == "Meta"), None)
            return "" if meta is not None and truth(class_value(meta, "abstract")) else TORTOISE
        if orm == DOCUMENT:
            return DOCUMENT
        if orm == SQLALCHEMY and not truth(class_value(cls, "__abstract__")):
            order = self.names.mro(cls)
            if any(
                isinstance(b, External) and (_ROOTS.get(b.dotted) or b.dotted == "typing.Protocol")
                for b in self.names.bases(cls)
            ):
                return ""
            named = any(
                isinstance(b, Class) and ("__tablename__" in b.bindings or "__table__" in b.bindings) for b in order
            )
            generated = any(isinstance(b, External) and b.dotted.startswith("advanced_alchemy.base.") for b in order)
            return SQLALCHEMY if named or generated or _library_table(order) else ""
        return ""

    def orm(self, cls: Class) -> str:
        """The ORM whose base the class has, "" for none."""
        if cls not in self._orms:
            self._orms[cls] = ""
            self._orms[cls] = self._find_orm(cls)
        return self._orms[cls]

    def _find_orm(self, cls: Class) -> str:
        outer = cls.parent or cls.module
        for expr in cls.node.bases:
            base = self.names.resolve(expr.value if isinstance(expr, ast.Subscript) else expr, outer)
            found = ""
            if isinstance(base, Class):
                found = self.orm(base) if not self._is_base(base) else SQLALCHEMY
            elif isinstance(base, External):
                found = _ROOTS.get(base.dotted, SQLALCHEMY if base.dotted.startswith(_LIBRARY_BASES) else "")
            elif isinstance(base, Variable):
                found = SQLALCHEMY if self._is_made_base(base) else ""
            if found:
                return found
        if "__tablename__" in cls.bindings and any(True for _ in self._declarations.of(cls)):
            return SQLALCHEMY
        return ""

    def _is_base(self, cls: Class) -> bool:
        """`@as_declarative()` on a project class."""
        outer = cls.parent or cls.module
        for decorator in cls.node.decorator_list:
            head = decorator.func if isinstance(decorator, ast.Call) else decorator
            if (self.names.canonical(head, outer) or "").rsplit(".", 1)[-1] in (
                "as_declarative",
                "as_declarative_base",
            ):
                return True
        return False

    def _is_made_base(self, variable: Variable) -> bool:
        for binding in variable.bindings:
            call = binding.value
            if isinstance(call, ast.Call):
                last = (
                    call.func.attr
                    if isinstance(call.func, ast.Attribute)
                    else (self.names.canonical(call.func, variable.scope) or "").rsplit(".", 1)[-1]
                )
                if last in _MAKERS:
                    return True
        return any(isinstance(v, Instance) and v.dotted in _ROOTS for v in self.values.of_entity(variable))

    # Building a model

    def _model(self, cls: Class, orm: str) -> Model:
        model = Model(cls.name, cls.dotted, orm, cls.place(), self._table_name(cls, orm), cls)
        own: set[str] = set()
        for base in self.names.mro(cls):
            if not isinstance(base, Class):
                continue
            elsewhere = base is not cls and bool(self._mapped_by(base))
            for member in tortoise_members(base, self.names) if orm == TORTOISE else self._declarations.of(base):
                held = model.columns if isinstance(member, Column) else model.relationships
                if member.name in model.columns or member.name in model.relationships:
                    continue
                held[member.name] = replace(member, owner=base)  # type: ignore[assignment]
                if isinstance(member, Column) and not elsewhere:
                    own.add(member.name)
            if not elsewhere:
                model.indexes.extend(tortoise_indexes(base, self.names) if orm == TORTOISE else self._indexes(base))
        if orm == DOCUMENT:
            model.columns.update(self._document_fields(cls))
        model.own = frozenset(own)
        self._key_constraints(model)
        return model

    def _document_fields(self, cls: Class) -> dict[str, Column]:
        found: dict[str, Column] = {}
        for name, bindings in cls.bindings.items():
            annotation = bindings[-1].annotation
            if annotation is not None and not name.startswith("_"):
                indexed = (
                    isinstance(annotation, ast.Subscript)
                    and (self.names.canonical(annotation.value, cls) or "") == "beanie.Indexed"
                )
                found[name] = Column(
                    name, name, cls.place(bindings[-1].node), cls, index=indexed, default=bindings[-1].value, owner=cls
                )
        return found

    def _indexes(self, cls: Class) -> Iterator[Index]:
        yield from self._declarations.indexes(cls)
        for method in cls.methods.values():
            if method.name in ("__table_args__", "__declare_last__"):
                yield from self._declarations.indexes(method)

    def _key_constraints(self, model: Model) -> None:
        """Columns of a `ForeignKeyConstraint` become foreign keys; only the first of several counts as the one to
        index.
        """
        for index in model.indexes:
            if index.kind == "ForeignKeyConstraint" and index.columns:
                column = model.column(index.columns[0])
                if column is not None and column.foreign_key is None:
                    model.columns[column.name] = replace(column, foreign_key="?")

    def _table_name(self, cls: Class, orm: str) -> str | None:
        for base in self.names.mro(cls):
            if not isinstance(base, Class):
                continue
            if orm == TORTOISE:
                meta = next((c for c in base.children if isinstance(c, Class) and c.name == "Meta"), None)
                stated = text(class_value(meta, "table"), meta, self.names) if meta is not None else None
                if stated:
                    return stated
            elif "__tablename__" in base.bindings:
                value = class_value(base, "__tablename__")
                return text(value, base, self.names) if value is not None else self._computed_name(base, cls)
        return cls.name.lower() if orm in (SQLMODEL, TORTOISE) else _library_table(self.names.mro(cls))

    def _computed_name(self, base: Class, cls: Class) -> str | None:
        method = base.methods.get("__tablename__")
        made = next((r.value for r in method.all(ast.Return)), None) if method is not None else None
        return cls.name.lower() if made is not None and ast.unparse(made) == "cls.__name__.lower()" else None

    # Tables outside classes

    @cached_property
    def _tables(self) -> list[Model]:
        """`Table(...)` objects; one that a class maps (`__table__ = t`, `map_imperatively`) is given to that class."""
        found: list[Model] = []
        for module in self._modules:
            for scope in module.walk() if module.kind == "app" and "Table(" in module.source.text else ():
                for call in scope.all(ast.Call):
                    if (
                        isinstance(call.func, (ast.Name, ast.Attribute))
                        and _last(call.func) == "Table"
                        and self._declarations.last_name(call.func, scope) == "Table"
                        and len(call.args) > 2
                    ):
                        model = self._table(call, scope)
                        mapping = self._imperative.get(id(call))
                        if mapping is not None:
                            self._map(model, *mapping)
                        if not self._belongs_to_class(model, scope):
                            found.append(model)
        return found

    @cached_property
    def _imperative(self) -> dict[int, tuple[Class, ast.Call, Scope]]:
        """`map_imperatively(Class, table, ...)` and 1.4's `mapper(Class, table)`, by the `Table(...)` call they map."""
        found: dict[int, tuple[Class, ast.Call, Scope]] = {}
        for module in self._modules:
            named = "map_imperatively" in module.source.text or "mapper(" in module.source.text
            for scope in module.walk() if named else ():
                for call in scope.all(ast.Call):
                    if _last(call.func) not in ("map_imperatively", "mapper") or len(call.args) < 2:
                        continue
                    cls = self.names.resolve(call.args[0], scope)
                    table = self.names.resolve(call.args[1], scope)
                    made = table.bindings[-1].value if isinstance(table, Variable) else call.args[1]
                    if isinstance(cls, Class) and isinstance(made, ast.Call):
                        found[id(made)] = (cls, call, scope)
        return found

    def _map(self, model: Model, cls: Class, call: ast.Call, scope: Scope) -> None:
        """Make a table's model that of a class, with the relationships of `properties`."""
        model.name, model.dotted, model.cls = cls.name, cls.dotted, cls
        model.columns = {n: replace(c, owner=cls) for n, c in model.columns.items()}
        options = keyword(call, "properties")
        for key, value in zip(options.keys, options.values, strict=True) if isinstance(options, ast.Dict) else ():
            if isinstance(key, ast.Constant) and isinstance(value, ast.Call) and _last(value.func) == "relationship":
                name, place = str(key.value), scope.place(value)
                made = self._declarations.relationship(name, value, scope, None, place)
                model.relationships[name] = replace(made, owner=cls)

    def _table(self, call: ast.Call, scope: Scope) -> Model:
        name = text(call.args[0], scope, self.names)
        model = Model(name or "?", f"{scope.dotted}.{name}", SQLALCHEMY, scope.place(call), name)
        for given in call.args[2:]:
            if not isinstance(given, ast.Call):
                continue
            last = self._declarations.last_name(given.func, scope)
            if last == "Column":
                column = self._declarations.column("", given, scope, None, scope, scope.place(given))
                model.columns[column.column] = replace(column, name=column.column)
            elif last in ("Index", "UniqueConstraint", "PrimaryKeyConstraint", "ForeignKeyConstraint"):
                model.indexes.append(self._declarations.index(last, given, scope))
        model.own = frozenset(model.columns)
        self._key_constraints(model)
        return model

    def _belongs_to_class(self, table: Model, scope: Scope) -> bool:
        owner = scope if isinstance(scope, Class) else None
        model = self._mapped.get(owner) if owner is not None else None
        if model is None:
            return False
        model.table = table.table
        model.columns.update({n: replace(c, owner=owner) for n, c in table.columns.items()})
        model.indexes.extend(table.indexes)
        model.own = model.own | table.own
        return True

    def _module_indexes(self, models: list[Model]) -> None:
        """`Index("name", Model.column)` at module level, below the class."""
        classes = {m.cls: m for m in models if m.cls is not None}
        for module in self._modules:
            for call in module.all(ast.Call) if "Index(" in module.source.text else ():
                if _last(call.func) != "Index" or self._declarations.last_name(call.func, module) != "Index":
                    continue
                for given in call.args[1:]:
                    inner = [n for n in subtree(given) if isinstance(n, ast.Attribute)]
                    owner = next(
                        (
                            e
                            for n in inner
                            if isinstance(e := self.names.resolve(n.value, module), Class) and e in classes
                        ),
                        None,
                    )
                    if owner is not None:
                        classes[owner].indexes.append(self._declarations.index("Index", call, module))
                        break

    def _backrefs(self, models: list[Model]) -> None:
        """`relationship(backref="children")` declares the reverse side on the target."""
        by_name = defaultdict(list)
        for model in models:
            by_name[model.name].append(model)
        for model in models:
            for relationship in list(model.relationships.values()):
                name, _, lazy = relationship.backref.partition("=")
                targets = by_name.get(relationship.target.rsplit(".", 1)[-1], [])
                if not name or len(targets) != 1 or name in targets[0].relationships:
                    continue
                targets[0].relationships[name] = Relationship(
                    name,
                    relationship.place,
                    model.dotted,
                    _reverse_is_list(model, relationship),
                    lazy or "select",
                    secondary=relationship.secondary,
                    back_populates=relationship.name,
                    cascades=bool(lazy),  # `backref(...)` may cascade
                    owner=targets[0].cls,
                )


def _reverse_is_list(model: Model, relationship: Relationship) -> bool | None:
    if relationship.secondary:
        return True
    if model.orm == TORTOISE:
        key = model.columns.get(f"{relationship.name}_id")
        return key is None or not key.unique
    return None if relationship.uselist is None else not relationship.uselist


def _points(model: Model, target: Model) -> bool:
    """Whether a foreign key of the model names the target's table (or class)."""
    names = {n for n in (target.table, target.name) if n}
    return any(
        c.foreign_key and c.foreign_key.rsplit(".", 1)[0].rsplit(".", 1)[-1] in names for c in model.columns.values()
    )


def _last(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
