"""What errors tell strangers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Class, Function, Project, Scope
from project.language.arguments import given_for
from project.language.scopes import parent, parents, subtree
from project.routing.interpret_values import plain
from project.routing.routes import Route, called_functions
from project.serving.origins import TEXT_METHODS
from security.around import last_name
from security.callers import is_for_admins, is_for_few, rights_are_usual
from security.dimension import security

BROAD = frozenset(
    "builtins.Exception builtins.BaseException builtins.OSError builtins.IOError builtins.EnvironmentError".split()
)
RESPONSES = frozenset(
    f"starlette.responses.{name}" for name in "Response JSONResponse HTMLResponse PlainTextResponse".split()
)
SOCKET_SENDS = ("send_json", "send_text")
SENT_BY_SOCKET = frozenset(f"starlette.websockets.WebSocket.{name}" for name in SOCKET_SENDS)
SERIALIZES = re.compile(r"dumps$|(^|_)(json|sse)(_|$)", re.IGNORECASE)
SERVER_ERROR = ("starlette.status.HTTP_500_INTERNAL_SERVER_ERROR", "http.HTTPStatus.INTERNAL_SERVER_ERROR")
ANY_TEXT = "the text of any error goes to the client"
ASKS_TEXT = frozenset("startswith endswith partition rpartition find rfind isdigit isalpha isalnum count".split())
CHECK_TEXT = "what a check of the input says, in words of a library, goes to the client"
CONSTRAINT_TEXT = "the text of a violated constraint goes to the client"
NO_ROW = ("NoResultFound", "MultipleResultsFound")  # no statement, no values
_HOW: dict[type[ast.AST], str] = {ast.Raise: "as detail of an HTTPException", ast.Return: "in what a handler returns"}
PURE = re.compile(
    r"(builtins|re|json|uuid|urllib\.parse|datetime|decimal|ipaddress|base64|binascii|zoneinfo|string|math|yarl)\.|"
    r"(httpx\.URL|yaml\.safe_load|packaging\.|croniter\.|pydantic\..*(validate|parse|Url$))"
)
READS = ("builtins.open", "builtins.print", "builtins.input")
TEXT_OF_ERROR = frozenset("str repr format".split())


@security.check(
    "SEC017",
    "error-detail-leak",
    title="Text of any error goes to the client",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Log with logger.exception and answer a fixed message with a request id.",
)
def error_detail_leak(project: Project) -> Found:
    """The text of an unexpected error holds SQL, paths, hosts and keys. `except Exception` catches errors of any kind.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/

    Bad:
        import json
        from fastapi import FastAPI, HTTPException, WebSocket, status
        from fastapi.responses import JSONResponse, StreamingResponse

        app = FastAPI()

        @app.get("/items")
        def items():
            try:
                return load()
            except Exception as error:
                raise HTTPException(500, detail=f"failed: {error}")  # SEC017

        @app.get("/counts")
        def counts():
            try:
                return load()
            except Exception as error:
                message = str(error)
                return {"error": message}  # SEC017

        @app.exception_handler(Exception)
        def any_error(request, exc):
            return JSONResponse({"detail": str(exc)}, status_code=500)  # SEC017

        def server_error(request, exc):
            detail = exc.detail if isinstance(exc, HTTPException) else str(exc)
            return JSONResponse({"detail": detail}, status_code=500)  # SEC017

        app.add_exception_handler(status.HTTP_500_INTERNAL_SERVER_ERROR, server_error)

        def page(request, error):
            return templates.TemplateResponse(request, "error.html", {"message": str(error)})  # SEC017

        def os_error(request, exc):
            return page(request, exc) or JSONResponse({"detail": "failed"}, status_code=500)

        app.add_exception_handler(OSError, os_error)

        @app.get("/answers")
        def answers():
            def events():
                try:
                    yield from load()
                except Exception as error:
                    yield f"data: {json.dumps({'error': str(error)})}"  # SEC017

            return StreamingResponse(events())

        @app.websocket("/live")
        async def live(socket: WebSocket):
            try:
                load()
            except Exception as error:
                await socket.send_json({"error": str(error)})  # SEC017

        def load(): ...
    Good:
        import logging
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        logger = logging.getLogger(__name__)

        @app.get("/items")
        def items():
            try:
                return load()
            except Exception as error:
                logger.exception("items")
                raise HTTPException(500, detail="Something went wrong") from error

        def load(): ...
    Not this:
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import JSONResponse

        app = FastAPI()

        class NotAllowed(Exception): ...

        def check_password(password):
            if len(password.encode()) > 72:
                raise Exception("The password is too long")

        @app.post("/passwords")
        def change(password: str):
            try:
                check_password(password)
            except Exception as error:
                raise HTTPException(400, detail=str(error)) from error

        @app.get("/items")
        def items():
            try:
                return load()
            except NotAllowed as error:
                raise HTTPException(403, detail=str(error)) from error
            except Exception as error:
                raise HTTPException(500, detail=f"failed: {type(error).__name__}") from error

        @app.exception_handler(NotAllowed)
        def not_allowed(request, exc):
            return JSONResponse({"detail": str(exc)}, status_code=403)

        @app.get("/rows")
        def rows():
            return list(outcomes())

        def outcomes():
            try:
                yield load()
            except Exception as error:
                yield str(error)

        def load(): ...
    """
    yield from _by_cause(_leaks(project))


def _by_cause(hits: Iterable[Hit]) -> Iterator[Hit]:
    """One signal for each way by which the text goes out, with its places; a catch-all handler stands for itself."""
    found: dict[tuple[str, str | None], list[Hit]] = {}
    for hit in hits:
        if hit.message == ANY_TEXT:
            yield hit
        else:
            found.setdefault((hit.message, hit.impact), []).append(hit)
    for group in found.values():
        first, *others = {(hit.place.path, hit.place.line): hit for hit in group}.values()
        files = len({hit.place.path for hit in (first, *others)})
        more = f" ({len(others) + 1} places in {files} file{'s' if files > 1 else ''})" if others else ""
        yield replace(first, message=first.message + more, places=tuple(other.place for other in others))


def _leaks(project: Project) -> Iterator[Hit]:
    privileged = is_for_admins if rights_are_usual(project) else is_for_few
    for function in sorted(project.requests.functions, key=lambda f: (f.module.path, f.node.lineno)):
        if function.module.kind != "app":
            continue
        for scope in function.walk():
            for node, text in _in_handlers(project, scope):
                message = f"{text} {_HOW.get(type(node), 'in a stream or over a WebSocket')}"
                if _is_only_for(privileged, project, function):
                    yield Hit(scope.place(node), f"{message}, of privileged callers only", impact=LOW)
                elif _is_only_for(_is_internal, project, function):
                    yield Hit(scope.place(node), f"{message}, of other services only", impact=LOW)
                else:
                    yield Hit(scope.place(node), message, impact=None if text == ANY_TEXT else LOW)
    for function in _catch_all_handlers(project):
        name = function.params[1][0].arg if len(function.params) > 1 else ""
        for answering, error in [(function, name), *_handed_to(project, function, name)]:
            for node in _answers(project, answering, [n for s in answering.body for n in subtree(s)], error):
                yield Hit(answering.place(node), ANY_TEXT)


def _is_internal(_: Project, route: Route) -> bool:
    """Whether a route is for other services of the same system: `/internal/...` behind a guard."""
    return bool(route.auth) and "internal" in re.split(r"[/_-]", route.path)


def _is_only_for(privileged: Callable[[Project, Route], bool], project: Project, function: Function) -> bool:
    """Whether all routes that reach a function are for privileged callers."""
    roots = project.requests.roots_reaching(function)
    routes = [project.guard_matrix.handled_by(root.function) for root in roots]
    return bool(routes) and all(some and all(privileged(project, route) for route in some) for some in routes)


def _handed_to(project: Project, function: Function, error: str) -> Iterator[tuple[Function, str]]:
    """Functions whose result is the answer and that get the error, with the name it has there."""
    for returned in function.all(ast.Return):
        for call in subtree(returned.value) if returned.value is not None and error else ():
            if isinstance(call, ast.Call):
                for target in project.calls.site(call, function).targets:
                    for arg, _ in target.params:
                        given = given_for(arg.arg, call, target)
                        if isinstance(given, ast.Name) and given.id == error:
                            yield target, arg.arg


def _in_handlers(project: Project, scope: Scope) -> Iterator[tuple[ast.AST, str]]:
    """Answers in `except Exception` that hold the text of the error, each with what that text is."""
    for handler in scope.all(ast.ExceptHandler):
        text = _caught(project, handler, scope)
        if text and not _is_narrowed(handler) and not _guards_checks(project, handler, scope):
            inside = [n for statement in handler.body for n in subtree(statement)]
            checks = text == ANY_TEXT and _guards_checks(project, handler, scope, logs=True)
            text = CHECK_TEXT if checks else text
            yield from ((node, text) for node in _answers(project, scope, inside, handler.name or ""))


def _caught(project: Project, handler: ast.ExceptHandler, scope: Scope) -> str:
    """Whose text the clause has; "" for errors whose texts say no more than the project means to."""
    if handler.type is None:
        return ANY_TEXT
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = [project.names.canonical(kind, scope) or "" for kind in kinds]
    own = [n for n in names if n.startswith("sqlalchemy.exc.") and n.rsplit(".", 1)[1] not in NO_ROW]
    if any(name in BROAD or (name in own and not name.endswith(".IntegrityError")) for name in names):
        return ANY_TEXT
    return CONSTRAINT_TEXT if own else ""


def _is_narrowed(handler: ast.ExceptHandler) -> bool:
    """Whether the handler first asks what kind of error it is."""
    return any(isinstance(n, ast.Call) and last_name(n.func) == "isinstance" for s in handler.body for n in subtree(s))


def _guards_checks(project: Project, handler: ast.ExceptHandler, scope: Scope, logs: bool = False) -> bool:
    """Whether what is tried only parses, or checks and refuses with a text of the project's own.

    With `logs`, it may log besides, and fill in models: what it refuses then says how they are made.
    """
    tried = parent(handler)
    calls = [n for s in getattr(tried, "body", ()) for n in subtree(s) if isinstance(n, ast.Call)]
    if logs:
        models = [c for c in calls if _is_model(project, c, scope)]
        others = (c for c in calls if not (c in models or _is_log(c) or _is_part_of_log(c)))
        return bool(models) and all(_only_checks(project, call, scope) for call in others)
    return bool(calls) and all(_only_checks(project, call, scope) for call in calls)


def _is_model(project: Project, call: ast.Call, scope: Scope) -> bool:
    """`Model(...)` or `Model.model_validate(...)` of a schema of the project."""
    made = call.func
    if isinstance(made, ast.Attribute) and made.attr in ("model_validate", "model_validate_json", "parse_obj"):
        made = made.value
    cls = project.names.resolve(made, scope)
    return isinstance(cls, Class) and project.schemas.of(cls) is not None


def _is_log(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Attribute) and call.func.attr in ("debug", "info", "warning", "error", "exception")


def _is_part_of_log(call: ast.Call) -> bool:
    return any(isinstance(holder, ast.Call) and _is_log(holder) for holder in parents(call))


def _only_checks(project: Project, call: ast.Call, scope: Scope, depth: int = 3) -> bool:
    """Whether a call is a parser, a method of a text, an error that is made, or a function made of those only."""
    site = project.calls.site(call, scope)
    if site.targets:
        own = [f for f in site.targets if f.name != "__init__"]
        if depth == 0 or any(f.is_async or project.calls.is_stub(f) for f in own):
            return False
        return all(_only_checks(project, inner, f, depth - 1) for f in own for inner in f.all(ast.Call))
    if site.names:
        return all(PURE.match(name) and name not in READS for name in site.names)
    raised = parent(call)
    method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
    return isinstance(raised, ast.Raise) or method in TEXT_METHODS or method in ASKS_TEXT


def _answers(project: Project, scope: Scope, inside: list[ast.AST], error: str) -> Iterator[ast.AST]:
    texts = {error} | _copies(inside, error) if error else set()
    for node in inside:
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            if _is_http(project, node.exc, scope) and any(_tells(v, texts, error) for v in _given(node.exc)):
                yield node
        elif isinstance(node, ast.Return) and node.value is not None and _is_answer(project, node.value, scope):
            values = _given(node.value) if isinstance(node.value, ast.Call) else [node.value]
            if any(_tells(v, texts, error) for v in values):
                yield node
        elif _is_sent(project, node, scope) and isinstance(node, (ast.Yield, ast.Call)):
            values = node.args if isinstance(node, ast.Call) else [node.value] if node.value is not None else []
            if any(_tells(v, texts, error) for v in values):
                yield node


def _is_sent(project: Project, node: ast.AST, scope: Scope) -> bool:
    """Whether a part of a stream goes out here: an event or line of JSON that is yielded, a message of a WebSocket."""
    if isinstance(node, ast.Call):
        return last_name(node.func) in SOCKET_SENDS and bool(
            SENT_BY_SOCKET.intersection(project.calls.site(node, scope).names)
        )
    if not isinstance(node, ast.Yield) or node.value is None:
        return False
    return any(
        (isinstance(part, ast.Constant) and isinstance(part.value, str) and part.value.startswith(("data:", "event:")))
        or (isinstance(part, ast.Call) and SERIALIZES.search(last_name(part.func)) is not None)
        for part in subtree(node.value)
    )


def _copies(inside: list[ast.AST], error: str) -> set[str]:
    """Names that hold the text (`message = str(error)`)."""
    return {
        target.id
        for node in inside
        if isinstance(node, ast.Assign) and _tells(node.value, {error}, error)
        for target in node.targets
        if isinstance(target, ast.Name)
    }


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords if k.arg not in ("headers", "status_code", "code"))]


def _is_http(project: Project, call: ast.Call, scope: Scope) -> bool:
    entity = project.names.resolve(call.func, scope)
    if entity is None:
        return False
    order = project.names.mro(entity) if hasattr(entity, "methods") else [entity]  # type: ignore[arg-type]
    return any(c.dotted in ("fastapi.HTTPException", "starlette.exceptions.HTTPException") for c in order)


def _is_answer(project: Project, value: ast.expr, scope: Scope) -> bool:
    """Whether what is returned goes to the client: a response, or a dictionary from a path operation."""
    if isinstance(value, ast.Call):
        site = project.calls.site(value, scope)
        return last_name(value.func) == "TemplateResponse" or bool(RESPONSES.intersection(site.names))
    if not isinstance(value, ast.Dict) or not isinstance(scope, Function):
        return False
    route = project.origins.entered_by(scope)
    return route is not None and route.function is scope


def _tells(expr: ast.expr, texts: set[str], error: str) -> bool:
    """Whether an expression holds the text of the error, or a traceback."""
    for node in subtree(expr):
        if isinstance(node, ast.Call):
            name = last_name(node.func)
            if name in ("format_exc", "format_exception"):
                return True
            if name in TEXT_OF_ERROR and any(isinstance(a, ast.Name) and a.id == error and error for a in node.args):
                return True
        elif isinstance(node, ast.FormattedValue) and isinstance(node.value, ast.Name) and node.value.id in texts:
            return True
        elif isinstance(node, ast.Attribute) and node.attr == "args" and isinstance(node.value, ast.Name):
            if node.value.id == error and error:
                return True
        elif isinstance(node, ast.Name) and node.id in texts - {error}:
            return True
    return isinstance(expr, ast.Name) and expr.id == error and bool(error)


def _catch_all_handlers(project: Project) -> Iterator[Function]:
    """Exception handlers of applications for Exception or 500."""
    for app in project.route_map.apps:
        for handler in app.exception_handlers:
            caught = plain(handler.exception)
            if caught == 500 or getattr(caught, "dotted", "") in (*BROAD, *SERVER_ERROR):
                yield from called_functions(project, handler.function)


@security.check(
    "SEC029",
    "private-responses-cached",
    title="Every response may be cached by everyone",
    impact=HIGH,
    anti_pattern=8,
    fix='Set "Cache-Control: private, no-store" by default and public only on routes that need no login.',
)
def private_responses_cached(project: Project) -> Found:
    """`Cache-Control: public` lets proxies keep a response and give it to others. A middleware that
    sets it on all responses sets it on profiles and tokens too.

    Source: RFC 9111, HTTP Caching, https://www.rfc-editor.org/rfc/rfc9111#section-5.2.2.9

    Bad:
        from fastapi import Depends, FastAPI, HTTPException, Request
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.middleware("http")
        async def cache(request: Request, call_next):
            response = await call_next(request)
            response.headers["Cache-Control"] = "public, max-age=60"  # SEC029
            return response

        @app.get("/me")
        def me(user=Depends(current_user)):
            return user
    Good:
        from fastapi import Depends, FastAPI, HTTPException, Response
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.get("/prices")
        def prices(response: Response):
            response.headers["Cache-Control"] = "public, max-age=60"

        @app.get("/me")
        def me(user=Depends(current_user)):
            return user
    Not this:
        from fastapi import Depends, FastAPI, HTTPException, Request
        from fastapi.security import OAuth2PasswordBearer

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.middleware("http")
        async def cache(request: Request, call_next):
            response = await call_next(request)
            response.headers["Cache-Control"] = "no-store"
            if request.url.path.startswith("/static/"):
                response.headers["Cache-Control"] = "public, max-age=60"
            return response

        @app.get("/me")
        def me(user=Depends(current_user)):
            return user
    """
    guarded = {r.app for r in project.routes if r.auth}
    for app in project.route_map.apps:
        for middleware in app.middleware if app.name in guarded else ():
            for function in called_functions(project, middleware.value):
                for node in function.all(ast.Assign):
                    if _sets_public(node) and not any(isinstance(p, ast.If) for p in parents(node)):
                        yield Hit(
                            function.place(node), "this middleware lets every response be cached, private ones too"
                        )


def _sets_public(node: ast.Assign) -> bool:
    texts = [str(c.value).lower() for c in subtree(node.value) if isinstance(c, ast.Constant)]
    return "public" in " ".join(texts) and any(
        last_name(target).lower() == "cache-control" for target in node.targets if isinstance(target, ast.Subscript)
    )
