"""Configuration files of a project: found, read once, with the line of every setting. Nothing here raises."""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from project.place import Place
from project.stack.toml_reader import loads as _loads_toml
from project.stack.yaml_lines import HAS_YAML, Entry, YamlError, entries_by_library, entries_by_lines

Table = dict[str, Any]

MAX_CHARACTERS = 8_000_000  # lock files of large projects have four
MAX_PARSED = 1_000_000

_LONG_KEY = re.compile(
    r"""(?<![\w-])(?:(?:[\w-]+|"[^"\n]*"|'[^'\n]*')[ \t]*\.[ \t]*){100}"""
)  # takes the square of its length
_AT_LINE = re.compile(r"at line (\d+)")
_SIDE = re.compile(
    r"(^|/)(tests?|testing|docs?|docs_src|examples?|samples?|demos?|templates?|fixtures|benchmarks?|tutorials?|cookbook)/"
)
_HEADER = re.compile(r"\s*\[{1,2}([^\[\],]+)\]{1,2}\s*(?:#.*)?$")
_KEY = re.compile(r"""\s*((?:[\w-]+|"[^"]*"|'[^']*')(?:\s*\.\s*(?:[\w-]+|"[^"]*"|'[^']*'))*)\s*=""")
_KEY_PART = re.compile(r""""[^"]*"|'[^']*'|[^.\s]+""")
_SECTION = re.compile(r"\[([^\]]+)\]")
_OPTION = re.compile(r"([^=:\s][^=:]*?)\s*[=:]\s*(.*)$")


@dataclass(frozen=True, slots=True, order=True)
class Note:
    """Something about a configuration file that limits what is known; line 0 when it is about the file or the tool."""

    path: str
    line: int
    text: str


@dataclass
class TomlFile:
    """A TOML file and where its keys stand."""

    path: str
    text: str
    data: Table

    def table(self, *keys: str) -> Table:
        """The table at these keys, {} when there is none."""
        found: Any = self.data
        for key in keys:
            found = found.get(key) if isinstance(found, dict) else None
        return found if isinstance(found, dict) else {}

    def place(self, *keys: str) -> Place:
        """The line of a key, or of the nearest table or key around it."""
        for end in range(len(keys), 0, -1):
            line = self._lines.get(keys[:end])
            if line:
                return Place(self.path, line, line)
        return Place(self.path, 1, 1)

    def place_of_text(self, fragment: str, *keys: str) -> Place:
        """The line at or below a key that holds `fragment`, else the key's."""
        start = self.place(*keys)
        for number, line in enumerate(self._text_lines[start.line - 1 :], start.line):
            if fragment in line:
                return Place(self.path, number, number)
        return start

    @cached_property
    def _text_lines(self) -> list[str]:
        return self.text.split("\n")

    @cached_property
    def _lines(self) -> dict[tuple[str, ...], int]:
        found: dict[tuple[str, ...], int] = {}
        table: tuple[str, ...] = ()
        for number, line in enumerate(self._text_lines, 1):
            header = _HEADER.match(line)
            if header:
                table = _parts(header[1])
                for end in range(len(table), 0, -1):
                    found.setdefault(table[:end], number)
            elif key := _KEY.match(line):
                found.setdefault((*table, *_parts(key[1])), number)
        return found


def _parts(dotted: str) -> tuple[str, ...]:
    return tuple(part.strip("\"'") for part in _KEY_PART.findall(dotted))


@dataclass(slots=True)
class IniValue:
    """A value of one or more lines: each with its number."""

    lines: list[tuple[int, str]]

    @property
    def line(self) -> int:
        return self.lines[0][0]

    @property
    def text(self) -> str:
        return "\n".join(text for _, text in self.lines).strip()

    def items(self) -> list[tuple[int, str]]:
        """What stands between commas and line breaks, with its line."""
        return [(line, item.strip()) for line, text in self.lines for item in text.split(",") if item.strip()]


@dataclass(slots=True)
class IniFile:
    """Sections of an INI file; keys are in lower case with `_` for `-`. A section that stands twice counts once."""

    path: str
    sections: dict[str, dict[str, IniValue]] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def get(self, section: str, key: str) -> IniValue | None:
        return self.sections.get(section, {}).get(key)

    @classmethod
    def parse(cls, path: str, text: str) -> IniFile:
        made = cls(path)
        section: dict[str, IniValue] = {}
        last: IniValue | None = None
        for number, line in enumerate(text.splitlines(), 1):
            content = line.strip()
            if not content or content[0] in "#;":
                continue
            header = _SECTION.match(line)
            option = _OPTION.match(content)
            if header:
                section = made.sections.setdefault(header[1].strip(), {})
                made.places.setdefault(header[1].strip(), Place(path, number, number))
                last = None
            elif line[0].isspace() and last is not None:
                last.lines.append((number, content))
            elif option:
                last = IniValue([(number, option[2])])
                section[option[1].lower().replace("-", "_")] = last
        return made


