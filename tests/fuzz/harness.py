"""Runs commands of review.py in this process and watches what they do: crash, time, writes, executions, form of output.

The commands, their options and formats are read from the parser, so that a new one is run on arrival.
"""

from __future__ import annotations

import argparse
import importlib
import io
import json
import os
import sys
import sysconfig
import time
import traceback
import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import CodeType
from typing import Any

sys.dont_write_bytecode = True

import commands  # noqa: E402  (the line above keeps scripts/ free of __pycache__)
from catalogue import CHECKS  # noqa: E402
from deep_calls import with_deep_calls  # noqa: E402
from project import Project  # noqa: E402
from report.wording import TEXT_LIMIT  # noqa: E402

with suppress(ImportError):
    importlib.import_module("yaml")  # what commands use where it is there is imported before they are watched

SKILL = Path(commands.__file__).resolve().parents[1]
STATUSES = frozenset((0, 1, 2, 3))
FAILED_CHECK = "the check failed ("
REPORT = (SKILL / "scripts" / "report" / "template.md").read_text(encoding="utf-8")
CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backend-architecture-design"
# Values for options that take one; an option that is not here and not required is left out.
_VALUES = {
    "--dimension": "security",
    "--check": "ASY001",
    "--path": "*a*",
    "--impact": "high",
    "--limit": "0",
    "--offset": "1",
    "--fail-on": "low",
    "--budget": "200",
}


@dataclass(slots=True)
class Done:
    """One command that has run. `seconds` of processor time; `deeds` are what it did besides reading the project."""

    arguments: list[str]
    status: int
    output: str
    errors: str
    seconds: float
    deeds: list[str] = field(default_factory=list)

    def faults(self) -> list[str]:
        """What must not be: crashes, deeds, output that breaks its form. Empty when all is well."""
        found = list(self.deeds)
        if self.status not in STATUSES:
            found.append(f"status {self.status}: {self.errors.strip()[-2000:]}")
        if FAILED_CHECK in self.output:
            found.append("a check failed")
        if self.status in (2, 3) and (self.output or self.errors.count("\n") != 1):
            found.append("usage errors are one sentence on standard error")
        if self.status in (0, 1):
            found += _misformed(self.arguments, self.output)
            if self.errors:
                found.append(f"standard error is not silent: {self.errors[:200]!r}")
        return found


def command_lines(root: Path, report: Path, out: Path) -> Iterator[list[str]]:
    """Every command on `root`, plain and with each of its options and formats; `-o` writes to `out`."""
    _, parsers = commands._parsers()
    for name, parser in parsers.items():
        given = {"path": str(root), "report": str(report), "check": CHECKS[0].id}
        actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
        positional = [given[action.dest] for action in actions if not action.option_strings]
        base = [name, *positional]
        for action in actions:
            if action.option_strings and action.required:
                base += [action.option_strings[0], str(out)]
        yield base
        for action in actions:
            if action.option_strings and not action.required:
                yield from ([*base, *option] for option in _uses(action, out))


def _uses(action: argparse.Action, out: Path) -> Iterator[list[str]]:
    """How one option is tried: a switch as it is, each of its choices, or a value that is known here."""
    name = action.option_strings[-1]
    if action.nargs == 0:
        yield [name]
    elif action.choices is not None:
        yield from ([name, str(choice)] for choice in action.choices)
    elif "-o" in action.option_strings:
        yield [name, str(out)]
    elif name in _VALUES:
        yield [name, _VALUES[name]]


def run(arguments: Sequence[str], watch: Watch | None = None) -> Done:
    """Run one command in this process, what it prints caught."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    started = time.process_time()
    try:
        if watch is None:
            status = commands.main(arguments)
        else:
            with watch.armed():
                status = commands.main(arguments)
    except BaseException:
        status = -1
        err.write(traceback.format_exc())
    finally:
        seconds = time.process_time() - started
        sys.stdout, sys.stderr = before
    texts = []
    for stream in (out, err):
        stream.flush()
        texts.append(stream.buffer.getvalue().decode("utf-8"))
    return Done(list(arguments), status, texts[0], texts[1], seconds, watch.taken() if watch else [])


def failures(root: Path) -> list[str]:
    """Tracebacks of the checks that fail on the project in `root`."""
    return with_deep_calls(lambda: _failures(root))


def _failures(root: Path) -> list[str]:
    project = Project.at(root)
    found = []
    for check in CHECKS:
        try:
            list(check.function(project))
        except Exception:  # noqa: PERF203
            found.append(f"{check.id}: {traceback.format_exc(limit=-6)}")
    return found


_UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs"))


def _misformed(arguments: Sequence[str], output: str) -> Iterator[str]:
    form = arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"
    if form in ("json", "sarif"):
        try:
            json.loads(output)
        except ValueError as error:
            yield f"no JSON: {error}"
        return
    whole = "--limit" in arguments or form != "text"
    if len(output) > TEXT_LIMIT and not whole:
        yield f"{len(output)} characters of text"
    if arguments[0] == "overview" and len(output) > 8_000:
        yield f"{len(output)} characters of overview"
    odd = {character for character in output if character != "\n" and unicodedata.category(character) in _UNSEEN}
    if odd:
        yield f"control characters in text: {sorted(map(hex, map(ord, odd)))[:8]}"


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
_WRITE_FLAGS = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_APPEND


class Watch:
    """An audit hook that notes what a command does to the machine. One for a process: hooks cannot be taken off.

    Reading is right below `readable` and in the skill and the standard library, writing only below `writable`;
    running another program, the network, and importing or executing anything else are deeds.
    """

    def __init__(self) -> None:
        self.readable: list[str] = []
        self.writable: list[str] = []
        self._deeds: list[str] = []
        self._on = False
        sys.addaudithook(self._hook)

    @contextmanager
    def armed(self) -> Iterator[None]:
        self._on = True
        try:
            yield
        finally:
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
        if event in _WRITING:
            paths = [os.path.realpath(path) for path in given if isinstance(path, (str, bytes))]
            return "" if paths and all(self._below(path, self.writable) for path in paths) else repr(given)
        return repr(given) if event.startswith(_RUNNING) else ""

    def _opened(self, path: object, writes: bool) -> str:
        if isinstance(path, int) or path is None:
            return ""
        real = os.path.realpath(os.fsdecode(path))  # type: ignore[arg-type]
        if writes:
            return "" if real == os.devnull or self._below(real, self.writable) else f"writes {real}"
        return "" if self._below(real, (*self.readable, str(SKILL), *_STDLIB)) else f"reads {real}"

    @staticmethod
    def _below(path: object, folders: Iterable[str]) -> bool:
        return any(str(path) == folder or str(path).startswith(folder + os.sep) for folder in folders)


def _by_imports() -> bool:
    """Whether the machinery of imports looks for a module, in a folder of its own path."""
    frame = sys._getframe()
    while frame.f_back is not None and frame.f_code.co_filename == __file__:
        frame = frame.f_back
    return frame.f_code.co_filename.startswith("<frozen importlib")


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


def write_tree(root: Path, files: dict[str, bytes]) -> None:
    """Write files by path; what the file system refuses is left out."""
    for path, content in files.items():
        target = root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (OSError, ValueError):
            continue


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below a folder, by path."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            state = os.lstat(f"{folder}/{name}")
            found[f"{folder}/{name}"] = (state.st_size, state.st_mtime_ns)
    return found
