"""Secrets, CORS and switches that belong to configuration."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Class, Project, Scope
from project.calls import CallSite
from project.defaults import Default
from project.scopes import parents
from security.around import by_file, under_main
from security.dimension import security

CORS = "starlette.middleware.cors.CORSMiddleware"


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
    if found is None or found.value is not True or under_main(call):
        return
    for value in project.values.of(call.func, scope):
        if value.dotted == "fastapi.FastAPI" or (
            isinstance(value, Class) and project.names.derives(value, "fastapi.FastAPI")
        ):
            how = "by default" if found.configurable else "always"
            yield Hit(scope.place(call), f"debug is on {how}", (found.place,), certainty=_certainty(found))


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
    yield from by_file(
        Hit(site.place(), f"{site.names[0].split('.', 1)[0]} does not verify the certificate")
        for site in project.calls.named(_may_skip_verification)
        if _unverified(site) and not _is_chosen(site)
    )


def _may_skip_verification(name: str) -> bool:
    return name.startswith(("httpx.", "httpx2.", "requests.", "aiohttp.")) or name == "ssl._create_unverified_context"


def _is_chosen(site: CallSite) -> bool:
    """Whether the name it is given says that it is the unverified one of two."""
    around = next((p for p in parents(site.node) if isinstance(p, ast.Assign)), None)
    return (
        around is not None
        and re.search(r"insecure|unverified|no_?verify|unsafe", ast.unparse(around.targets[0]), re.I) is not None
    )


def _unverified(site: CallSite) -> bool:
    if site.names[0].startswith("ssl."):
        return True
    keyword = "ssl" if site.names[0].startswith("aiohttp.") else "verify"
    given = site.argument(-1, keyword)
    return isinstance(given, ast.Constant) and given.value is False
