"""The python blocks of API_DESIGN.md, DATA_ARCHITECTURE.md and CODE_ORGANIZATION.md run.

The blocks of a document run in order in one module, after the names that the text presupposes (a session, a current
user, an order) and before a few lines that use what the blocks define.
"""

import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

from .registry import ROOT

BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
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
def test_blocks_run(document: str, tmp_path: Path) -> None:
    blocks = BLOCK.findall((ROOT / document).read_text(encoding="utf-8"))
    assert len(blocks) >= 4
    module = tmp_path / "blocks.py"
    module.write_text("\n\n".join([HEAD, BEFORE[document], *map(inspect.cleandoc, blocks), AFTER[document]]), "utf-8")
    done = subprocess.run(
        [sys.executable, "-B", str(module)], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr[-800:]) == (0, ""), done.stderr
