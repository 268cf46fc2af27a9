"""Which versions and databases the project runs, asked the way the checks need it."""

from __future__ import annotations

from project import Project


def exits_before_response(project: Project) -> bool:
    """FastAPI 0.106 to 0.117 ran the code after `yield` before the response."""
    return project.stack.at_least("fastapi", "0.106") is True and project.stack.before("fastapi", "0.118") is True


def indexes_foreign_keys(project: Project) -> bool:
    """Whether the only server database is MySQL or MariaDB, which index foreign keys by themselves."""
    kinds = databases(project)
    return bool(kinds & {"mysql", "mariadb"}) and "postgresql" not in kinds


def databases(project: Project) -> frozenset[str]:
    """Databases in use: what the code says, what the project declares."""
    declared = {kind.lower() for kind in project.stack.databases}
    return project.sessions.dialects | frozenset(declared)
