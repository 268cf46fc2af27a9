"""The python blocks of the documents run as they stand there, with the missing names supplied (TESTING.md: next door).

Those of API_DESIGN.md, DATA_ARCHITECTURE.md and CODE_ORGANIZATION.md run in order in one module, after the names that
the text presupposes (a session, a current user, an order) and before a few lines that use what the blocks define.
"""

import asyncio
import logging
import os
import random
import re
import time
import warnings
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any
from unittest import mock

import fastapi
import fastapi.security
import httpx2
import jwt
import pydantic
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import OAuth2PasswordRequestForm, SecurityScopes
from fastapi.sse import EventSourceResponse
from fastapi.testclient import TestClient
from jwt.exceptions import InvalidTokenError
from pwdlib import PasswordHash
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.util import get_remote_address
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from .documents import SETTINGS, executed, sections
from .registry import DOCUMENTS


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    active: Mapped[bool] = mapped_column(default=True)
    scopes: Mapped[list[str]] = mapped_column(sa.JSON, default=list)


class Order(Base):
    __tablename__ = "order"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]


class Invoice(Base):
    __tablename__ = "invoice"
    id: Mapped[int] = mapped_column(primary_key=True)
    total: Mapped[int]


@pytest.fixture
def session(tmp_path: Path) -> Iterator[Any]:
    """The dependency of a session on two users, the second without the scope, and an inactive third."""
    url = f"sqlite:///{tmp_path}/app.db"
    engine = sa.create_engine(url)
    Base.metadata.create_all(engine)
    with sa.orm.Session(engine) as filling, filling.begin():
        filling.add_all([User(id=1, scopes=["orders:cancel"]), User(id=2), User(id=3, active=False)])
        filling.add_all(Order(id=number, owner_id=number) for number in (1, 2))
        filling.add(Invoice(id=7, total=90))

    async def get_session() -> AsyncIterator[AsyncSession]:
        made = create_async_engine(url.replace("sqlite", "sqlite+aiosqlite"))
        async with AsyncSession(made) as opened:
            yield opened
        await made.dispose()

    yield Annotated[AsyncSession, Depends(get_session)]
    engine.dispose()


def test_the_guards_of_the_security_document(session: Any) -> None:
    cancelled: list[int] = []

    async def cancel(order: Order, by: User) -> None:
        assert order.owner_id == by.id
        cancelled.append(order.id)

    names = {"SessionDep": session, "User": User, "Order": Order, "select": sa.select, "jwt": jwt}
    names |= {"InvalidTokenError": InvalidTokenError, "SecurityScopes": SecurityScopes}
    space = executed("SECURITY.md", "Authentication", "Authorisation", orders=SimpleNamespace(cancel=cancel), **names)
    app = FastAPI()
    app.include_router(space["router"])
    client = TestClient(app)

    def answer(order: int, user: str, **claims: Any) -> int:
        content = {"sub": user, "aud": "shop", "exp": int(time.time()) + 60} | claims
        token = jwt.encode(content, SETTINGS.jwt_key.get_secret_value(), "HS256")
        headers = {"Authorization": f"Bearer {token}"}
        return client.post(f"/orders/{order}/cancellation", headers=headers).status_code

    assert client.post("/orders/1/cancellation").status_code == 401
    assert answer(1, "1", aud="other") == answer(1, "3") == answer(1, "9") == answer(1, "1", exp=1) == 401
    assert (answer(2, "1"), answer(2, "2"), cancelled) == (404, 403, [])
    assert (answer(1, "1"), cancelled) == (204, [1])


def test_the_log_in_of_the_security_document() -> None:
    known = SimpleNamespace(password_hash="")

    async def find_user(_: Any, name: str) -> Any:
        return known if name == "known" else None

    space = executed("SECURITY.md", "Passwords", PasswordHash=PasswordHash, find_user=find_user, User=User)
    known.password_hash = space["hasher"].hash("right")

    def log_in(name: str, password: str) -> Any:
        return asyncio.run(space["authenticate"](None, name, password))

    assert log_in("known", "right") is known
    assert log_in("known", "wrong") is log_in("unknown", "nobody's password") is None


