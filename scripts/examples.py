"""What a check says about itself: the parts of its docstring, with the examples as small project trees."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass

SECTIONS = ("Source", "Bad", "Good", "Not this")
_HEADING = re.compile(rf"^({'|'.join(SECTIONS)}):[ \t]*(.*)$")
_FILE_HEADER = re.compile(
    r"^# ((?:[\w.@-]+/)*(?:[\w@-]*\.[\w.-]*\w|Dockerfile|Containerfile|Makefile|Procfile|Pipfile))$"
)
_MARKER = re.compile(r"[ \t]*# ([A-Z]{3}\d{3}(?:, ?[A-Z]{3}\d{3})*)[ \t]*$")


@dataclass(frozen=True, slots=True)
class Example:
    """A project tree in a docstring: text by path, and where signals are expected as (check id, path, line)."""

    files: dict[str, str]
    marked: frozenset[tuple[str, str, int]]
    text: str


@dataclass(frozen=True, slots=True)
class Documentation:
    """The parts of a check's docstring. `why` is prose in one paragraph; a missing example has no files."""

    why: str
    source: str
    bad: Example
    good: Example
    not_this: Example


def parse_documentation(docstring: str | None) -> Documentation:
    """Split a check's docstring into prose, source and the three examples."""
    parts: dict[str, list[str]] = {"": []}
    current = ""
    for line in inspect.cleandoc(docstring or "").splitlines():
        heading = _HEADING.match(line)
        if heading:
            current = heading[1]
            parts[current] = [heading[2]]
        else:
            parts[current].append(line)
    return Documentation(
        why=" ".join(" ".join(parts[""]).split()),
        source=" ".join(" ".join(parts.get("Source", [])).split()),
        bad=parse_example("\n".join(parts.get("Bad", []))),
        good=parse_example("\n".join(parts.get("Good", []))),
        not_this=parse_example("\n".join(parts.get("Not this", []))),
    )


def parse_example(text: str) -> Example:
    """Read an example: `# path` lines start a file (default main.py), `# ASY001` at a line's end expects a signal."""
    body = inspect.cleandoc("\n" + text).strip("\n")
    lines_by_path: dict[str, list[str]] = {}
    marked: set[tuple[str, str, int]] = set()
    path = "main.py"
    for line in body.splitlines():
        header = _FILE_HEADER.match(line)
        if header:
            path = header[1]
            lines_by_path[path] = []
            continue
        lines = lines_by_path.setdefault(path, [])
        marker = _MARKER.search(line)
        if marker:
            marked.update((check, path, len(lines) + 1) for check in marker[1].replace(" ", "").split(","))
            line = line[: marker.start()]
        lines.append(line)
    files = {path: "\n".join(lines).rstrip("\n") + "\n" for path, lines in lines_by_path.items()}
    return Example(files if body else {}, frozenset(marked), body)
