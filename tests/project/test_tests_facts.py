"""What tests mention: requests, constants, parameters, names, helpers; clients, overrides, skips."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project import Project
from project.suite.url_patterns import HOLE, Pattern, RouteIndex

MAIN = """
from contextlib import asynccontextmanager
from fastapi import APIRouter, FastAPI

@asynccontextmanager
async def lifespan(app):
    app.state.ready = True
    yield

router = APIRouter(prefix="/orders")

@router.get("")
def list_orders(): ...
@router.post("")
def create_order(): ...
@router.get("/mine")
def list_mine(): ...
@router.get("/{order_id}")
def read_order(order_id: int): ...
@router.delete("/{order_id}")
def delete_order(order_id: int): ...
@router.get("/{order_id}/lines/{line_id}", name="orders:line")
def read_line(order_id: int, line_id: int): ...
@router.websocket("/feed")
async def feed(): ...

app = FastAPI(lifespan=lifespan)
app.include_router(router, prefix="/api")

def current_user(): ...
"""


def project_with(folder: Path, **files: str) -> Project:
    tests = {f"tests/{name}.py": text for name, text in files.items()}
    return make(folder, {"app/__init__.py": "", "app/main.py": MAIN, "tests/__init__.py": "", **tests})


def unmentioned(project: Project) -> set[str]:
    return {r.handler.rsplit(".", 1)[-1] for r in project.tests.unmentioned(project.routes)}


ALL = {"list_orders", "create_order", "list_mine", "read_order", "delete_order", "read_line", "feed"}


@pytest.mark.parametrize(
    ("test", "mentioned"),
    [
        ("def test_a(client): client.get('/api/orders')", {"list_orders"}),
        ("def test_a(client): client.get('/orders/')", {"list_orders"}),
        ("def test_a(client): client.get('/other')", set()),
        ("def test_a(client): client.post(url='http://test/api/orders?x=1')", {"create_order"}),
        ("def test_a(client): client.get('/api/orders/mine')", {"list_mine"}),
        ("def test_a(client): client.get('/api/orders/7')", {"read_order"}),
        ("def test_a(client, i): client.get(f'/api/orders/{i}')", {"read_order"}),
        ("BASE = '/api'\ndef test_a(client, i): client.delete(f'{BASE}/orders/{i}')", {"delete_order"}),
        ("def test_a(client, i): client.get('/api/orders/' + str(i))", {"read_order"}),
        ("def test_a(client, i): client.get('/api/orders/%s/lines/%s' % (i, i))", {"read_line"}),
        ("def test_a(client, i): client.get('/api/orders/{}/lines/2'.format(i))", {"read_line"}),
        ("def test_a(client): client.request('DELETE', '/api/orders/1')", {"delete_order"}),
        ("def test_a(client): client.websocket_connect('/api/orders/feed')", {"feed"}),
        ("def test_a(client):\n    url = '/api/orders'\n    client.get(url)", {"list_orders"}),
        ("def url(i): return f'/api/orders/{i}'\ndef test_a(client): client.get(url(3))", {"read_order"}),
        ("from app.main import app\ndef test_a(client): client.get(app.url_path_for('orders:line'))", {"read_line"}),
        ("from app.main import create_order\ndef test_a(): create_order()", {"create_order"}),
        ("import app.main as m\ndef test_a(): m.list_orders()", {"list_orders"}),
        ("UNUSED = '/api/orders/1'\ndef test_a(client): client.get('/api/orders')", {"list_orders"}),
        ("def test_a(): print({'/x': 1}.get('orders'))", set()),
        ("import schemathesis\ndef test_a(): ...", ALL),
    ],
)
def test_mentions(tmp_path: Path, test: str, mentioned: set[str]) -> None:
    assert ALL - unmentioned(project_with(tmp_path, test_a=test)) == mentioned


def test_paths_that_a_fixture_gives(tmp_path: Path) -> None:
    paths = "ORDERS = '/orders'\nONE = ORDERS + '/{order_id}'\nMINE = ORDERS + '/mine'\n"
    test = """
import pytest
from tests.paths import MINE, ONE, ORDERS
PREFIX = "/api"

@pytest.fixture
def url():
    yield PREFIX + MINE

class TestOne:
    @pytest.fixture
    def url(self):
        return PREFIX + ONE

    def test_delete(self, client, url):
        client.delete(url.format(order_id=1))

class TestOther:
    @pytest.fixture
    def base(self):
        return PREFIX + ORDERS + "?"

    def test_list(self, client, base):
        client.get(base + "size=3")

    def test_mine(self, client, url):
        client.get(url)
