"""Small projects on which the impact of a signal depends on what is really lost."""

from __future__ import annotations

HIDDEN = """
# app/main.py
from fastapi import FastAPI

app = FastAPI()

def load(key: str) -> int: ...
def store(key: str) -> int: ...

@app.get("/a/{key}")
def read(key: str) -> int:
    return load(key)

@app.get("/a/{key}")
def read_again(key: str) -> int:  # API004 low
    try:
        return load(key)
    except KeyError:
        raise ValueError from None

@app.get("/a/count")
def count() -> int:  # API004 medium
    return load("count")

@app.get("/a/old", deprecated=True)
def old() -> int:  # API004 low
    return load("old")

@app.post("/a/{key}")
def write(key: str) -> int:
    return store(key)

@app.post("/a/all")
def write_all() -> int:  # API004 high
    return store("all")
"""
LEFTOVER = """
# app/old.py
from fastapi import APIRouter

router = APIRouter(prefix="/old")  # API005 low

@router.post("/{agent}/chat/completions")
def complete(agent: str) -> None: ...
# app/lost.py
from fastapi import APIRouter

router = APIRouter(prefix="/lost")  # API005 high

@router.get("/{agent}")
def read(agent: str) -> None: ...
# app/main.py
from fastapi import FastAPI

app = FastAPI()

@app.post("/v1/{agent_id}/chat/completions")
def chat(agent_id: str) -> None: ...

@app.get("/v1/{agent_id}")
def read_agent(agent_id: str) -> None: ...
"""
TWICE = """
# app/main.py
from fastapi import APIRouter, FastAPI

router = APIRouter()

@router.api_route("/userinfo", methods=["GET", "POST"])  # API013 low
def userinfo() -> int: ...

app = FastAPI()
app.include_router(router)
app.include_router(router, prefix="/{tenant}")
"""
CLAIMS = """
# app/main.py
from typing import Annotated
from fastapi import Depends, FastAPI
from fastapi.responses import JSONResponse
from pydantic import BaseModel
from app.models import User, load

class Out(BaseModel):
    name: str

app = FastAPI()

def current() -> User: ...

@app.get("/me")
def me(user: Annotated[User, Depends(current)]):  # API001 low
    if user.id == 0:
        return JSONResponse({"detail": user.email}, status_code=400)
    return user.claims()

@app.get("/out")
def out():
    return find()

@app.get("/any")
def any_of():  # API001 medium
    return load(1)

def find() -> Out: ...
# app/models.py
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]

    def claims(self):
        extra = dict(self.pairs())
        return {"sub": str(self.id), "email": self.email, "fields": extra}

def load(key):
    return {"value": read(key)["x"], **read(key)}
"""
ON_PURPOSE = """
# app/main.py
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import and_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int]
    total: Mapped[int]
    note: Mapped[str]

class Share(Base):
    __tablename__ = "shares"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int]
    user_id: Mapped[int]

class Out(BaseModel):
    id: int

app = FastAPI()

def get_db() -> Session: ...
def get_current_superuser() -> int: ...

@app.get("/orders")
def list_orders(limit: int | None = None, db: Session = Depends(get_db)) -> list[Out]:  # API006 low
    return db.scalars(select(Order).limit(limit)).all()

@app.get("/shared")
def shared(user_id: int, db: Session = Depends(get_db)) -> list[Out]:  # API006 low
    return db.scalars(select(Order).join(Share, and_(Share.order_id == Order.id, Share.user_id == user_id))).all()

@app.get("/every", dependencies=[Depends(get_current_superuser)])
def every(db: Session = Depends(get_db)) -> list[Out]:  # API006 low
    return db.scalars(select(Order)).all()
"""


def _outside(path: str, impact: str) -> str:
    return f"""
# app/main.py
from contextlib import asynccontextmanager
import httpx
from fastapi import FastAPI

@asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient() as client:
        yield {{"client": client}}

app = FastAPI(lifespan=lifespan)

@app.get("/orders")
def orders() -> int: ...
# tests/test_main.py
from fastapi.testclient import TestClient
from app.main import app

client = TestClient(app)  # TST002 {impact}

def test_orders() -> None:
    assert client.get("{path}").status_code == 200
"""


OWN_FIND = """
# app/main.py
from fastapi import FastAPI
from app.routes import sheets

app = FastAPI()
app.include_router(sheets.router)
# app/routes/sheets.py
from fastapi import APIRouter
from app.services import sheet

router = APIRouter()

@router.get("/export")
def export(key: str) -> list[str]:  # TST001 medium
    found = sheet.find(key)
    return [name for name in found]
# app/services/sheet.py
def find(key: str) -> list[str]: ...
# tests/test_sheet.py
def find(key: str) -> list[str]: ...

def test_sheet() -> None:
    assert find("x") == []
"""

IMPACT = {
    "a function of the tests that has the same name": ("TST001", OWN_FIND),
    "what a hidden route costs": ("API004", HIDDEN),
    "a router that another replaces": ("API005", LEFTOVER),
    "a router included twice is one function": ("API013", TWICE),
    "claims that a method spells out": ("API001", CLAIMS),
    "all rows on purpose, of a join, for superusers": ("API006", ON_PURPOSE),
    "tests that reach a route without start-up": ("TST002", _outside("/orders", "high")),
    "tests that reach no route need no start-up": ("TST002", _outside("/gone/away", "low")),
}
