"""Async checks on what an independent reader found false or too grave on unseen backends."""

from __future__ import annotations

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
_PROVIDERS = """
# app/main.py
import boto3
import requests
from fastapi import FastAPI
from app.settings import settings

app = FastAPI()

def model(provider: str):
    match provider:
        case "bedrock":
            return requests.get("https://models.test", timeout=5)  # ASY001 medium
    return None

@app.post("/rank")
async def rank():
    return model(settings.provider)

@app.post("/usual")
async def usual():
    return requests.get("https://models.test", timeout=5)  # ASY001 high
# app/settings.py
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    provider: str = "open"

settings = Settings()
"""
_HASHES = """
# app/main.py
import hashlib
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from pwdlib import PasswordHash

app = FastAPI()
passwords = PasswordHash.recommended()

@app.post("/users", dependencies=[Depends(HTTPBearer())])
async def create_user(password: str):
    return passwords.hash(password)  # ASY003 low

@app.post("/sign-up")
async def sign_up(password: str):
    return passwords.hash(password)  # ASY003 medium

@app.post("/login")
async def login(password: str, stored: str):
    return passwords.verify(password, stored)  # ASY003 high

@app.get("/keys")
async def keys(key: str):
    return hashlib.pbkdf2_hmac("sha256", key.encode(), b"salt", 120_000).hex()  # ASY003 medium
"""

BACKENDS_ASYNC = {
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
    "a call of one provider of several": ("ASY001", _PROVIDERS),
    "a hash made for a new account, and for few rounds": ("ASY003", _HASHES),
}
