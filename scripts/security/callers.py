"""Who a route is for: administrators, everyone, whoever is logged in. Judged by what guards and handlers do."""

from __future__ import annotations

from project import Project
from project.place import Place
from project.routing.routes import Route
from project.serving.rights import OWNER

WRITES = frozenset("POST PUT PATCH DELETE".split())


def named(route: Route) -> str:
    """`DELETE /items/{key}`."""
    return f"{'/'.join(route.methods) or 'WS'} {route.path}"


def place_of(route: Route) -> Place:
    """The def of the handler."""
    return (
        route.function.place()
        if route.function is not None
        else Place(route.file, route.line, route.line, route.handler)
    )


def changes(route: Route) -> bool:
    return bool(WRITES.intersection(route.methods))


def is_for_admins(project: Project, route: Route) -> bool:
    """Whether only administrators get through, by the names of guards, scopes and roles asked for."""
    return project.guard_matrix.is_for_admins(route)


def is_for_few(project: Project, route: Route) -> bool:
    """Whether only privileged callers get through: a role, permission or scope is asked for.

    A dependency that more than half of the guarded routes have, or one that an ordinary role passes, is how people log
    in, not a privilege.
    """
    if is_for_admins(project, route):
        return True
    matrix = project.guard_matrix
    return any(
        right.kind != OWNER
        and not right.is_ordinary
        and (right.how != "dependency" or right.name not in matrix.ordinary)
        for right in matrix.row(route).rights
    )


def rights_are_usual(project: Project) -> bool:
    """Whether more than half of the guarded routes ask for a right, so that asking for one is no privilege."""
    guarded = [route for route in project.routes if route.auth]
    return sum(is_for_few(project, route) for route in guarded) * 2 > len(guarded)
