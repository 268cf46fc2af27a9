"""Middleware as a guard: followed for the path of each route."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.test_routes_guards import HEAD
from tests.project.trees import make

MIDDLEWARE = {
    "function": """
@app.middleware("http")
async def check(request: Request, call_next):
    if request.url.path in PUBLIC or request.method == "OPTIONS":
        return await call_next(request)
    if not request.headers.get("Authorization"):
        return JSONResponse({}, status_code=401)
    return await call_next(request)
""",
    "class inside the object of another": """
def wrapped(cls):
    class Wrapped:
        def __init__(self, app):
            self.inner = cls(app)
        async def __call__(self, scope, receive, send):
            await self.inner(scope, receive, send)
    return Wrapped

@wrapped
class Check(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        if request.url.path in PUBLIC:
            return await call_next(request)
        if not request.headers.get("Authorization"):
            return JSONResponse({}, 401)
        return await call_next(request)
app.add_middleware(Check)
""",
    "class under a decorator": """
def wrapped(cls):
    class Wrapped(cls):
        async def __call__(self, scope, receive, send):
            if scope["type"] == "websocket":
                return await self.app(scope, receive, send)
            return await super().__call__(scope, receive, send)
        async def dispatch(self, request, call_next):
            return await super().dispatch(request, call_next)
    return Wrapped

@wrapped
class Check(BaseHTTPMiddleware):
    async def dispatch(self, request, call_next):
        if request.url.path in PUBLIC:
            return await call_next(request)
        if not request.headers.get("Authorization"):
            return JSONResponse({}, 401)
        return await call_next(request)
app.add_middleware(Check)
""",
    "class": """
class Check(BaseHTTPMiddleware):
    def __init__(self, app, public):
        super().__init__(app)
        self.public = public
    async def dispatch(self, request, call_next):
        if any(request.url.path.startswith(p) for p in self.public):
            return await call_next(request)
        token = request.headers.get("Authorization")
        if token is None:
            return JSONResponse({}, 401)
        return await call_next(request)
app.add_middleware(Check, public=PUBLIC)
""",
    "pure ASGI": """
class Check:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        if scope["type"] != "http" or self.is_public(scope["path"]):
            return await self.app(scope, receive, send)
        request = Request(scope)
        if "authorization" not in request.headers:
            response = JSONResponse({}, status_code=401)
            return await response(scope, receive, send)
        await self.app(scope, receive, send)
    @staticmethod
    def is_public(path):
        return path in PUBLIC
app.add_middleware(Check)
""",
}


@pytest.mark.parametrize("name", MIDDLEWARE)
def test_middleware_with_exempt_paths(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\nfrom starlette.middleware.base import BaseHTTPMiddleware\nPUBLIC = ['/open']\n{MIDDLEWARE[name]}"
    text += "@app.get('/open')\ndef a(): ...\n@app.get('/closed')\ndef b(): ...\n"
    found = {r.path: (r.auth, r.auth_by.split(" ")[0]) for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/open": (False, ""), "/closed": (True, "middleware")}


def test_middleware_that_configuration_adds(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
if settings.AUTH:
    @app.middleware("http")
    async def check(request: Request, call_next):
        if not request.headers.get("Authorization"):
            return JSONResponse({}, status_code=401)
        return await call_next(request)

@app.middleware("http")
async def timing(request: Request, call_next):
    return await call_next(request)

@app.get("/x")
def x(): ...
"""
    )
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is None and "depends on configuration" in route.auth_by
