"""Test clients, overrides and what libraries no longer offer."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Function, Module, Project
from project.language.literals import keyword
from project.place import Place
from project.routing.routes import App
from project.suite.tested_routes import TestedRoutes
from project.suite.tests_doubles import Client
from testing.dimension import testing

_ASYNC_CLIENTS = frozenset(("httpx.AsyncClient", "httpx2.AsyncClient"))
_MOCKS = frozenset(f"unittest.mock.{name}" for name in ("Mock", "MagicMock", "AsyncMock", "NonCallableMock"))


@testing.check(
    "TST002",
    "testclient-without-lifespan",
    title="Tests that leave out the start-up",
    impact=MEDIUM,
    fix="Enter it: `with TestClient(app) as client: yield client`, or LifespanManager for an async client.",
)
def client_without_lifespan(project: Project) -> Found:
    """TestClient runs start-up and shutdown only inside `with`, an async client never: tests miss what they make.

    Source: FastAPI, Testing Events, https://fastapi.tiangolo.com/advanced/testing-events/

    Bad:
        # app/main.py
        from contextlib import asynccontextmanager
        import httpx
        from fastapi import FastAPI, Request

        @asynccontextmanager
        async def lifespan(app):
            async with httpx.AsyncClient() as client:
                yield {"client": client}

        app = FastAPI(lifespan=lifespan)
        # tests/test_main.py
        from fastapi.testclient import TestClient
        from app.main import app

        client = TestClient(app)  # TST002

        def test_health() -> None:
            assert client.get("/health").status_code == 200
    Good:
        # app/main.py
        from contextlib import asynccontextmanager
        import httpx
        from fastapi import FastAPI

        @asynccontextmanager
        async def lifespan(app):
            async with httpx.AsyncClient() as client:
                yield {"client": client}

        app = FastAPI(lifespan=lifespan)
        # tests/conftest.py
        import pytest
        from fastapi.testclient import TestClient
        from app.main import app

        @pytest.fixture
        def client():
            with TestClient(app) as client:
                yield client
    Not this:
        # app/main.py
        from contextlib import asynccontextmanager
        import logging
        from fastapi import FastAPI

        logger = logging.getLogger(__name__)

        @asynccontextmanager
        async def lifespan(app):
            logger.info("starting")
            yield

        app = FastAPI(lifespan=lifespan)
        # tests/test_main.py
        from fastapi import FastAPI
        from fastapi.testclient import TestClient
        from app.main import app

        client = TestClient(app)
        other = TestClient(FastAPI())

        def test_health() -> None:
            assert client.get("/health").status_code == 404
    """
    outside = [c for c in project.tests.clients if c.app is not None and not c.entered and _prepares(project, c.app)]
    outside = [c for c in outside if not c.asks_own_routes]
    sync = [c for c in outside if not c.asynchronous]
    for clients in (sync, [c for c in outside if c.asynchronous]):
        if clients:
            app = clients[0].app
            assert app is not None
            kind = "an async client" if clients[0].asynchronous else "TestClient without `with`"
            message = f"{kind} does not run {_start(app)}: what it prepares is missing in these tests"
            graver, milder = (MEDIUM, LOW) if clients[0].asynchronous else (HIGH, MEDIUM)
            impact = LOW if not _reaches(project, clients) else graver if _keeps_state(app) else milder
            places = tuple(c.place() for c in clients[1:])
            yield Hit(clients[0].place(), message, (app.place,), impact, places=places)


def _reaches(project: Project, clients: list[Client]) -> bool:
    """Whether the test files that make these clients request a route that exists; True where other files use them."""
    files = {c.scope.module.path for c in clients}
    if not project.routes or not files <= {f.module.path for f in project.tests.functions}:
        return True
    asked = {(m.method, m.pattern) for m in project.tests.mentions if m.place.path in files}
    return not asked or bool(TestedRoutes(project, project.routes).reached(asked))


def _start(app: App) -> str:
    return app.lifespan.name if app.lifespan is not None else "the start-up handlers"


def _prepares(project: Project, app: App) -> bool:
    """Whether start-up does more than write to a log."""
    if app.lifespan is None:
        return any(kind == "startup" for kind, _, _ in app.events) and app.kwargs.get("lifespan") is None
    first = min((y.lineno for y in app.lifespan.all(ast.Yield)), default=0)
    for site in project.calls.sites(app.lifespan):
        logs = isinstance(site.call, ast.Call) and isinstance(site.call.func, ast.Attribute) and _is_log(site.call.func)
        if site.node.lineno <= first and not logs:
            return True
    return False


def _is_log(func: ast.Attribute) -> bool:
    base = func.value.attr if isinstance(func.value, ast.Attribute) else getattr(func.value, "id", "")
    return "log" in base.lower()


def _keeps_state(app: App) -> bool:
    """Whether the lifespan hands something to requests: it yields a value or sets `app.state`."""
    if app.lifespan is None:
        return False
    if any(y.value is not None for y in app.lifespan.all(ast.Yield)):
        return True
    stores = (a for a in app.lifespan.all(ast.Attribute) if isinstance(a.ctx, ast.Store))
    return any(isinstance(a.value, ast.Attribute) and a.value.attr == "state" for a in stores)


@testing.check(
    "TST003",
    "dependency-overrides-leak",
    title="Overrides that stay for the next test",
    impact=MEDIUM,
    fix="Set overrides in a fixture and clear them after `yield`.",
)
def overrides_leak(project: Project) -> Found:
    """An override holds until it is removed, also for other files: tests then pass or fail by the order they run in.

    Source: FastAPI, Testing Dependencies with Overrides, https://fastapi.tiangolo.com/advanced/testing-dependencies/

    Bad:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        def current_user() -> str:
            return "ada"
        # tests/test_users.py
        from fastapi.testclient import TestClient
        from app.main import app, current_user

        def test_me() -> None:
            app.dependency_overrides[current_user] = lambda: "bob"  # TST003
            assert TestClient(app).get("/me").json() == "bob"
    Good:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        def current_user() -> str:
            return "ada"
        # tests/conftest.py
        import pytest
        from fastapi.testclient import TestClient
        from app.main import app, current_user

        @pytest.fixture
        def client():
            app.dependency_overrides[current_user] = lambda: "bob"
            yield TestClient(app)
            app.dependency_overrides.clear()
    Not this:
        # app/main.py
        from fastapi import FastAPI

        def current_user() -> str:
            return "ada"

        def create_app() -> FastAPI:
            return FastAPI()
        # tests/conftest.py
        import pytest
        from fastapi.testclient import TestClient
        from app.main import create_app, current_user

        @pytest.fixture
        def app():
            return create_app()

        @pytest.fixture
        def client(app):
            app.dependency_overrides[current_user] = lambda: "bob"
            return TestClient(app)
    """
    found: dict[str, list[Place]] = defaultdict(list)
    for override in project.tests.overrides:
        scope = override.scope
        if override.cleared or (isinstance(scope, Module) and not _is_test_file(scope)):
            continue
        if isinstance(scope, Module) and len(_files_with_clients(project)) < 2:
            continue
        if isinstance(scope, Function) and not (
            scope in project.tests.functions or project.tests.fixture(scope) is not None
        ):
            continue
        found[scope.module.path].append(override.place())
    for places in found.values():
        message = "dependency_overrides is set and never cleared: the override holds in every test that runs later"
        yield Hit(places[0], message, places=tuple(places[1:]))


def _is_test_file(module: Module) -> bool:
    name = module.path.rpartition("/")[2]
    return name.startswith("test_") or name.endswith("_test.py")


def _files_with_clients(project: Project) -> set[str]:
    return {client.scope.module.path for client in project.tests.clients}


@testing.check(
    "TST005",
    "removed-test-apis",
    title="Test tools that are gone or going",
    impact=MEDIUM,
    fix="Use `AsyncClient(transport=ASGITransport(app=app))`, and httpx2 for TestClient.",
)
def removed_test_apis(project: Project) -> Found:
    """AsyncClient(app=...) is a TypeError since httpx 0.28; Starlette's client wants httpx2 and warns with plain httpx.

    Source: HTTPX, Changelog, https://github.com/encode/httpx/blob/master/CHANGELOG.md

    Bad:
        # requirements.txt
        fastapi==0.165.0
        httpx==0.28.1
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()
        # tests/conftest.py
        import pytest
        from httpx import AsyncClient
        from app.main import app

        @pytest.fixture
        async def client():
            async with AsyncClient(app=app, base_url="http://test") as client:  # TST005
                yield client
    Good:
        # requirements.txt
        fastapi==0.165.0
        httpx==0.28.1
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()
        # tests/conftest.py
        import pytest
        from httpx import ASGITransport, AsyncClient
        from app.main import app

        @pytest.fixture
        async def client():
            async with AsyncClient(transport=ASGITransport(app=app), base_url="http://test") as client:
                yield client
    Not this:
        # requirements.txt
        fastapi==0.98.0
        httpx==0.24.1
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()
        # tests/conftest.py
        import pytest
        from httpx import AsyncClient
        from app.main import app

        @pytest.fixture
        async def client():
            async with AsyncClient(app=app, base_url="http://test") as client:
                yield client
    """
    stack = project.stack
    gone = list(_app_arguments(project)) if stack.has("httpx") and not stack.before("httpx", "0.28") else []
    if gone:
        certainty = "resolved" if stack.at_least("httpx", "0.28") else INFERRED
        message = "AsyncClient(app=...) is a TypeError since httpx 0.28"
        yield Hit(gone[0], message, certainty=certainty, places=tuple(gone[1:]))
    sync = [c for c in project.tests.clients if not c.asynchronous]
    if sync and stack.at_least("starlette", "1.3") and stack.has("httpx") and not stack.has("httpx2"):
        message = "Starlette's TestClient warns with plain httpx and wants httpx2"
        yield Hit(sync[0].place(), message, impact=LOW, places=tuple(c.place() for c in sync[1:]))


def _app_arguments(project: Project) -> Iterator[Place]:
    for module in project.tests.modules:
        for scope in module.walk():
            for call in scope.all(ast.Call):
                if keyword(call, "app") is not None and project.names.canonical(call.func, scope) in _ASYNC_CLIENTS:
                    yield scope.place(call)


@testing.check(
    "TST008",
    "mock-quality",
    title="Replacement that does not replace",
    impact=MEDIUM,
    fix="Override the dependency: `app.dependency_overrides[get_x] = lambda: fake`.",
)
def mock_quality(project: Project) -> Found:
    """FastAPI keeps the function object, so patching a dependency by its name changes nothing for routes.

    A bare Mock as override is read like any dependency: it asks the request for args and kwargs and ends in 422.

    Source: FastAPI, Testing Dependencies with Overrides, https://fastapi.tiangolo.com/advanced/testing-dependencies/

    Bad:
        # app/main.py
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def current_user() -> str:
            return "ada"

        @app.get("/me")
        def read_me(user: str = Depends(current_user)) -> str:
            return user
        # tests/test_me.py
        from unittest.mock import MagicMock, patch
        from app.main import app, current_user

        def test_patched(client) -> None:
            with patch("app.main.current_user", return_value="bob"):  # TST008
                assert client.get("/me").json() == "bob"

        def test_mocked(client) -> None:
            app.dependency_overrides[current_user] = MagicMock(return_value="bob")  # TST008
            assert client.get("/me").json() == "bob"
    Good:
        # app/main.py
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def current_user() -> str:
            return "ada"

        @app.get("/me")
        def read_me(user: str = Depends(current_user)) -> str:
            return user
        # tests/test_me.py
        from unittest.mock import MagicMock
        from app.main import app, current_user

        def test_mocked(client) -> None:
            user = MagicMock(return_value="bob")
            app.dependency_overrides[current_user] = lambda: user()
            assert client.get("/me").json() == "bob"
    Not this:
        # app/main.py
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def decode(token: str) -> str:
            return token

        def current_user(token: str) -> str:
            return decode(token)

        @app.get("/me")
        def read_me(user: str = Depends(current_user)) -> str:
            return user

        def job() -> str:
            return current_user("x")
        # tests/test_me.py
        from unittest.mock import patch

        def test_patched(client) -> None:
            with patch("app.main.decode", return_value="bob"):
                assert client.get("/me").json() == "bob"

        def test_job() -> None:
            with patch("app.main.current_user", return_value="bob"):
                assert True
    """
    for override in project.tests.overrides:
        value = _value_of(override.node)
        called = project.names.canonical(value.func, override.scope) if isinstance(value, ast.Call) else None
        if (
            isinstance(value, ast.Call)
            and called in _MOCKS
            and not {k.arg for k in value.keywords} & {"spec", "spec_set"}
        ):
            message = "a bare mock as override asks the request for args and kwargs: every request ends in 422"
            yield Hit(override.place(), message)
    for place, function in project.tests.patched_functions:
        if function in project.exceptions.dependencies and not project.calls.callers(function):
            message = (
                f"{function.name} is a dependency: patched by name it still runs, FastAPI holds the function itself"
            )
            yield Hit(place, message, (function.place(),))


def _value_of(node: ast.AST) -> ast.expr | None:
    holder = node.__dict__.get("parent")
    return holder.value if isinstance(holder, ast.Assign) else None
