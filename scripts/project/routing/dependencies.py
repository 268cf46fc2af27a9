"""Dependency trees: what FastAPI calls before a path operation, to a fixed point."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field

from project.language.names import External
from project.language.scopes import Function
from project.place import Place
from project.routing.interpret import Interpreter
from project.routing.interpret_signatures import EMPTY, signature_of
from project.routing.interpret_values import (
    AnnotatedType,
    Bound,
    Cls,
    Dep,
    Func,
    Generic,
    Inst,
    LibraryFunction,
    Made,
    Partial,
    UnionType,
    Unknown,
    Value,
    plain,
    text_of,
)

MAX_TREE_DEPTH = 30
_RUN_TIME_NAMES = {
    "fastapi.security.HTTPBearer": "fastapi.security.http.HTTPBearer",
    "fastapi.security.HTTPBasic": "fastapi.security.http.HTTPBasic",
    "fastapi.security.HTTPDigest": "fastapi.security.http.HTTPDigest",
    "fastapi.security.OAuth2": "fastapi.security.oauth2.OAuth2",
    "fastapi.security.OAuth2PasswordBearer": "fastapi.security.oauth2.OAuth2PasswordBearer",
    "fastapi.security.OAuth2PasswordRequestForm": "fastapi.security.oauth2.OAuth2PasswordRequestForm",
    "fastapi.security.OAuth2PasswordRequestFormStrict": "fastapi.security.oauth2.OAuth2PasswordRequestFormStrict",
    "fastapi.security.OAuth2AuthorizationCodeBearer": "fastapi.security.oauth2.OAuth2AuthorizationCodeBearer",
    "fastapi.security.APIKeyHeader": "fastapi.security.api_key.APIKeyHeader",
    "fastapi.security.APIKeyQuery": "fastapi.security.api_key.APIKeyQuery",
    "fastapi.security.APIKeyCookie": "fastapi.security.api_key.APIKeyCookie",
    "fastapi.security.OpenIdConnect": "fastapi.security.open_id_connect_url.OpenIdConnect",
}
SCHEMES = frozenset(_RUN_TIME_NAMES) - {
    "fastapi.security.OAuth2PasswordRequestForm",
    "fastapi.security.OAuth2PasswordRequestFormStrict",
}
SCHEME_NAMES = frozenset(_RUN_TIME_NAMES[s] for s in SCHEMES)


@dataclass(slots=True, eq=False)
class Dependency:
    """One callable that FastAPI calls for a route, with those it needs itself.

    `name` is canonical as the run time has it, `function` the function whose body runs (None for library ones), `level`
    where it was asked for: app, include, router, route, parameter; "" for those of other dependencies. `conditional`
    when configuration decides whether it is asked for at all.
    """

    name: str
    value: Value
    function: Function | None
    external: External | None
    place: Place
    scopes: tuple[str, ...] = ()
    security: bool = False
    level: str = ""
    param: str = ""
    conditional: bool = False
    children: list[Dependency] = field(default_factory=list)

    def walk(self) -> Iterator[Dependency]:
        """This dependency and all below it, each before what it needs."""
        stack = [self]
        while stack:
            current = stack.pop()
            yield current
            stack.extend(reversed(current.children))


@dataclass(frozen=True, slots=True)
class Parameter:
    """A parameter of a callable as FastAPI reads it: name, annotation value, default value (None: none given)."""

    name: str
    annotation: Value
    default: Value


class Dependencies:
    """Builds dependency trees from the values the interpreter left."""

    def __init__(self, run: Interpreter) -> None:
        self.run = run
        self._trees: dict[object, list[Dependency]] = {}
        self._parameters: dict[int, list[Parameter]] = {}

    def of_call(self, call: Value) -> list[Dependency]:
        """Dependencies that the parameters of a callable ask for."""
        key = _key(call)
        if key not in self._trees:
            self._trees[key] = []
            self._trees[key] = list(self._of_parameters(call, frozenset((key,)), 0))
        return self._trees[key]

    def make(self, dep: Dep, level: str, seen: frozenset[object] = frozenset(), depth: int = 0) -> Dependency | None:
        """The tree below one `Depends(...)`."""
        call = plain(dep.call)
        if call is None:
            return None
        return self._node(call, dep, level, "", seen, depth)

    def _node(self, call: Value, dep: Dep, level: str, param: str, seen: frozenset[object], depth: int) -> Dependency:
        external = call if isinstance(call, External) else External(call.dotted) if isinstance(call, Made) else None
        node = Dependency(
            call_name(call),
            call,
            function_of(self.run, call),
            external,
            dep.place,
            dep.scopes,
            dep.security,
            level,
            param,
        )
        key = _key(call)
        if key in seen or depth > MAX_TREE_DEPTH:
            return node
        if key not in self._trees:
            found = list(self._of_parameters(call, seen | {key}, depth + 1))
            if depth < 4:
                self._trees[key] = found
            node.children = found
        else:
            node.children = self._trees[key]
        return node

    def _of_parameters(self, call: Value, seen: frozenset[object], depth: int) -> Iterator[Dependency]:
        for parameter in self.parameters(call):
            dep, annotation = dependency_of(parameter)
            if dep is None:
                continue
            target = plain(dep.call) if dep.call is not None else annotation
            if isinstance(target, Generic):
                target = target.base if isinstance(target.base, Cls) else target
            if target is None:
                continue
            level = "parameter" if depth == 0 else ""
            yield self._node(target, dep, level, parameter.name, seen, depth)

    # Parameters

    def parameters(self, call: Value) -> list[Parameter]:
        """Parameters of a callable, as FastAPI sees them (`functools.wraps` is followed)."""
        if id(call) not in self._parameters:
            try:
                self._parameters[id(call)] = list(self._read(call, 0))
            except RecursionError:
                self._parameters[id(call)] = []
        return self._parameters[id(call)]

    def _read(self, call: Value, depth: int) -> Iterator[Parameter]:
        call = plain(call)
        if depth > 8:
            return
        given = signature_of(call)
        if given is not None:
            yield from _given_parameters(given)
        elif isinstance(call, Func):
            if call.wrapped is not None:
                yield from self._read(call.wrapped, depth + 1)
            elif _is_view(call):
                yield Parameter("self", call.owner, Dep(call.owner, (), False, call.function.place()))
                yield from list(self._of_function(call))[1:]
            else:
                yield from self._of_function(call)
        elif isinstance(call, Bound):
            yield from list(self._read(call.func, depth + 1))[1:]
        elif isinstance(call, Partial):
            rest = list(self._read(call.func, depth + 1))[len(call.args) :]
            yield from (
                Parameter(p.name, p.annotation, call.kwargs.get(p.name, p.default))
                if p.name not in call.kwargs
                else Parameter(p.name, None, call.kwargs[p.name])
                for p in rest
            )
        elif isinstance(call, Inst) and isinstance(call.cls, Cls):
            found = self.run.class_variable(call.cls, "__call__")
            if found is not None:
                yield from self._read(self.run.bind(found[0], call, call.cls), depth + 1)
        elif isinstance(call, Cls):
            yield from self._of_class(call, depth)

    def _of_class(self, cls: Cls, depth: int) -> Iterator[Parameter]:
        """Parameters of `__init__`; of a class-based view, or without `__init__`, the annotated attributes as well."""
        init = self.run.class_variable(cls, "__init__") or self.run.class_variable(cls, "__new__")
        is_view = "__signature__" in cls.body.vars or any("cbv" in name for name in cls.decorators)
        if init is not None and isinstance(init[0], Func) and init[0].function.owner is not None:
            yield from list(self._read(init[0], depth + 1))[1:]
        if is_view or init is None:
            yield from self._attributes(cls)

    def _attributes(self, cls: Cls) -> Iterator[Parameter]:
        for base in reversed(self.run.mro(cls)):
            if not isinstance(base, Cls):
                continue
            for node in base.scope.node.body:
                if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
                    annotation = self.run.annotation(node.annotation, base.body)
                    default = self.run.eval(node.value, base.body) if node.value is not None else None
                    yield Parameter(node.target.id, annotation, default)

    def _of_function(self, func: Func) -> Iterator[Parameter]:
        defaults = self.run.defaults(func)
        for arg, _ in func.function.params:
            annotation = self.run.annotation(arg.annotation, func.env) if arg.annotation is not None else None
            yield Parameter(arg.arg, annotation, defaults.get(arg.arg))


def _given_parameters(given: dict[Value, Value]) -> Iterator[Parameter]:
    """Parameters of a signature that code made at run time."""
    for made in given.values():
        if isinstance(made, Made) and made.attrs is not None:
            annotation, default = made.attrs["annotation"], made.attrs["default"]
            name = text_of(made.attrs["name"]) or ""
            yield Parameter(name, None if annotation is EMPTY else annotation, None if default is EMPTY else default)


def _is_view(func: Func) -> bool:
    """A method that serves a route without an object: a class-based view, whose object is a dependency itself."""
    params = func.function.params
    return func.owner is not None and func.kind == "" and bool(params) and params[0][0].arg == "self"


def dependency_of(parameter: Parameter) -> tuple[Dep | None, Value]:
    """The `Depends` of a parameter (by default or in `Annotated`), and its type."""
    annotation = plain(parameter.annotation)
    default = plain(parameter.default)
    if isinstance(default, Dep):
        return default, annotation.type if isinstance(annotation, AnnotatedType) else annotation
    if isinstance(annotation, AnnotatedType):
        found = [m for m in map(plain, annotation.metadata) if isinstance(m, Dep)]
        return (found[-1] if found else None), annotation.type
    return None, annotation


def unwrapped(value: Value) -> Value:
    """The function below `functools.wraps`, `partial` and binding to an object."""
    for _ in range(20):
        if isinstance(value, Func) and value.wrapped is not None:
            value = plain(value.wrapped)
        elif isinstance(value, (Bound, Partial)):
            value = plain(value.func)
        else:
            break
    return value


def function_of(run: Interpreter, call: Value) -> Function | None:
    """The function whose body runs when a value is called, None for library ones and classes without `__init__`."""
    call = unwrapped(call)
    if isinstance(call, Func):
        return call.function
    if isinstance(call, Inst) and isinstance(call.cls, Cls):
        found = run.class_variable(call.cls, "__call__")
        return function_of(run, found[0]) if found is not None and not isinstance(found[0], Inst) else None
    if isinstance(call, Cls):
        found = run.class_variable(call, "__init__")
        return found[0].function if found is not None and isinstance(found[0], Func) else None
    return None


def call_name(call: Value) -> str:
    """Canonical name of a callable as the run time has it: instances end in `()`, closures keep `<locals>`."""
    if isinstance(call, Partial):
        return "functools.partial()"
    call = unwrapped(call)
    if isinstance(call, Func):
        return call.function.dotted
    if isinstance(call, Cls):
        return call.scope.dotted
    if isinstance(call, Inst):
        return (call.cls.scope.dotted if isinstance(call.cls, Cls) else run_time_name(call.cls.dotted)) + "()"
    if isinstance(call, External):
        return run_time_name(call.dotted)
    if isinstance(call, Made):
        return run_time_name(call.dotted) + "()"
    if isinstance(call, AnnotatedType):
        return "typing._AnnotatedAlias()"
    if isinstance(call, LibraryFunction):
        return call.dotted
    if isinstance(call, Unknown):
        return call.dotted or "?"
    return type_text(call)


def run_time_name(dotted: str) -> str:
    return _RUN_TIME_NAMES.get(dotted, dotted)


def type_text(value: Value) -> str:
    """A type as written, its names canonical: `list[app.schemas.User]`, `typing.Optional[int]`."""
    value = plain(value)
    if value is None:
        return "None"
    if value is ...:
        return "..."
    if isinstance(value, Cls):
        return value.scope.dotted
    if isinstance(value, External):
        return value.dotted.removeprefix("builtins.")
    if isinstance(value, Generic):
        if isinstance(value.base, External) and value.base.dotted == "typing.Literal":
            return f"typing.Literal[{', '.join(repr(plain(a)) for a in value.args)}]"
        return f"{type_text(value.base)}[{', '.join(type_text(a) for a in value.args)}]"
    if isinstance(value, UnionType):
        return " | ".join(type_text(o) for o in value.options)
    if isinstance(value, AnnotatedType):
        return type_text(value.type)
    if isinstance(value, (list, tuple)):
        return "[" + ", ".join(type_text(v) for v in value) + "]"
    if isinstance(value, Unknown):
        return value.dotted or "?"
    if isinstance(value, (Made, Inst)):
        return call_name(value)
    return str(value) if isinstance(value, (str, int)) else "?"


def _key(call: Value) -> object:
    """Identity of a callable: bound methods are made anew each time they are read."""
    if isinstance(call, Bound):
        return ("bound", id(call.func), id(call.receiver))
    if isinstance(call, External):
        return call.dotted
    return id(call)
