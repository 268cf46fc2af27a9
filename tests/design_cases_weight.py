"""Code of which the checks of organization once said too much: what weighs little and what does not."""

from __future__ import annotations

WEIGHT = {
    "mapping of errors, log lines, reading of a stream and of a body are no work": (
        "ORG001",
        """
import logging
import urllib.parse
from fastapi import FastAPI, HTTPException, Request, UploadFile
from sqlalchemy import select
from sqlalchemy.orm import Session
from shop import Order, orders

app = FastAPI()
log = logging.getLogger(__name__)

@app.post("/orders/{order_id}/papers")
async def add_paper(order_id: int, file: UploadFile, db: Session) -> int:
    order = orders.find(db, order_id)
    if order is None:
        log.warning("none")
        raise HTTPException(404)
    held = bytearray()
    try:
        total = 0
        while True:
            chunk = await file.read(1024)
            if not chunk:
                break
            total += len(chunk)
            if total > 1_000_000:
                log.warning("too long")
                raise HTTPException(413)
            held.extend(chunk)
        if total == 0:
            raise HTTPException(400)
        log.info("read", extra={"total": total or 1})
    except ValueError as error:
        log.warning("bad")
        raise HTTPException(400) from error
    except OSError as error:
        log.warning("unread")
        raise HTTPException(502) from error
    try:
        paper = await orders.add_paper(order, bytes(held), file.filename or "x")
        log.info("added")
    except KeyError as error:
        log.warning("no key")
        raise HTTPException(409) from error
    except PermissionError as error:
        log.warning("refused")
        raise HTTPException(403) from error
    except TypeError as error:
        log.warning("kind")
        raise HTTPException(415) from error
    except OverflowError as error:
        log.warning("size")
        raise HTTPException(413) from error
    except RuntimeError as error:
        log.exception("failed")
        raise HTTPException(500) from error
    except LookupError as error:
        log.warning("lost")
        raise HTTPException(404) from error
    return paper

@app.post("/hook")
async def hook(request: Request) -> dict[str, str]:
    raw = await request.body()
    body = None
    if request.headers.get("content-type", "").startswith("application/x-www-form-urlencoded"):
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            return {}
        parsed = urllib.parse.parse_qs(text)
        values = parsed.get("payload")
        if values:
            try:
                found = urllib.parse.parse_qs(values[0])
            except ValueError:
                return {}
            if isinstance(found, dict):
                body = found
    else:
        try:
            body = urllib.parse.parse_qs(raw.decode())
        except ValueError:
            return {}
    if body is None:
        return {}
    kind = body.get("type")
    if kind == "check":
        return {"challenge": "x"}
    if kind not in {"a", "b"}:
        return {}
    orders.later(body)
    return {}
""",
    ),
    "an error that is met elsewhere or becomes a usual nothing loses little": (
        "ORG003",
        """
import asyncio
import logging
from fastapi import FastAPI, HTTPException

app = FastAPI()
log = logging.getLogger(__name__)

async def ask(what: str) -> str: ...

async def read_both(text: str) -> dict:
    try:
        first = await ask(text)
        if first:
            return {"a": first}
    except Exception:
        pass
    try:
        second = await ask(text)
    except Exception:
        log.exception("unreadable")
        return {}
    return {"b": second}

async def refuse_inside(text: str) -> None:
    try:
        await ask(text)
        await ask("again")
    except Exception:
        return

async def checked(text: str) -> str:
    try:
        return await ask(text)
    except ValueError as error:
        await refuse_inside(text)
        raise HTTPException(400) from error

async def hinted(text: str | None) -> list:
    if text is None:
        return []
    try:
        found = await ask(text)
    except Exception:  # ORG003 low
        return []
    return [found]

async def renewed(text: str) -> str:
    try:
        problem = await ask(text)
    except Exception:
        problem = {"ok": False, "error": "could not be made"}
    return "failed" if problem else "made"

async def watched(task: asyncio.Task) -> None:
    task.cancel()
    try:
        await task
    except (asyncio.CancelledError, Exception):
        pass

async def lost(text: str) -> str:
    try:
        return await ask(text)
    except Exception:  # ORG003 medium
        return ""

@app.post("/x")
async def x() -> list:
    task = asyncio.create_task(ask("x"))
    await watched(task)
    return [await read_both("x"), await checked("x"), await hinted("x"), await renewed("x"), await lost("x")]
""",
    ),
    "an import of a helper that stands in a router is slight, one of a path operation is not": (
        "ORG005",
        """
# app/main.py
from fastapi import FastAPI
from app.routers import users, orders

app = FastAPI()
app.include_router(users.router)
app.include_router(orders.router)
# app/routers/users.py
from fastapi import APIRouter

router = APIRouter()

def masked(name: str) -> str: ...

@router.get("/users")
def list_users() -> list[str]: ...
# app/routers/orders.py
from fastapi import APIRouter

router = APIRouter()

@router.get("/orders")
def list_orders() -> list[str]: ...
# app/repositories/accounts.py
from app.routers.users import masked  # ORG005 low
# app/services/lists.py
from app.routers.orders import list_orders  # ORG005 medium
""",
    ),
    "a router made in a method makes no router module, a name no repository": (
        "ORG005",
        """
# app/main.py
from fastapi import APIRouter, FastAPI
from app.manager import Backend
from app.routers import users

app = FastAPI()
app.include_router(users.router)
app.include_router(Backend().get_router())
# app/manager.py
from fastapi import APIRouter

class Backend:
    def get_router(self):
        router = APIRouter()

        @router.post("/leave")
        def leave() -> None: ...

        return router
# app/routers/users.py
from fastapi import APIRouter
from sqlalchemy import text
from sqlalchemy.orm import Session

router = APIRouter()

@router.get("/users")
def list_users(db: Session) -> list[str]:
    return db.execute(text("SELECT 1")).all()
# app/services/accounts.py
from app.manager import Backend
# app/plugins/repository.py
from app.services.accounts import Backend

known = {"x": Backend}
""",
    ),
    "settings that one process changes once, before its first use": (
        "ORG008",
        """
# config.py
class Settings:
    def __init__(self) -> None:
        self.logs = True

settings = Settings()
# main.py
from config import settings
from fastapi import FastAPI

app = FastAPI()

class Door:
    def __init__(self) -> None:
        self.inner = None

    def start(self) -> None:
        settings.logs = False
        self.inner = 1

    def ask(self) -> None:
        if self.inner is None:
            self.start()

@app.get("/x")
def x() -> None:
    Door().ask()
""".replace("settings = Settings()", "settings = Settings()  # ORG008 low"),
    ),
    "environment read while requests are served": (
        "ORG007",
        """
# app/main.py
from fastapi import FastAPI
from app import mail, prices, stock

app = FastAPI()

@app.get("/x")
def x() -> list[str]:
    return [mail.ask(), prices.ask(), stock.ask()]
# app/mail.py
import os

def ask() -> str:
    return os.environ["MAIL_URL"]  # ORG007 medium
# app/prices.py
import os

def ask() -> str:
    return os.environ["PRICES_URL"]
# app/stock.py
import os

def ask() -> str:
    return os.environ["STOCK_URL"]
""",
    ),
    "environment read when processes start": (
        "ORG007",
        """
# app/main.py
from fastapi import FastAPI
from app import mail, prices, stock

app = FastAPI()
# app/mail.py
import os

URL = os.environ["MAIL_URL"]  # ORG007 low
# app/prices.py
import os

URL = os.environ["PRICES_URL"]
# app/stock.py
import os

URL = os.environ["STOCK_URL"]
""",
    ),
    "an unfinished route that another one hides": (
        "API004",
        """
from fastapi import FastAPI

app = FastAPI()

@app.get("/a/{key}")
def read(key: str) -> None: ...

@app.get("/a/search")
def search() -> None:  # API004 medium
    '''[WORK IN PROGRESS] Search.'''
""",
    ),
    "rows of one organization by the condition of a join": (
        "API006",
        """
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, and_, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    mail: Mapped[str]
    note: Mapped[str]

class Member(Base):
    __tablename__ = "members"
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id"), primary_key=True)
    team_id: Mapped[int] = mapped_column(primary_key=True)

app = FastAPI()

def get_db() -> Session: ...

def get_team() -> int: ...

@app.get("/members")
def members(db: Session = Depends(get_db), team: int = Depends(get_team)) -> list[dict]:  # API006 low
    return db.scalars(select(User).join(Member, and_(Member.user_id == User.id, Member.team_id == team))).all()

@app.get("/users")
def users(db: Session = Depends(get_db)) -> list[dict]:  # API006 high
    return db.scalars(select(User).join(Member, Member.user_id == User.id)).all()
""",
    ),
}
