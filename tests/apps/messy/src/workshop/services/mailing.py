import logging

from sqlalchemy import select
from sqlalchemy.orm import Session

from workshop.db import SessionLocal, get_db
from workshop.models import Invoice

logger = logging.getLogger(__name__)


def announce_invoice(db: Session, invoice_id: int) -> None:
    invoice = db.get(Invoice, invoice_id)
    if invoice is not None:
        logger.info("Invoice %s over %s is ready", invoice.id, invoice.total)


def announce_payment(invoice_id: int) -> None:
    with SessionLocal() as db:
        invoice = db.get(Invoice, invoice_id)
        if invoice is not None:
            logger.info("Invoice %s is paid", invoice.id)


def remind_debtors() -> None:
    db = next(get_db())  # DAT008
    for invoice in db.scalars(select(Invoice).where(Invoice.paid.is_(False)).order_by(Invoice.id).limit(500)):
        invoice.reminders += 1  # DAT028
        logger.info("Invoice %s: reminder %s", invoice.id, invoice.reminders)
    db.commit()
