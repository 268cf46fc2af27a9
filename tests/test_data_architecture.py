"""Data architecture: what the checks say, and how loud, where examples cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome, Signal
from project import Project

Write = Callable[[dict[str, str]], Path]
Run = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]
BASE = """
from sqlalchemy import JSON
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

class Base(DeclarativeBase): ...

class User(Base):
    __tablename__ = "users"
    id: Mapped[int] = mapped_column(primary_key=True)
    settings: Mapped[dict] = mapped_column(JSON, default={})
"""


@pytest.fixture
def signals(write_tree: Write, run_checks: Run) -> Callable[[str, dict[str, str]], list[Signal]]:
    """Signals of one check on a small project."""

    def run(check: str, files: dict[str, str]) -> list[Signal]:
        _, outcome = run_checks(write_tree(files), [c for c in CHECKS if c.id == check])
        assert not outcome.not_assessed
        return outcome.signals

    return run


Signals = Callable[[str, dict[str, str]], list[Signal]]


def test_a_naive_value_is_named_as_written(signals: Signals) -> None:
    code = "from datetime import datetime\n\ndef at(stamp: int):\n    return datetime.utcfromtimestamp(stamp)\n"
    (signal,) = signals("DAT021", {"main.py": code})
    assert "utcfromtimestamp" in signal.message and "utcnow" not in signal.message


@pytest.mark.parametrize(
    ("owner", "impact"),
    [
        ("user = User()\n    session.add(user)\n    session.flush()", HIGH),
        ("", MEDIUM),  # whatever it is handed
        ("user = session.get(User, 1)", LOW),  # has a value of its own
    ],
)
def test_a_shared_default_hurts_where_a_new_row_changes_it(signals: Signals, owner: str, impact: str) -> None:
    head = "\ndef theme(session: Session, user: User, name: str):\n"
    change = f"{head}    {owner or 'pass'}\n    user.settings['theme'] = name\n"
    assert [s.impact for s in signals("DAT019", {"main.py": BASE})] == [LOW]
    assert [s.impact for s in signals("DAT019", {"main.py": BASE + change})] == [impact]


def test_a_default_made_in_a_lambda_is_made_for_each_row(signals: Signals) -> None:
    code = """
from uuid import uuid4
from sqlmodel import Field, SQLModel

class Key(SQLModel, table=True):
    id: str = Field(default_factory=lambda: str(uuid4()), primary_key=True)
"""
    assert signals("DAT019", {"main.py": code}) == []


OPENS = """
from sqlalchemy import create_engine, text
from sqlalchemy.orm import sessionmaker

SessionLocal = sessionmaker(create_engine("sqlite://"))

def fill():
    db = SessionLocal()
    db.execute(text("SELECT 1"))
"""
MAIN = '\nif __name__ == "__main__":\n    fill()\n'
SERVER = '\nif __name__ == "__main__":\n    import uvicorn\n    uvicorn.run("main:app")\n'


@pytest.mark.parametrize(
    ("files", "found"),
    [
        ({"app/db.py": OPENS}, 1),
        ({"app/initial_data.py": OPENS + MAIN}, 0),
        ({"app/main.py": OPENS + SERVER}, 1),
        (
            {
                "app/db.py": OPENS,
                "app/cli.py": "import click\nfrom app.db import fill\n\n@click.command()\ndef c():\n    fill()\n",
            },
            0,
        ),
        (
            {
                "app/db.py": OPENS,
                "app/cli.py": "import click\nfrom app.db import fill\n\ndef c():\n    fill()\n",
                "app/main.py": "from fastapi import FastAPI\nfrom app.db import fill\n\napp = FastAPI()\n\n"
                '@app.post("/fill")\ndef handler():\n    fill()\n',
            },
            1,
        ),
    ],
)
def test_a_session_of_a_command_ends_with_the_process(signals: Signals, files: dict[str, str], found: int) -> None:
    assert len(signals("DAT008", {"app/__init__.py": "", **files})) == found


@pytest.mark.parametrize(
    "code",
    [
        "\ndef theme(s: Session, user: User):\n    user.settings['theme'] = 'dark'\n    s.commit()\n",
        "\ndef theme(s: Session):\n    user = s.get(User, 1)\n    user.settings.update(theme='dark')\n    s.commit()\n",
        "\n    def theme(self, name: str):\n        self.settings['theme'] = name\n",
    ],
)
def test_json_changed_in_place(signals: Signals, code: str) -> None:
    assert len(signals("DAT020", {"main.py": BASE + code})) == 1


ENGINE = """
from functools import cache
from typing import Annotated
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine

