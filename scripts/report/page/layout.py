"""Where the boxes and lines of a graph go: rows so that most lines lead down, few crossings, lines between boxes."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

Pair = tuple[str, str]
_Node = str | tuple[str, str, int]  # a box, or the point where the line of a pair passes a row

BOX_WIDTH, BOX_HEIGHT = 176, 46
_GAP, _ROW_GAP, _POINT_WIDTH = 14, 58, 4
_ACROSS = 6
_DOWN_LINES, _UP_LINES, _FEW = 2, 0.4, 5  # drawn for each box, at most, and how many more
_SWEEPS = 10


@dataclass(frozen=True, slots=True)
class Layout:
    """`boxes`: left and top of each. `lines`: points from upper to lower box of each drawn pair (source, target).

    `upward`: pairs whose source stands below their target, so that they close a cycle.
    """

    boxes: dict[str, tuple[float, float]]
    lines: dict[Pair, list[tuple[float, float]]]
    upward: frozenset[Pair]
    width: float
    height: float


def layout(names: Sequence[str], weights: Mapping[Pair, int]) -> Layout:
    """`names` are in the order preferred from top to bottom.

    Lines that a longer way implies are left out, then the thinnest of what is too much to see.
    """
    order = {name: n for n, name in enumerate(_ordered(names, weights))}
    upward = frozenset(pair for pair in weights if order[pair[0]] > order[pair[1]])
    down = _thickest(_reduced(pair for pair in weights if pair not in upward), weights, _DOWN_LINES * len(names) + _FEW)
    kept = down + _thickest(upward, weights, int(_UP_LINES * len(names)) + _FEW)
    joined = {(min(p, key=order.__getitem__), max(p, key=order.__getitem__)) for p in kept}
    rows_of = _ranked(sorted(names, key=order.__getitem__), joined)
    rows, ways = _rows(rows_of, kept, upward)
    _uncross(rows, ways)
    centres = _placed(rows, ways)
    left = min(centres.values(), default=0.0) - BOX_WIDTH / 2
    spots = {
        node: (centres[node] - left, float(n * (BOX_HEIGHT + _ROW_GAP))) for n, row in enumerate(rows) for node in row
    }
    boxes = {node: (x - BOX_WIDTH / 2, y) for node, (x, y) in spots.items() if isinstance(node, str)}
    lines = {
        pair: _points([spots[node] for node in way], pair in upward and pair[::-1] in ways)
        for pair, way in ways.items()
    }
    width = max((x for x, _ in spots.values()), default=0) + BOX_WIDTH / 2
    return Layout(boxes, lines, upward, width, max(len(rows) * (BOX_HEIGHT + _ROW_GAP) - _ROW_GAP, 0))


def _thickest(pairs: Iterable[Pair], weights: Mapping[Pair, int], number: int) -> list[Pair]:
    return sorted(pairs, key=lambda p: (-weights[p], p))[:number]


def _ordered(names: Sequence[str], weights: Mapping[Pair, int]) -> list[str]:
    """An order in which little leads backwards (Eades, Lin and Smyth, 1993)."""
    left = list(names)
    into: dict[str, dict[str, int]] = {name: {} for name in names}
    out: dict[str, dict[str, int]] = {name: {} for name in names}
    for (a, b), weight in weights.items():
        out[a][b] = into[b][a] = weight
    head: list[str] = []
    tail: list[str] = []
    while left:
        sink = next((name for name in reversed(left) if not out[name]), None)
        source = next((name for name in left if not into[name]), None)
        if sink is not None:
            name = sink
            tail.append(name)
        else:
            name = source or max(left, key=lambda n: sum(out[n].values()) - sum(into[n].values()))
            head.append(name)
        left.remove(name)
        for other in into.pop(name):
            out[other].pop(name, None)
        for other in out.pop(name):
            into[other].pop(name, None)
    return head + tail[::-1]


def _ranked(order: Sequence[str], down: Iterable[Pair]) -> list[list[str]]:
    """Rows of at most six, each box below all that lead to it; what stands alone comes last."""
    above: dict[str, set[str]] = defaultdict(set)
    for a, b in down:
        above[b].add(a)
    joined = {name for pair in down for name in pair}
    rows: list[list[str]] = []
    row_of: dict[str, int] = {}
    for name in (n for n in order if n in joined):
        row = max((row_of[a] + 1 for a in above[name]), default=0)
        while row < len(rows) and len(rows[row]) >= _ACROSS:
            row += 1
        rows += [[] for _ in range(row + 1 - len(rows))]
        rows[row].append(name)
        row_of[name] = row
    alone = [name for name in order if name not in joined]
    return [row for row in rows if row] + [alone[n : n + _ACROSS] for n in range(0, len(alone), _ACROSS)]


def _reduced(pairs: Iterable[Pair]) -> set[Pair]:
    """Pairs of a graph without cycles that no longer way implies."""
    out: dict[str, set[str]] = defaultdict(set)
    for a, b in pairs:
        out[a].add(b)
    reach: dict[str, set[str]] = {}

    def reached(name: str) -> set[str]:
        if name not in reach:
            reach[name] = set().union(*({other} | reached(other) for other in out.get(name, ())))
        return reach[name]

    return {(a, b) for a in list(out) for b in out[a] if not any(b in reached(c) for c in out[a] if c != b)}


def _rows(
    boxes: Sequence[Sequence[str]], pairs: Iterable[Pair], upward: frozenset[Pair]
) -> tuple[list[list[_Node]], dict[Pair, list[_Node]]]:
    """Rows with the points that long lines pass, and each line as its nodes from top to bottom."""
    row_of = {name: n for n, row in enumerate(boxes) for name in row}
    rows: list[list[_Node]] = [list(row) for row in boxes]
    ways: dict[Pair, list[_Node]] = {}
    for pair in pairs:
        top, bottom = pair[::-1] if pair in upward else pair
        way: list[_Node] = [top]
        for n in range(row_of[top] + 1, row_of[bottom]):
            point = (*pair, n)
            rows[n].append(point)
            way.append(point)
        ways[pair] = [*way, bottom]
    return rows, ways


def _neighbours(ways: Mapping[Pair, Sequence[_Node]]) -> tuple[dict[_Node, list[_Node]], dict[_Node, list[_Node]]]:
    above: dict[_Node, list[_Node]] = defaultdict(list)
    below: dict[_Node, list[_Node]] = defaultdict(list)
    for way in ways.values():
        for a, b in pairwise(way):
            above[b].append(a)
            below[a].append(b)
    return above, below


def _uncross(rows: list[list[_Node]], ways: Mapping[Pair, Sequence[_Node]]) -> None:
    """Sort each row by the mean place of its neighbours in the row before, down and up again."""
    above, below = _neighbours(ways)
    for sweep in range(_SWEEPS):
        near = below if sweep % 2 else above
        place = {node: n / len(row) for row in rows for n, node in enumerate(row)}
        for row in reversed(rows) if sweep % 2 else rows:
            means = {node: _mean([place[o] for o in near[node]], place[node]) for node in row}
            row.sort(key=lambda node: means[node])
            place.update({node: n / len(row) for n, node in enumerate(row)})


def _placed(rows: Sequence[Sequence[_Node]], ways: Mapping[Pair, Sequence[_Node]]) -> dict[_Node, float]:
    """The centre of each node across: near the mean of its neighbours, in the order of the row, without overlap."""
    above, below = _neighbours(ways)
    centres: dict[_Node, float] = {}
    for row in rows:
        wanted = [0.0] * len(row)
        spread = _spread(row, wanted)
        centres.update(zip(row, spread, strict=True))
    for sweep in range(_SWEEPS):
        for row in reversed(rows) if sweep % 2 else rows:
            wanted = [_mean([centres[o] for o in (*above[node], *below[node])], centres[node]) for node in row]
            centres.update(zip(row, _spread(row, wanted), strict=True))
    return centres


def _spread(row: Sequence[_Node], wanted: Sequence[float]) -> list[float]:
    """Places nearest to those wanted that keep order and distance (pooling of neighbours that would overlap)."""
    offset = 0.0
    offsets = []
    for n, node in enumerate(row):
        if n:
            offset += (_width(row[n - 1]) + _width(node)) / 2 + _GAP
        offsets.append(offset)
    pools: list[tuple[float, int]] = []
    for want, shift in zip(wanted, offsets, strict=True):
        total, number = want - shift, 1
        while pools and pools[-1][0] / pools[-1][1] > total / number:
            total, number = total + pools[-1][0], number + pools[-1][1]
            pools.pop()
        pools.append((total, number))
    starts = [total / number for total, number in pools for _ in range(number)]
    return [start + shift for start, shift in zip(starts, offsets, strict=True)]


def _width(node: _Node) -> float:
    return BOX_WIDTH if isinstance(node, str) else _POINT_WIDTH


def _mean(values: Sequence[float], otherwise: float) -> float:
    return sum(values) / len(values) if values else otherwise


def _points(spots: Sequence[tuple[float, float]], aside: bool) -> list[tuple[float, float]]:
    """From the lower edge of the first box to the upper edge of the last; a line in both directions stands aside."""
    shift = 16.0 if aside else 0.0
    (x, y), *passed, (end_x, end_y) = spots
    through = [point for px, py in passed for point in ((px + shift, py), (px + shift, py + BOX_HEIGHT))]
    return [(x + shift, y + BOX_HEIGHT), *through, (end_x + shift, end_y)]
