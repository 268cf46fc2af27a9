"""Foreign keys and filters without an index: how loud, and what an index elsewhere makes quiet."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome
from project import Project

Write = Callable[[dict[str, str]], Path]
Run = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]
INDEXES = next(check for check in CHECKS if check.id == "DAT003")

MODELS = """
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

engine = create_engine("postgresql://db/app")

class Base(DeclarativeBase): ...

class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)

class {name}(Base):
    __tablename__ = "rows"
    id: Mapped[int] = mapped_column(primary_key=True)
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"))
    code: Mapped[str]

def get_session():
    with Session(engine) as session:
        yield session
"""
ROUTES = """
from fastapi import Depends, FastAPI
from sqlalchemy import select
from sqlalchemy.orm import Session
from models import {name}, Shop, get_session

app = FastAPI()
"""
ROUTE = """
@app.get("{path}/{n}")
def route_{n}(shop: int, s: Session = Depends(get_session)):
    return s.scalars(select({name}).where({name}.shop_id == shop)).all()
"""


@pytest.mark.parametrize(
    ("name", "path", "impact"),
    [
        ("Order", "", HIGH),
        ("Order", "/admin", LOW),
        ("OrderType", "", MEDIUM),
        ("OrderGroupV2", "/admin", LOW),
        ("UserGroup", "", HIGH),  # grows with the users
    ],
)
def test_impact_of_a_key_by_table_and_readers(
    write_tree: Write, run_checks: Run, name: str, path: str, impact: str
) -> None:
    routes = "".join(ROUTE.format(path=path, n=n, name=name) for n in range(3))
    files = {"models.py": MODELS.format(name=name), "main.py": ROUTES.format(name=name) + routes}
    _, outcome = run_checks(write_tree(files), [INDEXES])
    assert [s.impact for s in outcome.signals] == [impact]


@pytest.mark.parametrize(("joined", "found"), [("Shop.id == shop, ", 0), ("", 1)])
def test_an_index_of_a_joined_table_narrows_the_rows(
    write_tree: Write, run_checks: Run, joined: str, found: int
) -> None:
    route = f"""
@app.get("/x")
def route(shop: int, code: str, s: Session = Depends(get_session)):
    return s.scalars(select(Order).join(Shop).where({joined}Order.code == code)).all()
"""
    files = {"models.py": MODELS.format(name="Order"), "main.py": ROUTES.format(name="Order") + route}
    _, outcome = run_checks(write_tree(files), [INDEXES])
    assert len([s for s in outcome.signals if "Order.code" in s.message]) == found


SEEN = "".join(ROUTE.format(path="", n=n, name="Order") for n in range(3))
ADMIN = "def admin_user(): ...\n"


@pytest.mark.parametrize(
    ("code", "impact"),
    [
        ("", HIGH),  # nothing in sight adds rows
        ("@app.post('/x')\ndef add(s: Session = Depends(get_session)):\n    s.add(Order())\n", HIGH),
        ("@app.on_event('startup')\ndef start():\n    with Session(engine) as s:\n        s.add(Order())\n", MEDIUM),
        (ADMIN + "@app.post('/x', dependencies=[Depends(admin_user)])\ndef add(): Order()\n", MEDIUM),
        (ADMIN + "@app.post('/x', dependencies=[Depends(admin_user)])\ndef add(): [Order() for _ in range(9)]\n", HIGH),
        ("def seed_orders(s: Session):\n    s.add(Order())\n", MEDIUM),
        ("def seed_orders(s: Session):\n    s.add(Order())\n@app.get('/x')\ndef x(s): seed_orders(s)\n", HIGH),
        ("def seed_orders(s: Session):\n    s.add(Order())\nREPOSITORY = make(Order)\n", HIGH),
        ("def seed_orders(s: Session):\n    s.add(Order())\ndef show(order: list[Order]): ...\n", MEDIUM),
        ("from sqlalchemy import insert\n@app.post('/x')\ndef x(s): s.execute(insert(Order))\n", HIGH),
    ],
)
def test_a_table_that_does_not_grow_with_the_users_weighs_less(
    write_tree: Write, run_checks: Run, code: str, impact: str
) -> None:
    routes = ROUTES.format(name="Order") + "from models import engine\n" + SEEN + code
    _, outcome = run_checks(write_tree({"models.py": MODELS.format(name="Order"), "main.py": routes}), [INDEXES])
    assert [s.impact for s in outcome.signals] == [impact]


ADDED = """
class A{n}(Base):
    __tablename__ = "a{n}"
    id: Mapped[int] = mapped_column(primary_key=True)

def add_{n}():
    return A{n}(id=1)
"""


@pytest.mark.parametrize(("code", "impact"), [("", LOW), ("\n@app.post('/x')\ndef x(): Order(code='x')\n", HIGH)])
def test_a_table_that_nothing_adds_to_any_more(write_tree: Write, run_checks: Run, code: str, impact: str) -> None:
    models = MODELS.format(name="Order") + "".join(ADDED.format(n=n) for n in range(4))
    routes = "".join(ROUTE.format(path="", n=n, name="Order") for n in range(3))
    files = {"models.py": models, "main.py": ROUTES.format(name="Order") + routes + code}
    _, outcome = run_checks(write_tree(files), [INDEXES])
    assert [s.impact for s in outcome.signals] == [impact]


def test_queries_that_delete_a_parent_are_seldom(write_tree: Write, run_checks: Run) -> None:
    route = "@app.delete('/{n}')\ndef route_{n}(shop: int, s: Session = Depends(get_session)):\n"
    route += "    s.execute(delete(Order).where(Order.shop_id == shop))\n"
    routes = ROUTES.format(name="Order") + "from sqlalchemy import delete\n" + route.format(n=1)
    _, outcome = run_checks(write_tree({"models.py": MODELS.format(name="Order"), "main.py": routes}), [INDEXES])
    assert [s.impact for s in outcome.signals] == [LOW]


def test_a_key_further_back_in_a_constraint(write_tree: Write, run_checks: Run) -> None:
    models = (
        MODELS.format(name="Order")
        .replace(
            "    code: Mapped[str]",
            '    code: Mapped[str]\n    __table_args__ = (UniqueConstraint("code", "shop_id"),)',
        )
        .replace("import ForeignKey", "import ForeignKey, UniqueConstraint")
        .replace(
            "    id: Mapped[int] = mapped_column(primary_key=True)\n\nclass Order",
            "    id: Mapped[int] = mapped_column(primary_key=True)\n"
            '    orders: Mapped[list["Order"]] = relationship()\n\nclass Order',
        )
        .replace("mapped_column\n", "mapped_column, relationship\n", 1)
    )
    _, outcome = run_checks(write_tree({"models.py": models}), [INDEXES])
    assert [s.impact for s in outcome.signals] == [LOW]
    _, outcome = run_checks(write_tree({"m.py": models.replace('("code", "shop_id")', '("code")')}), [INDEXES])
    assert {s.impact for s in outcome.signals if "m.py" in s.path} == {MEDIUM}
