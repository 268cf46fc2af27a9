"""The address of a client from X-Forwarded-For: who reads it, what it decides, and which proxies overwrite it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import LOW, Hit
from project import Function, Project, Scope
from project.language.scopes import parents, subtree
from security.around import last_name

FORWARDED = frozenset(("x-forwarded-for", "x_forwarded_for"))
LIMITS = re.compile(r"limit|throttl|attempt|quota", re.IGNORECASE)
DECIDES = re.compile(
    r"limit|throttl|attempt|quota|lock_?(out|ed)|brute|(^|_)(un)?ban|block|(allow|deny|white|black)_?list|is_allowed|"
    r"allowed_ip|trusted_ip|firewall|key_func",
    re.IGNORECASE,
)
OVERWRITES = re.compile(
    r"header_up\s+X-Forwarded-For\s+\{(http\.request\.)?remote|proxy_set_header\s+X-Forwarded-For\s+\$remote_addr|"
    r"set-header\s+X-Forwarded-For\s+%\[src\]",
    re.IGNORECASE,
)


def reads_forwarded(project: Project, function: Function) -> Iterator[Hit]:
    """Functions that take the first address of the header and know nothing of trusted proxies.

    Medium where the address decides something; Low in a log, and behind a proxy of the repository that overwrites it.
    """
    named = [c for c in function.all(ast.Constant) if str(c.value).lower() in FORWARDED]
    if not named or function not in project.requests:
        return
    first = any(
        isinstance(s.slice, ast.Constant)
        and s.slice.value == 0
        and isinstance(s.value, ast.Call)
        and last_name(s.value.func) == "split"
        for s in function.all(ast.Subscript)
    )
    words = {last_name(n).lower() for n in (*function.all(ast.Name), *function.all(ast.Attribute))}
    if first and not any("trust" in word or "proxy" in word or "proxies" in word for word in words):
        message = f"{function.qualname} takes the first address of X-Forwarded-For, which the client writes"
        decides = not _is_overwritten(project) and _decides(project, function)
        yield Hit(function.place(named[0]), message, impact=None if decides else LOW)


def proxies(project: Project) -> list[str]:
    """Configuration of nginx, Caddy or HAProxy in the repository."""
    return [p for p in project.files if p.endswith((".conf", ".conf.template", "Caddyfile", "haproxy.cfg"))]


def _is_overwritten(project: Project) -> bool:
    return any(OVERWRITES.search("\n".join(project.text_of(path))) for path in proxies(project))


def _decides(project: Project, function: Function) -> bool:
    """Whether a limit, a lock-out or a list goes by the address a function reads, here or up to two calls above."""
    users: dict[Scope, set[int]] = {function: set()}
    scopes: list[Scope] = [function]
    for _ in range(2):
        above = [site for scope in scopes if isinstance(scope, Function) for site in project.calls.callers(scope)]
        scopes = [s for s in dict.fromkeys(site.scope for site in above) if s not in users and s.module.kind == "app"]
        users.update({s: {id(site.node) for site in above if site.scope is s} for s in scopes})
    return _is_key(project, function) or any(_is_decided(scope, known) for scope, known in users.items())


def _is_key(project: Project, function: Function) -> bool:
    """Whether a limiter gets the function itself: `Limiter(key_func=address)`."""
    given = (
        (keyword, scope)
        for module in project.app_modules
        if function.name in module.source.text
        for scope in module.walk()
        for keyword in scope.all(ast.keyword)
        if keyword.arg and DECIDES.search(keyword.arg) and last_name(keyword.value) == function.name
    )
    return any(project.names.resolve(keyword.value, scope) is function for keyword, scope in given)


def _is_decided(scope: Scope, calls: set[int]) -> bool:
    """Whether a function is a limit by its name, compares what these calls give, or hands it to a limit."""
    if isinstance(scope, Function) and DECIDES.search(scope.qualname):
        return True
    names = {
        t.id
        for assign in scope.all(ast.Assign)
        if any(id(n) in calls for n in subtree(assign.value))
        for t in assign.targets
        if isinstance(t, ast.Name)
    }
    nodes = [n for n in (*scope.all(ast.Call), *scope.all(ast.Name)) if id(n) in calls or getattr(n, "id", "") in names]
    return any(_goes_to_limit(node) for node in nodes)


def _goes_to_limit(node: ast.AST) -> bool:
    """Whether a value is an argument of a limit, or a side of `in` and `==`."""
    child = node
    for holder in parents(node):
        if isinstance(holder, ast.Call) and child is not holder.func and DECIDES.search(ast.unparse(holder.func)):
            return True
        if isinstance(holder, ast.Compare) and not any(
            isinstance(c, ast.Constant) for c in (holder.left, *holder.comparators)
        ):
            return True
        if isinstance(holder, ast.stmt):
            return False
        child = holder
    return False
