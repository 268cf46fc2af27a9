import asyncio
import logging
from datetime import date

from workshop.integrations import courier_api

logger = logging.getLogger(__name__)


def book(address: str, day: date) -> str:
    """Reference of a pick-up at this address."""
    return courier_api.post("/pickups", {"address": address, "day": day.isoformat()})["reference"]


async def record_pickup(reference: str) -> None:
    await asyncio.sleep(0)
    logger.info("Pick-up %s is booked", reference)
