"""Calls that judge an address before the server fetches it, and whether the fetch depends on the judgement."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.literals import keyword, truth
from project.language.scopes import Function, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_JUDGES = re.compile(
    r"(check|validat|verif|ensure|assert|is_?safe|is_?allowed|guard|reject|block)\w*(url|uri|address|host|callback|webhook)"
    r"|(url|uri|host|webhook|callback)_?\w*(valid|safe|allowed|check|guard)|ssrf",
    re.IGNORECASE,
)
_HOSTS = re.compile(r"hostname|netloc|ipaddress|getaddrinfo|is_private|is_global|allowed|whitelist|blocked|ssrf")
_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)


@dataclass(frozen=True, slots=True)
class Judged:
    """An address judged at `judge` and fetched by `fetch`: `ignored` when a refusal does not keep it from being
    fetched, `redirected` when the answer may lead to an address that nobody judged."""

    judge: Place
    fetch: CallSite
    ignored: bool
    redirected: bool


def judged(project: Project, fetches: Iterable[str]) -> Iterator[Judged]:
    """Fetches of what the same function judged before."""
    for site in project.calls.named(fetches):
        call = site.call
        given = call.args + [k.value for k in call.keywords if k.arg == "url"] if call is not None else []
        if call is None or not isinstance(site.scope, Function):
            continue
        judge = next((j for g in given[:2] if (j := _judge(project, ast.unparse(g), site)) is not None), None)
        if judge is not None:
            ignored = _is_ignored(judge, site.node)
            yield Judged(site.scope.place(judge, "the address is judged"), site, ignored, _follows(site))


def _judge(project: Project, text: str, site: CallSite) -> ast.Call | None:
    """The call before a fetch that judges the fetched name or attribute."""
    for call in site.scope.all(ast.Call):
        name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        before = (call.lineno, call.col_offset) < (site.node.lineno, site.node.col_offset)
        if not (before and _JUDGES.search(name) and any(ast.unparse(a) == text for a in call.args[:2])):
            continue
        if any(_looks_at_hosts(project, target, 2) for target in project.calls.site(call, site.scope).targets):
            return call
    return None


def _looks_at_hosts(project: Project, function: Function, depth: int) -> bool:
    """Whether a function, or one that it calls, looks at where an address leads, not only at its form."""
    if any(_HOSTS.search(ast.unparse(statement)) for statement in function.body):
        return True
    called = (target for site in project.calls.sites(function) for target in site.targets)
    return depth > 0 and any(_looks_at_hosts(project, target, depth - 1) for target in called)


def _is_ignored(judge: ast.Call, fetch: ast.expr) -> bool:
    """Whether the judge speaks by raising, and what catches it goes on to the fetch."""
    inside = {id(h) for h in parents(fetch)}
    statement: ast.AST = judge
    for holder in parents(judge):
        if isinstance(holder, ast.Try) and statement in holder.body and id(holder) not in inside:
            only = len(holder.body) == 1 and isinstance(statement, ast.Expr) and not holder.orelse
            return only and not any(_leaves(handler.body) for handler in holder.handlers)
        if isinstance(holder, (ast.If, ast.While, ast.IfExp)):
            return False
        statement = holder
    return False


def _leaves(body: list[ast.stmt]) -> bool:
    return any(isinstance(node, _LEAVES) for statement in body for node in subtree(statement))


def _follows(site: CallSite) -> bool:
    """Whether the library follows redirects here: requests and aiohttp by default, httpx when told to."""
    call, library = site.call, site.names[0].split(".")[0]
    if call is None or library not in ("requests", "aiohttp", "httpx"):
        return False
    if library != "httpx":
        return keyword(call, "allow_redirects") is None or truth(keyword(call, "allow_redirects")) is True
    stated = keyword(call, "follow_redirects")
    if stated is not None:
        return truth(stated) is True
    owner = call.func.value if isinstance(call.func, ast.Attribute) else None
    bound = site.scope.bindings.get(owner.id, []) if isinstance(owner, ast.Name) else []
    made = [b.value for b in bound if isinstance(b.value, ast.Call)]
    return any(truth(keyword(m, "follow_redirects")) is True for m in made)
