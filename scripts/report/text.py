"""Signals as text: one group a check with why and fix said once, then each place with its source line and trace."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from catalogue import CHECKS
from check import HIGH, IMPACTS, LOW, MEDIUM, RESOLVED, Check, NotAssessed, Outcome, Signal, clean
from report.wording import TEXT_LIMIT, count, first, size

if TYPE_CHECKING:
    from project.place import Place

# How many places a check to try, and whether to say why for all checks or for those of high impact only.
_TRIED = [(places, True) for places in (40_000, 60, 40, 25, 15, 10, 7, 5, 4, 3)] + [
    (places, False) for places in (6, 5, 4, 3, 2, 1)
]
_SHARE = {HIGH: 1, MEDIUM: 2, LOW: 4}  # of the places that a check of high impact shows
_REASONS = "Where no Why is said above: `review.py explain ID`."
_HOPS_SHOWN = 8
_LEFT_OUT_SHOWN = 60
_FURTHER_PLACES_SHOWN = 6
_BRIEF_MESSAGE = 140


def signals_text(outcome: Outcome, target: str, limit: int | None = None, offset: int = 0) -> str:
    """All of `outcome` within 25,000 characters: high impact first, fewer places a check when there are many.

    `limit` and `offset` page through the signals in order instead; a limit of 0 prints everything. `target` is the
    reviewed path as typed on the command line, with a leading space, or nothing.
    """
    notes = _notes(outcome)
    if limit is None and not offset:
        body = _balanced(outcome.signals, target, TEXT_LIMIT - size(notes) - 400)
    else:
        body = _page(outcome.signals, limit, offset, TEXT_LIMIT - size(notes) - 400)
    return "\n".join([_headline(outcome), "", *body, *notes]) + "\n"


def signals_brief(outcome: Outcome, limit: int | None = None, offset: int = 0) -> str:
    """One line a signal, for complete lists: in pages of 25,000 characters, or `limit` signals."""
    notes = _notes(outcome)
    body = _page(outcome.signals, limit, offset, TEXT_LIMIT - size(notes) - 400, brief=True)
    return "\n".join([_headline(outcome), "", *body, *notes]) + "\n"


def _headline(outcome: Outcome) -> str:
    if not outcome.signals:
        return "No signals. That is the scripts' word only: read on before saying that nothing is wrong."
    by_impact = [f"{sum(s.impact == impact for s in outcome.signals)} {impact}" for impact in IMPACTS]
    return (
        f"{count(len(outcome.signals), 'signal')} ({', '.join(by_impact)}). A signal is a place to read, not a finding."
    )


def _balanced(signals: Sequence[Signal], target: str, room: int) -> list[str]:
    groups = [list(group) for _, group in groupby(signals, key=lambda s: (s.impact, s.check))]
    for places, why in _TRIED:
        blocks = [_block(group, places, target, why) for group in groups]
        if sum(map(size, blocks)) <= room:
            return [line for block in blocks for line in block] + ([] if why else [_REASONS])
    return _cut_off(groups, target, room)


def _cut_off(groups: Sequence[list[Signal]], target: str, room: int) -> list[str]:
    """One place a check while there is room, then only how many there are of the rest."""
    lines: list[str] = []
    for done, group in enumerate(groups):
        block = _block(group, 1, target, False)
        rest = [f"  {g[0].check} {g[0].name}: {len(g):,} {g[0].impact}"[:79] for g in groups[done:]]
        left = first(rest, _LEFT_OUT_SHOWN, "--format json")
        if size(lines) + size(block) + size(left) > room:
            return [*lines, _REASONS, f"Left out, each with `review.py signals{target} --check ID`:", *left, ""]
        lines += block
    return lines


def _page(signals: Sequence[Signal], limit: int | None, offset: int, room: int, brief: bool = False) -> list[str]:
    wanted = signals[offset : offset + limit] if limit else signals[offset:]
    numbers = Counter((signal.impact, signal.check) for signal in signals)
    lines: list[str] = []
    shown = 0
    for key, group in groupby(wanted, key=lambda s: (s.impact, s.check)):
        rest = list(group)
        head = [_brief_head(rest[0], numbers[key])] if brief else _head(rest[0], numbers[key])
        for signal in rest:
            block = [*head, *([_brief_place(signal)] if brief else _place(signal))]
            if limit != 0 and size(lines) + size(block) > room:
                return [*lines, *_page_end(offset, shown, len(signals))]
            lines += block
            head = []
            shown += 1
        lines.append("")
    return [*lines, *_page_end(offset, shown, len(signals))]


def _page_end(offset: int, shown: int, total: int) -> list[str]:
    after = offset + shown
    if after < total:
        return [
            f"Signals {offset + 1} to {after} of {total}; go on with the same options and `--offset {after}`.",
            "",
        ]
    if not shown:
        return [f"There are only {count(total, 'signal')}.", ""] if offset else []
    return [f"Signals {offset + 1} to {total} of {total}: these were the last.", ""] if offset else []


def _block(group: list[Signal], places: int, target: str, why: bool) -> list[str]:
    lines = _head(group[0], len(group), why)
    places = -(-places // _SHARE[group[0].impact])
    for signal in group[:places]:
        lines += _place(signal)
    left = len(group) - places
    if left > 0:
        lines.append(f"- … {count(left, 'more place')}: `review.py signals{target} --check {group[0].check} --limit 0`")
    return [*lines, ""]


def _head(signal: Signal, number: int, why: bool = True) -> list[str]:
    check = _CHECK_BY_ID[signal.check]
    return [
        f"## {signal.check} {check.title} ({signal.name})",
        f"{signal.impact.capitalize()} impact, {count(number, 'place')}, {signal.doc}",
        *([f"Why: {check.why}"] if why or signal.impact == HIGH else []),
        f"Fix: {check.fix}",
    ]


def _brief_head(signal: Signal, number: int) -> str:
    return (
        f"## {signal.check} {_CHECK_BY_ID[signal.check].title}: {signal.impact.capitalize()}, {count(number, 'place')}"
    )


def _brief_place(signal: Signal) -> str:
    certainty = "" if signal.certainty == RESOLVED else f" [{signal.certainty}]"
    further = f" (+{len(signal.places)})" if signal.places else ""
    return f"- {signal.path}:{signal.line} {clean(signal.message, _BRIEF_MESSAGE)}{further}{certainty}"


def _place(signal: Signal) -> list[str]:
    certainty = "" if signal.certainty == RESOLVED else f" [{signal.certainty}]"
    lines = [f"- {signal.path}:{signal.line} {signal.message}{certainty}"]
    if signal.source.strip():
        lines.append(f"    | {signal.source.strip()}")
    if signal.trace:
        hops = [_hop(place) for place in signal.trace[:_HOPS_SHOWN]]
        lines.append("    via " + " → ".join(hops) + (" → …" if len(signal.trace) > _HOPS_SHOWN else ""))
    if signal.places:
        shown = ", ".join(f"{place.path}:{place.line}" for place in signal.places[:_FURTHER_PLACES_SHOWN])
        left = len(signal.places) - _FURTHER_PLACES_SHOWN
        lines.append(f"    also {shown}" + (f" and {left} more" if left > 0 else ""))
    return lines


def _hop(place: Place) -> str:
    return f"{place.label or place.symbol} ({place.path}:{place.line})"


def _notes(outcome: Outcome) -> list[str]:
    return [*not_assessed_lines(outcome.not_assessed), *hidden_lines(outcome)]


def not_assessed_lines(notes: Iterable[NotAssessed]) -> list[str]:
    """One line for every check that could not judge, the same reasons joined."""
    by_why: dict[str, list[str]] = {}
    for note in notes:
        by_why.setdefault(note.why, []).append(note.check)
    lines = [f"  {', '.join(dict.fromkeys(checks))}: {why}"[:300] for why, checks in by_why.items()]
    head = "Not assessed (absence of a signal means nothing here):"
    return [head, *first(lines, 20, "--format json")] if lines else []


def hidden_lines(outcome: Outcome) -> list[str]:
    """What is not reported and why: silenced by comments, changed by the project's configuration."""
    number = count(outcome.suppressed, "signal")
    silenced = [f"{number} suppressed by a comment in the project (review: ignore, noqa)."] * bool(outcome.suppressed)
    return [*silenced, *(f"Note: {note}" for note in outcome.notes)]


_CHECK_BY_ID: dict[str, Check] = {check.id: check for check in CHECKS}
