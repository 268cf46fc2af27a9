"""Secrets, CORS and switches that belong to configuration."""

from __future__ import annotations

import ast
import math
import re
from collections import Counter
from collections.abc import Iterator

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Class, Function, Project, Scope
from project.calls import CallSite
from project.defaults import Default
from project.place import Place
from project.scopes import parents
from security.dimension import security

CORS = "starlette.middleware.cors.CORSMiddleware"
SECRET_NAME = re.compile(
    r"(^|_)(secret|secret_?key|jwt_?secret|password|passwd|pwd|api_?key|private_?key|access_?key|auth_?token|"
    r"client_secret|signing_?key|encryption_?key|secret_?token|access_?token)(_?(value|default))?$",
    re.IGNORECASE,
)
KNOWN_SECRET = re.compile(
    r"(sk_live_[0-9a-zA-Z]{10,}|AKIA[0-9A-Z]{16}|ghp_[0-9a-zA-Z]{30,}|github_pat_\w{20,}|xox[bap]-[0-9a-zA-Z-]{10,}|"
    r"-----BEGIN [A-Z ]*PRIVATE KEY|glpat-[\w-]{20,}|09d25e094faa6ca2556c)"
)
DSN = re.compile(r"^[a-z][a-z0-9+.]*://[^/\s:@{}$]*:(?P<password>[^@/\s{}$]{3,})@", re.IGNORECASE)
PLACEHOLDER = re.compile(
    r"^(<.*>|\$\{.*|\{.*\}|x{3,}|\*{3,}|\.{3}|none|null|todo|your[-_ ].*|example.*)$", re.IGNORECASE
)
NOT_A_VALUE = re.compile(
    r"[\s/\\{}<>]|^(access|refresh|bearer|basic|api[-_]?key|token|password|secret|x-[\w-]+)$", re.IGNORECASE
)
WEAK_WORDS = re.compile(
    r"change|secret|default|dev|test|admin|password|root|postgres|guest|insecure|placeholder|1234", re.IGNORECASE
)


@security.check(
    "SEC005",
    "hardcoded-secret",
    title="Secret written in the code or defaulted",
    impact=HIGH,
    anti_pattern=8,
    fix="Declare the setting without a default (SecretStr), let the start fail without it, and replace the secret.",
)
def hardcoded_secret(project: Project) -> Found:
    """Who can read the code, or guess the default, can sign tokens or log in.

    Source: FastAPI, Settings and Environment Variables, https://fastapi.tiangolo.com/advanced/settings/

    Bad:
        import os
        from pydantic_settings import BaseSettings

        SECRET_KEY = "8f42a73054b1749f8f58848be5e6502c"  # SEC005

        class Settings(BaseSettings):
            jwt_secret: str = "change-me-please"  # SEC005
            database_url: str = "postgresql://app:hunter22@db/app"  # SEC005

        API_KEY = os.getenv("API_KEY", "dev-key-0123456789")  # SEC005
    Good:
        from pydantic import SecretStr
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            jwt_secret: SecretStr
            database_url: str
    Not this:
        import os
        from fastapi.security import OAuth2PasswordBearer

        scheme = OAuth2PasswordBearer(tokenUrl="/auth/token")
        ACCESS_TOKEN = "access_token"
        PASSWORD_FIELD = "password"
        API_KEY_HEADER = "X-API-Key"
        SECRET_KEY = os.environ["SECRET_KEY"]
        password = ""
        api_key = "your-api-key-here"
        error = {"invalid_password": "The password is wrong, try again"}
    """
    seen: set[tuple[str, int]] = set()
    for module in project.app_modules:
        for scope in module.walk():
            for place, message, impact, certainty in (*_named_secrets(project, scope), *_texts(scope)):
                if (place.path, place.line) not in seen:
                    seen.add((place.path, place.line))
                    yield Hit(place, message, impact=impact, certainty=certainty)


Secret = tuple[Place, str, str | None, str]


def _named_secrets(project: Project, scope: Scope) -> Iterator[Secret]:
    """Names and keywords that say secret and hold a literal."""
    for name, bindings in scope.bindings.items():
        if not SECRET_NAME.search(name) or (isinstance(scope, Function) and scope.is_lambda):
            continue
        for binding in bindings:
            if binding.kind != "assign" or binding.value is None:
                continue
            found = project.defaults.of(binding.value, scope)
            if found is not None and _is_secret(found.value):
                yield _secret(project, scope, name, found, scope.place(binding.node))
    for site in project.calls.sites(scope):
        for given in site.call.keywords if site.call else ():
            if given.arg and SECRET_NAME.search(given.arg) and isinstance(given.value, ast.Constant):
                if _is_secret(given.value.value) and not _describes(site):
                    yield _secret(project, scope, given.arg, Default(given.value.value, scope.place(given.value)), None)


