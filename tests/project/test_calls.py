"""Who calls whom: methods, overrides, properties, callbacks, context managers, offloading decorators."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import function, make


@pytest.mark.parametrize(
    ("definitions", "body", "target"),
    [
        ("def g(): ...", "g()", "g"),
        ("class A:\n    def m(self): ...", "A().m()", "A.m"),
        ("class A:\n    def __init__(self): ...", "A()", "A.__init__"),
        ("class A:\n    def __call__(self): ...", "A()()", "A.__call__"),
        ("class A:\n    @property\n    def p(self): ...", "A().p", "A.p"),
        ("class A:\n    def __enter__(self): ...", "with A(): pass", "A.__enter__"),
        (
            (
                "from typing import Protocol\nclass P(Protocol):\n    def m(self): ...\n"
                "class B(P):\n    def m(self): return 1\ndef make() -> P: ..."
            ),
            "make().m()",
            "B.m",
        ),
        ("from functools import partial\ndef g(x): ...\nh = partial(g, 1)", "h()", "g"),
        ("def g(x): ...", "list(map(g, [1]))", "g"),
        ("g = lambda: 1", "g()", "<lambda>"),
    ],
)
def test_targets(tmp_path: Path, definitions: str, body: str, target: str) -> None:
    project = make(tmp_path, {"main.py": f"{definitions}\ndef f():\n    {body}\n"})
    sites = project.calls.sites(function(project, "main.py", "f"))
    assert target in {t.qualname for s in sites for t in s.targets}


def test_a_function_only_passed_on_is_not_called(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": "import asyncio\ndef g(): ...\nasync def f():\n"
            "    await asyncio.to_thread(g)\n    h(g)\ndef h(x): ...\n"
        },
    )
    sites = project.calls.sites(function(project, "main.py", "f"))
    assert {t.qualname for s in sites for t in s.targets} == {"h"}


def test_decorator_that_offloads(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "main.py": """
            import asyncio, functools
            def threaded(fn):
                @functools.wraps(fn)
                async def wrapper(*args):
                    return await asyncio.to_thread(fn, *args)
                return wrapper
            @threaded
            def work(): ...
            @functools.lru_cache
            def cached(): ...
            """
        },
    )
    assert project.calls.is_offloaded(function(project, "main.py", "work"))
    assert not project.calls.is_offloaded(function(project, "main.py", "cached"))


def test_callers_across_modules(tmp_path: Path) -> None:
    project = make(tmp_path, {"a.py": "def g(): ...", "b.py": "import a\ndef f():\n    a.g()\n"})
    callers = project.calls.callers(function(project, "a.py", "g"))
    assert [(c.scope.dotted, c.place().line) for c in callers] == [("b.f", 3)]


@pytest.mark.parametrize(
    ("decorators", "wrappers"),
    [
        ("@plain", {"plain.<locals>.w"}),
        ("@made(1)", {"made.<locals>.inner.<locals>.w"}),
        ("@same", set()),
        ("@Timed()", {"Timed.__call__.<locals>.w"}),
    ],
)
def test_wrappers_of_decorators(tmp_path: Path, decorators: str, wrappers: set[str]) -> None:
    code = f"""
import functools
def plain(fn):
    @functools.wraps(fn)
    def w(*a):
        return fn(*a)
    return w
def made(n):
    def inner(fn):
        def w(*a):
            return fn(*a)
        return w
    return inner
def same(fn):
    return fn
class Timed:
    def __call__(self, fn):
        def w(*a):
            return fn(*a)
        return w
{decorators}
def f(): ...
"""
    project = make(tmp_path, {"main.py": code})
    assert {w.qualname for w in project.indirect.wrappers(function(project, "main.py", "f"))} == wrappers


def test_names_of_an_uncertain_library_object_give_way_to_project_methods(tmp_path: Path) -> None:
    code = """
import redis
class Own:
    def get(self, key): return 1
def f(c: Own | redis.Redis):
    c.get("k")
"""
    project = make(tmp_path, {"main.py": code})
    (site,) = project.calls.sites(function(project, "main.py", "f"))
    assert [t.qualname for t in site.targets] == ["Own.get"]
    assert site.names == ()
