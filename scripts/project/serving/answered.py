"""Which status a raised exception is answered with: its own, or the one an exception handler reads from its class."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.scopes import Class, Function
from project.routing.interpret_values import Cls, plain
from project.routing.routes import called_functions
from project.serving.exceptions import Kind, Raised

if TYPE_CHECKING:
    from project import Project


class Answered:
    """Statuses of exceptions that leave a path operation."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def status(self, raised: Raised) -> int | None:
        """The status an exception is answered with, None when it is not known."""
        if self._project.exceptions.is_http(raised.kind):
            errors = self._project.http_errors.of(raised.function)
            return next((e.status for e in errors if e.node is raised.node), None)
        return self.of_class(raised.kind) if isinstance(raised.kind, Class) else None

    def of_class(self, kind: Class) -> int | None:
        """`code` of the class where a handler answers with `status_code=exc.code`; of the nearest handler."""
        for base in self._project.names.mro(kind):
            attribute = self._by_handler.get(base.dotted)
            if attribute is not None:
                return self._constant(kind, attribute) if attribute else None
        return None

    @cached_property
    def _by_handler(self) -> dict[str, str]:
        """Exception class -> attribute that its handler takes as status, "" when it takes something else."""
        found: dict[str, str] = {}
        for app in self._project.route_map.apps:
            for handler in app.exception_handlers:
                kind = plain(handler.exception)
                if isinstance(kind, Cls):
                    functions = called_functions(self._project, handler.function)
                    statuses = {status for function in functions for status in _statuses(function)}
                    found[kind.scope.dotted] = statuses.pop() if len(statuses) == 1 else ""
        return found

    def _constant(self, kind: Kind, attribute: str) -> int | None:
        for base in self._project.names.mro(kind) if isinstance(kind, Class) else ():
            bindings = base.bindings.get(attribute, []) if isinstance(base, Class) else []
            if bindings and isinstance(base, Class):
                return self._project.http_errors.status(bindings[-1].value, base)
        return None


def _statuses(function: Function) -> Iterator[str]:
    """Attributes of the exception that responses take as status; "" for another status."""
    name = function.params[1][0].arg if len(function.params) > 1 else ""
    for call in function.all(ast.Call):
        status = next((k.value for k in call.keywords if k.arg == "status_code"), None)
        if status is not None:
            own = isinstance(status, ast.Attribute) and isinstance(status.value, ast.Name) and status.value.id == name
            yield status.attr if own and isinstance(status, ast.Attribute) else ""
