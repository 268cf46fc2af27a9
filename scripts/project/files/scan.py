"""Tokens and f-strings of Python source, found without the grammar of the running interpreter.

The interpreter's own tokenizer stops at f-strings newer than itself. This one knows strings, brackets and names,
nothing else; it is linear, keeps its own stack, and refuses (`UnscannableError`) what it cannot follow.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import NamedTuple

NEW_LINE = re.compile(r"\r\n|\r|\n")

_TOKEN = re.compile(
    r"""(?P<space>[ \t\f]+|\\(?:\r\n|\r|\n)|\#[^\r\n]*)
      |(?P<newline>\r\n|\r|\n)
      |(?P<name>[^\W\d]\w*)
      |(?P<number>\d\w*)
      |(?P<quote>'''|\"\"\"|'|\")
      |(?P<op>[=!<>]=|\*\*|:=|.)""",
    re.VERBOSE | re.DOTALL,
)
_SPACE = r"(?:\s|\\(?:\r\n|\r|\n)|\#[^\r\n]*)*"
_FIELD_TAIL = re.compile(rf"(?P<debug>={_SPACE})?(?:!(?P<conversion>[^\W\d]\w*){_SPACE})?(?P<end>[:}}])")
_QUOTE = re.compile(r"'''|\"\"\"|'|\"")
_STRING_STOPS = {q: re.compile(rf"{q}|[\\\r\n]") for q in ("'", '"', "'''", '"""')}
_TEXT_STOPS = {q: re.compile(rf"{q}|[\\\r\n{{}}]") for q in ("'", '"', "'''", '"""')}
_ESCAPE = re.compile(r"\\(?:\r\n|.)", re.DOTALL)
_RAW_TEXT_ESCAPE = re.compile(r"\\(?:\r\n|[^{}])?")
_TEXT_ESCAPE = re.compile(r"\\(?:\r\n|N\{[^{}\r\n'\"]*\}|[^{}])?")
_FORMATTED_PREFIXES = frozenset(("f", "fr", "rf", "t", "tr", "rt"))
_PREFIXES = _FORMATTED_PREFIXES | frozenset(("r", "u", "b", "br", "rb"))
_MAX_DEPTH = 400  # CPython allows 200 brackets and 150 f-strings
_CLOSERS = {"(": ")", "[": "]", "{": "}"}


class UnscannableError(Exception):
    """The text has no string, bracket or field structure that Python of any version has."""


class Token(NamedTuple):
    """A name, number, string, op or newline (end of a logical line); start and end of an f-string are a string each."""

    kind: str
    text: str
    start: int
    end: int
    opener: int  # index of the token of the innermost bracket or f-string around it, -1 outside of any


@dataclass(slots=True)
class Field:
    """A replacement field: `start` is at its `{`, `end` behind its `}`, `expression_end` behind the expression."""

    start: int
    expression_end: int = -1
    end: int = -1
    commas: int = 0
    ends_with_comma: bool = False
    is_yield: bool = False
    debug_end: int = -1
    conversion: str = ""
    spec: list[tuple[int, int] | Field] | None = None


Part = tuple[int, int] | Field


@dataclass(slots=True)
class StringToken:
    """One string of the source; `parts` of an f-string or t-string: (start, end) of literal text, and fields."""

    start: int
    prefix: str
    quote: str
    end: int = -1
    parts: list[Part] | None = None


@dataclass(slots=True)
class Scan:
    """`partner` leads from the index of an opening bracket to the closing one; `runs` are strings side by side."""

    tokens: list[Token] = field(default_factory=list)
    partner: dict[int, int] = field(default_factory=dict)
    runs: list[list[StringToken]] = field(default_factory=list)


@dataclass(slots=True)
class _Code:
    """Code of the module, between brackets, or of a replacement field; `run` are the strings just passed."""

    closer: str
    opener: int
    run: list[StringToken] | None = None
    field: Field | None = None
    first_token: int = 0


@dataclass(slots=True)
class _Text:
    """Literal text of an f-string (from `start`), or of the format specification of one of its fields."""

    string: StringToken
    opener: int
    parts: list[Part]
    start: int
    field: Field | None = None


def scan(text: str) -> Scan:
    """Raises UnscannableError."""
    scanner = _Scanner(text)
    while scanner.at < len(text):
        frame = scanner.frames[-1]
        if len(scanner.frames) > _MAX_DEPTH:
            raise UnscannableError
        if isinstance(frame, _Code):
            scanner.code(frame)
        else:
            scanner.literal(frame)
    if len(scanner.frames) > 1:
        raise UnscannableError
    return scanner.found


class _Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.found = Scan()
        self.frames: list[_Code | _Text] = [_Code("", -1)]

    def code(self, frame: _Code) -> None:
        match = _TOKEN.match(self.text, self.at)
        if match is None:
            raise UnscannableError
        kind, word = match.lastgroup or "", match[0]
        if kind == "op":
            self._operator(frame, word)
        elif kind == "quote":
            self._string(frame, "", word)
        elif kind == "name":
            quote = _QUOTE.match(self.text, match.end()) if word.lower() in _PREFIXES else None
            if quote:
                self._string(frame, word, quote[0])
            else:
                self._add(frame, kind, word)
        elif kind == "number" or (kind == "newline" and frame.opener < 0):
            self._add(frame, kind, word)
        else:
            self.at = match.end()

    def _add(self, frame: _Code, kind: str, word: str) -> None:
        self.found.tokens.append(Token(kind, word, self.at, self.at + len(word), frame.opener))
        self.at += len(word)
        frame.run = None

    def _operator(self, frame: _Code, word: str) -> None:
        if frame.field and word[0] in "=!:}" and self._field_tail(frame, frame.field):
            return
        if word in _CLOSERS:
            opener = len(self.found.tokens)
            self._add(frame, "op", word)
            self.frames.append(_Code(_CLOSERS[word], opener))
        elif word in _CLOSERS.values():
            if word != frame.closer:
                raise UnscannableError
            self.frames.pop()
            outer = self.frames[-1]
            if not isinstance(outer, _Code):
                raise UnscannableError
            self.found.partner[frame.opener] = len(self.found.tokens)
            self._add(outer, "op", word)
        else:
            if frame.field and word == ",":
                frame.field.commas += 1
            self._add(frame, "op", word)

    def _string(self, frame: _Code, prefix: str, quote: str) -> None:
        string = StringToken(self.at, prefix, quote)
        if frame.run is None:
            frame.run = []
            self.found.runs.append(frame.run)
        frame.run.append(string)
        opener = len(self.found.tokens)
        start = self.at + len(prefix) + len(quote)
        if prefix.lower() in _FORMATTED_PREFIXES:
            self.found.tokens.append(Token("string", prefix, self.at, start, frame.opener))
            string.parts = []
            self.frames.append(_Text(string, opener, string.parts, start))
            self.at = start
        else:
            string.end = self._string_end(quote, start)
            self.found.tokens.append(Token("string", prefix, self.at, string.end, frame.opener))
            self.at = string.end

    def _string_end(self, quote: str, at: int) -> int:
        stops = _STRING_STOPS[quote]
        while stop := stops.search(self.text, at):
            if stop[0] == quote:
                return stop.end()
            if stop[0] == "\\":
                escape = _ESCAPE.match(self.text, stop.start())
                at = escape.end() if escape else stop.end()
            elif len(quote) == 1:
                raise UnscannableError
            else:
                at = stop.end()
        raise UnscannableError

    def literal(self, frame: _Text) -> None:
        """Go on to the next field, the end of the string, or the end of the format specification."""
        stop = _TEXT_STOPS[frame.string.quote].search(self.text, self.at)
        if stop is None:
            raise UnscannableError
        self.at = stop.end()
        if stop[0] == "\\":
            raw = "r" in frame.string.prefix.lower()
            escape = (_RAW_TEXT_ESCAPE if raw else _TEXT_ESCAPE).match(self.text, stop.start())
            self.at = escape.end() if escape else stop.end()
        elif stop[0] == "{":
            self._brace(frame, stop.start())
        elif stop[0] == "}":
            if frame.field:
                self._end_of_text(frame, stop.start())
                self._end_of_field(frame.field)
            elif not self.text.startswith("}", self.at):
                raise UnscannableError
            else:
                self.at += 1
        elif stop[0] == frame.string.quote:
            if frame.field:
                raise UnscannableError
            self._end_of_text(frame, stop.start())
            frame.string.end = stop.end()
            outer = self.frames[-1]
            self.found.tokens.append(Token("string", stop[0], stop.start(), stop.end(), outer.opener))
        elif len(frame.string.quote) == 1:
            raise UnscannableError

    def _brace(self, frame: _Text, at: int) -> None:
        if not frame.field and self.text.startswith("{", self.at):
            self.at += 1
            return
        if frame.start < at:
            frame.parts.append((frame.start, at))
        made = Field(at)
        frame.parts.append(made)
        self.frames.append(_Code("}", frame.opener, field=made, first_token=len(self.found.tokens)))

    def _end_of_text(self, frame: _Text, at: int) -> None:
        if frame.start < at:
            frame.parts.append((frame.start, at))
        self.frames.pop()

    def _field_tail(self, frame: _Code, of: Field) -> bool:
        """Whether the expression of the field ends here: at `}`, `:`, `!r` or `=` before one of them."""
        tail = _FIELD_TAIL.match(self.text, self.at)
        if tail is None:
            return False
        tokens = self.found.tokens
        if frame.first_token == len(tokens):
            raise UnscannableError
        of.expression_end = self.at
        of.is_yield = tokens[frame.first_token].text == "yield"
        of.ends_with_comma = tokens[-1].text == ","
        of.debug_end = tail.end("debug")
        of.conversion = tail["conversion"] or ""
        self.at = tail.end()
        self.frames.pop()
        if tail["end"] == "}":
            self._end_of_field(of)
        else:
            text = self.frames[-1]
            if not isinstance(text, _Text):
                raise UnscannableError
            of.spec = []
            self.frames.append(_Text(text.string, frame.opener, of.spec, self.at, of))
        return True

    def _end_of_field(self, of: Field) -> None:
        of.end = self.at
        text = self.frames[-1]
        if isinstance(text, _Text):
            text.start = self.at