class ConfigFiles:
    """`read` gives the text of a file of the project, None when it is not there, too large or no text."""

    def __init__(self, files: Iterable[str], read: Callable[[str], str | None]) -> None:
        self.files = sorted(files, key=_nearness)
        self.notes: list[Note] = []
        self._read = read
        self._by_name: dict[str, list[str]] = {}
        for path in self.files:
            self._by_name.setdefault(path.rsplit("/", 1)[-1], []).append(path)
        self._texts: dict[str, str] = {}
        self._tomls: dict[str, TomlFile] = {}
        self._inis: dict[str, IniFile] = {}
        self._yamls: dict[str, list[Entry]] = {}

    def named(self, *names: str) -> list[str]:
        """Paths of the files so called, those nearest to the root first, those of tests, docs and examples last."""
        return sorted((path for name in names for path in self._by_name.get(name, ())), key=_nearness)

    def matching(self, pattern: re.Pattern[str]) -> list[str]:
        """Paths in which the pattern is found, in the same order."""
        return [path for path in self.files if pattern.search(path)]

    def is_part(self, path: str) -> bool:
        """Whether a file stands in a package inside a package: it is about a plugin, not about the application."""
        folder = posixpath.dirname(path)
        packages = set(self._by_name.get("__init__.py", ()))
        return f"{folder}/__init__.py" in packages and f"{posixpath.dirname(folder)}/__init__.py" in packages

    def note(self, path: str, line: int, text: str) -> None:
        made = Note(path, line, text)
        if made not in self.notes:
            self.notes.append(made)

    def text(self, path: str) -> str:
        """Empty when it cannot be read. Line ends are those of Unix."""
        if path not in self._texts:
            text = self._read(path)
            if text is None:
                self.note(path, 0, "cannot be read")
            elif len(text) > MAX_CHARACTERS:
                self.note(path, 0, f"is left out: more than {MAX_CHARACTERS // 1_000_000} million characters")
                text = None
            self._texts[path] = (text or "").removeprefix("\ufeff").replace("\r\n", "\n").replace("\r", "\n")
        return self._texts[path]

    def _parsable(self, path: str) -> str:
        text = self.text(path)
        if len(text) > MAX_PARSED:
            self.note(path, 0, f"is left out: more than {MAX_PARSED // 1_000_000} million characters")
            return ""
        return text

    def toml(self, path: str) -> TomlFile:
        if path not in self._tomls:
            text = self._parsable(path)
            data: Table = {}
            try:
                if _LONG_KEY.search(text):
                    raise ValueError("a key of more than a hundred parts")
                data = _loads_toml(text)
            except (ValueError, RecursionError) as error:
                line = _AT_LINE.search(str(error))
                self.note(path, int(line[1]) if line else 1, f"is no valid TOML: {str(error)[:200]}")
            self._tomls[path] = TomlFile(path, text, data)
        return self._tomls[path]

    def ini(self, path: str) -> IniFile:
        if path not in self._inis:
            self._inis[path] = IniFile.parse(path, self._parsable(path))
        return self._inis[path]

    def yaml(self, path: str) -> list[Entry]:
        if path not in self._yamls:
            self._yamls[path] = self._entries(path)
        return self._yamls[path]

    def _entries(self, path: str) -> list[Entry]:
        text = self._parsable(path)
        if not HAS_YAML:
            self.note("", 0, "PyYAML is not installed here: YAML files were read line by line")
            return entries_by_lines(text)
        try:
            return entries_by_library(text)
        except YamlError as error:
            self.note(path, error.line, f"is no valid YAML: {str(error)[:200]}")
            return entries_by_lines(text)

    def json(self, path: str) -> Any:
        """None when it is not valid."""
        try:
            return json.loads(self.text(path))
        except (ValueError, RecursionError) as error:
            self.note(path, getattr(error, "lineno", 1), f"is no valid JSON: {str(error)[:200]}")
            return None


def logical_lines(text: str) -> Iterator[tuple[int, str]]:
    """Stripped lines with the number of the first, those ending in a backslash joined; no blank ones, no comments."""
    start, held = 0, ""
    for number, line in enumerate(text.split("\n"), 1):
        content = line.strip()
        if not content or content.startswith("#"):
            continue
        start = start or number
        if content.endswith("\\"):
            held += content[:-1] + " "
            continue
        yield start, held + content
        start, held = 0, ""
    if held:
        yield start, held


def is_side(path: str) -> bool:
    """Whether a file belongs to tests, documentation, examples or templates rather than to the application."""
    return bool(_SIDE.search(path))


def _nearness(path: str) -> tuple[bool, int, str]:
    return is_side(path), path.count("/"), path
