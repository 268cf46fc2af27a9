"""Which versions and databases the project runs, asked the way the checks need it."""

from __future__ import annotations

from project import Project


def at_least(project: Project, name: str, version: str) -> bool | None:
    """Whether the project runs this version or a newer one; None when its pins leave that open."""
    return project.stack.at_least(name, version)


def exits_before_response(project: Project) -> bool:
    """FastAPI 0.106 to 0.117 ran the code after `yield` before the response."""
    return at_least(project, "fastapi", "0.106") is True and at_least(project, "fastapi", "0.118") is False


def databases(project: Project) -> frozenset[str]:
    """Databases in use: what the code says, what the project declares."""
    return project.sessions.dialects | frozenset(kind.lower() for kind in project.stack.databases)


def indexes_foreign_keys(project: Project) -> bool:
    """Whether the only server database is MySQL or MariaDB, which index foreign keys by themselves."""
    kinds = databases(project)
    return bool(kinds & {"mysql", "mariadb"}) and "postgresql" not in kinds
