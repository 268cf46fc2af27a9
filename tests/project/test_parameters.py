"""Where parameters come from, as FastAPI decides; the same cases are compared with FastAPI itself when it is there."""

from __future__ import annotations

import sys
from pathlib import Path
from types import ModuleType

import pytest
from tests.project.trees import function, make

from project.routing.parameters import Parameters, path_names

CASES = """
    import dataclasses
    import datetime
    import enum
    import uuid
    from collections import deque
    from collections.abc import Iterable, Mapping, Sequence
    from typing import Annotated, Any, Dict, List, Literal, NamedTuple, Optional, Tuple, Union
    from fastapi import (
        BackgroundTasks, Body, Cookie, Depends, File, Form, Header, Path, Query, Request, Response, Security, UploadFile
    )
    from fastapi.security import SecurityScopes
    from pydantic import BaseModel, HttpUrl, SecretStr
    from typing_extensions import TypedDict

    class Item(BaseModel):
        name: str
        note: Optional[str] = None

    @dataclasses.dataclass
    class Point:
        x: int
        y: int = 0

    class Typed(TypedDict):
        a: int

    class Named(NamedTuple):
        a: int

    class Colour(enum.Enum):
        red = "red"

    class Filter(BaseModel):
        q: str = ""

    class Session: ...

    class Pagination:
        def __init__(self, limit: int = 10, offset: int = 0): ...

    class Guard:
        def __call__(self, request: Request, token: Annotated[str, Header()]): ...

    def get_session(x_tenant: Annotated[str, Header()]) -> Session: ...

    SessionDep = Annotated[Session, Depends(get_session)]
    Limit = Annotated[int, Query(ge=1)]

    def types(
        item_id: int, plain, text: str, when: datetime.date, key: uuid.UUID, colour: Colour,
        url: HttpUrl, secret: SecretStr,
        word: Literal["a"], anything: Any, maybe: int | None, item: Item, items: List[Item], point: Point, typed: Typed,
        named: Named, mapping: Dict[str, int], more: Mapping[str, int], numbers: list[int], pair: Tuple[int, int],
        queue: deque[int], either: Union[int, Item], perhaps: Optional[Item], strings: Sequence[str],
        maybe_list: list[int] | None, file: UploadFile, files: list[UploadFile], bare: list,
        maybe_file: UploadFile | None = None,
    ): ...

    def markers(
        item_id: Annotated[int, Path()], request: Request, response: Response,
        tasks: BackgroundTasks, scopes: SecurityScopes,
        session: SessionDep, limit: Limit, filter: Annotated[Filter, Query()], token: Annotated[str, "x", Cookie()],
        pages: Annotated[Pagination, Depends()], old: Session = Depends(get_session), guard: str = Security(Guard()),
        numbers: list[int] = Query([]), raw: int = Body(...), name: str = Form(),
        data: bytes = File(), agent: str = Header(None),
    ): ...
"""
TYPES = {
    "path": "item_id",
    "query": "plain text when key colour url secret word anything maybe",
    "body": "item items point typed mapping more numbers pair queue either perhaps strings maybe_list",
    "file": "file files maybe_file named bare",
}
MARKERS = {
    "path": "item_id",
    "context": "request response tasks scopes",
    "dependency": "session pages old guard",
    "query": "limit filter numbers",
    "cookie": "token",
    "body": "raw",
    "form": "name",
    "file": "data",
    "header": "agent",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "tree"


def kinds(parameters: Parameters, target: object) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for parameter in parameters.of(target, path_names("/items/{item_id}/{rest:path}")):  # type: ignore[arg-type]
        found.setdefault(parameter.kind, set()).add(parameter.name)
    return found


@pytest.mark.parametrize(("name", "expected"), [("types", TYPES), ("markers", MARKERS)])
def test_where_parameters_come_from(folder: Path, name: str, expected: dict[str, str]) -> None:
    project = make(folder, {"cases.py": CASES})
    found = kinds(project.parameters, function(project, "cases.py", name))
    assert found == {kind: set(names.split()) for kind, names in expected.items()}


@pytest.mark.parametrize("name", ["types", "markers"])
def test_fastapi_decides_the_same(folder: Path, name: str) -> None:
    pytest.importorskip("fastapi")
    from fastapi.dependencies.utils import get_dependant

    project = make(folder, {"cases.py": CASES})
    code = (folder / "cases.py").read_text(encoding="utf-8")
    cases = ModuleType("fastapi_decides_cases")
    sys.modules[cases.__name__] = cases
    exec(compile(code, "cases.py", "exec", dont_inherit=True), cases.__dict__)
    made = get_dependant(path="/items/{item_id}", call=getattr(cases, name))
    theirs = {
        "path": {p.name for p in made.path_params},
        "query": {p.name for p in made.query_params},
        "header": {p.name for p in made.header_params},
        "cookie": {p.name for p in made.cookie_params},
        "dependency": {d.name for d in made.dependencies},
    }
    for parameter in made.body_params:
        theirs.setdefault(type(parameter.field_info).__name__.lower(), set()).add(parameter.name)
    ours = kinds(project.parameters, function(project, "cases.py", name))
    ours.pop("context", None)
    assert ours == {kind: names for kind, names in theirs.items() if names}


def test_defaults_markers_and_names_on_the_wire(folder: Path) -> None:
    project = make(
        folder,
        {"m.py": """
            from typing import Annotated
            from fastapi import Header, Query
            def f(a: int, b: int = 1, c: int = Query(2, le=9), d: int = Query(...),
                  e: Annotated[int, Query(alias="E")] = 5,
                  x_id: str = Header(), g: int = Query(default=None)): ...
        """},
    )  # fmt: skip
    found = {p.name: p for p in project.parameters.of(function(project, "m.py", "f"))}
    assert {n for n, p in found.items() if p.default is None} == {"a", "d", "x_id"}
    assert (found["e"].wire_name, found["x_id"].wire_name, found["a"].wire_name) == ("E", "x-id", "a")
    assert (found["c"].marker, found["c"].annotated, list(found["c"].info)) == ("Query", False, ["le"])
    assert (found["e"].marker, found["e"].annotated) == ("Query", True)


def test_parameters_of_dependencies_count_once(folder: Path) -> None:
    project = make(folder, {"cases.py": CASES})
    flat = project.parameters.flat(function(project, "cases.py", "markers"), frozenset(("item_id",)))
    names = [p.name for p in flat]
    assert names.count("x_tenant") == 1
    assert {"limit", "offset", "token"} <= set(names)


def test_fields_of_a_model_that_is_a_dependency(folder: Path) -> None:
    project = make(
        folder,
        {"m.py": """
            from fastapi import Depends
            from pydantic import BaseModel
            class Filter(BaseModel):
                q: str
                tags: list[str] = []
            def f(filter: Filter = Depends()): ...
        """},
    )  # fmt: skip
    flat = project.parameters.flat(function(project, "m.py", "f"))
    assert {(p.name, p.kind) for p in flat} == {("filter", "dependency"), ("q", "query"), ("tags", "body")}


def test_what_nobody_can_know_is_unknown(folder: Path) -> None:
    project = make(folder, {"m.py": "from elsewhere import Thing\ndef f(self_made: Thing, missing: Nowhere): ...\n"})
    assert {p.kind for p in project.parameters.of(function(project, "m.py", "f"))} == {"unknown"}


def test_markers_behind_variables_and_functions(folder: Path) -> None:
    project = make(
        folder,
        {"m.py": """
            from fastapi import Depends, Query
            from pydantic import BaseModel
            class User(BaseModel): ...
            def get_user() -> User: ...
            user_dep = Depends(get_user)
            def limit(most: int = 9):
                return Query(5, le=most)
            def f(user: User = user_dep, size: int = limit()): ...
        """},
    )  # fmt: skip
    found = project.parameters.of(function(project, "m.py", "f"))
    assert [(p.name, p.kind, list(p.info)) for p in found] == [("user", "dependency", []), ("size", "query", ["le"])]
    assert [p.providers[0].dotted for p in found[:1]] == ["m.get_user"]


def test_function_that_returns_one_marker_or_another(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"m.py": """
            from typing import Annotated, Any
            from dishka import FromComponent
            from fastapi import Depends, Query
            from pydantic import AfterValidator, BaseModel

            class Role(BaseModel): ...

            def guard(optional: bool) -> Any:
                if optional:
                    def maybe(key: str) -> Role: ...
                    return Depends(maybe)
                def must(token: str) -> Role: ...
                return Depends(must)

            def either(x: bool) -> Any:
                if x:
                    return Query(0)
                return Depends(guard)

            def f(
                role: Annotated[Role, guard(True)],
                other: Annotated[Role, either(True)],
                made: Annotated[Role, FromComponent("roles")],
                checked: Annotated[Role, AfterValidator(print)],
            ): ...
        """},
    )  # fmt: skip
    found = {p.name: p for p in project.parameters.of(function(project, "m.py", "f"))}
    kinds = {"role": "dependency", "other": "unknown", "made": "unknown", "checked": "body"}
    assert {name: p.kind for name, p in found.items()} == kinds
    assert [p.name for p in found["role"].providers] == ["maybe", "must"]