def _describes(site: CallSite) -> bool:
    """Calls that declare a field or an option of that name rather than give a secret."""
    return any(name.rsplit(".", 1)[-1] in ("Field", "Option", "Query", "Header", "Form", "Body") for name in site.names)


def _secret(project: Project, scope: Scope, name: str, found: Default, place: Place | None) -> Secret:
    how = (
        "has a default in the code" if found.configurable or _is_settings(project, scope) else "is written in the code"
    )
    return place or found.place, f"{name} {how} ({masked(str(found.value))})", None, "resolved"


def _is_settings(project: Project, scope: Scope) -> bool:
    return isinstance(scope, Class) and project.names.derives(scope, "pydantic_settings.BaseSettings")


def masked(secret: str) -> str:
    """A secret in a form that may be printed: its length and first two characters."""
    return f"{secret[:2]}…, {len(secret)} characters"


def _is_secret(value: object) -> bool:
    """Long enough, one word, not a placeholder, not the name of something."""
    if not isinstance(value, str) or len(value) < 8 or PLACEHOLDER.match(value) or NOT_A_VALUE.search(value):
        return False
    return bool(WEAK_WORDS.search(value)) or _entropy(value) > 2.8


def _entropy(text: str) -> float:
    counts = Counter(text)
    return (
        -sum(n / len(text) * math.log2(n / len(text)) for n in counts.values())
        if any(c.isdigit() for c in text)
        else 0.0
    )


def _texts(scope: Scope) -> Iterator[Secret]:
    """Literals that are secrets by their form: known prefixes and addresses with a password."""
    for constant in scope.all(ast.Constant):
        text = constant.value
        if not isinstance(text, str) or not 12 <= len(text) <= 5000 or _is_documentation(constant):
            continue
        if KNOWN_SECRET.search(text):
            yield scope.place(constant), f"a credential is written in the code ({masked(text)})", None, "resolved"
        elif found := DSN.match(text):
            password = found["password"]
            local = re.search(r"@(localhost|127\.0\.0\.1)", text)
            if (not PLACEHOLDER.match(password) and password not in ("pass", "pwd", "password")) or not local:
                message = f"an address with a password is written in the code ({masked(password)})"
                yield scope.place(constant), message, MEDIUM if local else None, "resolved"


def _is_documentation(constant: ast.Constant) -> bool:
    for holder in parents(constant):
        if isinstance(holder, ast.Expr):
            return True
        if isinstance(holder, ast.keyword):
            return holder.arg in ("description", "example", "examples", "help", "pattern", "title", "json_schema_extra")
    return False


@security.check(
    "SEC007",
    "cors-wildcard-with-credentials",
    title="CORS lets every origin send credentials",
    impact=HIGH,
    anti_pattern=8,
    fix="List the exact origins, or leave allow_credentials off.",
)
def cors_wildcard_with_credentials(project: Project) -> Found:
    """Starlette answers any origin with its own name and allows credentials: any web page may act as the visitor.

    Source: FastAPI, CORS, https://fastapi.tiangolo.com/tutorial/cors/

    Bad:
        # app/main.py
        from fastapi import FastAPI
        from fastapi.middleware.cors import CORSMiddleware
        from app.settings import settings

        app = FastAPI()
        app.add_middleware(  # SEC007
            CORSMiddleware,
            allow_origins=settings.origins,
            allow_credentials=True,
        )
        # app/settings.py
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            origins: list[str] = ["*"]

        settings = Settings()
    Good:
        from fastapi import FastAPI
        from fastapi.middleware.cors import CORSMiddleware

        app = FastAPI()
        app.add_middleware(CORSMiddleware, allow_origins=["https://app.example"], allow_credentials=True)
    Not this:
        from fastapi import FastAPI
        from fastapi.middleware.cors import CORSMiddleware

        app = FastAPI()
        app.add_middleware(CORSMiddleware, allow_origins=["*"])
        app.add_middleware(
            CORSMiddleware, allow_origin_regex=r"https://[a-z0-9-]+\\.example\\.com", allow_credentials=True
        )
    """
    for module in project.app_modules:
        for scope in module.walk():
            for call in scope.all(ast.Call):
                if _adds_cors(project, call, scope):
                    yield from _cors(project, call, scope)


def _adds_cors(project: Project, call: ast.Call, scope: Scope) -> bool:
    given = [call.func, *call.args[:1]]
    if not any(isinstance(g, (ast.Name, ast.Attribute)) for g in given):
        return False
    return any(project.names.canonical(g, scope) == CORS for g in given)


