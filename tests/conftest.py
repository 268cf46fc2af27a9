"""Fixtures for whole runs, and a guard: a module that collects nothing, or a run that only skips, is a failure."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

import pytest

sys.dont_write_bytecode = True

from check import Check, Outcome, Selection, run  # noqa: E402  (the line above keeps scripts/ free of __pycache__)
from project import Project  # noqa: E402

REPOSITORY = Path(__file__).resolve().parents[1]
REVIEW = REPOSITORY / "scripts" / "review.py"

_empty_modules: list[str] = []
_outcomes: Counter[str] = Counter()


def pytest_collectreport(report: pytest.CollectReport) -> None:
    if report.passed and report.nodeid.endswith(".py") and not report.result:
        _empty_modules.append(report.nodeid)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if report.when == "call" or (report.when == "setup" and not report.passed):
        _outcomes[report.outcome] += 1


def pytest_sessionfinish(session: pytest.Session) -> None:
    if not session.config.option.collectonly and (_empty_modules or set(_outcomes) == {"skipped"}):
        session.exitstatus = 1


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    for nodeid in _empty_modules:
        terminalreporter.write_line(f"{nodeid}: no test collected, which is a failure", red=True)
    if set(_outcomes) == {"skipped"}:
        terminalreporter.write_line("every test was skipped, which is a failure", red=True)


Write = Callable[[Mapping[str, str]], Path]
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]
RunChecks = Callable[[Path, Iterable[Check]], tuple[Project, Outcome]]


@pytest.fixture
def write_tree(tmp_path: Path) -> Write:
    """Write files (text by path) into an empty folder and return it."""

    def write(files: Mapping[str, str]) -> Path:
        root = tmp_path / f"tree{len(list(tmp_path.iterdir()))}"
        root.mkdir()
        for path, text in files.items():
            file = root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text, encoding="utf-8")
        return root

    return write


@pytest.fixture(scope="session")
def run_checks() -> RunChecks:
    """Run checks on a folder; a check that raises fails the test with its own traceback."""

    def run_on(root: Path, checks: Iterable[Check]) -> tuple[Project, Outcome]:
        project = Project.at(root)
        chosen = tuple(checks)
        for check in chosen:
            list(check.function(project))
        return project, run(project, Selection(chosen))

    return run_on


@pytest.fixture(scope="session")
def review(tmp_path_factory: pytest.TempPathFactory) -> RunReview:
    """Run review.py as a user does, isolated and from another folder: review("routes", path, ..., stdin="")."""
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    own_cache = {**os.environ, "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache"))}

    def run_review(
        *arguments: str | Path, stdin: str = "", python: str = sys.executable, env: Mapping[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        command = [python, "-I", str(REVIEW), *map(str, arguments)]
        return subprocess.run(
            command,
            cwd=elsewhere,
            input=stdin,
            capture_output=True,
            encoding="utf-8",
            env=env or own_cache,
            timeout=120,
            check=False,
        )

    return run_review
