"""Bytes of files in a folder that nobody vouches for: never blocks, follows no link, and ends at a limit."""

from __future__ import annotations

import errno
import os
import stat
from pathlib import Path

_FLAGS = os.O_RDONLY
for _name in ("O_NONBLOCK", "O_NOFOLLOW", "O_NOCTTY", "O_CLOEXEC", "O_BINARY"):
    _FLAGS |= getattr(os, _name, 0)


class UnfitFileError(OSError):
    """The file is there and is not read; `strerror` says why."""

    def __init__(self, why: str) -> None:
        super().__init__(errno.EINVAL, why)


def read_regular(path: str | Path, limit: int) -> bytes:
    """All of a regular file of at most `limit` bytes. Raises OSError, its `strerror` fit to be shown."""
    with os.fdopen(os.open(path, _FLAGS), "rb") as file:
        before = os.fstat(file.fileno())
        if not stat.S_ISREG(before.st_mode):
            raise UnfitFileError("it is no regular file")
        if before.st_size > limit:
            raise UnfitFileError(f"it is larger than {limit / 1_000_000:g} MB")
        content = file.read(limit + 1)
        after = os.fstat(file.fileno())
    if len(content) > limit or (before.st_size, before.st_mtime_ns) != (after.st_size, after.st_mtime_ns):
        raise UnfitFileError("it changed while it was read")
    return content
