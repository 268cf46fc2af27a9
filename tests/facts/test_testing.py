"""Proofs of the statements in TESTING.md about clients, doubles and databases."""

# ruff: noqa: ARG002 - the double of a class takes what the class takes

import asyncio
import json
import os
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec, patch

import httpx
import httpx2
import pytest
from fastapi import (
    APIRouter,
    BackgroundTasks,
    Depends,
    FastAPI,
    HTTPException,
    Request,
    Response,
    WebSocket,
    WebSocketDisconnect,
)
from fastapi.exceptions import ResponseValidationError
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool
from starlette.testclient import WebSocketDenialResponse

from .registry import fact
from .tools import run, run_pytest, write


def read_nothing() -> int:
    return 1


def app_with_state() -> FastAPI:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        app.state.started = True
        yield {"rates": "client"}

    app = FastAPI(lifespan=lifespan)

    @app.get("/")
    def read(request: Request) -> list[bool]:
        return [hasattr(request.app.state, "started"), hasattr(request.state, "rates")]

    return app


@fact("tst-lifespan-needs-with")
def test_the_client_runs_the_lifespan_only_as_a_context_manager() -> None:
    assert TestClient(app_with_state()).get("/").json() == [False, False]
    with TestClient(app_with_state()) as client:
        assert client.get("/").json() == [True, True]


@fact("tst-async-client-without-lifespan")
def test_an_async_client_runs_no_lifespan_and_entering_it_by_hand_gives_no_request_state() -> None:
    async def ask(app: FastAPI) -> Any:
        async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
            return (await client.get("/")).json()

    async def entered() -> Any:
        app = app_with_state()
        async with app.router.lifespan_context(app):
            return await ask(app)

    assert asyncio.run(ask(app_with_state())) == [False, False]
    assert asyncio.run(entered()) == [True, False]


@fact("tst-async-client-app-argument")
def test_the_app_argument_of_the_async_client_is_gone() -> None:
    with pytest.raises(TypeError):
        httpx.AsyncClient(app=FastAPI())  # type: ignore[call-arg]


@fact("tst-plain-httpx-warns")
def test_the_test_client_warns_when_only_httpx_is_installed(tmp_path: Path) -> None:
    write(tmp_path, "runner.py", "import sys\nsys.modules['httpx2'] = None\nimport starlette.testclient\n")
    ended = run(tmp_path, "runner")
    assert "StarletteDeprecationWarning" in ended.stderr
    assert ended.returncode == 0


@fact("tst-server-errors-raise")
def test_the_client_raises_server_errors_unless_told() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> None:
        raise KeyError

    with pytest.raises(KeyError):
        TestClient(app).get("/")
    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


@fact("tst-wrong-response-raises")
def test_a_response_that_breaks_its_model_raises_in_the_client() -> None:
    app = FastAPI()

    @app.get("/", response_model=int)
    def read() -> Any:
        return "x"

    with pytest.raises(ResponseValidationError):
        TestClient(app).get("/")


@fact("tst-background-tasks-done")
def test_background_tasks_have_run_when_the_client_returns() -> None:
    done: list[str] = []
    app = FastAPI()

    @app.post("/")
    def create(tasks: BackgroundTasks) -> None:
        tasks.add_task(done.append, "sent")

    TestClient(app).post("/")
    assert done == ["sent"]


@fact("tst-own-loop")
def test_the_client_runs_the_app_on_other_event_loops_than_the_tests() -> None:
    app = FastAPI()
    loops: list[asyncio.AbstractEventLoop] = []

    @app.get("/")
    async def read() -> None:
        loops.append(asyncio.get_running_loop())

    async def test() -> None:
        loops.append(asyncio.get_running_loop())
        TestClient(app).get("/")
        TestClient(app).get("/")
        with TestClient(app) as client:
            client.get("/")
            client.get("/")

    asyncio.run(test())
    own, first, second, third, fourth = loops
    assert own not in loops[1:]
    assert first is not second
    assert third is fourth


