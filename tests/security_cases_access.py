"""Code seen in real projects that the checks of access and injection got wrong once: `# ID` marks a signal."""

from __future__ import annotations

GUARDED = """
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.security import OAuth2PasswordBearer
from pydantic import BaseModel

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="/login")

def get_current_user(token: str = Depends(scheme)):
    if token != "known":
        raise HTTPException(401)
    return token

@app.get("/me")
def me(user=Depends(get_current_user)):
    return user
"""

TABLES = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    role: Mapped[str]

class Author(Base):
    __tablename__ = "authors"
    id: Mapped[int] = mapped_column(primary_key=True)

class Book(Base):
    __tablename__ = "books"
    id: Mapped[int] = mapped_column(primary_key=True)
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"))

class Note(Base):
    __tablename__ = "notes"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"))
"""

ACCESS_AND_INJECTION: dict[str, tuple[str, str]] = {
    "an application that guards next to nothing is one question": (
        "SEC001",
        GUARDED
        + """
from fastapi import APIRouter
others = APIRouter()

@others.put("/a")
def a():  # SEC001
    return clear("a")
@others.put("/b")
def b():
    return clear("b")
@others.get("/c")
def c(): ...
@others.get("/d")
def d(): ...
@others.get("/e")
def e(): ...
@others.get("/f")
def f(): ...
@others.get("/g")
def g(): ...
@others.get("/h")
def h(): ...

app.include_router(others)
""",
    ),
    "class-based controller: its dependencies are attributes": (
        "SEC001",
        GUARDED
        + """
from typing import Any
def controller(router): ...
router = APIRouter()

class Base:
    user: Any = Depends(get_current_user)

class Items(Base):
    @router.delete("/items/{key}")
    def remove(self, key: int):
        return key

app.include_router(router)
""",
    ),
    "a route for every method hands the request on": (
        "SEC001",
        GUARDED
        + """
@app.api_route("/proxy/{path:path}", methods=["GET", "POST", "PUT", "DELETE", "PATCH"])
async def proxy(path: str, request: Request):
    return await forward(path, request)

async def forward(path, request): ...
""",
    ),
    "a router that only one environment gets": (
        "SEC001",
        GUARDED
        + """
import os
private = APIRouter()

@private.delete("/everything")
def drop(): ...

if os.environ["ENVIRONMENT"] == "local":
    app.include_router(private)
""",
    ),
    "signing up, redirects and capability links": (
        "SEC001",
        GUARDED
        + """
from fastapi.responses import RedirectResponse

class NewUser(BaseModel):
    email: str
    password: str

@app.post("/users")
def create(body: NewUser, session):
    session.add(body)

@app.patch("/old/{key}")
def moved(key: int):
    return RedirectResponse(f"/new/{key}")

@app.put("/seats/{seat}")
def claim(seat: int, invitation_token: str, session):
    session.add(seat)
""",
    ),
    "personal data and its neighbours": (
        "SEC001",
        GUARDED
        + """
class UserRead(BaseModel):
    name: str
    email: str

class Shop(BaseModel):
    email: str

@app.get("/users")
def everybody() -> list[UserRead]: ...  # SEC001

@app.get("/shops")
def shops() -> list[Shop]: ...

@app.get("/tiers")
def tiers() -> list[str]: ...
""".replace(
            "def everybody() -> list[UserRead]: ...  # SEC001", "def everybody() -> list[UserRead]:  # SEC001\n    ..."
        ),
    ),
    "whose: a foreign key to people, not any called so": (
        "SEC002",
        "# tables.py\n"
        + TABLES
        + "# main.py\n"
        + GUARDED
        + """
from sqlalchemy.orm import Session
from tables import Book, Note

@app.get("/books/{book_id}")
def book(book_id: int, session: Session, user=Depends(get_current_user)):
    return session.get(Book, book_id)

@app.get("/notes/{note_id}")
def note(note_id: int, session: Session, user=Depends(get_current_user)):
    return session.get(Note, note_id)  # SEC002

@app.get("/checked/{note_id}")
def checked(note_id: int, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, note_id)
    if note.user_id != user.id:
        raise HTTPException(404)
    return note

@app.get("/of/{name}/notes/{note_id}")
def of(name: str, note_id: int, session: Session, user=Depends(get_current_user)):
    if user.name != name:
        raise HTTPException(403)
    return session.get(Note, note_id)  # SEC002
""",
    ),
    "fields of a dataclass that FastAPI fills and checks": (
        "SEC003",
        """
from dataclasses import dataclass
from typing import Literal
from fastapi import Depends, FastAPI
from sqlalchemy import text
from sqlalchemy.orm import Session

app = FastAPI()

@dataclass
class Page:
    direction: Literal["asc", "desc"] = "asc"
    where: str = ""

@dataclass
class Sorted(Page):
    by: Literal["name", "score"] = "name"

def load(db, page: Sorted | None = None):
    by = page.by if page is not None else "name"
    direction = page.direction if page is not None else ""
    return db.execute(text(f"select * from players order by {by} {direction}"))

def search(db, page: Page):
    return db.execute(text(f"select * from players where {page.where}"))  # SEC003

@app.get("/players")
def players(db: Session, page: Sorted = Depends()):
    return load(db, page), search(db, page)
""",
    ),
    "text that is checked, numbers, bound values": (
        "SEC003",
        """
from typing import Annotated, Literal
from fastapi import FastAPI, Query
from sqlalchemy import Engine, column, text

app = FastAPI()
Field = Annotated[str, Query(pattern="^[a-z]+$")]

@app.get("/a")
def a(order: Literal["asc", "desc"], by: Field, size: int, db: Engine):
    with db.connect() as connection:
        connection.execute(text(f"select * from item order by {by} {order} limit {size}"))

@app.get("/b")
def b(name: str, db: Engine):
    with db.connect() as connection:
        connection.execute(text("select * from item where name = :name"), {"name": f"%{name}%"})
        connection.exec_driver_sql(f"select * from item where name = '{name}'")  # SEC003
""",
    ),
    "unverified claims of tokens that others verified or nobody trusts": (
        "SEC004",
        GUARDED
        + """
import jwt
import logging

@app.post("/exchange")
async def exchange(token: str, provider):
    user = await provider.userinfo(token)
    return user, jwt.decode(token, options={"verify_signature": False})

@app.post("/logout-by-provider")
async def logout(token: str, keys):
    issuer = jwt.decode(token, options={"verify_signature": False}).get("iss")
    return jwt.decode(token, keys[issuer], algorithms=["RS256"])

@app.middleware("http")
async def log(request: Request, call_next):
    claims = jwt.decode(request.headers["authorization"], options={"verify_signature": False})
    logging.info("%s", claims.get("email"))
    return await call_next(request)

def current(token: str = Depends(scheme)):
    return jwt.decode(token, options={"verify_signature": False})["sub"]  # SEC004

@app.get("/mine")
def mine(user=Depends(current)):
    return user

def hand_checked(token, key, now):
    claims = jwt.decode(token, key, algorithms=["HS256"], options={"verify_exp": False, "require": ["exp"]})
    return claims["exp"] > now
""",
    ),
}
