"""Where an import cycle is cut best, which routes are split first, and which classes stand in the wrong file."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from check import HIGH, Signal
from project import Class, Module, Project
from project.language.imports import Cycle, Import
from project.language.layers import DEPENDENCY, ENTRY, FORBIDDEN, ROUTER, SCHEMA
from project.language.scopes import Function, Scope, parents
from redesign.domains import Domain, Grouping, between

FAT_ROUTE = "ORG001"
_MANY_SCHEMAS, _MANY_ROUTES = 6, 8
_ONE_SIDED = 3
_OF_PACKAGE = (
    "what it needs lies in this package, whose `__init__` runs first: keep that free of imports, or move "
    "what is needed out of the package"
)


@dataclass(frozen=True, slots=True, eq=False)
class Cut:
    """One import to remove from a cycle, and how."""

    cycle: Cycle
    item: Import
    how: str


def cuts(project: Project) -> list[Cut]:
    """One for each group of modules tied together, the smallest groups first."""
    found = [_cut(project, cycle) for cycle in project.imports.cycles]
    return sorted(found, key=lambda c: (len(c.cycle.modules), c.item.importer.path))


def _cut(project: Project, cycle: Cycle) -> Cut:
    layer = project.layers.of
    against = [h for h in cycle.hops if layer(h.target) in FORBIDDEN.get(layer(h.importer), ())]
    uses = {id(hop): _uses(project, hop) for hop in cycle.hops}
    typed = [h for h in cycle.hops if uses[id(h)][1] and not uses[id(h)][0] and not uses[id(h)][2]]
    if typed:
        return Cut(
            cycle, typed[0], "only annotations of functions use it: import it under TYPE_CHECKING and quote them"
        )
    if against:
        item = min(against, key=lambda h: uses[id(h)][0] + uses[id(h)][2])
        lower, upper = layer(item.importer), layer(item.target)
        return Cut(cycle, item, f"a {lower} should not know a {upper}: {_how(uses[id(item)])}")
    item = min(cycle.hops, key=lambda h: (uses[id(h)][0] > 0, sum(uses[id(h)]) or 99))
    return Cut(cycle, item, _OF_PACKAGE if item.package else _how(uses[id(item)]))


def _how(counts: tuple[int, int, int]) -> str:
    at_load, _, later = counts
    if at_load:
        return (
            "the module uses it when it is loaded (base class, decorator, default): move what both need to a third one"
        )
    if later:
        uses = "one use" if later == 1 else f"{later} uses"
        return f"{uses} inside functions: pass what is needed as an argument, or move these functions to the other side"
    return "nothing uses it by name: remove it, or move what it starts into the entry point"


def _uses(project: Project, item: Import) -> tuple[int, int, int]:
    """Uses of the imported names at load, in annotations, inside functions.

    Annotations of fields, and those that FastAPI evaluates, count as uses at load.
    """
    evaluated = project.layers.of(item.importer) in (ROUTER, DEPENDENCY)
    names = {
        alias.asname or alias.name.partition(".")[0]
        for alias in item.node.names
        if not item.names or alias.name in item.names
    }
    at_load = typed = later = 0
    for scope in item.importer.walk():
        for node in scope.all(ast.Name):
            if node.id not in names or not isinstance(node.ctx, ast.Load):
                continue
            if isinstance(scope, Function):
                later += 1
            elif _is_annotation(node) and not evaluated:
                typed += 1
            else:
                at_load += 1
    return at_load, typed, later


def _is_annotation(node: ast.AST) -> bool:
    child = node
    for holder in parents(node):
        if isinstance(holder, ast.arg) and holder.annotation is child:
            return True
        if isinstance(holder, (ast.FunctionDef, ast.AsyncFunctionDef)) and holder.returns is child:
            return True
        child = holder
    return False


@dataclass(frozen=True, slots=True, eq=False)
class Tie:
    """Two domains that import each other: `first` imports `second` by the `fewer`, `back` imports run the other way.

    `by_routers`: only routers hold the fewer, which may put several domains together.
    """

    first: Domain
    second: Domain
    fewer: tuple[Import, ...]
    back: int
    by_routers: bool

    @property
    def to_cut(self) -> bool:
        """Whether the fewer are few enough that the two are not one subject."""
        return not self.by_routers and _ONE_SIDED * len(self.fewer) <= self.back


def ties(project: Project, grouping: Grouping) -> list[Tie]:
    """Domains that import each other, the most one-sided first."""
    found = []
    for first in grouping.domains:
        for second, number in first.uses.items():
            if first in second.uses and (number, first.name) < (second.uses[first], second.name):
                fewer = tuple(i for m in first.modules for i in between(project, m) if i.target in second.modules)
                routed = all(project.layers.of(item.importer) == ROUTER for item in fewer)
                found.append(Tie(first, second, fewer, second.uses[first], routed))
    return sorted(found, key=lambda t: (t.by_routers, len(t.fewer) / t.back, -t.back, t.first.name, t.second.name))


@dataclass(frozen=True, slots=True, eq=False)
class Misplaced:
    """What a module of another layer defines; `kind` is tables, schemas or routes."""

    module: Module
    kind: str
    found: tuple[Scope, ...]


def misplaced(project: Project) -> list[Misplaced]:
    """Tables in a file with routes, routes in an entry point beside routers, many schemas where most stand apart."""
    routed = {r.function.module for r in project.routes if r.function is not None and r.function.module.kind == "app"}
    tables = [m.cls for m in project.models.all if m.cls is not None]
    mapped = set(tables)
    schemas = [s.cls for s in project.schemas.all if s.cls not in mapped and s.cls.module.kind == "app"]
    apart = sum(project.layers.of(cls.module) == SCHEMA for cls in schemas)
    found = []
    for kind, classes, enough in (("tables", tables, 1), ("schemas", schemas, _MANY_SCHEMAS)):
        held: dict[Module, list[Class]] = defaultdict(list)
        for cls in classes:
            if cls.module in routed:
                held[cls.module].append(cls)
        if kind == "tables" or 2 * apart > len(schemas):
            found += [Misplaced(m, kind, tuple(group)) for m, group in held.items() if len(group) >= enough]
    handlers: dict[Module, dict[Scope, None]] = defaultdict(dict)
    files: dict[str, set[str]] = defaultdict(set)
    for route in project.routes:
        files[route.app].add(route.file)
    for route in project.routes:
        apart_too = len(files[route.app]) > 1
        if apart_too and route.function is not None and project.layers.of(route.function.module) == ENTRY:
            handlers[route.function.module][route.function] = None
    found += [Misplaced(m, "routes", tuple(group)) for m, group in handlers.items() if len(group) >= _MANY_ROUTES]
    return sorted(found, key=lambda m: (m.module.path, m.kind))


def fat_places(signals: Iterable[Signal]) -> list[str]:
    """The file of each path operation that signals on fat ones are about, the lesser ones that share a signal too."""
    return [path for s in signals for path in (s.path, *(place.path for place in s.places))]


def fat_routes(signals: Iterable[Signal]) -> list[Signal]:
    """Path operations to split, those of high impact and with most statements to move first."""
    found = [s for s in signals if s.check == FAT_ROUTE]
    return sorted(found, key=lambda s: (s.impact != HIGH, -len(s.trace), s.path, s.line))
