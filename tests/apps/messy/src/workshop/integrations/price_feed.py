import logging
import os

import httpx2

PRICE_FEED_URL = os.getenv("PRICE_FEED_URL", "https://prices.example")
logger = logging.getLogger(__name__)


async def refresh(http: httpx2.AsyncClient) -> None:
    try:
        response = await http.get(f"{PRICE_FEED_URL}/prices", timeout=30)
        response.raise_for_status()
    except httpx2.HTTPError:
        logger.exception("The price feed does not answer")
        return
    logger.info("%s prices", len(response.json()))
