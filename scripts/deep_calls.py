"""Runs a command where calls may nest deeply: chains in the reviewed code must not meet the interpreter's limit.

The stack is that of a thread, reserved and not used up: 10 KB for each call that the raised limit allows. The parser of
Python 3.10 has no limit of its own and needs it too.
"""

from __future__ import annotations

import contextlib
import sys
import threading
from collections.abc import Callable, Iterator
from typing import TypeVar

Result = TypeVar("Result")

CALLS = 50_000
STACK_SIZES = (512 << 20, 64 << 20)  # the second where the first is refused


def with_deep_calls(act: Callable[[], Result]) -> Result:
    """What `act` returns or raises; run as it is where no thread with a larger stack can be had."""
    results: list[Result] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(act())
        except BaseException as error:
            errors.append(error)

    for size in STACK_SIZES:
        with _limits(size, min(CALLS, size // 10_000)):
            thread = threading.Thread(target=run, name="review", daemon=True)
            try:
                thread.start()
            except (RuntimeError, MemoryError):
                continue
            thread.join()
            break
    else:
        return act()
    if errors:
        raise errors[0]
    return results[0]


@contextlib.contextmanager
def _limits(stack_size: int, calls: int) -> Iterator[None]:
    before = sys.getrecursionlimit()
    try:
        size_before = threading.stack_size(stack_size)
    except (ValueError, RuntimeError):  # a size this system does not take: its own
        size_before = threading.stack_size()
    sys.setrecursionlimit(max(before, calls))
    try:
        yield
    finally:
        sys.setrecursionlimit(before)
        threading.stack_size(size_before)
