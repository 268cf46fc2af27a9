"""Routes and the contract: what no test mentions."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace

from check import HIGH, LOW, MEDIUM, Found, Hit, NotAssessed
from project import Project
from project.place import Place
from project.routing.routes import Route
from project.suite.tested_work import TestedWork
from testing.dimension import testing

MANY_FILES = 8
MANY_ROUTES = 20
_RISKY = re.compile(r"(^|[/_-])(auth|login|token|password|payments?|pay|billing|checkout|refunds?|invoices?)([/_-]|$)")
_LEAVES = re.compile(r"log-?out|sign-?out")
_DOCUMENTATION = ("/docs", "/redoc", "/openapi.json")


@testing.check(
    "TST001",
    "routes-without-tests",
    title="Routes that no test mentions",
    impact=MEDIUM,
    fix="Write one good, one refused and one invalid request for each; start with money, access and deletion.",
)
def routes_without_tests(project: Project) -> Found:
    """A route that no test requests, names or calls is changed blindly: a lost guard or a wrong status goes unnoticed.

    Paths are searched in requests, parameters, constants and names; tests that are skipped do not count.

    Source: FastAPI, Testing, https://fastapi.tiangolo.com/tutorial/testing/

    Bad:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/orders")
        def list_orders() -> list[str]:
            return []

        @app.post("/orders/{order_id}/refund")
        def refund_order(order_id: int) -> None:  # TST001
            return None
        # tests/test_orders.py
        from fastapi.testclient import TestClient
        from app.main import app

        client = TestClient(app)

        def test_list() -> None:
            assert client.get("/orders").json() == []
    Good:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/orders/{order_id}/refund")
        def refund_order(order_id: int) -> None:
            return None
        # tests/test_orders.py
        from fastapi.testclient import TestClient
        from app.main import app

        client = TestClient(app)

        def test_refund() -> None:
            order_id = 3
            assert client.post(f"/orders/{order_id}/refund").status_code == 401
    Not this:
        # app/main.py
        from fastapi import FastAPI
        from app import orders

        app = FastAPI()
        app.include_router(orders.router, prefix="/api/v1")
        # app/orders.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/orders")

        @router.get("")
        def list_orders() -> None: ...

        @router.get("/{order_id}")
        def read_order(order_id: int) -> None: ...

        @router.delete("/{order_id}")
        def delete_order(order_id: int) -> None: ...

        @router.get("/{order_id}/lines")
        def list_lines(order_id: int) -> None: ...

        @router.post("/{order_id}/close")
        def close_order(order_id: int) -> None: ...
        # tests/paths.py
        BASE = "/api/v1"
        LINES = BASE + "/orders/%s/lines"
        # tests/test_orders.py
        import pytest
        from app.main import app
        from app.orders import close_order
        from tests.paths import BASE, LINES

        @pytest.mark.parametrize("path", ["/orders/1"])
        def test_delete(client, path: str) -> None:
            assert client.delete(BASE + path).status_code == 204

        def test_lists(client) -> None:
            assert client.get(f"{BASE}/orders").status_code == 200
            assert client.get(LINES % 1).status_code == 200
            assert client.get(app.url_path_for("read_order", order_id=1)).status_code == 200

        def test_close() -> None:
            close_order(1)
    """
    routes = [r for r in project.routes if r.function is not None and not r.path.endswith(_DOCUMENTATION)]
    if not project.tests.functions and not project.tests.files.requests:
        yield from _without_tests(project, routes)
        return
    totals: dict[str, set[tuple[str, ...]]] = defaultdict(set)
    for route in routes:
        totals[route.file].add(_key(route))
    by_file: dict[str, list[Route]] = defaultdict(list)
    unmentioned = project.tests.unmentioned(routes)
    left = {id(r) for r in unmentioned}
    mentioned = {_key(r) for r in routes if id(r) not in left}
    for route in unmentioned:
        if _key(route) not in mentioned:
            by_file[route.file].append(route)
    many = sum(len(_distinct(missing)) for missing in by_file.values()) > MANY_ROUTES
    risky = {path for path, missing in by_file.items() if any(map(_is_risky, missing))}
    bare = [path for path, missing in by_file.items() if len(_distinct(missing)) == len(totals[path])]
    together = [path for path in bare if path not in risky] if 2 * len(bare) > len(totals) > MANY_FILES else []
    partly = [path for path in by_file if path not in bare and path not in risky] if len(totals) > MANY_FILES else []
    work = TestedWork(project)
    for path, missing in by_file.items():
        if path not in together and path not in partly:
            yield _missing(project, missing, len(totals[path]), many, work)
    if together:
        yield _untouched({path: by_file[path] for path in together}, len(totals), _left_unread(project))
    if partly:
        yield _partly({path: by_file[path] for path in partly})


def _without_tests(project: Project, routes: list[Route]) -> Found:
    if not project.is_source_tree:
        yield NotAssessed("no tests in this folder, and nothing shows that they would stand here")
    elif project.tests.files.unread:
        yield NotAssessed(f"the only tests are of forms that are not read: {', '.join(project.tests.files.unread)}")
    elif routes:
        first = {route.file: route for route in reversed(routes)}
        places = [first[path].function.place(label=_named(first[path])) for path in sorted(first)]  # type: ignore[union-attr]
        yield Hit(
            places[0], f"the project has no tests: nothing checks its {len(routes)} routes", places=tuple(places[1:])
        )


def _distinct(routes: list[Route]) -> list[Route]:
    """One route for each handler and method, under whatever prefix, with or without a slash, in order of line."""
    return sorted({_key(r): r for r in routes}.values(), key=lambda r: r.line)


def _key(route: Route) -> tuple[str, ...]:
    return route.file, str(route.line), *route.path.rstrip("/").split("/")[-2:], *route.methods


def _is_risky(route: Route) -> bool:
    changes = set(route.methods) - {"GET", "HEAD", "OPTIONS"}
    return bool(changes and _RISKY.search(route.path) and not _LEAVES.search(route.path))


def _left_unread(project: Project) -> str:
    """Tests of forms that are not read, which may well request a route."""
    forms = project.tests.files.unread
    return f"; not read: {', '.join(forms)}" if forms else ""


def _untouched(missing: dict[str, list[Route]], total: int, unread: str) -> Hit:
    """One hit for the files of a project that hardly tests through its API; a place for each file."""
    routes = sum(len(_distinct(found)) for found in missing.values())
    firsts = [_distinct(missing[path])[0] for path in sorted(missing)]
    places = [Place(r.file, r.line, r.line, r.handler, _named(r)) for r in firsts]
    message = f"no test mentions any of the {routes} routes in {len(missing)} of {total} files with routes{unread}"
    return Hit(places[0], message, places=tuple(places[1:]))


def _partly(missing: dict[str, list[Route]]) -> Hit:
    """One hit for single routes that tests leave out in files whose other routes they mention."""
    routes = [r for path in sorted(missing) for r in _distinct(missing[path])]
    places = list(dict.fromkeys(Place(r.file, r.line, r.line, r.handler, _named(r)) for r in routes))
    names = ", ".join(map(_named, routes[:3])) + (", ..." if len(routes) > 3 else "")
    message = f"no test mentions {len(routes)} routes beside others of the same file that tests do mention: {names}"
    return Hit(places[0], message, impact=LOW, places=tuple(places[1:]))


def _missing(project: Project, routes: list[Route], total: int, many: bool, work: TestedWork) -> Hit:
    """One hit for a file: High for log-in and payments in a project that leaves out many routes, Low for handlers that
    hand their work to functions that tests call.
    """
    ordered = _distinct(routes)
    places = list(dict.fromkeys(Place(r.file, r.line, r.line, r.handler, _named(r)) for r in ordered))
    names = ", ".join(_named(r) for r in ordered[:4]) + (", ..." if len(ordered) > 4 else "")
    message = f"no test mentions {len(ordered)} of {total} routes of this file: {names}{_left_unread(project)}"
    made = [replace(r.router_place, label="router") for r in ordered[:1] if r.router_place.path == r.file]
    trace = (*made, *project.tests.skipped(routes))
    impact = HIGH if many and any(map(_is_risky, ordered)) else None
    if 2 * sum(map(work.covers, ordered)) > len(ordered):
        impact = LOW
    return Hit(places[0], message, trace, impact, places=tuple(places[1:]))


def _named(route: Route) -> str:
    return f"{'WS' if route.websocket else '/'.join(route.methods)} {route.path}"


@testing.check(
    "TST015",
    "openapi-contract-untested",
    title="OpenAPI document not compared",
    impact=LOW,
    fix="Compare `app.openapi()` with a committed file in a test, or run a schema-driven tool in CI.",
)
def contract_untested(project: Project) -> Found:
    """Clients are built from the OpenAPI document: a renamed field or a lost route breaks them, and no test fails.

    Source: FastAPI, Extending OpenAPI, https://fastapi.tiangolo.com/how-to/extending-openapi/

    Bad:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()  # TST015

        @app.get("/a1")
        @app.get("/a2")
        @app.get("/a3")
        @app.get("/a4")
        @app.get("/a5")
        @app.get("/a6")
        @app.get("/a7")
        @app.get("/a8")
        @app.get("/a9")
        @app.get("/a10")
        @app.get("/a11")
        def read_a() -> None: ...

        @app.get("/b1")
        @app.get("/b2")
        @app.get("/b3")
        @app.get("/b4")
        @app.get("/b5")
        @app.get("/b6")
        @app.get("/b7")
        @app.get("/b8")
        @app.get("/b9")
        @app.get("/b10")
        def read_b() -> None: ...
        # tests/test_a.py
        def test_a(client) -> None:
            assert client.get("/a1").status_code == 200
    Good:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()
        # tests/test_contract.py
        import json
        from pathlib import Path
        from app.main import app

        def test_contract() -> None:
            assert app.openapi() == json.loads(Path("openapi.json").read_text())
    Not this:
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/a")
        def read_a() -> None: ...
        # tests/test_a.py
        def test_a(client) -> None:
            assert client.get("/a").status_code == 200
    """
    if not project.tests.functions:
        yield NotAssessed("no tests in this folder")
        return
    served = [route for route in project.routes if route.include_in_schema]
    apps = [app for app in project.route_map.apps if not app.mounted and any(r.app == app.name for r in served)]
    if (
        len(served) > project.settings.threshold("contract-test-routes")
        and apps
        and not project.tests.mentions_contract
        and project.stack.runs("contract") is None
    ):
        message = f"no test compares the OpenAPI document of {len(served)} routes with an earlier one"
        yield Hit(apps[0].place, message)
