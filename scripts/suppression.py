"""Comments that silence a signal: `# review: ignore[ID or name] reason`, and `# noqa: ID`."""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

_IGNORE = re.compile(r"#\s*review:\s*ignore\b(?:\[([^\]#]*)\])?([^#]*)", re.IGNORECASE)
_NOQA = re.compile(r"#\s*noqa:\s*([A-Z]+\d+(?:[,\s]+[A-Z]+\d+)*)", re.IGNORECASE)
_REASON = re.compile(r"[^\W\d_]{2}")
_MENTIONED = re.compile(r"review:\s*ignore", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Comment:
    """One such comment: the ids and names as written, and the reason, "" when none is given (noqa needs none)."""

    checks: tuple[str, ...]
    reason: str


def comments(line: str) -> list[Comment]:
    """The silencing comments on one line."""
    found = [Comment(_words(m[1] or ""), _reason(m[2])) for m in _IGNORE.finditer(line)]
    return found + [Comment(_words(m[1]), "noqa") for m in _NOQA.finditer(line)]


def without_comments(line: str) -> str:
    """The line up to its first silencing comment, so that adding one changes no fingerprint."""
    return _IGNORE.split(_NOQA.split(line)[0])[0]


def reason_for(names: Sequence[str], lines: Sequence[str], line: int) -> str:
    """Why a signal on `line` is silenced, by a comment on the line or right above it; "" when it is not.

    `names` are the id and the name of its check. A comment without a reason silences nothing.
    """
    if not 1 <= line <= len(lines):
        return ""
    texts = [lines[line - 1]]
    above = line - 2
    while above >= 0 and lines[above].lstrip().startswith("#"):
        texts.append(lines[above])
        above -= 1
    wanted = {name.lower() for name in names}
    found = [comment for text in texts if "#" in text for comment in comments(text)]
    return next((c.reason for c in found if c.reason and wanted.intersection(map(str.lower, c.checks))), "")


def written(text: str) -> Iterator[tuple[int, Comment]]:
    """The `review: ignore` comments of a Python file with their lines; what stands in a string is none."""
    if "review:" not in text.lower() or not _MENTIONED.search(text):  # the first takes a tenth of the second's time
        return
    try:
        for token in tokenize.generate_tokens(io.StringIO(text).readline):
            if token.type == tokenize.COMMENT and _MENTIONED.search(token.string):
                yield from ((token.start[0], comment) for comment in comments(token.string))
    except (tokenize.TokenError, SyntaxError):  # newer grammar than the interpreter's: what follows is not looked at
        return


def _words(text: str) -> tuple[str, ...]:
    return tuple(word for word in re.split(r"[,\s]+", text) if word)


def _reason(text: str) -> str:
    reason = text.strip(" \t-:")
    return reason if _REASON.search(reason) else ""
