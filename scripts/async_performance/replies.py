"""Answers of other servers that are taken into memory whole."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from check import MEDIUM, Found, Hit
from project import Project
from project.language.calls import CallSite
from project.serving.origins import ADDRESS

READS_WHOLE = frozenset(
    f"{owner}.{verb}"
    for owner in "requests requests.Session httpx httpx.Client httpx.AsyncClient httpx2 httpx2.Client "
    "httpx2.AsyncClient".split()
    for verb in "get post put patch request".split()
)


@performance.check(
    "ASY021",
    "reply-of-chosen-address-read-whole",
    title="Answer of an address that the caller chose, read whole into memory",
    impact=MEDIUM,
    fix="Stream the answer and stop at a limit: client.stream(...), then aiter_bytes with a counter.",
)
def reply_of_chosen_address_read_whole(project: Project) -> Found:
    """Whoever chooses the address chooses how much is sent: a few endless answers at a time end the process.

    Source: HTTPX, Streaming responses, https://www.python-httpx.org/quickstart/#streaming-responses

    Bad:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/preview")
        async def preview(url: str):
            async with httpx.AsyncClient() as client:  # ASY004
                return (await client.get(url)).text[:200]  # ASY021

        @app.get("/second")
        async def second(url: str):
            async with httpx.AsyncClient() as client:  # ASY004
                return (await client.get(url)).json()  # ASY021
    Good:
        import httpx
        from fastapi import Depends, FastAPI, HTTPException, Request

        app = FastAPI()

        def get_client(request: Request) -> httpx.AsyncClient:
            return request.state.client

        @app.get("/preview")
        async def preview(url: str, client: httpx.AsyncClient = Depends(get_client)):
            page = b""
            async with client.stream("GET", url) as answer:
                async for part in answer.aiter_bytes():
                    page += part
                    if len(page) > 1_000_000:
                        raise HTTPException(413)
            return page[:200].decode(errors="replace")
    Not this:
        import requests
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates/{currency}")
        def rates(currency: str):
            return requests.get(f"https://rates.test/{currency}", timeout=5).json()

        @app.get("/head")
        def head(url: str):
            with requests.get(url, stream=True, timeout=5) as answer:
                return dict(answer.headers)
    """
    reading = [s for s in project.calls.named(READS_WHOLE) if not _streams(s)]
    ways = [(s, way) for s in reading if (way := project.origins.way(_address(s), s.scope, ADDRESS)) is not None]
    if ways:
        (site, way), *more = ways
        also = f"; so do {len(more)} more calls" if len(more) > 1 else "; so does one more call" if more else ""
        message = f"{way.source} chooses the address whose answer {site.names[0]} reads whole{also}"
        worst = next((c for c in (way.certainty, site.certainty) if c != "resolved"), "resolved")
        yield Hit(site.place(), message, way.places, None, worst, tuple(s.place() for s, _ in more))


def _streams(site: CallSite) -> bool:
    given = site.argument(-1, "stream")
    return given is not None and not (isinstance(given, ast.Constant) and given.value is False)


def _address(site: CallSite) -> ast.expr | None:
    return site.argument(1 if site.names[0].endswith(".request") else 0, "url")
