"""Switches that belong to configuration: debug, documentation, verification of certificates."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, RESOLVED, Found, Hit
from project import Class, Project, Scope
from project.calls import CallSite
from project.scopes import parents
from security.around import by_file, under_main
from security.dimension import security


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
            yield Hit(
                scope.place(call),
                f"debug is on {how}",
                (found.place,),
                certainty=INFERRED if found.configurable else RESOLVED,
            )


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
