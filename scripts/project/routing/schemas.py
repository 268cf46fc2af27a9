"""Pydantic models: fields with what they inherit, configuration, validators, settings; what a type is made of."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from project.language.names import External, Names
from project.language.scopes import Class, Function, Module, Scope
from project.language.shapes import Shape, Shapes
from project.language.values import ValueFacts
from project.place import Place

MODEL_BASES = frozenset(
    "pydantic.BaseModel pydantic.RootModel pydantic.generics.GenericModel pydantic.v1.BaseModel "
    "pydantic.v1.generics.GenericModel sqlmodel.SQLModel pydantic_settings.BaseSettings pydantic.BaseSettings "
    "pydantic.v1.BaseSettings fastapi_users.schemas.BaseUser fastapi_users.schemas.BaseUserCreate "
    "fastapi_users.schemas.BaseUserUpdate fastapi_users.schemas.CreateUpdateDictModel fastapi_camelcase.CamelModel "
    "fastapi_utils.api_model.APIModel beanie.Document beanie.View odmantic.Model odmantic.EmbeddedModel "
    "fastapi_pagination.Page fastapi_pagination.bases.AbstractPage fastapi_pagination.LimitOffsetPage "
    "fastapi_pagination.cursor.CursorPage cadwyn.VersionedModel".split()
)
SETTINGS_BASES = frozenset("pydantic_settings.BaseSettings pydantic.BaseSettings pydantic.v1.BaseSettings".split())
DOCUMENT_BASES = frozenset("beanie.Document odmantic.Model".split())
FIELD_MAKERS = frozenset(
    "pydantic.Field pydantic.v1.Field pydantic.PrivateAttr sqlmodel.Field fastapi.Query fastapi.Body fastapi.Path "
    "fastapi.Form fastapi.Header fastapi.Cookie fastapi.File odmantic.Field pydantic.fields.FieldInfo".split()
)
VALIDATORS = frozenset(
    "pydantic.validator pydantic.root_validator pydantic.field_validator pydantic.model_validator "
    "pydantic.field_serializer pydantic.model_serializer pydantic.computed_field pydantic.v1.validator "
    "pydantic.v1.root_validator pydantic.class_validators.validator pydantic.class_validators.root_validator".split()
)
_ONLY_V2 = frozenset(
    f"pydantic.{name}"
    for name in "ConfigDict field_validator model_validator field_serializer model_serializer computed_field "
    "RootModel TypeAdapter AliasChoices BeforeValidator AfterValidator WithJsonSchema PlainSerializer "
    "SerializeAsAny StringConstraints".split()
)
_ONLY_V1 = frozenset(
    f"pydantic.{name}" for name in "BaseSettings ConstrainedStr ConstrainedInt StrBytes PyObject".split()
)
_MISSING = ("default", "default_factory", "factory")


@dataclass(frozen=True, slots=True)
class Field:
    """One field. `default` is the expression a value is taken from without input, None when the field is required.

    `info` are keywords of `Field(...)`, given as default or in `Annotated`; `owner` is the class that declares it.
    """

    name: str
    annotation: ast.expr
    default: ast.expr | None
    owner: Class
    place: Place
    info: dict[str, ast.expr]

    @property
    def required(self) -> bool:
        return self.default is None

    @property
    def aliases(self) -> list[str]:
        """Names that clients use instead of the field's own, as far as they are literals."""
        found = (self.info.get(k) for k in ("alias", "validation_alias", "serialization_alias"))
        return [a.value for a in found if isinstance(a, ast.Constant) and isinstance(a.value, str)]

    @property
    def excluded(self) -> bool:
        """Whether serialization leaves it out (`Field(exclude=True)`)."""
        return is_true(self.info.get("exclude"))


@dataclass(frozen=True, slots=True)
class Setting:
    """One entry of a model's configuration; `v1` when it stands in an inner `class Config`."""

    name: str
    value: ast.expr
    owner: Class
    place: Place
    v1: bool


