"""The appendix of a written report: every place of the checks that were verified, as Markdown."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING

from catalogue import CHECKS
from check import Signal, clean
from report.wording import TEXT_LIMIT, count, size

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

MARK = "<!-- written by review.py signals --report-appendix -->"
_TITLES = {check.id: check.title for check in CHECKS}
_ROUTE = re.compile(r"(?:[A-Z]+(?:,[A-Z]+)*|WS) /")
_SPECIAL = re.compile(r"[\\`*\[\]<>|~&#]|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])")


def appendix(project: Project, signals: Sequence[Signal], whole: bool, command: str) -> str:
    """A chapter with one list a check. `whole` off: 25,000 characters at most, `command` says how to get the rest."""
    handlers = _Handlers(project.routes)
    lines = ["## Appendix: Complete Lists", "", MARK]
    left = len(signals)
    for _, group in groupby(sorted(signals, key=lambda s: (s.check, s.path, s.line)), key=lambda s: s.check):
        same = list(group)
        head = ["", *_head(same, handlers), ""]
        for signal in same:
            entry = [*head, _entry(signal, handlers)]
            if not whole and size(lines) + size(entry) > TEXT_LIMIT - 300:
                return "\n".join([*lines, "", f"… {count(left, 'more place')}: {command}"]) + "\n"
            lines += entry
            head = []
            left -= 1
    return "\n".join(lines) + "\n"


class _Handlers:
    """Path operations by where their function stands."""

    def __init__(self, routes: Sequence[Route]) -> None:
        self.names: dict[tuple[str, int], str] = {}
        self._by_file: dict[str, list[tuple[int, int]]] = {}
        for route in routes:
            key = route.file, route.line
            if key not in self.names:
                self.names[key] = f"{'WS' if route.websocket else ','.join(route.methods)} {route.path}"
                last = (route.function.node.end_lineno if route.function else None) or route.line
                self._by_file.setdefault(route.file, []).append((route.line, last))

    def of(self, signal: Signal) -> str:
        """The path operation that holds or reaches a signal, as `POST /orders`; "" when none is known."""
        for path, line in ((signal.path, signal.line), *((hop.path, hop.line) for hop in signal.trace[:1])):
            for first, last in self._by_file.get(path, ()):
                if first <= line <= last:
                    return self.names[path, first]
        label = signal.trace[0].label if signal.trace else ""
        return " ".join(label.split()[:2]) if _ROUTE.match(label) else ""


def _head(group: Sequence[Signal], handlers: _Handlers) -> Iterator[str]:
    files = len({signal.path for signal in group})
    reached = len({name for signal in group if (name := handlers.of(signal))})
    routes = f", {reached} of {count(len(handlers.names), 'path operation')}" if reached else ""
    yield f"### {group[0].check} {_TITLES[group[0].check]}"
    yield ""
    yield f"{count(len(group), 'place')} in {count(files, 'file')}{routes}."


def _entry(signal: Signal, handlers: _Handlers) -> str:
    route = handlers.of(signal)
    also = ", ".join(_code(f"{place.path}:{place.line}") for place in signal.places)
    return (
        f"- {_code(f'{signal.path}:{signal.line}')} "
        + (f"{_code(route)}: " if route else "")
        + escaped(signal.message)
        + (f" (also {also})" if also else "")
    )


def _code(text: str) -> str:
    return f"`{clean(text.replace('`', chr(39)), 400)}`"


def escaped(text: str) -> str:
    """Text as Markdown that shows it as it is: nothing in it is markup or a link."""
    return _SPECIAL.sub(lambda found: "\\" + found[0], clean(text, 400))
