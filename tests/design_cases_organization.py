"""Code seen in real projects that the checks of code organization got wrong once.

`# ID` marks a signal, `# ID low` one with that impact.
"""

from __future__ import annotations

BRANCHES = "\n".join(f"    if answer.get('k{i}') == {i}:\n        found.append({i})" for i in range(7))

ORGANIZATION = {
    "what a client loses when one status becomes another": (
        "ORG002",
        """
from fastapi import FastAPI, HTTPException

app = FastAPI()

@app.get("/hidden/{key}")
def hidden(key: int) -> str:
    try:
        if key > 9:
            raise HTTPException(403)
        return "x"
    except Exception:  # ORG002 low
        raise HTTPException(404)

@app.get("/login/{key}")
def login(key: int) -> str:
    try:
        if key > 9:
            raise HTTPException(401)
        return "x"
    except Exception:  # ORG002 medium
        raise HTTPException(404)

@app.get("/gateway/{key}")
def gateway(key: int) -> str:
    try:
        if key > 9:
            raise HTTPException(502)
        return "x"
    except Exception:  # ORG002 low
        raise HTTPException(500)

@app.get("/broken/{key}")
def broken(key: int) -> str:
    try:
        if key > 9:
            raise HTTPException(404)
        return "x"
    except Exception:  # ORG002 medium
        raise HTTPException(500)

@app.get("/fine/{key}")
def fine(key: int) -> dict[str, str]:
    try:
        if key > 9:
            raise HTTPException(404)
        return {"x": "y"}
    except Exception:  # ORG002 high
        return {"error": "failed"}
""",
    ),
    "what an answer or a dict is asked for is no call to a service": (
        "ORG001",
        f"""
import aiohttp
from fastapi import FastAPI, Request

app = FastAPI()

@app.post("/leave")
async def leave(request: Request, session: aiohttp.ClientSession) -> list[int]:
    answer = session.token.get("id") or session.headers.get("x") or {{}}
    found = []
{BRANCHES}
    return found

@app.post("/ask")
async def ask(session: aiohttp.ClientSession) -> list[int]:  # ORG001 low
    async with session.get("https://x.example") as reply:
        answer = await reply.json()
    found = []
{BRANCHES}
    return found
""",
    ),
    "branches without queries are less than work with them": (
        "ORG001",
        f"""
from fastapi import FastAPI

app = FastAPI()

@app.post("/a")
def decide(answer: dict[str, int]) -> list[int]:  # ORG001 low
    found = []
{BRANCHES}
    found.append(1 if answer.get("a") else 2 if answer.get("b") else 3 if answer.get("c") else 4)
    found.append(1 if answer.get("d") else 2 if answer.get("e") else 3 if answer.get("f") else 4)
    return found
""",
    ),
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
    "a failure of telemetry stops nothing": (
        "ORG003",
        """
from fastapi import FastAPI

app = FastAPI()

def send(what: str) -> None: ...

class AnalyticsContext:
    def count(self, what: str) -> None:
        try:
            send(what)
            send("done")
        except Exception:
            pass

class Orders:
    def save(self, what: str) -> None:
        try:
            send(what)
            send("done")
        except Exception:  # ORG003 medium
            pass

@app.post("/x")
def x() -> None:
    AnalyticsContext().count("x")
    Orders().save("x")
""",
    ),
    "the body of an answer that is no JSON is a narrow matter": (
        "ORG003",
        """
import aiohttp
from fastapi import FastAPI

app = FastAPI()

@app.post("/x")
async def x(reply: aiohttp.ClientResponse) -> str:
    text = ""
    try:
        text = await reply.json()
        text = text["a"]
    except Exception:  # ORG003 low
        pass
    return text
""",
    ),
    "a handler for the errors of Tortoise answers duplicates": (
        "ORG019",
        """
from fastapi import FastAPI
from pydantic import BaseModel
from starlette.responses import JSONResponse
from tortoise import fields
from tortoise.exceptions import IntegrityError
from tortoise.models import Model

class Dept(Model):
    name = fields.CharField(max_length=20, unique=True)

class DeptUpdate(BaseModel):
    name: str

app = FastAPI()

@app.exception_handler(IntegrityError)
async def refuse(request, error):
    return JSONResponse({"detail": "taken"}, 409)

@app.patch("/depts/{key}")
async def rename(key: int, values: DeptUpdate) -> None:
    await Dept.filter(id=key).update(**values.model_dump())
""",
    ),
    "a connection that ends ends its pump": (
        "ORG003",
        """
from fastapi import FastAPI, WebSocket

app = FastAPI()

@app.websocket("/x")
async def x(socket: WebSocket) -> None:
    await socket.accept()
    try:
        while True:
            text = await socket.receive_text()
            await socket.send_text(text)
    except Exception:  # ORG003 low
        pass
""",
    ),
    "an exception that says the program is wrong needs no handler": (
        "ORG010",
        """
from fastapi import FastAPI

app = FastAPI()

class UnreachableBranchError(Exception): ...

class LimitReached(Exception): ...

@app.post("/x")
def x(kind: int) -> int:
    if kind == 1:
        raise UnreachableBranchError
    raise LimitReached  # ORG010 medium
""",
    ),
    "a cycle that others import from any end matters": (
        "ORG006",
        """
# shop/__init__.py
# shop/inventory.py
from shop.pricing import price  # ORG006 medium

def scarce(name: str) -> bool:
    return price(name) > 3
# shop/pricing.py
from shop.inventory import scarce

def price(name: str) -> int:
    return 2 if scarce(name) else 1
# shop/report.py
from shop.inventory import scarce
""",
    ),
    "what stands in the root package is loaded before": (
        "ORG006",
        """
# shop/__init__.py
from shop.client import Client

VERSION = "1"
# shop/client.py
from shop.stock import left

class Client: ...
# shop/stock.py
def left() -> str:
    from shop import VERSION
    from shop.text import upper

    return upper(VERSION)
# shop/text.py
from shop import VERSION

def upper(text: str) -> str:
    return text.upper()
""",
    ),
}