app = FastAPI()

class Manager:
    def start(self):
        self.engine, self.url = make()

def make():
    engine = create_engine("sqlite://")
    return engine, "sqlite://"

{decorator}
def manager():
    made = Manager()
    made.start()
    return made

@app.get("/x")
def handler(found: Annotated[Manager, Depends(manager)]):
    return 1
"""


@pytest.mark.parametrize(("decorator", "found"), [("@cache", 0), ("", 1)])
def test_an_engine_made_inside_a_cached_function_is_made_once(signals: Signals, decorator: str, found: int) -> None:
    assert len(signals("DAT007", {"main.py": ENGINE.format(decorator=decorator)})) == found


KEYS = """
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

app = FastAPI()
engine = create_engine("postgresql://db/app")

class Base(DeclarativeBase): ...

class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)

class Hero(Base):
    __tablename__ = "heroes"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"))
"""
ROUTE = """
@app.get("/{n}")
def route_{n}(team: int):
    with Session(engine) as s:
        return s.scalars(select(Hero).where(Hero.team_id == team)).first()
"""


@pytest.mark.parametrize(
    ("routes", "collection", "impact"), [(0, False, LOW), (0, True, MEDIUM), (2, False, MEDIUM), (3, False, HIGH)]
)
def test_a_key_without_index_hurts_more_the_more_queries_filter_by_it(
    signals: Signals, routes: int, collection: bool, impact: str
) -> None:
    code = KEYS + "".join(ROUTE.format(n=n) for n in range(routes))
    if collection:
        code = code.replace('"teams"\n', '"teams"\n    heroes: Mapped[list["Hero"]] = relationship()\n')
    assert [s.impact for s in signals("DAT003", {"main.py": code})] == [impact]


def test_a_key_without_index_hurts_less_in_a_table_that_stays_small(signals: Signals) -> None:
    code = KEYS + "".join(ROUTE.format(n=n) for n in range(3))
    assert [s.impact for s in signals("DAT003", {"main.py": code.replace("Hero", "Provider")})] == [MEDIUM]


@pytest.mark.parametrize(("table", "found"), [("heroes", 1), ("heroes_view", 0)])
def test_a_model_over_a_view_is_not_for_autogenerate(signals: Signals, table: str, found: int) -> None:
    files = {
        "app/__init__.py": "",
        "app/base.py": "from sqlalchemy.orm import DeclarativeBase\n\nclass Base(DeclarativeBase): ...\n",
        "app/models.py": f"""
from app.base import Base
from sqlalchemy.orm import Mapped, mapped_column

class Hero(Base):
    __tablename__ = "{table}"
    id: Mapped[int] = mapped_column(primary_key=True)
""",
        "migrations/env.py": "from alembic import context\nfrom app.base import Base\n\n"
        "target_metadata = Base.metadata\ncontext.configure(target_metadata=target_metadata)\n",
    }
    assert len(signals("DAT017", files)) == found


@pytest.mark.parametrize(
    ("load", "found"),
    [
        ("if 'settings' in inspect(user).unloaded:\n        s.refresh(user, ['settings'])", 0),
        ("try:\n        user.settings\n    except MissingGreenlet:\n        s.refresh(user, ['settings'])", 0),
        ("s.refresh(user, ['settings'])", 1),
    ],
)
def test_refreshing_what_is_not_loaded_yet_is_no_query_for_each_item(signals: Signals, load: str, found: int) -> None:
    code = f"""{BASE}
from sqlalchemy import inspect, select
from sqlalchemy.exc import MissingGreenlet

def show(s: Session, user: User):
    {load}
    return user.settings

def users(s: Session):
    return [show(s, user) for user in s.scalars(select(User))]
