"""Proofs of what DATA_ARCHITECTURE.md says about models and loading."""

import datetime
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncEngine
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import (
    DeclarativeBase,
    Mapped,
    Session,
    joinedload,
    mapped_column,
    raiseload,
    relationship,
    selectinload,
)
from sqlmodel import Field, SQLModel

from .heroes import Hero, Maker, Statements, Team, filled, run_async
from .registry import fact


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = filled(tmp_path)
    yield made
    made.dispose()


# Loading


@fact("dat-lazy-counts")
def test_lazy_loading_sends_one_statement_a_row_and_eager_loading_two(engine: sa.Engine) -> None:
    sent = Statements(engine)

    def names(*options: Any) -> None:
        with Session(engine) as session:
            for team in session.scalars(sa.select(Team).options(*options)).unique():
                assert len(team.heroes) == 2

    assert sent.of(lambda: names()) == 1 + 4
    assert sent.of(lambda: names(selectinload(Team.heroes))) == 2
    assert sent.of(lambda: names(joinedload(Team.heroes))) == 1


@fact("dat-identity-map")
def test_a_lazy_many_to_one_sends_one_statement_for_each_different_parent(engine: sa.Engine) -> None:
    sent = Statements(engine)
    with Session(engine) as session:
        heroes = session.scalars(sa.select(Hero)).all()
        assert sent.of(lambda: [hero.team.name for hero in heroes]) == len({hero.team_id for hero in heroes}) == 4
        assert len(heroes) == 8


@fact("dat-batch-in")
def test_one_in_query_replaces_a_get_per_id(engine: sa.Engine) -> None:
    sent = Statements(engine)
    with Session(engine) as session:
        teams: list[Team | None] = []
        assert sent.of(lambda: teams.extend(session.get(Team, n) for n in (1, 2, 3))) == 3
        assert sent.of(lambda: session.get(Team, 1)) == 0
    with Session(engine) as session:
        by_id = sa.select(Team).where(Team.id.in_([1, 2, 3]))
        assert sent.of(lambda: {team.id: team for team in session.scalars(by_id)}) == 1


@fact("dat-selectin-batches")
def test_selectinload_sends_one_more_statement_for_each_500_parents(engine: sa.Engine) -> None:
    with Session(engine) as session, session.begin():
        session.add_all(Team(name="more") for _ in range(497))
    sent = Statements(engine)
    with Session(engine) as session:
        assert sent.of(lambda: session.scalars(sa.select(Team).options(selectinload(Team.heroes))).all()) == 1 + 2


@fact("dat-joined-unique")
def test_joinedload_of_a_collection_demands_unique(engine: sa.Engine) -> None:
    with Session(engine) as session:
        rows = session.scalars(sa.select(Team).options(joinedload(Team.heroes)))
        with pytest.raises(sa_exc.InvalidRequestError, match="unique"):
            rows.all()


@fact("dat-joined-repeats")
def test_joinedload_of_a_collection_sends_a_row_for_each_child(engine: sa.Engine) -> None:
    sent = Statements(engine)
    with Session(engine) as session:
        teams = session.scalars(sa.select(Team).options(joinedload(Team.heroes))).unique().all()
        rows = session.execute(sa.text(sent.texts[-1])).all()
    assert (len(teams), len(rows)) == (4, 8)


@fact("dat-joined-limit")
def test_joinedload_with_limit_wraps_the_limited_rows_in_a_subquery(engine: sa.Engine) -> None:
    sent = Statements(engine)
    with Session(engine) as session:
        page = sa.select(Team).order_by(Team.id).limit(2).options(joinedload(Team.heroes))
        assert len(session.scalars(page).unique().all()) == 2
    assert "FROM (SELECT" in " ".join(sent.texts[-1].split())


@fact("dat-raiseload")
def test_raiseload_turns_a_forgotten_eager_load_into_an_error(engine: sa.Engine) -> None:
    with Session(engine) as session:
        team = session.scalars(sa.select(Team).options(raiseload("*"))).first()
        assert team is not None
        with pytest.raises(sa_exc.InvalidRequestError, match="lazy='raise'"):
            assert team.heroes


