"""Changes that two requests at the same time make only once."""

from __future__ import annotations

import re
from collections import defaultdict

from check import LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from project import Project
from project.data.increments import Increment, increments

_VALUABLE = re.compile(
    r"balance|credit|amount|stock|quantity|quota|points|money|wallet|budget|spen[dt]|remaining|available|inventory"
    r"|(^|_)uses?($|_)|used|failed",
    re.IGNORECASE,
)

_NUMBERING = re.compile(r"(^|_)(version|revision|generation)$", re.IGNORECASE)  # that it changed is all that counts


@data.check(
    "DAT028",
    "lost-update",
    title="Number read, changed in Python and written back",
    impact=MEDIUM,
    fix="Let the database count: values(stock=Item.stock - 1), or read the row with_for_update().",
)
def lost_update(project: Project) -> Found:
    """Two requests read the same number and each writes its own result: one of the two changes is lost.

    Source: SQLAlchemy, Session.flush sends the value, not the sum; PostgreSQL, Transaction Isolation,
    https://www.postgresql.org/docs/current/transaction-iso.html#XACT-READ-COMMITTED

    Bad:
        from fastapi import FastAPI
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            stock: Mapped[int]

        @app.post("/items/{item_id}/order")
        def order(item_id: int, db: Session) -> None:
            item = db.get(Item, item_id)
            item.stock -= 1  # DAT028
            db.commit()
    Good:
        from fastapi import FastAPI
        from sqlalchemy import update
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            stock: Mapped[int]

        @app.post("/items/{item_id}/order")
        def order(item_id: int, db: Session) -> None:
            db.execute(update(Item).where(Item.id == item_id, Item.stock > 0).values(stock=Item.stock - 1))
            db.commit()
    Not this:
        from fastapi import FastAPI
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)
            stock: Mapped[int]

        @app.post("/items/{item_id}/order")
        def order(item_id: int, db: Session) -> None:
            item = db.get(Item, item_id, with_for_update=True)
            item.stock -= 1
            other = db.get(Item, item_id)
            other.stock = Item.stock + 1
            made = Item(stock=1)
            made.stock += 1
            db.commit()
    """
    found: dict[tuple[str, str], list[Increment]] = defaultdict(list)
    for increment in increments(project):
        if not _NUMBERING.search(increment.column) and project.requests.within(increment.scope) is not None:
            found[increment.model.dotted, increment.column].append(increment)
    for (_, column), group in found.items():
        first, *others = group
        name = f"{first.model.name}.{column}"
        message = f"{name} is read, changed here and written back: of two requests at once one change is lost"
        impact = MEDIUM if _VALUABLE.search(column) else LOW
        yield Hit(first.place, message, (first.read,), impact, first.certainty, tuple(o.place for o in others))
