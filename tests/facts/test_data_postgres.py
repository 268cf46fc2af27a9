"""What DATA_ARCHITECTURE.md says about loading, sessions, indexes and migrations, run on PostgreSQL with asyncpg."""

import asyncio
import datetime
from collections.abc import Iterator
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession, async_sessionmaker
from sqlalchemy.orm import Session, joinedload, selectinload

from .heroes import Base, Hero, Statements, Team
from .postgres import on, server


@pytest.fixture(scope="module")
def url() -> Iterator[str]:
    with server() as address:
        yield address


async def fill(engine: AsyncEngine) -> None:
    """Four teams of two heroes each."""
    async with engine.begin() as connection:
        await connection.run_sync(Base.metadata.create_all)
    async with AsyncSession(engine) as session, session.begin():
        session.add_all(Team(name=f"team {n}", heroes=[Hero(), Hero()]) for n in range(4))


async def orders(connection: AsyncConnection) -> None:
    """20,000 orders, each of another customer."""
    await connection.execute(sa.text("CREATE TABLE orders (id serial PRIMARY KEY, customer int, shop int, name text)"))
    await connection.execute(
        sa.text("INSERT INTO orders (customer, shop, name) SELECT n, n, 'Order ' || n FROM generate_series(1, 20000) n")
    )


async def plan(connection: AsyncConnection, condition: str) -> str:
    await connection.execute(sa.text("ANALYZE orders"))
    rows = await connection.scalars(sa.text(f"EXPLAIN SELECT * FROM orders WHERE {condition}"))
    return "\n".join(rows)


async def locks(connection: AsyncConnection, table: str) -> set[str]:
    """Locks that this transaction holds on a table."""
    held = sa.text(
        "SELECT mode FROM pg_locks WHERE granted AND pid = pg_backend_pid() AND relation = cast(:t AS regclass)"
    )
    return set(await connection.scalars(held, {"t": table}))


# Loading


