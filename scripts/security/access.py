"""Who may call what: routes nothing guards, measured against the project's own habit."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterator

from check import HIGH, INFERRED, LOW, MEDIUM, RESOLVED, Found, Hit
from project import Project
from project.data.queries import WRITE
from project.place import Place
from project.routing.route_conditions import configured_by
from project.routing.routes import Route
from project.serving.handler_work import does_nothing
from security.callers import changes, named, place_of
from security.dimension import security
from security.openness import (
    ISSUES,
    VERIFIES,
    called_names,
    has_effect,
    is_public,
    issues_tokens,
    personal_field,
    reached_functions,
    says_public,
)

HABIT = 5
WHILE_DEVELOPING = re.compile(r"debug|local|(^|[^a-z])(dev|test)(elopment|ing|s)?([^a-z]|$)", re.IGNORECASE)
SURE = frozenset("PUT PATCH DELETE".split())


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

        @app.post("/orders/{key}/confirmation")
        def confirm(key: int, signature: str):
            return key

        @app.post("/price")
        def price(amount: int):
            return amount * 2
    """
    for routes in _by_app(project).values():
        always = [r for r in routes if not r.conditional or _is_configured(project, r, routes)] or routes
        opened = [r for r in always if r.auth is False and not is_public(project, r)]
        expected = [r for r in opened if _is_guarding(routes) or _is_guarding([o for o in routes if o.file == r.file])]
        yield from _beside_guarded(project, routes, expected)
        if len(expected) < len(opened) and not any(r.auth is None for r in routes):
            yield from _unguarded(project, routes, [r for r in opened if r not in expected])


def _by_app(project: Project) -> dict[str, list[Route]]:
    found: dict[str, list[Route]] = defaultdict(list)
    for route in project.routes:
        if not route.websocket:
            found[route.app].append(route)
    return found


def _is_configured(project: Project, route: Route, routes: list[Route]) -> bool:
    """Whether configuration decides if there is such a route at all, not which of two it is."""
    same = (o for o in routes if o is not route and (o.handler == route.handler or o.path == route.path))
    return configured_by(project, route) != "" and all(o.auth is False for o in same)


def _is_guarding(routes: list[Route]) -> bool:
    """Whether routes are guarded as a rule, so that an open one is an exception."""
    return sum(bool(r.auth) for r in routes) * HABIT >= len(routes)


def _beside_guarded(project: Project, routes: list[Route], opened: list[Route]) -> Iterator[Hit]:
    """Open routes of an application that guards others."""
    in_file: dict[str, list[Route]] = defaultdict(list)
    for route in routes:
        in_file[route.file].append(route)
    seen: set[tuple[str, int]] = set()
    for route in opened:
        place = place_of(route)
        if (place.path, place.line) in seen:
            continue
        habit = _habit(in_file[route.file]) or _habit(routes)
        if changes(route) and (_writes if _lets_pass(route) else _does_something)(project, route):
            seen.add((place.path, place.line))
            reads = _reads_beside(in_file[route.file], opened)
            lets = _lets_pass(route)
            only_if = configured_by(project, route)
            impact = MEDIUM if lets and not SURE.intersection(route.methods) else HIGH
            impact = LOW if WHILE_DEVELOPING.search(only_if) else impact
            said = f"{named(route)} can be called by anyone{lets}{f', where {only_if}' if only_if else ''}; {habit}"
            yield Hit(place, said, _trace(route), impact, INFERRED if only_if else RESOLVED, places=reads)
        elif not changes(route) and (field := personal_field(project, route)):
            seen.add((place.path, place.line))
            said = f"{named(route)} shows {field} to anyone{_lets_pass(route)}; {habit}"
            yield Hit(place, said, _trace(route), MEDIUM)


def _lets_pass(route: Route) -> str:
    """What gives the handler callers without credentials as well, said for the message; "" for nothing."""
    asked = any(d.name == route.auth_optional and d.level == "parameter" for d in route.dependency_tree)
    name = route.auth_optional.removesuffix("()").rsplit(".", 1)[-1]
    return f" ({name} lets callers without credentials pass)" if asked else ""


def _reads_beside(routes: list[Route], opened: list[Route]) -> tuple[Place, ...]:
    """Open reads in a file that guards nothing: what closes the write closes them as well."""
    if any(r.auth for r in routes):
        return ()
    return tuple(place_of(r) for r in routes if r in opened and not changes(r))


