"""A guard is what examines a credential and does not let the request on without it; the status it answers with is not
decisive. Whoever is let through without credentials, to a handler that may look for itself, is optional."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.test_routes_guards import HEAD
from tests.project.trees import make

CLASSES = """
class DecodeError(Exception):
    def __init__(self, status_code, message=""):
        self.status_code = status_code
class Nope(Exception): ...
class NotFound(Exception): ...
class Tokens:
    def __init__(self, req: Request):
        self.req = req
    def subject(self, token: str | None = None):
        if not token:
            token = self.req.cookies.get("t")
        return self.decode(token)
    def decode(self, token):
        BODY
"""

GUARDS = {
    "422 in a try": """
def dep(request: Request):
    token = request.headers.get("Authorization")
    try:
        return jwt.decode(token, "k")
    except Exception as error:
        raise HTTPException(status_code=422, detail=str(error))
""",
    "own exception without a handler": """
class Nope(Exception): ...
def dep(request: Request):
    try:
        return jwt.decode(request.cookies.get("t"), "k")
    except jwt.PyJWTError:
        raise Nope()
""",
    "own exception answered with 400": """
class Nope(Exception): ...
@app.exception_handler(Nope)
def nope(request, error):
    return JSONResponse({}, status_code=400)
def dep(t=Depends(optional)):
    if not t:
        raise Nope("who are you")
""",
    "argument left out, 422": CLASSES.replace(
        "BODY",
        """
        try:
            return jwt.decode(token, "k")
        except Exception as e:
            raise HTTPException(status_code=422)""",
    )
    + "def dep(tokens: Tokens = Depends()):\n    return tokens.subject()\n",
    "argument left out, own exception with its status": CLASSES.replace(
        "BODY",
        """
        try:
            return jwt.decode(token, "k")
        except Exception as e:
            raise DecodeError(status_code=422, message=str(e))""",
    )
    + "def dep(tokens: Tokens = Depends()):\n    return tokens.subject()\n",
    "argument left out, not caught": CLASSES.replace(
        "BODY",
        """
        payload = jwt.decode(token, "k")
        return payload["sub"]""",
    )
    + "def dep(tokens: Tokens = Depends()):\n    return tokens.subject()\n",
    "one of several sources": """
class Tokens:
    def __init__(self, req: Request):
        self.req = req
    def subject(self, source="request", token=None, socket=None):
        if source == "request":
            if not token:
                token = self.req.cookies.get("t")
        elif source == "socket":
            if socket:
                token = socket.cookies.get("t")
        else:
            raise ValueError("no such source")
        return jwt.decode(token, "k")
def dep(tokens: Tokens = Depends()):
    return tokens.subject()
""",
    "a cookie or a header": """
def dep(request: Request, browser: bool = False):
    if browser:
        token = request.cookies.get("t")
    else:
        token = request.headers.get("Authorization")
    try:
        return jwt.decode(token, "k")
    except Exception:
        raise HTTPException(400)
""",
    "a helper that always raises, a token that starts as nothing": """
statuses = {"missing": {"status_code": 401}}
def raise_error(code, message):
    raise HTTPException(status_code=statuses[code]["status_code"], detail=message)
async def dep(request: Request):
    token = None
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        token = header[7:]
    if not token:
        raise_error("missing", message="no token")
    return token
""",
    "a helper that always raises, what was found starts empty": """
statuses = {"missing": {"status_code": 401}}
def raise_error(code):
    raise HTTPException(status_code=statuses[code]["status_code"])
async def dep(request: Request):
    found = {}
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        found["token"] = header[7:]
    if not found.get("token"):
        raise_error("missing")
    return found
""",
    "looked up, then 400": """
def find(token): return None
def dep(request: Request):
    session = find(request.cookies.get("session"))
    if session is None:
        raise HTTPException(400, "log in first")
    return session
""",
}

OPEN = {
    "malformed header that is no credential": """
def dep(request: Request):
    try:
        return int(request.headers.get("x-page"))
    except ValueError:
        raise HTTPException(422)
""",
    "malformed cursor beside an optional user": """
