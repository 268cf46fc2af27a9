"""Proofs of what ASYNC_PERFORMANCE.md says about streams that fail, clients that leave, and fetching keys."""

import asyncio
import io
import json
import threading
from collections.abc import AsyncIterator
from typing import Any

import jwt
import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.sse import EventSourceResponse
from fastapi.testclient import TestClient
from starlette.types import Message

from .registry import fact
from .wire import Wire


def log_of(app: FastAPI, path: str) -> list[str]:
    log: list[str] = []
    TestClient(Wire(app, log), raise_server_exceptions=False).get(path)
    return log


def failing_streams() -> FastAPI:
    """Streams that fail before and after their first item; the error has a handler."""
    app = FastAPI()

    @app.exception_handler(LookupError)
    async def handle(_: Request, error: Exception) -> JSONResponse:
        return JSONResponse(str(error), 409)

    @app.get("/lines/late")
    @app.get("/events/late", response_class=EventSourceResponse)
    async def late() -> AsyncIterator[int]:
        yield 1
        raise LookupError

    @app.get("/events/early", response_class=EventSourceResponse)
    async def early(known: bool = False) -> AsyncIterator[int]:
        if not known:
            raise HTTPException(404)
        yield 1

    return app


@fact("asy-stream-error")
def test_an_error_after_a_stream_has_begun_changes_nothing_in_the_answer() -> None:
    app = failing_streams()
    assert log_of(app, "/lines/late")[0] == log_of(app, "/events/late")[0] == "answer 200"
    with pytest.raises(RuntimeError, match="response already started"):
        TestClient(app).get("/lines/late")


@fact("asy-stream-early-error")
def test_an_event_stream_has_answered_200_before_its_first_event() -> None:
    assert log_of(failing_streams(), "/events/early") == ["answer 200"]


async def leave_after_the_first_chunk(app: FastAPI) -> None:
    """Asks for "/" as a server does whose client reads one chunk, takes no more, and leaves."""
    left = asyncio.Event()
    asked = iter([{"type": "http.request", "body": b"", "more_body": False}])

    async def receive() -> Message:
        if (message := next(asked, None)) is not None:
            return message
        await left.wait()
        return {"type": "http.disconnect"}

    async def send(message: Message) -> None:
        if message.get("body"):
            left.set()
            await asyncio.sleep(60)

    await app({"type": "http", "method": "GET", "path": "/", "query_string": b"", "headers": []}, receive, send)


@fact("asy-stream-cancelled")
@pytest.mark.parametrize(
    ("waits", "expected"),
    [
        (True, ["CancelledError", "clean-up", "dependency ends"]),
        (False, ["dependency ends", "GeneratorExit", "clean-up"]),
    ],
)
def test_a_stream_is_cancelled_where_it_awaits_and_closed_late_where_it_yields(
    waits: bool, expected: list[str]
) -> None:
    log: list[str] = []

    async def held() -> AsyncIterator[None]:
        yield
        log.append("dependency ends")

    async def numbers() -> AsyncIterator[str]:
        try:
            yield "1"
            await asyncio.sleep(60)
        except (asyncio.CancelledError, GeneratorExit) as error:
            log.append(type(error).__name__)
            raise
        finally:
            log.append("clean-up")

    app = FastAPI()
    if waits:  # events are taken from the generator before the client has read the ones before
        app.get("/", response_class=EventSourceResponse, dependencies=[Depends(held)])(numbers)
    else:
        app.get("/", dependencies=[Depends(held)])(numbers)
    asyncio.run(leave_after_the_first_chunk(app))
    assert log == expected


@fact("asy-jwks")
def test_a_jwk_client_fetches_on_the_thread_that_asks_and_keeps_the_keys(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched: list[int] = []

    def urlopen(*_: Any, **__: Any) -> io.StringIO:
        fetched.append(threading.get_ident())
        return io.StringIO(json.dumps({"keys": [{"kty": "oct", "kid": "a", "k": "a2V5", "alg": "HS256"}]}))

    monkeypatch.setattr("urllib.request.OpenerDirector.open", urlopen)
    keys = jwt.PyJWKClient("https://id.test/keys")

    async def guard() -> None:
        keys.get_signing_key("a")
        keys.get_signing_key("a")

    asyncio.run(guard())
    assert fetched == [threading.get_ident()]
