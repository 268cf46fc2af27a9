"""Errors of other services."""

from __future__ import annotations

import ast

from check import LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.calls import CallSite
from project.language.names import External
from project.language.scopes import subtree
from project.serving.exceptions import try_of

# Raised for an answer with an error status only; for connection errors and timeouts there are others.
STATUS_ERRORS = {
    "httpx.HTTPStatusError": "httpx.RequestError",
    "httpx2.HTTPStatusError": "httpx2.RequestError",
    "aiohttp.ClientResponseError": "aiohttp.ClientConnectionError and TimeoutError",
    "requests.HTTPError": "requests.ConnectionError and Timeout",
    "requests.exceptions.HTTPError": "requests.ConnectionError and Timeout",
}
OTHERS = tuple(
    External(name)
    for name in "httpx.ConnectError httpx2.ConnectError aiohttp.ClientConnectionError requests.ConnectionError".split()
)
MAX_HOPS = 3
# Client libraries with errors of their own, by the package that calls and errors come from.
FAMILIES = {
    **{name: name for name in ("httpx", "aiohttp", "requests")},
    "httpx2": "httpx",
    **dict.fromkeys(("boto3", "botocore"), "boto3"),
}


@organization.check(
    "ORG016",
    "remote-error-unhandled",
    title="Failure of another service not provided for",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Call raise_for_status, catch the client's base error, and answer 502 or a fallback.",
)
def remote_error_unhandled(project: Project) -> Found:
    """An error answer has other JSON than a good one: the KeyError it ends in is a 500 that names the wrong culprit.

    Who catches the status error alone still fails when the service cannot be reached or is too slow.

    Source: HTTPX, Exceptions, https://www.python-httpx.org/exceptions/

    Bad:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        client = httpx.AsyncClient()

        @app.get("/rate")
        async def read_rate() -> float:
            answer = await client.get("https://rates.example/latest")
            return answer.json()["rate"]  # ORG016

        @app.get("/name")
        async def read_name() -> str:
            try:
                answer = await client.get("https://names.example/latest")
                answer.raise_for_status()
            except httpx.HTTPStatusError:  # ORG016
                return "unknown"
            return answer.json()["name"]
    Good:
        import httpx
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        client = httpx.AsyncClient()

        @app.get("/rate")
        async def read_rate() -> float:
            try:
                answer = await client.get("https://rates.example/latest")
                answer.raise_for_status()
            except httpx.HTTPError as error:
                raise HTTPException(502, "no rates") from error
            return answer.json()["rate"]
    Not this:
        import httpx
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        client = httpx.AsyncClient()

        def checked(answer: httpx.Response) -> dict:
            answer.raise_for_status()
            return answer.json()

        @app.get("/a")
        async def read_a() -> float:
            answer = await client.get("https://rates.example/latest")
            if answer.status_code != 200:
                raise HTTPException(502)
            return answer.json()["rate"]

        @app.get("/b")
        async def read_b() -> dict:
            return checked(await client.get("https://rates.example/latest"))

        @app.get("/c")
        async def read_c() -> dict:
            answer = await client.get("https://rates.example/latest")
            return checked(answer)

        @app.get("/d")
        async def read_d() -> float:
            try:
                return (await client.get("https://rates.example/latest")).json()["rate"]
            except (httpx.HTTPStatusError, httpx.RequestError, KeyError):
                return 1.0
    """
    for answer in project.remote_answers.unchecked:
        trace = (answer.site.place("calls the service"),)
        message = f"{answer.function.name} reads the answer of another service without a look at its status"
        yield Hit(answer.function.place(answer.read), message, trace, certainty=answer.site.certainty)
    for function in project.requests.functions:
        for clause in function.all(ast.ExceptHandler):
            kinds = [kind.dotted for kind in project.exceptions.caught_kinds(clause, function) if kind is not None]
            other = next((STATUS_ERRORS[k] for k in kinds if k in STATUS_ERRORS), "")
            if other and _is_alone(project, clause, function):
                message = f"only error answers are caught: {function.name} still fails with {other}"
                yield Hit(function.place(clause), message)


