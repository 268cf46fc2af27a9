"""Which functions are worth reading first in a code base too large to read whole, and why.

Half of what a review finds no signal can decide. The list ranks what a request reaches by what it can break: who may
call it, what it decides or trusts, what it writes, money, credentials, input from outside, concurrency, branches and
the signals on it, against what reading it costs.
"""

from __future__ import annotations

import ast
import math
import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from check import HIGH, IMPACTS, Signal
from churn import changed_files
from project import Function, Project
from project.language.scopes import COMPREHENSIONS
from project.routing.routes import Route
from project.serving.trust import hints
from project.suite.url_patterns import RouteIndex

_WRITES = frozenset("POST PUT PATCH DELETE".split())
_MONEY = re.compile(
    r"pay(?!load)|charge|refund|invoice|price|balance(?!r)|credit|billing|subscription|(?<!pool_)checkout|wallet|amount"
)
_CREDENTIALS = re.compile(
    r"password|token|secret|api_?key|login|signin|signup|permission|role|authenticat|authoriz|otp(_|$)"
)
_TRUSTED_WITH = re.compile(
    r"(^|[/_])(auth|oauth2?|access|permissions?|security|tokens?|tenants?|tenancy|encryption|crypto|credentials?|"
    r"api_keys?|sessions?|invit\w+|rate_limit\w*|sso|saml|webhooks?|proxy|payments?|billing|secrets?|file_store|storage|"
    r"uploads?)([/_.]|$)"
)
_STORES = re.compile(r"Session\.(commit|flush)$|\.(insert_one|update_one|delete_one)$")
_RAW_INPUT = re.compile(r"starlette\.requests\.Request\.(json|body|form)$|UploadFile\.read$")
_CONCURRENT = re.compile(r"asyncio\.(gather|create_task|Lock|wait|TaskGroup)|threading\.|run_in_threadpool")
_OUTBOUND = re.compile(r"^(requests|httpx2?|aiohttp|boto3|openai|anthropic|stripe|smtplib)\.")
_DELETES = re.compile(r"Session\.delete$|\.(delete_(one|many|object|objects|blob|file)|remove_object|unlink|rmtree)$")
_BRANCHES = frozenset(
    (ast.If, ast.For, ast.AsyncFor, ast.While, ast.ExceptHandler, ast.IfExp, ast.BoolOp, *COMPREHENSIONS)
)
_OF_APPS = {"middleware": 6.0, "exception handler": 6.0, "hook": 3.0}
_GAP = 12
TEST_MODULE = "tests in this file"
_MOST_TEST_MODULES = 8
_HISTORY, _OFTEN = 20, 20  # commits that say something; one in so many is often

_DOES = (
    (_STORES, 2.0, "writes"),
    (_RAW_INPUT, 2.0, "raw input"),
    (_CONCURRENT, 2.0, "concurrency"),
    (_OUTBOUND, 1.0, "outbound calls"),
    (_DELETES, 2.0, "deletes"),
)

_TRUST = {"passes over": 5.0, "decides": 4.0, "signs": 3.0, "serves": 5.0, "address": 4.0, "endless": 4.0, "state": 2.0}
_FAR = frozenset(("writes", "outbound calls", "runs for ever"))

# What a reason is about: the dimensions it counts for in full.
_ABOUT = {
    "churn": frozenset("code_organization testing".split()),
    "route": frozenset("api_design security code_organization testing".split()),
    "unguarded": frozenset(("security",)),
    "guard": frozenset(("security",)),
    "middleware": frozenset("security async_performance code_organization".split()),
    "exception handler": frozenset("security api_design code_organization".split()),
    "hook": frozenset(("security",)),
    "writes": frozenset(("data_architecture",)),
    "deletes": frozenset("data_architecture security".split()),
    "raw input": frozenset("security api_design".split()),
    "concurrency": frozenset("async_performance data_architecture".split()),
    "outbound calls": frozenset(("async_performance",)),
    "trust": frozenset(("security",)),
    "money": frozenset("security data_architecture".split()),
    "credentials": frozenset(("security",)),
    "branches": frozenset("code_organization testing".split()),
}
_ASIDE = 0.25
_WORDS = frozenset(("money", "credentials", *(reason for _, _, reason in _DOES)))
_ENOUGH = 20  # functions, to say what is common among them


@dataclass(frozen=True, slots=True)
class Reason:
    """Why a function is worth reading: how much it weighs, in words (or nothing), and for which dimensions."""

    weight: float
    text: str
    about: frozenset[str]


@dataclass(slots=True)
class Entry:
    """One function to read: qualified name, lines it spans, score against their number, reasons in words."""

    path: str
    name: str
    first: int
    last: int
    score: float
    reasons: list[str]

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


