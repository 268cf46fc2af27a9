"""The commands for a written report: its appendix, the check of it against the code, the page made of it."""

from __future__ import annotations

import argparse
import difflib
import sys
from pathlib import Path

from catalogue import CHECKS
from check import HIGH, Outcome, Selection
from later import keep_for_later
from project import Project
from report.appendix import MARK, appendix
from report.document import parse
from report.evidence import Tree
from report.moved import moves, moves_text
from report.output_file import write
from report.page.build import MARK as PAGE_MARK
from report.page.build import page
from report.text import hidden_lines
from report.wording import count, notes_text
from report.written import LIMIT, check_report, verdict
from reviewing import run
from target import CommandError, open_project, shown

CHECK_EXAMPLES = """  review.py check REVIEW.md
  review.py check REVIEW.md src --fix-lines       (proposes the right lines where code has moved)
  review.py check - src <<'EOF'                   (one section: issues, scores or priorities)

Of a whole report every signal of high impact must be answered: by an issue that cites the place, or names the
check and says how many places it has, or below Coverage by a line such as these:
  ### Checked and dismissed
  - ASY001 app/main.py:12: runs before the first request"""
_STDIN_LIMIT = 1_000_000


def add_check(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "report", metavar="REPORT", help="the report in Markdown; - reads one section from standard input"
    )
    parser.add_argument(
        "--fix-lines",
        action="store_true",
        help="also print where quoted code stands now, for each citation that is off; changes no file",
    )


def add_appendix(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--report-appendix",
        action="store_true",
        help="the complete lists of the checks named with --check, as the Markdown appendix of a written report",
    )
    parser.add_argument(
        "--without",
        metavar="PATH:LINE",
        action="append",
        default=[],
        help="with --report-appendix: leave out this place, which you found to be none; repeatable",
    )
    about = "with --report-appendix: write it whole into this file, outside the reviewed folder"
    parser.add_argument("--appendix-file", metavar="FILE", help=about)
    parser.add_argument(
        "--allow-inside", action="store_true", help="let --appendix-file lie inside the reviewed folder"
    )


def refuse_appendix_without_checks(options: argparse.Namespace) -> None:
    """Raise CommandError where options of the appendix stand alone, or it would list what nobody verified."""
    if not options.report_appendix:
        stray = next((n for n in ("without", "appendix_file", "allow_inside") if getattr(options, n)), "").replace(
            "_", "-"
        )
        if stray:
            raise CommandError(2, f"review.py signals: --{stray} goes with --report-appendix")
    elif not options.check:
        raise CommandError(
            2, "review.py signals: --report-appendix lists verified checks only, name each with --check ID"
        )
    elif options.format != "text":
        raise CommandError(2, "review.py signals: --report-appendix is Markdown, leave --format out")


def run_appendix(options: argparse.Namespace, project: Project, outcome: Outcome) -> tuple[str, int]:
    signals = outcome.signals
    standing = {f"{signal.path}:{signal.line}" for signal in signals}
    for place in options.without:
        if place not in standing:
            near = difflib.get_close_matches(place, standing, 1, 0.6)
            hint = f", did you mean {near[0]}?" if near else ""
            raise CommandError(2, f"review.py signals: --without {place}: no signal of these checks stands there{hint}")
    kept = [signal for signal in signals if f"{signal.path}:{signal.line}" not in options.without]
    if not kept:
        raise CommandError(2, "review.py signals: none of these checks has a signal left, there is nothing to list")
    whole = options.appendix_file is not None or options.limit == 0
    made = appendix(project, kept, whole, "`--appendix-file FILE` writes all of them, `--limit 0` prints them")
    if options.appendix_file is None:
        return made, 0
    file = write(made, options.appendix_file, MARK, options.path, options.allow_inside)
    return f"Wrote {file}: {count(len(kept), 'place')}. Name the file in the report, or add its text at the end.\n", 0


def run_check(options: argparse.Namespace) -> tuple[str, int]:
    report = report_text("check", options.report)
    root, notes = Path(options.path), ""
    if options.report == "-":
        if not root.is_dir():
            open_project(options.path, options.config)
        broken = check_report(report, root)
    else:
        project = open_project(options.path, options.config)
        outcome = run(project, Selection(CHECKS, impact=HIGH))
        broken = check_report(report, root, outcome.signals)
        notes = notes_text(hidden_lines(outcome))
    room = LIMIT - len(notes)
    said = verdict(broken, report, room // 2 if options.fix_lines else room) + notes
    if options.fix_lines:
        said += moves_text(moves(parse(report), Tree(root)), LIMIT - len(said))
    return said, int(bool(broken))


REPORT_EXAMPLES = """  review.py report REVIEW.md -o /tmp/review.html
  review.py report REVIEW.md backend -o docs/review.html --allow-inside   (into the reviewed folder)
  review.py report REVIEW.md -o -                                         (to standard output)"""


def add_report(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("report", metavar="REPORT", help="the report in Markdown; - reads it from standard input")
    about = "the HTML file to write, outside the reviewed folder; - is standard output"
    parser.add_argument("-o", "--output", metavar="FILE", help=about)
    parser.add_argument("--allow-inside", action="store_true", help="let -o write inside the reviewed folder")


def run_report(options: argparse.Namespace) -> tuple[str, int]:
    if options.output is None:
        raise CommandError(2, "review.py report: where to? give -o FILE, such as -o /tmp/review.html")
    report = report_text("report", options.report)
    project = open_project(options.path, options.config)
    outcome = run(project, Selection(CHECKS))
    keep_for_later(project, shown(options.path))
    broken = check_report(report, project.root, [s for s in outcome.signals if s.impact == HIGH])
    made = page(project, outcome, report, broken)
    if options.output == "-":
        return made, 0
    file = write(made, options.output, PAGE_MARK, options.path, options.allow_inside)
    said = f"The report breaks {count(len(broken), 'rule')}: `review.py check` names them." if broken else "It passes."
    size = len(made.encode()) // 1024
    return f"Wrote {file} ({size:,} KB, opens without network). {said}\n{notes_text(hidden_lines(outcome))}", 0


def report_text(command: str, name: str) -> str:
    """The report in a file, or from standard input when `name` is `-`; raises CommandError where there is none."""
    if name == "-":
        report = sys.stdin.buffer.read(_STDIN_LIMIT).decode("utf-8", "replace")
    else:
        file = Path(name)
        if not file.is_file():
            raise CommandError(
                2, f"review.py {command}: there is no file {name}; give the report first, then the project's folder"
            )
        report = file.read_text(encoding="utf-8", errors="replace")
    if not report.strip():
        raise CommandError(2, f"review.py {command}: the report is empty")
    return report
