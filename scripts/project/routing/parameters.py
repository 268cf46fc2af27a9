"""Where FastAPI takes each parameter of a path operation or dependency from: path, query, header, body, dependency.

The rules are those of `fastapi.dependencies.utils.analyze_param`: an explicit marker (`Query(...)`, `Depends(...)`)
first,
then special types (`Request`), then the names in the path, then the type: models, mappings and sequences are the body.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass

from project.language.names import External, Names, Variable
from project.language.scopes import Class, Function, Scope
from project.language.shapes import LITERAL, MAPPINGS, NONE, SEQUENCES, UNION, Shape, Shapes
from project.language.value_types import Bound, Instance, Value
from project.language.values import ValueFacts
from project.place import Place
from project.routing.schemas import Schema, Schemas

MARKERS = {
    "Path": "path", "Query": "query", "Header": "header", "Cookie": "cookie", "Body": "body", "Form": "form",
    "File": "file", "Depends": "dependency", "Security": "dependency",
}  # fmt: skip
CONTEXT = frozenset(
    "starlette.requests.Request starlette.websockets.WebSocket starlette.requests.HTTPConnection "
    "starlette.responses.Response fastapi.BackgroundTasks fastapi.security.SecurityScopes "
    "fastapi.security.oauth2.SecurityScopes starlette.responses.JSONResponse "
    "starlette.responses.StreamingResponse".split()
)
UPLOAD = "fastapi.datastructures.UploadFile"
MODEL = "pydantic.BaseModel"
PATH_NAME = re.compile(r"{\s*([^{}:\s]+)\s*(?::[^{}]*)?}")
_DESCRIBING = frozenset(
    "pydantic pydantic_core annotated_types typing typing_extensions annotated_doc builtins sqlalchemy sqlmodel".split()
)
_SCALARS = frozenset("str int float bool bytes complex object memoryview bytearray".split())
_SCALAR_MODULES = frozenset("datetime uuid decimal enum pathlib ipaddress re annotated_types".split())


@dataclass(frozen=True, slots=True)
class Parameter:
    """One parameter of a path operation or dependency.

    kind: path, query, header, cookie, body, form, file, dependency, context (`Request` and the like), unknown.
    marker: `Query` and the like when it is said explicitly, "" when FastAPI decides; `annotated` when said in
    `Annotated`.
    default: what stands in for missing input, None when the client must send it.
    info: keywords of the marker. providers: what a dependency calls.
    """

    name: str
    kind: str
    function: Function | Class
    annotation: ast.expr | None
    shape: Shape
    default: ast.expr | None
    marker: str
    annotated: bool
    info: dict[str, ast.expr]
    providers: tuple[Value, ...]
    place: Place

    @property
    def wire_name(self) -> str:
        """The name clients send."""
        alias = self.info.get("alias")
        if isinstance(alias, ast.Constant) and isinstance(alias.value, str):
            return alias.value
        return self.name.replace("_", "-") if self.kind == "header" else self.name


@dataclass(frozen=True, slots=True)
class _Marked:
    """`Query` or the like: its name, the call that makes it, and the scope in which that stands."""

    name: str
    call: ast.Call
    scope: Scope


def path_names(path: str) -> frozenset[str]:
    """Names of the parameters in a path template."""
    return frozenset(PATH_NAME.findall(path))


class Parameters:
    """Parameters of functions, as FastAPI reads them for a path."""

    def __init__(self, names: Names, values: ValueFacts, shapes: Shapes, schemas: Schemas) -> None:
        self._names = names
        self._values = values
        self._shapes = shapes
        self._schemas = schemas
        self._known: dict[tuple[Function | Class, frozenset[str]], list[Parameter]] = {}

    def of(self, target: Function | Class, in_path: frozenset[str] = frozenset()) -> list[Parameter]:
        """Parameters of a function, or of the fields of a model or dataclass that FastAPI calls as a dependency."""
        names = self._known_names(target)
        key = (target, in_path & names)
        if key not in self._known:
            self._known[key] = list(self._parameters(target, key[1]))
        return self._known[key]

    def of_view(self, cls: Class, in_path: frozenset[str] = frozenset()) -> list[Parameter]:
        """Annotated attributes of a class-based view and its bases, which FastAPI fills like parameters."""
        fields = Schema(cls, self._schemas).fields.values()
        return [self._parameter(cls, f.name, f.annotation, f.default, f.owner, f.place, in_path) for f in fields]

    def flat(self, target: Function | Class, in_path: frozenset[str] = frozenset()) -> list[Parameter]:
        """Parameters of a function and of all its dependencies, each function once; dependencies themselves too."""
        found: list[Parameter] = []
        seen: set[Function | Class] = set()
        stack: list[Function | Class] = [target]
        while stack:
            current = stack.pop()
            if current in seen:
                continue
            seen.add(current)
            parameters = self.of(current, in_path)
            found += parameters
            inner = [c for p in parameters for value in p.providers if (c := self.callee(value)) is not None]
            stack.extend(reversed(inner))
        return found

    def callee(self, provider: Value) -> Function | Class | None:
        """What runs when FastAPI calls a dependency: a function, `__init__`, `__call__`, or the class with its
        fields."""
        if isinstance(provider, Function):
            return provider
        if isinstance(provider, Bound):
            return provider.function
        if isinstance(provider, Instance) and isinstance(provider.cls, Class):
            method = self._names.class_member(provider.cls, "__call__")
            return method if isinstance(method, Function) else None
        if isinstance(provider, Class):
            method = self._names.class_member(provider, "__init__")
            if isinstance(method, Function):
                return method
            return provider if self._schemas.fields_of(provider) else None
        return None

    def _known_names(self, target: Function | Class) -> frozenset[str]:
        if isinstance(target, Class):
            return frozenset(self._schemas.fields_of(target))
        return frozenset(arg.arg for arg, _ in target.params)

    def _parameters(self, target: Function | Class, in_path: frozenset[str]) -> Iterator[Parameter]:
        if isinstance(target, Class):
            for field in self._schemas.fields_of(target).values():
                owner = field.owner
                yield self._parameter(target, field.name, field.annotation, field.default, owner, field.place, in_path)
            return
        scope = target.parent or target.module
        for arg, default in target.params[self._bound(target) :]:
            yield self._parameter(target, arg.arg, arg.annotation, default, scope, target.place(arg), in_path)

    def _bound(self, function: Function) -> int:
        """1 when the first parameter is the object or class a method belongs to."""
        if function.owner is None:
            return 0
        scope = function.parent or function.module
        return int(all(self._names.canonical(d, scope) != "builtins.staticmethod" for d in function.decorators))

    def _parameter(
        self, target: Function | Class, name: str, annotation: ast.expr | None, default: ast.expr | None,
        scope: Scope, place: Place, in_path: frozenset[str],
    ) -> Parameter:  # fmt: skip
        shape = self._shapes.of(annotation, scope)
        marked = self._markers(default, scope)
        annotated = False
        if marked:
            default = None
        else:
            for item, item_scope in shape.metadata:
                if found := self._markers(item, item_scope):
                    marked, annotated = found, True
        marker = marked[0].name if marked else ""
        info, inner = _marker_arguments(marked[0].call) if marked else ({}, None)
        providers: tuple[Value, ...] = ()
        if MARKERS.get(marker) == "dependency":
            providers = tuple(dict.fromkeys(value for one in marked for value in self._provided(one)))
            if not providers and inner is None and "dependency" not in info and shape.cls:
                providers = (shape.cls,)
        elif marker and not annotated:
            default = inner or info.get("default") or info.get("default_factory")
        if isinstance(default, ast.Constant) and default.value is Ellipsis:
            default = None
        kind = MARKERS[marker] if marker else self._kind(name, annotation, shape, in_path)
        if kind in ("body", "query") and not marker and any(self._may_mark(*item) for item in shape.metadata):
            kind = "unknown"
        return Parameter(name, kind, target, annotation, shape, default, marker, annotated, info, providers, place)

    def _provided(self, marked: _Marked) -> tuple[Value, ...]:
        info, inner = _marker_arguments(marked.call)
        return self._values.of(inner or info.get("dependency"), marked.scope)

    def _markers(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> list[_Marked]:
        """The marker that a default or an item of `Annotated` is; several of one name when a function returns one or
        the other, none when it is no marker.

        Variables that hold a marker and functions that only return markers are followed.
        """
        if expr is None or depth > 3:
            return []
        if isinstance(expr, (ast.Name, ast.Attribute)):
            held = self._names.resolve(expr, scope)
            if not isinstance(held, Variable) or len(held.bindings) != 1 or held.bindings[0].index is not None:
                return []
            return self._markers(held.bindings[0].value, held.scope, depth + 1)
        if not isinstance(expr, ast.Call):
            return []
        called = self._names.resolve(expr.func, scope)
        if isinstance(called, External) and called.dotted.startswith("fastapi."):
            last = called.dotted.rsplit(".", 1)[-1]
            return [_Marked(last, expr, scope)] if last in MARKERS else []
        if isinstance(called, Function):
            returned = [self._markers(r.value, called, depth + 1) for r in called.all(ast.Return)]
            found = [one for several in returned for one in several]
            return found if all(returned) and len({one.name for one in found}) == 1 else []
        return []

    def _may_mark(self, item: ast.expr, scope: Scope) -> bool:
        """Whether an item of `Annotated` may tell FastAPI or a container where the value comes from."""
        called = self._names.resolve(item.func, scope) if isinstance(item, ast.Call) else None
        if isinstance(called, External):
            return called.dotted.partition(".")[0] not in _DESCRIBING
        return isinstance(called, Function) and any(r.value is not None for r in called.all(ast.Return))

    def _kind(self, name: str, annotation: ast.expr | None, shape: Shape, in_path: frozenset[str]) -> str:
        if self.is_context(shape):
            return "context"
        if name in in_path:
            return "path"
        if annotation is None:
            return "query"
        if self._is_upload(shape):
            return "file"
        known = self.is_complex(shape)
        return "unknown" if known is None else "body" if known else "query"

    def is_context(self, shape: Shape) -> bool:
        """Whether FastAPI passes the request, response or background tasks for this type."""
        if isinstance(shape.head, Class):
            return self._names.derives(shape.head, *CONTEXT)
        return shape.dotted in CONTEXT

    def _is_upload(self, shape: Shape) -> bool:
        """Files, sequences of them, and (FastAPI asks whether *all* elements are files) sequences of nothing stated."""
        if shape.dotted in SEQUENCES:
            return all(self._is_upload(argument) for argument in shape.args)
        if shape.cls is not None and self._names.derives(shape.cls, "typing.NamedTuple"):
            return True
        return any(option.dotted == UPLOAD for option in shape.options)

    def is_complex(self, shape: Shape) -> bool | None:
        """Whether FastAPI takes the type from the body (models, mappings, sequences); None when it cannot be known."""
        head = shape.head
        if shape.dotted == UNION:
            known = [self.is_complex(option) for option in shape.args]
            return True if True in known else None if None in known else False
        if isinstance(head, Class):
            return self._is_complex_class(head)
        if isinstance(head, Variable):
            return None
        if not isinstance(head, External):
            return None
        return _is_complex_external(head.dotted)

    def _is_complex_class(self, cls: Class) -> bool | None:
        if self._schemas.of(cls) is not None or self._schemas.is_dataclass(cls):
            return True
        bases = [b for b in self._names.mro(cls) if isinstance(b, External)]
        if any(_is_complex_external(b.dotted) for b in bases):
            return True
        plain = all(
            _is_complex_external(b.dotted) is False or b.dotted in ("abc.ABC", "typing.Protocol") for b in bases
        )
        return False if plain and self._schemas.known_bases(cls) else None


def _is_complex_external(dotted: str) -> bool | None:
    if dotted in SEQUENCES or dotted in MAPPINGS or dotted in (UPLOAD, MODEL, "typing.TypedDict", "typing.NamedTuple"):
        return True
    if dotted in ("typing.Any", LITERAL, NONE):
        return False
    root, _, last = dotted.partition(".")
    if root == "builtins":
        return False if last in _SCALARS else None
    if root in _SCALAR_MODULES or root in ("pydantic", "pydantic_extra_types", "bson"):
        return False
    return None


def _marker_arguments(call: ast.Call) -> tuple[dict[str, ast.expr], ast.expr | None]:
    """(keywords, first positional argument) of `Query(...)` or `Depends(...)`."""
    return {k.arg: k.value for k in call.keywords if k.arg}, call.args[0] if call.args else None