@dataclass(frozen=True, slots=True)
class Validator:
    """A method that validates, serializes or computes. `kind` is the decorator's last name, `fields` its literals."""

    kind: str
    function: Function
    decorator: ast.expr
    fields: tuple[str, ...]
    place: Place


class Schema:
    """A Pydantic model (BaseModel, SQLModel, BaseSettings) of the project."""

    def __init__(self, cls: Class, facts: Schemas) -> None:
        self.cls = cls
        self._facts = facts

    @property
    def name(self) -> str:
        return self.cls.name

    @property
    def dotted(self) -> str:
        return self.cls.dotted

    @property
    def place(self) -> Place:
        return self.cls.place()

    @cached_property
    def lineage(self) -> list[Class]:
        """The class and its project bases, the class first."""
        return [c for c in self._facts.names.mro(self.cls) if isinstance(c, Class)]

    @cached_property
    def own_fields(self) -> dict[str, Field]:
        return {field.name: field for field in self._facts.declared(self.cls)}

    @cached_property
    def fields(self) -> dict[str, Field]:
        """Fields by name, inherited ones first, those declared again in the class that wins."""
        found: dict[str, Field] = {}
        for cls in reversed(self.lineage):
            found.update((field.name, field) for field in self._facts.declared(cls))
        return found

    @cached_property
    def config(self) -> dict[str, Setting]:
        """Configuration by name: `model_config`, inner `class Config`, class keywords; inherited ones first."""
        found: dict[str, Setting] = {}
        for cls in reversed(self.lineage):
            found.update((setting.name, setting) for setting in self._facts.configured(cls))
        return found

    @cached_property
    def validators(self) -> list[Validator]:
        """Validators, serializers and computed fields, inherited ones too."""
        return [v for cls in self.lineage for v in self._facts.validating(cls)]

    @property
    def from_attributes(self) -> bool:
        """Whether it reads objects: `from_attributes`, v1's `orm_mode`, or an SQLModel."""
        return (
            any(is_true(s.value) for n, s in self.config.items() if n in ("from_attributes", "orm_mode"))
            or self.is_sqlmodel
        )

    @property
    def extra(self) -> str:
        """What happens to unknown keys: ignore (default), allow, forbid, or "" when it is not a literal."""
        setting = self.config.get("extra")
        if setting is None:
            return "ignore"
        value = setting.value
        word = (
            value.value if isinstance(value, ast.Constant) else value.attr if isinstance(value, ast.Attribute) else ""
        )
        return word if word in ("ignore", "allow", "forbid") else ""

    @cached_property
    def external_bases(self) -> list[str]:
        return [c.dotted for c in self._facts.names.mro(self.cls) if isinstance(c, External)]

    @property
    def is_settings(self) -> bool:
        return any(base in SETTINGS_BASES for base in self.external_bases)

    @property
    def is_sqlmodel(self) -> bool:
        return "sqlmodel.SQLModel" in self.external_bases

    @property
    def is_table(self) -> bool:
        """Whether its objects are rows or documents of a database: `table=True`, a Beanie or ODMantic document."""
        table = next((k.value for k in self.cls.node.keywords if k.arg == "table"), None)
        return (self.is_sqlmodel and is_true(table)) or any(base in DOCUMENT_BASES for base in self.external_bases)

    @property
    def is_v1(self) -> bool:
        """Whether it inherits from a class of `pydantic.v1`."""
        return any(base.startswith("pydantic.v1.") for base in self.external_bases)

    @property
    def is_generic(self) -> bool:
        return "typing.Generic" in self.external_bases or "pydantic.generics.GenericModel" in self.external_bases

    @property
    def is_complete(self) -> bool:
        """Whether every base is known, so that no field can be hidden in one."""
        return all(self._facts.known_bases(cls) for cls in self.lineage)


@dataclass(frozen=True, slots=True)
class Reached:
    """A class that a type mentions, and the way to it (`("owner", "team")` are fields; () is the type itself)."""

    cls: Class
    path: tuple[str, ...]


