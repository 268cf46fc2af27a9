"""The project's own configuration: what it changes, that every output says so, and every kind of bad input."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from check import Selection
from configuration import ConfigurationError, check_named, settings_of
from project import Project
from project.settings import THRESHOLDS
from report.formats import FORMATS
from report.output import Output
from report.page.build import page
from reviewing import run
from suppression import comments, written

Write = Callable[[Mapping[str, str]], Path]
RunReview = Callable[..., Any]
TABLE = "[tool.backend-architecture-design]\n"
APP = """\
import time

from fastapi import Depends, FastAPI, Request

app = FastAPI()


def gate(request: Request) -> None:
    seen(request)


def inner(request: Request) -> None:
    seen(request)


@app.post("/a", dependencies=[Depends(gate)])
async def a() -> int:
    time.sleep(1)
    return 1


@app.post("/b")
async def b(request: Request) -> int:
    inner(request)
    return 1
"""


def project(write_tree: Write, config: str, **more: str) -> Project:
    files = {"main.py": APP, "pyproject.toml": config} | {
        path.replace("__", "/") + ".py": t for path, t in more.items()
    }
    made = Project.at(write_tree(files))
    made.settings = settings_of(made)
    return made


def outputs(root: Path) -> list[tuple[str, str]]:
    """What each format prints of ASY001, code marks of Markdown taken off."""
    made = Project.at(root)
    made.settings = settings_of(made)
    checks = (check_named("ASY001"),)
    outcome = run(made, Selection(checks))
    return [(name, of(Output(made, outcome, checks)).replace("`", "")) for name, of in FORMATS.items()]


def signals(review: RunReview, root: Path, *arguments: str) -> tuple[dict[str, int], dict[str, Any]]:
    content = json.loads(review("signals", root, "--format", "json", *arguments).stdout)
    found: dict[str, int] = {}
    for signal in content["signals"]:
        found[signal["check"]] = found.get(signal["check"], 0) + 1
    return found, content


def test_without_configuration_nothing_is_said(write_tree: Write, review: RunReview) -> None:
    for files in ({"main.py": APP}, {"main.py": APP, "pyproject.toml": "[project]\nname = 'x'\n"}):
        _, content = signals(review, write_tree(files), "--check", "ASY001")
        assert (content["configuration"], content["notes"]) == (None, [])


def test_disabled_checks_do_not_run_and_every_output_says_so(write_tree: Write, review: RunReview) -> None:
    root = write_tree({"main.py": APP, "pyproject.toml": TABLE + "disable = ['asy001', 'route-that-nothing-guards']\n"})
    config = (root / "pyproject.toml").read_text(encoding="utf-8")
    (root / "pyproject.toml").write_text(config.replace("route-that-nothing-guards", "SEC001"), encoding="utf-8")
    found, content = signals(review, root)
    assert not {"ASY001", "SEC001"} & set(found)
    assert content["configuration"]["disable"] == ["ASY001", "SEC001"]
    for name, printed in outputs(root):
        assert "disables ASY001" in printed, name
    assert "disables ASY001" in review("overview", root).stdout
    assert "ASY001" in signals(review, root, "--no-config")[0]


def test_excluded_files_are_read_but_their_signals_left_out(write_tree: Write, review: RunReview) -> None:
    files = {"main.py": APP, "old/web.py": APP, "pyproject.toml": TABLE + "exclude = ['old']\n"}
    root = write_tree(files)
    _, content = signals(review, root, "--check", "ASY001")
    assert {signal["path"] for signal in content["signals"]} == {"main.py"}
    assert content["configuration"]["excluded"] == 1
    assert content["files"] == 2
    for name, printed in outputs(root):
        assert "1 signal left out" in printed, name
    assert signals(review, root, "--check", "ASY001", "--no-config")[0] == {"ASY001": 2}


def test_own_guards_guard_as_dependency_and_in_the_body(write_tree: Write) -> None:
    made = project(write_tree, TABLE + "guards = ['main.gate', 'main.inner']\n")
    assert [(route.path, route.auth, route.auth_by) for route in made.routes] == [
        ("/a", True, "main.gate"),
        ("/b", True, "main.inner"),
    ]
    assert [route.auth for route in project(write_tree, "").routes] == [False, False]


def test_guards_made_by_a_function_count(write_tree: Write) -> None:
    made = project(write_tree, TABLE + "guards = ['roles.require']\n", roles=FACTORY, web=USING)
    assert [route.auth for route in made.routes if route.path == "/c"] == [True]


FACTORY = """\
def require(role):
    def check():
        note(role)
    return check
