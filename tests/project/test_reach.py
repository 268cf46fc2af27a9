"""What runs on the event loop: roots, hops, threads, wrappers, generators, tasks, start-up, guards, conditions."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import function, make

from project import Project

HEAD = """
import asyncio, functools, time
from fastapi import BackgroundTasks, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
app = FastAPI()
def slow(): time.sleep(1)
"""


def loop_of(folder: Path, code: str) -> Project:
    return make(folder, {"main.py": HEAD + code})


def is_on_loop(project: Project, name: str) -> bool:
    return function(project, "main.py", name) in project.event_loop


@pytest.mark.parametrize(
    "code",
    [
        "@app.get('/')\nasync def f():\n    slow()\n",
        "async def d():\n    slow()\n@app.get('/')\ndef f(x=Depends(d)): ...\n",
        "@app.middleware('http')\nasync def m(request, call_next):\n    slow()\n    return await call_next(request)\n",
        "@app.exception_handler(ValueError)\nasync def h(request, error):\n    slow()\n",
        "@app.websocket('/ws')\nasync def f(websocket):\n    slow()\n",
        "async def t():\n    slow()\n@app.get('/')\nasync def f(b: BackgroundTasks):\n    b.add_task(t)\n",
        "async def t():\n    slow()\n@app.get('/')\nasync def f():\n    asyncio.create_task(t())\n",
        "@app.get('/')\nasync def f():\n    await run_in_threadpool(print, slow())\n",
        "def run(work):\n    return work()\n@app.get('/')\nasync def f():\n    run(slow)\n",
        (
            "def run(work):\n    return again(work)\ndef again(w):\n    w()\n"
            "@app.get('/')\nasync def f():\n    run(lambda: slow())\n"
        ),
        "H = {'a': slow}\n@app.get('/')\nasync def f(k: str):\n    H[k]()\n",
        "H = {}\nH['a'] = slow\n@app.get('/')\nasync def f(k: str):\n    H.get(k)()\n",
        "def gen():\n    slow()\n    yield 1\n@app.get('/')\nasync def f():\n    return list(gen())\n",
        (
            "async def gen():\n    slow()\n    yield 1\n"
            "@app.get('/')\nasync def f():\n    return StreamingResponse(gen())\n"
        ),
        (
            "def deco(fn):\n    @functools.wraps(fn)\n    async def w(*a):\n"
            "        slow()\n        return await fn(*a)\n"
            "    return w\n@app.get('/')\n@deco\nasync def f(): ...\n"
        ),
        (
            "def deco(fn):\n    @functools.wraps(fn)\n    async def w(*a):\n        return fn(*a)\n"
            "    return w\n@app.get('/')\n@deco\ndef f():\n    slow()\n"
        ),
        "@app.on_event('startup')\nasync def s():\n    slow()\n",
    ],
)
def test_on_the_loop(tmp_path: Path, code: str) -> None:
    assert is_on_loop(loop_of(tmp_path, code), "slow")


@pytest.mark.parametrize(
    "code",
    [
        "@app.get('/')\ndef f():\n    slow()\n",
        "def d():\n    slow()\n@app.get('/')\nasync def f(x=Depends(d)): ...\n",
        "class D:\n    def __init__(self):\n        slow()\n@app.get('/')\nasync def f(x=Depends(D)): ...\n",
        "def t():\n    slow()\n@app.get('/')\nasync def f(b: BackgroundTasks):\n    b.add_task(t)\n",
        "@app.get('/')\nasync def f():\n    await run_in_threadpool(slow)\n",
        "@app.get('/')\nasync def f():\n    await asyncio.to_thread(lambda: slow())\n",
        (
            "@app.get('/')\nasync def f():\n"
            "    await asyncio.get_running_loop().run_in_executor(None, functools.partial(slow))\n"
        ),
        "def gen():\n    slow()\n    yield 1\n@app.get('/')\nasync def f():\n    return StreamingResponse(gen())\n",
        (
            "def gen():\n    slow()\n    yield 1\n@app.get('/')\n"
            "async def f():\n    g = gen()\n    return StreamingResponse(g)\n"
        ),
        "def keep(work):\n    return work\n@app.get('/')\nasync def f():\n    keep(slow)\n",
        (
            "from concurrent.futures import ThreadPoolExecutor\npool = ThreadPoolExecutor()\n"
            "async def work():\n    slow()\n"
            "@app.get('/')\nasync def f():\n    pool.submit(asyncio.run, work())\n"
        ),
        (
            "def deco(fn):\n    @functools.wraps(fn)\n"
            "    async def w(*a):\n        return await run_in_threadpool(fn, *a)\n"
            "    return w\n@app.get('/')\n@deco\ndef f():\n    slow()\n"
        ),
        (
            "def helper():\n    try:\n        asyncio.get_running_loop()\n    except RuntimeError:\n        slow()\n"
            "@app.get('/')\nasync def f():\n    helper()\n"
        ),
        (
            "def helper():\n    loop = asyncio.get_event_loop()\n    if loop.is_running():\n"
            "        return None\n    return slow()\n"
            "@app.get('/')\nasync def f():\n    helper()\n"
        ),
        "def helper(wait=False):\n    if wait:\n        slow()\n@app.get('/')\nasync def f():\n    helper()\n",
        (
            "def helper(wait):\n    return None if not wait else slow()\n@app.get('/')\n"
            "async def f():\n    helper(wait=False)\n"
        ),
        "def main():\n    slow()\n",
    ],
)
def test_off_the_loop(tmp_path: Path, code: str) -> None:
    assert not is_on_loop(loop_of(tmp_path, code), "slow")


def test_a_condition_excludes_only_where_every_call_says_so(tmp_path: Path) -> None:
    code = """
