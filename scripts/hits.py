"""What checks yield, and the same as rows of JSON for a snapshot. Secrets are not written, only where they stand."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from project.place import Place

RESOLVED, INFERRED, BY_NAME = "resolved", "inferred", "by-name"
Lines = Callable[[str], list[str]]
_ELSEWHERE = "\0"  # instead of a secret that does not stand in the lines as it is: found in no line either


@dataclass(frozen=True, slots=True)
class Hit:
    """What a check yields for one place. `trace` leads to the place, `places` are more of the same cause.

    `secrets` are values that stand there and must never be printed; what looks like one is masked anyway.
    """

    place: Place
    message: str
    trace: tuple[Place, ...] = ()
    impact: str | None = None
    certainty: str = RESOLVED
    places: tuple[Place, ...] = ()
    secrets: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NotAssessed:
    """What a check yields when it could not see enough to judge; `failed` when the check itself broke."""

    why: str
    check: str = ""
    failed: bool = False


Collected = tuple[list[Hit], list[NotAssessed]]


def as_rows(collected: Collected, text_of: Lines) -> list[Any]:
    """Rows of what one check yielded. `text_of` gives the lines of a file."""
    hits, notes = collected
    return [[_hit_row(hit, text_of) for hit in hits], [[note.why, note.check] for note in notes]]


def from_rows(rows: list[Any], text_of: Lines) -> Collected:
    """The inverse of `as_rows`."""
    hits, notes = rows
    return [_hit(row, text_of) for row in hits], [NotAssessed(why, check) for why, check in notes]


def _hit_row(hit: Hit, text_of: Lines) -> list[Any]:
    places = (_place_row(hit.place), [*map(_place_row, hit.trace)], [*map(_place_row, hit.places)])
    return [*places, hit.message, hit.impact, hit.certainty, [_where(s, hit.place, text_of) for s in hit.secrets if s]]


def _hit(row: list[Any], text_of: Lines) -> Hit:
    place, trace, places, message, impact, certainty, secrets = row
    at = Place(*place)
    found = tuple(_secret(where, at, text_of) for where in secrets)
    return Hit(at, message, _places(trace), impact, certainty, _places(places), found)


def _place_row(place: Place) -> list[Any]:
    return [place.path, place.line, place.end_line, place.symbol, place.label]


def _places(rows: Iterable[list[Any]]) -> tuple[Place, ...]:
    return tuple(Place(*row) for row in rows)


def _where(secret: str, place: Place, text_of: Lines) -> list[int] | None:
    for number, line in _lines(place, text_of):
        if secret in line:
            start = line.index(secret)
            return [number, start, start + len(secret)]
    return None


def _secret(where: list[int] | None, place: Place, text_of: Lines) -> str:
    if where is None:
        return _ELSEWHERE
    number, start, end = where
    return dict(_lines(place, text_of))[number][start:end]


def _lines(place: Place, text_of: Lines) -> Iterator[tuple[int, str]]:
    lines = text_of(place.path)
    return ((number, lines[number - 1]) for number in range(max(place.line, 1), min(place.end_line, len(lines)) + 1))
