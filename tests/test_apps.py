"""Whole runs on the two sample applications: messy has exactly the marked signals, tidy has none."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from catalogue import CHECKS, DIMENSIONS
from check import Hidden, Outcome, Selection, run
from project import Project
from report.overview import overview_text
from report.text import signals_text
from report.wording import TEXT_LIMIT

APPS = Path(__file__).parent / "apps"
MARK = re.compile(r"# ([A-Z]{3}\d{3}(?:, ?[A-Z]{3}\d{3})*)[ \t]*$", re.MULTILINE)
Run = tuple[Project, Outcome]
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def messy() -> Run:
    return _run("messy")


@pytest.fixture(scope="module")
def tidy() -> Run:
    return _run("tidy")


def _run(name: str) -> Run:
    project = Project.at(APPS / name)
    return project, run(project, Selection(CHECKS))


def marks(root: Path) -> set[tuple[str, str, int]]:
    """(check id, path, line) of every `# ID` at the end of a line of any text file."""
    found: set[tuple[str, str, int]] = set()
    for file in sorted(root.rglob("*")):
        if not file.is_file() or "__pycache__" in file.parts:
            continue
        for number, line in enumerate(file.read_text(encoding="utf-8", errors="replace").splitlines(), 1):
            mark = MARK.search(line)
            ids = mark[1].replace(" ", "").split(",") if mark else []
            found.update((check, file.relative_to(root).as_posix(), number) for check in ids)
    return found


@pytest.mark.parametrize("name", ["messy", "tidy"])
def test_no_check_fails(name: str, request: pytest.FixtureRequest) -> None:
    outcome: Outcome = request.getfixturevalue(name)[1]
    assert [note for note in outcome.not_assessed if note.failed] == []


def test_messy_has_the_marked_signals_and_no_other(messy: Run) -> None:
    signals = messy[1].signals
    must = {(s.check, s.path, s.line) for s in signals}
    may = must | {(s.check, place.path, place.line) for s in signals for place in s.places}
    marked = marks(APPS / "messy")
    assert sorted(must - marked) == [], "signals on lines without a mark"
    assert sorted(marked - may) == [], "marked lines without a signal"


def test_messy_shows_every_dimension_and_anti_pattern(messy: Run) -> None:
    signals = messy[1].signals
    assert len({signal.check for signal in signals}) >= 30
    assert {signal.dimension for signal in signals} == {dimension.module for dimension in DIMENSIONS}
    assert {signal.anti_pattern for signal in signals} >= set(range(1, 9))


def test_tidy_has_no_signal(tidy: Run) -> None:
    assert [(s.check, s.path, s.line, s.message) for s in tidy[1].signals] == []
    assert tidy[1].suppressed == 0
    assert tidy[1].not_assessed == []
    assert marks(APPS / "tidy") == set()


@pytest.mark.parametrize("name", ["messy", "tidy"])
def test_everything_is_read_and_every_route_known(name: str, request: pytest.FixtureRequest) -> None:
    project: Project = request.getfixturevalue(name)[0]
    assert project.unread == []
    assert project.routes
    assert project.route_map.known == project.route_map.candidates
    assert project.route_map.unknown == []


def test_text_stays_within_its_limits(messy: Run) -> None:
    project, outcome = messy
    assert len(overview_text(project, outcome, "")) <= 8_000
    many = Outcome(
        [s for s in outcome.signals for _ in range(60)],
        outcome.not_assessed * 60,
        [Hidden(outcome.signals[0], "why")] * 3,
    )
    assert len(overview_text(project, many, "")) <= 8_000
    text = signals_text(many, "")
    assert len(text) <= TEXT_LIMIT
    assert "more place" in text
    assert "--check" in text
    assert "3 signals suppressed" in text
    assert len(signals_text(many, "", 0)) > TEXT_LIMIT


def test_pages_hold_every_signal_once(messy: Run) -> None:
    total = len(messy[1].signals)
    shown: list[str] = []
    for offset in range(0, total, 7):
        shown += re.findall(r"^- (\S+:\d+) ", signals_text(messy[1], "", 7, offset), re.MULTILINE)
    assert shown == [f"{s.path}:{s.line}" for s in messy[1].signals]


def test_json_is_stable_and_agrees_with_text(messy: Run, review: RunReview) -> None:
    runs = [review("signals", APPS / "messy", "--format", "json").stdout for _ in range(2)]
    assert runs[0] == runs[1]
    content = json.loads(runs[0])
    assert [s["id"] for s in content["signals"]] == [s.id for s in messy[1].signals]
    assert len({s["id"] for s in content["signals"]}) == len(content["signals"])
    text = review("signals", APPS / "messy", "--limit", "0").stdout
    assert set(re.findall(r"^## ([A-Z]{3}\d{3}) ", text, re.MULTILINE)) == {s["check"] for s in content["signals"]}


def test_dimensions_divide_the_signals(messy: Run, review: RunReview) -> None:
    parts = [review("signals", APPS / "messy", "--dimension", d.prefix, "--format", "json").stdout for d in DIMENSIONS]
    ids = [signal["id"] for part in parts for signal in json.loads(part)["signals"]]
    assert sorted(ids) == sorted(signal.id for signal in messy[1].signals)


def test_runs_leave_nothing_behind(review: RunReview) -> None:
    before = sorted(APPS.rglob("*"))
    review("overview", APPS / "tidy")
    assert sorted(APPS.rglob("*")) == before
