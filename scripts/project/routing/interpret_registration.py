"""How routes get onto a router: decorators, `add_api_route`, WebSockets, Starlette's own routes."""

from __future__ import annotations

from collections.abc import Callable

from project.language.names import External
from project.place import Place
from project.routing.interpret_values import (
    Bound,
    Choice,
    Cls,
    Entry,
    Func,
    Given,
    Inst,
    LibraryFunction,
    Made,
    Native,
    Partial,
    RouterState,
    Unknown,
    Value,
    options_of,
    plain,
    text_of,
)

Method = Callable[[Given, Inst], Value]

VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
PLACEHOLDER = "fastapi.datastructures.DefaultPlaceholder"


def named(call: Given, *names: str) -> dict[str, Value]:
    """The arguments of a call by name, given the names of positional ones."""
    return {**dict(zip(names, call.args, strict=False)), **call.kwargs}


def state_of(inst: Inst) -> RouterState:
    """The state of an application or router; only those have methods that register."""
    assert inst.state is not None
    return inst.state


def add_api_route(call: Given, inst: Inst) -> Value:
    given = named(call, "path", "endpoint")
    names = (text_of(v) for v in call.run.items(given.pop("methods", None)) or [])
    methods = tuple(dict.fromkeys(name.upper() for name in names if name is not None))
    _add(call, inst, "route", given, methods or ("GET",))
    return None


def add_websocket(call: Given, inst: Inst) -> Value:
    _add(call, inst, "websocket", named(call, "path", "endpoint", "name"), ())
    return None


def _add(call: Given, inst: Inst, kind: str, given: dict[str, Value], methods: tuple[str, ...]) -> None:
    """Put a route on the router, for each path and function it may be; note it when one is not known."""
    options = dict(given)
    path = options.pop("path", None)
    endpoint = plain(options.pop("endpoint", None))
    if isinstance(endpoint, Choice):
        each(call, endpoint, lambda one: _add(call, inst, kind, {**given, "endpoint": one}, methods))
        return
    paths = joined(state_of(inst).prefix, path)
    if not paths:
        call.run.note(call.site, f"its path is not known{origin(path)}")
    elif not is_endpoint(endpoint):
        call.run.note(call.site, f"the function it serves is not known{origin(endpoint)}")
    else:
        maybe = call.run.conditional > 0 or len(paths) > 1
        for full in paths:
            state_of(inst).entries.append(_entry(call, inst, kind, full, endpoint, methods, options, maybe))


def _entry(
    call: Given,
    inst: Inst,
    kind: str,
    path: str,
    endpoint: Value,
    methods: tuple[str, ...],
    options: dict[str, Value],
    conditional: bool,
) -> Entry:
    state = state_of(inst)
    call.run.grant(2_000)
    return Entry(
        kind,
        path,
        call.place(),
        conditional,
        endpoint,
        methods,
        options,
        list(state.dependencies),
        call.run.items(options.get("dependencies")) or [],
        [*state.tags, *(call.run.items(options.get("tags")) or [])],
    )


def is_endpoint(value: Value) -> bool:
    """Whether a value can be called for a request and is known well enough to say where it stands."""
    if isinstance(value, (Bound, Partial)):
        return is_endpoint(value.func)
    return isinstance(value, (Func, Cls, LibraryFunction)) or (isinstance(value, Inst) and isinstance(value.cls, Cls))


def joined(prefix: Value, path: Value) -> list[str]:
    """Prefix and path as one text, several when either may be several; empty when one is not known."""
    starts, rests = ([text_of(o) if o is not None else "" for o in options_of(plain(v))] for v in (prefix, path))
    return [start + rest for start in starts for rest in rests if start is not None and rest is not None]


def origin(value: Value) -> str:
    """Where an unknown value came from, in brackets, when that is known."""
    dotted = value.dotted if isinstance(value, (Unknown, Made, External)) else ""
    return f" ({dotted[:80]})" if dotted else ""


