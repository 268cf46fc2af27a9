"""What each route takes and gives: its parameters, its response type, and which classes travel in either direction."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.models import Model
from project.data.rows import LIST, ONE, SCALARS
from project.language.names import External
from project.language.scopes import Class, Function
from project.language.shapes import NONE, SEQUENCES, UNION, UNKNOWN, Shape, plain_name
from project.language.value_types import Awaitable, Instance
from project.language.value_types import Value as TypedValue
from project.routing.interpret_values import AnnotatedType, Choice, Cls, Generic, Made, UnionType, Value, plain
from project.routing.parameters import Parameter, path_names

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

BODY_KINDS = frozenset(("body", "form", "file"))
JSON_RESPONSES = frozenset(
    f"{module}.responses.{name}"
    for module in ("starlette", "fastapi")
    for name in ("JSONResponse", "ORJSONResponse", "UJSONResponse")
)
_RESPONSE_MODULES = ("starlette.", "fastapi.", "sse_starlette.")
_WHOLE_ROWS = frozenset((ONE, LIST, SCALARS))
_PASSWORD = re.compile(r"(user_?|plain_?|raw_?|login_?)?(password|passwd|pwd|passphrase)_?\d?$", re.IGNORECASE)
_PLACEHOLDER = "fastapi.datastructures.DefaultPlaceholder"


@dataclass(frozen=True, slots=True)
class Use:
    """A class in the request or response of a route; `path` are the fields on the way to it, () when it is the type."""

    route: Route
    path: tuple[str, ...]
    parameter: Parameter | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """The response type of a route. said: "response_model", "annotation", or "" when nothing says it.

    `is_response` when the annotation is a Response class; `nothing` for an explicit `response_model=None`.
    """

    said: str
    shape: Shape
    is_response: bool = False
    nothing: bool = False


class Usage:
    """Requests and responses of all routes."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._answers: dict[int, Answer] = {}
        self._parameters: dict[int, list[Parameter]] = {}

    @cached_property
    def _http(self) -> list[Route]:
        return [r for r in self._project.routes if not r.websocket and r.function is not None]

    def parameters(self, route: Route) -> list[Parameter]:
        """Parameters of the handler and of all dependencies at every level."""
        key = id(route)
        if key not in self._parameters:
            self._parameters[key] = list(self._flat(route))
        return self._parameters[key]

    def _flat(self, route: Route) -> Iterator[Parameter]:
        names = path_names(route.path)
        seen: set[tuple[int, str]] = set()
        for parameter in self._at_every_level(route, names):
            key = (id(parameter.function), parameter.name)
            if key not in seen:
                seen.add(key)
                yield parameter

    def _at_every_level(self, route: Route, names: frozenset[str]) -> Iterator[Parameter]:
        facts = self._project.parameters
        for target in (route.function, *route.dependency_functions):
            if isinstance(target, Function):
                yield from facts.flat(target, names)
        for root in route.dependency_tree:
            view = plain(root.value) if root.param == "self" else None
            if isinstance(view, Cls):
                for parameter in facts.of_view(view.scope, names):
                    yield parameter
                    inner = (facts.callee(p) for p in parameter.providers)
                    yield from (p for target in inner if target is not None for p in facts.flat(target, names))

    def own_parameters(self, route: Route) -> list[Parameter]:
        """Parameters of the handler itself."""
        if route.function is None:
            return []
        return self._project.parameters.of(route.function, path_names(route.path))

    def takes_password(self, route: Route) -> bool:
        """Whether the handler takes a password: as parameter, field of the body, or by FastAPI's log-in form."""
        for parameter in self.own_parameters(route):
            if parameter.kind != "dependency" and _PASSWORD.match(parameter.name):
                return True
            classes = parameter.shape.classes() if parameter.kind in ("body", "form") else []
            if any(_PASSWORD.match(name) for cls in classes for name in self._project.schemas.fields_of(cls)):
                return True
        return any("OAuth2PasswordRequestForm" in name for name in route.dependencies)

    # Responses

    def answer(self, route: Route) -> Answer:
        """What the route declares to answer."""
        key = id(route)
        if key not in self._answers:
            self._answers[key] = self._answer(route)
        return self._answers[key]

    def _answer(self, route: Route) -> Answer:
        given = plain(route.options.get("response_model", _NOT_GIVEN))
        if isinstance(given, Made) and given.dotted == _PLACEHOLDER:
            given = _NOT_GIVEN
        if given is None:
            return Answer("response_model", UNKNOWN, nothing=True)
        if given is not _NOT_GIVEN:
            return Answer("response_model", self._of_value(route.response_model_value))
        function = route.function
        if function is None or function.returns is None:
            return Answer("", UNKNOWN)
        shape = self._project.shapes.of(function.returns, function.parent or function.module)
        return Answer("annotation", shape, is_response=self.is_response(shape))

    def is_response(self, shape: Shape) -> bool:
        """Whether a type is a Response class, or a union with one."""
        return any(self._is_response_class(option) for option in (shape, *shape.options))

    def _is_response_class(self, shape: Shape) -> bool:
        if shape.cls is not None:
            bases = [b.dotted for b in self._project.names.mro(shape.cls) if isinstance(b, External)]
            return any(map(is_response_name, bases))
        return is_response_name(shape.dotted)

    def _of_value(self, value: Value, depth: int = 0) -> Shape:
        """A type that the interpreter of router-building code saw."""
        value = plain(value)
        if depth > 12:
            return UNKNOWN
        if value is None:
            return Shape(External(NONE))
        if isinstance(value, Cls):
            return Shape(value.scope)
        if isinstance(value, External):
            return Shape(plain_name(value))
        if isinstance(value, AnnotatedType):
            return self._of_value(value.type, depth + 1)
        if isinstance(value, (UnionType, Choice)):
            return _union([self._of_value(o, depth + 1) for o in value.options])
        if isinstance(value, Generic):
            return self._of_generic(value, depth)
        return UNKNOWN

    def _of_generic(self, value: Generic, depth: int) -> Shape:
        base = self._of_value(value.base, depth + 1)
        args = [self._of_value(a, depth + 1) for a in value.args]
        if base.dotted == "typing.Optional":
            return _union([*args, Shape(External(NONE))])
        if base.dotted == UNION:
            return _union(args)
        if base.dotted == "typing.Annotated":
            return args[0] if args else UNKNOWN
        return Shape(base.head, tuple(args))

    # Classes

    @cached_property
    def bodies(self) -> dict[Class, list[Use]]:
        """Classes that clients send, with every use."""
        found: dict[Class, list[Use]] = defaultdict(list)
        for route in self._http:
            for parameter in self.parameters(route):
                if parameter.kind in BODY_KINDS:
                    for reached in self._project.schemas.reached(parameter.shape):
                        found[reached.cls].append(Use(route, reached.path, parameter))
        return found

    @cached_property
    def responses(self) -> dict[Class, list[Use]]:
        """Classes that clients get by declaration, with every use."""
        found: dict[Class, list[Use]] = defaultdict(list)
        for route in self._http:
            answer = self.answer(route)
            if answer.said and not answer.is_response:
                for reached in self._project.schemas.reached(answer.shape):
                    found[reached.cls].append(Use(route, reached.path))
        return found

    # What handlers return

    def returned(self, function: Function) -> list[ast.expr]:
        """Expressions of `return` with a value that is not None."""
        values = [node.value for node in function.all(ast.Return)]
        return [v for v in values if v is not None and not (isinstance(v, ast.Constant) and v.value is None)]

    def returned_models(self, function: Function) -> list[Model]:
        """ORM models whose rows, one or many, the function returns; [] when it returns none, or nobody knows."""
        found = [m for expr in self.returned(function) for m in self.models_in(expr, function)]
        return list({m.dotted: m for m in found}.values())

    def models_in(self, expr: ast.expr, function: Function) -> Iterator[Model]:
        """ORM models of the rows that an expression holds."""
        rows = self._project.rows.of(expr, function)
        yield from (r.model for r in rows if r.model is not None and r.shape in _WHOLE_ROWS)
        if not rows:
            for value in self._project.values.of(expr, function):
                yield from self._models_of(value, 0)

    def _models_of(self, value: TypedValue, depth: int) -> Iterator[Model]:
        if isinstance(value, Awaitable) and value.value is not None:
            yield from self._models_of(value.value, depth)
        elif isinstance(value, Instance):
            model = self._project.models.of(value.cls)
            if model is not None:
                yield model
            elif value.dotted in SEQUENCES and depth < 2:
                for argument in value.args:
                    yield from self._models_of(argument, depth + 1)

    def is_response_value(self, expr: ast.expr, function: Function) -> bool | None:
        """Whether an expression is a Response object; None when that is not known."""
        values = self._project.values.of(expr.value if isinstance(expr, ast.Await) else expr, function)
        values = values or self._project.values.of(expr, function)
        if not values:
            return None
        for value in values:
            inner = getattr(value, "value", None) or value
            cls = getattr(inner, "cls", None)
            if isinstance(cls, Class):
                if not self._is_response_class(Shape(cls)):
                    return False
            elif not is_response_name(inner.dotted.removesuffix("()")):
                return None if inner.dotted.endswith("()") else False
        return True


def is_response_name(dotted: str) -> bool:
    """Whether a library name is a Response class."""
    return dotted.startswith(_RESPONSE_MODULES) and dotted.endswith("Response")


def _union(members: list[Shape]) -> Shape:
    flat: list[Shape] = []
    for member in members:
        flat.extend(member.args if member.dotted == UNION else [member])
    return Shape(External(UNION), tuple(flat))


_NOT_GIVEN = object()
