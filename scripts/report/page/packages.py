"""Packages of a project as a graph to draw: few enough to see, each with its layer, its imports and its cycles."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.imports import TYPING

if TYPE_CHECKING:
    from project import Project
    from project.language.scopes import Module

MOST = 48
FEW_MODULES = 30
_ENOUGH = 14
_LARGE_SHARE = 6
_NEARLY_ALL = (9, 10)
_START, _TOP, _OTHERS = "(start)", "(top level)", "(other packages)"

Pair = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Package:
    """A folder (or a file of a small project) with the modules that no deeper package of the graph holds."""

    name: str
    layer: str
    modules: int
    lines: int


@dataclass(frozen=True, slots=True)
class PackageGraph:
    """`imports` counts import statements from one package to another; `against` those that run against the layers."""

    packages: list[Package]
    imports: dict[Pair, int]
    against: frozenset[Pair]


def package_graph(project: Project) -> PackageGraph:
    """The application's modules in at most 48 packages, named relative to the folder that holds them all."""
    modules = [m for m in project.app_modules if m.node.body]
    homes = _homes(project, modules)
    groups: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        groups[homes[module]].append(module)
    imports: Counter[Pair] = Counter()
    for module in modules:
        for item in project.imports.of(module):
            target = homes.get(item.target)
            if item.when != TYPING and not item.package and target is not None and target != homes[module]:
                imports[homes[module], target] += 1
    crossed = {(c.item.importer, c.item.target) for c in project.layers.crossings}
    against = frozenset((homes[a], homes[b]) for a, b in crossed if a in homes and b in homes and homes[a] != homes[b])
    packages = [_package(project, name, group) for name, group in sorted(groups.items())]
    return PackageGraph(packages, dict(imports), against)


def _package(project: Project, name: str, group: Sequence[Module]) -> Package:
    layers = Counter(layer for module in group if (layer := project.layers.of(module)))
    most = layers.most_common(1)
    layer = most[0][0] if most and 2 * most[0][1] >= len(group) else ("several layers" if layers else "")
    return Package(name, layer, len(group), sum(len(module.source.text.splitlines()) for module in group))


def _homes(project: Project, modules: Sequence[Module]) -> dict[Module, str]:
    """The package each module is drawn in."""
    top = _top([module.path.rpartition("/")[0] for module in modules])
    if len(modules) <= FEW_MODULES:
        paths = {module: module.path.removesuffix(".py").removesuffix("/__init__") for module in modules}
        return {module: path.removeprefix(top) or path for module, path in paths.items()}
    folders = {m: m.path.rpartition("/")[0].removeprefix(top.rstrip("/")).lstrip("/") for m in modules}
    chosen = _chosen(Counter(folders.values()))
    homes = {m: _home(folder, chosen) or (_OTHERS if folder else _TOP) for m, folder in folders.items()}
    starting = [module for module, home in homes.items() if home == _TOP and _starts(project, module, homes)]
    return homes | dict.fromkeys(starting, _START)


def _starts(project: Project, module: Module, homes: Mapping[Module, str]) -> bool:
    """Whether a module at the top puts the others together: none of the packages below imports it."""
    importers = (item.importer for item in project.imports.importers.get(module, ()) if item.when != TYPING)
    return all(homes.get(importer, _TOP) == _TOP for importer in importers)


def _chosen(sizes: Counter[str]) -> set[str]:
    """Folders to draw: the largest is opened while there is room for what it holds."""
    whole: Counter[str] = Counter()
    for folder, number in sizes.items():
        for above in _ups(folder):
            whole[above] += number
    inside: dict[str, list[str]] = defaultdict(list)
    for folder in whole:
        if folder:
            inside[folder.rpartition("/")[0]].append(folder)
    chosen = {""}
    closed: set[str] = set()
    while True:
        held = {f: whole[f] - sum(whole[c] for c in inside[f] if c in chosen) for f in chosen}
        large = [f for f in chosen - closed if inside[f] and _worth(held[f], len(chosen), sum(sizes.values()))]
        if not large:
            return chosen
        folder = max(large, key=lambda f: (held[f], f))
        closed.add(folder)
        biggest = sorted(inside[folder], key=lambda f: (-whole[f], f))
        chosen.update(biggest[: max(MOST - len(chosen), 0)])


def _worth(held: int, packages: int, modules: int) -> bool:
    return packages < _ENOUGH or (held * _LARGE_SHARE > modules and packages < MOST)


def _home(folder: str, chosen: set[str]) -> str:
    return next(above for above in _ups(folder) if above in chosen)


def _ups(folder: str) -> Iterable[str]:
    """A folder and all above it, the innermost first, "" last."""
    while folder:
        yield folder
        folder = folder.rpartition("/")[0]
    yield ""


def _top(folders: Sequence[str]) -> str:
    """The innermost folder, with its slash, that holds nearly all of the modules; "" when that is the whole project."""
    numbers = Counter(above for folder in folders for above in _ups(folder))
    top = max((f for f in numbers if numbers[f] * _NEARLY_ALL[1] >= len(folders) * _NEARLY_ALL[0]), key=len, default="")
    return f"{top}/" if top else ""
