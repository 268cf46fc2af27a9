"""Which module imports which: when it is loaded, later inside a function, or for type checkers only."""

from __future__ import annotations

import ast
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain

from project.language.names import Names, Variable
from project.language.scopes import Class, Function, Module, Scope, absolute, parents, subtree
from project.place import Place

LOAD, DEFERRED, TYPING = "load", "deferred", "typing"
MAX_STARTS = 400
_DONE = 1 << 30


@dataclass(frozen=True, slots=True, eq=False)
class Import:
    """One module that an import statement brings in.

    `when` is load, deferred (inside a function or behind a condition) or typing. `names` are those taken from
    `source`, () when the module itself is taken; `target` is where they are defined when `source` is the package that
    holds the importer, else the same.
    `package` when the target is only a package on the way, whose `__init__` runs as well.
    """

    importer: Module
    target: Module
    source: Module
    scope: Scope
    node: ast.Import | ast.ImportFrom
    when: str
    names: tuple[str, ...] = ()
    package: bool = False

    def place(self, label: str = "") -> Place:
        return self.scope.place(self.node, label or f"imports {self.target.dotted}")


@dataclass(frozen=True, slots=True)
class Cycle:
    """Modules that import each other when loaded; `hops` is the shortest way round, `modules` are all tied together.

    `failing`: a module of the shortest way and the import that fails when that module is imported first, if any does.
    """

    modules: tuple[Module, ...]
    hops: tuple[Import, ...]
    failing: tuple[Module, Import] | None


@dataclass(slots=True)
class _Search:
    """State of the search for strongly connected components."""

    index: dict[Module, int] = field(default_factory=dict)
    low: dict[Module, int] = field(default_factory=dict)
    stack: list[Module] = field(default_factory=list)
    on_stack: set[Module] = field(default_factory=set)


