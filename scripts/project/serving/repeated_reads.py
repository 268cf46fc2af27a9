"""Reads that give every request the same answer: in dependencies of many routes, and lookups of fixed keys."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.queries import READ
from project.language.calls import CallSite
from project.language.scopes import Function, parents
from project.place import Place

if TYPE_CHECKING:
    from project import Project

MANY_ROUTES, MANY_PLACES, MAX_HOPS = 10, 10, 3
_CACHED = re.compile(r"cache|memo|ttl|redis", re.IGNORECASE)
# Values that are the same for every request, whatever they are taken from.
_SHARED = re.compile(
    r"(^|_)(self|cls|db|session|conn|connection|pool|engine|client|http|settings?|config|app|log|logger)$"
)


@dataclass(frozen=True, slots=True)
class Repeated:
    """A read whose answer depends on nothing in the request.

    `function` reads at `read`. `routes` is how many routes run it as a dependency, 0 for a lookup; `places` are the
    calls of a lookup with fixed keys.
    """

    function: Function
    read: Place
    what: str
    routes: int = 0
    trace: tuple[Place, ...] = ()
    places: tuple[Place, ...] = ()


class RepeatedReads:
    """Such reads, those in dependencies of most routes first."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def all(self) -> list[Repeated]:
        return [*self._in_dependencies(), *self._lookups()]

    def _in_dependencies(self) -> Iterator[Repeated]:
        served = Counter(f for r in self._project.routes for f in r.dependency_functions if isinstance(f, Function))
        for root in self._project.roots:
            if root.kind == "middleware":
                served[root.function] = len(self._project.routes)
        seen: set[Place] = set()
        for function, routes in served.most_common():
            if routes < MANY_ROUTES or function.module.kind != "app":
                continue
            found = self._fixed_read(function, self._given(function), 0)
            if found is not None and found.read not in seen:
                seen.add(found.read)
                yield Repeated(function, found.read, found.what, routes, found.trace)

    def _lookups(self) -> Iterator[Repeated]:
        """Functions that read the database by a key and that requests call at many places with fixed keys."""
        called: dict[Function, list[CallSite]] = {}
        for function in self._project.requests.functions:
            for site in self._project.calls.sites(function):
                if site.call is not None and len(site.targets) == 1 and _is_fixed_call(site.call):
                    called.setdefault(site.targets[0], []).append(site)
        for target, sites in called.items():
            keys = {ast.unparse(a) for s in sites if s.call is not None for a in s.call.args if _is_key(a)}
            if len(sites) < MANY_PLACES or len(keys) < 3 or _is_cached(target):
                continue
            reads = [e for e in self._project.queries.of(target) if e.effect == READ and e.method != "refresh"]
            if reads:
                places = tuple(sorted(s.place() for s in sites))
                yield Repeated(target, reads[0].place("reads the database"), "the database", places=places)

    def _fixed_read(self, function: Function, given: frozenset[str], depth: int) -> Repeated | None:
        """The first read here, or in what is called, that nothing `given` by the request takes part in."""
        if depth > MAX_HOPS or _is_cached(function):
            return None
        tainted = _tainted(function, given)
        for execution in self._project.queries.of(function):
            if _is_conditional(execution.node):
                continue
            if execution.effect == READ and execution.statements and not _mentions(execution.node, tainted):
                return Repeated(function, execution.place("reads the database"), "the database")
        for site in (s for s in self._project.calls.sites(function) if not _is_conditional(s.node)):
            if self._project.remote_answers.is_request(site) and not _mentions(site.node, tainted):
                return Repeated(function, site.place("asks another service"), "another service")
            for target in site.targets if site.call is not None and not _mentions(site.node, tainted) else ():
                found = self._fixed_read(target, frozenset(), depth + 1)
                if found is not None:
                    step = site.place(f"calls {target.qualname}")
                    return Repeated(function, found.read, found.what, 0, (step, *found.trace))
        return None

    @staticmethod
    def _given(function: Function) -> frozenset[str]:
        return frozenset(arg.arg for arg, _ in function.params if not _SHARED.search(arg.arg))


def _is_conditional(node: ast.AST) -> bool:
    """Whether a node runs for some requests only."""
    return any(isinstance(holder, (ast.If, ast.IfExp, ast.ExceptHandler)) for holder in parents(node))


def _is_cached(function: Function) -> bool:
    """Whether the function, its decorators or its class speak of a cache."""
    node = function.node
    decorators = [] if isinstance(node, ast.Lambda) else node.decorator_list
    words = [ast.unparse(d) for d in decorators] + [n.id for n in function.all(ast.Name)]
    words += [n.attr for n in function.all(ast.Attribute)] + [function.qualname]
    return any(map(_CACHED.search, words)) or bool(function.all(ast.Global))


def _tainted(function: Function, given: frozenset[str]) -> frozenset[str]:
    """Names of a function that come from what it was given."""
    found = set(given)
    for _ in range(3):
        for name, bindings in function.bindings.items():
            if name not in found and any(b.value is not None and _mentions(b.value, found) for b in bindings):
                found.add(name)
    return frozenset(found)


def _mentions(expr: ast.AST, names: frozenset[str] | set[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(expr))


def _is_fixed_call(call: ast.Call) -> bool:
    """Whether nothing but fixed keys, constants and sessions is handed over, and at least one key."""
    values = [*call.args, *(k.value for k in call.keywords)]
    fixed = all(isinstance(v, ast.Constant) or _is_key(v) or _is_session(v) for v in values)
    return fixed and any(_is_key(a) for a in call.args)


def _is_key(expr: ast.expr) -> bool:
    """A text, a name in capitals or a member of an enumeration."""
    if isinstance(expr, ast.Constant):
        return isinstance(expr.value, str)
    if isinstance(expr, ast.Attribute):
        return expr.attr.isupper()
    return isinstance(expr, ast.Name) and expr.id.isupper()


def _is_session(expr: ast.expr) -> bool:
    name = expr.attr if isinstance(expr, ast.Attribute) else getattr(expr, "id", "")
    return bool(name) and bool(_SHARED.search(name))
