"""A run of checks on an opened project, with the notes that every output must say."""

from __future__ import annotations

from dataclasses import replace

import check
from check import Outcome, Selection
from configuration import notes
from project import Project


def run(project: Project, selection: Selection) -> Outcome:
    """`check.run`, and what the project's configuration and comments change."""
    outcome = check.run(project, selection)
    return replace(outcome, notes=notes(project, outcome))
