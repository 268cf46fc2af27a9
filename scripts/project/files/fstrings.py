"""f-strings of Python 3.12 and later, read by an older parser.

They are written as list displays of their expressions, every character of which stays where it was:
`f"{a["k"]!r} of {b}"` becomes `[  a["k"],       b, ]`. After parsing the list is made an `ast.JoinedStr` again.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from project.files.scan import NEW_LINE, Field, Part, StringToken

Edit = tuple[int, int, str]  # start, end, text instead

_NOT_NEW_LINE = re.compile(r"[^\r\n]")
_COMMENT = re.compile(r"#[^\r\n]*")
_CONVERSIONS = {"": -1, "a": 97, "r": 114, "s": 115}


class MismatchError(Exception):
    """The list that came back from the parser has not the expressions that were put in."""


def blank(text: str) -> str:
    """Spaces for `text`, so that what follows keeps its line and its column (which the parser counts in bytes)."""
    return _NOT_NEW_LINE.sub(lambda match: " " * len(match[0].encode()), text)


def as_list(text: str, run: list[StringToken]) -> list[Edit]:
    """Edits that make a list display of the expressions in strings that stand side by side."""
    edits: list[Edit] = []
    for string in run:
        at = string.start
        for field in _fields(string.parts or []):
            edits.append((at, field.start, blank(text[at : field.start])))
            opener, separator = ("(", "),") if field.is_yield else (" ", " " if field.ends_with_comma else ",")
            edits.append((field.start, field.start + 1, opener))
            edits.append((field.expression_end, field.expression_end + 1, separator))
            at = field.expression_end + 1
        edits.append((at, string.end, blank(text[at : string.end])))
    start, end, first = edits[0]
    edits[0] = (start, end, "[" + first[1:])
    start, end, last = edits[-1]
    edits[-1] = (start, end, last[:-1] + "]")
    return edits


def _fields(parts: list[Part]) -> list[Field]:
    """Replacement fields in the order of the text, those in format specifications included."""
    found: list[Field] = []
    waiting = list(reversed(parts))
    while waiting:
        part = waiting.pop()
        if isinstance(part, Field):
            found.append(part)
            waiting.extend(reversed(part.spec or []))
    return found


_ESCAPE = re.compile(r"\\(?:\r\n|[0-7]{1,3}|x[\da-fA-F]{2}|u[\da-fA-F]{4}|U[\da-fA-F]{8}|N\{[^{}]*\}|.)", re.DOTALL)


@dataclass(slots=True)
class _Joiner:
    """Makes the parts of one run again, taking the expressions one after the other."""

    text: str
    made: ast.List
    taken: int = 0

    def joined(self, run: list[StringToken]) -> ast.JoinedStr:
        values: list[str | ast.expr] = []
        for string in run:
            if string.parts is None:
                plain = ast.literal_eval(self.text[string.start : string.end])
                if not isinstance(plain, str):
                    raise MismatchError
                values.append(plain)
            else:
                values.extend(self._values(string, string.parts))
        if self.taken != len(self.made.elts):
            raise MismatchError
        return self._node(values)

    def _values(self, string: StringToken, parts: list[Part]) -> list[str | ast.expr]:
        values: list[str | ast.expr] = []
        for part in parts:
            if isinstance(part, Field):
                if part.debug_end > 0:
                    values.append(self._debug_text(part))
                values.append(self._field(string, part))
            else:
                values.append(_decoded(self.text[part[0] : part[1]], string, doubled=parts is string.parts))
        return values

    def _debug_text(self, field: Field) -> str:
        expression = self.text[field.start + 1 : field.expression_end]
        equals = _COMMENT.sub("", self.text[field.expression_end : field.debug_end])
        return NEW_LINE.sub("\n", expression + equals)

    def _field(self, string: StringToken, field: Field) -> ast.FormattedValue:
        value = self._expression(field)
        conversion = _CONVERSIONS.get(field.conversion)
        if conversion is None:
            raise MismatchError
        if field.debug_end > 0 and not field.conversion and field.spec is None:
            conversion = _CONVERSIONS["r"]
        spec = None if field.spec is None else self._node(self._values(string, field.spec))
        return ast.copy_location(ast.FormattedValue(value, conversion, spec), value)

    def _expression(self, field: Field) -> ast.expr:
        count = 1 if field.is_yield else field.commas + (not field.ends_with_comma)
        items = self.made.elts[self.taken : self.taken + count]
        if len(items) != count:
            raise MismatchError
        self.taken += count
        if field.is_yield or not field.commas:
            return items[0]
        made = ast.copy_location(ast.Tuple(items, ast.Load()), items[0])
        made.end_lineno, made.end_col_offset = items[-1].end_lineno, items[-1].end_col_offset
        return made

    def _node(self, values: list[str | ast.expr]) -> ast.JoinedStr:
        merged: list[ast.expr] = []
        text = ""
        for value in (*values, None):
            if isinstance(value, str):
                text += value
                continue
            if text:
                merged.append(ast.copy_location(ast.Constant(text), self.made))
                text = ""
            if value is not None:
                merged.append(value)
        return ast.copy_location(ast.JoinedStr(merged), self.made)


def _decoded(text: str, string: StringToken, doubled: bool) -> str:
    """The value of literal text of an f-string; braces are doubled outside of format specifications."""
    if doubled:
        text = text.replace("{{", "{").replace("}}", "}")
    text = NEW_LINE.sub("\n", text)
    if "\\" not in text or "r" in string.prefix.lower():
        return text
    return _ESCAPE.sub(lambda match: str(ast.literal_eval(f'"{match[0]}"')), text)


def restore(tree: ast.Module, text: str, runs: dict[tuple[int, int], list[StringToken]]) -> None:
    """Make the lists that stand at the places (line, column in bytes) of `runs` strings again. Raises MismatchError."""
    waiting: list[ast.AST] = [tree]

    def again(value: object) -> object:
        if isinstance(value, ast.List):
            run = runs.get((value.lineno, value.col_offset))
            if run is not None:
                value = _Joiner(text, value).joined(run)
        if isinstance(value, ast.AST):
            waiting.append(value)
        return value

    while waiting:
        node = waiting.pop()
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                value[:] = [again(item) for item in value]
            elif isinstance(value, ast.AST):
                setattr(node, name, again(value))
