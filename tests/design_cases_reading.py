"""Defects that people found by reading and the checks learnt from them, with what only looked alike in real code."""

from __future__ import annotations

MODELS = """
# app/models.py
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

class Base(DeclarativeBase): ...

class Message(Base):
    __tablename__ = "messages"
    id: Mapped[int] = mapped_column(primary_key=True)
    replies: Mapped[int]
    balance: Mapped[int]
    parts: Mapped[list[str]]
    version: Mapped[int]

class Versioned(Base):
    __tablename__ = "versioned"
    __mapper_args__ = {"version_id_col": "version"}
    id: Mapped[int] = mapped_column(primary_key=True)
    version: Mapped[int]
    total: Mapped[int]

def find(db: Session, key: int) -> Message | None:
    return db.query(Message).filter(Message.id == key).one_or_none()
"""
COUNTS = (
    MODELS
    + """
# app/main.py
from fastapi import FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.models import Message, Versioned, find

app = FastAPI()

def count(message: Message) -> None:
    message.replies += 1

def reserve(db: Session, key: int) -> None:
    db.execute(select(Message).where(Message.id == key).with_for_update())
    count(find(db, key))

@app.post("/reserve/{key}")
def reserved(key: int, db: Session) -> None:
    reserve(db, key)

@app.post("/pay/{key}")
def pay(key: int, db: Session, amount: int) -> None:
    message = find(db, key)
    message.balance = (message.balance or 0) + amount  # DAT028 medium
    message.replies += 1  # DAT028 low
    message.version += 1
    message.parts += ["paid"]
    db.commit()

@app.post("/versioned/{key}")
def versioned(key: int, db: Session) -> None:
    row = db.get(Versioned, key)
    row.total += 1
    db.commit()

@app.post("/locked/{key}")
def locked(key: int, db: Session) -> None:
    row = db.execute(select(Message).where(Message.id == key).with_for_update()).scalar_one()
    row.balance -= 1
    db.commit()

@app.post("/grant")
def granted(db: Session) -> None:
    grant(db, message=current(db))

def grant(db: Session, message: Message) -> None:
    message.replies = message.replies + 1
    db.commit()
    message.balance += 1

def current(db: Session): ...

def forgotten(key: int, db: Session) -> None:
    find(db, key).balance -= 1
"""
)
PAGES = (
    MODELS
    + """
# app/main.py
from fastapi import FastAPI
from sqlalchemy import func, select
from sqlalchemy.orm import Session
from app.models import Message

app = FastAPI()

def cut(statement, offset: int | None = None):
    return statement.offset(offset) if offset is not None else statement

@app.get("/messages")
def messages(db: Session, page: int = 1) -> list[Message]:
    statement = select(Message)
    statement = statement.offset(page * 10).limit(10)
    return db.scalars(statement.where(Message.replies > 0)).all()  # API031 medium

@app.get("/all")
def everything(db: Session) -> list[Message]:
    return db.scalars(cut(select(Message))).all()

@app.get("/second")
def second(db: Session) -> list[Message]:
    return db.scalars(select(Message).offset(1)).all()

@app.get("/newer")
def newer(db: Session, since: int) -> list[Message]:
    return db.scalars(select(Message).where(Message.id > since).order_by(Message.id).limit(20)).all()

def job(db: Session, start: int) -> list[Message]:
    return db.scalars(select(Message).offset(start).limit(9)).all()
"""
)
HANDLERS = """
# app/main.py
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse

app = FastAPI()

class Refused(ValueError): ...

def assertion(request: Request, error: Exception) -> JSONResponse:
    return page(request) or JSONResponse({"detail": str(error)}, 400)  # API032 medium

def page(request: Request) -> JSONResponse | None: ...

app.add_exception_handler(AssertionError, assertion)
app.add_exception_handler(ValueError, assertion)

@app.exception_handler(Refused)
def refused(request: Request, error: Refused) -> JSONResponse:
    return JSONResponse({"detail": str(error)}, 400)

@app.exception_handler(LookupError)
def lookup(request: Request, error: LookupError) -> JSONResponse:
    return JSONResponse({"detail": "failed"}, status_code=503)
"""
FILES = """
# app/main.py
import mimetypes
import aiohttp
from fastapi import FastAPI, Request, UploadFile
from fastapi.responses import FileResponse, Response, StreamingResponse

app = FastAPI()

def is_sheet(kind: str) -> bool:
    return kind == "application/vnd.ms-excel"

def is_archive(file: UploadFile) -> bool:
    return file.content_type == "application/zip"

class Store:
    def put(self, content, kind: str, name: str) -> None: ...

    def find(self, key: int): ...

store = Store()

@app.post("/files")
async def upload(file: UploadFile) -> None:
    if is_archive(file):
        return
    kind = file.content_type or "text/plain"
    store.put(file.file, kind, name=file.filename)

@app.get("/files/{key}")
def read(key: int) -> Response:
    record = store.find(key)
    media_type = record.kind if record.kind else "text/plain"
    if is_sheet(media_type):
        return Response(b"", media_type="text/csv")
    return StreamingResponse(record.content, media_type=media_type)  # SEC032 medium

@app.get("/files/{key}/guessed")
def guessed(key: int) -> Response:
    record = store.find(key)
    return Response(record.content, media_type=mimetypes.guess_type(record.name)[0])  # SEC032 medium

@app.get("/files/{key}/listed")
def listed(key: int) -> Response:
    record = store.find(key)
    if record.kind not in ("image/png", "image/jpeg"):
        return Response(status_code=415)
    return Response(record.content, media_type=record.kind)

@app.get("/files/{key}/saved")
def saved(key: int) -> Response:
    record = store.find(key)
    headers = {"Content-Disposition": f"attachment; filename={key}"}
    return Response(record.content, media_type=record.kind, headers=headers)

@app.get("/files/{key}/named")
def named(key: int) -> FileResponse:
    record = store.find(key)
    return FileResponse(record.path, media_type=record.kind, filename="file")

@app.get("/remote/{kind}")
async def remote(kind: str) -> Response:
    async with aiohttp.ClientSession() as session, session.get("https://files.test") as reply:
        return Response(await reply.read(), media_type=reply.kind)

@app.post("/echo")
async def echo(file: UploadFile) -> Response:
    return Response(await file.read(), media_type=file.content_type)
# app/inline.py
from fastapi import Response
from app.main import app, store

@app.get("/files/{key}/inline")
def inline(key: int) -> Response:
    record = store.find(key)
    return Response(record.content, media_type=record.kind, headers={"Content-Disposition": "inline"})  # SEC032 medium
"""
PLAIN = """
# app/crypto.py
import os
from cryptography.fernet import Fernet

KEY = os.environ.get("KEY")
ENABLE_ENCRYPTION = os.environ.get("ENABLE_ENCRYPTION") == "true"

class Box:
    def __init__(self) -> None:
        self.fernet = Fernet(KEY) if KEY else None

    def encrypt(self, value: str | None) -> str | None:
        if not value or self.fernet is None:
            return value  # SEC033 medium
        return self.fernet.encrypt(value.encode()).decode()

    def encrypt_tolerantly(self, value: str) -> str:
        try:
            return self.fernet.encrypt(value.encode()).decode()
        except Exception:
            return str(value)  # SEC033 medium

    def encrypt_if_wished(self, value: str) -> str:
        if not ENABLE_ENCRYPTION:
            return value  # SEC033 low
        return self.fernet.encrypt(value.encode()).decode()

    def encrypt_for(self, value: str, request_id: str) -> str:
        key = find(request_id)
        if key is None:
            return value
        return Fernet(key).encrypt(value.encode()).decode()

    def encrypt_once(self, value: str) -> str:
        if is_encrypted(value):
            return value
        return self.fernet.encrypt(value.encode()).decode()

    def read_encrypted(self, value: str) -> str:
        if self.fernet is None:
            return value
        return self.fernet.decrypt(self.fernet.encrypt(value.encode())).decode()

def find(request_id: str): ...

def is_encrypted(value: str) -> bool: ...
"""
COLUMNS = """
# app/models.py
from fastapi_users_db_sqlalchemy import SQLAlchemyBaseOAuthAccountTableUUID
from sqlalchemy import Text
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import TypeDecorator

class EncryptedText(TypeDecorator):
    impl = Text

class Base(DeclarativeBase): ...

class Link(Base):
    __tablename__ = "links"
    id: Mapped[int] = mapped_column(primary_key=True)
    client_secret: Mapped[str] = mapped_column(EncryptedText)
    token_type: Mapped[str]
    api_key: Mapped[str] = mapped_column(index=True)
    api_key_hash: Mapped[str]
    access_token_id: Mapped[str]
    bot_token: Mapped[str]
    bot_token_encrypted: Mapped[str] = mapped_column(EncryptedText)

class Account(SQLAlchemyBaseOAuthAccountTableUUID, Base):
    access_token: Mapped[str] = mapped_column(Text)  # SEC033 medium
    refresh_token: Mapped[str] = mapped_column(Text)
"""
ARCHIVES = """
# app/main.py
import io
import tarfile
import zipfile
from fastapi import FastAPI, UploadFile

app = FastAPI()

@app.post("/read")
async def read(file: UploadFile) -> None:
    archive = zipfile.ZipFile(io.BytesIO(await file.read()))  # SEC034 medium
    for name in archive.namelist():
        keep(archive.read(name))

@app.post("/tar")
async def untar(file: UploadFile) -> None:
    with tarfile.open(fileobj=file.file) as archive:  # SEC034 medium
        archive.extractall("/srv", filter="data")

@app.post("/limited")
async def limited(file: UploadFile) -> None:
    with zipfile.ZipFile(file.file) as archive:
        for entry in archive.infolist():
            if entry.file_size < 1000:
                keep(archive.read(entry))

@app.post("/named/{name}")
async def named(name: str) -> None:
    with zipfile.ZipFile("/srv/" + name) as archive:
        archive.extractall("/srv/out")

def keep(content: bytes) -> None: ...
"""
ADDRESSES = """
# app/main.py
import logging
import aiohttp
import httpx
import requests
from app.guard import SafeTransport, check_callback_url

async def notify(payment) -> None:
    async with httpx.AsyncClient() as client:
        try:
            check_callback_url(payment.webhook)
        except ValueError as error:
            logging.warning("refused: %s", error)
        await client.post(payment.webhook, json={})  # SEC035 high

async def stops(payment) -> None:
    async with httpx.AsyncClient() as client:
        try:
            check_callback_url(payment.webhook)
        except ValueError:
            return
        await client.post(payment.webhook, json={})

async def told(url: str) -> None:
    check_callback_url(url)
    async with httpx.AsyncClient(follow_redirects=True) as client:
        await client.get(url)  # SEC035 medium

async def own(url: str) -> None:
    check_callback_url(url)
    async with httpx.AsyncClient(follow_redirects=True, transport=SafeTransport()) as client:
        await client.get(url)

async def aio(url: str) -> None:
    check_callback_url(url)
    async with aiohttp.ClientSession() as session:
        await session.get(url)  # SEC035 medium
        await session.get(url, allow_redirects=False)

def same_try(url: str) -> None:
    try:
        check_callback_url(url)
        requests.get(url, timeout=3, allow_redirects=False)
    except ValueError:
        logging.warning("refused")
# app/guard.py
import httpx
from app.hosts import is_public

class SafeTransport(httpx.AsyncHTTPTransport): ...

def check_callback_url(url: str) -> None:
    if not is_public(url):
        raise ValueError(url)
# app/hosts.py
import ipaddress
from urllib.parse import urlsplit

def is_public(url: str) -> bool:
    return ipaddress.ip_address(urlsplit(url).netloc).is_global
"""
LIMITS = """
# app/main.py
from fastapi import Depends, FastAPI, Request

app = FastAPI()

async def rate_limit_key(request: Request) -> str:
    peer = request.client.host if request.client else "unknown"
    agent = request.headers.get("user-agent", "none").replace(" ", "_")  # SEC021 medium
    return f"{peer}-{agent}"

async def limit_by_user(request: Request) -> str:
    log(request.headers.get("User-Agent"))
    return f"user-{request.state.user_id}"

def describe(request: Request) -> str:
    return request.headers["User-Agent"]

def log(agent: str | None) -> None: ...

@app.post("/login", dependencies=[Depends(rate_limit_key), Depends(limit_by_user)])
def login() -> None: ...
"""
COOKIES = """
# app/main.py
from fastapi import FastAPI, Response

app = FastAPI()
FLAGS = "refresh_token"

@app.post("/login")
def login(response: Response) -> None:
    response.set_cookie("access_token", "1", secure=True, httponly=True)
    response.set_cookie(FLAGS, "2", secure=True, httponly=True)
    response.set_cookie("oauth_state", "3", secure=True, httponly=True)
    response.set_cookie("theme", "dark")

@app.post("/impersonate")
def impersonate(response: Response) -> None:
    response.set_cookie("admin_token", "4", secure=True, httponly=True)  # SEC022 medium

@app.post("/logout")
def logout(response: Response) -> None:
    response.delete_cookie("access_token")
    forget(response)

def forget(response: Response) -> None:
    response.delete_cookie("refresh_token")

def stop(response: Response) -> None:
    response.delete_cookie("admin_token")
"""
SHARED = """
# app/main.py
from concurrent.futures import ThreadPoolExecutor
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

app = FastAPI()

def in_parallel(work: list) -> list:
    with ThreadPoolExecutor() as pool:
        return [made.result() for made in [pool.submit(function, *given) for function, given in work]]

def in_turn(work: list) -> list:
    return [function(*given) for function, given in work]

def load(key: int, db: Session) -> int:
    return db.scalar(text("SELECT 1"))

def double(key: int, db: Session | None) -> int:
    return 2 * key

@app.get("/all")
def read_all(keys: list[int], db: Session) -> None:
    in_parallel([(load, (key, db)) for key in keys])  # DAT005 high
    in_turn([(load, (key, db)) for key in keys])
    in_parallel([(double, (key, db)) for key in keys])
"""
ENVIRONMENT = """
# app/main.py
import os
import certifi
from fastapi import FastAPI
from app.keys import own_key
from app.models import discover, locate
from app.tenants import tenant_key

app = FastAPI()

@app.get("/models/{name}")
def models(name: str) -> list[str]:
    if not os.environ.get("SSL_CERT_FILE"):
        os.environ["SSL_CERT_FILE"] = certifi.where()
    locate()
    own_key()
    tenant_key()
    return discover(find(name))

def find(name: str): ...
# app/models.py
import os

def discover(connection) -> list[str]:
    try:
        os.environ["AWS_BEARER_TOKEN"] = connection.bearer  # ORG021 high
        return []
    finally:
        os.environ.pop("AWS_BEARER_TOKEN", None)

def at_start() -> None:
    os.environ["REGION_TOKEN"] = zone()

def zone() -> str: ...

from app.places import locate
from app.keys import own_key
from app.tenants import tenant_key
# app/places.py
import os

def locate() -> None:
    os.environ.update(places())  # ORG021 low

def places() -> dict[str, str]: ...
# app/keys.py
import os
from app.config import settings

def own_key() -> None:
    key = settings.search_api_key
    os.environ["SEARCH_API_KEY"] = key  # ORG021 medium
# app/tenants.py
import os
from contextvars import ContextVar

secrets: ContextVar[dict] = ContextVar("secrets")

def of_tenant(name: str) -> str:
    return secrets.get()[name]

def tenant_key() -> None:
    token = of_tenant("SEARCH_TOKEN")
    if token:
        os.environ["SEARCH_TOKEN"] = token  # ORG021 high
# app/config.py
class Settings:
    search_api_key: str = ""

settings = Settings()
"""

