"""The commands on a written report: check it against the code."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from catalogue import CHECKS
from check import HIGH, Selection, run
from report.document import parse
from report.evidence import Tree
from report.moved import moves, moves_text
from report.written import LIMIT, check_report, verdict
from target import CommandError, open_project

CHECK_EXAMPLES = """  review.py check REVIEW.md
  review.py check REVIEW.md src --fix-lines       (proposes the right lines where code has moved)
  review.py check - src <<'EOF'                   (one section: issues, scores or priorities)

Of a whole report every signal of high impact must be answered: by an issue that names the check or cites the place,
or below Coverage by a line such as these:
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


def run_check(options: argparse.Namespace) -> tuple[str, int]:
    report = report_text("check", options.report)
    root = Path(options.path)
    if options.report == "-":
        if not root.is_dir():
            open_project(options.path)
        broken = check_report(report, root)
    else:
        project = open_project(options.path)
        broken = check_report(report, root, run(project, Selection(CHECKS, impact=HIGH)).signals)
    said = verdict(broken, report, LIMIT // 2 if options.fix_lines else LIMIT)
    if options.fix_lines:
        said += moves_text(moves(parse(report), Tree(root)), LIMIT - len(said))
    return said, int(bool(broken))


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
