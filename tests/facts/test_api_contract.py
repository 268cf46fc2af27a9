"""Proofs of the statements in API_DESIGN.md about paths, routers, errors, the OpenAPI document and versions."""

# ruff: noqa: ARG003 - a handler takes what the framework passes, used or not

import warnings
from collections.abc import Callable
from typing import Annotated, Any

import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Query, Request, Response, status
from fastapi.exceptions import FastAPIDeprecationWarning, RequestValidationError
from fastapi.responses import JSONResponse, ORJSONResponse
from fastapi.routing import APIRoute, iter_route_contexts
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from pydantic import BaseModel, field_validator
from starlette.exceptions import HTTPException as StarletteHTTPException
from starlette.exceptions import StarletteDeprecationWarning

from .registry import fact


class Public(BaseModel):
    id: int
    name: str


def operation(app: FastAPI, method: str, path: str) -> dict[str, Any]:
    found: dict[str, Any] = app.openapi()["paths"][path][method]
    return found


@fact("api-first-route-wins")
def test_the_first_matching_path_wins_whatever_the_parameter_type() -> None:
    app = FastAPI()

    @app.get("/users/{user_id}")
    def one(user_id: int) -> int:
        return user_id

    @app.get("/users/me")
    def me() -> str:
        return "me"

    assert TestClient(app).get("/users/me").status_code == 422


@fact("api-converter-falls-through")
def test_a_path_converter_lets_the_next_route_match() -> None:
    app = FastAPI()

    @app.get("/users/{user_id:int}")
    def one(user_id: int) -> int:
        return user_id

    @app.get("/users/me")
    def me() -> str:
        return "me"

    assert TestClient(app).get("/users/me").json() == "me"


@fact("api-duplicate-route-silent")
def test_a_route_registered_twice_is_silent_until_the_schema_is_built() -> None:
    app = FastAPI()

    with warnings.catch_warnings():
        warnings.simplefilter("error")
        app.get("/a")(_named("read", "first"))
        app.get("/a")(_named("read", "second"))
        assert TestClient(app).get("/a").json() == "first"
    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        app.openapi()


def _named(name: str, value: str) -> Callable[[], str]:
    def handler() -> str:
        return value

    handler.__name__ = name
    return handler


@fact("api-parameter-not-in-path")
def test_a_parameter_that_is_not_in_the_path_becomes_a_query_parameter() -> None:
    app = FastAPI()

    @app.get("/items/{item}")
    def read(item_id: int) -> int:
        return item_id

    assert [(p["name"], p["in"]) for p in operation(app, "get", "/items/{item}")["parameters"]] == [
        ("item_id", "query"),
    ]


@fact("api-slash-redirect")
def test_the_other_slash_spelling_is_redirected_with_the_servers_scheme() -> None:
    app = FastAPI()

    @app.post("/users/")
    def create() -> int:
        return 1

    client = TestClient(app, base_url="http://internal:8000", follow_redirects=False)
    answer = client.post("/users", headers={"X-Forwarded-Proto": "https"})
    assert (answer.status_code, answer.headers["location"]) == (307, "http://internal:8000/users/")
    strict = FastAPI(redirect_slashes=False)
    strict.post("/users/")(create)
    assert TestClient(strict).post("/users").status_code == 404


@fact("api-summary-generated")
def test_summary_and_description_come_from_the_function() -> None:
    app = FastAPI()

    @app.get("/items")
    def read_items() -> int:
        """All items of the tenant."""
        return 1

    described = operation(app, "get", "/items")
    assert (described["summary"], described["description"]) == ("Read Items", "All items of the tenant.")


@fact("api-raised-status-undocumented")
def test_a_raised_status_is_documented_only_by_responses() -> None:
    class Problem(BaseModel):
        title: str

    def read(item_id: int) -> int:
        raise HTTPException(404)

    app = FastAPI()
    documented = APIRouter(prefix="/documented", responses={404: {"model": Problem}})
    documented.get("/{item_id}")(read)
    app.get("/bare/{item_id}")(read)
    app.include_router(documented)
    assert set(operation(app, "get", "/bare/{item_id}")["responses"]) == {"200", "422"}
    assert set(operation(app, "get", "/documented/{item_id}")["responses"]) == {"200", "404", "422"}


