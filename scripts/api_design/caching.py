"""Answers that every request asks for again."""

from __future__ import annotations

from api_design.dimension import api
from api_design.wording import counted
from check import LOW, Found, Hit
from project import Project


@api.check(
    "API029",
    "same-read-on-every-request",
    title="The same read on every request",
    impact=LOW,
    fix="Ask whether it may be some seconds old; if so keep the answer in app.state or a cache with a time to live.",
)
def same_read_on_every_request(project: Project) -> Found:
    """A question: a read whose answer depends on nothing in the request costs each of them a round trip.

    Source: Python, functools.lru_cache, https://docs.python.org/3/library/functools.html

    Bad:
        import httpx
        from fastapi import APIRouter, Depends, FastAPI

        app = FastAPI()
        client = httpx.AsyncClient()

        async def signing_keys() -> dict:
            answer = await client.get("https://login.example/keys")  # API029
            answer.raise_for_status()
            return answer.json()

        router = APIRouter(dependencies=[Depends(signing_keys)])

        @router.get("/a0")
        @router.get("/a1")
        @router.get("/a2")
        @router.get("/a3")
        @router.get("/a4")
        @router.get("/a5")
        @router.get("/a6")
        @router.get("/a7")
        @router.get("/a8")
        @router.get("/a9")
        def read() -> None: ...

        app.include_router(router)
    Good:
        import time

        import httpx
        from fastapi import APIRouter, Depends, FastAPI

        app = FastAPI()
        client = httpx.AsyncClient()
        cached: dict = {}

        async def signing_keys() -> dict:
            if cached.get("until", 0) < time.monotonic():
                answer = await client.get("https://login.example/keys")
                answer.raise_for_status()
                cached.update(keys=answer.json(), until=time.monotonic() + 300)
            return cached["keys"]

        router = APIRouter(dependencies=[Depends(signing_keys)])

        @router.get("/a0")
        @router.get("/a1")
        @router.get("/a2")
        @router.get("/a3")
        @router.get("/a4")
        @router.get("/a5")
        @router.get("/a6")
        @router.get("/a7")
        @router.get("/a8")
        @router.get("/a9")
        def read() -> None: ...

        app.include_router(router)
    Not this:
        import httpx
        from fastapi import APIRouter, Depends, FastAPI, Header

        app = FastAPI()
        client = httpx.AsyncClient()

        async def current_user(authorization: str = Header()) -> dict:
            answer = await client.get("https://login.example/me", headers={"Authorization": authorization})
            answer.raise_for_status()
            return answer.json()

        router = APIRouter(dependencies=[Depends(current_user)])

        @router.get("/a0")
        @router.get("/a1")
        @router.get("/a2")
        @router.get("/a3")
        @router.get("/a4")
        @router.get("/a5")
        @router.get("/a6")
        @router.get("/a7")
        @router.get("/a8")
        @router.get("/a9")
        def read() -> None: ...

        app.include_router(router)
    """
    for read in project.repeated_reads.all:
        name = read.function.qualname
        if read.routes:
            message = f"{name} asks {read.what} the same for each request of {counted(read.routes, 'route')}"
        else:
            message = f"{name} asks {read.what} for fixed keys at {counted(len(read.places), 'place')} of the requests"
        yield Hit(read.read, f"{message}: could the answer be kept?", read.trace, places=read.places)
