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
    "what only cleans up, fills a cache or sets up an optional library may fail": (
        "ORG003",
        """
from fastapi import FastAPI

app = FastAPI()

class Cache:
    async def set(self, key: str, value: str) -> None: ...

class Channel:
    async def close_stream(self) -> None: ...

async def charge(key: str) -> None: ...

cache = Cache()

@app.post("/cached")
async def cached(key: str) -> None:
    try:
        await cache.set(key, "x")
        await cache.set(key + "!", "y")
    except Exception:  # ORG003 low
        pass

@app.post("/closed")
async def closed(key: str) -> None:
    first, second = Channel(), Channel()
    try:
        await first.close_stream()
        await second.close_stream()
        print("both")
    except Exception:
        pass

@app.post("/optional")
def optional(key: str) -> str:
    client = None
    try:
        import stripe

        client = stripe.Client(key)
        client.start(key)
        configure(client)
    except Exception:
        client = None
    return key

def configure(client) -> None: ...
""",
    ),
    "a cache beside real work does not excuse it": (
        "ORG003",
        """
from fastapi import FastAPI

app = FastAPI()

class Cache:
    async def set(self, key: str, value: str) -> None: ...

async def charge(key: str) -> None: ...

cache = Cache()

@app.post("/paid")
async def paid(key: str) -> None:
    try:
        await charge(key)
        await cache.set(key, "paid")
    except Exception:  # ORG003 medium
        pass
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
