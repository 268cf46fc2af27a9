"""What the checks of async performance say beyond their examples: impact, wording, false alarms seen on real code."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome, Signal
from project import Project

HEAD = """
import asyncio, boto3, httpx, openai, redis, requests, time
from fastapi import Depends, FastAPI, Request
app = FastAPI()
"""
Signals = Callable[[str, str], list[Signal]]


@pytest.fixture
def signals(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> Signals:
    def found(check: str, code: str) -> list[Signal]:
        _, outcome = run_checks(write_tree({"main.py": HEAD + code}), [c for c in CHECKS if c.id == check])
        return outcome.signals

    return found


@pytest.mark.parametrize(
    ("code", "impact"),
    [
        ("async def f():\n    async with httpx.AsyncClient() as c: ...\n", MEDIUM),
        ("async def f():\n    c = boto3.client('s3', aws_access_key_id=KEY)\n    c.close()\n", MEDIUM),
        ("async def f(key: str):\n    async with httpx.AsyncClient(auth=key) as c: ...\n", LOW),
        ("async def f(key: str):\n    user = key.upper()\n    c = openai.OpenAI(api_key=user)\n    c.close()\n", LOW),
        ("async def f(options: dict):\n    c = redis.Redis(**options)\n    c.close()\n", LOW),
        ("async def f():\n    await refresh_token()\n", LOW),
        ("async def f():\n    if token_expired():\n        async with httpx.AsyncClient() as c: ...\n", LOW),
        ("async def f():\n    try: ...\n    except OSError:\n        async with httpx.AsyncClient() as c: ...\n", LOW),
    ],
)
def test_impact_of_a_client_made_anew(signals: Signals, code: str, impact: str) -> None:
    helpers = "KEY = 'k'\nasync def refresh_token():\n    async with httpx.AsyncClient() as c: ...\n"
    (signal,) = signals("ASY004", f"{helpers}def token_expired(): ...\n@app.get('/')\n{code}")
    assert signal.impact == impact


WORK = {
    "lost": "async def work():\n    await save()\n",
    "told": "async def work():\n    try:\n        await save()\n    except Exception:\n        await save()\n",
    "partly": "async def work():\n    await save()\n    try:\n        await save()\n    except Exception: ...\n",
    "narrow": "async def work():\n    try:\n        await save()\n    except ValueError: ...\n",
}
SAVED = "async def save():\n    async with httpx.AsyncClient() as client:\n        await client.post('/')\n"


@pytest.mark.parametrize(("kind", "impact"), [("lost", HIGH), ("told", MEDIUM), ("partly", HIGH), ("narrow", HIGH)])
def test_a_task_that_tells_of_its_errors_weighs_less(signals: Signals, kind: str, impact: str) -> None:
    code = SAVED + WORK[kind] + "@app.get('/')\nasync def f():\n    asyncio.create_task(work())\n"
    (signal,) = signals("ASY005", code)
    assert signal.impact == impact
    assert ("its error is lost" in signal.message) is (impact == HIGH)


@pytest.mark.parametrize(
    ("save", "lost"),
    [
        ("await asyncio.sleep(1)", ""),
        ("logging.info('done')", ""),
        ("open('x').read()", ""),
        ("open('x', 'a').write('y')", "the files it writes"),
        ("pathlib.Path('x').write_text('y')", "the files it writes"),
        ("await httpx.AsyncClient().get('/')", ""),
        ("await httpx.AsyncClient().put('/')", "the messages it sends"),
        ("await httpx.AsyncClient().request('DELETE', '/')", "the messages it sends"),
        ("await httpx.AsyncClient().request('GET', '/')", ""),
        ("boto3.client('s3').put_object(Body=b'')", "the objects it stores"),
        ("await session.execute(sqlalchemy.text('UPDATE users SET seen = 1'))", "the rows it writes"),
        ("await session.execute(sqlalchemy.text('SELECT 1'))", ""),
        ("session.add(1)", "the rows it writes"),
    ],
)
def test_a_lost_task_weighs_by_what_it_writes(signals: Signals, save: str, lost: str) -> None:
    imports = "import logging, pathlib, sqlalchemy\nfrom sqlalchemy.ext.asyncio import AsyncSession\n"
    work = "async def work(session: AsyncSession):\n    await deeper(session)\n"
    work += f"async def deeper(session: AsyncSession):\n    {save}\n"
    code = f"{imports}{work}@app.get('/')\nasync def f(s):\n    asyncio.create_task(work(s))\n"
    (signal,) = signals("ASY005", code)
    assert (signal.impact == HIGH) is bool(lost)
    assert lost in signal.message and "its error is lost" in signal.message


def test_plain_start_up_functions_run_on_the_loop(signals: Signals) -> None:
    code = "async def work(): ...\n@app.on_event('shutdown')\ndef stop():\n    asyncio.create_task(work())\n"
    assert signals("ASY013", code) == []
    (signal,) = signals("ASY001", "@app.on_event('startup')\ndef start():\n    time.sleep(1)\n")
    assert (signal.impact, "while starting" in signal.message) == (LOW, True)


def test_an_awaited_call_runs_the_asynchronous_alternative(signals: Signals) -> None:
    code = """
