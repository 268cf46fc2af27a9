"""Proofs of the statements in CODE_ORGANIZATION.md about dependencies, start-up, settings and modules."""

import inspect
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, HTTPException, Request, Response, WebSocket
from fastapi.exceptions import FastAPIError
from fastapi.testclient import TestClient
from pydantic import BaseModel, Field, SecretStr, ValidationError
from pydantic_settings import BaseSettings, SettingsConfigDict
from starlette.types import Message, Receive, Scope, Send

from .registry import fact


async def rejected(request: Request, exc: Exception) -> Response:
    return Response(status_code=404)


def get_rate() -> str:
    return "real"


RATES = FastAPI()


@RATES.get("/")
def read_rate(rate: Annotated[str, Depends(get_rate)]) -> str:
    return rate


def run_python(folder: Path, code: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-B", "-c", code], cwd=folder, capture_output=True, text=True, check=False)


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

    app = FastAPI(exception_handlers={KeyError: rejected})

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


@fact("org-own-telemetry")
def test_the_app_takes_telemetry_settings() -> None:
    assert "telemetry" in inspect.signature(FastAPI).parameters
