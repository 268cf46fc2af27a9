"""Proofs of what ASYNC_PERFORMANCE.md says about background tasks, streaming, clients, caches and servers."""

import asyncio
import contextvars
import functools
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from tempfile import SpooledTemporaryFile
from typing import Annotated, Any

import anyio
import httpcore2
import httpx
import httpx2
import mypy.api
import pytest
import uvicorn
from fastapi import BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response, UploadFile
from fastapi.concurrency import run_in_threadpool
from fastapi.exceptions import FastAPIDeprecationWarning
from fastapi.responses import JSONResponse, ORJSONResponse, StreamingResponse
from fastapi.sse import EventSourceResponse
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from pydantic import BaseModel
from starlette.background import BackgroundTask
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.middleware.gzip import GZipMiddleware

from .registry import fact
from .wire import Wire

LOG: list[str] = []


def held() -> Iterator[None]:
    LOG.append("enter")
    yield
    LOG.append("exit")


def note() -> None:
    LOG.append("task")


def fail() -> None:
    LOG.append("failing task")
    raise RuntimeError


def visited(app: FastAPI, path: str = "/") -> list[str]:
    """The events of one request, in their order."""
    LOG.clear()
    TestClient(Wire(app, LOG), raise_server_exceptions=False).get(path)
    return LOG


# Background tasks


@fact("asy-background-order")
def test_background_tasks_run_after_the_answer_and_before_the_dependency_ends() -> None:
    app = FastAPI()

    @app.get("/request", dependencies=[Depends(held)])
    @app.get("/function", dependencies=[Depends(held, scope="function")])
    def read(later: BackgroundTasks) -> int:
        later.add_task(note)
        return 1

    assert visited(app, "/request") == ["enter", "answer 200", "body", "task", "exit"]
    assert visited(app, "/function") == ["enter", "exit", "answer 200", "body", "task"]


@fact("asy-background-error")
def test_a_failing_task_skips_the_next_one_and_leaves_the_answer_as_it_is() -> None:
    app = FastAPI()

    @app.get("/")
    def read(later: BackgroundTasks) -> int:
        later.add_task(fail)
        later.add_task(note)
        return 1

    assert visited(app) == ["answer 200", "body", "failing task"]


@fact("asy-background-dropped")
def test_tasks_are_dropped_when_the_route_raises_or_returns_its_own_background() -> None:
    app = FastAPI()

    @app.get("/raises")
    def raises(later: BackgroundTasks) -> None:
        later.add_task(note)
        raise HTTPException(409)

    @app.get("/own")
    def own(later: BackgroundTasks) -> JSONResponse:
        later.add_task(note)
        return JSONResponse({}, background=BackgroundTask(fail))

    assert visited(app, "/raises") == ["answer 409", "body"]
    assert visited(app, "/own") == ["answer 200", "body", "failing task"]


@fact("asy-background-returned-error")
def test_tasks_run_after_an_error_answer_that_is_returned() -> None:
    app = FastAPI()

    @app.get("/")
    def returned(later: BackgroundTasks) -> JSONResponse:
        later.add_task(note)
        return JSONResponse({}, 409)

    assert visited(app) == ["answer 409", "body", "task"]


# Streaming


@fact("asy-stream-scope")
def test_a_dependency_outlives_a_stream_unless_its_scope_is_function() -> None:
    app = FastAPI()

    @app.get("/request", dependencies=[Depends(held)])
    @app.get("/function", dependencies=[Depends(held, scope="function")])
    def read() -> StreamingResponse:
        return StreamingResponse(iter(["x"]))

    assert visited(app, "/request") == ["enter", "answer 200", "body", "exit"]
    assert visited(app, "/function") == ["enter", "exit", "answer 200", "body"]


@fact("asy-json-lines")
def test_a_route_that_yields_streams_json_lines_or_events() -> None:
    app = FastAPI()

    class Row(BaseModel):
        n: int

    @app.get("/lines")
    async def lines() -> AsyncIterator[Row]:
        yield Row(n=1)
        yield Row(n=2)

    @app.get("/events", response_class=EventSourceResponse)
    async def events() -> AsyncIterator[Row]:
        yield Row(n=1)

    client = TestClient(app)
    assert client.get("/lines").text.splitlines() == ['{"n":1}', '{"n":2}']
    assert client.get("/events").headers["content-type"].startswith("text/event-stream")
    assert 'data: {"n":1}' in client.get("/events").text


@fact("asy-upload-file")
def test_the_file_of_an_upload_is_a_plain_file_in_memory_up_to_one_mebibyte() -> None:
    app = FastAPI()

    @app.post("/")
    async def upload(file: UploadFile) -> list[bool]:
        assert isinstance(file.file, SpooledTemporaryFile)
        return [asyncio.iscoroutinefunction(file.read), asyncio.iscoroutinefunction(file.file.read), on_disk(file.file)]

    def on_disk(file: Any) -> bool:
        return bool(file._rolled)

    client = TestClient(app)
    assert client.post("/", files={"file": b"x" * 1024**2}).json() == [True, False, False]
    assert client.post("/", files={"file": b"x" * (1024**2 + 1)}).json() == [True, False, True]


