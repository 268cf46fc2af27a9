"""Routes that libraries generate, where their documentation says which: paths, methods, status, who is let in.

FastAPI Users 9 to 15 (fastapi-users.github.io/fastapi-users/latest/usage/routes), Strawberry
(strawberry.rocks/docs/integrations/fastapi), classy-fastapi 0.6 to 0.8, Prometheus FastAPI Instrumentator 5 to 8.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.names import External
from project.place import Place
from project.routing.interpret_values import (
    Bound,
    Cls,
    Dep,
    Func,
    Given,
    Inst,
    LibraryFunction,
    Made,
    Native,
    Value,
    plain,
    truth,
)

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

Member = Callable[[Given, Value], Value]

NOWHERE = Place("", 0, 0)
_MARK = "route of classy-fastapi"
_USERS = "fastapi_users.FastAPIUsers"
_AUTHENTICATOR = "fastapi_users.authentication.Authenticator"
_BACKEND = "fastapi_users.authentication.AuthenticationBackend"
_OAUTH_MODEL = External("fastapi_users.router.oauth.OAuth2AuthorizeResponse")


@dataclass(frozen=True, slots=True)
class _Spec:
    """One generated route. `handler` is a name inside the function that makes the router."""

    method: str
    path: str
    handler: str
    status: int = 200
    model: str = ""  # argument that is the response model
    user: bool = False  # whether only a logged-in user is let in


_USER_ROUTES: dict[str, tuple[str, list[_Spec]]] = {
    "get_auth_router": (
        "auth",
        [_Spec("POST", "/login", "login"), _Spec("POST", "/logout", "logout", user=True)],
    ),
    "get_register_router": ("register", [_Spec("POST", "/register", "register", 201, "user_schema")]),
    "get_reset_password_router": (
        "reset",
        [
            _Spec("POST", "/forgot-password", "forgot_password", 202),
            _Spec("POST", "/reset-password", "reset_password"),
        ],
    ),
    "get_verify_router": (
        "verify",
        [
            _Spec("POST", "/request-verify-token", "request_verify_token", 202),
            _Spec("POST", "/verify", "verify", model="user_schema"),
        ],
    ),
    "get_users_router": (
        "users",
        [
            _Spec("GET", "/me", "me", model="user_schema", user=True),
            _Spec("PATCH", "/me", "update_me", model="user_schema", user=True),
            _Spec("GET", "/{id}", "get_user", model="user_schema", user=True),
            _Spec("PATCH", "/{id}", "update_user", model="user_schema", user=True),
            _Spec("DELETE", "/{id}", "delete_user", 204, user=True),
        ],
    ),
    "get_oauth_router": (
        "oauth",
        [_Spec("GET", "/authorize", "authorize", model="oauth"), _Spec("GET", "/callback", "callback")],
    ),
    "get_oauth_associate_router": (
        "oauth",
        [
            _Spec("GET", "/authorize", "authorize", model="oauth", user=True),
            _Spec("GET", "/callback", "callback", model="user_schema", user=True),
        ],
    ),
}


def library_member(library: str, name: str, owner: Value) -> Value:
    """`owner.name` of a library class that makes or guards routes; None where nothing is known of it."""
    if (library, name) == (_USERS, "authenticator"):
        return Made(_AUTHENTICATOR, [], {}, NOWHERE)
    if (library, name) == (_BACKEND, "get_strategy"):
        return next(iter(_made_with(owner, 2, name)), None)
    member = _MEMBERS.get(f"{library}.{name}")
    return Native(f"{library}.{name}", lambda call: member(call, owner)) if member is not None else None


def add_generated(call: Given, inst: Inst) -> None:
    """What the constructor of a library's router class registers on the new router."""
    names = call.run.library_bases(inst.cls) if isinstance(inst.cls, Cls) else [inst.cls.dotted]
    for name in names:
        if name in GENERATING_ROUTERS:
            GENERATING_ROUTERS[name](call, inst)