@fact("tst-redirects-followed")
def test_the_client_follows_redirects_so_a_wrong_slash_passes() -> None:
    app = FastAPI()
    app.get("/items/")(read_nothing)
    assert TestClient(app).get("/items").status_code == 200
    assert TestClient(app, follow_redirects=False).get("/items").status_code == 307


@fact("tst-cookies-kept")
def test_a_client_keeps_cookies_between_requests() -> None:
    app = FastAPI()

    @app.get("/login")
    def login(response: Response) -> None:
        response.set_cookie("sid", "1")

    @app.get("/me")
    def me(request: Request) -> bool:
        return "sid" in request.cookies

    client = TestClient(app)
    client.get("/login")
    assert client.get("/me").json() is True
    assert TestClient(app).get("/me").json() is False


@fact("tst-websocket-refused")
def test_a_refused_websocket_raises_with_the_answer() -> None:
    def deny() -> None:
        raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(deny)])

    @app.websocket("/ws")
    async def talk(socket: WebSocket) -> None: ...

    with pytest.raises(WebSocketDisconnect) as refused, TestClient(app).websocket_connect("/ws"):
        pass
    assert isinstance(refused.value, WebSocketDenialResponse)
    assert refused.value.status_code == 401


@fact("tst-url-path-for")
def test_paths_can_be_asked_by_name() -> None:
    app, router = FastAPI(), APIRouter(prefix="/items")

    @router.get("/{item_id}")
    def read_item(item_id: int) -> int:
        return item_id

    app.include_router(router, prefix="/v1")
    assert app.url_path_for("read_item", item_id=1) == "/v1/items/1"


def get_rate() -> str:
    return "real"


def app_with_rate() -> FastAPI:
    app = FastAPI()

    @app.get("/")
    def read(rate: Annotated[str, Depends(get_rate)]) -> str:
        return rate

    return app


@fact("tst-override-not-patch")
def test_patching_a_dependency_by_name_does_nothing_and_an_override_works() -> None:
    app = app_with_rate()
    with patch(f"{__name__}.get_rate", return_value="patched"):
        assert TestClient(app).get("/").json() == "real"
    app.dependency_overrides[get_rate] = lambda: "override"
    assert TestClient(app).get("/").json() == "override"


@fact("tst-override-parameters")
def test_the_parameters_of_an_override_become_parameters_of_the_request() -> None:
    app = app_with_rate()
    app.dependency_overrides[get_rate] = MagicMock(return_value="mock")
    answer = TestClient(app).get("/")
    assert answer.status_code == 422
    assert {error["loc"][-1] for error in answer.json()["detail"]} == {"args", "kwargs"}


@fact("tst-override-stays")
def test_an_override_stays_until_it_is_removed(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_leak.py",
        """
        from fastapi import Depends, FastAPI
        from fastapi.testclient import TestClient
        def get_rate(): return "real"
        app = FastAPI()
        @app.get("/")
        def read(rate: str = Depends(get_rate)): return rate
        def test_one():
            app.dependency_overrides[get_rate] = lambda: "fake"
            assert TestClient(app).get("/").json() == "fake"
        def test_two():
            assert TestClient(app).get("/").json() == "real"
        """,
    )
    output = run_pytest(tmp_path)
    assert "test_two - AssertionError" in output
    assert "1 failed, 1 passed" in output


@fact("tst-override-and-mounts")
def test_a_mounted_app_does_not_see_the_overrides_of_its_parent() -> None:
    parent, mounted = app_with_rate(), app_with_rate()
    parent.mount("/sub", mounted)
    parent.dependency_overrides[get_rate] = lambda: "override"
    assert [TestClient(parent).get(path).json() for path in ("/", "/sub/")] == ["override", "real"]


