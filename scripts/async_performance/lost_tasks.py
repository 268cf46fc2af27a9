"""What is lost with a task that nobody keeps: nothing where it logs its errors itself or is started over and over."""

from __future__ import annotations

import ast
import re

from project import Function, Project
from project.language.calls import CallSite
from project.language.scopes import parents

LOGS = re.compile(r"^(debug|info|warning|warn|error|exception|critical|log|capture_exception|print)$")


def is_harmless(project: Project, site: CallSite) -> bool:
    """Whether a lost task does little: it closes what is deleted, a loop repeats it, or it logs its errors."""
    targets = coroutines(project, site)
    return (
        (isinstance(site.scope, Function) and site.scope.name == "__del__")
        or (bool(targets) and all(_logs_all(target) for target in targets))
        or (bool(targets) and all(_is_repeated(project, target) for target in targets))
        or (tells_nearly_all(project, site) and _only_starts(project, site))
    )


def _is_repeated(project: Project, function: Function) -> bool:
    """Whether a loop that sleeps between awaits the same coroutine, so that an early end is made good."""
    calls = (site for site in project.calls.callers(function) if site.awaited)
    loops = (h for site in calls for h in parents(site.node) if isinstance(h, ast.While))
    return any("sleep" in ast.unparse(loop) for loop in loops)


def _only_starts(project: Project, site: CallSite) -> bool:
    """Whether only the start of the application starts the task, which then does the same at each start."""
    loop = project.event_loop
    function = loop.within(site.scope)
    roots = loop.roots_reaching(function) if function is not None else []
    return bool(roots) and all(root.kind == "start-up" for root in roots)


def _logs_all(function: Function) -> bool:
    return _catches_all(function) and _logs(function)


def _logs_its_work(function: Function) -> bool:
    waits = function.all(ast.Await)
    return sum(not _is_guarded(node) for node in waits) <= 1 < len(waits) and _logs(function)


def _logs(function: Function) -> bool:
    """Whether each clause for every exception says what went wrong in a log."""
    broad = [h for attempt in function.all(ast.Try) if _is_broad(attempt) for h in attempt.handlers]
    calls = [c.func for h in broad for n in h.body for c in ast.walk(n) if isinstance(c, ast.Call)]
    names = [f.attr if isinstance(f, ast.Attribute) else getattr(f, "id", "") for f in calls]
    return bool(broad) and any(LOGS.match(name) for name in names)


def coroutines(project: Project, site: CallSite) -> tuple[Function, ...]:
    """What a task runs: `work` of `create_task(work())`."""
    given = site.argument(0, "coro")
    return tuple(project.calls.site(given, site.scope).targets) if isinstance(given, ast.Call) else ()


def tells_nearly_all(project: Project, site: CallSite) -> bool:
    """Whether what the coroutine waits for, apart from one step, stands in a `try` that logs."""
    targets = coroutines(project, site)
    return bool(targets) and all(_logs_its_work(target) for target in targets)


def tells_its_errors(project: Project, site: CallSite) -> bool:
    """Whether the coroutine catches whatever goes wrong while it waits."""
    targets = coroutines(project, site)
    return bool(targets) and all(_catches_all(target) for target in targets)


def _catches_all(function: Function) -> bool:
    waits: list[ast.AST] = [*function.all(ast.Await), *function.all(ast.AsyncWith), *function.all(ast.AsyncFor)]
    return bool(waits) and all(_is_guarded(node) for node in waits)


def _is_guarded(node: ast.AST) -> bool:
    """Whether a node stands in a `try` that catches every exception, or in a handler of one."""
    child = node
    for holder in parents(node):
        if isinstance(holder, ast.Try) and (child in holder.body or child in holder.handlers) and _is_broad(holder):
            return True
        child = holder
    return False


def _is_broad(attempt: ast.Try) -> bool:
    kinds = [k for h in attempt.handlers for k in (h.type.elts if isinstance(h.type, ast.Tuple) else [h.type])]
    return any(k is None or (isinstance(k, ast.Name) and k.id in ("Exception", "BaseException")) for k in kinds)
