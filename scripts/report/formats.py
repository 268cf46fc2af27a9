"""The formats that signals are printed in, by name."""

from __future__ import annotations

from dataclasses import replace

from report.as_github import signals_github
from report.as_json import signals_json
from report.as_markdown import signals_markdown
from report.as_sarif import signals_sarif
from report.output import Format, Output
from report.text import signals_text
from report.wording import first

_FIXED_SHOWN = 20


def _text(output: Output) -> str:
    comparison = output.comparison
    if comparison is None:
        return signals_text(output.outcome, output.target, output.limit, output.offset)
    fixed = [f"fixed: {row.check} {row.path}:{row.line} {row.message}"[:300] for row in comparison.fixed]
    notes = [*output.outcome.notes, *first(fixed, _FIXED_SHOWN, "--format json")]
    compared = replace(output.outcome, signals=output.reported, notes=notes)
    head = f"Only new signals, {comparison.summary()}.\n"
    return head + signals_text(compared, output.target, output.limit, output.offset)


FORMATS: dict[str, Format] = {
    "text": _text,
    "json": signals_json,
    "sarif": signals_sarif,
    "github": signals_github,
    "markdown": signals_markdown,
}
