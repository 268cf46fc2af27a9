"""Which routes hold the event loop, and what would mend each."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.project.trees import make

from project.serving.loop_holds import Block
from report.as_json import routes_json
from report.loop import loop_lines

HEAD = """
import asyncio, time, bcrypt, requests
from contextlib import asynccontextmanager
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
app = FastAPI()
async def real():
    async with asyncio.timeout(1):
        return 1
async def seeming():
    return requests.get("u")
"""


def block_of(folder: Path, code: str) -> Block | None:
    project = make(folder, {"main.py": HEAD + code})
    return project.loop_holds.block(project.routes[0])


@pytest.mark.parametrize(
    ("code", "remedy", "instead"),
    [
        ("async def f():\n    requests.get('u')\n", "def", "a plain def: f awaits nothing that needs the event loop"),
        ("async def f():\n    return await seeming()\n", "def", "a plain def"),
        ("async def f(request: Request):\n    requests.get(await request.json())\n", "def", "a plain def"),
        ("async def f():\n    requests.get('u')\n    await asyncio.sleep(1)\n", "def", "a plain def"),
        ("async def f():\n    requests.get('u')\n    return await real()\n", "async client", "httpx.AsyncClient"),
        ("async def f(x):\n    requests.get('u')\n    return await x\n", "async client", "httpx.AsyncClient"),
        ("async def f():\n    time.sleep(1)\n    return await real()\n", "async client", "asyncio.sleep"),
        ("async def f():\n    bcrypt.hashpw(b'', b'')\n    await real()\n", "thread", "run_in_threadpool"),
        (
            "async def f():\n    requests.get('u')\n    asyncio.create_task(real())\n",
            "async client",
            "httpx.AsyncClient",
        ),
    ],
)
def test_remedy(tmp_path: Path, code: str, remedy: str, instead: str) -> None:
    block = block_of(tmp_path, f"@app.get('/')\n{code}")
    assert block is not None
    assert block.remedy == remedy
    assert block.instead.startswith(instead)


@pytest.mark.parametrize(
    "code",
    [
        "@app.get('/')\ndef f():\n    requests.get('u')\n",
        "@app.get('/')\nasync def f():\n    open('u').read()\n",
        "@app.get('/')\nasync def f():\n    await run_in_threadpool(requests.get, 'u')\n",
        "@app.get('/')\nasync def f():\n    asyncio.create_task(seeming())\n",
        "def plain():\n    requests.get('u')\n@app.get('/')\nasync def f(x=Depends(plain)): ...\n",
    ],
)
def test_no_block(tmp_path: Path, code: str) -> None:
    assert block_of(tmp_path, code) is None


def test_an_asynchronous_dependency_blocks_a_plain_route(tmp_path: Path) -> None:
    block = block_of(tmp_path, "async def d():\n    time.sleep(1)\n@app.get('/')\ndef f(x=Depends(d)): ...\n")
    assert block is not None
    assert (block.function.name, block.calls_away, block.remedy) == ("d", 0, "def")


def test_what_sets_a_context_variable_stays_on_the_loop(tmp_path: Path) -> None:
    code = """
from contextvars import ContextVar
user = ContextVar("user")
async def d():
    requests.get("u")
    token = user.set("u")
    yield
    user.reset(token)
@app.get("/")
async def f(x=Depends(d)): ...
"""
    block = block_of(tmp_path, code)
    assert block is not None
    assert (block.function.name, block.remedy) == ("d", "async client")


def test_a_socket_is_never_a_plain_def(tmp_path: Path) -> None:
    block = block_of(tmp_path, "@app.websocket('/w')\nasync def f(ws):\n    requests.get('u')\n")
    assert block is not None
    assert block.remedy == "async client"


def test_said_in_routes_and_overview(tmp_path: Path) -> None:
    code = "@app.get('/a')\nasync def a():\n    return await seeming()\n@app.get('/b')\nasync def b(): ...\n"
    project = make(tmp_path, {"main.py": HEAD + code})
    first, second = json.loads(routes_json(project.route_list, project.route_list.rows, project.settings))["routes"]
    assert second["blocks"] is None
    assert first["blocks"] == {
        "call": "requests.get",
        "kind": "network",
        "path": "main.py",
        "line": 11,
        "calls_away": 1,
        "function": "main.a",
        "remedy": "def",
        "instead": "a plain def: a awaits nothing that needs the event loop",
    }
    (line,) = loop_lines(project.route_list, project.route_list.map.routes)
    assert line.startswith("event loop: 2 async def routes; 1 route can reach a call that blocks it, 1 within 3 calls")
    assert line.endswith("(1 would do as a plain def)")


def test_routes_that_only_an_error_or_the_configuration_holds_are_counted_apart(tmp_path: Path) -> None:
    code = """
class Gone(Exception): ...
SOME_URL = None
@app.get("/a")
async def a():
    if SOME_URL is not None:
        await seeming()
@app.get("/b")
async def b():
    try:
        await real()
    except Gone:
        await seeming()
@app.get("/c")
async def c():
    if SOME_URL is not None:
        await seeming()
    time.sleep(1)
"""
    project = make(tmp_path, {"main.py": HEAD + code})
    (line,) = loop_lines(project.route_list, project.route_list.map.routes)
    assert "3 routes can reach a call that blocks it" in line
    assert "2 only after an error or under some configuration" in line
    block = project.loop_holds.block(project.routes[2])
    assert block is not None and block.held.spelled == "time.sleep" and not block.sometimes


def test_plain_routes_wait_for_an_asynchronous_dependency(tmp_path: Path) -> None:
    code = "async def d():\n    time.sleep(1)\n@app.get('/')\ndef f(x=Depends(d)): ...\n"
    project = make(tmp_path, {"main.py": HEAD + code})
    (line,) = loop_lines(project.route_list, project.route_list.map.routes)
    assert line.startswith("event loop: no async def route; 1 route can reach a call that blocks it")
    assert "1 through an asynchronous dependency" in line
