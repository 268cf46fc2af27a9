"""Small applications with services behind handlers that the checks got wrong once: `# ID low` marks a signal."""

from __future__ import annotations

TABLES = """
# app/tables.py
from sqlalchemy import String, create_engine
from sqlalchemy.ext.asyncio import AsyncSession, async_scoped_session, async_sessionmaker
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

class Base(DeclarativeBase): ...{base}

class Dated:
    made: Mapped[int] = mapped_column()

class User(Base, Dated):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(20), unique=True)
"""
HANDLERS = (
    TABLES.format(base="")
    + """
session = async_scoped_session(session_factory=async_sessionmaker(class_=AsyncSession), scopefunc=str)
# app/errors.py
class DomainError(Exception):
    code = 400
    reason = "bad"

class NotThere(DomainError):
    code = 404

class Refused(DomainError):
    code = 401
# app/service.py
from app.errors import NotThere, Refused
from app.tables import User, session

async def keep(user: User) -> None:
    session.add(user)

async def register(name: str) -> None:
    await keep(User(name=name))

def find(name: str): ...

def login(name: str, password: str):
    user = find(name)
    if user is None:
        raise NotThere{login}
    if user != password:
        raise Refused
    return user
# app/main.py
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from app import service
from app.errors import DomainError

app = FastAPI()

@app.exception_handler(DomainError)
async def failed(request: Request, exc: DomainError):
    return JSONResponse(status_code=exc.code, content={{"reason": exc.reason}}){shape}
{validation}
@app.post("/users")
async def create_user(name: str):{created}
    await service.register(name)

@app.post("/users/login")
def login(name: str, password: str):
    return service.login(name, password)
"""
)
OWN_VALIDATION = """
@app.exception_handler(RequestValidationError)
async def invalid(request: Request, exc: RequestValidationError):
    return JSONResponse(status_code=422, content={"reason": str(exc)})
"""


def _handlers(**marks: str) -> str:
    text = HANDLERS.replace("{{", "{").replace("}}", "}")
    for name in ("login", "shape", "created", "validation"):
        text = text.replace("{" + name + "}", marks.get(name, ""))
    return text


SETTINGS = """
# app/config.py
from pydantic_settings import BaseSettings

class Config(BaseSettings):
    WRITER: str = "mysql://fastapi:fastapi@localhost/fastapi"  # SEC005 low
    READER: str = "mysql://fastapi:fastapi@localhost/fastapi"
    CACHE: str = "redis://localhost/0"

class TestConfig(Config):
    WRITER: str = "mysql://fastapi:fastapi@localhost/fastapi_test"
    JWT_SECRET: str = "not-so-secret"
"""
ROWS = """
# app/seed_users.py
FIRST = {"name": "ann", "password": "hunter22-x"}  # SEC005 low

def connect():
    return "postgresql://app:pr0duction@db.internal/app"  # SEC005 high
# app/custom.py
\"\"\"Example of a function of your own.\"\"\"

def key():
    return "postgresql://app:pr0duction@db.internal/app"  # SEC005 low
"""
PAGES = """
# app/main.py
from fastapi import FastAPI, Query
from sqlalchemy import create_engine, select
from app.tables import Session, User

app = FastAPI()
engine = create_engine("mysql+pymysql://db/app")

def rows(limit: int):
    query = select(User)
    if limit > 12:
        limit = 12
    with Session(engine) as session:
        return session.scalars(query.limit(limit)).all()

@app.get("/users")
def capped(limit: int = Query(10)):  # API028 low
    return rows(limit)

@app.get("/users/declared")
def declared(limit: int = Query(10, ge=1)):
    return rows(limit)

@app.get("/users/looked-at")
def looked_at(limit: int = 10):
    if 0 < limit <= 12:
        return rows(limit)
    return []

@app.get("/users/raised")
def raised(limit: int = 10):
    return rows(max(limit, 1))
"""
ENGINES = """
# app/db.py
import os
from sqlalchemy.ext.asyncio import create_async_engine

engines = {
    "writer": create_async_engine(os.environ["WRITER"], pool_recycle=3600),  # DAT010 low
    "reader": create_async_engine(os.environ["READER"], pool_recycle=3600),
}
# app/other.py
import os
from sqlalchemy import create_engine

plain = create_engine(os.environ["OTHER"])  # DAT010 medium
"""
REVISION = """
# migrations/versions/1_start.py
revision = "1"
down_revision = None

def upgrade(): ...
"""
SILENT = (
    TABLES.format(base="")
    + """
# app/repository.py
from sqlalchemy.orm import Session
from app.tables import User

class Users:
    def save(self, session: Session, user: User) -> None:
        session.add(user)
# tests/test_users.py
import pytest
from sqlalchemy.orm import Session
from app.repository import Users
from app.tables import User

users = Users()

def test_save(session: Session) -> None:  # TST009 low
    users.save(session, User())

def test_save_twice(session: Session) -> None:
    users.save(session, User())
    assert session.get(User, 1) is not None

def test_refused(session: Session) -> None:
    with pytest.raises(ValueError):
        users.save(session, User())

def test_save_of_nothing_is_noop(session: Session) -> None:
    users.save(session, User())
"""
)


