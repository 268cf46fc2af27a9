"""The commands: what each one accepts, what it prints, and the exit status.

0 it ran; 1 only with --fail-on, or a report that does not pass; 2 usage; 3 nothing to analyse.
"""

from __future__ import annotations

import argparse
import contextlib
import gc
import os
import sys
import traceback
from collections.abc import Callable, Sequence
from typing import Any, NoReturn

from baseline import compare, read_baseline
from catalogue import CHECKS, DIMENSIONS
from changes import Since
from check import IMPACTS, LOW, Check, Outcome, Selection, clean
from configuration import NONE, TABLE, check_named, configuration_notes
from deep_calls import with_deep_calls
from later import FAT_ROUTES, keep_for_later, redesign_of
from project import Project
from project.place import path_matches
from reading import reading_list
from report import as_json, explain, overview
from report import routes as route_table
from report.formats import FORMATS, write_outputs
from report.loop import loop_lines
from report.output import Output
from report.reading_list import reading_list_text
from report.text import hidden_lines
from report.wording import nearest, notes_text
from report_commands import (
    CHECK_EXAMPLES,
    REPORT_EXAMPLES,
    add_appendix,
    add_check,
    add_report,
    refuse_appendix_without_checks,
    run_appendix,
    run_check,
    run_report,
)
from reviewing import project_notes, run
from target import CommandError, open_project, prefix_of, shown

_INTERNAL_ERROR = 70
_NO_CACHE = "neither read nor write the snapshots and bytecode in the user's cache folder"

Result = tuple[str, int]


class Parser(argparse.ArgumentParser):
    """A parser that names the nearest option and exits with one line instead of the whole usage."""

    def __init__(self, **given: Any) -> None:
        super().__init__(**given, allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter)
        self.color = False  # Python 3.14 and later paint the help text, and pass the setting on to subparsers

    def error(self, message: str) -> NoReturn:
        raise CommandError(2, f"{self.prog}: {message} (see {self.prog} --help)")

    def reject(self, unknown: Sequence[str]) -> NoReturn:
        word = unknown[0].split("=")[0]
        known = [option for action in self._actions for option in action.option_strings]
        self.error(
            f"unknown argument {word}{nearest(word, known)}" if word.startswith("-") else f"one PATH too many: {word}"
        )


def main(arguments: Sequence[str]) -> int:
    """Run one command; the result goes to standard output, a usage error in one line to standard error."""
    gc.disable()  # trees and facts live until the command ends; collecting them only costs time
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(encoding="utf-8", errors="replace")
    try:
        output, status = with_deep_calls(lambda: _run(arguments))
    except CommandError as stop:
        return _say(sys.stderr, clean(stop.sentence, 2_000) + "\n", stop.status)
    except SystemExit as done:  # argparse, after --help
        return _say(sys.stdout, "", int(done.code or 0))
    except KeyboardInterrupt:
        return 130
    except Exception:  # a defect of this program: exit status 1 would read as a verdict on the project
        return _say(sys.stderr, "review.py failed, please report this:\n" + traceback.format_exc(), _INTERNAL_ERROR)
    return _say(sys.stdout, output, status)


