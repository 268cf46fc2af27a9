"""Proofs of what ASYNC_PERFORMANCE.md says about the event loop, the threadpool and tasks."""

import asyncio
import contextvars
import functools
import gc
import os
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from typing import Annotated, Any

import anyio.to_thread
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import BackgroundTasks, Depends, FastAPI, Request
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import PlainTextResponse, StreamingResponse
from fastapi.security import OAuth2PasswordBearer
from fastapi.testclient import TestClient
from pwdlib import PasswordHash
from pydantic import BaseModel
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import Session

from .registry import fact


def where() -> str:
    return "threadpool" if "AnyIO worker" in threading.current_thread().name else "loop"


def serve(app: FastAPI, visit: Callable[[httpx2.AsyncClient], Awaitable[None]], threads: int = 40) -> None:
    """Runs `visit` with a client of `app` on one event loop whose threadpool has `threads` tokens."""

    async def main() -> None:
        anyio.to_thread.current_default_thread_limiter().total_tokens = threads
        transport = httpx2.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            await visit(client)

    asyncio.run(main())


# Where code runs


class Sync:
    def __init__(self) -> None:
        self.ran = where()


class Filter(BaseModel):
    q: str = ""


class Called:
    def __call__(self) -> str:
        return where()


def sync_dependency() -> str:
    return where()


async def async_dependency() -> str:
    return where()


SEEN: list[str] = []


def sync_generator() -> Iterator[None]:
    SEEN.append(where())
    yield
    SEEN.append(where())


@fact("asy-where")
def test_def_runs_in_the_threadpool_and_async_def_on_the_loop() -> None:
    app = FastAPI()

    def sync_task() -> None:
        SEEN.append(where())

    async def async_task() -> None:
        SEEN.append(where())

    @app.get("/sync")
    def sync_route(later: BackgroundTasks, dependency: Annotated[str, Depends(async_dependency)]) -> list[str]:
        later.add_task(sync_task)
        return [where(), dependency]

    @app.get("/async")
    async def async_route(later: BackgroundTasks, dependency: Annotated[str, Depends(sync_dependency)]) -> list[str]:
        later.add_task(async_task)
        return [where(), dependency]

    @app.get("/fails/{sync}")
    async def fails(sync: bool) -> None:
        raise KeyError if sync else IndexError

    @app.exception_handler(KeyError)
    def sync_handler(_: Request, __: Exception) -> PlainTextResponse:
        return PlainTextResponse(where())

    @app.exception_handler(IndexError)
    async def async_handler(_: Request, __: Exception) -> PlainTextResponse:
        return PlainTextResponse(where())

    SEEN.clear()
    client = TestClient(app)
    assert client.get("/sync").json() == ["threadpool", "loop"]
    assert client.get("/async").json() == ["loop", "threadpool"]
    assert SEEN == ["threadpool", "loop"]
    assert [client.get(f"/fails/{sync}").text for sync in (True, False)] == ["threadpool", "loop"]


@fact("asy-class-dependency")
def test_classes_callables_and_sync_generators_take_a_thread() -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(sync_generator)])
    async def read(made: Annotated[Sync, Depends()], called: Annotated[str, Depends(Called())]) -> list[str]:
        return [made.ran, called]

    SEEN.clear()
    assert TestClient(app).get("/").json() == ["threadpool", "threadpool"]
    assert SEEN == ["threadpool", "threadpool"]


@fact("asy-security-class")
def test_security_schemes_are_async_callables() -> None:
    assert asyncio.iscoroutinefunction(OAuth2PasswordBearer(tokenUrl="t").__call__)


@fact("asy-helper")
def test_a_def_called_by_async_code_stays_on_the_loop() -> None:
    app = FastAPI()

    @app.get("/")
    async def read() -> list[str]:
        return [sync_dependency(), await run_in_threadpool(sync_dependency)]

    assert TestClient(app).get("/").json() == ["loop", "threadpool"]


@fact("asy-forty")
def test_the_threadpool_has_forty_tokens() -> None:
    async def tokens() -> float:
        return anyio.to_thread.current_default_thread_limiter().total_tokens

    assert asyncio.run(tokens()) == 40


