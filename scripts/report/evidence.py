"""Whether what a report cites stands in the reviewed project: files, lines, quoted code, sections of documents."""

from __future__ import annotations

import bisect
import difflib
import functools
import itertools
import os
import re
from collections.abc import Iterator
from pathlib import Path

from project.files.reading import read_regular
from report.document import Citation

SKILL_FOLDER = Path(__file__).resolve().parents[2]
_LONGEST_DECORATOR = 60
NEAR = 4
_MAX_BYTES = 5_000_000
_SHORTEST_QUOTE = 4
_LONGEST_QUOTE = 80
_MOST_FOUND = 500
_MOST_SEARCHED = 5_000
_SKIPPED_FOLDERS = frozenset(
    {".git", ".venv", "venv", "node_modules", "__pycache__", ".mypy_cache", ".tox", "site-packages"}
)
_ABSENT_SUFFIXES = (".toml", ".yml", ".yaml", ".ini", ".cfg", ".txt", ".md", ".env", ".example", ".lock")
_ABSENT_NAMES = ("conftest.py", "Dockerfile", "Makefile", ".env", ".dockerignore", ".gitignore")
_DEFINITION = re.compile(r"^(\s*)(?:async\s+def|def|class)\s+(\w+)")
_LINE_END = re.compile(r"\r\n|\r|\n")  # as Python counts lines: not at form feeds
_NAME = re.compile(r"^@?([A-Za-z_][\w.]*)(?:\(\))?$")


class Tree:
    """The reviewed folder, read only as far as the report cites it."""

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        self._lines: dict[str, list[str] | None] = {}
        self._squeezed: dict[str, tuple[list[int], str]] = {}

    def lines(self, path: str) -> list[str] | None:
        """Lines of a file inside the folder, None when there is no such readable file."""
        if path not in self._lines:
            self._lines[path] = self._read(path)
        return self._lines[path]

    def _read(self, path: str) -> list[str] | None:
        try:
            file = (self.root / path).resolve()
            if not file.is_relative_to(self.root):
                return None
            text = read_regular(file, _MAX_BYTES).decode("utf-8-sig", errors="replace")
        except (OSError, RuntimeError, ValueError):
            return None
        lines = _LINE_END.split(text)
        return lines if lines[-1] else lines[:-1]

    def problem_with(self, citation: Citation) -> tuple[str, str] | None:
        """What is wrong with a citation and what would be right, None when it exists."""
        lines = self.lines(citation.path)
        if lines is None:
            near = self.nearest(citation.path)
            return (
                f"there is no file {citation.path}",
                f"is it {near}?" if near else "cite a file below the reviewed folder",
            )
        if (
            not 1 <= citation.line <= max(len(lines), 1)
            or citation.end < citation.line
            or citation.end > max(len(lines), 1)
        ):
            return f"{citation.path} has {len(lines)} lines", "cite a line that exists"
        return None

    def nearest(self, path: str) -> str | None:
        """The file of the folder that the path most likely means."""
        same_end = [known for known in self._files if known.endswith("/" + path) or path.endswith("/" + known)]
        by_name = [known for known in self._files if known.rsplit("/", 1)[-1] == path.rsplit("/", 1)[-1]]
        return next(iter(same_end or by_name or difflib.get_close_matches(path, self._files, 1, 0.75)), None)

    @functools.cached_property
    def _files(self) -> list[str]:
        return sorted(self._walk())

    def _walk(self) -> Iterator[str]:
        for folder, folders, files in os.walk(self.root):
            folders[:] = [name for name in folders if name not in _SKIPPED_FOLDERS]
            for name in files:
                yield (Path(folder) / name).relative_to(self.root).as_posix()

    def stands_near(self, quote: str, citation: Citation) -> bool:
        """Whether code or a name stands within a few lines of the cited place, or names what encloses it."""
        lines = self.lines(citation.path) or []
        first = max(citation.line - 1 - NEAR, 0)
        end = _decorated_def(lines, citation.end) + NEAR + quote.strip().count("\n")
        window = _squeezed(" ".join(lines[first:end]))
        parts = _parts(quote)
        if sum(map(len, parts)) >= _SHORTEST_QUOTE and all(part in window for part in parts):
            return True
        if any(_is_whole_line(quote, line) for line in lines[first:end]):
            return True
        name = _NAME.match(quote.strip())
        if name is None:
            return False
        last = name[1].rsplit(".", 1)[-1]
        near = "\n".join(lines[first:end])
        return re.search(rf"\b{re.escape(last)}\b", near) is not None or last in enclosing_names(lines, citation.line)

    def found(self, quote: str, path: str) -> list[int]:
        """Lines of a file where quoted code starts; for a name that nothing quotes, where it is defined or used."""
        lines = self.lines(path) or []
        parts = _parts(quote)
        if sum(map(len, parts)) < _SHORTEST_QUOTE:
            return [number for number, line in enumerate(lines, 1) if _is_whole_line(quote, line)]
        starts, whole = self._one_line(path)
        found = []
        for match in itertools.islice(re.finditer(re.escape(parts[0]), whole), _MOST_FOUND):
            line = bisect.bisect_right(starts, match.start())
            window = whole[match.start() : starts[min(line + _LONGEST_QUOTE, len(lines))]]
            if all(part in window for part in parts) and line not in found:
                found.append(line)
        name = _NAME.match(quote.strip())
        if name is None:
            return found
        last = re.escape(name[1].rsplit(".", 1)[-1])
        defined = [n for n, text in enumerate(lines, 1) if re.match(rf"\s*(?:async\s+def|def|class)\s+{last}\b", text)]
        return defined or found or [n for n, text in enumerate(lines, 1) if re.search(rf"\b{last}\b", text)]

    def _one_line(self, path: str) -> tuple[list[int], str]:
        """A file without white space, and at which character each line starts."""
        if path not in self._squeezed:
            lines = [_squeezed(line) for line in self.lines(path) or []]
            self._squeezed[path] = [0, *itertools.accumulate(map(len, lines))], "".join(lines)
        return self._squeezed[path]

    def holders(self, quote: str) -> list[tuple[str, int]]:
        """Python files of the folder in which quoted code stands, each with its first line, at most two."""
        found: list[tuple[str, int]] = []
        for path in itertools.islice((p for p in self._files if p.endswith(".py")), _MOST_SEARCHED):
            lines = self.found(quote, path)
            if lines:
                found.append((path, lines[0]))
            if len(found) > 1:
                break
        return found

    def could_be_absent(self, citation: Citation) -> bool:
        """Whether the citation names line 1 of a file that is not there and would hold what is missing."""
        name = citation.path.rsplit("/", 1)[-1]
        known = name in _ABSENT_NAMES or name.endswith(_ABSENT_SUFFIXES)
        return (
            citation.line == 1 and known and ".." not in citation.path.split("/") and self.lines(citation.path) is None
        )


