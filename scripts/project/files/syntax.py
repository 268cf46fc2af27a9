"""Parsing of Python files whose grammar may be newer than the running interpreter.

What the parser refuses is written in an older form, in memory, and parsed again. Every name keeps its line, and its
column as far as possible:

- 3.11: `except* E`, `a[*b]`, `*args: *Ts`  -> without the star
- 3.12: `def f[T](x)`, `class C[T]`         -> without the type parameters
        `type X[T] = Y`                     -> `X = Y`
        f-strings that reuse quotes, hold backslashes, comments or line breaks -> see fstrings.py
- 3.13: `class C[T = int]`                  -> without the default
- 3.14: `except A, B:`                      -> `except (A, B):`
        t-strings                           -> f-strings
- 3.15: `lazy import x`                     -> `import x`
        `[*a for a in b]`, `{**a for a in b}` -> without the stars
"""

from __future__ import annotations

import ast
import keyword
import re
import sys
import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Callable, Iterator

from project.files.fstrings import Edit, MismatchError, as_list, blank, restore
from project.files.scan import NEW_LINE, Scan, StringToken, UnscannableError, scan

_PYTHON_2 = re.compile(r"in call to '(print|exec)'|leading zeros in decimal")
_HERE = sys.version_info[:2]


def parse(text: str, path: str) -> tuple[ast.Module, bool]:
    """The tree of a file, and whether it was read through a rewrite of newer syntax.

    Raises the parser's own SyntaxError for what is no Python of any version known here, its message naming the version
    if its syntax was seen; and what the parser raises besides: ValueError, RecursionError, MemoryError.
    """
    text = text.removeprefix("\ufeff")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return _parse(text, path), False
        except SyntaxError as error:
            rewrite = _Rewrite.of(text)
            if rewrite is None:
                error.msg += _hint(error.msg, None)
                raise
            try:
                return rewrite.parse(path), True
            except (SyntaxError, MismatchError) as still:
                error.msg += _hint(f"{error.msg} {still}", rewrite.needs)
            raise


def _parse(text: str, path: str) -> ast.Module:
    try:
        return ast.parse(text, path)
    except (SystemError, OverflowError) as error:
        raise SyntaxError(f"the parser of this Python gave up: {error}") from error


def _hint(messages: str, needs: tuple[int, int] | None) -> str:
    """Which Python would read the file, as far as the parser's messages and what was found in it say."""
    if _PYTHON_2.search(messages):
        return " (this is Python 2)"
    return f" (it holds syntax of Python {needs[0]}.{needs[1]})" if needs else ""


