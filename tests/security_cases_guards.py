"""Who may call what: code of real projects on which the checks of guards were silent or wrong once."""

from __future__ import annotations

from tests.security_cases_access import GUARDED, TABLES

TOKENS = """
import jwt
from fastapi import APIRouter, Depends, FastAPI, HTTPException
from pydantic import BaseModel
from passlib.context import CryptContext

app = FastAPI()
hashes = CryptContext(schemes=["bcrypt"])

class Credentials(BaseModel):
    username: str
    password: str

class Tokens:
    def generate_access_token(self, name):
        return self._sign({"sub": name})
    def _sign(self, claims):
        return jwt.encode(claims, "k")

tokens = Tokens()

@app.post("/auth/signin")
def sign_in(body: Credentials):
    if not hashes.verify(body.password, stored(body.username)):
        raise HTTPException(401)
    return tokens.generate_access_token(body.username)

def stored(name): ...
"""

GUARDS: dict[str, tuple[str, str]] = {
    "tokens are issued and no route asks for one": (
        "SEC001",
        TOKENS
        + """
@app.get("/accounts/{id}")
def read(id: int):
    return {"id": id, "token": tokens.generate_access_token(id)}

@app.patch("/accounts/{id}")
def update(id: int, update_password: str | None = None):
    account = stored(id)
    account.password = hashes.hash(update_password)
    return tokens.generate_access_token(account)

@app.delete("/accounts/{id}")
def remove(id: int):  # SEC001
    return stored(id).delete()
""",
    ),
    "tokens are issued, a router that configuration chooses the prefix of": (
        "SEC001",
        TOKENS
        + """
import os
router = APIRouter()

@router.delete("/accounts/{id}")
def remove(id: int):  # SEC001
    return stored(id).delete()

app.include_router(router, prefix=os.environ.get("PREFIX", "/api"))
""",
    ),
    "tokens are issued, handlers verify them themselves": (
        "SEC001",
        TOKENS
        + """
@app.delete("/accounts/{id}")
def remove(id: int, who: str):
    check_access(who)
    return stored(id).delete()

@app.put("/accounts/{id}")
def put(id: int, name: str):
    return stored(id).rename(name)

def check_access(who): ...
""",
    ),
    "a demo without any sign-in, one change": (
        "SEC001",
        """
from fastapi import FastAPI

app = FastAPI()
items = []

@app.get("/items")
def read():
    return items

@app.post("/items")
def add(name: str):
    items.append(name)
""",
    ),
    "a handler that only says it is gone, or nothing": (
        "SEC001",
        GUARDED
        + """
from fastapi.responses import JSONResponse
GONE = {"detail": "use v2"}

@app.put("/me")
def put_me(user=Depends(get_current_user)):
    return user

@app.delete("/v1/items/{key}")
def gone(key: int):
    '''Gone.'''
    return JSONResponse(status_code=410, content=GONE)

@app.put("/v1/items/{key}")
def later(key: int):
    raise HTTPException(status_code=501, detail=f"{key} is not implemented")

@app.patch("/v1/items/{key}")
def nothing(key: int): ...

@app.delete("/v1/items")
def known():  # SEC001
    return JSONResponse(status_code=200, content=clear())

@app.delete("/v1/parts/{key}")
def short(key: int):  # SEC001
    return None

def clear(): ...
""",
    ),
    "callers who may leave the token out": (
        "SEC001",
        GUARDED
        + TABLES
        + """
maybe = OAuth2PasswordBearer(tokenUrl="/login", auto_error=False)

def get_user_or_none(token: str | None = Depends(maybe)) -> User | None:
    if token is None:
        return None
    return get_current_user(token)

def get_session() -> Session: ...

@app.put("/notes/{key}")
def put(key: int, user=Depends(get_user_or_none), session: Session = Depends(get_session)):  # SEC001
    session.merge(Note(id=key))
    session.commit()

@app.put("/notes/{key}/title")
def put_title(key: int, user=Depends(get_user_or_none), session: Session = Depends(get_session)):
    if user is None:
        raise HTTPException(401)
    session.merge(Note(id=key))
    session.commit()

@app.put("/notes/{key}/body")
def put_body(key: int, user=Depends(get_user_or_none), session: Session = Depends(get_session)):
    if not user:
        raise HTTPException(400, "log in first")
    session.merge(Note(id=key))
    session.commit()

def limited(user=Depends(get_user_or_none)): ...

@app.post("/jobs", dependencies=[Depends(limited)])
def start(text: str):  # SEC001
    return queue.enqueue_job(text)

@app.post("/search")
def search(text: str, user=Depends(get_user_or_none), session: Session = Depends(get_session)):
    return session.query(Note).filter(Note.id == text).all()
""",
    ),
    "a new password proves nothing": (
        "SEC001",
        GUARDED
        + """
class Changed(BaseModel):
    name: str
    password: str
    password_confirmation: str

class Renewed(BaseModel):
    current_password: str
    new_password: str

@app.put("/people/{key}")
def put(key: int, body: Changed):  # SEC001
    return store(key, body)

@app.put("/people/{key}/password")
def put_password(key: int, body: Renewed):
    return store(key, body)

def store(key, body): ...
""",
    ),
    "another service is asked with the caller's own credentials": (
        "SEC001",
        GUARDED
        + """
import httpx

@app.delete("/clusters/{name}")
async def remove(name: str, request: Request):
    async with httpx.AsyncClient() as client:
        sent = {"Authorization": request.headers["Authorization"]}
        return await client.delete(f"https://c.test/{name}", headers=sent)

@app.put("/clusters/{name}")
async def put(name: str, request: Request):
    async with httpx.AsyncClient() as client:
        return await client.put(f"https://c.test/{name}", cookies=request.cookies)

@app.patch("/clusters/{name}")
async def patch(name: str):  # SEC001
    async with httpx.AsyncClient() as client:
        return await client.patch(f"https://c.test/{name}")
""",
    ),
    "log-in in two steps, a token in the path that a dependency takes": (
        "SEC001",
        GUARDED
        + TABLES
        + """
class Node(Base):
    __tablename__ = "nodes"
    id: Mapped[int] = mapped_column(primary_key=True)
    address: Mapped[str]

def get_session() -> Session: ...

@app.put("/me")
def put_me(user=Depends(get_current_user)):
    return user

@app.post("/auth/{slug}/start")
def start(slug: str, session: Session = Depends(get_session)):
    session.add(Note(id=1))
    session.commit()

def subscriber(token: str): ...

@app.get("/sub/{token}/usage")
def usage(user=Depends(subscriber), session: Session = Depends(get_session)):
    return session.query(User).all()

@app.post("/people")
def add(name: str, session: Session = Depends(get_session)):
    if not settings.new_accounts_allowed:
        raise HTTPException(400, "closed")
    session.add(User(email=name))
    session.commit()

@app.get("/usage")
def nodes(session: Session = Depends(get_session)):
    return session.query(Node).all()

@app.get("/people")
def people(session: Session = Depends(get_session)):  # SEC001
    return session.query(User).all()
""",
    ),
    "a credential that is compared with a text in the code": (
        "SEC005",
        GUARDED
        + """
import secrets
from fastapi import Header
from fastapi.security import HTTPBasic, HTTPBasicCredentials

def by_parameter(x_api_key: str = Header()):
    if x_api_key != "s3cr3t-header-value":  # SEC005
        raise HTTPException(401)

def by_header(request: Request):
    if request.headers.get("Authorization") == "Bearer supersecrettoken":  # SEC005
        return
    raise HTTPException(401)

def by_digest(credentials: HTTPBasicCredentials = Depends(HTTPBasic())):
    return secrets.compare_digest(credentials.password.encode(), b"swordfish")  # SEC005

@app.get("/a", dependencies=[Depends(by_parameter), Depends(by_header), Depends(by_digest)])
def a(): ...

@app.post("/b")
def b(grant: str, x_token: str = Header(), token_type: str = Header()):
    if x_token == "changeme-please-1":
        raise HTTPException(500, "set a token")
    if token_type != "refresh_token_v2" or x_token == "bearer":
        raise HTTPException(400)
    return grant

def stored(kind: str):
    return kind == "s3cr3t-header-value"
""",
    ),
}
