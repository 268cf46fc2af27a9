from datetime import UTC, datetime, timedelta
from decimal import Decimal

from fastapi import APIRouter, HTTPException
from sqlalchemy import func, select
from sqlalchemy.orm import joinedload

from workshop import presenters
from workshop.deps import Async, Db, PageOf, Staff
from workshop.models import Invoice, Mechanic, OrderLine, RepairOrder
from workshop.repositories import OrderRepository, PartRepository
from workshop.schemas import CloseOrder, InvoiceOut, LineIn, LineOut, OrderCreated, OrderIn, OrderRow

router = APIRouter(prefix="/v1/orders", tags=["orders"])


@router.get("")
def list_orders(page: PageOf, db: Db) -> list[OrderRow]:
    """Orders with the bikes they are about."""
    return presenters.order_rows(OrderRepository(db).page(page.limit, page.offset))


@router.post("", status_code=201)
async def create_order(body: OrderIn, session: Async) -> OrderCreated:
    """Take a bike in."""
    order = RepairOrder(bike_id=body.bike_id, due_on=body.due_on)
    session.add(order)
    await session.commit()
    return OrderCreated(id=order.id, status=order.status)


@router.get("/{order_id}")
async def read_order(order_id: int, session: Async) -> OrderRow:
    """One order."""
    order = await session.get(RepairOrder, order_id)
    if order is None:
        raise HTTPException(404, "No such order")
    label = order.bike.label  # DAT002
    return OrderRow(id=order.id, status=order.status, due_on=order.due_on, bike=label)


@router.get("/{order_id}/lines")
def list_lines(order_id: int, db: Db) -> list[LineOut]:
    """The parts of one order."""
    return presenters.line_rows(OrderRepository(db).lines(order_id))


@router.post("/{order_id}/lines", status_code=201)
def create_line(order_id: int, body: LineIn, db: Db) -> LineOut:
    """Put a part on an order."""
    part = PartRepository(db).find(body.part_id)
    if part is None:
        raise HTTPException(404, "No such part")
    db.add(OrderLine(order_id=order_id, part_id=part.id, quantity=body.quantity))
    return LineOut(part=part.name, quantity=body.quantity, price=part.price)


@router.post("/{order_id}/close")
def close_order(order_id: int, body: CloseOrder, staff: Staff, db: Db) -> InvoiceOut:  # ORG001
    """Price an order, take the parts off stock and write the invoice."""
    order = db.get(RepairOrder, order_id)
    if order is None:
        raise HTTPException(404, "No such order")
    if order.status == "closed":
        raise HTTPException(409, "This order is closed")
    mechanic = db.get(Mechanic, staff.mechanic_id)
    if mechanic is None:
        raise HTTPException(404, "No such mechanic")
    wanted = select(OrderLine).where(OrderLine.order_id == order_id).options(joinedload(OrderLine.part))
    lines = list(db.scalars(wanted))
    parts_total = Decimal(0)
    for line in lines:
        if line.part.stock < line.quantity:
            raise HTTPException(409, f"Not enough of {line.part.name}")
        price = line.part.price
        if line.quantity >= 10:
            price = price * Decimal("0.9")
        elif line.quantity >= 5:
            price = price * Decimal("0.95")
        parts_total += price * line.quantity
        line.part.stock -= line.quantity  # DAT028
    rate = Decimal(60)
    if body.rush:
        rate += 20
        if order.due_on <= datetime.now(UTC).date() + timedelta(days=1):
            rate += 10
    if mechanic.role == "manager":
        rate += 15
    labour = body.hours * rate
    if labour < 25 and not lines:
        labour = Decimal(25)
    total = parts_total + labour
    if body.member:
        total *= Decimal("0.93")
    if body.voucher:
        used = db.scalar(select(func.count()).select_from(Invoice).where(Invoice.total == 0))
        if body.voucher.startswith("SPRING") and (used or 0) < 100:
            total -= 10
        elif body.voucher == "FRIEND":
            total -= 5
        else:
            raise HTTPException(409, "This voucher is not valid")
    if total < 0:
        total = Decimal(0)
    total = total.quantize(Decimal("0.05"))
    order.status = "closed"
    order.mechanic_id = mechanic.id
    invoice = Invoice(order_id=order.id, total=total)
    db.add(invoice)
    db.flush()
    return InvoiceOut.model_validate(invoice)