def _does_something(project: Project, route: Route) -> bool:
    """PUT, PATCH and DELETE change by their meaning; POST when something is written or set off."""
    if route.function is None or does_nothing(route.function):
        return False
    return bool(SURE.intersection(route.methods)) or has_effect(project, route.function)


def _writes(project: Project, route: Route) -> bool:
    """Whether a route that some may call without credentials changes what is stored."""
    if route.function is None or does_nothing(route.function):
        return False
    functions = reached_functions(project, route.function)
    return bool(SURE.intersection(route.methods)) or any(
        e.effect == WRITE for f in functions for e in project.queries.of(f)
    )


def _habit(routes: list[Route]) -> str:
    guarded = [r for r in routes if r.auth]
    if not guarded:
        return ""
    by = Counter(r.auth_by.split(",")[0].rsplit(".", 1)[-1] for r in guarded if r.auth_by)
    name = f" ({by.most_common(1)[0][0]})" if by else ""
    alone = len({r.file for r in routes}) == 1
    return f"{len(guarded)} of {len(routes)} routes of this {'file' if alone else 'application'} are guarded{name}"


def _unguarded(project: Project, routes: list[Route], opened: list[Route]) -> Iterator[Hit]:
    """An application that guards nothing, or next to nothing, is one question, not one signal a route."""
    writes = [r for r in opened if changes(r) and _does_something(project, r)]
    guarded = sum(bool(r.auth) for r in routes)
    issuer = None if guarded else next((r for r in routes if issues_tokens(project, r)), None)
    sure = [r for r in writes if SURE.intersection(r.methods)]
    if not sure and ((len(writes) < 3 and issuer is None) or not writes):
        return
    if not guarded and any(_may_verify(project, r) for r in routes):
        return
    first, *others = sorted(writes, key=_gravity)
    count = (
        f"{len(writes)} of {'the open ones' if guarded else f'its {len(routes)} routes'} change something"
        if len(writes) > 1
        else "one route changes something"
    )
    who = f"only {guarded} of {len(routes)} routes are guarded" if guarded else "nothing guards this application"
    if issuer is not None:
        who = f"{named(issuer)} issues tokens, but no route asks for one"
    impact = HIGH if issuer is not None else MEDIUM if sure and _has_sign_in(project) else LOW
    message = f"{who}: {count}, first {named(first)}"
    yield Hit(place_of(first), message, (), impact, INFERRED, tuple(place_of(r) for r in others))


def _has_sign_in(project: Project) -> bool:
    """Whether any route of the project is guarded or takes a password: who calls means something there."""
    return any(r.auth or project.usage.takes_password(r) for r in project.routes)


def _may_verify(project: Project, route: Route) -> bool:
    """Whether a route that is not itself about logging in calls what, by its name, verifies a caller."""
    if route.function is None or says_public(route) or project.usage.takes_password(route):
        return False
    return any(VERIFIES.search(n) and not ISSUES.search(n) for n in called_names(project, route.function))


def _gravity(route: Route) -> tuple[int, str, int]:
    order = ("DELETE", "PUT", "PATCH", "POST")
    return min(order.index(m) for m in route.methods if m in order), route.file, route.line


def _trace(route: Route) -> tuple[Place, ...]:
    hops = [(route.router_place, "router"), *((p, "included") for p in route.include_places)]
    return tuple(Place(p.path, p.line, p.end_line, p.symbol, label) for p, label in hops if p.path)


@security.check(
    "SEC028",
    "websocket-without-auth",
    title="WebSocket that nothing guards",
    impact=HIGH,
    anti_pattern=8,
    fix="Add the guard as a dependency of the WebSocket route; with cookies check Origin.",
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

        @app.websocket("/echo")
        async def echo(socket: WebSocket, token: str):
            await check_token(token)
            await socket.accept()

        async def check_token(token): ...
    """
    guarded = {r.app for r in project.routes if r.auth}
    applications = {app.name for app in project.route_map.apps}
    for route in project.routes:
        beside = route.app in guarded if route.app in applications else bool(guarded)
        if route.websocket and route.auth is False and beside and not _may_refuse(project, route):
            yield Hit(place_of(route), f"anyone may open the WebSocket {route.path}", _trace(route), certainty=INFERRED)


def _may_refuse(project: Project, route: Route) -> bool:
    """Whether the handler may refuse the client itself: it closes the socket, or calls what verifies, or is public."""
    if route.function is None or is_public(project, route):
        return True
    return any(
        isinstance(call.func, ast.Attribute) and call.func.attr == "close"
        for scope in route.function.walk()
        for call in scope.all(ast.Call)
    )