def _register(call: Given, router: Value, path: Value, method: str, handler: LibraryFunction, **options: Value) -> None:
    """As the library would: through the router's own method. `method` is "" for a WebSocket."""
    adder = call.run.attribute(router, "add_api_route" if method else "add_api_websocket_route")
    given: dict[str, Value] = {**options, "methods": [method]} if method else {}
    call.run.call(adder, [path, handler], given, call.site)


# FastAPI Users


def _users_router(name: str) -> Member:
    module, specs = _USER_ROUTES[name]

    def make(call: Given, owner: Value) -> Value:
        router = call.run.call(External("fastapi.APIRouter"), [], {}, call.site)
        schema = call.value(1 if name == "get_oauth_associate_router" else 0, "user_schema")
        models: dict[str, Value] = {"user_schema": schema, "oauth": _OAUTH_MODEL}
        for spec in specs:
            handler = LibraryFunction(f"fastapi_users.router.{module}.{name}.<locals>.{spec.handler}", is_async=True)
            needs = _made_with(owner, 0, "get_user_manager")
            needs += _made_with(call.plain(0, "backend"), 2, "get_strategy") if module == "auth" else []
            needs += [_user_dependency("current_user", True)] if spec.user else []
            _register(
                call,
                router,
                _user_path(call.run, spec),
                spec.method,
                handler,
                status_code=spec.status,
                response_model=models.get(spec.model),
                dependencies=[Dep(n, (), False, call.place()) for n in needs],
            )
        return router

    return make


def _made_with(value: Value, position: int, name: str) -> list[Value]:
    """The function that a library object was made with: a dependency of the routes made from it."""
    if not isinstance(value, Made):
        return []
    found = plain(value.args[position] if position < len(value.args) else value.kwargs.get(name))
    return [found] if isinstance(found, (Func, Bound)) else []


def _user_path(run: Calls, spec: _Spec) -> str:
    """Before version 10 the key of a user was a UUID."""
    newer = run.project.stack.at_least("fastapi-users", "10")
    return spec.path.replace("{id}", "{id:uuid}") if newer is False else spec.path


def _current_user(name: str) -> Member:
    """`current_user(optional=False, ...)`: refuses with 401 unless `optional`."""

    def make(call: Given, _: Value) -> Value:
        optional = truth(call.plain(0, "optional", False))
        return _user_dependency(name, None if optional is None else not optional)

    return make


def _user_dependency(name: str, guards: bool | None) -> LibraryFunction:
    inside = f"fastapi_users.authentication.authenticator.Authenticator.{name}.<locals>.{name}_dependency"
    return LibraryFunction(inside, is_async=True, guards=guards)


# Strawberry


def _graphql(call: Given, inst: Inst) -> None:
    path = call.value(1, "path", "")
    in_schema = call.kwargs.get("graphql_ide", "graphiql") is not None
    in_schema = in_schema or truth(plain(call.kwargs.get("allow_queries_via_get", True))) is not False
    inside = "strawberry.fastapi.router.GraphQLRouter.__init__.<locals>"
    get, post, socket = (
        LibraryFunction(f"{inside}.{name}", is_async=True)
        for name in ("handle_http_get", "handle_http_post", "websocket_endpoint")
    )
    _register(call, inst, path, "GET", get, include_in_schema=in_schema)
    _register(call, inst, path, "POST", post)
    _register(call, inst, path, "", socket)


# Prometheus FastAPI Instrumentator


def _expose(call: Given, owner: Value) -> Value:
    configured = isinstance(owner, Made) and "should_respect_env_var" in owner.kwargs
    options = {k: v for k, v in call.kwargs.items() if k in ("include_in_schema", "tags", "dependencies")}
    inside = "prometheus_fastapi_instrumentator.instrumentation.PrometheusFastApiInstrumentator.expose"
    handler = LibraryFunction(f"{inside}.<locals>.metrics", is_async=False)
    call.run.conditional += configured
    _register(call, call.value(0, "app"), call.value(2, "endpoint", "/metrics"), "GET", handler, **options)
    call.run.conditional -= configured
    return owner


