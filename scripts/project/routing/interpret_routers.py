"""FastAPI's own part: applications and routers as they are made, and what their methods register."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import parent
from project.routing.generated import GENERATING_ROUTERS, add_generated
from project.routing.interpret_registration import (
    VERBS,
    Method,
    add_api_route,
    add_websocket,
    applied,
    decorator,
    each,
    frontend,
    joined,
    named,
    origin,
    plain_decorator,
    plain_route,
    state_of,
    websocket,
)
from project.routing.interpret_values import (
    ENTRY_POINTS,
    Choice,
    Cls,
    Entry,
    Given,
    Handler,
    Inst,
    Made,
    Maybe,
    Middleware,
    Native,
    RouterState,
    Unknown,
    Value,
    combine,
    is_unknown,
    options_of,
    plain,
    text_of,
)

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

APP_CLASSES = frozenset(
    [
        "fastapi.FastAPI",
        "starlette.applications.Starlette",
        "cadwyn.Cadwyn",
        "cadwyn.applications.Cadwyn",
        "fastapi_offline.FastAPIOffline",
        "fastapi_offline.core.FastAPIOffline",
    ]
)
ROUTER_CLASSES = frozenset(
    [
        "fastapi.APIRouter",
        "starlette.routing.Router",
        "cadwyn.VersionedAPIRouter",
        "cadwyn.structure.VersionedAPIRouter",
        "cadwyn.routing.VersionedAPIRouter",
        "fastapi_utils.inferring_router.InferringRouter",
        "fastapi_utils.InferringRouter",
        "fastapi_restful.inferring_router.InferringRouter",
        "fastapi_versionizer.VersionedAPIRouter",
        *GENERATING_ROUTERS,
    ]
)
REGISTERING = frozenset(("include_router", "add_api_route", "api_route", "add_api_websocket_route"))
_APP_DEFAULTS: dict[str, Value] = {
    "title": "FastAPI",
    "version": "0.1.0",
    "docs_url": "/docs",
    "redoc_url": "/redoc",
    "openapi_url": "/openapi.json",
    "swagger_ui_oauth2_redirect_url": "/docs/oauth2-redirect",
    "root_path": "",
    "debug": False,
}
_OTHER_LIBRARIES = frozenset(
    [
        "flask",
        "typer",
        "click",
        "sanic",
        "litestar",
        "starlite",
        "robyn",
        "aiohttp",
        "bottle",
        "falcon",
        "quart",
        "respx",
        "responses",
        "requests",
        "httpx",
        "redis",
        "cache",
        "nicegui",
        "ninja",
        "celery",
        "slowapi",
        "socketio",
        "strawberry",
        "discord",
        "telegram",
        "aiogram",
        "slack_bolt",
        "mcp",
        "fastmcp",
        "dash",
        "pytest",
        "mock",
        "unittest",
    ]
)


# Making


def make_router(call: Given, inst: Inst, is_app: bool) -> None:
    """Give an object the state of an application or router, as its library constructor does."""
    if inst.state is None:
        scope, node = call.site[0].scope, call.site[1]
        inst.state = RouterState(is_app, call.place(), scope, node, owner=inst, conditional=call.run.conditional > 0)
        inst.state.factory = call.run.active[-1] if call.run.active else None
        call.run.routers.append(inst)
        call.run.grant(30_000)
    _configure(call, inst)


def _configure(call: Given, inst: Inst) -> Value:
    state = state_of(inst)
    given = call.kwargs
    state.kwargs.update(given)
    state.prefix = given.get("prefix", state.prefix)
    state.tags.extend(call.run.items(given.get("tags")) or [])
    state.dependencies.extend(call.run.items(given.get("dependencies")) or [])
    state.entries.extend(call.run.items(given.get("routes")) or [])  # type: ignore[arg-type]
    for item in reversed(call.run.items(given.get("middleware")) or []):  # the list reads from the outside in
        made = plain(item)
        if isinstance(made, Made) and made.args:
            _append_middleware(call, inst, made.args[0], made.kwargs)
    handlers = plain(given.get("exception_handlers"))
    if isinstance(handlers, dict):
        state.handlers.extend(Handler(k, v, call.place()) for k, v in handlers.items())
    for name in ("startup", "shutdown"):
        functions = call.run.items(given.get(f"on_{name}")) or []
        state.events.extend((name, f, call.place()) for f in functions)
    return None


def _initialise(call: Given, inst: Inst) -> Value:
    """`super().__init__(...)` of a subclass."""
    _configure(call, inst)
    add_generated(call, inst)
    return None


def route_object(call: Given, cls: External | Cls, dotted: str) -> Value:
    """`APIRoute(path, endpoint, ...)` and its like, or a subclass: nothing of any router is added to it."""
    state = RouterState(False, call.place(), call.site[0].scope, call.site[1])
    ROUTE_CLASSES[dotted](call, Inst(External("fastapi.APIRouter"), state=state))
    for entry in state.entries:
        if isinstance(cls, Cls):
            entry.options["route_class_override"] = cls
    return combine(*state.entries) if state.entries else Unknown(dotted)


# Includes and mounts


def _include(call: Given, inst: Inst) -> Value:
    given = named(call, "router", "prefix")
    target = given.pop("router", None)
    if isinstance(target, Maybe) or isinstance(plain(target), Choice):
        each(call, target, lambda one: _include(Given(call.run, [one], given, call.site), inst))
        return None
    target = plain(target)
    if not isinstance(target, Inst) or target.state is None:
        if isinstance(target, Made):
            call.run.note(call.site, f"its routes are generated by {target.dotted[:80]}")
        elif target is not None:
            call.run.note(call.site, _not_known(target))
        return None
    prefixes = joined(state_of(inst).prefix, given.get("prefix", ""))
    if not prefixes:
        note = origin(plain(given.get("prefix")))
        call.run.note(call.site, f"the prefix it includes a router under is not known{note}")
    for prefix in prefixes:
        _append_include(call, inst, target, prefix, given, call.run.conditional > 0 or len(prefixes) > 1)
    return None


def _not_known(target: Value) -> str:
    found = origin(target)
    if ENTRY_POINTS in found:
        group = found.split(ENTRY_POINTS, 1)[1].split(")", 1)[0]
        return f"it includes routers of plugins, which the packages installed name ({group})"
    if found.startswith(" (item of"):
        return f"the routers it includes in a loop are not known{found}: each may hold any number of routes"
    return f"the router it includes is not known{found}"


def _append_include(
    call: Given, inst: Inst, target: Inst, path: str, given: dict[str, Value], conditional: bool
) -> None:
    state, inner = state_of(inst), state_of(target)
    inner.included = True
    call.run.grant(2_000)
    state.entries.append(
        Entry(
            "include",
            path,
            call.place(),
            conditional,
            options=given,
            router_dependencies=list(state.dependencies),
            dependencies=call.run.items(given.get("dependencies")) or [],
            tags=[*state.tags, *(call.run.items(given.get("tags")) or [])],
            target=target,
            snapshot=tuple(inner.entries),
        )
    )


def _include_versioned(call: Given, inst: Inst) -> Value:
    """Cadwyn serves versions of the same routes by a header: paths stay as written, not every version has each."""
    call.run.conditional += 1
    for router in call.args:
        _include(Given(call.run, [router], {}, call.site), inst)
    call.run.conditional -= 1
    return None


def _mount(call: Given, inst: Inst) -> Value:
    given = named(call, "path", "app", "name")
    path = text_of(given.get("path", ""))
    app = plain(given.get("app"))
    if path is None:
        call.run.note(call.site, f"the path it mounts an application at is not known{origin(plain(given.get('path')))}")
        return None
    targets = [t for one in options_of(app) if (t := served_app(one)) is not None and t.state is not inst.state]
    maybe = call.run.conditional > 0 or len(targets) > 1
    for target in targets:
        state_of(target).mounted = True
    for served in targets or (None,):
        entry = Entry("mount", path.rstrip("/"), call.place(), maybe, app, target=served, options=given)
        state_of(inst).entries.append(entry)
    if not targets and isinstance(app, Unknown):
        call.run.note(call.site, f"the application it mounts is not known{origin(app)}")
    return None


def _host(call: Given, inst: Inst) -> Value:
    given = named(call, "host", "app", "name")
    return _mount(Given(call.run, ["", given.pop("app", None)], given, call.site), inst)


def served_app(value: Value, depth: int = 0) -> Inst | None:
    """The application that a value is, or that it wraps as ASGI middleware does."""
    value = plain(value)
    inner: list[Value] = []
    if isinstance(value, Inst):
        if value.state is not None:
            return value
        inner = [value.attrs.get(n) for n in ("app", "asgi_app", "_app", "other_asgi_app")]
    elif isinstance(value, Made):
        inner = [*value.kwargs.values(), *value.args]
    elif isinstance(value, Choice):
        inner = value.options
    return next((found for v in inner if depth < 4 and (found := served_app(v, depth + 1)) is not None), None)


# Middleware, exception handlers, events


def _add_middleware(call: Given, inst: Inst) -> Value:
    _append_middleware(call, inst, call.value(0, "middleware_class"), call.kwargs)
    return None


def _append_middleware(call: Given, inst: Inst, value: Value, kwargs: dict[str, Value]) -> None:
    maybe = call.run.conditional > 0
    middleware = Middleware(value, kwargs, call.place(), maybe, call.site[0].scope, call.site[1])
    state_of(inst).middleware.append(middleware)


def _middleware(call: Given, inst: Inst) -> Value:
    return applied("app.middleware()", lambda function: _append_middleware(call, inst, function, {}))


def _add_handler(call: Given, inst: Inst) -> Value:
    given = [*call.args, *call.kwargs.values()]
    if len(given) >= 2:
        state_of(inst).handlers.append(Handler(given[0], given[1], call.place()))
    return None


def _handler(call: Given, inst: Inst) -> Value:
    exception = next(iter((*call.args, *call.kwargs.values())), None)
    handlers = state_of(inst).handlers
    return applied("app.exception_handler()", lambda f: handlers.append(Handler(exception, f, call.place())))


def _on_event(call: Given, inst: Inst) -> Value:
    kind = call.text(0, "event_type") or ""
    events = state_of(inst).events
    maybe = call.run.conditional > 0

    def add(function: Value) -> None:
        events.append((kind, Maybe(function) if maybe else function, call.place()))

    if len(call.args) + len(call.kwargs) > 1:
        add(call.value(1, "func"))
        return None
    return applied("app.on_event()", add)


_METHODS: dict[str, Method] = {
    **{verb: decorator(verb) for verb in VERBS},
    "api_route": decorator("api_route"),
    "add_api_route": add_api_route,
    "websocket": websocket,
    "add_api_websocket_route": add_websocket,
    "include_router": _include,
    "generate_and_include_versioned_routers": _include_versioned,
    "mount": _mount,
    "host": _host,
    "add_route": plain_route,
    "route": plain_decorator,
    "add_websocket_route": plain_route,
    "websocket_route": plain_decorator,
    "frontend": frontend,
    "add_middleware": _add_middleware,
    "middleware": _middleware,
    "exception_handler": _handler,
    "add_exception_handler": _add_handler,
    "on_event": _on_event,
    "add_event_handler": _on_event,
    "__init__": _initialise,
}


ROUTE_CLASSES: dict[str, Method] = {
    "fastapi.routing.APIRoute": add_api_route,
    "fastapi.routing.APIWebSocketRoute": add_websocket,
    "starlette.routing.Mount": _mount,
    "starlette.routing.Route": plain_route,
    "starlette.routing.WebSocketRoute": plain_route,
}


def library_attribute(inst: Inst, name: str) -> Value:
    """An attribute of the library's application or router class."""
    state = state_of(inst)
    method = _METHODS.get(name)
    if method is not None:
        return Native(f"router.{name}", lambda call: method(call, inst))
    if name == "router" and state.is_app:
        if state.router is None:
            state.router = Inst(External("fastapi.APIRouter"), state=state, place=inst.place)
        return state.router
    if name == "state":
        return inst.attrs.setdefault("state", Made("starlette.datastructures.State", [], {}, state.place, {}))
    held: dict[str, Value] = {
        "prefix": state.prefix,
        "tags": state.tags,
        "dependencies": state.dependencies,
        "routes": state.entries,
    }
    if name in held:
        return held[name]
    default = _APP_DEFAULTS.get(name, Unknown(f"app.{name}")) if state.is_app else Unknown(f"router.{name}")
    return state.kwargs.get(name, default)


def note_if_registration(run: Calls, dotted: str, call: Given) -> None:
    """Note a call that looks like a registration on something that is not known to be a router."""
    node = call.site[1]
    last = dotted.rsplit(".", 1)[-1]
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != last:
        return
    if dotted.split(".", 1)[0].split("(", 1)[0] in _OTHER_LIBRARIES:
        return
    if last in REGISTERING or ((last in VERBS or last == "websocket") and _decorates(node) and _has_path(call)):
        run.note(call.site, f"the router it registers on is not known ({dotted[:80]})")


def _has_path(call: Given) -> bool:
    path = call.plain(0, "path")
    return is_unknown(path) or (isinstance(path, str) and path[:1] in ("", "/"))


def _decorates(node: ast.AST) -> bool:
    holder = parent(node)
    return isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in holder.decorator_list