"""
USING = """\
from fastapi import Depends, FastAPI
from roles import require

app = FastAPI()


@app.get("/c", dependencies=[Depends(require("x"))])
def c() -> int:
    return 1
"""


def test_guards_that_the_code_does_not_have_are_told(write_tree: Write) -> None:
    made = project(write_tree, TABLE + "guards = ['main.gates']\n")
    (_, lost) = run(made, Selection(())).notes
    assert "main.gates, which the code does not have, did you mean main.gate?" in lost


def test_layers_of_the_configuration_win(write_tree: Write) -> None:
    more = {"logic__orders": "def total() -> int:\n    return 1\n"}
    made = project(write_tree, TABLE + "[tool.backend-architecture-design.layers]\nservice = ['logic']\n", **more)
    assert made.layers.of(made.modules["logic/orders.py"]) == "service"
    plain = project(write_tree, "", **more)
    assert plain.layers.of(plain.modules["logic/orders.py"]) == ""


def test_thresholds_change_the_check(write_tree: Write, review: RunReview) -> None:
    deep = (
        APP + '\n\n@app.get("/w/{w}/x/{x}/y/{y}/z/{z}")\ndef d(w: int, x: int, y: int, z: int) -> int:\n    return 1\n'
    )
    root = write_tree({"main.py": deep, "pyproject.toml": TABLE + "thresholds = { path-nesting = 4 }\n"})
    assert "nests more than 3" in review("signals", root, "--check", "API010", "--no-config").stdout
    done = review("signals", root, "--check", "API010").stdout
    assert "nests more than" not in done
    assert "thresholds: path-nesting 4 (default 3)" in done


def test_every_threshold_is_asked_for() -> None:
    scripts = Path(__file__).parents[1] / "scripts"
    code = "".join(file.read_text(encoding="utf-8") for file in scripts.rglob("*.py"))
    assert [name for name in THRESHOLDS if f'threshold("{name}")' not in code] == []


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ("exlude = ['a']", "unknown key exlude, did you mean exclude?"),
        ("disable = ['ASY0001']", "unknown check ASY0001, did you mean ASY001?"),
        ("disable = 'ASY001'", "disable must be a list of texts"),
        ("exclude = [1]", "exclude must be a list of texts"),
        (f"exclude = {['a'] * 201}", "exclude has more than 200 entries"),
        ("exclude = [' ']", "exclude must be a list of texts"),
        ("guards = ['gate']", "gate is no dotted name"),
        ("layers = ['a']", "layers must be a table"),
        ("layers = { servce = ['a'] }", "unknown layer servce, did you mean service?"),
        ("layers = { service = 'a' }", "layers.service must be a list of texts"),
        ("thresholds = { path-nestng = 1 }", "did you mean path-nesting?"),
        ("thresholds = { path-nesting = true }", "must be a whole number"),
        ("thresholds = { path-nesting = -1 }", "must be a whole number"),
        ("thresholds = 3", "thresholds must be a table"),
    ],
)
def test_wrong_configuration_is_one_clear_error(write_tree: Write, config: str, said: str) -> None:
    with pytest.raises(ConfigurationError, match="--no-config") as caught:
        project(write_tree, TABLE + config + "\n")
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_wrong_configuration_as_a_user_sees_it(write_tree: Write, review: RunReview) -> None:
    root = write_tree({"main.py": APP, "pyproject.toml": TABLE + "exlude = []\n"})
    for command in ("overview", "routes"):
        done = review(command, root)
        assert (done.returncode, done.stdout) == (2, "")
        assert "did you mean exclude?" in done.stderr
    assert review("routes", root, "--no-config").returncode == 0


def test_a_broken_pyproject_is_told_and_changes_nothing(write_tree: Write) -> None:
    made = project(write_tree, TABLE + "disable = ['ASY001'\n")
    (note,) = run(made, Selection(())).notes
    assert "no valid TOML" in note
    assert made.settings.disable == ()


def test_another_file_instead(write_tree: Write, review: RunReview, tmp_path: Path) -> None:
    root = write_tree({"main.py": APP, "pyproject.toml": TABLE + "disable = ['ASY001']\n"})
    own = tmp_path / "own.toml"
    own.write_text(TABLE + "disable = ['SEC001']\n", encoding="utf-8")
    found, content = signals(review, root, "--config", str(own))
    assert "ASY001" in found
    assert content["configuration"]["disable"] == ["SEC001"]
    missing = review("signals", root, "--config", tmp_path / "none.toml")
    assert (missing.returncode, missing.stdout) == (2, "")
    assert "there is no file" in missing.stderr
    own.write_text("x = [", encoding="utf-8")
    assert "no valid TOML" in review("signals", root, "--config", own).stderr


def test_text_of_the_configuration_cannot_break_an_output(write_tree: Write) -> None:
    glob = r'exclude = ["x\n::error::y\u001b[31m<b>`"]' + "\n"
    root = write_tree({"main.py": APP, "pyproject.toml": TABLE + glob})
    for name, printed in outputs(root):
        assert "\n::error::y" not in printed, name
        assert "\x1b" not in printed, name


# Comments


@pytest.mark.parametrize(
    ("line", "checks", "reason"),
    [
        ("f()  # review: ignore[ASY001] a local stub", ("ASY001",), "a local stub"),
        ("f()  # review: ignore[ASY001, blocking-call]: start-up", ("ASY001", "blocking-call"), "start-up"),
        ("f()  # review: ignore[ASY001]", ("ASY001",), ""),
        ("f()  # review: ignore[ASY001] # noqa", ("ASY001",), ""),
        ("f()  # review: ignore", (), ""),
    ],
)
def test_comments_are_taken_apart(line: str, checks: tuple[str, ...], reason: str) -> None:
    (comment,) = comments(line)
    assert (comment.checks, comment.reason) == (checks, reason)


def test_comments_in_strings_are_none() -> None:
    assert list(written('"""\n# review: ignore[X]\n"""\nx = "# review: ignore[X] y"\n')) == []
    assert [line for line, _ in written("x = 1\ny = 2  # review: ignore[X] y\n")] == [2]
    assert [line for line, _ in written("# review: ignore[X] y\nx = '\n")] == [1]


def test_comments_that_silence_nothing_are_told_in_every_output(write_tree: Write, review: RunReview) -> None:
    text = APP.replace("time.sleep(1)", "time.sleep(1)  # review: ignore[ASY001]") + (
        "\n# review: ignore[ASY0001] the nearest id is named\n# review: ignore because\n"
    )
    root = write_tree({"main.py": text})
    for name, printed in outputs(root):
        assert "ASY001] gives no reason: it silences nothing" in printed, name
        assert "unknown check ASY0001, did you mean ASY001?" in printed, name
        assert "names no check" in printed, name
    assert signals(review, root, "--check", "ASY001")[0] == {"ASY001": 1}


def test_the_page_of_a_report_and_the_check_of_one_say_it_too(
    write_tree: Write, review: RunReview, tmp_path: Path
) -> None:
    root = write_tree({"main.py": APP, "pyproject.toml": TABLE + "disable = ['ASY001']\n"})
    made = Project.at(root)
    made.settings = settings_of(made)
    assert "disables ASY001" in page(made, run(made, Selection(())), "# Report", [])
    (tmp_path / "REVIEW.md").write_text("# Report\n", encoding="utf-8")
    assert "disables ASY001" in review("check", tmp_path / "REVIEW.md", root).stdout
