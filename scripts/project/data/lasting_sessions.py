"""Sessions that live as long as the process, because an object that is made once keeps them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.sessions import Opening
from project.language.command_line import is_command_line
from project.language.scopes import Class, Function, Module, Scope, parent, parents
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_MAKERS = frozenset(("__init__", "__post_init__"))


@dataclass(frozen=True, slots=True, eq=False)
class LastingSession:
    """A session that `keeper` holds: `database.session` of an object, or the object a session is handed to.

    `made` is where the object is made.
    """

    opening: Opening
    keeper: str
    made: Place


def lasting_sessions(project: Project) -> Iterator[LastingSession]:
    """In order of files and lines of the openings, each opening once."""
    for opening in project.sessions.openings:
        if opening.scoped or opening.closed or is_command_line(opening.scope):
            continue
        found = next(_kept(project, opening), None)
        if found is not None:
            yield found


def _kept(project: Project, opening: Opening) -> Iterator[LastingSession]:
    scope = opening.scope
    if opening.held == "self" and isinstance(scope, Function) and scope.name in _MAKERS and scope.owner is not None:
        for call, where in project.spelled.calls(scope.owner.name):
            if project.names.resolve(call.func, where) is scope.owner and _made_once(project, call, where):
                yield LastingSession(
                    opening, f"{scope.owner.name}{opening.name.removeprefix('self')}", where.place(call)
                )
    holder = parent(opening.call)
    if isinstance(scope, Module) and opening.held == "passed" and isinstance(holder, ast.Call):
        made = project.names.resolve(holder.func, scope)
        if isinstance(made, Class) and _made_once(project, holder, scope):
            yield LastingSession(opening, made.name, scope.place(holder))


def _made_once(project: Project, call: ast.Call, scope: Scope) -> bool:
    """Whether a call stands in the body of a module of the application and is kept, or in a function that keeps it."""
    if scope.module.kind != "app" or is_command_line(scope):
        return False
    if isinstance(scope, Function):
        return project.lifetimes.is_made_once(project.calls.site(call, scope))
    blocks = (h for h in parents(call) if isinstance(h, ast.If))
    kept = isinstance(parent(call), (ast.Assign, ast.AnnAssign))
    return isinstance(scope, Module) and kept and not any("__main__" in ast.unparse(b.test) for b in blocks)
