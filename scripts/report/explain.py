"""One check as text: everything its function says about itself."""

from __future__ import annotations

import textwrap

from check import Check
from report.wording import TEXT_LIMIT

_PARTS = (("Bad", "bad"), ("Good", "good"), ("Not this (looks alike, is no signal)", "not_this"))


def explain_text(check: Check) -> str:
    """Title, why, the three examples, fix and source. Marked lines in the bad example show where the signal stands."""
    documentation = check.documentation
    anti_pattern = f" · anti-pattern {check.anti_pattern}" if check.anti_pattern else ""
    lines = [
        f"# {check.id} {check.title} ({check.name})",
        f"{check.dimension.title} · {check.impact} impact{anti_pattern} · {check.doc}",
        "",
        f"Why: {check.why}",
        f"Fix: {check.fix}",
        f"Source: {check.source}",
    ]
    for title, part in _PARTS:
        lines += ["", f"{title}:", textwrap.indent(getattr(documentation, part).text, "    ")]
    return ("\n".join(lines) + "\n")[:TEXT_LIMIT]
