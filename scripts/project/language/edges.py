"""Which project functions a function runs, and whether that stays on its thread."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.calls import OFFLOADING, CallSite
from project.language.scopes import Function

if TYPE_CHECKING:
    from project import Project


@dataclass(frozen=True, slots=True)
class Edge:
    """`target` runs because of the call at `site`; `off_thread`: in another thread, `without_loop`: only where no
    event loop is running."""

    site: CallSite
    target: Function
    off_thread: bool = False
    without_loop: bool = False


class Edges:
    """Edges of each function, worked out once, into the application only."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[Function, list[Edge]] = {}

    def of(self, function: Function) -> list[Edge]:
        """What a function calls, wrappers of that, functions it hands over and that are called, work for threads."""
        if function not in self._known:
            self._known[function] = [e for e in self._find(function) if e.target.module.kind == "app"]
        return self._known[function]

    def _find(self, function: Function) -> Iterator[Edge]:
        project = self._project
        for site in project.calls.sites(function):
            if site.targets:
                absent = project.running_loop.is_absent_at(site.node, function)
                for target in site.targets:
                    yield Edge(site, target, self._leaves(site, target), absent)
                    yield from (Edge(site, wrapper, False, absent) for wrapper in project.indirect.wrappers(target))
                yield from (Edge(site, f, False, absent) for f in project.indirect.called_back(site))
            elif site.call is not None and not OFFLOADING.isdisjoint(site.names):
                for given in (*site.call.args, *(k.value for k in site.call.keywords)):
                    yield from (Edge(site, f, True) for f in project.calls.passed(given, function))

    def _leaves(self, site: CallSite, target: Function) -> bool:
        """Whether the call runs elsewhere: offloaded by a decorator, or a plain def that a decorator made awaitable."""
        project = self._project
        if project.indirect.runs_elsewhere(site, target):
            return True
        if target.is_async or not target.decorators or project.indirect.is_called_inside(target):
            return False
        return site.awaited or project.calls.is_offloaded(target)