def each(call: Given, value: Value, act: Callable[[Value], object]) -> None:
    """Do something for every value it may be, as conditional."""
    call.run.conditional += 1
    for option in options_of(plain(value)):
        if option is not None:
            act(option)
    call.run.conditional -= 1


def applied(name: str, act: Callable[[Value], object]) -> Native:
    """A decorator that does something with what it is applied to, and gives it back."""

    def apply(call: Given) -> Value:
        target = call.value(0)
        act(target)
        return target

    return Native(name, apply)


# Decorators


def decorator(name: str) -> Method:
    """`router.get(path, ...)` and its like: what it gives registers the function it is applied to."""

    def method(call: Given, inst: Inst) -> Value:
        given = named(call, "path")
        if name in VERBS:
            given["methods"] = [name.upper()]
        overridden = _override(call, inst, "api_route") if name != "api_route" else None
        if overridden is not None:
            return call.run.call(Bound(overridden, inst), [], {**_defaults(), **given}, call.site)
        return applied(f"router.{name}()", lambda endpoint: _register(call, inst, given, endpoint))

    return method


def _register(call: Given, inst: Inst, given: dict[str, Value], endpoint: Value) -> None:
    adder = _override(call, inst, "add_api_route")
    if adder is None:
        add_api_route(Given(call.run, [], {**given, "endpoint": endpoint}, call.site), inst)
        return
    options = {**_defaults(), **given}
    call.run.call(Bound(adder, inst), [options.pop("path", None), endpoint], options, call.site)


def _override(call: Given, inst: Inst, name: str) -> Value:
    """A router class's own version of a method; an application does not use those of its own class but its router's."""
    if not isinstance(inst.cls, Cls) or state_of(inst).is_app:
        return None
    found = call.run.class_variable(inst.cls, name)
    return found[0] if found is not None else None


_NOT_GIVEN = [
    "status_code",
    "tags",
    "dependencies",
    "summary",
    "description",
    "responses",
    "deprecated",
    "operation_id",
    "response_model_include",
    "response_model_exclude",
    "name",
    "openapi_extra",
    "callbacks",
]


def _defaults() -> dict[str, Value]:
    """The keyword arguments FastAPI itself passes on to an overridden `add_api_route`."""
    return {
        **dict.fromkeys(_NOT_GIVEN),
        "response_model": _placeholder(None),
        "response_class": _placeholder(External("starlette.responses.JSONResponse")),
        "generate_unique_id_function": _placeholder(None),
        "include_in_schema": True,
        "response_description": "Successful Response",
        "response_model_by_alias": True,
        "response_model_exclude_unset": False,
        "response_model_exclude_defaults": False,
        "response_model_exclude_none": False,
    }


def _placeholder(value: Value) -> Made:
    return Made(PLACEHOLDER, [value], {}, Place("", 0, 0), {"value": value})


def websocket(call: Given, inst: Inst) -> Value:
    given = named(call, "path", "name")

    def act(endpoint: Value) -> None:
        add_websocket(Given(call.run, [], {**given, "endpoint": endpoint}, call.site), inst)

    return applied("router.websocket()", act)


# Routes that are not path operations: no prefix, no dependencies, no schema


def plain_route(call: Given, inst: Inst) -> Value:
    given = named(call, "path", "route", "methods")
    _add_other(call, inst, "plain", given, plain(given.get("route", given.get("endpoint"))))
    return None


def plain_decorator(call: Given, inst: Inst) -> Value:
    given = named(call, "path", "methods")
    return applied("router.route()", lambda endpoint: _add_other(call, inst, "plain", given, endpoint))


def frontend(call: Given, inst: Inst) -> Value:
    _add_other(call, inst, "frontend", named(call, "path"), None)
    return None


def _add_other(call: Given, inst: Inst, kind: str, given: dict[str, Value], endpoint: Value) -> None:
    path = text_of(given.get("path")) or ""
    maybe = call.run.conditional > 0
    state_of(inst).entries.append(Entry(kind, path, call.place(), maybe, endpoint, options=given))
