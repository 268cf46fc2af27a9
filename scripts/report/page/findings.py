"""Issues of a report with the code they cite, how the signal was reached, and where they stand among the priorities."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from check import RESOLVED, Signal
from report.document import Block, Citation, Issue, Line, Report, entries_of, issues_of, refers
from report.evidence import NEAR, Tree
from report.page.markup import blocks, inline, safe
from secrecy import without_secrets

_ID = re.compile(r"\b[A-Za-z]{3}\d{3}\b")
_BEFORE, _AFTER = 3, 5
_LONGEST_EXCERPT = 30
_MOST_EXCERPTS = 4
_SHOWN_FIELDS = ("Recommendation", "Reference")


@dataclass(slots=True)
class _Piece:
    """Lines of one file to show, and which of them are cited."""

    path: str
    first: int
    last: int
    cited: set[int]


class Findings:
    """The issues of one report, numbered in their order."""

    def __init__(self, report: Report, tree: Tree, signals: Sequence[Signal]) -> None:
        self.report = report
        self.issues = report.issues
        self._tree = tree
        self._signals = signals
        self._printable = {(s.path, s.line): s.source for s in signals}

    def by_dimension(self) -> str:
        """Every section of issues, with what it says when it has none."""
        parts = []
        for section in self.report.under("Issues Found"):
            issues = list(issues_of(section))
            inner = "".join(self._article(issue) for issue in issues) or blocks(section.lines)
            parts.append(f"<section><h3>{safe(section.title.removesuffix(' Related'))}</h3>{inner}</section>")
        return "\n".join(parts)

    def priorities(self) -> str:
        """P0, P1 and P2, each entry linked to its issue."""
        parts = []
        for section in self.report.under("Improvement Priorities"):
            items = "".join(f"<li>{self._entry(entry)}</li>" for entry in entries_of(section))
            inner = f"<ul>{items}</ul>" if items else blocks(section.lines)
            parts.append(f'<section class="priority"><h3>{safe(section.title)}</h3>{inner}</section>')
        return "\n".join(parts)

    def counts(self, title: str) -> tuple[int, int, int]:
        """How many issues of High, Medium and Low impact a dimension has."""
        section = self.report.named(f"{title} Related")
        impacts = [issue.impact for issue in issues_of(section)] if section else []
        return impacts.count("High"), impacts.count("Medium"), impacts.count("Low")

    def _entry(self, entry: Line) -> str:
        for number, issue in enumerate(self.issues, 1):
            if refers(entry, issue):
                return f'{inline(entry.text)} <a href="#issue-{number}">issue {number}</a> {_badge(issue.impact)}'
        return inline(entry.text)

    def _article(self, issue: Issue) -> str:
        number = next(n for n, known in enumerate(self.issues, 1) if known.number == issue.number)
        places = "".join(f"<li><code>{safe(_where(c))}</code></li>" for c in issue.citations[:40])
        return (
            f'<article id="issue-{number}"><h4>{number}. {inline(issue.title)} {_badge(issue.impact)}</h4>'
            f'<ul class="places" aria-label="Locations">{places}</ul>'
            f"{self._excerpts(issue.citations[:40])}{self._trace(issue)}"
            f"{''.join(self._field(issue, name) for name in _SHOWN_FIELDS)}</article>"
        )

    def _field(self, issue: Issue, name: str) -> str:
        items: list[Line | Block] = [*issue.fields.get(name, []), *issue.blocks.get(name, [])]
        items.sort(key=lambda item: item.number)
        return f'<div class="field"><strong>{name}</strong>{blocks(items)}</div>' if items else ""

    def _excerpts(self, citations: Iterable[Citation]) -> str:
        """Lines around the citations, those close together in one piece."""
        pieces: list[_Piece] = []
        for citation in citations:
            lines = self._tree.lines(citation.path)
            if lines is None or citation.line > len(lines):
                continue
            first, last = max(citation.line - _BEFORE, 1), min(citation.end + _AFTER, len(lines))
            last = min(last, first + _LONGEST_EXCERPT)
            cited = range(citation.line, citation.end + 1)
            near = next((p for p in pieces if p.path == citation.path and first <= p.last and p.first <= last), None)
            if near is None:
                pieces.append(_Piece(citation.path, first, last, set(cited)))
            else:
                near.first, near.last = min(near.first, first), max(near.last, last)
                near.cited.update(cited)
        return "".join(map(self._excerpt, pieces[:_MOST_EXCERPTS]))

    def _excerpt(self, piece: _Piece) -> str:
        lines = self._tree.lines(piece.path) or []
        shown = "".join(self._line(piece, n, lines[n - 1]) for n in range(piece.first, piece.last + 1))
        label = safe(f"{piece.path}, lines {piece.first} to {piece.last}")
        return f'<pre class="excerpt" tabindex="0" role="region" aria-label="{label}"><code>{shown}</code></pre>'

    def _line(self, piece: _Piece, number: int, text: str) -> str:
        """One line; those that are cited carry a mark that needs no colour."""
        shown = f'<span class="number">{number:>5} </span>{safe(self._text(piece.path, number, text), 240)}'
        return f"<mark>{shown}</mark>\n" if number in piece.cited else f"{shown}\n"

    def _text(self, path: str, number: int, text: str) -> str:
        """A line of the project without its secrets; where a signal stands, as the signal shows it."""
        return self._printable.get((path, number)) or without_secrets(text[:1_000], (), path.endswith(".py"))

    def _trace(self, issue: Issue) -> str:
        signal = self._signal(issue)
        if signal is None or not signal.trace:
            return ""
        hops = "".join(
            f"<li>{safe(hop.label or hop.symbol)} <small>{safe(hop.path)}:{hop.line}</small></li>"
            for hop in signal.trace
        )
        how = "" if signal.certainty == RESOLVED else f", {safe(signal.certainty)}"
        return f'<details class="trace"><summary>Trace of {signal.check}{how}</summary><ol>{hops}</ol></details>'

    def _signal(self, issue: Issue) -> Signal | None:
        """The first signal of a check that the issue names which stands at one of its locations."""
        named = {word.upper() for word in _ID.findall(issue.text)}
        near = (s for s in self._signals if s.check in named and _near(issue.citations, s))
        return next(near, None)


def _near(citations: Iterable[Citation], signal: Signal) -> bool:
    return any(c.path == signal.path and c.line - NEAR <= signal.line <= c.end + NEAR for c in citations)


def _badge(impact: str) -> str:
    known = impact if impact in ("High", "Medium", "Low") else "unknown"
    return f'<span class="badge {known.lower()}">{known} impact</span>'


def _where(citation: Citation) -> str:
    return f"{citation.path}:{citation.line}" + (f"-{citation.end}" if citation.end != citation.line else "")
