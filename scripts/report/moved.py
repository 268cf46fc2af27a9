"""Where quoted code stands now: the right lines for citations that have moved."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from check import clean
from report.document import Citation, Issue, Report, citations, quotes_in, quotes_of
from report.evidence import Tree
from report.wording import size

_SHORTEST_SEARCHED = 12


@dataclass(frozen=True, slots=True, order=True)
class Move:
    """A citation that does not stand where its code does. `numbers` are the lines of the report that cite it."""

    numbers: tuple[int, ...]
    old: str
    new: str
    quote: str


def standing(quote: str, places: Sequence[Citation], tree: Tree) -> tuple[Citation, str, int] | None:
    """Where quoted code stands: the citation that means it, path and line. None when nowhere, or in several files."""
    near = [
        (abs(line - place.line), place, place.path, line) for place in places for line in tree.found(quote, place.path)
    ]
    if near:
        _, place, path, line = min(near, key=lambda found: found[0])
        return place, path, line
    if not places:
        return None
    renamed = tree.nearest(places[0].path) if tree.lines(places[0].path) is None else None
    if renamed and (lines := tree.found(quote, renamed)):
        return places[0], renamed, min(lines, key=lambda line: abs(line - places[0].line))
    holders = tree.holders(quote) if len(quote) >= _SHORTEST_SEARCHED else []
    return (places[0], *holders[0]) if len(holders) == 1 else None


def moves(report: Report, tree: Tree) -> list[Move]:
    """One for each citation whose code stands elsewhere, in order of the report."""
    found: dict[tuple[str, int], Move] = {}
    for issue in report.issues:
        for place, path, line, quote in _of(issue, tree):
            if (place.path, place.line) not in found:
                numbers = _numbers(report, place)
                length = place.end - place.line
                new = f"{path}:{line}" + (f"-{line + length}" if length else "")
                found[place.path, place.line] = Move(numbers, _written(place), new, clean(quote, 60))
    return sorted(found.values())


def moves_text(found: Sequence[Move], limit: int) -> str:
    """Proposals for whoever edits the report, within `limit` characters."""
    if not found:
        return "\nNo citation has to move: every quote that was found stands on the line cited for it.\n"
    lines = ["", "Proposed locations (the report was not changed):"]
    for done, move in enumerate(found):
        where = f"line{'s' if len(move.numbers) > 1 else ''} {', '.join(map(str, move.numbers))}"
        line = f"- {where}: {move.old} -> {move.new}, there stands `{move.quote}`"
        if size(lines) + len(line) > limit - 60:
            lines.append(f"… {len(found) - done} more, shown when these are mended")
            break
        lines.append(line)
    return "\n".join(lines) + "\n"


def _of(issue: Issue, tree: Tree) -> Iterator[tuple[Citation, str, int, str]]:
    places = issue.citations
    for quote in [quote for _, quote in quotes_of(issue)] or quotes_in(issue.title):
        if any(_stands_at(quote, place, tree) for place in places):
            continue
        at = standing(quote, places, tree)
        if at is not None:
            yield *at, quote


def _stands_at(quote: str, place: Citation, tree: Tree) -> bool:
    """Whether code starts exactly on the cited lines; a name may also be near, or be that of what encloses them."""
    lines = tree.found(quote, place.path)
    return any(place.line <= line <= place.end for line in lines) or (
        quote.isidentifier() and tree.stands_near(quote, place)
    )


def _numbers(report: Report, place: Citation) -> tuple[int, ...]:
    same = (
        line.number
        for line in report.lines
        for c in citations(line)
        if (c.path, c.line, c.end) == (place.path, place.line, place.end)
    )
    return tuple(sorted(set(same)))


def _written(place: Citation) -> str:
    return f"{place.path}:{place.line}" + (f"-{place.end}" if place.end != place.line else "")
