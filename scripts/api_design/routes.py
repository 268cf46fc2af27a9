"""Routes as the checks look at them: each handler once, with the routes it serves."""

from __future__ import annotations

from dataclasses import dataclass

from project import Function, Place, Project
from project.routing.parameters import Parameter
from project.routing.routes import App, Route

MANY_PATHS = 10

AUTH_WORDS = frozenset(
    "login logout signin signout signup register token tokens oauth oauth2 authorize callback refresh verify auth "
    "session sessions password forgot reset sso saml webauthn mfa otp".split()
)

HEALTH_PATHS = frozenset(
    "health healthz healthcheck health-check ping ready readyz readiness live livez "
    "liveness status heartbeat alive".split()
)


@dataclass(frozen=True, slots=True)
class Handler:
    """A function of the project that serves routes."""

    function: Function
    routes: tuple[Route, ...]

    @property
    def route(self) -> Route:
        return self.routes[0]

    @property
    def label(self) -> str:
        """`GET /users/{id}`, of the first route."""
        return named(self.route)


def named(route: Route) -> str:
    """`GET /users/{id}`."""
    return f"{'/'.join(route.methods)} {route.path}"


def handlers(project: Project) -> list[Handler]:
    """HTTP handlers of the application's own modules in order of file and line; library-generated routes left out."""
    found: dict[Function, list[Route]] = {}
    for route in project.routes:
        if route.websocket or route.function is None or route.function.module.kind != "app":
            continue
        found.setdefault(route.function, []).append(route)
    made = [Handler(function, tuple(routes)) for function, routes in found.items()]
    return sorted(made, key=lambda h: (h.route.file, h.route.line))


def apps_by_router(project: Project) -> dict[tuple[str, int], App]:
    """The application that a router ends in, by the place (path, line) of the router; of mounted ones the inner one."""
    found: dict[tuple[str, int], App] = {}
    for app in project.route_map.apps:
        stack, seen = [app.state], set()
        while stack:
            state = stack.pop()
            if id(state) in seen:
                continue
            seen.add(id(state))
            found.setdefault((state.place.path, state.place.line), app)
            inner = [e.target.state for e in state.registered if e.kind == "include" and e.target is not None]
            stack.extend(s for s in inner if s is not None)
    return found


def app_of(route: Route, apps: dict[tuple[str, int], App]) -> App | None:
    """The innermost application that serves a route."""
    return apps.get((route.router_place.path, route.router_place.line))


def is_published(route: Route, apps: dict[tuple[str, int], App]) -> bool:
    """Whether a route stands in an OpenAPI document that anyone can get."""
    app = app_of(route, apps)
    return route.include_in_schema and (app is None or app.kwargs.get("openapi_url", "") is not None)


def is_page(handler: Handler, project: Project) -> bool:
    """Whether the handler answers with HTML or a redirect, for people rather than programs."""
    if (handler.route.response_class or "").endswith(("HTMLResponse", "RedirectResponse")):
        return True
    returned = project.usage.returned(handler.function)
    kinds = {v.dotted for e in returned for v in project.values.of(e, handler.function)}
    return any(k.removesuffix("()").endswith(("TemplateResponse", "HTMLResponse", "RedirectResponse")) for k in kinds)


def is_health_check(route: Route) -> bool:
    """Whether the path is one that only machines ask (`/health`, `/ready`)."""
    last = next(reversed(segments(route.path)), "")
    return last.lower().replace("_", "-") in HEALTH_PATHS


def segments(path: str) -> list[str]:
    """Parts of a path between its slashes, empty ones left out."""
    return [part for part in path.split("/") if part]


def registration(route: Route) -> Place:
    """Where the path of a route is written: the first decorator of its handler, else the call that registers it."""
    if route.decorator_line < route.line:
        return Place(route.file, route.decorator_line, route.line, route.handler, named(route))
    return route.place


def where(route: Route) -> str:
    """`app/users.py:12`, where the handler stands."""
    return f"{route.file}:{route.line}"


def is_app_code(project: Project, place: Place) -> bool:
    """Whether a place is in the application itself, not in tests, scripts or examples."""
    module = project.module(place.path)
    return module is not None and module.kind == "app"


def is_parent(parameter: Parameter, project: Project) -> bool:
    """Whether clients must name the one thing whose parts they want (`/orders/{id}/lines`, `?order_id=7`).

    What most paths start with (`/{tenant}/...`) is none: it holds whole tables.
    """
    if parameter.kind == "path":
        named = sum(f"{{{parameter.name}" in route.path for route in project.routes)
        return named < MANY_PATHS or 2 * named <= len(project.routes)
    return parameter.kind == "query" and parameter.default is None and parameter.name.endswith(("_id", "_key", "_uuid"))
