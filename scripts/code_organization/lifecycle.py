"""Start-up and shutdown, order of middleware, life of WebSocket connections."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.names import External
from project.language.scopes import Scope, parent, parents
from project.language.value_types import Instance
from project.place import Place
from project.routing.interpret_values import Cls, Func, Middleware, plain
from project.routing.routes import Route, called_functions
from project.serving.handler_work import SESSION_CLASSES

CORS = "starlette.middleware.cors.CORSMiddleware"
ANSWERS_EARLY = frozenset(
    "slowapi.middleware.SlowAPIMiddleware slowapi.middleware.SlowAPIASGIMiddleware "
    "starlette.middleware.authentication.AuthenticationMiddleware".split()
)
OPENED = frozenset(
    "httpx.AsyncClient httpx.Client httpx2.AsyncClient httpx2.Client aiohttp.ClientSession redis.asyncio.Redis "
    "redis.asyncio.from_url redis.asyncio.Redis.from_url asyncpg.create_pool psycopg_pool.AsyncConnectionPool "
    "sqlalchemy.ext.asyncio.create_async_engine motor.motor_asyncio.AsyncIOMotorClient pymongo.AsyncMongoClient "
    "aio_pika.connect_robust aiokafka.AIOKafkaProducer arq.create_pool elasticsearch.AsyncElasticsearch".split()
)
CLOSES = frozenset("close aclose dispose disconnect wait_closed shutdown cleanup stop terminate close_all".split())
SOCKET, DISCONNECT = "starlette.websockets.WebSocket", External("starlette.websockets.WebSocketDisconnect")
RECEIVES = frozenset(f"{SOCKET}.receive_{kind}" for kind in ("text", "bytes", "json"))
TAKES_OUT = frozenset("remove discard pop clear popitem difference_update".split())


@organization.check(
    "ORG004",
    "lifespan-and-on-event-mixed",
    title="Start-up code that does not run",
    impact=HIGH,
    fix="Move start-up and shutdown into one lifespan function; close after `yield` what it opened.",
)
def lifespan_mixed(project: Project) -> Found:
    """With a lifespan the on_event and on_startup handlers are skipped without a word; on_event alone is deprecated.

    The lifespan of a mounted application does not run either; those of included routers do.

    Source: FastAPI, Lifespan Events, https://fastapi.tiangolo.com/advanced/events/

    Bad:
        from contextlib import asynccontextmanager
        from fastapi import FastAPI

        @asynccontextmanager
        async def lifespan(app):
            yield

        app = FastAPI(lifespan=lifespan)

        @app.on_event("startup")  # ORG004
        def create_tables() -> None:
            print("tables")
    Good:
        from contextlib import asynccontextmanager
        from fastapi import FastAPI

        def create_tables() -> None:
            print("tables")

        @asynccontextmanager
        async def lifespan(app):
            create_tables()
            yield

        app = FastAPI(lifespan=lifespan)
    Not this:
        from contextlib import asynccontextmanager
        import httpx
        from fastapi import APIRouter, FastAPI

        @asynccontextmanager
        async def lifespan(app):
            client = httpx.AsyncClient()
            async with httpx.AsyncClient() as other:
                yield {"client": client, "other": other}
            await client.aclose()

        router = APIRouter(lifespan=lifespan)
        app = FastAPI(lifespan=lifespan)
        app.include_router(router)
    """
    for app in project.route_map.apps:
        places = [place for _, _, place in app.events]
        if places and app.kwargs.get("lifespan") is not None:
            message = f"{_named(app.events[0][1])} never runs: with lifespan= on_event and on_startup are skipped"
            yield Hit(places[0], message, (app.place,), places=tuple(places[1:]))
        elif places:
            message = "on_event is deprecated; a lifespan function takes its place, for all handlers at once"
            yield Hit(places[0], message, impact=LOW, places=tuple(places[1:]))
        if app.mounted and app.kwargs.get("lifespan") is not None and not _runs_lifespans(project):
            yield Hit(app.place, "the lifespan of a mounted application does not run", impact=MEDIUM)
    yield from _never_closed(project)


def _named(value: object) -> str:
    inner = plain(value)
    return inner.function.name if isinstance(inner, Func) else "a start-up handler"


def _runs_lifespans(project: Project) -> bool:
    """Whether some code enters or hands on the lifespan of another application."""
    for module in project.app_modules:
        for scope in module.walk():
            if any(a.attr in ("lifespan_context", "lifespan") for a in scope.all(ast.Attribute)):
                return True
    return False


def _never_closed(project: Project) -> Iterator[Hit]:
    """What a lifespan opens before `yield` and nothing in it closes."""
    for function in dict.fromkeys(a.lifespan for a in project.route_map.apps if a.lifespan is not None):
        if not function.is_generator or any(a.attr in CLOSES for a in function.all(ast.Attribute)):
            continue
        last = max(y.lineno for y in function.all(ast.Yield))
        if any(s.node.lineno > last for s in project.calls.sites(function)):
            continue
        for site in project.calls.sites(function):
            held = parent(site.node)
            held = parent(held) if isinstance(held, ast.Await) else held
            if OPENED.intersection(site.names) and isinstance(held, (ast.Assign, ast.AnnAssign)):
                message = f"{site.names[0]} is opened at the start and never closed after yield"
                yield Hit(site.place(), message, impact=LOW)


@organization.check(
    "ORG011",
    "middleware-order",
    title="CORS inside a middleware that answers itself",
    impact=MEDIUM,
    fix="Add CORSMiddleware last: outermost, its headers stand on all answers but the 500 of an unhandled error.",
)
def middleware_order(project: Project) -> Found:
    """The middleware added last is entered first: what answers outside of CORS does so without its headers.

    Browsers then report a CORS error instead of the 401 or 429 that was sent.

    Source: FastAPI, Middleware, https://fastapi.tiangolo.com/tutorial/middleware/#multiple-middleware-execution-order

    Bad:
        from fastapi import FastAPI, Request
        from fastapi.middleware.cors import CORSMiddleware
        from fastapi.responses import JSONResponse

        app = FastAPI()
        app.add_middleware(CORSMiddleware, allow_origins=["https://shop.test"])  # ORG011

        @app.middleware("http")
        async def check_key(request: Request, call_next):
            if "x-key" not in request.headers:
                return JSONResponse({"detail": "key"}, 401)
            return await call_next(request)
    Good:
        from fastapi import FastAPI, Request
        from fastapi.middleware.cors import CORSMiddleware
        from fastapi.responses import JSONResponse

        app = FastAPI()

        @app.middleware("http")
        async def check_key(request: Request, call_next):
            if "x-key" not in request.headers:
                return JSONResponse({"detail": "key"}, 401)
            return await call_next(request)

        app.add_middleware(CORSMiddleware, allow_origins=["https://shop.test"])
    Not this:
        from fastapi import FastAPI, Request
        from fastapi.middleware import Middleware
        from fastapi.middleware.cors import CORSMiddleware
        from fastapi.middleware.gzip import GZipMiddleware
        from fastapi.responses import JSONResponse
        from starlette.middleware.base import BaseHTTPMiddleware

        class Keys(BaseHTTPMiddleware):
            async def dispatch(self, request: Request, call_next):
                if "x-key" not in request.headers:
                    return JSONResponse({"detail": "key"}, 401)
                return await call_next(request)

        app = FastAPI(middleware=[Middleware(CORSMiddleware, allow_origins=["https://shop.test"]), Middleware(Keys)])
        other = FastAPI()
        other.add_middleware(CORSMiddleware, allow_origins=["https://shop.test"])
        other.add_middleware(GZipMiddleware)

        @other.middleware("http")
        async def stamp(request: Request, call_next):
            response = await call_next(request)
            response.headers["x-stamp"] = "1"
            return response
    """
    for app in project.route_map.apps:
        for i, cors in enumerate(app.middleware):
            if _dotted(cors) == CORS:
                outside = [
                    (m, early) for m in app.middleware[i + 1 :] if (early := _early_answer(project, m)) is not None
                ]
                if outside:
                    names = ", ".join(dict.fromkeys(_title(m) for m, _ in outside))
                    message = f"{names} is entered before CORS and answers by itself: without CORS headers"
                    yield Hit(cors.place, message, tuple(p for _, p in outside))


def _dotted(middleware: Middleware) -> str:
    value = plain(middleware.value)
    return value.dotted if isinstance(value, External) else ""


def _title(middleware: Middleware) -> str:
    value = plain(middleware.value)
    if isinstance(value, Func):
        return value.function.name
    return value.scope.name if isinstance(value, Cls) else _dotted(middleware).rsplit(".", 1)[-1]


def _early_answer(project: Project, middleware: Middleware) -> Place | None:
    """Where a middleware answers without calling the next."""
    if _dotted(middleware) in ANSWERS_EARLY:
        return middleware.place
    for function in called_functions(project, middleware.value):
        for returned in function.all(ast.Return):
            if isinstance(returned.value, ast.Call) and _is_error_response(project, returned.value, function):
                return function.place(returned, f"{_title(middleware)} answers")
    return None


def _is_error_response(project: Project, call: ast.Call, scope: Scope) -> bool:
    name = project.names.canonical(call.func, scope) or ""
    return name.startswith("starlette.responses.") and not isinstance(parent(parent(call) or call), ast.ExceptHandler)


@organization.check(
    "ORG014",
    "websocket-lifecycle",
    title="WebSocket without an end",
    impact=MEDIUM,
    fix="Read with `async for text in websocket.iter_text()`, or catch WebSocketDisconnect; clean up in `finally`.",
)
def websocket_lifecycle(project: Project) -> Found:
    """When the client goes, receive raises WebSocketDisconnect: what stands after the loop does not run.

    A session from a dependency lives as long as the socket, and a list of connections that nothing leaves only grows.

    Source: FastAPI, WebSockets, https://fastapi.tiangolo.com/advanced/websockets/#handling-disconnections-and-multiple-clients

    Bad:
        from fastapi import FastAPI, WebSocket

        app = FastAPI()
        connections: list[WebSocket] = []

        @app.websocket("/chat")
        async def chat(websocket: WebSocket):
            await websocket.accept()
            connections.append(websocket)  # ORG014
            while True:
                text = await websocket.receive_text()  # ORG014
                await websocket.send_text(text)
    Good:
        from fastapi import FastAPI, WebSocket

        app = FastAPI()
        connections: set[WebSocket] = set()

        @app.websocket("/chat")
        async def chat(websocket: WebSocket):
            await websocket.accept()
            connections.add(websocket)
            try:
                async for text in websocket.iter_text():
                    await websocket.send_text(text)
            finally:
                connections.discard(websocket)
    Not this:
        from fastapi import FastAPI, WebSocket, WebSocketDisconnect

        app = FastAPI()

        @app.websocket("/chat")
        async def chat(websocket: WebSocket):
            await websocket.accept()
            try:
                while True:
                    await websocket.send_text(await websocket.receive_text())
            except WebSocketDisconnect:
                pass

        @app.websocket("/once")
        async def once(websocket: WebSocket):
            await websocket.accept()
            await websocket.send_text(await websocket.receive_text())
    """
    seen: set[Function] = set()
    for route in project.routes:
        function = route.function
        if not route.websocket or function is None or function in seen:
            continue
        seen.add(function)
        loops = list(_endless_reads(project, function))
        for place in loops[:1]:
            message = (
                f"{function.name} reads in an endless loop without WebSocketDisconnect: every closed client is an error"
            )
            yield Hit(place, message, (function.place(),), places=tuple(loops[1:]))
        if loops or _reads_in_loop(project, function):
            yield from _held_sessions(project, route, function)
    yield from _growing(project)


def _endless_reads(project: Project, function: Function) -> Iterator[Place]:
    for site in project.calls.sites(function):
        if RECEIVES.intersection(site.names) and any(isinstance(h, ast.While) for h in parents(site.node)):
            finals = [h for h in parents(site.node) if isinstance(h, ast.Try) and h.finalbody]
            if not finals and not project.exceptions.stopped(site.node, DISCONNECT, function):
                yield site.place()


def _reads_in_loop(project: Project, function: Function) -> bool:
    return any(
        name.startswith(f"{SOCKET}.") and any(isinstance(h, (ast.While, ast.AsyncFor)) for h in parents(site.node))
        for site in project.calls.sites(function)
        for name in site.names
    )


def _held_sessions(project: Project, route: Route, function: Function) -> Iterator[Hit]:
    """Sessions that a dependency with `yield` keeps open while the socket is."""
    for arg, _ in function.params:
        values = project.values.of_binding(function.bindings[arg.arg][0], function)
        depends = any(node.param == arg.arg for node in route.dependency_tree)
        if depends and any(isinstance(v, Instance) and v.dotted in SESSION_CLASSES for v in values):
            message = (
                f"the session {arg.arg} is held as long as the socket is open, its connection from the first query on"
            )
            yield Hit(function.place(arg), message, (function.place(),), certainty="inferred")


def _growing(project: Project) -> Iterator[Hit]:
    """Lists and sets that WebSockets are put into and never taken out of."""
    for function in project.requests.functions:
        for call in (*function.called.get("append", ()), *function.called.get("add", ())):
            name = _container(project, call, function)
            if name and not _is_emptied(function, name):
                message = f"connections are put into {name} and never taken out: it grows, sends to closed sockets fail"
                yield Hit(function.place(call), message)


def _container(project: Project, call: ast.Call, function: Function) -> str:
    """The name of what a WebSocket is put into, "" when that does not outlive the call."""
    if not (isinstance(call.func, ast.Attribute) and len(call.args) == 1):
        return ""
    values = project.values.of(call.args[0], function)
    if not any(isinstance(v, Instance) and v.dotted == SOCKET for v in values):
        return ""
    name = _last(call.func.value)
    return name if isinstance(call.func.value, ast.Attribute) or name not in function.bindings else ""


def _last(expr: ast.expr) -> str:
    return expr.attr if isinstance(expr, ast.Attribute) else getattr(expr, "id", "")


def _is_emptied(function: Function, name: str) -> bool:
    for scope in function.module.walk():
        for attribute in scope.all(ast.Attribute):
            if attribute.attr in TAKES_OUT and _last(attribute.value) == name:
                return True
        if any(
            _last(t.value) == name for d in scope.all(ast.Delete) for t in d.targets if isinstance(t, ast.Subscript)
        ):
            return True
    return False
