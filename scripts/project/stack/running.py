"""What the project runs on: versions by its pins, databases by code and declarations."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from project import Project


class Running:
    """Versions and databases, None or empty where neither pins nor code tell."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def pydantic(self) -> int | None:
        """1 or 2 by the pins, else by what the code imports; None when neither says it.

        FastAPI before 0.100 only installs with Pydantic 1, since 0.126 only with Pydantic 2 (its own requirements).
        """
        stack = self._project.stack
        if stack.before("pydantic", "2") or stack.before("fastapi", "0.100"):
            return 1
        if stack.at_least("pydantic", "2") or stack.at_least("fastapi", "0.126"):
            return 2
        return self._project.schemas.written_for

    @cached_property
    def exits_before_response(self) -> bool:
        """FastAPI 0.106 to 0.117 ran the code after `yield` before the response."""
        stack = self._project.stack
        return stack.at_least("fastapi", "0.106") is True and stack.at_least("fastapi", "0.118") is False

    @cached_property
    def databases(self) -> frozenset[str]:
        """Databases in use: what the code says, what the project declares."""
        return self._project.sessions.dialects | frozenset(kind.lower() for kind in self._project.stack.databases)

    @cached_property
    def indexes_foreign_keys(self) -> bool:
        """Whether the only server database is MySQL or MariaDB, which index foreign keys by themselves."""
        return bool(self.databases & {"mysql", "mariadb"}) and "postgresql" not in self.databases
