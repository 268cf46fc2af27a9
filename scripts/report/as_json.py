"""Signals and routes as JSON: always whole, keys in a fixed order."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

from check import Hidden, Signal, clean
from report.loop import block_row

if TYPE_CHECKING:
    from baseline import Comparison
    from project.place import Place
    from project.routing.listed import RouteList
    from project.serving.guard_matrix import GuardRow
    from project.settings import Settings
    from report.output import Output

Row = dict[str, Any]


def signals_json(output: Output) -> str:
    """The signals contract, version 1; with a baseline each signal says whether it is new, and what was fixed."""
    project, outcome, comparison = output.project, output.outcome, output.comparison
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
            "checks": [check.id for check in output.checks],
            "signals": [signal_row(signal) | _state(signal, comparison) for signal in outcome.signals],
            "not_assessed": [{"check": note.check, "why": note.why} for note in outcome.not_assessed],
            "suppressed": outcome.suppressed,
            "configuration": configuration_row(project.settings, outcome.hidden),
            "notes": list(outcome.notes),
        }
        | ({"baseline": _baseline(comparison)} if comparison else {})
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


def _state(signal: Signal, comparison: Comparison | None) -> Row:
    return {"baseline": "new" if signal.id in comparison.new else "still there"} if comparison else {}


def _baseline(comparison: Comparison) -> Row:
    return {
        "file": clean(comparison.file, 400),
        "new": len(comparison.new),
        "still_there": comparison.still,
        "not_compared": comparison.unknown,
        "fixed": [
            {"id": row.id, "check": row.check, "path": row.path, "line": row.line, "message": row.message}
            for row in comparison.fixed
        ],
    }


def configuration_row(settings: Settings, hidden: Sequence[Hidden] = ()) -> Row | None:
    """What the project's configuration says, None when there is none; `excluded` signals are left out for it."""
    if not settings.file:
        return None
    return {
        "file": clean(settings.file, 400),
        "disable": list(settings.disable),
        "exclude": [clean(glob, 200) for glob in settings.exclude],
        "excluded": sum(not one.by_comment for one in hidden),
        "guards": [clean(name, 200) for name in settings.guards],
        "layers": {layer: [clean(glob, 200) for glob in globs] for layer, globs in settings.layers.items()},
        "thresholds": dict(settings.thresholds),
    }


def _place_row(place: Place) -> Row:
    return {"path": place.path, "line": place.line}


def routes_json(listed: RouteList, rows: Iterable[GuardRow], settings: Settings, notes: Sequence[str] = ()) -> str:
    """The routes contract, version 1. `rows` are those to print; the counts are always of the whole map."""
    route_map = listed.map
    return _dump(
        {
            "version": 1,
            "known": route_map.known,
            "candidates": route_map.candidates,
            "unknown": [
                {"path": clean(u.path, 400), "line": u.line, "why": clean(u.why, 300)} for u in route_map.unknown
            ],
            "routes": [_route_row(row) | {"blocks": block_row(listed, row.route)} for row in rows],
            "configuration": configuration_row(settings),
        }
        | ({"notes": list(notes)} if notes else {})
    )


def with_notes(content: str, notes: Sequence[str]) -> str:
    """JSON of an object with what must be said of the project behind it."""
    return _dump(json.loads(content) | {"notes": list(notes)}) if notes else content


def _route_row(row: GuardRow) -> Row:
    route = row.route
    return {
        "methods": [clean(method, 40) for method in route.methods],
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
        "auth_optional": clean(route.auth_optional, 400),
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