def _cors(project: Project, call: ast.Call, scope: Scope) -> Iterator[Hit]:
    given = {k.arg: k.value for k in call.keywords if k.arg}
    credentials = project.defaults.of(given.get("allow_credentials"), scope)
    origins = project.defaults.of(given.get("allow_origins"), scope)
    pattern = project.defaults.of(given.get("allow_origin_regex"), scope)
    if isinstance(getattr(origins, "value", None), str) and origins is not None and origins.value != "*":
        yield Hit(
            scope.place(call),
            "allow_origins is one string: every part of it is accepted as an origin",
            (origins.place,),
        )
        return
    if credentials is None or credentials.value is not True:
        return
    if origins is not None and _has_star(origins.value):
        how = " unless the environment replaces the default" if origins.configurable else ""
        yield Hit(
            scope.place(call),
            f"every origin may send credentials{how}",
            (origins.place,),
            certainty=_certainty(origins),
        )
    elif (
        pattern is not None and isinstance(pattern.value, str) and pattern.value in (".*", ".+", "^.*$", "https?://.*")
    ):
        yield Hit(scope.place(call), "the origin pattern fits every origin, with credentials", (pattern.place,))
    elif pattern is not None and isinstance(pattern.value, str) and re.search(r"(?<!\\)\.(?![*+?])\w", pattern.value):
        message = "the origin pattern has a bare dot: other hosts fit it as well, with credentials"
        yield Hit(scope.place(call), message, (pattern.place,), MEDIUM)


def _certainty(found: Default) -> str:
    return INFERRED if found.configurable else "resolved"


def _has_star(value: object) -> bool:
    return value == "*" or (isinstance(value, list) and "*" in value)


@security.check(
    "SEC018",
    "debug-mode-on",
    title="Debug mode switched on in the code",
    impact=HIGH,
    anti_pattern=8,
    fix="Take debug from a setting whose default is False.",
)
def debug_mode_on(project: Project) -> Found:
    """With debug the answer to an error is a page with the traceback, source lines and local values.

    Source: Starlette, Applications, https://starlette.dev/applications/

    Bad:
        from fastapi import FastAPI

        app = FastAPI(debug=True)  # SEC018
    Good:
        from fastapi import FastAPI
        from app.settings import settings

        app = FastAPI(debug=settings.debug)
    Not this:
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI(debug=False)

        if __name__ == "__main__":
            uvicorn.run("main:app", reload=True)
    """
    for module in project.app_modules:
        for scope in module.walk():
            for call in scope.all(ast.Call):
                yield from _debug(project, call, scope)


def _debug(project: Project, call: ast.Call, scope: Scope) -> Iterator[Hit]:
    debug = next((k.value for k in call.keywords if k.arg == "debug"), None)
    if debug is None:
        return
    found = project.defaults.of(debug, scope)
    if found is None or found.value is not True or _under_main(call):
        return
    for value in project.values.of(call.func, scope):
        if value.dotted == "fastapi.FastAPI" or (
            isinstance(value, Class) and project.names.derives(value, "fastapi.FastAPI")
        ):
            how = "by default" if found.configurable else "always"
            yield Hit(scope.place(call), f"debug is on {how}", (found.place,), certainty=_certainty(found))


def _under_main(node: ast.AST) -> bool:
    return any(isinstance(p, ast.If) and "__name__" in ast.dump(p.test) for p in parents(node))


@security.check(
    "SEC026",
    "tls-verification-off",
    title="TLS certificates are not verified",
    impact=HIGH,
    anti_pattern=8,
    fix="Leave verification on; pass the path of the CA bundle for a private authority.",
)
def tls_verification_off(project: Project) -> Found:
    """Without verification anyone on the way can read and change what is sent, credentials included.

    Source: HTTPX, SSL, https://www.python-httpx.org/advanced/ssl/

    Bad:
        import httpx

        client = httpx.AsyncClient(verify=False)  # SEC026
    Good:
        import httpx

        client = httpx.AsyncClient()
    Not this:
        import httpx
        from app.settings import settings

        client = httpx.AsyncClient(verify=settings.ca_bundle)
    """
    for module in project.app_modules:
        for scope in module.walk():
            for site in project.calls.sites(scope):
                if "ssl._create_unverified_context" in site.names or _unverified(site):
                    yield Hit(site.place(), f"{site.names[0]} does not verify the certificate")


def _unverified(site: CallSite) -> bool:
    if not any(name.startswith(("httpx.", "httpx2.", "requests.", "aiohttp.")) for name in site.names):
        return False
    keyword = "ssl" if site.names[0].startswith("aiohttp.") else "verify"
    given = site.argument(-1, keyword)
    return isinstance(given, ast.Constant) and given.value is False
