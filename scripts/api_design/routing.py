"""Which route answers: dead routes, routers nobody includes, parameters of paths, operation ids."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator

from api_design.dimension import api
from api_design.routes import named
from api_design.wording import counted, listed
from check import HIGH, INFERRED, MEDIUM, RESOLVED, Found, Hit, NotAssessed
from project import Function, Place, Project
from project.interpret_values import Func, plain, text_of
from project.parameters import PATH_NAME
from project.routes import App, Route

_PIECE = re.compile(r"{\s*([^{}:\s]+)\s*(?::\s*([^{}\s]*)\s*)?}")
_PATTERNS = {"": "[^/]+", "str": "[^/]+", "int": "[0-9]+", "float": r"[0-9]+(\.[0-9]+)?", "path": ".*"}
_UUID = "[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}"
_SAMPLES = {"int": "7046029254", "float": "7046.02925", "path": "qzx/qzy.qzw", "uuid": "b1c3d3ab-9b5c-4d5e-8f6a-0a1b2c3d4e5f"}


@api.check(
    "API004",
    "shadowed-route",
    title="Route that an earlier one hides",
    impact=HIGH,
    fix="Register the fixed path before the one with a parameter, or give the parameter a converter such as {id:int}.",
)
def shadowed_route(project: Project) -> Found:
    """The first route that matches answers. A route that an earlier one covers is never reached, and nothing says so; the
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
    seen: set[tuple[Function, Function | None]] = set()
    for routes in by_app.values():
        for route, earlier, methods in _hidden(routes):
            pair = (route.function, earlier.function)
            if route.function is not None and route.function is not earlier.function and pair not in seen:
                seen.add(pair)
                yield _shadowed(route, earlier, methods)


def _shadowed(route: Route, earlier: Route, methods: list[str]) -> Hit:
    assert route.function is not None
    what = "/".join(methods)
    same = "the same path" if _shape(route.path) == _shape(earlier.path) else f"{what} {earlier.path}"
    message = f"{what} {route.path} is never reached: {same}, registered earlier ({_where(earlier)}), answers it"
    certainty = INFERRED if route.conditional or earlier.conditional else RESOLVED
    trace = (Place(earlier.file, earlier.line, earlier.line, earlier.handler, f"{what} {earlier.path}, registered first"),)
    return Hit(route.function.place(), message, trace, certainty=certainty)


def _where(route: Route) -> str:
    return f"{route.file}:{route.line}"


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


def _covering(found: dict[tuple[str, int], list[tuple[re.Pattern[str], Route]]], method: str, count: int, sample: str) -> Route | None:
    """The first earlier route with parameters that matches: among those of as many segments, or with a path converter."""
    candidates = [*found.get((method, count), ()), *(found.get((method, -1), ()) if count != -1 else ())]
    matching = (route for pattern, route in candidates if pattern.fullmatch(sample))
    return next((route for route in matching if not (route.conditional and _sample(route.path) == sample)), None)


def _readable(path: str) -> bool:
    return all(converter in _PATTERNS or converter == "uuid" for _, converter in _PIECE.findall(path)) and "?" not in path


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
    """Routes of a router that is never included do not exist for clients: dead code, or an API that is silently missing.

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
    """
    route_map = project.route_map
    orphans = [r for r in route_map.routers if not r.served and r.routes and _is_app(project, r.place)]
    if not orphans or not route_map.apps:
        return
    unknown = next((u for u in route_map.unknown if "includes is not known" in u.why), None)
    if unknown is not None:
        yield NotAssessed(f"{unknown.path}:{unknown.line} includes a router that could not be resolved, so it may be any of these")
        return
    for router in orphans:
        message = f"No application includes this router: its {counted(router.routes, 'route')} cannot be reached"
        yield Hit(router.place, message, certainty=INFERRED if project.unread else RESOLVED)


def _is_app(project: Project, place: Place) -> bool:
    module = project.module(place.path)
    return module is not None and module.kind == "app"


