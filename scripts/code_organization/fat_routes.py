"""Path operations that do the work themselves."""

from __future__ import annotations

from collections.abc import Iterator

from check import HIGH, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.layers import SERVICE, WORDS
from project.place import Place
from project.serving.handler_work import HandlerWork
from project.settings import Settings


@organization.check(
    "ORG001",
    "fat-route",
    title="Path operation with business logic and data access",
    impact=MEDIUM,
    anti_pattern=1,
    fix="Move the decision into a function that takes session and schema; let the route translate.",
)
def fat_route(project: Project) -> Found:
    """What stands in a path operation can only be tested and used through HTTP; jobs and other routes will copy it.

    Source: FastAPI, Bigger Applications - Multiple Files, https://fastapi.tiangolo.com/tutorial/bigger-applications/

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException
        from pydantic import BaseModel
        from sqlalchemy import text
        from sqlalchemy.orm import Session
        from db import get_db

        app = FastAPI()

        class OrderIn(BaseModel):
            customer_id: int
            sku: str
            coupon: str

        @app.post("/orders")
        def create_order(body: OrderIn, db: Annotated[Session, Depends(get_db)]) -> float:  # ORG001
            customer = db.execute(text("SELECT * FROM customers WHERE id = :i"), {"i": body.customer_id}).first()
            if customer is None:
                raise HTTPException(404)
            item = db.execute(text("SELECT * FROM items WHERE sku = :s"), {"s": body.sku}).first()
            if item.stock < 1:
                raise HTTPException(409)
            coupon = db.execute(text("SELECT * FROM coupons WHERE code = :c"), {"c": body.coupon}).first()
            price = item.price * 0.9 if customer.tier == "gold" else item.price
            db.execute(text("UPDATE items SET stock = stock - 1 WHERE sku = :s"), {"s": body.sku})
            db.commit()
            return price - coupon.amount
        # db.py
        from sqlalchemy import create_engine
        from sqlalchemy.orm import sessionmaker

        SessionLocal = sessionmaker(create_engine("sqlite://"))

        def get_db():
            with SessionLocal() as db:
                yield db
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import Session
        import orders
        from db import get_db

        app = FastAPI()

        class OrderIn(BaseModel):
            customer_id: int
            sku: str

        @app.post("/orders")
        def create_order(body: OrderIn, db: Annotated[Session, Depends(get_db)]) -> float:
            return orders.place(db, body.customer_id, body.sku)
        # orders.py
        def place(db, customer_id: int, sku: str) -> float:
            return 1.0
        # db.py
        from sqlalchemy import create_engine
        from sqlalchemy.orm import sessionmaker

        SessionLocal = sessionmaker(create_engine("sqlite://"))

        def get_db():
            with SessionLocal() as db:
                yield db
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI, HTTPException
        from sqlalchemy import text
        from sqlalchemy.orm import Session
        from db import get_db

        app = FastAPI()

        @app.get("/orders", responses={404: {"description": "none"}, 409: {"description": "later"}})
        def list_orders(mine: bool, db: Annotated[Session, Depends(get_db)]) -> list[str]:
            '''A long text is no work.

            Neither are many lines of it.
            '''
            if mine:
                count = db.execute(text("SELECT count(*) FROM orders WHERE mine"))
                rows = db.execute(text("SELECT * FROM orders WHERE mine"))
            else:
                count = db.execute(text("SELECT count(*) FROM orders"))
                rows = db.execute(text("SELECT * FROM orders"))
            if count is None:
                raise HTTPException(404)
            return [row.sku for row in rows]
        # db.py
        from sqlalchemy import create_engine
        from sqlalchemy.orm import sessionmaker

        SessionLocal = sessionmaker(create_engine("sqlite://"))

        def get_db():
            with SessionLocal() as db:
                yield db
    """
    seen: set[Function] = set()
    for route in project.routes:
        function = route.function
        if function is None or function in seen or function.module.kind != "app":
            continue
        seen.add(function)
        work = project.work.of(function)
        if _is_fat(work, project.settings):
            verb = "WS" if route.websocket else "/".join(route.methods)
            named = f"{function.name} ({verb} {route.path})"
            message = f"{named} does the work itself: {_counts(work)}{_target(project, function)}"
            yield Hit(function.place(), message, tuple(_steps(work)), HIGH if _is_huge(work) else None)


def _is_fat(work: HandlerWork, settings: Settings) -> bool:
    many_statements, many_queries = settings.threshold("route-statements"), settings.threshold("route-queries")
    if work.statements > many_statements or (
        work.branches > settings.threshold("route-branches") and work.statements > 15
    ):
        return True
    if work.reads >= many_queries or (work.changes and work.remote):
        return True
    if work.remote and work.branches >= 5 and work.statements >= 15:
        return True
    return work.reads + work.changes >= many_queries and work.rules >= 3


def _is_huge(work: HandlerWork) -> bool:
    """More than any rule of thumb allows, or several writes decided by rules."""
    return (work.statements > 60 and work.branches > 20) or (work.changes >= 2 and work.rules >= 4 and work.reads >= 2)


def _counts(work: HandlerWork) -> str:
    counted = [
        (len(work.queries), "query", "queries"),
        (len(work.writes) + len(work.commits), "write or commit", "writes and commits"),
        (len(work.remote), "call to another service", "calls to other services"),
        (work.branches, "branch", "branches"),
        (work.statements, "statement", "statements"),
    ]
    return ", ".join(f"{n} {one if n == 1 else many}" for n, one, many in counted if n)


def _target(project: Project, function: Function) -> str:
    """Where the work could go: a service of the same name, else the folder of the services beside the routers."""
    path = function.module.path
    top, own = path.split("/")[0], path.rpartition("/")[2].removesuffix(".py")
    services = [m.path for m in project.app_modules if project.layers.of(m) == SERVICE and own in m.path.split("/")[-1]]
    services = [s for s in services if s.split("/")[0] == top and own not in WORDS and own != "main"]
    if services:
        return f"; it could move to {min(services, key=lambda s: (len(s), s))}"
    folders = project.layers.layer_folders.get(SERVICE, [])
    beside = [f for f in folders if path.startswith(f.rpartition("/")[0] + "/")]
    return f"; it could move to {max(beside, key=len)}" if beside else ""


def _steps(work: HandlerWork) -> Iterator[Place]:
    """The first statements that would move."""
    labelled = [(node, "queries") for node in work.queries]
    labelled += [(node, "writes") for node in (*work.writes, *work.commits)]
    labelled += [(node, "calls another service") for node in work.remote]
    for node, label in sorted(labelled, key=lambda pair: pair[0].lineno)[:6]:
        yield work.function.place(node, label)
