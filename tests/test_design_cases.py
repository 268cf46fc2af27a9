"""Checks of API design, organization and testing on what misled them once in real code."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.design_cases import CASES as LARGER
from tests.design_cases_backends import BACKENDS
from tests.design_cases_impact import IMPACT
from tests.design_cases_organization import ORGANIZATION
from tests.design_cases_reading import READING
from tests.design_cases_small import SMALL
from tests.design_cases_weight import WEIGHT

from catalogue import CHECKS
from check import Check, Outcome
from examples import parse_example
from project import Project

CASES = {**LARGER, **ORGANIZATION, **READING, **SMALL, **IMPACT, **BACKENDS, **WEIGHT}
MARK = re.compile(r"  # ([A-Z]{3}\d{3}) (high|medium|low)$")


@pytest.mark.parametrize("name", CASES)
def test_real_code(
    name: str,
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    check_id, code = CASES[name]
    files = parse_example(code.strip("\n")).files
    check = next(check for check in CHECKS if check.id == check_id)
    project, outcome = run_checks(write_tree(files), [check])
    assert project.unread == []
    assert outcome.not_assessed == []
    marked = {
        (match[1], path, number, match[2])
        for path, text in files.items()
        for number, line in enumerate(text.splitlines(), 1)
        if (match := MARK.search(line))
    }
    assert {(s.check, s.path, s.line, s.impact) for s in outcome.signals} == marked


FOREIGN_CI = {
    "LICENSE": "",
    "pyproject.toml": '[project]\nname = "shop"\ndependencies = ["fastapi"]\n',
    ".github/workflows/ci.yml": "jobs:\n  test:\n    uses: someone/shared/.github/workflows/python.yml@v1\n",
    "app/main.py": "from fastapi import FastAPI\n\napp = FastAPI()\n",
    "tests/test_shop.py": "def test_shop() -> None:\n    assert True\n",
}


def test_what_a_workflow_of_another_repository_runs_is_not_assessed(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    check = next(check for check in CHECKS if check.id == "TST014")
    _, outcome = run_checks(write_tree(FOREIGN_CI), [check])
    assert outcome.signals == []
    assert [note.why for note in outcome.not_assessed] == [
        "what the CI runs at .github/workflows/ci.yml:3 stands elsewhere: it may well run the tests"
    ]
