"""What the checks of code organization say beyond their examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import MEDIUM, Check, Outcome
from project import Project

FAR = """
from fastapi import APIRouter, HTTPException
from app.sessions import load
router = APIRouter()
@router.get("/{name}")
def read():
    try:
        return outer()
    except Exception:
        raise HTTPException(500)
def outer():
    return inner()
def inner():
    return load()
"""


def test_clauses_in_several_modules_around_one_far_raise_are_one_signal(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    names = ("one", "two", "three")
    tree = {f"app/{name}.py": FAR.replace("{name}", name) for name in names}
    tree["app/sessions.py"] = "from fastapi import HTTPException\ndef load():\n    raise HTTPException(400)\n"
    includes = "".join(f"from app.{n} import router as {n}\napp.include_router({n})\n" for n in names)
    tree["app/main.py"] = "from fastapi import FastAPI\napp = FastAPI()\n" + includes
    _, outcome = run_checks(write_tree(tree), [c for c in CHECKS if c.id == "ORG002"])
    (signal,) = outcome.signals
    assert (signal.impact, len(signal.places)) == (MEDIUM, 2)
    assert signal.message.endswith("so do 2 more around the same raise")


def test_exceptions_of_one_family_are_one_signal(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    code = """
from fastapi import FastAPI

app = FastAPI()

class Failure(Exception): ...
class Missing(Failure): ...
class Late(Failure): ...

@app.get("/a")
def a():
    raise Missing

@app.get("/b")
def b(x: int):
    if x:
        raise Missing
    raise Late
"""
    _, outcome = run_checks(write_tree({"main.py": code}), [c for c in CHECKS if c.id == "ORG010"])
    (signal,) = outcome.signals
    assert (signal.line, [p.line for p in signal.places]) == (12, [18])
    assert "Missing and Late leave GET /a and 1 more route" in signal.message


@pytest.mark.parametrize(
    ("check", "code"),
    [
        (
            "ORG008",
            """
from fastapi import FastAPI
app = FastAPI()
waiting: set[int] = set()

@app.post("/beat")
async def beat(worker: int):
    waiting.add(worker)

async def flush():
    print(list(waiting))
    waiting.clear()
""",
        ),
        (
            "ORG009",
            """
from fastapi import Depends, FastAPI
app = FastAPI()
def checker(): ...
def resolved(value): return value if callable(value) else checker
def verify(name: str, check=Depends(checker)):
    check = resolved(check)
    return check(name)

@app.get("/a")
def read(): return verify("a")
""",
        ),
        (
            "ORG016",
            """
import aiohttp
from fastapi import FastAPI, HTTPException
app = FastAPI()

async def attempt(session: aiohttp.ClientSession):
    answer = await session.get("https://rates.test")
    answer.raise_for_status()
    return await answer.json()

@app.get("/a")
async def read(session: aiohttp.ClientSession):
    try:
        return await attempt(session)
    except aiohttp.ClientConnectionError as error:
        raise HTTPException(503) from error
    except aiohttp.ClientResponseError:
        return {}
""",
        ),
    ],
)
def test_what_only_looks_wrong(
    check: str,
    code: str,
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    _, outcome = run_checks(write_tree({"main.py": code}), [c for c in CHECKS if c.id == check])
    assert outcome.signals == []


def test_a_dependency_beside_the_database_may_refuse(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    main = "from fastapi import Depends, FastAPI\nfrom app.db.users import current\napp = FastAPI()\n"
    main += "@app.get('/me')\ndef me(user=Depends(current)): return user\n"
    users = "from fastapi import HTTPException\ndef current(token: str):\n    raise HTTPException(401)\n"
    tree = {"app/__init__.py": "", "app/main.py": main, "app/db/__init__.py": "", "app/db/users.py": users}
    _, quiet = run_checks(write_tree(tree), [c for c in CHECKS if c.id == "ORG005"])
    assert quiet.signals == []


def test_a_hook_of_a_library_is_no_middleware(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    code = """
from fastapi import FastAPI, HTTPException
from fastapi_users import BaseUserManager
app = FastAPI()

class Users(BaseUserManager):
    async def authenticate(self, credentials):
        raise HTTPException(400, "not verified")
"""
    _, outcome = run_checks(write_tree({"main.py": code}), [c for c in CHECKS if c.id == "ORG010"])
    assert outcome.signals == []


def test_a_form_parser_that_another_part_of_the_repository_declares(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    app = "from fastapi import FastAPI, Form\napp = FastAPI()\n@app.post('/')\ndef send(text: str = Form()): ...\n"
    root = "[project]\nname = 'all'\ndependencies = ['fastapi==0.115.6']\n"
    tree = {"backend/main.py": app, "pyproject.toml": root}
    part = "[project]\nname = 'backend'\ndependencies = ['fastapi[standard]==0.115.6']\n"
    found = []
    for files in (tree, {**tree, "backend/pyproject.toml": part}):
        _, outcome = run_checks(write_tree(files), [c for c in CHECKS if c.id == "ORG015"])
        found.append([s.message for s in outcome.signals if "multipart" in s.message])
    assert [len(messages) for messages in found] == [1, 0]
