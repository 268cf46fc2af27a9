"""Who may call what: routes nothing guards, measured against the project's own habit."""

from __future__ import annotations

import re
from collections import defaultdict

from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Project
from project.place import Place
from project.routes import Route
from security.dimension import security

WRITES = frozenset("POST PUT PATCH DELETE".split())
PUBLIC_WORDS = frozenset(
    "login signin sign-in sign_in signup sign-up sign_up register registration token tokens refresh logout "
    "signout sign-out callback authorize oauth oauth2 sso saml oidc health healthz healthcheck livez readyz "
    "ready live ping version metrics status webhook webhooks hook hooks docs redoc openapi.json robots.txt "
    "favicon.ico forgot-password reset-password password-reset password-recovery recover-password verify "
    "verify-email confirm activate unsubscribe public well-known .well-known captcha csrf config "
    "manifest.json".split()
)
ISSUES_TOKENS = frozenset("jwt.encode jose.jwt.encode".split())
VERIFIES = frozenset("hmac.compare_digest secrets.compare_digest stripe.Webhook.construct_event".split())


@security.check(
    "SEC001",
    "route-without-auth",
    title="Route that nothing guards",
    impact=HIGH,
    anti_pattern=8,
    fix="Put the guard on the router: APIRouter(dependencies=[Depends(get_current_user)]).",
)
def route_without_auth(project: Project) -> Found:
    """A route outside the guard that its siblings share lets anyone change or read their data.

    Source: OWASP API2:2023, https://owasp.org/API-Security/editions/2023/en/0xa2-broken-authentication/

    Bad:
        # app/main.py
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer

        scheme = OAuth2PasswordBearer(tokenUrl="/login")
        app = FastAPI()

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.post("/items")
        def create(user=Depends(current_user)):
            return user

        @app.get("/items")
        def read_all(user=Depends(current_user)):
            return []

        @app.delete("/items/{key}")
        def delete(key: int):  # SEC001
            return key
    Good:
        # app/main.py
        from fastapi import APIRouter, Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer

        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        router = APIRouter(dependencies=[Depends(current_user)])

        @router.delete("/items/{key}")
        def delete(key: int):
            return key

        app = FastAPI()
        app.include_router(router)
    Not this:
        # app/main.py
        from fastapi import APIRouter, Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer

        scheme = OAuth2PasswordBearer(tokenUrl="/login")
        app = FastAPI()
        admin = APIRouter()

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @admin.delete("/users/{key}")
        def delete(key: int):
            return key

        app.include_router(admin, dependencies=[Depends(current_user)])

        @app.post("/login")
        def login(name: str):
            return {"access_token": name}

        @app.get("/health")
        def health():
            return {"ok": True}

        @app.get("/catalogue")
        def catalogue():
            return []
    """
    by_app: dict[str, list[Route]] = defaultdict(list)
    for route in project.routes:
        if not route.websocket and not route.generated_by:
            by_app[route.app].append(route)
    for routes in by_app.values():
        opened = [r for r in routes if r.auth is False and not is_public(project, r)]
        if not any(r.auth for r in routes):
            yield from _unguarded_app(routes, opened)
            continue
        for group in _by_file(opened).values():
            yield from _open_routes(project, group, [r for r in routes if r.file == group[0].file])


def is_public(project: Project, route: Route) -> bool:
    """Routes meant for everyone, by what they do: they log in, issue or verify tokens, report health."""
    words = {w.lower() for w in re.split(r"[/{}:]+", route.path) if w}
    if words & PUBLIC_WORDS or route.path in ("/", ""):
        return True
    if route.function is None:
        return False
    names = {name for site in project.calls.sites(route.function) for name in site.names}
    for site in project.calls.sites(route.function):
        for target in site.targets:
            names.update(n for inner in project.calls.sites(target) for n in inner.names)
    return bool(names & (ISSUES_TOKENS | VERIFIES))


def _by_file(routes: list[Route]) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = defaultdict(list)
    for route in sorted(routes, key=lambda r: (r.file, r.line)):
        found[route.file].append(route)
    return found