@api.check(
    "API020",
    "path-param-unused",
    title="Path parameter that nothing takes",
    impact=MEDIUM,
    fix="Add the parameter to the signature of the handler or of a dependency, or rename one of the two.",
)
def path_param_unused(project: Project) -> Found:
    """A name in the path that neither handler nor dependency takes is thrown away; the parameter that was meant
    becomes a query parameter.

    Source: FastAPI, Path Parameters, https://fastapi.tiangolo.com/tutorial/path-params/ ; ruff FAST003

    Bad:
        from fastapi import APIRouter, FastAPI

        router = APIRouter(prefix="/teams/{team_id}")

        @router.get("/members/{member_id}")
        def read_member(team_id: int, id: int) -> int:  # API020
            return id

        app = FastAPI()
        app.include_router(router)
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/teams/{team_id}/members/{member_id}")
        def read_member(team_id: int, member_id: int) -> int:
            return member_id
    Not this:
        from typing import Annotated

        from fastapi import APIRouter, Depends, FastAPI, Path, Request

        def get_team(team_id: int) -> int:
            return team_id

        router = APIRouter(prefix="/teams/{team_id}", dependencies=[Depends(get_team)])

        @router.get("/")
        def read_team() -> int:
            return 1

        @router.get("/files/{name:path}")
        def read_file(name: str) -> str:
            return name

        @router.get("/by/{item-id}")
        def read_by(item_id: Annotated[int, Path(alias="item-id")]) -> int:
            return item_id

        @router.get("/raw/{key}")
        def read_raw(request: Request) -> str:
            return request.path_params["key"]

        app = FastAPI()
        app.include_router(router)
    """
    seen: set[Function] = set()
    for route in project.routes:
        if route.function is None or route.generated_by or route.function in seen or not _is_app(project, route.function.place()):
            continue
        unused = _unused(route, project)
        if unused:
            seen.add(route.function)
            names = listed([f"{{{name}}}" for name in unused])
            message = f"Neither the handler nor a dependency of {named(route)} takes {names}"
            strays = _strays(route, unused, project)
            if strays:
                message += f"; {listed(strays)} became a query parameter"
            yield Hit(route.function.place(), message)


def _unused(route: Route, project: Project) -> list[str]:
    names = list(dict.fromkeys(PATH_NAME.findall(route.path)))
    if not names or any(n.function is None and n.external is None for root in route.dependency_tree for n in root.walk()):
        return []
    taken: set[str] = set()
    for parameter in project.usage.parameters(route):
        taken |= {parameter.name, parameter.wire_name}
        if parameter.kind == "context" and parameter.shape.dotted.startswith("starlette.") and _reads_path(parameter.function, parameter.name):
            return []
    assert route.function is not None
    arguments = route.function.node.args
    return [] if arguments.kwarg else [name for name in names if name not in taken]


def _reads_path(function: object, request: str) -> bool:
    """Whether the request goes anywhere from which path parameters could be read."""
    if not isinstance(function, Function):
        return True
    for scope in function.walk():
        for name in scope.all(ast.Name):
            holder = name.__dict__.get("parent")
            if name.id == request and not (isinstance(holder, ast.Attribute) and holder.attr not in ("path_params", "scope", "url")):
                return True
    return False


def _strays(route: Route, unused: list[str], project: Project) -> list[str]:
    """Required query parameters of the handler that look like what the path meant."""
    own = [p for p in project.usage.own_parameters(route) if p.kind == "query" and p.default is None and not p.marker]
    return [p.name for p in own if any(p.name in name or name in p.name for name in unused)]


