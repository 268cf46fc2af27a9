from datetime import date

from sqlalchemy import create_engine, func, select, text
from sqlalchemy.orm import Session

from workshop.config import settings
from workshop.models import Mechanic, OrderLine, Part, RepairOrder
from workshop.schemas import Count


def top_parts(db: Session, order: str) -> list[Count]:
    query = "SELECT name, stock AS total FROM parts ORDER BY " + order + " LIMIT 20"
    return [Count(name=row.name, count=row.total) for row in db.execute(text(query))]  # SEC003


def sold_since(db: Session, day: date) -> list[Count]:
    query = text("SELECT name, stock AS total FROM parts WHERE created_at >= :day ORDER BY id LIMIT 100")
    return [Count(name=row.name, count=row.total) for row in db.execute(query, {"day": day})]


def archived_orders(year: int) -> int:
    archive = create_engine(settings.archive_url, pool_pre_ping=True)  # DAT007
    with Session(archive) as db:
        found = db.execute(text("SELECT count(*) FROM orders WHERE year = :year"), {"year": year}).scalar_one()
    return int(found)


def workload(db: Session) -> list[Count]:
    statement = select(Mechanic.name, func.count(RepairOrder.id)).join(RepairOrder).group_by(Mechanic.name)
    rows = db.execute(statement.limit(100)).all()  # ASY002
    return [Count(name=name, count=count) for name, count in rows]


def stock_levels(db: Session) -> list[Count]:
    sold = select(Part.name, func.sum(OrderLine.quantity)).join(OrderLine).group_by(Part.name).limit(100)
    return [Count(name=name, count=count) for name, count in db.execute(sold)]
