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
    "argument left out, 422": CLASSES.replace("BODY", """
        try:
            return jwt.decode(token, "k")
        except Exception as e:
            raise HTTPException(status_code=422)""")
    + "def dep(tokens: Tokens = Depends()):\n    return tokens.subject()\n",
    "argument left out, own exception with its status": CLASSES.replace("BODY", """
        try:
            return jwt.decode(token, "k")
        except Exception as e:
            raise DecodeError(status_code=422, message=str(e))""")
    + "def dep(tokens: Tokens = Depends()):\n    return tokens.subject()\n",
    "argument left out, not caught": CLASSES.replace("BODY", """
        payload = jwt.decode(token, "k")
        return payload["sub"]""")
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
