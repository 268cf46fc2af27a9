"""Exceptions: what is raised, what catches it, and what leaves a path operation."""

from __future__ import annotations

import ast
from pathlib import Path

from tests.project.trees import function, make

from project import Project
from project.language.names import External
from project.serving.exceptions import Escape

HEAD = """
from contextlib import contextmanager, suppress
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse

app = FastAPI()

class Broken(Exception): ...
class Handled(Broken): ...
class Denied(HTTPException): ...
"""


def app_with(folder: Path, body: str) -> Project:
    return make(folder, {"main.py": HEAD + body})


def leaving(project: Project) -> dict[str, set[str]]:
    """Names of the exceptions that leave each route, by path."""
    return {
        r.path: {e.raised.kind.dotted.rsplit(".", 1)[-1] for e in project.exceptions.unanswered(r)}
        for r in project.routes
    }


def test_what_leaves_a_path_operation(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
def low(x):
    if x:
        raise Broken("x")
    raise Denied(403)

def middle(x):
    return low(x)

def user(x: int):
    raise Handled

@app.get("/direct")
def direct(x: int): return middle(x)

@app.get("/caught")
def caught(x: int):
    try:
        return middle(x)
    except Broken as error:
        raise HTTPException(409) from error

@app.get("/again")
def again(x: int):
    try:
        return middle(x)
    except Exception:
        raise

@app.get("/order")
def order(x: int):
    try:
        return middle(x)
    except Handled:
        raise
    except Exception:
        return 1

@app.get("/suppressed")
def suppressed(x: int):
    with suppress(Broken):
        return middle(x)

@app.get("/dependency")
def dependency(u: int = Depends(user)): return u
""",
    )
    assert leaving(project) == {
        "/direct": {"Broken"},
        "/caught": set(),
        "/again": {"Broken"},
        "/order": set(),
        "/suppressed": set(),
        "/dependency": {"Handled"},
    }


def test_the_trace_leads_from_the_call_to_the_raise(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
def low():
    raise Broken

@app.get("/x")
def x():
    return low()
""",
    )
    [escape] = project.exceptions.unanswered(project.routes[0])
    assert isinstance(escape, Escape)
    assert [(p.line, p.label) for p in escape.trace()] == [(17, "calls low"), (13, "raises Broken")]


def test_handlers_middleware_decorators_and_route_classes_answer(tmp_path: Path) -> None:
    handler = (
        "\n@app.exception_handler(Broken)\ndef on_broken(request: Request, error: Broken): return JSONResponse({})\n"
    )
    middleware = """
@app.middleware("http")
async def answer(request: Request, call_next):
    try:
        return await call_next(request)
    except Broken:
        return JSONResponse({}, 409)
"""
    wrapped = """
def answered(function):
    def inner():
        try:
            return function()
        except Broken:
            return None
    return inner
"""
    route = "\n@app.get('/x')\ndef x():\n    raise Handled\n"
    assert leaving(app_with(tmp_path / "none", route)) == {"/x": {"Handled"}}
    assert leaving(app_with(tmp_path / "handler", handler + route)) == {"/x": set()}
    assert leaving(app_with(tmp_path / "middleware", middleware + route)) == {"/x": set()}
    decorated = wrapped + "\n@app.get('/x')\ndef x():\n    return low()\n\n@answered\ndef low():\n    raise Handled\n"
    assert leaving(app_with(tmp_path / "decorated", decorated)) == {"/x": set()}


def test_what_ends_in_a_clause(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
def find():
    raise HTTPException(404)

@app.get("/a")
def a():
    try:
        return find()
    except Exception:
        return 1

@app.get("/b")
def b():
    try:
        return find()
    except HTTPException:
        raise
    except Exception:
        return 1
""",
    )
    exceptions = project.exceptions
    for name, expected in (("a", 1), ("b", 0)):
        route = function(project, "main.py", name)
        clause = route.all(ast.ExceptHandler)[-1]
        assert len([e for e in exceptions.ending_in(clause, route) if exceptions.is_http(e.raised.kind)]) == expected


def test_library_exceptions_know_their_bases(tmp_path: Path) -> None:
    project = app_with(tmp_path, "")
    ancestors = project.exceptions.ancestors
    assert "httpx.HTTPError" in ancestors(External("httpx.ConnectError"))
    assert "httpx.HTTPStatusError" not in ancestors(External("httpx.ConnectError"))
    assert "builtins.LookupError" in ancestors(External("builtins.KeyError"))
    assert project.exceptions.is_http(External("fastapi.HTTPException"))


def test_an_error_reaches_the_client_or_not(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
def low(): ...
def safe():
    try:
        return low()
    except Exception:
        return None
def open_(): return low()

@app.get("/a")
def a(): return safe()
""",
    )
    low = function(project, "main.py", "low")
    assert not project.exceptions.reaches_client(low, External("builtins.KeyError"))
    other = make(
        tmp_path / "other", {"main.py": (tmp_path / "main.py").read_text().replace("return safe()", "return open_()")}
    )
    assert other.exceptions.reaches_client(function(other, "main.py", "low"), External("builtins.KeyError"))


def test_arguments_close_ways_to_a_raise(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
class Source:
    def __init__(self, name, validate=True):
        if validate:
            self.check(name)

    def check(self, name):
        if not name:
            raise Broken(name)

def load(name, validate=True):
    return Source(name, validate=validate)

def ensure(row):
    if row is None:
        raise Handled
    return row

def find(): ...

@app.get("/unchecked")
def unchecked(name: str): return load(name, validate=False)

@app.get("/checked")
def checked(name: str): return load(name)

@app.get("/found")
def found():
    row = find()
    if row is None:
        row = 1
    return ensure(row)

@app.get("/perhaps")
def perhaps(): return ensure(find())
""",
    )
    assert leaving(project) == {
        "/unchecked": set(),
        "/checked": {"Broken"},
        "/found": set(),
        "/perhaps": {"Handled"},
    }


def test_a_constructor_that_raises_something_else(tmp_path: Path) -> None:
    project = app_with(
        tmp_path,
        """
class NotThere(Exception):
    def __init__(self, key):
        super().__init__(key)
        raise HTTPException(404)

@app.get("/")
def read(): raise NotThere(1)
""",
    )
    assert leaving(project) == {"/": set()}
