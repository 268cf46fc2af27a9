"""Mermaid pictures: the packages of today with the imports between them, and the domains of the target."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping

from project import Module, Project
from project.language.imports import TYPING
from project.language.layers import plural
from project.language.packages import packages
from redesign.domains import Grouping
from report.wording import count

_MOST_NODES, _MOST_EDGES = 12, 20


def today(project: Project) -> str:
    """Packages as boxes with size and layer; a number on an arrow counts imports, red arrows are part of a cycle."""
    group = packages(m for m in project.app_modules if m.node.body)
    edges: Counter[tuple[str, str]] = Counter()
    for module in group:
        for item in project.imports.of(module):
            here, there = group[module], group.get(item.target, "")
            if there and here != there and item.when != TYPING and not item.package:
                edges[here, there] += 1
    tied = {
        (group[hop.importer], group[hop.target])
        for cycle in project.imports.cycles
        for hop in cycle.hops
        if hop.importer in group and hop.target in group
    }
    return _flowchart(_sized(project, group), edges, tied, len(set(group.values())))


def target(grouping: Grouping) -> str:
    """Domains as boxes; an arrow counts the imports that cross from one to the other."""
    labels = {
        d.name: f"{_safe(d.name)}<br/>{count(len(d.routes), 'route')}, {count(d.lines, 'line')}"
        for d in grouping.domains[:_MOST_NODES]
    }
    edges = {(d.name, other.name): number for d in grouping.domains for other, number in d.uses.items()}
    return _flowchart(labels, edges, set(), len(grouping.domains))


def _sized(project: Project, group: Mapping[Module, str]) -> dict[str, str]:
    """Labels of the largest packages: name, layer of most of its files, size."""
    members: dict[str, list[Module]] = {}
    for module, package in group.items():
        members.setdefault(package, []).append(module)
    largest = sorted(members, key=lambda p: (-sum(len(m.lines) for m in members[p]), p))[:_MOST_NODES]
    labels = {}
    for package in largest:
        layer, number = Counter(project.layers.of(m) for m in members[package]).most_common(1)[0]
        what = f"{plural(layer)}, " if layer and 2 * number > len(members[package]) else ""
        lines = sum(len(m.lines) for m in members[package])
        labels[package] = f"{_safe(package)}<br/>{what}{count(len(members[package]), 'file')}, {count(lines, 'line')}"
    return labels


def _flowchart(
    labels: Mapping[str, str], edges: Mapping[tuple[str, str], int], red: set[tuple[str, str]], boxes: int
) -> str:
    """`boxes` is how many there would be; `labels` holds those that are drawn."""
    ids = {name: f"n{i}" for i, name in enumerate(labels)}
    known = {pair: number for pair, number in edges.items() if pair[0] in ids and pair[1] in ids}
    drawn = sorted(known, key=lambda pair: (pair not in red, -known[pair], pair))
    lines = ["flowchart TD", *(f'  {ids[name]}["{label}"]' for name, label in labels.items())]
    if boxes > len(labels):
        lines.append(f"  %% the {len(labels)} largest of {boxes} boxes")
    lines += [f"  {ids[here]} -->|{known[here, there]}| {ids[there]}" for here, there in drawn[:_MOST_EDGES]]
    if len(drawn) > _MOST_EDGES:
        lines.append(f"  %% the {_MOST_EDGES} strongest of {len(drawn)} arrows")
    cycles = [str(i) for i, pair in enumerate(drawn[:_MOST_EDGES]) if pair in red]
    if cycles:
        lines.append(f"  linkStyle {','.join(cycles)} stroke:#c00,stroke-width:3px")
    return "\n".join(lines)


def _safe(label: str) -> str:
    return re.sub(r"[^\w./, -]", "_", label)[:80]