class Plain:
    def load(self):
        return requests.get("u")
class Other(Plain):
    async def load(self):
        return 1
store = Other() if __debug__ else Plain()
@app.get("/")
async def f():
    return await store.load()
"""
    assert signals("ASY001", code) == []
    (signal,) = signals("ASY001", code.replace("await store", "store"))
    assert signal.symbol == "main.Plain.load"


def test_calls_without_timeout_that_no_route_reaches(signals: Signals) -> None:
    code = "PLUGINS = {}\nclass Jira:\n    def search(self):\n        return requests.get('u')\n"
    (signal,) = signals("ASY016", code + "@app.get('/')\ndef f(name: str):\n    return PLUGINS[name].search()\n")
    assert (signal.impact, signal.symbol) == (LOW, "main.Jira.search")
    assert signals("ASY016", "import click\n" + code) == []


@pytest.mark.parametrize(
    ("code", "found"),
    [
        ("    return openai.OpenAI()\n", True),
        ("    return Own()\n", True),
        ("    options = {'model': 'm'}\n    options.update({'user': 'u'})\n    return Own(**options)\n", True),
        ("    options = {'model': 'm'}\n    options['timeout'] = 5\n    return Own(**options)\n", False),
        ("    return openai.OpenAI(timeout=5)\n", False),
        ("    return Own(**load())\n", False),
    ],
)
def test_clients_of_language_models_without_timeout(signals: Signals, code: str, found: bool) -> None:
    head = "class Own(openai.AsyncOpenAI): ...\ndef load(): ...\n@app.get('/')\ndef f():\n"
    assert len(signals("ASY016", head + code)) == found


@pytest.mark.parametrize(
    ("code", "ending"),
    [
        ("async def f():\n    requests.get('u')\n", ", or a plain def (f awaits nothing that needs the loop)"),
        ("async def f(x):\n    await x\n    requests.get('u')\n", "instead: httpx.AsyncClient"),
    ],
)
def test_where_a_plain_def_would_do(signals: Signals, code: str, ending: str) -> None:
    (signal,) = signals("ASY001", f"@app.get('/')\n{code}")
    assert signal.message.endswith(ending)


def test_one_cause_lists_its_routes(signals: Signals) -> None:
    routes = "".join(f"@app.get('/{n}')\nasync def r{n}():\n    await load()\n" for n in range(5))
    (signal,) = signals("ASY001", "async def load():\n    requests.get('u')\n" + routes)
    assert signal.message == (
        "requests.get blocks the event loop in GET /0 r0; instead: httpx.AsyncClient; also in GET /1 r1, GET /2 r2 and "
        "2 more path operations"
    )


def test_a_dependency_of_many_routes_is_named_first(signals: Signals) -> None:
    code = """
