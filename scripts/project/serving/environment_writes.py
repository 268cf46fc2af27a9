"""Writes into the environment of the process while it serves requests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.scopes import Function, Scope, parent, parents
from project.place import Place
from project.serving.origins import Way

if TYPE_CHECKING:
    from project import Project

_ENVIRONMENT = "os.environ"
_CALLS = {"os.environ.update": 0, "os.putenv": 1}
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class EnvWrite:
    """One write in a function that requests run; `way` leads there from the request when that gives the value.

    `secret`: the name or the value speaks of a key, token or password.
    """

    place: Place
    function: Function
    way: Way | None
    secret: bool


def environment_writes(project: Project) -> Iterator[EnvWrite]:
    """Writes of values that are not constant, in functions that a request reaches."""
    for module in project.app_modules:
        for scope in module.functions if "environ" in module.source.text or "putenv" in module.source.text else ():
            function = project.requests.within(scope)
            if function is not None:
                for node, value in _written(project, scope):
                    if not isinstance(value, ast.Constant) and not _is_default(node):
                        way = project.origins.way(value, scope)
                        secret = bool(_SECRET.search(ast.unparse(node) + ast.unparse(value)))
                        yield EnvWrite(scope.place(node), function, way, secret)


def _is_default(node: ast.AST) -> bool:
    """Whether a test asks first whether the variable is there already."""
    return any(isinstance(h, ast.If) and "environ" in ast.unparse(h.test) for h in parents(node))


def _written(project: Project, scope: Scope) -> Iterator[tuple[ast.AST, ast.expr]]:
    for item in scope.all(ast.Subscript):
        holder = parent(item)
        if not isinstance(holder, ast.Assign) or item not in holder.targets:
            continue
        if project.names.canonical(item.value, scope) == _ENVIRONMENT:
            yield item, holder.value
    for call in scope.all(ast.Call):
        position = _CALLS.get(project.names.canonical(call.func, scope) or "")
        if position is not None and len(call.args) > position:
            yield call, call.args[position]
