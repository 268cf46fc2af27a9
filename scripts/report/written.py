"""The rules a written report must meet, and what to do about each one that is broken."""

from __future__ import annotations

import difflib
import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from catalogue import DIMENSIONS
from check import Signal, clean
from report.document import (
    Citation,
    Issue,
    Line,
    Report,
    Section,
    citations,
    entries_of,
    issues_of,
    parse,
    table_rows,
    template,
)
from report.evidence import NEAR, Tree, anchors
from report.wording import count, first, size

LIMIT = 8_900
_STARS = re.compile(r"[⭐★☆✩✰]\ufe0f?")
_FULL = "⭐★"
_ABSENCE = re.compile(r"\b(no|none|missing|absent|absence|without|lacks?)\b", re.IGNORECASE)
_NONE = re.compile(r"^\W*(none|nothing|no (issues?|findings?|entries))\b", re.IGNORECASE)
_NO_FINDINGS = re.compile(r"\bno findings\b", re.IGNORECASE)
_REFERENCE = re.compile(rf"\b({'|'.join(re.escape(d.document) for d in DIMENSIONS)})(?:#([\w-]+))?")
_QUOTE = re.compile(r"`([^`]+)`")


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """A rule that the report breaks: the line of the report (0: nowhere), what is wrong and what would be right."""

    line: int
    what: str
    remedy: str


def check_report(text: str, root: Path, whole: bool = True) -> list[Broken]:
    """Every broken rule in order of the lines. With `whole` off, `text` is one section of a report."""
    report, tree = parse(text), Tree(root)
    found = [
        *_citations(report, tree),
        *_template_text(report),
        *_scores(report),
        *(broken for issue in report.issues for broken in _issue(issue, tree)),
        *_dimensions_without_issue(report),
        *_priorities(report, whole),
    ]
    if whole:
        found += [*_headings(report), *_unranked(report), *_coverage(report), *_nothing_cited(report)]
    return sorted(set(found))


def verdict(broken: list[Broken], text: str, uncited: list[Signal]) -> str:
    """What the command prints, under 9,000 characters. `uncited` are high-impact signals that the report leaves out."""
    report = parse(text)
    cited = sum(1 for line in report.lines for _ in citations(line))
    done = f"{count(len(report.issues), 'issue')}, {count(cited, 'location')}"
    if broken:
        lines = [f"Does not pass: {count(len(broken), 'broken rule')} ({done}). Mend them and check again.", ""]
    else:
        lines = [f"Passes: {done}; every location exists and every quote stands there."]
    notes = _uncited_lines(uncited)
    for done_lines, rule in enumerate(broken):
        where = f"line {rule.line}: " if rule.line else ""
        line = f"- {where}{clean(rule.what, 240)} -> {clean(rule.remedy, 240)}"
        if size(lines) + size(notes) + len(line) > LIMIT - 100:
            lines.append(f"… {len(broken) - done_lines} more, shown when these are mended")
            break
        lines.append(line)
    return "\n".join([*lines, *notes]) + "\n"


def uncited_signals(text: str, signals: list[Signal]) -> list[Signal]:
    """Signals of checks that the report names nowhere, whose place and every place of their trace it cites nowhere."""
    cited = {(c.path, line) for text_line in parse(text).lines for c in citations(text_line) for line in _lines_of(c)}
    named = set(re.findall(r"\b[A-Z]{3}\d{3}\b", text))
    open_ones = [s for s in signals if s.check not in named]
    return [s for s in open_ones if not any((path, line) in cited for path, line in _places(s))]


def _lines_of(citation: Citation) -> range:
    return range(citation.line - NEAR, min(citation.end, citation.line + 200) + NEAR + 1)


def _places(signal: Signal) -> Iterator[tuple[str, int]]:
    yield signal.path, signal.line
    for place in (*signal.trace, *signal.places):
        yield place.path, place.line


def _uncited_lines(uncited: list[Signal]) -> list[str]:
    if not uncited:
        return []
    numbers = Counter(s.check for s in uncited)
    firsts = {s.check: s for s in reversed(uncited)}
    lines = [f"  {check} {count(numbers[check], 'signal')}, first {_shown(firsts[check])}" for check in sorted(numbers)]
    head = "Note: high-impact signals of checks that the report does not name. Report them, or say in Coverage why not:"
    return ["", head, *first(lines, 8, "review.py signals --impact high")]


