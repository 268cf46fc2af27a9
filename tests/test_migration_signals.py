"""Migrations, env.py and engines: what is said, and how loud, where examples cannot tell."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome, Signal
from project import Project

Write = Callable[[dict[str, str]], Path]
Run = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]
Signals = Callable[[str, dict[str, str]], list[Signal]]


@pytest.fixture
def signals(write_tree: Write, run_checks: Run) -> Signals:
    """Signals of one check on a small project."""

    def run(check: str, files: dict[str, str]) -> list[Signal]:
        _, outcome = run_checks(write_tree(files), [c for c in CHECKS if c.id == check])
        return outcome.signals

    return run


REVISION = """
import sqlalchemy as sa
from alembic import op

revision = "1"
down_revision = None

def upgrade():
    {body}

def downgrade():
    pass
"""


@pytest.mark.parametrize(
    ("body", "impact", "says"),
    [
        ('op.drop_table("orders")', MEDIUM, "drops orders:"),
        ('op.drop_column("orders", "note")', MEDIUM, "drops orders.note:"),
        # what autogenerate writes for a rename
        (
            'op.add_column("orders", sa.Column("remark"))\n    op.drop_column("orders", "note")',
            HIGH,
            "drops orders.note",
        ),
        ('for name in sorted(NAMES):\n        op.drop_column("orders", name)', MEDIUM, "drops columns of orders:"),
    ],
)
def test_what_a_revision_drops(signals: Signals, body: str, impact: str, says: str) -> None:
    (signal,) = signals("DAT014", {"migrations/versions/1.py": REVISION.format(body=body)})
    assert signal.impact == impact
    assert says in signal.message


@pytest.mark.parametrize(("host", "impact"), [("localhost:5432", LOW), ("10.0.0.7", MEDIUM)])
def test_a_password_for_the_own_machine_weighs_less(signals: Signals, host: str, impact: str) -> None:
    ini = f"[alembic]\nsqlalchemy.url = postgresql://app:s3cret@{host}/app\n"
    files = {"alembic.ini": ini, "migrations/env.py": "", "main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    assert [s.impact for s in signals("DAT017", files)] == [impact]


BASE = "from sqlalchemy.orm import DeclarativeBase\n\nclass Base(DeclarativeBase): ...\n"
ENV = "from alembic import context\nfrom shop.base import Base\n{imports}\ntarget_metadata = Base.metadata\n"
ENV += "context.configure(target_metadata=target_metadata)\n"


def _model(name: str) -> str:
    return f"""
from shop.base import Base
from sqlalchemy.orm import Mapped, mapped_column

class {name}(Base):
    __tablename__ = "{name.lower()}"
    id: Mapped[int] = mapped_column(primary_key=True)
"""


FILES = {
    "shop/__init__.py": "",
    "shop/base.py": BASE,
    "shop/orders.py": _model("Order"),
    "shop/spans.py": _model("Span"),
    "shop/migrations/versions/1.py": REVISION.format(body='op.create_table("order")'),
}


def test_one_of_several_environments_is_enough(signals: Signals) -> None:
    core = {"shop/migrations/env.py": ENV.format(imports="import shop.orders")}
    both = core | {"tracing/env.py": ENV.format(imports="import shop.spans")}
    neither = core | {"tracing/env.py": ENV.format(imports="")}
    assert signals("DAT017", FILES | both) == []
    (alone,) = signals("DAT017", FILES | core)
    (shared,) = signals("DAT017", FILES | neither)
    assert (alone.impact, shared.impact) == (HIGH, MEDIUM)
    assert "env.py never imports Span" in alone.message and "no env.py imports Span" in shared.message


def test_a_plugin_with_migrations_of_its_own_is_not_for_this_environment(signals: Signals) -> None:
    env = {"shop/migrations/env.py": ENV.format(imports="import shop.orders, shop.spans")}
    plugin = {"plugins/gifts/models.py": _model("Gift")}
    own = {"plugins/gifts/migrations/versions/g1.py": REVISION.format(body='op.create_table("gift")')}
    assert [s.impact for s in signals("DAT017", FILES | env | plugin)] == [HIGH]
    assert signals("DAT017", FILES | env | plugin | own) == []


def test_models_that_the_own_command_imports_are_seen(signals: Signals) -> None:
    env = {"shop/migrations/env.py": ENV.format(imports="import shop.orders")}
    command = """
from alembic import command
import shop.spans

def make(config):
    command.{called}(config, autogenerate=True)
"""
    assert signals("DAT017", FILES | env | {"shop/cli.py": command.format(called="revision")}) == []
    assert len(signals("DAT017", FILES | env | {"shop/cli.py": command.format(called="upgrade")})) == 1


def test_a_pool_under_another_name(signals: Signals) -> None:
    code = """
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import {pool} as Pool

engine = create_async_engine("postgresql+asyncpg://db/app", poolclass=Pool)
"""
    (refused,) = signals("DAT010", {"main.py": code.format(pool="QueuePool")})
    assert "QueuePool is refused by an async engine" in refused.message
    assert signals("DAT010", {"main.py": code.format(pool="NullPool")}) == []
