"""Writes into the environment of the process while it serves requests."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.dataflow import reaching
from project.language.scopes import Function, Scope, parent, parents, subtree
from project.place import Place
from project.serving.origins import Way

if TYPE_CHECKING:
    from project import Project

_ENVIRONMENT = "os.environ"
_CALLS = {"os.environ.update": 0, "os.putenv": 1}
_SECRET = re.compile(r"key|token|secret|passw|credential", re.IGNORECASE)
_CREDENTIAL = re.compile(r"api_?key|(access|private|secret)_?key|token|secret|passw|credential", re.IGNORECASE)
_OWN = re.compile(r"settings|config|environ|getenv|\b[A-Z][A-Z0-9]*_[A-Z0-9_]+\b")
_MAX_HOPS = 4


@dataclass(frozen=True, slots=True)
class EnvWrite:
    """One write in a function that requests run; `way` leads there from the request when that gives the value.

    `secret`: the name or the value speaks of a key, token or password. `lent`: of one that a parameter or a call gave,
    not the settings of the process, so that it may be another's in the next request.
    """

    place: Place
    function: Function
    way: Way | None
    secret: bool
    lent: bool


def environment_writes(project: Project) -> Iterator[EnvWrite]:
    """Writes of values that are not constant, in functions that a request reaches."""
    for module in project.app_modules:
        for scope in module.functions if "environ" in module.source.text or "putenv" in module.source.text else ():
            function = project.requests.within(scope)
            if function is not None:
                for node, value in _written(project, scope):
                    if not isinstance(value, ast.Constant) and not _is_default(node):
                        way = project.origins.way(value, scope)
                        written = ast.unparse(node) + " " + ast.unparse(value)
                        lent = bool(_CREDENTIAL.search(written)) and (
                            way is not None or _is_lent(project, value, scope)
                        )
                        yield EnvWrite(scope.place(node), function, way, bool(_SECRET.search(written)), lent)


def _is_lent(project: Project, value: ast.expr, scope: Scope) -> bool:
    """Whether a value goes back to a parameter, or to a call that looks it up for the request at hand."""
    for _ in range(_MAX_HOPS):
        words = (getattr(n, "id", "") or getattr(n, "attr", "") for n in subtree(value))
        if any(map(_OWN.search, words)):
            return False
        if any(_is_of_context(project, call, scope) for call in subtree(value) if isinstance(call, ast.Call)):
            return True
        root: ast.expr = value
        while isinstance(root, (ast.Attribute, ast.Subscript, ast.Call, ast.Await)):
            root = root.func if isinstance(root, ast.Call) else root.value
        bindings = reaching(scope, root.id, value) if isinstance(root, ast.Name) else []
        if any(b.kind == "param" for b in bindings):
            return isinstance(root, ast.Name) and root.id not in ("self", "cls")
        if len(bindings) != 1 or bindings[0].kind not in ("assign", "for") or bindings[0].value is None:
            return False
        value = bindings[0].value
    return False


def _is_of_context(project: Project, call: ast.Call, scope: Scope) -> bool:
    """Whether a call reads a context variable, or is of a function that does or that takes a parameter of this one."""
    site = project.calls.site(call, scope)
    near = [s for target in site.targets for s in project.calls.sites(target)]
    further = [s for inner in near for target in inner.targets for s in project.calls.sites(target)]
    if any("contextvars.ContextVar.get" in s.names for s in (site, *near, *further)):
        return True
    given = [*call.args, *(k.value for k in call.keywords)]
    names = [n for g in given for n in subtree(g) if isinstance(n, ast.Name) and n.id not in ("self", "cls")]
    return any(b.kind == "param" for n in names for b in scope.bindings.get(n.id, []))


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
