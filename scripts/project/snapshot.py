"""What was worked out for one state of a project, kept for the commands that follow: a file of JSON each section.

A state is the content of every file that is read, size and time of every other one, this program and the interpreter.
Whatever goes wrong with the files, a section is then just not there.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import tempfile
from functools import cache
from hashlib import blake2b
from importlib.util import find_spec
from pathlib import Path
from typing import Any

MAX_BYTES = 256_000_000
_SCRIPTS = Path(__file__).resolve().parents[1]


class Snapshot:
    """Sections of one state, in a folder of snapshots; without a folder nothing is found and nothing kept."""

    def __init__(self, folder: Path | None = None, state: str = "") -> None:
        self._folder = folder / "snapshots" if folder is not None else None
        self._key = _hash(state, _this_program()) if folder is not None else ""

    @property
    def is_used(self) -> bool:
        return self._folder is not None

    def read(self, section: str, depends: str = "") -> Any:
        """The content of a section that also depends on `depends`; None when it is not there."""
        if self._folder is None:
            return None
        try:
            digest, data = self._file(self._folder, section, depends).read_bytes().split(b"\n", 1)
            return json.loads(data) if digest == _digest(data) else None
        except (OSError, ValueError):
            return None

    def write(self, section: str, content: Any, depends: str = "") -> None:
        """Keep a section; what is oldest goes when all snapshots together are too large."""
        if self._folder is None:
            return
        with contextlib.suppress(OSError):
            self._folder.mkdir(mode=0o700, exist_ok=True)
            data = json.dumps(content, ensure_ascii=True, separators=(",", ":")).encode()
            _make_room(self._folder, MAX_BYTES - len(data))
            _replace(self._file(self._folder, section, depends), _digest(data) + b"\n" + data)

    def _file(self, folder: Path, section: str, depends: str) -> Path:
        return folder / f"{_hash(self._key, section, depends)}.json"


def _digest(data: bytes) -> bytes:
    return blake2b(data, digest_size=20).hexdigest().encode()


def _replace(file: Path, data: bytes) -> None:
    handle, name = tempfile.mkstemp(dir=file.parent, prefix="new-")
    new = Path(name)
    try:
        with os.fdopen(handle, "wb") as out:
            out.write(data)
        new.replace(file)
    except OSError:
        new.unlink(missing_ok=True)
        raise


def _make_room(folder: Path, room: int) -> None:
    found = [(file.lstat(), file) for file in folder.iterdir()]
    size = sum(state.st_size for state, _ in found)
    for state, file in sorted(found, key=lambda item: item[0].st_mtime_ns):
        if size <= room:
            return
        with contextlib.suppress(OSError):
            file.unlink()
        size -= state.st_size


@cache
def _this_program() -> str:
    """What else decides the facts: the scripts, the interpreter, and whether it can read YAML."""
    files = [(str(f), s.st_size, s.st_mtime_ns) for f in sorted(_SCRIPTS.rglob("*.py")) for s in [f.stat()]]
    return _hash(repr(files), sys.version, str(find_spec("yaml") is not None))


def _hash(*parts: str) -> str:
    return blake2b("\0".join(parts).encode("utf-8", "surrogateescape"), digest_size=20).hexdigest()
