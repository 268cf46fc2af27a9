"""Routes as the checks look at them: each handler once, with the routes it serves."""

from __future__ import annotations

from dataclasses import dataclass

from project import Function, Project
from project.routes import Route

AUTH_WORDS = frozenset(
    "login logout signin signout signup register token tokens oauth oauth2 authorize callback refresh verify auth session sessions "
    "password forgot reset sso saml webauthn mfa otp".split()
)

PROBES = frozenset("health healthz healthcheck health-check ping ready readyz readiness live livez liveness status heartbeat alive".split())


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
        if route.websocket or route.function is None or route.generated_by or route.function.module.kind != "app":
            continue
        found.setdefault(route.function, []).append(route)
    made = [Handler(function, tuple(routes)) for function, routes in found.items()]
    return sorted(made, key=lambda h: (h.route.file, h.route.line))


def is_probe(route: Route) -> bool:
    """Whether the path is one that only machines ask (`/health`, `/ready`)."""
    last = next(reversed(segments(route.path)), "")
    return last.lower().replace("_", "-") in PROBES


def segments(path: str) -> list[str]:
    """Parts of a path between its slashes, empty ones left out."""
    return [part for part in path.split("/") if part]
