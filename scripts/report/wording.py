"""Small pieces shared by all text output: counting words, columns, and keeping within a number of characters."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from check import clean

TEXT_LIMIT = 25_000
NOTES_LIMIT = 600
_LIKE = 0.55
_MOST_NOTES = 4


@dataclass(frozen=True, slots=True, order=True)
class Broken:
    """A rule that the report breaks: the line of the report (0: nowhere), what is wrong and what would be right."""

    line: int
    what: str
    remedy: str


def count(number: int, noun: str) -> str:
    """`3 routes`, `1 route`; nouns that end in y become -ies."""
    if number == 1:
        return f"1 {noun}"
    plural = noun[:-1] + "ies" if noun.endswith("y") and noun[-2] not in "aeiou" else noun + "s"
    return f"{number:,} {plural}"


def size(lines: Iterable[str]) -> int:
    """Characters that these lines take when printed."""
    return sum(len(line) + 1 for line in lines)


def columns(rows: Sequence[Sequence[str]], indent: str = "  ") -> list[str]:
    """Rows with every column but the last padded to its widest cell."""
    if not rows:
        return []
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        indent + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    ]


def first(lines: Sequence[str], limit: int, more: str) -> list[str]:
    """The first `limit` lines, and a line saying how many are left; `more` says how to see them."""
    if len(lines) <= limit:
        return list(lines)
    return [*lines[:limit], f"  … {len(lines) - limit:,} more{': ' if more else ''}{more}"]


def nearest(word: str, known: Sequence[str]) -> str:
    """`, did you mean …?` with the known word nearest to `word`, else what there is when that is short."""
    likeness = {name: difflib.SequenceMatcher(None, word.lower(), name.lower()).ratio() for name in known}
    best = max(known, key=lambda name: likeness[name], default="")
    if likeness.get(best, 0) > _LIKE:
        return f", did you mean {best}?"
    return f", there is: {', '.join(known)}" if 0 < len(known) <= 12 else ""


def notes_text(notes: Sequence[str], limit: int = NOTES_LIMIT) -> str:
    """Notes behind another text, a line each; each gets its share of `limit` characters, so that none hides another."""
    lines = list(notes)
    if size(lines) > limit:
        more = len(lines) - _MOST_NOTES
        lines[_MOST_NOTES:] = [f"{count(more, 'more note')}, see `review.py signals`"] if more > 0 else []
        lines = [clean(line, limit // len(lines) - 1) for line in lines]
    return "".join(f"{line}\n" for line in lines)


def shown_path(path: str, limit: int) -> str:
    """A path that starts no Markdown of its own, such as a fence or a heading, at the beginning of a line."""
    shown = clean(path, limit)
    return shown if shown[:1].isalnum() or shown[:1] in "_." else f"./{shown}"
