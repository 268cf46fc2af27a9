"""`try` statements whose failure may be passed over: clean-up, telemetry, caches, logging, optional libraries."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from project import Function, Project
from project.language.scopes import subtree
from project.serving.exceptions import try_of

_CLEANUP = re.compile(
    r"(a?close|cancel|unlink|remove|rmtree|rmdir|rollback|disconnect|shutdown|terminate|kill|release|stop|dispose|join|"
    r"wait_closed|cleanup|flush|detach|logout|aclosing|unsubscribe|ping|discard|pop|clear|invalidate|uninstrument)$"
)
_ENDING = re.compile(
    r"(__del__|__a?exit__|.*(close|shutdown|stop|cleanup|clean_up|teardown|dispose|disconnect|discard|release|detach)[a-z_]*)$"
)
_SAYING = re.compile(
    r"log|warn|print|trace|capture|report|record|debug|error|exception|notify|emit|metric|counter|inc$|fail"
)
_TELEMETRY = re.compile(r"(^|_)(telemetry|analytics|metrics|tracing|tracking|posthog|sentry|statsd|prometheus)(_|$)")
_WORD_START = re.compile(r"(?<=[a-z])(?=[A-Z])")
_TOOL_NOTE = re.compile(r"(noqa|type:|pragma|nosec|pylint|fmt|ruff|mypy|ORG\d)[^—–]*?([—–]|\s-+\s|$)")
_ACCEPTED = re.compile(r"#.*\b(BLE001|S110|S112|E722|broad-except|broad-exception-caught|W0718)\b")
_STATED = re.compile(
    r"fall(s|ing)? ?back|fallback|best.effort|swallow|defensive|never raise|ignor|fail(s)? (open|closed|soft)", re.I
)
_QUESTION = re.compile(
    r"_?(is|has|can|could|should|ping|check|probe|supports|healthy|health|exists|looks|try|maybe|safe|optional)(_|$)"
    r"|.*_(exists|healthy|health|optional|or_none|safely)$"
)
_SIDE_WORK = re.compile(
    r"(^|[._])(cache|caches|cached|metrics?|counter|histogram|gauge|statsd|logger|logging|telemetry|tracer|span)([._]|$)"
    r"|(^|\.)_*(a?close|clean_?up|disconnect|shutdown|dispose|release|unsubscribe|invalidate|flush|teardown)_[a-z_]+$"
)
_ASKING = frozenset("isinstance getattr hasattr len str int float bool dict list set tuple type repr".split())


def is_allowed(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Cleanup, telemetry, optional imports, best efforts inside other handlers, and what a comment explains."""
    tried = try_of(clause).body
    if (
        _ENDING.match(function.name)
        or _is_telemetry(project, function)
        or all(isinstance(s, (ast.Import, ast.ImportFrom)) for s in tried)
    ):
        return True
    calls = [n for s in tried for n in subtree(s) if isinstance(n, ast.Call)]
    names = [c.func.attr if isinstance(c.func, ast.Attribute) else getattr(c.func, "id", "") for c in calls]
    if names and len(tried) <= 2 and any(_CLEANUP.match(n) or _SAYING.search(n.lower()) for n in names):
        return True
    if _inside_handler(clause):
        return True
    return bool(_QUESTION.match(function.name)) or _is_explained(clause, function)


def _is_telemetry(project: Project, function: Function) -> bool:
    """Whether the code only tells others how the program is used: its failure must not stop anything."""
    parts = (_WORD_START.sub("_", part).lower() for part in (*function.module.parts, *function.qualname.split(".")))
    return not project.queries.of(function) and any(map(_TELEMETRY.search, parts))


def _is_explained(clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether a comment in the clause gives a reason or accepts a linter's warning, or the docstring tells of it."""
    end = clause.body[-1].end_lineno or clause.lineno
    for line in function.module.lines[clause.lineno - 1 : end]:
        comment = line.partition("#")[2]
        reason = _TOOL_NOTE.sub("", comment)
        if comment and (_ACCEPTED.search(line) or len(reason.split()) >= 2 or _STATED.search(reason)):
            return True
    node = function.node
    text = None if isinstance(node, ast.Lambda) else ast.get_docstring(node, clean=False)
    return bool(text and _STATED.search(text))


def _inside_handler(clause: ast.ExceptHandler) -> bool:
    current: ast.AST | None = try_of(clause).__dict__.get("parent")
    child: ast.AST = try_of(clause)
    while current is not None and not isinstance(current, (ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda)):
        if isinstance(current, ast.ExceptHandler) or (isinstance(current, ast.Try) and child in current.finalbody):
            return True
        child, current = current, current.__dict__.get("parent")
    return False


def is_best_effort(project: Project, clause: ast.ExceptHandler, function: Function) -> bool:
    """Whether all that a `try` does is to clean up, close, count, log or fill a cache, or to set up what it imports."""
    tried = try_of(clause).body
    if any(isinstance(s, (ast.Import, ast.ImportFrom)) for s in tried) and not project.queries.of(function):
        return not any(isinstance(n, ast.Await) for s in tried for n in subtree(s))
    done = list(_done(project, tried, function))
    return bool(done) and all(_CLEANUP.match(d.rpartition(".")[2]) or _SIDE_WORK.search(d) for d in done)


def _done(project: Project, tried: list[ast.stmt], function: Function) -> Iterator[str]:
    """What a `try` calls, as it is written: all but what only asks about values."""
    inside = {id(n) for s in tried for n in subtree(s)}
    for site in project.calls.sites(function):
        if id(site.node) in inside and isinstance(site.node, ast.Call):
            written = ast.unparse(site.node.func)
            if written not in _ASKING:
                yield written.lower()