class Imports:
    """The import graph of the application's modules."""

    def __init__(self, names: Names, modules: Iterable[Module]) -> None:
        self._names = names
        self.modules = list(modules)
        self._known: dict[Module, list[Import]] = {}

    def of(self, module: Module) -> list[Import]:
        """What a module imports from the project, in source order."""
        if module not in self._known:
            found = [i for scope in module.importing for i in self._in_scope(scope) if i.target is not module]
            self._known[module] = sorted(found, key=lambda i: (i.node.lineno, i.package))
        return self._known[module]

    @cached_property
    def importers(self) -> dict[Module, list[Import]]:
        """Who imports a module, packages on the way left out."""
        found: dict[Module, list[Import]] = {}
        for module in self.modules:
            for item in self.of(module):
                if not item.package:
                    found.setdefault(item.target, []).append(item)
        return found

    @cached_property
    def loaded(self) -> dict[Module, dict[Module, Import]]:
        """Modules that loading a module loads, each by its first import."""
        known = set(self.modules)
        graph: dict[Module, dict[Module, Import]] = {}
        for module in self.modules:
            edges = graph[module] = {}
            for item in self.of(module):
                if item.when == LOAD and item.target in known:
                    edges.setdefault(item.target, item)
        return graph

    @cached_property
    def cycles(self) -> list[Cycle]:
        """One for each group of modules tied together, by the path of the first module."""
        found = []
        for group in self._components():
            hops = self._shortest(group)
            if hops:
                failing = next(
                    ((h.importer, f) for h in hops[:MAX_STARTS] if (f := self.failure(h.importer)) is not None), None
                )
                found.append(Cycle(tuple(sorted(group, key=lambda m: m.path)), hops, failing))
        return sorted(found, key=lambda c: c.hops[0].importer.path)

    @cached_property
    def hidden(self) -> list[Import]:
        """Imports inside functions that would close a cycle at the top of the file.

        A package that holds the importing module is loaded before it, so what is taken from it closes none.
        """
        reach: dict[Module, set[Module]] = {}
        found = []
        for module in self.modules:
            for item in self.of(module):
                if item.when == DEFERRED and not item.package and item.target in self.loaded:
                    if _holds(item.target, module):
                        continue
                    if item.target not in reach:
                        reach[item.target] = self._reached(item.target)
                    if module in reach[item.target]:
                        found.append(item)
        return found

    def _reached(self, start: Module) -> set[Module]:
        seen = {start}
        queue = [start]
        while queue:
            module = queue.pop()
            for target in self.loaded.get(module, {}):
                if target not in seen and not _holds(target, module):
                    seen.add(target)
                    queue.append(target)
        return seen

    # Import statements

    def _in_scope(self, scope: Scope) -> Iterator[Import]:
        for plain in scope.all(ast.Import):
            for alias in plain.names:
                parts = self._names.module_parts(scope.module, alias.name)
                target = self._names.modules.get(parts) if parts is not None else None
                yield from self._items(scope, plain, target, parts, ())
        for node in scope.all(ast.ImportFrom):
            parts = self._names.module_parts(scope.module, absolute(scope.module, node))
            if parts is not None:
                yield from self._from(scope, node, parts)

    def _from(self, scope: Scope, node: ast.ImportFrom, parts: tuple[str, ...]) -> Iterator[Import]:
        owner = self._names.modules.get(parts)
        taken: dict[tuple[Module, Module], list[str]] = {}
        for alias in node.names:
            target, source, name = self._source(scope.module, owner, parts, alias.name)
            if target is not None and source is not None:
                taken.setdefault((target, source), []).extend([name] if name else [])
        for (target, source), names in taken.items():
            yield from self._items(scope, node, target, target.parts, tuple(names), source)

    def _source(
        self, importer: Module, owner: Module | None, parts: tuple[str, ...], name: str
    ) -> tuple[Module | None, Module | None, str]:
        """Where an imported name is defined, the module it is taken from, and the name ("" for a module).

        A package that holds the importer is being loaded already: what it re-exports comes from where it is defined.
        """
        submodule = self._names.modules.get((*parts, name))
        if submodule is not None:
            member = (
                self._names.module_member(owner, name) if owner is not None and owner is not importer else submodule
            )
            if member is submodule or member is None:
                return submodule, submodule, ""
        if owner is None or not _holds(owner, importer):
            return owner, owner, name
        entity = self._names.module_member(owner, name)
        if isinstance(entity, Module):
            known = entity if entity.parts in self._names.modules else None
            return known, known, ""
        if isinstance(entity, Variable):
            return entity.scope.module, owner, name
        return (entity.module, owner, name) if isinstance(entity, (Class, Function)) else (None, None, "")

    def _items(
        self,
        scope: Scope,
        node: ast.Import | ast.ImportFrom,
        target: Module | None,
        parts: tuple[str, ...] | None,
        names: tuple[str, ...],
        source: Module | None = None,
    ) -> Iterator[Import]:
        when = self._when(node, scope)
        if target is not None and (names or not _holds(target, scope.module)):
            yield Import(scope.module, target, source or target, scope, node, when, names)
        for end in range(1, len(parts or ())):
            package = self._names.modules.get((parts or ())[:end])
            if package is not None and not _holds(package, scope.module) and package is not target:
                yield Import(scope.module, package, package, scope, node, when, (), True)

    def _when(self, node: ast.AST, scope: Scope) -> str:
        child: ast.AST = node
        when = LOAD
        for holder in parents(node):
            if isinstance(holder, ast.If) and child in holder.body:
                if self._names.canonical(holder.test, scope) == "typing.TYPE_CHECKING" or _is_name(holder.test):
                    return TYPING
                if not _is_platform(holder.test):
                    when = DEFERRED
            child = holder
        current: Scope | None = scope
        while current is not None:
            if isinstance(current, Function):
                return DEFERRED
            current = current.parent
        return when

    # Cycles

    def failure(self, first: Module) -> Import | None:
        """The import that fails when `first` is imported before anything else of the project.

        Each module runs up to its next import; a name taken from a module that is still running must be bound by then.
        """
        line: dict[Module, int] = {}
        waiting = [(m, iter(self._statements(m))) for m in reversed(self._with_packages(first))]
        while waiting:
            module, imports = waiting[-1]
            line.setdefault(module, 0)
            item = next(imports, None)
            if item is None:
                line[module] = _DONE
                waiting.pop()
                continue
            line[module] = item.node.lineno
            new = [m for m in self._with_packages(item.source) if m not in line]
            if new:
                waiting[-1] = (module, chain([item], imports))
                waiting.append((new[0], iter(self._statements(new[0]))))
            elif any(self._is_missing(item.source, name, line[item.source]) for name in item.names):
                return item
        return None

    def _is_missing(self, source: Module, name: str, line: int) -> bool:
        """Whether a name is not there yet; a package that has a module so called gives that instead."""
        return (*source.parts, name) not in self._names.modules and _bound_after(source, name, line)

    def _statements(self, module: Module) -> list[Import]:
        """Imports that run when a module is loaded and that nothing catches."""
        return [i for i in self.of(module) if i.when == LOAD and not i.package and not _is_tried(i)]

    def _with_packages(self, module: Module) -> list[Module]:
        """The packages a module lies in, the outermost first, then the module."""
        found = [self._names.modules.get(module.parts[:end]) for end in range(1, len(module.parts))]
        return [*(m for m in found if m is not None and m.is_package), module]

    def _components(self) -> Iterator[list[Module]]:
        """Strongly connected components of more than one module (Tarjan, without recursion)."""
        search = _Search()
        for start in self.modules:
            if start not in search.index:
                yield from self._component(start, search)

    def _component(self, start: Module, search: _Search) -> Iterator[list[Module]]:
        work = [(start, iter(self.loaded[start]))]
        _enter(start, search)
        while work:
            module, targets = work[-1]
            for target in targets:
                if target not in search.index:
                    _enter(target, search)
                    work.append((target, iter(self.loaded[target])))
                    break
                if target in search.on_stack:
                    search.low[module] = min(search.low[module], search.index[target])
            else:
                work.pop()
                if work:
                    search.low[work[-1][0]] = min(search.low[work[-1][0]], search.low[module])
                if search.low[module] == search.index[module]:
                    group = _leave(module, search)
                    if len(group) > 1:
                        yield group

    def _shortest(self, group: list[Module]) -> tuple[Import, ...]:
        """The shortest way round inside a group, from the first module by path; packages on the way only if need be."""
        inside = set(group)
        best: tuple[Import, ...] = ()
        for direct in (True, False):
            for start in sorted(group, key=lambda m: m.path)[:MAX_STARTS]:
                found = self._way_round(start, inside, len(best), direct)
                if found and (not best or len(found) < len(best)):
                    best = found
                if len(best) == 2:
                    return best
            if best:
                return best
        return best

    def _way_round(self, start: Module, inside: set[Module], limit: int, direct: bool) -> tuple[Import, ...]:
        came: dict[Module, Import] = {}
        queue: deque[tuple[Module, int]] = deque([(start, 0)])
        while queue:
            module, steps = queue.popleft()
            if limit and steps + 1 >= limit:
                break
            for target, item in self.loaded[module].items():
                if target not in inside or target in came or (direct and item.package):
                    continue
                came[target] = item
                if target is start:
                    return _back(start, came)
                queue.append((target, steps + 1))
        return ()


