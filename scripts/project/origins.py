"""Whether a value comes from the request, and by which way: from a parameter of a path operation, through assignments,
text building and calls in other modules, to the place where it is used.

What turns it into something harmless ends the way: conversion to a number or UUID, a check against an allow-list or
pattern, a sanitiser. What cannot be followed ends it too, so that a reported way is one that exists.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.dataflow import reaching
from project.parameters import path_names
from project.place import Place
from project.scopes import Binding, Function, Scope
from project.value_types import Instance

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 14
MAX_CALLERS = 12
REQUEST = "starlette.requests.Request"
WEBSOCKET = "starlette.websockets.WebSocket"
UPLOAD = "fastapi.datastructures.UploadFile"
REQUEST_PARTS = frozenset("query_params headers path_params cookies json form body".split())
SOCKET_PARTS = frozenset(
    "query_params headers path_params cookies receive_text receive_json iter_text iter_json".split()
)
PARAMETER_KINDS = frozenset("path query header cookie body form".split())
HARMLESS_TYPES = frozenset(
    "builtins.int builtins.float builtins.bool builtins.complex uuid.UUID pydantic.UUID1 pydantic.UUID3 "
    "pydantic.UUID4 pydantic.UUID5 datetime.datetime datetime.date datetime.time datetime.timedelta "
    "decimal.Decimal ipaddress.IPv4Address ipaddress.IPv6Address pydantic.PositiveInt pydantic.NonNegativeInt "
    "pydantic.conint() pydantic.EmailStr".split()
)
ENUMS = ("enum.Enum", "enum.StrEnum", "enum.IntEnum")
PASSES_ON = frozenset(
    "builtins.str builtins.format builtins.list builtins.tuple builtins.set builtins.dict builtins.sorted "
    "builtins.reversed os.path.join os.path.normpath os.path.abspath os.path.expanduser os.fspath "
    "pathlib.Path pathlib.PurePath pathlib.Path.joinpath pathlib.Path.with_name pathlib.Path.open "
    "urllib.parse.unquote urllib.parse.urljoin json.loads typing.cast copy.copy copy.deepcopy sqlalchemy.text "
    "sqlalchemy.literal_column textwrap.dedent".split()
)
TEXT_METHODS = frozenset(
    "strip lstrip rstrip lower upper title capitalize replace format join split rsplit splitlines "
    "removeprefix removesuffix encode decode zfill ljust rjust format_map get pop setdefault values items "
    "getlist copy model_dump dict as_posix".split()
)
CHECKS = frozenset(
    "isalnum isalpha isdigit isdecimal isnumeric isidentifier startswith endswith is_relative_to fullmatch "
    "match search issubset commonpath commonprefix count find index realpath".split()
)


@dataclass(frozen=True, slots=True)
class _Frame:
    """A function being followed into: what its parameters stand for, and in which frame those expressions live."""

    arguments: Mapping[str, ast.expr]
    scope: Scope
    outer: _Frame | None


Way = tuple[Place, ...]


class Origins:
    """Ways from request input to places in the code."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._handlers: dict[Function, str] = {}
        for route in project.routes:
            if route.function is not None:
                self._handlers.setdefault(route.function, route.path)

    def way(self, expr: ast.expr | None, scope: Scope) -> Way | None:
        """Places from a request parameter to `expr`, None when none is known."""
        return self._way(expr, scope, None, 0)

    def _way(self, expr: ast.expr | None, scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        if expr is None or depth > MAX_DEPTH or self._harmless(expr, scope):
            return None
        if isinstance(expr, ast.Name):
            return self._name(expr, scope, frame, depth)
        if isinstance(expr, ast.Attribute):
            return self._attribute(expr, scope, frame, depth)
        if isinstance(expr, ast.Call):
            return self._call(expr, scope, frame, depth)
        return self._first(_parts(expr), scope, frame, depth)

    def _first(self, parts: Iterator[ast.expr], scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        return next((w for part in parts if (w := self._way(part, scope, frame, depth + 1)) is not None), None)

    def _harmless(self, expr: ast.expr, scope: Scope) -> bool:
        if isinstance(expr, ast.Constant):
            return True
        if not isinstance(expr, (ast.Name, ast.Attribute, ast.Call)):
            return False
        values = self._project.values.of(expr, scope)
        return bool(values) and all(isinstance(v, Instance) and self._harmless_type(v) for v in values)

    def _harmless_type(self, value: Instance) -> bool:
        return value.dotted in HARMLESS_TYPES or self._project.names.derives(value.cls, *ENUMS)

    def _name(self, name: ast.Name, scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        holder: Scope | None = scope
        while holder is not None and name.id not in holder.bindings:
            holder = holder.parent
        if not isinstance(holder, Function) or self._checked(name.id, scope):
            return None
        for binding in reaching(holder, name.id, name):
            found = self._binding(binding, holder, frame if holder is scope else None, depth)
            if found is not None:
                return found
        return None

    def _binding(self, binding: Binding, function: Function, frame: _Frame | None, depth: int) -> Way | None:
        if binding.kind == "param":
            if frame is not None and binding.name in frame.arguments:
                return self._way(frame.arguments[binding.name], frame.scope, frame.outer, depth + 1)
            return self._parameter(binding, function, depth)
        if binding.kind in ("assign", "for", "augmented") and binding.value is not None:
            return self._way(binding.value, function, frame, depth + 1)
        return None

    def _parameter(self, binding: Binding, function: Function, depth: int) -> Way | None:
        if function in self._handlers:
            path = self._handlers[function]
            for parameter in self._project.parameters.of(function, path_names(path)):
                if parameter.name == binding.name and parameter.kind in PARAMETER_KINDS:
                    return (function.place(binding.node, f"{parameter.kind} parameter {binding.name} of {path}"),)
            return None
        for site in self._project.calls.callers(function)[:MAX_CALLERS]:
            if site.call is None:
                continue
            given = arguments(site.call, function).get(binding.name)
            found = self._way(given, site.scope, None, depth + 2)
            if found is not None:
                return (*found, site.place(f"passed to {function.qualname} as {binding.name}"))
        return None

    def _attribute(self, expr: ast.Attribute, scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        for value in self._project.values.of(expr.value, scope):
            if not isinstance(value, Instance):
                continue
            if value.dotted in (REQUEST, WEBSOCKET):
                parts = REQUEST_PARTS if value.dotted == REQUEST else SOCKET_PARTS
                return (scope.place(expr, f"request {expr.attr}"),) if expr.attr in parts else None
            if value.dotted == UPLOAD:
                return (scope.place(expr, "file name sent by the client"),) if expr.attr == "filename" else None
            if value.dotted == "pathlib.Path" and expr.attr in ("name", "stem", "suffix"):
                return None
        return None if self._checked(ast.unparse(expr), scope) else self._way(expr.value, scope, frame, depth + 1)

    def _call(self, call: ast.Call, scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        site = self._project.calls.site(call, scope)
        for target in site.targets[:2]:
            if target.name not in ("__init__", "__call__"):
                found = self._returned(call, target, scope, frame, depth)
                if found is not None:
                    return found
        if site.targets:
            return None
        if PASSES_ON.intersection(site.names):
            return self._first(iter(call.args), scope, frame, depth)
        if isinstance(call.func, ast.Attribute):
            if call.func.attr in TEXT_METHODS:
                given = [*call.args, *(k.value for k in call.keywords)] if call.func.attr in ("format", "join") else []
                return self._first(iter([call.func.value, *given]), scope, frame, depth)
            return (
                self._attribute(call.func, scope, frame, depth)
                if call.func.attr in REQUEST_PARTS | SOCKET_PARTS
                else None
            )
        return None

    def _returned(self, call: ast.Call, target: Function, scope: Scope, frame: _Frame | None, depth: int) -> Way | None:
        inner = _Frame(arguments(call, target), scope, frame)
        returned = [r.value for r in target.all(ast.Return)] or ([target.node.body] if target.is_lambda else [])
        for value in returned[:6]:
            if isinstance(value, ast.expr):
                found = self._way(value, target, inner, depth + 2)
                if found is not None:
                    return (*found, target.place(value, f"built by {target.qualname}"))
        return None

    def _checked(self, text: str, scope: Scope) -> bool:
        """Whether the scope tests this name or attribute against a set, a pattern or a base folder."""
        tests: list[ast.expr] = [n.test for n in (*scope.all(ast.If), *scope.all(ast.While))]
        tests += [n.test for n in scope.all(ast.Assert)]
        tests += [n.test for n in scope.all(ast.IfExp)]
        return any(_tests(test, text) for test in tests)


def _parts(expr: ast.expr) -> Iterator[ast.expr]:
    """Expressions whose text or elements become part of this one."""
    if isinstance(expr, ast.JoinedStr):
        yield from (v.value for v in expr.values if isinstance(v, ast.FormattedValue))
    elif isinstance(expr, ast.BinOp) and isinstance(expr.op, (ast.Add, ast.Mod, ast.Div)):
        yield from (expr.left, expr.right)
    elif isinstance(expr, (ast.Await, ast.Subscript, ast.Starred, ast.NamedExpr)):
        yield expr.value
    elif isinstance(expr, ast.IfExp):
        yield from (expr.body, expr.orelse)
    elif isinstance(expr, ast.BoolOp):
        yield from expr.values
    elif isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
        yield from expr.elts
    elif isinstance(expr, ast.Dict):
        yield from expr.values
    elif isinstance(expr, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
        yield expr.elt


def _tests(test: ast.expr, text: str) -> bool:
    for node in ast.walk(test):
        if isinstance(node, ast.Compare):
            if any(isinstance(op, (ast.In, ast.NotIn)) for op in node.ops) and text in _texts(node):
                return True
        elif isinstance(node, ast.Call) and getattr(node.func, "attr", "") in CHECKS and text in _texts(node):
            return True
    return False


def _texts(node: ast.AST) -> set[str]:
    return {ast.unparse(n) for n in ast.walk(node) if isinstance(n, (ast.Name, ast.Attribute))}


def arguments(call: ast.Call, target: Function) -> dict[str, ast.expr]:
    """What a call hands to each named parameter of the function it runs."""
    names = [arg.arg for arg, _ in target.params]
    if target.owner is not None and names and isinstance(call.func, ast.Attribute):
        names = names[1:]
    given: dict[str, ast.expr] = {}
    for name, value in zip(names, call.args, strict=False):
        if isinstance(value, ast.Starred):
            break
        given[name] = value
    given.update({k.arg: k.value for k in call.keywords if k.arg is not None})
    return given
