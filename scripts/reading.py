"""Which functions are worth reading first in a code base too large to read whole, and why.

Half of what a review finds no signal can decide. The list ranks what a request reaches by what it can break: who may
call it, what it writes, money, credentials, input from outside, concurrency, branches, and the signals on it.
"""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from check import HIGH, IMPACTS, Signal
from project import Function, Project
from project.routes import Route
from project.scopes import COMPREHENSIONS

_WRITES = frozenset("POST PUT PATCH DELETE".split())
_MONEY = re.compile(r"pay|charge|refund|invoice|price|balance|credit|billing|subscription|checkout|wallet|amount", re.I)
_CREDENTIALS = re.compile(
    r"password|token|secret|api_?key|login|signin|signup|permission|role|authenticat|authoriz|otp(_|$)", re.I
)
_STORES = re.compile(
    r"(Session|Connection)\.(add|add_all|delete|commit|merge|flush|execute)$|\.(insert_one|update_one|delete_one)$"
)
_RAW_INPUT = re.compile(r"starlette\.requests\.Request\.(json|body|form)$|UploadFile\.read$")
_CONCURRENT = re.compile(
    r"asyncio\.(gather|create_task|Lock|wait|TaskGroup)|threading\.|BackgroundTasks\.add_task|run_in_threadpool"
)
_OUTBOUND = re.compile(r"^(requests|httpx2?|aiohttp|boto3|openai|anthropic|stripe|smtplib)\.")
_BRANCHES: tuple[type[ast.AST], ...] = (
    ast.If,
    ast.For,
    ast.AsyncFor,
    ast.While,
    ast.ExceptHandler,
    ast.IfExp,
    ast.BoolOp,
)
_GAP = 12


@dataclass(slots=True)
class Entry:
    """One function to read: lines it spans, score, reasons in words."""

    function: Function
    first: int
    last: int
    score: float
    reasons: list[str]

    @property
    def path(self) -> str:
        return self.function.module.path

    @property
    def lines(self) -> int:
        return self.last - self.first + 1


@dataclass(slots=True)
class Group:
    """Functions of one file close enough for one look: the range, and what stands in it."""

    path: str
    first: int
    last: int
    entries: list[Entry] = field(default_factory=list)

    @property
    def lines(self) -> int:
        return self.last - self.first + 1

    @property
    def score(self) -> float:
        return max(entry.score for entry in self.entries)


def reading_list(project: Project, signals: Iterable[Signal], budget: int) -> tuple[list[Group], int, int]:
    """Groups in the order to read, within `budget` lines; how many functions are listed, and how many there are."""
    entries = ranked(project, signals)
    chosen: list[Entry] = []
    left = budget
    for entry in entries:
        if entry.lines <= left:
            chosen.append(entry)
            left -= entry.lines
    return _grouped(chosen), len(chosen), len(entries)


def ranked(project: Project, signals: Iterable[Signal]) -> list[Entry]:
    """Every function of the application that a request reaches, the most telling first."""
    routes = _routes_by_function(project)
    standing = _by_file(signals)
    guards = {f for route in project.routes for f in route.dependency_functions if isinstance(f, Function)}
    found = []
    for function in project.requests.functions:
        if function.is_lambda or function.module.kind != "app":
            continue
        entry = _entry(project, function, routes.get(function, []), function in guards, standing)
        if entry.score > 0:
            found.append(entry)
    return sorted(found, key=lambda e: (-e.score, e.path, e.first))


def _routes_by_function(project: Project) -> dict[Function, list[Route]]:
    found: dict[Function, list[Route]] = defaultdict(list)
    for route in project.routes:
        if route.function is not None:
            found[route.function].append(route)
    return found


def _by_file(signals: Iterable[Signal]) -> dict[str, list[Signal]]:
    found: dict[str, list[Signal]] = defaultdict(list)
    for signal in signals:
        found[signal.path].append(signal)
    return found


def _entry(
    project: Project, function: Function, routes: Sequence[Route], guards: bool, standing: dict[str, list[Signal]]
) -> Entry:
    node = function.node
    first = min([node.lineno, *(d.lineno for d in function.decorators)])
    last = node.end_lineno or node.lineno
    weighed = [*_by_route(routes), *_by_what_it_does(project, function), *_by_signals(function, first, last, standing)]
    if guards:
        weighed.append((4.0, "a dependency of routes"))
    branches = sum(len(function.all(kind)) for kind in (*_BRANCHES, *COMPREHENSIONS))
    if branches >= 6:
        weighed.append((min(branches / 4, 5.0), f"{branches} branches"))
    return Entry(
        function, first, last, sum(weight for weight, _ in weighed), [reason for _, reason in weighed if reason]
    )


def _by_route(routes: Sequence[Route]) -> Iterator[tuple[float, str]]:
    for route in routes[:1]:
        name = f"{'/'.join(route.methods) or 'WS'} {route.path}"
        yield 3.0, name if len(routes) == 1 else f"{name} and {len(routes) - 1} more"
        if _WRITES.intersection(route.methods):
            yield 2.0, ""
            if route.auth is not True:
                yield 3.0, "nothing guards it" if route.auth is False else "guard unknown"
        if "{" in route.path:
            yield 1.5, ""


def _by_what_it_does(project: Project, function: Function) -> Iterator[tuple[float, str]]:
    names = [name for site in project.calls.sites(function) for name in site.names]
    words = " ".join(
        [function.qualname, *(arg.arg for arg, _ in function.params), *(n.attr for n in function.all(ast.Attribute))]
    )
    for pattern, weight, reason in (
        (_STORES, 2.0, "writes"),
        (_RAW_INPUT, 2.0, "raw input"),
        (_CONCURRENT, 2.0, "concurrency"),
        (_OUTBOUND, 1.0, "outbound calls"),
    ):
        if any(pattern.search(name) for name in names):
            yield weight, reason
    if _MONEY.search(words):
        yield 2.0, "money"
    if _CREDENTIALS.search(words):
        yield 2.0, "credentials"


def _by_signals(
    function: Function, first: int, last: int, standing: dict[str, list[Signal]]
) -> Iterator[tuple[float, str]]:
    here = [s for s in standing.get(function.module.path, ()) if first <= s.line <= last]
    if here:
        weight = sum(3.0 - IMPACTS.index(s.impact) for s in here)
        ids = sorted({s.check for s in here if s.impact == HIGH} or {s.check for s in here})
        yield min(weight, 6.0), f"signals {', '.join(ids[:4])}"


def _grouped(entries: Iterable[Entry]) -> list[Group]:
    by_path: dict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        by_path[entry.path].append(entry)
    groups: list[Group] = []
    for path, items in by_path.items():
        current: Group | None = None
        for entry in sorted(items, key=lambda e: (e.first, -e.last)):
            if current is not None and entry.first <= current.last + _GAP:
                current.last = max(current.last, entry.last)
                current.entries.append(entry)
            else:
                current = Group(path, entry.first, entry.last, [entry])
                groups.append(current)
    return sorted(groups, key=lambda g: (-g.score, g.path, g.first))
