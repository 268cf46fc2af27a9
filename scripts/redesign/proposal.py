"""The whole proposal."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from check import Signal
from project import Project
from project.language.layers import BY_DOMAIN, Crossing
from redesign import pictures
from redesign.cuts import Cut, Misplaced, Tie, cuts, fat_routes, misplaced, ties
from redesign.domains import Grouping, group
from redesign.moves import Move, moves
from redesign.steps import Causes, Step, steps
from redesign.target import Layout, choose, new_paths


@dataclass(frozen=True, slots=True, eq=False)
class Proposal:
    """What the facts suggest; an agent refines it and the team decides."""

    project: Project
    grouping: Grouping
    layout: Layout
    moves: list[Move]
    cuts: list[Cut]
    crossings: list[Crossing]
    tied: list[Tie]
    misplaced: list[Misplaced]
    fat_routes: list[Signal]
    steps: list[Step]
    today: str
    target: str


def propose(project: Project, signals: Sequence[Signal]) -> Proposal:
    """Work out a proposal; `signals` need to hold those on fat routes (ORG001)."""
    grouping = group(project)
    layout = choose(project, grouping)
    moved = moves(project, grouping, new_paths(project, grouping, layout))
    split, cut = fat_routes(signals), cuts(project)
    against, wrong = project.layers.crossings, misplaced(project)
    tied = ties(project, grouping) if layout.name == BY_DOMAIN else []
    causes = Causes(cut, against, wrong, split, [tie for tie in tied if tie.to_cut])
    return Proposal(
        project,
        grouping,
        layout,
        moved,
        cut,
        against,
        tied,
        wrong,
        split,
        steps(project, causes, moved),
        pictures.today(project),
        pictures.target(grouping),
    )
