"""Who guards a route is learned from what the code does with a request that carries no credentials, not from names."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

HEAD = """
from typing import Annotated
import jwt, os, secrets
from fastapi import APIRouter, Cookie, Depends, FastAPI, Header, HTTPException, Request, Security, WebSocket, status
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer, OAuth2PasswordRequestForm
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    AUTH: bool = True

settings = Settings()
optional = HTTPBearer(auto_error=False)
strict = OAuth2PasswordBearer(tokenUrl="t")
refused = HTTPException(status_code=status.HTTP_401_UNAUTHORIZED)

def helper_that_refuses():
    raise HTTPException(401)

def unauthorized(detail="x"):
    return HTTPException(status_code=403, detail=detail)

class NotAllowed(HTTPException):
    def __init__(self, detail="x"):
        super().__init__(status_code=403, detail=detail)

class Denied(Exception): ...

app = FastAPI()

@app.exception_handler(Denied)
def denied(request, error):
    return JSONResponse({}, status_code=401)
"""

GUARDS = {
    "scheme": "def dep(token=Depends(strict)): return token",
    "scheme called": """
def dep(request: Request, token=Depends(optional)):
    if token is None:
        raise refused
""",
    "not and or": """
def dep(t=Depends(optional)):
    if not t or t.scheme != 'x':
        raise HTTPException(403)
""",
    "header read": """
def dep(request: Request):
    if 'authorization' not in request.headers:
        raise refused
""",
    "header parameter": """
def dep(x_token: Annotated[str, Header()]):
    if x_token != 'a':
        raise HTTPException(400)
""",
    "cookie parameter": """
def dep(session: str = Cookie(None)):
    if not secrets.compare_digest(session, 'a'):
        raise refused
""",
    "key error": """
def dep(request: Request):
    return request.session['user']
""",
    "two steps away": """
def inner(token): helper_that_refuses()
def dep(t=Depends(optional)):
    return inner(t)
""",
    "made by a function": """
def dep(t=Depends(optional)):
    if not t: raise unauthorized('no')
""",
    "own exception": """
def dep(t=Depends(optional)):
    if not t: raise NotAllowed()
""",
    "handled exception": """
def dep(t=Depends(optional)):
    if not t: raise Denied
""",
    "decoded": """
def dep(t=Depends(optional)):
    try:
        return jwt.decode(t)
    except jwt.PyJWTError:
        raise refused
""",
    "decoded, not caught": """
def dep(request: Request):
    return jwt.decode(request.cookies.get('token'), 'k')
""",
    "looked up": """
def find(t): return None
def dep(t=Depends(optional)):
    user = find(t)
    if user is None:
        raise refused
    return user
""",
    "helper that extracts": """
def get(request):
    return request.headers.get('Authorization')
def dep(request: Request):
    t = get(request)
    if not t:
        raise refused
""",
    "other dependency": """
def user(t=Depends(strict)): return t
def dep(u=Depends(user)): return u
""",
    "role on top": """
def user(t=Depends(strict)): return t
def dep(u=Depends(user)):
    if not u.admin:
        raise HTTPException(403)
""",
    "request.user": """
def dep(request: Request):
    if not request.user.is_authenticated:
        raise HTTPException(403)
""",
    "object": """
class Check:
    def __call__(self, r: Request):
        if not r.headers.get('x-api-key'):
            raise refused
dep = Check()
""",
    "factory": """
def require(role):
    def checker(r: Request):
        if r.cookies.get('role') != role:
            raise HTTPException(403)
    return checker
dep = require('a')
""",
    "subclass": """
class Bearer(HTTPBearer):
    async def __call__(self, request: Request):
        found = await super().__call__(request)
        return found
dep = Bearer()
""",
}

OPEN = {
    "database": """
def dep():
    yield 1
""",
    "optional scheme": "def dep(token=Depends(optional)): return token",
    "optional user": """
def dep(t=Depends(optional)):
    if not t:
        return None
    raise refused
""",
    "only when given": """
def dep(t=Depends(optional)):
    user = None
    if t:
        user = helper_that_refuses()
    return user
""",
    "swallowed": """
def dep(t=Depends(optional)):
    try:
        return jwt.decode(t)
    except Exception:
        return None
""",
    "other status": """
def dep(page: int = 1):
    if page < 1:
        raise HTTPException(422)
""",
    "switched-off feature": """
def dep():
    if not settings.AUTH:
        raise HTTPException(403)
""",
    "other header": """
def dep(request: Request):
    if not request.headers.get('user-agent'):
        raise HTTPException(400)
""",
    "csrf": """
def dep(request: Request):
    return request.headers.get('x-csrf-token')
""",
    "read-only mode": """
def dep(request: Request):
    if request.app.state.read_only:
        raise HTTPException(403)
""",
    "named like one": """
def dep(): return 'current_user'
require_admin = dep
""",
    "rate limit": """
def dep(user=Depends(lambda r=Depends(optional): r)):
    if len('x') > 1:
        raise HTTPException(429)