class _Rewrite:
    """Edits of one text; `needs` is the oldest Python that reads it without them."""

    def __init__(self, text: str, found: Scan) -> None:
        self.text = text
        self.found = found
        self.tokens = found.tokens
        self.edits: list[Edit] = []
        self.runs: list[list[StringToken]] = []
        self.needs = (3, 0)

    @classmethod
    def of(cls, text: str) -> _Rewrite | None:
        """None where nothing newer than this interpreter is found."""
        try:
            made = cls(text, scan(text))
        except UnscannableError:
            return None
        for index, token in enumerate(made.tokens):
            rule = _RULES.get(token.text) if token.kind != "string" else None
            if rule:
                rule(made, index)
        made.strings()
        made.edits = list(_apart(made.edits))
        return made if made.edits else None

    def parse(self, path: str) -> ast.Module:
        pieces: list[str] = []
        at = 0
        for start, end, instead in self.edits:
            pieces += (self.text[at:start], instead)
            at = end
        pieces.append(self.text[at:])
        text = "".join(pieces)
        tree = _parse(text, path)
        if self.runs:
            restore(tree, self.text, dict(zip(self._places(text), self.runs, strict=True)))
        return tree

    def _places(self, text: str) -> Iterator[tuple[int, int]]:
        """Line and column (bytes) of each run in the rewritten text; runs are in the order of the text."""
        lines = [0, *(match.end() for match in NEW_LINE.finditer(text))]
        starts, moved = [], [0]
        for start, end, instead in self.edits:
            starts.append(start)
            moved.append(moved[-1] + len(instead) - (end - start))
        line, column, before = 1, 0, 0
        for run in self.runs:
            at = run[0].start + moved[bisect_left(starts, run[0].start)]
            here = bisect_right(lines, at)
            if here != line:
                line, column, before = here, 0, lines[here - 1]
            column += len(text[before:at].encode())
            before = at
            yield line, column

    def replace(self, version: tuple[int, int], start: int, end: int, instead: str) -> None:
        self.edits.append((start, end, instead))
        self.needs = max(self.needs, version)

    def word(self, index: int) -> str:
        """Text of a token, "" for strings and outside of the file."""
        if 0 <= index < len(self.tokens) and self.tokens[index].kind != "string":
            return self.tokens[index].text
        return ""

    def starts_statement(self, index: int) -> bool:
        before = self.tokens[index - 1] if index else None
        return before is None or before.kind == "newline" or (before.opener < 0 and before.text in (";", ":"))

    def strings(self) -> None:
        for run in self.found.runs:
            if _HERE < (3, 12) and any(string.parts is not None for string in run):
                self.runs.append(run)
                needs = (3, 14) if any("t" in string.prefix.lower() for string in run) else (3, 12)
                for edit in as_list(self.text, run):
                    self.replace(needs, *edit)
            for string in run if _HERE >= (3, 12) else ():
                place = string.prefix.lower().find("t")
                if _HERE < (3, 14) and place >= 0:
                    self.replace((3, 14), string.start + place, string.start + place + 1, "f")

    def except_clause(self, index: int) -> None:
        """`except* A, B:` becomes `except (A, B):`, its bracket in place of the blank before A."""
        tokens = self.tokens
        first = index + 1 + (self.word(index + 1) == "*")
        last, commas = first, 0
        while last < len(tokens) and tokens[last].kind != "newline" and tokens[last].text != "except":
            if tokens[last].opener == tokens[index].opener and tokens[last].kind == "op":
                if tokens[last].text == ":":
                    break
                commas += tokens[last].text == ","
            last += 1
        if last >= len(tokens) or tokens[last].text != ":" or last == first:
            return
        start, end = tokens[index].end, tokens[first].start
        gap = self.text[start:end]
        if "*" in gap and _HERE < (3, 11):
            gap = gap.replace("*", " ")
            self.needs = max(self.needs, (3, 11))
        if commas and _HERE < (3, 14):
            gap = _spare(gap) + "("
            self._close_bracket(tokens[last - 1].end, tokens[last].end)
        if gap != self.text[start:end]:
            self.replace((3, 11), start, end, gap)

    def _close_bracket(self, end: int, behind_colon: int) -> None:
        """A `)` before the colon, in place of a blank there or behind the colon."""
        spare = self.text[end] == " "
        self.replace((3, 14), end, end + spare, ")")
        if not spare and self.text.startswith(" ", behind_colon):
            self.replace((3, 14), behind_colon, behind_colon + 1, "")

    def definition(self, index: int) -> None:
        if self.word(index + 2) == "[":
            self._type_parameters(index + 2)

    def type_alias(self, index: int) -> None:
        """`type X[T] = Y` becomes `X = Y`, padded so that the value keeps its column."""
        tokens = self.tokens
        name = index + 1
        if not self.starts_statement(index) or name >= len(tokens) or tokens[name].kind != "name":
            return
        after = self.found.partner.get(name + 1, name) + 1 if self.word(name + 1) == "[" else name + 1
        if self.word(after) != "=" or keyword.iskeyword(tokens[name].text):
            return
        if _HERE < (3, 12):
            start, end = tokens[index].start, tokens[after].start
            rest = self.text[start : tokens[name].start] + self.text[tokens[name].end : end]
            self.replace((3, 12), start, end, tokens[name].text + _continued(rest))
        elif after > name + 1:
            self._type_parameters(name + 1)

    def _type_parameters(self, opener: int) -> None:
        closer = self.found.partner.get(opener)
        if closer is None:
            return
        tokens = self.tokens
        if _HERE < (3, 12):
            start, end = tokens[opener].start, tokens[closer].end
            self.replace((3, 12), start, end, _continued(self.text[start:end]))
        elif _HERE < (3, 13):
            at = opener + 1
            while at < closer:
                if tokens[at].opener == opener and tokens[at].text == "=":
                    default = at
                    while at < closer and not (tokens[at].opener == opener and tokens[at].text == ","):
                        at += 1
                    start, end = tokens[default].start, tokens[at].start
                    self.replace((3, 13), start, end, blank(self.text[start:end]))
                at += 1

    def star(self, index: int) -> None:
        token = self.tokens[index]
        before = self.word(index - 1)
        in_subscript = before in ("[", ",") and self.word(token.opener) == "[" and self._is_subscript(token.opener)
        of_args = before == ":" and self.word(token.opener) == "("
        if _HERE < (3, 11) and (in_subscript or of_args):
            self.replace((3, 11), token.start, token.end, " ")
        self.unpacking(index)

    def unpacking(self, index: int) -> None:
        """The stars of a comprehension that unpacks each of its items go."""
        token = self.tokens[index]
        if _HERE >= (3, 15) or token.opener < 0 or token.opener != index - 1:
            return
        end = self.found.partner.get(token.opener, index)
        level = (one.text for one in self.tokens[index:end] if one.opener == token.opener)
        if next((word for word in level if word in (",", "for")), "") == "for":
            self.replace((3, 15), token.start, token.end, blank(token.text))

    def _is_subscript(self, opener: int) -> bool:
        before = self.tokens[opener - 1] if opener else None
        if before is None:
            return False
        if before.text in ("match", "case") and self.starts_statement(opener - 1):
            return False
        if before.kind == "name":
            return not keyword.iskeyword(before.text)
        return before.kind in ("string", "number") or before.text in (")", "]", "}")

    def lazy_import(self, index: int) -> None:
        if _HERE < (3, 15) and self.word(index + 1) in ("import", "from") and self.starts_statement(index):
            start, end = self.tokens[index].start, self.tokens[index + 1].end
            word = self.tokens[index + 1].text
            self.replace((3, 15), start, end, word + _continued(self.text[start : end - len(word)]))


_RULES: dict[str, Callable[[_Rewrite, int], None]] = {
    "except": _Rewrite.except_clause,
    "def": _Rewrite.definition,
    "class": _Rewrite.definition,
    "type": _Rewrite.type_alias,
    "*": _Rewrite.star,
    "**": _Rewrite.unpacking,
    "lazy": _Rewrite.lazy_import,
}


def _spare(gap: str) -> str:
    """Without one of its blanks, if it has one at an end, so that a bracket costs no column."""
    if gap.endswith((" ", "\t")):
        return gap[:-1]
    return gap[1:] if gap.startswith((" ", "\t")) else gap


def _apart(edits: list[Edit]) -> Iterator[Edit]:
    """In the order of the text, without those inside another one."""
    at = 0
    for edit in sorted(edits):
        if edit[0] >= at:
            yield edit
            at = edit[1]


def _continued(text: str) -> str:
    """Blanks for `text`, its line breaks outside of brackets now."""
    return NEW_LINE.sub(r"\\\g<0>", blank(text))
