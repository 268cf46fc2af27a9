"""Layers, import cycles, size of files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from check import INFERRED, LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Module, Project
from project.language.imports import Cycle, Import
from project.language.layers import (
    CORE,
    DATABASE,
    MODEL,
    REPOSITORY,
    ROUTER,
    SERVICE,
    WORDS,
    Crossing,
    plural,
    singular,
)
from project.place import Place

MANY_ROUTES, MANY_LINES = 20, 1000
_PEOPLE = {SERVICE: "services", REPOSITORY: "repositories", MODEL: "models", DATABASE: "database modules"}


@organization.check(
    "ORG005",
    "layer-violation",
    title="Import against the layers",
    impact=MEDIUM,
    fix="Move what both need down a layer; raise domain errors below the web and map them in one handler.",
)
def layer_violation(project: Project) -> Found:
    """What knows the web cannot be used or tested without it, and each such import ties the layers into one block.

    Layers are those the project has by its own folders, file names and contents.

    Source: FastAPI, Bigger Applications - Multiple Files, https://fastapi.tiangolo.com/tutorial/bigger-applications/

    Bad:
        # app/main.py
        from fastapi import FastAPI
        from app.routers import users

        app = FastAPI()
        app.include_router(users.router)
        # app/routers/users.py
        from fastapi import APIRouter
        from app.repositories import accounts

        router = APIRouter()

        def masked(name: str) -> str:
            return name[:1]

        @router.get("/users")
        def list_users() -> list[str]:
            return accounts.names()
        # app/repositories/accounts.py
        from fastapi import HTTPException
        from app.routers.users import masked  # ORG005

        def names() -> list[str]:
            found = [masked("x")]
            if not found:
                raise HTTPException(404)  # ORG005
            return found
    Good:
        # app/main.py
        from fastapi import FastAPI
        from app.routers import users

        app = FastAPI()
        app.include_router(users.router)
        # app/routers/users.py
        from fastapi import APIRouter
        from app.repositories import accounts

        router = APIRouter()

        @router.get("/users")
        def list_users() -> list[str]:
            return accounts.names()
        # app/repositories/accounts.py
        class NothingFound(Exception):
            pass

        def names() -> list[str]:
            raise NothingFound
    Not this:
        # app/main.py
        from fastapi import FastAPI
        from app.api import users

        app = FastAPI()
        app.include_router(users.router)
        # app/api/users.py
        from fastapi import APIRouter
        from app.api.users_service import names

        router = APIRouter()

        def masked(name: str) -> str:
            return name[:1]

        @router.get("/users")
        def list_users() -> list[str]:
            return names()
        # app/api/users_service.py
        def names() -> list[str]:
            from app.api.users import masked
            return [masked("x")]
        # app/services/reports.py
        from typing import TYPE_CHECKING
        from fastapi.encoders import jsonable_encoder
        if TYPE_CHECKING:
            from app.api.users import router

        def report(rows):
            return jsonable_encoder(rows)
        # app/dependencies.py
        from fastapi import Depends, HTTPException
        from app.services.reports import report

        def get_report(rows=Depends(list)):
            raise HTTPException(404)
    """
    pairs: dict[tuple[str, str], list[Crossing]] = {}
    for crossing in project.layers.crossings:
        pairs.setdefault((crossing.lower, crossing.upper), []).append(crossing)
    for (lower, upper), crossings in pairs.items():
        first, rest = crossings[0].item, crossings[1:]
        names = f" ({', '.join(first.names[:3])})" if first.names else ""
        more = f"; {len(rest)} more such imports" if rest else ""
        folder = project.layers.known[first.target].folder
        where = f" ({folder})" if folder and folder != first.target.path.removesuffix(".py") else ""
        message = f"a {singular(lower)} imports {first.target.dotted}{names} of the {plural(upper)}{where}{more}"
        impact = MEDIUM if any(_takes_operation(project, c.item) for c in crossings) else LOW
        yield Hit(first.place(), message, impact=impact, certainty=INFERRED, places=tuple(c.item.place() for c in rest))
    yield from _http_below(project)
    yield from _private_of_routers(project)


def _takes_operation(project: Project, item: Import) -> bool:
    """Whether an import takes a path operation; types and helpers that stand in the wrong place tie less."""
    return any(f.module is item.target and f.name in item.names for f in project.exceptions.handlers)


def _http_below(project: Project) -> Iterator[Hit]:
    """HTTPException raised below the web, one hit for each layer; not in services of a small application."""
    raised: dict[str, list[Place]] = {}
    for module, layer in project.layers.known.items():
        if layer.name in _PEOPLE and (layer.name != SERVICE or len(project.routes) > MANY_ROUTES):
            own = project.exceptions.dependencies  # called by FastAPI, wherever they stand
            for function in [f for f in module.functions if f not in own]:
                for error in project.http_errors.of(function):
                    raised.setdefault(layer.name, []).append(error.place("raises HTTPException"))
    for name, places in raised.items():
        ordered = sorted(places)
        more = f", at {len(ordered)} places" if len(ordered) > 1 else ""
        message = (
            f"{_PEOPLE[name]} raise HTTPException{more}: other callers than routes get a status instead of an error"
        )
        impact = LOW if name == SERVICE else MEDIUM
        yield Hit(ordered[0], message, impact=impact, certainty=INFERRED, places=tuple(ordered[1:]))


def _private_of_routers(project: Project) -> Iterator[Hit]:
    """Names with a leading underscore that a router takes from another router."""
    found: list[Import] = []
    for module, layer in project.layers.known.items():
        if layer.name == ROUTER and layer.how == "content":
            for item in project.imports.of(module):
                target = project.layers.known.get(item.target)
                if target is not None and target.how == "content" and any(_is_private(n) for n in item.names):
                    found.append(item)
    if found:
        first = sorted(found, key=lambda i: (i.importer.path, i.node.lineno))
        more = f"; {len(first) - 1} more such imports" if len(first) > 1 else ""
        private = ", ".join(n for n in first[0].names if _is_private(n))
        message = f"a router imports {private} from the router {first[0].target.dotted}{more}"
        yield Hit(first[0].place(), message, impact=LOW, places=tuple(i.place() for i in first[1:]))


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.startswith("__")


@organization.check(
    "ORG006",
    "import-cycle",
    title="Modules that import each other",
    impact=MEDIUM,
    fix="Move what both need into a third module, or pass it as an argument.",
)
def import_cycle(project: Project) -> Found:
    """Such modules load in one order only; a new import elsewhere ends in "partially initialized module".

    Imports inside functions that would close a cycle are listed as one question: they hide the same knot.

    Source: Python, How can I have modules that mutually import each other?, https://docs.python.org/3/faq/programming.html

    Bad:
        # shop/__init__.py
        # shop/inventory.py
        from shop.pricing import price  # ORG006

        def scarce(name: str) -> bool:
            return price(name) > 3
        # shop/pricing.py
        from shop.inventory import scarce

        def price(name: str) -> int:
            return 2 if scarce(name) else 1
    Good:
        # shop/__init__.py
        # shop/inventory.py
        def scarce(name: str) -> bool:
            return len(name) > 3
        # shop/pricing.py
        from shop.inventory import scarce

        def price(name: str) -> int:
            return 2 if scarce(name) else 1
    Not this:
        # shop/__init__.py
        from shop.inventory import scarce
        from shop.pricing import price
        # shop/inventory.py
        from typing import TYPE_CHECKING
        if TYPE_CHECKING:
            from shop.pricing import Price

        def scarce(name: str, price: "Price") -> bool:
            return len(name) > 3
        # shop/pricing.py
        from shop import scarce

        class Price:
            pass

        def price(name: str) -> int:
            return 2 if scarce(name, Price()) else 1
    """
    for cycle in project.imports.cycles:
        if cycle.failing or not _is_within_package(cycle):
            yield _cycle(cycle, project)
    hidden = [item for item in project.imports.hidden if not item.importer.is_package]
    if hidden:
        more = f", and {len(hidden) - 1} more" if len(hidden) > 1 else ""
        first = hidden[0]
        message = (
            f"an import inside a function hides a cycle: {first.target.dotted} loads {first.importer.dotted}{more}"
        )
        yield Hit(first.place(), message, impact=LOW, places=tuple(i.place() for i in hidden[1:]))


def _cycle(cycle: Cycle, project: Project) -> Hit:
    names = [hop.importer.dotted for hop in cycle.hops]
    more = len(cycle.modules) - len(names)
    message = f"{' -> '.join([*names, names[0]])}{f'; {more} more modules are tied to them' if more else ''}"
    trace = [hop.place() for hop in cycle.hops]
    if cycle.failing is None:
        return Hit(trace[0], message, tuple(trace), LOW)
    first, item = cycle.failing
    trace.append(item.place("fails then"))
    outside = any(i.importer not in cycle.modules for i in project.imports.importers.get(first, ()))
    impact = MEDIUM if outside else LOW
    return Hit(trace[0], f"{message}; importing {first.dotted} first fails", tuple(trace), impact)


def _is_within_package(cycle: Cycle) -> bool:
    """Whether a package and its own modules import each other, in an order that holds."""
    return any(
        hop.target.is_package and hop.importer.parts[: len(hop.target.parts)] == hop.target.parts for hop in cycle.hops
    )


@organization.check(
    "ORG012",
    "structure-by-size",
    title="One file for everything",
    impact=LOW,
    anti_pattern=1,
    fix="Give each group of routes a router of its own with prefix and tags; split by subject, not by length.",
)
def structure_by_size(project: Project) -> Found:
    """A file where every feature lives is changed by every feature: conflicts, and no place to look first.

    Source: FastAPI, Bigger Applications - Multiple Files, https://fastapi.tiangolo.com/tutorial/bigger-applications/

    Bad:
        from fastapi import FastAPI

        app = FastAPI()  # ORG012

        @app.get("/a1")
        @app.get("/a2")
        @app.get("/a3")
        @app.get("/a4")
        @app.get("/a5")
        @app.get("/a6")
        @app.get("/a7")
        def read_a() -> None: ...

        @app.get("/b1")
        @app.get("/b2")
        @app.get("/b3")
        @app.get("/b4")
        @app.get("/b5")
        @app.get("/b6")
        @app.get("/b7")
        def read_b() -> None: ...

        @app.get("/c1")
        @app.get("/c2")
        @app.get("/c3")
        @app.get("/c4")
        @app.get("/c5")
        @app.get("/c6")
        @app.get("/c7")
        def read_c() -> None: ...
    Good:
        # main.py
        from fastapi import FastAPI
        import a

        app = FastAPI()
        app.include_router(a.router)
        # a.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/a", tags=["a"])

        @router.get("/1")
        def read_a() -> None: ...
    Not this:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/health")
        def read_health() -> None: ...
    """
    routes = Counter(route.file for route in project.routes if route.function is not None)
    for app in project.route_map.apps:
        count = routes.pop(app.place.path, 0)
        if count > MANY_ROUTES:
            groups = {r.path.strip("/").split("/")[0] for r in project.routes if r.file == app.place.path}
            message = (
                f"the module that makes the application also defines {count} routes under {len(groups)} first segments"
            )
            yield Hit(app.place, message)
    for module in project.app_modules:
        name = module.path.rpartition("/")[2].removesuffix(".py")
        layer = WORDS.get(name, CORE)
        if (
            layer != CORE
            and project.layers.of(module) == layer
            and len(module.lines) > MANY_LINES
            and _subjects(module) > MANY_ROUTES
        ):
            message = f"{len(module.lines)} lines with {_subjects(module)} classes and functions in one {name}.py"
            yield Hit(module.place(), message)


def _subjects(module: Module) -> int:
    return sum(not child.name.startswith("_") for child in module.children)