def helper(wait=False):
    if wait:
        slow()
@app.get('/a')
async def a():
    helper()
@app.get('/b')
async def b():
    helper(wait=True)
"""
    project = loop_of(tmp_path, code)
    assert is_on_loop(project, "slow")
    assert project.event_loop.root(function(project, "main.py", "slow")).label in ("GET /a a", "GET /b b")


def test_a_way_from_a_handler_comes_before_a_shorter_one_from_start_up(tmp_path: Path) -> None:
    code = """
def middle():
    slow()
@app.on_event('startup')
async def start():
    slow()
@app.get('/')
async def f():
    middle()
"""
    project = loop_of(tmp_path, code)
    loop = project.event_loop
    target = function(project, "main.py", "slow")
    assert loop.root(target).kind == "handler"
    assert [p.label for p in loop.trace(target)] == ["GET / f", "calls middle", "calls slow"]
    assert not loop.is_rare(target)


def test_a_task_that_start_up_leaves_behind_runs_while_serving(tmp_path: Path) -> None:
    code = """
async def watch():
    while True:
        slow()
@app.on_event('startup')
async def start():
    asyncio.create_task(watch())
"""
    project = loop_of(tmp_path, code)
    loop = project.event_loop
    target = function(project, "main.py", "slow")
    assert loop.root(target).kind == "background task"
    assert not loop.is_rare(target)


@pytest.mark.parametrize(
    "code",
    [
        "made = None\ndef get():\n    global made\n    if made is None:\n        made = slow()\n    return made\n",
        (
            "made = None\ndef get():\n    global made\n    if made is not None:\n"
            "        return made\n    made = slow()\n    return made\n"
        ),
        "@functools.lru_cache\ndef get():\n    return slow()\n",
    ],
)
def test_what_is_made_once_and_kept_is_rare(tmp_path: Path, code: str) -> None:
    project = loop_of(tmp_path, code + "@app.get('/')\nasync def f():\n    get()\n")
    assert project.event_loop.is_rare(function(project, "main.py", "slow"))


def test_a_cache_that_the_application_empties_is_filled_again(tmp_path: Path) -> None:
    code = "@functools.lru_cache\ndef get():\n    return slow()\n@app.get('/')\nasync def f():\n    get()\n"
    project = loop_of(tmp_path, code + "    get.cache_clear()\n")
    assert not project.event_loop.is_rare(function(project, "main.py", "slow"))


def test_methods_that_a_library_calls_of_a_class_of_the_project(tmp_path: Path) -> None:
    code = """
from fastapi_users import BaseUserManager, UUIDIDMixin
class UserManager(UUIDIDMixin, BaseUserManager):
    async def authenticate(self, credentials):
        return self.password_helper.verify_and_update(credentials.password, "")
"""
    loop = loop_of(tmp_path, code).event_loop
    (found,) = loop.calls_of(lambda name: name.startswith("fastapi_users.password."))
    assert found[2] == "fastapi_users.password.PasswordHelper.verify_and_update"
    assert loop.root(found[0]).label == "UserManager.authenticate"


PRIMED = """
made = None
def get():
    global made
    if made is None:
        made = slow()
    return made
@app.get('/')
async def f():
    get()
"""


def test_what_start_up_makes_is_made_there(tmp_path: Path) -> None:
    project = loop_of(tmp_path, PRIMED + "@app.on_event('startup')\nasync def start():\n    get()\n")
    target = function(project, "main.py", "slow")
    assert project.event_loop.is_rare(target)
    assert project.event_loop.root(target).kind == "start-up"


def test_making_once_is_no_reason_for_every_route(tmp_path: Path) -> None:
    code = PRIMED + "@app.get('/direct')\nasync def direct():\n    slow()\n"
    project = loop_of(tmp_path, code)
    reaching = project.event_loop.roots_reaching(function(project, "main.py", "slow"))
    assert [r.label for r in reaching] == ["GET /direct direct"]


def test_entry_is_where_a_coroutine_enters_plain_functions(tmp_path: Path) -> None:
    code = """
def one():
    two()
def two():
    slow()
@app.get('/')
async def f():
    one()
