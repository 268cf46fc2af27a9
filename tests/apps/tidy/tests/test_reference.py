from collections.abc import Callable, Iterator

import httpx2
import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.cache import TtlCache
from app.dependencies import metadata_client
from app.services.metadata import MetadataClient
from tests.conftest import Headers

ISBN = "9780441478125"
Answer = Callable[[httpx2.Request], httpx2.Response]


@pytest.fixture
def answer_metadata(app: FastAPI) -> Iterator[Callable[[Answer], None]]:
    """Put an answer of the metadata service in the place of the network."""

    def use(answer: Answer) -> None:
        http = httpx2.AsyncClient(base_url="https://metadata.library.example", transport=httpx2.MockTransport(answer))
        client = MetadataClient(http, TtlCache(seconds=60, max_entries=10))
        app.dependency_overrides[metadata_client] = lambda: client

    yield use
    app.dependency_overrides.pop(metadata_client, None)


def test_metadata_is_cached(client: TestClient, member: Headers, answer_metadata: Callable[[Answer], None]) -> None:
    asked: list[str] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        asked.append(request.url.params["isbn"])
        return httpx2.Response(200, json={"isbn": ISBN, "title": "Left Hand", "author": "Le Guin"})

    answer_metadata(answer)
    for _ in range(2):
        response = client.get("/api/v1/reference/book-metadata", params={"isbn": ISBN}, headers=member)
        assert response.status_code == 200
        assert response.json() == [{"isbn": ISBN, "title": "Left Hand", "author": "Le Guin"}]
    assert asked == [ISBN]


def test_metadata_service_down(client: TestClient, member: Headers, answer_metadata: Callable[[Answer], None]) -> None:
    answer_metadata(lambda request: httpx2.Response(500))
    response = client.get("/api/v1/reference/book-metadata", params={"isbn": ISBN}, headers=member)
    assert (response.status_code, response.json()) == (502, {"detail": "The metadata service does not answer"})
    refused = client.get("/api/v1/reference/book-metadata", params={"isbn": "12"}, headers=member)
    assert refused.status_code == 422


def test_house_rules(client: TestClient, member: Headers) -> None:
    assert "three weeks" in client.get("/api/v1/reference/house-rules", headers=member).json()["text"]
    assert client.get("/api/v1/reference/house-rules").status_code == 401


def test_health(client: TestClient) -> None:
    response = client.get("/health/live")
    assert response.json() == {"status": "up"}
    assert len(response.headers["X-Request-ID"]) == 32
    assert client.get("/health/ready").json() == {"status": "ready"}
