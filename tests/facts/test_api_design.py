"""Proofs of the statements in API_DESIGN.md about models, parameters, answers and lists."""

from collections.abc import AsyncIterable
from types import SimpleNamespace
from typing import Annotated, Any, Generic, Optional, TypeVar

import pytest
from fastapi import Body, Depends, FastAPI, HTTPException, Query, Response
from fastapi.exceptions import ResponseValidationError
from fastapi.responses import JSONResponse
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field, ValidationError, computed_field
from sqlmodel import Field as SQLField
from sqlmodel import SQLModel

from .registry import fact

T = TypeVar("T")


class Public(BaseModel):
    id: int
    name: str


class Stored(Public):
    password_hash: str = "argon2"


class Page(BaseModel, Generic[T]):
    items: list[T]


def operation(app: FastAPI, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["paths"][path][method]
    return found


@fact("api-declared-type-filters")
def test_a_declared_type_filters_and_a_missing_one_does_not() -> None:
    app = FastAPI()

    @app.get("/declared")
    def declared() -> Public:
        return Stored(id=1, name="a")

    @app.get("/undeclared")
    def undeclared():  # type: ignore[no-untyped-def]
        return Stored(id=1, name="a")

    client = TestClient(app)
    assert client.get("/declared").json() == {"id": 1, "name": "a"}
    assert client.get("/undeclared").json() == {"id": 1, "name": "a", "password_hash": "argon2"}


@fact("api-response-model-wins")
def test_response_model_wins_over_the_annotation() -> None:
    app = FastAPI()

    @app.get("/", response_model=Public)
    def read() -> Any:
        return Stored(id=1, name="a")

    assert TestClient(app).get("/").json() == {"id": 1, "name": "a"}


@fact("api-returned-response-unfiltered")
def test_a_returned_response_is_sent_as_it_is() -> None:
    app = FastAPI()

    @app.get("/", response_model=Public)
    def read() -> Any:
        return JSONResponse({"id": 1, "name": "a", "password_hash": "argon2"})

    assert "password_hash" in TestClient(app).get("/").json()


@fact("api-injected-response")
def test_an_injected_response_sets_headers_and_keeps_the_filter() -> None:
    app = FastAPI()

    @app.get("/")
    def read(response: Response) -> Public:
        response.headers["ETag"] = '"1"'
        return Stored(id=1, name="a")

    answer = TestClient(app).get("/")
    assert answer.headers["etag"] == '"1"'
    assert answer.json() == {"id": 1, "name": "a"}


@fact("api-attributes-read-from-objects")
def test_response_models_read_attributes_but_model_validate_does_not() -> None:
    app = FastAPI()
    row = SimpleNamespace(id=1, name="a", password_hash="argon2")

    @app.get("/", response_model=Public)
    def read() -> Any:
        return row

    assert TestClient(app).get("/").json() == {"id": 1, "name": "a"}
    with pytest.raises(ValidationError):
        Public.model_validate(row)


@fact("api-response-mismatch-500")
def test_a_value_that_does_not_fit_the_response_model_is_a_server_error() -> None:
    app = FastAPI()

    @app.get("/", response_model=Public)
    def read() -> Any:
        return {"id": 1}

    with pytest.raises(ResponseValidationError):
        TestClient(app).get("/")
    assert TestClient(app, raise_server_exceptions=False).get("/").status_code == 500


@fact("api-extra-ignored")
def test_unknown_keys_are_dropped_unless_forbidden() -> None:
    class Strict(BaseModel):
        model_config = ConfigDict(extra="forbid")
        name: str

    class Loose(BaseModel):
        name: str

    app = FastAPI()

    @app.post("/loose")
    def loose(body: Loose) -> dict[str, Any]:
        return body.model_dump()

    @app.post("/strict")
    def strict(body: Strict) -> dict[str, Any]:
        return body.model_dump()

    client = TestClient(app)
    assert client.post("/loose", json={"name": "a", "is_admin": True}).json() == {"name": "a"}
    assert client.post("/strict", json={"name": "a", "is_admin": True}).status_code == 422


@fact("api-orm-mode-ignored")
@pytest.mark.filterwarnings("ignore:Support for class-based")
def test_orm_mode_only_warns() -> None:
    with pytest.warns(UserWarning, match="orm_mode"):

        class Old(BaseModel):
            id: int

            class Config:
                orm_mode = True

    with pytest.raises(ValidationError):
        Old.model_validate(SimpleNamespace(id=1))


@fact("api-from-attributes")
def test_from_attributes_reads_an_object() -> None:
    class New(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        id: int

    assert New.model_validate(SimpleNamespace(id=1)).id == 1


@fact("api-optional-is-required")
def test_optional_without_a_default_is_required() -> None:
    class Item(BaseModel):
        note: Optional[str]  # noqa: UP045
        tag: str | None = None

    assert Item.model_fields["note"].is_required()
    assert not Item.model_fields["tag"].is_required()


@fact("api-old-methods-work")
def test_the_old_method_names_work_and_warn() -> None:
    with pytest.warns(DeprecationWarning, match="model_dump"):
        assert Public(id=1, name="a").dict() == {"id": 1, "name": "a"}  # type: ignore[deprecated,unused-ignore]


@fact("api-exclude-unset")
def test_exclude_unset_tells_absent_from_null() -> None:
    class Update(BaseModel):
        name: str | None = None
        email: str | None = None

    assert Update.model_validate({"email": None}).model_dump(exclude_unset=True) == {"email": None}
    assert Update.model_validate({"email": None}).model_dump(exclude_none=True) == {}


@fact("api-default-not-validated")
def test_a_default_is_not_validated_so_a_field_can_be_absent_and_still_refuse_null() -> None:
    class Update(BaseModel):
        name: str = Field(default=None, min_length=1)  # type: ignore[assignment]

    assert Update.model_validate({}).model_dump(exclude_unset=True) == {}
    with pytest.raises(ValidationError):
        Update.model_validate({"name": None})


@fact("api-defaults-copied")
def test_a_mutable_default_is_copied() -> None:
    class Bag(BaseModel):
        tags: list[str] = []

    Bag().tags.append("a")
    assert Bag().tags == []


@fact("api-table-model-unvalidated")
def test_a_table_model_as_a_body_is_not_validated() -> None:
    class Hero(SQLModel, table=True):
        id: int | None = SQLField(default=None, primary_key=True)
        name: str = SQLField(max_length=3)

    app = FastAPI()

    @app.post("/heroes")
    def create(hero: Hero) -> dict[str, Any]:
        return dict(hero)

    answer = TestClient(app).post("/heroes", json={"id": "x", "name": "much too long"})
    assert answer.json() == {"id": "x", "name": "much too long"}


@fact("api-generic-page")
def test_a_generic_envelope_filters_its_items() -> None:
    app = FastAPI()

    @app.get("/items")
    def read() -> Page[Public]:
        return Page(items=[Stored(id=1, name="a")])

    assert TestClient(app).get("/items").json() == {"items": [{"id": 1, "name": "a"}]}


@fact("api-coercion")
def test_what_a_body_field_converts() -> None:
    class Item(BaseModel):
        text: str = ""
        number: int = 0

    assert Item.model_validate({"number": "1"}).number == 1
    assert Item.model_validate({"number": True}).number == 1
    with pytest.raises(ValidationError):
        Item.model_validate({"text": 1})


@fact("api-input-and-output-schema")
def test_one_model_for_both_directions_can_appear_twice_in_the_schema() -> None:
    class Note(BaseModel):
        text: str = ""

        @computed_field  # type: ignore[prop-decorator]
        @property
        def length(self) -> int:
            return len(self.text)

    app = FastAPI()

    @app.post("/notes")
    def create(note: Note) -> Note:
        return note

    assert {"Note-Input", "Note-Output"} <= set(app.openapi()["components"]["schemas"])


@fact("api-tuple-is-200")
def test_a_returned_tuple_or_exception_is_a_success() -> None:
    app = FastAPI()

    @app.get("/tuple")
    def pair():  # type: ignore[no-untyped-def]
        return {"error": "not found"}, 404

    @app.get("/exception")
    def exception():  # type: ignore[no-untyped-def]
        return HTTPException(404)

    @app.get("/typed", response_model=Public)
    def typed() -> Any:
        return HTTPException(404)

    client = TestClient(app, raise_server_exceptions=False)
    assert (client.get("/tuple").status_code, client.get("/tuple").json()) == (200, [{"error": "not found"}, 404])
    assert (client.get("/exception").status_code, client.get("/exception").json()["status_code"]) == (200, 404)
    assert client.get("/typed").status_code == 500


@fact("api-default-status")
def test_post_and_delete_answer_200_unless_told() -> None:
    app = FastAPI()

    @app.post("/a")
    def create() -> dict[str, int]:
        return {"id": 1}

    @app.delete("/a")
    def delete() -> None:
        return None

    @app.delete("/b", status_code=204)
    def remove() -> None:
        return None

    client = TestClient(app)
    assert client.post("/a").status_code == 200
    assert (client.delete("/a").status_code, client.delete("/a").text) == (200, "null")
    assert (client.delete("/b").status_code, client.delete("/b").text) == (204, "")


@fact("api-204-with-body")
def test_204_with_a_declared_body_fails_at_import() -> None:
    app = FastAPI()
    with pytest.raises(AssertionError, match="204"):

        @app.delete("/a", status_code=204)
        def delete() -> dict[str, int]:
            return {"deleted": 1}


@fact("api-limit-unbounded")
def test_a_bare_limit_accepts_any_number() -> None:
    app = FastAPI()

    @app.get("/bare")
    def bare(limit: int = 100) -> int:
        return limit

    @app.get("/bounded")
    def bounded(limit: Annotated[int, Query(ge=1, le=100)] = 50) -> int:
        return limit

    client = TestClient(app)
    assert [client.get(f"/bare?limit={n}").json() for n in (10_000_000, -1)] == [10_000_000, -1]
    assert [client.get(f"/bounded?limit={n}").status_code for n in (101, 0, 100)] == [422, 422, 200]


@fact("api-query-model")
def test_a_query_model_groups_parameters_and_can_forbid_others() -> None:
    class Page(BaseModel):
        model_config = ConfigDict(extra="forbid")
        limit: int = Field(50, ge=1, le=100)
        after: int | None = None

    app = FastAPI()

    @app.get("/items")
    def read(page: Annotated[Page, Query()]) -> int:
        return page.limit

    client = TestClient(app)
    assert client.get("/items?limit=10").json() == 10
    assert client.get("/items?limti=10").status_code == 422
    assert "requestBody" not in operation(app, "get", "/items")


@fact("api-query-list-default")
def test_a_list_default_of_a_query_parameter_is_copied() -> None:
    app = FastAPI()

    @app.get("/items")
    def read(tags: Annotated[list[str], Query()] = []) -> list[str]:  # noqa: B006
        tags.append("a")
        return tags

    @app.get("/old")
    def read_old(tags: list[str] = Query([])) -> list[str]:  # noqa: B008
        return read(tags)

    client = TestClient(app)
    for path in ("/items", "/old"):
        assert [client.get(path).json() for _ in range(2)] == [["a"], ["a"]]


@fact("api-get-body")
def test_a_bare_model_on_get_is_a_body() -> None:
    app = FastAPI()

    @app.get("/items")
    def read(filters: Public) -> int:
        return filters.id

    assert "requestBody" in operation(app, "get", "/items")


@fact("api-two-bodies-embed")
def test_a_second_body_parameter_changes_the_shape_of_the_first() -> None:
    app = FastAPI()

    @app.post("/one")
    def one(item: Public) -> int:
        return item.id

    @app.post("/two")
    def two(item: Public, note: Annotated[str, Body()]) -> int:
        return item.id

    client = TestClient(app)
    body = {"id": 1, "name": "a"}
    assert client.post("/one", json=body).status_code == 200
    assert client.post("/two", json={**body, "note": "n"}).status_code == 422
    assert client.post("/two", json={"item": body, "note": "n"}).status_code == 200


@fact("api-strict-content-type")
def test_json_without_its_content_type_is_refused() -> None:
    app = FastAPI()

    @app.post("/items")
    def create(item: Public) -> int:
        return item.id

    client = TestClient(app)
    body = b'{"id": 1, "name": "a"}'
    assert client.post("/items", content=body).status_code == 422
    assert client.post("/items", content=body, headers={"Content-Type": "application/json"}).status_code == 200
    relaxed = FastAPI(strict_content_type=False)
    relaxed.post("/items")(create)
    assert TestClient(relaxed).post("/items", content=body).status_code == 200


@fact("api-depends-default")
def test_a_depends_default_is_the_value_when_python_calls_the_function() -> None:
    def limit() -> int:
        return 1

    def old(value: int = Depends(limit)) -> Any:
        return value

    def new(value: Annotated[int, Depends(limit)]) -> Any:
        return value

    assert not isinstance(old(), int)
    with pytest.raises(TypeError):
        new()  # type: ignore[call-arg]


@fact("api-yield-streams")
def test_a_yielding_path_operation_streams_json_lines() -> None:
    app = FastAPI()

    @app.get("/rows")
    async def rows() -> AsyncIterable[Public]:
        for number in range(2):
            yield Stored(id=number, name="a")

    answer = TestClient(app).get("/rows")
    assert answer.headers["content-type"] == "application/jsonl"
    assert answer.text.splitlines() == ['{"id":0,"name":"a"}', '{"id":1,"name":"a"}']
