"""Scores as a bar chart: six rows of five boxes, filled from the left."""

from __future__ import annotations

from collections.abc import Mapping

from catalogue import DIMENSIONS
from report.page.markup import safe
from report.scores import Score

_ROW, _BOX, _GAP, _LEFT = 34, 44, 6, 176


def score_chart(scores: Mapping[str, Score]) -> str:
    """Inline SVG; the numbers stand beside the bars, so that no colour is needed to read it."""
    rows = [(d.title, score.stars if (score := scores.get(d.title)) else None) for d in DIMENSIONS]
    said = "; ".join(f"{title} {_of_five(stars)}" for title, stars in rows)
    parts = [_row(title, stars, n * _ROW) for n, (title, stars) in enumerate(rows)]
    size = f"0 0 {_LEFT + 5 * (_BOX + _GAP) + 70} {len(rows) * _ROW}"
    return f'<svg class="chart" viewBox="{size}" role="img" aria-label="{safe(said)}">{"".join(parts)}</svg>'


def _row(title: str, stars: int | None, top: int) -> str:
    boxes = "".join(
        f'<rect class="{"full" if n < (stars or 0) else "empty"}" x="{_LEFT + n * (_BOX + _GAP)}" y="{top + 6}" '
        f'width="{_BOX}" height="{_ROW - 14}" rx="3"/>'
        for n in range(5)
    )
    right = _LEFT + 5 * (_BOX + _GAP) + 6
    return (
        f'<text x="0" y="{top + 21}">{safe(title)}</text>{boxes}'
        f'<text class="figure" x="{right}" y="{top + 21}">{_of_five(stars)}</text>'
    )


def _of_five(stars: int | None) -> str:
    return "no score" if stars is None else f"{stars} of 5"
