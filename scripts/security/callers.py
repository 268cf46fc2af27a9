"""Who a route is for: administrators, everyone, whoever is logged in. Judged by what guards and handlers do."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from project import Function, Project
from project.language.scopes import subtree
from project.place import Place
from project.routing.routes import Route

ADMIN = re.compile(
    r"admin|super_?user|(is|require|only)_?staff|staff_?(only|required)|moderator|sudo|(^|_)root(_|$)|internal|master_key",
    re.I,
)
PRIVILEGE = re.compile(
    r"admin|super_?user|is_?staff|(^|[._])roles?$|permission|privilege|is_owner|scope|rbac|policy|acl", re.I
)
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
    """Whether only administrators get through, by the names of guards and scopes or the role the handler asks for."""
    if any(ADMIN.search(name.rsplit(".", 1)[-1]) or ".admin" in name for name in route.dependencies):
        return True
    if any(ADMIN.search(scope) for scope in route.security_scopes):
        return True
    return route.function is not None and refuses(project, route.function, ADMIN)


def is_for_few(project: Project, route: Route) -> bool:
    """Whether only privileged callers get through: a dependency or the handler itself asks for a role or permission."""
    functions = [f for f in (*route.dependency_functions, route.function) if isinstance(f, Function)]
    return is_for_admins(project, route) or any(refuses(project, f, PRIVILEGE) for f in functions)


def refuses(project: Project, function: Function, privilege: re.Pattern[str]) -> bool:
    """Whether a function, or one that it calls, raises after it tested a role or permission of that name."""
    if _tests(function, privilege):
        return True
    for site in project.calls.sites(function):
        for target in site.targets[:2]:
            if privilege.search(target.name) and any(True for _ in target.all(ast.Raise)):
                return True
            if _tests(target, privilege):
                return True
    return False


def _tests(function: Function, privilege: re.Pattern[str]) -> bool:
    branches = (b for b in function.all(ast.If) if any(privilege.search(text) for text in _words(b.test)))
    return any(_refuses(branch) for branch in branches)


def _refuses(branch: ast.If) -> bool:
    inside = [n for statement in (*branch.body, *branch.orelse) for n in subtree(statement)]
    return any(isinstance(n, ast.Raise) for n in inside)


def _words(test: ast.expr) -> Iterator[str]:
    for node in subtree(test):
        if isinstance(node, ast.Attribute):
            yield node.attr
        elif isinstance(node, ast.Name):
            yield node.id
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and len(node.value) < 40:
            yield node.value
