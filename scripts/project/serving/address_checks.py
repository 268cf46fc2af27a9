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
    from project.serving.checked import Test

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
    """Fetches of what a call in the same function judged before."""
    checked = project.origins.checked
    for site in project.calls.named(fetches):
        call = site.call
        given = call.args + [k.value for k in call.keywords if k.arg == "url"] if call is not None else []
        if call is None or not isinstance(site.scope, Function):
            continue
        for address in (ast.unparse(g) for g in given[:2] if isinstance(g, (ast.Name, ast.Attribute))):
            passed = checked.passed(address, site.node, site.scope, True)
            judges = (j for test in checked.tests(address, site.scope, True) for j in _judges(project, test, site))
            judge = next((j for j in judges if passed or _is_ignored(j, site.node)), None)
            if judge is not None:
                place = site.scope.place(judge, "the address is judged")
                yield Judged(place, site, not passed, _follows(site))
                break


def _judges(project: Project, test: Test, site: CallSite) -> Iterator[ast.Call]:
    """Calls before a fetch by which a test looks at where the address leads."""
    for call in (n for n in subtree(test.node) if isinstance(n, ast.Call)):
        before = (call.lineno, call.col_offset) < (site.node.lineno, site.node.col_offset)
        if before and any(_looks_at_hosts(project, t, 2) for t in project.calls.site(call, site.scope).targets):
            yield call


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
