"""Names of FastAPI and Starlette that are gone or going, and code that a changed route tree breaks."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from api_design.dimension import api
from api_design.wording import counted
from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Place, Project, Scope
from project.language.scopes import parent
from project.language.value_types import Instance


@dataclass(frozen=True, slots=True)
class Gone:
    """A name, since when it is `gone` (raises) or deprecated, and what to write instead."""

    library: str
    since: str
    instead: str
    gone: bool = False


_ATTRIBUTES = {
    f"HTTP_{old}": Gone("starlette", "0.48", f"HTTP_{new}")
    for old, new in (
        ("413_REQUEST_ENTITY_TOO_LARGE", "413_CONTENT_TOO_LARGE"),
        ("414_REQUEST_URI_TOO_LONG", "414_URI_TOO_LONG"),
        ("416_REQUESTED_RANGE_NOT_SATISFIABLE", "416_RANGE_NOT_SATISFIABLE"),
        ("422_UNPROCESSABLE_ENTITY", "422_UNPROCESSABLE_CONTENT"),
    )
}
_IMPORTS = {
    "ORJSONResponse": Gone("fastapi", "0.131", "a return type or response_model, which is faster"),
    "UJSONResponse": Gone("fastapi", "0.131", "a return type or response_model, which is faster"),
    "run_until_first_complete": Gone("starlette", "1.0", "anyio.create_task_group"),
}
_METHODS = {
    f"{owner}.{name}": Gone("starlette", "1.0", instead, gone=True)
    for owner, name, instead in (
        ("fastapi.FastAPI", "route", "add_route or api_route"),
        ("fastapi.APIRouter", "route", "add_route or api_route"),
        ("fastapi.FastAPI", "add_event_handler", "lifespan"),
        ("fastapi.FastAPI", "add_websocket_route", "add_api_websocket_route"),
    )
}
_PARAMETERS = {
    "regex": Gone("fastapi", "0.100", "pattern"),
    "example": Gone("fastapi", "0.103", "examples"),
}
_MARKERS = frozenset(f"fastapi.{name}" for name in "Query Path Body Form Header Cookie File".split())
_APP_ARGUMENTS = frozenset(
    "telemetry debug routes title summary description version openapi_url openapi_tags servers dependencies "
    "default_response_class redirect_slashes docs_url redoc_url swagger_ui_oauth2_redirect_url swagger_ui_init_oauth "
    "middleware exception_handlers on_startup on_shutdown lifespan terms_of_service contact license_info root_path "
    "root_path_in_servers responses callbacks webhooks deprecated include_in_schema swagger_ui_parameters "
    "generate_unique_id_function separate_input_output_schemas openapi_external_docs strict_content_type "
    "max_body_size form_limits".split()
)
_ROOT_PATH = Gone("fastapi", "0.146", "the server option --root-path")
_UNKNOWN_ARGUMENT = Gone("fastapi", "0.145", "app.extra or app.state", gone=True)
_TEMPLATE = Gone("starlette", "1.0", "TemplateResponse(request, name, context)", gone=True)


@api.check(
    "API022",
    "removed-or-deprecated-fastapi-api",
    title="Removed or deprecated FastAPI name",
    impact=MEDIUM,
    fix="Replace the name as the message says.",
)
def removed_or_deprecated_fastapi_api(project: Project) -> Found:
    """What warns today is an error after the next upgrade; what is gone already fails at start or on the first request.

    Source: fastapi 0.165 (params.py, applications.py), starlette 1.10 (status.py); FastAPI, Release Notes,
    https://fastapi.tiangolo.com/release-notes/

    Bad:
        # requirements.txt
        fastapi==0.165.0
        starlette==1.10.0
        # main.py
        from typing import Annotated

        from fastapi import FastAPI, HTTPException, Query, Request, status
        from fastapi.responses import ORJSONResponse  # API022
        from fastapi.templating import Jinja2Templates

        app = FastAPI(  # API022
            swagger_theme="dark",
            default_response_class=ORJSONResponse,
        )
        templates = Jinja2Templates("templates")

        @app.get("/pages")
        def read_page(request: Request, name: Annotated[str, Query(regex="^[a-z]+$")]):  # API022
            if name == "none":
                raise HTTPException(status.HTTP_422_UNPROCESSABLE_ENTITY)  # API022
            return templates.TemplateResponse("page.html", {"request": request})  # API022
    Good:
        # requirements.txt
        fastapi==0.165.0
        starlette==1.10.0
        # main.py
        from typing import Annotated

        from fastapi import FastAPI, HTTPException, Query, Request, status
        from fastapi.templating import Jinja2Templates

        app = FastAPI()
        templates = Jinja2Templates("templates")

        @app.get("/pages")
        def read_page(request: Request, name: Annotated[str, Query(pattern="^[a-z]+$")]):
            if name == "none":
                raise HTTPException(status.HTTP_422_UNPROCESSABLE_CONTENT)
            return templates.TemplateResponse(request, "page.html")
    Not this:
        # requirements.txt
        fastapi==0.115.0
        starlette==0.38.0
        # main.py
        from fastapi import FastAPI, status
        from fastapi.responses import ORJSONResponse

        app = FastAPI(default_response_class=ORJSONResponse, root_path="/api")
        CODES = {"unprocessable": status.HTTP_422_UNPROCESSABLE_ENTITY}
    """
    found: dict[tuple[str, Gone], list[Place]] = defaultdict(list)
    for name, gone, place in (*_imported(project), *_read(project), *_called(project), *_given(project)):
        if project.stack.at_least(gone.library, gone.since):
            found[name, gone].append(place)
    for (name, gone), places in found.items():
        first, *more = sorted(places)
        since = f"{gone.library} {gone.since}"
        state = f"is gone since {since} and fails" if gone.gone else f"is deprecated since {since}"
        message = f"{name} {state} ({counted(len(places), 'place')}); instead: {gone.instead}"
        yield Hit(first, message, impact=HIGH if gone.gone else LOW, places=tuple(more))


def _imported(project: Project) -> Iterator[tuple[str, Gone, Place]]:
    for scope in (scope for module in project.app_modules for scope in module.importing):
        for node in scope.all(ast.ImportFrom):
            for alias in node.names:
                gone = _IMPORTS.get(alias.name) or _ATTRIBUTES.get(alias.name)
                if gone and node.module and node.module.split(".")[0] in ("fastapi", "starlette"):
                    yield alias.name, gone, scope.place(node)


def _read(project: Project) -> Iterator[tuple[str, Gone, Place]]:
    for attribute, scope in project.spelled.attributes(*_ATTRIBUTES):
        if (project.names.canonical(attribute, scope) or "").startswith("starlette.status."):
            yield attribute.attr, _ATTRIBUTES[attribute.attr], scope.place(attribute)


def _called(project: Project) -> Iterator[tuple[str, Gone, Place]]:
    for method in ("route", "add_event_handler", "add_websocket_route", "TemplateResponse"):
        for call, scope in project.spelled.written(method):
            for value in project.values.of(call.func, scope) if isinstance(call.func, ast.Attribute) else ():
                if value.dotted in _METHODS:
                    yield f"{value.dotted.rsplit('.', 2)[-2]}.{method}", _METHODS[value.dotted], scope.place(call)
                elif value.dotted.endswith("Jinja2Templates.TemplateResponse") and _name_first(call):
                    yield "TemplateResponse(name, context)", _TEMPLATE, scope.place(call)


def _given(project: Project) -> Iterator[tuple[str, Gone, Place]]:
    """Arguments by keyword that are gone."""
    for scope in (scope for module in project.app_modules for scope in module.walk()):
        for keyword in scope.all(ast.keyword):
            call = parent(keyword) if keyword.arg in _PARAMETERS else None
            if isinstance(call, ast.Call) and project.names.canonical(call.func, scope) in _MARKERS:
                yield f"{ast.unparse(call.func)}({keyword.arg}=)", _PARAMETERS[str(keyword.arg)], scope.place(call)
    for call, scope in project.spelled.calls("FastAPI"):
        named = {k.arg for k in call.keywords if k.arg}
        if named and project.names.canonical(call.func, scope) == "fastapi.FastAPI":
            if "root_path" in named:
                yield "FastAPI(root_path=)", _ROOT_PATH, scope.place(call)
            for unknown in sorted(named - _APP_ARGUMENTS):
                yield f"FastAPI({unknown}=)", _UNKNOWN_ARGUMENT, scope.place(call)


def _name_first(call: ast.Call) -> bool:
    if call.args:
        return isinstance(call.args[0], (ast.JoinedStr, ast.Constant))
    named = {k.arg for k in call.keywords}
    return "name" in named and "request" not in named


@api.check(
    "API014",
    "route-tree-iteration",
    title="Iteration over app.routes",
    impact=HIGH,
    fix="Use generate_unique_id_function for operation ids, fastapi.routing.iter_route_contexts for everything else.",
)
def route_tree_iteration(project: Project) -> Found:
    """Since FastAPI 0.137 `app.routes` is a tree: routes of included routers are not in it, its other items have no
    path.

    Source: FastAPI, Release Notes 0.137.0, https://fastapi.tiangolo.com/release-notes/ ; fastapi 0.165

    Bad:
        # requirements.txt
        fastapi==0.165.0
        # main.py
        from fastapi import FastAPI
        from fastapi.routing import APIRoute

        app = FastAPI()

        def name_operations() -> None:
            for route in app.routes:  # API014
                if isinstance(route, APIRoute):
                    route.operation_id = route.name

        def paths() -> list[str]:
            return [route.path for route in app.router.routes]  # API014
    Good:
        # requirements.txt
        fastapi==0.165.0
        # main.py
        from fastapi import FastAPI
        from fastapi.routing import iter_route_contexts

        app = FastAPI(generate_unique_id_function=lambda route: route.name)

        def paths() -> list[str]:
            return [context.path for context in iter_route_contexts(app.routes)]
    Not this:
        # requirements.txt
        fastapi==0.165.0
        # main.py
        from fastapi import FastAPI
        from starlette.routing import Mount, Route

        app = FastAPI()

        class Bus:
            def __init__(self, lines):
                self.routes = lines

        def mounted() -> list[str]:
            return [route.path for route in app.routes if isinstance(route, (Mount, Route))]

        def lines(bus: Bus) -> list[str]:
            return [route.path for route in bus.routes]
    """
    if not project.stack.at_least("fastapi", "0.137"):
        return
    for module in project.app_modules:
        for scope in module.walk():
            loops: list[ast.For | ast.AsyncFor | ast.comprehension] = [
                *scope.all(ast.For),
                *scope.all(ast.AsyncFor),
                *scope.all(ast.comprehension),
            ]
            for loop in loops:
                if isinstance(loop.target, ast.Name) and (sure := _app_routes(loop.iter, scope, project)):
                    harm = _harm(loop.target.id, loop, scope, project)
                    if harm:
                        yield Hit(scope.place(loop.iter), f"Since FastAPI 0.137 {harm}", certainty=sure)


def _app_routes(expr: ast.expr, scope: Scope, project: Project) -> str:
    """How certain it is that the expression is `routes` of an application, "" when it is not."""
    if not (isinstance(expr, ast.Attribute) and expr.attr == "routes"):
        return ""
    owner = expr.value
    if isinstance(owner, ast.Attribute) and owner.attr == "router":
        owner = owner.value
    for value in project.values.of(owner, scope):
        if isinstance(value, Instance) and value.dotted == "fastapi.FastAPI":
            return value.certainty
    if isinstance(owner, ast.Attribute) and owner.attr == "app":
        holders = project.values.of(owner.value, scope)
        if any(v.dotted in ("starlette.requests.Request", "starlette.websockets.WebSocket") for v in holders):
            return INFERRED
    return ""


def _harm(name: str, loop: ast.AST, scope: Scope, project: Project) -> str:
    """What goes wrong in the body, "" for loops that only look at top-level routes."""
    body = loop.__dict__.get("parent") if isinstance(loop, ast.comprehension) else loop
    inside = list(ast.walk(body)) if isinstance(body, ast.AST) else []
    guards = [n for n in inside if isinstance(n, ast.Call) and _is_guard(n, name)]
    classes = {c for g in guards for c in _guard_classes(g, scope, project)}
    uses = {
        n.attr for n in inside if isinstance(n, ast.Attribute) and isinstance(n.value, ast.Name) and n.value.id == name
    }
    if any(c.endswith(".APIRoute") for c in classes):
        return "the loop sees no route of an included router, so it silently leaves them out" if uses else ""
    if not guards and uses & {"path", "methods", "endpoint", "name", "operation_id", "path_regex"}:
        return "items of app.routes that stand for an included router have no such attribute: AttributeError"
    return ""


def _is_guard(call: ast.Call, name: str) -> bool:
    called = call.func.id if isinstance(call.func, ast.Name) else ""
    return (
        called in ("isinstance", "hasattr", "getattr")
        and isinstance(call.args[0], ast.Name)
        and call.args[0].id == name
    )


def _guard_classes(call: ast.Call, scope: Scope, project: Project) -> Iterator[str]:
    given = call.args[1] if len(call.args) > 1 else None
    for item in given.elts if isinstance(given, ast.Tuple) else [given]:
        if item is not None:
            yield project.names.canonical(item, scope) or ""
