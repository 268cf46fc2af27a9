"""Security checks on what an independent reader found false or too grave on unseen backends."""

from __future__ import annotations

from tests.design_cases_backends_async import BACKENDS_ASYNC

_STAGES = """
# Dockerfile
FROM python:3.13 AS base
ENTRYPOINT ["/entry.sh"]
FROM base AS development
CMD ["uvicorn", "main:app", "--reload"]
FROM base AS production
CMD ["uvicorn", "main:app"]
# main.py
from fastapi import FastAPI

app = FastAPI()
"""
_EXPIRY = """
# app/tokens.py
import time
import jwt
from fastapi import HTTPException

KEY = open("key").read()

class Claims:
    exp: int

def claims_of(token):
    return jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False})MARK

def refuse_old(claims):
    if claims["exp"] <= time.time():
        raise HTTPException(403)

def current(token):
    claims = claims_of(token)
    CALL
    return claims["sub"]

def own(token):
    claims = jwt.decode(token, KEY, algorithms=["HS256"], options={"verify_exp": False})
    refuse_old(claims)
    return claims
"""
_LIFETIME = """
# app/config.py
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    ACCESS_TOKEN_EXPIRE_MINUTES: int = 60 * 24 * 7MARK

settings = Settings()
# app/tokens.py
from datetime import datetime, timedelta, timezone
import jwt
from app.config import settings

def create_access_token(subject: str, key: str, lifetime: timedelta | None = None) -> str:
    if lifetime is not None:
        expires = datetime.now(timezone.utc) + lifetime
    else:
        expires = datetime.now(timezone.utc) + timedelta(minutes=settings.ACCESS_TOKEN_EXPIRE_MINUTES)
    return jwt.encode({"sub": subject, "exp": expires}, key)
# app/login.py
from datetime import timedelta
from app.tokens import create_access_token

def log_in(name: str, key: str) -> str:
    return create_access_token(name, key, CALL)
"""


_DEFAULTS = """
# app/config.py
import os
from pydantic_settings import BaseSettings

DATABASE = os.environ.get("DATABASE", "postgresql://postgres:postgres@store:5432/app")  # SEC005 low
OTHER = os.environ.get("OTHER", "postgresql://postgres:postgres@db.internal:5432/app")  # SEC005 medium

class Settings(BaseSettings):
    smtp_host: str = "localhost"
    smtp_password: str = "password"  # SEC005 low
    aes_secret_key: str = "fillmein"
    jwt_secret_key: str = "fillmein"  # SEC005 high
    webhook_secret: str = "letmein-please"

settings = Settings()

if settings.webhook_secret == "letmein-please":
    raise SystemExit("set WEBHOOK_SECRET")
# app/ciphers.py
from app.config import settings

NOT_SET = "fillmein"

def make(*, key: str, salt: str = "") -> tuple[str, str]:
    if not key or key == NOT_SET:
        raise RuntimeError("set AES_SECRET_KEY")
    return key, salt

def register() -> tuple[str, str]:
    return make(key=settings.aes_secret_key)
# tools_benchmark/runner.py
DEFAULT_PASSWORD = "password1234"
# docker-compose.yml
services:
  store:
    image: postgres:17
# Dockerfile.ui
FROM node:22
ENV API_KEY=__OWN_API_KEY__
ENV AUTH_TOKEN=put-token-here
ENV SECRET_KEY=not-so-secret  # SEC005 high
# entrypoint.sh
sed -i "s|put-token-here|$AUTH_TOKEN|g" /srv/index.js
"""

_ERRORS = """
# app/main.py
import logging
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import HTTPBearer
from pydantic import BaseModel, HttpUrl
from sqlalchemy.exc import IntegrityError, NoResultFound

app = FastAPI()

class Import(BaseModel):
    name: str

class Refused(Exception): ...

def load(): ...

def checked(url: str) -> str:
    if url.lower().startswith("www.") and url.rpartition("/")[0]:
        url = f"https://{url}"
    try:
        HttpUrl(url)
    except ValueError:
        raise Refused(url)
    return url

@app.get("/row")
def row():
    try:
        return load()
    except NoResultFound as error:
        raise HTTPException(404, str(error))

@app.post("/rows")
def add():
    try:
        return load()
    except IntegrityError as error:
        raise HTTPException(409, str(error))  # SEC017 low

@app.post("/import")
def take(body: dict[str, str]):
    try:
        made = Import.model_validate(body)
        logging.info("made %s", made.name)
        return made
    except Exception as error:
        raise HTTPException(422, f"no import: {error}")  # SEC017 low

@app.post("/address")
def address(url: str):
    try:
        return checked(url)
    except Exception as error:
        raise HTTPException(400, str(error))

@app.get("/internal/rows", dependencies=[Depends(HTTPBearer())])
def internal():
    try:
        return load()
    except Exception as error:
        raise HTTPException(500, str(error))  # SEC017 low

@app.get("/rows")
def rows():
    try:
        return load()
    except Exception as error:
        raise HTTPException(500, str(error))  # SEC017 medium
"""
_FETCH = """
# app/main.py
import httpx
from fastapi import FastAPI

app = FastAPI()

def fetch(url: str) -> httpx.Response:
    return httpx.get(url)  # SEC013 {mark}

def ask(url: str) -> {answer}:
    return fetch(url){given}

@app.post("/try")
def reachable(url: str):
    return ask(url)
"""
_FILES = """
# app/main.py
from pathlib import Path
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()
NAME = "manifest.json"

class Manifest(BaseModel):
    version: str

def place_of(version: str) -> Path:
    return Path("/srv") / version / NAME

@app.post("/manifest")
def manifest(version: str) -> Manifest:
    path = place_of(version)
    return Manifest.model_validate_json(path.read_text())  # SEC012 low

@app.post("/file")
def file(name: str) -> str:
    return (Path("/srv") / name).read_text()  # SEC012 high
"""


