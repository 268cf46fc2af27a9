"""How much an N+1 weighs: a loop over what a query found grows with the table, a list from the client does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import HIGH, LOW, MEDIUM, Check, Outcome
from project import Project

Write = Callable[[dict[str, str]], Path]
Run = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]
N_PLUS_ONE = next(check for check in CHECKS if check.id == "DAT001")

CODE = """
from fastapi import Depends, FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

app = FastAPI()
engine = create_engine("sqlite://")

class Base(DeclarativeBase): ...

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)

def get_session():
    with Session(engine) as session:
        yield session

@app.get("/orders")
def orders(session: Session = Depends(get_session)):
    return [session.get(Order, order.id) for order in session.scalars(select(Order)).all()]

@app.post("/orders/by-id")
def chosen(ids: list[int], session: Session = Depends(get_session)):
    return [session.get(Order, key) for key in ids]
"""


def test_impact_by_what_the_loop_goes_over(
    write_tree: Write,
    run_checks: Run,
) -> None:
    _, outcome = run_checks(write_tree({"main.py": CODE}), [N_PLUS_ONE])
    assert [(s.impact, s.symbol) for s in outcome.signals] == [(HIGH, "main.orders"), (MEDIUM, "main.chosen")]


MODELS = """
from sqlalchemy import ForeignKey, create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship

engine = create_engine("sqlite://")

class Base(DeclarativeBase): ...

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    parent: Mapped[int]
    shop_id: Mapped[int] = mapped_column(ForeignKey("shops.id"), index=True)
    shop: Mapped["Shop"] = relationship()
    lines: Mapped[list["Line"]] = relationship()

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
    tax_id: Mapped[int] = mapped_column(ForeignKey("taxes.id"), index=True)
    tax: Mapped["Tax"] = relationship()

class Shop(Base):
    __tablename__ = "shops"
    id: Mapped[int] = mapped_column(primary_key=True)

class Tax(Base):
    __tablename__ = "taxes"
    id: Mapped[int] = mapped_column(primary_key=True)

class Role(Base):
    __tablename__ = "roles"
    id: Mapped[int] = mapped_column(primary_key=True)

def get_session():
    with Session(engine) as session:
        yield session
"""
HEAD = """
import json
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar
from fastapi import BackgroundTasks, Depends, FastAPI, Form
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from models import Line, Order, Role, Shop, Tax, get_session

app = FastAPI()

class Tag(BaseModel):
    id: int

class OrderIn(BaseModel):
    tags: list[Tag]
    line_ids: list[int]

T = TypeVar("T")

class Body(BaseModel, Generic[T]):
    data: T

CACHE = {}

def cached(s: Session, key: int):
    found = CACHE.get(key)
    if found:
        return found
    found = CACHE[key] = s.get(Line, key)
    return found

def kept(s: Session, key: int, paths: dict | None):
    if paths is not None and key in paths:
        return paths[key]
    else:
        return s.get(Line, key)

def repair(s: Session, key: int):
    line = s.get(Line, key)
    s.delete(line)

def store_line(s: Session, key: int, line: Line):
    return s.get(Tax, key)

def one_kind(s: Session, key: int, kind: str):
    if kind != "line":
        return None
    return s.get(Line, key)
