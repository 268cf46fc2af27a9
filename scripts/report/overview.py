"""The first page of a review: what the project is, what is guarded, what the checks say, what to run next.

Every part has its own bound, so that the page stays under 8,000 characters whatever the size of the project.
"""

from __future__ import annotations

import platform
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from catalogue import CHECKS, DIMENSIONS
from check import HIGH, IMPACTS, Outcome, clean
from report.loop import loop_lines
from report.overview_parts import data_lines, entry_lines, monitoring_lines, package_line
from report.routes import by_file_rows, guards_line, not_understood, summary
from report.text import hidden_lines, not_assessed_lines
from report.wording import columns, count, first, size

if TYPE_CHECKING:
    from project import Project

SMALL_PROJECT_LINES = 8_000
LIMIT = 8_000


def overview_text(project: Project, outcome: Outcome, target: str) -> str:
    """The page; `target` is the reviewed path as typed, with a leading space, or nothing."""
    parts = [
        (_title(project), 400),
        (_part("Stack", _stack(project)), 2_100),
        (_part("Layout", layout(project)), 1_400),
        (_part("Data", data(project)), 700),
        (_part("Routes", _routes(project, target)), 2_000),
        (_part("Signals", _signals(outcome, target)), 2_100),
        (_part("Next", _next(project, target)), 700),
    ]
    for share in (100, 90, 80):
        page = "\n\n".join("\n".join(_within(lines, room * share // 100)) for lines, room in parts) + "\n"
        if len(page) <= LIMIT:
            break
    return page


def _part(title: str, lines: Iterable[str]) -> list[str]:
    return [f"## {title}", *lines]


def _within(lines: Sequence[str], room: int) -> list[str]:
    """As many whole lines as fit, and a mark when some are left out."""
    kept: list[str] = []
    for line in lines:
        if size(kept) + len(line) + 1 > room - 8:
            return [*kept, "  …"]
        kept.append(line)
    return kept


def _title(project: Project) -> list[str]:
    kinds = Counter(source.kind for source in project.sources)
    said = ", ".join(f"{number:,} {kind}" for kind, number in kinds.most_common())
    python = ".".join(platform.python_version_tuple()[:2])
    files = count(len(project.sources), "Python file")
    lines = [
        f"# {clean(project.name, 80)}",
        f"{files} ({said}), {project.line_count:,} lines, read with Python {python}",
    ]
    rewritten = sum(source.rewritten for source in project.sources)
    if rewritten:
        lines.append(f"{count(rewritten, 'file')} read through a rewrite of newer syntax")
    unread = [f"  {clean(u.path, 60)}{f':{u.line}' if u.line else ''} {clean(u.why, 80)}" for u in project.unread]
    if unread:
        lines += [f"{count(len(unread), 'file')} not read:", *first(unread, 2, "signals --format json")]
    return lines


def _stack(project: Project) -> list[str]:
    return columns([(clean(label, 24), clean(text, 280)) for label, text in project.stack_summary])


def layout(project: Project) -> list[str]:
    """Entry points, layers, packages, monitoring: one line each."""
    return list(project.known("layout", lambda: _layout(project)))


def _layout(project: Project) -> list[str]:
    lines = [*entry_lines(project), *project.layers_summary(), package_line(project), *monitoring_lines(project)]
    return [clean(line, 260) for line in lines if line]


def data(project: Project) -> list[str]:
    """Tables, sessions and statements: one line each."""
    return list(project.known("data", lambda: _data(project)))


def _data(project: Project) -> list[str]:
    return [clean(line, 300) for line in data_lines(project)] or ["no database access recognised"]


def _routes(project: Project, target: str) -> list[str]:
    route_map = project.route_list.map
    guards = guards_line(project.route_list.rows, 4)
    return [
        *summary(route_map),
        *loop_lines(project.route_list, route_map.routes),
        *([f"guards: {clean(guards, 500)}"] if guards else []),
        *by_file_rows(route_map.routes, 8, f"review.py routes{target}"),
        *not_understood(route_map, 2),
    ]


def _signals(outcome: Outcome, target: str) -> list[str]:
    numbers = Counter((signal.dimension, signal.impact) for signal in outcome.signals)
    rows = [("", *IMPACTS)] + [
        (d.module, *(str(numbers[d.module, impact] or "-") for impact in IMPACTS)) for d in DIMENSIONS
    ]
    return [
        *columns(rows),
        *first(_high_impact_checks(outcome), 8, f"review.py signals{target} --impact high"),
        *_within(not_assessed_lines(outcome.not_assessed), 500),
        *_within(hidden_lines(outcome), 900),
    ]


def _high_impact_checks(outcome: Outcome) -> list[str]:
    titles = {check.id: check.title for check in CHECKS}
    most = Counter(signal.check for signal in outcome.signals if signal.impact == HIGH).most_common()
    return [f"  {check} {titles[check]}: {count(number, 'place')}" for check, number in most]


def _next(project: Project, target: str) -> list[str]:
    small = project.line_count < SMALL_PROJECT_LINES
    reading = "read every file as well" if small else "read what `review.py reading-list` names, within its budget"
    return [
        *columns(
            [
                (f"review.py signals{target} --dimension security", "one dimension at a time, all six"),
                (f"review.py routes{target} --open", "routes that nothing guards"),
                ("review.py explain SEC001", "why, bad, good, not this, fix, source of one check"),
                (f"review.py reading-list{target}", "the functions worth reading first, with reasons"),
                (f"review.py check REPORT{target}", "the written report against the code"),
            ]
        ),
        f"{project.line_count:,} lines: {reading}.",
    ]