def reading_list(
    project: Project, signals: Iterable[Signal], budget: int, dimensions: frozenset[str] = frozenset()
) -> tuple[list[Group], int, int]:
    """Groups in the order to read, within `budget` lines; how many functions are listed, and how many there are."""
    entries = ranked(project, signals, dimensions, changed_files(project.root))
    chosen: list[Entry] = []
    left = budget
    for entry in entries:
        if entry.lines <= left:
            chosen.append(entry)
            left -= entry.lines
    return _grouped(chosen), len(chosen), len(entries)


def ranked(
    project: Project,
    signals: Iterable[Signal],
    dimensions: frozenset[str] = frozenset(),
    churn: tuple[Mapping[str, int], int] = ({}, 0),
) -> list[Entry]:
    """Every function of the application that a request reaches, the most telling first, and others about money.

    With `dimensions`, only functions with a reason that is about one of them; other reasons weigh a quarter. `churn`
    says in how many of the last commits each file changed.
    """
    standing = _by_file(signals)
    found = []
    for path, name, first, last, does, is_like in candidates(project):
        reasons = [*map(_reason, does), *_by_signals(path, first, last, standing), *map(_reason, is_like)]
        reasons += _by_churn(path, *churn)
        if any(r.about & dimensions for r in reasons) if dimensions else name != TEST_MODULE:
            score = sum(r.weight * (_ASIDE if dimensions and not r.about & dimensions else 1.0) for r in reasons)
            worth = score / math.sqrt(last - first + 6)
            found.append(Entry(path, name, first, last, worth, [r.text for r in reasons if r.text]))
    return sorted(found, key=lambda e: (-e.score, e.path, e.first))


def candidates(project: Project) -> list[Any]:
    """Rows of the functions to rank, with the reasons that stand before and after its signals."""
    rows: list[Any] = project.known("reading", lambda: _candidates(project))
    return rows


def _candidates(project: Project) -> list[Any]:
    routes = _routes_by_function(project)
    dependencies = {f for route in project.routes for f in route.dependency_functions if isinstance(f, Function)}
    guarding = Counter(route.auth_by.split(",")[0] for route in project.routes if route.auth)
    of_apps = {r.function: r.kind for r in project.roots if r.kind in _OF_APPS}
    rows: list[Any] = []
    for function in project.requests.functions:
        if not function.is_lambda and function.module.kind == "app":
            does = [*_by_route(routes.get(function, [])), *_by_what_it_does(project, function)]
            is_like = [
                *_by_app(of_apps.get(function, "")),
                *_by_its_kind(function, function in dependencies, guarding[function.dotted]),
            ]
            reasons = ([[r.weight, r.text, sorted(r.about)] for r in part] for part in (does, is_like))
            rows.append([function.module.path, function.qualname, *_span(function), *reasons])
    return [*_by_rarity(rows + list(_apart(project))), *_test_modules(project)]


def _test_modules(project: Project) -> Iterator[list[Any]]:
    """Rows of the test modules that request the most routes, for who reads about testing."""
    index = RouteIndex([route.path for route in project.routes])
    asked: dict[str, set[int]] = defaultdict(set)
    for mention in project.tests.mentions:
        requested = index.find(mention.pattern) if mention.method is not None else set()
        if requested:
            asked[mention.place.path] |= requested
    for path in sorted(asked, key=lambda p: (-len(asked[p]), p))[:_MOST_TEST_MODULES]:
        count = len(asked[path])
        told = f"requests {count} route{'s' if count > 1 else ''}"
        yield [path, TEST_MODULE, 1, len(project.text_of(path)), [[3.0 + min(count, 10) / 2, told, ["testing"]]], []]


def _apart(project: Project) -> Iterator[list[Any]]:
    """Rows of functions about money, credentials or trust that no request was seen to reach: jobs, webhooks."""
    reached = set(project.requests.functions)
    for module in project.app_modules:
        for function in module.functions:
            words = " ".join([function.qualname, *(arg.arg for arg, _ in function.params)]).lower()
            if function.is_lambda or function in reached:
                continue
            if not (_MONEY.search(words) or _CREDENTIALS.search(words) or _passes_on_trust(project, function)):
                continue
            does = [Reason(-2.0, "no request was seen to reach it", frozenset()), *_by_what_it_does(project, function)]
            if any(reason.text in _FAR for reason in does):
                parts = (does, [*_by_its_kind(function, False, 0)])
                reasons = ([[r.weight, r.text, sorted(r.about)] for r in part] for part in parts)
                yield [module.path, function.qualname, *_span(function), *reasons]