"""
    assert len(signals("DAT001", {"main.py": code})) == found


@pytest.mark.parametrize(
    "body",
    [
        "user.settings['theme'] = 'dark'\n    s.add(user)\n    s.commit()",
        "user.settings['theme'] = 'dark'\n    return user.settings",
        "user.settings['theme'] = 'dark'\n    s.execute(update(User).values(settings=user.settings))\n    s.commit()",
    ],
)
def test_json_changes_that_are_written_otherwise_or_not_meant_to_last(signals: Signals, body: str) -> None:
    code = f"\nfrom sqlalchemy import update\n\ndef save(s: Session, user: User):\n    {body}\n"
    assert signals("DAT020", {"main.py": BASE + code}) == []


SIDES = """
from sqlalchemy import ForeignKey
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

class Base(DeclarativeBase): ...

class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    options = {{"back_populates": "team"}}
    heroes: Mapped[list["Hero"]] = relationship("Hero"{spread})

class Hero(Base):
    __tablename__ = "heroes"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
    team: Mapped[Team] = relationship(Team)
"""


@pytest.mark.parametrize(("spread", "found"), [(", **options", 0), (", **elsewhere()", 0), ("", 1)])
def test_options_of_a_relationship_may_be_spread(signals: Signals, spread: str, found: int) -> None:
    assert len(signals("DAT024", {"main.py": SIDES.format(spread=spread)})) == found


PARENTS = """
from typing import Optional
from fastapi import Depends, FastAPI
from sqlalchemy import ForeignKey, create_engine, func, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, joinedload, mapped_column, relationship, selectinload

app = FastAPI()
engine = create_engine("sqlite://")

class Base(DeclarativeBase): ...

class Team(Base):
    __tablename__ = "teams"
    id: Mapped[int] = mapped_column(primary_key=True)
    heroes: Mapped[list["Hero"]] = relationship(back_populates="team"{options})

class Hero(Base):
    __tablename__ = "heroes"
    id: Mapped[int] = mapped_column(primary_key=True)
    team_id: Mapped[{key}] = mapped_column(ForeignKey("teams.id"), index=True)
    team: Mapped[Team] = relationship(back_populates="heroes")

@app.delete("/teams/{{i}}")
def remove(i: int):
    with Session(engine) as s:
        team = s.get(Team, i)
        {body}
        s.commit()
"""

COUNTED = """n = s.scalar(select(func.count()).where(Hero.team_id == i))
        if n:
            raise ValueError
        s.delete(team)"""


@pytest.mark.parametrize(
    ("options", "key", "body", "found"),
    [
        ("", "int", "s.delete(team)", 1),
        ("", "Optional[int]", "s.delete(team)", 0),
        (', cascade="all, delete-orphan"', "int", "s.delete(team)", 0),
        (', cascade="save-update"', "int", "s.delete(team)", 1),
        (', passive_deletes="all"', "int", "s.delete(team)", 0),
        (", viewonly=True", "int", "s.delete(team)", 0),
        ("", "int", "[s.delete(h) for h in team.heroes]\n        s.delete(team)", 0),
        ("", "int", "s.delete(team.heroes[0])", 0),
        ("", "int", COUNTED, 0),
        ("", "int", COUNTED.replace("raise ValueError", "print(n)"), 1),
    ],
)
def test_deleting_a_parent_whose_children_cannot_lose_it(
    signals: Signals, options: str, key: str, body: str, found: int
) -> None:
    assert len(signals("DAT024", {"main.py": PARENTS.format(options=options, key=key, body=body)})) == found


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("s.scalars(select(Team).options(joinedload(Team.heroes))).all()", 1),
        ("s.execute(select(Team).options(joinedload(Team.heroes))).scalars().all()", 1),
        ("s.execute(select(Team).options(joinedload(Team.heroes))).scalar_one()", 1),
        ("s.scalars(select(Team).options(joinedload(Team.heroes))).unique().all()", 0),
        ("s.scalars(select(Team).options(joinedload(Team.heroes))).first()", 0),
        ("s.scalars(select(Team).options(selectinload(Team.heroes))).all()", 0),
        ("s.scalars(select(Team).options(selectinload(Team.heroes).joinedload(Hero.team))).all()", 0),
        ("s.scalars(select(Hero).options(joinedload(Hero.team))).all()", 0),
        ("s.query(Team).options(joinedload(Team.heroes)).all()", 0),
    ],
)
def test_joined_collections_need_unique(signals: Signals, body: str, found: int) -> None:
    code = PARENTS.format(options=', cascade="all"', key="int", body=body)
    assert len(signals("DAT024", {"main.py": code})) == found


TORTOISE = """
from contextlib import asynccontextmanager
from fastapi import FastAPI
from tortoise import Tortoise, fields
from tortoise.models import Model