"""
    project = project_with(tmp_path, paths=paths, test_orders=test)
    assert unmentioned(project) == {"read_order", "read_line", "feed"}


def test_paths_in_parameters_count_for_every_method(tmp_path: Path) -> None:
    test = """
    import pytest
    @pytest.mark.parametrize("path", ["/api/orders/1"])
    def test_a(client, path):
        client.get(path)
    """
    assert ALL - unmentioned(project_with(tmp_path, test_a=test)) == {"read_order", "delete_order"}


def test_names_of_routes_in_parameters(tmp_path: Path) -> None:
    test = """
    import pytest
    @pytest.mark.parametrize("name", ["orders:line"])
    def test_a(client, app, name):
        client.get(app.url_path_for(name))
    """
    assert ALL - unmentioned(project_with(tmp_path, test_a=test)) == {"read_line"}


def test_skipped_tests_do_not_mention(tmp_path: Path) -> None:
    test = """
    import pytest
    @pytest.mark.skip(reason="later")
    def test_a(client):
        client.get("/api/orders")
    @pytest.mark.skipif(True, reason="sometimes")
    def test_b(client):
        client.post("/api/orders")
    """
    project = project_with(tmp_path, test_a=test)
    assert ALL - unmentioned(project) == {"create_order"}
    listing = [r for r in project.routes if r.path == "/api/orders" and "GET" in r.methods]
    assert [(p.path, p.line) for p in project.tests.skipped(listing)] == [("tests/test_a.py", 5)]


def test_a_test_of_all_routes_mentions_them_all(tmp_path: Path) -> None:
    driven = """
    from app.main import app
    def test_a(client):
        for path in app.openapi()["paths"]:
            assert client.get(path).status_code == 401
    """
    counted = """
    from app.main import app
    def test_a(client, path):
        assert sum(len(operations) for operations in app.openapi()["paths"].values()) == 6
    """
    assert unmentioned(project_with(tmp_path / "a", test_a=driven)) == set()
    assert unmentioned(project_with(tmp_path / "b", test_a=counted)) == ALL


@pytest.mark.parametrize(
    ("test", "entered"),
    [
        ("client = TestClient(app)", False),
        ("def test_a():\n    with TestClient(app) as client: ...", True),
        ("@pytest.fixture\ndef client():\n    return TestClient(app)", False),
        ("@pytest.fixture\ndef client():\n    with TestClient(app) as c:\n        yield c", True),
        ("client = TestClient(app)\ndef test_a():\n    with client: ...", True),
    ],
)
def test_clients_and_the_lifespan(tmp_path: Path, test: str, entered: bool) -> None:
    head = "import pytest\nfrom fastapi.testclient import TestClient\nfrom app.main import app\n"
    [client] = project_with(tmp_path, test_a=head + test).tests.clients
    assert client.app is not None
    assert (client.app.name, client.entered) == ("app.main:app", entered)


CHANGED = "def test_a():\n    app.dependency_overrides[current_user] = lambda: 1\n"
CLEANED = """
@pytest.fixture(autouse=True)
def clean():
    yield
    app.dependency_overrides = {}
"""
INNER = """
@pytest.fixture
def inner():
    yield
    app.dependency_overrides.clear()
