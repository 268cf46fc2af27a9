"""Proofs of the statements in API_DESIGN.md about what models do on the way in and out."""

from datetime import datetime
from typing import Annotated
from uuid import UUID

import pytest
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.responses import JSONResponse
from fastapi.security import HTTPBearer
from fastapi.testclient import TestClient
from pydantic import (
    UUID4,
    BaseModel,
    ConfigDict,
    Field,
    PlainSerializer,
    PydanticDeprecatedSince20,
    SecretStr,
    TypeAdapter,
    ValidationError,
    field_validator,
    model_validator,
)

from .registry import fact


@fact("api-response-not-rebuilt")
def test_a_returned_response_model_runs_only_its_after_validators_again() -> None:
    ran: list[str] = []

    class Rate(BaseModel):
        value: int

        @field_validator("value")
        @classmethod
        def field(cls, value: int) -> int:
            ran.append("field")
            return value

        @model_validator(mode="after")
        def after(self) -> "Rate":
            ran.append("after")
            return self

        def model_post_init(self, _context: object) -> None:
            ran.append("init")

    app = FastAPI()

    @app.get("/")
    def read() -> Rate:
        return Rate(value=1)

    assert TestClient(app).get("/").json() == {"value": 1}
    assert ran == ["field", "init", "after", "after"]


@fact("api-uuid4-version")
def test_uuid4_refuses_version_seven() -> None:
    made = "01890a5d-ac96-774b-bcce-b302099a8057"
    with pytest.raises(ValidationError, match="UUID version 4 expected"):
        TypeAdapter(UUID4).validate_python(made)
    assert str(TypeAdapter(UUID).validate_python(made)) == made


@fact("api-json-encoders-deprecated")
def test_json_encoders_warn_and_an_annotated_type_does_it() -> None:
    with pytest.warns(PydanticDeprecatedSince20, match="json_encoders"):

        class Old(BaseModel):
            model_config = ConfigDict(json_encoders={datetime: lambda _: "noon"})
            at: datetime

    class New(BaseModel):
        at: Annotated[datetime, PlainSerializer(lambda _: "noon", return_type=str)]

    at = datetime(2026, 1, 1, 12)
    assert Old(at=at).model_dump_json() == New(at=at).model_dump_json() == '{"at":"noon"}'


@fact("api-errors-echo-input")
def test_validation_errors_echo_what_was_sent_secrets_too() -> None:
    class UserCreate(BaseModel):
        password: SecretStr = Field(min_length=12)

    app = FastAPI()

    @app.post("/users")
    def create(user: UserCreate) -> None: ...

    assert TestClient(app).post("/users", json={"password": "hunter2"}).json()["detail"][0]["input"] == "hunter2"


@fact("api-handler-drops-headers")
def test_a_handler_loses_the_headers_of_the_exception_unless_it_passes_them_on() -> None:
    def header(passed_on: bool) -> str | None:
        async def problem(request: Request, exc: HTTPException) -> JSONResponse:
            return JSONResponse(request.url.path, exc.status_code, headers=exc.headers if passed_on else None)

        app = FastAPI(exception_handlers={HTTPException: problem})

        @app.get("/", dependencies=[Depends(HTTPBearer())])
        def read() -> None: ...

        found: str | None = TestClient(app).get("/").headers.get("www-authenticate")
        return found

    assert (header(False), header(True)) == (None, "Bearer")
