"""Every check against its own examples: signals exactly on the marked lines of Bad, none in Good and Not this."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS, DIMENSIONS
from check import Check, Outcome
from examples import Example
from project import Project

Write = Callable[[dict[str, str]], Path]
RunChecks = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]

each_check = pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)


def test_every_dimension_has_checks_with_unique_ids_and_names() -> None:
    assert all(dimension.checks for dimension in DIMENSIONS)
    assert max(Counter(check.id for check in CHECKS).values()) == 1
    assert max(Counter(check.name for check in CHECKS).values()) == 1


@each_check
def test_check_says_everything_about_itself(check: Check) -> None:
    assert re.fullmatch(r"[A-Z]{3}\d{3}", check.id)
    assert re.fullmatch(r"[a-z0-9]+(-[a-z0-9]+)+", check.name)
    assert check.anti_pattern in (None, *range(1, 9))
    assert check.title
    assert not check.title.endswith(".")
    assert check.fix.endswith(".")
    assert check.why.endswith(".")
    assert check.source, "the docstring names no Source"


@each_check
def test_bad_example(check: Check, write_tree: Write, run_checks: RunChecks) -> None:
    bad = check.documentation.bad
    assert any(mark[0] == check.id for mark in bad.marked), "no line of the bad example is marked with the check's id"
    marked_checks = {check.id, *(mark[0] for mark in bad.marked)}
    outcome = _run(bad, [c for c in CHECKS if c.id in marked_checks], write_tree, run_checks)
    must = {(s.check, s.path, s.line) for s in outcome.signals}
    may = must | {(s.check, place.path, place.line) for s in outcome.signals for place in s.places}
    assert must - bad.marked == set(), "signals on lines without a mark"
    assert bad.marked - may == set(), "marked lines without a signal"


@each_check
@pytest.mark.parametrize("part", ["good", "not_this"])
def test_example_without_signal(check: Check, part: str, write_tree: Write, run_checks: RunChecks) -> None:
    example: Example = getattr(check.documentation, part)
    outcome = _run(example, [check], write_tree, run_checks)
    assert [(s.path, s.line, s.message) for s in outcome.signals] == []


def _run(example: Example, checks: list[Check], write_tree: Write, run_checks: RunChecks) -> Outcome:
    assert example.files, "the docstring lacks this example"
    project, outcome = run_checks(write_tree(example.files), checks)
    assert project.unread == [], "the example cannot be read"
    assert outcome.not_assessed == [], "the example was not judged, so it proves nothing"
    assert outcome.suppressed == 0
    return outcome
