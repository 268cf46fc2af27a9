"""Clients of other services: made for each request, without a timeout."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.serving.roots import calls_to

CLIENTS = frozenset(
    "httpx.AsyncClient httpx.Client httpx2.AsyncClient httpx2.Client aiohttp.ClientSession requests.Session "
    "boto3.client boto3.resource boto3.Session.client boto3.Session.resource openai.AsyncOpenAI openai.OpenAI "
    "openai.AzureOpenAI openai.AsyncAzureOpenAI anthropic.AsyncAnthropic anthropic.Anthropic redis.Redis "
    "redis.from_url redis.Redis.from_url redis.asyncio.Redis redis.asyncio.from_url "
    "redis.asyncio.Redis.from_url elasticsearch.AsyncElasticsearch elasticsearch.Elasticsearch "
    "google.cloud.storage.Client".split()
)
LIGHT = frozenset(("aiohttp.ClientSession", "requests.Session"))  # they build no TLS context, only lose connections
CREDENTIALS = frozenset(
    "api_key token auth aws_access_key_id aws_secret_access_key credentials azure_ad_token password username".split()
)
REQUESTS = frozenset(
    f"{owner}.{verb}"
    for owner in ("requests", "requests.Session")
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request")
)
AIOHTTP = frozenset(
    f"aiohttp.ClientSession.{verb}" for verb in "get post put patch delete head options request ws_connect".split()
)
TIMEOUT_NONE = frozenset("httpx.AsyncClient httpx.Client httpx2.AsyncClient httpx2.Client".split())


@performance.check(
    "ASY004",
    "client-per-request",
    title="HTTP or service client made for each request",
    impact=MEDIUM,
    fix="Make the client once in the lifespan, close it after yield, and hand it out through a dependency.",
)
def client_per_request(project: Project) -> Found:
    """A new client builds a TLS context (tens of milliseconds of computing) and opens new connections every time.

    Source: HTTPX, Clients, https://www.python-httpx.org/advanced/clients/

    Bad:
        # app/main.py
        import httpx
        from fastapi import FastAPI
        from app import service

        app = FastAPI()
        app.include_router(service.router)

        @app.get("/rates")
        async def rates():
            async with httpx.AsyncClient() as client:  # ASY004
                return (await client.get("https://rates.test")).json()
        # app/service.py
        import httpx
        from fastapi import APIRouter, Depends

        router = APIRouter()

        class Rates:
            def __init__(self):
                self.client = httpx.AsyncClient()  # ASY004

        def get_rates():
            return Rates()

        @router.get("/service")
        async def service(rates=Depends(get_rates)):
            return (await rates.client.get("https://rates.test")).json()
    Good:
        from contextlib import asynccontextmanager
        import httpx
        from fastapi import FastAPI, Request

        @asynccontextmanager
        async def lifespan(app):
            async with httpx.AsyncClient() as client:
                yield {"http": client}

        app = FastAPI(lifespan=lifespan)

        @app.get("/rates")
        async def rates(request: Request):
            return (await request.state.http.get("https://rates.test")).json()
    Not this:
        from functools import lru_cache
        import httpx
        from fastapi import Depends, FastAPI

        app = FastAPI()
        shared = httpx.AsyncClient()
        made = {}

        @lru_cache
        def get_client():
            return httpx.AsyncClient()

        def per_tenant(tenant: str):
            if tenant not in made:
                made[tenant] = httpx.AsyncClient()
            return made[tenant]

        class Rates:
            def __init__(self):
                self.client = httpx.AsyncClient()

        service = None

        def get_service():
            global service
            if service is None:
                service = Rates()
            return service

        @app.get("/rates")
        async def rates(client=Depends(get_client), other=Depends(per_tenant), third=Depends(get_service)):
            return (await client.get("https://rates.test")).json()
    """
    found: dict[str, list[tuple[Function, CallSite]]] = {}
    for function, site, name in project.requests.calls_of(CLIENTS.__contains__):
        if site.call is None or project.requests.root(function).kind == "background task":
            continue
        if any(k.arg in ("connection_pool", "transport", "http_client") for k in site.call.keywords):
            continue  # a light object over connections that are shared
        if not project.lifetimes.outlives_request(site, project.requests):
            found.setdefault(name, []).append((function, site))
    for name, sites in found.items():
        function, site = sites[0]
        root = project.requests.root(function)
        places = tuple(s.place() for _, s in sites[1:])
        many = f", and at {len(places)} more places" if places else ""
        impact = LOW if name in LIGHT or all(_has_own_credentials(s) for _, s in sites) else None
        message = f"{name} is made anew each time {root.label} runs{many}"
        certain = "inferred" in (site.certainty, project.requests.certainty(function))
        trace = (*project.requests.trace(function), site.place("client is made"))
        yield Hit(site.place(), message, trace, impact, "inferred" if certain else "resolved", places)


def _has_own_credentials(site: CallSite) -> bool:
    """Whether the client is made with a key that the function was given, as it may differ from request to request."""
    given = [k.value for k in site.call.keywords if k.arg in CREDENTIALS] if site.call is not None else []
    parameters = {arg.arg for arg, _ in site.scope.params} if isinstance(site.scope, Function) else set()
    return any(isinstance(n, ast.Name) and n.id in parameters for value in given for n in ast.walk(value))


@performance.check(
    "ASY016",
    "outbound-call-without-timeout",
    title="Outbound call without a timeout",
    impact=MEDIUM,
    fix="Pass timeout= with a connect and a read limit that the caller can bear.",
)
def outbound_call_without_timeout(project: Project) -> Found:
    """requests waits for ever by default: one silent peer takes a thread (or the loop) for good. aiohttp waits five
    minutes.

    Source: Requests, Timeouts, https://requests.readthedocs.io/en/latest/user/advanced/#timeouts ; aiohttp 3.14

    Bad:
        import requests
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        def rates():
            return requests.get("https://rates.test").json()  # ASY016
    Good:
        import requests
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        def rates():
            return requests.get("https://rates.test", timeout=(2, 5)).json()
    Not this:
        import httpx
        import requests
        from fastapi import FastAPI

        app = FastAPI()
        options = {"timeout": 5}

        @app.get("/rates")
        def rates(client: httpx.Client):
            client.get("https://rates.test")
            return requests.get("https://rates.test", **options).json()

        def command_line():
            return requests.get("https://rates.test").json()
    """
    found: dict[str, list[tuple[Function, CallSite]]] = {}
    for function, site, _ in project.requests.calls_of((REQUESTS | AIOHTTP).__contains__):
        what = _waits_for_ever(site)
        if what:
            found.setdefault(what, []).append((function, site))
    for site in _clients_without_limit(project):
        yield Hit(site.place(), f"{site.names[0]} with timeout=None waits for ever for a silent peer")
    for what, sites in found.items():
        function, site = next((s for s in sites if s[0] in project.event_loop), sites[0])
        places = tuple(s.place() for _, s in sites if s is not site)
        many = f" (and {len(places)} more places)" if places else ""
        lenient = what.startswith("aiohttp")
        impact = LOW if lenient else HIGH if function in project.event_loop and what.startswith("requests") else None
        long = "five minutes" if lenient else "for ever"
        message = f"{what} waits {long} for a silent peer{many}"
        yield Hit(site.place(), message, project.requests.trace(function), impact, places=places)


def _clients_without_limit(project: Project) -> Iterator[CallSite]:
    """Clients that serve requests, made with `timeout=None`, wherever they are made."""
    for call, scope in calls_to(project, frozenset(n.rsplit(".", 1)[-1] for n in TIMEOUT_NONE)):
        given = next((k.value for k in call.keywords if k.arg == "timeout"), None)
        if isinstance(given, ast.Constant) and given.value is None:
            serving = project.requests.within(scope) or project.event_loop.within(scope)
            site = project.calls.site(call, scope)
            if TIMEOUT_NONE.intersection(site.names) and (serving or not isinstance(scope, Function)):
                yield site


def _waits_for_ever(site: CallSite) -> str:
    """How a call leaves the time limit out or switches it off, "" when it does neither."""
    if site.call is None or any(k.arg is None for k in site.call.keywords):
        return ""
    given = site.argument(-1, "timeout")
    if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
        return ""
    if REQUESTS.intersection(site.names):
        return "requests without timeout="
    if AIOHTTP.intersection(site.names) and isinstance(site.scope, Function):
        made = [call for call in site.scope.all(ast.Call) if ast.unparse(call.func).endswith("ClientSession")]
        limited = any(k.arg in ("timeout", None) for call in made for k in call.keywords)
        return "aiohttp without timeout=" if made and not limited else ""
    return ""
