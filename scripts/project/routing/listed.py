"""The route map as outputs show it: plain fields only, so that it can be kept between commands."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import astuple, dataclass, fields
from typing import Any

from project.routing.routes import RouteMap, UnknownRoute


@dataclass(frozen=True, slots=True)
class ListedRoute:
    """One route; the fields are those of `Route`."""

    methods: tuple[str, ...]
    path: str
    file: str
    line: int
    decorator_line: int
    handler: str
    is_async: bool
    dependencies: tuple[str, ...]
    response_model: str | None
    status_code: int
    websocket: bool
    app: str
    conditional: bool
    include_in_schema: bool
    auth: bool | None
    auth_by: str


@dataclass(frozen=True, slots=True)
class RouteList:
    """All routes in serving order for each application, and what looks like a registration and was not understood."""

    routes: list[ListedRoute]
    unknown: list[UnknownRoute]

    @property
    def known(self) -> int:
        return len(self.routes)

    @property
    def candidates(self) -> int:
        """Everything that looks like a registration: known routes and places not understood."""
        return len(self.routes) + len(self.unknown)


def listed(found: RouteMap) -> RouteList:
    return RouteList([_listed([getattr(route, name) for name in _FIELDS]) for route in found.routes], found.unknown)


def as_rows(found: RouteList) -> list[Any]:
    return [[astuple(route) for route in found.routes], [astuple(place) for place in found.unknown]]


def from_rows(rows: list[Any]) -> RouteList:
    """The inverse of `as_rows`, also after JSON."""
    routes, unknown = rows
    return RouteList([_listed(row) for row in routes], [UnknownRoute(*row) for row in unknown])


def _listed(row: Iterable[Any]) -> ListedRoute:
    given = zip(_FIELDS, row, strict=True)
    values: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in given}
    return ListedRoute(**values)


_FIELDS = tuple(field.name for field in fields(ListedRoute))
