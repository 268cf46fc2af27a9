"""The route map is what FastAPI builds: every tree here is run by FastAPI itself and compared, order included."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.running import mapped, served
from tests.project.trees import make

CASES: dict[str, dict[str, str]] = {
    "decorators": {
        "main.py": """
            from fastapi import FastAPI, status
            from pydantic import BaseModel

            app = FastAPI()

            class Item(BaseModel):
                id: int

            @app.get("/items")
            @app.get("/things", include_in_schema=False)
            async def read_items() -> list[Item]: ...

            @app.post("/items", status_code=status.HTTP_201_CREATED, response_model=Item, tags=["a", "b"])
            def create_item(item: Item): ...

            @app.api_route("/any", methods=["GET", "POST"])
            def anything(): ...

            @app.put("/none", response_model=None, status_code=204)
            def nothing() -> Item: ...

            @app.websocket("/ws")
            async def socket(websocket): ...

            @app.get("/{path:path}")
            def rest(path: str): ...
        """
    },
    "packages, prefixes, relative imports and re-exports": {
        "shop/__init__.py": "",
        "shop/main.py": """
            from fastapi import FastAPI
            from .api import router
            from shop.settings import settings

            app = FastAPI()
            app.include_router(router, prefix=f"{settings.API}/v1", tags=["v1"])
        """,
        "shop/settings.py": """
            from pydantic import BaseModel

            class Settings(BaseModel):
                API: str = "/api"

            settings = Settings()
        """,
        "shop/api/__init__.py": """
            from fastapi import APIRouter
            from . import items, users

            router = APIRouter()
            for module in (items, users):
                router.include_router(module.router)
        """,
        "shop/api/items.py": """
            from fastapi import APIRouter

            PREFIX = "/items"
            router = APIRouter(prefix=PREFIX, tags=["items"])

            @router.get("")
            def list_items(): ...

            @router.get(PREFIX + "/{item_id}")
            def read_item(item_id: int): ...
        """,
        "shop/api/users.py": """
            from fastapi import APIRouter as Router

            router = Router(prefix="/users")

            @router.get("/")
            def list_users(): ...
        """,
    },
    "an application in the __init__ of its package": {
        "app/__init__.py": """
            from fastapi import FastAPI
            from app.core.setup import register

            try:
                from app.settings import PREFIX
            except ImportError:
                raise RuntimeError

            app = FastAPI()
            register(app, PREFIX)
        """,
        "app/settings.py": "PREFIX = '/api'\n",
        "app/core/__init__.py": "",
        "app/core/setup.py": """
            from app.api import router

            def register(app, prefix):
                app.include_router(router, prefix=prefix)
        """,
        "app/api.py": "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/x')\ndef x(): ...\n",
    },
    "functions that get the application or a router": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            def hello(): ...
            def bye(): ...

            TABLE = [("/hello", hello, ["GET"]), ("/bye", bye, ["POST", "PUT"])]

            def register(app, prefix):
                for path, function, methods in TABLE:
                    app.add_api_route(prefix + path, function, methods=methods)

            def make_router(name: str, *, tags=None) -> APIRouter:
                router = APIRouter(prefix=f"/{name}", tags=tags or [name])

                @router.get("/closure")
                def closure(): ...

                return router

            def create_app() -> FastAPI:
                app = FastAPI()
                register(app, "/v1")
                register(app, prefix="/v2")
                routers = {"a": make_router("a"), "b": make_router("b", tags=["x"])}
                for router in routers.values():
                    app.include_router(router)
                return app

            app = create_app()
        """
    },
    "routers added to after they were included": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            app = FastAPI()
            outer, inner = APIRouter(prefix="/outer"), APIRouter(prefix="/inner")
            app.include_router(outer, prefix="/api")

            @app.get("/between")
            def between(): ...

            outer.include_router(inner)

            @inner.get("/late")
            def late(): ...
        """
    },
    "one router twice": {
        "main.py": """
            from fastapi import APIRouter, Depends, FastAPI

            def guard(): ...

            router = APIRouter()

            @router.get("/x")
            def x(): ...

            app = FastAPI()
            app.include_router(router, prefix="/open")
            app.include_router(router, prefix="/closed", dependencies=[Depends(guard)])
        """
    },
    "mounted applications": {
        "main.py": """
            from fastapi import Depends, FastAPI
            from starlette.routing import Mount
            from sub import child

            def of_app(): ...

            app = FastAPI(dependencies=[Depends(of_app)])
            other = FastAPI()

            @other.get("/y")
            def y(): ...

            @app.get("/z")
            def z(): ...

            app.mount("/child", child)
            app.mount("/other/", other)
        """,
        "sub.py": """
            from fastapi import FastAPI

            child = FastAPI()

            @child.get("/x")
            def x(): ...
        """,
    },
    "decorated handlers": {
        "main.py": """
            import functools
            from functools import wraps
            from fastapi import Depends, FastAPI

            app = FastAPI()

            def dep(): ...

            def logged(function):
                @wraps(function)
                async def wrapper(*args, **kwargs):
                    return await function(*args, **kwargs)
                return wrapper

            class Limit:
                def __init__(self, number):
                    self.number = number

                def __call__(self, function):
                    @functools.wraps(function)
                    async def wrapper(*args, **kwargs):
                        return await function(*args, **kwargs)
                    return wrapper

            @app.get("/a")
            @logged
            @Limit(5)
            async def a(x=Depends(dep)) -> dict[str, int]: ...

            def registered(path):
                def decorator(function):
                    app.add_api_route(path, function)
                    return function
                return decorator

            @registered("/b")
            def b(): ...
        """
    },
    "modules of a package, found by name": {
        "main.py": """
            import importlib
            import pkgutil
            from pathlib import Path
            from fastapi import APIRouter, FastAPI
            import parts

            app = FastAPI()
            for info in pkgutil.iter_modules(parts.__path__):
                module = importlib.import_module(f"{parts.__name__}.{info.name}")
                app.include_router(module.router, prefix=f"/{info.name}")

            found = sorted(Path(__file__).parent.glob("parts/*.py"))
            for file in found:
                if file.stem.startswith("_"):
                    continue
                module = importlib.import_module("parts." + file.stem)
                for name in dir(module):
                    value = getattr(module, name)
                    if isinstance(value, APIRouter):
                        app.include_router(value, prefix="/again")
        """,
        "parts/__init__.py": "",
        "parts/b.py": "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/b')\ndef b(): ...\n",
        "parts/a.py": "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/a')\ndef a(): ...\n",
    },
    "a table in a file": {
        "main.py": """
            import json
            from pathlib import Path
            from fastapi import APIRouter, FastAPI

            router = APIRouter()

            def handler(): ...

            with open(Path(__file__).parent / "table.json") as file:
                for row in json.load(file)["routes"]:
                    getattr(router, row["method"].lower())(row["path"])(handler)

            app = FastAPI()
            app.include_router(router)
        """,
        "table.json": '{"routes": [{"method": "GET", "path": "/x"}, {"method": "POST", "path": "/x/{id}"}]}',
    },
    "the same variable for several routers": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            app = FastAPI()
            router = APIRouter(prefix="/a")

            @router.get("/x")
            def x(): ...

            app.include_router(router)
            router = APIRouter(prefix="/b")

            @router.get("/y")
            def y(): ...

            app.include_router(router)
        """
    },
    "a router that other modules add to": {
        "main.py": """
            from fastapi import FastAPI
            from first import shared
            import second

            app = FastAPI()
            app.include_router(shared)
        """,
        "first.py": """
            from fastapi import APIRouter
            shared = APIRouter(prefix="/s")
            @shared.get("/1")
            def one(): ...
        """,
        "second.py": "from first import shared as router\n@router.get('/2')\ndef two(): ...\n",
    },
    "enumerations, class attributes and partial application": {
        "main.py": """
            from enum import Enum
            from functools import partial
            from fastapi import APIRouter, FastAPI

            class Tags(str, Enum):
                ITEMS = "items"

            class Paths:
                ROOT = "/root"
                ITEMS = ROOT + "/items"

            make = partial(APIRouter, prefix=Paths.ITEMS)
            router = make(tags=[Tags.ITEMS.value])

            @router.get("/%s/{id}" % "x")
            def x(id: int): ...

            @router.get("/{}/{id}".format("y", id="{id}"))
            def y(id: int): ...

            app = FastAPI()
            app.include_router(router, prefix="/".join(["", "api", "v1"]))
        """
    },
    "response models": {
        "main.py": """
            from typing import Annotated, Any, AsyncIterator, Generic, List, Optional, TypeVar, Union
            from fastapi import FastAPI, Response
            from fastapi.responses import JSONResponse, RedirectResponse
            from pydantic import BaseModel

            app = FastAPI()
            T = TypeVar("T")

            class A(BaseModel): ...
            class B(BaseModel): ...
            class Page(BaseModel, Generic[T]):
                items: list[T]

            class Own(JSONResponse): ...

            @app.get("/1")
            def f1() -> Response: ...
            @app.get("/2")
            def f2() -> Own: ...
            @app.get("/3")
            def f3() -> "A": ...
            @app.get("/4", response_model=Page[A])
            def f4() -> Any: ...
            @app.get("/5")
            def f5() -> Optional[A]: ...
            @app.get("/6")
            def f6() -> A | None: ...
            @app.get("/7", response_model=Union[A, B])
            def f7(): ...
            @app.get("/8")
            def f8() -> None: ...
            @app.get("/9", response_model=dict[str, List[A]])
            def f9(): ...
            @app.get("/10", response_class=RedirectResponse, status_code=307)
            def f10() -> str: ...
        """
    },
    "the table of routes edited afterwards": {
        "main.py": """
            from fastapi import APIRouter, FastAPI
            from fastapi.routing import APIRoute

            router = APIRouter()

            @router.get("/c")
            def c(): ...
            @router.get("/a")
            def a(): ...
            @router.get("/b")
            def b(): ...
            @router.get("/gone")
            def gone(): ...

            router.routes = [r for r in router.routes if r.path != "/gone"]
            router.routes[:] = sorted(router.routes, key=lambda r: (r.path, len(r.path)))
            router.routes.insert(0, router.routes.pop())
            app = FastAPI(routes=[APIRoute("/first", a, methods=["POST"])])
            app.include_router(router)
        """
    },
    "routers sorted by an attribute of theirs": {
        "main.py": """
            from pathlib import Path
            import importlib
            from fastapi import APIRouter, FastAPI
            from ordered import Ordered

            app = FastAPI()
            found = []
            for path in Path(__file__).parent.glob("modules/*/routes/[!_]*.py"):
                relative = path.relative_to(Path(__file__).parent).with_suffix("")
                module = importlib.import_module(".".join(relative.parts))
                for name, value in vars(module).items():
                    if isinstance(value, APIRouter):
                        found.append((getattr(value, "order", 100), name, value))
            for _, _, router in sorted(found, key=lambda item: (item[0], item[1])):
                app.include_router(router)
        """,
        "ordered.py": """
            from fastapi import APIRouter

            class Ordered(APIRouter):
                def __init__(self, *args, order: int = 50, **kwargs):
                    self.order = order
                    super().__init__(*args, **kwargs)
        """,
        "modules/a/routes/x.py": """
            from fastapi import APIRouter
            from ordered import Ordered
            plain, late = APIRouter(prefix="/plain"), Ordered(prefix="/late", order=60)
            @plain.get("/")
            def read_plain(): ...
            @late.get("/")
            def read_late(): ...
        """,
        "modules/b/routes/y.py": """
            from ordered import Ordered
            router = Ordered(prefix="/early", order=1)
            @router.get("/")
            def read_early(): ...
        """,
    },
    "a mount on a router": {
        "main.py": """
            from fastapi import APIRouter, FastAPI

            router, sub = APIRouter(prefix="/own"), FastAPI()

            @sub.get("/x")
            def x(): ...

            router.mount("/sub", sub)
            app = FastAPI()
            app.include_router(router, prefix="/api")
        """
    },
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_fastapi(tmp_path: Path, name: str) -> None:
    project = make(tmp_path, CASES[name])
    module = next(m for m in ("main", "shop.main", "app") if _is_in(CASES[name], m))
    target = f"{module}:app"
    assert mapped(project, target) == served(tmp_path, target)
    assert project.route_map.unknown == []
    assert not any(route.conditional for route in project.routes)


def _is_in(files: dict[str, str], module: str) -> bool:
    stem = module.replace(".", "/")
    return f"{stem}.py" in files or f"{stem}/__init__.py" in files
