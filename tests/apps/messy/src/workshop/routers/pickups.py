import asyncio

import httpx2
from fastapi import APIRouter, HTTPException, Request

from workshop.integrations import courier_api, price_feed
from workshop.schemas import Health, PickupIn, PickupOut, PickupStatus
from workshop.services import couriers

router = APIRouter(prefix="/v1/pickups", tags=["pickups"])


@router.post("", status_code=201)
async def create_pickup(body: PickupIn) -> PickupOut:  # TST001
    """Have a bike fetched."""
    reference = couriers.book(body.address, body.day)
    couriers.record_pickup(reference)  # ASY012
    return PickupOut(reference=reference)


@router.post("/price-refresh", status_code=202)
async def refresh_prices(request: Request) -> Health:
    """Fetch the courier's prices in the background."""
    asyncio.create_task(price_feed.refresh(request.app.state.http))  # ASY005
    return Health(status="started")


@router.get("/{reference}")
async def read_pickup(reference: str) -> PickupStatus:
    """Where the courier is."""
    async with httpx2.AsyncClient(base_url=courier_api.COURIER_URL, timeout=10) as client:  # ASY004
        answer = await client.get("/status", params={"reference": reference})
    if answer.status_code == 404:
        raise HTTPException(404, "No such pick-up")
    return PickupStatus(reference=reference, state=answer.json()["state"])


@router.get("/{reference}/route")
async def read_route(reference: str, request: Request) -> PickupStatus:
    """How the courier gets here."""
    answer = await request.app.state.http.get(f"{courier_api.COURIER_URL}/route", params={"reference": reference})
    return PickupStatus(reference=reference, state=answer.json()["route"])  # ORG016
