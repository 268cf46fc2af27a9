"""The overview: what the project is made of, said in lines that hold on small and large projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tomllib  # type: ignore[import-not-found,unused-ignore]

from check import Outcome
from project import Project
from project.stack.stack_summary import DESCRIBED
from report.overview import overview_text
from report.overview_parts import data_lines, entry_lines, monitoring_line, package_line

Write = Callable[[Mapping[str, str]], Path]
REPOSITORY = Path(__file__).resolve().parents[1]
APP = "from fastapi import Depends, FastAPI\nfrom shop.db import get_db\napp = FastAPI()\n"
DB = """\
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker
engine = create_engine("postgresql+psycopg://localhost/shop", echo=True)
make = sessionmaker(engine)
class Base(DeclarativeBase): pass
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[list["Line"]] = relationship()
class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
def get_db():
    with make() as session:
        yield session
def helper(session: Session):
    with make() as other:
        yield other
"""
ROUTES = """\
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from shop.db import Order
@app.get("/orders")
def orders(db: Session = Depends(get_db)) -> list[int]:
    db.execute(delete(Order))
    return list(db.scalars(select(Order.id)))
"""
FILES = {"shop/__init__.py": "", "shop/main.py": APP + ROUTES, "shop/db.py": DB}


def test_entry_points_packages_and_data(write_tree: Write) -> None:
    project = Project.at(write_tree(FILES))
    assert list(entry_lines(project)) == ["entry points: shop.main:app (shop/main.py:3)"]
    assert re.fullmatch(r"lines by package: shop \d+", package_line(project))
    assert list(data_lines(project)) == [
        "tables: 2 (sqlalchemy) in 1 file; relationships: 1 (select 1)",
        "engines: sync postgresql shop/db.py:3",
        "sessions come from: shop.db.get_db",
        "statements sent: 2 (1 write), by layer: entry point 2",
    ]


def test_migrations_are_counted(write_tree: Write) -> None:
    revision = "revision = {0!r}\ndown_revision = {1!r}\ndef upgrade(): pass\ndef downgrade(): pass\n"
    files = {
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "migrations/versions/a.py": revision.format("a", None),
        "migrations/versions/b.py": revision.format("b", "a"),
        "migrations/versions/c.py": revision.format("c", "a"),
    }
    assert "migrations: 3 revisions, 2 heads" in list(data_lines(Project.at(write_tree(FILES | files))))


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "monitoring: no logging configuration seen; nothing seen that watches queries"),
        (
            "import logging.config\nlogging.config.dictConfig({'version': 1})\n",
            "monitoring: logging.config.dictConfig (logging, shop/watch.py:2); nothing seen that watches queries",
        ),
        (
            "import structlog\nfrom sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration\n",
            (
                "monitoring: Sentry (error reports, shop/watch.py:2), structlog (logging, shop/watch.py:1); "
                "queries watched by sentry_sdk for SQLAlchemy (shop/watch.py:2)"
            ),
        ),
        (
            "from sqlalchemy import event\n@event.listens_for(object, 'before_cursor_execute')\ndef time(*_): ...\n",
            "monitoring: no logging configuration seen; queries watched by SQLAlchemy cursor events (shop/watch.py:2)",
        ),
    ],
)
def test_monitoring(write_tree: Write, code: str, said: str) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "shop/watch.py": code,
    }
    assert monitoring_line(Project.at(write_tree(files))) == said


def test_engine_option_counts_as_watching(write_tree: Write) -> None:
    assert monitoring_line(Project.at(write_tree(FILES))).endswith(
        "queries watched by engine option echo (shop/db.py:3)"
    )


def test_old_versions_are_named(write_tree: Write) -> None:
    declared = "[project]\nname='a'\ndependencies=['fastapi==0.110.0', 'sqlalchemy>=2.1', 'pydantic<2']\n"
    text = overview_text(Project.at(write_tree(FILES | {"pyproject.toml": declared})), Outcome([], [], []), "")
    (line,) = [line for line in text.splitlines() if "Older than described" in line]
    assert "fastapi before 0.165" in line
    assert "pydantic before 2.14" in line
    assert "sqlalchemy" not in line


def test_described_versions_are_the_pinned_ones() -> None:
    pins = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    pinned = {re.split(r"[\[=]", pin)[0]: pin.partition("==")[2] for pin in pins}
    assert {name: ".".join(pinned[name].split(".")[:2]) for name in DESCRIBED} == DESCRIBED
