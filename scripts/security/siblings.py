"""Routes that get an object by its id without the right that the others of its kind ask for."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from project import Function, Project
from project.language.scopes import subtree
from project.place import Place
from project.routing.parameters import path_names
from project.routing.routes import Route
from project.serving.rights import OWNER, PERMISSION
from security.around import last_name
from security.caller_use import USER, Uses, asks_for_rights, callers, decides
from security.callers import changes, is_for_admins, place_of
from security.id_loads import Followed, Load, followed, ids
from security.openness import is_public

LEAST = 3
SHARE = 3


@dataclass(frozen=True, slots=True)
class LeftOut:
    """A route that loads an object by its id; `asking` of `number` such routes ask for `right`, as `example` does."""

    route: Route
    load: Load
    right: str
    asking: int
    number: int
    example: Place


def left_out(project: Project) -> Iterator[LeftOut]:
    """Where at least three routes, and three times as many as not, ask for a right to the same model."""
    for group in _by_model(project).values():
        asked = {id(route): _asked(project, route) for route, _ in group}
        for right, number in Counter(name for names in asked.values() for name in names).most_common(1):
            without = [(route, way) for route, way in group if not asked[id(route)]]
            if number < LEAST or number < SHARE * len(without):
                continue
            examples = [route for route, _ in group if right in asked[id(route)]]
            reads = any(not changes(r) for r in examples)
            for route, way in without:
                if (reads or changes(route)) and _does_not_ask(project, route, way):
                    example = next((r for r in examples if changes(r) == changes(route)), examples[0])
                    place = place_of(example)
                    shown = Place(place.path, place.line, place.end_line, place.symbol, f"asks for {right}")
                    yield LeftOut(route, way.loads[0], right, number, len(group), shown)


def _by_model(project: Project) -> dict[str, list[tuple[Route, Followed]]]:
    """Guarded routes, by the model that they get by an id the client chose."""
    groups: dict[str, list[tuple[Route, Followed]]] = defaultdict(list)
    seen: set[tuple[str, int]] = set()
    for route in project.routes:
        key = (route.file, route.line)
        if not route.auth or route.function is None or route.websocket or key in seen:
            continue
        seen.add(key)
        way = followed(project, route)
        if way.loads:
            groups[way.loads[0].model.name].append((route, way))
    return groups


def _asked(project: Project, route: Route) -> set[str]:
    """What a route asks about the object: rights in its code, and functions about rights that it gives the caller to.

    A role that a dependency asks for says who may call the route, not whose the object is.
    """
    rights = (r for r in project.guard_matrix.row(route).rights if r.how in ("handler", "service"))
    in_path = path_names(route.path)
    functions = (f for f in route.dependency_functions if isinstance(f, Function))
    loading = (f for f in functions if any(a.arg in in_path for a, _ in f.params))
    return {r.name for r in rights if r.kind in (OWNER, PERMISSION)} | {
        last_name(call.func)
        for function in (route.function, *loading)
        if function is not None
        for call in function.all(ast.Call)
        if asks_for_rights(project, call, function)
        if any(isinstance(n, ast.Name) and USER.search(n.id) for n in _given(call))
    }


def _given(call: ast.Call) -> list[ast.AST]:
    return [n for given in (*call.args, *(k.value for k in call.keywords)) for n in subtree(given)]


def _does_not_ask(project: Project, route: Route, way: Followed) -> bool:
    """Whether nothing on the way decides on rights, and the caller is not used for more than logs and stamps."""
    if (
        route.function is None
        or is_for_admins(project, route)
        or is_public(project, route)
        or decides(project, route, way)
    ):
        return False
    users = callers(route)
    return not Uses(project).matter(route.function, users or frozenset(), ids(project, route.function, route))
