"""Data architecture on what misled it once in real code: no signal, or one that is Low."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome
from project import Project

Write = Callable[[dict[str, str]], Path]
Run = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]
Impacts = Callable[[str, dict[str, str]], list[str | None]]


@pytest.fixture
def impacts(write_tree: Write, run_checks: Run) -> Impacts:
    """The impacts of the signals of one check on a small project."""

    def run(check: str, files: dict[str, str]) -> list[str | None]:
        _, outcome = run_checks(write_tree(files), [c for c in CHECKS if c.id == check])
        return [signal.impact for signal in outcome.signals]

    return run


TABLES = """
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

class Base(DeclarativeBase): ...

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)

engine = create_engine("postgresql://db/app")
"""


@pytest.mark.parametrize(
    ("use", "found"),
    [
        ("Base.metadata.create_all(engine)\n    Base.metadata.drop_all(bind=engine)", 0),
        ("Base.metadata.create_all(engine)\n    return Session(engine)", 1),
        ("return sessionmaker(engine)", 1),
        ("from app.tables import engine as e\n    Base.metadata.create_all(engine)\n    return Session(e)", 1),
        ("pass", 1),
    ],
)
def test_an_engine_that_only_makes_tables_has_no_pool_to_keep(use: str, found: int, impacts: Impacts) -> None:
    start = (
        "from sqlalchemy.orm import Session, sessionmaker\nfrom app.tables import Base, engine\n\n"
        f"def start():\n    {use}\n"
    )
    assert len(impacts("DAT010", {"app/__init__.py": "", "app/tables.py": TABLES, "app/start.py": start})) == found


DEPENDENCY = """
from typing import Annotated
from fastapi import Depends, FastAPI
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from app.tables import Order

app = FastAPI()
SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

async def get_session():
    async with SessionLocal() as session:
        yield session
        await session.commit()

Session = Annotated[AsyncSession, Depends(get_session)]

def fill(session: AsyncSession, order: Order) -> None:
    session.add(order)

@app.post("/orders")
async def create(session: Session) -> None:
    fill(session, Order())
    {commit}
"""


@pytest.mark.parametrize(("commit", "found"), [("await session.commit()", []), ("pass", [HIGH])])
def test_nothing_is_left_for_the_commit_after_yield(commit: str, found: list[str], impacts: Impacts) -> None:
    files = {
        "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["fastapi==0.165.0"]\n',
        "app/__init__.py": "",
        "app/tables.py": TABLES,
        "app/main.py": DEPENDENCY.replace("{commit}", commit),
    }
    assert impacts("DAT006", files) == found


def _revision(number: int, *operations: str) -> str:
    down = f'"{number - 1}"' if number > 1 else "None"
    done = "\n    ".join(operations or ("op.create_index('a', 'users', ['b'])",))
    return (
        f'import sqlalchemy as sa\nfrom alembic import op\n\nrevision = "{number}"\ndown_revision = {down}\n\n'
        f"def upgrade():\n    {done}\n\ndef downgrade():\n    op.drop_index('a', 'users')\n"
    )


RENAMED = ("op.add_column('users', sa.Column('full', sa.String(9)))", "op.drop_column('users', 'name')")


@pytest.mark.parametrize(
    ("at", "docker", "impact"),
    [(2, "", HIGH), (1, "", MEDIUM), (1, 'CMD ["uvicorn", "app:app", "--workers", "1"]\n', LOW)],
)
def test_a_drop_of_the_past_is_less_than_a_pending_one(at: int, docker: str, impact: str, impacts: Impacts) -> None:
    files = {f"migrations/versions/{n}_a.py": _revision(n, *(RENAMED if n == at else ())) for n in (1, 2)}
    assert impacts("DAT014", files | {"Dockerfile": f"FROM python:3.12\n{docker}"}) == [impact]


@pytest.mark.parametrize(("imports", "impact"), [("", LOW), ("from app.late import Late\n", HIGH)])
def test_a_model_that_nothing_imports_may_be_left_over(imports: str, impact: str, impacts: Impacts) -> None:
    late = (
        "from sqlalchemy.orm import Mapped, mapped_column\nfrom app.tables import Base\n\n"
        'class Late(Base):\n    __tablename__ = "late"\n    id: Mapped[int] = mapped_column(primary_key=True)\n'
    )
    files = {
        "app/__init__.py": "",
        "app/tables.py": TABLES,
        "app/late.py": late,
        "app/service.py": f"{imports}\n",
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "migrations/env.py": "from alembic import context\nfrom app.tables import Base\n\n"
        "target_metadata = Base.metadata\ncontext.configure(target_metadata=target_metadata, compare_type=True)\n",
    }
    assert impacts("DAT017", files) == [impact]


NAIVE = "from datetime import datetime, timezone\n\ndef stamps():\n    return " + ", ".join(["datetime.utcnow()"] * 3)


@pytest.mark.parametrize(
    ("more", "impact"),
    [
        ("", LOW),
        ("\n\ndef aware():\n    return datetime.now(timezone.utc)\n", MEDIUM),
        ("\n\ndef local():\n    return datetime.now()\n", LOW),
    ],
)
def test_naive_times_hurt_beside_aware_ones(more: str, impact: str, impacts: Impacts) -> None:
    assert impacts("DAT021", {"app/times.py": NAIVE + more}) == [impact]


def test_defaults_of_a_schema_are_replaced_by_stored_values(impacts: Impacts) -> None:
    fields = "".join(f"    at_{n}: datetime = Field(default_factory=datetime.utcnow)\n" for n in range(4))
    head = "from datetime import UTC, datetime\nfrom pydantic import BaseModel, Field\n\nnow = datetime.now(UTC)\n\n"
    assert impacts("DAT021", {"app/times.py": f"{head}class Out(BaseModel):\n{fields}"}) == [LOW]


USERS = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase): ...

class Tenant(Base):
    __tablename__ = "tenants"
    id: Mapped[int] = mapped_column(primary_key=True)

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    tenant_id: Mapped[int] = mapped_column(ForeignKey("tenants.id"), index=True)
    tenant: Mapped[Tenant] = relationship()
"""
ROUTES = """
from typing import Annotated
from fastapi import Depends, FastAPI
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import joinedload
from app.tables import User

app = FastAPI()
SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

async def get_session():
    async with SessionLocal() as session:
        yield session

Session = Annotated[AsyncSession, Depends(get_session)]

async def change(user: User, session: AsyncSession) -> User:
    session.add(user)
    await session.commit()
    return user

@app.post("/password")
async def password(session: Session) -> int:
    user = (await session.scalars(select(User))).one()
    user = await change(user, session)
    return user.id

@app.post("/users/{user_id}")
async def update(user_id: int, session: Session) -> int:
    user = (await session.scalars(select(User).options(OPTIONS))).one()
    user = await change(user, session)
    return user.tenant.id
"""


@pytest.mark.parametrize(("options", "found"), [("joinedload(User.tenant)", []), ("", [HIGH])])
def test_no_object_goes_from_one_request_to_another(options: str, found: list[str], impacts: Impacts) -> None:
    files = {"app/__init__.py": "", "app/tables.py": USERS, "app/main.py": ROUTES.replace("OPTIONS", options)}
    assert impacts("DAT002", files) == found
