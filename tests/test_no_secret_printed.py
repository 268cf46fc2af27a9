"""Every command that the command line knows, with every choice of its options, prints no secret of the project."""

from __future__ import annotations

import argparse
import contextlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from tests.report_sample import report
from tests.test_secrecy import FILES, SECRETS

import commands
from target import CommandError

Write = Callable[[Mapping[str, str]], Path]

CITED = """\
1. **Secrets in the code**
   - Location: `app/settings.py:4`
   - Code: `SECRET_KEY = nothing`
   - Impact: High
   - Recommendation: Read them from the environment.
   - Reference: [SECURITY.md#sec005](SECURITY.md#sec005)
"""


def options_of(parser: argparse.ArgumentParser) -> Iterator[tuple[str, ...]]:
    """No option, each flag, and each choice of an option that offers some."""
    yield ()
    for action in parser._actions:
        if action.option_strings and action.choices:
            yield from ((action.option_strings[-1], str(choice)) for choice in action.choices)
        elif action.option_strings and action.nargs == 0 and action.dest not in ("help", "no_cache"):
            yield (action.option_strings[-1],)


OFFERED = [(name, chosen) for name, parser in commands._parsers()[1].items() for chosen in options_of(parser)]


def arguments(name: str, tree: Path, written: Path) -> tuple[list[str], list[str]]:
    """What a command must be given, and what it may be given beside: taught here once for each kind of argument."""
    known = {"path": str(tree), "report": str(written), "check": "SEC001", "id": "SEC001"}
    may = {"check": "SEC005", "output": f"{written}.out", "appendix_file": f"{written}.out"}
    needed: list[str] = []
    beside: list[str] = []
    for action in commands._parsers()[1][name]._actions:
        if not action.option_strings:
            needed.append(known[action.dest])
        elif action.required:
            needed += [action.option_strings[-1], may[action.dest]]
        elif action.dest in may:
            beside += [action.option_strings[-1], may[action.dest]]
    return needed, beside


def printed(name: str, tree: Path, written: Path, chosen: tuple[str, ...]) -> str:
    """What a command prints and writes; options that go together only are given together."""
    needed, beside = arguments(name, tree, written)
    others = [list(options) for command, options in OFFERED if command == name]
    for more in ([], *others, beside, *(options + beside for options in others)):
        with contextlib.suppress(CommandError):
            said, _ = commands._run([name, *needed, "--no-cache", *chosen, *more])
            return said + "".join(file.read_text(encoding="utf-8") for file in written.parent.glob("report.md.out*"))
    pytest.fail(f"{name} {chosen} is refused with everything that is known here")


@pytest.mark.parametrize(("name", "chosen"), OFFERED, ids=lambda value: " ".join(value) if value else "plain")
def test_no_command_and_no_format_prints_a_secret(
    write_tree: Write, tmp_path: Path, name: str, chosen: tuple[str, ...]
) -> None:
    written = tmp_path / "report.md"
    written.write_text(report(CITED, "- [ ] Secrets in the code, app/settings.py:4"), encoding="utf-8")
    text = printed(name, write_tree(FILES), written, chosen)
    assert text
    assert [secret for secret in SECRETS if secret in text] == []
    assert SECRETS[0][:16] not in text


def test_what_is_tried() -> None:
    formats = {(name, chosen[1]) for name, chosen in OFFERED if chosen[:1] == ("--format",)}
    assert {("signals", name) for name in ("text", "json", "sarif", "github", "markdown")} <= formats
    assert {(name, "json") for name in ("routes", "redesign")} <= formats
    assert {"overview", "reading-list", "explain", "check", "report"} <= {name for name, _ in OFFERED}
