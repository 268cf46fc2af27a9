"""No input makes a command crash, write, or run anything. A small sample; benchmarks/fuzz.py makes the long run."""

from __future__ import annotations

import argparse
import json
import random
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from tests.fuzz import harness, inputs, nesting

import commands

_WATCH = harness.Watch()
_SAMPLES = inputs.sample_projects()
_SOURCES = [content for files in _SAMPLES for content in files.values() if content]
_DEFAULT_LIMIT = 1000
_LONG = ("chain +a", "chain .b()", "chain [0]", "elif", "unions", "coroutines", "bases", "dependencies back", "routers")
_QUICK = settings(
    deadline=None,
    database=None,
    derandomize=True,
    max_examples=40,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)


def faults(folder: Path, files: inputs.Files, turn: int | None = 0) -> Iterator[str]:
    """What goes wrong on a project of these files: all checks as JSON, and one further command in turn (None: all)."""
    stage = harness.Stage.at(folder)
    stage.put(files)
    if turn is None and shutil.which("git"):
        stage.commit()
        harness.write_tree(stage.root, {"later.py": _SOURCES[0]})
    stage.allow(_WATCH)
    before = harness.snapshot(stage.root)
    lines = list(stage.lines())
    chosen = lines if turn is None else [["signals", str(stage.root), "--format", "json"], lines[turn % len(lines)]]
    for arguments in chosen:
        done = harness.run(arguments, _WATCH)
        yield from (f"{arguments}: {fault}" for fault in done.faults())
    if harness.snapshot(stage.root) != before:
        yield "the project was changed"


def test_every_command_and_every_option_is_run(tmp_path: Path) -> None:
    stage = harness.Stage.at(tmp_path)
    _, parsers = commands._parsers()
    for name, parser in parsers.items():
        words = {word for line in stage.lines() if line[0] == name for word in line}
        for action in parser._actions:
            if action.option_strings and not isinstance(action, argparse._HelpAction):
                assert words & set(action.option_strings), (name, action.option_strings)
    assert ["signals", str(stage.root), "--format", "json"] in stage.lines()


def test_every_command_on_one_project(tmp_path: Path) -> None:
    sample = max(_SAMPLES[2:], key=len)
    assert list(faults(tmp_path, sample, turn=None)) == []


@pytest.mark.parametrize("seed", range(10))
def test_mutated_projects(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for turn in range(10):
        files = inputs.mutated(chance, chance.choice(_SAMPLES[2:]), _SOURCES)
        assert list(faults(tmp_path, files, seed * 10 + turn)) == [], files


@pytest.mark.parametrize("seed", range(4))
def test_mutated_configuration(seed: int, tmp_path: Path) -> None:
    chance = random.Random(seed)
    for turn in range(10):
        files = inputs.mutated_configuration(chance)
        assert list(faults(tmp_path, files, seed * 10 + turn)) == [], files


def test_deep_nesting_and_long_chains(tmp_path: Path) -> None:
    for turn, (name, files) in enumerate(nesting.deep(40)):
        assert list(faults(tmp_path, files, turn)) == [], name


def test_no_command_depends_on_the_limit_of_recursion(tmp_path: Path) -> None:
    stage = harness.Stage.at(tmp_path)
    kinds = dict(nesting.deep(_DEFAULT_LIMIT + 100))  # another test may have raised the limit of this process
    harness.write_tree(stage.root, {f"m{number}.py": kinds[name]["main.py"] for number, name in enumerate(_LONG)})
    for command in ("overview", "signals", "routes", "reading-list", "redesign", "check", "report"):
        (line,) = [one for one in stage.lines() if one[0] == command and one[-1] in (str(stage.root), "-")][-1:]
        assert harness.run(line).faults() == [], line
    assert json.loads(harness.run(["signals", str(stage.root), "--format", "json"]).output)["unread"] == []


def test_modules_in_rings(tmp_path: Path) -> None:
    for turn, (name, files) in enumerate(nesting.chained_modules(30)):
        assert list(faults(tmp_path, files, turn)) == [], name


@_QUICK
@given(source=st.binary(max_size=300), name=st.sampled_from(["b.py", "pyproject.toml", "compose.yml", ".env", "x.txt"]))
def test_any_bytes(source: bytes, name: str, tmp_path: Path) -> None:
    assert list(faults(tmp_path, {"a.py": b"from fastapi import FastAPI\n", name: source}, len(source))) == []


@_QUICK
@given(
    lines=st.lists(st.tuples(st.integers(0, 4), st.sampled_from(inputs.WORDS)), max_size=25),
    tail=st.sampled_from(["\n", "\r\n", "\r", ""]),
)
def test_any_lines(lines: list[tuple[int, bytes]], tail: str, tmp_path: Path) -> None:
    text = b"".join(b"    " * indent + word + tail.encode() for indent, word in lines)
    assert list(faults(tmp_path, {"a.py": b"from fastapi import FastAPI\n" + text}, len(lines))) == []


@_QUICK
@given(text=st.text(max_size=60), place=st.sampled_from(["path", "tag", "message", "comment", "docstring", "secret"]))
def test_any_text_in_the_places_that_reach_the_output(text: str, place: str, tmp_path: Path) -> None:
    shown = repr(text)
    source = {
        "path": f"@app.post({shown})\nasync def x(a: dict): ...\n",
        "tag": f"@app.get('/x', tags=[{shown}], summary={shown})\ndef x(): ...\n",
        "message": f"@app.get('/x')\nasync def x():\n    raise ValueError({shown})\n",
        "comment": f"@app.get('/x')\ndef x():  # {' '.join(text.split())}\n    eval({shown})\n",
        "docstring": f"@app.get('/x')\ndef x():\n    {shown}\n    eval({shown})\n",
        "secret": f"SECRET_KEY = {shown}\npassword = {shown}\n",
    }[place]
    head = "from fastapi import FastAPI\napp = FastAPI()\n"
    encoded = (head + source).encode("utf-8", "surrogatepass")
    assert list(faults(tmp_path, {"a.py": encoded}, len(text))) == []
