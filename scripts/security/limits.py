"""Limits: the size of what is uploaded, the number of attempts to log in."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from check import MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.language.scopes import Class, parents, subtree
from project.routing.parameters import path_names
from project.routing.routes import Route
from security.around import last_name
from security.callers import named, place_of
from security.dimension import security
from security.openness import called_names, reached_functions
from security.throttles import any_text, ineffective, is_throttled, limited_by, limits_everything

BODY_LIMITS = re.compile(
    r"client_max_body_size|maxRequestBodyBytes|proxy-body-size|request_body\s*\{|LimitRequestBody|max_request_body|"
    r"max_body_size|limit_request|buffering\.maxRequest",
    re.IGNORECASE,
)
SIZES = re.compile(r"size|length|limit|max_|too_large|bytes", re.IGNORECASE)
LOGIN = re.compile(r"(^|/)(log-?_?in|sign-?_?in|token|access[-_]?token|password[-_](reset|recovery)|reset[-_]password|"
                   r"forgot[-_]password|otp|verify[-_](otp|code|email))(/|$)", re.IGNORECASE)  # fmt: skip
RESETS = re.compile(r"reset|recover|forgot", re.IGNORECASE)
ISSUES = re.compile(
    r"verify_?password|check_?password|authenticate|create_(access_)?token|checkpw|verify_and_update", re.I
)
HASHES = re.compile(r"hash_?password|(get|make|create)_?password_?hash|set_password|password_?hash$", re.IGNORECASE)
LIBRARY_LOGIN = "fastapi_users.FastAPIUsers.get_auth_router"


@security.check(
    "SEC016",
    "unlimited-upload",
    title="Upload of any size is accepted",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Set max_body_size on the route (FastAPI 0.164 and newer) or a body limit in the proxy.",
)
def unlimited_upload(project: Project) -> Found:
    """A body has no limit by default: one client fills the disk or memory.

    Source: FastAPI, Request Body Limits, https://fastapi.tiangolo.com/advanced/request-body-limits/

    Bad:
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/avatar")
        async def avatar(file: UploadFile):  # SEC016
            return len(await file.read())
    Good:
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/avatar", max_body_size=1_000_000)
        async def avatar(file: UploadFile):
            return len(await file.read())
    Not this:
        from fastapi import FastAPI, HTTPException, UploadFile

        app = FastAPI()

        @app.post("/avatar")
        async def avatar(file: UploadFile):
            data = await file.read(1_000_001)
            if len(data) > 1_000_000:
                raise HTTPException(413)
            return len(data)
    """
    if any("max_body_size" in module.source.text for module in project.app_modules):
        return
    if any_text(project, BODY_LIMITS) or _middleware_limits(project):
        return
    by_app: dict[str, list[Route]] = defaultdict(list)
    for route in project.routes:
        if route.function is not None and _takes_file(project, route) and not _is_limited(project, route):
            by_app[route.app].append(route)
    for routes in by_app.values():
        places = list(dict.fromkeys(place_of(r) for r in routes))
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        message = f"{named(routes[0])}{more}: nothing here limits the size of the upload"
        yield Hit(places[0], message, places=tuple(places[1:]))


def _takes_file(project: Project, route: Route) -> bool:
    assert route.function is not None
    return any(p.kind == "file" for p in project.parameters.of(route.function, path_names(route.path)))


def _is_limited(project: Project, route: Route) -> bool:
    """Whether a size is compared on the way, or the file is read in counted pieces."""
    assert route.function is not None
    functions = [f for f in route.dependency_functions if isinstance(f, Function)]
    for function in (*reached_functions(project, route.function), *functions):
        for scope in function.walk():
            for compare in scope.all(ast.Compare):
                if any(SIZES.search(word) for word in _words(compare)):
                    return True
            for call in scope.all(ast.Call):
                if SIZES.search(last_name(call.func)) and last_name(call.func) not in ("getsize", "file_size"):
                    return True
    return False


def _words(node: ast.AST) -> Iterator[str]:
    for inner in subtree(node):
        if isinstance(inner, ast.Call) and last_name(inner.func) == "len":
            yield "length"
        yield last_name(inner)


def _middleware_limits(project: Project) -> bool:
    """Whether middleware looks at the length of the body."""
    for app in project.route_map.apps:
        for middleware in app.middleware:
            cls = getattr(middleware.value, "scope", None)
            scopes = cls.walk() if isinstance(cls, Class) else ()
            if any(str(c.value).lower() == "content-length" for s in scopes for c in s.all(ast.Constant)):
                return True
    return False


@security.check(
    "SEC020",
    "rate-limit-missing",
    title="Attempts to log in are not limited",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Limit log-in, reset and codes by account and address; slowapi: below the route decorator.",
)
def rate_limit_missing(project: Project) -> Found:
    """Passwords and codes are guessed as fast as the server answers. With slowapi a limit above the
    route decorator never works: FastAPI registered the function without it.

    Source: slowapi, https://slowapi.readthedocs.io/en/latest/ ; OWASP API2:2023

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/login")
        def login(name: str, password: str):  # SEC020
            return authenticate(name, password)

        def authenticate(name, password): ...
        # users.py
        from fastapi import FastAPI
        from fastapi_users import FastAPIUsers

        users = FastAPIUsers[User, int](get_manager, [backend])
        app = FastAPI()
        app.include_router(users.get_auth_router(backend), prefix="/auth")  # SEC020
        app.include_router(users.get_users_router(UserRead, UserUpdate), prefix="/users")
        # limiting.py
        from fastapi import FastAPI
        from pydantic_settings import BaseSettings
        from slowapi import Limiter
        from slowapi.util import get_remote_address

        class Settings(BaseSettings):
            limits: list[str] = []

        settings = Settings()
        by_default = Limiter(key_func=get_remote_address, default_limits=["60/minute"])  # SEC020
        nothing = Limiter(key_func=get_remote_address, default_limits=settings.limits)  # SEC020
    Good:
        from fastapi import FastAPI, Request
        from slowapi import Limiter
        from slowapi.util import get_remote_address

        app = FastAPI()
        limiter = Limiter(key_func=get_remote_address, storage_uri="redis://cache")

        @app.post("/login")
        @limiter.limit("5/minute")
        def login(request: Request, name: str, password: str):
            return authenticate(name, password)

        def authenticate(name, password): ...
    Not this:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        failed = {}

        @app.post("/login")
        def login(name: str, password: str):
            if too_many_attempts(name):
                raise HTTPException(429)
            return authenticate(name, password)

        def too_many_attempts(name): ...

        def authenticate(name, password): ...

        @app.get("/token/{address}")
        def token(address: str):
            return address
        # users.py
        from fastapi import Depends, FastAPI
        from fastapi_users import FastAPIUsers

        users = FastAPIUsers[User, int](get_manager, [backend])
        app = FastAPI()
        app.include_router(users.get_auth_router(backend), dependencies=[Depends(limited)])
    """
    yield from ineffective(project)
    logins = [r for r in project.routes if _logs_in(project, r) and not is_throttled(project, r)]
    made = list(_library_logins(project))
    if not (logins or made) or limits_everything(project):
        return
    for site in made:
        yield Hit(site.place(), "nothing on this include_router limits attempts at the log-in of fastapi-users")
    if not logins:
        return
    opened = logins + [r for r in project.routes if r not in logins and _signs_up(project, r)]
    other = next((r for r in project.routes if r not in opened and r.function and limited_by(r)), None)
    if other is not None:
        yield from _together(opened, f"{limited_by(other)} limits other routes, but not")
    else:
        known = "nothing in this repository limits" if project.is_repository else "nothing in this code limits"
        yield from _together(opened, f"{known} attempts at")


def _library_logins(project: Project) -> Iterator[CallSite]:
    """Log-in routes of fastapi-users that are included without a dependency, in modules whose routers have none."""
    for site in project.calls.named((LIBRARY_LOGIN,)):
        including = next((p for p in parents(site.node) if isinstance(p, ast.Call)), None)
        module = site.scope.module
        if module.kind == "app" and including is not None and last_name(including.func) == "include_router":
            calls = [c for s in module.walk() for c in s.all(ast.Call)]
            keywords = {k.arg for k in including.keywords}
            keywords |= {k.arg for c in calls if last_name(c.func) == "APIRouter" for k in c.keywords}
            whole = {k.arg for c in calls if last_name(c.func) == "FastAPI" for k in c.keywords}
            if not keywords & {"dependencies", None} and "dependencies" not in whole:
                yield site


def _together(routes: list[Route], message: str) -> Iterator[Hit]:
    places = list(dict.fromkeys(place_of(r) for r in routes))
    if places:
        more = f" and {len(places) - 1} more" if len(places) > 1 else ""
        yield Hit(places[0], f"{message} {named(routes[0])}{more}", places=tuple(places[1:]))


def _logs_in(project: Project, route: Route) -> bool:
    """Whether an open POST route takes a password, or verifies one or a code."""
    if route.function is None or "POST" not in route.methods or route.auth or not LOGIN.search(route.path):
        return False
    if not RESETS.search(route.path) and project.usage.takes_password(route):
        return True
    return any(ISSUES.search(name) for name in (route.function.name, *called_names(project, route.function)))


def _signs_up(project: Project, route: Route) -> bool:
    """Whether an open POST route hashes a password and is not limited."""
    if route.function is None or "POST" not in route.methods or route.auth is not False or route.conditional:
        return False
    hashes = any(HASHES.search(name) for name in called_names(project, route.function))
    return hashes and not is_throttled(project, route)
