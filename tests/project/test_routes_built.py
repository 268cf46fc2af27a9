"""Routers that objects build for themselves, handed about by containers: run by FastAPI itself and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.running import mapped, served
from tests.project.trees import make

CASES: dict[str, dict[str, str]] = {
    "a base class that builds its router by methods of subclasses": {
        "base.py": """
            import functools
            from fastapi import APIRouter, Depends

            def limited(): ...

            class Base:
                def __init__(self, providers, config):
                    self.providers = providers
                    self.config = config
                    self.router = APIRouter()
                    self.limit()
                    self._setup()

                def limit(self):
                    async def count(user=Depends(limited)):
                        yield
                    self.count = count

                def endpoint(self, function):
                    @functools.wraps(function)
                    async def wrapper(*args, **kwargs):
                        return await function(*args, **kwargs)
                    wrapper.marked = True
                    return wrapper

                def get_router(self):
                    return self.router

                def _setup(self):
                    pass
        """,
        "users.py": """
            from fastapi import Depends
            from base import Base

            class Users(Base):
                def __init__(self, providers, config):
                    super().__init__(providers, config)
                    self.started = True

                def _setup(self):
                    @self.router.get("/users", dependencies=[Depends(self.count)], tags=["users"])
                    @self.endpoint
                    async def read_users() -> list[int]: ...

                    @self.router.post("/users", status_code=201)
                    @self.endpoint
                    async def create_user(): ...
        """,
        "orders.py": """
            from base import Base

            class Orders(Base):
                def _setup(self):
                    @self.router.get("/orders")
                    async def read_orders(): ...
        """,
        "main.py": """
            from fastapi import FastAPI
            from users import Users
            from orders import Orders

            class Application:
                def __init__(self, users, orders):
                    self.users, self.orders = users, orders
                    self.app = FastAPI()
                    self._include()

                def _include(self):
                    self.app.include_router(self.users, prefix="/v3")
                    self.app.include_router(self.orders, prefix="/v3")

            class Builder:
                def __init__(self, config):
                    self.config = config

                def build(self):
                    providers = self.providers()
                    routers = {
                        "users": Users(providers=providers, config=self.config).get_router(),
                        "orders": Orders(providers, self.config).get_router(),
                    }
                    return Application(**routers)

                def providers(self):
                    made = object()
                    for i in range(3000):
                        made = [made for _ in range(2)]
                    return made

            app = Builder({}).build().app
        """,
    },
    "a loop over classes, a registry filled by a decorator, a factory": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            REGISTRY: dict[str, type] = {}

            def resource(name):
                def keep(cls):
                    REGISTRY[name] = cls
                    return cls
                return keep

            class Controller:
                path = ""

                def __init__(self, service):
                    self.service = service
                    self._router = APIRouter(prefix=self.path, tags=[type(self).__name__])
                    for verb in ("get", "post"):
                        method = getattr(self, verb, None)
                        if method is not None:
                            self._router.add_api_route("/", method, methods=[verb.upper()])

                @property
                def router(self):
                    return self._router

            @resource("a")
            class Apples(Controller):
                path = "/apples"
                async def get(self): ...
                async def post(self): ...

            @resource("p")
            class Pears(Controller):
                path = "/pears"
                async def get(self): ...

            class Factory:
                def __init__(self, service):
                    self.service = service
                def make(self, kind):
                    return REGISTRY[kind](self.service)
                def all(self):
                    return [self.make(kind) for kind in sorted(REGISTRY)]

            def create_app() -> FastAPI:
                app = FastAPI()
                for controller in Factory(object()).all():
                    app.include_router(controller.router)
                for cls in (Apples, Pears):
                    app.include_router(cls(None).router, prefix="/again")
                for cls in Controller.__subclasses__():
                    app.include_router(cls(None).router, prefix="/subclasses")
                return app

            app = create_app()
        """
    },
    "dataclasses with a router": {
        "main.py": """
            from dataclasses import dataclass, field
            from fastapi import APIRouter, FastAPI

            @dataclass
            class Feature:
                name: str
                router: APIRouter = field(default_factory=APIRouter)
                prefix: str = ""

                def __post_init__(self):
                    self.prefix = self.prefix or f"/{self.name}"
                    self.register()

                def register(self):
                    raise NotImplementedError

            @dataclass
            class Cats(Feature):
                name: str = "cats"

                def register(self):
                    @self.router.get("/", response_model=None)
                    def read_cats(): ...

                    self.router.add_api_route("/one", self.one, methods=["PUT"])

                def one(self, key: int): ...

            @dataclass(frozen=True)
            class Routers:
                cats: Cats
                dogs: APIRouter

            dogs = APIRouter(prefix="/dogs")

            @dogs.get("/")
            def read_dogs(): ...

            app = FastAPI()
            routers = Routers(Cats(), dogs)
            app.include_router(routers.cats.router, prefix=routers.cats.prefix)
            app.include_router(routers.dogs)
        """
    },
    "attrs classes": {
        "main.py": """
            import attr
            from attrs import define, field
            from fastapi import APIRouter, FastAPI

            @define(kw_only=True)
            class Tiles:
                router: APIRouter = field(factory=APIRouter)
                prefix: str = ""
                extensions: list = field(factory=list)
                viewer: bool = True
                name: str | None = field(default=None)

                def __attrs_post_init__(self):
                    self.register()
                    for extension in self.extensions:
                        extension.register(self)

                def register(self):
                    self.tile()
                    if self.viewer:
                        self.view()

                def tile(self):
                    @self.router.get("/tile/{z}", name=self.prefix)
                    def tile(z: int): ...

                def view(self):
                    @self.router.get("/view")
                    def view(): ...

            @define
            class Statistics:
                label: str = "statistics"

                def register(self, tiles):
                    @tiles.router.get(f"/{self.label}")
                    def statistics(): ...

            def titled(app):
                app.title = "x"
                return app

            @attr.s
            class Api:
                title: str = attr.ib(default="t")
                app: FastAPI = attr.ib(
                    default=attr.Factory(lambda self: FastAPI(title=self.title), takes_self=True), converter=titled
                )
                router: APIRouter = attr.ib(default=attr.Factory(APIRouter))
                prefix: str = attr.ib(init=False)

                @prefix.default
                def _prefix(self):
                    return "/api"

                def __attrs_post_init__(self):
                    self.router.add_api_route("/health", endpoint=self.health, methods=["GET"])
                    self.app.include_router(self.router, prefix=self.prefix)

                def health(self): ...

            tiles = Tiles(prefix="/cog", extensions=[Statistics(), Statistics("more")])
            plain = Tiles(viewer=False)
            app = Api().app
            app.include_router(tiles.router, prefix="/cog")
            app.include_router(plain.router, prefix="/plain")
        """
    },
    "route objects of an own class": {
        "main.py": """
            from fastapi import Depends, FastAPI
            from fastapi.responses import Response
            from fastapi.routing import APIRoute

            class Plain(APIRoute):
                def __init__(self, *args, response_class=Response, **kwargs):
                    super().__init__(*args, response_class=Response, **kwargs)

            class Named(APIRoute):
                pass

            class Endpoints:
                def __init__(self, plane):
                    self.plane = plane

                async def live(self) -> None: ...
                async def infer(self, name: str): ...

            def user(): ...

            def create_app(plane) -> FastAPI:
                endpoints = Endpoints(plane)
                routes = [
                    Plain("/live", endpoints.live),
                    Plain("/models/{name}", endpoints.infer, methods=["POST"], dependencies=[Depends(user)]),
                ]
                routes += [Named("/named", endpoints.live, status_code=202), APIRoute("/raw", endpoints.live)]
                return FastAPI(routes=routes)

            app = create_app(None)
        """
    },
    "a helper around the verb of a router, which asks whether the function is a coroutine": {
        "main.py": """
            import functools
            import inspect
            from fastapi import APIRouter as LibraryRouter, FastAPI, Security
            from fastapi.security import HTTPBasic
            from starlette._utils import is_async_callable

            class APIRouter(LibraryRouter):
                def api_route(self, path, *, include_in_schema=True, **kwargs):
                    add = super().api_route(path.rstrip("/"), include_in_schema=include_in_schema, **kwargs)
                    add_other = super().api_route(path.rstrip("/") + "/", include_in_schema=False, **kwargs)

                    def decorator(function):
                        result = add(function)
                        add_other(function)
                        return result

                    return decorator

            def requires(check):
                def decorator(function):
                    if check(function):
                        @functools.wraps(function)
                        async def wrapper(*args, **kwargs):
                            return await function(*args, **kwargs)
                        return wrapper

                    @functools.wraps(function)
                    def plain_wrapper(*args, **kwargs):
                        return function(*args, **kwargs)
                    return plain_wrapper
                return decorator

            def protected(method, path, **kwargs):
                def decorator(function):
                    basic = Security(HTTPBasic(auto_error=False))
                    checked = requires(is_async_callable)(requires(inspect.iscoroutinefunction)(function))
                    return method(path, dependencies=[basic], **kwargs)(checked)
                return decorator

            router = APIRouter()

            @protected(router.get, "/a")
            async def read_a(): ...

            @protected(router.post, "/b", status_code=201)
            def create_b(): ...

            app = FastAPI()
            app.include_router(router, prefix="/api")
        """
    },
    "endpoints that are partial, from a table, from a helper around the registration": {
        "main.py": """
            from functools import partial
            from fastapi import APIRouter, FastAPI

            def read(kind: str, key: int): ...
            async def write(key: int): ...

            TABLE = {"/one": (write, ["PUT"]), "/two": (write, ["DELETE", "PATCH"])}
            ENDPOINTS = [{"path": "/three", "endpoint": write, "methods": {"POST"}, "tags": ["t"]}]

            def add(router, path, **options):
                return router.api_route(path, **options)

            router = APIRouter()
            for path, (function, methods) in TABLE.items():
                router.add_api_route(path, function, methods=methods)
            for entry in ENDPOINTS:
                router.add_api_route(**entry)
            router.add_api_route("/apples", partial(read, "apples"))
            router.get("/pears")(partial(read, kind="pears"))

            @add(router, "/added", methods=["HEAD"])
            async def added(): ...

            def create_app(admin: bool = True, *, docs: bool = True) -> FastAPI:
                app = FastAPI()
                if admin:
                    app.include_router(router, prefix="/admin")
                if docs:
                    app.include_router(router, prefix="/docs")
                return app

            app = create_app()
        """
    },
    "modules of a package, imported by name": {
        "main.py": """
            import importlib
            import pkgutil
            from fastapi import APIRouter, FastAPI
            import features

            FEATURES = ["cats", "dogs"]
            app = FastAPI()
            for name in FEATURES:
                module = importlib.import_module(f"features.{name}")
                app.include_router(module.router, prefix=f"/{name}")
            for found in pkgutil.iter_modules(features.__path__, prefix="features."):
                module = importlib.import_module(found.name)
                for value in vars(module).values():
                    if isinstance(value, APIRouter):
                        app.include_router(value, prefix="/all")
                register = getattr(module, "register", None)
                if register is not None:
                    register(app)
        """,
        "features/__init__.py": "",
        "features/cats.py": """
            from fastapi import APIRouter
            router = APIRouter()
            @router.get("/x")
            def cats(): ...
        """,
        "features/dogs.py": """
            from fastapi import APIRouter
            router = APIRouter()
            @router.get("/y")
            def dogs(): ...
            def register(app):
                app.add_api_route("/registered", dogs)
        """,
    },
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_fastapi(tmp_path: Path, name: str) -> None:
    if "attrs" in name:
        pytest.importorskip("attrs")
    project = make(tmp_path, CASES[name])
    assert mapped(project) == served(tmp_path, "main:app")
    assert project.route_map.unknown == []
    assert not any(route.conditional for route in project.routes)