def _unguarded_app(routes: list[Route], opened: list[Route]) -> Found:
    """An application without any guard is one question, not one signal a route."""
    writes = sorted((r for r in opened if WRITES.intersection(r.methods)), key=_gravity)
    if not writes:
        return
    first, *others = writes
    message = (
        f"nothing guards this application: {len(writes)} of its {len(routes)} routes change data, first {_named(first)}"
    )
    yield Hit(_place(first), message, impact=MEDIUM, certainty=INFERRED, places=tuple(_place(r) for r in others))


def _open_routes(project: Project, opened: list[Route], siblings: list[Route]) -> Found:
    guarded = [r for r in siblings if r.auth]
    habit = f"; {len(guarded)} of {len(siblings)} routes in this file are guarded{_by(guarded)}" if guarded else ""
    for route in opened:
        writes = bool(WRITES.intersection(route.methods))
        mostly = len(guarded) >= 3 and len(guarded) * 4 >= len(siblings) * 3
        if not writes and not mostly:
            continue
        impact = HIGH if writes else MEDIUM
        if writes and not guarded and not _changes(project, route):
            impact = LOW
        yield Hit(_place(route), f"{_named(route)} can be called by anyone{habit}", _trace(route), impact)


def _changes(project: Project, route: Route) -> bool:
    """Whether the method alone says that something is lost or replaced."""
    return route.methods[:1] != ("POST",) or bool(route.function and project.calls.sites(route.function))


def _by(guarded: list[Route]) -> str:
    return f" by {guarded[0].auth_by.split(',')[0]}" if guarded[0].auth_by else ""


def _gravity(route: Route) -> tuple[int, str, int]:
    order = ("DELETE", "PUT", "PATCH", "POST")
    return min(order.index(m) for m in route.methods if m in order), route.file, route.line


def _named(route: Route) -> str:
    return f"{'/'.join(route.methods)} {route.path}"


def _place(route: Route) -> Place:
    return (
        route.function.place()
        if route.function is not None
        else Place(route.file, route.line, route.line, route.handler)
    )


def _trace(route: Route) -> tuple[Place, ...]:
    return tuple(
        Place(p.path, p.line, p.end_line, p.symbol, label)
        for p, label in [(route.router_place, "router"), *((p, "included") for p in route.include_places)]
        if p.path
    )


@security.check(
    "SEC028",
    "websocket-without-auth",
    title="WebSocket that nothing guards",
    impact=HIGH,
    anti_pattern=8,
    fix="Add the guard as a dependency of the WebSocket route; check the Origin header where cookies are used.",
)
def websocket_without_auth(project: Project) -> Found:
    """CORS does not apply to WebSockets; without a guard any page and any client may connect.

    Source: FastAPI, WebSockets, https://fastapi.tiangolo.com/advanced/websockets/

    Bad:
        from fastapi import Depends, FastAPI, HTTPException, WebSocket
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.get("/me")
        def me(user=Depends(current_user)):
            return user

        @app.websocket("/feed")
        async def feed(socket: WebSocket):  # SEC028
            await socket.accept()
            await socket.send_text("private")
    Good:
        from fastapi import Depends, FastAPI, HTTPException, WebSocket
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.websocket("/feed")
        async def feed(socket: WebSocket, user=Depends(current_user)):
            await socket.accept()
    Not this:
        from fastapi import FastAPI, WebSocket

        app = FastAPI()

        @app.websocket("/feed")
        async def feed(socket: WebSocket):
            await socket.accept()
            token = await socket.receive_text()
            if token != "known":
                await socket.close(code=1008)
    """
    guarded_apps = {r.app for r in project.routes if r.auth}
    for route in project.routes:
        if route.websocket and route.auth is False and route.app in guarded_apps and not _closes(project, route):
            yield Hit(_place(route), f"anyone may open the WebSocket {route.path}", _trace(route), certainty=INFERRED)


def _closes(project: Project, route: Route) -> bool:
    """Whether the handler may refuse the client itself: it closes the socket or reads cookies, headers or a token."""
    if route.function is None:
        return True
    names = {n for site in project.calls.sites(route.function) for n in site.names}
    reached = [t for site in project.calls.sites(route.function) for t in site.targets]
    names.update(n for t in reached for site in project.calls.sites(t) for n in site.names)
    return any(n.startswith("starlette.websockets.WebSocket.") and n.endswith(("close", "get")) for n in names)
