"""Idioms of Pydantic v1 that mean something else, or nothing, under v2. Effects as pydantic 2.14 has them."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from project.language.names import External, Names
from project.language.scopes import Class, Function, Module, Scope, parents, subtree
from project.language.value_types import Instance
from project.language.values import ValueFacts
from project.place import Place
from project.routing.schemas import Schema, Schemas

IGNORED, RAISES, DEPRECATED = "ignored", "raises", "deprecated"


@dataclass(frozen=True, slots=True)
class Leftover:
    """One v1 idiom. `effect` under v2: ignored (silently does nothing), raises, or deprecated (still works).

    `idiom` names it as written, `instead` is today's spelling, `harm` says what goes wrong ("" for deprecated ones).
    """

    idiom: str
    effect: str
    instead: str
    harm: str
    place: Place
    cls: Class | None = None
    certainty: str = "resolved"


_CONFIG = {
    "orm_mode": (IGNORED, "from_attributes", "model_validate and from_orm no longer read objects"),
    "allow_population_by_field_name": (IGNORED, "validate_by_name", "values sent under the field's own name are lost"),
    "fields": (IGNORED, "Field(alias=..., exclude=...)", "the aliases, exclusions and variable names in it do nothing"),
    "schema_extra": (IGNORED, "json_schema_extra", "the examples in it are missing from the OpenAPI document"),
    "anystr_lower": (IGNORED, "str_to_lower", "strings are no longer lowered"),
    "anystr_upper": (IGNORED, "str_to_upper", "strings are no longer raised"),
    "anystr_strip_whitespace": (IGNORED, "str_strip_whitespace", "strings are no longer stripped"),
    "min_anystr_length": (IGNORED, "str_min_length", "the length is no longer checked"),
    "max_anystr_length": (IGNORED, "str_max_length", "the length is no longer checked"),
    "validate_all": (IGNORED, "validate_default", "defaults are no longer validated"),
    "allow_mutation": (IGNORED, "frozen", "objects can be changed again"),
    "getter_dict": (IGNORED, "a model_validator(mode='before')", "objects are no longer read through it"),
    "error_msg_templates": (IGNORED, "PydanticCustomError", "the messages in it are not used"),
    "json_loads": (IGNORED, "model_validate of parsed data", "the parser is not used"),
    "json_dumps": (IGNORED, "a serializer", "the serializer is not used"),
    "keep_untouched": (IGNORED, "ignored_types", "attributes of these types become an error"),
    "smart_union": (DEPRECATED, "nothing, it is the default", ""),
    "underscore_attrs_are_private": (DEPRECATED, "nothing, it is the default", ""),
    "copy_on_model_validation": (DEPRECATED, "nothing, models are not copied", ""),
    "json_encoders": (DEPRECATED, "@field_serializer", ""),
}
_FIELD = {
    "regex": (RAISES, "pattern", "the class cannot be defined"),
    "const": (RAISES, "Literal", "the class cannot be defined"),
    "unique_items": (RAISES, "set[...]", "the class cannot be defined"),
    "min_items": (DEPRECATED, "min_length", ""),
    "max_items": (DEPRECATED, "max_length", ""),
    "allow_mutation": (DEPRECATED, "frozen", ""),
    "example": (DEPRECATED, "examples=[...]", ""),
}
_METHODS = {
    "dict": "model_dump", "json": "model_dump_json", "copy": "model_copy", "parse_obj": "model_validate",
    "parse_raw": "model_validate_json", "parse_file": "model_validate_json", "from_orm": "model_validate",
    "construct": "model_construct", "schema": "model_json_schema", "schema_json": "model_json_schema",
    "update_forward_refs": "model_rebuild", "validate": "model_validate",
}  # fmt: skip
_ATTRIBUTES = {"__fields__": "model_fields", "__fields_set__": "model_fields_set"}
_FUNCTIONS = {
    "pydantic.parse_obj_as": (DEPRECATED, "TypeAdapter(...).validate_python"),
    "pydantic.tools.parse_obj_as": (DEPRECATED, "TypeAdapter(...).validate_python"),
    "pydantic.validate_arguments": (DEPRECATED, "validate_call"),
    "pydantic.generics.GenericModel": (DEPRECATED, "BaseModel with Generic[T]"),
    "pydantic.json.pydantic_encoder": (DEPRECATED, "pydantic_core.to_jsonable_python"),
    "pydantic.BaseSettings": (RAISES, "pydantic_settings.BaseSettings"),
}
_CONSTRAINED = frozenset(
    "pydantic.constr pydantic.conlist pydantic.conset pydantic.types.constr pydantic.types.conlist".split()
)
_RAISING_ARGUMENTS = frozenset(("regex", "min_items", "max_items", "unique_items"))
_PYDANTIC_KEYWORDS = frozenset("exclude_unset exclude_none exclude_defaults by_alias".split())


class Leftovers:
    """v1 idioms of the project, whatever version it pins; classes of `pydantic.v1` are left out."""

    def __init__(self, names: Names, values: ValueFacts, schemas: Schemas, modules: Iterable[Module]) -> None:
        self._names = names
        self._values = values
        self._schemas = schemas
        self._modules = list(modules)
        self._inside: dict[int, frozenset[str]] = {}

    def find(self) -> Iterator[Leftover]:
        """All of them, module by module."""
        for module in self._modules:
            yield from self._imports(module)
            for scope in module.walk():
                if isinstance(scope, Class):
                    schema = self._schemas.of(scope)
                    if schema is not None and not schema.is_v1:
                        yield from self._in_class(schema)
                yield from self._calls(scope)
                yield from self._attributes(scope)

    def _imports(self, module: Module) -> Iterator[Leftover]:
        for node in module.all(ast.ImportFrom):
            for alias in node.names:
                dotted = f"{node.module}.{alias.name}"
                if dotted in _FUNCTIONS and not node.level and not _is_conditional(node):
                    effect, instead = _FUNCTIONS[dotted]
                    harm = "the import fails" if effect == RAISES else ""
                    yield Leftover(f"from {node.module} import {alias.name}", effect, instead, harm, module.place(node))

    def _in_class(self, schema: Schema) -> Iterator[Leftover]:
        cls = schema.cls
        settings = schema.is_settings
        inner = next(
            (c for c in cls.children if isinstance(c, Class) and c.name == "Config" and not _is_conditional(c.node)),
            None,
        )
        if inner is not None:
            yield Leftover("class Config", DEPRECATED, "model_config = ConfigDict(...)", "", inner.place(), cls)
        for setting in self._schemas.configured(cls):
            known = _CONFIG.get(setting.name)
            if known and not (setting.v1 and inner is None):
                yield Leftover(setting.name, *known, setting.place, cls)
        for field in self._schemas.declared(cls):
            yield from self._in_field(field.info, field.place, cls, settings)
        if "__root__" in cls.bindings:
            place = cls.place(cls.bindings["__root__"][0].node)
            yield Leftover("__root__", RAISES, "RootModel", "the class cannot be defined", place, cls)
        for validator in self._schemas.validating(cls):
            if validator.kind in ("validator", "root_validator"):
                yield self._validator(validator.kind, validator.decorator, validator.function, validator.place, cls)

    def _in_field(self, info: dict[str, ast.expr], place: Place, cls: Class, settings: bool) -> Iterator[Leftover]:
        for keyword in info:
            known = _FIELD.get(keyword)
            if settings and keyword == "env":
                harm = "the variable is never read, the default is used"
                yield Leftover("Field(env=)", IGNORED, "validation_alias", harm, place, cls)
            elif known:
                yield Leftover(f"Field({keyword}=)", *known, place, cls)

    def _validator(self, kind: str, decorator: ast.expr, method: Function, place: Place, cls: Class) -> Leftover:
        given = {k.arg for k in decorator.keywords} if isinstance(decorator, ast.Call) else set()
        if kind == "root_validator":
            if given & {"pre", "skip_on_failure"}:
                return Leftover("@root_validator", DEPRECATED, "@model_validator", "", place, cls)
            harm = "the class cannot be defined without pre= or skip_on_failure="
            return Leftover("@root_validator", RAISES, "@model_validator(mode='after')", harm, place, cls)
        if {arg.arg for arg, _ in method.params[2:]} & {"field", "config"}:
            harm = "the parameters field and config are gone, the class cannot be defined"
            return Leftover("@validator", RAISES, "@field_validator", harm, place, cls)
        return Leftover("@validator", DEPRECATED, "@field_validator", "", place, cls)

    def _calls(self, scope: Scope) -> Iterator[Leftover]:
        keywords = (k.arg in _RAISING_ARGUMENTS for k in scope.all(ast.keyword))
        for call in scope.all(ast.Call) if not _METHODS.keys().isdisjoint(scope.called) or any(keywords) else ():
            func = call.func
            if isinstance(func, ast.Attribute) and func.attr in _METHODS:
                yield from self._method(call, func, scope)
            elif call.keywords and self._is_raising_constraint(call, scope):
                idiom, instead = f"{ast.unparse(func)}(...)", "pattern, min_length, max_length"
                yield Leftover(idiom, RAISES, instead, "the call fails", scope.place(call))

    def _is_raising_constraint(self, call: ast.Call, scope: Scope) -> bool:
        """Whether it is `constr(regex=...)` or the like."""
        given = not _RAISING_ARGUMENTS.isdisjoint([k.arg for k in call.keywords])
        return given and self._names.canonical(call.func, scope) in _CONSTRAINED

    def _is_fallback(self, node: ast.AST, instead: str) -> bool:
        """Whether today's name is used in another branch of the same `if`, `try` or conditional expression."""
        holders = (h for h in parents(node) if isinstance(h, (ast.If, ast.Try, ast.IfExp)))
        return any(instead in self._attributes_in(holder) for holder in holders)

    def _attributes_in(self, holder: ast.AST) -> frozenset[str]:
        if id(holder) not in self._inside:
            self._inside[id(holder)] = frozenset(n.attr for n in subtree(holder) if isinstance(n, ast.Attribute))
        return self._inside[id(holder)]

    def _method(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Iterator[Leftover]:
        if self._is_fallback(call, _METHODS[func.attr]):
            return
        receiver = self._receiver(func, scope, frozenset(k.arg for k in call.keywords if k.arg))
        if receiver is None:
            return
        cls, certainty = receiver
        instead = _METHODS[func.attr]
        effect, harm = self._method_effect(call, func.attr, cls)
        yield Leftover(f".{func.attr}()", effect, instead, harm, scope.place(call), cls, certainty)

    def _method_effect(self, call: ast.Call, name: str, cls: Class | None) -> tuple[str, str]:
        given = {k.arg for k in call.keywords}
        if name == "json" and given & {"indent", "ensure_ascii", "sort_keys", "default", "separators", "cls"}:
            return RAISES, "arguments of json.dumps are a TypeError"
        if name == "dict" and "skip_defaults" in given:
            return RAISES, "skip_defaults is a TypeError"
        schema = self._schemas.of(cls)
        if name == "from_orm" and schema is not None and schema.is_complete and not schema.is_sqlmodel:
            entry = schema.config.get("from_attributes")
            if entry is None:
                return RAISES, f"{schema.name} has no from_attributes=True"
        return DEPRECATED, ""

    def _receiver(self, func: ast.Attribute, scope: Scope, keywords: frozenset[str]) -> tuple[Class | None, str] | None:
        """(model class, certainty) when the method is Pydantic's own; None when it is not, or nobody knows."""
        values = self._values.of(func.value, scope)
        for value in values:
            cls = value.cls if isinstance(value, Instance) else value
            certainty = value.certainty if isinstance(value, Instance) else "resolved"
            if isinstance(cls, External) and cls.dotted in ("pydantic.BaseModel", "sqlmodel.SQLModel"):
                return None, certainty
            schema = self._schemas.of(cls)
            if schema is None or schema.is_v1 or self._overrides(schema, func.attr):
                continue
            return schema.cls, certainty
        if not values and func.attr in ("dict", "json", "copy") and keywords & _PYDANTIC_KEYWORDS:
            return None, "by-name"
        return None

    def _overrides(self, schema: Schema, name: str) -> bool:
        """Whether the class itself has a method or field of this name."""
        return any(name in cls.bindings for cls in schema.lineage)

    def _attributes(self, scope: Scope) -> Iterator[Leftover]:
        for node in scope.all(ast.Attribute):
            if node.attr in _ATTRIBUTES and not self._is_fallback(node, _ATTRIBUTES[node.attr]):
                for value in self._values.of(node.value, scope):
                    cls = value.cls if isinstance(value, Instance) else value
                    schema = self._schemas.of(cls)
                    if schema is not None and not schema.is_v1:
                        yield Leftover(node.attr, DEPRECATED, _ATTRIBUTES[node.attr], "", scope.place(node), schema.cls)
                        break


def _is_conditional(node: ast.AST) -> bool:
    """Whether it stands below an `if` or `try`, as code for several versions does."""
    return any(isinstance(holder, (ast.If, ast.Try)) for holder in parents(node))
