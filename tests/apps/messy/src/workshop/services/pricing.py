from decimal import Decimal

from workshop.models import Part
from workshop.services import inventory

PURCHASE_SHARE = Decimal("0.6")
SCARCE_SURCHARGE = Decimal("1.1")


def purchase_price(part: Part) -> Decimal:
    return part.price * PURCHASE_SHARE


def sales_price(part: Part) -> Decimal:
    return part.price * SCARCE_SURCHARGE if inventory.is_scarce(part) else part.price
