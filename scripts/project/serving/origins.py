"""Whether a value comes from the request, and by which way: from a parameter of a path operation or dependency, through
assignments, text building, attributes and calls in other modules, to the place where it is used.

What turns it into something harmless ends the way: conversion to a number or UUID, a check against an allow-list or
pattern, a sanitiser. What cannot be followed ends it too, so that a reported way is one that exists.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from project.language.arguments import given_for
from project.language.dataflow import reaching
from project.language.scopes import Binding, Class, Function, Scope
from project.language.value_types import Bound, Instance, Value
from project.place import Place
from project.routing.parameters import Parameter, path_names
from project.serving.checked import RAISES, Checked, part_text
from project.serving.sanitizers import Sanitizers, without_special

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

MAX_DEPTH = 40
MAX_CALLERS = 12
MAX_RETURNS = 6
REQUEST = "starlette.requests.Request"
WEBSOCKET = "starlette.websockets.WebSocket"
UPLOAD = "fastapi.datastructures.UploadFile"
REQUEST_PARTS = frozenset("query_params headers path_params cookies json form body stream".split())
SOCKET_PARTS = frozenset(
    "query_params headers path_params cookies receive_text receive_json receive_bytes iter_text iter_json".split()
)
PARAMETER_KINDS = frozenset("path query header cookie body form".split())
PASSES_ON = frozenset(
    "builtins.str builtins.format builtins.list builtins.tuple builtins.set builtins.dict builtins.sorted "
    "builtins.bytes builtins.reversed os.path.join os.path.normpath os.path.abspath os.path.expanduser "
    "os.path.realpath os.fspath "
    "pathlib.Path pathlib.PurePath pathlib.Path.joinpath pathlib.Path.with_name pathlib.Path.open anyio.Path "
    "urllib.parse.unquote json.loads typing.cast copy.copy copy.deepcopy sqlalchemy.text base64.b64decode "
    "sqlalchemy.literal_column textwrap.dedent sqlalchemy.TextClause.bindparams io.BytesIO io.StringIO".split()
)
TEXT_METHODS = frozenset(
    "strip lstrip rstrip lower upper title capitalize replace format join split rsplit splitlines removeprefix "
    "removesuffix encode decode zfill ljust rjust format_map get pop setdefault values items getlist copy model_dump "
    "dict as_posix resolve absolute joinpath with_suffix unicode_string".split()
)
_READS = frozenset("io.BytesIO io.StringIO base64.b64decode".split())
_SCHEME_ONLY = re.compile(r"\s*[a-z][a-z0-9+.-]*://$", re.IGNORECASE)
_PERCENT = re.compile(r"%[^%sr(]*[sr(]")


@dataclass(frozen=True, slots=True)
class Aim:
    """What the value is for. `start`: only the beginning of a text counts (the host of an address, the target of a
    redirect); `slash`: a parameter of the path that cannot hold a slash does no harm."""

    start: bool = False
    slash: bool = False


ANYTHING = Aim()
FILE_PATH = Aim(slash=True)
ADDRESS = Aim(start=True)


@dataclass(frozen=True, slots=True)
class Way:
    """A way from request input: its places, the first being the input itself (`label` says what it is).

    `function` is the path operation or dependency that takes the input, None inside a function looked at by itself.
    """

    places: tuple[Place, ...]
    function: Function | None = None
    certainty: str = "resolved"

    @property
    def source(self) -> str:
        return (self.places[0].label if self.places else "") or "request input"

    def then(self, place: Place, certainty: str = "resolved") -> Way:
        """The way, one place longer."""
        worse = certainty if certainty != "resolved" else self.certainty
        return replace(self, places=(*self.places, place), certainty=worse)


@dataclass(frozen=True, slots=True)
class _Look:
    """What is looked for. `inside` and `only`: of the parameters of that function just this one counts as input;
    `at`: the place in the function where the value is used; `index`: the item of a tuple.
    """

    aim: Aim
    inside: Function | None = None
    only: str = ""
    at: ast.AST | None = None
    index: int | None = None


class Origins:
    """Ways from request input to places in the code."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self.sanitizers = Sanitizers(project)
        self.checked = Checked(project)
        self._routes: dict[Function, Route] = {}
        for route in project.routes:
            if route.function is not None:
                self._routes.setdefault(route.function, route)
        for route in project.routes:
            for function in route.dependency_functions:
                if isinstance(function, Function):
                    self._routes.setdefault(function, route)
        self._parameters: dict[tuple[Function, str, Aim], Way | None] = {}
        self._flows: dict[tuple[Function, str, Aim, int | None], bool] = {}
        self._bindings: dict[tuple[int, _Look], Way | None] = {}

    def way(self, expr: ast.expr | None, scope: Scope, aim: Aim = ANYTHING) -> Way | None:
        """A way from a request to `expr`, None when none is known."""
        return self._way(expr, scope, _Look(aim), 0)

    def entered_by(self, function: Function) -> Route | None:
        """The route for which FastAPI calls a function, as path operation or dependency."""
        return self._routes.get(function)

    # Expressions

    def _way(self, expr: ast.expr | None, scope: Scope, look: _Look, depth: int) -> Way | None:
        if expr is None or depth > MAX_DEPTH or self.sanitizers.harmless(expr, scope):
            return None
        if look.at is None:
            look = replace(look, at=expr)
        if isinstance(expr, ast.Name):
            return self._name(expr, scope, look, depth)
        if isinstance(expr, ast.Attribute):
            return self._attribute(expr, scope, look, depth)
        part = part_text(expr)
        if part and self._checked(part, expr, scope, look):
            return None
        if isinstance(expr, ast.Call):
            return self._call(expr, scope, look, depth)
        return self._first(_parts(expr, look.aim), scope, look, depth)

    def _first(self, parts: Iterator[ast.expr], scope: Scope, look: _Look, depth: int) -> Way | None:
        return next((w for part in parts if (w := self._way(part, scope, look, depth + 1)) is not None), None)

    def _checked(self, text: str, read: ast.expr, scope: Scope, look: _Look) -> bool:
        """Whether a value passed a test before it is read here, or before what is made from it is used."""
        places = {read, look.at or read}
        return any(self.checked.passed(text, at, scope, look.aim.start) for at in places)

    def _name(self, name: ast.Name, scope: Scope, look: _Look, depth: int) -> Way | None:
        holder: Scope | None = scope
        while holder is not None and (
            name.id not in holder.bindings or (isinstance(holder, Class) and holder is not scope)
        ):
            holder = holder.parent
        if not isinstance(holder, Function) or self._checked(name.id, name, scope, look):
            return None
        found = (self._bound(binding, holder, look, depth) for binding in reaching(holder, name.id, name))
        return next((way for way in found if way is not None), None)

    def _bound(self, binding: Binding, holder: Function, look: _Look, depth: int) -> Way | None:
        key = (id(binding), look)
        if key not in self._bindings:
            self._bindings[key] = None
            self._bindings[key] = self._binding(binding, holder, look, depth)
        return self._bindings[key]

    def _binding(self, binding: Binding, function: Function, look: _Look, depth: int) -> Way | None:
        if binding.kind == "param":
            if function is look.inside:
                return Way(()) if binding.name == look.only else None
            return self._parameter(binding, function, look.aim, depth)
        if binding.kind not in ("assign", "for", "augmented") or binding.value is None:
            return None
        if binding.kind == "assign" and binding.index is not None:
            return self._item(binding.value, binding.index, function, look, depth)
        return self._way(binding.value, function, look, depth + 1)

    def _item(self, value: ast.expr, index: int, scope: Scope, look: _Look, depth: int) -> Way | None:
        """One of several values that are unpacked: of a display, of what a function returns, of anything else."""
        inner = value.value if isinstance(value, ast.Await) else value
        if isinstance(inner, (ast.Tuple, ast.List)):
            return self._way(inner.elts[index], scope, look, depth + 1) if 0 <= index < len(inner.elts) else None
        if isinstance(inner, ast.Call) and self._project.calls.site(inner, scope).targets:
            return self._call(inner, scope, replace(look, index=index), depth + 1)
        return self._way(value, scope, look, depth + 1)

    # Parameters

    def _parameter(self, binding: Binding, function: Function, aim: Aim, depth: int) -> Way | None:
        key = (function, binding.name, aim)
        if key not in self._parameters:
            self._parameters[key] = None
            route = self._routes.get(function)
            if route is not None:
                self._parameters[key] = self._input(binding, function, route, aim, depth)
            else:
                self._parameters[key] = self._handed_over(binding, function, aim, depth)
        return self._parameters[key]

    def _input(self, binding: Binding, function: Function, route: Route, aim: Aim, depth: int) -> Way | None:
        """What FastAPI takes from the request for a parameter of a path operation or dependency."""
        parameter = next(
            (p for p in self._project.parameters.of(function, path_names(route.path)) if p.name == binding.name), None
        )
        if parameter is None:
            return None
        if parameter.kind == "dependency":
            return self._dependency(parameter, function, binding, aim, depth)
        if parameter.kind not in PARAMETER_KINDS or self._is_harmless(parameter):
            return None
        if self._refused_before(binding.name, function, route, aim):
            return None
        if parameter.kind == "path" and aim.slash and f"{{{parameter.wire_name}:path}}" not in route.path:
            return None
        return Way(
            (function.place(binding.node, f"{parameter.kind} parameter {parameter.wire_name} of {route.path}"),),
            function,
        )

    def _refused_before(self, name: str, function: Function, route: Route, aim: Aim) -> bool:
        """Whether a dependency of the route takes the same input and raises when it does not pass."""
        others = (d for d in route.dependency_functions if isinstance(d, Function) and d is not function)
        return any(d.param(name) and self.checked.judged(d, name, aim.start) == RAISES for d in others)

    def _is_harmless(self, parameter: Parameter) -> bool:
        if any(word in parameter.info for word in ("pattern", "regex")):
            return True
        return self.sanitizers.harmless_shape(parameter.shape)

    def _dependency(
        self, parameter: Parameter, function: Function, binding: Binding, aim: Aim, depth: int
    ) -> Way | None:
        for provider in parameter.providers:
            if _is_scheme(provider):
                return Way(
                    (function.place(binding.node, f"credentials of {provider.dotted.rsplit('.', 1)[-1]}"),), function
                )
            if isinstance(provider, Class) and self._project.schemas.fields_of(provider):
                return Way((function.place(binding.node, f"query parameters of {provider.name}"),), function)
            called = provider.function if isinstance(provider, Bound) else provider
            if isinstance(called, Function):
                found = self._result(called, _Look(aim), depth)
                if found is not None:
                    return found.then(function.place(binding.node, f"given to {function.name} as {binding.name}"))
        return None

    def _handed_over(self, binding: Binding, function: Function, aim: Aim, depth: int) -> Way | None:
        """What callers give for a parameter of any other function."""
        for site in self._project.calls.callers(function)[:MAX_CALLERS]:
            if site.call is None:
                continue
            given = given_for(binding.name, site.call, function)
            if aim.slash and isinstance(given, ast.Call) and _is_dump(given):
                continue
            found = self._way(given, site.scope, _Look(aim), depth + 2)
            if found is not None:
                return found.then(site.place(f"passed to {function.qualname} as {binding.name}"), site.certainty)
        return None

    # Attributes

    def _attribute(self, expr: ast.Attribute, scope: Scope, look: _Look, depth: int) -> Way | None:
        for value in self._project.values.of(expr.value, scope):
            if not isinstance(value, Instance):
                continue
            if value.dotted in (REQUEST, WEBSOCKET):
                return self._of_request(expr, scope, value.dotted)
            if value.dotted == UPLOAD:
                known = {
                    "filename": "file name sent by the client",
                    "read": "uploaded content",
                    "file": "uploaded content",
                }
                label = known.get(expr.attr) if expr.attr == "filename" or not look.aim.slash else None
                return Way((scope.place(expr, label),), self._entry(scope)) if label else None
            if value.dotted in ("pathlib.Path", "anyio.Path") and expr.attr in ("name", "stem", "suffix", "parent"):
                return None
        if self._checked(ast.unparse(expr), expr, scope, look):
            return None
        return self._own_attribute(expr, scope, look, depth) or self._way(expr.value, scope, look, depth + 1)

    def _of_request(self, expr: ast.Attribute, scope: Scope, kind: str) -> Way | None:
        parts = REQUEST_PARTS if kind == REQUEST else SOCKET_PARTS
        return Way((scope.place(expr, f"request {expr.attr}"),), self._entry(scope)) if expr.attr in parts else None

    def _entry(self, scope: Scope) -> Function | None:
        holder: Scope | None = scope
        while holder is not None and not (isinstance(holder, Function) and holder in self._routes):
            holder = holder.parent
        return holder if isinstance(holder, Function) else None

    def _own_attribute(self, expr: ast.Attribute, scope: Scope, look: _Look, depth: int) -> Way | None:
        """An attribute that `__init__` of the project's class takes from one of its parameters."""
        for value in self._project.values.of(expr.value, scope):
            if not isinstance(value, Instance) or not isinstance(value.cls, Class):
                continue
            init = self._project.names.class_member(value.cls, "__init__")
            if isinstance(init, Function) and init.params:
                me = init.params[0][0].arg
                for node in init.all(ast.Assign):
                    if any(_is_attribute(t, me, expr.attr) for t in node.targets):
                        return self._way(node.value, init, _Look(look.aim), depth + 2)
        return None

    # Calls

    def _call(self, call: ast.Call, scope: Scope, look: _Look, depth: int) -> Way | None:
        if without_special(call, scope):
            return None
        site = self._project.calls.site(call, scope)
        for target in site.targets[:2]:
            if target.name not in ("__init__", "__call__"):
                found = self._returned(call, target, scope, look, depth)
                if found is not None:
                    return found
        if site.targets:
            return None
        if look.aim.slash and _READS.intersection(site.names):
            return None
        if PASSES_ON.intersection(site.names):
            given = call.args[:1] if look.aim.start and "os.path.join" not in site.names else call.args
            return self._first(iter(given), scope, look, depth)
        if "urllib.parse.urljoin" in site.names:
            return self._first(iter(call.args), scope, look, depth)
        return self._method(call, call.func, scope, look, depth) if isinstance(call.func, ast.Attribute) else None

    def _method(self, call: ast.Call, func: ast.Attribute, scope: Scope, look: _Look, depth: int) -> Way | None:
        if func.attr in TEXT_METHODS:
            given = (
                [*call.args, *(k.value for k in call.keywords)] if func.attr in ("format", "join", "joinpath") else []
            )
            if func.attr == "format" and look.aim.start and not _starts_open(func.value):
                given = []
            return self._first(iter([func.value, *given]), scope, look, depth)
        if func.attr in REQUEST_PARTS or func.attr in SOCKET_PARTS or func.attr == "read":
            return self._attribute(func, scope, look, depth)
        return None

    def _returned(self, call: ast.Call, target: Function, scope: Scope, look: _Look, depth: int) -> Way | None:
        """What a project function makes of its arguments, or takes from the request itself."""
        for arg, _ in target.params:
            given = given_for(arg.arg, call, target)
            if given is not None and self._flow(target, arg.arg, look, depth):
                found = self._way(given, scope, replace(look, index=None), depth + 1)
                if found is not None:
                    return found.then(target.place(None, f"built by {target.qualname}"))
        return None

    def _flow(self, function: Function, parameter: str, look: _Look, depth: int) -> bool:
        """Whether a parameter goes into what the function returns."""
        key = (function, parameter, look.aim, look.index)
        if key not in self._flows:
            self._flows[key] = False
            inner = _Look(look.aim, function, parameter, index=look.index)
            self._flows[key] = self._result(function, inner, depth) is not None
        return self._flows[key]

    def _result(self, function: Function, look: _Look, depth: int) -> Way | None:
        returned = [r.value for r in function.all(ast.Return) if r.value is not None]
        if isinstance(function.node, ast.Lambda):
            returned = [function.node.body]
        whole = replace(look, index=None)
        found = (self._way(_picked(v, look.index), function, whole, depth + 2) for v in returned[:MAX_RETURNS])
        return next((way for way in found if way is not None), None)


