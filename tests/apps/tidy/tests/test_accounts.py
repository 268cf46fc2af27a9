from datetime import UTC, datetime, timedelta

import jwt
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.main import create_app
from app.settings import Settings
from tests.conftest import PASSWORD, Headers


def test_register_answers_without_the_hash(client: TestClient) -> None:
    body = {"email": "Cy@Readers.example", "full_name": "Cy", "password": PASSWORD, "role": "librarian"}
    response = client.post("/api/v1/auth/register", json=body)
    assert response.status_code == 201
    assert response.json()["email"] == "cy@readers.example"
    assert response.json()["role"] == "member"
    assert set(response.json()) == {"id", "email", "full_name", "role", "password_changed_at", "preferences"}


def test_register_twice_conflicts(client: TestClient, member: Headers) -> None:
    body = {"email": "ada@readers.example", "full_name": "Ada", "password": PASSWORD}
    response = client.post("/api/v1/auth/register", json=body)
    assert (response.status_code, response.json()) == (409, {"detail": "This address is already registered"})


def test_invalid_registration_does_not_echo_the_password(client: TestClient) -> None:
    response = client.post("/api/v1/auth/register", json={"email": "x", "password": "tiny"})
    assert response.status_code == 422
    assert {tuple(e["loc"]) for e in response.json()["detail"]} == {
        ("body", "email"),
        ("body", "full_name"),
        ("body", "password"),
    }
    assert "tiny" not in response.text


@pytest.mark.parametrize("username", ["ada@readers.example", "nobody@readers.example"])
def test_wrong_password_and_unknown_account_look_alike(client: TestClient, member: Headers, username: str) -> None:
    response = client.post("/api/v1/auth/token", data={"username": username, "password": "wrong"})
    assert (response.status_code, response.json()) == (401, {"detail": "Wrong address or password"})


def test_login_is_limited(settings: Settings) -> None:
    app = create_app(settings.model_copy(update={"login_limit": "2/minute"}))
    form = {"username": "desk@library.example", "password": "wrong"}
    with TestClient(app) as client:
        codes = [client.post("/api/v1/auth/token", data=form).status_code for _ in range(3)]
    assert codes == [401, 401, 429]


@pytest.mark.parametrize("path", ["/api/v1/users/me", "/api/v1/books", "/api/v1/loans"])
def test_a_token_is_needed(client: TestClient, path: str) -> None:
    response = client.get(path)
    assert response.status_code == 401
    assert response.headers["WWW-Authenticate"] == "Bearer"


@pytest.mark.parametrize(
    "claims",
    [
        {"sub": "1", "exp": datetime.now(UTC) - timedelta(minutes=1)},
        {"sub": "1"},
        {"sub": "999", "exp": datetime.now(UTC) + timedelta(minutes=5)},
        {"sub": "one", "exp": datetime.now(UTC) + timedelta(minutes=5)},
    ],
    ids=["expired", "no expiry", "unknown user", "not a number"],
)
def test_bad_tokens_are_refused(client: TestClient, settings: Settings, claims: dict[str, str | datetime]) -> None:
    token = jwt.encode(claims, settings.token_key.get_secret_value(), algorithm="HS256")
    response = client.get("/api/v1/users/me", headers={"Authorization": f"Bearer {token}"})
    assert (response.status_code, response.json()) == (401, {"detail": "Token is not valid"})


def test_read_and_update_me(client: TestClient, member: Headers) -> None:
    changes = {"full_name": "Ada Lovelace", "preferences": {"mail": True}, "role": "librarian"}
    response = client.patch("/api/v1/users/me", json=changes, headers=member)
    assert response.status_code == 200
    me = client.get("/api/v1/users/me", headers=member).json()
    assert (me["full_name"], me["preferences"], me["role"]) == ("Ada Lovelace", {"mail": True}, "member")


def test_empty_name_is_refused(client: TestClient, member: Headers) -> None:
    response = client.patch("/api/v1/users/me", json={"full_name": " "}, headers=member)
    assert response.status_code == 422


def test_change_password(client: TestClient, member: Headers) -> None:
    change = {"current_password": PASSWORD, "new_password": "another long password"}
    response = client.put("/api/v1/users/me/password", json=change, headers=member)
    assert (response.status_code, response.content) == (204, b"")
    again = client.put("/api/v1/users/me/password", json=change, headers=member)
    assert (again.status_code, again.json()) == (401, {"detail": "Wrong password"})


def test_other_origins_get_no_cors_headers(client: TestClient, app: FastAPI) -> None:
    known = client.get("/health/live", headers={"Origin": "https://desk.library.example"})
    assert known.headers["Access-Control-Allow-Origin"] == "https://desk.library.example"
    assert (
        "Access-Control-Allow-Origin"
        not in client.get("/health/live", headers={"Origin": "https://evil.example"}).headers
    )
