"""The route map as text: open routes stay visible and the text stays short, however many routes there are."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from report.routes import by_file_rows, guards_line, routes_text
from report.wording import TEXT_LIMIT, columns, count, first


def route(number: int, auth: bool | None = True, **fields: object) -> Any:
    values: dict[str, object] = {
        "methods": ("GET",),
        "path": f"/api/v1/things/{{thing_id}}/parts/{number}",
        "file": f"app/api/v1/things_{number // 25}.py",
        "line": number + 10,
        "handler": f"app.api.v1.things.read_part_{number}",
        "is_async": True,
        "auth": auth,
        "auth_by": "app.deps.get_current_user" if auth else "",
        "auth_optional": "",
        "websocket": False,
        "conditional": False,
        "include_in_schema": True,
    }
    return SimpleNamespace(**(values | fields))


def route_map(routes: list[Any], unknown: int = 0) -> Any:
    places = [SimpleNamespace(path="app/x.py", line=n, why="prefix not known") for n in range(unknown)]
    return SimpleNamespace(known=len(routes), candidates=len(routes) + unknown, routes=routes, unknown=places)


def row(route: Any, *rights: tuple[str, str, str]) -> Any:
    said = {True: "guarded", False: "open", None: "unknown"}[route.auth]
    made = [SimpleNamespace(kind=kind, name=name, how=how) for kind, name, how in rights]
    return SimpleNamespace(route=route, authentication=said, rights=made)


def text(routes: list[Any], unknown: int = 0) -> str:
    return routes_text(route_map(routes, unknown), list(map(row, routes)), "")


def test_one_line_a_route_with_its_guard() -> None:
    shown = text([route(1), route(2, False), route(3, None)], unknown=1)
    assert "3 routes known of 4 that look like one" in shown
    assert "1 open, 1 guarded, 1 not known · 3 async, 0 sync" in shown
    assert "app/api/v1/things_0.py (3 routes, 1 open)" in shown
    assert "  GET  /api/v1/things/{thing_id}/parts/1  read_part_1:11  get_current_user\n" in shown
    assert "  GET  /api/v1/things/{thing_id}/parts/2  read_part_2:12  OPEN\n" in shown
    assert "? unknown = a guard could not be established" in shown
    assert "  app/x.py:0 prefix not known" in shown


def test_remarks() -> None:
    shown = text([route(1, websocket=True), route(2, conditional=True, include_in_schema=False), route(3)])
    assert "  WS   /api" in shown
    assert "get_current_user  conditional  not in schema" in shown
    assert "read_part_3:13  get_current_user\n" in shown


def test_an_open_route_says_what_lets_callers_without_credentials_pass() -> None:
    shown = text([route(1, False, auth_optional="app.deps.get_user_or_none")])
    assert "OPEN, optional get_user_or_none" in shown
    assert "OPEN = nothing seen that checks who calls" in shown


def test_250_routes_are_all_shown() -> None:
    shown = text([route(n, n % 10 != 0) for n in range(250)], unknown=30)
    assert len(shown) <= TEXT_LIMIT
    assert shown.count("  GET  ") == 250
    assert shown.count("OPEN\n") == 25
    assert "… 20 more: --format json" in shown


@pytest.mark.parametrize("number", [800, 5_000, 20_000])
def test_more_routes_are_cut_and_it_is_said(number: int) -> None:
    shown = text([route(n, n % 40 != 0) for n in range(number)])
    assert len(shown) <= TEXT_LIMIT
    assert "Guarded routes are only counted" in shown
    assert "OPEN" in shown
    assert number < 20_000 or "more files: `review.py routes --path GLOB`" in shown


def test_summary_rows() -> None:
    routes = [route(n, n != 1) for n in range(60)]
    assert by_file_rows(routes, 2, "routes") == [
        "  app/api/v1/things_0.py  25 routes  1 open  /api/v1/things",
        "  app/api/v1/things_1.py  25 routes          /api/v1/things",
        "  … 1 more: routes",
    ]


def test_who_may_call_what_in_one_line() -> None:
    admin, owner, role = (
        ("role", "require_role(admin)", "dependency"),
        ("owner", "user_id", "service"),
        ("role", "r", "handler"),
    )
    made = route(1, auth_by="app.deps.Allow.<locals>.check")
    rows = [
        row(route(1), admin),
        row(route(2), admin, owner, owner),
        row(made, role),
        row(route(3, False)),
        row(route(4, None)),
    ]
    assert guards_line(rows, 3) == (
        "3 of 5 authenticated by get_current_user (2), Allow (1); 3 authorised by require_role(admin) (2), "
        "owner in a service (1), role in the handler (1); 1 open; 1 unknown"
    )
    assert guards_line(rows[:1], 3) == (
        "1 of 1 authenticated by get_current_user (1); 1 authorised by require_role(admin) (1); 0 open; 0 unknown"
    )
    assert guards_line(rows[3:], 3) == ""
    shown = routes_text(route_map([r.route for r in rows]), rows, "")
    assert "get_current_user + require_role(admin), owner user_id\n" in shown
    assert "Allow + role r\n" in shown


def test_wording() -> None:
    assert [count(1, "route"), count(0, "entry"), count(1200, "day")] == ["1 route", "0 entries", "1,200 days"]
    assert columns([]) == []
    assert columns([("a", "b"), ("ccc", "")]) == ["  a    b", "  ccc"]
    assert first(["a", "b"], 2, "x") == ["a", "b"]