def _picked(value: ast.expr, index: int | None) -> ast.expr:
    """The item of a tuple display, the value itself when it is none."""
    if index is not None and isinstance(value, ast.Tuple) and 0 <= index < len(value.elts):
        return value.elts[index]
    return value


def _parts(expr: ast.expr, aim: Aim) -> Iterator[ast.expr]:
    """Expressions whose text or elements become part of this one; for an address only those at its beginning."""
    if isinstance(expr, ast.JoinedStr):
        yield from _inserted(expr, aim)
    elif isinstance(expr, ast.BinOp) and isinstance(expr.op, (ast.Add, ast.Mod, ast.Div)):
        yield from _operands(expr, aim)
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


def _inserted(text: ast.JoinedStr, aim: Aim) -> Iterator[ast.expr]:
    before = ""
    for value in text.values:
        before, last = (str(value.value) if isinstance(value, ast.Constant) else ""), before
        if isinstance(value, ast.FormattedValue):
            if not _numeric(value) and not (aim.slash and _is_inside_name(last)):
                yield value.value
            if aim.start:
                return
        elif aim.start and not (isinstance(value, ast.Constant) and _SCHEME_ONLY.match(str(value.value))):
            return


def _is_inside_name(before: str) -> bool:
    """Whether what follows continues a file name (`report_{x}`): no folder is called `report_..`."""
    return bool(before) and not before.endswith(("/", "\\"))


