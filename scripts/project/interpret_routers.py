"""FastAPI's own part: what applications and routers do when they are made, and what their methods register."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from project.interpret_values import (
    Bound,
    Choice,
    Cls,
    Entry,
    Func,
    Handler,
    Inst,
    Made,
    Maybe,
    Middleware,
    Native,
    Partial,
    RouterState,
    Site,
    Unknown,
    Value,
    is_unknown,
    options_of,
    plain,
    text_of,
)
from project.names import External
from project.scopes import parent

if TYPE_CHECKING:
    from project.interpret_calls import Calls

APP_CLASSES = frozenset(
    "fastapi.FastAPI starlette.applications.Starlette cadwyn.Cadwyn cadwyn.applications.Cadwyn fastapi_offline.FastAPIOffline "
    "fastapi_offline.core.FastAPIOffline".split()
)
ROUTER_CLASSES = frozenset(
    "fastapi.APIRouter starlette.routing.Router cadwyn.VersionedAPIRouter cadwyn.structure.VersionedAPIRouter cadwyn.routing.VersionedAPIRouter "
    "fastapi_utils.inferring_router.InferringRouter fastapi_utils.InferringRouter fastapi_restful.inferring_router.InferringRouter "
    "fastapi_versionizer.VersionedAPIRouter classy_fastapi.Routable".split()
)
VERBS = ("get", "post", "put", "patch", "delete", "head", "options", "trace")
REGISTERING = frozenset(("include_router", "add_api_route", "api_route", "add_api_websocket_route"))
PLACEHOLDER = "fastapi.datastructures.DefaultPlaceholder"
_OTHER_LIBRARIES = frozenset(
    "flask typer click sanic litestar starlite robyn aiohttp bottle falcon quart respx responses requests httpx redis cache nicegui "
    "ninja celery slowapi socketio strawberry discord telegram aiogram slack_bolt mcp fastmcp dash pytest mock unittest".split()
)

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

Method = Callable[["Calls", Inst, "list[Value]", "dict[str, Value]", Site], Value]


def make_router(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site, is_app: bool) -> None:
    """Give an object the state of an application or router, as its library constructor does."""
    if inst.state is None:
        inst.state = RouterState(is_app, run.place(site), site[0].scope, site[1], owner=inst, conditional=run.conditional > 0)
        inst.state.factory = run.active[-1] if run.active else None
        run.routers.append(inst)
    _configure(run, inst, args, kwargs, site)


def _configure(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    state = inst.state
    assert state is not None
    state.kwargs.update(kwargs)
    if "prefix" in kwargs:
        state.prefix = kwargs["prefix"]
    for name, target in (("tags", state.tags), ("dependencies", state.dependencies)):
        target.extend(run.items(kwargs.get(name)) or [])
    for route in run.items(kwargs.get("routes")) or []:
        _append_route(run, state, plain(route), site)
    for item in run.items(kwargs.get("middleware")) or []:
        made = plain(item)
        if isinstance(made, Made) and made.args:
            state.middleware.append(Middleware(made.args[0], made.kwargs, made.place, run.conditional > 0, site[0].scope, site[1]))
    handlers = plain(kwargs.get("exception_handlers"))
    if isinstance(handlers, dict):
        state.handlers.extend(Handler(k, v, run.place(site)) for k, v in handlers.items())
    for name in ("startup", "shutdown"):
        state.events.extend((name, f, run.place(site)) for f in run.items(kwargs.get(f"on_{name}")) or [])
    return None


def _append_route(run: Calls, state: RouterState, route: Value, site: Site) -> None:
    """A route object in `routes=[...]`."""
    if isinstance(route, Entry):
        state.entries.append(route)
    if not isinstance(route, Made):
        return
    names = ("path", "endpoint") if route.dotted.endswith("Route") else ("path", "app")
    given = {**dict(zip(names, route.args)), **route.kwargs}
    inst = state.owner
    assert inst is not None
    kind = route.dotted.rsplit(".", 1)[-1]
    if kind == "APIRoute":
        _add_api_route(run, inst, [], given, site)
    elif kind == "APIWebSocketRoute":
        _add_websocket(run, inst, [], given, site)
    elif kind == "Mount":
        _mount(run, inst, [], given, site)


# Registration


def _add_api_route(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("path", "endpoint"), args)), **kwargs}
    path, endpoint = given.pop("path", None), given.pop("endpoint", None)
    methods = tuple(dict.fromkeys(m.upper() for v in run.items(given.pop("methods", None)) or [] if (m := text_of(v)) is not None))
    _add(run, inst, "route", path, endpoint, methods or ("GET",), given, site)
    return None


def _add_websocket(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("path", "endpoint", "name"), args)), **kwargs}
    path, endpoint = given.pop("path", None), given.pop("endpoint", None)
    _add(run, inst, "websocket", path, endpoint, (), given, site)
    return None


def _add(
    run: Calls, inst: Inst, kind: str, path: Value, endpoint: Value, methods: tuple[str, ...], options: dict[str, Value], site: Site
) -> None:
    state = inst.state
    assert state is not None
    paths = options_of(plain(path))
    if isinstance(plain(endpoint), Choice):
        _each(run, plain(endpoint), lambda one: _add(run, inst, kind, path, one, methods, options, site))
        return
    for one in paths:
        full = join(state.prefix, one)
        if full is None:
            run.note(site, f"its path is not known{_origin(one)}")
        elif not is_endpoint(plain(endpoint)):
            run.note(site, f"the function it serves is not known{_origin(plain(endpoint))}")
        else:
            state.entries.append(
                Entry(
                    kind,
                    full,
                    run.place(site),
                    run.conditional > 0 or len(paths) > 1,
                    plain(endpoint),
                    methods,
                    options,
                    list(state.dependencies),
                    run.items(options.get("dependencies")) or [],
                    [*state.tags, *(run.items(options.get("tags")) or [])],
                )
            )


def is_endpoint(value: Value) -> bool:
    """Whether a value can be called for a request and is known well enough to say where it stands."""
    if isinstance(value, (Bound, Partial)):
        return is_endpoint(value.func)
    return isinstance(value, (Func, Cls)) or isinstance(value, Inst) and isinstance(value.cls, Cls)


def join(prefix: Value, path: Value) -> str | None:
    a, b = (text_of(v) if v is not None else "" for v in (prefix, path))
    return a + b if a is not None and b is not None else None


def _origin(value: Value) -> str:
    if isinstance(value, (Unknown, Made)) and value.dotted:
        return f" ({value.dotted[:80]})"
    return f" ({value.dotted})" if isinstance(value, External) else ""


def _each(run: Calls, value: Value, act: Callable[[Value], None]) -> None:
    run.conditional += 1
    for option in options_of(value):
        if option is not None:
            act(option)
    run.conditional -= 1


def _decorator(name: str) -> Method:
    """`router.get(path, ...)` and its like: what it gives registers the function it is applied to."""

    def method(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
        given = {**dict(zip(("path",), args)), **kwargs}
        if name in VERBS:
            given["methods"] = [name.upper()]
        if isinstance(inst.cls, Cls) and inst.state is not None and not inst.state.is_app:
            found = run.class_variable(inst.cls, "api_route") if name != "api_route" else None
            if found is not None:
                return run.call(Bound(found[0], inst), [], {**_defaults(), **given}, site)

        def apply(run: Calls, targets: list[Value], _: dict[str, Value], __: Site) -> Value:
            endpoint = targets[0] if targets else None
            adder = run.class_variable(inst.cls, "add_api_route") if isinstance(inst.cls, Cls) and inst.state and not inst.state.is_app else None
            if adder is not None:
                options = {**_defaults(), **given}
                run.call(Bound(adder[0], inst), [options.pop("path", None), endpoint], options, site)
            else:
                _add_api_route(run, inst, [], {**given, "endpoint": endpoint}, site)
            return endpoint

        return Native(f"router.{name}()", apply)

    return method


def _defaults() -> dict[str, Value]:
    """The keyword arguments FastAPI itself passes on to an overridden `add_api_route`."""
    empty = ("status_code tags dependencies summary description responses deprecated operation_id response_model_include "
             "response_model_exclude name openapi_extra callbacks").split()
    return {
        **dict.fromkeys(empty),
        "response_model": placeholder(None),
        "response_class": placeholder(External("starlette.responses.JSONResponse")),
        "generate_unique_id_function": placeholder(None),
        "include_in_schema": True,
        "response_description": "Successful Response",
        "response_model_by_alias": True,
        "response_model_exclude_unset": False,
        "response_model_exclude_defaults": False,
        "response_model_exclude_none": False,
    }


def placeholder(value: Value) -> Made:
    """FastAPI's mark for an argument that was not given."""
    from project.place import Place

    return Made(PLACEHOLDER, [value], {}, Place("", 0, 0), {"value": value})


