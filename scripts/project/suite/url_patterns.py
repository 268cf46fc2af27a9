"""Paths as tests write them, with holes where a value is filled in, and the routes they may reach."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache

HOLE = "\0"
_HOST = re.compile(r"^(?:https?|wss?)://[^/\0]*")
_PARAM = re.compile(r"{[^{}]*}")
SAME = 1_000
_JOINED = re.compile(r"\w\0+$")  # `/api/v1` + value + `/lines`: the value may well hold a slash itself
_PATH_LIKE = re.compile(r"[\w\0\-.~%:@!$&'()*+,;={}/]*$")


@dataclass(frozen=True, slots=True)
class Pattern:
    """A request path. `segments` hold HOLE where a value is filled in; `floating` when it may start with a prefix."""

    segments: tuple[str, ...]
    floating: bool = False

    @classmethod
    def of(cls, text: str) -> Pattern | None:
        """From text with HOLEs; host, query and fragment are cut off. None when it is no path or says nothing."""
        path = re.split(r"[?#]", _HOST.sub("", text), maxsplit=1)[0]
        floating = path.startswith(HOLE)
        path = path.lstrip(HOLE)
        if not _PATH_LIKE.match(path):
            return None
        segments = tuple(s for s in path.split("/") if s)
        open_at = next((i for i in range(len(segments) - 1, 0, -1) if _JOINED.search(segments[i - 1])), 0)
        if open_at:
            segments, floating = segments[open_at:], True
        if floating and not any(s.replace(HOLE, "") for s in segments):
            return None
        return cls(segments, floating)


@dataclass(slots=True)
class _Node:
    children: dict[str, _Node] = field(default_factory=dict)
    routes: list[int] = field(default_factory=list)
    below: list[int] = field(default_factory=list)


class RouteIndex:
    """Routes by the segments of their paths, read from the end."""

    def __init__(self, paths: Iterable[str]) -> None:
        self._root = _Node()
        self._open: list[tuple[int, re.Pattern[str]]] = []
        for number, path in enumerate(paths):
            if ":path}" in path:
                self._open.append((number, _regex(path)))
            self._add(number, tuple(s for s in path.split("/") if s))

    def _add(self, number: int, segments: tuple[str, ...]) -> None:
        node = self._root
        for segment in reversed(segments):
            node.below.append(number)
            node = node.children.setdefault(_PARAM.sub(HOLE, segment), _Node())
        node.routes.append(number)
        node.below.append(number)

    def find(self, pattern: Pattern) -> set[int]:
        """Numbers of the routes a request may reach: whole path first, else with an unknown prefix on either side.

        Of several routes those that agree in more fixed segments are taken (`/users/me` before `/users/{id}`).
        """
        whole: list[tuple[int, list[int]]] = []
        partial: list[tuple[int, list[int]]] = []
        for rest, score, node in self._walk(pattern.segments):
            if not rest and node.routes:
                whole.append((score, node.routes))
            if score >= SAME and (not rest or node.routes):
                partial.append((score, node.below if not rest else node.routes))
        found = _best(whole) if whole and not pattern.floating else _best([*whole, *partial])
        return found or {n for n, regex in self._open if regex.match("/".join(pattern.segments).replace(HOLE, "x"))}

    def _walk(self, segments: tuple[str, ...]) -> Iterator[tuple[int, int, _Node]]:
        """(segments left over, agreement, node) for every way down that ends somewhere."""
        stack = [(len(segments), 0, self._root)]
        while stack:
            left, score, node = stack.pop()
            going = False
            if left:
                for segment, child in _matching(node, segments[left - 1]):
                    going = True
                    stack.append((left - 1, score + _agreement(segment, segments[left - 1]), child))
            if not going or node.routes:
                yield left, score, node


def _agreement(route: str, wanted: str) -> int:
    """How well a segment of a route agrees with one of a request: the same text before a value for a parameter."""
    if route == wanted:
        return 1 if HOLE in wanted else SAME
    return 0 if HOLE in wanted and HOLE not in route else 1


def _matching(node: _Node, wanted: str) -> Iterator[tuple[str, _Node]]:
    if HOLE not in wanted and wanted in node.children:
        yield wanted, node.children[wanted]
    for segment, child in node.children.items():
        if HOLE in segment:
            if segment == HOLE or wanted == HOLE or _pieces(segment).match(wanted):
                yield segment, child
        elif HOLE in wanted and _pieces(wanted).match(segment):
            yield segment, child


@lru_cache(maxsize=4096)
def _pieces(segment: str) -> re.Pattern[str]:
    return re.compile("[^/]*".join(map(re.escape, segment.split(HOLE))) + "$")


def _best(found: list[tuple[int, list[int]]]) -> set[int]:
    top = max((score for score, _ in found), default=0)
    return {number for score, numbers in found if score == top for number in numbers}


def _regex(path: str) -> re.Pattern[str]:
    pieces = [
        ".+" if p.endswith(":path}") else "[^/]+" if p[:1] == "{" else re.escape(p)
        for p in re.split(r"({[^{}]*})", path)
    ]
    return re.compile("".join(pieces).strip("/") + "/?$")