SOME_URL = None
def load():
    requests.get("u")
async def user(name: str):
    if SOME_URL is not None:
        load()
    await asyncio.sleep(1)
@app.get("/0")
async def r0():
    load()
"""
    routes = "".join(f"@app.get('/{n}')\ndef r{n}(u=Depends(user)): ...\n" for n in range(1, 5))
    (signal,) = signals("ASY001", code + routes)
    assert "in dependency user of 4 routes;" in signal.message
    assert "also in GET /0 r0" in signal.message
    assert [p.label for p in signal.trace] == ["dependency user", "calls load, if SOME_URL is not None", "requests.get"]


def test_what_only_an_error_leads_to_weighs_less(signals: Signals) -> None:
    code = """
class Gone(Exception): ...
@app.get("/")
async def f():
    try:
        await asyncio.sleep(1)
    except Gone:
        restore()
def restore():
    requests.get("u")
"""
    (signal,) = signals("ASY001", code)
    assert signal.impact == MEDIUM
    assert "GET / f, only after an error (except Gone);" in signal.message
    assert "calls restore, after Gone" in [p.label for p in signal.trace]
    (usual,) = signals("ASY001", code.replace("except Gone", "except KeyError"))
    assert usual.impact == HIGH
    (both,) = signals("ASY001", code + "@app.get('/b')\nasync def b():\n    restore()\n")
    assert both.impact == HIGH


def test_database_calls_that_path_operations_share_are_one_signal(signals: Signals) -> None:
    code = """
from sqlalchemy.orm import Session
class Orders:
    def all(self, db: Session):
        return db.execute("select 1")
class Users:
    def all(self, db: Session):
        return db.execute("select 2")
@app.get("/a")
async def a(db: Session = Depends()):
    Orders().all(db)
    Users().all(db)
"""
    (signal,) = signals("ASY002", code)
    assert [signal.line, *(p.line for p in signal.places)] == [9, 12]
    (both,) = signals("ASY002", code + "@app.get('/b')\nasync def b(db: Session):\n    Users().all(db)\n")
    assert [both.line, *(p.line for p in both.places)] == [9, 12, 18]
    assert both.message.endswith("; also in GET /b b")
    apart = code + "class Notes:\n    def all(self, db: Session):\n        return db.execute('select 3')\n"
    assert len(signals("ASY002", apart + "@app.get('/b')\nasync def b(db: Session):\n    Notes().all(db)\n")) == 2


def test_one_client_that_an_object_keeps_is_one_cause(signals: Signals) -> None:
    code = """
class Service:
    def __init__(self):
        self.session = requests.Session()
    def one(self):
        return self.session.get("u")
    def two(self):
        return self.session.post("u")
service = Service()
@app.get("/a")
async def a():
    return service.one()
@app.get("/b")
async def b():
    return service.two()
"""
    (signal,) = signals("ASY001", code)
    assert ([p.label for p in signal.places], "also in GET /b b" in signal.message) == (
        ["requests.Session.post", "GET /b b"],
        True,
    )


def test_few_rounds_of_a_hash_weigh_little(signals: Signals) -> None:
    code = (
        "from hashlib import pbkdf2_hmac as h\n@app.get('/')\nasync def f(k: bytes):\n    h('sha256', k, k, ROUNDS)\n"
    )
    assert [s.impact for s in signals("ASY003", code.replace("ROUNDS", "2048, 32"))] == [LOW]
    assert [s.impact for s in signals("ASY003", code.replace("ROUNDS", "600_000"))] == [HIGH]
    assert [s.impact for s in signals("ASY003", code.replace("ROUNDS", "iterations=count()"))] == [HIGH]


@pytest.mark.parametrize(("seconds", "impact"), [("0.001", LOW), ("1", HIGH), ("wait", HIGH)])
def test_a_short_sleep_weighs_little(signals: Signals, seconds: str, impact: str) -> None:
    (signal,) = signals("ASY001", f"@app.get('/')\nasync def f(wait: int):\n    time.sleep({seconds})\n")
    assert signal.impact == impact


@pytest.mark.parametrize(("guard", "impact"), [("require_admin", MEDIUM), ("current_user", HIGH)])
def test_a_call_for_administrators_only_weighs_less(signals: Signals, guard: str, impact: str) -> None:
    code = f"def {guard}(): ...\n@app.get('/', dependencies=[Depends({guard})])\nasync def f():\n    time.sleep(3)\n"
    assert [s.impact for s in signals("ASY001", code)] == [impact]


def test_a_dependency_that_keeps_its_connection_is_one_cause(signals: Signals) -> None:
    code = """
