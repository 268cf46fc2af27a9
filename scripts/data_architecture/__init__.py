"""Data architecture: tables, queries, sessions, connection pools and migrations."""

from data_architecture import columns, engines, indexes, migrations, n_plus_one, sessions, usage
from data_architecture.dimension import data

__all__ = ["columns", "data", "engines", "indexes", "migrations", "n_plus_one", "sessions", "usage"]
