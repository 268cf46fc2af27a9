"""The route map and its guards as outputs show them: plain data, so that it can be kept between commands."""

from __future__ import annotations

from dataclasses import astuple, dataclass, fields
from typing import TYPE_CHECKING, Any

from project.place import Place
from project.routing.routes import Route, RouteMap, UnknownRoute
from project.serving.guard_matrix import GuardRow, Right

if TYPE_CHECKING:
    from project import Project

# What routes have besides plain data: left out here.
_BLANK: dict[str, Any] = {
    "function": None,
    "dependency_tree": (),
    "response_model_value": None,
    "place": Place("", 1, 1),
    "router_place": Place("", 1, 1),
    "include_places": (),
    "endpoint": None,
    "options": {},
    "mounts": (),
}
_PLAIN = tuple(field.name for field in fields(Route) if field.name not in _BLANK)


@dataclass(frozen=True, slots=True)
class RouteList:
    """Rows in the order of the route map, their routes without objects, and the map of these routes."""

    rows: list[GuardRow]
    map: RouteMap
    blocks: dict[int, dict[str, Any]]

    def block(self, route: Route) -> dict[str, Any] | None:
        """What holds the event loop when a route of this list runs (see `_block`)."""
        return self.blocks.get(id(route))


def rows_of(project: Project) -> list[Any]:
    """The route map as rows of JSON."""
    rows = project.guard_matrix.rows
    routes = [[_plain(row.route), row.authentication, row.by, row.how, [*map(astuple, row.rights)]] for row in rows]
    blocks = [_block(project, row.route) for row in rows]
    return [routes, [astuple(place) for place in project.route_map.unknown], blocks]


def _plain(route: Route) -> list[Any]:
    return [getattr(route, name) for name in _PLAIN]


def _block(project: Project, route: Route) -> dict[str, Any] | None:
    """The nearest call that holds the event loop; `through` whether it stands in a dependency,
    `sometimes` whether only an error or the configuration leads to it.
    """
    block = project.loop_holds.block(route)
    if block is None:
        return None
    place = block.held.site.place()
    return {
        "call": block.held.spelled,
        "kind": block.held.kind.kind,
        "path": place.path,
        "line": place.line,
        "calls_away": block.calls_away,
        "function": block.function.dotted,
        "remedy": block.remedy,
        "instead": block.instead,
        "through": block.function is not route.function,
        "sometimes": block.sometimes,
    }


def from_rows(content: list[Any]) -> RouteList:
    """What `rows_of` gave, also after JSON."""
    routes, unknown, blocks = content
    rows = [_row(*row) for row in routes]
    found = RouteMap([row.route for row in rows], [UnknownRoute(*row) for row in unknown], [], [])
    return RouteList(rows, found, {id(row.route): block for row, block in zip(rows, blocks, strict=True) if block})


def _row(plain: list[Any], authentication: str, by: str, how: str, rights: list[Any]) -> GuardRow:
    given = dict(zip(_PLAIN, plain, strict=True))
    values = _BLANK | {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    found = tuple(Right(kind, name, way, Place(*place)) for kind, name, way, place in rights)
    return GuardRow(Route(**values), authentication, by, how, found)