from fastapi.responses import StreamingResponse
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
make = async_sessionmaker()
http = httpx.AsyncClient()

async def get_db():
    async with make() as session:
        yield session

async def current_user(db: AsyncSession = Depends(get_db)):
    return (await db.execute(text("select 1"))).scalar_one()

def parts():
    yield requests.get("u", timeout=5).text

def packets():
    for part in parts():
        yield part

@app.get("/rates")
async def rates(user=Depends(current_user)):
    return (await http.get("https://rates.test")).json()

@app.post("/message")
def message(user=Depends(current_user)):
    def lines():
        for packet in packets():
            yield packet
    return StreamingResponse(lines())
"""
    (signal,) = signals("ASY009", code)
    assert (signal.impact, signal.message.split(" ")[1]) == (HIGH, "/message")
    assert [p.label for p in signal.places] == ["/rates waits for another service"]


SESSIONS = """
from fastapi import BackgroundTasks
from fastapi.responses import StreamingResponse
from pydantic_ai import Agent
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker
from temporalio.client import Client
SessionLocal = async_sessionmaker()
agent = Agent("model")
async def get_db():
    async with SessionLocal() as session:
        yield session
async def mail(to: str):
    async with httpx.AsyncClient() as c:
        await c.post("https://mail.example", json=to)
async def count(to: str): ...
async def ticks():
    for number in range(100):
        yield str(number)
        await asyncio.sleep(1)
async def turns():
    for number in range(100):
        yield str(number)
        await asyncio.sleep(0)
"""


@pytest.mark.parametrize(
    ("body", "impact"),
    [
        ("return await agent.run('hello')", HIGH),
        ("return await (await Client.connect('t:7233')).execute_workflow('w', id='1', task_queue='q')", HIGH),
        ("return StreamingResponse(ticks())", HIGH),
        ("return StreamingResponse(turns())", None),
        ("tasks.add_task(mail, 'a@example.com')", MEDIUM),
        ("tasks.add_task(mail, 'a@example.com')\n    await db.commit()", None),
        ("await db.commit()\n    tasks.add_task(mail, 'a@example.com')", None),
        ("tasks.add_task(count, 'a@example.com')", None),
    ],
)
def test_what_a_connection_is_kept_for(signals: Signals, body: str, impact: str | None) -> None:
    route = "@app.post('/')\nasync def f(tasks: BackgroundTasks, db: AsyncSession = Depends(get_db)):\n"
    found = signals("ASY009", f"{SESSIONS}{route}    await db.execute(text('select 1'))\n    {body}\n")
    assert [s.impact for s in found] == ([impact] if impact else [])


def test_a_task_after_the_dependencies_keeps_nothing(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    code = "@app.post('/')\nasync def f(tasks: BackgroundTasks, db: AsyncSession = Depends(get_db)):\n"
    code = f"{HEAD}{SESSIONS}{code}    await db.execute(text('select 1'))\n    tasks.add_task(mail, 'a')\n"
    files = {"main.py": code, "requirements.txt": "fastapi==0.115.6\n"}
    _, outcome = run_checks(write_tree(files), [c for c in CHECKS if c.id == "ASY009"])
    assert outcome.signals == []


def test_a_task_of_the_start_up_that_ends_is_less_grave(signals: Signals) -> None:
    code = """
