"""The same bytes out whatever the order of files, hash seed, folder, locale or interpreter; files of Windows."""

from __future__ import annotations

import json
import os
import random
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path

import pytest
from tests import report_sample
from tests.fuzz import harness, inputs
from tests.test_review_cli import _python

REVIEW = harness.SKILL / "scripts" / "review.py"
LATER = ("3.10", "3.11", "3.12", "3.13", "3.14", "3.15")
Review = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with signals in every dimension, and a file that older interpreters read through a rewrite."""
    root = tmp_path_factory.mktemp("sample") / "shop"
    shutil.copytree(inputs.APPS / "messy", root)
    newer = "def first[T](a: list[T]) -> T:\n    try:\n        return a[0]\n    except E, F:\n        raise\n"
    (root / "src" / "workshop" / "newer.py").write_text(newer, encoding="utf-8")
    (root / "größe ☃.py").write_text("from fastapi import FastAPI\napp = FastAPI()\n", encoding="utf-8")
    return root


def lines(root: Path, folder: Path) -> list[list[str]]:
    """Every command and format, without files to write."""
    found = harness.Stage.at(folder, root).lines()
    return [line for line in found if "--format" in line or len(line) == 2 or line[0] == "check" or line[-1] == "-"]


def _shuffled(monkeypatch: pytest.MonkeyPatch, seed: int) -> None:
    """Folders list their entries in another order."""
    plain_scandir, plain_listdir, chance = os.scandir, os.listdir, random.Random(seed)

    class Scan(AbstractContextManager["Scan"]):
        def __init__(self, path: str) -> None:
            with plain_scandir(path) as entries:
                self.entries = list(entries)
            chance.shuffle(self.entries)

        def __iter__(self) -> Iterator[os.DirEntry[str]]:
            return iter(self.entries)

        def __next__(self) -> os.DirEntry[str]:
            if not self.entries:
                raise StopIteration
            return self.entries.pop()

        def __exit__(self, *_: object) -> None:
            self.entries = []

        close = __exit__

    def listed(path: str = ".") -> list[str]:
        names = plain_listdir(path)
        chance.shuffle(names)
        return names

    monkeypatch.setattr(os, "scandir", Scan)
    monkeypatch.setattr(os, "listdir", listed)


def test_the_order_of_files_does_not_matter(sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = {tuple(line): harness.run(line).output for line in lines(sample, tmp_path)}
    for seed in range(2):
        with monkeypatch.context() as patched:
            _shuffled(patched, seed)
            for line, output in wanted.items():
                assert harness.run([*line, "--no-cache"]).output == output, line


def test_nothing_to_analyse_says_the_same_for_every_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in "a.x b.y c.z d.w e.v f.u package.json go.mod".split():
        (tmp_path / name).touch()
    wanted = harness.run(["overview", str(tmp_path)]).errors
    for seed in range(5):
        with monkeypatch.context() as patched:
            _shuffled(patched, seed)
            assert harness.run(["overview", str(tmp_path)]).errors == wanted


def _outputs(sample: Path, folder: Path, python: str = sys.executable, **environment: str) -> list[str]:
    """What every command prints in a process of its own, without PyYAML and what may vary."""
    code = (
        "import json, sys\nsys.modules['yaml'] = None\n"
        "sys.path[:0] = [sys.argv[1], sys.argv[2]]\nsys.dont_write_bytecode = True\n"
        "from tests.fuzz import harness\n"
        "done = [harness.run(line) for line in json.load(sys.stdin)]\n"
        "sys.stdout.write(json.dumps([[d.status, d.output, d.errors] for d in done]))"
    )
    command = [python, "-c", code, str(harness.SKILL), str(harness.SKILL / "scripts")]
    given = json.dumps([[*line, "--no-cache"] for line in lines(sample, folder)])
    clean = {"PATH": os.environ["PATH"], "HOME": str(folder), **environment}
    done = subprocess.run(
        command, input=given, cwd=folder, env=clean, capture_output=True, text=True, timeout=240, check=True
    )
    return [_VARIES.sub("", "\n".join(map(str, row))) for row in json.loads(done.stdout)]


# Which Python it was, and how many files it had to read through a rewrite.
_VARIES = re.compile(
    r"read with Python \d\.\d+|\"python\": \"\d\.\d+\"|\"rewritten\": \d+|\d+ files? read through a rewrite.*\n"
)


def test_hash_seeds_and_working_folders_do_not_matter(sample: Path, tmp_path: Path) -> None:
    places = {"1": tmp_path / "here", "4711": tmp_path / "away"}
    for folder in places.values():
        folder.mkdir()
    one, two = (
        [row.replace(str(folder), "") for row in _outputs(sample, folder, PYTHONHASHSEED=seed)]
        for seed, folder in places.items()
    )
    assert len(one) > 5
    for first, second in zip(one, two, strict=True):
        assert first == second


@pytest.mark.parametrize("version", LATER)
def test_every_interpreter_says_the_same(version: str, sample: Path, tmp_path: Path) -> None:
    python = _python(version)
    if python is None:
        pytest.skip(f"no Python {version} on this machine")
    assert _outputs(sample, tmp_path, python) == _outputs(sample, tmp_path)


@pytest.mark.parametrize(
    "environment",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "C", "PYTHONIOENCODING": "ascii:strict"},
        {"LC_ALL": "tr_TR.UTF-8", "LANG": "tr_TR.UTF-8"},
        {"LC_ALL": "POSIX", "PYTHONUTF8": "1"},
        {"LANG": "de_DE.ISO-8859-1", "PYTHONUTF8": "0", "COLUMNS": "20", "NO_COLOR": "1", "FORCE_COLOR": "1"},
    ],
    ids=lambda environment: " ".join(f"{k}={v}" for k, v in environment.items()),
)
def test_locales_do_not_matter(environment: dict[str, str], sample: Path) -> None:
    def run(extra: dict[str, str]) -> tuple[int, bytes, bytes]:
        command = [sys.executable, str(REVIEW), "signals", str(sample), "--check", "ASY001", "--no-cache"]
        env = {"PATH": os.environ["PATH"], "HOME": str(sample.parent), **extra}
        done = subprocess.run(command, env=env, capture_output=True, timeout=120, check=False)
        return done.returncode, done.stdout, done.stderr

    assert run(environment) == run({})
    done = run(environment)
    assert done[0] == 0 and done[2] == b"" and done[1].decode("utf-8")


# Files of Windows


@pytest.mark.parametrize("ends", ["\r\n", "\r"], ids=["CRLF", "CR"])
@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte order mark"])
def test_line_ends_and_byte_order_marks_change_nothing(ends: str, mark: bytes, sample: Path, tmp_path: Path) -> None:
    windows = tmp_path / "shop"
    shutil.copytree(sample, windows)
    for file in windows.rglob("*"):
        if file.is_file() and (file.suffix == ".py" or ends == "\r\n"):
            text = file.read_bytes().decode("utf-8")
            file.write_bytes(mark * (file.suffix == ".py") + text.replace("\n", ends).encode())
    for command in (["signals", "--format", "json"], ["routes", "--format", "json"]):
        unix = harness.run([command[0], str(sample), *command[1:]])
        other = harness.run([command[0], str(windows), *command[1:]])
        assert other.output.replace(str(windows), str(sample)) == unix.output


def test_paths_with_backslashes_in_configuration(tmp_path: Path) -> None:
    files = {
        "main.py": b"from fastapi import FastAPI\napp = FastAPI()\n",
        "alembic.ini": b"[alembic]\nscript_location = db\\alembic\n",
        "pyproject.toml": b"[project]\nname = 'x'\n[tool.pytest.ini_options]\ntestpaths = ['src\\tests', 'C:\\\\x']\n",
        "Dockerfile": b"# escape=`\nFROM x\nCOPY a\\b C:\\app\\\nCMD uvicorn main:app\n",
        "requirements.txt": b"-r reqs\\dev.txt\nfastapi==0.115.0\n",
    }
    harness.write_tree(tmp_path, files)
    for command in ("overview", "signals", "routes"):
        assert harness.run([command, str(tmp_path)]).faults() == []


def test_reports_may_cite_paths_as_windows_writes_them(tmp_path: Path) -> None:
    stage = harness.Stage.at(tmp_path)
    harness.write_tree(stage.root, {"app/users.py": report_sample.USERS.encode()})
    text = report_sample.report().replace("app/users.py:14", r"app\users.py:14")
    (stage.given / "report.md").write_bytes(b"\xef\xbb\xbf" + text.replace("\n", "\r\n").encode())
    said = harness.run(["check", str(stage.given / "report.md"), str(stage.root)]).output
    assert "no file" not in said and "does not stand" not in said
