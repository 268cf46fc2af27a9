"""Data architecture: tables, queries, sessions, connection pools and migrations."""

from data_architecture import (
    alembic_env,
    columns,
    engines,
    indexes,
    lost_updates,
    migration_graph,
    migrations,
    n_plus_one,
    relationships,
    session_leaks,
    sessions,
    table_creation,
    times,
    tortoise_use,
    units_of_work,
    usage,
)
from data_architecture.dimension import data

__all__ = [
    "alembic_env",
    "columns",
    "data",
    "engines",
    "indexes",
    "lost_updates",
    "migration_graph",
    "migrations",
    "n_plus_one",
    "relationships",
    "session_leaks",
    "sessions",
    "table_creation",
    "times",
    "tortoise_use",
    "units_of_work",
    "usage",
]
