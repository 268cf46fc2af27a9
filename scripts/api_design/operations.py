"""Single operations: names in the path that nothing takes, operation ids."""

from __future__ import annotations

import ast
import re

from api_design.dimension import api
from api_design.routes import app_of, apps_by_router, is_app_code, is_published, named, registration, where
from api_design.wording import counted, listed
from check import LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.routing.interpret_values import Func, plain, text_of
from project.routing.parameters import PATH_NAME
from project.routing.routes import App, Route

# What stands at the end of a path for people and browsers to read.
_DECORATION = re.compile(r"file_?name|slug|title|name")


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
        if route.function is None or route.function in seen or not is_app_code(project, route.function.place()):
            continue
        unused = _unused(route, project)
        if unused:
            seen.add(route.function)
            names = listed([f"{{{name}}}" for name in unused])
            message = f"Neither the handler nor a dependency of {named(route)} takes {names}"
            strays = _strays(route, unused, project)
            if strays:
                message += f"; {listed(strays)} became a query parameter"
            decorative = all(_DECORATION.fullmatch(name) and route.path.endswith(f"{{{name}}}") for name in unused)
            yield Hit(route.function.place(), message, impact=LOW if decorative else None)


def _unused(route: Route, project: Project) -> list[str]:
    names = list(dict.fromkeys(PATH_NAME.findall(route.path)))
    if not names or any(
        n.function is None and n.external is None for root in route.dependency_tree for n in root.walk()
    ):
        return []
    taken: set[str] = set()
    for parameter in project.usage.parameters(route):
        taken |= {parameter.name, parameter.wire_name}
        if (
            parameter.kind == "context"
            and parameter.shape.dotted.startswith("starlette.")
            and _reads_path(parameter.function, parameter.name)
        ):
            keys = _keys_read(project)
            if keys is None:
                return []
            taken |= keys
    assert route.function is not None
    arguments = route.function.node.args
    return [] if arguments.kwarg else [name for name in names if name not in taken]


def _keys_read(project: Project) -> set[str] | None:
    """Names that the project takes out of `request.path_params`; None when they, or the path, are read otherwise."""
    found: set[str] = set()
    for node, _ in project.spelled.attributes("path_params"):
        holder = node.__dict__.get("parent")
        call = holder.__dict__.get("parent") if isinstance(holder, ast.Attribute) else None
        key: ast.expr | None = None
        if isinstance(holder, ast.Subscript):
            key = holder.slice
        elif isinstance(holder, ast.Attribute) and holder.attr == "get" and isinstance(call, ast.Call) and call.args:
            key = call.args[0]
        elif isinstance(holder, ast.Dict):
            continue
        if not isinstance(key, ast.Constant) or not isinstance(key.value, str):
            return None
        found.add(key.value)
    return found or None


def _reads_path(function: object, request: str) -> bool:
    """Whether the request goes anywhere from which path parameters could be read."""
    if not isinstance(function, Function):
        return True
    for scope in function.walk():
        for name in scope.all(ast.Name):
            holder = name.__dict__.get("parent")
            if name.id == request and not (
                isinstance(holder, ast.Attribute) and holder.attr not in ("path_params", "scope", "url")
            ):
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
    """Client generators name their methods by operation id: of two operations with one id, the second replaces the
    first.

    Source: FastAPI, Path Operation Advanced Configuration,
    https://fastapi.tiangolo.com/advanced/path-operation-advanced-configuration/

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

        @app.api_route("/both", methods=["GET", "POST"], tags=["both"])  # API013
        def both() -> int:
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
    apps = apps_by_router(project)
    by_id: dict[tuple[int, str], Route] = {}
    several: list[Route] = []
    for route in project.routes:
        if route.websocket or route.function is None or not is_published(route, apps) or route.conditional:
            continue
        explicit = text_of(plain(route.options.get("operation_id")))
        if len(set(route.methods) - {"HEAD"}) > 1:
            several.append(route)
        app = app_of(route, apps)
        made = explicit or _made_id(route, app)
        if not made:
            continue
        earlier = by_id.setdefault((id(app), made), route)
        if (
            earlier is not route
            and earlier.function is not None
            and (earlier.path, earlier.methods) != (route.path, route.methods)
        ):
            message = f"{named(route)} has the operation id {made!r} that {named(earlier)} has ({where(earlier)})"
            yield Hit(route.function.place(), message, (earlier.function.place(label=named(earlier)),))
    if several:
        yield _several_methods(several)


def _several_methods(routes: list[Route]) -> Hit:
    places = list({(p.path, p.line): p for p in map(registration, reversed(routes))}.values())[::-1]
    message = (
        f"{counted(len(places), 'function')} serve several methods each ({named(routes[0])} is the first): "
        f"all of them get one operation id"
    )
    return Hit(
        places[0],
        message.replace("1 function serve several methods each", "1 function serves several methods"),
        impact=LOW if len(places) == 1 else None,
        places=tuple(places[1:]),
    )


def _made_id(route: Route, app: App | None) -> str:
    """The id that the application's own `generate_unique_id_function` builds, "" when it has the path in it, or is
    unknown."""
    maker = plain(app.kwargs.get("generate_unique_id_function")) if app is not None else None
    if not isinstance(maker, Func) or route.function is None or not maker.function.params:
        return ""
    body = maker.function.node.body
    returned = maker.function.all(ast.Return)
    result = body if isinstance(body, ast.expr) else returned[0].value if len(returned) == 1 else None
    name = maker.function.params[0][0].arg
    used = (
        {
            n.attr
            for n in ast.walk(result)
            if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name
        }
        if result
        else set()
    )
    if not used or not used <= {"name", "tags"} or "name" not in used:
        return ""
    first_tag = route.tags[0] if route.tags else ""
    return f"{first_tag}-{route.function.name}" if "tags" in used else route.function.name