@pytest.fixture
def outer(inner): ...
"""


@pytest.mark.parametrize(
    ("test", "cleared"),
    [
        (CHANGED, False),
        (CHANGED + "    app.dependency_overrides.clear()\n", True),
        ("def test_a():\n    app = FastAPI()\n    app.dependency_overrides[current_user] = lambda: 1", True),
        (CLEANED + CHANGED, True),
        (INNER + CHANGED.replace("test_a()", "test_a(outer)"), True),
    ],
)
def test_overrides(tmp_path: Path, test: str, cleared: bool) -> None:
    head = "import pytest\nfrom fastapi import FastAPI\nfrom app.main import app, current_user\n"
    overrides = project_with(tmp_path, test_a=head + test).tests.overrides
    assert {o.cleared for o in overrides if "[" in test} == {cleared}


def test_patched_functions(tmp_path: Path) -> None:
    test = """
    from unittest.mock import patch
    from app import main
    def test_a(monkeypatch):
        with patch("app.main.current_user"): ...
        monkeypatch.setattr(main, "list_orders", None)
        monkeypatch.setattr("app.main.nothing", None)
    """
    found = project_with(tmp_path, test_a=test).tests.patched_functions
    assert [(place.line, f.name) for place, f in found] == [(5, "current_user"), (6, "list_orders")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("/api/users", {"/api/users/"}),
        ("/users/me", {"/api/users/me"}),
        (f"/users/{HOLE}", {"/api/users/{id}"}),
        (f"{HOLE}/users/{HOLE}/posts", {"/api/users/{id}/posts"}),
        ("/files/a/b.txt", {"/files/{path:path}"}),
        ("/v2/api/users/3", {"/api/users/{id}"}),
        ("/nothing", set()),
        ("/", {"/"}),
        (f"/api{HOLE}/{HOLE}/posts", {"/api/users/{id}/posts"}),
    ],
)
def test_url_patterns(text: str, expected: set[str]) -> None:
    paths = ["/api/users/", "/api/users/me", "/api/users/{id}", "/api/users/{id}/posts", "/files/{path:path}", "/"]
    pattern = Pattern.of(text)
    assert pattern is not None
    assert {paths[n] for n in RouteIndex(paths).find(pattern)} == expected


def test_text_that_is_no_path() -> None:
    assert Pattern.of(HOLE) is None
    assert Pattern.of(f"/api/v1{HOLE}/{HOLE}") is None
    assert Pattern.of("a sentence / with words") is None


SENDS = """
import aiohttp
async def send(method, endpoint, body=None):
    async with aiohttp.ClientSession() as session:
        async with session.request(method=str(method), url=root() + endpoint, data=body) as answer:
            return await answer.json()
async def send_order(method, endpoint):
    return await send(method=method, endpoint=f"api/orders/1/{endpoint}")
"""


def test_paths_without_a_slash_handed_to_a_helper(tmp_path: Path) -> None:
    main = (
        "from fastapi import FastAPI\napp = FastAPI()\n@app.post('/token')\ndef token(): ...\n"
        "@app.get('/token')\ndef read_token(): ...\n@app.get('/ping')\ndef ping(): ...\n"
        "@app.get('/other')\ndef other(): ...\n"
    )
    asked = (
        "from tests.shared import send\n"
        "async def test_a(): await send(Method.POST, 'token', {})\n"
        "async def test_b(): await send('GET', endpoint='ping')\n"
        "def test_c(): print('other')\n"
    )
    tree = {"app/main.py": main, "tests/__init__.py": "", "tests/shared.py": SENDS, "tests/test_a.py": asked}
    assert unmentioned(make(tmp_path, tree)) == {"read_token", "other"}


MOUNTED = {
    "app/__init__.py": "",
    "app/admin.py": "from fastapi import FastAPI\nadmin = FastAPI()\n@admin.get('/roles')\ndef admin_roles(): ...\n",
    "app/api.py": "from fastapi import FastAPI\napi = FastAPI()\n@api.get('/roles')\ndef api_roles(): ...\n",
    "app/main.py": "from fastapi import FastAPI\nfrom app.admin import admin\nfrom app.api import api\n"
    "app = FastAPI()\napp.mount('/admin/api', api)\napp.mount('/admin', admin)\n"
    "@app.get('/roles')\ndef roles(): ...\n",
}


@pytest.mark.parametrize(
    ("imports", "left"),
    [
        ("from app.api import api", {"admin_roles"}),
        ("from app.main import app", {"admin_roles", "api_roles"}),
        ("import app.admin\ndef made(): return app.admin.admin", {"api_roles"}),
    ],
)
def test_a_mounted_application_tested_itself(imports: str, left: set[str], tmp_path: Path) -> None:
    project = make(tmp_path, MOUNTED | {"tests/test_a.py": f"{imports}\ndef test_a(client): client.get('/roles')\n"})
    assert unmentioned(project) == left


def test_the_function_that_is_all_a_handler_does(tmp_path: Path) -> None:
    main = (
        "from fastapi import Depends, FastAPI, Response\nfrom app.pages import render, total\napp = FastAPI()\n"
        "def user(): ...\n@app.get('/config.js')\ndef config():\n    'Settings.'\n    return Response(render(1))\n"
        "@app.get('/total')\ndef read_total(u=Depends(user)): return total(1)\n"
        "@app.get('/sum')\ndef read_sum(): return total(1)\n"
    )
    pages = "def render(n): ...\ndef total(n): ...\n"
    tests = "from app.pages import render, total\ndef test_a(): assert render(2)\ndef test_b(): assert [total]\n"
    tree = {"app/__init__.py": "", "app/main.py": main, "app/pages.py": pages, "tests/test_a.py": tests}
    assert unmentioned(make(tmp_path, tree)) == {"read_total", "read_sum"}
