"""A run of checks on an opened project, with the notes that every output must say."""

from __future__ import annotations

from dataclasses import replace

import check
from catalogue import CHECKS
from check import Outcome, Selection
from configuration import notes
from project import Project


def run(project: Project, selection: Selection) -> Outcome:
    """Run all checks, report the selected ones and what the project's configuration and comments change."""
    outcome = check.run(project, selection, CHECKS)
    return replace(outcome, notes=notes(project, outcome))