def slow(): requests.get("u", timeout=3)
async def extra():
    slow()
async def again():
    while True:
        slow()
@asynccontextmanager
async def lifespan(app):
    task = asyncio.create_task(extra())
    yield
    await task
"""
    head = "from contextlib import asynccontextmanager\n" + code
    (once,) = signals("ASY001", head + "app = FastAPI(lifespan=lifespan)\n")
    assert once.impact == MEDIUM
    (ever,) = signals("ASY001", head.replace("(extra())", "(again())") + "app = FastAPI(lifespan=lifespan)\n")
    assert ever.impact == HIGH


def test_the_reads_of_one_function_are_one_signal(signals: Signals) -> None:
    code = """
from fastapi import UploadFile
def kind(upload: UploadFile):
    return upload.file.read(4096)
@app.post("/a")
async def a(upload: UploadFile):
    return kind(upload)
"""
    (first,) = signals("ASY019", code)
    assert first.impact == LOW
    more = code.replace(
        "return upload.file.read(4096)", "head = upload.file.read(16)\n    return head + upload.file.read()"
    )
    (both,) = signals("ASY019", more)
    assert (both.impact, len(both.places)) == (MEDIUM, 1)


def test_a_client_made_for_a_log_in_is_little_harm(signals: Signals) -> None:
    code = """
@app.get("/{name}")
async def oidc_callback(code: str):
    async with httpx.AsyncClient() as client:
        return (await client.get("https://idp.test")).json()
"""
    assert [s.impact for s in signals("ASY004", code)] == [LOW]
    assert [s.impact for s in signals("ASY004", code.replace("oidc_callback", "rates"))] == [MEDIUM]


def test_a_file_that_is_no_upload(signals: Signals) -> None:
    code = """
from typing import BinaryIO
from fastapi import UploadFile
def store(data: BinaryIO):
    return data.read()
@app.get("/a")
async def a():
    return store(open("page.html", "rb"))
"""
    assert signals("ASY019", code) == []
    assert signals(
        "ASY019", code + "@app.post('/b')\nasync def b(upload: UploadFile):\n    return store(upload.file)\n"
    )


LOADS = {
    "plain": "def load(key):\n    return requests.get(key)\n",
    "cached": "@lru_cache\ndef load(key):\n    return requests.get(key)\n",
    "deeper": "@lru_cache\ndef load(key):\n    return deeper(key)\ndef deeper(key):\n    return requests.get(key)\n",
    "missing": "def load(key):\n    if key not in KEPT:\n        KEPT[key] = requests.get(key)\n",
    "there": "def load(key):\n    if key in KEPT:\n        return KEPT[key]\n    KEPT[key] = requests.get(key)\n",
    "asked": "def load(key):\n    x = KEPT.get(key)\n    if x is None:\n        KEPT[key] = requests.get(key)\n",
    "not kept": "def load(key):\n    if key not in KEPT:\n        return requests.get(key)\n    return KEPT[key]\n",
    "local": "def load(key):\n    kept = {}\n    if key not in kept:\n        kept[key] = requests.get(key)\n",
    "always": "def load(key):\n    if key:\n        KEPT[key] = requests.get(key)\n",
}


@pytest.mark.parametrize("kind", LOADS)
def test_a_cache_that_is_asked_for_each_key_weighs_less(signals: Signals, kind: str) -> None:
    head = "from functools import lru_cache\nKEPT = {}\n"
    (signal,) = signals("ASY001", f"{head}{LOADS[kind]}@app.get('/')\nasync def f(key: str):\n    return load(key)\n")
    kept = kind in ("cached", "deeper", "missing", "there", "asked")
    assert signal.impact == (MEDIUM if kept else HIGH)
    assert ("where its cache has no answer" in signal.message) is kept
