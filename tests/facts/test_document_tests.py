"""The fixtures and tests of TESTING.md run in projects of their own."""

import asyncio
import re
from pathlib import Path

import httpx2
import pytest

from .documents import blocks, executed
from .tools import run, run_pytest, write


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