GENERATING_ROUTERS: dict[str, Callable[[Given, Inst], None]] = {
    **dict.fromkeys(("strawberry.fastapi.GraphQLRouter", "strawberry.fastapi.router.GraphQLRouter"), _graphql),
}
_INSTRUMENTATOR = "prometheus_fastapi_instrumentator.Instrumentator"
_MEMBERS: dict[str, Member] = {
    **{f"{_USERS}.{name}": _users_router(name) for name in _USER_ROUTES},
    **{
        f"{cls}.{n}": _current_user(n)
        for cls in (_USERS, _AUTHENTICATOR)
        for n in ("current_user", "current_user_token")
    },
    f"{_INSTRUMENTATOR}.instrument": lambda _, owner: owner,
    f"{_INSTRUMENTATOR}.add": lambda _, owner: owner,
    f"{_INSTRUMENTATOR}.expose": _expose,
}


# classy-fastapi


def _marked(verb: str) -> Callable[[Given], Value]:
    """`@get(path, ...)` above a method: a route of each object of its class."""

    def make(call: Given) -> Value:
        given = {"response_model": None, **call.kwargs}  # the return annotation does not count
        options: dict[str, Value] = {"path": call.value(0, "path"), "methods": [verb], **given}

        def mark(inner: Given) -> Value:
            method = inner.value(0)
            if isinstance(method, Func):
                method.attrs = {**(method.attrs or {}), _MARK: options}
            return method

        return Native(f"classy_fastapi.{verb.lower()}()", mark)

    return make


def _routable(call: Given, inst: Inst) -> None:
    """The constructor of the base class: a router of its arguments with the marked methods, in the order of names."""
    router = inst.attrs["router"] = call.run.call(External("fastapi.APIRouter"), call.args, call.kwargs, call.site)
    for name in sorted(_class_names(call.run, inst.cls)):
        method = call.run.attribute(inst, name)
        marks = method.func.attrs if isinstance(method, Bound) and isinstance(method.func, Func) else None
        options = marks.get(_MARK) if marks else None
        if isinstance(options, dict):
            call.run.call(call.run.attribute(router, "add_api_route"), [], {**options, "endpoint": method}, call.site)


def _class_names(run: Calls, cls: Cls | External) -> set[str]:
    return (
        {n for base in run.mro(cls) if isinstance(base, Cls) for n in base.body.vars} if isinstance(cls, Cls) else set()
    )


MARKERS = {f"classy_fastapi.{verb.lower()}": _marked(verb) for verb in ("GET", "POST", "PUT", "PATCH", "DELETE")}
CONSTRUCTORS: dict[str, Callable[[Given, Inst], None]] = {
    **dict.fromkeys(("classy_fastapi.Routable", "classy_fastapi.routable.Routable"), _routable)
}


# Libraries whose routes are not known


def _own_pages(call: Given, owner: Value) -> Value:
    library = owner.dotted.split(".", 1)[0] if isinstance(owner, Made) else "a library"
    call.run.note(call.site, f"{library} serves its own endpoints on this application")
    return owner


_MEMBERS.update(
    {
        f"{cls}.{name}": _own_pages
        for cls, names in {
            "fastapi_utils.Api": ("add_resource",),
            "fastapi_mcp.FastApiMCP": ("mount", "mount_http", "mount_sse"),
            "starlette_admin.contrib.sqla.Admin": ("mount_to",),
            "starlette_admin.contrib.sqlmodel.Admin": ("mount_to",),
            "starlette_admin.contrib.beanie.Admin": ("mount_to",),
        }.items()
        for name in names
    }
)
OWN_PAGES = {
    "sqladmin.Admin": "sqladmin serves its own pages on this application",
    "fastapi_class.View": "fastapi_class makes routes of the methods of this class",
}
