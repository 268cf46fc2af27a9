"""The formats that signals are printed in, by name."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from check import Outcome
from report.as_github import signals_github
from report.as_json import signals_json
from report.as_markdown import signals_markdown
from report.as_sarif import signals_sarif
from report.output import Format, Output
from report.text import signals_brief, signals_text
from report.wording import first
from target import CommandError

_FIXED_SHOWN = 20


def _text(output: Output) -> str:
    outcome, head = _compared(output)
    return head + signals_text(outcome, output.target, output.limit, output.offset)


def _brief(output: Output) -> str:
    outcome, head = _compared(output)
    return head + signals_brief(outcome, output.limit, output.offset)


def _compared(output: Output) -> tuple[Outcome, str]:
    """What is printed of a run, and a line before it when a baseline leaves only what is new."""
    comparison = output.comparison
    if comparison is None:
        return output.outcome, ""
    fixed = [f"fixed: {row.check} {row.path}:{row.line} {row.message}"[:300] for row in comparison.fixed]
    notes = [*output.outcome.notes, *first(fixed, _FIXED_SHOWN, "--format json")]
    compared = replace(output.outcome, signals=output.reported, notes=notes)
    return compared, f"Only new signals, {comparison.summary()}.\n"


FORMATS: dict[str, Format] = {
    "text": _text,
    "brief": _brief,
    "json": signals_json,
    "sarif": signals_sarif,
    "github": signals_github,
    "markdown": signals_markdown,
}


def write_outputs(output: Output, wanted: Sequence[tuple[str, str]]) -> None:
    """Write further formats of a run to files; raises CommandError where that cannot be done.

    Agents may run this program unasked because it writes nothing, so that this is for continuous integration only.
    """
    if wanted and not os.environ.get("CI"):
        raise CommandError(2, "review.py signals: --also writes only in continuous integration (CI=true); redirect")
    for name, file in wanted:
        _write(Path(file), FORMATS[name](output))


def _write(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8", errors="replace", newline="\n")
    except OSError as error:
        raise CommandError(2, f"review.py signals: {file} cannot be written: {error.strerror}") from error
