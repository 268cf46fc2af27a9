"""Code seen in real projects that the security checks got wrong or missed once: `# ID` marks a signal."""

from __future__ import annotations

from tests.security_cases_access import GUARDED, TABLES

FOUND: dict[str, tuple[str, str]] = {
    "fields that a schema inherits from the library": (
        "SEC008",
        """
# app/main.py
from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer
from fastapi_users import BaseUserManager, schemas

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="/login")

class UserUpdate(schemas.BaseUserUpdate):
    nickname: str | None = None

class Manager(BaseUserManager): ...

class Nickname(schemas.BaseUserUpdate):
    nickname: str | None = None

def require_admin(token: str = Depends(scheme)):
    if token != "admin":
        raise HTTPException(403)

@app.patch("/members/{member_id}")
async def change_member(member_id: int, body: UserUpdate, manager: Manager, token: str = Depends(scheme)):
    user = await manager.get(member_id)
    return await manager.update(user_update=body, user=user, safe=True)  # SEC008

@app.patch("/people/{person_id}")
async def change_person(person_id: int, body: UserUpdate, manager: Manager, token: str = Depends(scheme)):
    return await manager.update(body, await manager.get(person_id))  # SEC008

@app.patch("/me")
async def change_me(body: UserUpdate, manager: Manager, token: str = Depends(scheme)):
    return await manager.update(body, await manager.of(token), safe=True)

@app.patch("/all/{person_id}", dependencies=[Depends(require_admin)])
async def change_any(person_id: int, body: UserUpdate, manager: Manager):
    return await manager.update(body, await manager.get(person_id))

@app.patch("/names/{person_id}")
async def change_name(person_id: int, body: Nickname, manager: Manager, token: str = Depends(scheme)):
    body.password = body.email = None
    return await manager.update(body, await manager.get(person_id), safe=True)
""",
    ),
    "single fields of the body are copied into a new one": (
        "SEC008",
        """
# app/main.py
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = FastAPI()

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    is_admin: Mapped[bool]

class UserUpdate(BaseModel):
    email: str
    is_admin: bool = False

def store(session: Session, key: int, change: UserUpdate):
    user = session.get(User, key)
    for name, value in change.model_dump().items():
        setattr(user, name, value)

@app.put("/users/{key}/email")
def change_email(key: int, body: UserUpdate, session: Session):
    store(session, key, UserUpdate(email=body.email))
""",
    ),
    "the whole body is handed on": (
        "SEC008",
        """
# app/main.py
from fastapi import FastAPI
from pydantic import BaseModel
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = FastAPI()

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str]
    is_admin: Mapped[bool]

class UserUpdate(BaseModel):
    email: str
    is_admin: bool = False

def store(session: Session, key: int, change: UserUpdate):
    user = session.get(User, key)
    for name, value in change.model_dump().items():
        setattr(user, name, value)  # SEC008

@app.put("/users/{key}")
def change_user(key: int, body: UserUpdate, session: Session):
    store(session, key, body)
""",
    ),
    "a field that the handler never fills": (
        "SEC009",
        """
# app/main.py
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()

class LocalUser(BaseModel):
    email: str
    password: str = ""

class Account(BaseModel):
    email: str
    password_hash: str = ""  # SEC009

def shown(row) -> LocalUser:
    return LocalUser(email=row.email)

@app.get("/user")
def viewer(row) -> LocalUser:
    return shown(row)

@app.get("/account")
def account() -> Account:
    return Account(email="a@b.test", password_hash="x")
""",
    ),
    "debug where the program asks for it": (
        "SEC018",
        """
# app/main.py
from fastapi import FastAPI
from app.modes import in_debug_mode

if in_debug_mode():
    app = FastAPI(debug=True)
else:
    app = FastAPI()
# app/modes.py
def in_debug_mode(): ...
""",
    ),
    "certificates are verified unless somebody chose not to": (
        "SEC026",
        """
# app/mail.py
import ssl

class Sender:
    def __init__(self, validate_certs=True):
        self.validate_certs = validate_certs

    def send(self):
        if self.validate_certs:
            context = ssl.create_default_context()
        else:
            context = ssl._create_unverified_context()
        return context

def always():
    if hasattr(ssl, "_create_unverified_context"):
        return ssl._create_unverified_context()  # SEC026
""",
    ),
    "one input and all the files it leads to": (
        "SEC012",
        """
# app/main.py
import os
from fastapi import FastAPI

app = FastAPI()

@app.post("/parts")
def store(owner: str, number: int):
    folder = os.path.join("/srv", owner)
    os.makedirs(folder)  # SEC012
    with open(f"{folder}/{number}", "w") as out:
        out.write("x")
    os.remove(f"{folder}/lock")
""",
    ),
    "text returned by a route that answers with HTML": (
        "SEC015",
        """
# app/main.py
import html
from fastapi import FastAPI, Form
from fastapi.responses import HTMLResponse

app = FastAPI()

@app.post("/hello", response_class=HTMLResponse)
def hello(name: str = Form()):
    return f"<h1>{name}</h1>"  # SEC015

@app.post("/page", response_class=HTMLResponse)
def page(name: str = Form()):
    body = "<h1>" + name + "</h1>"
    return body  # SEC015

@app.post("/safe", response_class=HTMLResponse)
def safe(name: str = Form()):
    return f"<h1>{html.escape(name)}</h1>"

@app.post("/text")
def text(name: str = Form()):
    return f"<h1>{name}</h1>"
""",
    ),
    "an address that was stored before": (
        "SEC014",
        """
# app/models.py
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class Login(Base):
    __tablename__ = "login"
    id: Mapped[int] = mapped_column(primary_key=True)
    state: Mapped[str]
    redirect_uri: Mapped[str]
    return_to: Mapped[str]
# app/main.py
from fastapi import FastAPI
from fastapi.responses import RedirectResponse
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.models import Login

app = FastAPI()

def keep(session: Session, target: str):
    session.add(Login(redirect_uri=target, return_to="/home"))

@app.get("/start")
def start(redirect: str, session: Session):
    keep(session, redirect)

@app.get("/callback")
def callback(state: str, session: Session):
    login = session.scalar(select(Login).where(Login.state == state))
    return RedirectResponse(login.redirect_uri)  # SEC014

@app.get("/home")
def home(state: str, session: Session):
    login = session.scalar(select(Login).where(Login.state == state))
    return RedirectResponse(login.return_to)
""",
    ),
    "a refresh token that is used again and again": (
        "SEC024",
        GUARDED
        + """
def verify_token(token): ...
def create_access_token(user): ...
def create_refresh_token(user): ...
def revoke(token): ...

@app.post("/refresh")
def refresh(request: Request):
    token = request.cookies.get("refresh_token")
    return {"access_token": create_access_token(verify_token(token))}  # SEC024

@app.post("/v2/refresh")
def rotate(request: Request):
    user = verify_token(request.cookies.get("refresh_token"))
    return {"access_token": create_access_token(user), "refresh_token": create_refresh_token(user)}

class Kept:
    def update(self, data): ...

@app.post("/v4/refresh")
def dictionary(refresh_token: str):
    claims = {}
    claims.update({"sub": verify_token(refresh_token)})
    return {"access_token": create_access_token(claims)}  # SEC024

@app.post("/v3/refresh")
def once(refresh_token: str):
    user = verify_token(refresh_token)
    revoke(refresh_token)
    return {"access_token": create_access_token(user)}

@app.post("/cache/refresh")
def cache():
    return {"done": True}
""",
    ),
    "the subject of a token is a name that clients change": (
        "SEC024",
        GUARDED
        + """
class UserChange(BaseModel):
    username: str
    nickname: str

class Model(BaseModel):
    name: str
    email: str

class Other(BaseModel):
    email: str

@app.patch("/users/{key}")
def change(key: int, body: UserChange): ...

@app.put("/models/{key}")
def change_model(key: int, body: Model): ...

@app.post("/contacts")
def contact(body: Other): ...

def encode(claims): ...

def by_name(user):
    return encode({"sub": user.username})  # SEC024

def by_mail(user):
    return encode({"sub": user.email})

def by_id(user):
    return encode({"sub": user.id, "name": user.username})
""",
    ),
    "all clients have the address of the proxy": (
        "SEC021",
        """
# nginx/default.conf
server { location / { proxy_pass http://web:8000; } }
# app/main.py
from fastapi import Depends, FastAPI, Request

def rate_limit(request: Request):
    return request.client.host  # SEC021

def audit(request: Request):
    return request.client.host

app = FastAPI(dependencies=[Depends(rate_limit), Depends(audit)])
""",
    ),
    "the server believes the proxy": (
        "SEC021",
        """
# nginx/default.conf
server { location / { proxy_pass http://web:8000; } }
# Dockerfile
FROM python:3.13
CMD ["uvicorn", "app.main:app", "--forwarded-allow-ips", "10.0.0.2"]
# app/main.py
from fastapi import Depends, FastAPI, Request

def rate_limit(request: Request):
    return request.client.host

app = FastAPI(dependencies=[Depends(rate_limit)])
""",
    ),
    "routers that an application of another package serves": (
        "SEC028",
        """
# app/main.py
from fastapi import APIRouter, Depends, HTTPException, WebSocket
from fastapi.security import OAuth2PasswordBearer
from framework import get_app

scheme = OAuth2PasswordBearer(tokenUrl="/login")
api = APIRouter()
sockets = APIRouter()

def current_user(token: str = Depends(scheme)):
    if token != "known":
        raise HTTPException(401)

@api.get("/me", dependencies=[Depends(current_user)])
def me(): ...

@sockets.websocket("/logs")
async def logs(socket: WebSocket):  # SEC028
    await socket.accept()
    await socket.send_text("private")

def start():
    app = get_app()
    app.include_router(api)
    app.include_router(sockets)
""",
    ),
    "input chooses among known addresses": (
        "SEC013",
        """
# app/main.py
import httpx
from fastapi import FastAPI, Request

app = FastAPI()
URLS = ["https://a.test", "https://b.test"]
MODELS = {}

def connection(request: Request, index):
    base = request.app.state.config.URLS[index]
    return base, {}

async def target(request: Request, payload: dict):
    model = MODELS.get(payload["model"])
    url, options = connection(request, model["urlIdx"])
    payload["model"] = options.get("prefix")
    return payload, url

@app.post("/chat")
async def chat(request: Request, body: dict):
    payload, url = await target(request, body)
    request_url = f'{url.rstrip("/")}/chat'
    async with httpx.AsyncClient() as client:
        await client.request(method="POST", url=request_url, json=payload)
        await client.get(URLS[int(body["index"])])
        await client.get(body["url"])  # SEC013
""",
    ),
    "an id in the body": (
        "SEC002",
        GUARDED
        + TABLES
        + """
class Change(BaseModel):
    note_id: int
    author_id: int
    text: str

class Crud:
    def __init__(self, session: Session):
        self.session = session
    def find(self, note_id: int):
        return self.session.get(Note, note_id)  # SEC002

def get_crud(): return Crud(Session())

@app.post("/changes")
def change(body: Change, session: Session, user=Depends(get_current_user), crud: Crud = Depends(get_crud)):
    return handle(crud, body)

def handle(crud: Crud, body: Change):
    return crud.find(body.note_id)

@app.post("/authors")
def author(body: Change, session: Session, user=Depends(get_current_user)):
    return session.get(Author, body.author_id)

@app.post("/mine")
def mine(body: Change, session: Session, user=Depends(get_current_user)):
    note = session.get(Note, body.note_id)
    if note.user_id != user.id:
        raise HTTPException(404)
""",
    ),
    "a class method of a base model": (
        "SEC002",
        GUARDED
        + TABLES.replace(
            "class Base(DeclarativeBase): ...",
            """class Base(DeclarativeBase):
    @classmethod
    def get(cls, session, key):
        return session.get(cls, key)
""",
        )
        + """
@app.get("/notes/{note_id}")
def read(note_id: int, session: Session, user=Depends(get_current_user)):
    return Note.get(session, note_id)  # SEC002

@app.get("/authors/{author_id}")
def author(author_id: int, session: Session, user=Depends(get_current_user)):
    return Author.get(session, author_id)
""",
    ),
    "an id in the body of a dependency": (
        "SEC002",
        GUARDED
        + TABLES
        + """
class Change(BaseModel):
    note_id: int
    text: str

class Crud:
    def __init__(self, session: Session, user):
        self.session = session
        self.user = user
    def find(self, note_id: int):
        return self.session.get(Note, note_id)  # SEC002

def get_crud(user=Depends(get_current_user)): return Crud(Session(), user)

def validated(body: Change, crud: Crud = Depends(get_crud)):
    crud.find(body.note_id)
    return body

@app.post("/changes")
def change(body: Change = Depends(validated)):
    return body.text
""",
    ),
}
