"""When a token begins and ends, by a clock that its reader understands."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from check import Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.clocks import LOCAL, SHIFTED, naive_time
from project.language.scopes import parent, parents, subtree

TIMES = frozenset(("exp", "iat", "nbf"))


def times_without_zone(project: Project, sites: Iterable[CallSite]) -> Iterator[Hit]:
    """Scopes that encode a token whose times are local time taken for UTC, or the other way round."""
    for scope in dict.fromkeys(site.scope for site in sites):
        found = [(claim, value, kind) for claim, value in _given(scope) if (kind := naive_time(project, value, scope))]
        wrong = [(claim, value, kind) for claim, value, kind in found if kind in (LOCAL, SHIFTED)]
        if wrong:
            claim, value, kind = wrong[0]
            places = tuple(scope.place(other) for _, other, _ in wrong[1:])
            yield Hit(scope.place(value), f"{claim} {_MEANINGS[kind]}", places=places)


_MEANINGS = {
    LOCAL: "is local time without a zone, which is read as UTC: east of UTC the token is valid hours longer "
    "(an iat is refused), west of it hours shorter",
    SHIFTED: "is utcnow().timestamp(), which takes UTC for local time: it is wrong by the hours of the server's zone",
}


def _given(scope: Scope) -> Iterator[tuple[str, ast.expr]]:
    """Times that a scope puts into mappings: `{"exp": x}`, `claims["exp"] = x`, `dict(exp=x)`, `.update(exp=x)`."""
    for made in scope.all(ast.Dict):
        for key, value in zip(made.keys, made.values, strict=True):
            if isinstance(key, ast.Constant) and key.value in TIMES:
                yield str(key.value), value
    for stated in scope.all(ast.Assign):
        for target in stated.targets:
            key = target.slice if isinstance(target, ast.Subscript) else None
            if isinstance(key, ast.Constant) and key.value in TIMES:
                yield str(key.value), stated.value
    for call in scope.all(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if name in ("dict", "update"):
            yield from ((k.arg, k.value) for k in call.keywords if k.arg in TIMES and k.arg)


def reads_expiry_soon(project: Project, scope: Scope) -> bool:
    """Whether `exp` of some claims is read in a function, or in what that calls, or what that calls."""
    found = [scope]
    for _ in range(2):
        called = [t for s in found for site in project.calls.sites(s) for t in site.targets]
        found += [t for t in dict.fromkeys(called) if t not in found]
    return any(_reads_expiry(s) for s in found)


def _reads_expiry(scope: Scope) -> bool:
    """`claims["exp"]`, `claims.get("exp")` or `claims.exp`, none of them assigned to."""
    if any(a.attr == "exp" and isinstance(a.ctx, ast.Load) for a in scope.all(ast.Attribute)):
        return True
    for constant in scope.all(ast.Constant):
        holder = parent(constant) if constant.value == "exp" else None
        if isinstance(holder, ast.Subscript) and isinstance(holder.ctx, ast.Load):
            return True
        if isinstance(holder, ast.Call) and isinstance(holder.func, ast.Attribute) and holder.func.attr == "get":
            return True
    return False


def is_always_overridden(project: Project, name: str) -> bool:
    """Whether a setting is read only where a parameter is left out, and no call of those functions leaves it out."""
    reads = list(_reads(project, name))
    return bool(reads) and all(
        isinstance(scope, Function) and any(_is_given(project, scope, p) for p in _instead_of(node, scope))
        for node, scope in reads
    )


def _reads(project: Project, name: str) -> Iterator[tuple[ast.expr, Scope]]:
    for module in project.app_modules:
        for scope in module.walk() if name in module.source.text else ():
            named = [n for n in scope.all(ast.Name) if n.id == name and isinstance(n.ctx, ast.Load)]
            yield from ((node, scope) for node in named)
            yield from ((a, scope) for a in scope.all(ast.Attribute) if a.attr == name and isinstance(a.ctx, ast.Load))


def _instead_of(node: ast.AST, function: Function) -> set[str]:
    """Parameters of a function whose absence leads to a node: `if given: ... else: node`, `given or node`."""
    params = {arg.arg for arg, _ in function.params}
    found: set[str] = set()
    for holder in parents(node):
        asked: ast.AST | None = holder.test if isinstance(holder, (ast.If, ast.IfExp)) else None
        if isinstance(holder, ast.BoolOp) and isinstance(holder.op, ast.Or):
            asked = holder.values[0]
        if asked is not None and not any(n is node for n in subtree(asked)):
            found |= {n.id for n in subtree(asked) if isinstance(n, ast.Name)} & params
    return found


def _is_given(project: Project, function: Function, parameter: str) -> bool:
    """Whether every call of the application hands something over for a parameter."""
    names = [arg.arg for arg, _ in function.params]
    calls = [s.call for s in project.calls.callers(function) if s.scope.module.kind != "test"]
    return bool(calls) and all(call is not None and _hands(call, parameter, names.index(parameter)) for call in calls)


def _hands(call: ast.Call, parameter: str, position: int) -> bool:
    given = [k.value for k in call.keywords if k.arg == parameter] or call.args[position : position + 1]
    return bool(given) and not (isinstance(given[0], ast.Constant) and given[0].value is None)
