"""Security checks on what misled them once in real code: lines marked with the id must be found, no others."""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.security_cases_access import ACCESS_AND_INJECTION
from tests.security_cases_found import FOUND
from tests.security_cases_guards import GUARDS
from tests.security_cases_login import LOGIN
from tests.security_cases_objects import OBJECTS
from tests.security_cases_settings import SECRETS_AND_SETTINGS

from catalogue import CHECKS
from check import Check, Outcome
from examples import parse_example
from project import Project

Write = Callable[[dict[str, str]], Path]
RunChecks = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]

CASES = {**ACCESS_AND_INJECTION, **SECRETS_AND_SETTINGS, **FOUND, **LOGIN, **GUARDS, **OBJECTS}


@pytest.mark.parametrize("name", CASES)
def test_real_code(name: str, write_tree: Write, run_checks: RunChecks) -> None:
    check_id, code = CASES[name]
    example = parse_example(code.strip("\n"))
    check = next(check for check in CHECKS if check.id == check_id)
    project, outcome = run_checks(write_tree(example.files), [check])
    assert project.unread == []
    assert outcome.not_assessed == []
    found = {(s.check, s.path, s.line) for s in outcome.signals}
    assert found == {mark for mark in example.marked if mark[0] == check_id}


OWN = """
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel

app = FastAPI()

class Account(BaseModel):
    id: int
    password_hash: str

class Theme(BaseModel):
    color: str

class Wanted(BaseModel):
    user_id: int

def current_account(authorization: str | None = Header(None)) -> Account:
    if not authorization:
        raise HTTPException(401)
    return look_up(authorization)

ROUTE
"""


@pytest.mark.parametrize(
    ("route", "impact"),
    [
        ("@app.patch('/me')\ndef me(theme: Theme, account=Depends(current_account)) -> Account: ...", "medium"),
        ("@app.patch('/me')\ndef me(wanted: Wanted, account=Depends(current_account)) -> Account: ...", "high"),
        ("@app.get('/users/{id}')\ndef me(id: int, account=Depends(current_account)) -> Account: ...", "high"),
        ("@app.get('/users')\ndef me(account=Depends(current_account)) -> list[Account]: ...", "high"),
    ],
)
def test_the_callers_own_hash_weighs_less(write_tree: Write, run_checks: RunChecks, route: str, impact: str) -> None:
    check = next(check for check in CHECKS if check.id == "SEC009")
    _, outcome = run_checks(write_tree({"main.py": OWN.replace("ROUTE", route)}), [check])
    assert [s.impact for s in outcome.signals] == [impact]


OPEN_APP = """
from fastapi import FastAPI
from pydantic import BaseModel
import jwt

app = FastAPI()

class Credentials(BaseModel):
    username: str
    password: str

SIGN_IN

@app.put("/notes/{key}")
def put(key: int):
    return store(key)

@app.delete("/notes/{key}")
def remove(key: int):
    return store(key)

def store(key): ...
"""
NO_TOKEN = "@app.post('/session')\ndef enter(body: Credentials):\n    return store(body)"
TOKEN = "@app.post('/session')\ndef enter(body: Credentials):\n    return jwt.encode({}, 'k')"


@pytest.mark.parametrize(("sign_in", "impact"), [("", "low"), (NO_TOKEN, "medium"), (TOKEN, "high")])
def test_an_open_application_weighs_what_its_sign_in_weighs(
    write_tree: Write, run_checks: RunChecks, sign_in: str, impact: str
) -> None:
    check = next(check for check in CHECKS if check.id == "SEC001")
    _, outcome = run_checks(write_tree({"main.py": OPEN_APP.replace("SIGN_IN", sign_in)}), [check])
    assert [s.impact for s in outcome.signals] == [impact]
    assert [len(s.places) for s in outcome.signals] == [1]


SWALLOWED = """
import logging
from urllib.parse import urlsplit
import requests
from fastapi import FastAPI

app = FastAPI()
HOSTS = {"rates.test"}

def only_known(link: str) -> None:
    if urlsplit(link).hostname not in HOSTS:
        raise ValueError(link)

def count(link: str) -> None:
    print(urlsplit(link).hostname)

@app.post("/hooks")
def hook(link: str):
    try:
        only_known(link)
    except ValueError:
        logging.warning("unknown")
    requests.post(link, allow_redirects=False)

@app.post("/counted")
def counted(link: str):
    count(link)
    requests.post(link)

@app.post("/followed")
def followed(link: str):
    only_known(link)
    requests.post(link)
"""


def test_one_signal_for_an_address_whose_check_is_swallowed(write_tree: Write, run_checks: RunChecks) -> None:
    checks = [check for check in CHECKS if check.id in ("SEC013", "SEC035")]
    _, outcome = run_checks(write_tree({"main.py": SWALLOWED}), checks)
    found = {(s.check, s.line, s.impact) for s in outcome.signals}
    assert found == {("SEC035", 23, "high"), ("SEC013", 28, "high"), ("SEC035", 33, "medium")}


LEAKING = """
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.responses import JSONResponse

app = FastAPI()
router = APIRouter()

def current_user(): raise HTTPException(401)

def require_admin(user=Depends(current_user)):
    if not user.is_admin:
        raise HTTPException(403)

@router.get("/a")
def a():
    try:
        return load()
    except Exception as error:
        raise HTTPException(500, str(error))

@router.get("/b")
def b():
    return helper()

def helper():
    try:
        return load()
    except Exception as error:
        raise HTTPException(502, detail={"error": repr(error)})

@router.get("/c", dependencies=[Depends(require_admin)])
def c():
    return admin_helper()

def admin_helper():
    try:
        return load()
    except Exception as error:
        raise HTTPException(502, detail=str(error))

def load(): ...
"""
LEAKING_MAIN = """
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from routes import load, router

app = FastAPI()
app.include_router(router)

@app.get("/d")
def d():
    try:
        return load()
    except Exception as error:
        raise HTTPException(500, str(error))

@app.get("/e")
def e():
    try:
        return load()
    except Exception as error:
        return JSONResponse({"error": str(error)})
"""