@api.check(
    "API013",
    "operation-id-collision",
    title="Two operations with one id",
    impact=MEDIUM,
    fix="One function for each method, and function names that are unique within what the id is built from.",
)
def operation_id_collision(project: Project) -> Found:
    """Client generators name their methods by operation id: of two operations with one id, the second replaces the first.

    Source: FastAPI, Path Operation Advanced Configuration, https://fastapi.tiangolo.com/advanced/path-operation-advanced-configuration/

    Bad:
        # app/items.py
        from fastapi import APIRouter

        router = APIRouter(tags=["shop"])

        @router.get("/items/{item_id}")
        def read(item_id: int) -> int:
            return item_id
        # app/main.py
        from fastapi import FastAPI
        from fastapi.routing import APIRoute
        from app import items

        def by_name(route: APIRoute) -> str:
            return f"{route.tags[0]}-{route.name}"

        app = FastAPI(generate_unique_id_function=by_name)
        app.include_router(items.router)

        @app.get("/orders/{order_id}", tags=["shop"])
        def read(order_id: int) -> int:  # API013
            return order_id

        @app.api_route("/both", methods=["GET", "POST"], tags=["both"])
        def both() -> int:  # API013
            return 1

        @app.get("/a", operation_id="a", tags=["a"])
        def first() -> int:
            return 1

        @app.get("/b", operation_id="a", tags=["b"])
        def second() -> int:  # API013
            return 1
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/items")
        def list_items() -> int:
            return 1

        @app.post("/items")
        def create_item() -> int:
            return 1
    Not this:
        # app/items.py
        from fastapi import APIRouter

        router = APIRouter()

        @router.get("/items/{item_id}")
        def read(item_id: int) -> int:
            return item_id
        # app/main.py
        from fastapi import FastAPI
        from app import items

        app = FastAPI()
        app.include_router(items.router)

        @app.get("/orders/{order_id}")
        def read(order_id: int) -> int:
            return order_id

        @app.api_route("/proxy", methods=["GET", "POST"], include_in_schema=False)
        def proxy() -> int:
            return 1
    """
    apps = {app.name: app for app in project.route_map.apps}
    by_id: dict[tuple[str, str], Route] = {}
    several: list[Route] = []
    for route in project.routes:
        if route.websocket or route.function is None or not route.include_in_schema or route.generated_by or route.conditional:
            continue
        explicit = text_of(plain(route.options.get("operation_id")))
        if len(set(route.methods) - {"HEAD"}) > 1:
            several.append(route)
        made = explicit or _made_id(route, apps.get(route.app))
        if not made:
            continue
        earlier = by_id.setdefault((route.app, made), route)
        if earlier is not route and earlier.function is not None and (earlier.path, earlier.methods) != (route.path, route.methods):
            message = f"{named(route)} has the operation id {made!r} that {named(earlier)} has ({_where(earlier)})"
            yield Hit(route.function.place(), message, (earlier.function.place(label=named(earlier)),))
    if several:
        yield _several_methods(several)


def _several_methods(routes: list[Route]) -> Hit:
    places = list(dict.fromkeys(r.function.place() for r in routes if r.function is not None))
    message = f"{counted(len(places), 'function')} serve several methods each ({named(routes[0])} is the first): all of them get one operation id"
    return Hit(places[0], message.replace("1 function serve several methods each", "1 function serves several methods"), places=tuple(places[1:]))


def _made_id(route: Route, app: App | None) -> str:
    """The id that the application's own `generate_unique_id_function` builds, "" when it has the path in it, or is unknown."""
    maker = plain(app.kwargs.get("generate_unique_id_function")) if app is not None else None
    if not isinstance(maker, Func) or route.function is None or not maker.function.params:
        return ""
    body = maker.function.node.body
    returned = maker.function.all(ast.Return)
    result = body if isinstance(body, ast.expr) else returned[0].value if len(returned) == 1 else None
    name = maker.function.params[0][0].arg
    used = {n.attr for n in ast.walk(result) if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name} if result else set()
    if not used or not used <= {"name", "tags"} or "name" not in used:
        return ""
    first_tag = route.tags[0] if route.tags else ""
    return f"{first_tag}-{route.function.name}" if "tags" in used else route.function.name


