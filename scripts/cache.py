"""The user's cache folder: bytecode of this program and snapshots of reviewed projects are kept there.

Never in the reviewed project, never beside the scripts. Off with `--no-cache`; silently off where the folder cannot be
made, where others may write into it, and where it lies inside the reviewed project.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path

_NAME = "backend-architecture-design"
_used: list[Path] = []


def use(arguments: Sequence[str]) -> None:
    """Use the cache folder in this process, as far as the command line allows."""
    found = None if "--no-cache" in arguments else _user_folder()
    if found is None or _is_reviewed(found, arguments) or not _is_own(found):
        return
    _used[:] = [found]
    sys.pycache_prefix = str(found / "bytecode")
    sys.dont_write_bytecode = bool(sys.flags.dont_write_bytecode)


def folder() -> Path | None:
    """The folder in use, None without one."""
    return _used[0] if _used else None


def _user_folder() -> Path | None:
    if os.name == "nt":
        base = Path(os.environ.get("LOCALAPPDATA", ""))
    else:
        base = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache")
    with contextlib.suppress(RuntimeError):  # no home folder
        base = base.expanduser()
    return base / _NAME if base.is_absolute() else None


def _is_own(cache: Path) -> bool:
    """Whether the folder exists, made here if need be, and nobody else can put something into it."""
    try:
        cache.mkdir(mode=0o700, parents=True, exist_ok=True)
        found = cache.stat()
    except (OSError, ValueError):
        return False
    if not os.access(cache, os.W_OK):
        return False
    return os.name == "nt" or (found.st_uid == os.geteuid() and not found.st_mode & 0o022)


def _is_reviewed(cache: Path, arguments: Sequence[str]) -> bool:
    """Whether the folder lies in one that the command names, or in the working folder when it names none."""
    try:
        named = [path for path in map(Path, arguments) if path.is_dir()] or [Path()]
        return any(cache.resolve().is_relative_to(path.resolve()) for path in named)
    except (OSError, RuntimeError, ValueError):  # an argument that is no path, a link that leads to itself
        return True
