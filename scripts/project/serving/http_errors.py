"""HTTP errors that functions raise: status and detail, through subclasses and helper functions that make the
exception."""

from __future__ import annotations

import ast
import http
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.data.statements import argument
from project.language.literals import text
from project.language.scopes import Class, Function, Scope
from project.place import Place
from project.serving.exceptions import HTTP_ERRORS

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 4
_LIBRARY = {
    f"fastcrud.exceptions.http_exceptions.{name}Exception": status
    for name, status in (
        ("BadRequest", 400),
        ("Unauthorized", 401),
        ("Forbidden", 403),
        ("NotFound", 404),
        ("DuplicateValue", 422),
        ("UnprocessableEntity", 422),
        ("RateLimit", 429),
    )
}
_STATUS = re.compile(r"HTTP_(\d{3})(?:_|$)")


@dataclass(frozen=True, slots=True)
class HttpError:
    """One `raise` of an HTTPException. `status` None when it is not a constant; `text` is the detail, "" when not
    literal."""

    status: int | None
    detail: ast.expr | None
    text: str
    node: ast.Raise
    function: Function

    def place(self, label: str = "") -> Place:
        return self.function.place(self.node, label)


class HttpErrors:
    """HTTP errors by function."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[Function, list[HttpError]] = {}

    def of(self, function: Function) -> list[HttpError]:
        """HTTP errors raised directly in a function, in source order."""
        if function not in self._known:
            self._known[function] = list(self._raised(function))
        return self._known[function]

    def _raised(self, function: Function) -> Iterator[HttpError]:
        for raised in self._project.exceptions.raised(function):
            known = _LIBRARY.get(raised.kind.dotted)
            if known is not None:
                detail = _given(raised.node.exc, 0, "detail") if isinstance(raised.node.exc, ast.Call) else None
                yield HttpError(known, detail, self._text(detail, function), raised.node, function)
            elif self._project.exceptions.is_http(raised.kind) and raised.node.exc is not None:
                status, detail, where = self._read(raised.node.exc, function, 0)
                yield HttpError(status, detail, self._text(detail, where), raised.node, function)

    def _text(self, detail: ast.expr | None, scope: Scope) -> str:
        """Literal words of a detail; those around formatted values too."""
        if isinstance(detail, ast.JoinedStr):
            return "".join(str(p.value) for p in detail.values if isinstance(p, ast.Constant))
        return text(detail, scope, self._project.names) or ""

    def _read(self, expr: ast.expr, scope: Scope, depth: int) -> tuple[int | None, ast.expr | None, Scope]:
        """(status, detail, scope of the detail) of an expression that is an HTTPException."""
        nothing: tuple[int | None, ast.expr | None, Scope] = (None, None, scope)
        if depth > MAX_DEPTH:
            return nothing
        if isinstance(expr, ast.Name):
            values = [b.value for b in scope.bindings.get(expr.id, []) if b.value is not None and b.kind == "assign"]
            return self._read(values[0], scope, depth + 1) if len(values) == 1 else nothing
        called = self._project.names.resolve(expr.func if isinstance(expr, ast.Call) else expr, scope)
        if isinstance(called, Class):
            return self._of_class(called, expr, scope)
        if isinstance(called, Function) and isinstance(expr, ast.Call):
            return self._of_function(called, expr, scope, depth)
        if isinstance(expr, ast.Call) and called is not None and called.dotted in HTTP_ERRORS:
            status = _given(expr, 0, "status_code")
            return self.status(status, scope), _given(expr, 1, "detail"), scope
        return nothing

    def _of_function(
        self, made_by: Function, call: ast.Call, scope: Scope, depth: int
    ) -> tuple[int | None, ast.expr | None, Scope]:
        returned = [r.value for r in made_by.all(ast.Return) if r.value is not None]
        if len(returned) != 1:
            return None, None, scope
        status, detail, where = self._read(returned[0], made_by, depth + 1)
        return status, *self._handed(detail, where, made_by, call, scope)

    def _handed(
        self, expr: ast.expr | None, where: Scope, callee: Function, call: ast.Call, scope: Scope
    ) -> tuple[ast.expr | None, Scope]:
        """The expression itself, or what the call hands over when it is a parameter of the callee."""
        param = callee.param(expr.id) if isinstance(expr, ast.Name) and where is callee else None
        if param is None or not isinstance(expr, ast.Name):
            return expr, where
        offset = self._project.queries.statements.offset(call, callee, scope)
        given = argument(call, callee, expr.id, offset)
        return (given, scope) if given is not None else (param[1], callee.parent or callee.module)

    def _of_class(self, cls: Class, expr: ast.expr, scope: Scope) -> tuple[int | None, ast.expr | None, Scope]:
        """A subclass: what its `__init__` hands to HTTPException, else a `status_code` in its body."""
        call = expr if isinstance(expr, ast.Call) else ast.Call(expr, [], [])
        init = self._project.names.class_member(cls, "__init__")
        if isinstance(init, Function):
            for inner in init.all(ast.Call):
                if isinstance(inner.func, ast.Attribute) and inner.func.attr == "__init__":
                    given, where = self._handed(_given(inner, 0, "status_code"), init, init, call, scope)
                    detail, there = self._handed(_given(inner, 1, "detail"), init, init, call, scope)
                    found = self.status(given, where)
                    return (found if found is not None else self._class_status(cls)), detail, there
        status = self.status(_given(call, 0, "status_code"), scope)
        return (status if status is not None else self._class_status(cls)), _given(call, 1, "detail"), scope

    def _class_status(self, cls: Class) -> int | None:
        for base in self._project.names.mro(cls):
            if isinstance(base, Class):
                for binding in base.bindings.get("status_code", []):
                    if binding.value is not None:
                        return self.status(binding.value, base)
        return None

    def status(self, expr: ast.expr | None, scope: Scope) -> int | None:
        """The status code an expression is: a number, `status.HTTP_404_NOT_FOUND`, `HTTPStatus.NOT_FOUND`, a
        constant."""
        if expr is None:
            return None
        if isinstance(expr, ast.Constant):
            return expr.value if type(expr.value) is int else None
        if isinstance(expr, (ast.Name, ast.Attribute)):
            dotted = self._project.names.canonical(expr, scope) or ""
            found = _STATUS.search(dotted)
            if found and "status" in dotted:
                return int(found[1])
            if dotted.startswith("http.HTTPStatus."):
                member = dotted.split(".")[2]
                return int(http.HTTPStatus[member]) if member in http.HTTPStatus.__members__ else None
            known = self._project.defaults.of(expr, scope)
            return known.value if known is not None and type(known.value) is int else None
        return None


def _given(call: ast.Call, position: int, keyword: str) -> ast.expr | None:
    for given in call.keywords:
        if given.arg == keyword:
            return given.value
    plain = call.args[: position + 1]
    return plain[position] if len(plain) > position and not any(isinstance(a, ast.Starred) for a in plain) else None
