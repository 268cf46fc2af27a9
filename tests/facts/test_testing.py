"""Proofs of the statements in TESTING.md."""

# ruff: noqa: ARG002 - the double of a class takes what the class takes

import asyncio
import json
import os
import subprocess
import sys
import textwrap
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from functools import lru_cache
from pathlib import Path
from typing import Annotated, Any, Literal
from unittest.mock import AsyncMock, MagicMock, Mock, create_autospec, patch

import httpx
import pytest
from fastapi import APIRouter, BackgroundTasks, Depends, FastAPI, Request, Response
from fastapi.exceptions import ResponseValidationError
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from sqlalchemy import Engine, create_engine, event, text
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine
from sqlalchemy.orm import Session, sessionmaker
from sqlalchemy.pool import StaticPool

from .registry import fact


def write(folder: Path, name: str, source: str) -> None:
    (folder / name).write_text(textwrap.dedent(source))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m command`` in the folder."""
    arguments = [sys.executable, "-B", "-m", *command]
    return subprocess.run(arguments, cwd=folder, capture_output=True, text=True, check=False)


def run_pytest(folder: Path, *options: str) -> str:
    ended = run(folder, "pytest", "-q", "-p", "no:cacheprovider", *options)
    return ended.stdout + ended.stderr


def read_nothing() -> int:
    return 1


# --- the client -------------------------------------------------------------------------------------------------------


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


@fact("tst-url-path-for")
def test_paths_can_be_asked_by_name() -> None:
    app, router = FastAPI(), APIRouter(prefix="/items")

    @router.get("/{item_id}")
    def read_item(item_id: int) -> int:
        return item_id

    app.include_router(router, prefix="/v1")
    assert app.url_path_for("read_item", item_id=1) == "/v1/items/1"


# --- replacing collaborators ------------------------------------------------------------------------------------------


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


# --- asynchronous tests -----------------------------------------------------------------------------------------------


@fact("tst-async-test-without-plugin")
def test_an_async_test_without_a_plugin_fails(tmp_path: Path) -> None:
    write(tmp_path, "test_plain.py", "async def test_plain(): assert True\n")
    output = run_pytest(tmp_path, "-p", "no:asyncio", "-p", "no:anyio")
    assert "async def functions are not natively supported" in output
    assert "1 failed" in output


@fact("tst-anyio-marker", "tst-event-loop-fixture")
def test_the_anyio_mark_is_enough_and_the_event_loop_fixture_is_gone(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_plain.py",
        """
        import pytest
        @pytest.fixture
        def anyio_backend(): return "asyncio"
        @pytest.mark.anyio
        async def test_marked(): assert True
        def test_old(event_loop): assert True
        """,
    )
    output = run_pytest(tmp_path)
    assert "fixture 'event_loop' not found" in output
    assert "1 passed, 1 error" in output


@fact("tst-strict-async-fixture")
def test_a_plain_fixture_mark_on_an_async_fixture_fails_in_strict_mode(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_plain.py",
        """
        import pytest
        @pytest.fixture
        async def user(): return "a"
        @pytest.mark.asyncio
        async def test_user(user): assert user == "a"
        """,
    )
    assert "requested an async fixture 'user'" in run_pytest(tmp_path, "-p", "no:anyio")
    assert "1 passed" in run_pytest(tmp_path, "-p", "no:anyio", "-o", "asyncio_mode=auto")


@fact("tst-loop-scope")
def test_a_session_fixture_lives_on_another_loop_than_the_tests_unless_both_are_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_loops.py",
        """
        import asyncio, pytest_asyncio, pytest
        @pytest_asyncio.fixture(scope="session")
        async def loop(): return asyncio.get_running_loop()
        @pytest.mark.asyncio
        async def test_same(loop): assert loop is asyncio.get_running_loop()
        """,
    )
    options = [f"--override-ini=asyncio_default_{what}_loop_scope=session" for what in ("fixture", "test")]
    assert "1 failed" in run_pytest(tmp_path)
    assert "1 passed" in run_pytest(tmp_path, *options)


# --- databases --------------------------------------------------------------------------------------------------------


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


# --- pytest -----------------------------------------------------------------------------------------------------------


@fact("tst-toml-options", "tst-strict-option")
def test_pytest_reads_its_own_toml_table_and_strict_turns_on_the_strict_options(tmp_path: Path) -> None:
    write(tmp_path, "test_xfail.py", "import pytest\n@pytest.mark.xfail\ndef test_works(): pass\n")
    write(tmp_path, "test_mark.py", "import pytest\n@pytest.mark.typo\ndef test_mark(): pass\n")
    assert "1 passed, 1 xpassed" in run_pytest(tmp_path)
    write(tmp_path, "pyproject.toml", "[tool.pytest]\nstrict = true\n")
    assert "'typo' not found in `markers` configuration option" in run_pytest(tmp_path, "test_mark.py")
    assert "1 failed" in run_pytest(tmp_path, "test_xfail.py")


@fact("tst-returned-value")
def test_a_test_that_returns_its_comparison_passes_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "def test_compare(): return 1 == 2\n")
    output = run_pytest(tmp_path)
    assert "1 passed" in output
    assert "PytestReturnNotNoneWarning" in output


@fact("tst-warnings-as-errors")
def test_warnings_can_be_made_to_fail(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "import warnings\ndef test_old(): warnings.warn('old', DeprecationWarning)\n")
    assert "1 passed" in run_pytest(tmp_path)
    write(tmp_path, "pyproject.toml", '[tool.pytest]\nfilterwarnings = ["error"]\n')
    assert "1 failed" in run_pytest(tmp_path, "-p", "no:asyncio")


@fact("tst-raises-exception")
def test_raises_of_exception_accepts_an_error_in_the_test() -> None:
    with pytest.raises(Exception):  # noqa: B017
        vars()["misspelled"]


# --- types and lint ---------------------------------------------------------------------------------------------------


def mypy(folder: Path, *options: str) -> str:
    ended = run(folder, "mypy", "--cache-dir", str(folder / "cache"), *options, "a.py")
    return ended.stdout + ended.stderr


def ruff(folder: Path, name: str, *options: str) -> set[str]:
    """The rules that fire on a file."""
    ended = run(folder, "ruff", "check", "--isolated", "--no-cache", "--output-format", "concise", *options, name)
    return {word for line in ended.stdout.splitlines() if line.startswith(name) for word in line.split()[1:2]}


@fact("tst-mypy-skips-untyped", "tst-mypy-strict")
def test_mypy_does_not_look_into_unannotated_functions_unless_strict(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "def total(prices):\n    return 'a' + 1\n")
    assert "Success: no issues found" in mypy(tmp_path)
    strict = mypy(tmp_path, "--strict")
    assert "[no-untyped-def]" in strict
    assert "[operator]" in strict


@fact("tst-missing-await")
def test_mypy_sees_a_missing_await_and_ruff_does_not(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "async def save() -> int:\n    return 1\n\n\nasync def handler() -> None:\n    save()\n")
    assert "[unused-coroutine]" in mypy(tmp_path)
    assert ruff(tmp_path, "a.py") == set()


@fact("tst-pydantic-plugin")
def test_the_pydantic_plugin_checks_less_by_default_than_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py",
        "from pydantic import BaseModel\nclass User(BaseModel):\n    id: int\nUser(id='1')\nUser(id=1, x=2)\n",
    )
    assert "Found 2 errors" in mypy(tmp_path)
    write(tmp_path, "mypy.ini", "[mypy]\nplugins = pydantic.mypy\n")
    assert "Success" in mypy(tmp_path)
    write(
        tmp_path,
        "mypy.ini",
        "[mypy]\nplugins = pydantic.mypy\n[pydantic-mypy]\ninit_typed = True\ninit_forbid_extra = True\n",
    )
    assert "Found 2 errors" in mypy(tmp_path)


@fact("tst-sqlalchemy-plugin")
def test_the_sqlalchemy_plugin_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "")
    write(tmp_path, "mypy.ini", "[mypy]\nplugins = sqlalchemy.ext.mypy.plugin\n")
    assert "Error importing plugin" in mypy(tmp_path)


@fact("tst-ruff-default-rules", "tst-ruff-select-narrows")
def test_ruffs_defaults_are_wider_than_an_old_selection(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import asyncio\nimport time\n\n\n"
        "async def read():\n"
        "    try:\n"
        "        time.sleep(1)\n"
        "    except Exception:\n"
        "        pass\n"
        "    asyncio.create_task(asyncio.sleep(1))\n"
    )
    assert ruff(tmp_path, "a.py") == {"ASYNC251", "BLE001", "S110"}
    assert ruff(tmp_path, "a.py", "--select", "E,F") == set()
    assert "RUF006" in ruff(tmp_path, "a.py", "--extend-select", "RUF006")


@fact("tst-ruff-depends-default", "tst-ruff-fast-rules")
def test_ruff_flags_depends_defaults_and_knows_the_annotated_form(tmp_path: Path) -> None:
    head = (
        "from typing import Annotated\n\nfrom fastapi import Depends, FastAPI\n\nfrom app import Session, get_session\n"
        '\napp = FastAPI()\n\n\n@app.get("/")\n'
    )
    (tmp_path / "old.py").write_text(f"{head}def read(session: Session = Depends(get_session)): ...\n")
    (tmp_path / "new.py").write_text(f"{head}def read(session: Annotated[Session, Depends(get_session)]): ...\n")
    assert "B008" in ruff(tmp_path, "old.py")
    assert "FAST002" not in ruff(tmp_path, "old.py")
    assert "FAST002" in ruff(tmp_path, "old.py", "--extend-select", "FAST")
    assert "B008" not in ruff(tmp_path, "new.py")


@fact("tst-openapi-snapshot")
def test_the_openapi_document_can_be_compared_with_a_file() -> None:
    def document() -> str:
        app = FastAPI(title="Orders", version="1")
        app.get("/")(read_nothing)
        return json.dumps(app.openapi(), indent=2, sort_keys=True)

    assert document() == document()
