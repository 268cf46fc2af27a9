"""What a function does with a request that carries no credentials: refuses it, lets it pass, or cannot be said.

A function is followed statement by statement under the assumption that every credential it reads (header, cookie, session,
security scheme) is missing. Conditions on those are decided by that, all others go both ways; called project functions are
followed too, a few levels deep.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from project.calls import Calls
from project.names import External, Names, Variable
from project.scopes import Class, Function, Scope

MAX_HOPS = 4
REQUEST_TYPES = frozenset(
    [
        "starlette.requests.Request",
        "starlette.requests.HTTPConnection",
        "fastapi.requests.HTTPConnection",
        "starlette.websockets.WebSocket",
    ]
)
_REQUEST_NAMES = frozenset(
    ["request", "req", "http_request", "websocket", "ws", "conn", "connection", "http_connection", "info", "_request"]
)
CREDENTIAL = re.compile(
    r"auth|token|api.?key|secret|signature|session|cookie|credential|passw|jwt|bearer|x.?user", re.I
)
_CHECKS = re.compile(r"(^|_)(decode|verify|validate|authenticate|introspect|authorize|check)", re.I)
_REFUSING_NAME = re.compile(
    r"Unauth|NotAuth|Forbidden|PermissionDenied|AccessDenied|InvalidToken|InvalidCredential|AuthenticationError|AuthError"
)
REFUSALS = frozenset((401, 403))
_POLICY_VIOLATION = 1008


@dataclass(slots=True)
class Behaviour:
    """What a function does without credentials.

    `refuses`: statuses it may refuse with (0: fails in another way), `passes`: it returns before it could refuse,
    `sure`: a refusal stands where no other condition is in the way, `reads`: the credentials it reads, `answers`: it makes
    a response with 401 or 403 or redirects, `paths`: it looks at the path of the request, `asks`: it hands credentials to
    code that was not resolved, `hands`: it hands them on at all, `configured`: configuration may make it return early,
    `about_caller`: what decides on a refusal depends on an argument or on something looked up.
    """

    refuses: set[int] = field(default_factory=set)
    passes: bool = False
    reads: list[str] = field(default_factory=list)
    sure: bool = False
    answers: bool = False
    paths: bool = False
    asks: bool = False
    hands: bool = False
    configured: bool = False
    about_caller: bool = False


class Behaviours:
    """Behaviour of functions, each worked out once for one set of parameters that hold missing credentials."""

    def __init__(self, names: Names, calls: Calls, refusing: dict[str, set[int]]) -> None:
        self.names = names
        self.calls = calls
        self._refusing = refusing
        self._known: dict[tuple[int, frozenset[str]], Behaviour] = {}
        self._statuses: dict[int, set[int]] = {}

    def of_request(
        self, function: Function, known: Callable[[ast.expr], bool | None], learn: Callable[[ast.stmt], None]
    ) -> Behaviour:
        """Behaviour for one request: `known` decides conditions on it, `learn` is told of each assignment on the way."""
        flow = _Flow(self, function, set(), 0)
        flow.known, flow.learn = known, learn
        return flow.run()

    def of(self, function: Function, missing: Iterable[str] = (), hops: int = 0) -> Behaviour:
        """`missing` names the parameters that are empty without credentials."""
        key = (id(function), frozenset(missing))
        if key not in self._known:
            self._known[key] = Behaviour()
            if hops <= MAX_HOPS:
                try:
                    self._known[key] = _Flow(self, function, set(key[1]), hops).run()
                except RecursionError:
                    self._known[key] = Behaviour(asks=True)
        return self._known[key]

    # What is raised

    def raised(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> set[int] | None:
        """Refusing statuses of a raised exception; empty for another exception, None when it cannot be said."""
        if expr is None or depth > 4:
            return None
        func = expr.func if isinstance(expr, ast.Call) else expr
        entity = self.names.resolve(func, scope)
        if isinstance(entity, External):
            return self._external(entity.dotted, expr)
        if isinstance(entity, Class):
            return self.of_class(entity, expr)
        if isinstance(entity, Function):
            return self._returned(entity, depth)
        if isinstance(entity, Variable):
            for binding in entity.bindings:
                if binding.kind == "param":
                    return {401} if CREDENTIAL.search(entity.name) else None
                if isinstance(binding.value, ast.Call):
                    return self.raised(binding.value, entity.scope, depth + 1)
        return None

    def _returned(self, function: Function, depth: int) -> set[int] | None:
        found = [self.raised(statement.value, function, depth + 1) for statement in function.all(ast.Return)]
        return next((f for f in found if f), None if None in found else set())

    def _external(self, dotted: str, expr: ast.expr) -> set[int] | None:
        last = dotted.rsplit(".", 1)[-1]
        if last == "HTTPException" and isinstance(expr, ast.Call):
            given = next(
                (k.value for k in expr.keywords if k.arg == "status_code"), expr.args[0] if expr.args else None
            )
            status = status_of(given)
            return set() if status is not None and status not in REFUSALS else {status} if status else None
        if last == "WebSocketException":
            return {401}
        return {401} if _REFUSING_NAME.search(last) else set()

    def of_class(self, cls: Class, raised: ast.expr | None = None) -> set[int]:
        """Statuses 401 and 403 that raising a project exception ends in."""
        if isinstance(raised, ast.Call):
            given = {
                s
                for k in raised.keywords
                if k.arg in ("status_code", "status", "code") and (s := status_of(k.value)) is not None
            }
            given |= {s for a in raised.args[:1] if (s := status_of(a)) is not None}
            if given:
                return given & REFUSALS
        if id(cls) not in self._statuses:
            found: set[int] = set()
            for base in self.names.mro(cls):
                found |= self._refusing.get(base.dotted, set())
                if isinstance(base, Class):
                    own = _statuses_in(base)
                    found |= own & REFUSALS
                    if own or found:
                        break
                elif _REFUSING_NAME.search(base.dotted.rsplit(".", 1)[-1]):
                    found.add(401)
            self._statuses[id(cls)] = found
        return self._statuses[id(cls)]


class _Flow:
    """One walk through a function body."""

    def __init__(self, facts: Behaviours, function: Function, missing: set[str], hops: int) -> None:
        self.facts = facts
        self.function = function
        self.missing = missing
        self.hops = hops
        self.found = Behaviour()
        self.open = 0
        self.params = {a.arg: a for a, _ in function.params}
        self.tests: list[ast.expr] = []
        self.known: Callable[[ast.expr], bool | None] | None = None
        self.learn: Callable[[ast.stmt], None] | None = None

    def run(self) -> Behaviour:
        ended = self.walk(self.function.body)
        if ended == "" and not self.found.refuses and not self.found.answers:
            self.found.passes = True
        return self.found

    def walk(self, body: list[ast.stmt]) -> str:
        for statement in body:
            ended = self.statement(statement)
            if ended:
                return ended
        return ""

    def statement(self, node: ast.stmt) -> str:
        if isinstance(node, ast.Raise):
            self._raise(node)
            return "raise"
        if isinstance(node, ast.Return):
            self.visit(node.value)
            if not self.open and not self.found.refuses and not self.found.answers:
                self.found.passes = True
            return "return"
        if isinstance(node, ast.If):
            return self._if(node)
        if isinstance(node, ast.Try):
            return self._try(node)
        if isinstance(node, (ast.For, ast.AsyncFor, ast.While)):
            self.visit(node.test if isinstance(node, ast.While) else node.iter)
            self._open(node.body)
            return ""
        if isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self.visit(item.context_expr)
            return self.walk(node.body)
        if isinstance(node, ast.Match):
            self.visit(node.subject)
            for case in node.cases:
                self._open(case.body)
            return ""
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)):
            return ""
        if isinstance(node, ast.Assert):
            self.visit(node.test)
            if self.decide(node.test) is False:
                self._refuse(0)
                return "raise"
            return ""
        self._simple(node)
        return ""

    def _simple(self, node: ast.stmt) -> None:
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.expr):
                self.visit(child)
        if self.learn is not None:
            self.learn(node)
        value = getattr(node, "value", None)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            empty = self.empty(value)
            for target in targets:
                for name in (n.id for n in ast.walk(target) if isinstance(n, ast.Name)):
                    if empty:
                        self.missing.add(name)
                    elif not self.open:
                        self.missing.discard(name)

    def _open(self, body: list[ast.stmt]) -> str:
        """A branch that may or may not run."""
        self.open += 1
        missing = set(self.missing)
        ended = self.walk(body)
        self.missing &= missing
        self.open -= 1
        return ended

    def _if(self, node: ast.If) -> str:
        self.visit(node.test)
        decided = self.decide(node.test)
        if decided is None and self.known is not None:
            decided = self.known(node.test)
        self.tests.append(node.test)
        ended = self.walk(node.body if decided else node.orelse) if decided is not None else self._either(node)
        self.tests.pop()
        return ended

    def _either(self, node: ast.If) -> str:
        if any(
            (isinstance(n, ast.Attribute) and n.attr == "path") or (isinstance(n, ast.Constant) and n.value == "path")
            for n in ast.walk(node.test)
        ):
            self.found.paths = True
        before = set(self.found.refuses)
        first = self._open(node.body)
        if first == "return" and not before and self._is_configuration(node.test):
            self.found.configured = True
        second = self._open(node.orelse)
        return first if first and first == second else ""

    def _is_configuration(self, test: ast.expr) -> bool:
        for node in ast.walk(test):
            if isinstance(node, ast.Name):
                entity = self.facts.names.lookup(self.function, node.id)
                if (
                    isinstance(entity, Variable)
                    and not isinstance(entity.scope, Function)
                    and re.search(r"sett|conf|env|[A-Z]{3}", node.id)
                ):
                    return True
        return False

    def _try(self, node: ast.Try) -> str:
        outer = self.found
        self.found = Behaviour(reads=outer.reads)
        handlers = [self._handler(h) for h in node.handlers]
        refusing = any(h.refuses or h.answers for h in handlers)
        self.found = Behaviour(reads=outer.reads)
        self.open += refusing
        ended = self.walk(node.body)
        self.open -= refusing
        body = self.found
        self.found = outer
        if any(
            _catches_all(h) and not b.refuses and not b.answers for h, b in zip(node.handlers, handlers, strict=False)
        ):
            body.refuses, body.sure = set(), body.sure and body.answers
        outer.sure |= not self.open and (body.sure or (refusing and body.hands))
        for part in (body, *handlers):
            outer.refuses |= part.refuses
            outer.answers |= part.answers
            outer.paths |= part.paths
            outer.asks |= part.asks
            outer.hands |= part.hands
            outer.configured |= part.configured
            outer.about_caller |= part.about_caller
        outer.passes |= body.passes
        if not ended:
            ended = self.walk(node.orelse)
        return self.walk(node.finalbody) or ("" if node.handlers and ended == "raise" else ended)

    def _handler(self, handler: ast.ExceptHandler) -> Behaviour:
        self.found = Behaviour(reads=self.found.reads)
        self._open(handler.body)
        return self.found

    def _raise(self, node: ast.Raise) -> None:
        self.visit(node.exc)
        if node.exc is None:
            return
        found = self.facts.raised(node.exc, self.function)
        if found:
            self._refuse(*found)
        elif (found is None or not self.open) and (self.found.reads or self.missing):
            self._refuse(0)

    def _refuse(self, *statuses: int) -> None:
        self.found.refuses.update(statuses)
        self.found.sure |= not self.open
        self.found.about_caller |= not self.tests or any(self._is_about_caller(t) for t in self.tests)

    def _is_about_caller(self, test: ast.expr) -> bool:
        for node in ast.walk(test):
            if isinstance(node, ast.Name):
                bound = self.function.bindings.get(node.id, ())
                if any(b.kind not in ("import", "from") for b in bound):
                    return True
        return False

    def _answer(self) -> None:
        self.found.answers = True
        self.found.sure |= not self.open

    # Expressions

    def visit(self, node: ast.expr | None) -> None:
        """What evaluating an expression reads and calls."""
        stack: list[ast.AST] = [node] if node is not None else []
        while stack:
            current = stack.pop()
            if isinstance(current, ast.Lambda):
                continue
            if isinstance(current, ast.Call):
                self._call(current)
            what = self.source(current)
            if what and what not in self.found.reads:
                self.found.reads.append(what)
            if what and isinstance(current, ast.Subscript) and isinstance(current.ctx, ast.Load):
                self._refuse(0)
            if isinstance(current, ast.Dict):
                self._message(current)
            stack.extend(ast.iter_child_nodes(current))

    def _message(self, node: ast.Dict) -> None:
        """An ASGI message `{"type": "http.response.start", "status": 401}`."""
        for key, value in zip(node.keys, node.values, strict=False):
            if isinstance(key, ast.Constant) and key.value == "status" and status_of(value) in REFUSALS:
                self._answer()

    def _call(self, call: ast.Call) -> None:
        statuses = {
            status_of(v)
            for v in (*call.args, *(k.value for k in call.keywords if k.arg in ("status_code", "status", "code")))
        }
        entity = self.facts.names.resolve(call.func, self.function)
        name = entity.dotted if entity is not None else ""
        if (statuses & REFUSALS and (name.endswith("Response") or isinstance(entity, Function))) or (
            name.endswith("RedirectResponse") and (self.found.reads or self.missing)
        ):
            self._answer()
        if (
            isinstance(call.func, ast.Attribute)
            and call.func.attr == "close"
            and _POLICY_VIOLATION in {status_of(a) for a in (*call.args, *(k.value for k in call.keywords))}
        ):
            self._refuse(401)
        site = self.facts.calls.site(call, self.function)
        given = any(self.empty(a) for a in (*call.args, *(k.value for k in call.keywords)))
        self.found.hands |= given
        for target in site.targets:
            if target is not self.function and self.hops < MAX_HOPS:
                self._called(target, call)
        if given and not site.targets:
            self._handed_out(call, name)

    def _called(self, target: Function, call: ast.Call) -> None:
        passed = self._passed(target, call)
        inner = self.facts.of(target, passed, self.hops + 1)
        self.found.reads.extend(r for r in inner.reads if r not in self.found.reads)
        if not inner.passes:
            self.found.refuses |= inner.refuses
            self.found.sure |= inner.sure and not self.open and bool(passed or inner.reads)
        self.found.answers |= inner.answers
        self.found.asks |= inner.asks
        self.found.configured |= inner.configured
        self.found.about_caller |= inner.about_caller

    def _passed(self, target: Function, call: ast.Call) -> set[str]:
        """Parameters of the called function that get a missing credential."""
        params = [a.arg for a, _ in target.params]
        if target.owner is not None and params and isinstance(call.func, ast.Attribute):
            params = params[1:]
        empty = {p for p, a in zip(params, call.args, strict=False) if self.empty(a)}
        return empty | {k.arg for k in call.keywords if k.arg is not None and self.empty(k.value)}

    def _handed_out(self, call: ast.Call, name: str) -> None:
        last = name.rsplit(".", 1)[-1] or getattr(call.func, "attr", "")
        if name and _CHECKS.search(last) and not name.startswith("builtins."):
            self._refuse(0)
        elif not name:
            self.found.asks = True

    def source(self, node: ast.AST) -> str:
        """Which credential of the request an expression reads, "" for none."""
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("get", "getlist"):
            return self._store(node.func.value, node.args[0] if node.args else None)
        if isinstance(node, ast.Subscript):
            return self._store(node.value, node.slice)
        if isinstance(node, ast.Attribute) and node.attr in ("user", "auth") and self.is_request(node.value):
            return "request.user"
        if (
            isinstance(node, ast.Attribute)
            and CREDENTIAL.search(node.attr + "_user" * (node.attr == "user"))
            and _is_state(node.value)
            and self.is_request(node.value.value)
        ):  # type: ignore[attr-defined]
            return f"request.state.{node.attr}"
        if (
            isinstance(node, ast.Attribute)
            and node.attr == "user"
            and _is_state(node.value)
            and self.is_request(node.value.value)
        ):  # type: ignore[attr-defined]
            return "request.state.user"
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id == "getattr"
            and len(node.args) >= 2
            and _is_state(node.args[0])
        ):
            key = node.args[1]
            return (
                f"request.state.{key.value}"
                if isinstance(key, ast.Constant) and re.search(r"user|auth|token|session", str(key.value))
                else ""
            )
        if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            return self._store(node.comparators[0], node.left)
        return ""

    def _store(self, holder: ast.expr, key: ast.expr | None) -> str:
        if (
            isinstance(holder, ast.Attribute)
            and holder.attr in ("headers", "cookies", "session")
            and self.is_request(holder.value)
        ):
            kind = holder.attr
        elif isinstance(holder, ast.Name) and holder.id in ("headers", "cookies") and holder.id not in self.params:
            kind = holder.id
        else:
            return ""
        text = _text(key)
        if re.search("csrf|xsrf", ast.unparse(key) if key is not None else "", re.I):
            return ""
        if kind == "headers" and text is not None and not CREDENTIAL.search(text):
            return ""
        label = {"headers": "header", "cookies": "cookie", "session": "session"}[kind]
        return f"{label} {text}" if text is not None else label

    def is_request(self, node: ast.expr) -> bool:
        if isinstance(node, ast.Attribute):
            return node.attr in _REQUEST_NAMES
        if not isinstance(node, ast.Name):
            return False
        if node.id in _REQUEST_NAMES:
            return True
        arg = self.params.get(node.id)
        if arg is None or arg.annotation is None:
            return False
        return self.facts.names.canonical(arg.annotation, self.function.parent or self.function.module) in REQUEST_TYPES

    def empty(self, node: ast.expr) -> bool:
        """Whether an expression is empty when credentials are missing."""
        if isinstance(node, ast.Name):
            return node.id in self.missing
        if isinstance(node, ast.Await):
            return self.empty(node.value)
        if self.source(node) and not isinstance(node, ast.Compare):
            return True
        if isinstance(node, (ast.Attribute, ast.Subscript, ast.Starred)):
            return self.empty(node.value)
        if isinstance(node, ast.BoolOp):
            answers = [self.empty(v) or (isinstance(v, ast.Constant) and not v.value) for v in node.values]
            return all(answers) if isinstance(node.op, ast.Or) else any(answers)
        if isinstance(node, ast.IfExp):
            decided = self.decide(node.test)
            chosen = [node.body] if decided else [node.orelse] if decided is False else [node.body, node.orelse]
            return all(self.empty(c) or (isinstance(c, ast.Constant) and not c.value) for c in chosen)
        if isinstance(node, ast.Call):
            return self._empty_call(node)
        return isinstance(node, ast.NamedExpr) and self.empty(node.value)

    def _empty_call(self, node: ast.Call) -> bool:
        if isinstance(node.func, ast.Attribute) and self.empty(node.func.value):
            return True
        given = (*node.args, *(k.value for k in node.keywords))
        if any(self.empty(a) for a in given):
            return True
        if self.hops >= MAX_HOPS:
            return False
        for target in self.facts.calls.site(node, self.function).targets:
            inner = self.facts.of(target, (), self.hops + 1)
            if inner.reads and (inner.passes or not inner.refuses):
                return True
        return False

    def decide(self, node: ast.expr) -> bool | None:
        """A condition when credentials are missing; None when it does not depend on them."""
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
            answer = self.decide(node.operand)
            return None if answer is None else not answer
        if isinstance(node, ast.BoolOp):
            answers = [self.decide(v) for v in node.values]
            stop = isinstance(node.op, ast.Or)
            return stop if stop in answers else None if None in answers else not stop
        if isinstance(node, ast.Compare) and len(node.ops) == 1:
            return self._decide_compare(node)
        if isinstance(node, ast.NamedExpr):
            return False if self.empty(node.value) else None
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id in ("isinstance", "bool", "hasattr", "all")
        ):
            return False if node.args and self.empty(node.args[0]) else None
        return False if self.empty(node) else None

    def _decide_compare(self, node: ast.Compare) -> bool | None:
        op, left, right = node.ops[0], node.left, node.comparators[0]
        if isinstance(op, (ast.In, ast.NotIn)):
            holds = self.source(node) or self.empty(right) or self.empty(left)
            return isinstance(op, ast.NotIn) if holds else None
        if not (self.empty(left) or self.empty(right)):
            return None
        other = right if self.empty(left) else left
        nothing = isinstance(other, ast.Constant) and not other.value
        if isinstance(op, (ast.Is, ast.Eq)):
            return nothing
        return not nothing if isinstance(op, (ast.IsNot, ast.NotEq)) else None


def status_of(node: ast.expr | None) -> int | None:
    """A status code written as a number, `status.HTTP_401_UNAUTHORIZED` or `HTTPStatus.UNAUTHORIZED`."""
    if isinstance(node, ast.Constant):
        return node.value if isinstance(node.value, int) and not isinstance(node.value, bool) else None
    if isinstance(node, ast.Attribute) and node.attr == "value":
        node = node.value
    name = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    digits = re.match(r"(?:HTTP|WS)_(\d{3,4})", name)
    return int(digits[1]) if digits else {"UNAUTHORIZED": 401, "FORBIDDEN": 403}.get(name)


def _statuses_in(cls: Class) -> set[int]:
    """Status codes that a class body or its `__init__` names."""
    found: set[int] = set()
    init = cls.methods.get("__init__")
    for scope in (cls, init) if init is not None else (cls,):
        for kind in (ast.Constant, ast.Attribute, ast.Name):
            for node in scope.all(kind):
                status = status_of(node)  # type: ignore[arg-type]
                if status is not None and 400 <= status < 600:
                    found.add(status)
    return found


def _catches_all(handler: ast.ExceptHandler) -> bool:
    if handler.type is None:
        return True
    names = {
        n.id if isinstance(n, ast.Name) else n.attr
        for n in ast.walk(handler.type)
        if isinstance(n, (ast.Name, ast.Attribute))
    }
    return bool(names & {"Exception", "BaseException", "HTTPException"}) or any(_REFUSING_NAME.search(n) for n in names)


def _is_state(node: ast.expr) -> bool:
    return isinstance(node, ast.Attribute) and node.attr == "state"


def _text(node: ast.expr | None) -> str | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, (str, bytes)):
        return node.value if isinstance(node.value, str) else node.value.decode("latin-1")
    return None
