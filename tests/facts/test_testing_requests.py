"""Proofs of what TESTING.md says about the lifespan under an async client and about guards before bodies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from asgi_lifespan import LifespanManager
from fastapi import Depends, FastAPI, HTTPException, Request
from fastapi.testclient import TestClient
from httpx2 import ASGITransport, AsyncClient
from pydantic import BaseModel

from .registry import fact


@fact("tst-lifespan-manager")
def test_the_lifespan_manager_brings_what_the_lifespan_yields_to_the_request() -> None:
    @asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[dict[str, str]]:
        yield {"rates": f"client of {app.title}"}

    app = FastAPI(title="shop", lifespan=lifespan)

    @app.get("/")
    def read(request: Request) -> str:
        found: str = request.state.rates
        return found

    async def asked() -> str:
        async with LifespanManager(app) as running:
            transport = ASGITransport(app=running.app)
            async with AsyncClient(transport=transport, base_url="http://test") as client:
                answer: str = (await client.get("/")).json()
        return answer

    assert asyncio.run(asked()) == "client of shop"


@fact("tst-malformed-before-guard")
def test_a_body_that_is_no_json_is_refused_before_the_guard_runs() -> None:
    class Order(BaseModel):
        amount: int

    def guard() -> None:
        raise HTTPException(401)

    app = FastAPI(dependencies=[Depends(guard)])

    @app.post("/orders")
    def create(order: Order) -> int:
        return order.amount

    client = TestClient(app)
    assert client.post("/orders", json={"amount": "many"}).status_code == 401
    assert client.post("/orders", content="{", headers={"Content-Type": "application/json"}).status_code == 422