def test_the_registration_of_the_security_document(session: Any) -> None:
    class UserPublic(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(from_attributes=True)
        name: str

    async def add(_: Any, **columns: Any) -> Any:
        return SimpleNamespace(**columns)

    names = {"UserPublic": UserPublic, "users": SimpleNamespace(add=add), "router": APIRouter()}
    space = executed("SECURITY.md", "Validation", hasher=PasswordHash.recommended(), SessionDep=session, **names)
    app = FastAPI()
    app.include_router(space["router"])
    sent = {"name": " Ada ", "password": "a long enough one"}
    client = TestClient(app)
    assert client.post("/users", json=sent).json() == {"name": "Ada"}
    assert client.post("/users", json=sent | {"role": "admin"}).status_code == 422
    assert client.post("/users", json=sent | {"password": "short"}).status_code == 422


def test_cors_and_limits_of_the_security_document() -> None:
    app, response = FastAPI(), fastapi.Response()
    names = {"app": app, "response": response, "value": "v", "router": app.router, "Token": type(None)}
    names |= {"LoginForm": Annotated[OAuth2PasswordRequestForm, Depends()], "CORSMiddleware": CORSMiddleware}
    headings = "Browsers: CORS, cookies, CSRF", "Secrets, limits, leaks"
    space = executed("SECURITY.md", *headings, Limiter=Limiter, get_remote_address=get_remote_address, **names)
    app.state.limiter = space["limiter"]
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    client = TestClient(app)
    form = {"username": "a", "password": "b"}
    assert [client.post("/token", data=form).status_code for _ in range(6)] == [200] * 5 + [429]
    asked = {"Origin": "https://shop.example", "Access-Control-Request-Method": "PATCH"}
    assert client.options("/token", headers=asked).status_code == 200
    assert client.options("/token", headers=asked | {"Origin": "https://evil.test"}).status_code == 400
    assert {"HttpOnly", "Secure"} <= set(response.headers["set-cookie"].split("; "))


def test_before_and_after_of_weak_security(session: Any) -> None:
    class InvoiceOut(pydantic.BaseModel):
        model_config = pydantic.ConfigDict(from_attributes=True)
        total: int

    app = FastAPI()
    own = Annotated[Any, Depends(lambda: Invoice(id=1, total=3))]
    names = {"SessionDep": session, "OwnInvoice": own, "InvoiceOut": InvoiceOut, "text": sa.text}
    router = APIRouter(prefix="/after")
    executed("SECURITY.md", "Anti-pattern 8: weak security practices", app=app, router=router, **names)
    app.include_router(router)
    client = TestClient(app)
    assert client.get("/invoices/0 OR total > 50").json() == {"id": 7, "total": 90}
    assert client.get("/after/1").json() == {"total": 3}


def test_before_and_after_of_sync_in_async() -> None:
    class Quote(pydantic.BaseModel):
        price: int

    answer = SimpleNamespace(json=lambda: {"price": 3})
    answer.raise_for_status = lambda: answer

    async def get(_: str) -> Any:
        return answer

    requests = SimpleNamespace(get=lambda *_, **__: answer)
    names = {"Quote": Quote, "requests": requests, "PARTNER": "", "PartnerClient": Any, "router": APIRouter()}
    space = executed("ASYNC_PERFORMANCE.md", "Anti-pattern 2: sync in async context", **names)
    blocking, awaited = space["quote_blocking"]("A"), space["quote"]("A", SimpleNamespace(get=get))
    assert asyncio.run(blocking) == space["quote_in_thread"]("A") == asyncio.run(awaited) == Quote(price=3)


def test_the_pool_of_the_async_document() -> None:
    with ThreadPoolExecutor() as pool:  # in place of the pool of processes, which would import this module anew
        names = {"get_pool": lambda: pool, "render": len, "Thumbnail": int, "router": APIRouter()}
        app = FastAPI()
        app.include_router(executed("ASYNC_PERFORMANCE.md", "Blocking calls and their replacement", **names)["router"])
        client = TestClient(app)
        assert client.post("/thumbnails", files={"file": b"four"}).json() == 4
        assert client.post("/thumbnails", files={"file": b"x" * 5_000_001}).status_code == 413


def test_shared_clients_and_groups_of_the_async_document() -> None:
    space = executed("ASYNC_PERFORMANCE.md", "Shared clients")

    @space["app"].get("/")
    async def read(client: Annotated[httpx2.AsyncClient, Depends(space["get_rates_client"])]) -> str:
        return str(client.base_url)

    with TestClient(space["app"]) as client:
        assert client.get("/").json() == "https://rates.test"

    async def get(path: str) -> str:
        return path

    dashboard = SimpleNamespace(of=lambda *parts: parts)
    names = dict.fromkeys(("CurrentUser", "RatesClient", "NewsClient"), Any)
    waiting = executed("ASYNC_PERFORMANCE.md", "Waiting for several things", Dashboard=dashboard, **names)
    partner = SimpleNamespace(get=get)
    assert asyncio.run(waiting["dashboard"]("user", partner, partner)) == ("user", "/today", "/latest")


def test_the_stream_of_the_async_document_refuses_before_it_begins_and_holds_no_session() -> None:
    class Sessions:
        open = 0

        @asynccontextmanager
        async def __call__(self) -> AsyncIterator[None]:
            self.open += 1
            try:
                yield
            finally:
                self.open -= 1

    sessions, saved = Sessions(), []

    async def find_chat(_: Any, chat_id: int, user: Any) -> Any:
        return SimpleNamespace(id=1, prompt="ab") if (chat_id, user) == (1, "me") else None

    async def stream(prompt: str) -> AsyncIterator[str]:
        for token in prompt:
            assert sessions.open == 0
            yield token

    async def save_answer(_: Any, chat_id: int) -> None:
        saved.append(chat_id)

    names = {"SessionLocal": sessions.__call__, "find_chat": find_chat, "save_answer": save_answer, "Token": str}
    names |= {"CurrentUser": Annotated[str, Depends(lambda: "me")], "Chat": Any, "router": APIRouter()}
    model = Annotated[Any, Depends(lambda: SimpleNamespace(stream=stream))]
    names |= {"ModelClient": model, "EventSourceResponse": EventSourceResponse}
    app = FastAPI()
    app.include_router(executed("ASYNC_PERFORMANCE.md", "Connections", **names)["router"])
    client = TestClient(app)
    assert client.get("/chats/2/answer").status_code == 404
    assert re.findall(r'data: "(.)"', client.get("/chats/1/answer").text) == ["a", "b"]
    assert saved == [1]


def test_the_cache_and_the_background_task_of_the_async_document(caplog: pytest.LogCaptureFixture) -> None:
    class Rates(pydantic.BaseModel):
        eur: float

    loaded: list[int] = []
    kept: dict[str, str] = {}

    async def load_rates(tenant_id: int) -> Rates:
        loaded.append(tenant_id)
        return Rates(eur=1.1)

    async def get(key: str) -> str | None:
        return kept.get(key)

    async def keep(key: str, value: str, ex: int) -> None:
        assert 60 <= ex < 70
        kept[key] = value

    names = {"RedisDep": Any, "Rates": Rates, "load_rates": load_rates, "random": random}
    rates_of = executed("ASYNC_PERFORMANCE.md", "Caching", **names)["rates_of"]
    redis = SimpleNamespace(get=get, set=keep)
    answers = [asyncio.run(rates_of(redis, tenant)) for tenant in (1, 1, 2)]
    assert (answers, loaded) == ([Rates(eur=1.1)] * 3, [1, 2])

    def broken() -> None:
        raise ConnectionError

    logger = logging.getLogger("receipts")
    types = {"OrderIn": Any, "OrderOut": Any, "SessionDep": Any, "router": APIRouter()}
    space = executed("ASYNC_PERFORMANCE.md", "Background work", SessionLocal=broken, logger=logger, **types)
    asyncio.run(space["send_receipt"](7))
    assert "receipt of order 7 not sent" in caplog.text


# Whole documents

HEAD = """
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from types import SimpleNamespace
from typing import Annotated, Any, TypedDict

import httpx2
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import create_engine, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, selectinload
from sqlmodel import SQLModel

class User: id = 1
class OrderPublic(BaseModel): id: int
class OrderCreate(BaseModel): currency: str
async def get_current_user() -> User: return User()
async def no_session() -> Any: return SimpleNamespace(scalar=nothing)
async def nothing(*_: Any, **__: Any) -> None: return None
CurrentUser = Annotated[User, Depends(get_current_user)]
SessionDep = Annotated[AsyncSession, Depends(no_session)]
router = APIRouter()
app = FastAPI()
orders = stock = products = queries = SimpleNamespace(place=nothing, page=nothing)
"""
TABLE = """
class Stored(DeclarativeBase): ...
class Order(Stored):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    owner_id: Mapped[int]
    total: Mapped[int]
"""
BEFORE = {
    "API_DESIGN.md": TABLE
    + """
class Problem(BaseModel): title: str
class Product(SQLModel): name: str
""",
    "DATA_ARCHITECTURE.md": """
settings = SimpleNamespace(database_url="sqlite+aiosqlite://")
class OrderIn(BaseModel): customer_id: int
class OrderOut(BaseModel): id: int
""",
    "CODE_ORGANIZATION.md": TABLE
    + """
os.environ["SMTP_HOST"] = "mail.example"
os.environ.update(DATABASE__URL="postgresql://db/shop", DATABASE__POOL_SIZE="9", TOKEN_KEY="k")
PAY_URL = "https://pay.example"
class RateClient:
    def __init__(self, url: str) -> None: ...
    async def __aenter__(self) -> "RateClient": return self
    async def __aexit__(self, *_: object) -> None: ...
class SmtpMailer:
    def __init__(self, host: str) -> None: ...
Mailer = SmtpMailer
class OrderLimitReached(Exception): ...
class InvitationCreate(BaseModel): email: str
RatesDep = Annotated[RateClient, Depends(nothing)]
OwnOrder = Annotated[Any, Depends(no_session)]
OrdersDep = RefundsDep = Annotated[Any, Depends(no_session)]
""",
}
AFTER = {
    "API_DESIGN.md": """
app.include_router(router)
client = TestClient(app)
assert client.get("/nowhere").json() == {"title": "Not Found", "status": 404}
assert client.get("/orders/1").json() == {"title": "No such order", "status": 404}
assert client.get("/orders", params={"limit": 101}).json()["errors"][0]["loc"] == ["query", "limit"]
assert client.get("/orders", params={"limits": 1}).status_code == 422
""",
    "DATA_ARCHITECTURE.md": """
made = create_engine("sqlite://")
Base.metadata.create_all(made)
with Session(made) as session, statements(made) as sent:
    session.add(Customer(email="a@example.org", orders=[Order(), Order()]))
    session.commit()
    sent.clear()
    assert [len(one.orders) for one in session.scalars(customers)] == [2]
    assert len(sent) == 2
    assert [one.customer.email for one in session.scalars(newest)] == ["a@example.org"] * 2
    assert len(sent) == 3
""",
    "CODE_ORGANIZATION.md": """
assert (get_settings().database.pool_size, get_settings().token_key.get_secret_value()) == (9, "k")
app.include_router(router, prefix="/shop")

@app.get("/taken")
def taken() -> None: raise ConflictError("taken")

reply = TestClient(app).get("/taken")
assert (reply.status_code, reply.json()) == (409, {"title": "taken", "status": 409})
""",
}


@pytest.mark.parametrize("document", sorted(BEFORE))
def test_whole_documents_run(document: str) -> None:
    assert sum(map(len, sections(document).values())) >= 4
    with mock.patch.dict(os.environ), warnings.catch_warnings():
        warnings.simplefilter("error")
        executed(document, before=HEAD + BEFORE[document], after=AFTER[document])


def test_every_block_of_the_documents_runs() -> None:
    tests = "".join(file.read_text(encoding="utf-8") for file in Path(__file__).parent.glob("test_document_*.py"))
    left = {(name, heading) for name in set(DOCUMENTS) - set(BEFORE) for heading in sections(name)}
    assert left and {(name, heading) for name, heading in left if f'"{heading}"' not in tests} == set()
