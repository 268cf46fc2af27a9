"""Units of work: how many transactions one request is."""

from __future__ import annotations

import ast

from check import MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.wording import counted, joined, request_hop
from project import Function, Place, Project
from project.data.queries import WRITE
from project.language.calls import CallSite
from project.language.scopes import parent

_CHANGES = frozenset("add add_all delete merge bulk_save_objects bulk_insert_mappings bulk_update_mappings".split())
MAX_HOPS = 2
_BESIDE = ("log", "audit", "event", "history", "notif", "token", "metric", "track")


@data.check(
    "DAT027",
    "several-commits-in-one-request",
    title="One request commits several times",
    impact=MEDIUM,
    anti_pattern=6,
    fix="Let functions flush, and commit once where the request's work ends: await session.commit().",
)
def several_commits_in_one_request(project: Project) -> Found:
    """Functions that each commit cannot be one unit of work: when the second fails, the first has already been written.

    Source: SQLAlchemy, Session Basics, When do I construct a Session, and when do I commit it,
    https://docs.sqlalchemy.org/en/21/orm/session_basics.html

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()
        engine = create_engine("sqlite://")

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Payment(Base):
            __tablename__ = "payments"
            id: Mapped[int] = mapped_column(primary_key=True)

        def get_session():
            with Session(engine) as session:
                yield session

        def create_order(session: Session):
            session.add(Order())
            session.commit()

        def create_payment(session: Session):
            session.add(Payment())
            session.commit()

        @app.post("/orders")
        def order(session: Annotated[Session, Depends(get_session)]) -> None:
            create_order(session)
            create_payment(session)  # DAT027
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()
        engine = create_engine("sqlite://")

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        def get_session():
            with Session(engine) as session:
                yield session

        def create_order(session: Session):
            session.add(Order())
            session.flush()

        @app.post("/orders")
        def order(session: Annotated[Session, Depends(get_session)]) -> None:
            create_order(session)
            create_order(session)
            session.commit()
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        app = FastAPI()
        engine = create_engine("sqlite://")

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        def get_session():
            with Session(engine) as session:
                yield session

        def create_order(session: Session):
            session.add(Order())
            session.commit()

        def write_log(session: Session):
            session.add(Order())
            session.commit()

        def read_order(session: Session):
            return session.get(Order, 1)

        @app.post("/orders")
        def order(session: Annotated[Session, Depends(get_session)], again: bool) -> None:
            read_order(session)
            create_order(session)
            write_log(session)
            if again:
                create_order(session)
    """
    found = [
        (f, sites)
        for f in project.requests.functions
        if project.requests.root(f).kind == "handler" and len(sites := _commits_in_turn(project, f)) > 1
    ]
    found.sort(key=lambda pair: (pair[0].module.path, pair[1][1].node.lineno))
    if not found:
        return
    function, sites = found[0]
    names = joined([f"{n}()" for n in dict.fromkeys(s.targets[0].name for s in sites)])
    where = f" (as do {counted(len(found) - 1, 'other function')})" if len(found) > 1 else ""
    yield Hit(
        sites[1].place(),
        f"{function.name} calls {names}, which commit one after the other{where}",
        (*request_hop(project, function), *(s.place(f"commits in {s.targets[0].name}") for s in sites)),
        None,
        "inferred",
        tuple(_second(pair[1]) for pair in found[1:]),
    )


def _second(sites: list[CallSite]) -> Place:
    return sites[1].place()


def _commits_in_turn(project: Project, function: Function) -> list[CallSite]:
    """Calls, each a statement of the function's own block, of different functions that change rows and commit."""
    block = _own_block(function)
    found: list[CallSite] = []
    for site in project.calls.sites(function):
        target = site.targets[0] if len(site.targets) == 1 else None
        if target is None or target is function or _statement(site.node) not in block:
            continue
        if any(s.targets[0] is target for s in found) or target.name.startswith("get_"):
            continue
        if _ends_a_unit(project, target, MAX_HOPS) and not any(word in target.name.lower() for word in _BESIDE):
            found.append(site)
    return found


def _own_block(function: Function) -> list[ast.stmt]:
    """Statements that run whenever the function does: its own, and those of its `with` blocks."""
    found: list[ast.stmt] = [] if isinstance(function.node, ast.Lambda) else list(function.node.body)
    for statement in found:  # grows meanwhile
        if isinstance(statement, (ast.With, ast.AsyncWith)):
            found += statement.body
    return found


def _statement(node: ast.AST) -> ast.AST | None:
    current: ast.AST | None = node
    while current is not None and not isinstance(current, ast.stmt):
        current = parent(current)
    return current


def _ends_a_unit(project: Project, function: Function, hops: int) -> bool:
    """Whether a function changes rows and commits, itself or always through one that it calls."""
    if _writes_and_commits(project, function):
        return True
    block = _own_block(function) if hops else []
    always = (s for s in project.calls.sites(function) if s.targets and _statement(s.node) in block)
    return any(all(_ends_a_unit(project, t, hops - 1) for t in s.targets) for s in always)


def _writes_and_commits(project: Project, function: Function) -> bool:
    """Whether a function changes rows and commits in its own body."""
    if not any(isinstance(c.func, ast.Attribute) and not c.args for c in function.called.get("commit", ())):
        return False
    names = _CHANGES.union(("execute",)).intersection(function.called)
    changes = any(isinstance(c.func, ast.Attribute) for name in names for c in function.called[name])
    return changes or any(e.effect == WRITE for e in project.queries.of(function))
