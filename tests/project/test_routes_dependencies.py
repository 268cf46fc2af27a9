"""Dependencies of routes to a fixed point, in every form FastAPI takes: compared with what FastAPI itself flattens."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.running import mapped, served
from tests.project.trees import make

CASES: dict[str, dict[str, str]] = {
    "levels": {
        "main.py": """
            from fastapi import APIRouter, Depends, FastAPI

            def a(): ...
            def b(): ...
            def c(): ...
            def d(): ...
            def e(x=Depends(a)): ...

            app = FastAPI(dependencies=[Depends(a)])
            inner = APIRouter(dependencies=[Depends(c)])
            outer = APIRouter()

            @inner.get("/x", dependencies=[Depends(d)])
            def x(y=Depends(e)): ...

            @inner.websocket("/ws")
            async def ws(websocket, y=Depends(e)): ...

            outer.include_router(inner, dependencies=[Depends(b)])
            app.include_router(outer)
        """
    },
    "aliases across modules, as strings, of aliases": {
        "deps.py": """
            from __future__ import annotations
            from typing import Annotated
            from fastapi import Depends

            def get_db(): ...
            def get_user(db: "Annotated[int, Depends(get_db)]"): ...

            DB = Annotated[int, Depends(get_db)]
            User = Annotated[int, Depends(get_user)]
            Admin = Annotated[User, "more"]
        """,
        "main.py": """
            from __future__ import annotations
            import deps
            from deps import DB, User as CurrentUser
            from fastapi import FastAPI

            app = FastAPI()

            @app.get("/a")
            def a(db: DB): ...
            @app.get("/b")
            def b(user: CurrentUser): ...
            @app.get("/c")
            def c(user: deps.Admin): ...
            @app.get("/d")
            def d(user: "deps.User"): ...
        """,
    },
    "classes": {
        "main.py": """
            from dataclasses import dataclass
            from typing import Annotated, Generic, TypeVar
            from fastapi import Depends, FastAPI, Request
            from pydantic import BaseModel

            app = FastAPI()
            T = TypeVar("T")

            def db(): ...

            class Base:
                def __init__(self, session=Depends(db)): ...

            class Service(Base): ...

            class Query(BaseModel):
                page: int = 1

            @dataclass
            class Filters:
                user: Annotated[int, Depends(db)]
                name: str = ""

            class Repository(Generic[T]):
                def __init__(self, session=Depends(db)): ...

            @app.get("/1")
            def f1(s: Service = Depends()): ...
            @app.get("/2")
            def f2(s: Annotated[Service, Depends()]): ...
            @app.get("/3")
            def f3(q: Query = Depends(Query)): ...
            @app.get("/4")
            def f4(f: Annotated[Filters, Depends()]): ...
            @app.get("/5")
            def f5(r=Depends(Repository)): ...
        """
    },
    "objects, closures, partial, methods": {
        "main.py": """
            import functools
            from functools import partial
            from typing import Annotated, Callable
            from fastapi import Depends, FastAPI, Security
            from fastapi.security import APIKeyHeader, HTTPBearer, OAuth2PasswordBearer, SecurityScopes

            app = FastAPI()
            oauth = OAuth2PasswordBearer(tokenUrl="t")

            def db(): ...

            class Check:
                def __init__(self, role): ...
                async def __call__(self, session=Depends(db)): ...

            class Auth:
                scheme = HTTPBearer()

                def required(self, key=Depends(APIKeyHeader(name="x"))): ...

                @classmethod
                def of_class(cls, token=Depends(scheme)): ...

                @staticmethod
                def free(session=Depends(db)): ...

            class Bearer(HTTPBearer):
                async def __call__(self, request): ...

            auth = Auth()

            def require(role: str) -> Callable:
                def checker(token=Depends(oauth)): ...
                return checker

            def guarded(role):
                return Depends(require(role))

            def with_scopes(scopes: SecurityScopes, token=Security(oauth, scopes=["x"])): ...

            def two(a, session=Depends(db)): ...

            def cached():
                def decorate(function):
                    @functools.wraps(function)
                    def wrapper(*args, **kwargs):
                        return function(*args, **kwargs)
                    return wrapper
                return decorate

            @cached()
            def wrapped(session=Depends(db)): ...

            Guard = Annotated[None, guarded("alias")]

            @app.get("/1", dependencies=[Depends(Check("admin")), guarded("admin")])
            def f1(): ...
            @app.get("/2")
            def f2(a=Depends(auth.required), b=Depends(Auth.of_class), c=Depends(Auth.free)): ...
            @app.get("/3")
            def f3(a=Security(with_scopes, scopes=["items"])): ...
            @app.get("/4")
            def f4(a=Depends(partial(two, 1)), b=Depends(partial(two, a=2))): ...
            @app.get("/5")
            def f5(a: Guard, b=Depends(wrapped)): ...
            @app.get("/6")
            def f6(a=Depends(Bearer()), b=Depends(lambda session=Depends(db): session)): ...
        """
    },
    "an alias given to Depends, which never runs what it holds": {
        "main.py": """
            from typing import Annotated
            from fastapi import Depends, FastAPI

            app = FastAPI()

            def inner(): ...

            Alias = Annotated[int, Depends(inner)]

            @app.get("/")
            def read(x=Depends(Alias)): ...
        """
    },
    "closures of different calls": {
        "main.py": """
            from fastapi import APIRouter, Depends, FastAPI

            def a(): ...
            def b(): ...

            def endpoint_for(dependency):
                def endpoint(x=Depends(dependency)): ...
                return endpoint

            app = FastAPI()
            for name, dependency in {"a": a, "b": b}.items():
                app.add_api_route(f"/{name}", endpoint_for(dependency))

            def resource(name, guards=()):
                router = APIRouter(prefix=f"/{name}", dependencies=[Depends(g) for g in guards])

                @router.get("/")
                def read(): ...

                return router

            app.include_router(resource("one", [a]))
            app.include_router(resource("two", guards=[a, b]))
        """
    },
    "generator and cyclic parameters": {
        "main.py": """
            from typing import Annotated
            from fastapi import Depends, FastAPI

            app = FastAPI()

            async def session():
                yield 1

            def first(s=Depends(session)): ...
            def second(f=Depends(first), s: Annotated[int, Depends(session)] = 0): ...

            @app.get("/")
            async def read(*, f=Depends(first), s=Depends(second, use_cache=False)): ...
        """
    },
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_fastapi(tmp_path: Path, name: str) -> None:
    project = make(tmp_path, CASES[name])
    assert mapped(project) == served(tmp_path, "main:app")


def test_levels_are_told_apart(tmp_path: Path) -> None:
    route = make(tmp_path, CASES["levels"]).routes[0]
    assert route.app_dependencies == ("main.a",)
    assert route.include_dependencies == ("main.b",)
    assert route.router_dependencies == ("main.c",)
    assert route.own_dependencies == ("main.d", "main.e")
    assert [d.name for d in route.dependency_tree] == ["main.a", "main.b", "main.c", "main.d", "main.e"]


def test_what_fastapi_itself_calls(tmp_path: Path) -> None:
    project = make(tmp_path, CASES["objects, closures, partial, methods"])
    called = {f.dotted: f for r in project.routes for f in r.dependency_functions}
    assert {"main.Check.__call__", "main.require.<locals>.checker", "main.db"} <= set(called)
    assert "fastapi.security.HTTPBearer" in called


def test_scopes(tmp_path: Path) -> None:
    project = make(tmp_path, CASES["objects, closures, partial, methods"])
    assert next(r for r in project.routes if r.path == "/3").security_scopes == ("items", "x")


def test_dependencies_that_need_each_other(tmp_path: Path) -> None:
    files = {
        "main.py": """
            from fastapi import Depends, FastAPI
            app = FastAPI()
            class A:
                def __init__(self, b: "B" = Depends()): ...
            class B:
                def __init__(self, a: A = Depends()): ...
            @app.get("/")
            def read(a: A = Depends()): ...
        """
    }
    assert make(tmp_path, files).routes[0].dependencies == ("main.A", "main.B")
