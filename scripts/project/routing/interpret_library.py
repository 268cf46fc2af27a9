"""Library functions whose effect router-building code depends on, by canonical name."""

from __future__ import annotations

import ast
from collections.abc import Callable

from project.routing.generated import MARKERS
from project.routing.interpret_builtins import BUILTINS
from project.routing.interpret_files import FILES
from project.routing.interpret_signatures import SIGNATURES
from project.routing.interpret_values import (
    ENTRY_POINTS,
    Cls,
    Dep,
    Func,
    Given,
    Made,
    Native,
    Partial,
    Setting,
    Unknown,
    Value,
    text_of,
)

_TRANSPARENT = [
    "inspect.unwrap",
    "copy.copy",
    "copy.deepcopy",
    "asyncio.run",
    "pydantic.SecretStr",
    "pydantic.AnyHttpUrl",
    "pydantic.HttpUrl",
    "starlette.datastructures.Secret",
]


def _environment(call: Given) -> Value:
    """A variable of the environment: only its default is known."""
    return Setting(call.plain(1, "default"), call.text(0) or "")


def _partial(call: Given) -> Value:
    return Partial(call.plain(0), call.args[1:], call.kwargs) if call.args else Unknown("functools.partial()")


def _wraps(call: Given) -> Value:
    wrapped = call.value(0)

    def apply(inner: Given) -> Value:
        target = inner.value(0)
        if isinstance(target, Func) and wrapped is not None:
            target.wrapped = wrapped
        return target

    return Native("functools.wraps()", apply)


def _update_wrapper(call: Given) -> Value:
    target = call.value(0)
    if isinstance(target, Func) and len(call.args) > 1:
        target.wrapped = call.args[1]
    return target


def _depends(security: bool) -> Callable[[Given], Value]:
    def native(call: Given) -> Value:
        scopes = tuple(s for v in call.items(1, "scopes") or [] if (s := text_of(v)) is not None) if security else ()
        return Dep(call.plain(0, "dependency"), scopes, security, call.place())

    return native


def _namespace(call: Given) -> Value:
    return Made("types.SimpleNamespace", call.args, call.kwargs, call.place(), dict(call.kwargs))


def _entry_points(call: Given) -> Value:
    """Plugins of installed packages: which there are is not known, of which group is."""
    group = call.text(0, "group") or call.text(1, "group")
    if group is not None:
        return Unknown(f'{ENTRY_POINTS}"{group}")')
    chosen = Native("entry_points().select()", _entry_points)
    return Made(f"{ENTRY_POINTS})", [], {}, call.place(), {"select": chosen, "get": chosen})


def _route_path(call: Given) -> Value:
    scope = call.plain(0)
    return scope.get("path", Unknown()) if isinstance(scope, dict) else Unknown()


def _type_hints(call: Given) -> Value:
    """`get_type_hints(f)`: annotations of a function by parameter, and "return"."""
    value = call.plain(0)
    while isinstance(value, Func) and isinstance(value.wrapped, Func):
        value = value.wrapped
    if isinstance(value, Cls):
        return _class_hints(call, value)
    if not isinstance(value, Func):
        return Unknown("typing.get_type_hints()")
    annotations = {a.arg: a.annotation for a, _ in value.function.params}
    annotations["return"] = value.function.returns
    return {name: call.run.annotation(node, value.env) for name, node in annotations.items() if node is not None}


def _class_hints(call: Given, cls: Cls) -> dict[Value, Value]:
    found: dict[Value, Value] = {}
    for base in reversed(call.run.mro(cls)):
        for node in base.scope.all(ast.AnnAssign) if isinstance(base, Cls) else ():
            if isinstance(node.target, ast.Name) and isinstance(base, Cls):
                found[node.target.id] = call.run.annotation(node.annotation, base.body)
    return found


_ENTRY_POINTS = (
    "importlib.metadata.entry_points",
    "importlib_metadata.entry_points",
    "pkg_resources.iter_entry_points",
)
CONSTANTS: dict[str, Value] = {
    "os.sep": "/",
    "os.path.sep": "/",
    "sys.version_info": (3, 13, 0),
    "typing.TYPE_CHECKING": True,
}
NATIVES: dict[str, Callable[[Given], Value]] = {
    **BUILTINS,
    **FILES,
    **SIGNATURES,
    **MARKERS,
    **dict.fromkeys(("os.getenv", "os.environ.get", "decouple.config"), _environment),
    **dict.fromkeys(_ENTRY_POINTS, _entry_points),
    "functools.partial": _partial,
    "functools.wraps": _wraps,
    "functools.update_wrapper": _update_wrapper,
    **dict.fromkeys(_TRANSPARENT, lambda call: call.value(0, "", Unknown())),
    "typing.cast": lambda call: call.value(1, "val", Unknown()),
    "typing.get_type_hints": _type_hints,
    "types.SimpleNamespace": _namespace,
    "builtins.object.__new__": lambda call: call.run.new_object(call.plain(0), call.site),
    "builtins.type.__new__": lambda call: call.run.new_object(call.plain(0), call.site),
    "starlette._utils.get_route_path": _route_path,
    "starlette.routing.get_route_path": _route_path,
    "fastapi.Depends": _depends(False),
    "fastapi.Security": _depends(True),
}
