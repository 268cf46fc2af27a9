"""Signals as Markdown for a comment or a job summary. Text of the project cannot break out of it."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from itertools import groupby

from catalogue import CHECKS
from check import HIGH, IMPACTS, Signal, clean
from report.output import Output
from report.text import hidden_lines, not_assessed_lines
from report.wording import TEXT_LIMIT, count, first, size

_PLAIN = re.compile(r"(?!www\.)[^\W_]+(?:[.'’-][^\W_]+)*$", re.IGNORECASE)
_TAIL = ".,;:!?"
_ALL = 100_000
_EVERYTHING, _FIX, _PLACES = 3, 2, 1
# Places a check, and how much is said of it: why with traces, the fix only, nothing.
_TRIED = [
    *((n, _EVERYTHING) for n in (_ALL, 50, 20, 10, 5, 3)),
    *((n, _FIX) for n in (10, 5, 3, 2, 1)),
    *((n, _PLACES) for n in (5, 3, 1)),
]
_CHECK_BY_ID = {check.id: check for check in CHECKS}


def signals_markdown(output: Output) -> str:
    """High impact first, within 25,000 characters unless `limit` says otherwise; says what it leaves out."""
    notes = _notes(output)
    wanted = output.reported[output.offset :]
    if output.limit is not None:
        body = _body(wanted[: output.limit or None], output)
        return "\n".join([*_head(output), *body, *notes]) + "\n"
    room = TEXT_LIMIT - size(notes) - size(_head(output)) - 200
    for places, detail in _TRIED:
        body = _body(wanted, output, places, detail)
        if size(body) <= room:
            break
    else:
        body = _counts(wanted)
    return "\n".join([*_head(output), *body, *notes]) + "\n"


def _head(output: Output) -> list[str]:
    signals = output.reported
    by_impact = ", ".join(f"{sum(s.impact == impact for s in signals)} {impact}" for impact in IMPACTS)
    what = "new architecture signal" if output.comparison else "architecture signal"
    compared = [inline(output.comparison.summary()) + ".", ""] if output.comparison else []
    head = f"## {count(len(signals), what)} ({by_impact})" if signals else f"## No {what}s"
    return [head, "", *compared, "A signal is a place to read, not a finding.", ""]


def _body(signals: Sequence[Signal], output: Output, places: int = _ALL, detail: int = _EVERYTHING) -> list[str]:
    lines: list[str] = []
    for (impact, check_id), group in groupby(signals, key=lambda s: (s.impact, s.check)):
        check, found = _CHECK_BY_ID[check_id], list(group)
        lines += [f"### {check_id} {inline(check.title)} ({impact}, {count(len(found), 'place')})", ""]
        if detail >= _FIX:
            why = f"{inline(check.why)} " if detail == _EVERYTHING else ""
            lines += [f"{why}**Fix:** {inline(check.fix)}", ""]
        lines += [line for s in found[:places] for line in _place(s, output.prefix, detail == _EVERYTHING)]
        if len(found) > places:
            lines.append(f"- {count(len(found) - places, 'more place')}")
        lines.append("")
    return lines


def _place(signal: Signal, prefix: str, trace: bool) -> list[str]:
    lines = [f"- {code(f'{prefix}{signal.path}:{signal.line}')} {inline(signal.message)}"]
    if trace and signal.trace and signal.impact == HIGH:
        hops = [code(f"{hop.label or hop.symbol} ({prefix}{hop.path}:{hop.line})") for hop in signal.trace[:8]]
        lines.append(f"  via {' → '.join(hops)}" + (" → …" if len(signal.trace) > 8 else ""))
    return lines


def _counts(signals: Sequence[Signal]) -> list[str]:
    """One line a check, in the order of their gravest signals."""
    numbers: dict[str, Counter[str]] = {}
    for signal in signals:
        numbers.setdefault(signal.check, Counter())[signal.impact] += 1
    lines = []
    for check, of_impact in numbers.items():
        said = ", ".join(f"{of_impact[impact]} {impact}" for impact in IMPACTS if of_impact[impact])
        lines.append(f"- {check} {inline(_CHECK_BY_ID[check].title)}: {said}")
    return [*lines, ""]


def _notes(output: Output) -> list[str]:
    outcome = output.outcome
    unread = [
        f"not read: {clean(u.path, 200)}{f':{u.line}' if u.line else ''} {clean(u.why, 200)}"
        for u in output.project.unread
    ]
    lines = [*first(unread, 20, ""), *not_assessed_lines(outcome.not_assessed), *hidden_lines(outcome)]
    return [f"- {inline(line.strip())}" for line in lines]


def inline(text: str) -> str:
    """One line of text in which words that Markdown or GitHub would read as more than a word are code."""
    return " ".join(map(_word, text.split()))


def _word(word: str) -> str:
    bare = word.rstrip(_TAIL)
    return word if _PLAIN.match(bare) else code(bare or word) + (word[len(bare) :] if bare else "")


def code(text: str) -> str:
    """A code span that holds the text whatever it is."""
    line = " ".join(text.split()) or " "
    longest = max((len(run) for run in re.findall(r"`+", line)), default=0)
    pad = " " if line[0] == "`" or line[-1] == "`" else ""
    fence = "`" * (longest + 1)
    return f"{fence}{pad}{line}{pad}{fence}"
