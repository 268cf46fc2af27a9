"""The reading list as text: ranges of files in the order to read, each with its reasons."""

from __future__ import annotations

from collections.abc import Sequence

from check import clean
from reading import Entry, Group
from report.wording import NOTES_LIMIT, TEXT_LIMIT, count, size

_SHOWN = 6
_MANY = 20  # ranges


def reading_list_text(
    groups: Sequence[Group], listed: int, known: int, budget: int, target: str, offset: int = 0
) -> str:
    """Groups from `offset` on within 25,000 characters; says what the budget left out and how to see more."""
    lines = sum(group.lines for group in groups)
    what = f"{count(listed, 'function')} of {known} that requests reach or that handle money or credentials"
    what += f", {count(lines, 'line')} in {len(groups)} ranges"
    head = [f"{what} (budget {budget}). Read each range once; reasons say what to look for.", ""]
    body: list[str] = []
    for done, group in enumerate(groups[offset:], offset):
        block = _block(group)
        if size(head) + size(body) + size(block) > TEXT_LIMIT - NOTES_LIMIT - 10:
            left = count(len(groups) - done, "more range")
            body.append(f"{left}: `review.py reading-list{target} --budget {budget} --offset {done}`.")
            break
        body += block
    if listed < known:
        more = f"review.py reading-list{target} --budget {budget * 2}"
        body.append(f"Left out: {count(known - listed, 'function')}; `{more}` lists more.")
    elif len(groups) > _MANY:
        picked = f"review.py reading-list{target} --budget {lines // 3}"
        body.append(f"The budget holds every function, least telling last; `{picked}` names a third.")
    return "\n".join([*head, *body]) + "\n"


def _block(group: Group) -> list[str]:
    ordered = sorted(group.entries, key=lambda e: -e.score)
    lines = [f"{clean(group.path, 200)}:{group.first}-{group.last}"]
    lines += [f"  {_entry(entry)}" for entry in ordered[:_SHOWN]]
    if len(ordered) > _SHOWN:
        lines.append(f"  and {len(ordered) - _SHOWN} more functions")
    return lines


def _entry(entry: Entry) -> str:
    return clean(f"{entry.first} {entry.name}: {'; '.join(entry.reasons)}", 220)
