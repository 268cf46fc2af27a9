"""Whether tests run as they look: asynchronous ones, databases, network, assertions."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Class, Function, Module, Project, Scope
from project.language.literals import keyword, text
from project.language.scopes import subtree
from project.place import Place
from testing.dimension import testing

_MARKS = ("pytest.mark.asyncio", "pytest.mark.anyio", "pytest.mark.trio")
_ASYNC_CASES = ("unittest.IsolatedAsyncioTestCase", "unittest.async_case.IsolatedAsyncioTestCase")
_ENGINES = frozenset(("sqlalchemy.create_engine", "sqlmodel.create_engine"))
_DOWNLOADS = frozenset("tiktoken.get_encoding tiktoken.encoding_for_model nltk.download".split())
_SAYING = (
    "assert",
    "check",
    "verify",
    "expect",
    "should",
    "ensure",
    "validate",
    "compare",
    "raises",
    "warns",
    "fail",
    "must",
)
_SHORT = 0.5
_NOTHING_HAPPENS = re.compile(
    r"no_?op|no_(error|exception|fail)|not_(raise|fail|crash)|doesnt|without_(error|exception)|idempotent|missing|"
    r"nonexist|unknown|silent|ignor|twice|safe",
    re.IGNORECASE,
)


@testing.check(
    "TST004",
    "async-tests-not-run",
    title="Asynchronous tests that do not run",
    impact=HIGH,
    fix='Set `asyncio_mode = "auto"`, or mark the module: `pytestmark = pytest.mark.anyio`.',
)
def async_tests(project: Project) -> Found:
    """A coroutine that no plugin runs is no test: pytest 8 skips it with a warning, pytest 9 fails it.

    Source: pytest-asyncio, Modes, https://pytest-asyncio.readthedocs.io/en/stable/concepts.html

    Bad:
        # requirements.txt
        fastapi==0.165.0
        pytest==9.2.0
        pytest-asyncio==1.5.0
        # tests/test_orders.py
        import pytest

        @pytest.fixture
        async def order():  # TST004
            return 3

        async def test_order(order) -> None:  # TST004
            assert order == 3

        @pytest.mark.asyncio
        async def test_marked() -> None:
            assert True
        # tests/conftest.py
        import asyncio
        import pytest

        @pytest.fixture(scope="session")
        def event_loop():  # TST004
            yield asyncio.new_event_loop()
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.pytest.ini_options]
        asyncio_mode = "auto"
        # tests/test_orders.py
        import pytest

        @pytest.fixture
        async def order():
            return 3

        async def test_order(order) -> None:
            assert order == 3
    Not this:
        # requirements.txt
        fastapi==0.165.0
        # tests/test_orders.py
        import unittest
        import pytest

        pytestmark = pytest.mark.anyio

        @pytest.fixture
        async def order():
            return 3

        async def test_order(order) -> None:
            assert order == 3

        class TestCase(unittest.IsolatedAsyncioTestCase):
            async def test_case(self) -> None:
                assert True
    """
    hooks = {f.name for m in project.tests.modules for f in m.functions}
    if hooks & {"pytest_collection_modifyitems", "pytest_pyfunc_call", "pytest_pycollect_makeitem"}:
        return
    strict = {m for m in project.tests.modules if not _is_template(m) and not _runs_all(project, m)}
    tests = [f for f in project.tests.functions if f.module in strict]
    unmarked = [f.place() for f in tests if f.is_async and not _is_marked(project, f)]
    if unmarked:
        more = f", nor {len(unmarked) - 1} more" if len(unmarked) > 1 else ""
        name = unmarked[0].symbol.rpartition(".")[2]
        yield Hit(unmarked[0], f"no plugin is told to run {name}{more}: no mark, no mode", places=tuple(unmarked[1:]))
    marks = {mark for f in tests for mark in _marks(project, f)}
    if "pytest.mark.asyncio" in marks and "pytest.mark.anyio" not in marks:
        plain = [f.place() for f in _plain_async_fixtures(project) if f.module in strict]
        if plain:
            message = "an async fixture under plain pytest.fixture: in strict mode nothing awaits it"
            yield Hit(plain[0], message, places=tuple(plain[1:]))
    for function in project.tests.fixtures.get("event_loop", ()):
        if function.module in strict and project.stack.at_least("pytest-asyncio", "1", function.module.path):
            message = "pytest-asyncio 1 has no event_loop fixture any more: this one is never asked for"
            yield Hit(function.place(), message, impact=MEDIUM)


def _runs_all(project: Project, module: Module) -> bool:
    """Whether the configuration nearest to a file has every coroutine run."""
    pytest = project.stack.tool_of("pytest", module.path)
    if pytest is None:
        return False
    modes = f"{pytest.text('asyncio_mode')} {pytest.text('anyio_mode')} {pytest.text('addopts')}"
    return "auto" in modes.split() or "mode=auto" in modes or "mode auto" in modes


def _is_template(module: Module) -> bool:
    """Whether a file is one of a project to be made from it (`{{cookiecutter.name}}/tests`)."""
    return "{{" in module.path


def _marks(project: Project, scope: Scope) -> Iterator[str]:
    """Async marks of a test, its class and its module."""
    current: Scope | None = scope
    while current is not None:
        given = list(getattr(current.node, "decorator_list", []))
        for binding in current.bindings.get("pytestmark", ()) if not isinstance(current, Function) else ():
            value = binding.value
            given += value.elts if isinstance(value, (ast.List, ast.Tuple)) else [value] if value is not None else []
        for mark in given:
            called = mark.func if isinstance(mark, ast.Call) else mark
            name = project.names.canonical(called, current.parent or current) or ""
            if name in _MARKS:
                yield name
        current = current.parent


def _is_marked(project: Project, function: Function) -> bool:
    owner = function.owner
    if isinstance(owner, Class) and project.names.derives(owner, *_ASYNC_CASES):
        return True
    if isinstance(owner, Class) and any(not isinstance(b, Class) for b in project.names.mro(owner)[1:]):
        return True
    wrapped = [d for d in function.decorators if not _is_pytest_mark(project, d, function)]
    return bool(wrapped) or any(_marks(project, function))


def _is_pytest_mark(project: Project, decorator: ast.expr, function: Function) -> bool:
    called = decorator.func if isinstance(decorator, ast.Call) else decorator
    name = project.names.canonical(called, function.parent or function.module) or ""
    return name.startswith(("pytest.mark.", "unittest.mock."))


def _plain_async_fixtures(project: Project) -> Iterator[Function]:
    for fixtures in project.tests.fixtures.values():
        for function in fixtures:
            decorator = project.tests.fixture(function)
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            outer = function.parent or function.module
            if function.is_async and called is not None and project.names.canonical(called, outer) == "pytest.fixture":
                yield function


@testing.check(
    "TST006",
    "sqlite-memory-tests",
    title="SQLite in memory, another database in each thread",
    impact=MEDIUM,
    fix='Give it `poolclass=StaticPool, connect_args={"check_same_thread": False}`, or the database of production.',
)
def sqlite_memory(project: Project) -> Found:
    """`sqlite://` is a new, empty database in each thread: the application under TestClient finds no table.

    Source: SQLAlchemy, SQLite, Using a Memory Database in Multiple Threads, https://docs.sqlalchemy.org/en/20/dialects/sqlite.html

    Bad:
        # tests/conftest.py
        from sqlalchemy import create_engine

        engine = create_engine("sqlite:///:memory:", connect_args={"check_same_thread": False})  # TST006
    Good:
        # tests/conftest.py
        from sqlalchemy import StaticPool, create_engine

        engine = create_engine("sqlite://", poolclass=StaticPool, connect_args={"check_same_thread": False})
    Not this:
        # tests/conftest.py
        from sqlalchemy import create_engine
        from sqlalchemy.ext.asyncio import create_async_engine

        files = create_engine("sqlite:///test.db")
        engine = create_async_engine("sqlite+aiosqlite://")
        # tests/test_totals.py
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session

        def test_in_one_thread() -> None:
            with Session(create_engine("sqlite://")) as session:
                assert session.scalar("select 1") == 1
    """
    for module in project.tests.modules:
        for scope in module.walk() if _may_cross_threads(module) else ():
            for call in scope.all(ast.Call):
                if _is_bare_memory(project, call, scope):
                    yield Hit(scope.place(call), "each thread gets an empty database of its own: no StaticPool")


_OTHER_THREADS = re.compile(
    r"TestClient|AsyncClient|ASGITransport|dependency_overrides|Thread|to_thread|in_executor|asyncio\.run"
    r"|client\.(get|post|put|patch|delete|request|websocket_connect)\("
)


def _may_cross_threads(module: Module) -> bool:
    """Whether fixtures for other modules stand here, or tests that call the application or start threads."""
    is_test = module.path.rsplit("/", 1)[-1].startswith("test_")
    return not is_test or _OTHER_THREADS.search(module.source.text) is not None


def _is_bare_memory(project: Project, call: ast.Call, scope: Scope) -> bool:
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    if last != "create_engine" or project.names.canonical(call.func, scope) not in _ENGINES:
        return False
    url = text(call.args[0] if call.args else keyword(call, "url"), scope, project.names) or ""
    known = all(k.arg is not None for k in call.keywords)
    return known and keyword(call, "poolclass") is None and (url == "sqlite://" or ":memory:" in url)


@testing.check(
    "TST007",
    "test-isolation",
    title="Tests that wait or reach the network",
    impact=LOW,
    fix="Wait for the event itself, pass the clock in, and replace the network at the transport.",
)
def isolation(project: Project) -> Found:
    """sleep makes tests slow and still fail under load; what is downloaded at import fails without network.

    Source: pytest, Flaky tests, https://docs.pytest.org/en/stable/explanation/flaky.html

    Bad:
        # tests/test_orders.py
        import time
        import tiktoken

        encoding = tiktoken.get_encoding("cl100k_base")  # TST007

        def test_expires(order) -> None:
            time.sleep(2)  # TST007
            assert order.expired
    Good:
        # tests/test_orders.py
        def test_expires(order, clock) -> None:
            clock.move(2)
            assert order.expired
    Not this:
        # tests/test_orders.py
        import time

        def test_ordering(make) -> None:
            first = make()
            time.sleep(0.01)
            assert make().created_at > first.created_at
    """
    slept = [place for f in project.tests.functions for place in _sleeps(project, f)]
    if slept:
        more = f", and at {len(slept) - 1} more places" if len(slept) > 1 else ""
        yield Hit(slept[0], f"a test sleeps instead of waiting for what it tests{more}", places=tuple(slept[1:]))
    for module in project.tests.modules:
        for call in module.all(ast.Call):
            if project.names.canonical(call.func, module) in _DOWNLOADS:
                yield Hit(
                    module.place(call), "this module downloads when it is imported: without network no test of it runs"
                )


def _sleeps(project: Project, function: Function) -> Iterator[Place]:
    for call in function.all(ast.Call):
        last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if last == "sleep" and project.names.canonical(call.func, function) in (
            "time.sleep",
            "asyncio.sleep",
            "anyio.sleep",
        ):
            given = call.args[0] if call.args else None
            value = given.value if isinstance(given, ast.Constant) else None
            if isinstance(value, (int, float)) and value >= _SHORT:
                yield function.place(call)


@testing.check(
    "TST009",
    "assertion-quality",
    title="Tests that cannot fail",
    impact=LOW,
    fix="Assert the status, the body and what is stored; give each skip a reason.",
)
def assertions(project: Project) -> Found:
    """A test without an assertion passes when the rule it is named after is gone.

    Source: pytest, How to write and report assertions in tests, https://docs.pytest.org/en/stable/how-to/assert.html

    Bad:
        # tests/test_orders.py
        import pytest

        def test_create(client) -> None:  # TST009
            client.post("/orders", json={})

        def test_close(client) -> None:  # TST009
            client.post("/orders/1/close")
            assert True

        def test_refused(client) -> None:
            with pytest.raises(ValueError):
                answer = client.post("/orders")
                assert answer.status_code == 422  # TST009

        @pytest.mark.skip  # TST009
        def test_later(client) -> None:
            assert client.get("/orders").status_code == 200
    Good:
        # tests/test_orders.py
        import pytest

        def test_create(client) -> None:
            assert client.post("/orders", json={}).status_code == 422

        @pytest.mark.skip(reason="orders are moved")
        def test_later(client) -> None:
            assert client.get("/orders").status_code == 200
    Not this:
        # tests/test_orders.py
        import unittest
        import pytest
        from tests.helpers import is_order

        def test_smoke_import() -> None:
            import app

        def test_refused(client) -> None:
            with pytest.raises(ValueError, match="order"):
                client.post("/orders")

        def test_own_failure(client) -> None:
            with pytest.raises(AssertionError):
                answer = client.post("/orders")
                assert answer.status_code == 200

        def test_helper(client) -> None:
            is_order(client.get("/orders/1").json())

        def test_mock(mailer) -> None:
            mailer.send.assert_called_once_with("x")

        def test_raising(client) -> None:
            client.get("/orders").raise_for_status()

        class TestCase(unittest.TestCase):
            def test_case(self) -> None:
                self.assertEqual(1, 1)
        # tests/helpers.py
        def is_order(found: dict) -> None:
            assert found["id"]
    """
    silent = [
        f.place() for f in project.tests.functions if not project.tests.is_skipped(f) and _cannot_fail(project, f)
    ]
    if silent:
        more = f"; {len(silent) - 1} more tests without an assertion" if len(silent) > 1 else ""
        name = silent[0].symbol.rpartition(".")[2]
        yield Hit(silent[0], f"{name} asserts nothing{more}", places=tuple(silent[1:]))
    dead = [place for f in project.tests.functions for place in _never_reached(project, f)]
    if dead:
        more = f", and {len(dead) - 1} more" if len(dead) > 1 else ""
        message = f"an assertion below the line that raises, inside pytest.raises, never runs{more}"
        yield Hit(dead[0], message, places=tuple(dead[1:]))
    bare = [place for m in project.tests.modules for s in m.walk() for place in _bare_skips(project, s)]
    if bare:
        more = f", and {len(bare) - 1} more" if len(bare) > 1 else ""
        yield Hit(bare[0], f"a test is skipped without a reason{more}", places=tuple(bare[1:]))


def _cannot_fail(project: Project, function: Function) -> bool:
    """Whether a test requests or stores something and then looks at nothing, here or in a helper it calls."""
    scopes = list(function.walk())
    asserts = [a for s in scopes for a in s.all(ast.Assert)]
    hollow = bool(asserts) and all(isinstance(a.test, ast.Constant) and a.test.value for a in asserts)
    if "smoke" in function.name or (asserts and not hollow) or any(s.all(ast.Raise) for s in scopes):
        return False
    calls = [c for s in scopes for c in s.all(ast.Call)]
    names = [c.func.attr if isinstance(c.func, ast.Attribute) else getattr(c.func, "id", "") for c in calls]
    if any(word in name.lower() for name in names for word in (*_SAYING, "raise_for_status")):
        return False
    if hollow:
        return True
    if any(_asserts(project, c, s) for s in scopes for c in s.all(ast.Call)):
        return False
    return function.dotted in project.tests.requesting or _stores(project, function)


def _never_reached(project: Project, function: Function) -> Iterator[Place]:
    """Assertions in `with pytest.raises(...)` after a statement that calls something, the first of each block."""
    blocks: list[ast.With | ast.AsyncWith] = [*function.all(ast.With), *function.all(ast.AsyncWith)]
    for block in blocks:
        if not any(_expects_error(project, item.context_expr, function) for item in block.items):
            continue
        called = False
        for statement in block.body:
            if isinstance(statement, ast.Assert) and called:
                yield function.place(statement)
                break
            called = called or any(isinstance(node, ast.Call) for node in subtree(statement))


def _expects_error(project: Project, entered: ast.expr, scope: Scope) -> bool:
    """Whether it is `pytest.raises` of something other than a failed assertion."""
    if not isinstance(entered, ast.Call) or getattr(entered.func, "attr", getattr(entered.func, "id", "")) != "raises":
        return False
    if project.names.canonical(entered.func, scope) != "pytest.raises":
        return False
    return "AssertionError" not in ast.unparse(entered)


def _stores(project: Project, function: Function) -> bool:
    """Whether a test calls code of the application that changes stored data, and stores nothing itself; one whose name
    says that nothing should happen looks at that.
    """
    if _NOTHING_HAPPENS.search(function.name) or project.queries.stores(function):
        return False
    targets = [t for site in project.calls.sites(function) for t in site.targets if t.module.kind == "app"]
    return any(project.queries.stores(target) for target in targets)


def _asserts(project: Project, call: ast.Call, scope: Scope) -> bool:
    """Whether a helper of the tests asserts; one that is not known may."""
    if isinstance(call.func, ast.Name):
        entity = project.names.resolve(call.func, scope)
        if isinstance(entity, Function):
            return any(s.all(ast.Assert) for s in entity.walk()) or entity.module.kind != "test"
        return entity is None
    return False


def _bare_skips(project: Project, scope: Scope) -> Iterator[Place]:
    for decorator in getattr(scope.node, "decorator_list", []):
        called = decorator.func if isinstance(decorator, ast.Call) else decorator
        if project.names.canonical(called, scope.parent or scope) == "pytest.mark.skip":
            given = isinstance(decorator, ast.Call) and (decorator.args or keyword(decorator, "reason") is not None)
            if not given:
                yield scope.place(decorator)
