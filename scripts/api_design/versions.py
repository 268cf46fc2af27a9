"""Which versions the project runs, asked the way the checks need it."""

from __future__ import annotations

from project import Project


def pydantic_version(project: Project) -> int | None:
    """1 or 2 by the pins, else by what the code imports; None when neither says it."""
    if project.stack.before("pydantic", "2"):
        return 1
    if project.stack.at_least("pydantic", "2"):
        return 2
    return project.schemas.written_for
