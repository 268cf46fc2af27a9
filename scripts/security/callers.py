"""Who a route is for: administrators, everyone, whoever is logged in. Judged by what guards and handlers do."""

from __future__ import annotations

import re

from project import Project
from project.place import Place
from project.routing.routes import Route
from project.serving.rights import OWNER

PASSWORD = re.compile(r"(user_?|plain_?|raw_?|login_?)?(password|passwd|pwd|passphrase)_?\d?$", re.IGNORECASE)
WRITES = frozenset("POST PUT PATCH DELETE".split())


def named(route: Route) -> str:
    """`DELETE /items/{key}`."""
    return f"{'/'.join(route.methods) or 'WS'} {route.path}"


def takes_password(project: Project, route: Route) -> bool:
    """Whether the handler takes a password: as a parameter, as a field of the body, or by FastAPI's log-in form."""
    for parameter in project.usage.own_parameters(route):
        if parameter.kind != "dependency" and PASSWORD.match(parameter.name):
            return True
        if parameter.kind in ("body", "form"):
            fields = (name for cls in parameter.shape.classes() for name in project.schemas.fields_of(cls))
            if any(map(PASSWORD.match, fields)):
                return True
    return any("OAuth2PasswordRequestForm" in name for name in route.dependencies)


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

    A dependency that more than half of the guarded routes have is how people log in, not a privilege.
    """
    if is_for_admins(project, route):
        return True
    matrix = project.guard_matrix
    return any(
        right.kind != OWNER and (right.how != "dependency" or right.name not in matrix.ordinary)
        for right in matrix.row(route).rights
    )