def _passes_on_trust(project: Project, function: Function) -> bool:
    return any(hint.kind in ("passes over", "serves", "address", "endless") for hint in hints(function, project.calls))


def _by_rarity(rows: list[Any]) -> list[Any]:
    """A word that most functions worth a look have says nothing of one of them; a common one says less."""
    telling = [row for row in rows if row[4] or row[5]]
    common = Counter(text for row in telling for _, text, _ in row[4] if text in _WORDS)
    shares = {text: number / len(telling) for text, number in common.items() if len(telling) >= _ENOUGH}
    for row in rows:
        row[4] = [
            [weight * (1 - shares.get(text, 0)), text, about]
            for weight, text, about in row[4]
            if shares.get(text, 0) <= 0.5
        ]
    return rows


def _reason(row: list[Any]) -> Reason:
    weight, text, about = row
    return Reason(weight, text, frozenset(about))


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


def _span(function: Function) -> tuple[int, int]:
    node = function.node
    return min([node.lineno, *(d.lineno for d in function.decorators)]), node.end_lineno or node.lineno


def _by_app(kind: str) -> Iterator[Reason]:
    """What runs for every request, or for every error of a kind."""
    if kind:
        yield Reason(_OF_APPS[kind], kind, _ABOUT[kind])


def _by_its_kind(function: Function, is_dependency: bool, guarded: int) -> Iterator[Reason]:
    if _TRUSTED_WITH.search(function.module.path.lower()):
        yield Reason(1.5, "sensitive module", _ABOUT["trust"])
    if guarded:
        what = f"guards {guarded} routes" if guarded > 1 else "guards a route"
        yield Reason(4.0 + math.log2(guarded), what, _ABOUT["guard"])
    elif is_dependency:
        refuses = bool(function.all(ast.Raise))
        yield Reason(4.0 if refuses else 1.0, "a dependency of routes", _ABOUT["guard"])
    branches = sum(len(nodes) for kind, nodes in function.nodes.items() if kind in _BRANCHES)
    if branches >= 6:
        yield Reason(min(branches / 12, 1.5), f"{branches} branches", _ABOUT["branches"])


def _by_route(routes: Sequence[Route]) -> Iterator[Reason]:
    for route in routes[:1]:
        name = f"{'/'.join(route.methods) or 'WS'} {route.path}"
        weight = 1.2 + 0.8 * bool(_WRITES.intersection(route.methods)) + 0.6 * ("{" in route.path)
        yield Reason(weight, name if len(routes) == 1 else f"{name} and {len(routes) - 1} more", _ABOUT["route"])
        if _WRITES.intersection(route.methods) and route.auth is not True:
            yield Reason(3.0, "nothing guards it" if route.auth is False else "guard unknown", _ABOUT["unguarded"])


def _by_what_it_does(project: Project, function: Function) -> Iterator[Reason]:
    sites = project.calls.sites(function)
    called = [target.name for site in sites for target in site.targets]
    words = " ".join([function.qualname, *(arg.arg for arg, _ in function.params), *called]).lower()
    done = {reason for site in sites for name in site.names for reason in _done_by(name)}
    for _, weight, reason in _DOES:
        if reason in done or (reason == "writes" and project.queries.stores(function)):
            yield Reason(weight, reason, _ABOUT[reason])
    for hint in hints(function, project.calls):
        yield Reason(_TRUST[hint.kind], hint.text, _ABOUT["trust"])
    for pattern, reason in ((_MONEY, "money"), (_CREDENTIALS, "credentials")):
        if pattern.search(words):
            yield Reason(2.0, reason, _ABOUT[reason])


@cache
def _done_by(name: str) -> tuple[str, ...]:
    """What calling a library function of this name is."""
    return tuple(reason for pattern, _, reason in _DOES if pattern.search(name))


def _by_signals(path: str, first: int, last: int, standing: dict[str, list[Signal]]) -> Iterator[Reason]:
    here = [s for s in standing.get(path, ()) if first <= s.line <= last]
    if here:
        weight = min(sum(3.0 - IMPACTS.index(s.impact) for s in here), 6.0) * 0.3
        ids = sorted({s.check for s in here if s.impact == HIGH} or {s.check for s in here})
        yield Reason(weight, f"signals {', '.join(ids[:4])}", frozenset(s.dimension for s in here))


def _by_churn(path: str, changed: Mapping[str, int], commits: int) -> Iterator[Reason]:
    times = changed.get(path, 0)
    if commits >= _HISTORY and times * _OFTEN >= commits:
        yield Reason(min(20 * times / commits, 3.0), f"changed in {times} of {commits} commits", _ABOUT["churn"])


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
