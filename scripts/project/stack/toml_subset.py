"""TOML for interpreters without `tomllib` (Python 3.10): what configuration files use. Dates and times stay text."""

from __future__ import annotations

import re
from typing import Any

_SPACE = re.compile(r"[ \t]*")
_SPACE_AND_LINES = re.compile(r"(?:[ \t\r\n]+|#[^\n]*)*")
_LINE_END = re.compile(r"[ \t]*(?:#[^\n]*)?(?:\r?\n|$)")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STOPS = {'"': re.compile(r'["\\\n]'), "'": re.compile(r"['\n]")}
_CONTINUED = re.compile(r"[ \t]*\n\s*")
_WORD = re.compile(r"[^\s,\]}#]+(?: \d\d:[^\s,\]}#]+)?")
_INTEGER = re.compile(
    r"[+-]?(?:0|[1-9](?:_?\d)*)$|0x[\da-fA-F](?:_?[\da-fA-F])*$|0o[0-7](?:_?[0-7])*$|0b[01](?:_?[01])*$"
)
_FLOAT = re.compile(r"[+-]?(?:(?:0|[1-9](?:_?\d)*)(?:\.\d(?:_?\d)*)?(?:[eE][+-]?\d(?:_?\d)*)?|inf|nan)$")
_NOT_HEX = re.compile(r"[^\da-fA-F]")
_DATE = re.compile(r"\d{4}-\d\d-\d\d|\d\d:\d\d:")
_ESCAPES = {"b": "\b", "t": "\t", "n": "\n", "f": "\f", "r": "\r", '"': '"', "\\": "\\", "e": "\x1b"}
_MAX_DEPTH = 100


class TomlError(ValueError):
    """Not TOML; the message names the line."""


def loads(text: str) -> dict[str, Any]:
    """Raises TomlError."""
    return _Reader(text.replace("\r\n", "\n")).document()


