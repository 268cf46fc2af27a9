"""review.py as a user runs it: every command, every kind of bad input, and what it must not leave behind."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

import commands
from catalogue import CHECKS
from check import Outcome, Signal
from report.wording import TEXT_LIMIT

SCRIPTS = Path(commands.__file__).parent
REVIEW = SCRIPTS / "review.py"
APP = """\
from fastapi import FastAPI

app = FastAPI()


@app.get("/items/{item_id}")
async def read_item(item_id: int) -> dict[str, int]:
    return {"id": item_id}
"""
RunReview = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def app(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("app")
    (root / "main.py").write_text(APP, encoding="utf-8")
    return root


def commands_on(app: Path) -> list[tuple[str | Path, ...]]:
    return [
        ("overview", app),
        ("signals", app),
        ("signals", app, "--format", "json"),
        ("routes", app),
        ("routes", app, "--open", "--format", "json"),
        ("explain", CHECKS[0].id),
        ("--help",),
        *((command, "--help") for command in ("overview", "signals", "routes", "explain", "check")),
    ]


def test_every_command_runs_silently_and_writes_nothing(app: Path, review: RunReview) -> None:
    for arguments in commands_on(app):
        done = review(*arguments)
        assert (done.returncode, done.stderr) == (0, ""), arguments
        assert done.stdout.endswith("\n"), arguments
        assert len(done.stdout) <= TEXT_LIMIT
    assert _files(app) == {"main.py"}


def test_no_bytecode_is_left_beside_the_scripts(app: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(SCRIPTS, tmp_path / "scripts", ignore=shutil.ignore_patterns("__pycache__"))
    before = _files(copy)
    subprocess.run([sys.executable, str(copy / "review.py"), "overview", str(app)], check=True, capture_output=True)
    assert _files(copy) == before


def test_no_cache_is_accepted_everywhere(app: Path, review: RunReview) -> None:
    for arguments in commands_on(app):
        assert review(*arguments, "--no-cache").returncode == 0, arguments
    assert "cache folder" in review("signals", "--help").stdout


def test_path_defaults_to_the_current_folder(app: Path) -> None:
    done = subprocess.run([sys.executable, str(REVIEW), "routes"], cwd=app, capture_output=True, text=True, check=True)
    assert "/items/{item_id}" in done.stdout
    assert _files(app) == {"main.py"}


def test_safe_path_and_foreign_modules_of_the_same_names(app: Path, tmp_path: Path) -> None:
    for name in ("check", "project", "report", "commands", "security"):
        (tmp_path / f"{name}.py").write_text("raise SystemExit('imported from the wrong folder')\n", encoding="utf-8")
    environment = {"PYTHONPATH": str(tmp_path), "PYTHONSAFEPATH": "1", "PATH": os.environ["PATH"]}
    command = [sys.executable, str(REVIEW), "routes", str(app)]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")


def test_signals_json_keeps_its_contract(app: Path, review: RunReview) -> None:
    content = json.loads(review("signals", app, "--format", "json").stdout)
    assert content["version"] == 1
    assert (content["root"], content["files"], content["lines"]) == (app.name, 1, 8)
    assert content["python"] == ".".join(map(str, sys.version_info[:2]))
    assert content["routes"] == {"known": 1, "candidates": 1}
    keys = "version root python rewritten files lines unread routes checks signals not_assessed suppressed"
    assert list(content) == [*keys.split(), "configuration", "notes"]


def test_routes_json_keeps_its_contract(app: Path, review: RunReview) -> None:
    content = json.loads(review("routes", app, "--format", "json").stdout)
    (route,) = content.pop("routes")
    assert content == {"version": 1, "known": 1, "candidates": 1, "unknown": [], "configuration": None}
    assert route == {
        "methods": ["GET"],
        "path": "/items/{item_id}",
        "file": "main.py",
        "line": 7,
        "decorator_line": 6,
        "handler": "main.read_item",
        "async": True,
        "dependencies": [],
        "auth": False,
        "auth_by": "",
        "auth_how": "",
        "auth_optional": "",
        "rights": [],
        "response_model": "dict[str, int]",
        "status_code": 200,
        "websocket": False,
        "app": "main:app",
        "conditional": False,
        "blocks": None,
    }


def test_routes_by_file_by_path_and_open(app: Path, review: RunReview) -> None:
    assert "/items" in review("routes", app, "--path", "main.py").stdout
    assert "/items" in review("routes", app, "--path", "/items/*").stdout
    assert "/items" not in review("routes", app, "--path", "other/*").stdout
    assert "OPEN" in review("routes", app, "--open").stdout


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "which command? overview, signals, routes, reading-list, redesign, explain, check"),
        (("overvew",), "did you mean overview?"),
        (("--overview",), "unknown command"),
        (("signals", "--dimention", "api"), "did you mean --dimension?"),
        (("signals", "--dimension", "securty"), "did you mean security?"),
        (("signals", "--dimension", "asi"), "did you mean"),
        (("signals", "--check", "ASY0001"), "did you mean ASY001?"),
        (("signals", "--impact", "hgih"), "did you mean high?"),
        (("signals", "--fail-on", "nothing"), "high, medium, low"),
        (("signals", "--limit", "-1"), "not a number"),
        (("signals", "--limit", "many"), "not a number"),
        (("signals", "--offset", "1.5"), "not a number"),
        (("signals", "--format", "sariff"), "'text', 'brief', 'json', 'sarif', 'github', 'markdown'"),
        (("signals", "--format"), "expected one argument"),
        (("signals", ".", "other"), "one PATH too many: other"),
        (("explain",), "ID"),
        (("explain", "asy01"), "did you mean ASY001?"),
        (("check",), "REPORT"),
        (("check", "nowhere.md"), "there is no file nowhere.md"),
        (("check", "-"), "the report is empty"),
        (("redesigned",), "did you mean redesign?"),
        (("overview", "nowhere"), "there is no folder nowhere"),
        (("overview", str(REVIEW)), "is a file; give the folder"),
        (("check", str(REVIEW), "nowhere"), "there is no folder nowhere"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, tuple) else "",
)
def test_bad_usage_is_one_sentence_and_status_2(arguments: tuple[str, ...], said: str, review: RunReview) -> None:
    done = review(*arguments)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({}, "is empty"),
        ({"package.json": "{}", "a.ts": ""}, "package.json: JavaScript"),
        ({"README.md": ""}, "found 1 .md"),
        ({"a.py": "import flask\n"}, "found Flask (a.py)"),
        ({"shop/urls.py": "from django.urls import path\n"}, "found Django (shop/urls.py)"),
        ({"a.py": "print(1)\n"}, "no web framework"),
        ({"a.py": "def (:\n"}, "none of 1 Python files could be read"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_nothing_to_analyse_is_status_3(
    files: dict[str, str], said: str, write_tree: Callable[[dict[str, str]], Path], review: RunReview
) -> None:
    root = write_tree(files)
    for command in ("overview", "signals", "routes"):
        done = review(command, root)
        assert (done.returncode, done.stdout) == (3, "")
        assert said in done.stderr
        assert done.stderr.count("\n") == 1


def test_output_is_utf8_whatever_the_locale(write_tree: Callable[[dict[str, str]], Path], review: RunReview) -> None:
    root = write_tree({"main.py": APP.replace("/items/", "/größe/☃/")})
    environment = {"LC_ALL": "C", "PYTHONIOENCODING": "ascii", "PATH": os.environ["PATH"]}
    assert "/größe/☃/" in review("routes", root, env=environment).stdout


def test_reader_that_stops_early_is_no_error(app: Path) -> None:
    command = [sys.executable, "-I", str(REVIEW), "signals", str(app), "--format", "json"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""
    assert process.returncode == 0


@pytest.mark.parametrize(("fail_on", "status"), [("low", 1), ("medium", 1), ("high", 0)])
def test_fail_on_counts_that_impact_and_above(
    fail_on: str, status: int, app: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    signal = Signal(
        *("0" * 16, CHECKS[0].id, CHECKS[0].name, "api_design", "medium", "resolved", "main.py", 7, 7, "main"),
        *("message", "source", (), "Fix it.", "API_DESIGN.md#checks", None, ()),
    )
    monkeypatch.setattr(commands, "run", lambda *_: Outcome([signal], []))
    assert commands.main(["signals", str(app)]) == 0
    assert commands.main(["signals", str(app), "--fail-on", fail_on]) == status


def test_a_defect_of_the_program_is_no_verdict(
    app: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def broken(*_: object) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr(commands, "run", broken)
    assert commands.main(["signals", str(app)]) not in (0, 1, 2, 3)
    assert "ZeroDivisionError" in capsys.readouterr().err


@pytest.mark.parametrize("version", ["2.7", "3.6", "3.8", "3.9"])
def test_older_python_is_told_in_one_sentence(version: str) -> None:
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    done = subprocess.run([python, str(REVIEW), "overview"], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"review.py needs Python 3.10 or newer, this is {version}: run it with a newer python3\n"


@pytest.mark.parametrize("version", ["3.10", "3.11", "3.12", "3.13", "3.14"])
def test_supported_python_without_any_library(version: str, app: Path, review: RunReview) -> None:
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    for arguments in commands_on(app):
        done = review(*arguments, python=python)
        assert (done.returncode, done.stderr) == (0, ""), arguments
    assert json.loads(review("signals", app, "--format", "json", python=python).stdout)["python"] == version


def _python(version: str) -> str | None:
    """An interpreter of that version: on PATH, or where pyenv or uv keep theirs."""
    home = Path.home()
    kept = [
        *home.glob(f".pyenv/versions/{version}.*/bin/python"),
        *home.glob(f".local/share/uv/python/cpython-{version}.*/bin/python3"),
    ]
    for candidate in (f"python{version}", *map(str, kept)):
        if _answers(candidate, version):
            return candidate
    return None


def _answers(candidate: str, version: str) -> bool:
    """Whether the command runs and is that version; a pyenv shim may be on PATH and do neither."""
    asked = "import sys; sys.stdout.write('%d.%d' % sys.version_info[:2])"
    try:
        done = subprocess.run([candidate, "-c", asked], capture_output=True, text=True, check=False)
    except OSError:
        return False
    return done.stdout == version


def _files(root: Path) -> set[str]:
    return {file.relative_to(root).as_posix() for file in root.rglob("*") if file.is_file()}
