"""Runs code of SECURITY.md, ASYNC_PERFORMANCE.md and TESTING.md as it stands there, with the missing names supplied."""

import asyncio
import logging
import random
import re
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Annotated, Any

import fastapi
import fastapi.security
import httpx2
import jwt
import pydantic
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Depends, FastAPI
from fastapi.concurrency import run_in_threadpool
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

from .registry import ROOT
from .tools import run, run_pytest, write

SETTINGS = SimpleNamespace(
    jwt_key=pydantic.SecretStr("k" * 32),
    cors_origins=["https://shop.example"],
    redis_url="memory://",
    rates_url="https://rates.test",
)


def blocks(document: str, heading: str) -> list[str]:
    """The python blocks of the section under a heading, up to the next heading of any level."""
    text = (ROOT / document).read_text(encoding="utf-8")
    section = re.search(rf"^##+ {re.escape(heading)}\n(.*?)(?=^##+ )", text, re.MULTILINE | re.DOTALL)
    assert section, heading
    found = re.findall(r"^```python\n(.*?)^```$", section[1], re.MULTILINE | re.DOTALL)
    assert found, heading
    return found


def executed(document: str, *headings: str, **names: Any) -> dict[str, Any]:
    """The names that the blocks under the headings define, given the names that they use."""
    space: dict[str, Any] = {**vars(fastapi), **vars(fastapi.security), **vars(pydantic), **names}
    space |= {"Annotated": Annotated, "AsyncIterator": AsyncIterator, "asyncio": asyncio, "settings": SETTINGS}
    space |= {"AsyncSession": AsyncSession, "run_in_threadpool": run_in_threadpool}
    for heading in headings:
        for source in blocks(document, heading):
            exec(compile(source, f"{document}: {heading}", "exec", dont_inherit=True), space)
    return space


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


def test_the_fixtures_of_the_testing_document(tmp_path: Path) -> None:
    write(
        tmp_path,
        "shop.py",
        """
        from types import SimpleNamespace
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import text
        app = FastAPI()
        def get_settings(): return SimpleNamespace(test_database_url="sqlite+aiosqlite://")
        async def get_session(): raise RuntimeError("the session of production")
        @app.get("/")
        async def read(session: Annotated[object, Depends(get_session)]) -> int:
            return await session.scalar(text("select 7"))
        """,
    )
    [source] = blocks("TESTING.md", "Client and database")
    write(tmp_path, "conftest.py", f"from shop import app, get_session, get_settings\n{source}")
    write(
        tmp_path,
        "test_shop.py",
        """
        import pytest
        from shop import app
        pytestmark = pytest.mark.anyio
        async def test_one(client): assert (await client.get("/")).json() == 7
        def test_two(): assert app.dependency_overrides == {}
        """,
    )
    assert "2 passed" in run_pytest(tmp_path)


SHOP = """
    from dataclasses import dataclass
    from types import SimpleNamespace
    from typing import Annotated
    from fastapi import Body, Depends, FastAPI, HTTPException
    from fastapi.responses import JSONResponse
    from fastapi.security import HTTPBearer
    from sqlalchemy.ext.asyncio import AsyncSession
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
    from app.orders.service import Orders
    class Base(DeclarativeBase): ...
    class Order(Base):
        __tablename__ = "order"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner: Mapped[str]
    USERS = {name: SimpleNamespace(name=name, order_limit=9) for name in ("user", "stranger")}
    app = FastAPI()
    def get_settings(): return SimpleNamespace(test_database_url="sqlite+aiosqlite://")
    async def get_session(): raise RuntimeError("the session of production")
    Session = Annotated[AsyncSession, Depends(get_session)]
    async def get_user(given: Annotated[object, Depends(HTTPBearer(auto_error=False))]): return USERS[given.credentials]
    def guard(given: Annotated[object, Depends(HTTPBearer(auto_error=GUARDED))]): ...
    @app.post("/orders", dependencies=[Depends(guard)])
    async def create(amount: Annotated[int, Body(embed=True)], session: Session,
                     given: Annotated[object, Depends(HTTPBearer(auto_error=False))]):
        user = USERS[given.credentials] if given else None
        if user and LIMITED and amount > user.order_limit:
            return JSONResponse({"title": "order limit reached"}, 409)
        order = Orders().place(session, user, Order)
        await session.flush()
        return {"id": order.id}
    @app.get("/orders/{order_id}", dependencies=[Depends(guard)])
    async def read(order_id: int, session: Session, user: Annotated[object, Depends(get_user)]):
        order = await session.get(Order, order_id)
        if OWNED and order.owner != user.name:
            raise HTTPException(404)
        return {"id": order.id}
"""
SERVICE = """
    class Orders:
        def place(self, session, user, kind):
            order = kind(owner=user.name)
            session.add(order)
            return order
"""
HELPERS = """
import shop
@pytest.fixture(autouse=True)
async def tables(session):
    await (await session.connection()).run_sync(shop.Base.metadata.create_all)
@pytest.fixture
def user():
    shop.USERS["user"].order_limit = 9
    return shop.USERS["user"]
@pytest.fixture
def stranger(): return shop.USERS["stranger"]
"""
IMPORTS = """
import json
from pathlib import Path
from types import SimpleNamespace
from unittest.mock import patch
import pytest
from sqlalchemy import func, select
from shop import Order, app
pytestmark = pytest.mark.anyio
ORDER = SimpleNamespace(id=1)
def bearer(user): return {"Authorization": f"Bearer {user.name}"}
"""


@pytest.mark.parametrize(
    ("missing", "failed"),
    [
        ("", set()),
        ("GUARDED", {"test_no_route_answers_without_a_token"}),
        ("LIMITED", {"test_order_above_the_limit_is_refused_and_not_stored"}),
        ("OWNED", {"test_the_order_of_another_user_does_not_exist"}),
    ],
)
def test_before_and_after_of_weak_tests(tmp_path: Path, missing: str, failed: set[str]) -> None:
    """Without a guard or a rule the test of that rule fails, and the test that replaces everything does not."""
    switches = "".join(f"{name} = {name != missing}\n" for name in ("GUARDED", "LIMITED", "OWNED"))
    write(tmp_path, "shop.py", SHOP)
    (tmp_path / "shop.py").write_text(switches + (tmp_path / "shop.py").read_text())
    (tmp_path / "app" / "orders").mkdir(parents=True)
    write(tmp_path, "app/orders/service.py", SERVICE)
    [fixtures] = blocks("TESTING.md", "Client and database")
    [tests] = blocks("TESTING.md", "What weakens tests")
    write(tmp_path, "conftest.py", f"from shop import app, get_session, get_settings\n{fixtures}{HELPERS}")
    write(tmp_path, "test_shop.py", IMPORTS + tests)
    write(tmp_path, "dump.py", "import json, shop; open('openapi.json', 'w').write(json.dumps(shop.app.openapi()))")
    assert run(tmp_path, "dump").returncode == 0
    assert set(re.findall(r"^FAILED test_shop.py::(\w+)", run_pytest(tmp_path), re.MULTILINE)) == failed


def test_the_transport_of_the_testing_document() -> None:
    space = executed("TESTING.md", "Replacing collaborators", httpx2=httpx2)
    assert asyncio.run(space["client"].get("/latest")).json() == {"EUR": 1.1}
