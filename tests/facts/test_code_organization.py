"""Proofs of the statements in CODE_ORGANIZATION.md."""

# ruff: noqa: ARG001, ARG002 - a handler takes what the framework passes, used or not

import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from contextvars import ContextVar
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.middleware.cors import CORSMiddleware
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from sqlalchemy import create_engine, func, select
from sqlalchemy.exc import IntegrityError, InvalidRequestError
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column
from starlette.middleware import Middleware
from starlette.middleware.base import BaseHTTPMiddleware, RequestResponseEndpoint
from starlette.types import ASGIApp, Message, Receive, Scope, Send
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


# --- dependencies -----------------------------------------------------------------------------------------------------


@fact("org-dependency-once-a-request")
def test_services_of_one_request_share_what_one_dependency_returns() -> None:
    def get_session() -> object:
        return object()

    def get_orders(session: Annotated[object, Depends(get_session)]) -> object:
        return session

    def get_users(session: Annotated[object, Depends(get_session)]) -> object:
        return session

    def get_audit(session: Annotated[object, Depends(get_session, use_cache=False)]) -> object:
        return session

    app = FastAPI()

    @app.get("/")
    def read(
        orders: Annotated[object, Depends(get_orders)],
        users: Annotated[object, Depends(get_users)],
        audit: Annotated[object, Depends(get_audit)],
    ) -> list[bool]:
        return [orders is users, orders is audit]

    assert TestClient(app).get("/").json() == [True, False]


@fact("org-constructor-parameters-public")
def test_plain_constructor_parameters_of_a_class_dependency_become_query_parameters() -> None:
    class Mailer:
        def __init__(self, sender: str = "noreply@example.com") -> None:
            self.sender = sender

    app = FastAPI()

    @app.get("/")
    def read(mailer: Annotated[Mailer, Depends()]) -> str:
        return mailer.sender

    assert TestClient(app).get("/?sender=attacker@example.com").json() == "attacker@example.com"


@fact("org-constructor-needs-depends")
def test_a_class_dependency_with_an_undeclared_collaborator_fails_at_import() -> None:
    class Repository:
        pass

    class Service:
        def __init__(self, repository: Repository) -> None:
            self.repository = repository

    app = FastAPI()
    with pytest.raises(FastAPIError, match="Invalid args for response field"):

        @app.get("/")
        def read(service: Annotated[Service, Depends()]) -> int:
            return 1


@fact("org-depends-on-a-call")
def test_depends_on_a_call_fails_at_import() -> None:
    def get_session() -> Iterator[int]:
        yield 1

    app = FastAPI()
    with pytest.raises(TypeError, match="not a callable object"):

        @app.get("/")
        def read(session: Annotated[int, Depends(get_session())]) -> int:
            return session


@fact("org-depends-on-a-context-manager")
def test_depends_on_a_context_manager_function_does_not_give_the_yielded_value() -> None:
    @contextmanager
    def get_session() -> Iterator[int]:
        yield 1

    app = FastAPI()

    @app.get("/")
    def read(session: Annotated[Any, Depends(get_session)]) -> bool:
        return bool(session == 1)

    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


def get_rate() -> str:
    return "real"


RATES = FastAPI()


@RATES.get("/")
def read_rate(rate: Annotated[str, Depends(get_rate)]) -> str:
    return rate


@fact("org-replaced-by-name")
def test_only_dependency_overrides_replaces_a_dependency(monkeypatch: pytest.MonkeyPatch) -> None:
    original = get_rate
    monkeypatch.setattr(sys.modules[__name__], "get_rate", lambda: "patched")
    assert TestClient(RATES).get("/").json() == "real"
    monkeypatch.setitem(RATES.dependency_overrides, original, lambda: "override")
    assert TestClient(RATES).get("/").json() == "override"


@fact("org-exit-after-response")
def test_code_after_yield_runs_after_the_background_tasks_unless_scoped_to_the_function() -> None:
    seen: list[str] = []

    def request_scoped() -> Iterator[None]:
        yield
        seen.append("request exit")

    def function_scoped() -> Iterator[None]:
        yield
        seen.append("function exit")

    app = FastAPI()

    @app.get("/")
    def read(
        a: Annotated[None, Depends(request_scoped)],
        b: Annotated[None, Depends(function_scoped, scope="function")],
        tasks: BackgroundTasks,
    ) -> None:
        tasks.add_task(seen.append, "background task")

    async def noted(scope: Scope, receive: Receive, send: Send) -> None:
        async def note(message: Message) -> None:
            if message["type"] == "http.response.start":
                seen.append("response")
            await send(message)

        await app(scope, receive, note)

    TestClient(noted).get("/")
    assert seen == ["function exit", "response", "background task", "request exit"]


