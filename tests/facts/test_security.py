"""Proofs of what SECURITY.md says about authentication, authorisation, tokens, passwords, CORS and cookies."""

import base64
import json
import re
import warnings
from collections.abc import Callable
from datetime import datetime, timezone
from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import bcrypt
import jwt
import pytest
from fastapi import APIRouter, Depends, FastAPI, HTTPException, Request, Response, Security, WebSocket
from fastapi.middleware.cors import CORSMiddleware
from fastapi.security import APIKeyHeader, HTTPBasic, HTTPBearer, OAuth2PasswordBearer, SecurityScopes
from fastapi.staticfiles import StaticFiles
from fastapi.testclient import TestClient
from jwt.exceptions import InvalidSubjectError
from pwdlib import PasswordHash
from pwdlib.hashers.argon2 import Argon2Hasher
from pwdlib.hashers.bcrypt import BcryptHasher
from starlette.middleware.sessions import SessionMiddleware
from starlette.testclient import WebSocketDenialResponse
from uvicorn.config import Config

from .registry import fact

KEY = "k" * 32
GARBAGE = {"Authorization": "Bearer garbage"}
scheme = OAuth2PasswordBearer(tokenUrl="token")


def deny() -> None:
    raise HTTPException(401)


def decode(token: str, **options: Any) -> dict[str, Any]:
    claims: dict[str, Any] = jwt.decode(token, KEY, algorithms=["HS256"], **options)
    return claims


# Schemes and scopes


@fact("sec-scheme-extracts")
def test_a_security_scheme_extracts_and_verifies_nothing() -> None:
    app = FastAPI()

    @app.get("/me")
    def me(token: Annotated[str, Depends(scheme)]) -> str:
        return token

    assert TestClient(app).get("/me", headers=GARBAGE).json() == "garbage"


@fact("sec-missing-401")
@pytest.mark.parametrize("kind", [scheme, HTTPBearer(), HTTPBasic(), APIKeyHeader(name="X-Key")])
def test_missing_credentials_are_401(kind: Callable[..., Any]) -> None:
    app = FastAPI()

    @app.get("/", dependencies=[Depends(kind)])
    def read() -> None: ...

    answer = TestClient(app).get("/")
    assert answer.status_code == 401
    assert "www-authenticate" in answer.headers


@fact("sec-auto-error")
def test_auto_error_false_lets_the_request_in_with_none() -> None:
    app = FastAPI()

    @app.get("/")
    def read(token: Annotated[str | None, Depends(OAuth2PasswordBearer(tokenUrl="t", auto_error=False))]) -> bool:
        return token is None

    assert TestClient(app).get("/").json() is True


@fact("sec-scopes")
def test_scopes_bind_only_where_a_dependency_reads_them() -> None:
    app = FastAPI()

    def lax(token: Annotated[str, Depends(scheme)]) -> str:
        return token

    def strict(needed: SecurityScopes, token: Annotated[str, Depends(scheme)]) -> str:
        if "admin" in needed.scopes:
            raise HTTPException(403)
        return token

    @app.get("/lax", dependencies=[Security(lax, scopes=["admin"])])
    def read_lax() -> None: ...

    @app.get("/strict", dependencies=[Security(strict, scopes=["admin"])])
    def read_strict() -> None: ...

    client = TestClient(app, headers=GARBAGE)
    assert (client.get("/lax").status_code, client.get("/strict").status_code) == (200, 403)


@fact("sec-app-dependencies")
def test_app_dependencies_guard_routes_and_websockets_but_not_docs_and_mounts(tmp_path: Path) -> None:
    (tmp_path / "f.txt").write_text("x")
    app, mounted = FastAPI(dependencies=[Depends(deny)]), FastAPI()

    @app.get("/route")
    @mounted.get("/route")
    def read() -> None: ...

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()

    async def raw(_: Request) -> Response:
        return Response("raw")

    app.mount("/static", StaticFiles(directory=tmp_path))
    app.mount("/sub", mounted)
    app.add_route("/raw", raw)
    client = TestClient(app)
    assert client.get("/route").status_code == 401
    with pytest.raises(WebSocketDenialResponse), client.websocket_connect("/ws"):
        pass
    for path in ("/docs", "/openapi.json", "/static/f.txt", "/sub/route", "/raw"):
        assert client.get(path).status_code == 200


@fact("sec-frontend")
def test_app_dependencies_guard_the_files_of_a_frontend(tmp_path: Path) -> None:
    (tmp_path / "index.html").write_text("log in here")
    guarded, open_to_all = FastAPI(dependencies=[Depends(deny)]), FastAPI()
    for app in (guarded, open_to_all):
        app.frontend("/", directory=tmp_path)
    assert TestClient(guarded).get("/").status_code == 401
    assert TestClient(open_to_all).get("/").text == "log in here"


