"""What moves where, who imports it, and what can go wrong."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from project import Module, Place, Project
from redesign.domains import Domain, Grouping

LOW, MEDIUM, HIGH = "low", "medium", "high"
_MANY_IMPORTERS = 10
_DOTTED = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)+(:[A-Za-z_]\w*)?")
_CONFIGURATION = (
    ".toml",
    ".ini",
    ".cfg",
    ".yml",
    ".yaml",
    ".env",
    "Dockerfile",
    "Procfile",
    "Makefile",
    ".sh",
    ".conf",
)


@dataclass(frozen=True, slots=True, eq=False)
class Move:
    """One file and its new place. `importers` are modules that import it; `named` are places that name it in a text."""

    module: Module
    target: str
    domain: Domain | None
    importers: tuple[Module, ...]
    named: tuple[Place, ...]
    tables: tuple[str, ...]
    risk: str
    why: str


def moves(project: Project, grouping: Grouping, targets: dict[Module, str]) -> list[Move]:
    """The moves, domain by domain in the order of the grouping, then by path."""
    spoken = Spoken(project, set(targets))
    tied = {m for cycle in project.imports.cycles for m in cycle.modules}
    tables: dict[Module, list[str]] = defaultdict(list)
    for model in project.models.all:
        if model.cls is not None and model.table:
            tables[model.cls.module].append(model.table)
    rank = {id(domain): i for i, domain in enumerate(grouping.domains)}
    found = []
    for module, target in targets.items():
        importers = {item.importer for item in project.imports.importers.get(module, ())}
        importers |= spoken.tests.get(module, set())
        named = tuple(spoken.places.get(module, ()))
        risk, why = _risk(module, target, len(importers), named, bool(tables[module]), module in tied)
        ordered = tuple(sorted(importers, key=lambda m: m.path))
        found.append(Move(module, target, grouping.of(module), ordered, named, tuple(tables[module]), risk, why))
    return sorted(found, key=lambda m: (rank.get(id(m.domain), len(rank)), m.module.path))


def _risk(
    module: Module, target: str, importers: int, named: tuple[Place, ...], tables: bool, tied: bool
) -> tuple[str, str]:
    if target.startswith(module.path.removesuffix(".py") + "/"):
        return HIGH, "a package takes its place: the `__init__` has to export what others import"
    scopes = module.walk() if "__file__" in module.source.text else ()
    own = next((s.place(n) for s in scopes for n in s.all(ast.Name) if n.id == "__file__"), None)
    if own is not None:
        return HIGH, f"line {own.line} looks for files from its own place (`__file__`)"
    if named:
        return HIGH, f"named in a text at {named[0].path}:{named[0].line}, which no tool renames"
    if tied:
        return HIGH, "part of an import cycle: the order of imports changes"
    if target.endswith("/__init__.py"):
        return MEDIUM, "a package: move all of it, and rename the imports inside it, in one commit"
    if tables:
        return MEDIUM, "holds tables: the migration environment must still import it"
    if importers > _MANY_IMPORTERS:
        return MEDIUM, f"{importers} modules import it"
    return LOW, "imports can be renamed by a tool"


class Spoken:
    """Where modules are named in strings and configuration, and which tests import them."""

    def __init__(self, project: Project, wanted: set[Module]) -> None:
        self._project = project
        self._wanted = {module.dotted: module for module in wanted if "." in module.dotted}
        self._starts = tuple({dotted.split(".")[0] for dotted in self._wanted})
        self._files = {module.path: module for module in wanted}
        self.places: dict[Module, list[Place]] = defaultdict(list)
        self.tests: dict[Module, set[Module]] = defaultdict(set)
        for module in project.modules.values():
            self._in_strings(module)
            if module.kind != "app":
                self._imported(module)
        for path in project.files:
            if path.endswith(_CONFIGURATION):
                self._in_configuration(path)

    def _in_strings(self, module: Module) -> None:
        for scope in module.walk():
            for node in scope.all(ast.Constant):
                text = node.value
                if isinstance(text, str) and text.startswith(self._starts) and "." in text and _DOTTED.fullmatch(text):
                    named = self._module(text)
                    if named is not None and named is not module:
                        self.places[named].append(scope.place(node))

    def _imported(self, module: Module) -> None:
        for item in self._project.imports.of(module):
            if item.target in self._wanted.values():
                self.tests[item.target].add(module)

    def _in_configuration(self, path: str) -> None:
        for number, line in enumerate(self._project.text_of(path), 1):
            for found in self._named_in(line):
                self.places[found].append(Place(path, number, number))

    def _named_in(self, line: str) -> Iterator[Module]:
        for word in re.findall(r"[\w./:]+", line[:500]):
            module = self._module(word.replace(":", ".")) or self._files.get(word.removeprefix("./"))
            if module is not None:
                yield module

    def _module(self, text: str) -> Module | None:
        """The module that a dotted text names, or whose member it names."""
        parts = text.replace(":", ".").split(".")
        for end in range(len(parts), 1, -1):
            found = self._wanted.get(".".join(parts[:end]))
            if found is not None:
                return found
        return None