def test_a_lifespan_that_takes_over_the_routes_of_another_application(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
                from contextlib import asynccontextmanager
                from fastapi import APIRouter, FastAPI

                class Inner:
                    def __init__(self, config):
                        self.app = FastAPI()
                        self.app.include_router(self.items(), prefix="/v1")

                    def items(self):
                        router = APIRouter()

                        @router.get("/items")
                        def read_items(): ...

                        return router

                class Builder:
                    def __init__(self, config):
                        self.config = config

                    async def build(self) -> Inner:
                        return Inner(self.config)

                async def create(name) -> Inner:
                    builder = Builder(name)
                    return await builder.build()

                @asynccontextmanager
                async def lifespan(app: FastAPI):
                    inner = await create("x")
                    app.router.routes = inner.app.routes
                    yield

                app = FastAPI(lifespan=lifespan)
            """
        },
    )
    (route,) = project.routes
    assert (route.app, route.path, route.conditional) == ("main:app", "/v1/items", False)
    assert project.route_map.unknown == []


def test_an_object_whose_makers_need_arguments_is_followed_to_where_it_is_used(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "api.py": """
                from fastapi import APIRouter, FastAPI
                from routes import register

                class Api:
                    def __init__(self, address: str):
                        self._router = APIRouter(prefix="/v1")
                        self._app = FastAPI()

                    async def status(self): ...

                    def serve(self, port: int):
                        register(self)
                        self._app.include_router(self._router)

                def run(address: str, port: int):
                    try:
                        api = Api(address)
                        api.serve(port)
                    except SystemExit:
                        api = Api(address)
                        api.serve(port + 1)
            """,
            "routes.py": """
                def register(api: "Api"):
                    api._router.add_api_route("/status", api.status, methods=["GET"])
            """,
            "main.py": """
                import api

                def start(address: str, port: int):
                    api.run(address, port)
            """,
        },
    )
    assert [(r.path, r.handler) for r in project.routes] == [("/v1/status", "api.Api.status")]
    assert project.route_map.unknown == []
