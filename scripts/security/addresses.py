"""Where request input decides what the server opens, calls or sends the visitor to."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import chain

from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.scopes import parent
from project.serving.address_checks import judged
from project.serving.origins import ADDRESS, FILE_PATH, Way
from security.around import last_name
from security.dimension import security
from security.reached import by_source, lowered, only_admins, reached

KEPT_TARGET = re.compile(r"redirect|return_?(to|url)|next_?(url|page)|success_url|continue", re.IGNORECASE)
FILES = frozenset(
    "builtins.open io.open os.open os.remove os.unlink os.rmdir os.listdir os.scandir os.makedirs os.mkdir "
    "shutil.rmtree shutil.copy shutil.copyfile shutil.copytree shutil.move aiofiles.open anyio.open_file "
    "starlette.responses.FileResponse zipfile.ZipFile tarfile.open".split()
)
PATH_METHODS = frozenset(
    f"{owner}.{method}"
    for owner in ("pathlib.Path", "anyio.Path")
    for method in "open read_text read_bytes write_text write_bytes unlink mkdir rmdir touch iterdir rename".split()
)
_VERBS = "get post put patch delete head options request stream".split()
FETCHES = frozenset(
    f"{owner}.{verb}"
    for owner in "requests requests.Session httpx httpx.Client httpx.AsyncClient httpx2 httpx2.Client "
    "httpx2.AsyncClient aiohttp.ClientSession".split()
    for verb in _VERBS
) | frozenset("urllib.request.urlopen urllib.request.Request urllib.request.urlretrieve aiohttp.request".split())
TRANSPORTS = ("transport", "mounts", "connector")
FUNCTIONS = (ast.FunctionDef, ast.AsyncFunctionDef)
_ADDRESS_SECOND = ("request", "stream")
REDIRECTS = ("starlette.responses.RedirectResponse",)
RESPONSES = tuple(
    f"starlette.responses.{name}" for name in ("Response", "JSONResponse", "HTMLResponse", "PlainTextResponse")
)


@security.check(
    "SEC012",
    "path-traversal",
    title="Request input in a file path",
    impact=HIGH,
    anti_pattern=8,
    fix="Resolve the path and require is_relative_to(base), or make the file name yourself.",
)
def path_traversal(project: Project) -> Found:
    """`..` or an absolute path from the client leads out of the intended folder. UploadFile.filename is client text.

    Source: OWASP, Path Traversal, https://owasp.org/www-community/attacks/Path_Traversal

    Bad:
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/upload")
        async def upload(file: UploadFile):
            with open("/srv/up/" + (file.filename or "x"), "wb") as out:  # SEC012
                out.write(await file.read())
    Good:
        from pathlib import Path
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import FileResponse

        app = FastAPI()
        BASE = Path("/srv/up")

        @app.get("/files/{name:path}")
        def download(name: str):
            path = (BASE / name).resolve()
            if not path.is_relative_to(BASE):
                raise HTTPException(404)
            return FileResponse(path)
    Not this:
        from pathlib import Path
        from uuid import UUID, uuid4
        from fastapi import FastAPI, UploadFile
        from fastapi.responses import FileResponse

        app = FastAPI()

        @app.get("/files/{key}")
        def download(key: UUID):
            return FileResponse(f"/srv/up/{key}")

        @app.get("/plain/{name}")
        def plain(name: str):
            return FileResponse(Path("/srv/up") / Path(name).name)

        @app.post("/upload")
        async def upload(file: UploadFile):
            Path(f"/srv/up/{uuid4()}").write_bytes(await file.read())
    """
    opened = reached(project, FILES, lambda site: site.argument(0, "path"), "a file path", FILE_PATH)
    methods = reached(project, PATH_METHODS, _receiver, "a file path", FILE_PATH)
    yield from by_source(lowered(project, (_weighed(project, *f) for f in chain(opened, methods))))


def _weighed(project: Project, site: CallSite, way: Way, hit: Hit) -> tuple[CallSite, Way, Hit]:
    """Low where only a file of one name is read, and what does not fit a schema is dropped."""
    around = parent(site.node)
    dropped = isinstance(around, ast.Call) and last_name(around.func) in ("model_validate_json", "validate_json")
    path = _receiver(site) if PATH_METHODS.intersection(site.names) else None
    low = dropped and path is not None and _ends_alike(project, path, site.scope)
    return site, way, replace(hit, impact=LOW) if low else hit


def _ends_alike(project: Project, path: ast.expr, scope: Scope, depth: int = 3) -> bool:
    """Whether the last part of a path is a constant, through locals and functions of the project."""
    if isinstance(path, ast.BinOp) and isinstance(path.op, ast.Div):
        known = project.defaults.of(path.right, scope)
        return known is not None and isinstance(known.value, str)
    if isinstance(path, ast.Name):
        values = [b.value for b in scope.bindings.get(path.id, [])]
        return len(values) == 1 and values[0] is not None and _ends_alike(project, values[0], scope, depth)
    if isinstance(path, ast.Call) and depth:
        targets = project.calls.site(path, scope).targets
        returned = [(r.value, f) for f in targets for r in f.all(ast.Return)]
        return bool(returned) and all(v is not None and _ends_alike(project, v, f, depth - 1) for v, f in returned)
    return False


def _receiver(site: CallSite) -> ast.expr | None:
    return site.call.func.value if site.call is not None and isinstance(site.call.func, ast.Attribute) else None


@security.check(
    "SEC013",
    "server-side-request-forgery",
    title="Request input decides which host the server calls",
    impact=HIGH,
    anti_pattern=8,
    fix="Allow only listed hosts; resolve the name and refuse private addresses.",
)
def server_side_request_forgery(project: Project) -> Found:
    """The server reaches internal services and cloud metadata. A valid URL is no protection.

    Source: OWASP API7:2023, https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/

    Bad:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/preview")
        def preview(url: str):
            return httpx.get(url).text  # SEC013
    Good:
        import httpx
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        SOURCES = {"rates": "https://rates.test/latest"}

        @app.post("/preview")
        def preview(source: str):
            return httpx.get(SOURCES[source]).text
    Not this:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        BASE = "https://rates.test"

        class PublicOnly(httpx.HTTPTransport): ...

        @app.post("/preview")
        def preview(url: str):
            with httpx.Client(transport=PublicOnly()) as client:
                return client.get(url).text

        @app.get("/rates/{currency}")
        def rates(currency: str):
            httpx.get(f"{BASE}/{currency}")
            return httpx.get("https://rates.test/" + currency, params={"q": currency}).text
    """
    ignored = {id(j.fetch.node) for j in judged(project, FETCHES) if j.ignored}
    found = reached(project, FETCHES, _address, "the address the server calls", ADDRESS)
    asked = (f for f in found if id(f[0].node) not in ignored and not only_admins(project, f[1]))
    yield from by_source(lowered(project, (_blind(project, *f) for f in asked)))


def _blind(project: Project, site: CallSite, way: Way, hit: Hit) -> tuple[CallSite, Way, Hit]:
    """Medium where a function on the way gives back no more than whether it worked."""
    lines = {(place.path, place.line) for place in way.places}
    scope: Scope | None = site.scope
    while isinstance(scope, Function):
        if _tells_only_whether(scope):
            message = f"{hit.message} (the caller learns only whether it worked)"
            return site, way, replace(hit, message=message, impact=MEDIUM)
        above = project.calls.callers(scope) if scope is not way.function else []
        caller = next((c for c in above if (c.scope.module.path, c.node.lineno) in lines), None)
        lines.discard((caller.scope.module.path, caller.node.lineno) if caller is not None else ("", 0))
        scope = caller.scope if caller is not None else None
    return site, way, hit


def _tells_only_whether(function: Function) -> bool:
    annotated = function.node.returns if isinstance(function.node, FUNCTIONS) else None
    return annotated is not None and ast.unparse(annotated) == "bool"


def _address(site: CallSite) -> ast.expr | None:
    if _has_own_transport(site):
        return None
    last = site.names[0].rsplit(".", 1)[-1]
    return site.argument(1 if last in _ADDRESS_SECOND else 0, "url")


def _has_own_transport(site: CallSite) -> bool:
    """Whether the client was made with a transport of its own, which may refuse addresses.

    A client that was handed over counts as one of those that its module makes.
    """
    func = site.call.func if site.call is not None else None
    name = func.value.id if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) else ""
    bindings = site.scope.bindings.get(name, [])
    made = [b.value for b in bindings if isinstance(b.value, ast.Call)]
    if name and not made and all(b.kind == "param" for b in bindings):
        calls = (call for scope in site.scope.module.walk() for call in scope.all(ast.Call))
        made = [call for call in calls if last_name(call.func) in ("AsyncClient", "Client", "ClientSession")]
    return bool(made) and all(any(k.arg in TRANSPORTS for k in call.keywords) for call in made)


@security.check(
    "SEC035",
    "address-check-without-effect",
    title="Check of an address that does not hold",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Stop when the check fails; fetch with allow_redirects=False and check each new address too.",
)
def address_check_without_effect(project: Project) -> Found:
    """A checked address may redirect inside; a refusal only logged stops nothing.

    Source: OWASP, SSRF Prevention Cheat Sheet,
    https://cheatsheetseries.owasp.org/cheatsheets/Server_Side_Request_Forgery_Prevention_Cheat_Sheet.html

    Bad:
        import logging
        from urllib.parse import urlsplit
        import requests

        HOSTS = {"rates.test"}

        def validate_url(url: str) -> None:
            if urlsplit(url).hostname not in HOSTS:
                raise ValueError(url)

        def fetch(url: str) -> bytes:
            validate_url(url)
            return requests.get(url, timeout=5).content  # SEC035

        def notify(url: str) -> None:
            try:
                validate_url(url)
            except ValueError:
                logging.warning("bad address")
            requests.post(url, timeout=5, allow_redirects=False)  # SEC035
    Good:
        from urllib.parse import urlsplit
        import requests

        HOSTS = {"rates.test"}

        def validate_url(url: str) -> None:
            if urlsplit(url).hostname not in HOSTS:
                raise ValueError(url)

        def fetch(url: str) -> bytes:
            validate_url(url)
            return requests.get(url, timeout=5, allow_redirects=False).content
    Not this:
        from urllib.parse import urlsplit
        import httpx
        import requests

        HOSTS = {"rates.test"}

        def is_safe_url(url: str) -> bool:
            return urlsplit(url).hostname in HOSTS

        def fetch(url: str) -> bytes | None:
            if not is_safe_url(url):
                return None
            return httpx.get(url).content

        def is_valid_url(url: str) -> bool:
            return url.startswith("https://")

        def other(url: str) -> bytes | None:
            return requests.get(url, timeout=5).content if is_valid_url(url) else None

        def rates() -> bytes:
            return requests.get("https://rates.test", timeout=5).content
    """
    for found in judged(project, FETCHES):
        if _has_own_transport(found.fetch):
            continue
        if found.ignored:
            message = "the address is fetched although its check failed: the exception is only caught"
            yield Hit(found.fetch.place(), message, (found.judge,), HIGH, INFERRED)
        elif found.redirected:
            message = "redirects are followed here to addresses that nobody checked"
            yield Hit(found.fetch.place(), message, (found.judge,), None, INFERRED)


@security.check(
    "SEC014",
    "open-redirect",
    title="Redirect to an address from the request",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Allow only paths of this site (one leading slash) or listed addresses.",
)
def open_redirect(project: Project) -> Found:
    """A link to the real site that leads elsewhere makes phishing and token theft easy.

    Source: OWASP, Unvalidated Redirects, https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html

    Bad:
        from fastapi import FastAPI
        from fastapi.responses import RedirectResponse

        app = FastAPI()

        @app.get("/next")
        def go(next: str):
            return RedirectResponse(next)  # SEC014
    Good:
        from fastapi import FastAPI
        from fastapi.responses import RedirectResponse

        app = FastAPI()
        PAGES = {"home": "/", "cart": "/cart"}

        @app.get("/next")
        def go(page: str):
            return RedirectResponse(PAGES[page])
    Not this:
        from fastapi import FastAPI, Request
        from fastapi.responses import RedirectResponse

        app = FastAPI()

        @app.get("/item/{key}")
        def go(key: str, request: Request):
            if key == "a":
                return RedirectResponse(request.url_for("item", key=key))
            return RedirectResponse(f"/items/{key}")
    """
    for _, _, hit in reached(project, REDIRECTS, lambda site: site.argument(0, "url"), "a redirect", ADDRESS):
        yield hit
    yield from _stored(project)
    for _, _, hit in reached(project, RESPONSES, _location, "the Location header", ADDRESS):
        yield hit


def _stored(project: Project) -> Iterator[Hit]:
    """Redirects to what a request left in a row before: `RedirectResponse(login.redirect_uri)`."""
    for site in project.calls.named(REDIRECTS):
        target = site.argument(0, "url")
        if not isinstance(target, ast.Attribute) or not KEPT_TARGET.search(target.attr):
            continue
        way = next(_written(project, target.attr), None)
        if way is not None:
            message = f"{way.source} is kept as {target.attr} and reaches a redirect here"
            yield Hit(site.place(), message, way.places, None, INFERRED)


def _written(project: Project, column: str) -> Iterator[Way]:
    """Ways from a request into a column of that name."""
    for module in project.app_modules:
        for scope in module.walk():
            for keyword in scope.all(ast.keyword) if column in module.source.text else ():
                call = parent(keyword)
                model = (
                    project.models.of(project.names.resolve(call.func, scope)) if isinstance(call, ast.Call) else None
                )
                if keyword.arg == column and model is not None and column in model.columns:
                    way = project.origins.way(keyword.value, scope, ADDRESS)
                    if way is not None:
                        yield way.then(scope.place(keyword.value, f"kept in {model.name}.{column}"))


def _location(site: CallSite) -> ast.expr | None:
    headers = site.argument(-1, "headers")
    if isinstance(headers, ast.Dict):
        for key, value in zip(headers.keys, headers.values, strict=True):
            if isinstance(key, ast.Constant) and str(key.value).lower() == "location":
                return value
    return None