@fact("asy-blocking")
def test_a_blocking_call_on_the_loop_stops_everything_else() -> None:
    app = FastAPI()
    released = threading.Event()

    @app.get("/async")
    async def blocking() -> bool:
        return released.wait(0.2)

    @app.get("/sync")
    def in_thread() -> bool:
        return released.wait(5)

    @app.get("/release")
    async def release() -> None:
        released.set()

    async def visit(client: httpx2.AsyncClient) -> None:
        for path, woken in (("/async", False), ("/sync", True)):
            released.clear()
            waited, _ = await asyncio.gather(client.get(path), client.get("/release"))
            assert waited.json() is woken

    serve(app, visit)


@fact("asy-threads-busy")
def test_def_routes_wait_for_busy_threads_and_async_routes_do_not() -> None:
    app = FastAPI()
    started, finish = threading.Event(), threading.Event()
    order: list[str] = []

    @app.get("/slow")
    def slow() -> None:
        started.set()
        finish.wait(5)
        order.append("slow")

    @app.get("/health-def")
    def health_def() -> None:
        order.append("health def")

    @app.get("/health-async")
    async def health_async() -> None:
        order.append("health async")
        finish.set()

    async def visit(client: httpx2.AsyncClient) -> None:
        slow_answer = asyncio.create_task(client.get("/slow"))
        while not started.is_set():
            await asyncio.sleep(0.001)
        await asyncio.gather(slow_answer, client.get("/health-def"), client.get("/health-async"))

    serve(app, visit, threads=1)
    assert order == ["health async", "slow", "health def"]


@fact("asy-sync-pool")
def test_a_sync_session_in_async_routes_blocks_the_return_of_its_own_connection() -> None:
    made = sa.create_engine("sqlite:///:memory:", poolclass=sa.QueuePool, pool_size=1, max_overflow=0, pool_timeout=0.2)
    app = FastAPI()

    def get_db() -> Iterator[Session]:
        with Session(made) as session:
            yield session

    @app.get("/")
    async def read(session: Annotated[Session, Depends(get_db)]) -> None:
        session.execute(sa.text("SELECT 1"))
        await asyncio.sleep(0.01)

    @app.exception_handler(sa.exc.TimeoutError)
    async def exhausted(_: Request, error: Exception) -> PlainTextResponse:
        return PlainTextResponse(str(error), 503)

    async def visit(client: httpx2.AsyncClient) -> None:
        answers = await asyncio.gather(client.get("/"), client.get("/"))
        assert sorted(answer.status_code for answer in answers) == [200, 503]

    serve(app, visit)


@fact("asy-session-add")
def test_some_methods_of_an_async_session_are_sync_by_design() -> None:
    for name in ("add", "add_all", "expunge", "expire", "begin_nested"):
        assert not asyncio.iscoroutinefunction(getattr(AsyncSession, name))
    for name in ("execute", "commit", "delete", "refresh", "flush"):
        assert asyncio.iscoroutinefunction(getattr(AsyncSession, name))


# Threads and processes


@fact("asy-executor")
def test_the_default_executor_is_threads_and_loses_context() -> None:
    name = contextvars.ContextVar("name", default="unset")

    async def main() -> None:
        name.set("set")
        loop = asyncio.get_running_loop()
        assert await loop.run_in_executor(None, os.getpid) == os.getpid()
        assert await loop.run_in_executor(None, name.get) == "unset"
        assert await asyncio.to_thread(name.get) == "set"
        assert await run_in_threadpool(name.get) == "set"

    asyncio.run(main())


@fact("asy-process-pool")
def test_a_process_pool_leaves_the_process() -> None:
    async def main() -> int:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
            return await asyncio.get_running_loop().run_in_executor(pool, os.getpid)

    assert asyncio.run(main()) != os.getpid()


@fact("asy-hash-thread")
def test_argon2_in_a_thread_leaves_the_loop_running() -> None:
    log: list[str] = []

    def work() -> None:
        log.append("start")
        PasswordHash.recommended().hash("secret")
        log.append("end")

    async def main() -> None:
        hashing = asyncio.create_task(asyncio.to_thread(work))
        while not hashing.done():
            log.append("tick")
            await asyncio.sleep(0.001)

    asyncio.run(main())
    assert log[log.index("start") : log.index("end")].count("tick") > 3


# Tasks


@fact("asy-task-collected")
def test_a_task_that_nobody_holds_can_be_collected() -> None:
    async def main() -> list[str]:
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))

        async def wait() -> None:
            await asyncio.get_running_loop().create_future()

        asyncio.create_task(wait())  # noqa: RUF006
        await asyncio.sleep(0)
        gc.collect()
        return complaints

    assert asyncio.run(main()) == ["Task was destroyed but it is pending!"]


