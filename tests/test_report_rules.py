"""The check of a written report against signals, the table of stars and moved code."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report_sample import ISSUE, USERS, report

from check import Signal
from project.place import Place
from report import evidence, written
from report.dismissed import unanswered
from report.document import parse
from report.evidence import Tree
from report.moved import Move, moves, moves_text
from report.written import check_report

OTHER = "- SEC001 app/users.py:7: a signed webhook, open on purpose"
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "users.py").write_text(USERS, encoding="utf-8")
    (tmp_path / "app" / "main.py").write_text("from fastapi import FastAPI\n\napp = FastAPI()\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def known_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "anchors", lambda _: frozenset({"asy001", "checks"}))


def signal(check: str, path: str, line: int, dimension: str = "async_performance", *trace: Place) -> Signal:
    head = ("0" * 16, check, "name", dimension, "high", "resolved", path, line, line, "", "blocks", "")
    return Signal(*head, trace, "Await.", "ASYNC_PERFORMANCE.md#asy001", 2, ())


def said(text: str, root: Path, *signals: Signal) -> str:
    return "\n".join(f"{b.line}: {b.what} -> {b.remedy}" for b in check_report(text, root, signals))


def left(text: str, *signals: Signal) -> list[Signal]:
    return unanswered(parse(text), signals)


# Signals of high impact


def test_high_signal_in_no_issue_and_not_dismissed_is_named(root: Path) -> None:
    text = report()
    broken = said(
        text, root, signal("SEC001", "app/main.py", 3, "security"), signal("SEC001", "app/main.py", 9, "security")
    )
    assert "2 High signals of SEC001 neither reported nor dismissed, first app/main.py:3 blocks" in broken
    assert "under “### Checked and dismissed” in Coverage `- SEC001 app/main.py:3: why" in broken
    assert broken.startswith(str(text.splitlines().index("## Coverage") + 1))


def test_signal_is_answered_by_an_issue_that_names_its_check() -> None:
    assert left(report(), signal("ASY001", "app/other.py", 3)) == []
    assert left(report(), signal("ASY002", "app/other.py", 3)) != []


@pytest.mark.parametrize(
    ("words", "answered"),
    [
        ("", False),
        ("in 12 places", True),
        ("in twelve places", True),
        ("in 3 places, 0.115.12", False),
        ("ASY012", False),
    ],
)
def test_signals_of_a_named_check_are_answered_by_their_number(words: str, answered: bool, root: Path) -> None:
    text = report(ISSUE.replace("Recommendation: ", f"Recommendation: {words}; ", 1))
    many = [signal("ASY001", "app/other.py", line) for line in range(100, 112)]
    assert (left(text, *many) == []) is answered
    assert ("say in its issue how many places it has (12 High), or under" in said(text, root, *many)) is not answered


def test_signal_is_answered_by_a_citation_of_its_place_or_trace() -> None:
    hop = Place("app/users.py", 15, 15)
    assert left(report(), signal("ASY002", "app/users.py", 12)) == []
    assert left(report(), signal("ASY002", "app/other.py", 3, "async_performance", hop)) == []
    assert left(report(), signal("ASY002", "app/users.py", 40)) != []


def test_dismissal_with_a_place_answers_that_place_only(root: Path) -> None:
    text = report() + f"\n### Checked and dismissed\n{OTHER}\n"
    near, far = (signal("SEC001", "app/users.py", line, "security") for line in (8, 90))
    assert left(text, near, far) == [far]
    assert said(text, root, near) == ""


def test_dismissal_without_a_place_answers_the_whole_check() -> None:
    text = report() + "\n### Checked and dismissed\n- SEC001: all of them are signed webhooks\n"
    assert left(text, signal("SEC001", "app/a.py", 1, "security"), signal("SEC001", "app/b.py", 1, "security")) == []


def test_coverage_column_dismisses_with_a_reason_only() -> None:
    cell = "| Security | all of app/ | 1 seen, 1 reported | - |"
    with_reason = report().replace(cell, "| Security | app/ | SEC001 rejected: signed webhooks. SEC002 | - |")
    first, second = signal("SEC001", "app/a.py", 1, "security"), signal("SEC002", "app/a.py", 1, "security")
    assert left(with_reason, first, second) == [second]


def test_dimension_that_was_not_read_needs_no_answer() -> None:
    cell = "| Security | all of app/ |"
    one = signal("SEC001", "app/a.py", 1, "security")
    assert left(report().replace(cell, "| Security | not asked for |"), one) == []
    assert left(report().replace(cell, "| Security | notes.py |"), one) == [one]


@pytest.mark.parametrize(
    ("entry", "wrong"),
    [
        ("- SEC001 app/users.py:7", "gives no reason"),
        ("- SEC001: fine", "gives no reason"),
        ("- SEC998 app/users.py:7: this is on purpose", "names no check"),
        ("- the webhook is open on purpose", "names no check"),
        (OTHER, ""),
    ],
)
def test_dismissal_names_a_check_and_a_reason(entry: str, wrong: str, root: Path) -> None:
    broken = said(report() + f"\n### Checked and dismissed\n{entry}\n", root)
    assert wrong in broken if wrong else broken == ""


# Stars


def with_score(stars: str, impact: str, priority: str = "P2") -> str:
    text = report(ISSUE.replace("Impact: High", f"Impact: {impact}"), "None")
    text = text.replace("| Async Performance | ⭐⭐⭐☆☆", f"| Async Performance | {stars}")
    heading, entry = next(line for line in text.splitlines() if line.startswith(f"### {priority}")), "app/users.py:14"
    text = text.replace("- [ ] None", "None")
    return text.replace(f"{heading}\nNone", f"{heading}\n- [ ] Blocking call in a path operation, {entry}")


@pytest.mark.parametrize(
    ("stars", "impact", "priority", "wrong"),
    [
        ("⭐⭐⭐⭐⭐", "High", "P1", "has 5 stars and 1 issue of High impact -> at most ⭐⭐⭐☆☆"),
        ("⭐⭐⭐⭐☆", "High", "P1", "has 4 stars and 1 issue of High impact"),
        ("⭐⭐⭐☆☆", "High", "P0", ""),
        ("⭐⭐⭐⭐⭐", "Medium", "P2", "has 5 stars and 1 issue of Medium impact -> at most ⭐⭐⭐⭐☆"),
        ("⭐⭐⭐⭐☆", "Medium", "P2", ""),
        ("⭐⭐⭐⭐⭐", "Low", "P0", "has 5 stars and 1 issue under P0"),
        ("⭐⭐⭐⭐⭐", "Low", "P2", ""),
        ("⭐☆☆☆☆", "Low", "P2", ""),
    ],
)
def test_stars_agree_with_the_issues(stars: str, impact: str, priority: str, wrong: str, root: Path) -> None:
    broken = said(with_score(stars, impact, priority), root)
    assert wrong in broken if wrong else broken == ""


def test_three_issues_of_high_impact_leave_two_stars(root: Path) -> None:
    issues = "".join(ISSUE.replace("1. **Blocking", f"{n}. **Blocking") for n in (1, 2, 3))
    assert "has 3 stars and 3 issues of High impact -> at most ⭐⭐☆☆☆" in said(report(issues), root)


def test_few_stars_need_an_issue(root: Path) -> None:
    text = report().replace("| Security | ⭐⭐⭐☆☆", "| Security | ⭐⭐☆☆☆")
    assert "Security has 2 stars and no issue" in said(text, root)


# Quoted code


def with_block(code: str, location: str = "app/users.py:14") -> str:
    block = "   - Code:\n     ```python\n" + "".join(f"     {line}\n" for line in code.splitlines()) + "     ```\n"
    return report(ISSUE.replace("   - Code: `requests.post(`\n", block).replace("app/users.py:14", location)).replace(
        "operation, app/users.py:14", f"operation, {location}"
    )


def test_fenced_code_stands_at_the_location(root: Path) -> None:
    lines = USERS.splitlines()
    assert said(with_block("\n".join(lines[13:17])), root) == ""
    assert said(with_block('response = requests.post(\n    "https://example.org",\n    ...\n)'), root) == ""


def test_invented_fenced_code_is_refused(root: Path) -> None:
    broken = said(with_block('response = requests.post(\n    "https://example.com",\n)'), root)
    assert "does not stand at app/users.py:14" in broken


def test_fenced_code_of_a_recommendation_is_free(root: Path) -> None:
    text = report(
        ISSUE.replace("an async client.\n", "an async client:\n     ```python\n     await client.get(url)\n     ```\n")
    )
    assert said(text, root) == ""


def test_fence_that_nothing_closes_hides_nothing(root: Path) -> None:
    text = report().replace("## Issues Found", "```\n\n## Issues Found").replace("requests.post(`", "requests.put(`")
    assert "does not stand at app/users.py:14" in said(text, root)


# Moved code


def proposals(text: str, root: Path) -> list[tuple[tuple[int, ...], str, str]]:
    return [(move.numbers, move.old, move.new) for move in moves(parse(text), Tree(root))]


def test_nothing_is_proposed_for_lines_that_are_right(root: Path) -> None:
    assert proposals(report(), root) == []
    assert "No citation has to move" in moves_text([], 500)


@pytest.mark.parametrize("blank", [2, 40])
def test_code_that_moved_down_is_found(blank: int, root: Path) -> None:
    (root / "app" / "users.py").write_text("#\n" * blank + USERS, encoding="utf-8")
    text = report()
    numbers = tuple(n for n, line in enumerate(text.splitlines(), 1) if "app/users.py:14" in line)
    assert proposals(text, root) == [(numbers, "app/users.py:14", f"app/users.py:{14 + blank}")]
    assert (f"it stands at app/users.py:{14 + blank}" in said(text, root)) == (blank > 4)


def test_range_keeps_its_length_and_block_is_found(root: Path) -> None:
    (root / "app" / "users.py").write_text("#\n" * 30 + USERS, encoding="utf-8")
    text = with_block("\n".join(USERS.splitlines()[13:17]), "app/users.py:14-17")
    assert [(old, new) for _, old, new in proposals(text, root)] == [("app/users.py:14-17", "app/users.py:44-47")]


def test_file_that_was_renamed_or_code_that_went_elsewhere_is_found(root: Path) -> None:
    (root / "app" / "users.py").rename(root / "app" / "accounts.py")
    assert [
        new for *_, new in proposals(report(ISSUE.replace("`requests.post(`", "`response = requests.post(`")), root)
    ] == ["app/accounts.py:14"]
    (root / "app" / "users.py").write_text("#\n" * 20, encoding="utf-8")
    text = report(ISSUE.replace("`requests.post(`", "`response = requests.post(`"))
    assert [new for *_, new in proposals(text, root)] == ["app/accounts.py:14"]


def test_function_is_found_where_it_is_defined(root: Path) -> None:
    (root / "app" / "users.py").write_text("create_user = 1\n" + "#\n" * 30 + USERS, encoding="utf-8")
    text = report(ISSUE.replace("`requests.post(`", "`create_user`"))
    assert [new for *_, new in proposals(text, root)] == ["app/users.py:38"]


def test_code_that_stands_in_two_files_or_nowhere_is_not_guessed(root: Path) -> None:
    for name in ("a", "b"):
        (root / "app" / f"{name}.py").write_text(USERS, encoding="utf-8")
    (root / "app" / "users.py").write_text("#\n" * 20, encoding="utf-8")
    assert proposals(report(ISSUE.replace("`requests.post(`", "`response = requests.post(`")), root) == []
    assert proposals(report(ISSUE.replace("`requests.post(`", "`never_written_anywhere(`")), root) == []


def test_fix_lines_on_the_command_line(root: Path, review: RunReview, tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / "app" / "users.py").write_text("#\n" * 40 + USERS, encoding="utf-8")
    file = tmp_path_factory.mktemp("written") / "REVIEW.md"
    file.write_text(report().replace("asy001", min(evidence.anchors("ASYNC_PERFORMANCE.md"))), encoding="utf-8")
    before = file.read_bytes()
    done = review("check", file, root, "--fix-lines")
    assert (done.returncode, done.stderr) == (1, "")
    assert "app/users.py:14 -> app/users.py:54, there stands `requests.post(`" in done.stdout
    assert (file.read_bytes(), len(done.stdout) < 9_000) == (before, True)
    done = review("check", "-", root, "--fix-lines", stdin=ISSUE)
    assert "app/users.py:14 -> app/users.py:54" in done.stdout


def test_many_moves_stay_short() -> None:
    many = [Move((n,), f"app/users.py:{n}", f"app/users.py:{n + 1}", "requests.post(") for n in range(400)]
    assert len(moves_text(many, 4_000)) < 4_000
    assert "more, shown when these are mended" in moves_text(many, 4_000)
