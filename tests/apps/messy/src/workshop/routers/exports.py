from fastapi import APIRouter
from fastapi.responses import PlainTextResponse
from sqlalchemy import select

from workshop.deps import Db
from workshop.models import Customer
from workshop.schemas import Health, LabelJob
from workshop.services import printing

router = APIRouter(prefix="/v1/exports", tags=["exports"])


@router.get("/customers")
def export_customers(db: Db) -> PlainTextResponse:  # SEC001, TST001
    """Customers as CSV."""
    customers = db.scalars(select(Customer).order_by(Customer.id).limit(5000))
    return PlainTextResponse("\n".join(f"{c.id};{c.name};{c.phone}" for c in customers), media_type="text/csv")


@router.post("/labels", status_code=202)
def print_label(body: LabelJob) -> None:  # SEC001
    """A label for an order."""
    printing.print_label(body.printer, body.order_id)


@router.get("/printer")
def read_printer() -> Health:  # SEC001
    """What the print server says."""
    return Health(status=printing.printer_state())