@fact("asy-task-held")
def test_a_task_that_sleeps_is_held_by_the_loop() -> None:
    async def main() -> list[str]:
        done: list[str] = []

        async def work() -> None:
            await asyncio.sleep(0.01)
            done.append("work")

        asyncio.create_task(work())  # noqa: RUF006
        await asyncio.sleep(0)
        gc.collect()
        await asyncio.sleep(0.05)
        return done

    assert asyncio.run(main()) == ["work"]


@fact("asy-task-exception")
def test_the_exception_of_a_forgotten_task_is_only_logged_when_it_is_collected() -> None:
    async def main() -> list[str]:
        complaints: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, context: complaints.append(context["message"]))

        async def fail() -> None:
            raise ValueError

        asyncio.create_task(fail())  # noqa: RUF006
        await asyncio.sleep(0.01)
        gc.collect()
        return complaints

    assert asyncio.run(main()) == ["Task exception was never retrieved"]


@fact("asy-group")
def test_a_task_group_cancels_the_others_and_gather_leaves_them_running() -> None:
    async def fail() -> None:
        raise ValueError

    async def main() -> list[str]:
        log: list[str] = []

        async def slow(name: str) -> None:
            try:
                await asyncio.sleep(0.02)
                log.append(f"{name} finished")
            except asyncio.CancelledError:
                log.append(f"{name} cancelled")
                raise

        with pytest.raises(ExceptionGroup):  # noqa: F821
            async with asyncio.TaskGroup() as group:
                group.create_task(slow("group"))
                group.create_task(fail())
        with pytest.raises(ValueError):
            await asyncio.gather(slow("gather"), fail())
        await asyncio.sleep(0.05)
        return log

    assert asyncio.run(main()) == ["group cancelled", "gather finished"]


@fact("asy-loop-misuse")
def test_asyncio_run_fails_on_the_loop_and_create_task_fails_off_it() -> None:
    app = FastAPI()

    async def nothing() -> None: ...

    @app.get("/async")
    async def nested() -> str:
        coroutine = nothing()
        try:
            asyncio.run(coroutine)
        except RuntimeError as error:
            coroutine.close()
            return str(error)
        return ""

    @app.get("/sync")
    def taskless() -> str:
        coroutine = nothing()
        try:
            asyncio.create_task(coroutine)  # noqa: RUF006
        except RuntimeError as error:
            coroutine.close()
            return str(error)
        return ""

    client = TestClient(app)
    assert "cannot be called from a running event loop" in client.get("/async").json()
    assert client.get("/sync").json() == "no running event loop"


@fact("asy-missing-await")
@pytest.mark.filterwarnings("ignore:coroutine")
def test_a_coroutine_that_nobody_awaits_is_true_and_does_nothing() -> None:
    ran: list[str] = []

    async def is_admin() -> bool:
        ran.append("ran")
        return False

    assert bool(is_admin()) is True
    assert ran == []


@fact("asy-lru-cache")
def test_lru_cache_keeps_the_coroutine_not_the_result() -> None:
    @functools.lru_cache
    async def rate() -> float:
        return 1.0

    async def main() -> None:
        assert await rate() == 1.0
        with pytest.raises(RuntimeError, match="already awaited"):
            await rate()

    asyncio.run(main())


@fact("asy-contextvar-dependency")
def test_a_context_variable_set_in_a_sync_dependency_is_lost() -> None:
    tenant = contextvars.ContextVar("tenant", default="unset")
    app = FastAPI()

    def set_sync() -> None:
        tenant.set("set")

    async def set_async() -> None:
        tenant.set("set")

    @app.get("/sync", dependencies=[Depends(set_sync)])
    @app.get("/async", dependencies=[Depends(set_async)])
    async def read() -> str:
        return tenant.get()

    client = TestClient(app)
    assert (client.get("/sync").json(), client.get("/async").json()) == ("unset", "set")


@fact("asy-stream-generator")
def test_a_sync_generator_streams_from_the_threadpool_and_an_async_one_from_the_loop() -> None:
    app = FastAPI()

    def chunks() -> Iterator[str]:
        yield where()

    async def async_chunks() -> AsyncIterator[str]:
        yield where()

    @app.get("/sync")
    async def stream() -> StreamingResponse:
        return StreamingResponse(chunks())

    @app.get("/async")
    async def stream_async() -> StreamingResponse:
        return StreamingResponse(async_chunks())

    client: Any = TestClient(app)
    assert (client.get("/sync").text, client.get("/async").text) == ("threadpool", "loop")
