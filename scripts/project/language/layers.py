"""Which layer a module belongs to, by what it holds and by the words of the project's own folders and files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.imports import TYPING, Import
from project.language.scopes import Class, Function, Module

if TYPE_CHECKING:
    from project import Project

ENTRY, ROUTER, DEPENDENCY, SERVICE = "entry point", "router", "dependency", "service"
REPOSITORY, MODEL, SCHEMA, DATABASE, CORE = "repository", "model", "schema", "database", "core"
LAYERS = (ROUTER, DEPENDENCY, SERVICE, REPOSITORY, MODEL, SCHEMA, DATABASE, CORE)
_WORDS = {
    ROUTER: "router routers route routes endpoint endpoints view views controller controllers api web",
    DEPENDENCY: "dependencies dependency deps depends",
    SERVICE: "service services usecase usecases use_case use_cases",
    REPOSITORY: "repository repositories repo repos crud dao daos",
    MODEL: "model models entity entities orm",
    SCHEMA: "schema schemas dto dtos",
    DATABASE: "db database persistence",
    CORE: "core",
}
WORDS = {word: layer for layer, words in _WORDS.items() for word in words.split()}
PLURALS = {
    REPOSITORY: "repositories",
    DEPENDENCY: "dependencies",
    ENTRY: "entry points",
    CORE: "core modules",
    DATABASE: "database modules",
}
_VERSION = re.compile(r"(^|/)v\d+(_\d+)?$")
# Which layers a layer must not know, whoever wrote the project.
FORBIDDEN = {
    MODEL: (ROUTER, DEPENDENCY, SERVICE, REPOSITORY),
    SCHEMA: (ROUTER, DEPENDENCY),
    REPOSITORY: (ROUTER, DEPENDENCY, SERVICE),
    SERVICE: (ROUTER,),
    DATABASE: (ROUTER, DEPENDENCY),
    CORE: (ROUTER, DEPENDENCY, SERVICE, REPOSITORY),
}
BY_LAYER, BY_DOMAIN, MIXED, FLAT = "by layer", "by domain", "by layer and by domain", "no layers"


@dataclass(frozen=True, slots=True)
class Layer:
    """The layer of a module. how: content, file or folder; `folder` is the folder (or file) whose name said it."""

    name: str
    how: str
    folder: str = ""


@dataclass(frozen=True, slots=True, eq=False)
class Crossing:
    """An import at run time from a layer into one it must not know."""

    item: Import
    lower: str
    upper: str


class Layers:
    """Layers of the application's modules."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def of(self, module: Module) -> str:
        """The layer of a module, "" when nothing tells."""
        found = self.known.get(module)
        return found.name if found is not None else ""

    @cached_property
    def known(self) -> dict[Module, Layer]:
        """Every module whose layer could be told."""
        named = {m: found for m in self._project.app_modules if (found := self._by_name(m)) is not None}
        alive = self._alive(named)
        known: dict[Module, Layer] = {}
        for module in self._project.app_modules:
            said, folder = self._project.settings.layer_of(module.path)
            if said:
                known[module] = Layer(said, "folder", folder)
                continue
            names = [layer for layer in named.get(module, ()) if layer.folder in alive]
            held = self._held(module, names[0].name if names else "")
            if held:
                folder = next((layer.folder for layer in names if layer.name == held and layer.how == "folder"), "")
                known[module] = Layer(held, "content", folder)
            elif names:
                known[module] = names[0]
        return known

    # Names

    def _by_name(self, module: Module) -> list[Layer]:
        """Layers that the names of the file and of its folders speak of, the innermost first."""
        parts = module.path.removesuffix(".py").split("/")
        found = []
        for i in range(len(parts) - 1, -1, -1):
            layer = _word(parts[i]) if i == len(parts) - 1 else WORDS.get(parts[i], "")
            if layer == CORE and i == len(parts) - 1:
                continue
            if layer:
                found.append(Layer(layer, "file" if i == len(parts) - 1 else "folder", "/".join(parts[: i + 1])))
        return found

    def _alive(self, named: dict[Module, list[Layer]]) -> set[str]:
        """Folders and files whose name is to be believed: web words need a route below, models a class of their kind.

        A folder that holds layers below the web as well (`api/models`, `core/routers`) is a root, not a layer; `core`
        is one only beside the web.
        """
        words = {layer.folder: layer.name for layers in named.values() for layer in layers}
        routed = self._above({m for m in self._project.app_modules if m in self._routing})
        modelled = self._above(self._mapped)
        typed = self._above(self._typed)
        lower = {ROUTER: self._above({m for m in self._mapped if m not in self._routing})}
        lower[CORE] = self._above({m for m in self._routing if m.path not in self._starting})
        alive = set()
        for folder, layer in words.items():
            if layer == ROUTER and folder not in routed:
                continue
            if (layer == MODEL and folder not in modelled) or (layer == SCHEMA and folder not in typed):
                continue
            if folder not in lower.get(layer, ()):
                alive.add(folder)
        beside = {folder.rpartition("/")[0] for folder in alive if words[folder] == ROUTER}
        return {f for f in alive if words[f] != CORE or f.rpartition("/")[0] in beside}

    @staticmethod
    def _above(modules: set[Module]) -> set[str]:
        """Paths of these modules without suffix, and of every folder above them."""
        found: set[str] = set()
        for module in modules:
            path = module.path.removesuffix(".py")
            while path and path not in found:
                found.add(path)
                path = path.rpartition("/")[0]
        return found

    # Contents

    @cached_property
    def _routing(self) -> frozenset[Module]:
        """Modules that define a path operation, not only one that a method of a class makes."""
        functions = {r.function for r in self._project.routes if r.function is not None}
        return frozenset(f.module for f in functions if not _is_in_method(f))

    @cached_property
    def _starting(self) -> set[str]:
        return {app.place.path for app in self._project.route_map.apps}

    @cached_property
    def _mapped(self) -> set[Module]:
        return {m.cls.module for m in self._project.models.all if m.cls is not None}

    @cached_property
    def _typed(self) -> set[Module]:
        """Modules that define a Pydantic model and no table."""
        return {s.cls.module for s in self._project.schemas.all} - self._mapped

    def _held(self, module: Module, named: str) -> str:
        """The layer that the contents of a module decide, whatever its name says."""
        if module.path in self._starting:
            return CORE if named == CORE else ENTRY
        if module in self._routing:
            return ROUTER
        unsure = named in ("", SERVICE, REPOSITORY)
        return SCHEMA if unsure and module in self._typed and self._only_types(module) else ""

    def _only_types(self, module: Module) -> bool:
        """Whether all that a module defines are Pydantic models and enumerations."""
        schemas, names = self._project.schemas, self._project.names
        if any(isinstance(child, Function) and not child.is_lambda for child in module.children):
            return False
        return all(
            schemas.of(child) is not None or names.derives(child, "enum.Enum", "enum.StrEnum", "enum.IntEnum")
            for child in module.children
            if isinstance(child, Class)
        )

    # The whole

    @cached_property
    def sizes(self) -> Counter[str]:
        """Number of modules in each layer; those without code, such as an empty `__init__`, are left out."""
        return Counter(layer.name for module, layer in self.known.items() if module.node.body)

    @cached_property
    def domains(self) -> dict[str, list[Module]]:
        """Packages that hold layers of their own (`orders/router.py`, several `orders/api/`), with their modules."""
        files: dict[str, Counter[str]] = defaultdict(Counter)
        for module, layer in self.known.items():
            folder, _, name = module.path.removesuffix(".py").rpartition("/")
            if WORDS.get(name) == layer.name:
                files[folder][layer.name] += 1
        needed = {folder: 3 if folder.rpartition("/")[2] in WORDS else 2 for folder in files}
        found = {f for f, layers in files.items() if f and len(layers) >= needed[f] and layers[ROUTER] <= 2}
        found |= self._with_layer_folders(found)
        found = found or self._nested()
        found = {f for f in found if not any(f.startswith(other + "/") for other in found)}
        members: dict[str, list[Module]] = {folder: [] for folder in sorted(found)}
        for module in self._project.app_modules:
            for folder in _folders(module.path):
                if folder in members:
                    members[folder].append(module)
        return members if len(members) > 1 else {}

    def _with_layer_folders(self, known: set[str]) -> set[str]:
        """Folders with a folder for routers and for two more layers in each, beside each other or beside `known`."""
        held: dict[str, set[str]] = defaultdict(set)
        for layer in self.known.values():
            if layer.folder and layer.how != "file":
                held[layer.folder.rpartition("/")[0]].add(layer.name)
        several = {folder for folder, layers in held.items() if folder and len(layers) >= 3}
        several = {f for f in several if not any(k.startswith(f + "/") for k in known)}
        routed = {folder for folder in several if ROUTER in held[folder]}
        beside = {folder.rpartition("/")[0] for folder in routed}
        if len(routed) + len(known) < 2:
            return set()
        return {f for f in several if f in routed or f.rpartition("/")[0] in beside}

    def _nested(self) -> set[str]:
        """Folders side by side with routers and two more layers each further down: `orders/adapter/input/api`."""
        held: dict[str, set[str]] = defaultdict(set)
        for layer in self.known.values():
            for folder in _folders(layer.folder) if layer.how != "file" else ():
                held[folder].add(layer.name)
        routed = [f for f, layers in held.items() if ROUTER in layers and len(layers) >= 3 and not _VERSION.search(f)]
        beside = Counter(folder.rpartition("/")[0] for folder in routed)
        found = {folder for folder in routed if beside[folder.rpartition("/")[0]] >= 2}
        return {f for f in found if not any(other.startswith(f"{f}/") for other in found)}

    @cached_property
    def layer_folders(self) -> dict[str, list[str]]:
        """Folders that are a layer, by layer, outside of domains."""
        found: dict[str, set[str]] = defaultdict(set)
        for layer in self.known.values():
            if layer.folder and layer.how != "file" and not self._in_domain(f"{layer.folder}/"):
                found[layer.name].add(layer.folder)
        return {n: sorted(f for f in found[n] if not found[n].intersection(_folders(f))) for n in LAYERS if n in found}

    def _in_domain(self, path: str) -> bool:
        return any(folder in self.domains for folder in _folders(path))

    @cached_property
    def style(self) -> str:
        """How the project is cut: by layer, by domain, both, or not at all."""
        named = {m: layer.name for m, layer in self.known.items() if layer.folder or layer.how == "content"}
        outside = [
            n for m, n in named.items() if n not in (CORE, DATABASE, ENTRY, DEPENDENCY) and not self._in_domain(m.path)
        ]
        layered = len(set(outside)) >= 2
        if self.domains:
            return MIXED if layered and 2 * len(outside) > len(named) else BY_DOMAIN
        return BY_LAYER if layered else FLAT

    @cached_property
    def crossings(self) -> list[Crossing]:
        """Imports that run against the layers, in order of path and line."""
        found = []
        for module, layer in self.known.items():
            forbidden = FORBIDDEN.get(layer.name, ())
            for item in self._project.imports.of(module) if forbidden else ():
                upper = self.of(item.target)
                if layer.name == REPOSITORY and layer.how == "file" and not self._sends(module):
                    break
                if upper in forbidden and item.when != TYPING and not item.package and self._apart(item):
                    found.append(Crossing(item, layer.name, upper))
        return sorted(found, key=lambda c: (c.item.importer.path, c.item.node.lineno))

    def _sends(self, module: Module) -> bool:
        """Whether a module that only its name calls a repository sends statements, or nothing in the project does."""
        queries = self._project.queries
        return any(queries.of(scope) for scope in module.walk()) or not queries.all

    def _apart(self, item: Import) -> bool:
        """Whether an import leaves the layer's own corner: not what lies inside the folder of the other layer, nor
        dependencies that are no part of the web."""
        target = self.known[item.target]
        web = [folder for folder in self.layer_folders.get(ROUTER, ()) if item.target.path.startswith(folder + "/")]
        if target.name == DEPENDENCY and not web:
            return False
        folders = [*web, target.folder] if target.folder else web
        return not any(item.importer.path.startswith(folder + "/") for folder in folders)

    def summary(self) -> Iterator[str]:
        """Lines for an overview: how the project is cut, its layers, what runs against them."""
        counts = ", ".join(_counted(self.sizes[name], name) for name in (ENTRY, *LAYERS) if self.sizes[name])
        rest = sum(bool(m.node.body) for m in self._project.app_modules) - sum(self.sizes.values())
        yield f"layout: {self.style}; {counts or 'no layer recognised'}, {_counted(rest, 'other module')}"
        for name, folders in self.layer_folders.items():
            yield f"{plural(name)}: {_listed(folders)}"
        if self.domains:
            yield f"domains: {_listed([f'{folder} ({len(modules)})' for folder, modules in self.domains.items()])}"
        against = Counter((c.lower, c.upper) for c in self.crossings)
        if against:
            pairs = ", ".join(f"{lower} imports {upper} {n}x" for (lower, upper), n in against.most_common())
            yield f"imports against the layers: {pairs}"
        cycles = self._project.imports.cycles
        if cycles:
            sizes = ", ".join(str(len(c.modules)) for c in cycles[:5])
            yield f"import cycles: {len(cycles)} (modules tied together: {sizes})"


def _is_in_method(function: Function) -> bool:
    outer = function.parent
    while isinstance(outer, Function):
        if isinstance(outer.parent, Class):
            return True
        outer = outer.parent
    return False


def singular(layer: str) -> str:
    return f"{layer} module" if layer in (CORE, DATABASE) else layer


def plural(layer: str) -> str:
    return PLURALS.get(layer, f"{layer}s")


def _counted(number: int, layer: str) -> str:
    return f"{number} {singular(layer) if number == 1 else plural(layer)}"


def _listed(names: list[str], limit: int = 6) -> str:
    more = f" and {len(names) - limit} more" if len(names) > limit else ""
    return ", ".join(names[:limit]) + more


def _word(stem: str) -> str:
    """The layer a file name speaks of: `router`, `user_service`, `crud_item`."""
    if stem in WORDS:
        return WORDS[stem]
    first, last = stem.partition("_")[0], stem.rpartition("_")[2]
    layer = WORDS.get(last, "") if last != stem else ""
    if layer and layer != CORE:
        return layer
    return WORDS[first] if first in ("crud", "repo") and first != stem else ""


def _folders(path: str) -> Iterator[str]:
    folder = path.rpartition("/")[0]
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
