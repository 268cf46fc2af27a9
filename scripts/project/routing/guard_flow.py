"""What a function does with a request that carries no credentials: refuses it, lets it pass, or cannot be said.

A function is followed statement by statement under the assumption that every credential it reads (header, cookie,
session, security scheme) is missing. Conditions on those are decided by that, all others go both ways; called project
functions are followed too, a few levels deep.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterable, Iterator

from project.language.calls import OFFLOADING, Calls
from project.language.names import Names, Variable
from project.language.scopes import FUNCTION_DEFS, LOOPS, Function, child_nodes, parent, subtree
from project.routing.guard_behaviour import Behaviour, Known
from project.routing.guard_conditions import (
    MAX_HOPS,
    SCHEME,
    Conditions,
    Constants,
    arguments,
    is_nothing,
    passed_constants,
)
from project.routing.guard_refusals import REFUSALS, Refusals, catches_refusals, status_of

_CHECKS = re.compile(r"(^|_)(decode|verify|validate|authenticate|introspect|authorize|check)", re.IGNORECASE)
_GUARD_NAME = re.compile(
    r"^_?(a?sync_)?(auth_|authenticate|authori[sz]e|verify_|require_|(check|ensure)_(auth|perm|access|token|user|login))"
    r"(?!.*(name|url|uri|response|redirect|access_token)$)",
    re.IGNORECASE,
)
_KNOWS_CALLERS = re.compile(r"auth|user|login|credential|identity|principal", re.IGNORECASE)
_SETTINGS_NAME = re.compile(r"^(settings?|config|conf|env|self)$", re.IGNORECASE)
_NOT_CALLER = frozenset(("app", "url", "method", "scope", "base_url"))
_CONFIGURATION = re.compile(r"sett|conf|env|[A-Z]{3}")
_POLICY_VIOLATION = 1008


class Behaviours:
    """Behaviour of functions, each worked out once for one set of parameters that hold missing credentials."""

    def __init__(self, names: Names, calls: Calls, refusals: Refusals) -> None:
        self.names = names
        self.calls = calls
        self.refusals = refusals
        self._known: dict[tuple[int, frozenset[str], Constants], Behaviour] = {}

    def where(
        self,
        function: Function,
        missing: Iterable[str],
        known: Known,
        learn: Callable[[ast.stmt], object] | None = None,
        hops: int = 0,
        constants: Constants = frozenset(),
    ) -> Behaviour:
        """Behaviour where more is known: `known` decides conditions, `learn` is told of each assignment."""
        flow = _Flow(self, function, set(missing), hops, constants)
        flow.known, flow.learn = known, learn
        try:
            return flow.run()
        except RecursionError:
            return Behaviour(asks=True)

    def of(
        self, function: Function, missing: Iterable[str] = (), hops: int = 0, constants: Constants = frozenset()
    ) -> Behaviour:
        """`missing` names the parameters that are empty without credentials, `constants` those with a known value."""
        key = (id(function), frozenset(missing), constants)
        if key not in self._known:
            self._known[key] = Behaviour()
            if hops <= MAX_HOPS:
                try:
                    self._known[key] = _Flow(self, function, set(key[1]), hops, constants).run()
                except RecursionError:
                    self._known[key] = Behaviour(asks=True)
        return self._known[key]


class _Flow(Conditions):
    """One walk through a function body. `open` counts the branches around that may or may not run."""

    def __init__(
        self, facts: Behaviours, function: Function, missing: set[str], hops: int, constants: Constants = frozenset()
    ) -> None:
        super().__init__(facts, function, missing, hops, constants)
        self.found = Behaviour()
        self.open = 0
        self.decided = 0
        self.tests: list[ast.expr] = []
        self.known = Known()
        self.void: set[str] = set()
        self.learn: Callable[[ast.stmt], object] | None = None

    def run(self) -> Behaviour:
        ended = self.walk(self.function.body)
        if ended == "" and not self.found.stops and not self.found.shows:
            self.found.passes = True
        self.found.raises = ended == "raise"
        return self.found

    # Statements: each ends with "" or with return, raise

    def walk(self, body: list[ast.stmt]) -> str:
        for statement in body:
            ended = self.statement(statement)
            if ended:
                return ended
        return ""

    def statement(self, node: ast.stmt) -> str:
        if isinstance(node, ast.Raise):
            return self._raise(node)
        if isinstance(node, ast.Return):
            return self._return(node)
        if isinstance(node, ast.If):
            return self._if(node)
        if isinstance(node, ast.Try):
            return self._try(node)
        if isinstance(node, LOOPS):
            self.visit(node.test if isinstance(node, ast.While) else node.iter)
            self._alone(node.body)
        elif isinstance(node, (ast.With, ast.AsyncWith)):
            for item in node.items:
                self.visit(item.context_expr)
            return self.walk(node.body)
        elif isinstance(node, ast.Match):
            self.visit(node.subject)
            for case in node.cases:
                self._alone(case.body)
        elif isinstance(node, ast.Assert):
            return self._assert(node)
        elif not isinstance(node, (*FUNCTION_DEFS, ast.ClassDef)):
            return self._simple(node)
        return ""

    def _never_returns(self, node: ast.expr) -> bool:
        """Whether an expression is a call of a helper that always raises."""
        call = node.value if isinstance(node, ast.Await) else node
        if not isinstance(call, ast.Call) or self.hops >= MAX_HOPS:
            return False
        targets = self.facts.calls.site(call, self.function).targets
        return bool(targets) and all(t is not self.function and self._inner(t, call, call.args).raises for t in targets)

    def _raised(self) -> str:
        """A `raise` whose status says nothing refuses where a missing credential decides on it."""
        if self.decided:
            self.found.denies = True
            self._refuse(0)
        return "raise"

    def _return(self, node: ast.Return) -> str:
        self.visit(node.value)
        if not self.open and not self.found.stops and not self.found.shows:
            self.found.passes = True
        return "return"

    def _assert(self, node: ast.Assert) -> str:
        self.visit(node.test)
        if self.decide(node.test) is not False:
            return ""
        self._refuse(0)
        return "raise"

    def _simple(self, node: ast.stmt) -> str:
        for child in child_nodes(node):
            if isinstance(child, ast.expr):
                self.visit(child)
        if self.learn is not None:
            self.learn(node)
        if isinstance(node, (ast.Assign, ast.AnnAssign)) and node.value is not None:
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            names = {n.id for target in targets for n in subtree(target) if isinstance(n, ast.Name)}
            if self.empty(node.value):
                self.missing |= names
            elif not self.open:
                self.missing -= names
            for name in names:
                self.constants.pop(name, None)
            nothing = is_nothing(node.value)
            self.void = self.void | names if nothing else self.void - names
        return self._raised() if isinstance(node, ast.Expr) and self._never_returns(node.value) else ""

    def _maybe(self, body: list[ast.stmt]) -> str:
        """A branch that may or may not run."""
        self.open += 1
        ended = self.walk(body)
        self.open -= 1
        return ended

    def _alone(self, body: list[ast.stmt]) -> str:
        """A branch that may or may not run, whose assignments do not count after it."""
        missing = set(self.missing)
        ended = self._maybe(body)
        self.missing &= missing
        return ended

    def _if(self, node: ast.If) -> str:
        self.visit(node.test)
        decided = self.decide(node.test)
        by_credentials = decided is not None and self.is_about_credentials(node.test)
        self.tests.append(node.test)
        self.decided += by_credentials
        if decided is not None:
            if by_credentials:
                self.missing |= self.void & set(_assigned(node.orelse if decided else node.body))
            ended = self.walk(node.body if decided else node.orelse)
        else:
            known = self.known.decide(node.test)
            ended = self._either(node) if known is None else self.walk(node.body if known else node.orelse)
        self.decided -= by_credentials
        self.tests.pop()
        return ended

    def _either(self, node: ast.If) -> str:
        self.found.paths |= _mentions_path(node.test)
        before = bool(self.found.refuses)
        missing = set(self.missing)
        first = self._maybe(node.body)
        if first == "return" and not before and self._is_configuration(node.test):
            self.found.configured = True
        after, self.missing = self.missing, missing
        second = self._maybe(node.orelse)
        self.missing = after if second else self.missing if first else self.missing & after
        return first if first == second else ""

    def _is_configuration(self, test: ast.expr) -> bool:
        """Whether a condition is on settings, on a module constant, or on an attribute that was set from them."""
        if self.known.is_setting(test) or _names_settings(self.facts.names, test, self.function):
            return True
        owner = self.function.owner
        read = {n.attr for n in subtree(test) if isinstance(n, ast.Attribute) and _is_self(n.value)}
        return owner is not None and any(
            _names_settings(self.facts.names, value, init)
            for init in owner.methods.values()
            if init.name == "__init__"
            for value in _set_attributes(init, read)
        )

    def _try(self, node: ast.Try) -> str:
        outer = self.found
        handlers = [self._part(handler.body, outer, True) for handler in node.handlers]
        refusing = any(h.stops or h.fails for h, _ in handlers)
        body, ended = self._part(node.body, outer, refusing)
        self.found = outer
        for handled, _ in handlers:
            if handled.fails and body.hands:
                handled.refuses.add(0)
        refusing = any(h.stops for h, _ in handlers)
        for clause, (handled, way) in zip(node.handlers, handlers, strict=True):
            if not handled.stops and way != "raise":
                failed = body.sure and bool(body.refuses) and not outer.stops
                self._catch(clause, body)
                if failed and not body.stops:
                    outer.passes |= way == "return" and not self.open
                    ended = way
        outer.sure |= not self.open and (body.sure or (refusing and body.hands))
        outer.passes |= body.passes
        for part, _ in ((body, ended), *handlers):
            outer.add(part)
        if not ended:
            ended = self.walk(node.orelse)
        return self.walk(node.finalbody) or ("" if node.handlers and ended == "raise" else ended)

    def _catch(self, clause: ast.ExceptHandler, body: Behaviour) -> None:
        """Take away what an except clause that lets the request go on catches of a try body."""
        if self._swallows(clause):
            body.refuses, body.sure = set(), body.sure and body.answers
        elif clause.type is not None and "Expired" not in ast.unparse(clause.type):
            body.refuses.discard(0)

    def _swallows(self, clause: ast.ExceptHandler) -> bool:
        """Whether an except clause catches a refusal, by the name of the exception or by what it ends in."""
        if catches_refusals(clause):
            return True
        caught = clause.type.elts if isinstance(clause.type, ast.Tuple) else [clause.type]
        return any(self.facts.refusals.of(exception, self.function) for exception in caught)

    def _part(self, body: list[ast.stmt], outer: Behaviour, maybe: bool) -> tuple[Behaviour, str]:
        """What a part of the function does by itself, and how it ends."""
        self.found = Behaviour(reads=outer.reads)
        ended = self._alone(body) if maybe else self.walk(body)
        return self.found, ended

    def _raise(self, node: ast.Raise) -> str:
        self.visit(node.exc)
        found = self.facts.refusals.of(node.exc, self.function) if node.exc is not None else set()
        if found:
            self._refuse(*found)
        elif node.exc is not None and self.decided:
            self._raised()
        elif node.exc is not None and found is None:
            self.found.fails = True
        return "raise"

    def _refuse(self, *statuses: int) -> None:
        self.found.refuses.update(statuses)
        self.found.sure |= not self.open
        self.found.about_caller |= not self.tests or any(map(self._is_about_caller, self.tests))

    def _is_about_caller(self, test: ast.expr) -> bool:
        """Whether a condition is on what came with the request or was looked up, not on the application's state."""
        for node in subtree(test):
            if not isinstance(node, ast.Name) or _SETTINGS_NAME.search(node.id):
                continue
            holder = parent(node)
            if self.is_request(node) and isinstance(holder, ast.Attribute) and holder.attr in _NOT_CALLER:
                continue
            if any(b.kind not in ("import", "from") for b in self.function.bindings.get(node.id, ())):
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
            if what == SCHEME and self.is_strict_scheme(current):
                self._refuse(401)
            if isinstance(current, ast.Dict) and _is_refusing_message(current):
                self._answer()
            stack.extend(child_nodes(current))

    def _call(self, call: ast.Call) -> None:
        site = self.facts.calls.site(call, self.function)
        entity = self.facts.names.resolve(call.func, self.function)
        name = entity.dotted if entity is not None else ""
        self._response(call, name, isinstance(entity, Function))
        written = call.func.attr if isinstance(call.func, ast.Attribute) else name.rsplit(".", 1)[-1]
        if _GUARD_NAME.search(written) and any(map(self.carries, arguments(call))):
            self.found.hint = self.found.hint or written
        given = any(self.empty(a) for a in arguments(call))
        self.found.hands |= given
        if self.hops < MAX_HOPS:
            for target in site.targets:
                if target is not self.function:
                    self._called(target, call, call.args)
            if OFFLOADING.intersection(site.names):
                self._offloaded(call)
        if given and not site.targets:
            self._handed_out(name)
        elif not name and not site.targets and _KNOWS_CALLERS.search(self.function.name):
            self.found.shows |= any(map(self.carries, arguments(call)))

    def _response(self, call: ast.Call, name: str, is_function: bool) -> None:
        """Responses with 401 or 403, redirects of callers who have no credentials, closed WebSockets."""
        statuses = {status_of(a) for a in arguments(call)}
        refuses = bool(statuses & REFUSALS) and (name.endswith("Response") or is_function)
        if refuses or (name.endswith("RedirectResponse") and (self.found.reads or self.missing)):
            self._answer()
        closes = isinstance(call.func, ast.Attribute) and call.func.attr == "close"
        if closes and (_POLICY_VIOLATION in statuses or (self.decided and self._is_socket(call.func))):
            self._refuse(401)

    def _is_socket(self, func: ast.expr) -> bool:
        return isinstance(func, ast.Attribute) and self.is_request(func.value)

    def _offloaded(self, call: ast.Call) -> None:
        """`run_in_threadpool(function, *arguments)`"""
        for position, given in enumerate(call.args):
            for target in self.facts.calls.passed(given, self.function):
                self._called(target, call, call.args[position + 1 :])

    def _called(self, target: Function, call: ast.Call, args: list[ast.expr]) -> None:
        passed = self._passed(target, call, args)
        inner = self._inner(target, call, args)
        self.found.reads.extend(r for r in inner.reads if r not in self.found.reads)
        refuses = set() if inner.passes else inner.refuses
        self.found.add(Behaviour(refuses, False, [], False, inner.answers, False, inner.asks))
        self.found.denies |= inner.denies and not inner.passes
        self.found.shows |= inner.shows
        self.found.configured |= inner.configured
        self.found.about_caller |= inner.about_caller
        self.found.hint = self.found.hint or inner.hint
        self.found.sure |= (
            inner.sure and not inner.passes and not self.open and bool(passed or inner.reads or self.decided)
        )

    def _passed(self, target: Function, call: ast.Call, args: list[ast.expr]) -> set[str]:
        """Parameters of the called function that get a missing credential."""
        given = _given(target, call, args)
        return {name for name, value in given.items() if value is not None and self.empty(value)}

    def _inner(self, target: Function, call: ast.Call, args: list[ast.expr]) -> Behaviour:
        """What a called function does with what it is given."""
        passed = self._passed(target, call, args)
        constants = passed_constants(target, _given(target, call, args))
        known = self.known.inside(target) if target.owner is not None else None
        if known is None:
            return self.facts.of(target, passed, self.hops + 1, constants)
        return self.facts.where(target, passed, known, None, self.hops + 1, constants)

    def _handed_out(self, name: str) -> None:
        """A missing credential given to library code: what checks it fails; what is not resolved cannot be said."""
        if not name:
            self.found.asks = True
        elif _CHECKS.search(name.rsplit(".", 1)[-1]) and not name.startswith("builtins."):
            self._refuse(0)