@fact("sec-router-twice")
def test_a_router_included_twice_is_guarded_only_where_the_include_says_so() -> None:
    router, app = APIRouter(), FastAPI()

    @router.get("/items")
    def read() -> None: ...

    app.include_router(router, prefix="/v1", dependencies=[Depends(deny)])
    app.include_router(router, prefix="/v2")
    client = TestClient(app)
    assert (client.get("/v1/items").status_code, client.get("/v2/items").status_code) == (401, 200)


@fact("sec-websocket-scheme")
def test_security_schemes_work_on_websockets() -> None:
    app = FastAPI()

    @app.websocket("/ws")
    async def ws(socket: WebSocket, token: Annotated[str, Depends(scheme)]) -> None:
        await socket.accept()
        await socket.send_text(token)

    with TestClient(app).websocket_connect("/ws", headers=GARBAGE) as socket:
        assert socket.receive_text() == "garbage"


# JWT


@fact("sec-jwt-algorithms")
def test_pyjwt_demands_algorithms_and_refuses_none() -> None:
    with pytest.raises(jwt.DecodeError, match="algorithms"):
        jwt.decode(jwt.encode({"sub": "1"}, KEY, "HS256"), KEY)
    with pytest.raises(jwt.InvalidAlgorithmError):
        decode(jwt.encode({"sub": "1"}, None, "none"))


@fact("sec-jwt-require-exp")
def test_a_token_without_exp_is_accepted_unless_required() -> None:
    token = jwt.encode({"sub": "1"}, KEY, "HS256")
    assert decode(token) == {"sub": "1"}
    with pytest.raises(jwt.MissingRequiredClaimError):
        decode(token, options={"require": ["exp"]})


@fact("sec-jwt-unverified")
def test_verify_signature_false_accepts_a_forged_token() -> None:
    forged = jwt.encode({"sub": "admin"}, "z" * 32, "HS256")
    assert jwt.decode(forged, options={"verify_signature": False}) == {"sub": "admin"}


@fact("sec-jwt-sub-aud")
def test_sub_is_a_string_and_an_audience_must_be_checked() -> None:
    with pytest.raises(InvalidSubjectError):
        decode(jwt.encode({"sub": 1}, KEY, "HS256"))
    token = jwt.encode({"sub": "1", "aud": "shop"}, KEY, "HS256")
    with pytest.raises(jwt.InvalidAudienceError):
        decode(token)
    assert decode(token, audience="shop")["sub"] == "1"
    with pytest.raises(jwt.MissingRequiredClaimError):
        decode(jwt.encode({"sub": "1"}, KEY, "HS256"), audience="shop")


@fact("sec-jwt-short-key")
def test_a_short_hmac_key_only_warns() -> None:
    with pytest.warns(jwt.InsecureKeyLengthWarning):
        token = jwt.encode({"sub": "1"}, "secret", "HS256")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert jwt.decode(token, "secret", algorithms=["HS256"]) == {"sub": "1"}


@fact("sec-jwt-pem")
def test_pyjwt_refuses_a_pem_key_as_hmac_secret() -> None:
    pem = "-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n"
    with pytest.raises(jwt.InvalidKeyError):
        jwt.encode({"sub": "1"}, pem, "HS256")
    with pytest.raises(jwt.InvalidKeyError):
        jwt.encode({"sub": "1"}, '{"kty": "RSA", "n": "AAAA", "e": "AQAB"}', "HS256")
    der = bytes.fromhex("30820122300d06092a864886f70d01010105000382010f") + bytes(range(256))
    token = jwt.encode({"sub": "1"}, der, "HS256")
    assert jwt.decode(token, der, algorithms=["RS256", "HS256"]) == {"sub": "1"}


@fact("sec-jwt-readable")
def test_claims_are_readable_without_the_key() -> None:
    body = jwt.encode({"sub": "1", "iban": "DE00"}, KEY, "HS256").split(".")[1]
    assert json.loads(base64.urlsafe_b64decode(body + "==")) == {"sub": "1", "iban": "DE00"}


def test_a_time_without_a_zone_is_read_as_utc() -> None:
    noon = datetime(2030, 1, 1, 12)
    assert decode(jwt.encode({"exp": noon}, KEY, "HS256"))["exp"] == noon.replace(tzinfo=timezone.utc).timestamp()


# Passwords


