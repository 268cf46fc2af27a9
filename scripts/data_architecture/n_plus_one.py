"""N+1: a statement for each item of a loop, and relationships that load row by row."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from data_architecture.dimension import data
from data_architecture.row_impact import loop_impact, read_impact
from data_architecture.wording import entry_hop, joined, request_hop
from project import Function, Place, Project, Scope
from project.data.lazy_reads import LazyRead
from project.data.loops import PerItem
from project.data.models import TORTOISE
from project.data.queries import WRITE
from project.language.command_line import is_command_line

_STORES = re.compile(r"_*(store|save|upsert|insert|persist)_")


@data.check(
    "DAT001",
    "query-in-loop",
    title="Query for each item of a loop (N+1)",
    impact=HIGH,
    anti_pattern=5,
    fix="Load all items with one statement before the loop: selectinload, or where(id.in_(ids)) and a dict.",
)
def query_in_loop(project: Project) -> Found:
    """Each item costs a round trip of its own, so the response time grows with the number of rows.

    Source: SQLAlchemy, Relationship Loading Techniques,
    https://docs.sqlalchemy.org/en/21/orm/queryguide/relationships.html

    Bad:
        # shop/models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            lines: Mapped[list["Line"]] = relationship()

        class Line(Base):
            __tablename__ = "lines"
            id: Mapped[int] = mapped_column(primary_key=True)
            order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
        # shop/repository.py
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from shop.models import Line, Order

        def recent(session: Session):
            return session.scalars(select(Order).limit(50)).all()

        def lines_of(session: Session, order_id: int):
            return session.scalars(select(Line).where(Line.order_id == order_id)).all()
        # shop/api.py
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session
        from shop import repository

        app = FastAPI()
        engine = create_engine("sqlite://")

        def get_session():
            with Session(engine) as session:
                yield session

        SessionDep = Annotated[Session, Depends(get_session)]

        @app.get("/orders")
        def orders(session: SessionDep):
            found = repository.recent(session)
            return [{"id": o.id, "lines": len(repository.lines_of(session, o.id))} for o in found]  # DAT001

        @app.get("/sizes")
        def sizes(session: SessionDep):
            return [len(o.lines) for o in repository.recent(session)]  # DAT001
    Good:
        # shop/models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            lines: Mapped[list["Line"]] = relationship()

        class Line(Base):
            __tablename__ = "lines"
            id: Mapped[int] = mapped_column(primary_key=True)
            order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"), index=True)
        # shop/api.py
        from fastapi import FastAPI
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import Session, selectinload
        from shop.models import Order

        app = FastAPI()
        engine = create_engine("sqlite://")

        @app.get("/orders")
        def orders():
            with Session(engine) as session:
                found = session.scalars(select(Order).options(selectinload(Order.lines)).limit(50))
                return [{"id": o.id, "lines": len(o.lines)} for o in found]
    Not this:
        from itertools import batched
        from sqlalchemy import create_engine, select, text
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase):
            pass

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        engine = create_engine("sqlite://")

        def load(ids: list[int], names: list[str]):
            with Session(engine) as session:
                for chunk in batched(ids, 500):
                    session.scalars(select(Item).where(Item.id.in_(chunk))).all()
                for table in ("items", "orders"):
                    session.execute(text("SELECT count(*) FROM " + table))
                for name in names:
                    session.add(Item(id=len(name)))
                last = 0
                while page := session.scalars(select(Item).where(Item.id > last).limit(100)).all():
                    last = page[-1].id
                for row in session.scalars(select(Item)):
                    print(row.id)
    """
    yield from _loops(project)
    yield from _lazy_rows(project)


def _loops(project: Project) -> Iterator[Hit]:
    groups: dict[tuple[int, Scope], list[PerItem]] = {}
    for found in project.loops.per_item:
        groups.setdefault((id(found.loop.node), found.loop.scope), []).append(found)
    for group in groups.values():
        reads = [g for g in group if g.effect != WRITE]
        first = (reads or group)[0]
        others = [g for g in group if g is not first]
        if is_command_line(first.loop.scope) and not _served(project, first.loop.scope):
            continue
        yield Hit(
            first.loop.scope.place(first.node),
            _loop_message(first, len(others)),
            (*request_hop(project, first.loop.scope), *_way(first)),
            loop_impact(
                project,
                first.loop,
                bool(reads),
                all(g.rare for g in reads or group),
                all(_stores_on_the_way(project, g) for g in group),
            ),
            first.certainty,
            tuple(o.loop.scope.place(o.node) for o in others),
        )


def _stores_on_the_way(project: Project, found: PerItem) -> bool:
    """Whether a function between the loop and the statement changes stored data: the query belongs to a write."""
    inside = [*(site.scope for site in found.way[1:]), found.execution.scope] if found.way else []
    return any(
        project.queries.stores(scope) or (isinstance(scope, Function) and _STORES.match(scope.name) is not None)
        for scope in inside
    )


def _loop_message(found: PerItem, others: int) -> str:
    what = f"{found.way[0].targets[0].name}()" if found.way else _written(found.node)
    does = "writes" if found.effect == WRITE else "queries"
    more = f"; {others} more such call{'s' if others > 1 else ''} in this loop" if others else ""
    return f"{what} {does} the database once for each item of {found.loop.over}{more}"


def _written(node: ast.expr) -> str:
    inner = node.value if isinstance(node, ast.Await) else node
    func = inner.func if isinstance(inner, ast.Call) else inner
    if isinstance(func, ast.Attribute) and not isinstance(func.value, (ast.Name, ast.Attribute)):
        return f".{func.attr}()"
    return f"{ast.unparse(func)}()"


def _way(found: PerItem) -> tuple[Place, ...]:
    hops = [site.place(f"calls {site.targets[0].qualname}") for site in found.way]
    return (found.loop.place(f"loop over {found.loop.over}"), *hops, found.execution.place("sends the statement"))


def _served(project: Project, scope: Scope) -> bool:
    """Whether the code runs for requests, as far as that is known."""
    return project.requests.within(scope) is not None


def _lazy_rows(project: Project) -> Iterator[Hit]:
    """Relationships that load one by one: reads in sync code, and awaited ones of Tortoise."""
    lazy = [
        r
        for r in project.lazy_reads
        if r.each is not None and (not r.execution.asynchronous or r.model.orm == TORTOISE)
    ]
    for group in _by_loop(project, lazy):
        first = group[0]
        places = dict.fromkeys(r.place for r in group if r.place != first.place)
        is_are, them = ("is", "it") if len({_named(r) for r in group}) == 1 else ("are", "them")
        yield Hit(
            first.place,
            f"{_relationships(group)} {is_are} loaded row by row: the query of these rows does not load {them}"
            f"{_at_most(project, group)}{_reader(first)}",
            (*entry_hop(project, first.rows.hops, first.looped_in), *lazy_trace(first)),
            max((read_impact(project, r) for r in group), key=(LOW, MEDIUM, HIGH).index),
            first.execution.certainty,
            tuple(places),
        )


def _by_loop(project: Project, reads: Iterable[LazyRead]) -> list[list[LazyRead]]:
    """Reads on rows of one query in one loop, the one nearest to the loop first.

    A read that several loops reach is told once for each place: for a loop that runs for requests when there is one.
    """
    ways: dict[tuple[object, ...], list[LazyRead]] = {}
    for read in reads:
        ways.setdefault((read.scope, read.place.line, read.model.dotted, read.relationship.name), []).append(read)
    groups: dict[tuple[object, ...], list[LazyRead]] = {}
    for same in ways.values():
        best = next((r for r in same if _served(project, r.looped_in)), same[0])
        line = best.each.line if best.each else 0
        groups.setdefault((id(best.execution.node), best.looped_in, line), []).append(best)
    return [sorted(g, key=lambda r: (r.scope is not r.looped_in, r.place)) for g in groups.values()]


def _by_place(reads: Iterable[LazyRead]) -> list[list[LazyRead]]:
    """Reads on rows of the same model in the same function, each relationship once."""
    groups: dict[tuple[object, ...], dict[str, LazyRead]] = {}
    for read in reads:
        line = read.place.line if read.field else 0
        key = (read.scope, line, read.model.dotted, read.each.line if read.each else 0)
        groups.setdefault(key, {}).setdefault(read.relationship.name, read)
    return [list(g.values()) for g in groups.values()]


def _named(read: LazyRead) -> str:
    return f"{read.model.name}.{read.relationship.name}"


def _relationships(group: list[LazyRead]) -> str:
    return joined(list(dict.fromkeys(_named(r) for r in group)))


def _at_most(project: Project, group: list[LazyRead]) -> str:
    """What bounds the queries of a many-to-one: a session keeps each parent it has loaded."""
    if any(project.models.is_collection(r.model, r.relationship) for r in group):
        return ""
    return ", once for each different parent"


def _reader(read: LazyRead) -> str:
    return f" ({read.field} reads it)" if read.field else ""


def _mixes_requests(read: LazyRead, handlers: frozenset[str]) -> bool:
    """Whether the way from query to read leads through the handlers of two routes: no object goes from one request to
    another, so the query of the one is not what the other reads.
    """
    return len({p.symbol for p in lazy_trace(read)} & handlers) > 1


def lazy_trace(read: LazyRead) -> tuple[Place, ...]:
    """Query, the calls its rows pass through, the loop, the read."""
    statement = read.rows.statement
    asked = statement.model if statement is not None else None
    hops = [read.execution.place(f"query of {asked.name}" if asked is not None else "query")]
    hops.extend(read.rows.hops)
    if read.each is not None and read.each.line != read.place.line:
        hops.append(read.each)
    hops.append(
        Place(
            read.place.path, read.place.line, read.place.end_line, read.place.symbol, f"reads {read.relationship.name}"
        )
    )
    return tuple(hops)


@data.check(
    "DAT002",
    "lazy-load-in-async",
    title="Relationship loads lazily under AsyncSession",
    impact=HIGH,
    anti_pattern=5,
    fix="Load the relationship in the query with options(selectinload(...)), or await it through awaitable_attrs.",
)
def lazy_load_in_async(project: Project) -> Found:
    """AsyncSession cannot load on attribute access: the read raises MissingGreenlet (since SQLAlchemy 2.1 inside a
    StatementError, but with asyncpg), often only while FastAPI serialises the response, which makes it a 500.

    Source: SQLAlchemy, Preventing Implicit IO when Using AsyncSession,
    https://docs.sqlalchemy.org/en/21/orm/extensions/asyncio.html

    Bad:
        # models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            heroes: Mapped[list["Hero"]] = relationship()

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
        # main.py
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy import select
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
        from models import Team

        app = FastAPI()
        SessionLocal = async_sessionmaker(create_async_engine("sqlite+aiosqlite://"), expire_on_commit=False)

        async def get_session():
            async with SessionLocal() as session:
                yield session

        SessionDep = Annotated[AsyncSession, Depends(get_session)]

        class HeroOut(BaseModel):
            id: int

        class TeamOut(BaseModel):
            id: int
            heroes: list[HeroOut]

        @app.get("/teams")
        async def teams(session: SessionDep) -> list[TeamOut]:  # DAT002
            return (await session.scalars(select(Team))).all()

        @app.get("/size/{team_id}")
        async def size(team_id: int, session: SessionDep) -> int:
            team = await session.get(Team, team_id)
            return len(team.heroes)  # DAT002
    Good:
        # models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            heroes: Mapped[list["Hero"]] = relationship()

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
        # main.py
        from sqlalchemy import select
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.orm import selectinload
        from models import Team

        async def sizes(session: AsyncSession):
            teams = await session.scalars(select(Team).options(selectinload(Team.heroes)))
            return [len(team.heroes) for team in teams]
    Not this:
        # models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.ext.asyncio import AsyncAttrs
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

        class Base(AsyncAttrs, DeclarativeBase):
            pass

        class Team(Base):
            __tablename__ = "teams"
            id: Mapped[int] = mapped_column(primary_key=True)
            heroes: Mapped[list["Hero"]] = relationship(back_populates="team")
            awards: Mapped[list["Award"]] = relationship(lazy="selectin")

        class Hero(Base):
            __tablename__ = "heroes"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
            team: Mapped[Team] = relationship(back_populates="heroes")

        class Award(Base):
            __tablename__ = "awards"
            id: Mapped[int] = mapped_column(primary_key=True)
            team_id: Mapped[int] = mapped_column(ForeignKey("teams.id"), index=True)
        # service.py
        from sqlalchemy import select
        from sqlalchemy.ext.asyncio import AsyncSession
        from models import Hero, Team

        async def show(session: AsyncSession, team_id: int):
            team = await session.get(Team, team_id)
            heroes = await team.awaitable_attrs.heroes
            await session.refresh(team, ["heroes"])
            return [h.team.id for h in heroes], team.awards, team.heroes

        async def heroes_of(session: AsyncSession, team: Team):
            found = await session.scalars(select(Hero).where(Hero.team_id == team.id))
            return [h.team.id for h in found]

        async def inside_greenlet(session: AsyncSession):
            def read(sync_session):
                return [t.heroes for t in sync_session.scalars(select(Team))]
            return await session.run_sync(read)
    """
    lazy = [r for r in project.lazy_reads if r.execution.asynchronous and r.model.orm != TORTOISE]
    handlers = frozenset(r.function.dotted for r in project.routes if r.function is not None)
    for group in _by_place([r for r in lazy if not _mixes_requests(r, handlers)]):
        first = group[0]
        when = f" while the response is made ({first.field} reads it)" if first.route else _reader(first)
        yield Hit(
            first.place,
            f"{_relationships(group)} is not loaded by the query, and AsyncSession cannot load it on access{when}",
            (*request_hop(project, first.scope), *lazy_trace(first)),
            None,
            first.execution.certainty,
        )
