"""What the commands that follow ask for, put into the snapshot while all that it rests on is at hand."""

from __future__ import annotations

from collections.abc import Sequence

from catalogue import CHECKS
from check import Selection, Signal
from project import Project
from reading import candidates
from redesign.cuts import FAT_ROUTE
from redesign.proposal import propose
from report import overview
from report.page import build
from report.redesign import redesign_json, redesign_text
from reviewing import run

FAT_ROUTES = Selection(tuple(check for check in CHECKS if check.id == FAT_ROUTE))


def keep_for_later(project: Project, target: str) -> None:
    """Keep the plain data of all commands; `target` is the reviewed path as typed, with a leading space, or nothing."""
    if project.snapshot.is_used and not project.tree.beyond and "modules" in project.__dict__:
        _ = project.route_list, project.route_counts, project.stack_summary, project.layers_summary()
        candidates(project)
        overview.layout(project)
        overview.data(project)
        build.facts(project)
        redesign_of(project, target, run(project, FAT_ROUTES).signals)


def redesign_of(project: Project, target: str, fat_routes: Sequence[Signal]) -> tuple[str, str]:
    """The proposed redesign as JSON and as text."""

    def find() -> list[str]:
        proposal = propose(project, fat_routes)
        return [redesign_json(proposal), redesign_text(proposal, target)]

    whole, text = project.known(f"redesign{target}", find)
    return whole, text
