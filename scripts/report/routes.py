"""The route map as text: grouped by router file, who guards each route, the open ones marked."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from check import clean
from report.wording import TEXT_LIMIT, columns, count, first, size

if TYPE_CHECKING:
    from project.routing.listed import ListedRoute, RouteList

OPEN = "OPEN"
UNKNOWN = "? unknown"

Table = Callable[[str, Sequence["ListedRoute"]], list[str]]


def routes_text(route_map: RouteList, routes: Sequence[ListedRoute], target: str) -> str:
    """`routes` grouped by file within 25,000 characters; when they are many, guarded ones are counted, not listed."""
    head = [*summary(route_map), *_legend(routes), ""]
    tail = not_understood(route_map, 10)
    by_file = _by_file(routes)
    room = TEXT_LIMIT - size(head) - size(tail) - 400
    for table in (_aligned, _plain, _open_only):
        blocks = [table(file, group) for file, group in by_file.items()]
        if sum(map(size, blocks)) <= room:
            break
    else:
        blocks = _fitting(blocks, room, target)
    if table is not _aligned and table is not _plain:
        tail = [f"Guarded routes are only counted above; see them with `review.py routes{target} --path GLOB`.", *tail]
    return "\n".join([*head, *(line for block in blocks for line in block), *tail]) + "\n"


def summary(route_map: RouteList) -> list[str]:
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


def not_understood(route_map: RouteList, limit: int) -> list[str]:
    """Places that look like a route and were not understood, at most `limit` of them."""
    lines = [f"  {clean(u.path, 120)}:{u.line} {clean(u.why, 160)}" for u in route_map.unknown]
    head = "Not understood (each may hold any number of routes, read it):"
    return [head, *first(lines, limit, "--format json")] if lines else []


def guard(route: ListedRoute) -> str:
    """The short name of what guards a route, OPEN, or unknown."""
    if route.auth is None:
        return UNKNOWN
    if route.auth is False:
        return OPEN
    return clean(route.auth_by, 80).rsplit(".", 1)[-1] or "guarded"


def by_file_rows(routes: Sequence[ListedRoute], limit: int, more: str) -> list[str]:
    """One row a router file, most routes first: how many, how many open, the common start of their paths."""
    rows = [
        (clean(file, 60), count(len(group), "route"), _opened(group), _common_start([r.path for r in group]))
        for file, group in sorted(_by_file(routes).items(), key=lambda item: -len(item[1]))
    ]
    return first(columns(rows), limit, more)


def guard_counts(routes: Sequence[ListedRoute], limit: int) -> str:
    """`get_current_user 120, require_admin 14`: the most used guards."""
    names = Counter(guard(route) for route in routes if route.auth)
    return ", ".join(f"{name} {number}" for name, number in names.most_common(limit))


def _legend(routes: Sequence[ListedRoute]) -> list[str]:
    marks = {OPEN: "nothing seen that checks who calls", UNKNOWN: "a guard could not be established or excluded"}
    used = [f"{mark} = {meaning}" for mark, meaning in marks.items() if any(guard(r) == mark for r in routes)]
    return ["; ".join(used)] if used else []


def _by_file(routes: Sequence[ListedRoute]) -> dict[str, list[ListedRoute]]:
    groups: dict[str, list[ListedRoute]] = {}
    for route in sorted(routes, key=lambda r: (r.file, r.line, r.path)):
        groups.setdefault(route.file, []).append(route)
    return groups


def _row(route: ListedRoute) -> tuple[str, str, str, str]:
    handler = clean(route.handler, 200).rsplit(".", 1)[-1]
    remarks = [
        guard(route),
        "conditional" if route.conditional else "",
        "" if route.include_in_schema else "not in schema",
    ]
    methods = "WS" if route.websocket else ",".join(route.methods)
    return methods, clean(route.path, 160), f"{handler}:{route.line}", "  ".join(filter(None, remarks))


def _aligned(file: str, routes: Sequence[ListedRoute]) -> list[str]:
    return [_file_line(file, routes), *columns([_row(route) for route in routes]), ""]


def _plain(file: str, routes: Sequence[ListedRoute]) -> list[str]:
    return [_file_line(file, routes), *(" " + " ".join(_row(route)) for route in routes), ""]


def _open_only(file: str, routes: Sequence[ListedRoute]) -> list[str]:
    return [_file_line(file, routes), *(" " + " ".join(_row(route)) for route in routes if not route.auth)]


def _fitting(blocks: Sequence[list[str]], room: int, target: str) -> list[list[str]]:
    kept: list[list[str]] = []
    for block in blocks:
        if sum(map(size, kept)) + size(block) > room:
            left = len(blocks) - len(kept)
            return [*kept, [f"… {count(left, 'more file')}: `review.py routes{target} --path GLOB` or --format json"]]
        kept.append(block)
    return kept


def _file_line(file: str, routes: Sequence[ListedRoute]) -> str:
    opened = _opened(routes)
    return f"{clean(file, 200)} ({count(len(routes), 'route')}{', ' + opened if opened else ''})"


def _opened(routes: Sequence[ListedRoute]) -> str:
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