def _websocket(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("path", "name"), args)), **kwargs}

    def apply(run: Calls, targets: list[Value], _: dict[str, Value], __: Site) -> Value:
        endpoint = targets[0] if targets else None
        _add_websocket(run, inst, [], {**given, "endpoint": endpoint}, site)
        return endpoint

    return Native("router.websocket()", apply)


def _include(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("router", "prefix"), args)), **kwargs}
    target = given.pop("router", None)
    state = inst.state
    assert state is not None
    if isinstance(target, Maybe) or isinstance(plain(target), Choice):
        _each(run, plain(target), lambda one: (_include(run, inst, [one], given, site), None)[1])
        return None
    target = plain(target)
    if not isinstance(target, Inst) or target.state is None:
        if target is not None:
            run.note(site, f"the router it includes is not known{_origin(target)}")
        return None
    prefixes = options_of(plain(given.get("prefix", "")))
    for prefix in prefixes:
        full = join(state.prefix, prefix)
        if full is None:
            run.note(site, f"the prefix it includes a router under is not known{_origin(prefix)}")
            continue
        target.state.included = True
        state.entries.append(
            Entry(
                "include",
                full,
                run.place(site),
                run.conditional > 0 or len(prefixes) > 1,
                options=given,
                router_dependencies=list(state.dependencies),
                dependencies=run.items(given.get("dependencies")) or [],
                tags=[*state.tags, *(run.items(given.get("tags")) or [])],
                target=target,
                snapshot=tuple(target.state.entries),
            )
        )
    return None


