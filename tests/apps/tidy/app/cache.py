import time
from collections import OrderedDict


class TtlCache:
    """The few calls of an async Redis client that we need, inside one process."""

    def __init__(self, seconds: float, max_entries: int) -> None:
        self.seconds = seconds
        self.max_entries = max_entries
        self.entries: OrderedDict[str, tuple[float, str]] = OrderedDict()

    async def get(self, key: str) -> str | None:
        expires_at, value = self.entries.get(key, (0.0, ""))
        return value if expires_at > time.monotonic() else None

    async def set(self, key: str, value: str) -> None:
        self.entries[key] = (time.monotonic() + self.seconds, value)
        self.entries.move_to_end(key)
        while len(self.entries) > self.max_entries:
            self.entries.popitem(last=False)