# Answers


@fact("asy-response-class")
def test_a_response_class_switches_direct_serialisation_off(monkeypatch: pytest.MonkeyPatch) -> None:
    rendered: list[str] = []
    render = JSONResponse.render

    def noted(self: JSONResponse, content: Any) -> bytes:
        rendered.append("json.dumps")
        return render(self, content)

    monkeypatch.setattr(JSONResponse, "render", noted)
    app = FastAPI()

    @app.get("/typed")
    def typed() -> dict[str, int]:
        return {"a": 1}

    @app.get("/classed", response_class=JSONResponse)
    def classed() -> dict[str, int]:
        return {"a": 1}

    client = TestClient(app)
    assert client.get("/typed").json() == client.get("/classed").json()
    assert rendered == ["json.dumps"]
    by_default = FastAPI(default_response_class=JSONResponse)
    by_default.get("/typed")(typed)
    assert TestClient(by_default).get("/typed").json() == {"a": 1}
    assert rendered == ["json.dumps"] * 2


@fact("asy-orjson")
def test_orjson_response_is_deprecated() -> None:
    with pytest.warns(FastAPIDeprecationWarning), suppress(AssertionError):  # raised where orjson is not installed
        ORJSONResponse({})


@fact("asy-gzip")
def test_gzip_leaves_small_answers_and_event_streams_alone() -> None:
    app = FastAPI()
    app.add_middleware(GZipMiddleware)

    @app.get("/{size}")
    def read(size: int, events: bool = False) -> Response:
        return Response(b"x" * size, media_type="text/event-stream" if events else "text/plain")

    client = TestClient(app, headers={"Accept-Encoding": "gzip"})
    assert client.get("/499").headers.get("content-encoding") is None
    assert client.get("/500").headers["content-encoding"] == "gzip"
    assert client.get("/500?events=1").headers.get("content-encoding") is None


