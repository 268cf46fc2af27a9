from fastapi import APIRouter, BackgroundTasks, Depends, HTTPException
from sqlalchemy import select

from workshop.deps import Db, require_manager
from workshop.models import Invoice
from workshop.schemas import InvoiceIn, InvoiceOut
from workshop.services import mailing

router = APIRouter(prefix="/v1/invoices", tags=["invoices"])


@router.get("", response_model=list[InvoiceOut])
def list_invoices(db: Db, limit: int = 100) -> list[Invoice]:  # API006, API028
    """Invoices, newest first."""
    return list(db.scalars(select(Invoice).order_by(Invoice.id.desc()).limit(limit)))


@router.post("", status_code=201, response_model=InvoiceOut)
def create_invoice(body: InvoiceIn, background_tasks: BackgroundTasks, db: Db) -> Invoice:
    """Write an invoice by hand."""
    invoice = Invoice(order_id=body.order_id, total=body.total)
    db.add(invoice)
    db.flush()
    background_tasks.add_task(mailing.announce_invoice, db, invoice.id)  # ASY006
    return invoice


@router.post("/reminders", status_code=202, dependencies=[Depends(require_manager)])
async def remind_debtors(background_tasks: BackgroundTasks) -> None:
    """Remind everybody who has not paid."""
    background_tasks.add_task(mailing.remind_debtors)


@router.get("/{invoice_id}")
def read_invoice(invoice_id: int, db: Db) -> InvoiceOut:
    """One invoice."""
    try:
        invoice = db.get(Invoice, invoice_id)
        if invoice is None:
            raise HTTPException(404, "No such invoice")
        return InvoiceOut.model_validate(invoice)
    except Exception:  # ORG002
        raise HTTPException(409, "This invoice cannot be read")


@router.post("/{invoice_id}/payment", response_model=InvoiceOut)
def pay_invoice(invoice_id: int, background_tasks: BackgroundTasks, db: Db) -> Invoice:
    """Note that an invoice is paid."""
    invoice = db.get(Invoice, invoice_id)
    if invoice is None:
        raise HTTPException(404, "No such invoice")
    invoice.paid = True
    background_tasks.add_task(mailing.announce_payment, invoice.id)
    return invoice
