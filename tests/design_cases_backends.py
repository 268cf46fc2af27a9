"""Security and async checks on what an independent reader found false or too grave on unseen backends."""

from __future__ import annotations

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

_TASKS = """
# app/main.py
import asyncio
import logging
from fastapi import FastAPI

app = FastAPI()

class Pages:
    async def refresh(self, page): ...

    async def go_round(self):
        while True:
            await asyncio.sleep(5)
            for page in ("a", "b"):
                await self.refresh(page)

pages = Pages()

@app.post("/pages")
async def show():
    asyncio.create_task(pages.refresh("a"))  # ASY005 low
# app/other.py
import asyncio
import logging
from fastapi import APIRouter
from app.main import app

router = APIRouter()

async def look_up(): ...

async def describe():
    try:
        await look_up()
    except Exception:
        logging.exception("no description")

@router.post("/describe")
async def ask():
    asyncio.create_task(describe())  # ASY005 low

app.include_router(router)
"""
_AT_START = """
# app/main.py
import asyncio
import logging
from contextlib import asynccontextmanager
from fastapi import FastAPI

async def connect(): ...

async def add_index(client): ...

async def prepare():
    client = await connect()
    try:
        await add_index(client)
    except Exception as error:
        logging.error("no index: %s", error)

@asynccontextmanager
async def lifespan(app):
    asyncio.create_task(prepare())  # ASY005 low
    yield

app = FastAPI(lifespan=lifespan)
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
    "a client that a class keeps is made once": (
        "ASY004",
        """
# app/main.py
import httpx
import redis.asyncio as redis
from fastapi import FastAPI

app = FastAPI()

class Store:
    _pool = None

    def __init__(self):
        self._make()

    def _make(self):
        if Store._pool is None:
            Store._pool = redis.from_url("redis://cache").connection_pool

@app.get("/kept")
async def kept():
    return Store()._pool

@app.get("/anew")
async def anew():
    return redis.from_url("redis://cache").connection_pool  # ASY004 medium
""",
    ),
    "a lost task that a loop repeats, or that logs its errors itself": ("ASY005", _TASKS),
    "a lost task of the start that logs its errors itself": ("ASY005", _AT_START),
    "a lost task that closes what is deleted": (
        "ASY005",
        """
# app/client.py
import asyncio

class Client:
    async def close(self): ...

    def __del__(self):
        asyncio.get_running_loop().create_task(self.close())  # ASY005 low
""",
    ),
    "a lost task whose errors are lost too": (
        "ASY005",
        _TASKS.replace("await self.refresh(page)", "print(page)").replace("ASY005 low", "ASY005 medium", 1),
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
}
