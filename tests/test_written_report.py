"""The check of a written report: a good one passes, and each rule that is broken is named with its line."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from tests.report_sample import ISSUE, NOTES, USERS, report

from report import evidence, written
from report.document import Line, citations, parse, template
from report.written import check_report, verdict


@pytest.fixture
def root(tmp_path: Path) -> Path:
    (tmp_path / "app").mkdir()
    (tmp_path / "app" / "users.py").write_text(USERS, encoding="utf-8")
    (tmp_path / "app" / "notes.py").write_text(NOTES, encoding="utf-8")
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n", encoding="utf-8")
    return tmp_path


@pytest.fixture(autouse=True)
def known_anchors(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(written, "anchors", lambda _: frozenset({"asy001", "checks"}))


def broken(text: str, root: Path, whole: bool = True) -> str:
    return "\n".join(f"{b.line}: {b.what} -> {b.remedy}" for b in check_report(text, root, [] if whole else None))


def test_good_report_passes(root: Path) -> None:
    assert broken(report(), root) == ""
    assert verdict([], report()).startswith("Passes: 1 issue, 2 locations")


def test_report_in_a_fence_passes(root: Path) -> None:
    assert broken(f"```markdown\n{report()}```\n", root) == ""


def test_no_findings_anywhere_passes_without_citation(root: Path) -> None:
    assert broken(report("No findings", "None"), root) == ""
    without_coverage = report("No findings", "None").split("## Coverage")[0]
    assert "the report cites nothing" in broken(without_coverage, root)


def test_report_that_breaks_every_rule_names_each(root: Path) -> None:
    text = """\
# Review

## Architecture Scores
| Dimension | Score | Notes |
|---|---|---|
| API Design | 4/5 | good |
| Security | ⭐⭐⭐⭐ | four |
| Async Performance | ☆⭐⭐⭐⭐ | order |
| Code Organization | ⭐⭐⭐⭐⭐ | |

## Issues Found

### API Design Related
Everything is fine.

### Async Performance Related
1. **Issue Description**
   - Impact: Critical
2. **Invented file**
   - Location: `app/user.py:3`
   - Code: `x`
   - Impact: High
   - Recommendation: Mend.
   - Reference: [ASYNC_PERFORMANCE.md](ASYNC_PERFORMANCE.md)
3. **Line behind the end**
   - Location: `app/users.py:140`
   - Impact: High
   - Recommendation: Mend.
   - Reference: ASYNC_PERFORMANCE.md#asy100
4. **Invented code**
   - Location: `app/users.py:14`
   - Code: `requests.put(url)`
   - Impact: Low
   - Recommendation: Mend.
   - Reference: ASYNC_PERFORMANCE.md#asy001
5. **Nothing quoted**
   - Location: `app/users.py:3`
   - Impact: Low
   - Recommendation: Mend.
   - Reference: ASYNC_PERFORMANCE.md#asy001

## Improvement Priorities

### P0 (Must fix immediately)
- [ ] Rewrite it all

### P1 (Should fix short-term)

