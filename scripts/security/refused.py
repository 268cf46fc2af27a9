"""Default secrets that the code itself turns away before it uses them."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project import Function, Project, Scope
from project.language.scopes import subtree
from security.around import last_name

MAX_CALLS = 3


def is_refused(project: Project, name: str, value: str) -> bool:
    """Whether some code raises, or ends the program, when the setting of this name has this value."""
    for module in project.app_modules:
        for scope in module.walk():
            for branch in scope.all(ast.If):
                asked = _equals(project, branch, value, scope) if _stops(branch) else ()
                if any(_is_named(project, expr, scope, name) for expr in asked):
                    return True
    return False


def _stops(branch: ast.If) -> bool:
    """Whether a branch raises (not as an answer to a request) or exits."""
    for statement in branch.body:
        calls = [n.func for n in subtree(statement) if isinstance(n, ast.Call)]
        if isinstance(statement, ast.Raise) and not any(last_name(f) == "HTTPException" for f in calls):
            return True
        if isinstance(statement, ast.Expr) and any(last_name(f) in ("exit", "_exit") for f in calls):
            return True
    return False


def _equals(project: Project, branch: ast.If, value: str, scope: Scope) -> Iterator[ast.expr]:
    """What a condition compares with a text: `x == "changeme"`, `x in ("changeme", "secret")`."""
    for compare in (n for n in subtree(branch.test) if isinstance(n, ast.Compare) and len(n.ops) == 1):
        sides = (compare.left, compare.comparators[0])
        for one, other in (sides, sides[::-1]) if isinstance(compare.ops[0], ast.Eq) else ():
            if _text(project, other, scope) == value:
                yield one
        if isinstance(compare.ops[0], ast.In):
            known = project.defaults.of(sides[1], scope)
            if known is not None and isinstance(known.value, list) and value in known.value:
                yield sides[0]


def _text(project: Project, expr: ast.expr, scope: Scope) -> object:
    """A text that no environment replaces."""
    known = project.defaults.of(expr, scope)
    return known.value if known is not None and not known.configurable else None


def _is_named(project: Project, expr: ast.expr, scope: Scope, name: str, depth: int = 0) -> bool:
    """Whether an expression is the setting: by its name, or as a parameter for which a call hands it over."""
    while isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and not expr.args:
        expr = expr.func.value
    if last_name(expr) == name:
        return True
    if depth == MAX_CALLS or not (isinstance(expr, ast.Name) and isinstance(scope, Function)):
        return False
    names = [arg.arg for arg, _ in scope.params]
    if expr.id not in names:
        return False
    for site in project.calls.callers(scope):
        given = site.argument(names.index(expr.id) - int(scope.owner is not None), expr.id)
        if given is not None and _is_named(project, given, site.scope, name, depth + 1):
            return True
    return False
