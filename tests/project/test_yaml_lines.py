"""YAML read by PyYAML and line by line: the same scalars at the same lines."""

from __future__ import annotations

import pytest

from project.stack.yaml_lines import HAS_YAML, Entry, YamlError, entries_by_library, entries_by_lines

DOCUMENTS = {
    "workflow": """
name: Test  # a comment
on:
  push: {branches: [main, "release/*"]}
env: {A: 1, B: 'it''s'}
jobs:
  test:
    strategy:
      matrix:
        python-version: ["3.10", 3.11,
          '3.12']
    services:
      db:
        image: postgres:15
    steps:
    - uses: actions/checkout@v4
    - name: "Run: tests # all"
      run: |
        pip install -e .

        pytest -q \\
          --cov
    - run: >-
        ruff check
        mypy app
    - name: last
      with:
        args: a b
          c
""",
    "hooks": """---
repos:
  - repo: https://github.com/astral-sh/ruff-pre-commit
    rev: v0.6.0
    hooks:
      - id: ruff
        args: [--fix, "--exit-non-zero-on-fix"]
      -   id: ruff-format
  -   repo: local
      hooks:
      -   id: mypy
          entry: uv run mypy
          args:
          - app
          - "tests"
""",
    "compose": """
services:
  web:
    build: .
    command: ["uvicorn", "app.main:app", "--reload"]
    environment:
      - A=b
      - URL=postgresql://u:p@db:5432/x#y
    ports: ["8000:8000"]
  db:
    image: "postgres:13"
volumes:
  data:
""",
    "nested items": "a:\n- - 1\n  - 2\n-\n  b: c\n  d:\n  - e\n",
    "tags and anchors": "a: &x one\nb: !!str 2\nc: !Ref d\n",
    "text over lines": "a: \"one\n  two\"\nb: 'three'\nc: four\n  five\n",
}


@pytest.mark.skipif(not HAS_YAML, reason="needs PyYAML")
@pytest.mark.parametrize("name", DOCUMENTS)
def test_both_ways_find_the_same(name: str) -> None:
    def plain(entries: list[Entry]) -> list[tuple[object, ...]]:
        return [(e.keys, " ".join(e.value.split()), e.line) for e in entries]

    assert plain(entries_by_lines(DOCUMENTS[name])) == plain(entries_by_library(DOCUMENTS[name]))


def test_lines_without_the_library() -> None:
    found = {entry.keys: entry for entry in entries_by_lines(DOCUMENTS["workflow"])}
    block = found["jobs", "test", "steps", 1, "run"]
    assert (block.line, block.value.split("\n")[2:]) == (19, ["pytest -q \\", "  --cov"])
    assert found["jobs", "test", "strategy", "matrix", "python-version", 2].value == "3.12"
    assert found["jobs", "test", "steps", 1, "name"].value == "Run: tests # all"
    assert found["on", "push", "branches", 1].value == "release/*"


@pytest.mark.skipif(not HAS_YAML, reason="needs PyYAML")
def test_aliases_are_followed_by_the_library() -> None:
    text = "x-app: &app\n  image: app:1\n  command: uvicorn a:b\nservices:\n  web:\n    <<: *app\n    ports: [1]\n"
    found = {entry.keys: entry.line for entry in entries_by_library(text)}
    assert found["services", "web", "command"] == 3


@pytest.mark.skipif(not HAS_YAML, reason="needs PyYAML")
def test_a_bomb_of_aliases_ends() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    assert len(entries_by_library("\n".join(lines))) <= 50_000


@pytest.mark.skipif(not HAS_YAML, reason="needs PyYAML")
@pytest.mark.parametrize("text", ["a: [1", "a: b: c", "\ta: 1", "{" * 5_000, "a: *none"])
def test_what_is_no_yaml(text: str) -> None:
    with pytest.raises(YamlError):
        entries_by_library(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        ":",
        "-",
        "- - - -",
        "a: [",
        "a: |",
        "a: >",
        "{",
        "}",
        "]: [}",
        "'",
        'a: "',
        "a: b: c",
        "\ta",
        "- {a: [b",
        "#",
    ],
)
def test_line_by_line_never_fails(text: str) -> None:
    entries_by_lines(text)
    entries_by_lines(f"{text}\n  {text}\n{text} x: y\n")
