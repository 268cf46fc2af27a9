"""Guards that are hard to see through: made by a registry, switched by settings, swallowed by an except clause."""

from __future__ import annotations

from pathlib import Path

from tests.project.test_routes_guards import HEAD
from tests.project.trees import make


def test_an_object_of_which_only_the_class_is_declared(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
import importlib

class Verifier:
    def __init__(self, scopes=()):
        self.scopes = scopes
    def __call__(self, request: Request, token=Depends(optional)):
        return self.authenticate(token)
    def authenticate(self, token):
        if token:
            return self.verify(token)
        raise HTTPException(401)
    def verify(self, token):
        if not token.valid:
            raise refused

class Other(Verifier): ...

class Lenient:
    def __call__(self, request: Request): return None

def load(kind, scopes) -> Verifier:
    return getattr(importlib.import_module(kind), kind)(scopes)

def load_other(kind) -> Lenient:
    return getattr(importlib.import_module(kind), kind)()

def load_anything(kind):
    return getattr(importlib.import_module(kind), kind)()

@app.get("/a")
def a(u=Depends(load(os.environ["KIND"], scopes=["read"]))): ...
@app.get("/b")
def b(u=Depends(load_other(os.environ["KIND"]))): ...
@app.get("/c")
def c(u=Depends(load_anything(os.environ["KIND"]))): ...
"""
    )
    found = {r.path: (r.auth, r.auth_by) for r in make(tmp_path / "1", {"main.py": text}).routes}
    assert found["/a"] == (True, "main.Verifier()")
    assert found["/b"] == (False, "")
    assert found["/c"][0] is None
    weaker = text + "\nclass Nobody(Verifier):\n    def verify(self, token): return 'admin'\n"
    found = {r.path: (r.auth, r.auth_by) for r in make(tmp_path / "2", {"main.py": weaker}).routes}
    assert found["/a"] == (True, "main.Verifier(), depends on configuration")


def test_an_exception_that_the_handler_swallows(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
class TokenError(HTTPException):
    def __init__(self):
        super().__init__(status_code=401)

def get_token(request: Request):
    token = request.headers.get("Authorization")
    if not token:
        raise TokenError()
    return token

async def forget(request: Request):
    try:
        token = get_token(request)
    except TokenError:
        return
    settings.drop(token)

@app.post("/logout")
async def logout(request: Request):
    await forget(request)
@app.post("/other")
async def other(request: Request):
    return get_token(request)
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/logout": False, "/other": True}


def test_how_an_object_was_made_is_not_configuration(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
class Anonymous: ...
class User: ...
class Allow:
    def __init__(self, kinds, lenient=False):
        self.kinds = kinds
        self.lenient = lenient
        self.off = settings.AUTH
    def __call__(self, token=Depends(optional)):
        if type(token) in self.kinds:
            return token
        if self.lenient:
            return None
        raise refused

class Switched:
    def __init__(self):
        self.off = settings.AUTH
    def __call__(self, token=Depends(optional)):
        if self.off:
            return None
        if token is None:
            raise refused

@app.get("/a")
def a(u=Depends(Allow({User}))): ...
@app.get("/b")
def b(u=Depends(Switched())): ...
@app.get("/c")
def c(u=Depends(Allow({User}, settings.AUTH))): ...
"""
    )
    found = {r.path: (r.auth, "configuration" in r.auth_by) for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": (True, False), "/b": (True, True), "/c": (True, True)}


def test_a_guard_inside_one_that_configuration_opens(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
def verify(request: Request, token=Depends(strict)):
    if request.url.path in settings.OPEN:
        return
    if not request.user.roles:
        raise HTTPException(403)

@app.get("/a", dependencies=[Depends(verify)])
def a(): ...
"""
    )
    (route,) = make(tmp_path, {"main.py": text}).routes
    assert (route.auth, route.auth_by) == (True, "main.verify")


def test_what_an_object_was_made_with_in_its_other_methods(tmp_path: Path) -> None:
    text = (
        HEAD
        + """
class Anonymous: ...
class User: ...
def is_anonymous(subject): return isinstance(subject, Anonymous)

class Allow:
    def __init__(self, kinds):
        self.kinds = kinds
    def __call__(self, token=Depends(optional)):
        return self.check(token)
    def check(self, token):
        if not token:
            if Anonymous in self.kinds:
                return None
            raise refused
        return token

class AllowMore(Allow):
    def __call__(self, token=Depends(optional)):
        return super().__call__(token)

def web_user(subject=Depends(AllowMore(frozenset({User, Anonymous})))):
    if not is_anonymous(subject) and not subject.web:
        raise HTTPException(403)

@app.get("/a")
def a(u=Depends(Allow({User, Anonymous}))): ...
@app.get("/b")
def b(u=Depends(Allow({User}))): ...
@app.get("/c")
def c(u=Depends(AllowMore({User, Anonymous}))): ...
@app.get("/d")
def d(u=Depends(AllowMore({User}))): ...
@app.get("/e")
def e(u=Depends(web_user)): ...
"""
    )
    found = {r.path: r.auth for r in make(tmp_path, {"main.py": text}).routes}
    assert found == {"/a": False, "/b": True, "/c": False, "/d": True, "/e": False}
