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


@pytest.mark.parametrize(
    ("before", "argument", "runs"),
    [
        ("", "given", True),
        ("", "load()", True),
        ("", "Thing()", False),
        ("", "Sized()", False),
        ("", "[]", False),
        ("", "f'{given}'", False),
        ("", "given or []", False),
        ("x = [1]", "x", False),
        ("x = load()", "x", True),
        ("x = load()\n    if x is None:\n        x = []", "x", False),
        ("x = list(given) if given is not None else None\n    if x is None:\n        x = [1]", "x", False),
        ("x = load()\n    if x is None:\n        print(1)", "x", True),
        ("x = load()\n    if x is None:\n        return", "x", False),
        ("x = load()\n    if not x:\n        raise ValueError", "x", False),
        ("x = load()\n    if x:\n        return", "x", True),
        ("x = load()\n    with given:\n        if x is None:\n            x = [1]", "x", False),
        ("x = [1]\n    with given:\n        x = load()\n        print(x)", "x", True),
        ("x = load()\n    assert x is not None", "x", False),
        ("x = load()\n    assert x\n    x = load()", "x", True),
        ("if (x := load()) is None:\n        return", "x", False),
        ("x = [1]\n    for y in given:\n        print(x)\n        x = None", "x", True),
        ("x = [1]\n    try:\n        x = None\n    except ValueError:\n        pass", "x", True),
    ],
)
def test_what_is_surely_not_none(tmp_path: Path, before: str, argument: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
class Thing: ...

class Sized:
    def __len__(self): return 0

def load(): ...

def use(value):
    if value is None:
        print("here")

def f(given):
    {before}
    use({argument})
"""
        },
    )
    target = function(project, "main.py", "use")
    (site,) = project.calls.callers(target)
    known = project.conditions.given(site, target, certain=True)
    here = next(c for c in target.all(ast.Call) if ast.unparse(c) == "print('here')")
    assert skipped(here, known) is not runs


@pytest.mark.parametrize(
    ("body", "arguments", "runs"),
    [
        ("if done:\n        return\n    print('here')", "done=True", False),
        ("if done:\n        return\n    print('here')", "done=False", True),
        ("if done:\n        return\n    print('here')", "done=given", True),
        ("if not done:\n        raise ValueError\n    print('here')", "", False),
        ("for _ in range(3):\n        if done:\n            continue\n        print('here')", "done=True", False),
        ("if done:\n        print(1)\n    else:\n        return\n    print('here')", "done=False", False),
        ("if done:\n        print(1)\n    print('here')", "done=True", True),
        ("inner(done)", "done=False", False),
        ("inner(done)", "done=True", True),
        ("inner(done)", "done=given", True),
    ],
)
def test_early_returns_and_arguments_handed_on(tmp_path: Path, body: str, arguments: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
def inner(done):
    if done:
        print('here')

def use(done=False):
    {body}

def f(given):
    use({arguments})
"""
        },
    )
    target = function(project, "main.py", "use")
    (site,) = project.calls.callers(target)
    known = project.conditions.given(site, target, certain=True)
    deeper = function(project, "main.py", "inner")
    for inner in [s for s in project.calls.callers(deeper) if s.scope is target]:
        known, target = project.conditions.given(inner, deeper, known, certain=True), deeper
    here = next(c for c in target.all(ast.Call) if ast.unparse(c) == "print('here')")
    assert skipped(here, known) is not runs


@pytest.mark.parametrize(("argument", "runs"), [("roles=[1]", False), ("", True), ("roles=None", True), ("**x", True)])
def test_a_parameter_taken_from_any_keywords(tmp_path: Path, argument: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
class User:
    def __init__(self, **kwargs):
        roles = kwargs.get("roles")
        if roles is None:
            print("here")

def f(x):
    User({argument})
"""
        },
    )
    cls = next(c for c in project.modules["main.py"].classes if c.name == "User")
    target = cls.methods["__init__"]
    (site,) = project.calls.callers(target)
    here = next(c for c in target.all(ast.Call) if ast.unparse(c) == "print('here')")
    assert skipped(here, project.conditions.given(site, target)) is not runs