def _say(stream: Any, output: str, status: int) -> int:
    """Write all of it; a reader such as `head` that stops reading is no error."""
    try:
        stream.write(output)
        stream.flush()
    except BrokenPipeError:
        with contextlib.suppress(OSError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
    return status


def _run(arguments: Sequence[str]) -> Result:
    parser, commands = _parsers()
    words = [word for word in arguments if not word.startswith("-")]
    if not arguments:
        parser.error(f"which command? {', '.join(commands)}")
    if arguments[0] not in ("-h", "--help") and (not words or words[0] not in commands):
        word = words[0] if words else arguments[0]
        parser.error(f"unknown command {word}{nearest(word, list(commands))}")
    options, unknown = parser.parse_known_args(arguments)
    if unknown:
        commands[options.command].reject(unknown)
    command: Callable[[argparse.Namespace], Result] = options.run
    return command(options)


def _parsers() -> tuple[Parser, dict[str, Parser]]:
    parser = Parser(
        prog="review.py",
        description="Signals for reviewing a FastAPI backend. Reads the project, never runs or changes it.",
        epilog="exit status: 0 it ran, 1 --fail-on or a report that does not pass, 2 usage, 3 nothing to analyse",
    )
    parser.add_argument("--no-cache", action="store_true", help=_NO_CACHE)
    added = parser.add_subparsers(dest="command", metavar="COMMAND", required=True, parser_class=Parser)
    commands: dict[str, Parser] = {}

    def command(name: str, run: Callable[[argparse.Namespace], Result], about: str, examples: str) -> Parser:
        description = f"{about[0].upper()}{about[1:]}.\n\nexamples:\n" + examples
        commands[name] = added.add_parser(name, help=about, description=description)
        commands[name].set_defaults(run=run)
        commands[name].add_argument(
            "--no-cache",
            action="store_true",
            help=_NO_CACHE,
        )
        return commands[name]

    one = command(
        "overview", _overview, "stack, layout, routes, signals in numbers, what to run next", "  review.py overview src"
    )
    _add_path(one)
    _add_signals(command("signals", _signals, "the signals, grouped by check, high impact first", _SIGNALS_EXAMPLES))
    _add_routes(command("routes", _routes, "the route map: method, path, handler, guard", _ROUTES_EXAMPLES))
    one = command("reading-list", _reading_list, "the functions worth reading first, with reasons", _READING_EXAMPLES)
    _add_path(one)
    _add_dimension(one)
    one.add_argument("--budget", metavar="LINES", type=_number, default=10_000, help="lines to read (default 10000)")
    one.add_argument("--offset", metavar="M", type=_number, default=0, help="leave out the first M ranges")
    one = command("redesign", _redesign, "a draft: domains, layout, moves, cycles, order of steps", _REDESIGN_EXAMPLES)
    _add_path(one)
    one.add_argument("--format", choices=("text", "json"), default="text", help="json is always whole")
    one = command("explain", _explain, "one check: why, bad, good, not this, fix, source", "  review.py explain ASY001")
    one.add_argument("check", metavar="ID", type=_check_named, help="id or name of a check")
    one = command("check", run_check, "check a written report, or one section of it, against the code", CHECK_EXAMPLES)
    add_check(one)
    _add_path(one)
    one = command("report", run_report, "one HTML page of a written report, with pictures and tables", REPORT_EXAMPLES)
    add_report(one)
    _add_path(one)
    return parser, commands


_SIGNALS_EXAMPLES = """  review.py signals --dimension security
  review.py signals --check ASY001 --path 'app/api/*' --limit 0
  review.py signals --format brief
  review.py signals --impact high --format json
  review.py signals --check ASY001 --without app/main.py:12 --report-appendix --appendix-file /tmp/appendix.md
  review.py signals --since main --format markdown
  review.py signals --baseline before.json
  review.py signals --fail-on high        (exit status 1 when there is one, for continuous integration)"""
_ROUTES_EXAMPLES = """  review.py routes
  review.py routes --open
  review.py routes --path 'app/api/users*' --format json"""
_READING_EXAMPLES = """  review.py reading-list
  review.py reading-list --budget 8000 --dimension security"""
_REDESIGN_EXAMPLES = """  review.py redesign
  review.py redesign src --format json"""


def _add_path(parser: Parser) -> None:
    parser.add_argument("path", metavar="PATH", nargs="?", default=".", help="folder of the project (default: .)")
    parser.add_argument("--config", metavar="FILE", help=f"read {TABLE} of this TOML file, not of PATH/pyproject.toml")
    parser.add_argument(
        "--no-config", dest="config", action="store_const", const=NONE, help="leave the project's configuration out"
    )


def _add_signals(parser: Parser) -> None:
    _add_path(parser)
    _add_dimension(parser)
    parser.add_argument(
        "--check",
        metavar="ID",
        action="append",
        default=[],
        type=_check_named,
        help="id or name of a check, repeatable",
    )
    parser.add_argument(
        "--path", metavar="GLOB", dest="glob", help="only places in files that fit, such as 'app/api/*'"
    )
    parser.add_argument("--impact", type=_impact, default=LOW, help="high, medium or low: this impact and above")
    parser.add_argument("--limit", metavar="N", type=_number, help="at most N signals; 0 prints everything")
    parser.add_argument("--offset", metavar="M", type=_number, default=0, help="leave out the first M signals")
    parser.add_argument(
        "--format",
        choices=tuple(FORMATS),
        default="text",
        help="text, brief (one line a signal), json, sarif (2.1.0), github (annotations of a workflow run) or "
        "markdown; json, sarif and github are always whole",
    )
    parser.add_argument(
        "--also",
        metavar="FORMAT=FILE",
        action="append",
        default=[],
        type=_output_named,
        help="also write this format to a file, repeatable; only in continuous integration (where CI is set)",
    )
    parser.add_argument(
        "--relative-to",
        metavar="FOLDER",
        help="paths in sarif, github and markdown relative to this folder, in which PATH lies",
    )
    parser.add_argument(
        "--since",
        metavar="REF",
        help="only signals on or caused by lines changed since a branch, tag or commit, what is not committed included",
    )
    parser.add_argument(
        "--baseline", metavar="FILE", help="an earlier json or sarif output: says what is new, fixed, still there"
    )
    add_appendix(parser)
    parser.add_argument(
        "--fail-on",
        metavar="IMPACT",
        type=_impact,
        help="exit status 1 when a signal of this impact or above is printed (with --baseline: a new one)",
    )


def _add_dimension(parser: Parser) -> None:
    parser.add_argument(
        "--dimension",
        metavar="D",
        action="append",
        default=[],
        type=_dimension_named,
        help="module name or prefix of a dimension, repeatable",
    )


def _add_routes(parser: Parser) -> None:
    _add_path(parser)
    parser.add_argument("--open", action="store_true", help="only routes that nothing guards")
    parser.add_argument("--path", metavar="GLOB", dest="glob", help="only routes in files that fit, or whose path fits")
    parser.add_argument("--format", choices=("text", "json"), default="text", help="json is always whole")


def _overview(options: argparse.Namespace) -> Result:
    project = open_project(options.path, options.config)
    outcome = run(project, Selection(CHECKS))
    keep_for_later(project, shown(options.path))
    return overview.overview_text(project, outcome, shown(options.path)), 0


def _signals(options: argparse.Namespace) -> Result:
    refuse_appendix_without_checks(options)
    project = open_project(options.path, options.config)
    selection = Selection(_selected(options), options.glob, options.impact)
    prefix = prefix_of(options.path, options.relative_to)
    old = read_baseline(options.baseline, prefix) if options.baseline else None
    outcome = _outcome(project, selection, options)
    if options.report_appendix:
        return run_appendix(options, project, outcome)
    comparison = compare(options.baseline, old, project, outcome, selection) if old is not None else None
    output = Output(
        project, outcome, selection.checks, shown(options.path), prefix, options.limit, options.offset, comparison
    )
    wanted = IMPACTS[: IMPACTS.index(options.fail_on) + 1] if options.fail_on else ()
    write_outputs(output, options.also)
    return FORMATS[options.format](output), int(any(signal.impact in wanted for signal in output.reported))


def _outcome(project: Project, selection: Selection, options: argparse.Namespace) -> Outcome:
    if options.since is None:
        outcome = run(project, selection)
        keep_for_later(project, shown(options.path))
        return outcome
    if options.baseline:
        raise CommandError(2, "review.py signals: --since and --baseline exclude each other: choose one")
    with Since(project, options.since, selection, options.config) as since:
        return since.only(run(project, selection))


def _selected(options: argparse.Namespace) -> tuple[Check, ...]:
    if not options.dimension and not options.check:
        return CHECKS
    return tuple(check for check in CHECKS if check in options.check or check.dimension in options.dimension)


def _routes(options: argparse.Namespace) -> Result:
    project = open_project(options.path, options.config)
    listed = project.route_list
    rows = [
        row
        for row in listed.rows
        if (not options.open or row.route.auth is False)
        and (options.glob is None or any(path_matches(p, options.glob) for p in (row.route.file, row.route.path)))
    ]
    if options.format == "json":
        return as_json.routes_json(listed, rows, project.settings, project_notes(project)), 0
    notes = [*configuration_notes(project.settings), *project_notes(project)]
    said = notes_text([f"Note: {note}" for note in notes])
    loop = loop_lines(listed, [row.route for row in rows])
    return route_table.routes_text(listed.map, rows, shown(options.path), loop) + said, 0


def _reading_list(options: argparse.Namespace) -> Result:
    project = open_project(options.path, options.config)
    outcome = run(project, Selection(CHECKS))
    keep_for_later(project, shown(options.path))
    dimensions = frozenset(dimension.module for dimension in options.dimension)
    groups, listed, known = reading_list(project, outcome.signals, options.budget, dimensions)
    said = notes_text(hidden_lines(outcome))
    asked = "".join(f" --dimension {name}" for name in sorted(dimensions))
    target = shown(options.path) + asked
    return reading_list_text(groups, listed, known, options.budget, target, options.offset) + said, 0


def _redesign(options: argparse.Namespace) -> Result:
    project = open_project(options.path, options.config)
    outcome = run(project, FAT_ROUTES)
    whole, text = redesign_of(project, shown(options.path), outcome.signals)
    keep_for_later(project, shown(options.path))
    if options.format == "json":
        return as_json.with_notes(whole, outcome.notes), 0
    return text + notes_text(hidden_lines(outcome)), 0


def _explain(options: argparse.Namespace) -> Result:
    return explain.explain_text(options.check), 0


def _dimension_named(word: str) -> object:
    for dimension in DIMENSIONS:
        if word.lower() in (dimension.module, dimension.prefix.lower()):
            return dimension
    known = [name for dimension in DIMENSIONS for name in (dimension.module, dimension.prefix)]
    raise argparse.ArgumentTypeError(f"unknown dimension {word}{nearest(word, known)}")


def _check_named(word: str) -> Check:
    try:
        return check_named(word)
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from error


def _output_named(word: str) -> tuple[str, str]:
    name, equals, file = word.partition("=")
    if not equals or not file:
        raise argparse.ArgumentTypeError(f"{word} is not of the form FORMAT=FILE, such as sarif=signals.sarif")
    if name not in FORMATS:
        raise argparse.ArgumentTypeError(f"unknown format {name}{nearest(name, list(FORMATS))}")
    return name, file


def _impact(word: str) -> str:
    if word.lower() not in IMPACTS:
        raise argparse.ArgumentTypeError(f"unknown impact {word}{nearest(word, IMPACTS)}")
    return word.lower()


def _number(word: str) -> int:
    if not word.isdecimal():
        raise argparse.ArgumentTypeError(f"{word} is not a number from 0")
    return int(word)