import base64
def dep(cursor: str, t=Depends(optional)):
    try:
        return base64.b64decode(cursor), t
    except ValueError:
        raise HTTPException(422)
""",
    "not found beside an optional user": """
class NotFound(Exception): ...
def find(slug, user=None):
    if slug:
        return slug
    raise NotFound(slug)
def dep(slug: str, user=Depends(optional)):
    try:
        return find(slug, user=user)
    except NotFound:
        raise HTTPException(404)
""",
    "nothing unless it is given": """
def raise_error():
    raise ValueError()
def dep(request: Request, page: int = 0):
    found = {}
    header = request.headers.get("Authorization", "")
    if header.startswith("Bearer "):
        found["token"] = header[7:]
    if page < 0:
        raise_error()
    return found
""",
    "decoded, else nobody": """
def dep(request: Request):
    try:
        return jwt.decode(request.cookies.get("t"), "k")
    except jwt.PyJWTError:
        return None
""",
    "an argument left out decides": """
def find(slug, token=None):
    if token:
        raise HTTPException(400)
    return slug
def dep(slug: str, t=Depends(optional)):
    return find(slug)
""",
}


@pytest.mark.parametrize("name", GUARDS)
def test_guards(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\n{GUARDS[name]}\n@app.get('/', dependencies=[Depends(dep)])\ndef read(): ...\n"
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is True


@pytest.mark.parametrize("name", OPEN)
def test_not_guards(tmp_path: Path, name: str) -> None:
    text = f"{HEAD}\n{OPEN[name]}\n@app.get('/', dependencies=[Depends(dep)])\ndef read(): ...\n"
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.auth, route.auth_by) == (False, "")


OPTIONAL = {
    "returns early": """
def dep(t=Depends(optional)) -> dict | None:
    if not t:
        return None
    return who(t)
def who(t):
    user = find(t)
    if user is None:
        raise refused
    return user
def find(t): ...
""",
    "decoded, else nobody, then looked up": """
def dep(t=Depends(optional)) -> dict | None:
    try:
        claims = jwt.decode(t, "k")
    except jwt.PyJWTError:
        return None
    user = find(claims["sub"])
    if user is None:
        raise refused
    return user
def find(t): ...
""",
    "asks the scheme itself": """
async def dep(request: Request) -> dict | None:
    try:
        return find(await strict(request))
    except HTTPException:
        return None
def find(t): ...
""",
    "made to be optional": """
def made(needed=True):
    def inner(request: Request):
        t = request.headers.get("Authorization")
        if t is None:
            if not needed:
                return None
            raise refused
        return t
    return inner
dep = made(needed=False)
""",
}


@pytest.mark.parametrize("name", OPTIONAL)
def test_who_may_be_nobody(tmp_path: Path, name: str) -> None:
    """The route is open, and says what reads credentials; a handler that refuses nobody itself is a guard."""
    text = f"""{HEAD}
{OPTIONAL[name]}
@app.get('/all')
def read(user=Depends(dep)):
    return user
@app.get('/mine')
def mine(user=Depends(dep)):
    if user is None:
        raise HTTPException(400)
    return user
@app.get('/called')
def called(user=Depends(dep)):
    need(user)
    return user
def need(user):
    if not user:
        raise HTTPException(403)
"""
    routes = {r.path: r for r in make(tmp_path, {"main.py": text}).routes}
    assert {path: r.auth for path, r in routes.items()} == {"/all": False, "/mine": True, "/called": True}
    assert routes["/all"].auth_optional.startswith("main.")
    assert routes["/mine"].auth_optional == ""


def test_a_session_of_the_database_is_no_credential(tmp_path: Path) -> None:
    text = f"""{HEAD}
def get_session(request: Request):
    with request.state.async_sessionmaker() as session:
        yield session
@app.get('/{{slug}}')
def read(slug: str, session=Depends(get_session)):
    found = find(session, slug)
    if found is None:
        raise HTTPException(404)
    return found
def find(session, slug):
    return session.get(slug)
"""
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.auth, route.auth_optional) == (False, "")


def test_a_scheme_that_a_function_asks_refuses_by_itself(tmp_path: Path) -> None:
    text = f"""{HEAD}
async def dep(request: Request):
    return await strict(request)
