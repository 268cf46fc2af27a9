"""Browsers and proxies: origins, cookies, forwarded addresses."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, INFERRED, LOW, MEDIUM, RESOLVED, Found, Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.defaults import Default
from project.language.scopes import parents, subtree
from project.place import Place
from security.around import last_name
from security.dimension import security
from security.forwarded import LIMITS, proxies, reads_forwarded

CORS = "starlette.middleware.cors.CORSMiddleware"
SESSIONS = "starlette.middleware.sessions.SessionMiddleware"
PROXY_HEADERS = "uvicorn.middleware.proxy_headers.ProxyHeadersMiddleware"
DEVELOPMENT = re.compile(r"debug|\bdev|_dev|local|test", re.IGNORECASE)
ANY_ORIGIN = frozenset((".*", ".+", "^.*$", "https?://.*", "http.*", "^https?://.*$", "https://.*", "http://.*"))
OPEN_START = re.compile(r"(^|//|\))\.[*+]\.?\(?(\?:)?\w")
LOCAL_END = re.compile(r"localhost(:\S*)?$")
BARE_DOT = re.compile(r"(?<!\\)\.(?![*+?])\w+(?<!\\)\.|(?<!\\)\.(?![*+?])\w+\\\.")
LOGIN_COOKIE = re.compile(r"session|token|jwt|auth|(^|[_-])sid$|refresh|access|remember|credential", re.IGNORECASE)
READ_BY_SCRIPTS = re.compile(r"csrf|xsrf|state|nonce|theme|locale|lang|consent|has_|is_|expir", re.IGNORECASE)
# Of a sign-up, an authorization or a message in progress: it goes with it and logs nobody in.
_FLOW_COOKIE = re.compile(
    r"regist|sign_?-?up|oauth.*(state|session|flow)|state$|nonce|pkce|verifier|flash|pending|reset|invit|challenge",
    re.IGNORECASE,
)
_MAY_BE_FLOW = re.compile(r"(login|auth|authorization|consent)[_-]?(session|request|flow|attempt)", re.IGNORECASE)
_NO_CREDENTIAL = (0, "", "true", "false", "yes", "no")  # nothing, or a flag for the page
_LOGOUT = re.compile(r"(log|sign)_?(out|off)", re.IGNORECASE)
PASSES_TO = re.compile(r"proxy_pass|reverse_proxy|^\s*backend\b", re.MULTILINE)
_ANY_FORWARDED = re.compile(r"""--forwarded-allow-ips[=\s,"']+\\?\*""")


@security.check(
    "SEC007",
    "cors-wildcard-with-credentials",
    title="CORS lets every origin send credentials",
    impact=HIGH,
    anti_pattern=8,
    fix="List the exact origins, or leave allow_credentials off.",
)
def cors_wildcard_with_credentials(project: Project) -> Found:
    """Any web page may act as the visitor: Starlette answers each origin with its name.

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

        def develop(settings):
            if settings.debug:
                app.add_middleware(CORSMiddleware, allow_origins=["*"], allow_credentials=True)
    """
    for call, scope in _adds(project, CORS, "CORSMiddleware"):
        if not _is_for_development(call):
            yield from _cors(project, call, scope)


def _adds(project: Project, middleware: str, name: str) -> Iterator[tuple[ast.Call, Scope]]:
    """Calls that add a middleware: `app.add_middleware(M, ...)`, `Middleware(M, ...)`, `M(app, ...)`."""
    for module in project.app_modules:
        if name not in module.source.text:
            continue
        for scope in module.walk():
            for call in scope.all(ast.Call):
                if any(
                    last_name(given) and project.names.canonical(given, scope) == middleware for given in _heads(call)
                ):
                    yield call, scope


def _heads(call: ast.Call) -> list[ast.expr]:
    return [call.func, *call.args[:1], *(k.value for k in call.keywords if k.arg == "middleware_class")]


def _is_for_development(call: ast.Call) -> bool:
    """Whether it stands in a branch that a development switch opens."""
    child: ast.AST = call
    for holder in parents(call):
        if isinstance(holder, ast.If) and any(child is statement for statement in holder.body):
            test = ast.unparse(holder.test)
            if DEVELOPMENT.search(test) and "not " not in test and "!=" not in test:
                return True
        child = holder
    return False


