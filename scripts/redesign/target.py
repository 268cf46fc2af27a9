"""Which layout fits, and where each module stands in it."""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass

from project import Module, Project
from project.language.layers import (
    BY_DOMAIN,
    BY_LAYER,
    DATABASE,
    DEPENDENCY,
    ENTRY,
    FLAT,
    MODEL,
    REPOSITORY,
    ROUTER,
    SCHEMA,
    SERVICE,
)
from redesign.domains import ONLY_USER, Domain, Grouping, cut_by_domain, singular, subject, web_root

# Lines in domains, not those of commands, clients and other code beside the web.
LARGE_LINES, MANY_DOMAINS = 10_000, 6
SMALL_LINES, ONE_FILE_LINES = 4_000, 500
_FILES = {
    ROUTER: ("router.py", "routers"),
    SERVICE: ("service.py", "services"),
    REPOSITORY: ("repository.py", "repositories"),
    MODEL: ("models.py", "models"),
    SCHEMA: ("schemas.py", "schemas"),
    DEPENDENCY: ("dependencies.py", "dependencies"),
    DATABASE: ("database.py", "database"),
}


@dataclass(frozen=True, slots=True)
class Layout:
    """The layout proposed, in the package `root`. `changes` is False when the one that is there is kept."""

    name: str
    why: str
    root: str
    changes: bool


def choose(project: Project, grouping: Grouping) -> Layout:
    """By layer for a small backend, by domain for a large one; what is cut by domain already stays so."""
    style, domains, root = project.layers.style, len(grouping.domains), web_root(project)
    lines = sum(domain.lines for domain in grouping.domains)
    size = f"{lines:,} lines in {domains} domains"
    if cut_by_domain(project):
        why = f"it is cut by domain already ({size}); another cut would cost and gain nothing"
        return Layout(BY_DOMAIN, why, root, False)
    spread = [domain for domain in grouping.domains if len(domain.folders) > 1]
    if lines >= LARGE_LINES and domains >= MANY_DOMAINS and 2 * sum(domain.lines for domain in spread) > lines:
        why = f"{size}, {len(spread)} of them in more than one folder: a change to one should stay in one package"
        return Layout(BY_DOMAIN, why, root, True)
    if style != FLAT:
        return Layout(BY_LAYER, f"it is cut by layer, which carries {size}", root, False)
    whole = project.line_count
    if whole < ONE_FILE_LINES and not domains:
        return Layout(FLAT, f"one file is enough for {whole} lines", root, False)
    if lines >= SMALL_LINES and domains >= MANY_DOMAINS:
        why = f"{size} and no layers yet: packages by domain need no second move later"
        return Layout(BY_DOMAIN, why, root, True)
    return Layout(BY_LAYER, f"{whole:,} lines without layers: a file or folder for each is enough", root, True)


def new_paths(project: Project, grouping: Grouping, layout: Layout) -> dict[Module, str]:
    """Where each module that moves would stand; the entry point, shared modules and what fits already stay."""
    if layout.name == BY_LAYER:
        return _by_layer(project, layout) if layout.changes and project.layers.style == FLAT else {}
    if not layout.changes:
        return {}
    found: dict[Module, str] = {}
    for domain in grouping.domains:
        inside = _package(project, layout, domain)
        if not inside:
            continue
        outside = [m for m in domain.modules if not m.path.startswith(inside)]
        outside = [m for m in outside if not _is_helper(domain, m) and not _is_settled(project, layout, m)]
        for module, name in _named(project, domain, outside).items():
            found[module] = inside + name
    return _without_clashes(project, found)


def _package(project: Project, layout: Layout, domain: Domain) -> str:
    """The folder of a domain, "" when every name for it would hide a module: `tasks/` beside `tasks.py` hides it."""
    above = f"{layout.root}/" if layout.root else ""
    outermost = not layout.root or any(m.path.startswith(above) and len(m.parts) == 1 for m in project.app_modules)
    for name in dict.fromkeys((domain.name, singular(domain.name))):
        beside = project.modules.get(f"{above}{name}.py")
        hides = outermost and (name in sys.stdlib_module_names or project.stack.has(name))
        if (beside is None or beside in domain.modules) and not hides:
            return f"{above}{name}/"
    return ""