def _is_alone(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a remote call stands in the try and no clause, here or further out, catches its other errors."""
    tried = {id(node) for statement in try_of(clause).body for node in subtree(statement)}
    ways = [(site, site) for site in project.calls.sites(function) if id(site.node) in tried]  # call, call in the try
    for _ in range(MAX_HOPS):
        for site, first in ways:
            other = _connection_error(project, site)
            if other is not None and isinstance(site.scope, Function):
                leaves = not project.exceptions.stopped(site.node, other, site.scope)
                outer = first is site or not project.exceptions.stopped(first.node, other, function)
                return leaves and outer and project.exceptions.reaches_client(function, other)
        ways = [(inner, first) for site, first in ways for t in site.targets for inner in project.calls.sites(t)]
    return False


def _connection_error(project: Project, site: CallSite) -> External | None:
    """What a remote call raises when the service cannot be reached; None for any other call."""
    if not project.remote_answers.is_request(site):
        return None
    libraries = {name.split(".")[0] for name in site.names}
    return next((other for other in OTHERS if other.dotted.split(".")[0] in libraries), None)


@organization.check(
    "ORG018",
    "except-of-another-library",
    title="Clause for the errors of another client library",
    impact=LOW,
    anti_pattern=7,
    fix="Catch the errors of the library that the try calls: httpx.HTTPError, botocore ClientError, ...",
)
def except_of_another_library(project: Project) -> Found:
    """Each client library raises errors of its own: this clause never runs, and the failure it is for goes on.

    Source: Boto3, Error handling, https://docs.aws.amazon.com/boto3/latest/guide/error-handling.html

    Bad:
        import boto3
        import httpx
        from requests import RequestException

        storage = boto3.client("s3")

        async def rate(client: httpx.AsyncClient) -> str:
            try:
                answer = await client.get("https://rates.example")
            except RequestException:  # ORG018
                return ""
            return answer.text

        def link(name: str) -> str:
            try:
                return storage.generate_presigned_url("get_object", Params={"Key": name})
            except httpx.HTTPError:  # ORG018
                return ""
    Good:
        import httpx

        async def rate(client: httpx.AsyncClient) -> str:
            try:
                answer = await client.get("https://rates.example")
            except httpx.HTTPError:
                return ""
            return answer.text
    Not this:
        import httpx
        import requests
        from shop import rates

        def fetch(source: str) -> str:
            try:
                return rates.fetch(source)
            except requests.RequestException:
                return ""

        async def both(client: httpx.AsyncClient) -> str:
            try:
                answer = await client.get("https://rates.example")
                return answer.text + requests.get("https://names.example", timeout=3).text
            except requests.RequestException:
                return ""
        # shop/__init__.py
        # shop/rates.py
        def fetch(source): ...
    """
    for module in project.app_modules:
        for function in module.functions:
            for clause in function.all(ast.ExceptHandler):
                caught = {_family(kind.dotted) for kind in project.exceptions.caught_kinds(clause, function) if kind}
                called = _called_families(project, clause, function) if len(caught) == 1 and "" not in caught else set()
                if called and not caught & called:
                    message = f"the try calls {_listed(called)}, this clause is for errors of {_listed(caught)}"
                    yield Hit(function.place(clause), message)


def _family(name: str) -> str:
    """The client library whose errors a call raises, "" when it is none of those known."""
    return FAMILIES.get(name.partition(".")[0], "")


def _called_families(project: Project, clause: ast.ExceptHandler, function: Function) -> set[str]:
    """Client libraries that the try calls; none when something in it is not known to be harmless."""
    tried = {id(node) for statement in try_of(clause).body for node in subtree(statement)}
    found: set[str] = set()
    for site in project.calls.sites(function):
        if id(site.node) in tried and site.call is not None:
            families = {_family(name) for name in site.names}
            if site.targets or not site.names:
                return set()
            found |= families - {""}
    return found


def _listed(names: set[str]) -> str:
    return " and ".join(sorted(names))