@fact("sec-pwdlib")
def test_pwdlib_recommends_argon2id_and_verifies_old_bcrypt_hashes_into_new_ones() -> None:
    assert PasswordHash.recommended().hash("secret").startswith("$argon2id$")
    both = PasswordHash((Argon2Hasher(), BcryptHasher(rounds=4)))
    old = BcryptHasher(rounds=4).hash("secret")
    matches, replaced = both.verify_and_update("secret", old)
    assert matches
    assert replaced is not None and replaced.startswith("$argon2id$")
    assert both.verify_and_update("secret", replaced) == (True, None)
    assert both.verify_and_update("wrong", old) == (False, None)


@fact("sec-passlib-bcrypt")
@pytest.mark.filterwarnings("ignore:'crypt' is deprecated")
def test_passlib_with_bcrypt_5_fails_for_each_password() -> None:
    context = import_module("passlib.context").CryptContext(schemes=["bcrypt"])
    with pytest.raises(ValueError, match="72 bytes"):
        context.hash("short")


@fact("sec-bcrypt-72")
def test_bcrypt_5_refuses_more_than_72_bytes() -> None:
    assert bcrypt.hashpw(b"a" * 72, bcrypt.gensalt(4))
    with pytest.raises(ValueError, match="72 bytes"):
        bcrypt.hashpw(("é" * 37).encode(), bcrypt.gensalt(4))


# CORS


def allowed(origin: str, **options: Any) -> str | None:
    """The origin that the answer allows, None when it allows none."""
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_credentials=True, **options)

    @app.get("/")
    def read() -> None: ...

    headers = TestClient(app).get("/", headers={"Origin": origin}).headers
    if "access-control-allow-origin" in headers:
        assert headers["access-control-allow-credentials"] == "true"
    return headers.get("access-control-allow-origin")


@fact("sec-cors-reflects")
def test_a_star_with_credentials_reflects_each_origin() -> None:
    assert allowed("https://evil.test", allow_origins=["*"]) == "https://evil.test"
    assert allowed("https://evil.test", allow_origins=["https://shop.test"]) is None


@fact("sec-cors-loose")
def test_a_string_matches_by_substring_and_a_loose_pattern_too_much() -> None:
    assert allowed("https://shop.te", allow_origins="https://shop.test") == "https://shop.te"
    assert allowed("https://evil.shopXtest", allow_origin_regex=r"https://.*\.shop.test") == "https://evil.shopXtest"
    assert allowed("https://evil.shopXtest", allow_origin_regex=r"https://[a-z0-9-]+\.shop\.test") is None


@fact("sec-cors-glob")
def test_a_glob_or_a_trailing_slash_never_matches() -> None:
    assert allowed("https://a.shop.test", allow_origins=["https://*.shop.test"]) is None
    assert allowed("https://shop.test", allow_origins=["https://shop.test/"]) is None


@fact("sec-cors-websocket")
def test_cors_does_not_look_at_websockets() -> None:
    app = FastAPI()
    app.add_middleware(CORSMiddleware, allow_origins=["https://shop.test"])

    @app.websocket("/ws")
    async def ws(socket: WebSocket) -> None:
        await socket.accept()
        await socket.send_text("in")

    with TestClient(app).websocket_connect("/ws", headers={"Origin": "https://evil.test"}) as socket:
        assert socket.receive_text() == "in"


# Cookies, proxies


@fact("sec-cookie-defaults")
def test_set_cookie_is_readable_by_scripts_and_sent_over_http_by_default() -> None:
    response = Response()
    response.set_cookie("sid", "1")
    sent = response.headers["set-cookie"].lower()
    assert "httponly" not in sent and "secure" not in sent
    assert "samesite=lax" in sent


@fact("sec-session-cookie")
def test_the_session_cookie_is_signed_but_readable_and_sent_over_http() -> None:
    app = FastAPI()
    app.add_middleware(SessionMiddleware, secret_key=KEY)

    @app.get("/")
    def login(request: Request) -> None:
        request.session["role"] = "admin"

    cookie = TestClient(app).get("/").headers["set-cookie"]
    value = re.match(r"session=([^;]+)", cookie)
    assert value is not None
    assert json.loads(base64.b64decode(value[1].split(".")[0])) == {"role": "admin"}
    assert "secure" not in cookie.lower()
    assert f"Max-Age={14 * 24 * 3600}" in cookie


@fact("sec-proxy-default")
def test_uvicorn_trusts_forwarded_headers_from_loopback_only() -> None:
    config = Config(app=FastAPI())
    assert config.proxy_headers is True
    assert set(str(config.forwarded_allow_ips).split(",")) == {"127.0.0.1", "::1"}
