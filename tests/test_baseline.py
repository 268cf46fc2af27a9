"""--baseline: new, fixed and still there, by fingerprint, from JSON and SARIF."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

Write = Callable[[Mapping[str, str]], Path]
RunReview = Callable[..., Any]
ROUTE = """

@app.get("/{0}")
async def {0}() -> int:
    requests.get("https://example.org/{0}", timeout=5)
    return 1
"""
HEAD = "import requests\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"


def app(*names: str) -> str:
    return HEAD + "".join(ROUTE.format(name) for name in names)


@pytest.fixture(params=["json", "sarif"])
def baseline(request: pytest.FixtureRequest, write_tree: Write, review: RunReview, tmp_path: Path) -> tuple[Path, Path]:
    """(project with signals in a and b, file with them); then `a` is mended, `c` is new and lines have moved."""
    root = write_tree({"main.py": app("a", "b")})
    file = tmp_path / "before"
    done = review("signals", root, "--check", "ASY001", "--format", request.param)
    file.write_text(done.stdout, encoding="utf-8")
    (root / "main.py").write_text("# moved\n\n" + app("b", "c"), encoding="utf-8")
    return root, file


def test_new_fixed_and_still_there(baseline: tuple[Path, Path], review: RunReview) -> None:
    root, file = baseline
    content = json.loads(review("signals", root, "--check", "ASY001", "--baseline", file, "--format", "json").stdout)
    assert {(s["symbol"], s["baseline"]) for s in content["signals"]} == {("main.b", "still there"), ("main.c", "new")}
    assert [(row["check"], row["path"], row["line"]) for row in content["baseline"]["fixed"]] == [
        ("ASY001", "main.py", 9)
    ]
    assert (content["baseline"]["new"], content["baseline"]["still_there"]) == (1, 1)
    for name in ("text", "github", "markdown"):
        done = review("signals", root, "--check", "ASY001", "--baseline", file, "--format", name)
        assert (done.returncode, done.stderr) == (0, "")
        assert "1 new, 1 fixed, 1 still there" in done.stdout.replace("`", "")
        assert "GET /b" not in done.stdout.replace("`", "")
    sarif = json.loads(review("signals", root, "--check", "ASY001", "--baseline", file, "--format", "sarif").stdout)
    states = sorted(result["baselineState"] for result in sarif["runs"][0]["results"])
    assert states == ["absent", "new", "unchanged"]


def test_fail_on_counts_new_signals_only(baseline: tuple[Path, Path], review: RunReview) -> None:
    root, file = baseline
    asked = ("signals", root, "--check", "ASY001", "--baseline", file, "--fail-on", "high")
    assert review(*asked).returncode == 1
    (root / "main.py").write_text(app("b"), encoding="utf-8")
    assert review(*asked).returncode == 0
    assert review(*asked[:4], "--fail-on", "high").returncode == 1


def test_what_cannot_be_compared_is_not_called_fixed(baseline: tuple[Path, Path], review: RunReview) -> None:
    root, file = baseline
    asked = ("signals", root, "--baseline", file, "--format", "json")
    (root / "main.py").write_text("def f(:\n", encoding="utf-8")
    (root / "other.py").write_text(HEAD, encoding="utf-8")
    unread = json.loads(review(*asked, "--check", "ASY001").stdout)["baseline"]
    assert (unread["fixed"], unread["not_compared"]) == ([], 2)
    silenced = app("a", "b").replace("timeout=5)", "timeout=5)  # review: ignore[ASY001] a stub")
    (root / "main.py").write_text(silenced, encoding="utf-8")
    hidden = json.loads(review(*asked, "--check", "ASY001").stdout)["baseline"]
    assert (hidden["fixed"], hidden["not_compared"]) == ([], 2)
    others = json.loads(review(*asked, "--check", "ASY002").stdout)["baseline"]
    assert (others["fixed"], others["not_compared"]) == ([], 0)
    elsewhere = json.loads(review(*asked, "--check", "ASY001", "--path", "old/*").stdout)["baseline"]
    assert (elsewhere["fixed"], elsewhere["not_compared"]) == ([], 0)


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no file"),
        ("", "is no JSON"),
        ("{", "is no JSON"),
        ("[" * 100_000, "is no JSON"),
        ("\udcff", "is no JSON"),
        ("[]", "is no output of this program"),
        ("{}", "is no output of this program"),
        ('{"version": 2, "signals": []}', "is no output of this program"),
        ('{"version": 1, "signals": [{"id": 1}]}', "is no output of this program"),
        ('{"version": 1, "signals": 3}', "is no output of this program"),
        ('{"runs": []}', "is no output of this program"),
        ('{"runs": [{"tool": {"driver": {"name": "other"}}, "results": []}]}', "is no output of this program"),
    ],
)
def test_a_file_that_is_no_baseline_is_a_clear_error(
    write_tree: Write, review: RunReview, tmp_path: Path, content: str | None, said: str
) -> None:
    file = tmp_path / "before.json"
    if content is not None:
        file.write_bytes(content.encode("utf-8", "surrogateescape"))
    done = review("signals", write_tree({"main.py": HEAD}), "--baseline", file)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert "--format json" in done.stderr
    assert done.stderr.count("\n") == 1


def test_folders_before_the_paths_are_taken_off(write_tree: Write, review: RunReview, tmp_path: Path) -> None:
    root = write_tree({"back end/main.py": app("a")})
    asked = ("signals", root / "back end", "--check", "ASY001", "--relative-to", root)
    (tmp_path / "b.sarif").write_text(review(*asked, "--format", "sarif").stdout, encoding="utf-8")
    (root / "back end" / "main.py").write_text(HEAD, encoding="utf-8")
    content = json.loads(review(*asked, "--baseline", tmp_path / "b.sarif", "--format", "json").stdout)
    assert [row["path"] for row in content["baseline"]["fixed"]] == ["main.py"]
