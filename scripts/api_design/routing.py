"""Which route answers: dead routes, routers nobody includes, parameters of paths, operation ids."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from api_design.dimension import api
from api_design.routes import is_app_code, where
from api_design.wording import counted
from check import HIGH, INFERRED, LOW, MEDIUM, RESOLVED, Found, Hit, NotAssessed
from project import Function, Module, Place, Project
from project.routing.interpret_values import Entry, plain
from project.routing.routes import Route, Router

_PIECE = re.compile(r"{\s*([^{}:\s]+)\s*(?::\s*([^{}\s]*)\s*)?}")
_PATTERNS = {"": "[^/]+", "str": "[^/]+", "int": "[0-9]+", "float": r"[0-9]+(\.[0-9]+)?", "path": ".*"}
_IMPORTERS = frozenset(("importlib.import_module", "builtins.__import__"))
_SEARCHES = ("iter_modules", "walk_packages", ".glob(", ".rglob(", "os.listdir", "os.walk", "entry_points(", "iterdir(")
_UUID = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_SAMPLES = {
    "int": "7046029254",
    "float": "7046.02925",
    "path": "qzx/qzy.qzw",
    "uuid": "b1c3d3ab-9b5c-4d5e-8f6a-0a1b2c3d4e5f",
}


@api.check(
    "API004",
    "shadowed-route",
    title="Route that an earlier one hides",
    impact=HIGH,
    fix="Register the fixed path before the one with a parameter, or give the parameter a converter such as {id:int}.",
)
def shadowed_route(project: Project) -> Found:
    """The first route that matches answers. A route that an earlier one covers is never reached, and nothing says so;
    the
    type of a parameter in the signature does not make the earlier one pass, it answers 422.

    Source: FastAPI, Path Parameters - Order matters, https://fastapi.tiangolo.com/tutorial/path-params/#order-matters

    Bad:
        # app/users.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/users")

        @router.get("/{user_id}")
        def read_user(user_id: int) -> int:
            return user_id

        @router.get("/me")
        def read_me() -> int:  # API004
            return 1

        @router.get("/{name}")
        def read_by_name(name: str) -> str:  # API004
            return name
        # app/main.py
        from fastapi import FastAPI
        from app.users import router

        app = FastAPI()
        app.include_router(router)
    Good:
        # app/users.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/users")

        @router.get("/me")
        def read_me() -> int:
            return 1

        @router.get("/{user_id}")
        def read_user(user_id: int) -> int:
            return user_id
        # app/main.py
        from fastapi import FastAPI
        from app.users import router

        app = FastAPI()
        app.include_router(router)
    Not this:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/users/{user_id:int}")
        def read_user(user_id: int) -> int:
            return user_id

        @app.get("/users/me")
        def read_me() -> int:
            return 1

        @app.delete("/users/me")
        def delete_me() -> int:
            return 1

        @app.get("/users/{user_id}/")
        def read_with_slash(user_id: int) -> int:
            return user_id

        @app.get("/files/{name}.json")
        def read_json(name: str) -> str:
            return name

        @app.get("/files/{name}")
        def read_file(name: str) -> str:
            return name

        @app.get("/{rest:path}")
        def everything_else(rest: str) -> str:
            return rest
    """
    by_app: dict[str, list[Route]] = defaultdict(list)
    for route in project.routes:
        by_app[route.app].append(route)
    seen: set[tuple[Function | None, Function | None]] = set()
    for routes in by_app.values():
        for route, earlier, methods in _hidden(routes):
            pair = (route.function, earlier.function)
            if route.function is not None and route.function is not earlier.function and pair not in seen:
                seen.add(pair)
                yield _shadowed(project, route, earlier, methods)


def _shadowed(project: Project, route: Route, earlier: Route, methods: list[str]) -> Hit:
    assert route.function is not None
    what = "/".join(methods)
    same = "the same path" if _shape(route.path) == _shape(earlier.path) else f"{what} {earlier.path}"
    message = f"{what} {route.path} is never reached: {same}, registered earlier ({where(earlier)}), answers it"
    certainty = INFERRED if route.conditional or earlier.conditional else RESOLVED
    trace = (
        Place(earlier.file, earlier.line, earlier.line, earlier.handler, f"{what} {earlier.path}, registered first"),
    )
    return Hit(route.function.place(), message, trace, _harm(project, route, earlier, methods), certainty)


def _harm(project: Project, route: Route, earlier: Route, methods: list[str]) -> str:
    """High for a way to write that is lost; a lost read is Medium, one that is deprecated or runs the same Low."""
    if route.deprecated or (
        _shape(route.path) == _shape(earlier.path) and _work(project, route) == _work(project, earlier)
    ):
        return LOW
    return HIGH if set(methods) - {"GET", "HEAD", "OPTIONS"} else MEDIUM


def _work(project: Project, route: Route) -> set[str]:
    """The functions that a handler calls for its answer; exceptions are none."""
    assert route.function is not None
    returned = [r.value for r in route.function.all(ast.Return) if r.value is not None]
    inside = {id(node) for value in returned for node in ast.walk(value)}
    sites = [s for s in project.calls.sites(route.function) if id(s.node) in inside]
    return {target.dotted for site in sites for target in site.targets} or {ast.dump(value) for value in returned}


def _shape(path: str) -> str:
    return _PIECE.sub("{}", path)


def _hidden(routes: list[Route]) -> Iterator[tuple[Route, Route, list[str]]]:
    """Routes with the earlier route that answers all their requests, and for which methods."""
    exact: dict[tuple[str, str], Route] = {}
    open_ones: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]] = defaultdict(list)
    for route in routes:
        if route.websocket or not _readable(route.path):
            continue
        sample, pieces = _sample(route.path), _PIECE.findall(route.path)
        count = -1 if any(converter == "path" for _, converter in pieces) else route.path.count("/")
        hiders: dict[int, tuple[Route, list[str]]] = {}
        for method in route.methods:
            earlier = exact.get((method, sample)) or _covering(open_ones, method, count, sample)
            if earlier is not None:
                hiders.setdefault(id(earlier), (earlier, []))[1].append(method)
                continue
            if not route.conditional:
                exact[method, sample] = route
            if pieces:
                open_ones[method, count].append((_regex(route.path), route))
        yield from ((route, earlier, methods) for earlier, methods in hiders.values())


def _covering(
    found: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]], method: str, count: int, sample: str
) -> Route | None:
    """The first earlier route with parameters that matches: among those of as many segments, or with a path
    converter."""
    candidates = [*found.get((method, count), ()), *(found.get((method, -1), ()) if count != -1 else ())]
    matching = (route for pattern, route in candidates if pattern.fullmatch(sample))
    return next((route for route in matching if not (route.conditional and _sample(route.path) == sample)), None)


def _readable(path: str) -> bool:
    return (
        all(converter in _PATTERNS or converter == "uuid" for _, converter in _PIECE.findall(path)) and "?" not in path
    )


def _sample(path: str) -> str:
    """A path the route matches, with values in place of parameters that no fixed path has."""
    return _PIECE.sub(lambda m: _SAMPLES.get(m[2] or "", "qzx9w"), path)


def _regex(path: str) -> re.Pattern[str]:
    parts = []
    end = 0
    for match in _PIECE.finditer(path):
        parts += [re.escape(path[end : match.start()]), _UUID if match[2] == "uuid" else _PATTERNS[match[2] or ""]]
        end = match.end()
    return re.compile("".join([*parts, re.escape(path[end:])]))


@api.check(
    "API005",
    "orphan-router",
    title="Router that no application includes",
    impact=HIGH,
    fix="Include the router in the application, or delete it.",
)
def orphan_router(project: Project) -> Found:
    """Routes of a router that is never included do not exist for clients: dead code, or an API that is silently
    missing.

    Source: FastAPI, Bigger Applications, https://fastapi.tiangolo.com/tutorial/bigger-applications/

    Bad:
        # app/reports.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/reports")  # API005

        @router.get("/daily")
        def daily() -> int:
            return 1
        # app/main.py
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/")
        def index() -> int:
            return 1
    Good:
        # app/reports.py
        from fastapi import APIRouter

        router = APIRouter(prefix="/reports")

        @router.get("/daily")
        def daily() -> int:
            return 1
        # app/main.py
        from fastapi import FastAPI
        from app.reports import router

        app = FastAPI()
        app.include_router(router)
    Not this:
        # app/empty.py
        from fastapi import APIRouter

        router = APIRouter()
        # app/orders.py
        from fastapi import APIRouter

        orders = APIRouter(prefix="/orders")

        @orders.get("/")
        def list_orders() -> int:
            return 1
        # app/main.py
        from fastapi import FastAPI
        from app import orders

        def create_app() -> FastAPI:
            app = FastAPI()
            for module in (orders,):
                app.include_router(module.orders)
            return app
        # app/reports.py
        from fastapi import APIRouter

        reports = APIRouter(prefix="/reports")

        @reports.get("/")
        def list_reports() -> int:
            return 1
        # app/later.py
        import importlib

        TABLE = {"reports": "app.reports"}

        def mount(app, feature: str) -> None:
            app.include_router(importlib.import_module(TABLE[feature]).reports)
    """
    route_map = project.route_map
    orphans = [r for r in route_map.routers if not r.served and r.routes and is_app_code(project, r.place)]
    if not orphans or not route_map.apps:
        return
    unknown = next((u for u in route_map.unknown if "includes is not known" in u.why), None)
    if unknown is not None:
        why = f"{unknown.path}:{unknown.line} includes a router that could not be resolved, so it may be any of these"
        yield NotAssessed(why)
        return
    importers = [m for m in project.app_modules if _imports_by_name(m, project)]
    searching = next((m for m in importers if any(word in m.source.text for word in _SEARCHES)), None)
    if searching is not None:
        yield NotAssessed(f"{searching.path} searches and imports modules while it runs, and may include any router")
        return
    for router in orphans:
        if importers and _is_named(router.place, project):
            continue
        certainty = INFERRED if project.unread or importers else RESOLVED
        message = f"No application includes this router: its {counted(router.routes, 'route')} cannot be reached"
        instead = _served_instead(project, router)
        if instead:
            message += f"; {instead} serves the same: a leftover"
        yield Hit(router.place, message, impact=LOW if instead else None, certainty=certainty)


def _served_instead(project: Project, router: Router) -> str:
    """Another handler that serves the paths of a router that is not included, as `path:line`; "" for none."""
    entries = [e for e in map(plain, list(router.state.entries)) if isinstance(e, Entry) and e.kind == "route"]
    served = [r for r in project.routes if r.function is not None]
    found: Route | None = None
    for entry in entries:
        ending = _shape(str(entry.path)).removeprefix(router.prefix or "").rstrip("/")
        same = (r for r in served if set(entry.methods) & set(r.methods) and _ends(_shape(r.path).rstrip("/"), ending))
        found = next(same, None)
        if found is None:
            return ""
    return where(found) if found is not None else ""


def _ends(path: str, ending: str) -> bool:
    """Whether a path ends so; an ending without two fixed words says nothing."""
    fixed = [s for s in ending.split("/") if s and "{" not in s]
    return path == ending or (len(fixed) > 1 and path.endswith(ending))


def _imports_by_name(module: Module, project: Project) -> bool:
    """Whether a module that deals with routers imports others by names it computes."""
    if "router" not in module.source.text:
        return False
    return any(
        project.names.canonical(call.func, scope) in _IMPORTERS
        for scope in module.walk()
        for name, calls in scope.called.items()
        if "import" in name
        for call in calls
    )


def _is_named(place: Place, project: Project) -> bool:
    """Whether the module of a router stands as text anywhere, as tables of modules to import have it."""
    module = project.module(place.path)
    names = (f'"{module.dotted}"', f"'{module.dotted}'") if module is not None else ()
    return any(name in other.source.text for other in project.app_modules for name in names)
