"""Clients of other services that are made for each request."""

from __future__ import annotations

import ast
import re

from async_performance.dimension import performance
from check import LOW, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.scopes import parents

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
_RENEWS = re.compile(r"refresh|expir|renew|revok|stale|reconnect", re.IGNORECASE)
_SIGNS_IN = re.compile(r"(^|_)(log_?(in|out)|sign_?(in|out|up)|oauth2?|oidc|saml|cas|sso)(_|$)", re.IGNORECASE)


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
        grave = [(f, s) for f, s in sites if not (_has_own_credentials(s) or _is_on_side_path(project, f, s))]
        function, site = (grave or sites)[0]
        root = project.requests.root(function)
        places = tuple(s.place() for _, s in sites if s is not site)
        many = f", and at {len(places)} more places" if places else ""
        impact = LOW if name in LIGHT or not grave else None
        message = f"{name} is made anew each time {root.label} runs{many}"
        certain = "inferred" in (site.certainty, project.requests.certainty(function))
        trace = (*project.requests.trace(function), site.place("client is made"))
        yield Hit(site.place(), message, trace, impact, "inferred" if certain else "resolved", places)


def _has_own_credentials(site: CallSite) -> bool:
    """Whether the client is made with a key, or options, that may differ from request to request."""
    call = site.call
    if call is None:
        return False
    given = [k.value for k in call.keywords if k.arg in CREDENTIALS or k.arg is None]
    if isinstance(call.func, ast.Attribute) and "Session" in site.names[0]:
        given.append(call.func.value)
    return any(_varies(value, site.scope) for value in given)


def _varies(expr: ast.expr, scope: Scope, depth: int = 0) -> bool:
    """Whether a value depends on what the function was given, through its locals."""
    if not isinstance(scope, Function) or depth > 3:
        return False
    parameters = {arg.arg for arg, _ in scope.params}
    for name in (n.id for n in ast.walk(expr) if isinstance(n, ast.Name)):
        if name in parameters:
            return True
        if any(b.value is not None and _varies(b.value, scope, depth + 1) for b in scope.bindings.get(name, [])):
            return True
    return False


def _is_on_side_path(project: Project, function: Function, site: CallSite) -> bool:
    """Whether the way to the client leads through the handling of an error, a log-in or a refresh of what expired."""
    ways = [site]
    while (step := project.requests.step(function)) is not None and step.site is not None:
        ways.append(step.site)
        if not isinstance(step.site.scope, Function):
            break
        function = step.site.scope
    return any(_is_exceptional(way) for way in ways)


def _is_exceptional(site: CallSite) -> bool:
    name = site.scope.name if isinstance(site.scope, Function) else ""
    if _RENEWS.search(name) or _SIGNS_IN.search(name):
        return True
    child: ast.AST = site.node
    for holder in parents(site.node):
        if isinstance(holder, ast.ExceptHandler):
            return True
        if isinstance(holder, ast.If) and child is not holder.test and _RENEWS.search(ast.unparse(holder.test)):
            return True
        child = holder
    return False
