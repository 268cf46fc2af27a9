"""Data architecture: tables, queries, sessions, connection pools and migrations."""

from data_architecture import engines, n_plus_one, sessions
from data_architecture.dimension import data

__all__ = ["data", "engines", "n_plus_one", "sessions"]
