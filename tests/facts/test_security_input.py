"""Proofs of what SECURITY.md says about injection, validation, limits and leaks."""

import hmac
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import httpx
import httpx2
import pytest
import sqlalchemy as sa
from fastapi import APIRouter, Body, Depends, FastAPI, File, Form, Header, HTTPException, Request, UploadFile
from fastapi.responses import JSONResponse, RedirectResponse
from fastapi.templating import Jinja2Templates
from fastapi.testclient import TestClient
from pydantic import BaseModel, ConfigDict, Field, HttpUrl, SecretStr, TypeAdapter, ValidationError
from pydantic_settings import BaseSettings
from slowapi import Limiter, _rate_limit_exceeded_handler
from slowapi.errors import RateLimitExceeded
from slowapi.middleware import SlowAPIMiddleware
from slowapi.util import get_ipaddr, get_remote_address
from sqlalchemy import exc as sa_exc
from sqlalchemy.orm import Session

from .heroes import Team, filled
from .registry import fact

# Injection


@fact("sec-sql-text")
def test_an_f_string_in_text_is_injectable_and_a_bound_value_is_not(tmp_path: Path) -> None:
    hostile = "1 OR 1=1"
    with Session(filled(tmp_path)) as session:
        assert len(session.execute(sa.text(f"SELECT * FROM team WHERE id = {hostile}")).all()) == 4
        bound = sa.text("SELECT * FROM team WHERE id = :id")
        assert session.execute(bound, {"id": hostile}).all() == []


@fact("sec-sql-bound")
def test_values_in_orm_expressions_are_bound_even_from_f_strings(tmp_path: Path) -> None:
    hostile = "' OR 1=1 --"
    query = sa.select(Team).where(Team.name.ilike(f"%{hostile}%"))
    assert hostile not in str(query)
    with Session(filled(tmp_path)) as session:
        assert session.scalars(query).all() == []


@fact("sec-sql-refused")
def test_plain_strings_are_refused_by_execute_and_order_by(tmp_path: Path) -> None:
    with Session(filled(tmp_path)) as session:
        with pytest.raises(sa_exc.ArgumentError, match="text"):
            session.execute("SELECT 1")  # type: ignore[call-overload]
        with pytest.raises(sa_exc.CompileError):
            session.execute(sa.select(Team).order_by("name; DROP TABLE team"))


@fact("sec-path-parameter")
def test_a_path_converter_hands_over_dots_and_absolute_paths() -> None:
    app = FastAPI()

    @app.get("/any/{name:path}")
    def read_any(name: str) -> str:
        return name

    @app.get("/one/{name}")
    def read_one(name: str) -> str:
        return name

    client = TestClient(app)
    assert client.get("/any/..%2f..%2fetc/passwd").json() == "../../etc/passwd"
    assert client.get("/any//etc/passwd").json() == "/etc/passwd"
    assert client.get("/one/..%2fetc").status_code == 404
    assert client.get("/one/..%5cetc").json() == "..\\etc"


@fact("sec-path-resolve")
def test_an_absolute_part_replaces_the_base_and_resolve_tells(tmp_path: Path) -> None:
    assert tmp_path / "/etc/passwd" == Path("/etc/passwd")
    for name in ("/etc/passwd", "../x", "a/../../x"):
        assert not (tmp_path / name).resolve().is_relative_to(tmp_path.resolve())
    assert (tmp_path / "a/../b").resolve().is_relative_to(tmp_path.resolve())


@fact("sec-upload-name")
def test_the_file_name_of_an_upload_is_what_the_client_sent() -> None:
    app = FastAPI()

    @app.post("/")
    async def upload(file: UploadFile) -> str | None:
        return file.filename

    assert TestClient(app).post("/", files={"file": ("../../etc/x", b"1")}).json() == "../../etc/x"


@fact("sec-http-url")
def test_http_url_accepts_internal_addresses() -> None:
    for url in ("http://169.254.169.254/latest", "http://localhost:6379/"):
        assert str(TypeAdapter(HttpUrl).validate_python(url)) == url


