"""Lines of the overview about what the project is made of: entry points, packages, data, monitoring."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING

from check import clean
from project.data.queries import WRITE
from project.data.statements import is_session_class
from project.language.layers import LAYERS
from project.language.packages import packages
from project.language.value_types import Instance
from project.serving.monitoring import LOGGING, QUERIES, monitors
from report.wording import count

if TYPE_CHECKING:
    from project import Function, Project
    from project.data.models import Model
    from project.place import Place

_UNITS_OF_WORK = ("sqlalchemy", "sqlmodel")


def entry_lines(project: Project) -> Iterator[str]:
    """Applications, each with the place where it is made, the one with most routes first."""
    routes = Counter(route.app for route in project.route_map.routes)
    for said, mounted in (("entry points", False), ("mounted in them", True)):
        apps = [app for app in project.route_map.apps if app.mounted is mounted]
        apps.sort(key=lambda app: -routes[app.name])
        named = [f"{clean(app.name, 80)} ({_at(app.place)})" for app in apps]
        if named:
            yield f"{said}: {_few(named, 3)}"


def package_line(project: Project) -> str:
    """Packages by lines, the largest first."""
    sizes: Counter[str] = Counter()
    for module, package in packages(m for m in project.app_modules if m.node.body).items():
        sizes[package] += len(module.lines)
    named = [f"{clean(name, 60)} {lines:,}" for name, lines in sizes.most_common()]
    return f"lines by package: {_few(named, 8)}" if named else ""


def data_lines(project: Project) -> Iterator[str]:
    """Tables, sessions, queries by layer, migrations."""
    models = [m for m in project.models.all if m.cls is None or m.cls.module.kind == "app"]
    if models:
        yield _tables(models)
    yield from _sessions(project)
    yield from _queries(project)
    revisions = project.migrations.revisions
    if revisions:
        heads = [len(project.migrations.heads(group)) for group in project.migrations.groups]
        histories = f" in {len(heads)} histories of their own" if len(heads) > 1 else ""
        ends = "1 head each" if histories and set(heads) == {1} else count(sum(heads), "head")
        yield f"migrations: {count(len(revisions), 'revision')}{histories}, {ends}"


def _tables(models: Sequence[Model]) -> str:
    relations = Counter(relation.lazy for model in models for relation in model.relationships.values())
    loading = ", ".join(f"{lazy} {number}" for lazy, number in relations.most_common(4))
    orms = ", ".join(sorted({model.orm for model in models}))
    tables = {model.table for model in models if model.table}
    unnamed = sum(model.table is None for model in models)
    files = count(len({model.place.path for model in models}), "file")
    mapped = f", {len(models)} classes" if len(tables) + unnamed < len(models) else ""
    said = f"tables: {len(tables) + unnamed} ({orms}{mapped}) in {files}"
    return f"{said}; relationships: {relations.total()} ({loading})" if relations else said


def _sessions(project: Project) -> Iterator[str]:
    migrating = {environment.module for environment in project.migrations.environments}
    engines = [e for e in project.sessions.engines if e.scope.module not in migrating]
    if engines:
        named = [
            f"{'async' if e.asynchronous else 'sync'} {e.dialect} {_at(e.place)}".replace("  ", " ") for e in engines
        ]
        yield f"engines: {_few(named, 3)}"
    opened = {function for function, _ in project.sessions.generators() if function.returns is None}
    providers = [f.dotted for f in project.sessions.dependencies if f in opened or _gives_session(project, f)]
    if providers:
        yield f"sessions come from: {_few([clean(name, 80) for name in providers], 3)}"


def _gives_session(project: Project, function: Function) -> bool:
    made = project.values.provided(function)
    return any(isinstance(value, Instance) and is_session_class(value, project.names) for value in made)


def _queries(project: Project) -> Iterator[str]:
    where: Counter[str] = Counter()
    writes = 0
    for execution in project.queries.all:
        if execution.scope.module.kind == "app":
            where[project.layers.of(execution.scope.module) or "other module"] += 1
            writes += execution.effect == WRITE
    if where:
        order = (*LAYERS, *sorted(set(where) - set(LAYERS)))
        layers = ", ".join(f"{layer} {where[layer]}" for layer in order if where[layer])
        added = any(project.spelled.calls("add", "add_all")) and any(
            m.orm in _UNITS_OF_WORK for m in project.models.all
        )
        also = ", besides objects added to a session" if added else ""
        yield f"statements sent: {where.total():,} ({writes:,} write{also}), by layer: {layers}"


def monitoring_lines(project: Project) -> list[str]:
    """What is logged and measured with, and whether queries are watched."""
    found = monitors(project)
    named = [f"{one.name} ({one.kind}, {_at(one.place)})" for one in found if one.kind != QUERIES]
    watched = [f"{one.name} ({_at(one.place)})" for one in found if one.kind == QUERIES]
    echo = [e for e in project.sessions.engines if not _is_off(e.options.get("echo"))]
    watched += [f"engine option echo ({_at(echo[0].place)})"] if echo else []
    missing = [] if any(one.kind == LOGGING for one in found) else ["no logging configuration seen"]
    queries = f"queries: watched by {_few(watched, 2)}" if watched else "queries: nothing seen that watches them"
    return [f"monitoring: {'; '.join([_few(named, 4)] * bool(named) + missing)}", queries]


def _is_off(option: ast.expr | None) -> bool:
    return option is None or (isinstance(option, ast.Constant) and not option.value)


def _at(place: Place) -> str:
    return f"{clean(place.path, 80)}:{place.line}"


def _few(items: Iterable[str], most: int) -> str:
    listed = list(items)
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")
