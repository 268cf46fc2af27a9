"""What the arguments of a call say about branches of the function it calls."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest
from tests.project.trees import function, make

from project import Project
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


@pytest.mark.parametrize(
    ("body", "arguments", "runs"),
    [
        ("x = rows\n    if x is None:\n        x = print('here')", "rows=[1]", False),
        ("x: list = rows\n    if x is None:\n        x = print('here')", "rows=[1]", False),
        ("x = rows\n    if not x:\n        return\n    print('here')", "rows=None", False),
        ("x = rows\n    if x is None:\n        x = print('here')", "rows=None", True),
        ("x = rows\n    if x is None:\n        x = print('here')", "rows=given", True),
        ("x = rows\n    x = None\n    if x is None:\n        print('here')", "rows=[1]", True),
        ("x = rows\n    rows = None\n    if rows is None:\n        print('here')", "rows=[1]", True),
        ("x = rows\n    inner(x)", "rows=[1]", False),
        ("x = rows\n    inner(x)", "rows=None", True),
    ],
)
def test_an_alias_of_a_parameter(tmp_path: Path, body: str, arguments: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
def inner(rows):
    if rows is None:
        print('here')

def use(rows=None):
    {body}

def f(given):
    use({arguments})
"""
        },
    )
    assert _runs(project, "use", "inner") is runs


@pytest.mark.parametrize(
    ("use", "runs"),
    [
        ("safe(work, quiet=True)()", False),
        ("safe(work)()", True),
        ("safe(work, quiet=given)()", True),
        ("checked = safe(work, quiet=True)\n    checked()", False),
        ("checked = safe(work, quiet=True)\n    checked = safe(work)\n    checked()", True),
        ("quiet_work()", False),
        ("loud_work()", True),
    ],
)
def test_conditions_of_a_closure_on_what_made_it(tmp_path: Path, use: str, runs: bool) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
def work(): ...

def safe(func, quiet=False):
    def inner():
        func()
        if not quiet:
            print('here')
    return inner

def decorating(quiet):
    def decorate(func):
        def inner():
            func()
            if not quiet:
                print('here')
        return inner
    return decorate

@decorating(quiet=True)
def quiet_work(): ...

@decorating(quiet=False)
def loud_work(): ...

def f(given):
    {use}
"""
        },
    )
    (caller,) = [f for f in project.modules["main.py"].functions if f.name == "f"]
    edges = [e for e in project.edges.of(caller) if e.target.name == "inner"]
    assert edges
    for edge in edges:
        here = next(c for c in edge.target.all(ast.Call) if ast.unparse(c) == "print('here')")
        assert skipped(here, project.conditions.given(edge.site, edge.target, certain=True)) is not runs


def test_a_closure_called_where_it_is_made_knows_what_its_function_was_given(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
            def use(quiet):
                def inner():
                    if not quiet:
                        print('here')
                inner()

            def f():
                use(True)
            """
        },
    )
    assert _runs(project, "use", "use.<locals>.inner") is False


@pytest.mark.parametrize(
    ("body", "init", "elsewhere", "runs"),
    [
        ("", "self._fast = False", "", False),
        ("", "self._fast: bool = False", "", False),
        ("_fast = False", "pass", "", False),
        ("_fast = True", "pass", "", True),
        ("", "self._fast = True", "", True),
        ("", "self._fast = fast", "Runner(fast=False)", False),
        ("", "self._fast = fast", "Runner(False); Runner(fast=False)", False),
        ("", "self._fast = fast", "Runner()", False),
        ("", "self._fast = fast", "", True),
        ("", "self._fast = fast", "Runner(False); Runner(True)", True),
        ("", "self._fast = fast", "Runner(given)", True),
        ("", "self._fast = fast", "Runner(); make(Runner)", True),
        ("", "self._fast = fast", "Runner(); kinds = [Runner]", True),
        ("", "self._fast = False", "Runner()._fast = True", True),
        ("", "self._fast = False", "setattr(given, '_fast', True)", True),
        ("_fast = False", "self._fast = load()", "", True),
    ],
)
def test_an_attribute_that_has_one_value_for_good(
    tmp_path: Path, body: str, init: str, elsewhere: str, runs: bool
) -> None:
    project = make(
        tmp_path,
        {
            "main.py": f"""
class Runner:
    {body or '"it runs"'}

    def __init__(self, fast=False):
        {init}

    def use(self):
        if self._fast:
            print('here')

def f(runner: Runner):
    runner.use()

def other(given):
    {elsewhere or "pass"}
"""
        },
    )
    assert _runs(project, "Runner.use") is runs


def _runs(project: Project, outer: str, inner: str = "") -> bool:
    """Whether `print('here')` runs by the one call of a function, or of another that this one calls."""
    target = function(project, "main.py", outer)
    (site,) = project.calls.callers(target)
    known = project.conditions.given(site, target, certain=True)
    deeper = function(project, "main.py", inner) if inner else None
    for handed in project.calls.callers(deeper) if deeper is not None else ():
        known, target = project.conditions.given(handed, deeper, known, certain=True), deeper
    here = next(c for c in target.all(ast.Call) if ast.unparse(c) == "print('here')")
    return not skipped(here, known)