def _cors(project: Project, call: ast.Call, scope: Scope) -> Iterator[Hit]:
    given = {k.arg: project.defaults.of(k.value, scope) for k in call.keywords if k.arg}
    origins, pattern = given.get("allow_origins"), given.get("allow_origin_regex")
    place = scope.place(call)
    if origins is not None and isinstance(origins.value, str) and "://" in origins.value:
        yield Hit(place, "allow_origins is one string: every part of it is accepted as an origin", (origins.place,))
        return
    credentials = given.get("allow_credentials")
    if credentials is None or credentials.value is not True:
        return
    impact = HIGH if uses_cookies(project) else LOW
    text = pattern.value if pattern is not None and isinstance(pattern.value, str) else ""
    if origins is not None and _has_star(origins.value):
        how = " unless the environment replaces the default" if origins.configurable else ""
        yield Hit(place, f"every origin may send credentials{how}", (origins.place,), impact, _certainty(origins))
    elif pattern is not None and text in ANY_ORIGIN:
        yield Hit(place, "the origin pattern fits every origin, with credentials", (pattern.place,), impact)
    elif pattern is not None and OPEN_START.search(text) and not LOCAL_END.search(text):
        message = "the origin pattern fits every host whose name only ends so (evil-example.com), with credentials"
        yield Hit(place, message, (pattern.place,), impact)
    elif pattern is not None and BARE_DOT.search(text):
        message = "the origin pattern has a bare dot: other hosts fit it as well, with credentials"
        yield Hit(place, message, (pattern.place,), min(impact, MEDIUM, key=(LOW, MEDIUM, HIGH).index))


def uses_cookies(project: Project) -> bool:
    """Whether anything here speaks of cookies, so that credentials mean more than a header that scripts must set."""
    return any(
        word in module.source.text
        for module in project.app_modules
        for word in ("set_cookie", "SessionMiddleware", "APIKeyCookie", ".cookies", "Cookie(")
    )


def _certainty(found: Default) -> str:
    return INFERRED if found.configurable else RESOLVED


def _has_star(value: object) -> bool:
    return value == "*" or (isinstance(value, list) and "*" in value)


@security.check(
    "SEC021",
    "forwarded-header-trust",
    title="Who calls is told by a header anyone can send",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Name the proxies (--forwarded-allow-ips); go by request.client.host alone.",
)
def forwarded_header_trust(project: Project) -> Found:
    """The client writes X-Forwarded-For and User-Agent itself: limits, audits and allow-lists by them are void.

    Source: Uvicorn, HTTP and proxies, https://www.uvicorn.org/deployment/#proxies-and-forwarded-headers

    Bad:
        from fastapi import FastAPI, Request

        app = FastAPI()

        def address(request: Request) -> str:
            forwarded = request.headers.get("X-Forwarded-For")  # SEC021
            return forwarded.split(",")[0].strip() if forwarded else request.client.host

        @app.post("/login")
        def login(request: Request):
            return address(request)
    Good:
        from fastapi import FastAPI, Request

        app = FastAPI()

        @app.post("/login")
        def login(request: Request):
            return request.client.host
    Not this:
        from fastapi import FastAPI, Request

        app = FastAPI()
        TRUSTED_PROXIES = {"10.0.0.1"}

        def address(request: Request) -> str:
            if request.client.host in TRUSTED_PROXIES:
                return request.headers["x-forwarded-for"].split(",")[0]
            return request.client.host

        def nearest(request: Request) -> str:
            return request.headers["x-forwarded-for"].split(",")[-1]

        @app.post("/login")
        def login(request: Request):
            return address(request), nearest(request)
    """
    for module in project.app_modules:
        if "orwarded" in module.source.text or "ORWARDED" in module.source.text:
            for function in module.functions:
                yield from reads_forwarded(project, function)
    for place in dict.fromkeys(_believing_commands(project)):
        yield Hit(place, _ANY_PROXY, impact=LOW)
    for place, setting in _forwarded_settings(project):
        if _has_star(setting.value):
            yield Hit(place, _ANY_PROXY, (), LOW, _certainty(setting))
    for call, scope in _adds(project, PROXY_HEADERS, "ProxyHeadersMiddleware"):
        trusted = next((k.value for k in call.keywords if k.arg == "trusted_hosts"), None)
        found = project.defaults.of(trusted, scope)
        if found is not None and _has_star(found.value):
            yield Hit(scope.place(call), _ANY_PROXY, impact=LOW)
    yield from _proxied_peers(project)
    yield from _chosen_keys(project)