class _Reader:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.depth = 0
        self.closed: set[int] = set()  # ids of inline tables and arrays: complete where they stand
        self.opened: set[int] = set()  # ids of tables that a header has opened

    def error(self, what: str) -> TomlError:
        line = self.text.count("\n", 0, self.at) + 1
        return TomlError(f"{what} (at line {line})")

    def skip(self, pattern: re.Pattern[str]) -> None:
        match = pattern.match(self.text, self.at)
        self.at = match.end() if match else self.at

    def take(self, word: str) -> bool:
        if self.text.startswith(word, self.at):
            self.at += len(word)
            return True
        return False

    def expect(self, word: str) -> None:
        if not self.take(word):
            raise self.error(f"expected {word!r}")

    def document(self) -> dict[str, Any]:
        root: dict[str, Any] = {}
        table = root
        while True:
            self.skip(_SPACE_AND_LINES)
            if self.at >= len(self.text):
                return root
            if self.take("[["):
                table = self.header(root, "]]")
            elif self.take("["):
                table = self.header(root, "]")
            else:
                self.pair(table)
            match = _LINE_END.match(self.text, self.at)
            if match is None:
                raise self.error("expected the end of the line")
            self.at = match.end()

    def header(self, root: dict[str, Any], closer: str) -> dict[str, Any]:
        """The table that `[path]` or `[[path]]` opens."""
        *path, last = self.keys()
        self.expect(closer)
        outer = self.descend(root, path)
        if closer == "]]":
            tables = outer.setdefault(last, [])
            if not isinstance(tables, list) or id(tables) in self.closed:
                raise self.error(f"{last} is no array of tables")
            made: dict[str, Any] = {}
            tables.append(made)
            return made
        table = outer.setdefault(last, {})
        if not isinstance(table, dict) or id(table) in self.closed | self.opened:
            raise self.error(f"{last} is there already")
        self.opened.add(id(table))
        return table

    def descend(self, table: dict[str, Any], path: list[str]) -> dict[str, Any]:
        for key in path:
            inner = table.setdefault(key, {})
            if isinstance(inner, list) and inner and id(inner) not in self.closed:
                inner = inner[-1]
            if not isinstance(inner, dict) or id(inner) in self.closed:
                raise self.error(f"{key} is no table")
            table = inner
        return table

    def pair(self, table: dict[str, Any]) -> None:
        *path, last = self.keys()
        self.expect("=")
        self.skip(_SPACE)
        outer = self.descend(table, path)
        if last in outer:
            raise self.error(f"{last} is there already")
        outer[last] = self.value()

    def keys(self) -> list[str]:
        """A key with its dots, and the blanks around it."""
        found = []
        while True:
            self.skip(_SPACE)
            if self.text.startswith(('"', "'"), self.at):
                found.append(self.string(several_lines=False))
            else:
                match = _BARE_KEY.match(self.text, self.at)
                if match is None:
                    raise self.error("expected a key")
                found.append(match[0])
                self.at = match.end()
            self.skip(_SPACE)
            if not self.take("."):
                return found

    def value(self) -> Any:
        if self.text.startswith(('"', "'"), self.at):
            return self.string()
        if self.text.startswith(("[", "{"), self.at):
            return self.inline()
        match = _WORD.match(self.text, self.at)
        if match is None:
            raise self.error("expected a value")
        self.at = match.end()
        return self.plain(match[0])

    def plain(self, word: str) -> Any:
        if word in ("true", "false"):
            return word == "true"
        if _INTEGER.match(word):
            return int(word, 0) if word[:2] in ("0x", "0o", "0b") else int(word)
        if _FLOAT.match(word):
            return float(word)
        if _DATE.match(word):
            return word
        raise self.error(f"{word[:40]!r} is no value")

    def inline(self) -> dict[str, Any] | list[Any]:
        """An array or inline table. Line breaks and a last comma are let pass in both, as in TOML 1.1."""
        if self.depth >= _MAX_DEPTH:
            raise self.error("nested too deeply")
        self.depth += 1
        items: list[Any] = []
        table: dict[str, Any] = {}
        is_array = self.text[self.at] == "["
        closer = "]" if is_array else "}"
        self.at += 1
        while True:
            self.skip(_SPACE_AND_LINES)
            if self.take(closer):
                break
            if is_array:
                items.append(self.value())
            else:
                self.pair(table)
            self.skip(_SPACE_AND_LINES)
            if not self.take(","):
                self.expect(closer)
                break
        self.depth -= 1
        made = items if is_array else table
        self.closed.add(id(made))
        return made

    def string(self, several_lines: bool = True) -> str:
        quote = self.text[self.at]
        if several_lines and self.text.startswith(quote * 3, self.at):
            self.at += 3
            self.take("\n")
            return self.several_lines(quote)
        self.at += 1
        pieces = []
        while True:
            stop = _STOPS[quote].search(self.text, self.at)
            if stop is None or stop[0] == "\n":
                raise self.error("string without an end")
            pieces.append(self.text[self.at : stop.start()])
            self.at = stop.end()
            if stop[0] == quote:
                return "".join(pieces)
            pieces.append(self.escape())

    def several_lines(self, quote: str) -> str:
        pieces = []
        while True:
            stop = _STOPS[quote].search(self.text, self.at)
            if stop is None:
                raise self.error("string without an end")
            pieces.append(self.text[self.at : stop.start()])
            self.at = stop.end()
            if stop[0] == "\n":
                pieces.append("\n")
            elif stop[0] == "\\":
                pieces.append("" if self.line_continues() else self.escape())
            else:
                more = self.text[self.at : self.at + 4]
                quotes = 1 + len(more) - len(more.lstrip(quote))
                self.at += quotes - 1
                if quotes >= 3:
                    return "".join((*pieces, quote * (quotes - 3)))
                pieces.append(quote * quotes)

    def line_continues(self) -> bool:
        match = _CONTINUED.match(self.text, self.at)
        if match:
            self.at = match.end()
        return bool(match)

    def escape(self) -> str:
        letter = self.text[self.at : self.at + 1]
        self.at += 1
        if letter in _ESCAPES and letter:
            return _ESCAPES[letter]
        digits = {"x": 2, "u": 4, "U": 8}.get(letter, 0)
        code = self.text[self.at : self.at + digits]
        self.at += digits
        if len(code) != digits or not digits or _NOT_HEX.search(code) or 0xD800 <= int(code, 16) <= 0xDFFF:
            raise self.error("unknown escape in a string")
        if int(code, 16) > 0x10FFFF:
            raise self.error("unknown character in a string")
        return chr(int(code, 16))