@fact("asy-static-304")
def test_static_files_answer_304_to_a_known_etag(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("x")
    client = TestClient(StaticFiles(directory=tmp_path))
    etag = client.get("/f.txt").headers["etag"]
    assert client.get("/f.txt", headers={"If-None-Match": etag}).status_code == 304


# Clients and shared resources


@fact("asy-client-timeout")
def test_httpx_waits_five_seconds_by_default() -> None:
    assert httpx.AsyncClient().timeout == httpx.Timeout(5)
    assert httpx2.AsyncClient().timeout == httpx2.Timeout(5)


class Counting(httpcore2.AsyncMockBackend):
    """A network of canned answers that counts the connections made."""

    connections = 0

    async def connect_tcp(self, *args: Any, **options: Any) -> httpcore2.AsyncNetworkStream:
        self.connections += 1
        return await super().connect_tcp(*args, **options)


@fact("asy-client-reuse")
def test_one_client_reuses_its_connection_and_two_do_not() -> None:
    canned = b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"

    async def connections(clients: int, requests: int) -> int:
        network = Counting([canned] * requests)
        for _ in range(clients):
            transport = httpx2.AsyncHTTPTransport()
            transport._pool = httpcore2.AsyncConnectionPool(network_backend=network)
            async with httpx2.AsyncClient(transport=transport) as client:
                for _ in range(requests // clients):
                    await client.get("http://rates.test/")
        return network.connections

    assert asyncio.run(connections(clients=1, requests=2)) == 1
    assert asyncio.run(connections(clients=2, requests=2)) == 2


@fact("asy-client-tls")
def test_each_client_makes_its_own_tls_context(monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[ssl.SSLContext] = []
    make = ssl.create_default_context

    def noted(*args: Any, **options: Any) -> ssl.SSLContext:
        made.append(make(*args, **options))
        return made[-1]

    monkeypatch.setattr(ssl, "create_default_context", noted)
    clients = [httpx.AsyncClient(), httpx.AsyncClient()]
    assert len(made) == len(clients)


@fact("asy-mypy-await")
def test_mypy_reports_a_missing_await_and_with_truthy_bool_a_coroutine_as_condition(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text(
        "async def check() -> bool: return False\nasync def read() -> None:\n    check()\n    if check(): print()\n"
    )
    options = [f"--cache-dir={tmp_path}/cache", "--config-file=", str(tmp_path / "app.py")]
    found, _, _ = mypy.api.run(options)
    assert ("[unused-coroutine]" in found, "[truthy-bool]" in found) == (True, False)
    found, _, _ = mypy.api.run(["--enable-error-code=truthy-bool", *options])
    assert "[truthy-bool]" in found


@fact("asy-lifespan-state")
def test_what_the_lifespan_yields_is_request_state_and_closes_after_it() -> None:
    LOG.clear()

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"client": "shared"}
        LOG.append("closed")

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(request: Request) -> str:
        return str(request.state.client)

    with TestClient(app) as client:
        assert client.get("/").json() == "shared"
        assert LOG == []
    assert LOG == ["closed"]


async def most_at_once(first: Any, second: Any) -> int:
    """How many requests to two routes hold their dependency at the same time."""
    app = FastAPI()
    active: list[int] = []
    inside = 0

    async def hold() -> None:
        nonlocal inside
        inside += 1
        active.append(inside)
        await asyncio.sleep(0.01)
        inside -= 1

    @app.get("/first", dependencies=[first])
    @app.get("/second", dependencies=[second])
    async def read() -> None:
        await hold()

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
        await asyncio.gather(*(client.get(path) for path in ("/first", "/second") * 3))
    return max(active)


async def resource() -> AsyncIterator[None]:
    yield


@fact("asy-max-concurrency")
def test_max_concurrency_counts_for_each_depends_object() -> None:
    shared = Depends(resource, max_concurrency=1)
    own = Depends(resource, max_concurrency=1)
    assert asyncio.run(most_at_once(shared, shared)) == 1
    assert asyncio.run(most_at_once(shared, own)) == 2


@fact("asy-concurrency-self")
def test_a_request_waits_for_itself_when_it_needs_a_second_place() -> None:
    app = FastAPI()
    place = Depends(resource, max_concurrency=1, use_cache=False)

    @app.get("/one")
    async def one(first: Annotated[None, place]) -> None: ...

    @app.get("/two")
    async def two(first: Annotated[None, place], second: Annotated[None, place]) -> None: ...

    async def asked(path: str) -> bool:
        transport = httpx2.ASGITransport(app=app)
        async with httpx2.AsyncClient(transport=transport, base_url="http://test") as client:
            with anyio.move_on_after(1):
                return (await client.get(path)).is_success
        return False

    assert [asyncio.run(asked(path)) for path in ("/one", "/two")] == [True, False]


@fact("asy-concurrency-slot")
def test_a_limited_dependency_keeps_its_place_until_its_exit_has_run() -> None:
    app = FastAPI()
    LOG.clear()

    async def place() -> AsyncIterator[None]:
        LOG.append("enter")
        yield
        await asyncio.sleep(0.01)
        LOG.append("exit")

    @app.get("/", dependencies=[Depends(place, max_concurrency=1)])
    async def read() -> None: ...

    async def three() -> None:
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app=app), base_url="http://test") as client:
            await asyncio.gather(*(client.get("/") for _ in range(3)))

    asyncio.run(three())
    assert LOG == ["enter", "exit"] * 3


@fact("asy-cache-process")
def test_lru_cache_of_a_sync_factory_gives_one_object() -> None:
    @functools.lru_cache
    def get_settings() -> object:
        return object()

    app = FastAPI()

    @app.get("/")
    def read(settings: Annotated[object, Depends(get_settings)]) -> int:
        return id(settings)

    client = TestClient(app)
    assert client.get("/").json() == client.get("/").json() == id(get_settings())


# Middleware and server


def base(app: FastAPI, dispatch: Callable[[Request, RequestResponseEndpoint], Awaitable[Response]]) -> TestClient:
    app.add_middleware(BaseHTTPMiddleware, dispatch=dispatch)
    return TestClient(app, raise_server_exceptions=False)


@fact("asy-middleware-exception")
def test_an_http_exception_raised_in_base_http_middleware_is_a_500() -> None:
    async def refuse(_: Request, __: RequestResponseEndpoint) -> Response:
        raise HTTPException(401)

    assert base(FastAPI(), refuse).get("/").status_code == 500


@fact("asy-middleware-context")
def test_base_http_middleware_does_not_see_context_set_in_the_endpoint() -> None:
    name = contextvars.ContextVar("name", default="unset")
    seen: list[str] = []
    app = FastAPI()

    @app.get("/")
    async def read() -> None:
        name.set("set")

    async def look(request: Request, go_on: RequestResponseEndpoint) -> Response:
        answer = await go_on(request)
        seen.append(name.get())
        return answer

    base(app, look).get("/")
    assert seen == ["unset"]


@fact("asy-uvicorn-string")
def test_uvicorn_workers_need_an_import_string(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        uvicorn.run(FastAPI(), workers=2)
    assert "import string" in capsys.readouterr().err


@fact("asy-cancel-timeout")
def test_a_timeout_cancels_what_awaits_but_no_thread() -> None:
    log: list[str] = []
    never, gone_on = threading.Event(), threading.Event()

    def in_thread(event: threading.Event, seconds: float) -> None:
        event.wait(seconds)
        log.append("thread finished")

    async def within(awaitable: Callable[[], Awaitable[None]]) -> None:
        with anyio.move_on_after(0.01):
            await awaitable()
        log.append("caller goes on")
        gone_on.set()

    asyncio.run(within(lambda: asyncio.sleep(5)))
    asyncio.run(within(lambda: run_in_threadpool(in_thread, never, 0.05)))
    gone_on.clear()
    asyncio.run(within(lambda: asyncio.to_thread(in_thread, gone_on, 5)))
    assert log == [
        "caller goes on",
        *("thread finished", "caller goes on"),
        *("caller goes on", "thread finished"),
    ]