"""
JOB = "def job(s: Session):\n    for o in s.scalars(select(Order)).all():\n        s.get(Line, o.id)\n"
ROWS = "for o in s.scalars(select(Order)).all():"
KEPT = (
    f"kept = {{}}\n    {ROWS}\n        line = kept.get(o.id)\n        if line is None:\n            s.get(Line, o.id)"
)
IMPACTS = [  # method, parameters, body
    ("get", "", "return [o.lines for o in s.scalars(select(Order))]", HIGH),
    ("get", "", "return [o.shop for o in s.scalars(select(Order))]", HIGH),
    ("put", "", "return [o.shop for o in s.scalars(select(Order))]", MEDIUM),
    ("get", "i: int, ", "return [line.tax for line in s.get(Order, i).lines]", MEDIUM),
    ("put", "i: int, ", "return [line.tax for line in s.get(Order, i).lines]", LOW),
    ("", "", "return [o.lines for o in s.scalars(select(Order))]", MEDIUM),
    ("post", "data: OrderIn, ", "return [s.get(Line, tag.id) for tag in data.tags]", LOW),
    ("post", "data: OrderIn, ", "return [s.get(Line, key) for key in data.line_ids]", MEDIUM),
    ("post", "tags: list[int], ", "return [s.get(Line, tag) for tag in tags]", LOW),
    ("get", "wanted: int, ", f"{ROWS}\n        if o.parent == wanted:\n            s.get(Line, o.id)", MEDIUM),
    ("get", "", KEPT, MEDIUM),
    ("post", "tasks: BackgroundTasks, ", "tasks.add_task(job, s)", LOW),
    ("get", "", "ThreadPoolExecutor().submit(job, s)", LOW),
    ("get", "", "job(s)", HIGH),
    # few rows: a small table, the different keys of other rows
    ("get", "", "return [s.get(Line, r.id) for r in s.scalars(select(Role))]", MEDIUM),
    ("get", "", "return [s.get(Shop, k) for k in {o.shop_id for o in s.scalars(select(Order))}]", LOW),
    # the rows of one owner: lazy reads only
    ("get", "i: int, ", "return [n.tax for n in s.scalars(select(Line).where(Line.order_id == i))]", MEDIUM),
    (
        "get",
        "i: int, ",
        "return [s.get(Tax, n.tax_id) for n in s.scalars(select(Line).where(Line.order_id == i))]",
        HIGH,
    ),
    # a part of the request under another name, parsed of a form field
    (
        "post",
        "data: OrderIn | None = None, ",
        "tags = data.tags if data else []\n    return [s.get(Line, tag.id) for tag in tags]",
        LOW,
    ),
    (
        "post",
        "tags: list[int], ",
        "if len(tags) > 1:\n        tags = {t: 1 for t in tags}\n    return [s.get(Line, t) for t in tags]",
        LOW,
    ),
    (
        "post",
        "data: OrderIn, ",
        "kept = [t for t in data.tags if t.id]\n    return [s.get(Line, t.id) for t in kept]",
        LOW,
    ),
    ("put", "data: Body[OrderIn], ", "return [s.get(Line, tag.id) for tag in data.data.tags]", LOW),
    (
        "post",
        "files: str = Form(''), ",
        "parsed = json.loads(files) if files else {}\n    return {k: s.get(Line, v) for k, v in parsed.items()}",
        LOW,
    ),
    # the callee looks in a cache first, or handles one kind of items
    ("get", "", f"{ROWS}\n        cached(s, o.id)", MEDIUM),
    ("get", "", f"{ROWS}\n        kept(s, o.id, {{}})", MEDIUM),
    ("get", "", f"{ROWS}\n        if not o.parent:\n            store_line(s, o.id, None)", MEDIUM),
    ("get", "", f"{ROWS}\n        if o.parent:\n            s.get(Line, o.id)", HIGH),
    ("get", "", f"{ROWS}\n        if not o.parent:\n            repair(s, o.id)", MEDIUM),
    ("get", "", f"{ROWS}\n        one_kind(s, o.id, o.parent)", MEDIUM),
]


@pytest.mark.parametrize(("method", "parameters", "body", "impact"), IMPACTS)
def test_impact_by_harm(
    write_tree: Write, run_checks: Run, method: str, parameters: str, body: str, impact: str
) -> None:
    decorator = f'@app.{method}("/x")\n' if method else ""
    code = f"{JOB if 'job' in body else ''}{decorator}def f({parameters}s: Session = Depends(get_session)):\n    {body}"
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert [s.impact for s in outcome.signals] == [impact]


QUIET = [
    "try:\n        s.commit()\n    except Exception:\n        for o in made:\n            s.get(Line, o)",
    "for o in made[:5]:\n        s.get(Line, o)",
    # off the path: only after an exception, only when nothing is to happen
    "for o in made:\n        known(s, o)",
    "for o in made:\n        send(s, o)",
    # what is configured, parts of the program, a list that grows by one
    "for o in settings.shops:\n        s.get(Line, o)",
    "for o in config['shops']:\n        s.get(Line, o)",
    "Rules(config).check(s)",
    "pair = [made[0]]\n    if made[1:]:\n        pair.append(made[1])\n    for o in pair:\n        s.get(Line, o)",
    # one query at most
    "for o in made:\n        try:\n            return s.get(Line, o)\n        except ValueError:\n            continue",
]
CALLED = """
from pydantic_settings import BaseSettings

