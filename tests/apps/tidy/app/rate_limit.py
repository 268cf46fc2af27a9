from limits import parse
from limits.aio.strategies import MovingWindowRateLimiter
from limits.storage import storage_from_string

from app.errors import TooManyAttemptsError
from app.settings import Settings


class LoginLimiter:
    """Counts attempts per address and per account in a storage that all processes share."""

    def __init__(self, settings: Settings) -> None:
        self.limit = parse(settings.login_limit)
        self.window = MovingWindowRateLimiter(storage_from_string(settings.rate_limit_storage))

    async def check(self, address: str, account: str) -> None:
        by_address = await self.window.hit(self.limit, "address", address)
        by_account = await self.window.hit(self.limit, "account", account.lower())
        if not (by_address and by_account):
            raise TooManyAttemptsError("Too many attempts, try again later")
