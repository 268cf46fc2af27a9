"""What makes a value from the request harmless: its type, a check against a set, pattern or folder, a sanitiser."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from project.language.scopes import Class, Scope, subtree
from project.language.shapes import LITERAL, SEQUENCES, Shape
from project.language.value_types import Instance
from project.routing.schemas import Field
from project.serving.allow_lists import equal_to_known

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
TESTS = frozenset(
    "isalnum isalpha isdigit isdecimal isnumeric isidentifier startswith endswith is_relative_to relative_to fullmatch "
    "match search issubset commonpath commonprefix count find index".split()
)
PATTERN_TESTS = frozenset("re.match re.fullmatch re.search re.Pattern.match re.Pattern.fullmatch re.compile().match "
                          "re.compile().fullmatch re.compile().search re.sub re.compile().sub".split())  # fmt: skip
SANITISER = re.compile(
    r"valid|sanit|safe|clean|check|verif|allow|ensure|escape|quote|assert|permit|authori|whitelist|slugify|within|inside|"
    r"trusted|restrict|forbid|secure|traversal|guard|ssrf|is_private|is_public",
    re.IGNORECASE,
)
_RUNNERS = frozenset("to_thread run_in_threadpool run_sync run_in_executor partial".split())
_NO_SANITISERS = frozenset(
    "unquote unquote_plus model_validate validate_python unescape is_safe check_output check_call".split()
)
_SPECIAL = frozenset(("/", "\\", "..", "../", "'", '"', ";", "`", "\x00", "\n", "://"))


class Sanitizers:
    """Harmless types of the project, and what each function checks."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._checked: dict[tuple[Scope, bool], dict[str, list[ast.AST]]] = {}
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
            if isinstance(value, Instance) and isinstance(value.cls, Class):
                schema = self._project.schemas.of(value.cls)
                field = schema.fields.get(expr.attr) if schema is not None else None
                if field is not None and schema is not None:
                    return self.harmless_field(value.cls, field)
        return False

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

    # Checks in functions

    def checks(self, text: str, scope: Scope, address: bool, through: ast.AST | None = None) -> bool:
        """Whether a function tests this name or attribute, in a test or by a call other than `through`.

        For an `address`, looking at its scheme is no test.
        """
        key = (scope, address)
        if key not in self._checked:
            found: dict[str, list[ast.AST]] = {}
            for name, node in self._checked_in(scope, address):
                found.setdefault(name, []).append(node)
            self._checked[key] = found
        return any(node is not through for node in self._checked[key].get(text, ()))

    def _checked_in(self, scope: Scope, address: bool) -> Iterator[tuple[str, ast.AST]]:
        tests: list[ast.expr] = [n.test for n in scope.all(ast.If)]
        tests += [n.test for n in scope.all(ast.While)]
        tests += [n.test for n in scope.all(ast.Assert)]
        tests += [n.test for n in scope.all(ast.IfExp)]
        for test in tests:
            yield from ((text, test) for text in _tested(test, address))
        if address:
            yield from equal_to_known(scope)
        for call in scope.all(ast.Call):
            if self._sanitises(call, scope):
                given = (*call.args, *(k.value for k in call.keywords))
                yield from ((text, call) for argument in given for text in texts(argument))

    def _sanitises(self, call: ast.Call, scope: Scope) -> bool:
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("match", "fullmatch", "search"):
            return bool(PATTERN_TESTS.intersection(v.dotted for v in self._project.values.of(call.func, scope)))
        if name in _RUNNERS:
            return any(SANITISER.search(_last(a)) for a in call.args[:2] if isinstance(a, (ast.Name, ast.Attribute)))
        return bool(SANITISER.search(name)) and name not in _NO_SANITISERS

    def ends(self, call: ast.Call, scope: Scope) -> bool:
        """Whether the result of a call is harmless whatever went in: a sanitiser, or special characters replaced."""
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in ("replace", "split", "rsplit") and call.args:
            first = call.args[0]
            return isinstance(first, ast.Constant) and (
                first.value in _SPECIAL if func.attr == "replace" else first.value in (".", "/", "\\")
            )
        return self._sanitises(call, scope)


def _tested(test: ast.expr, address: bool) -> Iterator[str]:
    for node in subtree(test):
        if isinstance(node, ast.Compare) and any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops):
            if not (address and _scheme(node.left)):
                yield from texts(node)
        elif isinstance(node, ast.Call):
            name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            if name in TESTS and not (address and name == "startswith" and all(map(_is_scheme, node.args))):
                yield from texts(node)


def _scheme(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Attribute) and expr.attr == "scheme"


def _is_scheme(expr: ast.expr) -> bool:
    items = expr.elts if isinstance(expr, ast.Tuple) else [expr]
    texts_only = [i.value for i in items if isinstance(i, ast.Constant) and isinstance(i.value, str)]
    return len(texts_only) == len(items) and all(t.startswith("http") and len(t) < 9 for t in texts_only)


def _last(expr: ast.Name | ast.Attribute) -> str:
    return expr.id if isinstance(expr, ast.Name) else expr.attr


def texts(node: ast.AST) -> set[str]:
    """Names and attributes in an expression, as written."""
    return {ast.unparse(n) for n in subtree(node) if isinstance(n, (ast.Name, ast.Attribute))}