@fact("dat-lazy-async")
@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor'")
def test_a_lazy_load_under_async_raises_a_wrapped_missing_greenlet(engine: sa.Engine) -> None:
    async def work(maker: Maker, _: AsyncEngine) -> None:
        async with maker() as session:
            team = (await session.scalars(sa.select(Team))).first()
            assert team is not None
            with pytest.raises(sa_exc.StatementError) as caught:
                assert team.heroes
            assert not isinstance(caught.value, sa_exc.MissingGreenlet)
            assert isinstance(caught.value.orig, sa_exc.MissingGreenlet)

    run_async(engine, work)


@fact("dat-async-attrs")
@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor'")
def test_awaitable_attrs_refresh_and_run_sync_load_on_purpose(engine: sa.Engine) -> None:
    async def work(maker: Maker, _: AsyncEngine) -> None:
        async with maker() as session:
            one, two, three = (await session.scalars(sa.select(Team).limit(3))).all()
            assert len(await one.awaitable_attrs.heroes) == 2
            await session.refresh(two, ["heroes"])
            assert len(two.heroes) == 2
            assert await session.run_sync(lambda _: len(three.heroes)) == 2

    run_async(engine, work)


@fact("dat-detached")
def test_a_lazy_load_after_the_session_closed_raises_detached(engine: sa.Engine) -> None:
    with Session(engine) as session:
        team = session.scalars(sa.select(Team)).first()
    assert team is not None
    with pytest.raises(sa.orm.exc.DetachedInstanceError):
        assert team.heroes


@fact("dat-expire-default")
@pytest.mark.filterwarnings("ignore:coroutine 'Connection.cursor'")
def test_attributes_expire_at_commit_and_async_cannot_reload_them(engine: sa.Engine) -> None:
    async def expired(maker: Maker, _: AsyncEngine) -> None:
        async with maker() as session:
            team = Team(name="new")
            session.add(team)
            await session.commit()
            with pytest.raises(sa_exc.StatementError):
                assert team.id

    async def kept(maker: Maker, _: AsyncEngine) -> None:
        async with maker() as session:
            team = Team(name="new")
            session.add(team)
            await session.commit()
            assert team.id

    run_async(engine, expired)
    run_async(engine, kept, expire_on_commit=False)


# Models


@fact("dat-fk-index")
def test_a_foreign_key_gets_no_index(engine: sa.Engine) -> None:
    assert isinstance(Hero.__table__, sa.Table)
    assert Hero.__table__.indexes == set()
    assert sa.inspect(engine).get_indexes("hero") == []


@fact("dat-fk-index-effect")
def test_an_index_turns_the_scan_of_a_filter_by_foreign_key_into_a_search(engine: sa.Engine) -> None:
    def plan(connection: sa.Connection) -> str:
        rows = connection.execute(sa.text("EXPLAIN QUERY PLAN SELECT * FROM hero WHERE team_id = 1"))
        return " ".join(row[-1] for row in rows)

    with engine.begin() as connection:
        assert plan(connection).startswith("SCAN hero")
        connection.execute(sa.text("CREATE INDEX ix_hero_team ON hero (team_id)"))
        assert plan(connection).startswith("SEARCH hero") and "ix_hero_team" in plan(connection)


@fact("dat-mapped-null")
def test_the_annotation_decides_nullability() -> None:
    columns = Team.__table__.c
    assert (columns.name.nullable, columns.motto.nullable) == (False, True)


@fact("dat-datetime-naive")
def test_mapped_datetime_is_without_time_zone() -> None:
    assert isinstance(kind := Team.__table__.c.founded.type, sa.DateTime) and kind.timezone is False


class Logbook(SQLModel, table=True):
    id: int | None = Field(default=None, primary_key=True)
    at: datetime.datetime


@fact("dat-sqlmodel-utc")
def test_sqlmodel_refuses_naive_datetimes() -> None:
    made = sa.create_engine("sqlite://")
    SQLModel.metadata.create_all(made)
    with Session(made) as session:
        session.add(Logbook(at=datetime.datetime.now()))
        with pytest.raises(sa_exc.StatementError, match="timezone"):
            session.flush()


