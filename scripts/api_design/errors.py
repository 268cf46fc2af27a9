"""How errors are answered: one shape, documented, by handlers that work."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterator

from api_design.dimension import api
from api_design.routes import Handler, app_of, apps_by_router, handlers, is_health_check, is_published, registration
from api_design.wording import listed
from check import LOW, MEDIUM, Found, Hit
from project import Function, Place, Project
from project.language.names import External
from project.language.scopes import parents
from project.routing.interpret_values import Cls, Func, Value, plain
from project.routing.routes import App, called_functions
from project.routing.usage import JSON_RESPONSES

VALIDATION = frozenset(
    "fastapi.exceptions.RequestValidationError fastapi.exceptions.WebSocketRequestValidationError "
    "pydantic.ValidationError".split()
)
MAX_FILES = 10
INPUTS = frozenset(("query", "body", "form", "header"))
_OAUTH = frozenset("error error_description error_uri state".split())
_PROBLEM = frozenset("type title status detail instance".split())


@api.check(
    "API011",
    "undocumented-error-response",
    title="Error responses that OpenAPI does not know",
    impact=LOW,
    fix="Declare them once: APIRouter(responses={404: {'model': ErrorOut}}).",
)
def undocumented_error_response(project: Project) -> Found:
    """A raised 404 is not in the OpenAPI document, so generated clients cannot tell errors apart nor read their bodies.

    Source: FastAPI, Additional Responses in OpenAPI, https://fastapi.tiangolo.com/advanced/additional-responses/

    Bad:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        @app.get("/items/{item_id}")  # API011
        def read_item(item_id: int) -> int:
            if item_id > 7:
                raise HTTPException(404, "No such item")
            return item_id
    Good:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        @app.get("/items/{item_id}", responses={404: {"description": "No such item"}})
        def read_item(item_id: int) -> int:
            if item_id > 7:
                raise HTTPException(404, "No such item")
            return item_id
    Not this:
        from fastapi import APIRouter, FastAPI, HTTPException

        errors = {404: {"description": "No such item"}}
        router = APIRouter(responses=errors)

        @router.get("/items/{item_id}")
        def read_item(item_id: int) -> int:
            if item_id > 7:
                raise HTTPException(404, "No such item")
            if item_id < 0:
                raise HTTPException(500, "broken")
            return item_id

        @router.get("/hidden", include_in_schema=False)
        def hidden() -> int:
            raise HTTPException(418, "teapot")

        orders = APIRouter()

        @orders.get("/orders/{order_id}")
        def read_order(order_id: int) -> int:
            raise HTTPException(404, "No such order")

        router.include_router(orders)
        app = FastAPI()
        app.include_router(router)
    """
    if any("responses" in app.kwargs for app in project.route_map.apps) or _included_with_responses(project):
        return
    apps = apps_by_router(project)
    with_responses = [r for r in project.route_map.routers if "responses" in r.state.kwargs]
    if any(entry.kind == "include" for router in with_responses for entry in router.state.registered):
        return
    shared = {(r.place.path, r.place.line) for r in with_responses}
    found: list[Handler] = []
    statuses: Counter[int] = Counter()
    for handler in handlers(project):
        route = handler.route
        if (
            not is_published(route, apps)
            or "responses" in route.options
            or (route.router_place.path, route.router_place.line) in shared
        ):
            continue
        raised = {
            e.status for e in project.http_errors.of(handler.function) if e.status is not None and 400 <= e.status < 500
        }
        if raised:
            found.append(handler)
            statuses.update(raised)
    if found:
        codes = listed([str(code) for code, _ in statuses.most_common()], 4)
        first, *more = found
        message = f"{first.label} raises {codes}, which OpenAPI does not document"
        if more:
            message = f"{len(found)} routes raise statuses that OpenAPI does not document ({codes})"
        by_file = {h.route.place.path: registration(h.route) for h in reversed(more)}
        yield Hit(registration(first.route), message, places=tuple(by_file.values())[::-1][:MAX_FILES])


def _included_with_responses(project: Project) -> bool:
    return any(
        isinstance(call.func, ast.Attribute) and any(k.arg == "responses" for k in call.keywords)
        for call, _ in project.spelled.calls("include_router")
    )


@api.check(
    "API016",
    "inconsistent-error-shape",
    title="Errors in several shapes",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Raise domain exceptions, and answer them all in one shape from handlers registered once.",
)
def inconsistent_error_shape(project: Project) -> Found:
    """Clients that read `detail` from one error and `error` or `message` from the next need a case for each route.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/

    Bad:
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.get("/items/{item_id}")
        def read_item(item_id: int):
            if item_id == 1:
                raise HTTPException(404, "No such item")
            if item_id == 2:
                return JSONResponse({"error": "locked"}, status_code=423)  # API016
            return {"id": item_id}
    Good:
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import JSONResponse

        app = FastAPI()

        class Locked(Exception): ...

        @app.exception_handler(Locked)
        def locked(request, error: Locked) -> JSONResponse:
            return JSONResponse({"detail": "locked"}, status_code=423)

        @app.get("/items/{item_id}")
        def read_item(item_id: int):
            if item_id == 1:
                raise HTTPException(404, "No such item")
            raise Locked
    Not this:
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.post("/token")
        def token(grant: str):
            if grant != "password":
                return JSONResponse({"error": "unsupported_grant_type", "error_description": "x"}, status_code=400)
            raise HTTPException(401, "wrong")

        @app.get("/progress")
        def progress():
            return JSONResponse({"message": "accepted"}, status_code=202)

        def log(line: str):
            return {"error": line}
    """
    apps = apps_by_router(project)
    for app in project.route_map.apps:
        own = [h.function for h in handlers(project) if app_of(h.route, apps) is app and not is_health_check(h.route)]
        shapes = _shapes(app, own, project)
        if len(shapes) > 1:
            yield _several_shapes(shapes)
        elif shapes and "detail" not in shapes and _validates_by_default(app, own, project):
            (shape, places), *_ = shapes.items()
            message = (
                f"These errors are {{{shape}}}, while FastAPI's own 422 keeps {{detail}}: nothing here reshapes it"
            )
            yield Hit(places[0], message, impact=LOW, places=tuple(places[1:]))


def _shapes(app: App, own: list[Function], project: Project) -> dict[str, list[Place]]:
    """Places by the fields of the error body, for everything that answers in one application."""
    shapes: dict[str, list[Place]] = defaultdict(list)
    around = [
        f
        for value in (*(m.value for m in app.middleware), *(h.function for h in app.exception_handlers))
        for f in called_functions(project, value)
    ]
    answering = {f for h in app.exception_handlers for f in called_functions(project, h.function)}
    for function in dict.fromkeys([*own, *around]):
        for call in _error_responses(function, project, function in answering):
            shape = _keys(call, function)
            if shape:
                shapes["detail" if "detail" in shape.split(", ") else shape].append(function.place(call))
    kinds = {_name(plain(h.exception)) for h in app.exception_handlers}
    if not kinds & {"fastapi.HTTPException", "starlette.exceptions.HTTPException"}:
        first = next((e.place() for f in own for e in project.http_errors.of(f)), None)
        if first is not None:
            shapes["detail"].insert(0, first)
    return shapes


def _several_shapes(shapes: dict[str, list[Place]]) -> Hit:
    usual, *others = sorted(shapes, key=lambda s: (s != "detail", -len(shapes[s])))
    places = [place for shape in others for place in shapes[shape]]
    message = (
        f"Errors have {len(shapes)} shapes: {listed([f'{{{s}}}' for s in (usual, *others)], 4)}; clients "
        f"cannot read them alike"
    )
    return Hit(places[0], message, (shapes[usual][0],), places=tuple(places[1:]))


def _validates_by_default(app: App, own: list[Function], project: Project) -> bool:
    """Whether FastAPI itself answers invalid input: a handler takes some, and none is registered for its error."""
    if any("Validation" in _name(plain(h.exception)) for h in app.exception_handlers):
        return False
    return any(p.kind in INPUTS for f in own for p in project.parameters.of(f))


def _error_responses(function: Function, project: Project, answers_errors: bool) -> Iterator[ast.Call]:
    """JSON responses with a status of 400 or more that a function returns; in an exception handler also those whose
    status the exception says.
    """
    for node in function.all(ast.Return):
        call = node.value
        if isinstance(call, ast.Call) and project.names.canonical(call.func, function) in JSON_RESPONSES:
            status = next(
                (k.value for k in call.keywords if k.arg == "status_code"), call.args[1] if len(call.args) > 1 else None
            )
            code = project.http_errors.status(status, function)
            if code >= 400 if code is not None else answers_errors and status is not None:
                yield call


def _keys(call: ast.Call, function: Function) -> str:
    """Names of the fields of an error body in the order of the alphabet, "" for what is no dict or a standard shape."""
    content = call.args[0] if call.args else next((k.value for k in call.keywords if k.arg == "content"), None)
    if isinstance(content, ast.Name):
        values = [b.value for b in function.bindings.get(content.id, [])]
        content = values[0] if len(values) == 1 else None
    if not isinstance(content, ast.Dict) or not content.keys:
        return ""
    keys = [k.value for k in content.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)]
    if len(keys) != len(content.keys) or ("error" in keys and len(keys) > 1 and set(keys) <= _OAUTH):
        return ""
    return "" if len(keys) > 2 and set(keys) <= _PROBLEM else ", ".join(sorted(keys))


@api.check(
    "API017",
    "validation-handler-not-serializable",
    title="Validation handler that fails on some errors",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Copy only `loc`, `msg` and `type` of each error: `ctx` cannot be dumped, and `input` echoes passwords.",
)
def validation_handler_not_serializable(project: Project) -> Found:
    """A validator that raises ValueError puts the exception object into `ctx` of the error; JSONResponse cannot
    serialize it, so bad input becomes a 500.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/ ; fastapi 0.165,
    exception_handlers.py

    Bad:
        from fastapi import FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.exception_handler(RequestValidationError)
        async def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
            return JSONResponse({"detail": exc.errors()}, status_code=422)  # API017
    Good:
        from fastapi import FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.exception_handler(RequestValidationError)
        async def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
            errors = [{"loc": e["loc"], "msg": e["msg"], "type": e["type"]} for e in exc.errors()]
            return JSONResponse({"detail": errors}, status_code=422)
    Not this:
        from fastapi import FastAPI, Request
        from fastapi.exceptions import RequestValidationError
        from fastapi.responses import JSONResponse

        async def invalid(request: Request, exc: RequestValidationError) -> JSONResponse:
            errors = [{"loc": e["loc"], "msg": e["msg"]} for e in exc.errors()]
            print(exc.errors())
            return JSONResponse({"detail": errors, "text": str(exc.errors())}, status_code=422)

        app = FastAPI(exception_handlers={RequestValidationError: invalid})
    """
    if project.running.pydantic == 1:
        return
    for _, kind, function, _ in _handlers(project):
        if kind not in VALIDATION or len(function.params) < 2:
            continue
        name = function.params[1][0].arg
        for call in function.all(ast.Call):
            func = call.func
            is_errors = (
                isinstance(func, ast.Attribute)
                and func.attr == "errors"
                and isinstance(func.value, ast.Name)
                and func.value.id == name
            )
            if is_errors and not call.keywords and _reaches_json(call, function, project, 0):
                message = (
                    "exc.errors() may hold exception objects that JSONResponse cannot serialize: bad "
                    "input then becomes a 500"
                )
                yield Hit(function.place(call), message)


def _reaches_json(node: ast.expr, function: Function, project: Project, depth: int) -> bool:
    """Whether a value goes into a JSON response as it is."""
    child: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, ast.Call) and child is not holder.func:
            return project.names.canonical(holder.func, function) in JSON_RESPONSES
        if (
            isinstance(holder, ast.Assign)
            and depth < 3
            and len(holder.targets) == 1
            and isinstance(holder.targets[0], ast.Name)
        ):
            name = holder.targets[0].id
            uses = [n for n in function.all(ast.Name) if n.id == name and isinstance(n.ctx, ast.Load)]
            return any(_reaches_json(use, function, project, depth + 1) for use in uses)
        if not isinstance(holder, (ast.Dict, ast.List, ast.Tuple, ast.keyword)):
            return False
        child = holder
    return False


@api.check(
    "API018",
    "handler-for-wrong-httpexception",
    title="Handler that misses the router's own errors",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Register the handler for starlette.exceptions.HTTPException, the base class.",
)
def handler_for_wrong_httpexception(project: Project) -> Found:
    """Unknown paths and wrong methods raise Starlette's HTTPException, not FastAPI's subclass: they keep the default
    shape.

    Source: FastAPI, Handling Errors - FastAPI's HTTPException vs Starlette's HTTPException,
    https://fastapi.tiangolo.com/tutorial/handling-errors/#fastapis-httpexception-vs-starlettes-httpexception

    Bad:
        from fastapi import FastAPI, HTTPException, Request
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.exception_handler(HTTPException)
        async def failed(request: Request, exc: HTTPException) -> JSONResponse:  # API018
            return JSONResponse({"error": exc.detail}, status_code=exc.status_code)
    Good:
        from fastapi import FastAPI, Request
        from fastapi.responses import JSONResponse
        from starlette.exceptions import HTTPException

        app = FastAPI()

        @app.exception_handler(HTTPException)
        async def failed(request: Request, exc: HTTPException) -> JSONResponse:
            return JSONResponse({"error": exc.detail}, status_code=exc.status_code)
    Not this:
        from fastapi import FastAPI, HTTPException, Request
        from fastapi.responses import JSONResponse
        from starlette.exceptions import HTTPException as BaseHTTPException

        app = FastAPI()

        @app.exception_handler(BaseHTTPException)
        @app.exception_handler(HTTPException)
        async def failed(request: Request, exc: HTTPException) -> JSONResponse:
            return JSONResponse({"error": exc.detail}, status_code=exc.status_code)
    """
    found = list(_handlers(project))
    for app, kind, function, place in found:
        others = {k for a, k, _, _ in found if a is app}
        if kind == "fastapi.HTTPException" and not others & {"starlette.exceptions.HTTPException", "404"}:
            message = (
                "This handler is for FastAPI's HTTPException: 404 and 405 of the router itself keep the default shape"
            )
            yield Hit(function.place(), message, (place,))


def _handlers(project: Project) -> Iterator[tuple[App, str, Function, Place]]:
    """Exception handlers of applications: what for (class, or status code as text), the function, where registered."""
    for app in project.route_map.apps:
        for handler in app.exception_handlers:
            function = plain(handler.function)
            if isinstance(function, Func):
                yield app, _name(plain(handler.exception)), function.function, handler.place


def _name(value: Value) -> str:
    if isinstance(value, Cls):
        return value.scope.dotted
    return value.dotted if isinstance(value, External) else str(value)