def _include_versioned(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    """Cadwyn serves versions of the same routes, chosen by a header: paths stay as written, but not every version has each."""
    run.conditional += 1
    for router in args:
        _include(run, inst, [router], {}, site)
    run.conditional -= 1
    return None


def _mount(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("path", "app", "name"), args)), **kwargs}
    state = inst.state
    assert state is not None
    path = text_of(given.get("path", given.get("host", "")))
    app = plain(given.get("app"))
    targets = [t for one in options_of(app) if (t := served_app(one)) is not None]
    if path is None:
        run.note(site, "the path it mounts an application at is not known")
        return None
    for target in targets or [None]:
        if target is not None and target.state is not None:
            target.state.mounted = True
        state.entries.append(
            Entry("mount", path.rstrip("/"), run.place(site), run.conditional > 0 or len(targets) > 1, app, target=target, options=given)
        )
    if not targets and isinstance(app, Unknown):
        run.note(site, f"the application it mounts is not known{_origin(app)}")
    return None


def _host(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    given = {**dict(zip(("host", "app", "name"), args)), **kwargs}
    return _mount(run, inst, [], {"path": "", "app": given.get("app"), "host": given.get("host")}, site)


def served_app(value: Value, depth: int = 0) -> Inst | None:
    """The application that a value is, or that it wraps as ASGI middleware does."""
    value = plain(value)
    if isinstance(value, Inst):
        if value.state is not None:
            return value
        inner = [value.attrs.get(n) for n in ("app", "asgi_app", "_app", "other_asgi_app")]
    elif isinstance(value, Made):
        inner = [*value.kwargs.values(), *value.args]
    elif isinstance(value, Choice):
        inner = list(value.options)
    else:
        return None
    return next((found for v in inner if depth < 4 and (found := served_app(v, depth + 1)) is not None), None)


def _plain_route(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    """Starlette's own routes: no prefix, no dependencies, no schema."""
    given = {**dict(zip(("path", "route", "methods"), args)), **kwargs}
    assert inst.state is not None
    inst.state.entries.append(
        Entry("plain", text_of(given.get("path")) or "", run.place(site), run.conditional > 0, plain(given.get("route")), options=given)
    )
    return None


def _plain_decorator(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    def apply(run: Calls, targets: list[Value], _: dict[str, Value], __: Site) -> Value:
        _plain_route(run, inst, [args[0] if args else kwargs.get("path"), *targets], kwargs, site)
        return targets[0] if targets else None

    return Native("router.route()", apply)


def _frontend(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    assert inst.state is not None
    given = {**dict(zip(("path",), args)), **kwargs}
    inst.state.entries.append(Entry("frontend", text_of(given.get("path")) or "", run.place(site), run.conditional > 0, options=given))
    return None


def _add_middleware(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    assert inst.state is not None
    value = args[0] if args else kwargs.get("middleware_class")
    inst.state.middleware.append(Middleware(value, kwargs, run.place(site), run.conditional > 0, site[0].scope, site[1]))
    return None


def _middleware(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    return Native("app.middleware()", lambda run, targets, _, __: (_add_middleware(run, inst, targets, {}, site), targets[0] if targets else None)[1])


def _add_handler(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    assert inst.state is not None
    given = [*args, *kwargs.values()]
    if len(given) >= 2:
        inst.state.handlers.append(Handler(given[0], given[1], run.place(site)))
    return None


def _handler(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    exception = [*args, *kwargs.values()][:1]
    return Native(
        "app.exception_handler()",
        lambda run, targets, _, __: (_add_handler(run, inst, [*exception, *targets], {}, site), targets[0] if targets else None)[1],
    )


def _on_event(run: Calls, inst: Inst, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value:
    kind = text_of(args[0]) if args else text_of(kwargs.get("event_type"))

    def apply(run: Calls, targets: list[Value], _: dict[str, Value], __: Site) -> Value:
        assert inst.state is not None
        inst.state.events.append((kind or "", targets[0] if targets else None, run.place(site)))
        return targets[0] if targets else None

    return apply(run, args[1:], {}, site) if len(args) > 1 else Native("app.on_event()", apply)


_METHODS: dict[str, Method] = {
    **{verb: _decorator(verb) for verb in VERBS},
    "api_route": _decorator("api_route"),
    "add_api_route": _add_api_route,
    "websocket": _websocket,
    "add_api_websocket_route": _add_websocket,
    "include_router": _include,
    "mount": _mount,
    "host": _host,
    "add_route": _plain_route,
    "route": _plain_decorator,
    "add_websocket_route": _plain_route,
    "websocket_route": _plain_decorator,
    "frontend": _frontend,
    "add_middleware": _add_middleware,
    "middleware": _middleware,
    "exception_handler": _handler,
    "add_exception_handler": _add_handler,
    "on_event": _on_event,
    "add_event_handler": _on_event,
    "__init__": _configure,
    "generate_and_include_versioned_routers": _include_versioned,
}


def router_attribute(run: Calls, inst: Inst, name: str) -> Value:
    """An attribute of the library's application or router class."""
    state = inst.state
    assert state is not None
    method = _METHODS.get(name)
    if method is not None:
        return Native(f"router.{name}", lambda run, args, kwargs, site: method(run, inst, args, kwargs, site))  # type: ignore[arg-type]
    if name in ("prefix", "tags", "dependencies"):
        return getattr(state, name)
    if name == "routes":
        return state.entries
    if name == "router" and state.is_app:
        if state.router is None:
            state.router = Inst(External("fastapi.APIRouter"), state=state, place=inst.place)
        return state.router
    if name == "state":
        inst.attrs["state"] = Made("starlette.datastructures.State", [], {}, state.place, {})
        return inst.attrs["state"]
    return state.kwargs.get(name, _APP_DEFAULTS.get(name, Unknown(f"router.{name}")) if state.is_app else Unknown(f"router.{name}"))


def handed_over(run: Calls, dotted: str, args: list[Value], kwargs: dict[str, Value], site: Site) -> None:
    """Note a call that looks like a registration on something that is not known to be a router."""
    _, node = site
    last = dotted.rsplit(".", 1)[-1]
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute) or node.func.attr != last:
        return
    first = plain(args[0]) if args else plain(kwargs.get("path"))
    if dotted.split(".", 1)[0].split("(", 1)[0] in _OTHER_LIBRARIES:
        return
    if last in REGISTERING:
        run.note(site, f"the router it registers on is not known ({dotted[:80]})")
    elif (last in VERBS or last == "websocket") and _is_decorator(node) and (isinstance(first, str) and first[:1] in ("", "/") or is_unknown(first)):
        run.note(site, f"the router it registers on is not known ({dotted[:80]})")


def _is_decorator(node: ast.AST) -> bool:
    holder = parent(node)
    return isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)) and node in holder.decorator_list
