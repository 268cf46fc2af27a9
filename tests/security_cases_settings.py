"""Code seen in real projects that the checks of secrets and settings got wrong once: `# ID` marks a signal."""

from __future__ import annotations

from tests.security_cases_access import GUARDED, TABLES

SECRETS_AND_SETTINGS: dict[str, tuple[str, str]] = {
    "names of secrets, and secrets by other names": (
        "SEC005",
        """
import os
from pydantic_settings import BaseSettings

ENV_DEFAULT_PASSWORD = "DEFAULT_PASSWORD"
SECRET_KEY = "secret-key"
USERNAME_PASSWORD = "profile-username-password"
READ_SECRET_VALUE = "read_secret_value"
RESOURCE_PASSWORD = "Passwords"
AMPLITUDE_API_KEY = "c97dd2acbf306ab7bf54aca0aeb7ffa1"
ADMIN_PASSWORD = os.getenv("ADMIN_PASSWORD", "!Ch4ng3Th1s!")  # SEC005
JWT_SECRET = os.environ.get("JWT_SECRET") or "jwtsecret"  # SEC005

class Settings(BaseSettings):
    session_cookie_key: str = "app_session"
    refresh_token_cookie: str = "refresh_token"
    postgres_password: str = "postgres"  # SEC005
    secret: str = "super secret jwt secret"  # SEC005
    openai_api_key: str = "<set by the environment>"
    other_api_key: str = ""

def client(api_key: str | None):
    api_key = api_key or "EXAMPLE_API_KEY"
    return api_key

if __name__ == "__main__":
    password = "hunter22"
""",
    ),
    "settings of tests, and what an image holds": (
        "SEC005",
        """
# settings/test.py
from pydantic_settings import BaseSettings

class TestSettings(BaseSettings):
    secret_key: str = "test_secret"
# Dockerfile
FROM python:3.13
ENV API_KEY=""
ENV SECRET_KEY=not-so-secret  # SEC005
ENV API_TOKEN=${API_TOKEN}
""",
    ),
    "a constant of the documentation": (
        "SEC005",
        """
from fastapi import Body, FastAPI

AWS = "AKIAIOSFODNN7EXAMPLE"
URL = "postgresql://user:password@localhost/db"
TEMPLATE = "postgresql://{user}:{password}@{host}/db"
REAL = "postgresql://app:pr0duction@db.internal/app"  # SEC005

def login(password: str = Body(example="Sup3rS3cret!")): ...
""",
    ),
    "hashes of passwords that are no password hashes": (
        "SEC006",
        """
import hashlib

def breached(password):
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest()

def cache_key(url, azure_password):
    return f"{url}|{hashlib.sha256(azure_password.encode()).hexdigest()}"

def unchanged(current, auth):
    return current.password == auth.password

def configured(settings, password):
    return settings.password == password
""",
    ),
    "origins with credentials where nothing uses cookies": (
        "SEC007",
        """
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(  # SEC007
    CORSMiddleware, allow_origins=["*"], allow_credentials=True
)
local = FastAPI()
local.add_middleware(CORSMiddleware, allow_origin_regex="http://.*localhost:[0-9]+", allow_credentials=True)
""",
    ),
    "origins that only end so": (
        "SEC007",
        """
import os
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware

app = FastAPI()
app.add_middleware(  # SEC007
    CORSMiddleware, allow_origin_regex=".*.(shop.example|pay.example)", allow_credentials=True
)
app.add_middleware(CORSMiddleware, allow_origins="https://shop.example")  # SEC007
app.add_middleware(
    CORSMiddleware,
    allow_origins=[o.strip() for o in os.getenv("ORIGINS", "https://shop.example").split(",")],
    allow_credentials=True,
)
app.add_middleware(  # SEC007
    CORSMiddleware,
    allow_origins=[o.strip() for o in os.getenv("ORIGINS", "*").split(",")],
    allow_credentials=True,
)
""",
    ),
    "origins by whether something is configured": (
        "SEC007",
        """
# app/config.py
import os

ORIGINS = os.environ.get("ORIGINS") or None
OTHERS = os.environ.get("OTHERS")
MODE = os.environ.get("MODE", "development")

# app/main.py
import os
from fastapi import FastAPI
from fastapi.middleware.cors import CORSMiddleware
from app import config

def by_branch() -> FastAPI:
    if config.ORIGINS is not None:
        origins = config.ORIGINS.split(",")
    else:
        origins = ["*"]
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True)  # SEC007
    return app

def by_replacement() -> FastAPI:
    origins = ["*"]
    if config.OTHERS:
        origins = config.OTHERS.split(",")
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True)  # SEC007
    return app

def by_expression() -> FastAPI:
    app = FastAPI()
    origins = config.OTHERS.split(",") if config.OTHERS else ["*"]
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True)  # SEC007
    return app

def none_by_default() -> FastAPI:
    if not config.ORIGINS:
        origins = []
    else:
        origins = ["*"]
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True)
    return app

def by_mode() -> FastAPI:
    if config.MODE == "development":
        origins = ["*"]
    else:
        origins = ["https://shop.example"]
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=origins, allow_credentials=True)
    return app
""",
    ),
    "tokens that let their reader in, in the log": (
        "SEC031",
        """
# app/users.py
import logging
from fastapi_users import BaseUserManager
from loguru import logger as log

class Manager(BaseUserManager):
    logger = logging.getLogger("users")

    async def on_after_request_verify(self, user, token: str, request=None):
        self.logger.info("verification of %s: %s", user.id, token)  # SEC031

    async def on_after_reset_password(self, user, request=None):
        self.logger.info("%s has a new password", user.id)

# app/mails.py
import logging
from loguru import logger as log

def forgot_password(user, token: str):
    log.bind(user=user.id).info(f"reset token {token}")  # SEC031
    logging.getLogger(__name__).info("sent a reset token of %d characters", len(token))

# app/invitations.py
from loguru import logger as log

def invite(address: str, invite_token: str, reset_token_id: int):
    log.info(f"invited {address}: {invite_token}")  # SEC031
    log.info(f"invited {address}: {reset_token_id}")

def count(token: str):
    log.debug(f"read {token}")
""",
    ),
    "secrets of an example, of a script, of sample rows": (
        "SEC005",
        """
# app/masking.py
def mask(data):
    return data

def example():
    show({"user": "ann", "password": "mysecret123"})

def show(data):
    print(mask(data))

def connect():
    return {"password": "mysecret124"}  # SEC005

if __name__ == "__main__":
    example()
    show({"password": "mysecret125"})
# app/main.py
from fastapi import FastAPI
from app.masking import connect, mask

app = FastAPI()

@app.get("/")
def home():
    return mask(connect())
""",
    ),
    "any field at all": (
        "SEC008",
        "# tables.py\n"
        + TABLES
        + "# main.py\n"
        + GUARDED
        + """
from pydantic import ConfigDict
from tables import User

class Change(BaseModel):
    model_config = ConfigDict(extra="allow")
    email: str

@app.patch("/profile")
def change(body: Change, row: User, user=Depends(get_current_user)):
    data = body.model_dump(exclude_unset=True)
    for name in data:
        setattr(row, name, data[name])  # SEC008
""",
    ),
    "passwords of connections, relationships, serializers": (
        "SEC009",
        """
from fastapi import FastAPI
from pydantic import BaseModel, field_serializer
from sqlmodel import Field, Relationship, SQLModel

app = FastAPI()

class User(SQLModel, table=True):
    id: int = Field(primary_key=True)
    password: str
    files: list["UserFile"] = Relationship(back_populates="user")

class UserFile(SQLModel, table=True):
    id: int = Field(primary_key=True)
    user: User = Relationship(back_populates="files")

class Connection(BaseModel):
    host: str
    login: str
    password: str

class Account(BaseModel):
    password: str

    @field_serializer("password")
    def hide(self, value):
        return "***"

class HookField(BaseModel):
    hidden: bool

class UserHook(BaseModel):
    password: HookField

@app.get("/files")
def files() -> list[UserFile]: ...

@app.get("/connections")
def connections() -> list[Connection]: ...

@app.get("/accounts")
def accounts() -> list[Account]: ...

@app.get("/hooks")
def hooks() -> UserHook: ...
""",
    ),
    "middleware verifies what a scheme extracts": (
        "SEC010",
        """
from fastapi import Depends, FastAPI
from fastapi.security import HTTPBearer
from starlette.middleware.authentication import AuthenticationMiddleware

app = FastAPI()
app.add_middleware(AuthenticationMiddleware, backend=None)

@app.get("/items", dependencies=[Depends(HTTPBearer())])
def items():
    return []
""",
    ),
    "a token handed on by one dependency, verified in a helper of the next": (
        "SEC010",
        """
from typing import Annotated

import jwt
from fastapi import Cookie, Depends, FastAPI, HTTPException
from fastapi.security import HTTPBearer, OAuth2PasswordBearer

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="/login", auto_error=False)
bearer = HTTPBearer()

async def any_token(header: Annotated[str | None, Depends(scheme)], cookie: Annotated[str | None, Cookie()] = None):
    return header or cookie

async def caller(token: Annotated[str | None, Depends(any_token)], usr: str | None = None):
    async with reuse(usr) if usr else connect() as connection:
        return await account_of(token, connection)

async def account_of(token, connection):
    if not token:
        raise HTTPException(401)
    return jwt.decode(token, connection.key, ["HS256"])

@app.get("/items", dependencies=[Depends(caller)])
def items():
    return []

def bare(credentials=Depends(bearer)):
    return credentials.credentials

@app.get("/handled")
def handled(token: str = Depends(bare)):
    return account_of(token, None)

@app.get("/logged")
def logged(token: str = Depends(bare)):  # SEC010
    return []

@app.get("/too", dependencies=[Depends(bare)])
def too():
    return []
""",
    ),
    "an address that must equal a known one": (
        "SEC013",
        """
import httpx
from fastapi import FastAPI, HTTPException

app = FastAPI()

async def fetch(link):
    async with httpx.AsyncClient() as client:
        return (await client.get(link)).json()

@app.get("/details")
async def details(link: str):
    known = await releases()
    release = next((r for r in known if r.link == link), None)
    if not release:
        raise HTTPException(404)
    return await fetch(link)

@app.get("/any")
async def listed(link: str):
    if not any(link == r.link for r in await releases()):
        raise HTTPException(404)
    return await fetch(link)

@app.get("/only")
async def only(link: str, name: str):
    row = await row_of(name)
    if row is None or row.link != link:
        raise HTTPException(404)
    async with httpx.AsyncClient() as client:
        return (await client.get(link)).json()

@app.get("/changed")
async def changed(link: str, name: str):
    row = await row_of(name)
    if row.link == link:
        return row
    if link != "":
        return None
    first = next((r for r in await releases() if r.name == name), None)
    if not first:
        raise HTTPException(404)
    async with httpx.AsyncClient() as client:
        return (await client.get(link)).json()  # SEC013
""",
    ),
    "forwarded headers believed by a command of the project's own, and by a setting": (
        "SEC021",
        """
# app/main.py
import uvicorn
from fastapi import FastAPI
from app.settings import settings

app = FastAPI()

def main():
    uvicorn.run(app, forwarded_allow_ips=settings.forwarded_allow_ips)

def near():
    uvicorn.run(app, forwarded_allow_ips="10.0.0.1")
# app/settings.py
from pydantic import Field
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    forwarded_allow_ips: str = Field(default="*")  # SEC021

settings = Settings()
# Dockerfile
FROM python:3.13
CMD ["sh", "-c", "uv run shop --port 80 --forwarded-allow-ips='*'"]  # SEC021
""",
    ),
    "a login token that lives for a year by its setting": (
        "SEC024",
        """
from pydantic import Field
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    auth_token_expire_minutes: int = Field(default=525600, gt=0)  # SEC024
    auth_code_expire_minutes: int = 525600
""",
    ),
    "a loader of YAML that makes plain values": (
        "SEC011",
        """
import subprocess
import yaml
from fastapi import FastAPI, Request

app = FastAPI()

class Quoting(yaml.SafeLoader): ...

@app.post("/a")
async def a(request: Request):
    return yaml.load(await request.body(), Loader=Quoting)

@app.post("/b")
async def b(request: Request, name: str):
    subprocess.run(["sh", "-c", f"convert {name}"])  # SEC011
    return yaml.load(await request.body(), Loader=yaml.Loader)  # SEC011
""",
    ),
    "archives in memory, names that continue, types that fit no path": (
        "SEC012",
        """
import io, os, zipfile
from pathlib import Path
from fastapi import FastAPI, UploadFile
from pydantic import BaseModel

app = FastAPI()

class Flow(BaseModel):
    name: str

def load(flow):
    with open(flow) as file:
        return file

@app.post("/a")
async def a(file: UploadFile, kind: str, body: Flow, folder: Path):
    zipfile.ZipFile(io.BytesIO(await file.read()))
    os.remove(os.path.join("/srv", f"secret_{kind}"))
    load(body.model_dump())
    with folder.joinpath(file.filename).open("wb") as out:  # SEC012
        return out
""",
    ),
    "clients that refuse private addresses": (
        "SEC013",
        """
import asyncio
import httpx
from fastapi import FastAPI

app = FastAPI()

def validate_url(url): ...

@app.post("/a")
async def a(url: str):
    async with httpx.AsyncClient(transport=object()) as client:
        return await fetch(client, url)

async def fetch(client: httpx.AsyncClient, url: str):
    return await client.get(url)

@app.post("/b")
async def b(url: str):
    await asyncio.to_thread(validate_url, url)
    return httpx.get(url)
""",
    ),
    "locking out is a limit": (
        "SEC020",
        """
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.post("/auth/token")
def token(name: str, password: str, users):
    return provider(users, name, password)

def provider(users, name, password):
    user = users.find(name)
    if user.login_attempts > 5:
        raise HTTPException(423)
    return verify_password(password, user.hash)

def verify_password(password, stored): ...
""",
    ),
    "a limit that exists but not here, and one that never counts": (
        "SEC020",
        """
from fastapi import Depends, FastAPI, Request
from slowapi import Limiter
from slowapi.util import get_remote_address

app = FastAPI()
limiter = Limiter(key_func=get_remote_address)

@app.post("/login")
def login(name: str, password: str):  # SEC020
    return authenticate(name, password)

@limiter.limit("5/minute")  # SEC020
@app.get("/search")
def search(request: Request): ...

@app.get("/export")
@limiter.limit("5/minute")
def export(request: Request): ...

def authenticate(name, password): ...
""",
    ),
    "the last address, a trusted proxy": (
        "SEC021",
        GUARDED
        + """
def address(request: Request, trusted_hops: int = 1):
    return request.headers["x-forwarded-for"].split(",")[0] if trusted_hops else None

@app.get("/who")
def who(request: Request):
    return address(request)
""",
    ),
    "somebody who is logged in may be told": (
        "SEC023",
        GUARDED
        + """
@app.post("/password")
def change(old: str, users, user=Depends(get_current_user)):
    row = users.get(user)
    if row is None:
        raise HTTPException(404, "User not found")
    if not verify_password(old, row.hash):
        raise HTTPException(400, "Wrong password")

def verify_password(password, stored): ...
""",
    ),
    "the reloading server of a developer": (
        "SEC018",
        """
# Dockerfile
FROM python:3.13
CMD ["fastapi", "run", "main.py"]
# Dockerfile.local
FROM python:3.13
CMD ["uvicorn", "main:app", "--reload"]
# main.py
from fastapi import FastAPI

app = FastAPI(debug=bool(0))
""",
    ),
}
