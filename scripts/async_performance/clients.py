"""Clients of other services: made for each request, without a timeout."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.calls import CallSite
from project.place import Place
from project.scopes import parent

CLIENTS = frozenset(
    "httpx.AsyncClient httpx.Client httpx2.AsyncClient httpx2.Client aiohttp.ClientSession requests.Session "
    "boto3.client boto3.resource boto3.Session.client boto3.Session.resource openai.AsyncOpenAI openai.OpenAI "
    "openai.AzureOpenAI openai.AsyncAzureOpenAI anthropic.AsyncAnthropic anthropic.Anthropic redis.Redis "
    "redis.from_url redis.Redis.from_url redis.asyncio.Redis redis.asyncio.from_url "
    "redis.asyncio.Redis.from_url elasticsearch.AsyncElasticsearch elasticsearch.Elasticsearch "
    "google.cloud.storage.Client".split()
)
CACHES = frozenset("functools.lru_cache functools.cache functools.cached_property async_lru.alru_cache".split())
WITHOUT_DEFAULT_TIMEOUT = frozenset(
    f"{owner}.{verb}"
    for owner in ("requests", "requests.Session")
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request")
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
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        async def rates():
            async with httpx.AsyncClient() as client:  # ASY004
                return (await client.get("https://rates.test")).json()
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

        @app.get("/rates")
        async def rates(client=Depends(get_client), other=Depends(per_tenant)):
            return (await client.get("https://rates.test")).json()
    """
    found: dict[str, list[tuple[Function, CallSite]]] = {}
    for function, site in project.requests.sites():
        name = next((n for n in site.names if n in CLIENTS), None)
        if name is not None and site.call is not None and not _kept(project, function, site):
            found.setdefault(name, []).append((function, site))
    for name, sites in found.items():
        function, site = sites[0]
        root = project.requests.root(function)
        places = tuple(s.place() for _, s in sites[1:])
        many = f", and at {len(places)} more places" if places else ""
        impact = LOW if name == "aiohttp.ClientSession" else None
        message = f"{name} is made anew each time {root.label} runs{many}"
        yield Hit(site.place(), message, _trace(project, function, site), impact, site.certainty, places)


def _trace(project: Project, function: Function, site: CallSite) -> tuple[Place, ...]:
    return (*project.requests.trace(function), site.place("client is made"))


def _kept(project: Project, function: Function, site: CallSite) -> bool:
    """Whether the client outlives the call: kept on an object, in a global or a mapping, by a cache, or handed back."""
    scope = function.parent or function.module
    for decorator in function.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        if project.names.canonical(target, scope) in CACHES:
            return True
    holder = parent(site.node)
    if isinstance(holder, ast.withitem):
        return False
    if isinstance(holder, (ast.Assign, ast.AnnAssign)):
        targets = holder.targets if isinstance(holder, ast.Assign) else [holder.target]
        names = [t.id for t in targets if isinstance(t, ast.Name)]
        return len(names) != len(targets) or any(_escapes(function, name) for name in names)
    return True


def _escapes(function: Function, name: str) -> bool:
    """Whether a local leaves the function other than by its methods being called or being closed."""
    if any(name in node.names for node in function.all(ast.Global)):
        return True
    for scope in function.walk():
        for use in scope.all(ast.Name):
            if use.id != name or not isinstance(use.ctx, ast.Load):
                continue
            if scope is not function or not isinstance(parent(use), (ast.Attribute, ast.withitem)):
                return True
    return False


@performance.check(
    "ASY016",
    "outbound-call-without-timeout",
    title="Outbound call without a timeout",
    impact=MEDIUM,
    fix="Pass timeout= with a connect and a read limit that the caller can bear.",
)
def outbound_call_without_timeout(project: Project) -> Found:
    """requests waits for ever by default: one silent peer takes a thread (or the loop) for good.

    Source: Requests, Timeouts, https://requests.readthedocs.io/en/latest/user/advanced/#timeouts

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
    for function, site in project.requests.sites():
        if site.call is None or any(k.arg is None for k in site.call.keywords):
            continue
        given = site.argument(-1, "timeout")
        switched_off = isinstance(given, ast.Constant) and given.value is None
        if switched_off and (TIMEOUT_NONE | WITHOUT_DEFAULT_TIMEOUT).intersection(site.names):
            found.setdefault(f"{site.names[0]} with timeout=None", []).append((function, site))
        elif given is None and WITHOUT_DEFAULT_TIMEOUT.intersection(site.names):
            found.setdefault("requests without timeout=", []).append((function, site))
    for what, sites in found.items():
        function, site = next((s for s in sites if s[0] in project.event_loop), sites[0])
        places = tuple(s.place() for _, s in sites if s is not site)
        many = f" (and {len(places)} more places)" if places else ""
        impact = HIGH if function in project.event_loop else None
        message = f"{what} waits for ever for a silent peer{many}"
        yield Hit(site.place(), message, project.requests.trace(function), impact, places=places)
