"""What FastAPI itself serves: a small tree is imported and its routes are walked, to compare the route map with."""

from __future__ import annotations

import importlib
import inspect
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fastapi.routing import APIRoute, APIWebSocketRoute, iter_route_contexts
from starlette.routing import Mount

from project import Project
from project.routing.routes import Route


@dataclass(frozen=True)
class Row:
    """One route, in the words that can be compared. Dependencies without those of libraries, sorted."""

    methods: tuple[str, ...]
    path: str
    handler: str
    line: int
    dependencies: tuple[str, ...]
    response_model: str
    status_code: int
    in_schema: bool
    tags: tuple[str, ...]


def served(folder: Path, target: str) -> list[Row]:
    """Rows of the application `module:variable` (or `module:factory()`) of the tree at `folder`, as it runs."""
    module, _, name = target.partition(":")
    with _importable(folder):
        value = getattr(importlib.import_module(module), name.removesuffix("()"))
        app = value() if name.endswith("()") else value
        return list(_rows(app.routes, "", folder))


def mapped(project: Project, app: str = "") -> list[Row]:
    """Rows of the route map of one application (of the only one)."""
    return [_row(r, project) for r in project.routes if not app or r.app == app]


@contextmanager
def _importable(folder: Path) -> Iterator[None]:
    before = set(sys.modules)
    sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.remove(str(folder))
        for name in set(sys.modules) - before:
            if str(folder) in str(
                getattr(sys.modules[name], "__file__", "") or getattr(sys.modules[name], "__path__", "")
            ):
                del sys.modules[name]


def _rows(routes: Any, prefix: str, folder: Path) -> Iterator[Row]:
    for context in iter_route_contexts(routes):
        original = context.original_route
        if isinstance(original, Mount):
            yield from _rows(getattr(context.app, "routes", []), prefix + (context.path or ""), folder)
        elif isinstance(original, (APIRoute, APIWebSocketRoute)):
            function = _function(context.endpoint)
            calls = {_name(d.call) for d in _flattened(context.dependant)}
            methods = () if isinstance(original, APIWebSocketRoute) else tuple(sorted(context.methods or ()))
            yield Row(
                methods,
                prefix + (context.path or ""),
                _name(getattr(context.endpoint, "func", context.endpoint)),
                _def_line(function),
                tuple(sorted(c for c in calls if _is_own(c))),
                _model(getattr(context, "response_model", None)),
                getattr(context, "status_code", None) or 200,
                getattr(context, "include_in_schema", True),
                tuple(str(t) for t in getattr(context, "tags", ())),
            )


def _flattened(dependant: Any) -> Iterator[Any]:
    for inner in dependant.dependencies:
        yield inner
        yield from _flattened(inner)


def _function(value: Any) -> Any:
    value = inspect.unwrap(getattr(value, "func", value))
    if not inspect.isroutine(value) and not inspect.isclass(value):
        value = type(value).__call__
    return getattr(value, "__func__", value)


def _def_line(function: Any) -> int:
    lines, start = inspect.getsourcelines(function)
    return start + next(i for i, line in enumerate(lines) if re.match(r"\s*(async\s+)?(def|class)\s", line))


def _name(value: Any) -> str:
    value = inspect.unwrap(value)
    if inspect.isroutine(value) or inspect.isclass(value):
        return f"{value.__module__}.{value.__qualname__}"
    return f"{type(value).__module__}.{type(value).__qualname__}()"


def _is_own(name: str) -> bool:
    return not name.startswith(("fastapi.", "starlette.", "functools.", "typing."))


def _model(value: Any) -> str:
    text = value.__name__ if inspect.isclass(value) and not getattr(value, "__args__", None) else str(value or "")
    return " ".join(re.findall(r"\w+", re.sub(r"[\w<>]*\.", "", text)))


def _row(route: Route, project: Project) -> Row:
    return Row(
        tuple(sorted(route.methods)),
        route.path,
        route.handler,
        route.line,
        tuple(sorted(d for d in route.dependencies if _is_own(d))),
        " ".join(re.findall(r"\w+", re.sub(r"[\w<>]*\.", "", route.response_model or ""))),
        route.status_code,
        route.include_in_schema,
        route.tags,
    )