WORDED = """
# app/main.py
import re
from fastapi import FastAPI, HTTPException
from fastapi.responses import JSONResponse
from grpclib import GRPCError
from sqlalchemy.exc import IntegrityError
from app.errors import Names

app = FastAPI()

@app.post("/orders")
def create(number: str):
    try:
        return store(number)
    except IntegrityError as error:
        if Names.NUMBER in str(error) or "unique constraint" in str(error):
            raise HTTPException(409, "taken")
        raise
    except ValueError as error:
        reason = str(error).lower()
        status = 404 if "no such" in reason else 400  # ORG022 medium
        raise HTTPException(status, "no")

def store(number: str): ...

# app/other.py
from fastapi import HTTPException
from grpclib import GRPCError
from app.main import app, store

@app.get("/orders/{number}")
def read(number: str):
    try:
        return store(number)
    except GRPCError as error:
        if error.message == "missing":  # ORG022 low
            raise HTTPException(404, "missing")
        raise HTTPException(502, "upstream")

# app/helpers.py
from fastapi import HTTPException
from app.main import app, store

@app.put("/orders/{number}")
def write(number: str):
    try:
        return store(number)
    except Exception as error:
        raise answer(error) from error

@app.patch("/orders/{number}")
def change(number: str):
    try:
        return store(number)
    except Exception as error:
        text = str(error)
        if "locked" in text:
            text = "it is locked"
        if error.code == "gone":
            raise HTTPException(400, "it is gone")
        if "locked" in text:
            raise HTTPException(400, "it is locked")
        if len(str(error)) > 100:
            raise HTTPException(400, "long")
        raise HTTPException(400, text)

def answer(error: Exception) -> HTTPException:
    if str(error).startswith("locked"):  # ORG022 medium
        return HTTPException(423, "locked")
    return HTTPException(400, "no")

# app/errors.py
class Names:
    NUMBER = "uq_number"
"""

READING = {
    "answers by the words of an error": ("ORG022", WORDED),
    "requests that write the environment": ("ORG021", ENVIRONMENT),
    "cookies that logging out leaves": ("SEC022", COOKIES),
    "one session in pairs for threads": ("DAT005", SHARED),
    "limits counted by what the client calls itself": ("SEC021", LIMITS),
    "numbers changed in Python": ("DAT028", COUNTS),
    "pages cut in no order": ("API031", PAGES),
    "exceptions of Python answered as the client's": ("API032", HANDLERS),
    "uploads served as what they say they are": ("SEC032", FILES),
    "encryption that gives back what it got": ("SEC033", PLAIN),
    "plain columns beside encrypted ones": ("SEC033", COLUMNS),
    "archives from clients": ("SEC034", ARCHIVES),
    "addresses judged in vain": ("SEC035", ADDRESSES),
}
