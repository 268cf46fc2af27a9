"""When a token begins and ends, by a clock that its reader understands."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from check import Hit
from project import Project, Scope
from project.language.calls import CallSite
from project.language.clocks import LOCAL, SHIFTED, naive_time

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
