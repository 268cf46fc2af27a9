"""Who may call what: the guard matrix by router file, and the table of all routes."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from check import clean
from report.page.markup import safe, table
from report.routes import guard
from report.wording import count

if TYPE_CHECKING:
    from project.routing.routes import Route, RouteMap

OPEN, UNKNOWN, LOGGED_IN, PERMITTED = "open", "not known", "logged in", "logged in and permitted"
_STATES = {
    OPEN: "nothing seen that checks who calls",
    UNKNOWN: "a guard could not be established or excluded",
    LOGGED_IN: "who calls is checked",
    PERMITTED: "a role, scope or permission is asked for as well",
}
_PERMISSION = re.compile(
    r"admin|superuser|owner|polic(?:y|ies)|forbid|access_?control|authori[sz]ation|permission|permit|allowed|"
    r"(?:require|check|ensure|verify|has|need|assert|enforce|validate|must)\w*(?:role|scope|access|right|grant)|"
    r"(?:role|scope)s?_?(?:check|require|guard|depend)",
    re.IGNORECASE,
)
_ONLY_READS = re.compile(r"(?:get|load|fetch|list|current)_\w*(?:permissions?|polic(?:y|ies)|owners?)", re.IGNORECASE)
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


@dataclass(frozen=True, slots=True)
class Access:
    """How one route is guarded: `state` is one of the four above, the others are short names or ""."""

    state: str
    authentication: str
    authorisation: str


def access_of(route: Route) -> Access:
    """What the facts say about a route today: its guard, and dependencies or scopes that ask for a permission."""
    names = [name.removesuffix("()").rsplit(".", 1)[-1] for name in route.dependencies]
    asked = [
        *dict.fromkeys(name for name in names if _PERMISSION.search(name) and not _ONLY_READS.fullmatch(name)),
        *route.security_scopes,
    ]
    permission = ", ".join(clean(name, 60) for name in asked[:4])
    if route.auth is None:
        return Access(UNKNOWN, "", permission)
    if not route.auth:
        return Access(OPEN, "", permission)
    return Access(PERMITTED if asked else LOGGED_IN, guard(route), permission)


def matrix(routes: Sequence[Route]) -> str:
    """Router files by how many of their routes are guarded in which way; routes that write are told apart."""
    files: dict[str, list[Route]] = {}
    for route in routes:
        files.setdefault(route.file, []).append(route)
    rows = [_matrix_row(file, group) for file, group in sorted(files.items())]
    head = ["Router file", "Routes", *(state.capitalize() for state in _STATES)]
    legend = "".join(f"<dt>{state.capitalize()}</dt><dd>{meaning}</dd>" for state, meaning in _STATES.items())
    caption = "Routes of each file by guard; in brackets how many of them write (POST, PUT, PATCH, DELETE)"
    return f'{table(caption, head, rows, "matrix")}<dl class="legend">{legend}</dl>'


def route_table(route_map: RouteMap) -> str:
    """Every route; a small script adds search and filter, and without it the table is complete."""
    rows = [_route_row(route) for route in route_map.routes]
    options = "".join(f'<option value="{state}">{state.capitalize()}</option>' for state in _STATES)
    controls = (
        '<div class="controls" hidden><label>Search routes <input type="search" id="route-search" autocomplete="off">'
        '</label><label>Guard <select id="route-guard"><option value="">All</option>'
        f'{options}</select></label><output id="route-count" aria-live="polite">{len(rows)} shown</output></div>'
    )
    head = ["Path", "Method", "Handler", "Guard", "Authentication", "Authorisation"]
    known = f"{count(route_map.known, 'route')} known of {route_map.candidates:,} that look like one"
    return controls + table(known, head, rows, "routes")


def _matrix_row(file: str, group: Sequence[Route]) -> list[str]:
    states = [access_of(route).state for route in group]
    cells = [_cell([r for r, s in zip(group, states, strict=True) if s == state], state) for state in _STATES]
    return [f"<code>{safe(file)}</code>", _cell(group, ""), *cells]


def _cell(routes: Sequence[Route], state: str) -> str:
    if not routes:
        return '<span class="none">0</span>'
    writes = sum(not _WRITES.isdisjoint(route.methods) for route in routes)
    said = f"{len(routes)} ({writes})" if writes else str(len(routes))
    return f'<strong class="warn">{said}</strong>' if state in (OPEN, UNKNOWN) else said


def _route_row(route: Route) -> list[str]:
    access = access_of(route)
    methods = "WebSocket" if route.websocket else ", ".join(route.methods)
    handler = clean(route.handler, 200).rsplit(".", 1)[-1]
    kind = "warn" if access.state in (OPEN, UNKNOWN) else "fine"
    remark = " (conditional)" if route.conditional else ""
    return [
        f"<code>{safe(route.path)}</code>",
        safe(methods),
        f"<code>{safe(handler)}</code> <small>{safe(route.file)}:{route.line}</small>",
        f'<span class="{kind}" data-guard="{access.state}">{access.state.capitalize()}</span>{remark}',
        safe(access.authentication),
        safe(access.authorisation),
    ]