def _decorated_def(lines: list[str], line: int) -> int:
    """The line of the def or class that a decorator on `line` belongs to; `line` itself when there is none."""
    if 1 <= line <= len(lines) and lines[line - 1].lstrip().startswith("@"):
        for number in range(line, min(line + _LONGEST_DECORATOR, len(lines) + 1)):
            if _DEFINITION.match(lines[number - 1]):
                return number
    return line


def enclosing_names(lines: list[str], line: int) -> set[str]:
    """Names of the functions and classes around a line, by indentation."""
    if not 1 <= line <= len(lines):
        return set()
    names: set[str] = set()
    indent = _indent(lines[line - 1]) if lines[line - 1].strip() else 1_000
    for text in reversed(lines[: line - 1]):
        definition = _DEFINITION.match(text)
        if definition and len(definition[1].expandtabs()) < indent:
            names.add(definition[2])
            indent = len(definition[1].expandtabs())
    return names


@functools.cache
def anchors(document: str) -> frozenset[str]:
    """Anchors of one of the skill's documents: explicit ones and those GitHub makes of headings."""
    file = SKILL_FOLDER / document
    if not file.is_file():
        return frozenset()
    text = file.read_text(encoding="utf-8")
    explicit = re.findall(r'<a (?:id|name)="([^"]+)"', text)
    outside = re.sub(r"^(```+)[^\n]*\n.*?^\1[ \t]*$", "", text, flags=re.MULTILINE | re.DOTALL)
    return frozenset([*explicit, *_heading_anchors(re.findall(r"^#{1,6}\s+(.*?)\s*#*$", outside, re.MULTILINE))])


def _heading_anchors(headings: list[str]) -> Iterator[str]:
    seen: dict[str, int] = {}
    for heading in headings:
        plain = re.sub(r"\[([^\]]*)\]\([^)]*\)|<[^>]*>", r"\1", heading)
        slug = re.sub(r"[^\w\- ]", "", plain.lower()).replace(" ", "-")
        number = seen.get(slug, 0)
        seen[slug] = number + 1
        yield f"{slug}-{number}" if number else slug


def _indent(text: str) -> int:
    expanded = text.expandtabs()
    return len(expanded) - len(expanded.lstrip())


def _squeezed(text: str) -> str:
    """Without white space and with one kind of quote, so that wrapping and quoting style do not matter."""
    return re.sub(r"\s+", "", text).replace('"', "'")


def _is_whole_line(quote: str, line: str) -> bool:
    """Whether a quote, however short, is all that a line says."""
    return bool(quote.strip(" .…")) and quote.strip() == line.strip()


def _parts(quote: str) -> list[str]:
    return [_squeezed(part) for part in re.split(r"…|\.\.\.", quote) if part.strip()]
