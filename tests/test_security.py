"""Security checks on what misled them once in real code: lines marked with the id must be found, no others."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest
from tests.security_cases_access import ACCESS_AND_INJECTION
from tests.security_cases_found import FOUND
from tests.security_cases_login import LOGIN
from tests.security_cases_settings import SECRETS_AND_SETTINGS

from catalogue import CHECKS
from check import Check, Outcome
from examples import parse_example
from project import Project

Write = Callable[[dict[str, str]], Path]
RunChecks = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]

CASES = {**ACCESS_AND_INJECTION, **SECRETS_AND_SETTINGS, **FOUND, **LOGIN}


@pytest.mark.parametrize("name", CASES)
def test_real_code(name: str, write_tree: Write, run_checks: RunChecks) -> None:
    check_id, code = CASES[name]
    example = parse_example(code.strip("\n"))
    check = next(check for check in CHECKS if check.id == check_id)
    project, outcome = run_checks(write_tree(example.files), [check])
    assert project.unread == []
    assert outcome.not_assessed == []
    found = {(s.check, s.path, s.line) for s in outcome.signals}
    assert found == {mark for mark in example.marked if mark[0] == check_id}
