"""Proofs of the statements in CODE_ORGANIZATION.md about errors, middleware and context."""

# ruff: noqa: ARG002 - a middleware takes what the framework passes, used or not

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel
from sqlalchemy import create_engine
from sqlalchemy.exc import IntegrityError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocketDisconnect

from .registry import fact


class Base(DeclarativeBase):
    pass


class User(Base):
    __tablename__ = "user"
    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(unique=True)


class Trace:
    """Pure ASGI middleware that notes when it is entered."""

    def __init__(self, app: ASGIApp, name: str, seen: list[str]) -> None:
        self.app, self.name, self.seen = app, name, seen

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "http":
            self.seen.append(self.name)
        await self.app(scope, receive, send)


def read_nothing() -> int:
    return 1


def answer(status: int) -> Any:
    def handler(request: Request, exc: Exception) -> Response:
        return JSONResponse({"title": type(exc).__name__}, status_code=status)

    return handler


@pytest.fixture
def session() -> Iterator[Session]:
    engine = create_engine("sqlite://")
    Base.metadata.create_all(engine)
    with Session(engine) as session:
        yield session
    engine.dispose()


class DomainError(Exception):
    pass


class NotFoundError(DomainError):
    pass


REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="unset")


@fact("org-handler-for-subclasses")
def test_a_handler_for_a_base_class_answers_for_its_subclasses() -> None:
    app = FastAPI(exception_handlers={DomainError: answer(409)})

    @app.get("/")
    def read() -> None:
        raise NotFoundError

    assert (TestClient(app).get("/").status_code, TestClient(app).get("/").json()) == (409, {"title": "NotFoundError"})


@fact("org-nearest-handler")
def test_the_handler_of_the_nearest_class_wins() -> None:
    app = FastAPI(exception_handlers={DomainError: answer(409), NotFoundError: answer(404)})

    @app.get("/")
    def read() -> None:
        raise NotFoundError

    assert TestClient(app).get("/").status_code == 404


@fact("org-unhandled-is-plain-text")
def test_an_unhandled_error_is_a_plain_text_500() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> None:
        raise DomainError("secret detail")

    reply = TestClient(app, raise_server_exceptions=False).get("/")
    assert (reply.status_code, reply.text) == (500, "Internal Server Error")
    assert reply.headers["content-type"].startswith("text/plain")


@fact("org-inner-validation-is-500")
def test_a_pydantic_error_inside_the_handler_is_not_a_422() -> None:
    class Rate(BaseModel):
        value: float

    app = FastAPI()

    @app.get("/")
    def read() -> float:
        return Rate.model_validate({"value": "x"}).value

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


@fact("org-broad-except-eats-http-errors")
def test_a_broad_except_turns_a_404_into_a_500() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> None:
        try:
            raise HTTPException(404, "no such order")
        except Exception as error:
            raise HTTPException(500, str(error)) from error

    reply = TestClient(app).get("/")
    assert (reply.status_code, reply.json()) == (500, {"detail": "404: no such order"})


@fact("org-cors-around-the-app")
def test_cors_around_the_whole_app_reaches_the_500_too() -> None:
    app = FastAPI()

    @app.get("/")
    def fail() -> None:
        raise KeyError

    served = CORSMiddleware(app, allow_origins=["https://a.test"])
    reply = TestClient(served, raise_server_exceptions=False).get("/", headers={"Origin": "https://a.test"})
    assert (reply.status_code, reply.headers["access-control-allow-origin"]) == (500, "https://a.test")


@fact("org-handlers-inside-and-outside-cors")
def test_specific_handlers_run_inside_the_middleware_and_the_one_for_exception_outside() -> None:
    app = FastAPI(exception_handlers={DomainError: answer(409), Exception: answer(500)})
    app.add_middleware(CORSMiddleware, allow_origins=["https://a.test"])

    @app.get("/domain")
    def domain() -> None:
        raise DomainError

    @app.get("/other")
    def other() -> None:
        raise KeyError

    client = TestClient(app, raise_server_exceptions=False)
    replies = [client.get(path, headers={"Origin": "https://a.test"}) for path in ("/domain", "/other")]
    assert [reply.status_code for reply in replies] == [409, 500]
    assert ["access-control-allow-origin" in reply.headers for reply in replies] == [True, False]


