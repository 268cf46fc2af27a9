"""Requests in test files that are not Python: Tavern, Hurl, `.http` files and Postman collections; and which test
files of yet other forms there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, Any

from project.files.source import kind_of
from project.place import Place
from project.suite.url_patterns import HOLE, Pattern

if TYPE_CHECKING:
    from project import Project

Request = tuple[int, str, str]  # line, method, URL with HOLE for what is filled in

_TAVERN = re.compile(r"\.tavern\.ya?ml$")
_LINES = re.compile(r"\.(hurl|http|rest)$")
_POSTMAN = re.compile(r"postman_collection\.json$")
# Forms that are not read, by the names of their files.
_OTHER_FORMS = (
    ("k6", re.compile(r"(^|/)k6/[^/]+\.[jt]s$|[._-]k6\.[jt]s$|(^|/)k6[^/]*\.[jt]s$")),
    ("Cypress", re.compile(r"\.cy\.[jt]s$")),
    ("Playwright", re.compile(r"(^|/)(e2e|playwright)(-tests)?/([^/]+/)*[^/]+\.spec\.[jt]s$")),
    ("Robot Framework", re.compile(r"\.robot$")),
    ("JMeter", re.compile(r"\.jmx$")),
    ("Bruno", re.compile(r"(^|/)(?!environments/)[^/]+\.bru$")),
)
_VERB = r"(GET|POST|PUT|PATCH|DELETE|HEAD|OPTIONS)"
_LINE = re.compile(rf"{_VERB}[ \t]+(\S+)")
_KEY = re.compile(r"""^(\s*)(?:-\s+)?(request|url|method)\s*:\s*(?:!\w+\s+)?["']?([^"'#]*)""")
_HOLES = re.compile(r"{{[^{}]*}}|{[^{}]*}|\$\{[^{}]*}|(?<=/):\w+")
_SCHEMA_RUN = re.compile(r"[^#]*(?:\bschemathesis run\b|\bst run\b.*(?:openapi|schema|http)|schemathesis/action@)")
_RUNS_TESTS = re.compile(r"^(\.github/workflows/[^/]+\.ya?ml|\.gitlab-ci\.yml|Makefile|noxfile\.py|tox\.ini)$")


class RequestFiles:
    """What the files of a project request."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def requests(self) -> list[tuple[str, Pattern, Place]]:
        """Method, path and place of each request, by file and line."""
        found: list[tuple[str, Pattern, Place]] = []
        for path in self._project.files:
            for line, method, url in self._read(path):
                pattern = Pattern.of(_HOLES.sub(HOLE, url))
                if pattern is not None:
                    found.append((method, pattern, Place(path, line, line)))
        return found

    def _read(self, path: str) -> Iterator[Request]:
        tested = kind_of(path) == "test" or path.endswith(".hurl")
        if _TAVERN.search(path):
            yield from _of_tavern(self._project.tree.text(path) or "")
        elif tested and _LINES.search(path):
            yield from _of_lines(self._project.tree.text(path) or "")
        elif _POSTMAN.search(path):
            yield from _of_postman(self._project.tree.text(path) or "")

    @cached_property
    def schema_driven(self) -> Place | None:
        """Where CI runs a tool that requests every operation of the OpenAPI document."""
        for path in filter(_RUNS_TESTS.match, self._project.files):
            for number, line in enumerate((self._project.tree.text(path) or "").split("\n"), 1):
                if _SCHEMA_RUN.match(line):
                    return Place(path, number, number)
        return None

    @cached_property
    def unread(self) -> list[str]:
        """Other forms of tests and how many files there are of each: `3 k6 files`."""
        names = self._project.tree.names
        counts = [(form, sum(1 for name in names if known.search(name))) for form, known in _OTHER_FORMS]
        return [f"{count} {form} file{'s' if count > 1 else ''}" for form, count in counts if count]


def _of_tavern(text: str) -> Iterator[Request]:
    """`request:` blocks; a request without a method is a GET."""
    block: tuple[int, int] | None = None  # where `request:` stands and where its own keys do
    line, method, url = 0, "GET", ""
    for number, content in enumerate((*text.split("\n"), "end:"), 1):
        if not content.strip():
            continue
        indent = len(content) - len(content.lstrip())
        if block is not None and indent <= block[0]:
            if url:
                yield line, method, url
            block, url, method = None, "", "GET"
        key = _KEY.match(content)
        if block is None:
            block = (indent, -1) if key is not None and key[2] == "request" else None
            continue
        block = (block[0], indent if block[1] < 0 else block[1])
        if key is None or indent != block[1]:
            continue
        if key[2] == "url":
            line, url = number, key[3].strip()
        elif key[2] == "method":
            method = key[3].strip().upper()


def _of_lines(text: str) -> Iterator[Request]:
    for number, content in enumerate(text.split("\n"), 1):
        found = _LINE.match(content)
        if found is not None:
            yield number, found[1], found[2]


def _of_postman(text: str) -> Iterator[Request]:
    """Requests of a collection that has tests; the line is that of the file's beginning."""
    try:
        stack: list[Any] = [json.loads(text)]
    except (ValueError, RecursionError):
        return
    while stack:
        item = stack.pop()
        if not isinstance(item, dict):
            continue
        inner, request, events = item.get("item"), item.get("request"), item.get("event")
        stack.extend(inner if isinstance(inner, list) else [])
        tested = isinstance(events, list) and any(isinstance(e, dict) and e.get("listen") == "test" for e in events)
        if isinstance(request, dict) and tested:
            url = request.get("url")
            raw = url.get("raw") if isinstance(url, dict) else url
            if isinstance(raw, str):
                yield 1, str(request.get("method", "GET")).upper(), raw
