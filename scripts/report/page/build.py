"""The page put together: template, style and script from the files beside this one, the parts from their modules."""

from __future__ import annotations

import base64
import hashlib
import re
from pathlib import Path
from typing import TYPE_CHECKING

from catalogue import DIMENSIONS
from check import Outcome, clean
from report.document import Report, Section, in_order, parse
from report.evidence import Tree
from report.page.access import matrix, route_table
from report.page.chart import score_chart
from report.page.findings import Findings
from report.page.markup import blocks, inline, safe, table
from report.page.packages import package_graph
from report.page.picture import picture
from report.scores import scores_of
from report.text import hidden_lines
from report.wording import Broken, count

if TYPE_CHECKING:
    from project import Project

MARK = "<!-- written by review.py report -->"
_FOLDER = Path(__file__).parent
_SLOT = re.compile(r"\{\{(\w+)\}\}")
_COVERED = ("Coverage", "Checked and dismissed")


def page(project: Project, outcome: Outcome, text: str, broken: list[Broken]) -> str:
    """The whole page. `outcome` are the project's signals, `broken` the rules that the report does not meet."""
    report = parse(text)
    findings = Findings(report, Tree(project.root), outcome.signals)
    style, script = _file("page.css"), _file("page.js")
    parts = {
        "mark": MARK,
        "policy": f"default-src 'none'; style-src '{_hash(style)}'; script-src '{_hash(script)}'; "
        "base-uri 'none'; form-action 'none'",
        "style": style,
        "script": script,
        "name": safe(clean(project.name, 100)),
        "overview": _chapter(report, "Project Overview"),
        "verdict": _verdict(broken),
        "chart": score_chart(scores_of(report)),
        "scores": _scores(report, findings),
        "priorities": findings.priorities(),
        "findings": findings.by_dimension(),
        **facts(project),
        "recommendations": _below(report, "Architecture Recommendations"),
        "coverage": _coverage(report) + _notes(outcome),
        "appendix": _appendix(report),
    }
    return _SLOT.sub(lambda slot: parts[slot[1]], _file("page.html"))


def facts(project: Project) -> dict[str, str]:
    """The parts that the project alone decides."""
    return dict(project.known("page", lambda: list(map(list, _facts(project).items()))))


def _facts(project: Project) -> dict[str, str]:
    return {
        "size": _size(project),
        "layout": "".join(f"<li>{safe(line)}</li>" for line in project.layers_summary()),
        "picture": picture(package_graph(project)),
        "matrix": matrix(project.guard_matrix.rows),
        "routes": route_table(project.route_map, project.guard_matrix.rows),
        "unknown": _unknown(project),
    }


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8").strip()


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()


def _size(project: Project) -> str:
    files = count(len(project.sources), "Python file")
    return safe(f"{files}, {project.line_count:,} lines, {count(project.route_map.known, 'route')}")


def _verdict(broken: list[Broken]) -> str:
    if not broken:
        return "<p>The report passed <code>review.py check</code>: every location exists, every quote stands there.</p>"
    rules = count(len(broken), "rule")
    return (
        f'<p class="warn">The report breaks {rules} of <code>review.py check</code>: mend it before you rely on it.</p>'
    )


def _notes(outcome: Outcome) -> str:
    """What the project's configuration and comments hide or change."""
    return "".join(f'<p class="warn">{safe(line)}</p>' for line in hidden_lines(outcome))


def _scores(report: Report, findings: Findings) -> str:
    scores = scores_of(report)
    rows = []
    for title in (dimension.title for dimension in DIMENSIONS):
        score = scores.get(title)
        stars = "no score" if score is None or score.stars is None else f"{score.stars} of 5"
        impacts = [str(number) for number in findings.counts(title)]
        rows.append([safe(title), stars, *impacts, inline(score.note) if score else ""])
    return table(
        "Scores with the issues of each dimension", ["Dimension", "Score", "High", "Medium", "Low", "Notes"], rows
    )


def _chapter(report: Report, title: str) -> str:
    section = report.named(title)
    return blocks(in_order(section)) if section else ""


def _below(report: Report, title: str) -> str:
    return "".join(map(_titled, report.under(title)))


def _titled(section: Section) -> str:
    return f"<h3>{safe(section.title)}</h3>{blocks(in_order(section))}"


def _coverage(report: Report) -> str:
    sections = [section for section in report.sections if section.title == _COVERED[1]]
    return _chapter(report, _COVERED[0]) + "".join(map(_titled, sections))


def _appendix(report: Report) -> str:
    """What else stands in the report below a heading of its own, such as the appendix of complete lists."""
    own = [s for s in report.sections if s.level == 2 and s.title.startswith("Appendix")]
    inner = "".join(_titled(section) for chapter in own for section in report.under(chapter.title))
    return f'<section aria-labelledby="appendix"><h2 id="appendix">Appendix</h2>{inner}</section>' if inner else ""


def _unknown(project: Project) -> str:
    rows = [f"<li><code>{safe(u.path)}:{u.line}</code> {safe(u.why, 300)}</li>" for u in project.route_map.unknown[:40]]
    said = "Not understood, each may hold any number of routes:"
    return f"<p>{said}</p><ul>{''.join(rows)}</ul>" if rows else ""
