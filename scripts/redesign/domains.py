"""Which modules belong together: the domains of an application, by its routes, its names and who imports whom."""

from __future__ import annotations

import posixpath
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from project import Module, Project
from project.language.imports import TYPING, Import
from project.language.layers import ENTRY, ROUTER, WORDS
from project.routing.routes import Route

ROUTES, NAME, PACKAGE, ONLY_USER = "its routes", "its name", "its package", "only this domain imports it"
# Words that say what kind of file it is, or nothing, but not what it is about.
_PLAIN = frozenset(
    "main app application server index home root base common util utils helper helpers shared internal init api rest "
    "web http v1 v2 v3 v4 latest public private src backend apis restful core types enums constants config settings "
    "exceptions errors misc general handler handlers manager managers client clients test tests".split()
)
# Parts of a path that say who calls, not what about.
_AUDIENCE = frozenset("admin manage management me".split())
_JOINS = 3
_VERSION = re.compile(r"(api_)?v\d+(_\d+)?|version_?\d*")
# Words for layers that are part of a name when they stand in front: `api_key`, `web_search`.
_NO_PREFIX = frozenset(("api", "web", "core", "view"))


@dataclass(eq=False)
class Domain:
    """Modules about one subject. `modules` says of each why it belongs here; `uses` counts imports of other domains."""

    name: str
    modules: dict[Module, str] = field(default_factory=dict)
    routes: list[Route] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)
    uses: Counter[Domain] = field(default_factory=Counter)
    used_by: Counter[Domain] = field(default_factory=Counter)

    @property
    def lines(self) -> int:
        return sum(len(module.lines) for module in self.modules)

    @property
    def ties(self) -> int:
        """Imports between this domain and others, in either direction."""
        return self.uses.total() + self.used_by.total()

    @property
    def folders(self) -> list[str]:
        return sorted({module.path.rpartition("/")[0] for module in self.modules})


@dataclass(frozen=True, slots=True, eq=False)
class Grouping:
    """All domains, the largest first.

    `shared` are modules that domains import, themselves or by another shared one; `other` those that none needs.
    """

    domains: list[Domain]
    shared: list[Module]
    other: list[Module]

    def of(self, module: Module) -> Domain | None:
        return next((domain for domain in self.domains if module in domain.modules), None)


def group(project: Project) -> Grouping:
    """Sort every module of the application with code into a domain, or say that it is shared or stands apart."""
    joining = _joining(project)
    apart = {m for m in project.app_modules if project.layers.of(m) == ENTRY or m.path in joining}
    packaged = cut_by_domain(project)
    domains = _packages(project) if packaged else []
    routed = _by_routers(project, apart.union(*(domain.modules for domain in domains)))
    _tell_apart(domains, routed)
    domains += routed
    owner = {module: domain for domain in domains for module in domain.modules}
    modules = [m for m in project.app_modules if m.node.body and m not in apart]
    if not packaged:
        _claim_by_name(project, modules, domains, owner)
    _claim_by_use(project, modules, owner)
    _keep_packages_whole(modules, owner)
    for route in project.routes:
        if route.function is not None and route.function.module in owner:
            owner[route.function.module].routes.append(route)
    for model in project.models.all:
        if model.cls is not None and model.cls.module in owner and model.table:
            owner[model.cls.module].tables.append(model.table)
    _count_uses(project, owner)
    needed = _needed(project, owner)
    rest = [m for m in modules if m not in owner]
    domains.sort(key=lambda d: (-d.lines, d.name))
    return Grouping(domains, [m for m in rest if m in needed], [m for m in rest if m not in needed])


def _needed(project: Project, start: Iterable[Module]) -> set[Module]:
    """What these modules import, directly or not."""
    waiting = list(start)
    found = set(waiting)
    while waiting:
        for item in between(project, waiting.pop()):
            if item.target not in found:
                found.add(item.target)
                waiting.append(item.target)
    return found


