"""The appendix of a report from the command line: which places, how they are written, where a file may be written."""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.report_sample import report

from report.appendix import MARK, escaped
from report.wording import TEXT_LIMIT

HANDLER = """

@app.{method}("/items{n}/{{item_id}}")
async def item{n}(item_id: int) -> dict[str, int]:
    time.sleep(1)
    return {{"id": item_id}}
"""
HEAD = "import time\n\nfrom fastapi import FastAPI\n\napp = FastAPI()\n"
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]
WriteTree = Callable[[Mapping[str, str]], Path]


def application(handlers: int) -> str:
    return HEAD + "".join(HANDLER.format(n=n, method="get") for n in range(handlers))


@pytest.fixture
def root(write_tree: WriteTree) -> Path:
    return write_tree({"main.py": application(3)})


def test_every_place_with_its_route(root: Path, review: RunReview) -> None:
    done = review("signals", root, "--check", "ASY001", "--report-appendix")
    assert (done.returncode, done.stderr) == (0, "")
    assert "### ASY001 Blocking call on the event loop\n\n3 places in 1 file, 3 of 3 path operations.\n" in done.stdout
    for n, line in enumerate((10, 16, 22)):
        assert f"- `main.py:{line}` `GET /items{n}/{{item_id}}`: time.sleep blocks" in done.stdout


def test_rejected_place_is_left_out(root: Path, review: RunReview) -> None:
    done = review("signals", root, "--check", "ASY001", "--report-appendix", "--without", "main.py:16")
    assert "2 places in 1 file, 2 of 3 path operations" in done.stdout
    assert "main.py:16" not in done.stdout


def test_report_with_its_appendix_passes_the_check(
    root: Path, review: RunReview, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("written")
    appendix = review("signals", root, "--check", "ASY001", "--report-appendix").stdout
    dismissed = "\n### Checked and dismissed\n- SEC001: a demonstration without users\n"
    (folder / "REVIEW.md").write_text(report("No findings", "None") + dismissed + "\n" + appendix, encoding="utf-8")
    done = review("check", folder / "REVIEW.md", root)
    assert (done.returncode, done.stdout.splitlines()[0]) == (
        0,
        "Passes: 0 issues, 3 locations; every location exists and every quote stands there.",
    )


def test_output_is_bounded_unless_it_goes_to_a_file(write_tree: WriteTree, review: RunReview, tmp_path: Path) -> None:
    root = write_tree({"main.py": application(300)})
    chosen = ("signals", root, "--check", "ASY001", "--report-appendix")
    done = review(*chosen)
    assert len(done.stdout) <= TEXT_LIMIT
    assert "more places: `--appendix-file FILE` writes all of them, `--limit 0` prints them" in done.stdout
    assert review(*chosen, "--limit", "0").stdout.count("- `main.py:") == 300
    for _ in range(2):  # its own file is written anew
        done = review(*chosen, "--appendix-file", tmp_path / "appendix.md")
        assert (done.returncode, done.stderr) == (0, "")
        assert "300 places" in done.stdout
    assert (tmp_path / "appendix.md").read_text(encoding="utf-8").count("- `main.py:") == 300


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--report-appendix",), "name each with --check ID"),
        (("--report-appendix", "--check", "ASY001", "--format", "json"), "leave --format out"),
        (("--report-appendix", "--check", "ASY001", "--without", "main.py:1"), "did you mean main.py:1"),
        (("--report-appendix", "--check", "ASY009"), "nothing to list"),
        (("--without", "main.py:10"), "--without goes with --report-appendix"),
        (("--appendix-file", "x.md"), "--appendix-file goes with --report-appendix"),
        (("--allow-inside",), "--allow-inside goes with --report-appendix"),
    ],
)
def test_bad_input_of_the_appendix(options: tuple[str, ...], said: str, root: Path, review: RunReview) -> None:
    done = review("signals", root, *options)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr


def test_nothing_is_written_where_it_must_not_be(root: Path, review: RunReview, tmp_path: Path) -> None:
    (tmp_path / "REVIEW.md").write_text("# my report\n", encoding="utf-8")
    (tmp_path / "link.md").symlink_to(root / "appendix.md")
    chosen = ("signals", root, "--check", "ASY001", "--report-appendix", "--appendix-file")
    before = sorted(root.rglob("*"))
    for name, said in {
        root / "appendix.md": "add --allow-inside",
        tmp_path / "link.md": "add --allow-inside",
        tmp_path / "REVIEW.md": "exists and was not written by this command",
        tmp_path: "is a folder",
        tmp_path / "none" / "a.md": "no folder",
    }.items():
        done = review(*chosen, name)
        assert (done.returncode, done.stdout) == (2, "")
        assert said in done.stderr
    assert (sorted(root.rglob("*")), (tmp_path / "REVIEW.md").read_text(encoding="utf-8")) == (before, "# my report\n")
    assert review(*chosen, root / "appendix.md", "--allow-inside").returncode == 0
    assert MARK in (root / "appendix.md").read_text(encoding="utf-8")


def test_text_of_the_project_is_no_markup() -> None:
    assert escaped("<b> [x](y) `c` *d* _e_ a_b | # ~ &lt;\n## f") == (
        r"\<b\> \[x\](y) \`c\` \*d\* \_e\_ a_b \| \# \~ \&lt; \#\# f"
    )
