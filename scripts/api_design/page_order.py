"""Pages that are cut from rows in no order."""

from __future__ import annotations

import ast
from collections import defaultdict

from api_design.dimension import api
from check import LOW, MEDIUM, Found, Hit
from project import Project, Scope
from project.data.models import TORTOISE
from project.data.queries import Execution
from project.data.statements import READS, Statement

_ORDERS = ("order_by", "sort")
_CUTS = ("offset", "slice", "skip")


@api.check(
    "API031",
    "page-without-order",
    title="Page cut from rows in no order",
    impact=MEDIUM,
    fix="Order by a unique key (or end with one): order_by(Item.created_at, Item.id).",
)
def page_without_order(project: Project) -> Found:
    """Without order_by each query may give the rows in another order: pages repeat some and never show others.

    Source: PostgreSQL, LIMIT and OFFSET, https://www.postgresql.org/docs/current/queries-limit.html

    Bad:
        from fastapi import FastAPI
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        @app.get("/orders")
        def orders(db: Session, skip: int = 0, limit: int = 10) -> list[int]:
            return db.scalars(select(Order.id).offset(skip).limit(limit)).all()  # API031

        @app.get("/orders/before")
        def before(db: Session, last: int, limit: int = 10) -> list[int]:
            statement = select(Order).where(Order.id < last)
            return [order.id for order in db.scalars(statement.limit(limit))]  # API031
    Good:
        from fastapi import FastAPI
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        @app.get("/orders")
        def orders(db: Session, skip: int = 0, limit: int = 10) -> list[int]:
            return db.scalars(select(Order.id).order_by(Order.id).offset(skip).limit(limit)).all()
    Not this:
        from fastapi import FastAPI
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        @app.get("/orders")
        def orders(db: Session, newest: bool, skip: int = 0) -> list[int]:
            statement = select(Order)
            if newest:
                statement = statement.order_by(Order.id.desc())
            else:
                statement = statement.order_by(Order.id)
            return [order.id for order in db.scalars(statement.offset(skip).limit(9))]

        @app.get("/sample")
        def sample(db: Session) -> list[int]:
            return [order.id for order in db.scalars(select(Order).limit(5))]
    """
    found: dict[str, list[tuple[Execution, str]]] = defaultdict(list)
    for execution in project.queries.all:
        for statement in execution.statements:
            cut = _cut(statement, execution.scope)
            if cut:
                found[execution.scope.module.path].append((execution, cut))
                break
    for group in found.values():
        (first, cut), *others = group
        selected = first.statements[0].selected
        name = selected[0].model.name if selected and selected[0].model is not None else "rows"
        more = f" ({len(group)} queries in this file)" if others else ""
        in_request = any(project.requests.within(e.scope) is not None for e, _ in group)
        places = tuple(other.place() for other, _ in others)
        message = f"{cut} of {name} without order_by: pages may repeat rows and leave others out{more}"
        yield Hit(first.place(), message, (), MEDIUM if in_request else LOW, first.certainty, places)


def _cut(statement: Statement, scope: Scope) -> str:
    """How a page is cut from rows in no order; "" when it is not, or not in the function that asks for the rows."""
    if statement.kind not in READS or statement.opaque or statement.calls(*_ORDERS):
        return ""
    if any(s.generic or s.name or (s.model is not None and s.model.orm == TORTOISE) for s in statement.selected):
        return ""
    offsets = [b.call.args[0] for b in statement.calls(*_CUTS) if b.call.args and b.scope is scope]
    if any(not isinstance(given, ast.Constant) for given in offsets):
        return "a page by offset"
    return "a page after a key" if statement.calls("limit") and _follows_a_key(statement) else ""


def _follows_a_key(statement: Statement) -> bool:
    """`where(Model.id < last)`."""
    model = statement.model
    compared = [given for b in statement.calls("where", "filter") for given in b.call.args]
    return model is not None and any(
        isinstance(given, ast.Compare)
        and isinstance(given.ops[0], (ast.Lt, ast.Gt))
        and isinstance(given.left, ast.Attribute)
        and (given.left.attr,) == model.primary_key
        for given in compared
    )
