"""What the arguments of a call say about branches of the function it calls."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.project.trees import function, make

from project.language.conditions import skipped


@pytest.mark.parametrize(
    ("condition", "arguments", "runs"),
    [
        ("kind == 'file'", "kind='file'", True),
        ("kind == 'file'", "kind='note'", False),
        ("kind != 'file'", "'file'", False),
        ("kind in ('file', 'note')", "'page'", False),
        ("kind in ('file', 'note')", "'note'", True),
        ("kind in names", "'note'", True),
        ("kind == Kind.FILE", "Kind.NOTE", False),
        ("kind == Kind.FILE", "Kind.FILE", True),
        ("kind == 'file'", "Kind.NOTE", True),  # may be an enum of strings
        ("kind == 'file'", "given", True),
        ("kind == 'file'", "", True),
        ("kind == 'note'", "", False),
        ("kind is None", "'file'", False),
        ("full", "'file'", False),
        ("full", "'file', True", True),
        ("full", "'file', full=given", True),
        ("changed", "'file', changed=None", True),
        ("changed", "'file'", True),
        ("changed is None", "'file', changed=given[0]", False),
        ("changed is None", "'file', changed=0", True),
    ],
)
def test_branches_that_a_call_cannot_take(tmp_path: Path, condition: str, arguments: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
            from kinds import Kind

            def show(kind="file", full=False, changed=None):
                if changed is None:
                    changed = 1
                if {condition}:
                    print("here")

            def f(given):
                show({arguments})
            """
        },
    )
    target = function(project, "main.py", "show")
    (site,) = project.calls.callers(target)
    known = project.conditions.given(site, target)
    here = next(c for c in target.all(ast.Call) if ast.unparse(c) == "print('here')")
    assert skipped(here, known) is not runs
