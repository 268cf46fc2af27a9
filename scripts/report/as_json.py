"""Signals and routes as JSON: always whole, keys in a fixed order."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from check import Outcome, Signal, clean

if TYPE_CHECKING:
    from project import Project
    from project.place import Place
    from project.routing.routes import RouteMap
    from project.serving.guard_matrix import GuardRow

Row = dict[str, Any]


def signals_json(project: Project, outcome: Outcome) -> str:
    """The signals contract, version 1."""
    major, minor, _ = platform.python_version_tuple()
    return _dump(
        {
            "version": 1,
            "root": clean(project.name, 200),
            "python": f"{major}.{minor}",
            "rewritten": sum(source.rewritten for source in project.sources),
            "files": len(project.sources),
            "lines": project.line_count,
            "unread": [{"path": clean(u.path, 400), "line": u.line, "why": clean(u.why, 300)} for u in project.unread],
            "routes": {"known": project.route_counts[0], "candidates": project.route_counts[1]},
            "signals": [signal_row(signal) for signal in outcome.signals],
            "not_assessed": [{"check": note.check, "why": note.why} for note in outcome.not_assessed],
            "suppressed": outcome.suppressed,
        }
    )


def signal_row(signal: Signal) -> Row:
    return {
        "id": signal.id,
        "check": signal.check,
        "name": signal.name,
        "dimension": signal.dimension,
        "impact": signal.impact,
        "certainty": signal.certainty,
        "path": signal.path,
        "line": signal.line,
        "end_line": signal.end_line,
        "symbol": signal.symbol,
        "message": signal.message,
        "source": signal.source,
        "trace": [_place_row(place) | {"label": place.label or place.symbol} for place in signal.trace],
        "fix": signal.fix,
        "doc": signal.doc,
        "anti_pattern": signal.anti_pattern,
        "places": [_place_row(place) for place in signal.places],
    }


def _place_row(place: Place) -> Row:
    return {"path": place.path, "line": place.line}


def routes_json(route_map: RouteMap, rows: Iterable[GuardRow]) -> str:
    """The routes contract, version 1. `rows` are those to print; the counts are always of the whole map."""
    return _dump(
        {
            "version": 1,
            "known": route_map.known,
            "candidates": route_map.candidates,
            "unknown": [
                {"path": clean(u.path, 400), "line": u.line, "why": clean(u.why, 300)} for u in route_map.unknown
            ],
            "routes": [_route_row(row) for row in rows],
        }
    )


def _route_row(row: GuardRow) -> Row:
    route = row.route
    return {
        "methods": list(route.methods),
        "path": clean(route.path, 1000),
        "file": clean(route.file, 400),
        "line": route.line,
        "decorator_line": route.decorator_line,
        "handler": clean(route.handler, 400),
        "async": route.is_async,
        "dependencies": [clean(name, 400) for name in route.dependencies],
        "auth": route.auth,
        "auth_by": clean(route.auth_by, 400),
        "auth_how": route.auth_how,
        "rights": [
            {"kind": r.kind, "name": clean(r.name, 200), "how": r.how} | _place_row(r.place) for r in row.rights
        ],
        "response_model": route.response_model and clean(route.response_model, 1000),
        "status_code": route.status_code,
        "websocket": route.websocket,
        "app": clean(route.app, 400),
        "conditional": route.conditional,
    }


def _dump(content: Row) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"