## Coverage
| Dimension | Read | Signals | Not assessed |
|---|---|---|---|
| API Design | - | | |
"""
    said = broken(text, root)
    for line in (
        "the heading `# Backend Architecture Review Report` is missing",
        "the heading `### Security Related` is missing",
        "the heading `### P2 (Medium to long-term optimization)` is missing",
        "3: no score for Data Architecture",
        "6: the score of API Design is not five stars",
        "7: the score of Security is not five stars",
        "8: the score of Async Performance is not five stars",
        "9: the score of Code Organization has no note",
        "13: API Design Related has no issue",
        "17: template text left",
        "17: issue “Issue Description” has no Location",
        "17: issue “Issue Description”: Impact is not High, Medium or Low",
        "17: issue “Issue Description” has no Recommendation",
        "17: issue “Issue Description” links no section",
        "20: app/user.py:3: there is no file app/user.py -> is it app/users.py?",
        "19: issue “Invented file” links ASYNC_PERFORMANCE.md without a section",
        "26: app/users.py:140: app/users.py has 18 lines",
        "25: issue “Line behind the end”: ASYNC_PERFORMANCE.md has no section #asy100 -> is it ASYNC_PERFORMANCE",
        "32: `requests.put(url)` does not stand at app/users.py:14",
        "36: issue “Nothing quoted” quotes nothing",
        "45: the entry “Rewrite it all” refers to no issue",
        "47: P1 (Should fix short-term) has no entry",
        "30: issue “Invented code” has no priority",
        "49: Coverage does not say what was read for API Design",
    ):
        assert re.search(rf"^{re.escape(line)}|: {re.escape(line)}|^0: {re.escape(line)}", said, re.MULTILINE), line


def test_nothing_cited_is_broken(root: Path) -> None:
    issue = ISSUE.replace("app/users.py:14", "app/users.py")
    assert "the report cites nothing" in broken(report(issue, "- [ ] Blocking call in a path operation"), root)


def test_citations_outside_issues_must_exist_too(root: Path) -> None:
    text = report().replace("1. Use httpx.", "1. Use httpx in app/clients.py:10 and app/users.py:2.")
    assert "app/clients.py:10: there is no file" in broken(text, root)
    assert "app/users.py:2" not in broken(text, root)


@pytest.mark.parametrize(
    ("code", "location"),
    [
        ("`requests.post(`", "app/users.py:14"),
        ('`response = requests.post( "https://example.org", timeout=None, )`', "app/users.py:14-17"),
        ("`response = requests.post('https://example.org', … )`", "app/users.py:14"),
        ("`create_user`", "app/users.py:14"),
        ("`create_user()` calls `requests.post`", "app/users.py:14"),
        ("`app.users.create_user`", "app/users.py:16"),
        ('`@router.post("/users")`', "./app/users.py:7"),
        ("`create_note`", "app/notes.py:1"),
        ("`requests.post(` is called in `create_user`", "app/users.py:7, app/users.py:14"),
    ],
)
def test_quotes_that_stand_there(code: str, location: str, root: Path) -> None:
    issue = ISSUE.replace("`requests.post(`", code).replace("`app/users.py:14`", location)
    assert broken(report(issue), root) == ""


@pytest.mark.parametrize(
    ("code", "location"),
    [
        ("`requests.get(`", "app/users.py:14"),
        ("`requests.post(`", "app/users.py:3"),
        ("`delete_user`", "app/users.py:14"),
        ("`router = APIRouter()`", "app/users.py:14"),
        ("`requests.post(` after `httpx.get(`", "app/users.py:14"),
        ("`…`", "app/users.py:14"),
        ("`p`", "app/users.py:14"),
    ],
)
def test_quotes_that_do_not_stand_there(code: str, location: str, root: Path) -> None:
    issue = ISSUE.replace("`requests.post(`", code).replace("app/users.py:14", location)
    assert "does not stand at" in broken(report(issue), root)


@pytest.mark.parametrize("location", ["pyproject.toml:1", ".github/workflows/ci.yml:1", "tests/conftest.py:1"])
def test_absence_cites_line_1_of_the_file_that_would_hold_it(location: str, root: Path) -> None:
    issue = ISSUE.replace("Blocking call in a path operation", "No type checker is configured")
    issue = issue.replace("app/users.py:14", location).replace("   - Code: `requests.post(`\n", "")
    assert broken(report(issue, f"- [ ] No type checker is configured, {location}"), root) == ""


@pytest.mark.parametrize(
    "location", ["pyproject.toml:2", "app/missing.py:1", ".github/workflows/ci.yml:3", "../x.toml:1"]
)
def test_absence_elsewhere_is_not_excused(location: str, root: Path) -> None:
    issue = ISSUE.replace("Blocking call in a path operation", "No type checker is configured")
    issue = issue.replace("app/users.py:14", location)
    assert broken(report(issue, "- [ ] No type checker is configured"), root) != ""


def test_files_outside_the_folder_are_not_cited(root: Path) -> None:
    (root / "app" / "link.py").symlink_to("/etc/hostname")
    issue = ISSUE.replace("app/users.py:14", "app/link.py:1")
    assert "there is no file app/link.py" in broken(report(issue), root)


def test_one_section_needs_no_other_heading(root: Path) -> None:
    assert broken("### Async Performance Related\n" + ISSUE, root, whole=False) == ""
    assert broken(ISSUE, root, whole=False) == ""
    assert broken("### Security Related\nNo findings\n", root, whole=False) == ""
    assert broken("### P0 (Must fix immediately)\n- [ ] Blocking call, app/users.py:14\n", root, whole=False) == ""


def test_one_section_is_held_to_its_rules(root: Path) -> None:
    assert "does not stand at" in broken(ISSUE.replace("requests.post(", "requests.put("), root, whole=False)
    assert "has no issue" in broken("### Security Related\nFine.\n", root, whole=False)
    assert "no score for Security" in broken("## Architecture Scores\n", root, whole=False)
    assert "refers to no issue" in broken("### P0 (Must fix immediately)\n- [ ] Rewrite\n", root, whole=False)


def test_verdict_stays_short(root: Path) -> None:
    issues = "".join(ISSUE.replace("1. ", f"{n}. ").replace("users.py:14", f"users{n}.py:14") for n in range(1, 200))
    said = verdict(check_report(report(issues), root, []), report(issues))
    assert len(said) < 9_000
    assert said.startswith("Does not pass")
    assert "more, shown when these are mended" in said


def test_impact_and_reference_may_read_as_in_the_template(root: Path) -> None:
    issue = ISSUE.replace("Impact: High", "Impact: Medium").replace(
        "ASYNC_PERFORMANCE.md#asy001", "API_DESIGN.md#api001"
    )
    assert "template text left" not in broken(report(issue), root)


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("`app/a.py:12`", ["app/a.py:12-12"]),
        ("see app/a.py:12-20, ./b.toml:1.", ["app/a.py:12-20", "b.toml:1-1"]),
        ("[app/a.py:3](app/a.py)", ["app/a.py:3-3"]),
        (
            "Dockerfile:2 .env.example:4 .github/workflows/ci.yml:9",
            ["Dockerfile:2-2", ".env.example:4-4", ".github/workflows/ci.yml:9-9"],
        ),
        ("http://localhost:8000/x.py:3 at 12:30, localhost:8000, db.internal:5432, 0.0.0.0:80, ratio 1.5:2, P0:1", []),
        ("`app/a.py`:7 and app/b.mjs:8", ["app/a.py:7-7", "app/b.mjs:8-8"]),
        ("app/main.py:app:3", []),
        ("SEC001 app/a.py:7: on purpose, app/b.py:8:12", ["app/a.py:7-7"]),
    ],
)
def test_what_counts_as_a_citation(text: str, found: list[str]) -> None:
    assert [f"{c.path}:{c.line}-{c.end}" for c in citations(Line(1, text))] == found


def test_empty_template_is_refused_line_by_line(root: Path) -> None:
    text = (Path(evidence.__file__).parent / "template.md").read_text(encoding="utf-8")
    said = broken(text, root)
    assert "heading" not in said
    assert said.count("template text left") == sum(
        1
        for line in template().lines
        if line.text.strip() and not line.text.strip().startswith(("| Dimension", "|--", "- Impact", "- Reference"))
    )


def test_headings_are_those_of_the_template() -> None:
    written_headings = [(s.level, s.title) for s in parse(report()).sections]
    assert written_headings == [(s.level, s.title) for s in template().sections]


def test_anchors_of_documents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    headings = "# Title\n## N+1 queries & `joinedload()`\n## Twice\n## Twice\n"
    text = headings + '```\n# no heading\n```\n| <a id="asy001"></a>ASY001 |\n'
    (tmp_path / "DOC.md").write_text(text, encoding="utf-8")
    monkeypatch.setattr(evidence, "SKILL_FOLDER", tmp_path)
    assert evidence.anchors("DOC.md") == {"title", "n1-queries--joinedload", "twice", "twice-1", "asy001"}
    assert evidence.anchors("NONE.md") == frozenset()


def test_command_line(root: Path, review: Callable[..., object], tmp_path_factory: pytest.TempPathFactory) -> None:
    (root / "app" / "main.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n", encoding="utf-8")
    anchor = min(evidence.anchors("ASYNC_PERFORMANCE.md"))
    dismissed = "\n### Checked and dismissed\n- SEC001 app/users.py:7: users sign up here, open on purpose\n"
    good = report(ISSUE.replace("asy001", anchor)) + dismissed
    file = tmp_path_factory.mktemp("written") / "REVIEW.md"
    for text, status, said in ((good, 0, "Passes"), (good.replace("post(", "put("), 1, "does not stand at")):
        file.write_text(text, encoding="utf-8")
        done = review("check", file, root)
        assert (done.returncode, done.stderr) == (status, "")  # type: ignore[attr-defined]
        assert said in done.stdout  # type: ignore[attr-defined]
    done = review("check", "-", root, stdin=ISSUE.replace("asy001", anchor))
    assert (done.returncode, done.stderr) == (0, "")  # type: ignore[attr-defined]


def test_a_short_quote_that_is_a_whole_line_stands_there(tmp_path: Path) -> None:
    (tmp_path / "hooks.yaml").write_text("repos:\n  - id: x\nci:\n    skip: []\n", encoding="utf-8")
    tree = evidence.Tree(tmp_path)
    [place] = citations(Line(1, "Location: `hooks.yaml:3`"))
    assert tree.stands_near("ci:", place)
    assert tree.found("ci:", "hooks.yaml") == [3]
    assert not tree.stands_near("os:", place)
    assert not tree.stands_near("id:", place)


def test_lines_are_counted_as_python_counts_them(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_bytes(b"x = 1\r\n\x0cy = 'a\x1cb\xe2\x80\xa8'\rdef f():\n    requests.get(url)\n")
    made = "1. **Blocking**\n   - Location: `a.py:4`\n   - Code: `requests.get(url)`\n   - Impact: High\n"
    assert evidence.Tree(tmp_path).lines("a.py") == [
        "x = 1",
        "\x0cy = 'a\x1cb\u2028'",
        "def f():",
        "    requests.get(url)",
    ]
    assert not [b for b in check_report(report(made), tmp_path) if "a.py" in b.what]


def test_what_is_no_file_is_not_read(tmp_path: Path) -> None:
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.py")
    (tmp_path / "out.py").symlink_to(Path(__file__))
    (tmp_path / "folder.py").mkdir()
    tree = evidence.Tree(tmp_path)
    assert [tree.lines(path) for path in ("pipe.py", "out.py", "folder.py", "a\0.py", "../x.py", "")] == [None] * 6