def _shown(signal: Signal) -> str:
    return f"{clean(signal.path, 90)}:{signal.line} {clean(signal.message, 90)}"


def _citations(report: Report, tree: Tree) -> Iterator[Broken]:
    excused = {c for issue in report.issues if _is_absence(issue) for c in issue.citations if tree.could_be_absent(c)}
    excused_places = {(c.path, c.line) for c in excused}
    for line in report.lines:
        for citation in citations(line):
            problem = tree.problem_with(citation)
            if problem and (citation.path, citation.line) not in excused_places:
                yield Broken(line.number, f"{citation.path}:{citation.line}: {problem[0]}", problem[1])


def _template_text(report: Report) -> Iterator[Broken]:
    left = {line.text.strip() for line in template().lines if line.text.strip() and not _may_stay(line.text)}
    for line in report.lines:
        if line.text.strip() in left:
            yield Broken(
                line.number, f"template text left: {line.text.strip()}", "write what you found, or No findings"
            )


def _may_stay(text: str) -> bool:
    """Lines of the template that a real report may have word for word."""
    return text.strip().startswith(("| Dimension |", "|--", "- Impact:", "- Reference:"))


def _headings(report: Report) -> Iterator[Broken]:
    written = {(section.level, section.title) for section in report.sections}
    for section in template().sections[1:]:
        if (section.level, section.title) not in written:
            heading = f"{'#' * section.level} {section.title}"
            near = difflib.get_close_matches(section.title, [title for _, title in written], 1, 0.75)
            line = next((s.number for s in report.sections if near and s.title == near[0]), 0)
            yield Broken(line, f"the heading `{heading}` is missing", f"write it exactly so{' here' if line else ''}")


def _scores(report: Report) -> Iterator[Broken]:
    section = report.named("Architecture Scores")
    if section is None:
        return
    rows = {cells[0].strip("* "): (number, cells) for number, cells in table_rows(section)}
    for dimension in DIMENSIONS:
        if dimension.title not in rows:
            yield Broken(
                section.number, f"no score for {dimension.title}", "one table row for each of the six dimensions"
            )
            continue
        number, cells = rows[dimension.title]
        stars = [star[0] for star in _STARS.findall(cells[1] if len(cells) > 1 else "")]
        full = sum(star in _FULL for star in stars)
        if len(stars) != 5 or any(star in _FULL for star in stars[full:]):
            yield Broken(number, f"the score of {dimension.title} is not five stars", "full ones first, as in ⭐⭐⭐☆☆")
        if len(cells) < 3 or not cells[2]:
            yield Broken(number, f"the score of {dimension.title} has no note", "say in a few words what it rests on")


def _issue(issue: Issue, tree: Tree) -> Iterator[Broken]:
    name = f"issue “{clean(issue.title, 60)}”"
    if not issue.citations:
        yield Broken(
            issue.number, f"{name} has no Location", "add `- Location: path:line` with a path below the reviewed folder"
        )
    if issue.text_of("Impact").strip("*. ") not in ("High", "Medium", "Low"):
        yield Broken(
            issue.number, f"{name}: Impact is not High, Medium or Low", "add `- Impact: High`, `Medium` or `Low` alone"
        )
    if not issue.text_of("Recommendation"):
        yield Broken(issue.number, f"{name} has no Recommendation", "add `- Recommendation:` and what to do")
    yield from _reference(issue, name)
    yield from _evidence(issue, name, tree)


def _reference(issue: Issue, name: str) -> Iterator[Broken]:
    references = _REFERENCE.findall(issue.text_of("Reference")) or _REFERENCE.findall(issue.text_of("Recommendation"))
    if not references:
        remedy = "add `- Reference:` and the section that explains it, such as ASYNC_PERFORMANCE.md#asy001"
        yield Broken(issue.number, f"{name} links no section of a document", remedy)
    for document, anchor in references:
        if not anchor:
            yield Broken(issue.number, f"{name} links {document} without a section", "add #anchor")
        elif anchor not in anchors(document):
            near = difflib.get_close_matches(anchor, anchors(document), 1, 0.5)
            remedy = f"is it {document}#{near[0]}?" if near else f"take an anchor of {document}"
            yield Broken(issue.number, f"{name}: {document} has no section #{anchor}", remedy)


