from workshop.models import OrderLine, RepairOrder
from workshop.schemas import LineOut, OrderRow


def order_rows(orders: list[RepairOrder]) -> list[OrderRow]:
    rows = []
    for order in orders:
        label = order.bike.label  # DAT001
        rows.append(OrderRow(id=order.id, status=order.status, due_on=order.due_on, bike=label))
    return rows


def line_rows(lines: list[OrderLine]) -> list[LineOut]:
    """The parts come with the lines: OrderRepository.lines joins them."""
    return [LineOut(part=line.part.name, quantity=line.quantity, price=line.part.price) for line in lines]