@fact("sec-client-redirects")
def test_httpx_follows_no_redirects_by_default() -> None:
    assert httpx.Client().follow_redirects is False
    assert httpx2.Client().follow_redirects is False


@fact("sec-open-redirect")
def test_a_redirect_response_takes_any_address_with_307() -> None:
    answer = RedirectResponse("https://evil.test")
    assert (answer.status_code, answer.headers["location"].rstrip("/")) == (307, "https://evil.test")


@fact("sec-jinja")
def test_fastapi_templates_escape_html_and_a_bare_environment_does_not(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("{{ name }}")
    shown = Jinja2Templates(directory=tmp_path).get_template("page.html").render(name="<script>")
    assert shown == "&lt;script&gt;"
    assert import_module("jinja2").Environment().from_string("{{ name }}").render(name="<script>") == "<script>"


# Validation and models


class UserIn(BaseModel):
    name: str


class OpenUserIn(UserIn):
    model_config = ConfigDict(extra="allow")


class AdminFieldIn(UserIn):
    is_admin: bool = False


@fact("sec-extra")
def test_unknown_keys_are_dropped_unless_allowed_and_declared_ones_travel() -> None:
    sent: Any = {"name": "a", "is_admin": True}
    assert UserIn(**sent).model_dump() == {"name": "a"}
    assert OpenUserIn(**sent).model_dump() == sent
    assert AdminFieldIn(**sent).model_dump() == sent


@fact("sec-forbid")
def test_extra_forbid_rejects_unknown_keys() -> None:
    class Strict(UserIn):
        model_config = ConfigDict(extra="forbid")

    with pytest.raises(ValidationError, match="extra_forbidden"):
        Strict.model_validate({"name": "a", "is_admin": True})


@fact("sec-unvalidated")
def test_model_construct_and_assignment_skip_validation() -> None:
    assert UserIn.model_construct(name=1).name == 1  # type: ignore[comparison-overlap]
    user = UserIn(name="a")
    user.name = 2  # type: ignore[assignment]
    assert user.name == 2  # type: ignore[comparison-overlap]


@fact("sec-coercion")
def test_pydantic_turns_strings_and_true_into_numbers_but_not_numbers_into_strings() -> None:
    assert (TypeAdapter(int).validate_python("1"), TypeAdapter(int).validate_python(True)) == (1, 1)
    with pytest.raises(ValidationError):
        TypeAdapter(str).validate_python(1)


class Stored(BaseModel):
    name: str
    password_hash: str = "argon2"


@fact("sec-response-filter")
def test_a_response_model_filters_and_a_returned_response_does_not() -> None:
    app = FastAPI()

    @app.get("/filtered", response_model=UserIn)
    def filtered() -> Any:
        return Stored(name="a")

    @app.get("/bypassed", response_model=UserIn)
    def bypassed() -> Any:
        return JSONResponse(Stored(name="a").model_dump())

    client = TestClient(app)
    assert client.get("/filtered").json() == {"name": "a"}
    assert client.get("/bypassed").json() == {"name": "a", "password_hash": "argon2"}


@fact("sec-secret-str")
def test_secret_str_and_exclude_keep_values_out() -> None:
    class Account(BaseModel):
        key: SecretStr
        note: str = Field(exclude=True)

    account = Account(key=SecretStr("hunter2"), note="private")
    assert account.model_dump_json() == '{"key":"**********"}'
    assert "hunter2" not in repr(account)


@fact("sec-settings-required")
def test_a_secret_without_default_stops_the_start(monkeypatch: pytest.MonkeyPatch) -> None:
    class Settings(BaseSettings):
        secret_key: Annotated[SecretStr, Field(min_length=32)]

    monkeypatch.delenv("SECRET_KEY", raising=False)
    with pytest.raises(ValidationError, match="secret_key"):
        Settings()  # type: ignore[call-arg]
    monkeypatch.setenv("SECRET_KEY", "changeme")
    with pytest.raises(ValidationError, match="too_short"):
        Settings()  # type: ignore[call-arg]


@fact("sec-compare-digest")
def test_compare_digest_needs_bytes_for_other_than_ascii() -> None:
    with pytest.raises(TypeError):
        hmac.compare_digest("schlüssel", "schlüssel")
    assert hmac.compare_digest("schlüssel".encode(), "schlüssel".encode())


# Limits and leaks


@fact("sec-body-limit")
def test_bodies_are_unlimited_unless_max_body_size_is_set() -> None:
    app, limited = FastAPI(), FastAPI(max_body_size=1000)

    @app.post("/")
    @limited.post("/")
    async def upload(file: UploadFile) -> int | None:
        return file.size

    @limited.post("/large", max_body_size=5_000_000)
    async def upload_large(file: UploadFile) -> int | None:
        return file.size

    by_router, router = FastAPI(), APIRouter()
    router.post("/")(upload)
    by_router.include_router(router, max_body_size=1000)
    sent = {"file": b"x" * 2_000_000}
    assert TestClient(by_router).post("/", files=sent).status_code == 413
    assert TestClient(app).post("/", files=sent).json() == 2_000_000
    assert TestClient(limited).post("/", files=sent).status_code == 413
    assert TestClient(limited).post("/large", files=sent).json() == 2_000_000


@fact("sec-content-length")
def test_max_body_size_counts_what_arrives_and_a_check_of_content_length_sees_nothing_in_a_chunked_body() -> None:
    def declared(content_length: Annotated[int, Header()] = 0) -> None:
        if content_length > 1000:
            raise HTTPException(413)

    checked, limited = FastAPI(dependencies=[Depends(declared)]), FastAPI(max_body_size=1000)

    @checked.post("/")
    @limited.post("/")
    async def take(request: Request) -> int:
        return len(await request.body())

    def chunks() -> Iterator[bytes]:
        yield from [b"x" * 1000] * 5

    assert TestClient(checked).post("/", content=b"x" * 5000).status_code == 413
    assert TestClient(checked).post("/", content=chunks()).json() == 5000
    assert TestClient(limited).post("/", content=chunks()).status_code == 413


@fact("sec-form-limits")
def test_a_text_field_of_a_form_is_limited_and_a_file_is_not() -> None:
    app = FastAPI()

    @app.post("/default")
    @app.post("/small", form_limits={"max_part_size": 100, "max_files": 0})
    async def take(text: Annotated[str, Form()], file: Annotated[UploadFile | None, File()] = None) -> int | None:
        return file.size if file else None

    def statuses(path: str, size: int, **parts: Any) -> int:
        return TestClient(app).post(path, files={"text": (None, b"x" * size), **parts}).status_code

    assert (statuses("/default", 2**20), statuses("/default", 2**20 + 1)) == (200, 400)
    assert statuses("/default", 1, file=b"x" * 3 * 2**20) == 200
    assert (statuses("/small", 100), statuses("/small", 101), statuses("/small", 1, file=b"x")) == (200, 400, 400)


@fact("sec-content-type")
def test_json_without_a_content_type_is_a_body_only_when_that_is_not_strict() -> None:
    strict, lax = FastAPI(), FastAPI(strict_content_type=False)

    @strict.post("/")
    @lax.post("/")
    def pay(amount: Annotated[int, Body(embed=True)]) -> int:
        return amount

    def statuses(content_type: dict[str, str]) -> list[int]:
        body = '{"amount": 3}'
        return [TestClient(app).post("/", content=body, headers=content_type).status_code for app in (strict, lax)]

    assert statuses({}) == [422, 200]
    assert statuses({"Content-Type": "text/plain"}) == [422, 422]


@fact("sec-422-input")
def test_a_validation_error_repeats_the_input() -> None:
    class Login(BaseModel):
        name: str
        password: str
        age: int

    app = FastAPI()

    @app.post("/")
    def login(login: Login) -> str:
        return login.name

    answer = TestClient(app).post("/", json={"name": "a", "password": "hunter2"})
    assert answer.status_code == 422
    assert "hunter2" in answer.text


@fact("sec-debug")
@pytest.mark.parametrize("debug", [True, False])
def test_debug_shows_the_source_of_the_failing_line(debug: bool) -> None:
    app = FastAPI(debug=debug)

    @app.get("/")
    def read() -> None:
        raise RuntimeError("local secret")

    answer = TestClient(app, raise_server_exceptions=False).get("/", headers={"Accept": "text/html"})
    assert ("local secret" in answer.text) is debug


@fact("sec-docs-url")
def test_only_openapi_url_none_hides_all_documentation() -> None:
    half, full = TestClient(FastAPI(docs_url=None)), TestClient(FastAPI(openapi_url=None))
    paths = ("/docs", "/redoc", "/openapi.json")
    assert [half.get(path).status_code for path in paths] == [404, 200, 200]
    assert [full.get(path).status_code for path in paths] == [404, 404, 404]


@fact("sec-error-detail")
def test_the_detail_of_an_http_exception_reaches_the_client() -> None:
    app = FastAPI()

    @app.get("/")
    def read() -> None:
        try:
            raise ConnectionError("no route to db-7.internal")
        except ConnectionError as error:
            raise HTTPException(503, str(error)) from error

    assert TestClient(app).get("/").json() == {"detail": "no route to db-7.internal"}


def limited(limiter: Limiter) -> FastAPI:
    app = FastAPI()
    app.state.limiter = limiter
    app.add_exception_handler(RateLimitExceeded, _rate_limit_exceeded_handler)  # type: ignore[arg-type]
    return app


@fact("sec-slowapi-order")
def test_slowapi_limits_only_below_the_route_decorator() -> None:
    limiter = Limiter(key_func=get_remote_address)
    app = limited(limiter)

    @app.get("/below")
    @limiter.limit("2/minute")
    async def below(request: Request) -> None: ...

    @limiter.limit("2/minute")
    @app.get("/above")
    async def above(request: Request) -> None: ...

    client = TestClient(app)
    assert [client.get("/below").status_code for _ in range(3)] == [200, 200, 429]
    assert [client.get("/above").status_code for _ in range(3)] == [200, 200, 200]


def test_default_limits_of_slowapi_count_only_with_its_middleware() -> None:
    for added, expected in ((False, 200), (True, 429)):
        limiter = Limiter(key_func=get_remote_address, default_limits=["2/minute"])
        app = limited(limiter)
        if added:
            app.add_middleware(SlowAPIMiddleware)

        @app.get("/items")
        async def items() -> None: ...

        client = TestClient(app)
        assert [client.get("/items").status_code for _ in range(3)][-1] == expected


@fact("sec-slowapi-key")
def test_slowapi_counts_each_address_by_itself_unless_told_otherwise() -> None:
    for style, expected in (("url", 200), ("endpoint", 429)):
        limiter = Limiter(key_func=get_remote_address, key_style=style)  # type: ignore[arg-type]
        app = limited(limiter)

        @app.get("/codes/{code}")
        @limiter.limit("2/minute")
        async def check(request: Request, code: int) -> None: ...

        client = TestClient(app)
        assert [client.get(f"/codes/{code}").status_code for code in range(3)][-1] == expected


@fact("sec-slowapi-defaults")
def test_slowapi_counts_in_memory_and_get_ipaddr_misses_the_real_header() -> None:
    assert type(Limiter(key_func=get_remote_address)._storage).__name__ == "MemoryStorage"
    scope = {"type": "http", "headers": [(b"x-forwarded-for", b"1.2.3.4")], "client": ("10.0.0.1", 1)}
    assert get_ipaddr(Request(scope)) == "10.0.0.1"
    scope["headers"] = [(b"x_forwarded_for", b"1.2.3.4")]
    assert get_ipaddr(Request(scope)) == "1.2.3.4"
