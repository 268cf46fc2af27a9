"""The rules a written report must meet, and what to do about each one that is broken."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from catalogue import DIMENSIONS
from check import Signal, clean
from report.dismissed import dismissal_rules, unanswered_rules
from report.document import (
    Issue,
    Report,
    Section,
    citations,
    entries_of,
    issues_of,
    parse,
    quotes_in,
    quotes_of,
    refers,
    table_rows,
    template,
)
from report.evidence import Tree, anchors
from report.moved import standing
from report.scores import score_rules
from report.wording import Broken, count, size

LIMIT = 8_900
_ABSENCE = re.compile(r"\b(no|none|missing|absent|absence|without|lacks?)\b", re.IGNORECASE)
_NONE = re.compile(r"^\W*(none|nothing|no (issues?|findings?|entries))\b", re.IGNORECASE)
_NO_FINDINGS = re.compile(r"\bno findings\b", re.IGNORECASE)
_REFERENCE = re.compile(rf"\b({'|'.join(re.escape(d.document) for d in DIMENSIONS)})(?:#([\w-]+))?")


def check_report(text: str, root: Path, signals: Sequence[Signal] | None = None) -> list[Broken]:
    """Every broken rule in order of the lines. Without `signals` of high impact, `text` is one section of a report."""
    whole = signals is not None
    report, tree = parse(text), Tree(root)
    found = [
        *_citations(report, tree),
        *_template_text(report),
        *score_rules(report),
        *dismissal_rules(report),
        *(broken for issue in report.issues for broken in _issue(issue, tree)),
        *_dimensions_without_issue(report),
        *_priorities(report, whole),
    ]
    if signals is not None:
        found += unanswered_rules(report, signals)
        found += [*_headings(report), *_unranked(report), *_coverage(report), *_nothing_cited(report)]
    return sorted(set(found))


def verdict(broken: list[Broken], text: str, limit: int = LIMIT) -> str:
    """What the command prints, within `limit` characters: what to mend, each with the line of the report."""
    report = parse(text)
    cited = sum(1 for line in report.lines for _ in citations(line))
    done = f"{count(len(report.issues), 'issue')}, {count(cited, 'location')}"
    if broken:
        lines = [f"Does not pass: {count(len(broken), 'broken rule')} ({done}). Mend them and check again.", ""]
    else:
        lines = [f"Passes: {done}; every location exists and every quote stands there."]
    for done_lines, rule in enumerate(broken):
        where = f"line {rule.line}: " if rule.line else ""
        line = f"- {where}{clean(rule.what, 240)} -> {clean(rule.remedy, 240)}"
        if size(lines) + len(line) > limit - 100:
            lines.append(f"… {len(broken) - done_lines} more, shown when these are mended")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


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


def _issue(issue: Issue, tree: Tree) -> Iterator[Broken]:
    name = f"issue “{clean(issue.title, 60)}”"
    if not issue.citations:
        yield Broken(
            issue.number, f"{name} has no Location", "add `- Location: path:line` with a path below the reviewed folder"
        )
    if issue.impact not in ("High", "Medium", "Low"):
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
    explicit = quotes_of(issue)
    if not explicit:
        titled = quotes_in(issue.title)
        if places and not any(tree.stands_near(quote, place) for quote in titled for place in places):
            remedy = (
                "add `- Code:` with the line there; for something absent cite line 1 of the file that would hold it"
            )
            yield Broken(issue.number, f"{name} quotes nothing that stands at its location", remedy)
        return
    for number, quote in explicit:
        if places and not any(tree.stands_near(quote, place) for place in places):
            where = ", ".join(f"{place.path}:{place.line}" for place in places[:3])
            at = standing(quote, places, tree)
            remedy = f"it stands at {at[1]}:{at[2]}" if at else "quote what stands there, or cite where it stands"
            yield Broken(number, f"`{clean(quote, 80)}` does not stand at {where}", remedy)


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
            names_one = any(refers(entry, issue) for issue in issues) if whole or issues else any(citations(entry))
            if not names_one:
                remedy = (
                    "name the location or the title of an issue above" if issues else "name the location of an issue"
                )
                yield Broken(entry.number, f"the entry “{clean(entry.text, 70)}” refers to no issue", remedy)


def _unranked(report: Report) -> Iterator[Broken]:
    entries = [entry for section in report.under("Improvement Priorities") for entry in entries_of(section)]
    for issue in report.issues:
        if not any(refers(entry, issue) for entry in entries):
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