class Schemas:
    """All Pydantic models of the project, by class."""

    def __init__(self, names: Names, values: ValueFacts, shapes: Shapes, modules: Iterable[Module]) -> None:
        self.names = names
        self.values = values
        self.shapes = shapes
        self._modules = list(modules)
        self._of: dict[Class, Schema | None] = {}
        self._declared: dict[Class, list[Field]] = {}
        self._configured: dict[Class, list[Setting]] = {}
        self._nested: dict[Class, list[tuple[str, Shape]]] = {}

    @cached_property
    def all(self) -> list[Schema]:
        """Every model in order of file and line."""
        found = (self.of(cls) for module in self._modules for cls in module.classes)
        return [schema for schema in found if schema is not None]

    @cached_property
    def settings(self) -> list[Schema]:
        """Models whose fields are read from environment variables (BaseSettings)."""
        return [schema for schema in self.all if schema.is_settings]

    @cached_property
    def written_for(self) -> int | None:
        """The major version of Pydantic the imports need: 2, 1, or None when they would do for both, or are mixed."""
        imported = {
            f"{node.module}.{alias.name}"
            for module in self._modules
            for node in module.all(ast.ImportFrom)
            if node.module and node.module.startswith("pydantic") and not node.level
            for alias in node.names
        }
        two = bool(imported & _ONLY_V2) or any(
            name.startswith(("pydantic_settings.", "pydantic_core.")) for name in imported
        )
        one = bool(imported & _ONLY_V1)
        return None if two == one else 2 if two else 1

    def of(self, cls: object) -> Schema | None:
        """The model of a class, None when it is none."""
        if not isinstance(cls, Class):
            return None
        if cls not in self._of:
            self._of[cls] = Schema(cls, self) if self.names.derives(cls, *MODEL_BASES) else None
        return self._of[cls]

    # What a class declares

    def declared(self, cls: Class) -> list[Field]:
        """Fields the class body itself declares."""
        if cls not in self._declared:
            self._declared[cls] = list(self._fields(cls))
        return self._declared[cls]

    def _fields(self, cls: Class) -> Iterator[Field]:
        for node in cls.all(ast.AnnAssign):
            if (
                not isinstance(node.target, ast.Name)
                or node.target.id.startswith("_")
                or node.target.id == "model_config"
            ):
                continue
            shape = self.shapes.of(node.annotation, cls)
            if shape.dotted in ("typing.ClassVar", "dataclasses.InitVar"):
                continue
            value = node.value
            if isinstance(value, ast.Call) and self.names.canonical(value.func, cls) == "sqlmodel.Relationship":
                continue
            default, info = self._default(node.value, cls)
            for item, scope in shape.metadata:
                given, more = self._default(item, scope)
                if more or self._is_field(item, scope):
                    info = {**more, **info}
                    default = default if node.value is not None else given
            yield Field(node.target.id, node.annotation, default, cls, cls.place(node), info)

    def _is_field(self, expr: ast.expr | None, scope: Scope) -> bool:
        return isinstance(expr, ast.Call) and self.names.canonical(expr.func, scope) in FIELD_MAKERS

    def _default(self, value: ast.expr | None, scope: Scope) -> tuple[ast.expr | None, dict[str, ast.expr]]:
        """(default or None when required, keywords of `Field`) of what is assigned to a field."""
        info: dict[str, ast.expr] = {}
        if isinstance(value, ast.Call) and self._is_field(value, scope):
            info = {k.arg: k.value for k in value.keywords if k.arg}
            value = value.args[0] if value.args else next((info[k] for k in _MISSING if k in info), None)
        if isinstance(value, ast.Constant) and value.value is Ellipsis:
            value = None
        return value, info

    def configured(self, cls: Class) -> list[Setting]:
        """Configuration entries the class itself gives."""
        if cls not in self._configured:
            self._configured[cls] = list(self._config(cls))
        return self._configured[cls]

    def _config(self, cls: Class) -> Iterator[Setting]:
        for keyword in cls.node.keywords:
            if keyword.arg and keyword.arg not in ("metaclass", "table"):
                yield Setting(keyword.arg, keyword.value, cls, cls.place(keyword.value), False)
        for binding in cls.bindings.get("model_config", []):
            for name, value in _entries(binding.value):
                yield Setting(name, value, cls, cls.place(value), False)
        inner = next((c for c in cls.children if isinstance(c, Class) and c.name == "Config"), None)
        for name, bindings in inner.bindings.items() if inner is not None else ():
            last = bindings[-1]
            if inner is not None and last.kind == "assign" and last.value is not None:
                yield Setting(name, last.value, cls, inner.place(last.node), True)

    def validating(self, cls: Class) -> Iterator[Validator]:
        """Validators, serializers and computed fields of the class body."""
        for method in cls.methods.values():
            for decorator in method.decorators:
                call = decorator if isinstance(decorator, ast.Call) else None
                dotted = self.names.canonical(call.func if call else decorator, cls)
                if dotted in VALIDATORS:
                    literals = [a.value for a in call.args if isinstance(a, ast.Constant)] if call else []
                    fields = tuple(f for f in literals if isinstance(f, str))
                    yield Validator(dotted.rsplit(".", 1)[-1], method, decorator, fields, method.place(decorator))

    def known_bases(self, cls: Class) -> bool:
        return len(list(self.names.bases(cls))) == len(cls.node.bases)

    # What a type is made of

    def reached(self, shape: Shape) -> list[Reached]:
        """Classes a type is made of: those it mentions, and through the fields of models and dataclasses all others."""
        found: dict[Class, Reached] = {}
        queue: deque[tuple[Class, tuple[str, ...]]] = deque((cls, ()) for cls in shape.classes())
        while queue and len(found) < 500:
            cls, path = queue.popleft()
            if cls in found:
                continue
            found[cls] = Reached(cls, path)
            queue.extend((inner, (*path, name)) for name, nested in self.nested(cls) for inner in nested.classes())
        return list(found.values())

    def nested(self, cls: Class) -> list[tuple[str, Shape]]:
        """Types of the fields that a model or dataclass is serialized with, and type arguments of its bases."""
        if cls not in self._nested:
            self._nested[cls] = list(self._nested_in(cls))
        return self._nested[cls]

    def _nested_in(self, cls: Class) -> Iterator[tuple[str, Shape]]:
        schema = self.of(cls)
        if schema is None and not self.is_dataclass(cls):
            return
        made = schema or Schema(cls, self)
        for field in made.fields.values():
            if not field.excluded and field.annotation is not None:
                yield field.name, self.shapes.of(field.annotation, field.owner)
        for owner in made.lineage:
            for base in owner.node.bases:
                if isinstance(base, ast.Subscript):
                    yield from (("", argument) for argument in self.shapes.of(base, owner.parent or owner.module).args)

    def is_dataclass(self, cls: Class) -> bool:
        """Whether it is decorated with `dataclass` (standard or Pydantic), or is a TypedDict or NamedTuple."""
        scope = cls.parent or cls.module
        made = {self.names.canonical(d.func if isinstance(d, ast.Call) else d, scope) for d in cls.node.decorator_list}
        if made & {"dataclasses.dataclass", "pydantic.dataclasses.dataclass", "attrs.define", "attr.s"}:
            return True
        return self.names.derives(cls, "typing.TypedDict", "typing.NamedTuple")

    def fields_of(self, cls: Class) -> dict[str, Field]:
        """Fields of a model, dataclass or TypedDict by name; {} for any other class."""
        schema = self.of(cls)
        if schema is not None:
            return schema.fields
        return Schema(cls, self).fields if self.is_dataclass(cls) else {}


def is_true(expr: ast.expr | None) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is True


def _entries(value: ast.expr | None) -> Iterator[tuple[str, ast.expr]]:
    """Entries of `ConfigDict(a=1)` or `{"a": 1}`."""
    if isinstance(value, ast.Call):
        yield from ((k.arg, k.value) for k in value.keywords if k.arg)
    elif isinstance(value, ast.Dict):
        for key, item in zip(value.keys, value.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                yield key.value, item
