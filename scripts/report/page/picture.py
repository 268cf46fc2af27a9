"""The architecture as a picture: packages in rows, lines for imports, cycles and wrong directions marked."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise

from project.language.layers import ENTRY, LAYERS
from report.page.layout import BOX_HEIGHT, BOX_WIDTH, Layout, layout
from report.page.markup import safe, table
from report.page.packages import Package, PackageGraph
from report.wording import count

_ORDER = {layer: n for n, layer in enumerate((ENTRY, *LAYERS))}
_NAME_LENGTH, _EDGE = 21, 8


def picture(graph: PackageGraph) -> str:
    """The picture with its legend, and the same as a table for those who cannot see it."""
    names = [p.name for p in sorted(graph.packages, key=lambda p: (_ORDER.get(p.layer, len(_ORDER)), p.name))]
    placed = layout(names, graph.imports)
    numbers = {package.name: n for n, package in enumerate(graph.packages)}
    lines = "".join(_line(pair, points, graph, placed, numbers) for pair, points in sorted(placed.lines.items()))
    boxes = "".join(_box(package, *placed.boxes[package.name], numbers[package.name]) for package in graph.packages)
    size = f"{-_EDGE} {-_EDGE} {placed.width + 2 * _EDGE:.0f} {placed.height + 2 * _EDGE:.0f}"
    left_out = len(graph.imports) - len(placed.lines)
    said = f"{count(len(graph.packages), 'package')}, {count(len(graph.imports), 'import direction')}"
    note = f"; of these, {len(placed.upward)} close cycles" if placed.upward else ""
    note += f"; {left_out} that longer ways imply, or that are thin, are not drawn" if left_out else ""
    return (
        f'<figure><figcaption id="picture-said">{said}{note}. A line leads from the package that imports, '
        "above, to the one imported, below; the table has all of them.</figcaption>"
        f'<div class="scroll" role="region" tabindex="0" aria-labelledby="picture-said"><svg class="picture" '
        f'viewBox="{size}" width="{placed.width + 2 * _EDGE:.0f}" role="img" aria-labelledby="picture-said">'
        f"{_MARKERS}{lines}{boxes}</svg></div>{_LEGEND}</figure>"
        f"<details><summary>Packages and their imports as a table</summary>{_table(graph, placed)}</details>"
    )


def _line(
    pair: tuple[str, str],
    points: Sequence[tuple[float, float]],
    graph: PackageGraph,
    placed: Layout,
    numbers: Mapping[str, int],
) -> str:
    kind = "upward" if pair in placed.upward else "against" if pair in graph.against else "down"
    end = "marker-start" if kind == "upward" else "marker-end"
    about = f"{pair[0]} imports {pair[1]}, {count(graph.imports[pair], 'import')}"
    return (
        f'<path class="{kind}" data-ends="{numbers[pair[0]]} {numbers[pair[1]]}" d="{_curve(points)}" '
        f'{end}="url(#tip-{kind})"><title>{safe(about)}</title></path>'
    )


def _curve(points: Sequence[tuple[float, float]]) -> str:
    parts = [f"M{points[0][0]:.0f} {points[0][1]:.0f}"]
    for (x, y), (to_x, to_y) in pairwise(points):
        middle = (y + to_y) / 2
        parts.append(f"C{x:.0f} {middle:.0f} {to_x:.0f} {middle:.0f} {to_x:.0f} {to_y:.0f}")
    return "".join(parts)


def _box(package: Package, left: float, top: float, number: int) -> str:
    name = package.name if len(package.name) <= _NAME_LENGTH else "…" + package.name[1 - _NAME_LENGTH :]
    layer = package.layer.replace(" ", "-") or "none"
    held = count(package.modules, "module") if package.modules > 1 else count(package.lines, "line")
    below = " · ".join(filter(None, [package.layer, held]))
    known = package.layer or "no layer recognised"
    about = f"{package.name}: {known}, {count(package.modules, 'module')}, {count(package.lines, 'line')}"
    return (
        f'<g class="box" data-box="{number}" transform="translate({left:.0f} {top:.0f})"><title>{safe(about)}</title>'
        f'<rect class="frame" width="{BOX_WIDTH}" height="{BOX_HEIGHT}" rx="5"/>'
        f'<rect class="stripe layer-{safe(layer)}" width="6" height="{BOX_HEIGHT}" rx="2"/>'
        f'<text x="14" y="20">{safe(name)}</text><text class="small" x="14" y="36">{safe(below)}</text></g>'
    )


def _table(graph: PackageGraph, placed: Layout) -> str:
    rows = [
        [
            f"<code>{safe(package.name)}</code>",
            safe(package.layer or "none recognised"),
            f"{package.modules:,}",
            f"{package.lines:,}",
            ", ".join(_targets(package.name, graph, placed)) or "nothing",
        ]
        for package in graph.packages
    ]
    return table(
        "Packages, their layer and what they import", ["Package", "Layer", "Modules", "Lines", "Imports"], rows
    )


def _targets(name: str, graph: PackageGraph, placed: Layout) -> Iterator[str]:
    for (source, target), number in sorted(graph.imports.items()):
        if source == name:
            against = " (against the layers)" if (source, target) in graph.against else ""
            closes = " (closes a cycle)" if (source, target) in placed.upward else ""
            yield f"<code>{safe(target)}</code> {number}{closes}{against}"


def _marker(kind: str, turn: str) -> str:
    return (
        f'<marker id="tip-{kind}" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" markerHeight="7" orient="{turn}">'
        '<path class="tip" d="M0 0L8 4L0 8z"/></marker>'
    )


_MARKERS = "".join(
    ["<defs>", _marker("down", "auto"), _marker("against", "auto"), _marker("upward", "auto-start-reverse"), "</defs>"]
)
_SAMPLE = (
    '<svg class="picture" viewBox="0 0 40 10" width="40" height="10" aria-hidden="true">'
    '<path class="{}" d="M0 5H40"/></svg>'
)
_LEGEND = (
    '<ul class="legend">'
    f"<li>{_SAMPLE.format('down')} imports</li>"
    f"<li>{_SAMPLE.format('upward')} dashed, leading up: closes a cycle</li>"
    f"<li>{_SAMPLE.format('against')} dotted: against the layers</li></ul>"
)
