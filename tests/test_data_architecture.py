"""Data architecture: what the checks say, and how loud, where examples cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, Check, Outcome, Signal
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


def test_a_shared_default_hurts_once_something_changes_it(signals: Signals) -> None:
    change = "\ndef theme(user: User, name: str):\n    user.settings['theme'] = name\n"
    assert [s.impact for s in signals("DAT019", {"main.py": BASE})] == [LOW]
    assert [s.impact for s in signals("DAT019", {"main.py": BASE + change})] == [HIGH]


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
        "\ndef theme(user: User, name: str):\n    user.settings['theme'] = name\n",
        "\ndef theme(s: Session, name: str):\n    user = s.get(User, 1)\n    user.settings.update(theme=name)\n",
        "\n    def theme(self, name: str):\n        self.settings['theme'] = name\n",
    ],
)
def test_json_changed_in_place(signals: Signals, code: str) -> None:
    assert len(signals("DAT020", {"main.py": BASE + code})) == 1
