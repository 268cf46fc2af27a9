from decimal import Decimal


class Estimator:
    """Keeps the hourly rate that the manager set last."""

    def __init__(self) -> None:
        self.hourly_rate = Decimal(60)

    def quote(self, hours: Decimal, parts: Decimal) -> Decimal:
        return hours * self.hourly_rate + parts


estimator = Estimator()  # ORG008
