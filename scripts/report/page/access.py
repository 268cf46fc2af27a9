"""Who may call what: the guard matrix by router file, and the table of all routes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from check import clean
from project.serving.guard_matrix import OPEN, UNKNOWN, GuardRow
from report.page.markup import safe, table
from report.routes import guard, rights_text
from report.wording import count

if TYPE_CHECKING:
    from project.routing.routes import RouteMap

_STATES = {
    "Open": "nothing seen that checks who calls",
    "Not known": "a guard could not be established or excluded",
    "Authenticated": "who calls is checked, no more",
    "Authorised": "a role, scope, permission or ownership is asked for as well",
}
_WARNED = ("Open", "Not known")
_WRITES = frozenset({"POST", "PUT", "PATCH", "DELETE"})


def matrix(rows: Sequence[GuardRow]) -> str:
    """Router files by how many of their routes are guarded in which way; routes that write are told apart."""
    files: dict[str, list[GuardRow]] = {}
    for row in rows:
        files.setdefault(row.route.file, []).append(row)
    cells = [_matrix_row(file, group) for file, group in sorted(files.items())]
    legend = "".join(f"<dt>{state}</dt><dd>{meaning}</dd>" for state, meaning in _STATES.items())
    caption = "Routes of each file by guard; in brackets how many of them write (POST, PUT, PATCH, DELETE)"
    return f'{table(caption, ["Router file", "Routes", *_STATES], cells, "matrix")}<dl class="legend">{legend}</dl>'


def route_table(route_map: RouteMap, rows: Sequence[GuardRow]) -> str:
    """Every route; a small script adds search and filter, and without it the table is complete."""
    options = "".join(f'<option value="{state}">{state}</option>' for state in _STATES)
    controls = (
        '<div class="controls" hidden><p><label for="route-search">Search routes</label>'
        '<input type="search" id="route-search" autocomplete="off"></p><p><label for="route-guard">Guard</label>'
        f'<select id="route-guard"><option value="">All</option>{options}</select></p>'
        f'<output id="route-count" aria-live="polite">{len(rows)} shown</output></div>'
    )
    head = ["Path", "Method", "Handler", "Guard", "Authentication", "Authorisation"]
    known = f"{count(route_map.known, 'route')} known of {route_map.candidates:,} that look like one"
    return controls + table(known, head, map(_route_row, rows), "routes")


def _state(row: GuardRow) -> str:
    if row.authentication in (OPEN, UNKNOWN):
        return "Open" if row.authentication == OPEN else "Not known"
    return "Authorised" if row.rights else "Authenticated"


def _matrix_row(file: str, group: Sequence[GuardRow]) -> list[str]:
    by_state = {state: [row for row in group if _state(row) == state] for state in _STATES}
    return [f"<code>{safe(file)}</code>", _cell(group, ""), *(_cell(rows, state) for state, rows in by_state.items())]


def _cell(rows: Sequence[GuardRow], state: str) -> str:
    if not rows:
        return '<span class="none">0</span>'
    writes = sum(not _WRITES.isdisjoint(row.route.methods) for row in rows)
    said = f"{len(rows)} ({writes})" if writes else str(len(rows))
    return f'<strong class="warn">{said}</strong>' if state in _WARNED else said


def _route_row(row: GuardRow) -> list[str]:
    route, state = row.route, _state(row)
    handler = clean(route.handler, 200).rsplit(".", 1)[-1]
    kind = "warn" if state in _WARNED else "fine"
    remark = " (conditional)" if route.conditional else ""
    return [
        f"<code>{safe(route.path)}</code>",
        safe("WebSocket" if route.websocket else ", ".join(route.methods)),
        f"<code>{safe(handler)}</code> <small>{safe(route.file)}:{route.line}</small>",
        f'<span class="{kind}" data-guard="{state}">{state}</span>{remark}',
        f"<code>{safe(guard(route))}</code>" if state not in _WARNED else "",
        f"<code>{safe(text)}</code>" if (text := rights_text(row)) else "",
    ]
