"""The frame that checks run in: examples in docstrings, order, fingerprints, suppression, failures."""

from __future__ import annotations

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from check import (
    HIGH,
    LOW,
    MEDIUM,
    Check,
    Dimension,
    Found,
    Hit,
    NotAssessed,
    Outcome,
    Selection,
    clean,
    run,
)
from examples import parse_documentation, parse_example
from project import Place, Project
from project.place import path_matches

Write = Callable[[dict[str, str]], Path]


def calls_of(name: str) -> Callable[[Project], Found]:
    """A check function that marks every line calling `name`."""

    def function(project: Project) -> Found:
        for source in project.sources:
            for number, line in enumerate(source.lines, 1):
                if f"{name}(" in line:
                    yield Hit(Place(source.path, number, number, "main"), f"{name} is called")

    return function


def make(function: Callable[[Project], Found], id: str = "TST901", impact: str = MEDIUM) -> Check:
    dimension = Dimension("TST", "testing", "Testing & Quality", "TESTING.md")
    dimension.check(id, f"name-of-{id.lower()}", title="T", impact=impact, fix="Mend it.")(function)
    return dimension.checks[0]


def outcome(root: Path, *checks: Check, path: str | None = None, impact: str = LOW) -> Outcome:
    return run(Project.at(root), Selection(checks, path, impact))


def test_docstring_is_split_into_its_parts() -> None:
    parts = parse_documentation(
        """Why it
        hurts.

        Source: A page https://example.org/page

        Bad:
            # app/a.py
            x = 1
            y = 2  # TST901, TST902
            # pyproject.toml
            [tool]  # TST901
        Good:
            x = 1
        Not this:
            # app/__init__.py
            # Dockerfile
            FROM x
        """
    )
    assert parts.why == "Why it hurts."
    assert parts.source == "A page https://example.org/page"
    assert parts.bad.files == {"app/a.py": "x = 1\ny = 2\n", "pyproject.toml": "[tool]\n"}
    assert parts.bad.marked == {("TST901", "app/a.py", 2), ("TST902", "app/a.py", 2), ("TST901", "pyproject.toml", 1)}
    assert parts.good.files == {"main.py": "x = 1\n"}
    assert parts.not_this.files == {"app/__init__.py": "\n", "Dockerfile": "FROM x\n"}


def test_ordinary_comments_are_neither_files_nor_marks() -> None:
    example = parse_example(
        "# a comment. With text\nx = 1  # see ASY001 for more\n    # TST901.py is not at the margin\n"
    )
    assert example.files == {
        "main.py": "# a comment. With text\nx = 1  # see ASY001 for more\n    # TST901.py is not at the margin\n"
    }
    assert example.marked == frozenset()
    assert parse_example("").files == {}


def test_registering_refuses_wrong_and_double_ids() -> None:
    dimension = Dimension("TST", "testing", "Testing & Quality", "TESTING.md")
    with pytest.raises(ValueError, match="ASY001"):
        dimension.check("ASY001", "x", title="T", impact=HIGH, fix="F.")
    dimension.check("TST901", "x", title="T", impact=HIGH, fix="F.")(calls_of("f"))
    with pytest.raises(ValueError, match="TST901"):
        dimension.check("TST901", "y", title="T", impact=HIGH, fix="F.")


def test_signals_carry_check_place_and_source(write_tree: Write) -> None:
    check = make(calls_of("f"))
    (signal,) = outcome(write_tree({"a.py": "def f(): ...\n    \n"}), check).signals
    assert (signal.check, signal.path, signal.line, signal.source) == ("TST901", "a.py", 1, "def f(): ...")
    assert (signal.doc, signal.dimension, signal.impact) == ("TESTING.md#tst901", "testing", "medium")


def test_order_is_impact_then_check_then_place(write_tree: Write) -> None:
    root = write_tree({"b.py": "f()\n", "a.py": "g()\nf()\nf()\n"})
    checks = [
        make(calls_of("f"), "TST903", LOW),
        make(calls_of("g"), "TST902", HIGH),
        make(calls_of("f"), "TST901", LOW),
    ]
    found = [(s.check, s.path, s.line) for s in outcome(root, *checks).signals]
    lows = [("a.py", 2), ("a.py", 3), ("b.py", 1)]
    assert found == [("TST902", "a.py", 1), *(("TST901", *p) for p in lows), *(("TST903", *p) for p in lows)]


def test_fingerprint_survives_moved_lines_and_tells_equal_lines_apart(write_tree: Write) -> None:
    check = make(calls_of("f"))
    before = [s.id for s in outcome(write_tree({"a.py": "f()\nf()\nf(1)\n"}), check).signals]
    after = [s.id for s in outcome(write_tree({"a.py": "\n# new\nf()\n\nif 1:\n    f()\n    f(1)\n"}), check).signals]
    assert before == after
    assert len(set(before)) == 3