"""
    project = loop_of(tmp_path, code)
    entry = project.event_loop.entry(function(project, "main.py", "slow"))
    assert entry is not None
    assert entry.place().symbol == "main.f"
    assert project.event_loop.entry(function(project, "main.py", "f")) is None


def test_implementations_that_nobody_makes_are_left_out(tmp_path: Path) -> None:
    code = """
from abc import ABC, abstractmethod
class Store(ABC):
    @abstractmethod
    def get(self): ...
class Memory(Store):
    def get(self): return 1
class Remote(Store):
    def get(self): return slow()
def store() -> Store:
    return Memory()
@app.get('/')
async def f(s: Store = Depends(store)):
    s.get()
"""
    project = loop_of(tmp_path, code)
    assert is_on_loop(project, "Memory.get")
    assert not is_on_loop(project, "slow")


def test_socket_events_and_scheduled_jobs(tmp_path: Path) -> None:
    code = """
import socketio
from apscheduler.schedulers.asyncio import AsyncIOScheduler
sio = socketio.AsyncServer()
scheduler = AsyncIOScheduler()
@sio.on('join')
async def join(sid):
    slow()
async def job(): ...
def plain(): ...
scheduler.add_job(job)
scheduler.add_job(plain)
"""
    project = loop_of(tmp_path, code)
    assert is_on_loop(project, "slow")
    assert {r.function.name: r.on_loop for r in project.roots} == {"join": True, "job": True, "plain": False}


def test_thread_side_follows_plain_functions_only(tmp_path: Path) -> None:
    code = """
def helper(): ...
async def work():
    slow()
@app.get('/')
def f():
    helper()
    asyncio.run(work())
"""
    project = loop_of(tmp_path, code)
    assert {f.name for f in project.thread_side.functions} == {"f", "helper"}


def test_only_roots_whose_arguments_lead_there(tmp_path: Path) -> None:
    code = """
import time
from fastapi import FastAPI

app = FastAPI()

def wait(): time.sleep(1)

class User:
    def __init__(self, **kwargs):
        roles = kwargs.get("roles")
        if roles is None:
            wait()

@app.get("/given")
async def given():
    roles = None
    if roles is None:
        roles = [1]
    return User(roles=roles)

@app.get("/left")
async def left(name: str):
    return User(name=name)
"""
    loop = loop_of(tmp_path, code).event_loop
    target = next(f for f in loop.functions if f.name == "wait")
    assert [r.label for r in loop.roots_reaching(target)] == ["GET /left left"]
    assert [hop.line for hop in loop.trace(target)] == [30, 31, 20]


@pytest.mark.parametrize(
    ("trial", "blocks"),
    [
        ("", False),
        ("pool.submit(trial)", True),
        (
            "if __name__ == '__main__':\n    def inner(): time.sleep(1)\n    pool.submit(inner)",
            False,
        ),
        ("def main():\n    pool.submit(trial)\nif __name__ == '__main__':\n    main()", False),
        ("def main():\n    pool.submit(trial)\nmain()", True),
    ],
)
def test_functions_handed_over_by_a_script(tmp_path: Path, trial: str, blocks: bool) -> None:
    code = f"""
class Pool:
    def submit(self, function):
        return self.run(function)
    def run(self, function):
        return function()

pool = Pool()

def trial(): time.sleep(1)

def good(): ...

@app.get('/')
async def f(): pool.submit(good)

{trial}
"""
    names = [name for _, _, name in loop_of(tmp_path, code).event_loop.calls_of(lambda n: n == "time.sleep")]
    assert bool(names) is blocks


def test_a_test_for_coroutine_functions_tells_which_are_called(tmp_path: Path) -> None:
    code = """
class Pool:
    async def submit(self, function):
        if asyncio.iscoroutinefunction(function):
            return await self.run(function)
        return await run_in_threadpool(function)
    async def run(self, function):
        return await function()

pool = Pool()

def plain(): time.sleep(1)

async def other(): ...

@app.get('/')
async def f(): await pool.submit(plain)

@app.get('/other')
async def g(): await pool.submit(other)
"""
    assert not list(loop_of(tmp_path, code).event_loop.calls_of(lambda n: n == "time.sleep"))


@pytest.mark.parametrize(
    ("call", "once"),
    [
        ("engine(settings().url)", True),
        ("engine(**settings().all())", True),
        ("engine(found.url)", True),
        ("engine(name)", False),
        ("engine(f'{settings().url}/{name}')", False),
        ("engine(kind)", True),
        ("engine(other)", False),
    ],
)
def test_what_a_cache_makes_from_settings_is_made_once(tmp_path: Path, call: str, once: bool) -> None:
    code = f"""
def settings(): ...

@functools.lru_cache
def engine(url=None):
    time.sleep(1)

def get(name, kind="a", other="b"):
    found = settings()
    return {call}

@app.get("/a")
async def a(tenant: str):
    get(tenant, other=tenant)
"""
    (held,) = loop_of(tmp_path, code).loop_holds.of(("sleep",))
    assert held.once is once
