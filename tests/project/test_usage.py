"""What routes take and give: response types, classes in either direction, what handlers return."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import function, make

from project import Project
from project.routing.routes import Route

APP = """
    from typing import Annotated, Any, Optional
    from fastapi import APIRouter, Depends, FastAPI, Query, Response
    from fastapi.responses import HTMLResponse, JSONResponse
    from pydantic import BaseModel
    from sqlalchemy import select
    from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

    class Base(DeclarativeBase): ...

    class Row(Base):
        __tablename__ = "rows"
        id: Mapped[int] = mapped_column(primary_key=True)

    class Owner(BaseModel):
        name: str

    class Item(BaseModel):
        owner: Owner

    class Filter(BaseModel):
        q: str

    def get_db() -> Session: ...
    def guard(tenant: str): ...

    DB = Annotated[Session, Depends(get_db)]
    router = APIRouter(prefix="/items", dependencies=[Depends(guard)])

    @router.post("/annotated")
    def annotated(item: Item, filter: Annotated[Filter, Query()]) -> Item: ...

    @router.get("/modelled", response_model=Optional[list[Item]])
    def modelled(db: DB) -> Any:
        return db.scalars(select(Row)).all()

    @router.get("/nothing", response_model=None)
    def nothing() -> Item: ...

    @router.get("/response")
    def response() -> HTMLResponse | None:
        return HTMLResponse("x")

    @router.get("/bare")
    def bare(db: DB, flag: bool):
        if flag:
            return JSONResponse({})
        row = db.get(Row, 1)
        return row

    app = FastAPI()
    app.include_router(router)
"""


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return make(tmp_path, {"app.py": APP})


def route(project: Project, name: str) -> Route:
    return next(r for r in project.routes if r.function is not None and r.function.name == name)


def test_what_says_the_response_type(project: Project) -> None:
    answers = {
        name: project.usage.answer(route(project, name))
        for name in ("annotated", "modelled", "nothing", "response", "bare")
    }
    assert {n: (a.said, a.nothing, a.is_response) for n, a in answers.items()} == {
        "annotated": ("annotation", False, False),
        "modelled": ("response_model", False, False),
        "nothing": ("response_model", True, False),
        "response": ("annotation", False, True),
        "bare": ("", False, False),
    }
    assert [o.dotted for o in answers["modelled"].shape.options] == ["builtins.list"]
    assert answers["modelled"].shape.optional


def test_classes_that_travel(project: Project) -> None:
    bodies = {cls.name: uses for cls, uses in project.usage.bodies.items()}
    assert {name: uses[0].path for name, uses in bodies.items()} == {"Item": (), "Owner": ("owner",)}
    responses = {cls.name: [use.route.path for use in uses] for cls, uses in project.usage.responses.items()}
    assert responses == {
        "Item": ["/items/annotated", "/items/modelled"],
        "Owner": ["/items/annotated", "/items/modelled"],
    }


def test_parameters_of_every_level(project: Project) -> None:
    found = {p.name: p.kind for p in project.usage.parameters(route(project, "annotated"))}
    assert found == {"item": "body", "filter": "query", "tenant": "query"}
    assert [p.name for p in project.usage.own_parameters(route(project, "annotated"))] == ["item", "filter"]


def test_what_handlers_return(project: Project) -> None:
    assert [m.name for m in project.usage.returned_models(function(project, "app.py", "modelled"))] == ["Row"]
    bare = function(project, "app.py", "bare")
    assert [m.name for m in project.usage.returned_models(bare)] == ["Row"]
    assert [project.usage.is_response_value(e, bare) for e in project.usage.returned(bare)] == [True, None]