@fact("api-422-still-documented")
def test_a_remapped_validation_error_is_still_documented_as_422() -> None:
    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    def remapped(request: Request, exc: Exception) -> Response:
        return JSONResponse({"title": "bad request"}, status_code=400)

    @app.get("/items")
    def read(limit: int) -> int:
        return limit

    assert TestClient(app).get("/items?limit=x").status_code == 400
    assert set(operation(app, "get", "/items")["responses"]) == {"200", "422"}


@fact("api-422-redocumented")
def test_the_documented_422_can_be_replaced() -> None:
    app = FastAPI(responses={422: {"model": Public}})

    @app.get("/items")
    def read(limit: int) -> int:
        return limit

    content = operation(app, "get", "/items")["responses"]["422"]["content"]
    assert content["application/json"]["schema"] == {"$ref": "#/components/schemas/Public"}


@fact("api-handler-base-class")
def test_only_a_handler_for_starlettes_class_sees_unknown_paths() -> None:
    def shaped(request: Request, exc: Exception) -> Response:
        return JSONResponse({"title": "error"}, status_code=404)

    narrow, wide = FastAPI(), FastAPI()
    narrow.add_exception_handler(HTTPException, shaped)
    wide.add_exception_handler(StarletteHTTPException, shaped)
    assert TestClient(narrow).get("/nowhere").json() == {"detail": "Not Found"}
    assert TestClient(wide).get("/nowhere").json() == {"title": "error"}

    @wide.get("/raises")
    def raises() -> None:
        raise HTTPException(404)

    assert TestClient(wide).get("/raises").json() == {"title": "error"}


@fact("api-validation-context")
def test_raw_validation_errors_cannot_always_be_sent_as_json() -> None:
    class Item(BaseModel):
        name: str

        @field_validator("name")
        @classmethod
        def refuse(cls, value: str) -> str:
            raise ValueError("never")

    app = FastAPI()

    @app.exception_handler(RequestValidationError)
    def raw(request: Request, exc: RequestValidationError) -> Response:
        return JSONResponse({"detail": exc.errors()}, status_code=422)

    @app.post("/items")
    def create(item: Item) -> str:
        return item.name

    with pytest.raises(TypeError, match="not JSON serializable"):
        TestClient(app).post("/items", json={"name": "a"})


@fact("api-one-method-per-function")
def test_two_methods_on_one_function_share_an_operation_id() -> None:
    app = FastAPI()

    @app.api_route("/items", methods=["GET", "POST"])
    def items() -> int:
        return 1

    with pytest.warns(UserWarning, match="Duplicate Operation ID"):
        described = app.openapi()["paths"]["/items"]
    assert described["get"]["operationId"] == described["post"]["operationId"]


@fact("api-routes-are-a-tree")
def test_included_routes_are_not_found_by_walking_app_routes() -> None:
    app, router = FastAPI(), APIRouter(prefix="/items")

    @router.get("/x")
    def read_items() -> int:
        return 1

    app.include_router(router)
    assert [route.path for route in app.routes if isinstance(route, APIRoute)] == []
    assert "/items/x" in [context.path for context in iter_route_contexts(app.routes)]


@fact("api-route-contexts-read")
def test_an_operation_id_set_through_a_route_context_does_not_reach_the_document() -> None:
    app, router = FastAPI(), APIRouter()

    @router.get("/items")
    def read_items() -> int:
        return 1

    app.include_router(router)
    [context] = [one for one in iter_route_contexts(app.routes) if one.path == "/items"]
    for route in (context.route, context.original_route):
        assert isinstance(route, APIRoute)
        route.operation_id = "mine"
    assert operation(app, "get", "/items")["operationId"] == "read_items_items_get"


@fact("api-generate-unique-id")
def test_operation_ids_come_from_generate_unique_id_function() -> None:
    app = FastAPI(generate_unique_id_function=lambda route: f"{route.tags[0]}-{route.name}")
    router = APIRouter(prefix="/items", tags=["items"])

    @router.get("/x")
    def read_items() -> int:
        return 1

    app.include_router(router)
    assert operation(app, "get", "/items/x")["operationId"] == "items-read_items"


