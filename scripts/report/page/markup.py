"""Text as HTML: escaping, and the little Markdown that reports are written in."""

from __future__ import annotations

import html
import re
import unicodedata
from collections.abc import Iterable, Iterator, Sequence

from report.document import Block, Line

_INLINE = re.compile(
    r"(?P<tick>`{1,3})(?P<code>.+?)(?P=tick)(?!`)|\*\*(?P<bold>[^*]+)\*\*|"
    r"\[(?P<text>[^\]]*)\]\((?P<url>[^)\s]*)\)"
)
_ADDRESS = re.compile(r"https?://[^\s\"'<>]+")
_ITEM = re.compile(r"^(\s*)(?:[-*+]|(\d+)[.)])\s+(?:\[[ xX]\]\s+)?(.*)$")
_RULE = re.compile(r"^[\s|:-]+$")
_LONGEST = 4_000
_LONGEST_CODE = 20_000
_DEEPEST = 5


def safe(text: str, limit: int = 2_000) -> str:
    """Text for an element or a quoted attribute: escaped, one line, no control characters, at most `limit` long."""
    plain = "".join(
        " " if c == "\n" else c for c in text[: limit + 1] if c in "\t\n" or unicodedata.category(c)[0] != "C"
    )
    return html.escape(plain if len(text) <= limit else plain[: limit - 1] + "…", quote=True)


def inline(text: str) -> str:
    """One line of Markdown: code, bold, and links to http addresses; any other link is only its text."""
    parts: list[str] = []
    end = 0
    for match in _INLINE.finditer(text[:_LONGEST]):
        parts.append(safe(text[end : match.start()], _LONGEST))
        parts.append(_marked(match))
        end = match.end()
    return "".join([*parts, safe(text[end:], 2 * _LONGEST)])


def blocks(items: Iterable[Line | Block]) -> str:
    """Markdown of a section: paragraphs, lists, tables and fenced code."""
    return "\n".join(_blocks(list(items)))


def table(caption: str, head: Sequence[str], rows: Iterable[Sequence[str]], kind: str = "") -> str:
    """A table of cells that are HTML already; the first cell of a row is its heading. `caption` is plain text."""
    columns = "".join(f'<th scope="col">{safe(name)}</th>' for name in head)
    body = "\n".join(
        f'<tr><th scope="row">{row[0]}</th>' + "".join(f"<td>{cell}</td>" for cell in row[1:]) + "</tr>" for row in rows
    )
    name = f' class="{kind}"' if kind else ""
    return (
        f'<div class="scroll" role="region" tabindex="0" aria-label="{safe(caption)}"><table{name}>'
        f"<caption>{safe(caption)}</caption><thead><tr>{columns}</tr></thead>\n<tbody>\n{body}\n</tbody></table></div>"
    )


def code_block(text: str, label: str) -> str:
    kept = text if len(text) <= _LONGEST_CODE else text[: _LONGEST_CODE - 1] + "…"
    shown = "\n".join(safe(line, _LONGEST_CODE) for line in kept.split("\n"))
    return f'<pre tabindex="0" role="region" aria-label="{safe(label)}"><code>{shown}</code></pre>'


def _marked(match: re.Match[str]) -> str:
    if match["code"] is not None:
        return f"<code>{safe(match['code'])}</code>"
    if match["bold"] is not None:
        return f"<strong>{safe(match['bold'])}</strong>"
    if _ADDRESS.fullmatch(match["url"]):
        return f'<a href="{safe(match["url"])}" rel="noreferrer noopener">{safe(match["text"] or match["url"])}</a>'
    return safe(match["text"])


def _blocks(items: Sequence[Line | Block]) -> Iterator[str]:
    at = 0
    while at < len(items):
        item = items[at]
        if isinstance(item, Block):
            yield code_block(item.text, "code")
            at += 1
        elif not item.text.strip():
            at += 1
        else:
            kind = _kind(item)
            end = at + 1
            while (end < len(items) and _kind(items[end]) == kind) or (kind == "list" and _continues(items, end)):
                end += 1
            yield from _run(kind, [line for line in items[at:end] if isinstance(line, Line)])
            at = end


def _kind(item: Line | Block) -> str:
    if isinstance(item, Block) or not item.text.strip():
        return ""
    if item.text.lstrip().startswith("|"):
        return "table"
    return "list" if _ITEM.match(item.text) else "text"


def _continues(items: Sequence[Line | Block], at: int) -> bool:
    """Whether an indented line goes on with the item of a list above it."""
    item = items[at] if at < len(items) else None
    return isinstance(item, Line) and item.text.startswith("  ") and bool(item.text.strip())


def _run(kind: str, lines: Sequence[Line]) -> Iterator[str]:
    if kind == "text":
        yield f"<p>{inline(' '.join(line.text.strip() for line in lines))}</p>"
    elif kind == "table":
        rows = [[inline(c.strip()) for c in line.text.strip().strip("|").split("|")] for line in lines]
        body = [row for line, row in zip(lines[1:], rows[1:], strict=True) if not _RULE.match(line.text)]
        yield table("Table of the report", [html.unescape(re.sub("<[^>]*>", "", cell)) for cell in rows[0]], body)
    else:
        yield _list(lines)


def _list(lines: Sequence[Line], level: int = 0) -> str:
    """A list whose deeper items are lists of their own, down to a few levels."""
    first = _ITEM.match(lines[0].text)
    depth = len(first[1]) if first else 0
    items: list[tuple[str, list[Line]]] = []
    for line in lines:
        item = _ITEM.match(line.text)
        if item and (len(item[1]) <= depth or not items or level > _DEEPEST):
            items.append((item[3], []))
        elif item and items:
            items[-1][1].append(line)
        elif items and not items[-1][1]:
            items[-1] = (f"{items[-1][0]} {line.text.strip()}", [])
        elif items:
            items[-1][1].append(line)
    name = "ol" if first and first[2] else "ul"
    inner = "".join(f"<li>{inline(text)}{_list(below, level + 1) if below else ''}</li>" for text, below in items)
    return f"<{name}>{inner}</{name}>"
