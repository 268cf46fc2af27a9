"""Proofs of what DATA_ARCHITECTURE.md says about sessions, engines and pools."""

import asyncio
import threading
from collections.abc import Awaitable, Callable, Iterator
from importlib.metadata import requires
from pathlib import Path
from typing import Annotated, Any

import anyio.to_thread
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import Depends, FastAPI
from fastapi.testclient import TestClient
from pydantic import BaseModel, field_validator
from sqlalchemy import exc as sa_exc
from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession, create_async_engine
from sqlalchemy.orm import Session

from .heroes import Maker, Team, filled, run_async
from .registry import fact
from .tools import run, write
from .wire import Wire


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[sa.Engine]:
    made = filled(tmp_path)
    yield made
    made.dispose()


# Sessions


@fact("dat-close-rolls-back")
def test_closing_without_commit_discards_and_begin_commits(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(Team(name="lost"))
        session.flush()
    with Session(engine) as session, session.begin():
        session.add(Team(name="kept"))
    with pytest.raises(ZeroDivisionError), Session(engine) as session, session.begin():
        session.add(Team(name="undone"))
        _ = 1 / 0
    with Session(engine) as session:
        written = sa.select(Team.name).where(Team.name.in_(["lost", "kept", "undone"]))
        assert session.scalars(written).all() == ["kept"]


@fact("dat-two-commits")
def test_of_two_functions_that_commit_the_first_stays_when_the_second_fails(engine: sa.Engine) -> None:
    def write(session: Session, name: str, end: Callable[[], None]) -> None:
        session.add(Team(name=name))
        if name == "refused":
            raise ZeroDivisionError
        end()

    def both(session: Session, end: Callable[[], None]) -> None:
        write(session, f"kept by {end.__name__}", end)
        write(session, "refused", end)

    with pytest.raises(ZeroDivisionError), Session(engine) as session:
        both(session, session.commit)
    with pytest.raises(ZeroDivisionError), Session(engine) as session:
        both(session, session.flush)
    with Session(engine) as session:
        assert session.scalars(sa.select(Team.name).where(Team.name.like("kept by%"))).all() == ["kept by commit"]


@fact("dat-begin-after-read")
def test_begin_refuses_a_session_that_has_read_already(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.get(Team, 1)
        with pytest.raises(sa_exc.InvalidRequestError, match="already begun"):
            session.begin()


@fact("dat-flush-id")
def test_flush_gives_the_id_without_ending_the_transaction(engine: sa.Engine) -> None:
    with Session(engine) as session:
        team = Team(name="new")
        session.add(team)
        session.flush()
        assert team.id == 5
        session.rollback()
        assert session.get(Team, 5) is None


@fact("dat-pending-rollback")
def test_a_failed_flush_demands_rollback(engine: sa.Engine) -> None:
    with Session(engine) as session:
        session.add(Team(id=1, name="taken"))
        with pytest.raises(sa_exc.IntegrityError):
            session.flush()
        with pytest.raises(sa_exc.PendingRollbackError):
            session.execute(sa.select(Team))
        session.rollback()
        assert session.get(Team, 1)


@fact("dat-connection-borrowed")
def test_a_session_borrows_a_connection_from_first_statement_to_commit(engine: sa.Engine) -> None:
    pool = engine.pool
    assert isinstance(pool, sa.QueuePool)
    with Session(engine) as session:
        assert pool.checkedout() == 0
        session.scalars(sa.select(Team)).all()
        assert pool.checkedout() == 1
        session.commit()
        assert pool.checkedout() == 0


@fact("dat-gather")
@pytest.mark.filterwarnings("ignore:Usage of the")
def test_one_async_session_in_gather_fails_or_gains_nothing(engine: sa.Engine) -> None:
    async def work(maker: Maker, made: AsyncEngine) -> None:
        async def write(session: AsyncSession) -> None:
            session.add(Team(name="x"))
            await session.commit()

        async def read(session: AsyncSession) -> None:
            await session.execute(sa.select(Team))

        async def together(
            session: AsyncSession, act: Callable[[AsyncSession], Awaitable[None]]
        ) -> list[BaseException | None]:
            return await asyncio.gather(*(act(session) for _ in range(3)), return_exceptions=True)

        first_use = maker()
        raised = [str(error) for error in await together(first_use, read) if error]
        assert raised and all("provisioning a new connection" in text for text in raised)
        await first_use.close()
        async with maker() as session:
            await read(session)
            assert await together(session, read) == [None] * 3
            assert isinstance(made.pool, sa.AsyncAdaptedQueuePool)
            assert made.pool.checkedout() == 1
            await session.rollback()
            assert any(isinstance(error, sa_exc.IllegalStateChangeError) for error in await together(session, write))

    run_async(engine, work)


@fact("dat-next-get-db")
def test_next_of_a_session_dependency_closes_it_before_use(engine: sa.Engine) -> None:
    log: list[str] = []

    def get_db() -> Iterator[Session]:
        session = Session(engine)
        try:
            yield session
        finally:
            log.append("closed")
            session.close()

    session = next(get_db())
    assert log == ["closed"]
    session.execute(sa.select(Team))
    assert isinstance(engine.pool, sa.QueuePool)
    assert engine.pool.checkedout() == 1
    session.close()


def answered(failing: bool, scope: Any) -> list[str]:
    """The order of events when a dependency commits after its yield."""
    log: list[str] = []
    app = FastAPI()

    def committing() -> Iterator[None]:
        yield
        log.append("commit")
        if failing:
            raise RuntimeError("commit failed")

    @app.get("/", dependencies=[Depends(committing, scope=scope)])
    def read() -> None:
        log.append("endpoint")

    TestClient(Wire(app, log), raise_server_exceptions=False).get("/")
    return log


@fact("dat-exit-after-answer")
def test_code_after_yield_runs_after_the_answer() -> None:
    assert answered(failing=False, scope=None) == ["endpoint", "answer 200", "body", "commit"]
    assert answered(failing=True, scope=None) == ["endpoint", "answer 200", "body", "commit"]


@fact("dat-exit-function-scope")
def test_function_scope_commits_before_the_answer() -> None:
    assert answered(failing=False, scope="function") == ["endpoint", "commit", "answer 200", "body"]
    assert answered(failing=True, scope="function") == ["endpoint", "commit", "answer 500", "body"]


# Engines and pools


@fact("dat-pool-defaults")
def test_pool_defaults(engine: sa.Engine) -> None:
    pool: Any = engine.pool
    assert (pool.size(), pool._max_overflow, pool._timeout, pool._recycle, pool._pre_ping) == (5, 10, 30.0, -1, False)


@fact("dat-engine-pool")
def test_every_engine_has_its_own_pool() -> None:
    assert sa.create_engine("sqlite:///x.db").pool is not sa.create_engine("sqlite:///x.db").pool


@fact("dat-async-engine")
def test_an_async_engine_needs_an_async_driver_and_pool() -> None:
    with pytest.raises(sa_exc.InvalidRequestError, match="requires an async driver"):
        create_async_engine("sqlite:///x.db")
    with pytest.raises(sa_exc.ArgumentError, match="cannot be used with asyncio"):
        create_async_engine("sqlite+aiosqlite:///x.db", poolclass=sa.QueuePool)


@fact("dat-drivers-21")
def test_sqlalchemy_21_brings_greenlet_by_extra_and_prefers_psycopg() -> None:
    assert [line for line in requires("sqlalchemy") or [] if line.startswith("greenlet")] == [
        'greenlet>=1; extra == "asyncio"'
    ]
    assert sa.make_url("postgresql://db/app").get_driver_name() == "psycopg"


@fact("dat-no-greenlet")
def test_an_async_engine_without_greenlet_is_an_import_error(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py",
        """
        import sys
        sys.modules["greenlet"] = None
        from sqlalchemy.ext.asyncio import create_async_engine
        create_async_engine("sqlite+aiosqlite://")
        """,
    )
    assert "ImportError: The SQLAlchemy asyncio module requires" in run(tmp_path, "a").stderr


@fact("dat-pre-ping")
def test_pre_ping_replaces_a_connection_that_the_server_closed(engine: sa.Engine) -> None:
    for pre_ping in (False, True):
        made = sa.create_engine(engine.url, pool_pre_ping=pre_ping)
        raw = made.raw_connection()
        driver: Any = raw.driver_connection
        raw.close()
        driver.close()
        with Session(made) as session:
            if pre_ping:
                assert session.get(Team, 1)
            else:
                with pytest.raises(sa_exc.ProgrammingError):
                    session.get(Team, 1)


class Count(BaseModel):
    value: int

    @field_validator("value")
    @classmethod
    def note_thread(cls, value: int) -> int:
        THREADS.append(threading.current_thread().name)
        return value


THREADS: list[str] = []


def statuses(url: sa.URL, requests: int, pool: int = 1, **options: Any) -> list[int]:
    """Statuses of parallel requests to a def endpoint: one thread, a response model, one connection or more."""
    made = sa.create_engine(url, pool_size=pool, max_overflow=0, pool_timeout=0.3)

    def get_db() -> Iterator[Session]:
        with Session(made) as session:
            yield session

    app = FastAPI()

    @app.get("/", response_model=Count)
    def read(session: Annotated[Session, Depends(get_db, **options)]) -> Any:
        return {"value": session.scalar(sa.select(sa.func.count(Team.id)))}

    async def main() -> list[int]:
        anyio.to_thread.current_default_thread_limiter().total_tokens = 1
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            answers = await asyncio.gather(*(client.get("/") for _ in range(requests)))
        return [answer.status_code for answer in answers]

    try:
        return asyncio.run(main())
    finally:
        made.dispose()


@fact("dat-pool-deadlock")
def test_def_endpoints_wait_for_threads_with_a_connection_in_hand(engine: sa.Engine) -> None:
    THREADS.clear()
    assert 500 in statuses(engine.url, requests=4)
    assert 500 in statuses(engine.url, requests=6, pool=3)
    assert THREADS and all("AnyIO worker thread" in name for name in THREADS)


@fact("dat-max-concurrency")
def test_max_concurrency_queues_before_the_connection_is_taken(engine: sa.Engine) -> None:
    assert statuses(engine.url, requests=4, max_concurrency=1) == [200] * 4
