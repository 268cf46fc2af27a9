"""Versions and version constraints as Python's packaging tools write them (PEP 440, Poetry, conda), tolerantly."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import total_ordering

_VERSION = re.compile(
    r"\s*v?(?:\d+!)?(?P<release>\d{1,9}(?:\.\d{1,9}){0,9})"
    r"(?:[-_.]?(?P<phase>alpha|beta|preview|pre|dev|post|rev|rc|a|b|c|r)[-_.]?(?P<number>\d{0,9}))?",
    re.IGNORECASE,
)
_PHASES = {"dev": -4, "a": -3, "alpha": -3, "b": -2, "beta": -2, "c": -1, "rc": -1, "pre": -1, "preview": -1}
_CLAUSE = re.compile(r"(===|==|~=|!=|<=|>=|=|<|>|\^|~)?\s*(v?\d[\w.!+*-]*|\*)")
_ALTERNATIVES = re.compile(r"\|\|?")


@total_ordering
@dataclass(frozen=True, slots=True, eq=False)
class Version:
    """A release and its phase: below 0 before it (dev, alpha, beta, rc), above after it (post)."""

    text: str
    release: tuple[int, ...]
    phase: tuple[int, int] = (0, 0)

    @classmethod
    def parse(cls, text: str) -> Version | None:
        """None when it does not start like a version. Epochs and local parts (`+cu118`) are ignored."""
        match = _VERSION.match(text)
        if match is None:
            return None
        release = tuple(int(part) for part in match["release"].split("."))
        phase = (0, 0)
        if match["phase"]:
            phase = (_PHASES.get(match["phase"].lower(), 1), int(match["number"] or 0))
        return cls(match[0].strip().lstrip("vV"), release, phase)

    @property
    def _key(self) -> tuple[tuple[int, ...], tuple[int, int]]:
        release = self.release
        while release and release[-1] == 0:
            release = release[:-1]
        return release, self.phase

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Version) and self._key == other._key

    def __lt__(self, other: Version) -> bool:
        return self._key < other._key

    def __hash__(self) -> int:
        return hash(self._key)

    def __str__(self) -> str:
        return self.text

    def next_at(self, place: int) -> Version:
        """The first version whose part at `place` is one higher: 1.4.2 at 1 gives 1.5."""
        parts = [*self.release, *([0] * (place + 1))][: place + 1]
        parts[place] += 1
        return Version(".".join(map(str, parts)), tuple(parts))


@dataclass(frozen=True, slots=True)
class Range:
    """What a constraint allows: from `minimum` to `maximum`, either None when open."""

    minimum: Version | None = None
    maximum: Version | None = None
    with_maximum: bool = False
    pinned: bool = False

    @classmethod
    def parse(cls, spec: str) -> Range:
        """`>=1,<2`, `==1.2.*`, `~=1.4`, `^0.98`, `~1.2`, `1.2.3` (exactly), `=1.2` (conda: 1.2.*), `*`, `a || b`."""
        ranges = [cls._of_clauses(part) for part in _ALTERNATIVES.split(spec)]
        if len(ranges) == 1:
            return ranges[0]
        return cls.either(ranges)

    @classmethod
    def either(cls, ranges: list[Range]) -> Range:
        """What any of them allows."""
        lows = [r.minimum for r in ranges if r.minimum is not None]
        highs = sorted((r.maximum, r.with_maximum) for r in ranges if r.maximum is not None)
        minimum = min(lows) if len(lows) == len(ranges) and lows else None
        maximum, with_maximum = highs[-1] if len(highs) == len(ranges) and highs else (None, False)
        return cls(minimum, maximum, with_maximum, bool(minimum and minimum == maximum and with_maximum))

    @classmethod
    def _of_clauses(cls, spec: str) -> Range:
        lows: list[Version] = []
        highs: list[tuple[Version, bool]] = []
        pinned = False
        for match in _CLAUSE.finditer(spec):
            operator, text = match[1] or "==", match[2]
            version = Version.parse(text)
            if version is None:
                continue
            low, high = _bounds(operator, version, text)
            pinned = pinned or (operator in ("==", "===") and "*" not in text)
            lows += [low] if low else []
            highs += [high] if high else []
        maximum, with_maximum = min(highs) if highs else (None, False)
        return cls(max(lows, default=None), maximum, with_maximum, pinned)

    def at_least(self, version: Version) -> bool | None:
        """True when every allowed version is, False when none is, None when some are."""
        if self.minimum is not None and self.minimum >= version:
            return True
        if self.maximum is not None and (self.maximum < version or (self.maximum == version and not self.with_maximum)):
            return False
        return None


ANY = Range()


def _bounds(operator: str, version: Version, text: str) -> tuple[Version | None, tuple[Version, bool] | None]:
    """Lowest version allowed, and the highest with whether it is allowed itself."""
    last = len(version.release) - 1
    if operator == "!=":
        return None, None
    if operator in (">=", ">"):
        return version, None
    if operator in ("<", "<="):
        return None, (version, operator == "<=")
    if operator == "^":
        leading = next((i for i, part in enumerate(version.release) if part), last)
        return version, (version.next_at(leading), False)
    if operator == "~":
        return version, (version.next_at(min(1, last)), False)
    if operator == "~=":
        return version, (version.next_at(max(last - 1, 0)), False)
    if "*" in text or operator == "=":
        return version, (version.next_at(last), False)
    return version, (version, True)
