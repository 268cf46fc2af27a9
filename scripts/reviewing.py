"""A run of checks on an opened project, with the notes that every output must say."""

from __future__ import annotations

from dataclasses import replace

import check
from catalogue import CHECKS
from check import Outcome, Selection
from configuration import notes
from project import Project

_MOST = 10  # more than one route in so many unknown is worth a sentence


def run(project: Project, selection: Selection) -> Outcome:
    """Run all checks, report the selected ones and what the project's configuration and comments change."""
    outcome = check.run(project, selection, CHECKS)
    return replace(outcome, notes=[*_unknown_routes(project), *notes(project, outcome)])


def _unknown_routes(project: Project) -> list[str]:
    """A sentence when so many routes are not understood that a silent check says little."""
    known, candidates = project.route_counts
    if known * _MOST >= candidates * (_MOST - 1):
        return []
    said = (
        f"only {known:,} of {candidates:,} registrations that look like routes are understood: checks on routes saw no "
    )
    return [said + "others, so read these yourself (`review.py routes` lists them)"]