""",
}


@pytest.mark.parametrize("name", GUARDS)
def test_guards(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\n{GUARDS[name]}\n@app.get('/', dependencies=[Depends(dep)])\ndef read(): ...\n"
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is True
    assert route.auth_by.startswith("main.")


@pytest.mark.parametrize("name", OPEN)
def test_not_guards(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\n{OPEN[name]}\n@app.get('/', dependencies=[Depends(dep)])\ndef read(): ...\n"
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.auth, route.auth_by) == (False, "")


def test_which_of_several_is_named(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
def get_user(t=Depends(strict)): ...
def crud(u=Depends(get_user)): ...
def admin(u=Depends(get_user)):
    if not u.admin:
        raise HTTPException(403)
@app.get("/crud")
def a(c=Depends(crud)): ...
@app.get("/admin")
def b(c=Depends(admin)): ...
@app.get("/bare")
def c(t=Depends(strict)): ...
"""
    )
    found = {r.path: r.auth_by for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {
        "/crud": "main.get_user",
        "/admin": "main.admin",
        "/bare": "fastapi.security.oauth2.OAuth2PasswordBearer()",
    }


def test_inside_the_handler(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
@app.post("/refresh")
def refresh(request: Request):
    token = request.cookies.get("refresh_token")
    if not token:
        raise HTTPException(401)

@app.get("/page")
def page(request: Request):
    if not request.session.get("user"):
        return RedirectResponse("/login")

@app.post("/login")
def login(form: OAuth2PasswordRequestForm = Depends()):
    if form.password != "x":
        raise HTTPException(401)

@app.get("/callback")
def callback(state: str):
    if state != "x":
        raise HTTPException(403)
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/refresh": True, "/page": True, "/login": False, "/callback": False}


def test_configuration(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
def user(request: Request):
    if not settings.AUTH:
        return None
    if "authorization" not in request.headers:
        raise refused

def docs_guard(t=Depends(strict)): ...

router = APIRouter(dependencies=[Depends(docs_guard)] if settings.AUTH else [])

@router.get("/listed")
def listed(): ...

app.include_router(router)

@app.get("/x")
def x(u=Depends(user)): ...

docs = APIRouter()
if settings.AUTH:
    docs = APIRouter(dependencies=[Depends(docs_guard)])

@docs.get("/docs")
def read_docs(): ...

app.include_router(docs)
"""
    )
    found = {r.path: (r.auth, r.auth_by) for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {
        "/x": (True, "main.user, depends on configuration"),
        "/docs": (None, "main.docs_guard, depends on configuration"),
        "/listed": (None, "main.docs_guard, depends on configuration"),
    }


def test_mounted_applications(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
guarded = FastAPI(dependencies=[Depends(strict)])
sub = FastAPI()
@sub.get("/x")
def x(): ...
guarded.mount("/sub", sub)
"""
    )
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.path, route.auth) == ("/sub/x", False)


def test_route_classes(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
from fastapi.routing import APIRoute
class Checked(APIRoute):
    def get_route_handler(self):
        original = super().get_route_handler()
        async def handler(request: Request):
            if not request.headers.get("Authorization"):
                raise HTTPException(401)
            return await original(request)
        return handler
router = APIRouter(route_class=Checked)
@router.get("/x")
def x(): ...
app.include_router(router)
"""
    )
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.auth, route.auth_by) == (True, "main.Checked")


def test_websockets(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
async def user(websocket: WebSocket):
    if not websocket.cookies.get("token"):
        await websocket.close(code=status.WS_1008_POLICY_VIOLATION)
@app.websocket("/a")
async def a(websocket: WebSocket, u=Depends(user)): ...
@app.websocket("/b")
async def b(websocket: WebSocket):
    await websocket.accept()
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": True, "/b": False}


def test_code_of_libraries_is_not_judged(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
from fastapi_azure_auth import SingleTenantAzureAuthorizationCodeBearer
scheme = SingleTenantAzureAuthorizationCodeBearer()
@app.get("/x")
def x(u=Depends(scheme)): ...
@app.get("/y")
def y(u=Depends(make_auth_dependency())): ...
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/x": None, "/y": None}


def test_what_an_object_or_closure_was_made_with(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
class User:
    def __init__(self, required=True):
        self.required = required
    def __call__(self, token=Depends(optional)):
        if token is None:
            if self.required:
                raise refused
            return None
        return token

def user(required):
    def dependency(token=Depends(optional)):
        if required and not token:
            raise refused
        return token
    return dependency

@app.get("/a")
def a(u=Depends(User())): ...
@app.get("/b")
def b(u=Depends(User(required=False))): ...
@app.get("/c")
def c(u=Depends(user(True))): ...
@app.get("/d")
def d(u=Depends(user(False))): ...
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": True, "/b": False, "/c": True, "/d": False}


def test_reading_what_the_caller_may_leave_out(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
class NotFound(Exception): ...
def find(slug, user=None):
    if slug:
        return slug
    raise NotFound(slug)
def article(slug: str, user=Depends(optional)):
    try:
        return find(slug, user=user)
    except NotFound:
        raise HTTPException(404)
@app.get("/{slug}")
def read(a=Depends(article)): ...
"""
    )
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is False
