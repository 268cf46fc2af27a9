import asyncio
from datetime import date

from fastapi import APIRouter
from sqlalchemy import func, select

from workshop.deps import Async, Db, StockDb
from workshop.models import Invoice, RepairOrder
from workshop.schemas import Count, Summary
from workshop.services import sales

router = APIRouter(prefix="/v1/reports", tags=["reports"])


@router.get("/top-parts")
def report_top_parts(db: Db, order: str = "stock DESC") -> list[Count]:  # TST001
    """Twenty parts in the order asked for."""
    return sales.top_parts(db, order)


@router.get("/sold")
def report_sold(db: Db, since: date) -> list[Count]:
    """Parts since a day."""
    return sales.sold_since(db, since)


@router.get("/summary")
async def report_summary(session: Async) -> Summary:
    """Open orders and unpaid invoices."""
    orders = select(func.count()).select_from(RepairOrder).where(RepairOrder.status == "open")
    unpaid = select(func.count()).select_from(Invoice).where(Invoice.paid.is_(False))
    counts = await asyncio.gather(session.scalar(orders), session.scalar(unpaid))  # DAT005
    return Summary(open_orders=counts[0] or 0, unpaid_invoices=counts[1] or 0)


@router.get("/archive/{year}")
def report_archive(year: int) -> Count:
    """Orders of a past year."""
    return Count(name=str(year), count=sales.archived_orders(year))


@router.get("/workload")
async def report_workload(db: Db) -> list[Count]:
    """Orders per mechanic."""
    return sales.workload(db)


@router.get("/stock")
def report_stock(db: StockDb) -> list[Count]:
    """Parts sold."""
    return sales.stock_levels(db)