@pytest.mark.parametrize(
    "comment",
    [
        "# review: ignore[TST901] start-up only",
        "# review: ignore[tst901] - a reason",
        "# review: ignore[name-of-tst901]: because",
        "# review:ignore[SEC001, TST901] both are meant",
        "# noqa: TST901",
        "# noqa: E501, TST901",
        "# type: ignore  # noqa: TST901 because",
    ],
)
def test_comment_suppresses_and_is_counted(write_tree: Write, comment: str) -> None:
    check = make(calls_of("f"))
    for text in (f"f()  {comment}\nf()\n", f"{comment}\nf()\nf()\n"):
        result = outcome(write_tree({"a.py": text}), check)
        assert (len(result.signals), result.suppressed) == (1, 1)


@pytest.mark.parametrize(
    "comment",
    [
        "# review: ignore",
        "# review: ignore[SEC001] a reason",
        "# review: ignore[TST901]",
        "# review: ignore[TST901] ...  # a remark",
        "# noqa",
        "# noqa: TST902",
        "# TST901",
    ],
)
def test_other_comments_suppress_nothing(write_tree: Write, comment: str) -> None:
    result = outcome(write_tree({"a.py": f"f()  {comment}\n"}), make(calls_of("f")))
    assert (len(result.signals), result.suppressed) == (1, 0)


def test_suppressing_one_line_keeps_the_fingerprint_of_the_others(write_tree: Write) -> None:
    check = make(calls_of("f"))
    before = outcome(write_tree({"a.py": "f()\nf()\n"}), check).signals
    after = outcome(write_tree({"a.py": "f()  # review: ignore[TST901] a reason\nf()\n"}), check).signals
    assert [s.id for s in after] == [before[1].id]


def test_check_that_raises_keeps_its_earlier_signals_and_the_other_checks(write_tree: Write) -> None:
    def broken(project: Project) -> Found:
        yield Hit(Place("a.py", 1, 1), "before")
        raise KeyError("secret detail")

    result = outcome(write_tree({"a.py": "f()\n"}), make(broken, "TST902"), make(calls_of("f")))
    assert [s.check for s in result.signals] == ["TST901", "TST902"]
    (note,) = result.not_assessed
    assert (note.check, note.failed) == ("TST902", True)
    assert "KeyError" in note.why
    assert "secret" not in note.why


def test_check_can_say_that_it_could_not_judge(write_tree: Write) -> None:
    def unsure(project: Project) -> Found:
        yield NotAssessed("no tests folder found")

    result = outcome(write_tree({"a.py": ""}), make(unsure))
    assert [(n.check, n.why, n.failed) for n in result.not_assessed] == [("TST901", "no tests folder found", False)]


def test_same_hit_twice_is_one_signal(write_tree: Write) -> None:
    def twice(project: Project) -> Found:
        yield from [Hit(Place("a.py", 1, 1), "m"), Hit(Place("a.py", 1, 1), "m"), Hit(Place("a.py", 1, 1), "other")]

    assert [s.message for s in outcome(write_tree({"a.py": "f()\n"}), make(twice)).signals] == ["m", "other"]


def test_selection_by_path_and_impact(write_tree: Write) -> None:
    root = write_tree({"app/api/a.py": "f()\n", "app/b.py": "f()\n"})
    check = make(calls_of("f"), impact=MEDIUM)
    assert [s.path for s in outcome(root, check, path="app/api/*").signals] == ["app/api/a.py"]
    assert [s.path for s in outcome(root, check, path="app/api").signals] == ["app/api/a.py"]
    assert outcome(root, check, impact=HIGH).signals == []
    assert len(outcome(root, check, impact=MEDIUM).signals) == 2


@pytest.mark.parametrize(
    ("pattern", "fits"),
    [
        ("app/*", True),
        ("app", True),
        ("app/", True),
        ("**/a.py", True),
        ("*.py", True),
        ("api", False),
        ("app/a", False),
    ],
)
def test_path_globs(pattern: str, fits: bool) -> None:
    assert path_matches("app/api/a.py", pattern) is fits


def test_text_of_the_project_is_cut_and_stripped(write_tree: Write) -> None:
    assert clean("a\x1b[31mb\u202ec\nd\ud800", 100) == "a[31mbc d"
    assert clean("x" * 50, 10) == "x" * 9 + "…"
    root = write_tree({"a.py": "f('" + "x" * 1000 + "\u202e')\n"})
    (signal,) = outcome(root, make(calls_of("f"))).signals
    assert len(signal.source) == 200
    assert "\u202e" not in signal.source
    assert ast.parse((root / "a.py").read_text(encoding="utf-8"))
