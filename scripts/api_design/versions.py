"""Which versions the project runs, asked the way the checks need it."""

from __future__ import annotations

from project import Project


def pydantic_version(project: Project) -> int | None:
    """1 or 2 by the pins, else by what the code imports; None when neither says it.

    FastAPI before 0.100 only installs with Pydantic 1, since 0.126 only with Pydantic 2 (its own requirements).
    """
    stack = project.stack
    if stack.before("pydantic", "2") or stack.before("fastapi", "0.100"):
        return 1
    if stack.at_least("pydantic", "2") or stack.at_least("fastapi", "0.126"):
        return 2
    return project.schemas.written_for
