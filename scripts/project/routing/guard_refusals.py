"""Which exceptions and statuses refuse a caller: 401 and 403, however they are spelled or mapped."""

from __future__ import annotations

import ast
import re

from project.language.names import External, Names, Variable
from project.language.scopes import Class, Function, Scope, subtree

REFUSALS = frozenset((401, 403))
CREDENTIAL = re.compile(
    r"auth|token|api.?key|secret|signature|session|cookie|credential|passw|jwt|bearer|x.?user", re.IGNORECASE
)
_REFUSING_NAME = re.compile(
    r"Unauth|NotAuth|Forbidden|PermissionDenied|AccessDenied|InvalidToken|InvalidCredential|AuthenticationError|AuthError"
)


class Refusals:
    """Statuses that raising an exception ends in. `handled`: 401 and 403 by exception class, as handlers answer."""

    def __init__(self, names: Names, handled: dict[str, set[int]]) -> None:
        self.names = names
        self._handled = handled
        self._statuses: dict[int, set[int] | None] = {}

    def of(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> set[int] | None:
        """Refusing statuses of a raised exception; empty for another status, None when no status is known."""
        if expr is None or depth > 4:
            return None
        entity = self.names.resolve(expr.func if isinstance(expr, ast.Call) else expr, scope)
        if isinstance(entity, External):
            return self._external(entity.dotted, expr)
        if isinstance(entity, Class):
            return self._of_class(entity, expr)
        if isinstance(entity, Function):
            found = [self.of(statement.value, entity, depth + 1) for statement in entity.all(ast.Return)]
            return next((f for f in found if f), None if None in found else set())
        return self._of_variable(entity, depth) if isinstance(entity, Variable) else None

    def _of_variable(self, variable: Variable, depth: int) -> set[int] | None:
        for binding in variable.bindings:
            if binding.kind == "param":
                return {401} if CREDENTIAL.search(variable.name) else None
            if isinstance(binding.value, ast.Call):
                return self.of(binding.value, variable.scope, depth + 1)
        return None

    def _external(self, dotted: str, expr: ast.expr) -> set[int] | None:
        last = dotted.rsplit(".", 1)[-1]
        if last == "HTTPException" and isinstance(expr, ast.Call):
            status = next((status_of(v) for v in (*_keywords(expr, "status_code"), *expr.args[:1])), None)
            return None if status is None else {status} & REFUSALS
        refuses = last == "WebSocketException" or _REFUSING_NAME.search(last)
        return {401} if refuses else None

    def _of_class(self, cls: Class, raised: ast.expr) -> set[int] | None:
        """By the arguments when they name a status, else by the class, its bases and exception handlers."""
        if isinstance(raised, ast.Call):
            given = {status_of(v) for v in (*_keywords(raised, "status_code", "status", "code"), *raised.args[:1])}
            if given - {None}:
                return {s for s in given if s is not None} & REFUSALS
        if id(cls) not in self._statuses:
            self._statuses[id(cls)] = self._by_class(cls)
        return self._statuses[id(cls)]

    def _by_class(self, cls: Class) -> set[int] | None:
        for base in self.names.mro(cls):
            found = set(self._handled.get(base.dotted, ()))
            if isinstance(base, Class):
                found |= _statuses_in(base)
            elif _REFUSING_NAME.search(base.dotted.rsplit(".", 1)[-1]):
                found.add(401)
            if found:
                return found & REFUSALS
        return None


def status_of(node: ast.AST | None) -> int | None:
    """A status code written as a number, `status.HTTP_401_UNAUTHORIZED` or `HTTPStatus.UNAUTHORIZED`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.Attribute) and node.attr == "value":
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    digits = re.match(r"(?:HTTP|WS)_(\d{3,4})", name)
    return int(digits[1]) if digits else {"UNAUTHORIZED": 401, "FORBIDDEN": 403}.get(name)


def _keywords(call: ast.Call, *names: str) -> list[ast.expr]:
    return [k.value for k in call.keywords if k.arg in names]


def _statuses_in(cls: Class) -> set[int]:
    """Status codes that a class body or its methods name."""
    scopes = [cls, *cls.methods.values()]
    nodes = [n for scope in scopes for kind in (ast.Constant, ast.Attribute, ast.Name) for n in scope.all(kind)]
    return {status for n in nodes if (status := status_of(n)) is not None and 400 <= status < 600}


def catches_refusals(handler: ast.ExceptHandler) -> bool:
    """Whether an except clause catches what refuses a caller."""
    if handler.type is None:
        return True
    nodes = [n for n in subtree(handler.type) if isinstance(n, (ast.Name, ast.Attribute))]
    names = {n.id if isinstance(n, ast.Name) else n.attr for n in nodes}
    return bool(names & {"Exception", "BaseException", "HTTPException"}) or any(map(_REFUSING_NAME.search, names))