def _back(start: Module, came: dict[Module, Import]) -> tuple[Import, ...]:
    hops = [came[start]]
    while hops[-1].importer is not start:
        hops.append(came[hops[-1].importer])
    return tuple(reversed(hops))


def _enter(module: Module, search: _Search) -> None:
    search.index[module] = search.low[module] = len(search.index)
    search.stack.append(module)
    search.on_stack.add(module)


def _leave(module: Module, search: _Search) -> list[Module]:
    group: list[Module] = []
    while not group or group[-1] is not module:
        group.append(search.stack.pop())
        search.on_stack.discard(group[-1])
    return group


def _holds(package: Module, module: Module) -> bool:
    """Whether a package is the module itself or holds it."""
    return package.is_package and module.parts[: len(package.parts)] == package.parts


def _is_name(test: ast.expr) -> bool:
    return isinstance(test, ast.Name) and test.id == "TYPE_CHECKING"


def _is_platform(test: ast.expr) -> bool:
    """Whether a condition asks for the interpreter or the system, so that one of its branches surely runs."""
    return any(isinstance(n, ast.Attribute) and n.attr in ("version_info", "platform") for n in subtree(test))


def _bound_after(module: Module, name: str, line: int) -> bool:
    """Whether a module binds a name only below a line, so that it is missing there."""
    bindings = module.bindings.get(name, [])
    return bool(bindings) and "*" not in module.bindings and all(getattr(b.node, "lineno", 0) > line for b in bindings)


def _is_tried(item: Import) -> bool:
    return any(isinstance(holder, ast.Try) and holder.handlers for holder in parents(item.node))