def _believing_commands(project: Project) -> Iterator[Place]:
    """Commands and environment variables by which a server believes forwarded headers from anyone."""
    stack = project.stack
    yield from (s.place for s in stack.servers if s.options.get("forwarded-allow-ips", "").strip("'\"") == "*")
    commands = [command for image in stack.containers.dockerfiles for command in image.commands]
    commands += [command for compose in stack.containers.composes for command in compose.commands]
    yield from (place for place, text in commands if _ANY_FORWARDED.search(text))
    variables = stack.containers.environment.get("FORWARDED_ALLOW_IPS", [])
    yield from (place for place, value in variables if value.strip("'\"") == "*")


def _forwarded_settings(project: Project) -> Iterator[tuple[Place, Default]]:
    """What settings, and calls that start a server, give as `forwarded_allow_ips`."""
    for module in project.app_modules:
        if "orwarded_allow" in module.source.text or "ORWARDED_ALLOW" in module.source.text:
            for scope in module.walk():
                for name, bindings in scope.bindings.items():
                    if name.lower() == "forwarded_allow_ips" and not isinstance(scope, Function):
                        yield from _known(project, bindings[-1].value, scope)
            for site in project.calls.named(("uvicorn.run", "uvicorn.Config")):
                if site.scope.module is module:
                    given = site.argument(-1, "forwarded_allow_ips")
                    yield from _known(project, given if isinstance(given, ast.Constant) else None, site.scope)


def _known(project: Project, value: ast.expr | None, scope: Scope) -> Iterator[tuple[Place, Default]]:
    found = project.defaults.of(value, scope)
    if value is not None and found is not None:
        yield scope.place(value), found


def _proxied_peers(project: Project) -> Iterator[Hit]:
    """Limits by the address of the peer where a proxy of the repository stands before the server."""
    proxy = next((p for p in proxies(project) if PASSES_TO.search("\n".join(project.text_of(p)))), None)
    trusts = any("forwarded-allow-ips" in server.options for server in project.stack.servers)
    if proxy is None or trusts or "FORWARDED_ALLOW_IPS" in project.stack.containers.environment:
        return
    if any(True for _ in _adds(project, PROXY_HEADERS, "ProxyHeadersMiddleware")):
        return
    for module in project.app_modules:
        for function in module.functions if "client.host" in module.source.text else ():
            peers = [a for a in function.all(ast.Attribute) if a.attr == "host" and last_name(a.value) == "client"]
            if peers and LIMITS.search(function.qualname):
                message = (
                    f"{function.qualname} counts by the peer's address, which is that of the proxy for all clients"
                )
                line = Place(proxy, 1, 1, "", "the proxy")
                yield Hit(function.place(peers[0]), message, (line,), certainty=INFERRED)


def _chosen_keys(project: Project) -> Iterator[Hit]:
    """Keys of limits that a header makes anew whenever the client wishes."""
    for module in project.app_modules:
        for function in module.functions if _USER_AGENT in module.source.text.lower() else ():
            read = next((c for c in function.all(ast.Constant) if str(c.value).lower() == _USER_AGENT), None)
            if read is None or not LIMITS.search(function.qualname):
                continue
            kept = {name for name, bound in function.bindings.items() if any(_holds(b.value, read) for b in bound)}
            returned = [n for r in function.all(ast.Return) if r.value is not None for n in subtree(r.value)]
            if any(n is read or (isinstance(n, ast.Name) and n.id in kept) for n in returned):
                message = f"{function.qualname} counts by User-Agent too: another one starts a new count"
                yield Hit(function.place(read), message)


def _holds(value: ast.expr | None, node: ast.AST) -> bool:
    return value is not None and any(n is node for n in subtree(value))


_USER_AGENT = "user-agent"
_ANY_PROXY = "forwarded headers are believed from any sender: can clients reach this server past the proxy?"


