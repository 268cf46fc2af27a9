"""Signals of high impact and what the report says about each: an issue, or a reason why it is none."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalogue import CHECKS, DIMENSIONS
from check import Signal, clean
from report.document import Citation, Line, Report, Section, citations, entries_of, table_rows
from report.evidence import NEAR
from report.wording import Broken, count

TITLE = "Checked and dismissed"

_ID = re.compile(r"\b[A-Za-z]{3}\d{3}\b")
_PLACE = re.compile(r"`?[\w@+./-]+`?:\d+(?:-\d+)?`?")
_WORD = re.compile(r"[^\W\d_]{2,}")
_NOT_READ = re.compile(
    r"^\W*(not (read|assessed|asked|reviewed|looked|checked|in scope)|out of scope|skipped|none\b)", re.I
)
_KNOWN = frozenset(check.id for check in CHECKS)
_FEWEST_WORDS = 2
_NUMBER = re.compile(r"(?<![\w.:#/-])\d{1,3}(?:,?\d{3})?(?![\w:/-]|\.\d)")
_SPELLED = "no one two three four five six seven eight nine ten eleven twelve".split()


@dataclass(frozen=True, slots=True)
class Dismissal:
    """`- ASY001 app/x.py:12: reason`: which checks, at which places ([] means all of them), on which line."""

    number: int
    checks: frozenset[str]
    places: list[Citation]
    has_reason: bool


def dismissal_rules(report: Report) -> Iterator[Broken]:
    """Every entry under "Checked and dismissed" names a check and gives a reason."""
    for section in _lists(report):
        for entry in entries_of(section):
            found = _dismissal(entry)
            if not found.checks:
                remedy = "name the check by its id, such as `- ASY001 app/main.py:12: runs before the first request`"
                yield Broken(entry.number, f"the entry “{clean(entry.text, 70)}” names no check", remedy)
            elif not found.has_reason:
                remedy = "say after the location why it is no finding"
                yield Broken(entry.number, f"the entry “{clean(entry.text, 70)}” gives no reason", remedy)


def unanswered_rules(report: Report, signals: Sequence[Signal]) -> Iterator[Broken]:
    """One for each check with signals (of high impact) that the report neither reports nor dismisses."""
    section = report.named(TITLE) or report.named("Coverage")
    left: dict[str, list[Signal]] = defaultdict(list)
    for signal in unanswered(report, signals):
        left[signal.check].append(signal)
    named = {check for issue in report.issues for check in _ids(issue.text)}
    numbers = Counter(signal.check for signal in signals)
    for check, group in sorted(left.items()):
        first = f"{clean(group[0].path, 100)}:{group[0].line}"
        what = f"{count(len(group), 'High signal')} of {check} neither reported nor dismissed, first {first}"
        issue = (
            f"say in its issue how many places it has ({numbers[check]} High)" * (check in named) or "write the issue"
        )
        remedy = f"{issue}, or under “### {TITLE}” in Coverage `- {check} {first}: why it is no finding`"
        yield Broken(section.number if section else 0, f"{what} {clean(group[0].message, 90)}", remedy)


def unanswered(report: Report, signals: Sequence[Signal]) -> list[Signal]:
    """Signals of the dimensions that were read which no issue names or cites and nothing dismisses.

    An issue answers every signal of a check it names when it says as many places; a location anywhere answers the
    signals whose place, or whose trace, it cites.
    """
    numbers = Counter(signal.check for signal in signals)
    named = {
        check for issue in report.issues for check in _ids(issue.text) if numbers[check] <= max(1, _most(issue.text))
    }
    dismissals = [d for d in _dismissals(report) if d.has_reason]
    named |= {check for d in dismissals if not d.places for check in d.checks}
    cited = {place for line in report.lines for c in citations(line) for place in _around(c)}
    unread = _not_read(report)
    return [
        signal
        for signal in signals
        if signal.check not in named and signal.dimension not in unread and not cited.intersection(_places(signal))
    ]


def _ids(text: str) -> set[str]:
    return {word.upper() for word in _ID.findall(text)}


def _most(text: str) -> int:
    """The largest number that a text says, in digits or as a word; those of ids, places and versions are none."""
    digits = [int(number.replace(",", "")) for number in _NUMBER.findall(text)]
    return max(
        [*digits, *(_SPELLED.index(word.lower()) for word in _WORD.findall(text) if word.lower() in _SPELLED)] or [0]
    )


def _lists(report: Report) -> list[Section]:
    return [section for section in report.sections if section.title.casefold() == TITLE.casefold()]


def _dismissals(report: Report) -> Iterator[Dismissal]:
    for section in _lists(report):
        yield from map(_dismissal, entries_of(section))
    coverage = report.named("Coverage")
    for number, cells in table_rows(coverage) if coverage else ():
        for part in re.split(r"[;<]|\.\s", cells[2]) if len(cells) > 2 else ():
            yield _dismissal(Line(number, part))


def _dismissal(entry: Line) -> Dismissal:
    checks = frozenset(_ids(entry.text) & _KNOWN)
    words = _WORD.findall(_PLACE.sub(" ", _ID.sub(" ", entry.text)))
    return Dismissal(entry.number, checks, list(citations(entry)), len(words) >= _FEWEST_WORDS)


def _not_read(report: Report) -> frozenset[str]:
    """Modules of the dimensions that Coverage says were not looked at."""
    section = report.named("Coverage")
    read = {cells[0].strip("* "): cells[1] for _, cells in table_rows(section) if len(cells) > 1} if section else {}
    return frozenset(d.module for d in DIMENSIONS if _NOT_READ.match(read.get(d.title, "")))


def _around(citation: Citation) -> Iterator[tuple[str, int]]:
    for line in range(citation.line - NEAR, min(citation.end, citation.line + 200) + NEAR + 1):
        yield citation.path, line


def _places(signal: Signal) -> Iterator[tuple[str, int]]:
    yield signal.path, signal.line
    for place in (*signal.trace, *signal.places):
        yield place.path, place.line