class Settings(BaseSettings):
    shops: list[int] = []

settings = Settings()
config = json.loads("{}")
KNOWN = {}

def known(s: Session, key: int):
    try:
        return KNOWN[key]
    except KeyError:
        return s.get(Line, key)

def send(s: Session, key: int):
    if config["dry_run"]:
        return s.get(Line, key)

class Rules:
    def __init__(self, config):
        self._handlers = []
        for name in config["rules"]:
            self._handlers.append(name)

    def check(self, s: Session):
        for handler in self._handlers:
            s.get(Line, handler)
"""


@pytest.mark.parametrize("body", QUIET)
def test_what_runs_for_few_items_or_off_the_path_is_quiet(write_tree: Write, run_checks: Run, body: str) -> None:
    code = f'{CALLED}@app.get("/x")\ndef f(made: list[int], s: Session = Depends(get_session)):\n    {body}'
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert outcome.signals == []


LOUD = [
    # a list that is filled by a function is no fixed one
    "import heapq\n    best = []\n    heapq.heappush(best, made)\n    for o in best:\n        s.get(Line, o)",
    # one that grows in a loop
    "chain = [made[0]]\n    for o in made:\n        chain.append(o)\n    for o in chain:\n        s.get(Line, o)",
    # what is not a rehearsal
    "for o in made:\n        if not dry_run:\n            s.get(Line, o)",
    # a batch function that is given one item
    "for o in made:\n        many(s, [o])",
]


@pytest.mark.parametrize("body", LOUD)
def test_hidden_loops_over_items(write_tree: Write, run_checks: Run, body: str) -> None:
    code = (
        "def many(s: Session, keys):\n    return s.scalars(select(Line).where(Line.id.in_(keys))).all()\n"
        f'@app.get("/x")\ndef f(made: list[int], dry_run: bool, s: Session = Depends(get_session)):\n    {body}'
    )
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert len(outcome.signals) == 1


def test_one_signal_for_a_loop_with_several_reads(write_tree: Write, run_checks: Run) -> None:
    code = """
def show(order: Order):
    return order.shop

@app.get("/x")
def f(s: Session = Depends(get_session)):
    for order in s.scalars(select(Order)):
        show(order)
        print(order.lines)
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    (signal,) = outcome.signals
    assert signal.source.strip() == "print(order.lines)" and len(signal.places) == 1
    assert "Order.lines and Order.shop are loaded row by row" in signal.message


def test_the_trace_begins_at_the_route_that_fetches_the_rows(write_tree: Write, run_checks: Run) -> None:
    code = """
def fetch(s: Session):
    return s.scalars(select(Order)).all()

def show_all(orders):
    return [o.shop for o in orders]

@app.get("/a")
def a():
    return show_all([])

@app.get("/orders")
def read_orders(s: Session = Depends(get_session)):
    found = fetch(s)
    return show_all(found)
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    (signal,) = outcome.signals
    assert signal.trace[0].label == "GET /orders read_orders"
    assert "once for each different parent" in signal.message


def test_a_parameter_that_is_looked_up_only_where_it_is_missing(write_tree: Write, run_checks: Run) -> None:
    code = """
def show(s: Session, key: int, line=None):
    if line is None:
        line = s.get(Line, key)
    return line

