"""Content types and file names that uploaders choose: where they are kept, and where they decide about a response."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.arguments import given_for
from project.language.calls import CallSite
from project.language.dataflow import reaching
from project.language.literals import keyword
from project.language.scopes import Function, Scope, parents, subtree
from project.language.value_types import Instance
from project.place import Place
from project.serving.origins import UPLOAD

if TYPE_CHECKING:
    from project import Project

_RESPONSES = frozenset(
    f"starlette.responses.{n}" for n in "Response StreamingResponse FileResponse PlainTextResponse HTMLResponse".split()
)
_GUESSES = frozenset(("mimetypes.guess_type", "mimetypes.guess_file_type"))
_CHOSEN = ("content_type", "filename")
_CHECKS = re.compile(r"valid|check|allow|verif|ensure|guard|restrict|sniff", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Served:
    """A response whose content type is what an uploader said (`guessed`: what the name they chose stands for)."""

    site: CallSite
    kept_as: str
    kept_at: Place
    guessed: bool


class UploadedTypes:
    """Kept content types and names of uploads, by the keyword or attribute they are kept under."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def kept(self) -> dict[str, dict[str, Place]]:
        """`content_type` and `filename` of uploads -> name it is kept under -> where, unless it is checked there."""
        found: dict[str, dict[str, Place]] = {chosen: {} for chosen in _CHOSEN}
        for attribute, scope in self._project.spelled.attributes(*_CHOSEN):
            if self._is_upload(attribute.value, scope) and not self._is_checked(attribute, scope):
                for name in self._kept_under(attribute, scope):
                    found[attribute.attr].setdefault(name, scope.place(attribute, "chosen by the uploader"))
        return found

    def _is_upload(self, expr: ast.expr, scope: Scope) -> bool:
        return any(isinstance(v, Instance) and v.dotted == UPLOAD for v in self._project.values.of(expr, scope))

    def _is_no_record(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an object is known to be no stored row: the upload itself, the answer of a server, a value class."""
        values = [v for v in self._project.values.of(expr, scope) if isinstance(v, Instance)]
        return any(self._project.models.of(v.cls) is None for v in values)

    def _is_checked(self, attribute: ast.Attribute, scope: Scope) -> bool:
        """Whether the type has passed a test, or something that checks was handed the upload."""
        text, upload = ast.unparse(attribute), ast.unparse(attribute.value)
        checking = (call for name, calls in scope.called.items() if _CHECKS.search(name) for call in calls)
        return any(upload in map(ast.unparse, call.args) for call in checking) or self._project.origins.checked.passed(
            text, attribute, scope, address=False
        )

    def _kept_under(self, expr: ast.expr, scope: Scope, depth: int = 0) -> Iterator[str]:
        """`key` of `f(key=file.content_type or "x")` and `row.key = file.content_type`, also through a local name."""
        child: ast.AST = expr
        for holder in parents(expr):
            if isinstance(holder, ast.keyword):
                yield holder.arg or ""
            elif isinstance(holder, ast.Call) and child in holder.args:
                targets = self._project.calls.site(holder, scope).targets
                yield from (
                    arg.arg for t in targets[:1] for arg, _ in t.params if given_for(arg.arg, holder, t) is child
                )
            elif isinstance(holder, ast.Assign):
                target = holder.targets[0]
                if isinstance(target, ast.Attribute):
                    yield target.attr
                elif isinstance(target, ast.Name) and depth == 0:
                    for name in scope.all(ast.Name):
                        if name.id == target.id and isinstance(name.ctx, ast.Load):
                            yield from self._kept_under(name, scope, depth + 1)
            if not isinstance(holder, (ast.BoolOp, ast.IfExp)):
                return
            child = holder

    def served(self) -> Iterator[Served]:
        """Responses of such a type that no header of theirs keeps from being shown as a page."""
        for site in self._project.calls.named(_RESPONSES):
            given = site.argument(2 if "FileResponse" in site.names[0] else -1, "media_type")
            if given is None or not isinstance(site.scope, Function) or _protects(site):
                continue
            for expr in self._sources(given, site.scope):
                found = self._kept(expr, site)
                if found is not None:
                    yield found
                    break

    def _sources(self, expr: ast.expr, scope: Scope) -> Iterator[ast.expr]:
        """What an expression is made of, through `or`, conditions and names."""
        pending, seen = [expr], 0
        while pending and seen < 12:
            seen += 1
            current = pending.pop()
            if isinstance(current, ast.BoolOp):
                pending += current.values
            elif isinstance(current, ast.IfExp):
                pending += [current.body, current.orelse]
            elif isinstance(current, ast.Name):
                pending += [b.value for b in reaching(scope, current.id, current) if b.value and b.kind == "assign"]
            elif isinstance(current, ast.Subscript):
                pending.append(current.value)
            else:
                yield current

    def _kept(self, expr: ast.expr, site: CallSite) -> Served | None:
        scope = site.scope
        guessed = isinstance(expr, ast.Call) and bool(
            _GUESSES.intersection(self._project.calls.site(expr, scope).names)
        )
        inner = expr.args[0] if isinstance(expr, ast.Call) and guessed and expr.args else expr
        if not isinstance(inner, ast.Attribute) or _is_listed(inner, site):
            return None
        place = self.kept["filename" if guessed else "content_type"].get(inner.attr)
        if place is None or self._is_no_record(inner.value, scope):
            return None
        return Served(site, inner.attr, place, guessed)


def _is_listed(expr: ast.expr, site: CallSite) -> bool:
    """Whether the function compares the type with listed ones, by the expression or the name it is given by."""
    given = keyword(site.call, "media_type") if site.call is not None else None
    texts = {ast.unparse(e) for e in (expr, given) if e is not None}
    compared = [c for c in site.scope.all(ast.Compare) if isinstance(c.ops[0], (ast.In, ast.NotIn))]
    parts = (n for c in compared for n in subtree(c.left) if isinstance(n, (ast.Name, ast.Attribute)))
    return any(ast.unparse(part) in texts for part in parts)


def _protects(site: CallSite) -> bool:
    """Whether the response is a download, or its page may do nothing: by an argument, or a header of the function."""
    call = site.call
    if call is None or (keyword(call, "filename") is not None and keyword(call, "content_disposition_type") is None):
        return True
    nodes = (n.value for n in subtree(site.scope.node) if isinstance(n, ast.Constant))
    written = " ".join(value.lower() for value in nodes if isinstance(value, str))
    return "content-security-policy" in written or (
        "content-disposition" in written and ("attachment" in written or "inline" not in written)
    )