def _address(mark: str, use: str) -> str:
    return f"""
# app/main.py
from fastapi import FastAPI, Request
from app.limits import BANNED, check_rate_limit

app = FastAPI()

def address(request: Request) -> str:
    forwarded = request.headers.get("X-Forwarded-For"){mark}
    return forwarded.split(",")[0].strip() if forwarded else request.client.host

@app.post("/login")
def login(request: Request) -> None:
    {use}
# app/limits.py
BANNED: set[str] = set()

def check_rate_limit(address: str) -> None: ...
"""


BACKENDS = {
    **BACKENDS_ASYNC,
    "a server that reloads in a stage that is not built": ("SEC018", _STAGES),
    "the last stage is for development, another one is built by name": (
        "SEC018",
        """
# Dockerfile
FROM python:3.13 AS production
CMD ["uvicorn", "main:app"]
FROM production AS dev
CMD ["uvicorn", "main:app", "--reload"]
# docker-compose.yml
services:
  api:
    build:
      context: .
      target: production
# main.py
from fastapi import FastAPI

app = FastAPI()
""",
    ),
    "the last stage runs what the stage below it says": (
        "SEC018",
        """
# Dockerfile
FROM python:3.13 AS base
CMD uvicorn main:app --reload  # SEC018 medium
FROM base AS final
RUN true
# main.py
from fastapi import FastAPI

app = FastAPI()
""",
    ),
    "a mark for no secret yet is no secret": (
        "SEC023",
        """
# app/main.py
from fastapi import FastAPI, Header, HTTPException

app = FastAPI()
PENDING_TOKEN = "not there yet"
BOT_TOKEN = "__own_bot_token__"
SERVICE_TOKEN = "9f8a7d6c5b4a39281706"

@app.post("/channels")
def activate(token: str, x_token: str = Header()) -> None:
    if token == PENDING_TOKEN or token == BOT_TOKEN:
        raise HTTPException(400)
    if x_token != SERVICE_TOKEN:  # SEC023 medium
        raise HTTPException(401)
""",
    ),
    "claims go to a function that refuses old ones": (
        "SEC004",
        _EXPIRY.replace("MARK", "").replace("CALL", "refuse_old(claims)"),
    ),
    "claims of old tokens are used": (
        "SEC004",
        _EXPIRY.replace("MARK", "  # SEC004 medium").replace("CALL", "print(claims)"),
    ),
    "a default lifetime that every call overrides": (
        "SEC024",
        _LIFETIME.replace("MARK", "").replace("CALL", "timedelta(minutes=15)"),
    ),
    "a default lifetime that a call uses": (
        "SEC024",
        _LIFETIME.replace("MARK", "  # SEC024 medium").replace("CALL", "None"),
    ),
    "defaults that nothing uses for long": ("SEC005", _DEFAULTS),
    "a forwarded address decides a limit": (
        "SEC021",
        _address("  # SEC021 medium", "check_rate_limit(address(request))"),
    ),
    "a forwarded address is a list's": ("SEC021", _address("  # SEC021 medium", "found = address(request) in BANNED")),
    "a forwarded address is logged": ("SEC021", _address("  # SEC021 low", "print(address(request))")),
    "a proxy of the repository overwrites the forwarded address": (
        "SEC021",
        _address("  # SEC021 low", "check_rate_limit(address(request))")
        + """
# nginx.conf
location / {
    proxy_pass http://api:8000;
    proxy_set_header X-Forwarded-For $remote_addr;
}
""".lstrip(),
    ),
    "a word for a key that signs until it is set": (
        "SEC005",
        """
# app/tokens.py
import jwt
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    SECRET_KEY: str = "PLACEHOLDER"  # SEC005 high
    OTHER_KEY: str = "PLACEHOLDER"

settings = Settings()

if settings.OTHER_KEY == "PLACEHOLDER":
    raise RuntimeError("set OTHER_KEY")

def issue(claims: dict[str, object]) -> str:
    return jwt.encode(claims, settings.SECRET_KEY) + jwt.encode(claims, settings.OTHER_KEY)
""",
    ),
    "errors whose text says little": ("SEC017", _ERRORS),
    "a fetch that tells only whether it worked": (
        "SEC013",
        _FETCH.format(answer="bool", mark="medium", given=".is_success"),
    ),
    "a fetch that gives back what it found": ("SEC013", _FETCH.format(answer="str", mark="high", given=".text")),
    "a file of one name whose content must fit a schema": ("SEC012", _FILES),
}
