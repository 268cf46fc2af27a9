"""Routers made by objects, classes and functions: every tree here is run by FastAPI itself and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.running import mapped, served
from tests.project.trees import make

CASES: dict[str, dict[str, str]] = {
    "class-based views": {
        "views.py": """
            import inspect
            from typing import Any
            from fastapi import APIRouter, Depends

            def controller(router: APIRouter):
                def decorate(cls):
                    functions = [f for _, f in inspect.getmembers(cls, inspect.isfunction)]
                    for route in list(router.routes):
                        if route.endpoint in functions:
                            signature = inspect.signature(route.endpoint)
                            first, *rest = signature.parameters.values()
                            rest = [p.replace(kind=inspect.Parameter.KEYWORD_ONLY) for p in rest]
                            route.endpoint.__signature__ = signature.replace(
                                parameters=[first.replace(default=Depends(cls)), *rest]
                            )
                            router.routes.remove(route)
                            route_path = route.path
                            router.add_api_route(route_path, route.endpoint, methods=route.methods)
                    return cls
                return decorate
        """,
        "main.py": """
            from fastapi import APIRouter, Depends, FastAPI
            from views import controller

            router = APIRouter()

            def session(): ...
            def user(): ...

            @controller(router)
            class Items:
                def __init__(self, db=Depends(session)) -> None: ...

                @router.get("/items")
                def read(self, who=Depends(user)): ...

                def helper(self): ...

            app = FastAPI()
            app.include_router(router, prefix="/api")
        """,
    },
    "methods of objects": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            class Base:
                prefix = "/base"

                def __init__(self, name: str) -> None:
                    self.name = name
                    self.router = APIRouter(prefix=self.prefix)
                    self.routes()

                def routes(self) -> None:
                    self.router.add_api_route(f"/{self.name}", self.read)
                    for suffix in ["", "/"]:
                        self.router.add_api_route(f"/{self.name}/all{suffix}", self.read_all, methods=["GET"])

                async def read(self) -> int: ...

                async def read_all(self) -> list[int]: ...

            class Special(Base):
                prefix = "/special"

                async def read(self) -> str: ...

            class Server:
                def __init__(self):
                    self._app = FastAPI()
                    for part in (Base("a"), Special("b")):
                        self._app.include_router(part.router)

                @property
                def app(self):
                    return self._app

            app = Server().app
        """
    },
    "subclasses of routers": {
        "base.py": """
            from fastapi import APIRouter, Depends
            from fastapi.routing import APIRoute

            def check(): ...

            class Route(APIRoute): ...

            class Guarded(APIRouter):
                def __init__(self, *args, **kwargs):
                    dependencies = [*(kwargs.pop("dependencies", None) or []), Depends(check)]
                    super().__init__(*args, dependencies=dependencies, route_class=Route, **kwargs)

                def add_api_route(self, path, endpoint, **kwargs):
                    if kwargs.get("status_code") is None:
                        kwargs["status_code"] = 202
                    super().add_api_route("/sub" + path, endpoint, **kwargs)

            class Fixed(Guarded):
                def __init__(self):
                    super().__init__(prefix="/fixed")
        """,
        "main.py": """
            from fastapi import FastAPI
            from base import Fixed, Guarded

            router = Guarded(prefix="/g")
            fixed = Fixed()

            @router.get("/a")
            def a(): ...

            @fixed.post("/b", status_code=201)
            def b(): ...

            app = FastAPI()
            app.include_router(router)
            app.include_router(fixed)
        """,
    },
    "controllers by marked methods": {
        "base.py": """
            import inspect
            from fastapi import APIRouter

            def get(path, **options):
                def mark(function):
                    function.__route__ = {"path": path, "methods": ["GET"], **options}
                    return function
                return mark

            class Controller:
                prefix = ""
                tags: list[str] = []

                def __init__(self):
                    self.router = APIRouter(prefix=self.prefix, tags=self.tags)
                    for name, method in inspect.getmembers(self, predicate=inspect.ismethod):
                        info = getattr(method, "__route__", None)
                        if info is not None:
                            options = dict(info)
                            self.router.add_api_route(options.pop("path"), method, **options)
        """,
        "main.py": """
            from fastapi import FastAPI
            from base import Controller, get

            class Items(Controller):
                prefix = "/items"
                tags = ["items"]

                @get("/")
                def read_all(self) -> list[int]: ...

                @get("/{item_id}", status_code=203)
                def read(self, item_id: int): ...

            class Users(Controller):
                prefix = "/users"

                @get("/me")
                async def me(self): ...

            app = FastAPI()
            for controller in (Items(), Users()):
                app.include_router(controller.router, prefix="/api")
        """,
    },
    "controllers by subclass hooks and descriptors": {
        "base.py": """
            from fastapi import APIRouter

            class route:
                def __init__(self, path):
                    self.path = path

                def __call__(self, function):
                    self.function = function
                    return self

                def __set_name__(self, owner, name):
                    owner.found = [*getattr(owner, "found", []), self]

            class View:
                registry = []

                def __init_subclass__(cls, prefix="", **kwargs):
                    super().__init_subclass__(**kwargs)
                    cls.router = APIRouter(prefix=prefix)
                    for one in cls.found:
                        cls.router.add_api_route(one.path, one.function)
                    View.registry.append(cls)
        """,
        "main.py": """
            from fastapi import FastAPI
            from base import View, route

            class A(View, prefix="/a"):
                @route("/x")
                def x(): ...

            class B(View, prefix="/b"):
                @route("/y")
                def y(): ...

                @route("/z")
                def z(): ...

            app = FastAPI()
            for view in View.registry:
                app.include_router(view.router)
        """,
    },
    "a metaclass": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            class Meta(type):
                def __new__(mcs, name, bases, namespace, **kwargs):
                    cls = super().__new__(mcs, name, bases, namespace)
                    cls.router = APIRouter(prefix="/" + name.lower())
                    for key, value in namespace.items():
                        if hasattr(value, "path"):
                            cls.router.add_api_route(value.path, value)
                    return cls

            def get(path):
                def mark(function):
                    function.path = path
                    return function
                return mark

            class Items(metaclass=Meta):
                @get("/x")
                def x(): ...

            app = FastAPI()
            app.include_router(Items.router)
        """
    },
    "settings in several forms": {
        "config.py": """
            import os
            from dataclasses import dataclass, field
            from functools import lru_cache
            from pydantic import BaseModel, Field
            from pydantic_settings import BaseSettings, SettingsConfigDict

            class Api(BaseModel):
                prefix: str = "/api"
                version: str = "v1"

            class Settings(BaseSettings):
                model_config = SettingsConfigDict(env_file=".env")
                api: Api = Api()
                name: str = Field(default="shop")
                root: str = Field("/root", alias="ROOT_OF_IT")

                @property
                def base(self) -> str:
                    return self.api.prefix + "/" + self.api.version

            @lru_cache
            def get_settings() -> Settings:
                return Settings()

            @dataclass
            class Plain:
                prefix: str = os.environ.get("NOT_SET_ANYWHERE", "/plain")
                parts: list[str] = field(default_factory=lambda: ["a", "b"])

            class Config:
                DEBUG_PREFIX = os.getenv("NOT_SET_EITHER") or "/debug"
        """,
        "main.py": """
            import config
            from config import Config, Plain, get_settings
            from fastapi import APIRouter, FastAPI

            settings = get_settings()
            plain = Plain()
            router = APIRouter(prefix=f"/{settings.name}")

            @router.get("/x")
            def x(): ...

            app = FastAPI(title=settings.root)
            app.include_router(router, prefix=settings.base)
            app.include_router(router, prefix=plain.prefix)
            app.include_router(router, prefix="/" + "/".join(plain.parts))
            app.include_router(router, prefix=Config.DEBUG_PREFIX.rstrip("/"))
            app.include_router(router, prefix=config.get_settings().api.prefix.replace("api", "other"))
        """,
    },
    "functions from functions": {
        "main.py": """
            from typing import Callable
            from fastapi import APIRouter, FastAPI
            from pydantic import BaseModel

            class A(BaseModel): ...
            class B(BaseModel): ...

            def crud(name: str, model: type[BaseModel], *extra: Callable[[APIRouter], None], **options) -> APIRouter:
                router = APIRouter(prefix=f"/{name}", **options)

                @router.get("", response_model=list[model])
                def read_all(): ...

                @router.post("", response_model=model, status_code=201)
                def create(body: model): ...

                for one in extra:
                    one(router)
                return router

            def with_export(router: APIRouter) -> None:
                @router.get("/export")
                def export(): ...

            def build(*routers: APIRouter, prefix: str = "") -> FastAPI:
                app = FastAPI()
                list(map(lambda r: app.include_router(r, prefix=prefix), routers))
                return app

            app = build(crud("a", A, with_export), crud("b", B, tags=["b"]), prefix="/v1")
        """
    },
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_fastapi(tmp_path: Path, name: str) -> None:
    project = make(tmp_path, CASES[name])
    assert mapped(project) == served(tmp_path, "main:app")
    assert project.route_map.unknown == []
    assert not any(route.conditional for route in project.routes)


def test_views_of_a_library(tmp_path: Path) -> None:
    files = {
        "main.py": """
            from fastapi import APIRouter, Depends, FastAPI
            from fastapi_utils.cbv import cbv

            router = APIRouter(prefix="/items")

            def session(): ...
            def user(): ...

            class Base:
                db: int = Depends(session)

            @cbv(router)
            class Items(Base):
                who: int = Depends(user)

                def __init__(self, page: int = 1): ...

                @router.get("/x")
                def read(self): ...

            app = FastAPI()
            app.include_router(router, prefix="/api")
        """
    }
    (route,) = make(tmp_path, files).routes
    assert (route.path, route.dependencies) == ("/api/items/x", ("main.Items", "main.session", "main.user"))
