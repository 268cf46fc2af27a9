"""Runs pytest, mypy and ruff in a folder of their own."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

_STEERING = {"FORCE_COLOR", "PY_COLORS", "PYTEST_ADDOPTS", "PYTEST_DISABLE_PLUGIN_AUTOLOAD", "RUFF_OUTPUT_FORMAT"}


def write(folder: Path, name: str, source: str) -> None:
    (folder / name).write_text(textwrap.dedent(source))


def run(folder: Path, *command: str) -> subprocess.CompletedProcess[str]:
    """Runs ``python -m command`` in the folder."""
    kept = {name: value for name, value in os.environ.items() if name not in _STEERING}
    return subprocess.run(
        [sys.executable, "-B", "-m", *command],
        cwd=folder,
        env={**kept, "NO_COLOR": "1"},
        capture_output=True,
        text=True,
        check=False,
    )


def run_pytest(folder: Path, *options: str) -> str:
    ended = run(folder, "pytest", "-q", "-p", "no:cacheprovider", *options)
    return ended.stdout + ended.stderr


def mypy(folder: Path, *options: str) -> str:
    ended = run(folder, "mypy", "--cache-dir", str(folder / "cache"), *options, "a.py")
    return ended.stdout + ended.stderr


def ruff(folder: Path, name: str, *options: str) -> set[str]:
    """The rules that fire on a file."""
    ended = run(folder, "ruff", "check", "--isolated", "--no-cache", "--output-format", "concise", *options, name)
    return {word for line in ended.stdout.splitlines() if line.startswith(name) for word in line.split()[1:2]}
