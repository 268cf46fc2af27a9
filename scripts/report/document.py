"""A written report, or one section of it, as headings, tables, issues and priority entries with their lines."""

from __future__ import annotations

import difflib
import functools
import re
import textwrap
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

FIELDS = ("Location", "Code", "Impact", "Recommendation", "Reference")

_HEADING = re.compile(r"^(#{1,6})\s+(.*)$")
_FENCE = re.compile(r"^\s*(```+|~~~+)")
_ISSUE = re.compile(r"^\s{0,2}\d+[.)]\s+(.*)$")
_FIELD = re.compile(rf"^\s*[-*+]\s+\**({'|'.join(FIELDS)})\**\s*:\**\s*(.*)$")
_BULLET = re.compile(r"^\s*[-*+]\s+(?:\[[ xX]\]\s*)?(.*)$")
_CITATION = re.compile(r"(?<![\w/.:@+-])(?P<path>[\w@+./-]+)`?:(?P<line>\d{1,9})(?:-(?P<end>\d{1,9}))?(?!\w|:\w)")
_BACKSLASH = re.compile(r"(?<=[\w.])\\(?=[^\W_])")
_QUOTE = re.compile(r"`([^`]+)`")
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
class Block:
    """What stands between two code fences; `number` is the line of the opening one."""

    number: int
    text: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading and the lines up to the next heading of any level. Level 0 is what stands before the first one."""

    level: int
    title: str
    number: int
    parent: str
    lines: list[Line] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Issue:
    """A numbered entry under a dimension: its title, its fields with the lines they stand on, blocks below a field."""

    title: str
    number: int
    fields: dict[str, list[Line]]
    blocks: dict[str, list[Block]]

    def text_of(self, name: str) -> str:
        return " ".join(line.text for line in self.fields.get(name, [])).strip()

    @property
    def text(self) -> str:
        """Title and all fields."""
        return " ".join([self.title, *map(self.text_of, self.fields)])

    @property
    def impact(self) -> str:
        """High, Medium or Low, or what else is written there."""
        return self.text_of("Impact").strip("*. ")

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
    for line in _without_fences(text):
        if isinstance(line, Block):
            sections[-1].blocks.append(line)
            continue
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
    for line in in_order(section):
        if isinstance(line, Block):
            if issue is not None and current:
                issue.blocks.setdefault(current, []).append(line)
            continue
        start, named = _ISSUE.match(line.text), _FIELD.match(line.text)
        if start:
            if issue is not None and _counts(issue, section):
                yield issue
            issue, current = Issue(start[1].strip().strip("*").strip(), line.number, {}, {}), ""
        elif issue is not None and named:
            current = named[1]
            issue.fields.setdefault(current, []).append(Line(line.number, named[2]))
        elif issue is not None and current and line.text.strip():
            issue.fields[current].append(Line(line.number, line.text.strip()))
    if issue is not None and _counts(issue, section):
        yield issue


def in_order(section: Section) -> list[Line | Block]:
    """Lines and blocks of a section as they stand."""
    return sorted([*section.lines, *section.blocks], key=lambda item: item.number)


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
    """Every `path:line` in a line of text, as posix; addresses, hosts with a port and times of day are none."""
    for match in _CITATION.finditer(_BACKSLASH.sub("/", _URL.sub(" ", line.text))):
        path = match["path"].removeprefix("./")
        if _names_a_file(path):
            start = int(match["line"])
            yield Citation(line.number, path, start, int(match["end"] or start))


def quotes_of(issue: Issue) -> list[tuple[int, str]]:
    """Code that an issue says stands at its location, each with its line in the report."""
    lines = [*issue.fields.get("Code", []), *issue.fields.get("Location", [])]
    blocks = [(block.number, block.text) for block in issue.blocks.get("Code", []) if block.text.strip()]
    return [(line.number, quote) for line in lines for quote in quotes_in(line.text)] + blocks


def quotes_in(text: str) -> list[str]:
    """Quoted code, without quoted locations."""
    return [quote for quote in _QUOTE.findall(text) if not any(True for _ in citations(Line(0, quote)))]


def refers(entry: Line, issue: Issue) -> bool:
    """Whether an entry names a location or the title of an issue."""
    places = {(citation.path, citation.line) for citation in issue.citations}
    if any((citation.path, citation.line) in places for citation in citations(entry)):
        return True
    title, text = _plain(issue.title), _plain(entry.text)
    return bool(title) and (title in text or difflib.SequenceMatcher(None, title, text).ratio() > 0.8)


def _plain(text: str) -> str:
    return " ".join(re.sub(r"[^\w ]", " ", text.lower()).split())


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


def _without_fences(text: str) -> Iterator[Line | Block]:
    """Lines outside fences, and every fenced block as one; a fence that nothing closes hides nothing but itself."""
    lines = text.removeprefix("\ufeff").splitlines()
    wrapped = _wrapped(lines) or ()
    never_closed: set[str] = set()
    number = 0
    while number < len(lines):
        number += 1
        if number in wrapped:
            continue
        mark = _FENCE.match(lines[number - 1])
        if mark is None:
            yield Line(number, lines[number - 1].rstrip())
            continue
        end = 0 if mark[1] in never_closed else _end_of_fence(lines, number, mark[1], wrapped)
        if end:
            yield Block(number, textwrap.dedent("\n".join(lines[number : end - 1])))
            number = end
        else:
            never_closed.add(mark[1])


def _end_of_fence(lines: list[str], start: int, fence: str, wrapped: Sequence[int]) -> int:
    """Number of the line that closes the fence opened on line `start`, 0 when none does."""
    for number in range(start + 1, len(lines) + 1):
        mark = _FENCE.match(lines[number - 1])
        if number not in wrapped and mark and mark[1].startswith(fence) and lines[number - 1].strip() == mark[1]:
            return number
    return 0


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
