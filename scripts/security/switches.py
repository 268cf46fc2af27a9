"""Switches that belong to configuration: debug, documentation, verification of certificates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, LOW, MEDIUM, RESOLVED, Found, Hit
from project import Project
from project.language.calls import CallSite
from project.language.scopes import parents
from project.routing.routes import App
from security.around import by_file, under_main
from security.dimension import security

VERIFICATION = re.compile(r"verif|validat\w*_cert|insecure|ssl|tls|cert", re.IGNORECASE)
DEVELOPMENT = re.compile(r"dev|local|test|debug", re.IGNORECASE)


@security.check(
    "SEC018",
    "debug-mode-on",
    title="Debug mode switched on",
    impact=HIGH,
    anti_pattern=8,
    fix="Take debug from a setting that is False by default; no --reload in production.",
)
def debug_mode_on(project: Project) -> Found:
    """With debug an error is answered with the traceback, source lines and local values.

    Source: Starlette, Applications, https://starlette.dev/applications/

    Bad:
        from fastapi import FastAPI

        app = FastAPI(debug=True)  # SEC018
        # Dockerfile
        FROM python:3.13
        CMD ["uvicorn", "main:app", "--host", "0.0.0.0", "--reload"]  # SEC018
    Good:
        from fastapi import FastAPI
        from app.settings import settings

        app = FastAPI(debug=settings.debug)
        # Dockerfile
        FROM python:3.13
        CMD ["uvicorn", "main:app", "--host", "0.0.0.0"]
    Not this:
        import uvicorn
        from fastapi import FastAPI

        app = FastAPI(debug=False)

        if __name__ == "__main__":
            uvicorn.run("main:app", reload=True)
        # Dockerfile.dev
        FROM python:3.13
        CMD ["uvicorn", "main:app", "--reload"]
    """
    for app in project.route_map.apps:
        if app.call is not None:
            yield from _debug(project, next((k.value for k in app.call.keywords if k.arg == "debug"), None), app)
    for server in project.stack.servers:
        file = server.place.path.rsplit("/", 1)[-1].lower()
        reloads = "reload" in server.options and project.stack.containers.is_run(server)
        if reloads and server.kind in ("dockerfile", "procfile") and not DEVELOPMENT.search(file):
            yield Hit(server.place, "the server of the image reloads on every change of a file", impact=MEDIUM)


def _is_left_out(call: ast.Call) -> bool:
    """Whether a call runs as a program only, or where a condition asks for development."""
    tests = (ast.unparse(holder.test) for holder in parents(call) if isinstance(holder, ast.If))
    return under_main(call) or any(map(DEVELOPMENT.search, tests))


def _debug(project: Project, debug: ast.expr | None, app: App) -> Iterator[Hit]:
    found = project.defaults.of(debug, app.scope)
    if found is not None and found.value is True and app.call is not None and not _is_left_out(app.call):
        how = "by default" if found.configurable else "always"
        yield Hit(
            app.scope.place(app.call),
            f"debug is on {how}",
            (found.place,) if found.configurable else (),
            certainty=INFERRED if found.configurable else RESOLVED,
        )


@security.check(
    "SEC019",
    "docs-half-hidden",
    title="Documentation hidden in part",
    impact=LOW,
    fix="Set openapi_url=None to hide all of it, or leave the documentation open.",
)
def docs_half_hidden(project: Project) -> Found:
    """`docs_url=None` takes the page away, not the schema it shows: /openapi.json answers still. Only openapi_url=None
    hides all, and hiding protects nothing by itself.

    Source: FastAPI, Conditional OpenAPI, https://fastapi.tiangolo.com/how-to/conditional-openapi/

    Bad:
        from fastapi import FastAPI

        app = FastAPI(docs_url=None, redoc_url=None)  # SEC019
    Good:
        from fastapi import FastAPI

        app = FastAPI(openapi_url=None)
    Not this:
        from fastapi import Depends, FastAPI
        from fastapi.openapi.docs import get_swagger_ui_html
        from app.settings import settings

        plain = FastAPI()
        switched = FastAPI(docs_url=settings.docs_url)
        own = FastAPI(docs_url=None)

        @own.get("/docs")
        def docs():
            return get_swagger_ui_html(openapi_url="/openapi.json", title="Own")
    """
    if project.calls.named(lambda name: name.startswith("fastapi.openapi.docs.")):
        return
    for app in project.route_map.apps:
        given = {k.arg: k.value for k in app.call.keywords} if app.call is not None else {}
        docs = given.get("docs_url")
        hidden = isinstance(docs, ast.Constant) and docs.value is None
        if hidden and "openapi_url" not in given and None not in given and app.call is not None and not app.mounted:
            left = "/openapi.json" if "redoc_url" in given else "/redoc and /openapi.json"
            yield Hit(app.scope.place(app.call), f"docs_url=None leaves {left} open: is that meant?")


UNVERIFIED = frozenset(
    "ssl._create_unverified_context paramiko.AutoAddPolicy paramiko.WarningPolicy paramiko.client.AutoAddPolicy "
    "paramiko.client.WarningPolicy".split()
)


@security.check(
    "SEC026",
    "tls-verification-off",
    title="TLS certificates or host keys are not verified",
    impact=HIGH,
    anti_pattern=8,
    fix="Leave verification on; pass the path of the CA bundle for a private authority.",
)
def tls_verification_off(project: Project) -> Found:
    """Anyone on the way can read and change what is sent, credentials included.

    Source: HTTPX, SSL, https://www.python-httpx.org/advanced/ssl/

    Bad:
        import httpx

        client = httpx.AsyncClient(verify=False)  # SEC026
        # app/remote.py
        import paramiko

        def connect(host: str):
            client = paramiko.SSHClient()
            client.set_missing_host_key_policy(paramiko.AutoAddPolicy())  # SEC026
            client.connect(host)
    Good:
        import httpx

        client = httpx.AsyncClient()
    Not this:
        import httpx
        from app.settings import settings

        client = httpx.AsyncClient(verify=settings.ca_bundle)
    """
    yield from by_file(
        Hit(site.place(), f"{site.names[0].split('.', 1)[0]} {_skipped(site)}")
        for site in project.calls.named(_may_skip_verification)
        if _unverified(site) and not _is_chosen(site)
    )


def _may_skip_verification(name: str) -> bool:
    return name.startswith(("httpx.", "httpx2.", "requests.", "aiohttp.")) or name in UNVERIFIED


def _skipped(site: CallSite) -> str:
    return "takes any host key" if site.names[0].startswith("paramiko.") else "does not verify the certificate"


def _is_chosen(site: CallSite) -> bool:
    """Whether it is the unverified one of two, by a condition it stands under or by the name it is given."""
    tests = (ast.unparse(holder.test) for holder in parents(site.node) if isinstance(holder, ast.If))
    if any(VERIFICATION.search(test) and "hasattr" not in test for test in tests):
        return True
    around = next((p for p in parents(site.node) if isinstance(p, ast.Assign)), None)
    return (
        around is not None
        and re.search(r"insecure|unverified|no_?verify|unsafe", ast.unparse(around.targets[0]), re.I) is not None
    )


def _unverified(site: CallSite) -> bool:
    if UNVERIFIED.intersection(site.names):
        return True
    keyword = "ssl" if site.names[0].startswith("aiohttp.") else "verify"
    given = site.argument(-1, keyword)
    return isinstance(given, ast.Constant) and given.value is False
