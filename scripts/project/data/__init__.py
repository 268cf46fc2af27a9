"""Databases: tables, statements, rows, sessions, migrations."""
