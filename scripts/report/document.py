"""A written report, or one section of it, as headings, tables, issues and priority entries with their lines."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

FIELDS = ("Location", "Code", "Impact", "Recommendation", "Reference")

_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_ISSUE = re.compile(r"^\s{0,2}\d+[.)]\s+(.*)$")
_FIELD = re.compile(rf"^\s*[-*+]\s+\**({'|'.join(FIELDS)})\**\s*:\**\s*(.*)$")
_BULLET = re.compile(r"^\s*[-*+]\s+(?:\[[ xX]\]\s*)?(.*)$")
_CITATION = re.compile(r"(?<![\w/.:@+-])(?P<path>[\w@+./-]+)`?:(?P<line>\d{1,9})(?:-(?P<end>\d{1,9}))?(?![\w:])")
_URL = re.compile(r"\b[a-z][a-z0-9+]*://\S+")
_BARE_NAMES = frozenset("Dockerfile Containerfile Makefile Procfile Pipfile Caddyfile".split())
_SUFFIXES = frozenset(
    "py pyi toml yml yaml ini cfg txt md rst json lock env example sample sh sql html conf in xml mako ipynb jinja j2 "
    "dockerfile dockerignore gitignore css js ts".split()
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line outside code fences, with its number in the report."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Citation:
    """`path:line` or `path:line-end` as written."""

    number: int
    path: str
    line: int
    end: int


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the lines up to the next heading of any level. Level 0 is what stands before the first one."""

    level: int
    title: str
    number: int
    parent: str
    lines: list[Line] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Issue:
    """A numbered entry under a dimension: its title and its fields with the lines they stand on."""

    title: str
    number: int
    fields: dict[str, list[Line]]

    def text_of(self, name: str) -> str:
        return " ".join(line.text for line in self.fields.get(name, [])).strip()

    @property
    def citations(self) -> list[Citation]:
        return [c for line in self.fields.get("Location", []) for c in citations(line)]


@dataclass(frozen=True, slots=True)
class Report:
    """The parsed report."""

    sections: list[Section]

    @property
    def lines(self) -> list[Line]:
        return [line for section in self.sections for line in section.lines]

    def under(self, parent: str) -> list[Section]:
        return [section for section in self.sections if section.parent == parent]

    def named(self, title: str) -> Section | None:
        return next((section for section in self.sections if section.title == title), None)

    @property
    def issues(self) -> list[Issue]:
        return [issue for section in self.sections for issue in issues_of(section)]


def parse(text: str) -> Report:
    """Read Markdown; a fence around the whole report is taken off."""
    sections = [Section(0, "", 0, "")]
    chapter = ""
    for line in _outside_fences(text):
        heading = _HEADING.match(line.text)
        if heading is None:
            sections[-1].lines.append(line)
            continue
        level, title = len(heading[1]), heading[2].rstrip("# ")
        sections.append(Section(level, title, line.number, chapter if level > 2 else ""))
        if level <= 2:
            chapter = title
    return Report(sections)


def issues_of(section: Section) -> Iterator[Issue]:
    """Numbered entries of a section that carry at least one of an issue's fields, or stand under a dimension."""
    issue: Issue | None = None
    current = ""
    for line in section.lines:
        start, named = _ISSUE.match(line.text), _FIELD.match(line.text)
        if start:
            if issue is not None and _counts(issue, section):
                yield issue
            issue, current = Issue(start[1].strip().strip("*").strip(), line.number, {}), ""
        elif issue is not None and named:
            current = named[1]
            issue.fields.setdefault(current, []).append(Line(line.number, named[2]))
        elif issue is not None and current and line.text.strip():
            issue.fields[current].append(Line(line.number, line.text.strip()))
    if issue is not None and _counts(issue, section):
        yield issue


def entries_of(section: Section) -> Iterator[Line]:
    """Bullets of a priority section without their check box."""
    for line in section.lines:
        bullet = _BULLET.match(line.text)
        if bullet and not line.text.startswith(("  ", "\t")):
            yield Line(line.number, bullet[1].strip())


def table_rows(section: Section) -> list[tuple[int, list[str]]]:
    """Rows of the section's table below its header, as (line number, cells)."""
    rows = [(line.number, _cells(line.text)) for line in section.lines if line.text.lstrip().startswith("|")]
    return [(number, cells) for number, cells in rows[1:] if not set("".join(cells)) <= set("-: ")]


def citations(line: Line) -> Iterator[Citation]:
    """Every `path:line` in a line of text; addresses, hosts with a port and times of day are none."""
    for match in _CITATION.finditer(_URL.sub(" ", line.text)):
        path = match["path"].removeprefix("./")
        if _names_a_file(path):
            start = int(match["line"])
            yield Citation(line.number, path, start, int(match["end"] or start))


def _names_a_file(path: str) -> bool:
    name = path.rsplit("/", 1)[-1]
    suffix = name.rpartition(".")[2]
    if name in _BARE_NAMES or ("." in name and suffix.lower() in _SUFFIXES):
        return True
    return "/" in path and "." in name and suffix[:1].isalpha()


@functools.cache
def template() -> Report:
    """The empty report, whose headings and wording the check compares with."""
    return parse((Path(__file__).parent / "template.md").read_text(encoding="utf-8"))


def _counts(issue: Issue, section: Section) -> bool:
    return bool(issue.fields) or section.title.endswith(" Related")


def _cells(text: str) -> list[str]:
    return [cell.strip() for cell in text.strip().strip("|").split("|")]


def _outside_fences(text: str) -> Iterator[Line]:
    lines = text.removeprefix("\ufeff").splitlines()
    wrapped = _wrapped(lines)
    fence = ""
    for number, line in enumerate(lines, 1):
        if wrapped and number in wrapped:
            continue
        mark = _FENCE.match(line)
        if mark and not fence:
            fence = mark[1]
        elif mark and mark[1].startswith(fence) and line.strip() == mark[1]:
            fence = ""
        elif not fence:
            yield Line(number, line.rstrip())


def _wrapped(lines: list[str]) -> tuple[int, int] | None:
    """Numbers of the first and last line when they are a fence around everything."""
    filled = [number for number, line in enumerate(lines, 1) if line.strip()]
    if len(filled) < 3:
        return None
    head, tail = lines[filled[0] - 1].strip(), lines[filled[-1] - 1].strip()
    around = (
        re.fullmatch(r"(```+|~~~+)\s*(markdown|md)?", head) is not None and re.fullmatch(r"```+|~~~+", tail) is not None
    )
    return (filled[0], filled[-1]) if around else None
