from decimal import Decimal

from workshop.errors import NotFound
from workshop.models import Part
from workshop.repositories import PartRepository
from workshop.schemas import RestockItem
from workshop.services import pricing  # ORG006


def restock(parts: PartRepository, items: list[RestockItem]) -> Decimal:
    """Value of what came in."""
    value = Decimal(0)
    for item in items:
        part = parts.find(item.part_id)  # DAT001
        if part is None:
            raise NotFound(f"No part {item.part_id}")
        part.stock += item.quantity
        value += pricing.purchase_price(part) * item.quantity
    return value


def is_scarce(part: Part) -> bool:
    return part.stock < 3
