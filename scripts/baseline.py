"""An earlier output of `signals` as a baseline: what is new, fixed, still there."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import unquote

from check import IMPACTS, Outcome, Selection, clean
from project import Project
from project.place import path_matches
from target import CommandError
from version import FINGERPRINT, NAME

_HOW = "give the output of `signals --format json` or `--format sarif`"


@dataclass(frozen=True, slots=True)
class Old:
    """A signal of the baseline."""

    id: str
    check: str
    path: str
    line: int
    message: str
    impact: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """`new` holds the ids of signals that the baseline has not; `fixed` are those of the baseline that are gone.

    `unknown` of the baseline cannot be told: suppressed now, their file not read, or their check not run.
    """

    file: str
    new: frozenset[str]
    fixed: tuple[Old, ...]
    still: int
    unknown: int = 0

    def summary(self) -> str:
        unknown = f", {self.unknown} not compared (suppressed, file not read, or check not run)" if self.unknown else ""
        return (
            f"against {clean(self.file, 200)}: {len(self.new)} new, {len(self.fixed)} fixed, "
            f"{self.still} still there{unknown}"
        )


def read_baseline(file: str, prefix: str = "") -> list[Old]:
    """The signals of an earlier output; `prefix` is taken off the paths of SARIF. Raises CommandError."""
    path = Path(file)
    if not path.is_file():
        raise CommandError(2, f"review.py: there is no file {file}; {_HOW}")
    try:
        content = json.loads(path.read_bytes().decode("utf-8-sig"))
    except (ValueError, RecursionError) as error:
        raise CommandError(2, f"review.py: {file} is no JSON ({clean(str(error), 120)}); {_HOW}") from error
    try:
        return list(_from_sarif(content, prefix) if isinstance(content, dict) and "runs" in content else _own(content))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise CommandError(2, f"review.py: {file} is no output of this program; {_HOW}") from error


def _own(content: Any) -> Iterator[Old]:
    if content["version"] != 1:
        raise ValueError("version")
    for row in content["signals"]:
        yield _old(row["id"], row["check"], row["path"], row["line"], row["message"], row["impact"])


def _from_sarif(content: Any, prefix: str) -> Iterator[Old]:
    runs = [run for run in content["runs"] if run["tool"]["driver"]["name"] == NAME]
    if not runs:
        raise ValueError("another tool")
    for result in (result for run in runs for result in run["results"]):
        if "suppressions" in result or result.get("baselineState") == "absent":
            continue
        where = result["locations"][0]["physicalLocation"]
        path = unquote(where["artifactLocation"]["uri"]).removeprefix(prefix)
        message = result["message"]["text"].replace("{{", "{").replace("}}", "}")
        found = result["partialFingerprints"][FINGERPRINT], result["ruleId"], path, where["region"]["startLine"]
        yield _old(*found, message, result["properties"]["impact"])


def _old(fingerprint: Any, check: Any, path: Any, line: Any, message: Any, impact: Any) -> Old:
    texts = fingerprint, check, path, message, impact
    if not all(isinstance(text, str) for text in texts) or not isinstance(line, int) or impact not in IMPACTS:
        raise ValueError("row")
    return Old(fingerprint, clean(check, 20), clean(path, 400), line, clean(message, 400), impact)


def compare(file: str, old: list[Old], project: Project, outcome: Outcome, selection: Selection) -> Comparison:
    """The signals of now against those of the baseline that the selection would have shown."""
    before, now = {row.id: row for row in old}, {signal.id for signal in outcome.signals}
    chosen = {check.id for check in selection.checks}
    gone = [row for row in before.values() if row.id not in now and row.check in chosen and _kept(row, selection)]
    silent = {hidden.signal.id for hidden in outcome.hidden}
    lost = {note.check for note in outcome.not_assessed if note.failed} | set(project.settings.disable)
    unread = {file.path for file in project.unread}
    unknown = [row for row in gone if row.id in silent or row.check in lost or row.path in unread]
    fixed = sorted(set(gone) - set(unknown), key=lambda row: (IMPACTS.index(row.impact), row.check, row.path, row.line))
    return Comparison(file, frozenset(now - set(before)), tuple(fixed), len(now & set(before)), len(unknown))


def _kept(row: Old, selection: Selection) -> bool:
    loud_enough = IMPACTS.index(row.impact) <= IMPACTS.index(selection.impact)
    return loud_enough and (selection.path is None or path_matches(row.path, selection.path))
