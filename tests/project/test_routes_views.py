"""Class-based views of libraries: every tree here is run with the library and compared."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.running import mapped, served
from tests.project.trees import make

CASES: dict[str, tuple[str, str]] = {
    "cbv of fastapi-utils": (
        "fastapi_utils",
        """
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

                @router.get("/")
                def read(self) -> list[int]: ...

                @router.post("/", status_code=201)
                async def create(self, key: int): ...

            app = FastAPI()
            app.include_router(router, prefix="/api")
        """,
    ),
    "Routable of classy-fastapi": (
        "classy_fastapi",
        """
            from classy_fastapi import Routable, delete, get, post
            from fastapi import FastAPI

            class Items(Routable):
                def __init__(self, dao) -> None:
                    super().__init__(prefix="/items", tags=["items"])
                    self.dao = dao

                @get("/{key}")
                def read(self, key: str) -> str: ...

                @delete("/{key}", status_code=204)
                async def remove(self, key: str): ...

            class Plain(Routable):
                @post("/plain")
                def create(self): ...

            app = FastAPI()
            app.include_router(Items("dao").router)
            plain = Plain()
            app.include_router(plain.router, prefix="/v1")
        """,
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_same_as_the_library(tmp_path: Path, name: str) -> None:
    library, text = CASES[name]
    pytest.importorskip(library)
    project = make(tmp_path, {"main.py": text})
    assert sorted(mapped(project), key=str) == sorted(served(tmp_path, "main:app"), key=str)
    assert project.route_map.unknown == []


def test_what_is_not_read_is_listed(tmp_path: Path) -> None:
    text = """
        from fastapi import FastAPI
        from fastapi_class import View
        from fastapi_utils import Api, Resource

        class Items(Resource):
            def get(self): ...

        app = FastAPI()
        Api(app).add_resource(Items(), "/items")

        @View(app)
        class Things:
            def get(self): ...
    """
    project = make(tmp_path, {"main.py": text})
    assert [(u.line, u.why) for u in project.route_map.unknown] == [
        (10, "fastapi_utils serves its own endpoints on this application"),
        (12, "fastapi_class makes routes of the methods of this class"),
    ]