def _is_helper(domain: Domain, module: Module) -> bool:
    """Whether a module is a general helper that only one domain happens to use."""
    folder, _, stem = module.path.removesuffix(".py").rpartition("/")
    general = not subject(folder.rpartition("/")[2])
    return domain.modules[module] == ONLY_USER and general and singular(domain.name) not in singular(stem)


def _is_settled(project: Project, layout: Layout, module: Module) -> bool:
    """Whether a module stands in a package with a subject beside the application's, or serves another application."""
    if not layout.root or module.path.startswith(f"{layout.root}/"):
        return False
    folder = module.path.rpartition("/")[0].rpartition("/")[2]
    return bool(subject(folder)) or project.layers.of(module) == ROUTER


def _named(project: Project, domain: Domain, modules: list[Module]) -> dict[Module, str]:
    """File names in the package of a domain: `router.py` for the only router, `routers/v1.py` if there are several."""
    tables = {model.cls.module for model in project.models.all if model.cls is not None}
    typed = {schema.cls.module for schema in project.schemas.all} - tables
    layers: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        layer = MODEL if module in tables else project.layers.of(module)
        layers[SCHEMA if layer == MODEL and module in typed else layer].append(module)
    found = {}
    for layer, members in layers.items():
        single, several = _FILES.get(layer, ("", ""))
        folders = {
            module.path.rpartition("/")[0] for module in members if module.path.rpartition("/")[2] != "__init__.py"
        }
        heads = {m for m in members if m.is_package and m.path.rpartition("/")[0] in folders}
        stems = Counter(_stem(module) for module in members if module not in heads)
        for module in members:
            folder, _, stem = module.path.removesuffix(".py").removesuffix("/__init__").rpartition("/")
            if not single:
                found[module] = f"{folder.rpartition('/')[2] if stem == domain.name and folder else stem}.py"
            else:
                stem = (
                    "__init__"
                    if module in heads
                    else stem
                    if stems[stem] == 1
                    else f"{folder.rpartition('/')[2]}_{stem}"
                )
                found[module] = single if len(members) == 1 else f"{several}/{stem}.py"
    kept = {m.path.rpartition("/")[2] for m in domain.modules if m not in found}
    return {m: name for m, name in found.items() if name not in kept}


def _stem(module: Module) -> str:
    return module.path.removesuffix(".py").removesuffix("/__init__").rpartition("/")[2]


def _by_layer(project: Project, layout: Layout) -> dict[Module, str]:
    """Folders by layer for a project that has none: only where more than one module is of that layer."""
    prefix = f"{layout.root}/" if layout.root else ""
    counts = Counter(project.layers.of(m) for m in project.app_modules)
    found = {}
    for module in project.app_modules:
        layer = project.layers.of(module)
        if layer not in _FILES or layer == ENTRY or not module.node.body:
            continue
        single, several = _FILES[layer]
        target = f"{prefix}{single}" if counts[layer] == 1 else f"{prefix}{several}/{_stem(module)}.py"
        if counts[layer] > 1 and module.path.rpartition("/")[0] != f"{prefix}{several}":
            found[module] = target
    return _without_clashes(project, found)


def _without_clashes(project: Project, found: dict[Module, str]) -> dict[Module, str]:
    """Leave out moves that change nothing, those onto a file that is there or that two would take, and those into a
    package that would hide a module of its name."""
    taken = Counter(found.values())
    return {
        m: path
        for m, path in found.items()
        if path != m.path
        and taken[path] == 1
        and (path not in project.modules or project.modules[path] in found)
        and not any(hidden in project.modules and project.modules[hidden] not in found for hidden in _hidden(path))
    }


def _hidden(path: str) -> list[str]:
    """Files that the packages above a path would hide: `shop/tasks.py` for `shop/tasks/router.py`."""
    parts = path.split("/")[:-1]
    return ["/".join(parts[: i + 1]) + ".py" for i in range(len(parts))]
