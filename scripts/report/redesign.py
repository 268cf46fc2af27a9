"""A proposed redesign as text within 12,000 characters, and as JSON whole."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Any

from check import clean
from project import Module, Place
from project.language.layers import BY_DOMAIN, Crossing
from redesign.cuts import Cut, Misplaced, fat_places
from redesign.domains import Domain
from redesign.moves import Move
from redesign.proposal import Proposal
from redesign.steps import ALWAYS
from report.wording import NOTES_LIMIT, columns, count, first, shown_path, size

LIMIT = 12_000 - NOTES_LIMIT
_SIZES = ((40, 60, 14), (25, 30, 10), (16, 18, 8), (12, 10, 6), (8, 6, 5))  # domains, moves, cycles and fat routes
_NEEDED_BY_NONE = (
    "imported by no domain, nor by what they share (start-up, workers, commands, plugins, routers of several subjects)"
)
_CAUTION = (
    "Worked out from names, routes, tables and imports. It is a draft to refine by reading: what the team knows about "
    "its domains, releases and plans decides."
)
_NOTHING = (
    "Nothing in the code asks for another layout: no cycle, no import against the layers, no fat path operation, "
    "no file out of place."
)


def redesign_text(proposal: Proposal, target: str) -> str:
    """`target` is the reviewed path as typed, with a leading space, or nothing."""
    for domains, moves, others in _SIZES:
        lines = _lines(proposal, target, domains, moves, others)
        if size(lines) <= LIMIT:
            break
    return "\n".join(_within(lines, LIMIT - 1)) + "\n"


def _lines(proposal: Proposal, target: str, domains: int, moves: int, others: int) -> list[str]:
    whole = f"review.py redesign{target} --format json"
    return [
        *_head(proposal),
        "",
        *_part("Domains", _domains(proposal), domains, whole)[:-1],
        *(_left(proposal) if proposal.grouping.domains else []),
        "",
        *_part("Import cycles to cut", [_cut(c) for c in proposal.cuts], others, whole),
        *_part("Imports against the layers", [_crossing(c) for c in proposal.crossings], others, whole),
        *_part("Domains that import each other", _tied(proposal), others, whole),
        *_part("Definitions to move", [_misplaced(m) for m in proposal.misplaced], others, whole),
        *_part("Path operations to split", _splits(proposal), others, f"review.py signals{target} --check ORG001"),
        *_part("Target", _tree(proposal), domains // 2, whole),
        *_part("Moves", _moves(proposal.moves), moves, whole),
        *_steps(proposal, others),
        *_picture("Today", proposal.today),
        *(_picture("Domains", proposal.target) if proposal.layout.name == BY_DOMAIN else []),
    ]


def _head(proposal: Proposal) -> list[str]:
    layout, project = proposal.layout, proposal.project
    verb = "Target" if layout.changes else "Keep"
    lines = ["# Redesign draft", _CAUTION, "", f"{verb}: {layout.name}. {layout.why[0].upper()}{layout.why[1:]}."]
    importers = {module for move in proposal.moves for module in move.importers}
    if not proposal.steps:
        return [*lines, _NOTHING]
    if proposal.moves:
        moved = f"{count(len(proposal.moves), 'file')} to move, imported by {count(len(importers), 'module')}"
        lines.append(f"Cost: {moved}; {sum(m.risk == 'high' for m in proposal.moves)} moves of high risk.")
    if layout.changes and (proposal.cuts or proposal.fat_routes) and project.layers.style != "no layers":
        only = [f"cut {count(len(proposal.cuts), 'import cycle')}"] if proposal.cuts else []
        fat = len(fat_places(proposal.fat_routes))
        only += [f"split {count(fat, 'path operation')}"] if fat else []
        lines.append(
            f"Cheaper: keep the folders, and only {' and '.join(only)} where they stand. Moving pays when several "
            "people change different domains at the same time."
        )
    return lines


def _domains(proposal: Proposal) -> list[str]:
    rows = [_domain(domain) for domain in proposal.grouping.domains]
    return columns(rows)


def _domain(domain: Domain) -> tuple[str, ...]:
    uses = ", ".join(f"{clean(d.name, 40)} {n}" for d, n in domain.uses.most_common(3))
    tables = f"tables {', '.join(clean(t, 30) for t in domain.tables[:3])}" if domain.tables else ""
    more = f" and {len(domain.tables) - 3} more" if len(domain.tables) > 3 else ""
    return (
        clean(domain.name, 40),
        count(len(domain.modules), "file"),
        f"{domain.lines:,} lines",
        count(len(domain.routes), "route"),
        "; ".join(filter(None, [tables + more, f"imports {uses}" if uses else ""])),
    )


def _left(proposal: Proposal) -> list[str]:
    shared = sorted(proposal.grouping.shared, key=lambda m: -len(proposal.project.imports.importers.get(m, ())))
    lines = []
    if shared:
        names = ", ".join(clean(m.path, 80) for m in shared[:6])
        lines.append(f"stay shared: {count(len(shared), 'file')}, most imported {names}")
    if proposal.grouping.other:
        names = ", ".join(clean(m.path, 80) for m in proposal.grouping.other[:4])
        number = count(len(proposal.grouping.other), "file")
        lines.append(f"{_NEEDED_BY_NONE}: {number}, such as {names}")
    return lines


def _part(title: str, lines: Sequence[str], limit: int, more: str) -> list[str]:
    return [f"## {title} ({len(lines)})", *first(lines, limit, more), ""] if lines else []


def _cut(cut: Cut) -> str:
    item, tied = cut.item, len(cut.cycle.modules)
    way = " → ".join(
        [clean(h.importer.path, 70) for h in cut.cycle.hops] + [clean(cut.cycle.hops[0].importer.path, 70)]
    )
    names = f" ({', '.join(clean(n, 40) for n in item.names[:3])})" if item.names else ""
    more = f"; {tied} modules are tied together, so look again afterwards" if tied > len(cut.cycle.hops) else ""
    where = f"{shown_path(item.importer.path, 100)}:{item.node.lineno}"
    return f"- {where} imports {clean(item.target.path, 100)}{names}: {cut.how}. Way round: {way}{more}"


def _crossing(crossing: Crossing) -> str:
    item = crossing.item
    names = f" ({', '.join(clean(n, 40) for n in item.names[:3])})" if item.names else ""
    where = f"{shown_path(item.importer.path, 100)}:{item.node.lineno}"
    return f"- {where} a {crossing.lower} imports {clean(item.target.path, 100)}{names}, a {crossing.upper}"


def _tree(proposal: Proposal) -> list[str]:
    """One line a folder of the target that gets files, with them."""
    folders: dict[str, list[str]] = {}
    for move in proposal.moves:
        folder, _, name = move.target.rpartition("/")
        folders.setdefault(folder, []).append(name)
    return [
        f"- {shown_path(folder, 120)}/  {', '.join(clean(n, 40) for n in names)}" for folder, names in folders.items()
    ]


def _tied(proposal: Proposal) -> list[str]:
    lines = []
    for tie in proposal.tied:
        number, second = len(tie.fewer), clean(tie.second.name, 40)
        verdict = f"the {number} to cut" if tie.to_cut else "one subject, or both need a third one below them"
        verdict = "only its routers do, which may use several domains" if tie.by_routers else verdict
        places = ", ".join(f"{shown_path(i.importer.path, 80)}:{i.node.lineno}" for i in tie.fewer[:2])
        more = f" and {number - 2} more" if number > 2 else ""
        at = f" ({places}{more})" if tie.to_cut else ""
        lines.append(
            f"- {clean(tie.first.name, 40)} imports {second} {number}x{at}, {second} it {tie.back}x: {verdict}"
        )
    return lines


def _misplaced(found: Misplaced) -> str:
    names = [clean(scope.name, 40) for scope in found.found]
    where = "the entry point" if found.kind == "routes" else "a file with routes"
    more = f" and {len(names) - 6} more" if len(names) > 6 else ""
    home = "routers of their subjects" if found.kind == "routes" else "a file of their own"
    path = shown_path(found.module.path, 120)
    return f"- {path}: {found.kind} {', '.join(names[:6])}{more} stand in {where}, move them to {home}"


def _splits(proposal: Proposal) -> list[str]:
    lines = []
    for signal in proposal.fat_routes:
        marks = ", ".join(f"{p.line} {p.label}" for p in signal.trace[:4])
        lines.append(
            f"- {shown_path(signal.path, 120)}:{signal.line} {signal.message}" + (f" (lines {marks})" if marks else "")
        )
    return lines


def _moves(moves: Iterable[Move]) -> list[str]:
    return [
        f"- {shown_path(m.module.path, 120)} → {clean(m.target, 120)}: {count(len(m.importers), 'importer')}, "
        f"risk {m.risk} ({clean(m.why, 200)})"
        for m in moves
    ]


def _steps(proposal: Proposal, limit: int) -> list[str]:
    if not proposal.steps:
        return []
    lines = ["## Steps, the application runs after each", ALWAYS]
    shown = proposal.steps if len(proposal.steps) <= limit + 4 else [*proposal.steps[: limit + 3], proposal.steps[-1]]
    for step in shown:
        if step is shown[-1] and len(shown) < len(proposal.steps):
            lines.append(f"… {len(proposal.steps) - len(shown)} more, mostly domains in the same way: --format json")
        number = proposal.steps.index(step) + 1
        verify = f" Verify: {step.verify}." if step.verify else ""
        lines.append(f"{number}. {step.what}. Why now: {step.why}.{verify}")
    return [*lines, ""]


def _picture(title: str, picture: str) -> list[str]:
    return [f"## {title}", "```mermaid", *picture.splitlines(), "```"]


def _within(lines: Sequence[str], room: int) -> list[str]:
    kept: list[str] = []
    for line in lines:
        if size([*kept, line]) > room - 80:
            return [*kept, "… cut at 12,000 characters: --format json is whole"]
        kept.append(line)
    return kept


def redesign_json(proposal: Proposal) -> str:
    """The whole proposal, version 1."""
    grouping, layout = proposal.grouping, proposal.layout
    content: dict[str, Any] = {
        "version": 1,
        "layout": {"name": layout.name, "changes": layout.changes, "why": layout.why, "root": clean(layout.root, 400)},
        "domains": [_domain_row(domain) for domain in grouping.domains],
        "shared": [_path(module) for module in grouping.shared],
        "other": [_path(module) for module in grouping.other],
        "cycles": [
            {
                "modules": [_path(module) for module in cut.cycle.modules],
                "way_round": [_place(hop.place()) for hop in cut.cycle.hops],
                "cut": _place(cut.item.place()) | {"imports": _path(cut.item.target), "how": cut.how},
            }
            for cut in proposal.cuts
        ],
        "against_layers": [
            _place(c.item.place()) | {"imports": _path(c.item.target), "lower": c.lower, "upper": c.upper}
            for c in proposal.crossings
        ],
        "domains_tied": [
            {
                "domains": [clean(tie.first.name, 200), clean(tie.second.name, 200)],
                "imports": [len(tie.fewer), tie.back],
                "to_cut": tie.to_cut,
                "fewer": [_place(item.place()) | {"imports": _path(item.target)} for item in tie.fewer],
            }
            for tie in proposal.tied
        ],
        "misplaced": [
            {"path": _path(m.module), "kind": m.kind, "names": [clean(scope.name, 200) for scope in m.found]}
            for m in proposal.misplaced
        ],
        "fat_routes": [
            {
                "id": signal.id,
                "path": signal.path,
                "line": signal.line,
                "message": signal.message,
                "likewise": [_place(place) for place in signal.places],
                "moves": [{"path": p.path, "line": p.line, "label": p.label} for p in signal.trace],
            }
            for signal in proposal.fat_routes
        ],
        "moves": [_move_row(move) for move in proposal.moves],
        "steps": [{"what": step.what, "why": step.why, "verify": step.verify} for step in proposal.steps],
        "pictures": {"today": proposal.today, "target": proposal.target},
    }
    return json.dumps(content, ensure_ascii=False, indent=1) + "\n"


def _domain_row(domain: Domain) -> dict[str, Any]:
    return {
        "name": clean(domain.name, 200),
        "lines": domain.lines,
        "routes": len(domain.routes),
        "tables": [clean(table, 200) for table in domain.tables],
        "modules": [{"path": _path(module), "because": why} for module, why in domain.modules.items()],
        "uses": {clean(other.name, 200): number for other, number in domain.uses.most_common()},
        "used_by": {clean(other.name, 200): number for other, number in domain.used_by.most_common()},
    }


def _move_row(move: Move) -> dict[str, Any]:
    return {
        "from": _path(move.module),
        "to": clean(move.target, 400),
        "domain": clean(move.domain.name, 200) if move.domain is not None else None,
        "importers": [_path(module) for module in move.importers],
        "named_in": [_place(place) for place in move.named],
        "tables": [clean(table, 200) for table in move.tables],
        "risk": move.risk,
        "why": clean(move.why, 400),
    }


def _place(place: Place) -> dict[str, Any]:
    return {"path": clean(place.path, 400), "line": place.line}


def _path(module: Module) -> str:
    return clean(module.path, 400)
