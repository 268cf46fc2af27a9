"""Routes that exist only where configuration says so: `if settings.with_reports: app.include_router(...)`."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from project.language.scopes import subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

_CONFIGURATION = re.compile(
    r"^(\w*_)?(settings?|config|configuration|cfg|env|environ|flags?|features?)$|^[A-Z][A-Z0-9]*_[A-Z0-9_]+$|^getenv$|"
    r"^get_(settings|config)$"
)
_MAX_TEXT = 80


def configured_by(project: Project, route: Route) -> str:
    """The condition on configuration under which alone a route is registered, as written; "" for none.

    A condition with an `else`, which may register it as well, says nothing.
    """
    for place in (route.place, *route.include_places) if route.conditional else ():
        found = _condition(project, place)
        if found:
            return found
    return ""


def _condition(project: Project, place: Place) -> str:
    module = project.module(place.path)
    for scope in module.walk() if module is not None else ():
        for branch in scope.all(ast.If):
            inside = branch.body[0].lineno <= place.line <= (branch.body[-1].end_lineno or 0)
            if inside and not branch.orelse and any(map(_is_setting, subtree(branch.test))):
                return " ".join(ast.unparse(branch.test).split())[:_MAX_TEXT]
    return ""


def _is_setting(node: ast.AST) -> bool:
    name = node.attr if isinstance(node, ast.Attribute) else getattr(node, "id", "")
    return bool(name) and _CONFIGURATION.match(name) is not None
