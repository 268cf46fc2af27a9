import asyncio

import httpx2
from pydantic import ValidationError

from app.cache import TtlCache
from app.errors import UpstreamError
from app.schemas.books import BookMetadata


class MetadataClient:
    """Title and author by ISBN from the metadata service, cached for an hour."""

    def __init__(self, http: httpx2.AsyncClient, cache: TtlCache) -> None:
        self.http = http
        self.cache = cache

    async def look_up(self, isbns: list[str]) -> list[BookMetadata]:
        return await asyncio.gather(*(self.fetch(isbn) for isbn in dict.fromkeys(isbns)))

    async def fetch(self, isbn: str) -> BookMetadata:
        cached = await self.cache.get(isbn)
        if cached is not None:
            return BookMetadata.model_validate_json(cached)
        try:
            response = await self.http.get("/records", params={"isbn": isbn})
            response.raise_for_status()
            found = BookMetadata.model_validate(response.json())
        except (httpx2.HTTPError, ValidationError) as error:
            raise UpstreamError("The metadata service does not answer") from error
        await self.cache.set(isbn, found.model_dump_json())
        return found
