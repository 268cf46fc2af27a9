"""Runs commands of review.py in this process and says what must not be: crash, writes, executions, broken output."""

from __future__ import annotations

import importlib
import io
import json
import os
import re
import sys
import time
import traceback
import unicodedata
from collections.abc import Iterator, Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

sys.dont_write_bytecode = True

from tests.fuzz.stage import CACHE, Stage, snapshot, write_tree  # noqa: E402
from tests.fuzz.watch import SKILL, Watch  # noqa: E402

import commands  # noqa: E402  (the line above keeps scripts/ free of __pycache__)
from catalogue import CHECKS  # noqa: E402
from deep_calls import with_deep_calls  # noqa: E402
from project import Project  # noqa: E402
from report.wording import TEXT_LIMIT  # noqa: E402

with suppress(ImportError):
    importlib.import_module("yaml")  # what commands use where it is there is imported before they are watched

__all__ = ["CACHE", "SKILL", "Done", "Stage", "Watch", "failures", "run", "snapshot", "write_tree"]
STATUSES = frozenset((0, 1, 2, 3))
FAILED_CHECK = "the check failed ("


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


def run(arguments: Sequence[str], watch: Watch | None = None) -> Done:
    """Run one command in this process, what it prints caught."""
    out, err = (io.TextIOWrapper(io.BytesIO(), encoding="utf-8", newline="") for _ in range(2))
    before = sys.stdout, sys.stderr
    sys.stdout, sys.stderr = out, err
    started = time.process_time()
    try:
        with mock.patch.dict(os.environ, {"CI": "1"} if "--also" in arguments else {}), watch or nullcontext():
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


_COMMAND = re.compile(r"::(error|warning|notice)( [A-Za-z]+=[^,:]*(,[A-Za-z]+=[^,:]*)*)?::")
_UNSEEN = frozenset(("Cc", "Cf", "Co", "Cs"))


def _misformed(arguments: Sequence[str], output: str) -> Iterator[str]:
    form = arguments[arguments.index("--format") + 1] if "--format" in arguments else "text"
    if form in ("json", "sarif"):
        try:
            json.loads(output)
        except ValueError as error:
            yield f"no JSON: {error}"
        return
    if form == "github":
        odd_lines = [line for line in output.splitlines() if not _COMMAND.match(line)]
        if odd_lines:
            yield f"no command of a workflow: {odd_lines[0][:200]!r}"
        return
    if output.startswith("<!doctype html>"):
        if output.count("<script") != 1:
            yield "a script of its own"
        return
    whole = "--limit" in arguments or form != "text"
    if len(output) > TEXT_LIMIT and not whole:
        yield f"{len(output)} characters of text"
    if arguments[0] == "overview" and len(output) > 8_000:
        yield f"{len(output)} characters of overview"
    odd = {character for character in output if character != "\n" and unicodedata.category(character) in _UNSEEN}
    if odd:
        yield f"control characters in text: {sorted(map(hex, map(ord, odd)))[:8]}"
