"""Versions are ordered as packaging orders them, and constraints mean what the tools that write them mean."""

from __future__ import annotations

import itertools

import pytest

from project.stack.versions import Range, Version

packaging_version = pytest.importorskip("packaging.version")
packaging_specifiers = pytest.importorskip("packaging.specifiers")

ORDERED = [
    "0.9",
    "1.0.dev1",
    "1.0a1",
    "1.0a2",
    "1.0b1",
    "1.0rc1",
    "1.0",
    "1.0.post1",
    "1.0.1",
    "1.2",
    "1.10",
    "2023.3.0.0",
]


def version(text: str) -> Version:
    parsed = Version.parse(text)
    assert parsed is not None
    return parsed


@pytest.mark.parametrize(("low", "high"), list(itertools.combinations(ORDERED, 2)))
def test_versions_are_ordered_like_those_of_packaging(low: str, high: str) -> None:
    assert packaging_version.Version(low) < packaging_version.Version(high)
    assert version(low) < version(high) and version(low) != version(high)


@pytest.mark.parametrize(
    ("one", "other"), [("1.0", "1"), ("v1.2", "1.2.0"), ("1.0-beta.2", "1.0b2"), ("1.0+cu118", "1.0")]
)
def test_spellings_of_one_version(one: str, other: str) -> None:
    assert version(one) == version(other) and hash(version(one)) == hash(version(other))


@pytest.mark.parametrize("text", ["", "*", "latest", "main", ">=1"])
def test_what_is_no_version(text: str) -> None:
    assert Version.parse(text) is None


@pytest.mark.parametrize(
    ("spec", "minimum", "maximum"),
    [
        (">=0.109.1", "0.109.1", None),
        ("<3.0.0.0,>=2.1.0.post1", "2.1.0.post1", "3"),
        ("==1.2.3", "1.2.3", "1.2.3"),
        ("1.2.3", "1.2.3", "1.2.3"),
        ("==1.2.*", "1.2", "1.3"),
        ("~=1.4.2", "1.4.2", "1.5"),
        ("~=3.11", "3.11", "4"),
        ("^0.98.0", "0.98.0", "0.99"),
        ("^0.0.6", "0.0.6", "0.0.7"),
        ("^2.31.0", "2.31.0", "3"),
        ("~6.0.0", "6.0.0", "6.1"),
        ("~1", "1", "2"),
        ("=0.95", "0.95", "0.96"),
        (">1,<=2", "1", "2"),
        (">=1.2 <2", "1.2", "2"),
        ("^1.2 || ^2.0", "1.2", "3"),
        ("!=2.11.0,<3,>=2.10.1", "2.10.1", "3"),
        ("*", None, None),
        ("", None, None),
    ],
)
def test_what_a_constraint_allows(spec: str, minimum: str | None, maximum: str | None) -> None:
    allowed = Range.parse(spec)
    assert allowed.minimum == (version(minimum) if minimum else None)
    assert allowed.maximum == (version(maximum) if maximum else None)


@pytest.mark.parametrize("spec", [">=1.2,<2", "==1.5", "~=1.4", "<=1.3", "<2", ">=3", "==1.2.*", "!=1.5,>=1.1"])
@pytest.mark.parametrize("wanted", ["1.0", "1.2", "1.3", "1.5", "2.0", "3.0"])
def test_at_least_agrees_with_the_versions_a_constraint_contains(spec: str, wanted: str) -> None:
    specifiers = packaging_specifiers.SpecifierSet(spec)
    contained = [v for v in (f"{major}.{minor}" for major in range(5) for minor in range(20)) if v in specifiers]
    answers = {packaging_version.Version(v) >= packaging_version.Version(wanted) for v in contained}
    answer = Range.parse(spec).at_least(version(wanted))
    assert answer is (answers.pop() if len(answers) == 1 else None)


@pytest.mark.parametrize(
    ("spec", "pinned"), [("==1.2.3", True), ("1.2.3", True), ("==1.2.*", False), (">=1", False), ("", False)]
)
def test_pins(spec: str, pinned: bool) -> None:
    assert Range.parse(spec).pinned is pinned