@app.get("/x")
def f(keys: list[int], s: Session = Depends(get_session)):
    lines = {}
    return [show(s, key, lines[key]) for key in keys]
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert outcome.signals == []
    missing = code.replace(", lines[key])", ")")
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + missing}), [N_PLUS_ONE])
    assert len(outcome.signals) == 1


def test_the_route_of_a_trace_reaches_the_loop(write_tree: Write, run_checks: Run) -> None:
    code = """
def show(order: Order):
    return order.lines

def nightly(s: Session):
    for order in s.scalars(select(Order)):
        show(order)

@app.get("/x/{i}")
def f(i: int, s: Session = Depends(get_session)):
    return show(s.get(Order, i))
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    (signal,) = outcome.signals
    assert signal.impact == MEDIUM
    assert not any("GET" in hop.label for hop in signal.trace)


@pytest.mark.parametrize(("parent", "impact"), [("Shop", HIGH), ("ShopType", LOW), ("Organization", LOW)])
def test_a_many_to_one_weighs_by_how_many_parents_there_may_be(
    write_tree: Write, run_checks: Run, parent: str, impact: str
) -> None:
    body = "return [o.shop for o in s.scalars(select(Order))]"
    code = f'@app.get("/x")\ndef f(s: Session = Depends(get_session)):\n    {body}'
    models = MODELS.replace('"Shop"', f'"{parent}"').replace("class Shop(", f"class {parent}(")
    _, outcome = run_checks(write_tree({"models.py": models, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert [s.impact for s in outcome.signals] == [impact]


def test_routes_for_administrators_weigh_less(write_tree: Write, run_checks: Run) -> None:
    code = """
@app.get("/admin/orders")
def orders(s: Session = Depends(get_session)):
    return [s.get(Line, o.id) for o in s.scalars(select(Order))]
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert [s.impact for s in outcome.signals] == [LOW]


@pytest.mark.parametrize(("test", "found"), [("lines_loaded(o)", 1), ("o.is_loaded()", 0)])
def test_a_read_of_what_is_known_to_be_loaded(write_tree: Write, run_checks: Run, test: str, found: int) -> None:
    code = f"""
@app.get("/orders")
def orders(lines_loaded, s: Session = Depends(get_session)):
    return [o.lines if {test} else [] for o in s.scalars(select(Order))]
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert len(outcome.signals) == found


@pytest.mark.parametrize(
    ("rows", "impact"),
    [
        ("select(Order)", HIGH),
        ("select(Order).limit(20)", LOW),
        ("select(Order).limit(500)", HIGH),
        ("select(Membership).where(Membership.user_id == key)", LOW),
        ("select(Membership).where(Membership.user_id.in_(keys))", HIGH),
        ("select(Membership)", HIGH),
    ],
)
def test_a_short_page_and_what_one_user_belongs_to(write_tree: Write, run_checks: Run, rows: str, impact: str) -> None:
    membership = """
class Membership(Base):
    __tablename__ = "memberships"
    id: Mapped[int] = mapped_column(primary_key=True)
    user_id: Mapped[int] = mapped_column(index=True)
"""
    code = f"""
from models import Membership
@app.get("/x")
def x(key: int, keys: list[int], s: Session = Depends(get_session)):
    return [s.get(Line, o.id) for o in s.scalars({rows}).all()]
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS + membership, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert [s.impact for s in outcome.signals] == [impact]


def test_rows_that_were_just_added_are_few(write_tree: Write, run_checks: Run) -> None:
    code = """
@app.get("/x")
def x(names: list[str], s: Session = Depends(get_session)):
    rows = [Order() for _ in names]
    s.add_all(rows)
    return [s.get(Line, row.id) for row in rows]
"""
    _, outcome = run_checks(write_tree({"models.py": MODELS, "main.py": HEAD + code}), [N_PLUS_ONE])
    assert [s.impact for s in outcome.signals] == [LOW]