@fact("org-yield-sees-the-error")
def test_an_error_of_the_path_operation_arrives_at_the_yield() -> None:
    seen: list[str] = []

    def unit_of_work() -> Iterator[None]:
        try:
            yield
        except KeyError:
            seen.append("rollback")
            raise

    app = FastAPI(exception_handlers={KeyError: answer(404)})

    @app.get("/")
    def read(work: Annotated[None, Depends(unit_of_work)]) -> None:
        raise KeyError

    assert TestClient(app).get("/").status_code == 404
    assert seen == ["rollback"]


@fact("org-yield-must-reraise")
def test_a_dependency_that_swallows_the_error_turns_it_into_another() -> None:
    def careless() -> Iterator[None]:
        with suppress(Exception):
            yield

    app = FastAPI()

    @app.get("/")
    def read(work: Annotated[None, Depends(careless)]) -> None:
        raise HTTPException(404)

    with pytest.raises(FastAPIError, match="Response not awaited"):
        TestClient(app).get("/")


@fact("org-annotations-at-run-time")
def test_a_type_imported_for_checking_only_turns_a_dependency_into_a_query_parameter(tmp_path: Path) -> None:
    (tmp_path / "late.py").write_text(
        "from __future__ import annotations\n"
        "from typing import TYPE_CHECKING, Annotated\n"
        "from fastapi import Depends, FastAPI\n"
        "if TYPE_CHECKING:\n"
        "    from decimal import Decimal\n"
        "def get_rate(): return 1\n"
        "app = FastAPI()\n"
        "@app.get('/')\n"
        "def read(rate: Annotated[Decimal, Depends(get_rate)]) -> int: return 1\n"
    )
    ended = run_python(
        tmp_path,
        "import late\nfrom fastapi.testclient import TestClient\n"
        "answer = TestClient(late.app).get('/')\nprint(answer.status_code, answer.json()['detail'][0]['loc'])",
    )
    assert ended.stdout.strip() == "422 ['query', 'rate']"


# --- lifespan ---------------------------------------------------------------------------------------------------------


@fact("org-lifespan-silences-on-event")
def test_on_event_handlers_are_skipped_when_a_lifespan_is_given() -> None:
    seen: list[str] = []

    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        seen.append("lifespan")
        yield

    app = FastAPI(lifespan=lifespan, on_startup=[lambda: seen.append("on_startup")])
    with pytest.warns(DeprecationWarning):
        app.on_event("startup")(lambda: seen.append("on_event"))
    with TestClient(app):
        pass
    assert seen == ["lifespan"]


@fact("org-lifespan-routers")
def test_lifespans_of_included_routers_run_and_those_of_mounted_apps_do_not() -> None:
    seen: list[str] = []

    def noting(name: str) -> Any:
        @asynccontextmanager
        async def lifespan(app: Any) -> AsyncIterator[None]:
            seen.append(name)
            yield

        return lifespan

    app = FastAPI(lifespan=noting("app"))
    app.include_router(APIRouter(lifespan=noting("router")))
    app.mount("/sub", FastAPI(lifespan=noting("mounted")))
    with TestClient(app):
        pass
    assert sorted(seen) == ["app", "router"]


@fact("org-lifespan-state")
def test_what_the_lifespan_yields_is_on_the_request_state() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"rates": "client"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(request: Request) -> str:
        rates: str = request.state.rates
        return rates

    with TestClient(app) as client:
        assert client.get("/").json() == "client"


# --- errors -----------------------------------------------------------------------------------------------------------


class DomainError(Exception):
    pass


class NotFoundError(DomainError):
    pass


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


@fact("org-flush-gives-ids")
def test_flush_gives_the_id_and_the_rollback_still_takes_the_row(session: Session) -> None:
    user = User(email="a")
    session.add(user)
    session.flush()
    assert user.id == 1
    session.rollback()
    assert session.scalar(select(func.count()).select_from(User)) == 0


@fact("org-begin-commits-or-rolls-back")
def test_a_begin_block_commits_at_its_end_and_rolls_back_on_an_error(session: Session) -> None:
    with session.begin():
        session.add(User(email="a"))
    session.rollback()
    with pytest.raises(NotFoundError), session.begin():
        session.add(User(email="b"))
        session.flush()
        raise NotFoundError
    assert session.scalars(select(User.email)).all() == ["a"]


@fact("org-begin-after-a-read")
def test_begin_is_refused_when_a_read_has_already_begun(session: Session) -> None:
    session.scalar(select(func.count()).select_from(User))
    with pytest.raises(InvalidRequestError, match="already begun"):
        session.begin()


