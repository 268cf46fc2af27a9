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
}
_PLAIN = tuple(field.name for field in fields(Route) if field.name not in _BLANK)


@dataclass(frozen=True, slots=True)
class RouteList:
    """Rows in the order of the route map, their routes without objects, and the map of these routes."""

    rows: list[GuardRow]
    map: RouteMap


def rows_of(project: Project) -> list[Any]:
    """The route map as rows of JSON."""
    routes = [
        [
            [getattr(row.route, name) for name in _PLAIN],
            row.authentication,
            row.by,
            row.how,
            [*map(astuple, row.rights)],
        ]
        for row in project.guard_matrix.rows
    ]
    return [routes, [astuple(place) for place in project.route_map.unknown]]


def from_rows(content: list[Any]) -> RouteList:
    """What `rows_of` gave, also after JSON."""
    routes, unknown = content
    rows = [_row(*row) for row in routes]
    return RouteList(rows, RouteMap([row.route for row in rows], [UnknownRoute(*row) for row in unknown], [], []))


def _row(plain: list[Any], authentication: str, by: str, how: str, rights: list[Any]) -> GuardRow:
    given = dict(zip(_PLAIN, plain, strict=True))
    values = _BLANK | {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}
    found = tuple(Right(kind, name, way, Place(*place)) for kind, name, way, place in rights)
    return GuardRow(Route(**values), authentication, by, how, found)