@fact("dat-default-called")
def test_a_called_default_is_frozen_and_a_dict_default_is_shared() -> None:
    table = sa.Table(
        "note",
        sa.MetaData(),
        sa.Column("id", sa.Integer, primary_key=True),
        sa.Column("at", sa.DateTime, default=datetime.datetime.now()),
        sa.Column("tags", sa.JSON, default={}),
    )

    class NoteBase(DeclarativeBase):
        pass

    class Note(NoteBase):
        __table__ = table

    made = sa.create_engine("sqlite://")
    table.create(made)
    with Session(made, expire_on_commit=False) as session:
        one, two = Note(), Note()
        session.add_all([one, two])
        session.commit()
        assert one.at == two.at == table.c.at.default.arg  # type: ignore[attr-defined,union-attr]
        one.tags["k"] = 1  # type: ignore[attr-defined]
        session.add(three := Note())
        session.commit()
        assert three.tags == {"k": 1}  # type: ignore[attr-defined]


@fact("dat-json-mutation")
def test_a_json_change_in_place_is_lost_unless_the_type_is_mutable() -> None:
    class Local(DeclarativeBase):
        pass

    class Doc(Local):
        __tablename__ = "doc"
        id: Mapped[int] = mapped_column(primary_key=True)
        plain: Mapped[dict[str, int]] = mapped_column(sa.JSON)
        tracked: Mapped[dict[str, int]] = mapped_column(MutableDict.as_mutable(sa.JSON()))

    made = sa.create_engine("sqlite://")
    Local.metadata.create_all(made)
    with Session(made) as session:
        doc = Doc(plain={"n": 1}, tracked={"n": 1})
        session.add(doc)
        session.commit()
        doc.plain["n"] = doc.tracked["n"] = 2
        session.commit()
        assert (doc.plain, doc.tracked) == ({"n": 1}, {"n": 2})


@fact("dat-delete-nulls")
def test_deleting_a_parent_sets_the_childs_key_to_null(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.delete(session.get_one(Team, 1))
        with pytest.raises(sa_exc.IntegrityError, match="NOT NULL"):
            session.flush()


@fact("dat-delete-cascade")
def test_passive_deletes_leave_the_children_to_the_database(tmp_path: Path) -> None:
    class Local(DeclarativeBase):
        pass

    class Owner(Local):
        __tablename__ = "owner"
        id: Mapped[int] = mapped_column(primary_key=True)
        pets: Mapped[list["Pet"]] = relationship(lazy="raise", cascade="all, delete-orphan", passive_deletes=True)

    class Pet(Local):
        __tablename__ = "pet"
        id: Mapped[int] = mapped_column(primary_key=True)
        owner_id: Mapped[int] = mapped_column(sa.ForeignKey("owner.id", ondelete="CASCADE"))

    made = sa.create_engine(f"sqlite:///{tmp_path}/pets.db")
    sa.event.listen(made, "connect", lambda raw, _: raw.execute("PRAGMA foreign_keys=ON"))
    Local.metadata.create_all(made)
    with Session(made) as session, session.begin():
        session.add(Owner(pets=[Pet(), Pet()]))
    sent = Statements(made)
    with Session(made) as session, session.begin():
        session.delete(session.get_one(Owner, 1))
    assert [text.split()[0] for text in sent.texts] == ["SELECT", "DELETE"]
    with Session(made) as session:
        assert session.scalars(sa.select(Pet)).all() == []


@fact("dat-back-populates")
def test_two_relationships_over_one_key_without_back_populates_are_not_kept_in_step() -> None:
    class Local(DeclarativeBase):
        pass

    class Parent(Local):
        __tablename__ = "parent"
        id: Mapped[int] = mapped_column(primary_key=True)
        children: Mapped[list["Child"]] = relationship()

    class Child(Local):
        __tablename__ = "child"
        id: Mapped[int] = mapped_column(primary_key=True)
        parent_id: Mapped[int] = mapped_column(sa.ForeignKey("parent.id"))
        parent: Mapped[Parent] = relationship()

    with pytest.warns(sa_exc.SAWarning, match="back_populates"):
        Local.registry.configure()
    parent = Parent(children=[child := Child()])
    assert parent.children == [child]
    assert child.parent is None
