"""Answers of other services: where the code reads them, and whether it looks at the status first."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.literals import keyword
from project.language.names import External
from project.language.scopes import Function, Module, parent

if TYPE_CHECKING:
    from project import Project

LIBRARIES = frozenset("httpx httpx2 requests aiohttp".split())
VERBS = frozenset("get post put patch delete request send".split())
STATUS = frozenset(
    "raise_for_status status_code status ok is_success is_error is_client_error is_server_error reason".split()
)
_ON_ANSWERS = frozenset(("json()", "headers", "cookies"))
KEY_ERROR = External("builtins.KeyError")


@dataclass(frozen=True, slots=True, eq=False)
class Answer:
    """A remote call whose JSON is read; `read` is the call of `.json()`."""

    site: CallSite
    function: Function
    read: ast.Call


class RemoteAnswers:
    """Remote calls that run for requests."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def unchecked(self) -> list[Answer]:
        """Answers whose JSON is taken without a look at the status, in order of path and line."""
        escapes = self._project.exceptions.reaches_client
        found = [a for f in self._project.requests.functions for a in self._in(f) if escapes(f, KEY_ERROR)]
        return sorted(found, key=lambda a: (a.function.module.path, a.read.lineno))

    def _in(self, function: Function) -> Iterator[Answer]:
        for site in self._project.calls.sites(function):
            if site.call is None or not self.is_request(site) or self._raises_itself(site):
                continue
            read = self._read(site.node, function)
            if read is not None and not self._project.exceptions.stopped(read, KEY_ERROR, function):
                yield Answer(site, function, read)

    def is_request(self, site: CallSite) -> bool:
        """Whether a call asks another service; not one on its answer (`client.get(url).json().get("x")`)."""
        for name in site.names:
            way = name.split(".")
            if way[0] in LIBRARIES and way[-1] in VERBS and not _ON_ANSWERS.intersection(way[1:-1]):
                return True
        return False

    def _raises_itself(self, site: CallSite) -> bool:
        """Whether the client is told to raise on error answers (`raise_for_status=True`, event hooks)."""
        if site.call is not None and keyword(site.call, "raise_for_status") is not None:
            return True
        return site.scope.module in self._raising

    @cached_property
    def _raising(self) -> frozenset[Module]:
        """Modules with a client that is told so."""
        texts = [(m, m.source.text) for m in self._project.app_modules]
        modules = [m for m, text in texts if "raise_for_status" in text or "event_hooks" in text]
        keywords = ((m, k) for m in modules for s in m.walk() for k in s.all(ast.keyword))
        return frozenset(m for m, k in keywords if k.arg in ("raise_for_status", "event_hooks"))

    def _read(self, node: ast.expr, function: Function) -> ast.Call | None:
        """The `.json()` of the answer, when nothing else is done with the answer."""
        holder = parent(node)
        if isinstance(holder, ast.Await):
            node, holder = holder, parent(holder)
        if isinstance(holder, ast.Attribute):
            return _json_call(holder)
        name = ""
        if isinstance(holder, ast.Assign) and len(holder.targets) == 1 and isinstance(holder.targets[0], ast.Name):
            name = holder.targets[0].id
        elif isinstance(holder, ast.withitem) and isinstance(holder.optional_vars, ast.Name):
            name = holder.optional_vars.id
        return self._read_by_name(name, function) if name and len(function.bindings.get(name, ())) == 1 else None

    @staticmethod
    def _read_by_name(name: str, function: Function) -> ast.Call | None:
        read: ast.Call | None = None
        for scope in function.walk():
            for use in scope.all(ast.Name):
                if use.id != name or not isinstance(use.ctx, ast.Load):
                    continue
                holder = parent(use)
                if not isinstance(holder, ast.Attribute) or holder.attr in STATUS:
                    return None
                read = read or _json_call(holder)
        return read


def _json_call(attribute: ast.Attribute) -> ast.Call | None:
    call = parent(attribute)
    return call if attribute.attr == "json" and isinstance(call, ast.Call) and call.func is attribute else None
