"""Ties a proof to a sentence of a document.

The sentence is followed by ``<!-- fact: api-x -->``, the test that runs the library carries ``@fact("api-x")``.
"""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCUMENTS = (
    "API_DESIGN.md",
    "DATA_ARCHITECTURE.md",
    "SECURITY.md",
    "ASYNC_PERFORMANCE.md",
    "CODE_ORGANIZATION.md",
    "TESTING.md",
)
MARKER = re.compile(r"<!-- fact: ([a-z0-9-]+) -->")
FENCE = re.compile(r"^\s*(```|~~~)")


def fact(*ids: str) -> pytest.MarkDecorator:
    """Says which statements of the documents this test proves."""
    return pytest.mark.fact(*ids)


def markers(text: str) -> list[tuple[int, str, bool]]:
    """Every marker of a document: line, id, and whether it stands inside a fenced block."""
    found: list[tuple[int, str, bool]] = []
    fenced = False
    for number, line in enumerate(text.splitlines(), start=1):
        if FENCE.match(line):
            fenced = not fenced
        found += [(number, match[1], fenced) for match in MARKER.finditer(line)]
    return found


def proofs() -> dict[str, str]:
    """Fact id -> ``file::test`` of every decorated test beside this file. Raises on an id proved twice."""
    found: dict[str, str] = {}
    for path in sorted(Path(__file__).parent.glob("test_*.py")):
        for node in ast.parse(path.read_text(encoding="utf-8")).body:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                for identifier in _ids(node):
                    where = f"{path.name}::{node.name}"
                    if identifier in found:
                        raise ValueError(f"{identifier} is proved twice: {found[identifier]} and {where}")
                    found[identifier] = where
    return found


def _ids(test: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    return [
        str(ast.literal_eval(argument))
        for decorator in test.decorator_list
        if isinstance(decorator, ast.Call) and isinstance(decorator.func, ast.Name) and decorator.func.id == "fact"
        for argument in decorator.args
    ]
