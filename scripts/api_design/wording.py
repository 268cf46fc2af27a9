"""Words that several checks share."""

from __future__ import annotations


def counted(number: int, noun: str) -> str:
    """`1 route`, `3 routes`."""
    return f"{number} {noun}{'' if number == 1 else 's'}"


def listed(names: list[str], limit: int = 3) -> str:
    """The first few names, and how many more there are."""
    shown = ", ".join(names[:limit])
    return shown if len(names) <= limit else f"{shown} and {len(names) - limit} more"