def test_one_signal_for_each_way_by_which_the_text_of_errors_goes_out(write_tree: Write, run_checks: RunChecks) -> None:
    check = next(check for check in CHECKS if check.id == "SEC017")
    _, outcome = run_checks(write_tree({"main.py": LEAKING_MAIN, "routes.py": LEAKING}), [check])
    found = sorted((s.path, s.line, s.impact, [(p.path, p.line) for p in s.places]) for s in outcome.signals)
    assert found == [
        ("main.py", 14, "medium", [("routes.py", 19), ("routes.py", 29)]),
        ("main.py", 21, "medium", []),
        ("routes.py", 39, "low", []),
    ]
    assert any("3 places in 2 files" in s.message for s in outcome.signals)


@pytest.mark.parametrize(
    ("line", "impact"), [("", "low"), ("response.set_cookie('session', key, httponly=True)", "high")]
)
def test_origins_weigh_what_cookies_make_of_them(
    write_tree: Write, run_checks: RunChecks, line: str, impact: str
) -> None:
    code = f"""
    from fastapi import FastAPI, Response
    from fastapi.middleware.cors import CORSMiddleware

    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)

    @app.post("/login")
    def login(response: Response, key: str):
        {line}
        return key
    """
    check = next(check for check in CHECKS if check.id == "SEC007")
    _, outcome = run_checks(write_tree({"main.py": textwrap.dedent(code)}), [check])
    assert [s.impact for s in outcome.signals] == [impact]


SWITCHED = """
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from settings import settings, has_extras

scheme = OAuth2PasswordBearer(tokenUrl="/login")
reports, private, extras, chosen = APIRouter(), APIRouter(), APIRouter(), APIRouter()
app = FastAPI()

def current_user(token: str = Depends(scheme)):
    if token != "known":
        raise HTTPException(401)
    return token

@app.post("/items")
def create(user=Depends(current_user)):
    return user

@app.put("/items")
def change(user=Depends(current_user)):
    return user

@reports.delete("/reports/{key}")
def clear_reports(key: int):
    return key

@private.delete("/private/{key}")
def clear_private(key: int):
    return key

@extras.delete("/extras/{key}")
def clear_extras(key: int):
    return key

@chosen.delete("/chosen/{key}")
def clear_chosen(key: int):
    return key

if settings.with_reports:
    app.include_router(reports)
if settings.environment == "local":
    app.include_router(private)
if has_extras():
    app.include_router(extras)
if settings.guarded:
    app.include_router(chosen, dependencies=[Depends(current_user)])
else:
    app.include_router(chosen)
"""
SETTINGS = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    with_reports: bool
    guarded: bool
    environment: str

settings = Settings()

def has_extras(): ...
"""


def test_open_routes_that_configuration_registers(write_tree: Write, run_checks: RunChecks) -> None:
    check = next(check for check in CHECKS if check.id == "SEC001")
    _, outcome = run_checks(write_tree({"main.py": SWITCHED, "settings.py": SETTINGS}), [check])
    found = {(s.symbol.rsplit(".", 1)[-1], s.impact, s.certainty) for s in outcome.signals}
    assert found == {("clear_reports", "high", "inferred"), ("clear_private", "low", "inferred")}
    assert any("where settings.with_reports;" in s.message for s in outcome.signals)


BEHIND = """
import os
import jwt
from fastapi import Depends, FastAPI, Header, HTTPException, Request

app = FastAPI()
API_KEY = os.environ.get("API_KEY", "")
SIGNED = os.environ["SIGNED"]
UNSIGNED = os.environ.get("UNSIGNED", "")

def refuse():
    raise HTTPException(401)

def known(request: Request):
    if request.headers.get("x-user") != "known":
        raise HTTPException(401)

def signed(request: Request):
    if request.headers.get("x-key") != API_KEY:
        refuse()
    return jwt.decode(request.headers["x-token"], SIGNED, algorithms=["HS256"])

def unsigned(request: Request):
    if request.headers.get("x-key") != API_KEY:
        raise HTTPException(401)
    return jwt.decode(request.headers["x-token"], UNSIGNED, algorithms=["HS256"])

def twice(request: Request):
    if request.headers.get("x-key") != API_KEY:
        raise HTTPException(401)
    known(request)

def once(request: Request):
    same = request.headers.get("x-key") == API_KEY
    if not same:
        refuse()

@app.post("/signed", dependencies=[Depends(signed)])
def a(): ...
@app.post("/unsigned", dependencies=[Depends(unsigned)])
def b(): ...
@app.post("/twice", dependencies=[Depends(twice)])
def c(): ...
@app.post("/once", dependencies=[Depends(once)])
def d(): ...
"""


@pytest.mark.parametrize(("version", "unsigned"), [("2.12.0", "high"), ("2.13.0", "low")])
def test_an_empty_secret_before_another_check_weighs_less(
    write_tree: Write, run_checks: RunChecks, version: str, unsigned: str
) -> None:
    check = next(check for check in CHECKS if check.id == "SEC037")
    _, outcome = run_checks(write_tree({"main.py": BEHIND, "requirements.txt": f"pyjwt=={version}\n"}), [check])
    found = {s.symbol.rsplit(".", 1)[-1]: s.impact for s in outcome.signals}
    assert found == {"signed": "low", "unsigned": unsigned, "twice": "low", "once": "high"}
