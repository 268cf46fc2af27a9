from sqlalchemy import select
from sqlalchemy.orm import Session, joinedload

from workshop.models import OrderLine, Part, RepairOrder


class PartRepository:
    def __init__(self, db: Session) -> None:
        self.db = db

    def find(self, part_id: int) -> Part | None:
        return self.db.get(Part, part_id)

    def page(self, limit: int, offset: int) -> list[Part]:
        return list(self.db.scalars(select(Part).order_by(Part.id).limit(limit).offset(offset)))


class OrderRepository:
    def __init__(self, db: Session) -> None:
        self.db = db

    def page(self, limit: int, offset: int) -> list[RepairOrder]:
        statement = select(RepairOrder).order_by(RepairOrder.id).limit(limit).offset(offset)
        return list(self.db.scalars(statement))

    def lines(self, order_id: int) -> list[OrderLine]:
        statement = select(OrderLine).where(OrderLine.order_id == order_id).options(joinedload(OrderLine.part))
        return list(self.db.scalars(statement.order_by(OrderLine.id)))
