"""Data architecture: tables, queries, sessions, connection pools and migrations."""

from check import Dimension

data = Dimension("DAT", "data_architecture", "Data Architecture", "DATA_ARCHITECTURE.md")
