"""The score table of a written report: its form, and the limits that the table of stars in SKILL.md sets."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from catalogue import DIMENSIONS
from report.document import Issue, Report, entries_of, issues_of, refers, table_rows
from report.wording import Broken, count

_STARS = re.compile(r"[⭐★☆✩✰]\ufe0f?")
_FULL = "⭐★"
_SEVERAL = 3


@dataclass(frozen=True, slots=True)
class Score:
    """One row of the table: the line of the report, 0 to 5 stars, the note. `stars` is None when they are not five."""

    number: int
    stars: int | None
    note: str


def scores_of(report: Report) -> dict[str, Score]:
    """Scores by the title of the dimension; rows that name none are left out."""
    section = report.named("Architecture Scores")
    titles = {dimension.title for dimension in DIMENSIONS}
    rows = {cells[0].strip("* "): (number, cells) for number, cells in table_rows(section)} if section else {}
    return {title: _score(number, cells) for title, (number, cells) in rows.items() if title in titles}


def score_rules(report: Report) -> Iterator[Broken]:
    """A row of five stars and a note for each dimension, and no more stars than its issues allow."""
    section = report.named("Architecture Scores")
    if section is None:
        return
    scores = scores_of(report)
    for title in (dimension.title for dimension in DIMENSIONS):
        score = scores.get(title)
        if score is None:
            yield Broken(section.number, f"no score for {title}", "one table row for each of the six dimensions")
            continue
        if score.stars is None:
            yield Broken(score.number, f"the score of {title} is not five stars", "full ones first, as in ⭐⭐⭐☆☆")
        else:
            yield from _limits(report, title, score.number, score.stars)
        if not score.note:
            yield Broken(score.number, f"the score of {title} has no note", "say in a few words what it rests on")


def urgent(report: Report) -> list[Issue]:
    """Issues that stand under P0."""
    entries = [entry for section in report.sections if section.title.startswith("P0") for entry in entries_of(section)]
    return [issue for issue in report.issues if any(refers(entry, issue) for entry in entries)]


def _score(number: int, cells: Sequence[str]) -> Score:
    stars = [star[0] for star in _STARS.findall(cells[1] if len(cells) > 1 else "")]
    full = sum(star in _FULL for star in stars)
    fine = len(stars) == 5 and not any(star in _FULL for star in stars[full:])
    return Score(number, full if fine else None, cells[2] if len(cells) > 2 else "")


def _limits(report: Report, title: str, number: int, stars: int) -> Iterator[Broken]:
    section = report.named(f"{title} Related")
    if section is None:
        return
    issues = list(issues_of(section))
    most, because = _most(issues, [issue for issue in urgent(report) if issue in issues])
    if stars > most:
        remedy = f"at most {'⭐' * most}{'☆' * (5 - most)} by the table of stars in SKILL.md, or weigh the issue anew"
        yield Broken(number, f"{title} has {count(stars, 'star')} and {because}", remedy)
    if stars < 3 and not issues:
        remedy = "write the issues that cost the stars, or give more stars"
        yield Broken(number, f"{title} has {count(stars, 'star')} and no issue", remedy)


def _most(issues: Sequence[Issue], p0: Sequence[Issue]) -> tuple[int, str]:
    """How many stars these issues of one dimension allow, and what takes the others."""
    impacts = [issue.impact for issue in issues]
    high, medium = impacts.count("High"), impacts.count("Medium")
    if high >= _SEVERAL:
        return 2, f"{high} issues of High impact"
    if high:
        return 3, f"{count(high, 'issue')} of High impact"
    if medium:
        return 4, f"{count(medium, 'issue')} of Medium impact"
    return (4, f"{count(len(p0), 'issue')} under P0") if p0 else (5, "")
