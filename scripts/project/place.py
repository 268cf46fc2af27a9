"""Where something stands in the reviewed project."""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase


@dataclass(frozen=True, slots=True, order=True)
class Place:
    """A line or range of lines of one file.

    `path` is posix and relative to the reviewed folder, lines count from 1, `symbol` is the dotted name of the
    enclosing function, class or module, `label` says what stands there when the place is one hop of a trace.
    """

    path: str
    line: int
    end_line: int
    symbol: str = ""
    label: str = ""


@dataclass(frozen=True, slots=True, order=True)
class Unread:
    """A file that could not be read or parsed, and why; `line` where the parser stopped, if it said so."""

    path: str
    line: int | None
    why: str


def path_matches(path: str, pattern: str) -> bool:
    """Whether a posix path fits a glob (`*` crosses folders) or lies in the folder the pattern names."""
    folder = pattern.rstrip("/")
    return fnmatchcase(path, pattern) or fnmatchcase("/" + path, pattern) or path.startswith(folder + "/")