def web_root(project: Project) -> str:
    """The folder that holds the application with most routes and all its routers, "" for the reviewed folder."""
    names = Counter(route.app for route in project.routes)
    main = names.most_common(1)[0][0] if names else ""
    paths = {r.file for r in project.routes if r.app == main}
    paths |= {app.place.path for app in project.route_map.apps if app.name == main}
    paths = {path for path in paths if path in project.modules and project.modules[path].kind == "app"}
    folders = [path.rpartition("/")[0] for path in paths]
    return posixpath.commonpath(folders) if folders else ""


def cut_by_domain(project: Project) -> bool:
    """Whether most routes stand in packages that hold layers of their own."""
    folders = project.layers.domains
    inside = sum(any(route.file.startswith(f"{folder}/") for folder in folders) for route in project.routes)
    return bool(folders) and 2 * inside > len(project.routes)


def _packages(project: Project) -> list[Domain]:
    """Domains that the project has as packages already."""
    folders = project.layers.domains
    last = Counter(folder.rpartition("/")[2] for folder in folders)
    found = []
    for folder, modules in folders.items():
        above, _, name = folder.rpartition("/")
        name = name if last[name] == 1 else f"{above.rpartition('/')[2]}/{name}"
        found.append(Domain(name, {m: PACKAGE for m in modules if m.node.body}))
    return [domain for domain in found if domain.modules]


def _tell_apart(packages: list[Domain], routed: list[Domain]) -> None:
    """Name domains by routers after the folder above them too where a package is about the same: `admin/orders`."""
    taken = {singular(domain.name.rpartition("/")[2]) for domain in packages}
    for domain in routed:
        if singular(domain.name) in taken:
            folders = next(iter(domain.modules)).path.split("/")[:-1]
            if len(folders) > 1 and singular(folders[-1]) == singular(domain.name):
                del folders[-1]
            domain.name = f"{folders[-1]}/{domain.name}" if folders else domain.name


def _by_routers(project: Project, taken: set[Module]) -> list[Domain]:
    """One domain for each subject that modules with routes are about; `taken` have a domain or none."""
    routes: dict[Module, list[Route]] = defaultdict(list)
    for route in project.routes:
        module = route.function.module if route.function is not None else None
        if module is None or module.kind != "app" or module in taken:
            continue
        if project.layers.of(module) == ROUTER:
            routes[module].append(route)
    found: dict[str, Domain] = {}
    root = web_root(project)
    homes = {module.path.rpartition("/")[0] for module in routes if _is_called_like_a_layer(module)}
    for module in sorted(routes, key=lambda m: m.path):
        folder = module.path.rpartition("/")[0]
        inside = f"{folder}/router.py" if folder in homes else module.path
        words = [*_subjects(inside, root), *_subjects(module.path, root), _path_word(routes[module])]
        word = next(filter(None, words), "")
        if word:
            found.setdefault(singular(word), Domain(word)).modules[module] = ROUTES
    return list(found.values())


def _is_called_like_a_layer(module: Module) -> bool:
    return module.path.rpartition("/")[2].removesuffix(".py") in WORDS


def _joining(project: Project) -> set[str]:
    """Files that include routers out of several other folders."""
    joined: dict[str, set[str]] = defaultdict(set)
    for route in project.routes:
        for place in route.include_places:
            joined[place.path].add(route.file)
    here = {path: path.rpartition("/")[0] for path in joined}
    return {p for p, files in joined.items() if sum(f.rpartition("/")[0] != here[p] for f in files) >= _JOINS}


def _subjects(path: str, root: str) -> Iterator[str]:
    """What the names below the folder of a layer say a file is about, the outermost first: `services/orders/tax.py`.

    A file that is called like a layer is about what its folder says: `orders/router.py`.
    """
    below: list[str] = []
    parts = path.removeprefix(f"{root}/" if root else "").removesuffix(".py").removesuffix("/__init__").split("/")
    if parts[-1] in WORDS:
        del parts[-1]
    for part in reversed(parts):
        below.insert(0, part)
        if part in WORDS:
            break
    else:
        below = below[-1:]
    yield from filter(None, map(subject, below))