@fact("tst-cached-settings")
def test_a_cached_function_keeps_what_it_read_before_the_test_changed_it(monkeypatch: pytest.MonkeyPatch) -> None:
    @lru_cache
    def get_mode() -> str:
        return os.environ["MODE"]

    monkeypatch.setenv("MODE", "real")
    assert get_mode() == "real"
    monkeypatch.setenv("MODE", "test")
    assert get_mode() == "real"
    get_mode.cache_clear()
    assert get_mode() == "test"


@fact("tst-mock-transport")
def test_a_mock_transport_answers_the_real_client() -> None:
    def rates(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json={"path": request.url.path})

    with httpx2.Client(transport=httpx2.MockTransport(rates), base_url="https://rates.test") as client:
        assert client.get("/latest").json() == {"path": "/latest"}


@fact("tst-guard-before-validation")
def test_a_guard_answers_before_parameters_and_body_are_judged() -> None:
    class Order(BaseModel):
        amount: int

    def guard() -> None:
        raise HTTPException(401)

    app, router = FastAPI(), APIRouter(dependencies=[Depends(guard)])

    @router.put("/orders/{order_id}")
    def update(order_id: int, order: Order, notify: bool) -> int:
        return order_id

    @app.delete("/orders/{order_id}")
    def delete(order_id: int, guarded: Annotated[None, Depends(guard)]) -> int:
        return order_id

    app.include_router(router)
    routes = [(method, path) for path, operations in app.openapi()["paths"].items() for method in operations]
    assert routes == [("delete", "/orders/{order_id}"), ("put", "/orders/{order_id}")]
    assert {TestClient(app).request(method, path).status_code for method, path in routes} == {401}
    assert TestClient(app).put("/orders/x", json={}).status_code == 401


@fact("tst-patch-where-used")
def test_patching_where_a_function_is_defined_misses_who_imported_it(tmp_path: Path) -> None:
    write(tmp_path, "mail.py", "def send(): return 'real'\n")
    write(tmp_path, "orders.py", "from mail import send\ndef place(): return send()\n")
    write(
        tmp_path,
        "test_orders.py",
        """
        from unittest.mock import patch
        import orders
        def test_defined():
            with patch("mail.send", return_value="mock"):
                assert orders.place() == "real"
        def test_used():
            with patch("orders.send", return_value="mock"):
                assert orders.place() == "mock"
        """,
    )
    assert "2 passed" in run_pytest(tmp_path)


class Mailer:
    async def send(self, to: str) -> int:
        return 1


@fact("tst-async-mock")
def test_what_can_be_awaited() -> None:
    async def awaited(value: Any) -> Any:
        return await value.send("a")

    with pytest.raises(TypeError):
        asyncio.run(awaited(MagicMock()))
    for mock in (AsyncMock(), MagicMock(spec=Mailer), create_autospec(Mailer, instance=True)):
        asyncio.run(awaited(mock))
    with patch.object(Mailer, "send") as patched:
        assert isinstance(patched, AsyncMock)


@fact("tst-spec")
def test_a_mock_without_a_spec_accepts_what_the_real_class_would_refuse() -> None:
    Mock().sned("a", "b", "c")
    with pytest.raises(AttributeError):
        Mock(spec=Mailer).sned("a")
    with pytest.raises(TypeError):
        create_autospec(Mailer, instance=True).send("a", "b", "c")
    with pytest.raises(AssertionError):
        Mock(spec=Mailer).send.assert_called_once_with("a")


@fact("tst-spec-return")
def test_no_spec_looks_at_what_a_double_returns() -> None:
    class Rates:
        def latest(self) -> dict[str, float]:
            return {"EUR": 1.1}

    double = create_autospec(Rates, instance=True)
    assert isinstance(double.latest(), MagicMock)
    double.latest.return_value = [("EUR", "1,1")]
    assert double.latest() == [("EUR", "1,1")]


def count_through_the_app(engine: Engine) -> Any:
    sessions = sessionmaker(engine)
    with engine.begin() as connection:
        connection.execute(text("create table item (id int)"))
    app = FastAPI()

    def get_session() -> Iterator[Session]:
        with sessions() as session:
            yield session

    @app.get("/")
    def read(session: Annotated[Session, Depends(get_session)]) -> int:
        return int(session.scalar(text("select count(*) from item")) or 0)

    return TestClient(app).get("/").json()