def _untested(count: int, impact: str) -> str:
    routes = "".join(f'\n@app.get("/r{i}")\ndef r{i}() -> None: ...\n' for i in range(count))
    return (
        "# app/main.py\nfrom fastapi import FastAPI\n\napp = FastAPI()\n\n"
        f'@app.post("/login")\ndef login() -> None: ...  # TST001 {impact}\n{routes}'
        "# tests/test_x.py\ndef test_x() -> None:\n    assert 1 + 1 == 2\n"
    )


FLOW_COOKIES = """
# app/flows.py
from fastapi import APIRouter, Response

router = APIRouter()

@router.post("/register")
def register(response: Response) -> None:
    response.set_cookie("registration_session", "1", secure=True)  # SEC022 low

@router.post("/authorize")
def authorize(response: Response) -> None:
    response.set_cookie("auth_request", "2", secure=True)  # SEC022 low

@router.post("/consent")
def consent(response: Response) -> None:
    response.delete_cookie("auth_request")

@router.post("/login")
def login(response: Response) -> None:
    response.set_cookie("session", "3", secure=True)  # SEC022 medium

@router.post("/logout")
def logout(response: Response) -> None:
    response.delete_cookie("session")
"""

SMALL = {
    "a failed log-in answered with 404 by the class of its error": (
        "API009",
        _handlers(login="  # API009 low", created="  # API009 low"),
    ),
    "one shape beside the default of FastAPI": ("API016", _handlers(shape="  # API016 low")),
    "one shape for everything": ("API016", _handlers(validation=OWN_VALIDATION)),
    "defaults of one class are one signal, and those for tests none": ("SEC005", SETTINGS),
    "sample rows are Low, an address with a password is not": ("SEC005", ROWS),
    "a cap is no lower bound": ("API028", TABLES.format(base="") + PAGES),
    "engines with the same options are one signal": ("DAT010", ENGINES),
    "the base is named, not a mixin": ("DAT018", TABLES.format(base="  # DAT018 low") + REVISION),
    "SQLModel has no base of the project": (
        "DAT018",
        """
# app/tables.py
from sqlmodel import Field, SQLModel

class UserBase(SQLModel):
    name: str = Field(unique=True)

class User(UserBase, table=True):  # DAT018 low
    id: int = Field(primary_key=True)
"""
        + REVISION,
    ),
    "MySQL names unique keys by their column": (
        "DAT018",
        TABLES.format(base="") + 'engine = create_engine("mysql+pymysql://db/app")\n' + REVISION,
    ),
    "a test that stores and looks at nothing": ("TST009", SILENT),
    "thin handlers whose service tests call; a second prefix is no second handler": (
        "TST001",
        """
# app/main.py
from fastapi import FastAPI
from app.routes import sheets, words

app = FastAPI()
app.include_router(sheets.router, prefix="/v1")
app.include_router(sheets.router, prefix="/api/v1")
app.include_router(words.router, prefix="/v1")
app.include_router(words.router, prefix="/api/v1")
# app/routes/sheets.py
from fastapi import APIRouter, HTTPException
from app.services import sheet_service

router = APIRouter()

@router.get("/sheets")
def list_sheets() -> list[str]:  # TST001 low
    token = sheet_service.make_token()
    try:
        found = sheet_service.all_sheets(token)
    except KeyError as error:
        raise HTTPException(404) from error
    return [name for name in found]
# app/routes/words.py
from fastapi import APIRouter

router = APIRouter()

@router.get("/words")
def list_words() -> list[str]: ...
# app/services/sheet_service.py
def make_token() -> str: ...

def all_sheets(token: str) -> list[str]: ...
# tests/test_sheets.py
from app.services import sheet_service

def test_all(client) -> None:
    assert sheet_service.all_sheets("x") == []
    assert client.get("/v1/words").status_code == 200
""",
    ),
    "a test that only asks for a route of its own needs no start": (
        "TST002",
        """
# app/main.py
from contextlib import asynccontextmanager
import httpx
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        yield

def create_app() -> FastAPI:
    return FastAPI(lifespan=lifespan)

app = create_app()
# tests/test_main.py
from fastapi.testclient import TestClient
from app.main import create_app

def test_boom() -> None:
    app = create_app()

    @app.get("/boom")
    def boom() -> None: ...

    assert TestClient(app).get("/boom").status_code == 200
""",
    ),
    "cookies of a step in progress": ("SEC022", FLOW_COOKIES),
    "few routes without tests": ("TST001", _untested(5, "medium")),
    "many routes without tests": ("TST001", _untested(25, "high")),
}
