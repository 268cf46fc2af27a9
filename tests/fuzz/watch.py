"""An audit hook that notes what a command does to the machine besides reading the project."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
import tempfile
from collections.abc import Iterable, Sequence
from pathlib import Path
from types import CodeType
from typing import Any

SKILL = Path(__file__).resolve().parents[2]

_STDLIB = tuple(
    os.path.realpath(folder)
    for folder in {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib"), str(Path(os.__file__).parent)}
)
_WRITING = frozenset(
    "os.chmod os.chown os.link os.mkdir os.mkfifo os.remove os.rename os.rmdir os.setxattr os.symlink os.truncate "
    "os.utime shutil.copyfile shutil.move shutil.rmtree tempfile.mkstemp tempfile.mkdtemp sqlite3.connect".split()
)
_RUNNING = (
    *("subprocess.", "os.exec", "os.fork", "os.posix_spawn", "os.spawn", "os.system", "os.startfile", "pty."),
    *("socket.", "urllib.", "http.client", "ftplib.", "smtplib.", "ssl.", "webbrowser.", "ctypes."),
)
# What git is asked; all of it reads objects and writes nothing.
_GIT = frozenset("rev-parse merge-base ls-tree cat-file diff-tree log check-ignore".split())
_EARLIER = str(Path(tempfile.gettempdir()).resolve() / "review-since-")  # where --since writes the earlier state
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that notes what a command does to the machine; watches while it is entered.

    One for a process: hooks cannot be taken off.

    Reading is right below `readable` and in the skill and the standard library, writing only below `writable` and where
    `--since` puts the earlier state; the network, running another program than git, for reading, and review.py, and
    importing or executing anything else are deeds.
    """

    def __init__(self) -> None:
        self.readable: list[str] = []
        self.writable: list[str] = []
        self._deeds: list[str] = []
        self._on = False
        sys.addaudithook(self._hook)

    def __enter__(self) -> None:
        self._on = True

    def __exit__(self, *_: object) -> None:
        self._on = False

    def allow(self, readable: Iterable[Path], writable: Iterable[Path] = ()) -> None:
        """From now on these alone."""
        self.writable = [os.path.realpath(path) for path in writable]
        self.readable = [os.path.realpath(path) for path in readable] + self.writable

    def taken(self) -> list[str]:
        """What was noted since the last time."""
        found, self._deeds = self._deeds, []
        return found

    def _hook(self, event: str, given: tuple[Any, ...]) -> None:
        if not self._on:
            return
        self._on = False  # what the hook itself does is not watched
        try:
            deed = self._judged(event, given)
            if deed:
                self._deeds.append(f"{event}: {deed}"[:500])
        finally:
            self._on = True

    def _judged(self, event: str, given: tuple[Any, ...]) -> str:
        """What is wrong about an event, "" when nothing is."""
        if event == "open":
            path, mode, flags = given
            return self._opened(path, bool(mode and set(mode) & set("wax+")) or bool((flags or 0) & _WRITE_FLAGS))
        if event in ("os.listdir", "os.scandir"):
            return "" if _by_imports() else self._opened(given[0], False)
        if event == "import":
            return "" if _own_module(given[0]) else str(given[0])
        if event == "exec":
            return "" if _own_code(given[0]) else repr(given[0])
        if event == "subprocess.Popen":
            return "" if _own_program(*given[:2]) else repr(given[:2])
        if event in _WRITING:
            paths = [os.path.realpath(os.fsdecode(path)) for path in given if isinstance(path, (str, bytes))]
            right = paths and all(self._may_be_written(path) for path in paths)
            return "" if right or _by_removal(given) else repr(given)
        return repr(given) if event.startswith(_RUNNING) else ""

    def _may_be_written(self, path: str) -> bool:
        return path.startswith(_EARLIER) or self._below(path, self.writable)

    def _opened(self, path: object, writes: bool) -> str:
        if isinstance(path, int) or path is None:
            return ""
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if writes:
            return "" if real == os.devnull or self._may_be_written(real) else f"writes {real}"
        right = self._below(real, (*self.readable, str(SKILL), *_STDLIB)) or real.startswith(_EARLIER)
        return "" if right or _by_removal((path,)) else f"reads {real}"

    @staticmethod
    def _below(path: object, folders: Iterable[str]) -> bool:
        return any(str(path) == folder or str(path).startswith(folder + os.sep) for folder in folders)


def _caller() -> str:
    """The file of the code that caused the event."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename


def _by_imports() -> bool:
    """Whether the machinery of imports looks for a module, in a folder of its own path."""
    return _caller().startswith("<frozen importlib")


def _by_removal(given: Sequence[Any]) -> bool:
    """Whether shutil.rmtree, an event of its own, goes through what lies in its folder (names relative to it)."""
    return not Path(os.fsdecode(given[0])).is_absolute() and os.path.realpath(_caller()) == os.path.realpath(
        shutil.__file__
    )


def _own_program(program: object, arguments: Sequence[Any]) -> bool:
    """Whether it is git, asked to read objects, or review.py on the earlier state of `--since`."""
    words = [os.fsdecode(word) for word in arguments]
    if program == sys.executable:
        return words[1:4] == ["-I", str(SKILL / "scripts" / "review.py"), "signals"] and words[4].startswith(_EARLIER)
    asked = words[words.index("-C") + 2 :] if "-C" in words else []
    return program == shutil.which("git") and words[0] == program and asked[:1] != [] and asked[0] in _GIT


def _own_module(name: str) -> bool:
    top = name.split(".")[0]
    return (
        top in sys.stdlib_module_names
        or (SKILL / "scripts" / top).is_dir()
        or (SKILL / "scripts" / f"{top}.py").is_file()
    )


def _own_code(code: object) -> bool:
    """Whether it is a module of the skill or of Python, or made by one of Python's (dataclasses, named tuples)."""
    if not isinstance(code, CodeType):
        return False
    name = os.path.realpath(code.co_filename)
    if code.co_filename.startswith("<frozen ") or name.startswith((str(SKILL / "scripts") + os.sep, *_STDLIB)):
        return True
    frame = sys._getframe()
    while frame is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back  # type: ignore[assignment]
    return frame is not None and os.path.realpath(frame.f_code.co_filename).startswith(_STDLIB)