def _numeric(value: ast.FormattedValue) -> bool:
    """`{x:d}`, `{x:.2f}`: only a number can be formatted so."""
    spec = value.format_spec
    last = spec.values[-1] if isinstance(spec, ast.JoinedStr) and spec.values else None
    return isinstance(last, ast.Constant) and str(last.value)[-1:] in tuple("dfxXeEgGb%")


def _operands(expr: ast.BinOp, aim: Aim) -> Iterator[ast.expr]:
    left = expr.left
    if isinstance(expr.op, ast.Mod):
        text = left.value if isinstance(left, ast.Constant) else None
        if isinstance(text, str) and not _PERCENT.search(text):
            return
        if aim.start and not (isinstance(text, str) and _SCHEME_ONLY.match(text.split("%", 1)[0] or "x://")):
            yield left
            return
        yield from (left, expr.right)
        return
    yield left
    if (
        aim.slash
        and isinstance(expr.op, ast.Add)
        and isinstance(left, ast.Constant)
        and _is_inside_name(str(left.value))
    ):
        return
    if not aim.start or (isinstance(left, ast.Constant) and _SCHEME_ONLY.match(str(left.value))):
        yield expr.right


def _starts_open(template: ast.expr) -> bool:
    text = template.value if isinstance(template, ast.Constant) else ""
    return isinstance(text, str) and (text.startswith("{") or _SCHEME_ONLY.match(text.split("{", 1)[0]) is not None)


def _is_dump(call: ast.Call) -> bool:
    """`body.model_dump()`: a mapping, no text."""
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("model_dump", "dict")


def _is_scheme(provider: Value) -> bool:
    return isinstance(provider, Instance) and provider.dotted.startswith("fastapi.security.")


def _is_attribute(target: ast.expr, owner: str, name: str) -> bool:
    return (
        isinstance(target, ast.Attribute)
        and target.attr == name
        and isinstance(target.value, ast.Name)
        and target.value.id == owner
    )
