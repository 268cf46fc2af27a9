"""Request input that reaches a dangerous call, with the way it came."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from check import MEDIUM, RESOLVED, Hit
from project import Project
from project.language.calls import CallSite
from project.serving.origins import ANYTHING, Aim, Way
from security.callers import is_for_admins, is_for_few

Chosen = Callable[[CallSite], "ast.expr | None"]


def reached(
    project: Project, sinks: Iterable[str] | Callable[[str], bool], chosen: Chosen, what: str, aim: Aim = ANYTHING
) -> Iterator[tuple[CallSite, Way, Hit]]:
    """Calls of `sinks` whose chosen argument comes from a request: the call, the way, and the signal to give."""
    seen: set[int] = set()
    for site in project.calls.named(sinks):
        if site.call is None or id(site.node) in seen:
            continue
        seen.add(id(site.node))
        way = project.origins.way(chosen(site), site.scope, aim)
        if way is None:
            continue
        certainty = site.certainty if way.certainty == RESOLVED else way.certainty
        yield (
            site,
            way,
            Hit(site.place(), f"{way.source} reaches {what} in {_short(site)}", way.places, None, certainty),
        )


def only_admins(project: Project, way: Way) -> bool:
    """Whether the input enters through a route that only administrators may use."""
    route = project.origins.entered_by(way.function) if way.function is not None else None
    return route is not None and is_for_admins(project, route)


def only_few(project: Project, way: Way) -> bool:
    """Whether the input enters through a route that asks for a role or permission."""
    route = project.origins.entered_by(way.function) if way.function is not None else None
    return route is not None and is_for_few(project, route)


def lowered(project: Project, found: Iterable[tuple[CallSite, Way, Hit]]) -> Iterator[Hit]:
    """The signals, of medium impact where only privileged callers get through."""
    for _, way, hit in found:
        if only_few(project, way):
            message = f"{hit.message} (for privileged callers)"
            yield Hit(hit.place, message, hit.trace, hit.impact or MEDIUM, hit.certainty)
        else:
            yield hit


def by_source(hits: Iterable[Hit]) -> Iterator[Hit]:
    """One signal for all that one input reaches in a file: the first, with the others as its further places."""
    found: dict[tuple[object, ...], list[Hit]] = {}
    for hit in hits:
        source = hit.trace[0] if hit.trace else hit.place
        found.setdefault((source.path, source.line, source.label, hit.place.path, hit.impact), []).append(hit)
    for group in found.values():
        first, *others = sorted(group, key=lambda hit: (hit.place.line, len(hit.trace)))
        places = sorted({hit.place for hit in others} - {first.place}, key=lambda place: place.line)
        more = f", and {len(places)} more places of this file" if len(places) > 1 else ""
        more = ", and one more place of this file" if len(places) == 1 else more
        yield replace(first, message=first.message + more, places=tuple(places))


def _short(site: CallSite) -> str:
    return ".".join(site.names[0].split(".")[-2:])