@fact("org-exception-handler-reraises")
def test_the_handler_for_exception_answers_and_the_error_goes_on() -> None:
    app = FastAPI(exception_handlers={Exception: answer(500)})

    @app.get("/")
    def read() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        TestClient(app).get("/")
    assert TestClient(app, raise_server_exceptions=False).get("/").json() == {"title": "KeyError"}


@fact("org-after-the-start")
def test_after_the_first_request_a_handler_has_no_effect_and_middleware_is_refused() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> None:
        raise DomainError

    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/").status_code == 500
    app.add_exception_handler(DomainError, answer(409))
    assert client.get("/").status_code == 500
    with pytest.raises(RuntimeError):
        app.add_middleware(CORSMiddleware)


@fact("org-unique-violation-at-flush")
def test_a_broken_constraint_shows_at_flush_and_not_at_add(session: Session) -> None:
    session.add(User(email="a"))
    session.flush()
    session.add(User(email="a"))
    with pytest.raises(IntegrityError):
        session.flush()


@fact("org-last-added-is-outermost")
def test_the_last_added_middleware_is_entered_first() -> None:
    seen: list[str] = []
    app = FastAPI()
    app.get("/")(read_nothing)
    app.add_middleware(Trace, name="first", seen=seen)
    app.add_middleware(Trace, name="last", seen=seen)
    TestClient(app).get("/")
    assert seen == ["last", "first"]


@fact("org-middleware-list-is-outermost-first")
def test_a_middleware_list_is_entered_from_its_start() -> None:
    seen: list[str] = []
    names = ("one", "two")
    app = FastAPI(middleware=[Middleware(Trace, name=name, seen=seen) for name in names])
    app.get("/")(read_nothing)
    TestClient(app).get("/")
    assert seen == list(names)


@fact("org-http-error-in-middleware")
def test_an_http_exception_in_middleware_is_a_500() -> None:
    class Guard(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            raise HTTPException(401)

    app = FastAPI()
    app.get("/")(read_nothing)
    app.add_middleware(Guard)
    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


@fact("org-context-reaches-inwards-only")
def test_context_set_in_middleware_reaches_the_endpoint_and_not_the_other_way() -> None:
    after: list[str] = []

    class Outer(BaseHTTPMiddleware):
        async def dispatch(self, request: Request, call_next: RequestResponseEndpoint) -> Response:
            REQUEST_ID.set("from middleware")
            response = await call_next(request)
            after.append(REQUEST_ID.get())
            return response

    app = FastAPI()
    app.add_middleware(Outer)

    @app.get("/")
    async def read() -> str:
        seen = REQUEST_ID.get()
        REQUEST_ID.set("from endpoint")
        return seen

    assert TestClient(app).get("/").json() == "from middleware"
    assert after == ["from middleware"]


@fact("org-context-of-a-sync-dependency")
def test_context_set_in_a_def_dependency_is_lost() -> None:
    def in_a_thread() -> None:
        REQUEST_ID.set("thread")

    async def on_the_loop() -> None:
        REQUEST_ID.set("loop")

    app = FastAPI()

    async def read() -> str:
        return REQUEST_ID.get()

    app.get("/thread", dependencies=[Depends(in_a_thread)])(read)
    app.get("/loop", dependencies=[Depends(on_the_loop)])(read)
    assert [TestClient(app).get(path).json() for path in ("/thread", "/loop")] == ["unset", "loop"]


@fact("org-dependencies-do-not-cover")
def test_app_dependencies_do_not_cover_documents_and_mounts() -> None:
    def guard() -> None:
        raise HTTPException(401)

    app, mounted = FastAPI(dependencies=[Depends(guard)]), FastAPI()
    app.get("/items")(read_nothing)
    mounted.get("/items")(read_nothing)
    app.mount("/sub", mounted)
    paths = ("/items", "/openapi.json", "/sub/items")
    assert [TestClient(app).get(path).status_code for path in paths] == [401, 200, 200]


@fact("org-websocket-disconnect")
def test_receive_raises_on_disconnect_and_iteration_stops() -> None:
    ended: list[str] = []
    app = FastAPI()

    @app.websocket("/loop")
    async def loop(socket: WebSocket) -> None:
        await socket.accept()
        try:
            while True:
                await socket.receive_text()
        except WebSocketDisconnect:
            ended.append("raised")

    @app.websocket("/iterate")
    async def iterate(socket: WebSocket) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            pass
        ended.append("stopped")

    for path in ("/loop", "/iterate"):
        with TestClient(app).websocket_connect(path) as socket:
            socket.send_text("hello")
    assert ended == ["raised", "stopped"]
