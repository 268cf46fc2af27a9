"""How much an N+1 weighs: a loop over what a query found grows with the table, a list from the client does not."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from catalogue import CHECKS
from check import HIGH, MEDIUM, Check, Outcome
from project import Project

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
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    check = next(check for check in CHECKS if check.id == "DAT001")
    _, outcome = run_checks(write_tree({"main.py": CODE}), [check])
    assert [(s.impact, s.symbol) for s in outcome.signals] == [(HIGH, "main.orders"), (MEDIUM, "main.chosen")]