@fact("tst-sqlite-memory")
def test_an_in_memory_database_is_another_one_in_each_thread_unless_static() -> None:
    shared = {"check_same_thread": False}
    for options in ({}, {"connect_args": shared}):
        with pytest.raises(OperationalError, match="no such table"):
            count_through_the_app(create_engine("sqlite://", **options))
    assert count_through_the_app(create_engine("sqlite://", connect_args=shared, poolclass=StaticPool)) == 0


@fact("tst-aiosqlite-static")
def test_an_async_in_memory_database_uses_one_connection_by_itself() -> None:
    assert isinstance(create_async_engine("sqlite+aiosqlite://").pool, StaticPool)


def with_real_savepoints(engine: Engine) -> None:
    """The two listeners of SQLAlchemy's SQLite page."""
    event.listen(engine, "connect", lambda connection, _: setattr(connection, "isolation_level", None))
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))


def rows_left(engine: Engine, join: Literal["create_savepoint", "conditional_savepoint"]) -> tuple[int, int]:
    """How many rows the code under test saw after its own rollback, and how many are left after the test."""
    with engine.begin() as connection:
        connection.execute(text("create table item (id int)"))
    with engine.connect() as connection:
        outer = connection.begin()
        with Session(connection, join_transaction_mode=join) as session:
            session.execute(text("insert into item values (1)"))
            session.commit()
            session.execute(text("insert into item values (2)"))
            session.rollback()
            seen = connection.scalar(text("select count(*) from item"))
        if outer.is_active:
            outer.rollback()
    with engine.connect() as connection:
        return seen, connection.scalar(text("select count(*) from item"))


@fact("tst-savepoint-session", "tst-default-join-mode", "tst-sqlite-savepoints")
def test_a_session_on_an_outer_transaction_commits_without_keeping_anything() -> None:
    engine = create_engine("sqlite://", poolclass=StaticPool)
    with_real_savepoints(engine)
    assert rows_left(engine, "create_savepoint") == (1, 0)
    other = create_engine("sqlite://", poolclass=StaticPool)
    with_real_savepoints(other)
    assert rows_left(other, "conditional_savepoint") == (0, 0)
    assert rows_left(create_engine("sqlite://", poolclass=StaticPool), "create_savepoint") == (1, 1)


@fact("tst-savepoint-async-session")
def test_an_async_session_joins_an_outer_transaction_the_same_way() -> None:
    async def left() -> int:
        engine = create_async_engine("sqlite+aiosqlite://")
        with_real_savepoints(engine.sync_engine)
        async with engine.begin() as connection:
            await connection.execute(text("create table item (id int)"))
        async with engine.connect() as connection:
            outer = await connection.begin()
            async with AsyncSession(connection, join_transaction_mode="create_savepoint") as session:
                await session.execute(text("insert into item values (1)"))
                await session.commit()
            await outer.rollback()
            rows = await connection.scalar(text("select count(*) from item"))
        await engine.dispose()
        return int(rows)

    assert asyncio.run(left()) == 0


@fact("tst-openapi-snapshot")
def test_the_openapi_document_can_be_compared_with_a_file() -> None:
    def document() -> str:
        app = FastAPI(title="Orders", version="1")
        app.get("/")(read_nothing)
        return json.dumps(app.openapi(), indent=2, sort_keys=True)

    assert document() == document()


@fact("tst-openapi-hidden")
def test_sockets_mounts_and_hidden_routes_are_not_in_the_document() -> None:
    app = FastAPI()
    app.get("/hidden", include_in_schema=False)(read_nothing)
    app.get("/shown")(read_nothing)
    app.websocket("/ws")(read_nothing)
    app.mount("/mounted", FastAPI())
    assert list(app.openapi()["paths"]) == ["/shown"]
