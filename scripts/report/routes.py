"""The route map as text: grouped by router file, who may call each route, the open ones marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from functools import partial
from typing import TYPE_CHECKING

from check import clean
from project.serving.guard_matrix import short_name
from report.wording import NOTES_LIMIT, TEXT_LIMIT, columns, count, first, shown_path, size

if TYPE_CHECKING:
    from project.routing.routes import Route, RouteMap
    from project.serving.guard_matrix import GuardRow, Right

OPEN = "OPEN"
UNKNOWN = "? unknown"

Rows = Sequence["GuardRow"]
Table = Callable[[str, Rows], list[str]]


def routes_text(route_map: RouteMap, rows: Rows, target: str, loop: Sequence[str] = ()) -> str:
    """`rows` grouped by file within 25,000 characters; when they are many, guarded ones are counted, not listed."""
    head = [*summary(route_map), *loop, *_legend([row.route for row in rows]), ""]
    tail = not_understood(route_map, 10)
    by_file = _grouped(rows)
    room = TEXT_LIMIT - size(head) - size(tail) - NOTES_LIMIT - 110
    for table in (_aligned, _plain, _open_only):
        blocks = [table(file, group) for file, group in by_file.items()]
        if sum(map(size, blocks)) <= room:
            break
    else:
        blocks = _fitting(blocks, room, target)
    if table is not _aligned and table is not _plain:
        tail = [f"Guarded routes are only counted above; see them with `review.py routes{target} --path GLOB`.", *tail]
    return "\n".join([*head, *(line for block in blocks for line in block), *tail]) + "\n"


def summary(route_map: RouteMap) -> list[str]:
    """Coverage of the map and how many routes are open, in two lines."""
    routes = route_map.routes
    opened = sum(route.auth is False for route in routes)
    unknown = sum(route.auth is None for route in routes)
    on_loop = sum(route.is_async for route in routes)
    sockets = sum(route.websocket for route in routes)
    return [
        f"{count(route_map.known, 'route')} known of {route_map.candidates:,} that look like one",
        f"{opened:,} open, {len(routes) - opened - unknown:,} guarded, {unknown:,} not known · "
        f"{on_loop:,} async, {len(routes) - on_loop:,} sync" + (f" · {sockets:,} WebSocket" if sockets else ""),
    ]


def not_understood(route_map: RouteMap, limit: int) -> list[str]:
    """Places that look like a route and were not understood, at most `limit` of them."""
    lines = [f"  {shown_path(u.path, 120)}:{u.line} {clean(u.why, 160)}" for u in route_map.unknown]
    head = "Not understood (each may hold any number of routes, read it):"
    return [head, *first(lines, limit, "--format json")] if lines else []


def guard(route: Route) -> str:
    """The short name of what guards a route, OPEN, or unknown."""
    if route.auth is None:
        return UNKNOWN
    if route.auth is False:
        return f"{OPEN}, optional {clean(short_name(route.auth_optional), 60)}" if route.auth_optional else OPEN
    by, comma, remark = route.auth_by.partition(",")
    return clean(short_name(by), 80) + comma + clean(remark, 60) if by else "guarded"


def rights_text(row: GuardRow) -> str:
    """What the caller must be allowed: `require_role(admin), owner user_id`; three things at most."""
    said = dict.fromkeys(map(partial(_said, guard(row.route)), row.rights))
    shown = [clean(text, 60) for text in said]
    return ", ".join([*shown[:3], *([f"{len(shown) - 3} more"] if len(shown) > 3 else [])])


def by_file_rows(routes: Sequence[Route], limit: int, more: str) -> list[str]:
    """One row a router file, most routes first: how many, how many open, the common start of their paths."""
    rows = [
        (shown_path(file, 60), count(len(group), "route"), _opened(group), _common_start([r.path for r in group]))
        for file, group in sorted(_by_file(routes).items(), key=lambda item: -len(item[1]))
    ]
    return first(columns(rows), limit, more)


def _said(by: str, right: Right) -> str:
    if right.how not in ("dependency", "scopes"):
        return f"{right.kind} {right.name}"
    return right.kind if right.name == by else right.name


def guards_line(rows: Sequence[GuardRow], limit: int) -> str:
    """`90 of 100 authenticated by get_user (80), api_key (10); 34 authorised by require_role(admin) (20); 8 open`."""
    guarded = [row for row in rows if row.authentication == "guarded"]
    if not guarded:
        return ""
    authorised = [row for row in guarded if row.rights]
    by = Counter(guard(row.route).split(",")[0] for row in guarded)
    rights = Counter(name for row in authorised for name in {_right(right) for right in row.rights})
    opened = sum(row.authentication == "open" for row in rows)
    parts = [f"{len(guarded):,} of {len(rows):,} authenticated by {_most(by, limit)}"]
    parts += [f"{len(authorised):,} authorised by {_most(rights, limit)}"] if authorised else []
    parts += [f"{opened:,} open", f"{len(rows) - len(guarded) - opened:,} unknown"]
    return "; ".join(parts)


def _right(right: Right) -> str:
    if right.how in ("dependency", "scopes"):
        return clean(right.name, 60)
    return f"{right.kind} in {'the handler' if right.how == 'handler' else 'a service'}"


def _most(counted: Counter[str], limit: int) -> str:
    shown = [f"{clean(name, 60)} ({number:,})" for name, number in counted.most_common(limit)]
    return ", ".join([*shown, *(["…"] if len(counted) > limit else [])])


def _legend(routes: Sequence[Route]) -> list[str]:
    marks = {OPEN: "nothing seen that checks who calls", UNKNOWN: "a guard could not be established or excluded"}
    used = [
        f"{mark} = {meaning}" for mark, meaning in marks.items() if any(guard(r).split(",")[0] == mark for r in routes)
    ]
    return ["; ".join(used)] if used else []


def _by_file(routes: Sequence[Route]) -> dict[str, list[Route]]:
    groups: dict[str, list[Route]] = {}
    for route in sorted(routes, key=lambda r: (r.file, r.line, r.path)):
        groups.setdefault(route.file, []).append(route)
    return groups


def _grouped(rows: Rows) -> dict[str, list[GuardRow]]:
    groups: dict[str, list[GuardRow]] = {}
    for row in sorted(rows, key=lambda r: (r.route.file, r.route.line, r.route.path)):
        groups.setdefault(row.route.file, []).append(row)
    return groups


def _row(row: GuardRow) -> tuple[str, str, str, str]:
    route = row.route
    handler = clean(route.handler, 200).rsplit(".", 1)[-1]
    remarks = [
        " + ".join(filter(None, (guard(route), rights_text(row)))),
        "conditional" if route.conditional else "",
        "" if route.include_in_schema else "not in schema",
    ]
    methods = "WS" if route.websocket else ",".join(route.methods)
    return clean(methods, 80), clean(route.path, 160), f"{handler}:{route.line}", "  ".join(filter(None, remarks))


def _aligned(file: str, rows: Rows) -> list[str]:
    return [_file_line(file, rows), *columns([_row(row) for row in rows]), ""]


def _plain(file: str, rows: Rows) -> list[str]:
    return [_file_line(file, rows), *(" " + " ".join(_row(row)) for row in rows), ""]


def _open_only(file: str, rows: Rows) -> list[str]:
    return [_file_line(file, rows), *(" " + " ".join(_row(row)) for row in rows if not row.route.auth)]


def _fitting(blocks: Sequence[list[str]], room: int, target: str) -> list[list[str]]:
    kept: list[list[str]] = []
    for block in blocks:
        if sum(map(size, kept)) + size(block) > room:
            left = len(blocks) - len(kept)
            return [*kept, [f"… {count(left, 'more file')}: `review.py routes{target} --path GLOB` or --format json"]]
        kept.append(block)
    return kept


def _file_line(file: str, rows: Rows) -> str:
    opened = _opened([row.route for row in rows])
    return f"{clean(file, 200)} ({count(len(rows), 'route')}{', ' + opened if opened else ''})"


def _opened(routes: Sequence[Route]) -> str:
    number = sum(route.auth is False for route in routes)
    return f"{number} open" if number else ""


def _common_start(paths: Sequence[str]) -> str:
    """The leading path segments that all of `paths` share, without parameters: `/api/v1/users`."""
    shared: list[str] = []
    for segments in zip(*(path.split("/") for path in paths), strict=False):
        if len(set(segments)) > 1 or "{" in segments[0]:
            break
        shared.append(segments[0])
    return clean("/".join(shared), 60) or "/"
