"""Log-in and registration as small applications write them: `# ID` marks a signal."""

from __future__ import annotations

_TABLE = """
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
"""
_ROUTES = """
from fastapi import APIRouter, FastAPI
from pydantic import BaseModel
from app.tables import User

app = FastAPI()
router = APIRouter()

class NewUser(BaseModel):
    email: str
    password1: str
    password2: str
"""

LOGIN: dict[str, tuple[str, str]] = {
    "a template of a package that only names a limiter": (
        "SEC020",
        """
# app/__init__.py
# app/templates/crowdsec_lookup.yml
name: look an address up at crowdsec
# app/main.py
from fastapi import FastAPI

app = FastAPI()

@app.post("/login")
def login(name: str, password: str):  # SEC020
    return authenticate(name, password)

def authenticate(name, password): ...
""",
    ),
    "a log-in of the library in a branch, in a factory that hands options on": (
        "SEC020",
        """
# app/users.py
from fastapi_users import FastAPIUsers

users = FastAPIUsers[User, int](get_manager, [backend])

# app/config.py
import os

KINDS = {kind.strip() for kind in os.environ.get("KINDS", "basic,oidc").split(",")}

# app/main.py
from fastapi import FastAPI
from app import config
from app.users import backend, users

def create_app(**options) -> FastAPI:
    app = FastAPI(title="shop", **options)
    if "basic" in config.KINDS:
        app.include_router(users.get_auth_router(backend), prefix="/auth")  # SEC020
    return app

app = create_app()
""",
    ),
    "what the client sends is kept, and nothing hashes": (
        "SEC006",
        f"""
# app/tables.py
{_TABLE}
    password: Mapped[str]  # SEC006

    @classmethod
    def create(cls, email: str, password: str):
        return cls(email=email, password=password)

# app/main.py
{_ROUTES}
@app.post("/users")
def register(body: NewUser):
    return User.create(email=body.email, password=body.password1)
""",
    ),
    "the whole body becomes the row": (
        "SEC006",
        f"""
# app/tables.py
{_TABLE}
    password: Mapped[str]  # SEC006

# app/main.py
{_ROUTES}
class Plain(BaseModel):
    email: str
    password: str

@app.post("/users")
def register(body: Plain):
    return User(**body.model_dump())
""",
    ),
    "a helper of the project hashes": (
        "SEC006",
        f"""
# app/tables.py
{_TABLE}
    password: Mapped[str]

# app/main.py
{_ROUTES}
def hash_password(text: str) -> str: ...

@app.post("/users")
def register(body: NewUser):
    return User(email=body.email, password=hash_password(body.password1))
""",
    ),
    "somebody else keeps the passwords": (
        "SEC006",
        f"""
# app/tables.py
{_TABLE}
    password: Mapped[str]

# app/main.py
import ldap3
{_ROUTES}
@app.post("/login")
def login(email: str, password: str):
    return User(email=email, password=password)
""",
    ),
    "a password of another server is configuration": (
        "SEC006",
        """
# app/main.py
from fastapi import FastAPI
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

app = FastAPI()

class Base(DeclarativeBase): ...

class Relay(Base):
    __tablename__ = "relay"
    id: Mapped[int] = mapped_column(primary_key=True)
    host: Mapped[str]
    password: Mapped[str]

@app.post("/relays")
def add(host: str, password: str):
    return Relay(host=host, password=password)
""",
    ),
    "a log-in by a query that takes the password": (
        "SEC020",
        f"""
# app/tables.py
{_TABLE}
# app/main.py
{_ROUTES}
@app.post("/user/login")
def login(email: str, password: str):  # SEC020
    return find(email, password)

def find(email, password): ...
""",
    ),
    "registration with the password typed twice": (
        "SEC001",
        f"""
# app/tables.py
{_TABLE}
# app/main.py
from fastapi import Depends, HTTPException
{_ROUTES}
def admin(key: str):
    if key != "known":
        raise HTTPException(401)

@app.get("/users", dependencies=[Depends(admin)])
def read_all(): ...

@app.delete("/users/{{key}}", dependencies=[Depends(admin)])
def delete(key: int): ...

@app.post("/users")
def register(body: NewUser):
    save(body)

@app.put("/users/{{key}}")
def change(key: int, name: str):  # SEC001
    save(name)

def save(body): ...
""",
    ),
    "local time as time of a token": (
        "SEC024",
        """
# app/tokens.py
from datetime import UTC, datetime, timedelta
import jwt

def encode(payload: dict, seconds: int, key: str):
    return jwt.encode({**payload, "exp": datetime.now() + timedelta(seconds=seconds)}, key)  # SEC024

def by_steps(payload: dict, key: str, delta: timedelta | None = None):
    if delta:
        expire = datetime.now() + delta
    else:
        expire = datetime.now() + timedelta(minutes=15)
    claims = payload.copy()
    claims.update({"exp": expire})  # SEC024
    return jwt.encode(claims, key, algorithm="HS256")

def by_seconds(key: str):
    claims = {}
    claims["iat"] = int(datetime.utcnow().timestamp())  # SEC024
    return jwt.encode(claims, key)

def in_utc(key: str):
    return jwt.encode({"iat": datetime.now(UTC), "exp": datetime.utcnow() + timedelta(minutes=15)}, key)

def no_token():
    return {"exp": datetime.now()}
""",
    ),
    "conditions of a statement": (
        "SEC030",
        f"""
# app/tables.py
{_TABLE}
# app/main.py
from sqlalchemy import or_, select
from app.tables import User

def of_sender(session, email: str):
    return session.query(User).filter(or_(email == email, User.id == 1)).first()  # SEC030

def all_of_them(session):
    return session.scalars(select(User).where(User.id == User.id))  # SEC030

def twice(session, email: str):
    return session.scalars(select(User).where(User.email == email))

def numbers(frame):
    return frame[frame.price == frame.price]
""",
    ),
    "an example of a body describes": (
        "SEC005",
        """
# app/schemas.py
from pydantic import BaseModel

class NewUser(BaseModel):
    password: str

    model_config = {"json_schema_extra": {"example": {"email": "a@b.c", "password": "testpass123"}}}

SMTP = {"host": "mail", "password": "testpass123"}  # SEC005
""",
    ),
}
