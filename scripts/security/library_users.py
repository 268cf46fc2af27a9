"""Users changed through a schema of FastAPI Users, whose inherited fields no class of the project shows."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, INFERRED, Hit
from project import Class, Function, Project
from project.language.value_types import Instance
from project.routing.routes import Route
from security.callers import is_for_admins, named, place_of

UPDATES = "fastapi_users.schemas.BaseUserUpdate"
# What `BaseUserManager.update` writes: with safe=True without the last.
PERSONAL, RIGHTS = ("password", "email"), ("is_superuser",)


def updates_of_others(project: Project) -> Iterator[Hit]:
    """Path operations that name a user in the path and hand the manager a whole schema of the client's."""
    for call, scope in project.spelled.written("update"):
        function = project.requests.within(scope)
        if function is None or not isinstance(scope, Function):
            continue
        schema = _schema(project, call, scope)
        routes = _routes_of_others(project, schema, function) if schema is not None else []
        fields = [name for name in _written(call) if name not in _looked_at(scope)]
        if schema is not None and routes and fields:
            message = f"{named(routes[0])} sets {' and '.join(fields)} of another user: {schema.name} inherits them"
            yield Hit(scope.place(call), f"{message} from fastapi-users", (place_of(routes[0]),), HIGH, INFERRED)


def _schema(project: Project, call: ast.Call, scope: Function) -> Class | None:
    """The request schema that a manager's `update(schema, user, safe=False)` gets."""
    keywords = {k.arg: k.value for k in call.keywords}
    given = keywords.get("user_update", call.args[0] if call.args else None)
    if given is None or len(call.args) + len(keywords) < 2:
        return None
    for value in project.values.of(given, scope):
        cls = value.cls if isinstance(value, Instance) else None
        if isinstance(cls, Class) and cls in project.usage.bodies and project.names.derives(cls, UPDATES):
            return cls
    return None


def _routes_of_others(project: Project, schema: Class, function: Function) -> list[Route]:
    reaching = {root.function for root in project.requests.roots_reaching(function)}
    routes = [use.route for use in project.usage.bodies[schema] if not use.path and use.route.function in reaching]
    return [r for r in routes if r.path.rstrip("/").endswith("}") and not is_for_admins(project, r)]


def _written(call: ast.Call) -> tuple[str, ...]:
    safe = next((k.value for k in call.keywords if k.arg == "safe"), call.args[2] if len(call.args) > 2 else None)
    return PERSONAL if isinstance(safe, ast.Constant) and safe.value is True else (*PERSONAL, *RIGHTS)


def _looked_at(scope: Function) -> set[str]:
    """Fields that the function itself sets, clears or names."""
    named_here = {c.value for c in scope.all(ast.Constant) if isinstance(c.value, str)}
    return named_here | {a.attr for a in scope.all(ast.Attribute) if isinstance(a.ctx, ast.Store)}