def _evidence(issue: Issue, name: str, tree: Tree) -> Iterator[Broken]:
    places = [citation for citation in issue.citations if tree.problem_with(citation) is None]
    if _is_absence(issue) and any(citation.line == 1 for citation in issue.citations):
        return
    explicit = [(line.number, quote) for line in issue.fields.get("Code", []) for quote in _quotes(line.text)]
    explicit += [(line.number, quote) for line in issue.fields.get("Location", []) for quote in _quotes(line.text)]
    if not explicit:
        titled = _quotes(issue.title)
        if places and not any(tree.stands_near(quote, place) for quote in titled for place in places):
            remedy = (
                "add `- Code:` with the line there; for something absent cite line 1 of the file that would hold it"
            )
            yield Broken(issue.number, f"{name} quotes nothing that stands at its location", remedy)
        return
    for number, quote in explicit:
        if places and not any(tree.stands_near(quote, place) for place in places):
            where = ", ".join(f"{place.path}:{place.line}" for place in places[:3])
            remedy = f"cite the line where it stands (up to {NEAR} lines off is fine), or quote what stands there"
            yield Broken(number, f"`{clean(quote, 80)}` does not stand at {where}", remedy)


def _quotes(text: str) -> list[str]:
    """Quoted code, without quoted locations."""
    return [quote for quote in _QUOTE.findall(text) if not any(True for _ in citations(Line(0, quote)))]


def _is_absence(issue: Issue) -> bool:
    return _ABSENCE.search(f"{issue.title} {issue.text_of('Code')}") is not None


def _dimensions_without_issue(report: Report) -> Iterator[Broken]:
    for section in report.sections:
        if section.title.endswith(" Related") and not any(issues_of(section)) and not _says_no_findings(section):
            remedy = "write numbered issues as in the template, or `No findings`"
            yield Broken(section.number, f"{section.title} has no issue and does not say No findings", remedy)


def _says_no_findings(section: Section) -> bool:
    return any(_NO_FINDINGS.search(line.text) for line in section.lines)


def _priorities(report: Report, whole: bool) -> Iterator[Broken]:
    issues = report.issues
    for section in report.under("Improvement Priorities") or [
        s for s in report.sections if re.match(r"P[012]\b", s.title)
    ]:
        entries = list(entries_of(section))
        if not entries and not any(_NONE.match(line.text) for line in section.lines):
            yield Broken(section.number, f"{section.title} has no entry", "add `- [ ] issue and location`, or `None`")
        for entry in entries:
            if _NONE.match(entry.text):
                continue
            refers = any(_refers(entry, issue) for issue in issues) if whole or issues else any(citations(entry))
            if not refers:
                remedy = (
                    "name the location or the title of an issue above" if issues else "name the location of an issue"
                )
                yield Broken(entry.number, f"the entry “{clean(entry.text, 70)}” refers to no issue", remedy)


def _refers(entry: Line, issue: Issue) -> bool:
    places = {(citation.path, citation.line) for citation in issue.citations}
    if any((citation.path, citation.line) in places for citation in citations(entry)):
        return True
    title, text = _plain(issue.title), _plain(entry.text)
    return bool(title) and (title in text or difflib.SequenceMatcher(None, title, text).ratio() > 0.8)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w ]", " ", text.lower()).split())


def _unranked(report: Report) -> Iterator[Broken]:
    entries = [entry for section in report.under("Improvement Priorities") for entry in entries_of(section)]
    for issue in report.issues:
        if not any(_refers(entry, issue) for entry in entries):
            remedy = "list it under P0, P1 or P2 with its title or location"
            yield Broken(issue.number, f"issue “{clean(issue.title, 60)}” has no priority", remedy)


def _coverage(report: Report) -> Iterator[Broken]:
    section = report.named("Coverage")
    if section is None:
        return
    read = {cells[0].strip("* "): cells for _, cells in table_rows(section)}
    for dimension in DIMENSIONS:
        cells = read.get(dimension.title, [])
        if len(cells) < 2 or not cells[1].strip(" -–—"):
            yield Broken(
                section.number, f"Coverage does not say what was read for {dimension.title}", "fill the column Read"
            )


def _nothing_cited(report: Report) -> Iterator[Broken]:
    if any(True for line in report.lines for _ in citations(line)):
        return
    related = [section for section in report.sections if section.title.endswith(" Related")]
    clean_bill = len(related) >= len(DIMENSIONS) and all(map(_says_no_findings, related))
    if not clean_bill or report.named("Coverage") is None:
        remedy = "cite path:line for every issue, or say No findings for all six dimensions and fill the Coverage table"
        yield Broken(0, "the report cites nothing", remedy)
