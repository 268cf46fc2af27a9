"""Expressions of a function when a request carries no credentials: which are empty, which conditions that decides."""

from __future__ import annotations

import ast
import re
from typing import TYPE_CHECKING

from project.language.names import Variable
from project.language.scopes import Function, subtree
from project.routing.dependencies import SCHEMES
from project.routing.guard_refusals import CREDENTIAL

if TYPE_CHECKING:
    from project.routing.guard_flow import Behaviours

MAX_HOPS = 4
SCHEME = "security scheme"
REQUEST_TYPES = frozenset(
    "starlette.requests.Request starlette.requests.HTTPConnection fastapi.requests.HTTPConnection "
    "starlette.websockets.WebSocket".split()
)
_REQUEST_NAMES = frozenset(
    "request req http_request websocket ws conn connection http_connection info _request".split()
)
_DATABASE = re.compile(r"session_?(maker|factory|local)|(db|sql|async|read|write)_?session", re.IGNORECASE)
_ABSENT = re.compile(r"^(is_)?(anonymous|guest|none|missing|empty|unauthenticated)", re.IGNORECASE)
_STORES = {"headers": "header", "cookies": "cookie", "session": "session"}


Constant = bool | str | None
Constants = frozenset[tuple[str, Constant]]


class Conditions:
    """`missing` holds the names that are empty without credentials, `constants` those with a known value."""

    def __init__(
        self, facts: Behaviours, function: Function, missing: set[str], hops: int, constants: Constants = frozenset()
    ) -> None:
        self.facts = facts
        self.function = function
        self.missing = missing
        self.hops = hops
        self.constants = dict(constants)
        self.params = {a.arg: a for a, _ in function.params}

    # What is read

    def source(self, node: ast.AST) -> str:
        """Which credential of the request an expression reads, "" for none."""
        if isinstance(node, ast.Call):
            return self._read_by_call(node)
        if isinstance(node, ast.Subscript):
            return self._store(node.value, node.slice)
        if isinstance(node, ast.Attribute):
            if node.attr in ("user", "auth") and self.is_request(node.value):
                return "request.user"
            return self._state(node.value, node.attr)
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self._store(node.comparators[0], node.left)
        return ""

    def _read_by_call(self, node: ast.Call) -> str:
        if isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "getlist"):
            return self._store(node.func.value, node.args[0] if node.args else None)
        if isinstance(node.func, ast.Name) and node.func.id == "getattr" and len(node.args) >= 2:
            return self._state(node.args[0], _text(node.args[1]) or "")
        if self.facts.names.canonical(node.func, self.function) == "starlette.authentication.has_required_scope":
            return "request.auth"
        return SCHEME if self._scheme(node) is not None else ""

    def _scheme(self, node: ast.Call) -> ast.Call | None:
        """The call that made the security scheme that a function calls itself: `await bearer(request)`."""
        if not isinstance(node.func, (ast.Name, ast.Attribute)) or not any(map(self.is_request, node.args)):
            return None
        entity = self.facts.names.resolve(node.func, self.function)
        for binding in entity.bindings if isinstance(entity, Variable) else ():
            if isinstance(binding.value, ast.Call) and isinstance(entity, Variable):
                made = self.facts.names.resolve(binding.value.func, entity.scope)
                if made is not None and made.dotted in SCHEMES:
                    return binding.value
        return None

    def is_strict_scheme(self, node: ast.AST) -> bool:
        """Whether a security scheme that a function calls refuses by itself."""
        made = self._scheme(node) if isinstance(node, ast.Call) else None
        return made is not None and not any(k.arg == "auto_error" for k in made.keywords)

    def _state(self, holder: ast.expr, name: str) -> str:
        """`request.state.user`, as a middleware leaves it."""
        if not isinstance(holder, ast.Attribute) or holder.attr != "state" or not self.is_request(holder.value):
            return ""
        known = name == "user" or (CREDENTIAL.search(name) and not _DATABASE.search(name))
        return f"request.state.{name}" if known else ""

    def _store(self, holder: ast.expr, key: ast.expr | None) -> str:
        if isinstance(holder, ast.Attribute) and holder.attr in _STORES and self.is_request(holder.value):
            kind = holder.attr
        elif isinstance(holder, ast.Name) and holder.id in ("headers", "cookies"):
            kind = holder.id
        else:
            return ""
        text = _text(key)
        if key is not None and re.search("csrf|xsrf", ast.unparse(key), re.IGNORECASE):
            return ""
        if text is None:
            return _STORES[kind]
        return "" if kind == "headers" and not CREDENTIAL.search(text) else f"{_STORES[kind]} {text}"

    def is_request(self, node: ast.expr) -> bool:
        """Whether an expression is the request or the WebSocket, by annotation or by the name everybody gives it."""
        if isinstance(node, ast.Attribute):
            return node.attr in _REQUEST_NAMES
        if not isinstance(node, ast.Name):
            return False
        arg = self.params.get(node.id)
        if node.id in _REQUEST_NAMES or arg is None or arg.annotation is None:
            return node.id in _REQUEST_NAMES
        outside = self.function.parent or self.function.module
        return self.facts.names.canonical(arg.annotation, outside) in REQUEST_TYPES

    def carries(self, node: ast.expr) -> bool:
        """Whether an expression is the request or all of its headers, cookies or session."""
        if isinstance(node, ast.Attribute) and node.attr in _STORES:
            return self.is_request(node.value)
        return self.is_request(node) or (isinstance(node, ast.Name) and node.id in ("headers", "cookies"))

    # What is empty

    def empty(self, node: ast.expr) -> bool:
        """Whether an expression is empty when credentials are missing."""
        if isinstance(node, ast.Name):
            return node.id in self.missing
        if not isinstance(node, ast.Compare) and self.source(node):
            return True
        if isinstance(node, (ast.Await, ast.Attribute, ast.Subscript, ast.Starred, ast.NamedExpr)):
            return self.empty(node.value)
        if isinstance(node, ast.BoolOp):
            answers = [self.nothing(v) for v in node.values]
            return all(answers) if isinstance(node.op, ast.Or) else any(answers)
        if isinstance(node, ast.IfExp):
            decided = self.decide(node.test)
            chosen = [node.body] if decided else [node.orelse] if decided is False else [node.body, node.orelse]
            return all(map(self.nothing, chosen))
        return isinstance(node, ast.Call) and self._empty_call(node)

    def nothing(self, node: ast.expr) -> bool:
        return self.empty(node) or (isinstance(node, ast.Constant) and not node.value)

    def _empty_call(self, node: ast.Call) -> bool:
        """A method of something missing, a call with something missing, a helper that looks a credential up."""
        if isinstance(node.func, ast.Attribute) and self.empty(node.func.value):
            return True
        if any(self.empty(a) for a in arguments(node)):
            return True
        if self.hops >= MAX_HOPS:
            return False
        for target in self.facts.calls.site(node, self.function).targets:
            inner = self.facts.of(target, (), self.hops + 1)
            if inner.reads and (inner.passes or not inner.refuses):
                return True
        return False

    # Conditions

    def is_about_credentials(self, test: ast.expr) -> bool:
        """Whether a condition reads what is empty without credentials."""
        return any(isinstance(n, ast.expr) and (self.empty(n) or bool(self.source(n))) for n in subtree(test))

    def constant(self, node: ast.expr) -> bool:
        """Whether an expression is a name with a known constant value."""
        return isinstance(node, ast.Name) and node.id in self.constants and node.id not in self.missing

    def decide(self, node: ast.expr) -> bool | None:
        """A condition when credentials are missing; None when it depends on more than them and on constants."""
        if isinstance(node, ast.Name) and self.constant(node):
            return bool(self.constants[node.id])
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            answer = self.decide(node.operand)
            return None if answer is None else not answer
        if isinstance(node, ast.BoolOp):
            answers = [self.decide(v) for v in node.values]
            stop = isinstance(node.op, ast.Or)
            return stop if stop in answers else None if None in answers else not stop
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._decide_compare(node)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id in ("isinstance", "hasattr"):
            return False if node.args and self.empty(node.args[0]) else None
        if isinstance(node, ast.Call) and self.empty(node) and _ABSENT.search(_called_name(node)):
            return True
        return False if self.empty(node) else None

    def _decide_compare(self, node: ast.Compare) -> bool | None:
        op, left, right = node.ops[0], node.left, node.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)):
            depends = self.source(node) or self.empty(right) or self.empty(left)
            return isinstance(op, ast.NotIn) if depends else None
        if isinstance(left, ast.Name) and self.constant(left) and isinstance(right, ast.Constant):
            same = self.constants[left.id] == right.value
            return same if isinstance(op, (ast.Is, ast.Eq)) else not same
        if not (self.empty(left) or self.empty(right)):
            return None
        other = right if self.empty(left) else left
        is_nothing = isinstance(other, ast.Constant) and not other.value
        if isinstance(op, (ast.Is, ast.Eq)):
            return is_nothing
        return not is_nothing if isinstance(op, (ast.IsNot, ast.NotEq)) else None


def arguments(call: ast.Call) -> list[ast.expr]:
    """The expressions given to a call, positional ones first."""
    return [*call.args, *(k.value for k in call.keywords)]


def is_nothing(node: ast.expr) -> bool:
    """Whether a value is written as nothing: None, an empty text or an empty collection."""
    if isinstance(node, ast.Constant):
        return not node.value
    return (isinstance(node, ast.Dict) and not node.keys) or (isinstance(node, ast.List) and not node.elts)


def passed_constants(target: Function, given: dict[str, ast.expr | None]) -> Constants:
    """Parameters that a call leaves at, or gives, a constant. `given` has what it gives, by parameter."""
    found: set[tuple[str, Constant]] = set()
    for arg, default in target.params:
        value = given.get(arg.arg, default)
        only_assigned = all(b.kind in ("param", "assign") for b in target.bindings.get(arg.arg, ()))
        if isinstance(value, ast.Constant) and isinstance(value.value, (bool, str, type(None))) and only_assigned:
            found.add((arg.arg, value.value))
    return frozenset(found)


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        return node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    return None


def _called_name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
