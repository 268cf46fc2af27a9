"""Path operations that do the work themselves."""

from __future__ import annotations

from collections.abc import Iterator

from check import LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.layers import ROUTER, SERVICE, WORDS
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
    lesser: list[tuple[str, HandlerWork]] = []
    for route in project.routes:
        function = route.function
        if function is None or function in seen or function.module.kind != "app":
            continue
        seen.add(function)
        work = project.work.of(function)
        impact = _impact(work, project.settings)
        named = f"{function.name} ({'WS' if route.websocket else '/'.join(route.methods)} {route.path})"
        if impact == LOW:
            lesser.append((named, work))
        elif impact:
            message = f"{named} does the work itself: {_counts(work)}{_target(project, function)}"
            yield Hit(function.place(), message, tuple(_steps(work)), impact)
    if lesser:
        yield _lesser(lesser)


def _impact(work: HandlerWork, settings: Settings) -> str:
    """How much a path operation does itself; "" for one that translates between HTTP and the rest.

    Medium where it decides by rules and writes as well, or is long without its translation.
    """
    many_branches, many_queries = settings.threshold("route-branches"), settings.threshold("route-queries")
    many_statements = settings.threshold("route-statements")
    own, sent = work.own, work.reads + work.changes
    long = work.statements > many_statements or work.branches > 2 * many_branches
    if long and own.statements > many_statements * 5 // 8 and own.decisions >= many_branches // 2:
        return MEDIUM
    if work.changes and (work.remote or sent >= many_queries) and own.rules >= (1 if work.remote else 2):
        return MEDIUM
    if work.reads >= many_queries and (work.remote or own.rules >= 3):
        return MEDIUM
    if work.statements > many_statements or work.reads >= many_queries or (work.changes and work.remote):
        return LOW
    if work.branches > many_branches and work.statements > 15:
        return LOW if sent or work.remote or own.decisions > many_branches // 2 + 1 else ""
    if (sent >= many_queries and work.rules >= 3) or (work.remote and work.branches >= 5 and work.statements >= 15):
        return LOW
    return LOW if sent >= 2 and work.branches >= 4 and work.statements >= 15 else ""


def _lesser(found: list[tuple[str, HandlerWork]]) -> Hit:
    """One hit for path operations that do some of the work themselves."""
    found.sort(key=lambda pair: (pair[1].function.module.path, pair[1].function.node.lineno))
    (named, work), *more = found
    message = f"{named} does some of the work itself: {_counts(work)}"
    if more:
        message += f"; {len(more)} more path operation{'s do' if len(more) > 1 else ' does'} likewise"
    places = tuple(w.function.place(label=f"{name}: {_counts(w)}") for name, w in more)
    return Hit(work.function.place(), message, impact=LOW, places=places)


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
    beside = [f for f in folders if path.startswith(f.rpartition("/")[0] + "/") and _serves_routers(project, f)]
    return f"; it could move to {max(beside, key=len)}" if beside else ""


def _serves_routers(project: Project, folder: str) -> bool:
    """Whether some router takes something from a folder: a `services` that none does may be about anything."""
    inside = (m for m in project.app_modules if m.path.startswith(folder + "/"))
    importers = (item.importer for m in inside for item in project.imports.importers.get(m, ()))
    return any(project.layers.of(importer) == ROUTER for importer in importers)


def _steps(work: HandlerWork) -> Iterator[Place]:
    """The first statements that would move."""
    labelled = [(node, "queries") for node in work.queries]
    labelled += [(node, "writes") for node in (*work.writes, *work.commits)]
    labelled += [(node, "calls another service") for node in work.remote]
    for node, label in sorted(labelled, key=lambda pair: pair[0].lineno)[:6]:
        yield work.function.place(node, label)
