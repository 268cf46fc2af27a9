"""YAML as a flat list of its scalars, each with the keys that lead to it and its line.

Read by PyYAML where the interpreter has it. Otherwise line by line, which is right for what configuration files look
like, but follows no aliases.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from typing import Any, NamedTuple

HAS_YAML = find_spec("yaml") is not None

Keys = tuple[str | int, ...]
MAX_ENTRIES = 50_000
MAX_DEPTH = 100

_BRACKET = re.compile(r"[\[\]{}]")
_HANGING = re.compile(rf"(?:[-?:]\s+){{{MAX_DEPTH}}}")


class Entry(NamedTuple):
    """A scalar; `line` is its first line of text (behind the `|` of a block)."""

    keys: Keys
    value: str
    line: int


class YamlError(ValueError):
    """Not YAML; `line` counts from 1."""

    def __init__(self, what: str, line: int) -> None:
        super().__init__(what)
        self.line = line


def entries_by_library(text: str) -> list[Entry]:
    """Raises YamlError."""
    if _is_deep(text):  # the library needs the square of the depth
        raise YamlError("nested too deeply", 1)
    import yaml  # only when there is something to read: it takes longer to import than the rest of the facts

    loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        documents = list(yaml.compose_all(text, Loader=loader))
        return [entry for document in documents for entry in _walk(document)]
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark
        raise YamlError(error.problem or "not valid YAML", mark.line + 1 if mark else 1) from None
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        raise YamlError(f"not valid YAML: {error.__class__.__name__}", 1) from None


def _walk(document: Any) -> Iterator[Entry]:
    """Aliases are followed, merge keys (`<<`) too; a bomb of aliases ends at MAX_ENTRIES, a ring at MAX_DEPTH."""
    waiting: list[tuple[Keys, Any]] = [((), document)]
    steps = 0
    while waiting and steps < MAX_ENTRIES:
        steps += 1
        keys, node = waiting.pop()
        kind = getattr(node, "id", "") if len(keys) <= MAX_DEPTH else ""
        if kind == "scalar":
            if node.value:
                yield Entry(keys, node.value, node.start_mark.line + 1 + (node.style in ("|", ">")))
        elif kind == "sequence":
            waiting.extend(((*keys, i), item) for i, item in reversed(list(enumerate(node.value[:MAX_ENTRIES]))))
        elif kind == "mapping":
            for key, value in reversed(node.value):
                name = str(key.value) if key.id == "scalar" else "?"
                waiting.append((keys if name == "<<" else (*keys, name), value))


def _is_deep(text: str) -> bool:
    """Whether brackets, or dashes and question marks on one line, nest deeper than configuration does."""
    depth = 0
    for match in _BRACKET.finditer(text):
        depth = depth + 1 if match[0] in "[{" else max(depth - 1, 0)
        if depth > MAX_DEPTH:
            return True
    return _HANGING.search(text) is not None


_KEY = re.compile(r"""("[^"]*"|'[^']*'|[^\s"'\[\]{}#&*!|>%@`,-][^#]*?|-[^\s#][^#]*?)\s*:(?:\s+|$)""")
_TAGS = re.compile(r"(?:[&!]\S*(?:\s+|$))+")
_BLOCK = re.compile(r"([|>])[-+\d]*$")
_FLOW = re.compile(r"""[\[\]{},]|"(?:[^"\\]|\\.)*"|'[^']*'|:(?=\s|$)|[^\s\[\]{},"':]+|\s+|.""", re.DOTALL)
_QUOTED = re.compile(r"""\"(?:[^"\\]|\\.)*"|'(?:[^']|'')*'(?!')""", re.DOTALL)
_ESCAPED = re.compile(r"\\(.)", re.DOTALL)


def entries_by_lines(text: str) -> list[Entry]:
    """What `entries_by_library` gives, for block style and simple flow style; never fails."""
    reader = _Lines(text.splitlines())
    while reader.at < len(reader.lines) and len(reader.found) < MAX_ENTRIES:
        reader.line()
    return reader.found


