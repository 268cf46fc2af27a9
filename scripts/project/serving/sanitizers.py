"""What holds nothing harmful: numbers, members of an enum, fields with a pattern, texts without special characters."""

from __future__ import annotations

import ast
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.scopes import Class, Scope, subtree
from project.language.shapes import LITERAL, SEQUENCES, Shape
from project.language.value_types import Instance
from project.routing.interpret_values import Cls
from project.routing.schemas import Field

if TYPE_CHECKING:
    from project import Project

HARMLESS_TYPES = frozenset(
    "builtins.int builtins.float builtins.bool builtins.complex uuid.UUID pydantic.UUID1 pydantic.UUID3 pydantic.UUID4 "
    "pydantic.UUID5 datetime.datetime datetime.date datetime.time datetime.timedelta decimal.Decimal "
    "ipaddress.IPv4Address ipaddress.IPv6Address pydantic.PositiveInt pydantic.NonNegativeInt pydantic.EmailStr "
    "pydantic.AwareDatetime pydantic.StrictInt pydantic.StrictBool bson.ObjectId beanie.PydanticObjectId".split()
)
ENUMS = ("enum.Enum", "enum.StrEnum", "enum.IntEnum")
PATTERNS = ("pattern", "regex")
_VALIDATORS = ("AfterValidator", "BeforeValidator", "PlainValidator", "WrapValidator", "Predicate")
_SPECIAL = frozenset(("/", "\\", "..", "../", "'", '"', ";", "`", "\x00", "\n", "://"))


class Sanitizers:
    """Harmless types of the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._fields: dict[tuple[Class, str], bool] = {}

    def harmless(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an expression can only be a number, date, UUID, member of an enum or the like."""
        if isinstance(expr, ast.Constant):
            return True
        if isinstance(expr, ast.Compare) or (isinstance(expr, ast.UnaryOp) and isinstance(expr.op, ast.Not)):
            return True
        if not isinstance(expr, (ast.Name, ast.Attribute, ast.Call)):
            return False
        values = self._project.values.of(expr, scope)
        if values and all(isinstance(v, Instance) and self._harmless_type(v) for v in values):
            return True
        return isinstance(expr, ast.Attribute) and self._harmless_field(expr, scope)

    def _harmless_type(self, value: Instance) -> bool:
        if value.dotted in ("builtins.list", "builtins.set", "builtins.tuple") and value.args:
            return all(isinstance(a, Instance) and self._harmless_type(a) for a in value.args)
        return value.dotted in HARMLESS_TYPES or self._project.names.derives(value.cls, *ENUMS)

    def harmless_shape(self, shape: Shape) -> bool:
        """The same for an annotation; `Literal`s and texts with a pattern too."""
        if any(self._constrained(item) for item, _ in shape.metadata):
            return True
        return all(self._harmless_option(option) for option in shape.options) and bool(shape.options)

    def _harmless_option(self, shape: Shape) -> bool:
        if shape.dotted in HARMLESS_TYPES or shape.dotted == LITERAL:
            return True
        if shape.dotted in SEQUENCES and shape.args:
            return all(self.harmless_shape(a) for a in shape.args)
        return shape.cls is not None and self._project.names.derives(shape.cls, *ENUMS)

    def _constrained(self, item: ast.expr) -> bool:
        """`Query(pattern=...)`, `StringConstraints(pattern=...)`, `AfterValidator(f)`."""
        if not isinstance(item, ast.Call):
            return False
        name = item.func.attr if isinstance(item.func, ast.Attribute) else getattr(item.func, "id", "")
        return name in _VALIDATORS or any(k.arg in PATTERNS for k in item.keywords)

    def _harmless_field(self, expr: ast.Attribute, scope: Scope) -> bool:
        """A field of a Pydantic model whose type, pattern or validator restricts it."""
        for value in self._project.values.of(expr.value, scope):
            if isinstance(value, Instance) and isinstance(value.cls, Class) and self._is_validated(value.cls):
                field = self._project.schemas.fields_of(value.cls).get(expr.attr)
                if field is not None:
                    return self.harmless_field(value.cls, field)
        return False

    def _is_validated(self, cls: Class) -> bool:
        """A Pydantic model, or a class that FastAPI fills from the request."""
        return self._project.schemas.of(cls) is not None or cls in self._filled

    @cached_property
    def _filled(self) -> frozenset[object]:
        """Classes that are dependencies, and their bases."""
        nodes = (node for route in self._project.routes for root in route.dependency_tree for node in root.walk())
        classes = {node.value.scope for node in nodes if isinstance(node.value, Cls)}
        return frozenset(base for cls in classes for base in self._project.names.mro(cls))

    def harmless_field(self, cls: Class, field: Field) -> bool:
        key = (cls, field.name)
        if key not in self._fields:
            self._fields[key] = self._judge(cls, field)
        return self._fields[key]

    def _judge(self, cls: Class, field: Field) -> bool:
        if any(k in field.info for k in PATTERNS):
            return True
        if self.harmless_shape(self._project.shapes.of(field.annotation, field.owner)):
            return True
        schema = self._project.schemas.of(cls)
        validators = schema.validators if schema is not None else []
        return any(
            v.kind in ("validator", "field_validator", "model_validator", "root_validator")
            and (field.name in v.fields or not v.fields)
            and any(True for _ in v.function.all(ast.Raise))
            for v in validators
        )


def without_special(call: ast.Call, scope: Scope) -> bool:
    """Whether a call takes special characters out of a text: `name.replace("/", "_")`, `name.split("/")`."""
    func = call.func
    if not (isinstance(func, ast.Attribute) and func.attr in ("replace", "split", "rsplit") and call.args):
        return False
    first = call.args[0]
    if isinstance(first, ast.Name):  # for each of several characters
        loops = [b.value for b in scope.bindings.get(first.id, []) if b.kind == "for" and b.value is not None]
        return any(isinstance(n, ast.Constant) and _is_special(n.value) for loop in loops for n in subtree(loop))
    special = _SPECIAL if func.attr == "replace" else (".", "/", "\\")
    return isinstance(first, ast.Constant) and first.value in special


def _is_special(value: object) -> bool:
    return value in _SPECIAL or (isinstance(value, str) and "/" in value)