async def lenient(request: Request):
    return await optional(request)
@app.get('/a')
def a(user=Depends(dep)): ...
@app.get('/b')
def b(user=Depends(lenient)): ...
"""
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": True, "/b": False}


def test_a_websocket_dependency_that_closes(tmp_path: Path) -> None:
    """After `close` every use of the socket by the handler fails, so any code keeps the rest out."""
    text = f"""{HEAD}
async def closes(websocket: WebSocket, token: str | None = None):
    if not websocket.cookies.get("token"):
        await websocket.close(code=4401)
        return None
    return websocket.cookies["token"]
async def leaves(websocket: WebSocket):
    return websocket.cookies.get("token")
@app.websocket("/closed")
async def closed(websocket: WebSocket, user=Depends(closes)):
    await websocket.accept()
@app.websocket("/left")
async def left(websocket: WebSocket, user=Depends(leaves)):
    await websocket.accept()
@app.websocket("/checked")
async def checked(websocket: WebSocket, user=Depends(leaves)):
    if user is None:
        await websocket.close()
        return
    await websocket.accept()
"""
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/closed": True, "/left": False, "/checked": True}


def test_a_request_given_to_code_that_was_not_found_may_be_checked(tmp_path: Path) -> None:
    text = f"""{HEAD}
async def get_user_auth(request: Request):
    known = getattr(request.state, "user_auth", None)
    if known:
        return known
    return await chosen(settings).get_instance(request)
async def get_user_id(request: Request):
    return (await get_user_auth(request)).id
async def get_locale(request: Request):
    return await chosen(settings).negotiate(request)
@app.get('/a')
def a(user=Depends(get_user_id)): ...
@app.get('/b')
def b(locale=Depends(get_locale)): ...
"""
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": None, "/b": False}


def test_a_token_in_the_query_of_a_websocket(tmp_path: Path) -> None:
    """Browsers cannot set headers for a WebSocket: a dependency that takes a token takes a credential."""
    text = f"""{HEAD}
from fastapi import Query
def user_of(token):
    try:
        return jwt.decode(token, "k")
    except jwt.PyJWTError:
        raise refused
async def checked(ws: WebSocket, ws_token: str | None = Query(default=None, alias="token")):
    if ws_token and settings.AUTH:
        if secrets.compare_digest(ws_token, "a"):
            return ws_token
    try:
        user = user_of(ws_token)
        return user
    except HTTPException:
        pass
    await ws.close(code=status.WS_1008_POLICY_VIOLATION)
async def looked_at(ws: WebSocket, token: str = Query("")):
    return token
@app.websocket("/a")
async def a(ws: WebSocket, user=Depends(checked)): ...
@app.websocket("/b")
async def b(ws: WebSocket, token=Depends(looked_at)): ...
"""
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": True, "/b": False}


def test_a_decorator_that_asks_for_scopes_as_starlette_does(tmp_path: Path) -> None:
    text = f"""{HEAD}
import functools
from starlette.authentication import has_required_scope
def refuse(request):
    raise HTTPException(403)
def needs(scopes):
    def decorator(func):
        @functools.wraps(func)
        def wrapper(*args, **kwargs):
            request = kwargs.get("request")
            if not has_required_scope(request, scopes):
                refuse(request)
            return func(*args, **kwargs)
        return wrapper
    return decorator
def protected(method, path, scopes):
    def decorator(func):
        return method(path)(needs(scopes)(func))
    return decorator
@protected(app.get, "/a", ["x"])
def a(request: Request): ...
"""
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is True


def test_a_middleware_against_forged_requests_lets_everybody_in(tmp_path: Path) -> None:
    text = f"""{HEAD}
class CSRFMiddleware:
    def __init__(self, app):
        self.app = app
    async def __call__(self, scope, receive, send):
        request = Request(scope, receive)
        sent = request.cookies.get("csrftoken")
        if not sent and request.cookies.get("session"):
            response = JSONResponse({{}}, status_code=403)
            await response(scope, receive, send)
            return
        await self.app(scope, receive, send)
app.add_middleware(CSRFMiddleware)
@app.put("/a")
def a(): ...
"""
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert route.auth is False