# --- middleware -------------------------------------------------------------------------------------------------------


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


REQUEST_ID: ContextVar[str] = ContextVar("request_id", default="unset")


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


# --- settings ---------------------------------------------------------------------------------------------------------


@fact("org-missing-setting-fails")
def test_a_setting_without_default_fails_when_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(BaseSettings):
        database_url: str

    monkeypatch.delenv("DATABASE_URL", raising=False)
    with pytest.raises(ValidationError):
        Settings()  # type: ignore[call-arg]
    monkeypatch.setenv("DATABASE_URL", "sqlite://")
    assert Settings().database_url == "sqlite://"  # type: ignore[call-arg]


@fact("org-unknown-key-in-env-file")
def test_an_unknown_key_in_the_env_file_is_refused_unless_ignored(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("UNKNOWN=1\n")

    class Strict(BaseSettings):
        model_config = SettingsConfigDict(env_file=file)

    class Relaxed(BaseSettings):
        model_config = SettingsConfigDict(env_file=file, extra="ignore")

    with pytest.raises(ValidationError):
        Strict()
    Relaxed()


@fact("org-field-env-ignored")
def test_env_of_a_field_is_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MY_DB", "from the environment")
    with pytest.warns(DeprecationWarning):

        class Old(BaseSettings):
            db: str = Field("default", env="MY_DB")  # type: ignore[call-overload]

    class New(BaseSettings):
        db: str = Field("default", validation_alias="MY_DB")

    old, new = Old(), New()  # type: ignore[call-arg]
    assert (old.db, new.db) == ("default", "from the environment")


@fact("org-nested-settings")
def test_groups_of_settings_are_filled_from_one_variable_each(monkeypatch: pytest.MonkeyPatch) -> None:
    class Database(BaseModel):
        pool_size: int = 5

    class Settings(BaseSettings):
        model_config = SettingsConfigDict(env_nested_delimiter="__")
        database: Database = Database()

    monkeypatch.setenv("DATABASE__POOL_SIZE", "20")
    assert Settings().database.pool_size == 20


@fact("org-secret-hidden")
def test_a_secret_does_not_show_when_the_settings_are_printed() -> None:
    class Settings(BaseSettings):
        key: SecretStr = SecretStr("hunter2")

    assert "hunter2" not in repr(Settings())
    assert Settings().key.get_secret_value() == "hunter2"


@fact("org-cached-settings")
def test_a_cached_settings_function_reads_once_and_can_still_be_overridden(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(BaseSettings):
        name: str = "default"

    @lru_cache
    def get_settings() -> Settings:
        return Settings()

    app = FastAPI()

    @app.get("/")
    def read(settings: Annotated[Settings, Depends(get_settings)]) -> str:
        return settings.name

    client = TestClient(app)
    assert client.get("/").json() == "default"
    monkeypatch.setenv("NAME", "changed")
    assert client.get("/").json() == "default"
    app.dependency_overrides[get_settings] = lambda: Settings(name="override")
    assert client.get("/").json() == "override"


# --- modules ----------------------------------------------------------------------------------------------------------


@fact("org-import-cycle")
def test_a_cycle_of_from_imports_depends_on_who_is_imported_first(tmp_path: Path) -> None:
    (tmp_path / "orders.py").write_text("from users import User\nclass Order: ...\n")
    (tmp_path / "users.py").write_text("from orders import Order\nclass User: ...\n")
    ended = run_python(tmp_path, "import orders")
    assert ended.returncode == 1
    assert "partially initialized module" in ended.stderr
    (tmp_path / "users.py").write_text(
        "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from orders import Order\nclass User: ...\n"
    )
    assert run_python(tmp_path, "import orders").returncode == 0


def run_python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, capture_output=True, text=True, check=False)


# --- WebSockets -------------------------------------------------------------------------------------------------------


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


@fact("org-websocket-session")
def test_a_dependency_of_a_websocket_lives_as_long_as_the_socket() -> None:
    seen: list[str] = []

    async def get_session() -> AsyncIterator[None]:
        yield
        seen.append("closed")

    app = FastAPI()

    @app.websocket("/ws")
    async def talk(socket: WebSocket, session: Annotated[None, Depends(get_session)]) -> None:
        await socket.accept()
        async for _ in socket.iter_text():
            seen.append("message")  # noqa: PERF401

    with TestClient(app).websocket_connect("/ws") as socket:
        socket.send_text("one")
        socket.send_text("two")
    assert seen == ["message", "message", "closed"]
