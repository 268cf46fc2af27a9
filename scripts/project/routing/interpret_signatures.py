"""Signatures that code reads, changes and gives to functions (`inspect`, `makefun`): FastAPI reads those."""

from __future__ import annotations

from collections.abc import Callable

from project.language.names import External
from project.routing.interpret_values import Bound, Cls, Func, Given, Made, Native, Partial, Unknown, Value, plain

SIGNATURE, PARAMETER = "inspect.Signature", "inspect.Parameter"
EMPTY = External("inspect.Parameter.empty")


def signature_of(value: Value) -> dict[Value, Value] | None:
    """Parameters by name of a signature that was given to a function or class, None when there is none."""
    given: Value = None
    if isinstance(value, Func) and value.attrs is not None:
        given = value.attrs.get("__signature__")
    elif isinstance(value, Cls):
        given = value.body.vars.get("__signature__")
    parameters = given.attrs.get("parameters") if isinstance(given, Made) and given.attrs is not None else None
    return parameters if isinstance(parameters, dict) else None


def _signature(call: Given) -> Value:
    """`inspect.signature(f)`"""
    value = call.plain(0)
    skipped = 0
    while isinstance(value, (Bound, Partial)) or (isinstance(value, Func) and value.wrapped is not None):
        if signature_of(value) is not None:
            break
        skipped += isinstance(value, Bound)
        value = plain(value.wrapped if isinstance(value, Func) else value.func)
    known = signature_of(value)
    if known is None and isinstance(value, Func):
        known = _read(call, value)
    if known is None:
        return Unknown("inspect.signature()")
    return _made_signature(call, list(known.values())[skipped:])


def _read(call: Given, func: Func) -> dict[Value, Value]:
    defaults = call.run.defaults(func)
    found: dict[Value, Value] = {}
    for arg, _ in func.function.params:
        annotation = call.run.annotation(arg.annotation, func.env) if arg.annotation is not None else EMPTY
        found[arg.arg] = _made_parameter(call, arg.arg, defaults.get(arg.arg, EMPTY), annotation)
    return found


def _made_signature(call: Given, parameters: list[Value]) -> Made:
    by_name: dict[Value, Value] = {}
    for parameter in map(plain, parameters):
        if isinstance(parameter, Made) and parameter.attrs is not None:
            by_name[parameter.attrs["name"]] = parameter
    return Made(SIGNATURE, [], {}, call.place(), {"parameters": by_name, "return_annotation": EMPTY})


def _made_parameter(call: Given, name: Value, default: Value, annotation: Value, kind: Value = None) -> Made:
    kind = kind if kind is not None else External(f"{PARAMETER}.POSITIONAL_OR_KEYWORD")
    attrs: dict[str, Value] = {"name": name, "default": default, "annotation": annotation, "kind": kind}
    return Made(PARAMETER, [], {}, call.place(), attrs)


def _new_signature(call: Given) -> Value:
    return _made_signature(call, call.items(0, "parameters") or [])


def _new_parameter(call: Given) -> Value:
    default, annotation = call.kwargs.get("default", EMPTY), call.kwargs.get("annotation", EMPTY)
    return _made_parameter(call, call.plain(0, "name"), default, annotation, call.value(1, "kind"))


def replaced(made: Made) -> Native:
    """`signature.replace(parameters=...)`, `parameter.replace(default=...)`"""

    def replace(call: Given) -> Value:
        if made.dotted == SIGNATURE and "parameters" in call.kwargs:
            return _made_signature(call, call.run.items(call.kwargs["parameters"]) or [])
        return Made(made.dotted, [], {}, call.place(), {**(made.attrs or {}), **call.kwargs})

    return Native("replace()", replace)


def _with_signature(call: Given) -> Value:
    """`@makefun.with_signature(signature)`"""
    given = call.plain(0, "func_signature")

    def apply(inner: Given) -> Value:
        target = inner.value(0)
        if isinstance(target, Func) and isinstance(given, Made):
            target.attrs = {**(target.attrs or {}), "__signature__": given}
        return target

    return Native("makefun.with_signature()", apply)


SIGNATURES: dict[str, Callable[[Given], Value]] = {
    "inspect.signature": _signature,
    SIGNATURE: _new_signature,
    PARAMETER: _new_parameter,
    "makefun.with_signature": _with_signature,
}
