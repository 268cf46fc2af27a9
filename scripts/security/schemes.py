"""Security schemes and scopes that nobody verifies."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, Found, Hit
from project import Function, Project
from project.language.scopes import Scope, parents
from project.place import Place
from project.routing.dependencies import Dependency
from project.routing.routes import Route, called_functions
from security.around import last_name
from security.callers import named, place_of
from security.dimension import security

SCHEMES = "fastapi.security."
FORMS = ("fastapi.security.oauth2.OAuth2PasswordRequestForm", "fastapi.security.oauth2.OAuth2PasswordRequestFormStrict")
LOGS = frozenset("debug info warning error exception log print bind".split())


@security.check(
    "SEC010",
    "security-scheme-not-verified",
    title="Credentials extracted but never verified",
    impact=HIGH,
    anti_pattern=8,
    fix="Depend on a function that verifies the token or key and answers 401.",
)
def security_scheme_not_verified(project: Project) -> Found:
    """A scheme only takes the header apart: `Bearer garbage` passes it. Scopes in Security(...) are compared by nobody
    unless a dependency in the chain takes SecurityScopes.

    Source: FastAPI, OAuth2 scopes, https://fastapi.tiangolo.com/advanced/security/oauth2-scopes/

    Bad:
        from fastapi import Depends, FastAPI, HTTPException, Security
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login", scopes={"admin": "all"})

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.get("/secrets")
        def secrets(token: str = Depends(scheme)):  # SEC010
            return {"secret": 1}

        @app.delete("/secrets", dependencies=[Depends(scheme)])
        def forget():  # SEC010
            return {}

        @app.get("/admin")
        def admin(user=Security(current_user, scopes=["admin"])):  # SEC010
            return user
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException, Security
        from fastapi.security import OAuth2PasswordBearer, SecurityScopes

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login", scopes={"admin": "all"})

        def current_user(needed: SecurityScopes, token: Annotated[str, Depends(scheme)]):
            if token not in needed.scopes:
                raise HTTPException(401)
            return token

        @app.get("/admin")
        def admin(user=Security(current_user, scopes=["admin"])):
            return user
    Not this:
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import HTTPBearer

        app = FastAPI()
        scheme = HTTPBearer()

        def verify(credentials=Depends(scheme)):
            if credentials.credentials != "known":
                raise HTTPException(401)

        @app.get("/secrets", dependencies=[Depends(scheme), Depends(verify)])
        def secrets():
            return {}

        @app.get("/me")
        def me(credentials=Depends(scheme)):
            return look_up(credentials.credentials)

        def look_up(token): ...
    """
    if not _read_elsewhere(project):
        yield from _unverified(project)
    yield from _scopes(project)


def _read_elsewhere(project: Project) -> bool:
    """Whether middleware or a route class looks at the credentials, for all routes."""
    for app in project.route_map.apps:
        for middleware in app.middleware:
            if "authentication" in str(getattr(middleware.value, "dotted", "")):
                return True
            if any(_speaks_of_credentials(f) for f in called_functions(project, middleware.value)):
                return True
    return any(r.state.kwargs.get("route_class") is not None for r in project.route_map.routers)


def _speaks_of_credentials(function: Function) -> bool:
    words = [str(c.value).lower() for s in function.walk() for c in s.all(ast.Constant) if isinstance(c.value, str)]
    calls = [last_name(c.func).lower() for s in function.walk() for c in s.all(ast.Call)]
    return "authorization" in words or any("auth" in name or "jwt" in name or "token" in name for name in calls)


def _unverified(project: Project) -> Iterator[Hit]:
    """One signal for whatever asks for the scheme, with all routes that rest on it."""
    found: dict[str, list[tuple[Route, Dependency]]] = {}
    for route in project.routes:
        nodes = [n for root in route.dependency_tree for n in root.walk()]
        scheme = next((n for n in nodes if _is_scheme(n)), None)
        if scheme is None or route.websocket or any(_may_verify(n) for n in nodes) or _asks(route):
            continue
        given = [n for n in route.dependency_tree if _holds_scheme(n) and n.param]
        if all(_ignores(route.function, n.param) for n in given):
            asking = next((n for n in nodes if any(map(_is_scheme, n.children))), scheme)
            found.setdefault(asking.name, []).append((route, scheme))
    for (route, scheme), *others in found.values():
        kind = scheme.name.rsplit(".", 1)[-1].rstrip("()")
        more = f" and {len(others)} more routes" if len(others) > 1 else f" and {named(others[0][0])}" if others else ""
        message = f"{named(route)}{more}: {kind} extracts credentials that nobody verifies, so any value passes"
        asked = (_labelled(scheme.place, "asked for here"),) if scheme.place.path else ()
        places = dict.fromkeys(place_of(other) for other, _ in others)
        yield Hit(place_of(route), message, asked, places=tuple(p for p in places if p != place_of(route)))


def _is_scheme(node: Dependency) -> bool:
    return node.function is None and node.name.startswith(SCHEMES) and not node.name.startswith(FORMS)


def _holds_scheme(node: Dependency) -> bool:
    """Whether a dependency is a scheme, or may hand on what a scheme below it extracts."""
    return any(_is_scheme(n) for n in node.walk())


def _may_verify(node: Dependency) -> bool:
    """Whether a dependency does something else than pass on what a scheme gives: it calls, compares or refuses."""
    if node.function is None:
        return not node.name.startswith(("fastapi.", "starlette."))
    given = [c for c in node.children if _holds_scheme(c)]
    if given:
        return any(not _ignores(node.function, c.param) for c in given)
    return any(True for _ in node.function.all(ast.Raise))


def _ignores(function: Function | None, param: str) -> bool:
    """Whether a function never uses a parameter, but for logs or to return it."""
    if function is None or not param:
        return True
    for scope in function.walk():
        for name in scope.all(ast.Name):
            if name.id == param and isinstance(name.ctx, ast.Load) and not _is_logged_or_returned(name):
                return False
    return True


def _is_logged_or_returned(name: ast.Name) -> bool:
    for holder in parents(name):
        if isinstance(holder, ast.Call):
            return last_name(holder.func) in LOGS
        if isinstance(holder, ast.Return):
            return True
        if isinstance(holder, (ast.Compare, ast.If)):
            return False
    return False


def _asks(route: Route) -> bool:
    """Whether the handler itself takes the request apart or calls what verifies."""
    if route.function is None:
        return True
    calls = [last_name(c.func).lower() for s in route.function.walk() for c in s.all(ast.Call)]
    return any("auth" in name or "verif" in name or "token" in name or "decode" in name for name in calls)


def _labelled(place: Place, label: str) -> Place:
    return Place(place.path, place.line, place.end_line, place.symbol, label)


# Scopes


def _scopes(project: Project) -> Iterator[Hit]:
    if any(r.state.kwargs.get("route_class") is not None for r in project.route_map.routers):
        return
    seen: set[tuple[str, int]] = set()
    for route in project.routes:
        for root in route.dependency_tree:
            for node in root.walk():
                place = place_of(route)
                if node.scopes and _compares_nothing(project, node) and (place.path, place.line) not in seen:
                    seen.add((place.path, place.line))
                    words = ", ".join(node.scopes)
                    message = f"{named(route)} asks for the scope {words}, but no dependency takes SecurityScopes"
                    yield Hit(place, message)


def _compares_nothing(project: Project, node: Dependency) -> bool:
    """Whether the whole chain below is code that was read, and none of it takes SecurityScopes."""
    nodes = list(node.walk())
    known = all(n.function is not None or n.name.startswith(("fastapi.", "starlette.")) for n in nodes)
    functions = [n.function for n in nodes if n.function is not None]
    return known and bool(functions) and not any(_takes_scopes(project, f) for f in functions)


def _takes_scopes(project: Project, function: Function) -> bool:
    outer: Scope = function.parent or function.module
    for arg, _ in function.params:
        shape = project.shapes.of(arg.annotation, outer)
        if shape.dotted.endswith("SecurityScopes") or "SecurityScopes" in ast.unparse(
            arg.annotation or ast.Constant(0)
        ):
            return True
    return any("SecurityScopes" in ast.unparse(n) for n in function.all(ast.Name) if n.id.endswith("SecurityScopes"))
