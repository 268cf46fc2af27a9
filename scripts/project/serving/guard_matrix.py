"""Who may call what: who is let in (authentication) and what the caller must be allowed (authorisation), by route."""

from __future__ import annotations

import ast
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import Function, parents
from project.place import Place
from project.routing.dependencies import SCHEME_NAMES, Dependency, unwrapped
from project.routing.interpret_values import Bound, Cls, Func, Inst, Member, Value, plain
from project.routing.routes import Route
from project.serving.rights import OWNER, PERMISSION, REFUSING, SCOPE, Asked, Rights, asks_for_right

if TYPE_CHECKING:
    from project import Project

OPEN, GUARDED, UNKNOWN = "open", "guarded", "unknown"
_ADMIN = re.compile(
    r"admin|super_?user|(is|require|only)_?staff|staff_?(only|required)|moderator|sudo|(^|_)root(_|$)|internal|master_key",
    re.I,
)
_ORDINARY = re.compile(
    r"(role_?)?(customer|user|member|viewer|guest|client|student|employee|patient|reader|authenticated|basic|regular|standard)"
    r"(_?(role|user|access))?s?",
    re.I,
)
_PLAIN = re.compile(r"[\w:./*-]{1,40}")


@dataclass(frozen=True, slots=True)
class Right:
    """One thing a caller must be allowed. kind: scope, role, permission or owner.

    `name` as the code has it: `require_role(admin)`, `items:read`, `owner_id`. how: scopes (declared and looked at by a
    dependency), dependency, handler, or service (a function the handler calls).
    """

    kind: str
    name: str
    how: str
    place: Place

    @property
    def is_ordinary(self) -> bool:
        """Whether a role that every user has is enough: `require_role(ADMIN, CUSTOMER)`."""
        given = self.name.partition("(")[2].rstrip(")").split(", ")
        return any(map(_ORDINARY.fullmatch, given))


@dataclass(frozen=True, slots=True)
class GuardRow:
    """One route. authentication: open, guarded or unknown; `by` and `how` (Route.auth_how) say what lets callers in."""

    route: Route
    authentication: str
    by: str
    how: str
    rights: tuple[Right, ...]