def test_lazy_loading_sends_one_statement_a_row_and_eager_loading_two(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        sent = Statements(engine.sync_engine)

        def names(session: Session, *options: Any) -> int:
            found = session.scalars(sa.select(Team).options(*options))
            return sent.of(lambda: [len(team.heroes) for team in found.unique()]) + 1

        for options, expected in (((), 1 + 4), ((selectinload(Team.heroes),), 2), ((joinedload(Team.heroes),), 1)):
            async with AsyncSession(engine) as session:
                before = len(sent.texts)
                await session.run_sync(names, *options)
                assert len(sent.texts) - before == expected

    on(url, work)


def test_a_lazy_read_under_async_session_raises_missing_greenlet_itself(url: str) -> None:
    """aiosqlite makes it a StatementError around MissingGreenlet, asyncpg does not."""

    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        async with AsyncSession(engine) as session:
            team = (await session.scalars(sa.select(Team).limit(1))).one()
            with pytest.raises(sa_exc.MissingGreenlet):
                _ = team.heroes
            assert len(await team.awaitable_attrs.heroes) == 2

    on(url, work)


# Sessions


@pytest.mark.parametrize("expires", [True, False])
def test_a_commit_expires_what_is_read_afterwards(url: str, expires: bool) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        maker = async_sessionmaker(engine) if expires else async_sessionmaker(engine, expire_on_commit=False)
        async with maker() as session:
            team = Team(name="new")
            session.add(team)
            await session.commit()
            if expires:
                with pytest.raises(sa_exc.MissingGreenlet):
                    _ = team.id
                await session.refresh(team)
            assert team.id == 5

    on(url, work)


def test_one_object_given_back_by_a_repository_fails_in_its_caller(url: str) -> None:
    async def create(session: AsyncSession) -> Team:
        team = Team(name="new")
        session.add(team)
        await session.commit()
        return team

    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        async with AsyncSession(engine) as session:
            team = await create(session)
            with pytest.raises(sa_exc.MissingGreenlet):
                _ = team.name

    on(url, work)


def test_other_transactions_see_a_row_from_its_commit_on(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        count = sa.select(sa.func.count()).select_from(Team)
        async with AsyncSession(engine) as writer, AsyncSession(engine) as reader:
            assert await reader.scalar(sa.text("SHOW transaction_isolation")) == "read committed"
            writer.add(Team(name="new"))
            await writer.flush()
            assert await reader.scalar(count) == 4
            await writer.commit()
            assert await reader.scalar(count) == 5

    on(url, work)


@pytest.mark.parametrize("connected", [True, False])
def test_one_session_for_two_tasks_fails_at_its_first_connection_only(url: str, connected: bool) -> None:
    async def work(engine: AsyncEngine) -> None:
        if not connected:
            await engine.dispose()
        async with AsyncSession(engine) as session:
            waits = (session.scalar(sa.text("SELECT 1")) for _ in range(2))
            answers = await asyncio.gather(*waits, return_exceptions=True)
            failed = [a for a in answers if isinstance(a, sa_exc.InvalidRequestError)]
            assert bool(failed) is not connected

    on(url, work)


def test_one_session_for_all_requests_mixes_their_work(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        shared = AsyncSession(engine, expire_on_commit=False)
        shared.add(Team(name="of the first request"))  # not committed yet
        await shared.rollback()  # a second request fails and cleans up
        await shared.commit()
        assert await shared.scalar(sa.select(sa.func.count()).select_from(Team)) == 4
        await shared.close()

    on(url, work)


@pytest.mark.parametrize("ping", [True, False])
def test_a_connection_the_server_closed(url: str, ping: bool) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.connect() as first, engine.connect() as second:
            pid = await second.scalar(sa.text("SELECT pg_backend_pid()"))
            await second.rollback()
            await second.close()
            await first.execute(sa.text("SELECT pg_terminate_backend(:pid)"), {"pid": pid})
            await asyncio.sleep(0.2)
            if ping:
                async with engine.connect() as again:
                    assert await again.scalar(sa.text("SELECT 1")) == 1
            else:
                with pytest.raises(sa_exc.DBAPIError):
                    async with engine.connect() as again:
                        await again.scalar(sa.text("SELECT 1"))

    on(url, work, pool_pre_ping=ping, pool_size=2, max_overflow=0)


def test_asyncpg_refuses_an_aware_time_for_a_column_without_zone(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        async with AsyncSession(engine) as session:
            session.add(Team(name="new", founded=datetime.datetime.now(datetime.timezone.utc)))
            with pytest.raises(sa_exc.DBAPIError, match="offset-naive and offset-aware"):
                await session.flush()

    on(url, work)


# Indexes


def test_a_foreign_key_has_no_index_and_its_filter_scans_the_table(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        await fill(engine)
        async with engine.begin() as connection:
            made = await connection.run_sync(lambda c: sa.inspect(c).get_indexes("hero"))
            assert made == []
            await orders(connection)
            assert "Seq Scan" in await plan(connection, "customer = 7")
            await connection.execute(sa.text("CREATE INDEX ON orders (customer)"))
            assert "Index Scan" in await plan(connection, "customer = 7")

    on(url, work)


def test_a_composite_index_serves_its_first_column(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await orders(connection)
            await connection.execute(sa.text("CREATE INDEX ON orders (customer, shop)"))
            assert "Index" in await plan(connection, "customer = 7")
            assert "Seq Scan" in await plan(connection, "shop = 7")

    on(url, work)


def test_a_function_on_a_column_needs_an_index_on_the_function(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await orders(connection)
            await connection.execute(sa.text("CREATE INDEX ON orders (name)"))
            assert "Index" in await plan(connection, "name = 'Order 7'")
            assert "Seq Scan" in await plan(connection, "lower(name) = 'order 7'")
            await connection.execute(sa.text("CREATE INDEX ON orders (lower(name))"))
            assert "Index" in await plan(connection, "lower(name) = 'order 7'")

    on(url, work)


# Migrations


def test_a_not_null_column_without_default_fails_on_rows(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await orders(connection)
        with pytest.raises(sa_exc.IntegrityError, match="contains null values"):
            async with engine.begin() as connection:
                await connection.execute(sa.text("ALTER TABLE orders ADD COLUMN plan text NOT NULL"))

    on(url, work)


@pytest.mark.parametrize(("default", "rewrites"), [("0", False), ("random()", True)])
def test_a_constant_default_is_added_without_writing_the_table_anew(url: str, default: str, rewrites: bool) -> None:
    async def work(engine: AsyncEngine) -> None:
        file = sa.text("SELECT pg_relation_filenode('orders')")
        async with engine.begin() as connection:
            await orders(connection)
            before = await connection.scalar(file)
            await connection.execute(sa.text(f"ALTER TABLE orders ADD COLUMN rank float NOT NULL DEFAULT {default}"))
            assert (await connection.scalar(file) != before) is rewrites
            assert "AccessExclusiveLock" in await locks(connection, "orders")

    on(url, work)


def test_a_plain_index_locks_out_writers(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await orders(connection)
        async with engine.begin() as connection, engine.connect() as other:
            await connection.execute(sa.text("CREATE INDEX ON orders (shop)"))
            assert "ShareLock" in await locks(connection, "orders")
            await other.execute(sa.text("SET lock_timeout = '50ms'"))
            assert await other.scalar(sa.text("SELECT count(*) FROM orders")) == 20000
            with pytest.raises(sa_exc.DBAPIError, match="lock timeout"):
                await other.execute(sa.text("UPDATE orders SET shop = 0 WHERE id = 1"))

    on(url, work)


def test_a_concurrent_index_is_refused_in_a_transaction(url: str) -> None:
    async def work(engine: AsyncEngine) -> None:
        async with engine.begin() as connection:
            await orders(connection)
        make = sa.text("CREATE INDEX CONCURRENTLY by_shop ON orders (shop)")
        with pytest.raises(sa_exc.DBAPIError, match="cannot run inside a transaction block"):
            async with engine.begin() as connection:
                await connection.execute(make)
        async with engine.connect() as connection:
            await (await connection.execution_options(isolation_level="AUTOCOMMIT")).execute(make)
            assert await connection.scalar(
                sa.text("SELECT indisvalid FROM pg_index WHERE indexrelid = 'by_shop'::regclass")
            )

    on(url, work)
