"""What an application logs, traces and measures with, and whether it watches its queries."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.place import Place

if TYPE_CHECKING:
    from project import Project
    from project.language.scopes import Module, Scope

LOGGING, TRACING, METRICS, ERRORS, QUERIES = "logging", "tracing", "metrics", "error reports", "queries"
_LIBRARIES = {
    "structlog": (LOGGING, "structlog"),
    "loguru": (LOGGING, "loguru"),
    "logfire": (TRACING, "logfire"),
    "opentelemetry": (TRACING, "OpenTelemetry"),
    "ddtrace": (TRACING, "ddtrace"),
    "elasticapm": (TRACING, "Elastic APM"),
    "newrelic": (TRACING, "New Relic"),
    "prometheus_client": (METRICS, "Prometheus"),
    "prometheus_fastapi_instrumentator": (METRICS, "Prometheus"),
    "starlette_exporter": (METRICS, "Prometheus"),
    "statsd": (METRICS, "statsd"),
    "datadog": (METRICS, "datadog"),
    "sentry_sdk": (ERRORS, "Sentry"),
    "rollbar": (ERRORS, "Rollbar"),
    "bugsnag": (ERRORS, "Bugsnag"),
}
_OF_QUERIES = ("opentelemetry.instrumentation.sqlalchemy", "sentry_sdk.integrations.sqlalchemy")
_CONFIGURES = frozenset(("logging.basicConfig", "logging.config.dictConfig", "logging.config.fileConfig"))
_CALLED = ("basicConfig", "dictConfig", "fileConfig", "listens_for", "listen", "instrument_sqlalchemy")
_CURSOR_EVENTS = frozenset(("before_cursor_execute", "after_cursor_execute"))


@dataclass(frozen=True, slots=True, order=True)
class Monitor:
    """One means of watching the application: kind, name, and the first place where it is used."""

    kind: str
    name: str
    place: Place


def monitors(project: Project) -> list[Monitor]:
    """Each means once, by kind and name, with its first place."""
    found: dict[tuple[str, str], Monitor] = {}
    for module in project.app_modules:
        for one in _of(module, project):
            found.setdefault((one.kind, one.name), one)
    return sorted(found.values())


def _of(module: Module, project: Project) -> Iterator[Monitor]:
    for scope in module.walk():
        yield from _imported(scope)
    for call, scope in project.spelled.calls(*_CALLED):
        if scope.module is module:
            name = project.names.canonical(call.func, scope) or ""
            if name in _CONFIGURES:
                yield Monitor(LOGGING, name, scope.place(call))
            elif name == "logfire.instrument_sqlalchemy":
                yield Monitor(QUERIES, "logfire for SQLAlchemy", scope.place(call))
            elif any(isinstance(a, ast.Constant) and a.value in _CURSOR_EVENTS for a in call.args):
                yield Monitor(QUERIES, "SQLAlchemy cursor events", scope.place(call))


def _imported(scope: Scope) -> Iterator[Monitor]:
    for plain in scope.all(ast.Import):
        for alias in plain.names:
            yield from _known(alias.name, scope, plain)
    for node in scope.all(ast.ImportFrom):
        if node.module and not node.level:
            yield from _known(node.module, scope, node)


def _known(name: str, scope: Scope, node: ast.AST) -> Iterator[Monitor]:
    found = _LIBRARIES.get(name.partition(".")[0])
    if found is not None:
        yield Monitor(*found, scope.place(node))
    if name.startswith(_OF_QUERIES):
        yield Monitor(QUERIES, name.partition(".")[0] + " for SQLAlchemy", scope.place(node))