@security.check(
    "SEC022",
    "cookie-flags",
    title="Login cookie without its flags",
    impact=MEDIUM,
    anti_pattern=8,
    fix='Set httponly=True, secure=True and samesite="lax"; give SessionMiddleware https_only=True.',
)
def cookie_flags(project: Project) -> Found:
    """By default scripts read it and plain HTTP carries it.

    Source: Starlette, Responses, https://starlette.dev/responses/#set-cookie

    Bad:
        from fastapi import FastAPI, Response
        from starlette.middleware.sessions import SessionMiddleware
        from app.settings import settings

        app = FastAPI()
        app.add_middleware(SessionMiddleware, secret_key=settings.key)  # SEC022

        @app.post("/login")
        def login(response: Response):
            response.set_cookie("session_id", "1")  # SEC022
    Good:
        from fastapi import FastAPI, Response
        from starlette.middleware.sessions import SessionMiddleware
        from app.settings import settings

        app = FastAPI()
        app.add_middleware(SessionMiddleware, secret_key=settings.key, https_only=True)

        @app.post("/login")
        def login(response: Response):
            response.set_cookie("session_id", "1", httponly=True, secure=True, samesite="lax")
    Not this:
        from fastapi import FastAPI, Response
        from starlette.middleware.sessions import SessionMiddleware
        from app.settings import settings

        app = FastAPI()
        app.add_middleware(SessionMiddleware, secret_key=settings.key, https_only=settings.secure_cookies)

        @app.post("/login")
        def login(response: Response):
            response.set_cookie("session_id", "1", httponly=True, secure=settings.secure_cookies)
            response.set_cookie("csrf_token", "1", secure=True)
            response.set_cookie("theme", "dark")
            response.set_cookie("is_session_authorized", "true")
            response.set_cookie("session_id", "", max_age=0)
    """
    out = _LoggedOut(project)
    for site in project.calls.named(_sets_cookie):
        yield from _cookie(project, site, out)
    yield from out.left()
    for call, scope in _adds(project, SESSIONS, "SessionMiddleware"):
        given = {k.arg for k in call.keywords}
        if "https_only" not in given and None not in given and "secret_key" in given and not _is_for_development(call):
            yield Hit(
                scope.place(call), "the session cookie also travels over plain HTTP: https_only is off by default"
            )


def _sets_cookie(name: str) -> bool:
    return name.endswith(".set_cookie") and name.startswith(("starlette.", "fastapi."))


def _cookie(project: Project, site: CallSite, out: _LoggedOut) -> Iterator[Hit]:
    name = _login_cookie(project, site)
    missing = []
    for position, flag in ((6, "secure"), (7, "httponly")):
        given = site.argument(position, flag)
        off = given is None or (isinstance(given, ast.Constant) and given.value is False)
        if off and not (flag == "httponly" and READ_BY_SCRIPTS.search(name)):
            missing.append(flag)
    if name and missing:
        flow = "; it belongs to a step in progress and logs nobody in" if out.is_of_a_flow(name) else ""
        message = f"the cookie {name} is set without {' and '.join(missing)}{flow}"
        yield Hit(site.place(), message, impact=LOW if flow else None)


def _login_cookie(project: Project, site: CallSite) -> str:
    """The name of a cookie that carries a credential; "" for another one, and where arguments are not known."""
    name = _cookie_name(project, site)
    if not LOGIN_COOKIE.search(name) or site.call is None or any(k.arg is None for k in site.call.keywords):
        return ""
    age, value = site.argument(2, "max_age"), site.argument(1, "value")
    return "" if any(isinstance(a, ast.Constant) and a.value in _NO_CREDENTIAL for a in (age, value)) else name


def _cookie_name(project: Project, site: CallSite) -> str:
    key = project.defaults.of(site.argument(0, "key"), site.scope)
    return key.value if key is not None and isinstance(key.value, str) else last_name(site.argument(0, "key"))


class _LoggedOut:
    """Which cookies a way of logging out deletes, and which go elsewhere."""

    def __init__(self, project: Project) -> None:
        self.project = project
        deleting = project.calls.named(lambda name: name.endswith(".delete_cookie"))
        self.leaving = [site for site in deleting if _LOGOUT.search(site.scope.name)]
        logouts = dict.fromkeys(site.scope for site in self.leaving)
        called = {t for scope in logouts for site in project.calls.sites(scope) for t in site.targets}
        self.gone = {_cookie_name(project, site) for site in deleting if site.scope in {*logouts, *called}}
        self.deleted = {_cookie_name(project, site) for site in deleting}

    def is_of_a_flow(self, name: str) -> bool:
        """By its name alone, or with another end than logging out, which deletes another login cookie."""
        if _FLOW_COOKIE.search(name):
            return True
        ends = name in self.deleted - self.gone and any(LOGIN_COOKIE.search(one) for one in self.gone)
        return ends and bool(_MAY_BE_FLOW.search(name))

    def left(self) -> Iterator[Hit]:
        """Login cookies that no way of logging out deletes, where it deletes others."""
        told = set(self.gone)
        for site in self.project.calls.named(_sets_cookie) if self.leaving else ():
            name = _login_cookie(self.project, site)
            if name and name not in told and not READ_BY_SCRIPTS.search(name) and not self.is_of_a_flow(name):
                told.add(name)
                yield Hit(
                    site.place(),
                    f"the cookie {name} stays after {self.leaving[0].scope.name}",
                    (self.leaving[0].place("deletes others"),),
                )