class Team(Model):
    id = fields.IntField(primary_key=True)

@asynccontextmanager
async def lifespan(app: FastAPI):
    await Tortoise.init(db_url="sqlite://:memory:", modules={{"models": ["main"]}})
    yield
    {end}

app = FastAPI(lifespan=lifespan)

@app.get("/teams")
async def teams():
    return await Team.all().count()
"""


@pytest.mark.parametrize(("end", "found"), [("await Tortoise.close_connections()", 0), ("print('bye')", 1)])
def test_tortoise_connections_are_closed_at_shutdown(signals: Signals, end: str, found: int) -> None:
    assert len(signals("DAT026", {"main.py": TORTOISE.format(end=end)})) == found


@pytest.mark.parametrize(("narrowed", "impact"), [("", MEDIUM), (".where(User.id == 1)", LOW)])
def test_rows_loaded_to_be_counted_weigh_by_how_many_they_may_be(signals: Signals, narrowed: str, impact: str) -> None:
    counting = f"len(s.scalars(select(User){narrowed}).all())"
    code = f"\nfrom sqlalchemy import select\n\ndef count(s: Session):\n    return {counting}\n"
    (signal,) = signals("DAT022", {"main.py": BASE + code})
    assert signal.impact == impact and ("that matches" in signal.message) is bool(narrowed)


def test_a_default_made_at_import_weighs_by_what_the_object_is_for(signals: Callable[..., list[Signal]]) -> None:
    code = """
from time import time
from fastapi import FastAPI
from pydantic import BaseModel
from pydantic_settings import BaseSettings

app = FastAPI()

class State(BaseModel):
    started: int = int(time())

class Settings(State, BaseSettings): ...

class Sent(BaseModel):
    at: int = int(time())

@app.post("/sent")
def send(sent: Sent) -> None: ...
"""
    found = {s.line: s.impact for s in signals("DAT019", {"main.py": code})}
    assert found == {10: LOW, 15: HIGH}


OWN_LAYER = """
from fastapi import FastAPI
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, create_async_engine

app = FastAPI()
engine = create_async_engine("sqlite+aiosqlite://")

class Store:
    def __init__(self, conn: AsyncConnection) -> None:
        self.conn = conn

    async def insert(self, table: str) -> None:
        await self.conn.execute(text(f"INSERT INTO {table} DEFAULT VALUES"))
        await self.conn.commit()

async def create_account(store: Store) -> None:
    await store.insert("accounts")

async def create_wallet(store: Store) -> None:
    if store.conn.closed:
        return
    await store.insert("wallets")

@app.post("/accounts")
async def register() -> None:
    async with engine.connect() as conn:
        await create_account(Store(conn))
        await create_wallet(Store(conn))
"""


def test_helpers_that_commit_through_an_own_layer(signals: Callable[..., list[Signal]]) -> None:
    (signal,) = signals("DAT027", {"main.py": OWN_LAYER})
    assert signal.line == OWN_LAYER.splitlines().index("        await create_wallet(Store(conn))") + 1
    assert signals("DAT027", {"main.py": OWN_LAYER.replace("await self.conn.commit()", "pass")}) == []


def test_tables_made_for_a_database_in_memory_are_no_start_of_the_application(signals: Signals) -> None:
    code = """
from fastapi import FastAPI
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase

class Base(DeclarativeBase): ...

app = FastAPI()
engine = create_engine("postgresql://db/app")

def prepare():
    Base.metadata.create_all(engine)

@app.get("/x")
def x(use_in_memory_db: bool):
    if SWITCH:
        prepare()
"""
    assert len(signals("DAT016", {"main.py": code.replace("SWITCH", "True")})) == 1
    assert signals("DAT016", {"main.py": code.replace("SWITCH", "use_in_memory_db")}) == []