class _Lines:
    def __init__(self, lines: list[str]) -> None:
        self.lines = lines
        self.at = 0
        self.found: list[Entry] = []
        self.open: list[tuple[int, str | int]] = []  # indentation and key of what the line stands in
        self.counts: dict[Keys, int] = defaultdict(int)
        self.continues = False  # the last entry is a plain scalar that the next line may go on with

    def line(self) -> None:
        text = self.lines[self.at]
        content = _without_comment(text)
        self.at += 1
        if not content or content.startswith(("---", "...", "%")):
            return
        indent = len(text) - len(text.lstrip())
        content = content.lstrip()
        while len(self.open) < MAX_DEPTH and (content == "-" or content.startswith("- ")):
            self._close(indent, item=True)
            keys = self._keys()
            self.open.append((indent, self.counts[keys]))
            self.counts[keys] += 1
            rest = content[1:].lstrip()
            indent += len(content) - len(rest)
            content = rest
            self.continues = False
        match = _KEY.match(content)
        if match:
            self._close(indent)
            self.open.append((indent, match[1].strip("\"'")))
            self._value(content[match.end() :], indent)
        elif self.continues and self.found:
            last = self.found[-1]
            self.found[-1] = last._replace(value=f"{last.value} {content}")
        elif content:
            self._value(content, indent - 1)

    def _close(self, indent: int, item: bool = False) -> None:
        """Leave what ends before a line at `indent`; an item may stand at the indentation of its key."""
        while self.open and self.open[-1][0] >= indent:
            if item and self.open[-1][0] == indent and isinstance(self.open[-1][1], str):
                return
            self.open.pop()

    def _keys(self) -> Keys:
        return tuple(key for _, key in self.open)

    def _value(self, text: str, indent: int) -> None:
        tags = _TAGS.match(text)
        text = text[tags.end() :] if tags else text
        line = self.at
        self.continues = False
        block = _BLOCK.match(text)
        if block:
            value = self._block(indent, folded=block[1] == ">")
            if value:
                self.found.append(Entry(self._keys(), value, line + 1))
        elif text.startswith(("[", "{")):
            self._flow(self._whole(text, _is_open), line)
        elif text.startswith(("'", '"')):
            self._add(self._whole(text, lambda t: not _QUOTED.match(t)), line)
        elif text:
            self._add(text, line)
            self.continues = True

    def _add(self, text: str, line: int, keys: Keys | None = None) -> None:
        value = _unquoted(text)
        if value:
            self.found.append(Entry(self._keys() if keys is None else keys, value, line))

    def _block(self, indent: int, folded: bool) -> str:
        taken: list[str] = []
        while self.at < len(self.lines):
            text = self.lines[self.at]
            if text.strip() and len(text) - len(text.lstrip()) <= indent:
                break
            taken.append(text)
            self.at += 1
        inner = min((len(t) - len(t.lstrip()) for t in taken if t.strip()), default=0)
        value = "\n".join(t[inner:] for t in taken).rstrip("\n")
        return value.replace("\n", " ") if folded else value

    def _whole(self, text: str, is_open: Callable[[str], bool]) -> str:
        """The text with the lines below, as long as its bracket or quote is open."""
        last = min(len(self.lines), self.at + 100)
        while self.at < last and is_open(text):
            text += "\n" + _without_comment(self.lines[self.at]).strip()
            self.at += 1
        return text

    def _flow(self, text: str, line: int) -> None:
        stack: list[str | int] = []
        word, start = "", line
        base = self._keys()

        def end_of_value() -> None:
            nonlocal word
            self._add(word.strip(), start, (*base, *stack))
            word = ""

        for match in _FLOW.finditer(text):
            piece = match[0]
            if len(stack) > MAX_DEPTH:
                return
            if piece == "[":
                stack.append(0)
            elif piece == "{":
                stack.append("")
            elif piece == ":" and stack and isinstance(stack[-1], str):
                stack[-1], word = word.strip().strip("\"'"), ""
            elif piece in ("]", "}"):
                end_of_value()
                if stack:
                    stack.pop()
            elif piece == ",":
                end_of_value()
                if stack:
                    last = stack[-1]
                    stack[-1] = last + 1 if isinstance(last, int) else ""
            else:
                if not word.strip():
                    start = line
                word += piece
                line += piece.count("\n")


def _is_open(text: str) -> bool:
    return text.count("[") + text.count("{") > text.count("]") + text.count("}")


def _without_comment(text: str) -> str:
    if "#" not in text:
        return text.rstrip()
    quote = ""
    before = " "
    for i, letter in enumerate(text):
        if quote:
            quote = "" if letter == quote else quote
        elif letter == "#" and before.isspace():
            return text[:i].rstrip()
        elif letter in "\"'" and (before.isspace() or before in "[{,("):
            quote = letter
        before = letter
    return text.rstrip()


def _unquoted(text: str) -> str:
    text = text.replace("\n", " ")
    if len(text) > 1 and text[0] == text[-1] == "'":
        return text[1:-1].replace("''", "'")
    if len(text) > 1 and text[0] == text[-1] == '"':
        return _ESCAPED.sub(
            lambda match: {"n": "\n", "t": "\t"}.get(match[1], match[1]), text[1:-1].replace("\\ \\ ", " ")
        )
    return text