@fact("api-late-route")
def test_a_route_added_after_the_include_is_served() -> None:
    app, router = FastAPI(), APIRouter()
    app.include_router(router)

    @router.get("/late")
    def late() -> int:
        return 1

    assert TestClient(app).get("/late").status_code == 200


@fact("api-two-versions")
def test_one_router_serves_two_versions_and_one_can_be_deprecated() -> None:
    app, items = FastAPI(), APIRouter(prefix="/items")

    @items.get("")
    def read_items() -> int:
        return 1

    app.include_router(items, prefix="/v1", deprecated=True)
    app.include_router(items, prefix="/v2")
    assert [TestClient(app).get(f"/{version}/items").status_code for version in ("v1", "v2")] == [200, 200]
    assert operation(app, "get", "/v1/items")["deprecated"] is True
    assert "deprecated" not in operation(app, "get", "/v2/items")
    assert len({operation(app, "get", f"/{version}/items")["operationId"] for version in ("v1", "v2")}) == 2


@fact("api-mounted-version")
def test_a_mounted_version_has_its_own_document_and_handlers() -> None:
    app, v1 = FastAPI(), FastAPI()

    @v1.get("/items")
    def read_items() -> int:
        raise KeyError

    def shaped(request: Request, exc: Exception) -> Response:
        return JSONResponse({}, status_code=409)

    app.add_exception_handler(KeyError, shaped)
    app.mount("/v1", v1)
    assert "/v1/items" not in app.openapi()["paths"]
    client = TestClient(app, raise_server_exceptions=False)
    assert client.get("/v1/openapi.json").status_code == 200
    assert client.get("/v1/items").status_code == 500


@fact("api-router-dependencies-first")
def test_router_dependencies_run_before_parameters() -> None:
    seen: list[str] = []

    def guard() -> None:
        seen.append("guard")
        raise HTTPException(401)

    def load() -> None:
        seen.append("load")

    app, router = FastAPI(), APIRouter(dependencies=[Depends(guard)])

    @router.get("/items")
    def read(item: Annotated[None, Depends(load)]) -> None:
        return None

    app.include_router(router)
    assert TestClient(app).get("/items").status_code == 401
    assert seen == ["guard"]


@fact("api-include-twice")
def test_a_router_included_twice_is_guarded_only_where_the_include_says_so() -> None:
    def guard() -> None:
        raise HTTPException(401)

    app, items = FastAPI(), APIRouter(prefix="/items")

    @items.get("")
    def read() -> int:
        return 1

    app.include_router(items, prefix="/private", dependencies=[Depends(guard)])
    app.include_router(items)
    assert [TestClient(app).get(path).status_code for path in ("/private/items", "/items")] == [401, 200]


@fact("api-deprecated-names")
def test_deprecated_names_warn_and_unknown_app_arguments_fail() -> None:
    app = FastAPI(default_response_class=ORJSONResponse)
    app.get("/")(_named("read", "a"))
    with pytest.warns(FastAPIDeprecationWarning, match="ORJSONResponse"):
        TestClient(app, raise_server_exceptions=False).get("/")
    with pytest.warns(FastAPIDeprecationWarning, match="regex"):
        Query(regex="a")
    with pytest.warns(StarletteDeprecationWarning, match="HTTP_422"):
        assert status.HTTP_422_UNPROCESSABLE_ENTITY == 422
    with pytest.raises(TypeError):
        FastAPI(unknown=1)  # type: ignore[call-arg]


@fact("api-titles-default")
def test_the_document_is_called_fastapi_unless_told() -> None:
    assert FastAPI().openapi()["info"] == {"title": "FastAPI", "version": "0.1.0"}


@fact("api-missing-credentials-401")
def test_a_missing_credential_is_401() -> None:
    app = FastAPI(dependencies=[Depends(HTTPBearer())])

    @app.get("/items")
    def read() -> int:
        return 1

    assert TestClient(app).get("/items").status_code == 401