def subject(stem: str) -> str:
    """What a name is about, without the words for layers: `user` of `user_service`, "" of `routes` and `utils`."""
    words = stem.lower().strip("_").split("_")
    while words and (words[-1] in WORDS or words[-1] == "handler"):
        del words[-1]
    while words and words[0] in WORDS and words[0] not in _NO_PREFIX:
        del words[0]
    word = re.sub(r"\W", "_", "_".join(words))
    return "" if not word or word in _PLAIN or _VERSION.fullmatch(word) else word


def singular(word: str) -> str:
    """`orders` and `order` are one subject."""
    if word.endswith("ies") and len(word) > 4:
        return word[:-3] + "y"
    if word.endswith(("sses", "xes", "ches", "shes")):
        return word[:-2]
    return word[:-1] if word.endswith("s") and not word.endswith(("ss", "us", "is")) and len(word) > 3 else word


def _path_word(routes: Iterable[Route]) -> str:
    """The first fixed part of the paths that says something, where all routes agree."""
    words = set()
    for route in routes:
        parts = [re.sub(r"\W+", "_", part) for part in route.path.split("/") if part and "{" not in part]
        words.add(next((word for part in parts if (word := subject(part)) and word not in _AUDIENCE), ""))
    return words.pop() if len(words) == 1 else ""


def _claim_by_name(project: Project, modules: list[Module], domains: list[Domain], owner: dict[Module, Domain]) -> None:
    """Give a domain the modules of a layer that are named after it: `services/order_service.py`, `models/order.py`.

    Not those that mostly others import, such as commands or a client library.
    """
    by_word = {singular(domain.name): domain for domain in domains}
    named: dict[Module, Domain] = {}
    root = web_root(project)
    for module in modules:
        if module not in owner and module in project.layers.known:
            words = map(singular, _subjects(module.path, root))
            domain = next((by_word[word] for word in words if word in by_word), None)
            if domain is not None:
                named[module] = domain
    for module, domain in named.items():
        users = {i.importer for i in project.imports.importers.get(module, ()) if i.importer.kind == "app"}
        users = {user for user in users if not user.is_package}
        inside = {user for user in users if user in owner or not root or user.path.startswith(f"{root}/")}
        if 2 * len(inside) >= len(users):
            owner[module] = domain
            domain.modules[module] = NAME


def _claim_by_use(project: Project, modules: list[Module], owner: dict[Module, Domain]) -> None:
    """Give a domain what it alone imports, again and again until nothing changes."""
    waiting = [m for m in modules if m not in owner and not m.is_package]
    changed = True
    while changed:
        changed = False
        for module in waiting:
            users = {i.importer for i in project.imports.importers.get(module, ()) if i.importer.kind == "app"}
            users = {u for u in users if u.node.body}
            owners = {owner.get(user) for user in users}
            if module not in owner and len(owners) == 1 and (only := owners.pop()) is not None:
                owner[module] = only
                only.modules[module] = ONLY_USER
                changed = True


def _keep_packages_whole(modules: list[Module], owner: dict[Module, Domain]) -> None:
    """Take back what was claimed by use out of a package with a subject of its own that has other modules as well."""
    packages: dict[str, list[Module]] = defaultdict(list)
    for module in modules:
        folder = module.path.rpartition("/")[0]
        if subject(folder.rpartition("/")[2]) and "/" in folder:
            packages[folder].append(module)
    for members in packages.values():
        if len({owner.get(module) for module in members}) > 1:
            for module in members:
                domain = owner.get(module)
                if domain is not None and domain.modules[module] == ONLY_USER:
                    del owner[module], domain.modules[module]


def between(project: Project, module: Module) -> Iterator[Import]:
    """What a module imports at run time, packages on the way left out."""
    return (i for i in project.imports.of(module) if i.when != TYPING and not i.package)


def _count_uses(project: Project, owner: dict[Module, Domain]) -> None:
    for module, domain in owner.items():
        for item in between(project, module):
            target = owner.get(item.target)
            if target is not None and target is not domain:
                domain.uses[target] += 1
                target.used_by[domain] += 1
