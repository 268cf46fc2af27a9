"""Phrases and hops that the messages of several checks share."""

from __future__ import annotations

from collections.abc import Sequence

from project import Place, Project, Scope


def joined(names: Sequence[str], most: int = 4) -> str:
    """`a, b and c`; what is beyond `most` is counted."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 column`, `3 columns`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def request_hop(project: Project, scope: Scope) -> tuple[Place, ...]:
    """The route or other root from which a scope is reached, as the first hop of a trace."""
    function = project.requests.within(scope)
    return (
        ()
        if function is None or project.requests.root(function).function is function
        else (project.requests.root(function).place(),)
    )