def _given(target: Function, call: ast.Call, args: list[ast.expr]) -> dict[str, ast.expr | None]:
    """What a call gives to the parameters of the called function; None for one it may give."""
    params = [a.arg for a, _ in target.params]
    if target.owner is not None and params and isinstance(call.func, ast.Attribute):
        params = params[1:]
    spread = any(isinstance(a, ast.Starred) for a in args) or any(k.arg is None for k in call.keywords)
    given: dict[str, ast.expr | None] = dict.fromkeys(params) if spread else {}
    given.update(zip(params, args, strict=False))
    given.update({k.arg: k.value for k in call.keywords if k.arg is not None})
    return given


def _assigned(body: list[ast.stmt]) -> Iterator[str]:
    """Names that statements assign, or whose items they assign."""
    for statement in body:
        for node in subtree(statement):
            if isinstance(node, (ast.Name, ast.Subscript)) and isinstance(node.ctx, ast.Store):
                held = node.value if isinstance(node, ast.Subscript) else node
                if isinstance(held, ast.Name):
                    yield held.id


def _mentions_path(test: ast.expr) -> bool:
    return any(
        (isinstance(n, ast.Attribute) and n.attr == "path") or (isinstance(n, ast.Constant) and n.value == "path")
        for n in subtree(test)
    )


def _is_refusing_message(node: ast.Dict) -> bool:
    """An ASGI message `{"type": "http.response.start", "status": 401}`."""
    pairs = zip(node.keys, node.values, strict=True)
    return any(isinstance(k, ast.Constant) and k.value == "status" and status_of(v) in REFUSALS for k, v in pairs)


def _is_self(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "self"


def _names_settings(names: Names, expr: ast.expr, function: Function) -> bool:
    """Whether an expression reads a variable outside functions that is called like settings or a constant."""
    for node in subtree(expr):
        if isinstance(node, ast.Name) and _CONFIGURATION.search(node.id):
            entity = names.lookup(function, node.id)
            if isinstance(entity, Variable) and not isinstance(entity.scope, Function):
                return True
            if entity is not None and node.id in ("config", "getenv"):
                return True
    return False


def _set_attributes(init: Function, wanted: set[str]) -> Iterator[ast.expr]:
    """Values that a constructor assigns to attributes of these names."""
    for assign in init.all(ast.Assign):
        if any(isinstance(t, ast.Attribute) and t.attr in wanted and _is_self(t.value) for t in assign.targets):
            yield assign.value