class GuardMatrix:
    """One row a route, in the order of the route map; a row is worked out when first asked for."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._rights = Rights(project)
        self._rows: dict[int, GuardRow] = {}

    @cached_property
    def rows(self) -> list[GuardRow]:
        return [self.row(route) for route in self._project.routes]

    @cached_property
    def ordinary(self) -> frozenset[str]:
        """Names of dependencies that more than half of the guarded routes (four at least) have: how people log in."""
        guarded = [row for row in self.rows if row.authentication == GUARDED]
        names = Counter(name for row in guarded for name in {r.name for r in row.rights if r.how == "dependency"})
        return frozenset(name for name, number in names.items() if number * 2 > len(guarded) > 3)

    def is_for_admins(self, route: Route) -> bool:
        """Whether only administrators get through, by the names of guards, scopes and roles asked for."""
        names = [*route.dependencies, *route.security_scopes]
        rights = self.row(route).rights
        names += [right.name for right in rights if right.kind != OWNER and not right.is_ordinary]
        return any(_ADMIN.search(name.rsplit(".", 1)[-1]) or ".admin" in name for name in names)

    def handles_admins_only(self, handler: Function) -> bool:
        """Whether a function is the handler of routes, all of which only administrators may call."""
        routes = self.handled_by(handler)
        return bool(routes) and all(map(self.is_for_admins, routes))

    def handled_by(self, handler: Function) -> list[Route]:
        """The routes that a function is the handler of."""
        return self._handled_by.get(handler, [])

    @cached_property
    def _handled_by(self) -> dict[Function, list[Route]]:
        found: dict[Function, list[Route]] = defaultdict(list)
        for route in self._project.routes:
            if route.function is not None:
                found[route.function].append(route)
        return found

    def row(self, route: Route) -> GuardRow:
        """The row of one route of the project."""
        if id(route) not in self._rows:
            answer = {True: GUARDED, False: OPEN, None: UNKNOWN}[route.auth]
            rights = tuple(dict.fromkeys(self._of(route)))
            self._rows[id(route)] = GuardRow(route, answer, route.auth_by, route.auth_how, rights)
        return self._rows[id(route)]

    def _of(self, route: Route) -> Iterator[Right]:
        nodes = {id(n.value): n for root in route.dependency_tree for n in root.walk() if n.function is not None}
        asked = [(node, self._asked(node, route)) for node in nodes.values()]
        if any(_reads_scopes(n) for n in nodes.values()) or any(found and found[0].kind == SCOPE for _, found in asked):
            yield from (Right(SCOPE, scope, "scopes", route.place) for scope in route.security_scopes)
        for node, found in asked:
            if not found and (refusal := self._refusal(node) or _refusal_of_made(node)) is not None:
                yield Right(PERMISSION, _name(node), "dependency", refusal)
            if found and (found[0].kind != SCOPE or (not route.security_scopes and "(" in _name(node))):
                yield Right(found[0].kind, _name(node), "dependency", found[0].place)
        if route.function is not None:
            callers = _callers([n for n in route.dependency_tree if n.level == "parameter"], route)
            for one in self._rights.of(route.function, callers):
                if one.word != one.function.name:
                    yield _in_code(one, route.function)

    def _asked(self, node: Dependency, route: Route) -> list[Asked]:
        """What a dependency asks of who calls; one that takes only the credentials and answers 403 finds out who."""
        if node.function is None:
            return []
        found = self._rights.of(node.function, _callers(node.children, route))
        guard = route.auth_by.split(",")[0]
        knowing = [c for c in node.children if c.param and any(_knows_caller(inner, guard) for inner in c.walk())]
        logs_in = bool(knowing) and all(child.name.removesuffix("()") in SCHEME_NAMES for child in knowing)
        return [a for a in found if not (logs_in and a.kind == PERMISSION and a.word == a.function.name)]

    def _refusal(self, node: Dependency) -> Place | None:
        """Where a class refuses callers that the dependency was made with: `Permissions([IsOwner])`."""
        for cls in _classes(node.value):
            for name in ("__init__", "__call__"):
                method = self._project.names.class_member(cls.scope, name)
                errors = self._project.http_errors.of(method) if isinstance(method, Function) else []
                found = next((e for e in errors if e.status in REFUSING), None)
                if found is not None:
                    return found.place()
        return None


def _refusal_of_made(node: Dependency) -> Place | None:
    """Where a closure raises under a condition that a factory made for a right: `require(Permission.ADMIN_PANEL)`."""
    name = _name(node)
    if node.function is None or "(" not in name or not (_ADMIN.search(name) or asks_for_right(name.split("(")[0])):
        return None
    raised = next((r for r in node.function.all(ast.Raise) if any(isinstance(h, ast.If) for h in parents(r))), None)
    return node.function.place(raised) if raised is not None else None


def _in_code(found: Asked, handler: Function) -> Right:
    return Right(found.kind, found.word, "handler" if found.function is handler else "service", found.place)


def _callers(nodes: Iterable[Dependency], route: Route) -> frozenset[str]:
    """Parameters that hold who calls: what the guard of the route, or another dependency on credentials, returned."""
    guard = route.auth_by.split(",")[0]
    return frozenset(n.param for n in nodes if n.param and any(_knows_caller(i, guard) for i in n.walk()))


def _knows_caller(node: Dependency, guard: str) -> bool:
    return node.name == guard or node.name.removesuffix("()") in SCHEME_NAMES


def _reads_scopes(node: Dependency) -> bool:
    """Whether a dependency takes `SecurityScopes`."""
    function = node.function
    return function is not None and any(
        a.annotation is not None and "SecurityScopes" in _last(a.annotation) for a, _ in function.params
    )


def _last(annotation: object) -> str:
    return str(getattr(annotation, "attr", None) or getattr(annotation, "id", ""))


# Names


def _name(node: Dependency) -> str:
    """`require_role(admin)` for the closure or object that a call of it made, else the name of the function."""
    value = plain(node.value)
    if isinstance(value, Bound):
        value = plain(value.receiver) or value
    if isinstance(value, Inst):
        name = short_name(node.name)
        return _with_arguments(name, list(value.attrs.values()))
    func = unwrapped(value)
    if isinstance(func, Func) and isinstance(func.function.parent, Function):
        factory = func.function.parent
        taken = {n for n, bindings in factory.bindings.items() if bindings[0].kind == "param"}
        given = [v for name, v in func.env.vars.items() if name in taken]
        return _with_arguments(factory.name, given)
    return short_name(node.name)


def short_name(dotted: str) -> str:
    """`get_user` of `app.deps.get_user`, the factory of a closure: `require` of `app.deps.require.<locals>.check`."""
    return dotted.split(".<locals>", 1)[0].removesuffix("()").rsplit(".", 1)[-1]


def _classes(value: Value) -> Iterator[Cls]:
    """Classes of the project in the lists that an object was made with."""
    value = plain(value)
    value = plain(value.receiver) if isinstance(value, Bound) else value
    for held in value.attrs.values() if isinstance(value, Inst) else ():
        items = plain(held)
        yield from (one for one in map(plain, items if isinstance(items, list) else ()) if isinstance(one, Cls))


def _with_arguments(name: str, given: list[Value]) -> str:
    words = [word for value in given for word in _said(value, 0)]
    return f"{name}({', '.join(dict.fromkeys(words))})" if words else name


def _said(value: Value, depth: int) -> Iterator[str]:
    """Roles, permissions and scopes as text: strings, members of enumerations, collections of these."""
    value = plain(value)
    if isinstance(value, str):
        if _PLAIN.fullmatch(value):
            yield value
    elif isinstance(value, Member):
        yield value.name
    elif isinstance(value, Cls):
        yield value.scope.name
    elif isinstance(value, External) and value.dotted.count(".") > 1 and value.dotted.rsplit(".", 1)[-1].isupper():
        yield value.dotted.rsplit(".", 1)[-1]
    elif isinstance(value, (list, tuple, set, frozenset)) and depth < 2:
        for item in list(value)[:6]:
            yield from _said(item, depth + 1)
