"""Who guards a route, learned from what dependencies, middleware, route classes and handlers do without credentials."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import Function
from project.routing.dependencies import SCHEMES, Dependencies, Dependency, Parameter, call_name, function_of, unwrapped
from project.routing.guard_behaviour import Behaviour, Known
from project.routing.guard_conditions import REQUEST_TYPES
from project.routing.guard_flow import Behaviours
from project.routing.guard_made import MadeWith
from project.routing.guard_middleware import CONFIGURED, OPEN, MiddlewareGuards, Request, Verdict
from project.routing.guard_refusals import CREDENTIAL, REFUSALS, Refusals, status_of
from project.routing.interpret_values import (
    AnnotatedType,
    Bound,
    Cls,
    Dep,
    Entry,
    Func,
    Inst,
    LibraryFunction,
    Made,
    RouterState,
    Setting,
    Unknown,
    Value,
    plain,
    text_of,
    truth,
)

if TYPE_CHECKING:
    from project.routing.interpret import Interpreter

_HINT = re.compile(r"auth|permission|current_?user|require|login|logged|verify|api_?key|token|admin|role|scope", re.I)
_QUERY_TOKEN = re.compile(r"^((access|auth|ws|id|session|bearer|jwt)_?)?token$|^(x_)?api_?key$|^jwt$", re.IGNORECASE)
_AUTH_LIBRARIES = frozenset(
    "fastapi_users fastapi_login fastapi_azure_auth fastapi_cloudauth fastapi_keycloak fastapi_jwt fastapi_jwt_auth "
    "fastapi_auth0 fastapi_clerk_auth fastapi_third_party_auth fastapi_oidc supertokens_python propelauth_fastapi "
    "authx fief_client async_fastapi_jwt_auth fastapi_another_jwt_auth auth0_fastapi_api fastapi_security".split()
)


class Guards:
    """Verdicts on dependencies, middleware, route classes and handlers, each worked out once."""

    def __init__(self, run: Interpreter, dependencies: Dependencies) -> None:
        self.run = run
        self.dependencies = dependencies
        self.behaviours = Behaviours(run.names, run.project.calls, Refusals(run.names, self._refusing_exceptions()))
        self._verdicts: dict[int, Verdict] = {}
        self.middleware = MiddlewareGuards(run, self.behaviours)
        self._handlers: dict[int, Verdict] = {}

    def of_route(
        self, tree: list[Dependency], entry: Entry, states: list[RouterState], router: RouterState, request: Request
    ) -> Verdict:
        """Whether a route is guarded. `states` are the applications on the way to it, the outermost first."""
        found = [replace(_if_asked_for(self.of_dependency(d), d.conditional), how=d.level) for d in tree]
        sure = next((v for v in found if v.guards), None)
        if sure is not None:
            return next((v for v in found if v.guards and not v.configured), sure)
        outside = [replace(self.middleware.of(m, request), how="middleware") for s in states for m in s.middleware]
        inside = [
            replace(self.of_route_class(entry, router), how="route class"),
            replace(self.of_handler(entry.endpoint), how="handler"),
        ]
        candidates = [*outside, *inside, *found]
        return next((v for v in candidates if v.guards), None) or next(
            (v for v in candidates if v.guards is None), OPEN
        )

    def optional(self, tree: list[Dependency]) -> str:
        """The dependency that reads credentials and lets a request without them pass, "" for none."""
        found = [n for root in tree for n in root.walk() if self.of_dependency(n).optional]
        inner = [n for n in found if n.function is not None and not any(c in found and c.function for c in n.children)]
        return next((n.name for n in [*inner, *found]), "")

    # Dependencies

    def of_dependency(self, node: Dependency) -> Verdict:
        """The verdict on one dependency with all it needs itself."""
        key = id(node.value)
        if key not in self._verdicts:
            self._verdicts[key] = Verdict(None, node.name)
            self._verdicts[key] = self._judge(node)
        return self._verdicts[key]

    def _judge(self, node: Dependency) -> Verdict:
        if self.run.project.settings.guards_by(node.name):
            return Verdict(True, node.name)
        value = unwrapped(node.value)
        scheme = self._scheme(value)
        if scheme is not None:
            return scheme
        if node.function is None:
            return self._library(node, value)
        below = {c.param: self.of_dependency(c) for c in node.children}
        own = self._by_behaviour(node, below)
        if own.guards:
            inside = own.configured and any(v.guards and not v.configured for v in below.values())
            return Verdict(True, node.name) if inside else own
        inner = next((v for v in below.values() if v.guards), None)
        if inner is not None:
            return replace(inner, by=node.name, scheme=False) if inner.scheme else inner
        if own.guards is None:
            return own
        unsure = next((v for v in below.values() if v.guards is None), None)
        return unsure or own

    def _by_behaviour(self, node: Dependency, below: dict[str, Verdict]) -> Verdict:
        function = node.function
        assert function is not None
        missing = {name for name, verdict in below.items() if verdict.optional}
        parameters = self.dependencies.parameters(node.value)
        headers = {p.name for p in parameters if credential_parameter(p) or _token_in_query(p)}
        found = self.behaviours.where(function, missing | headers, self._made_with(node.value))
        found.configured |= self._is_weakened(node.value)
        reads = bool(found.reads or missing or headers)
        knows_caller = (
            reads or any(v.guards is not False for v in below.values()) or any(self._is_request(p) for p in parameters)
        )
        verdict = self._verdict(found, node.name, reads, knows_caller)
        if verdict.guards is False and not reads and found.asks and _HINT.search(function.name):
            return Verdict(None, node.name)
        return verdict

    def _made_with(self, value: Value) -> Known:
        """What a closure or an object was made with, to decide conditions on it (`if self.required`)."""
        called = plain(value)
        receiver: Value = None
        if isinstance(called, Inst) and isinstance(called.cls, Cls):
            found = self.run.class_variable(called.cls, "__call__")
            called, receiver = (found[0] if found is not None else None), called
        if isinstance(called, Bound):
            receiver = called.receiver
            called = called.func
        func = unwrapped(called)
        return MadeWith(self.run, self.middleware.guarded, func, receiver) if isinstance(func, Func) else Known()

    def _is_weakened(self, value: Value) -> bool:
        """Whether an object known by its declared class only may be of a subclass that refuses less."""
        value = plain(value)
        if not isinstance(value, Inst) or not value.declared or not isinstance(value.cls, Cls):
            return False
        for derived in self.run.names.subclasses(value.cls.scope):
            for name, method in derived.methods.items():
                base = self.run.names.class_member(value.cls.scope, name)
                if isinstance(base, Function) and self._may_refuse(base) and not self._may_refuse(method):
                    return True
        return False

    def _may_refuse(self, function: Function) -> bool:
        return bool(self.behaviours.of(function).refuses)

    def _is_request(self, parameter: Parameter) -> bool:
        annotation = plain(parameter.annotation)
        return isinstance(annotation, External) and annotation.dotted in REQUEST_TYPES

    def _verdict(self, found: Behaviour, name: str, reads: bool, knows_caller: bool) -> Verdict:
        """A refusal with 403 alone (a switched-off feature, a licence) guards only when it is about the caller."""
        if found.passes:
            return Verdict(False, name, optional=reads)
        refused = found.refuses & REFUSALS
        if 401 in refused or (refused and knows_caller and found.about_caller) or (reads and found.refuses):
            return Verdict(True, f"{name}, {CONFIGURED}" if found.configured else name, configured=found.configured)
        if (reads and found.asks) or found.shows:
            return Verdict(None, name, optional=reads)
        return Verdict(False, name, optional=reads)

    def _scheme(self, value: Value) -> Verdict | None:
        """Security schemes refuse by themselves unless `auto_error=False`; a subclass may do otherwise."""
        if isinstance(value, Made) and value.dotted in SCHEMES:
            return self._refuses(value.kwargs.get("auto_error", True), call_name(value))
        if not isinstance(value, Inst) or not isinstance(value.cls, Cls):
            return None
        if not any(b in SCHEMES for b in self.run.library_bases(value.cls)):
            return None
        strict = self._refuses(value.attrs.get("auto_error", True), call_name(value))
        called = self.run.class_variable(value.cls, "__call__")
        if called is None or not isinstance(called[0], Func):
            return strict
        function = called[0].function
        found = self.behaviours.of(function)
        if found.refuses and not found.passes:
            return Verdict(True, call_name(value), scheme=True)
        asks_base = any(isinstance(c.func, ast.Attribute) and c.func.attr == "__call__" for c in function.all(ast.Call))
        return strict if asks_base else Verdict(False, call_name(value), optional=True)

    def _refuses(self, auto_error: Value, name: str) -> Verdict:
        known = truth(plain(auto_error))
        return Verdict(known, name, optional=known is not True, configured=isinstance(auto_error, Setting), scheme=True)

    def _library(self, node: Dependency, value: Value) -> Verdict:
        """Dependencies whose code is not in the project."""
        name = node.name
        if isinstance(value, Unknown):
            return Verdict(None, name)
        if isinstance(value, LibraryFunction):
            return Verdict(value.guards, name, optional=value.guards is not True)
        if name.split(".", 1)[0] in _AUTH_LIBRARIES:
            optional = isinstance(value, Made) and truth(plain(value.kwargs.get("optional", False))) is True
            return Verdict(None, f"{name} (library code, not read)", optional=optional)
        if isinstance(value, (Cls, Inst)) and node.children:
            inner = [self.of_dependency(c) for c in node.children]
            return next((v for v in inner if v.guards), None) or next((v for v in inner if v.guards is None), OPEN)
        if isinstance(value, (External, Cls, Inst)) or name.startswith(("fastapi.", "starlette.")):
            return OPEN
        return Verdict(None, name) if _HINT.search(name.rsplit(".", 1)[-1]) or name == "?" else OPEN

    # Route classes and handlers

    def of_route_class(self, entry: Entry, router: RouterState) -> Verdict:
        """A route class guards when its `get_route_handler` (or what that returns) refuses."""
        cls = plain(entry.options.get("route_class_override", router.kwargs.get("route_class")))
        if not isinstance(cls, Cls):
            return OPEN
        method = self.run.names.class_member(cls.scope, "get_route_handler")
        if not isinstance(method, Function):
            return OPEN
        for function in (f for f in method.walk() if isinstance(f, Function)):
            found = self.behaviours.of(function)
            if found.reads and found.refuses and not found.passes:
                return Verdict(True, cls.scope.dotted)
        return OPEN

    def of_handler(self, endpoint: Value) -> Verdict:
        """The handler itself, or a decorator around it, reads credentials and refuses without them."""
        key = id(endpoint)
        if key not in self._handlers:
            self._handlers[key] = self._judge_handler(endpoint)
        return self._handlers[key]

    def _judge_handler(self, endpoint: Value) -> Verdict:
        value = endpoint
        while isinstance(value, Func):
            if any(w.startswith("starlette.authentication.requires") for w in value.wrappers):
                return Verdict(True, "starlette.authentication.requires")
            verdict = self._in_body(value)
            if verdict.guards is not False or value.wrapped is None:
                return verdict
            value = plain(value.wrapped)
        function = function_of(self.run, value)
        return self._in_body(value) if function is not None else OPEN

    def _in_body(self, value: Value) -> Verdict:
        function = function_of(self.run, value) if not isinstance(value, Func) else value.function
        if function is None:
            return OPEN
        own = self._configured_in(function)
        if own:
            return Verdict(True, own)
        headers = {p.name for p in self.dependencies.parameters(value) if credential_parameter(p)}
        optional = {c.param for c in self.dependencies.of_call(value) if self.of_dependency(c).optional}
        found = self.behaviours.of(function, headers | optional)
        hinted = Verdict(None, f"{found.hint} (by its name only)") if found.hint else OPEN
        if found.passes or not found.sure or not (found.reads or headers or optional):
            return hinted
        if found.refuses & REFUSALS or found.answers or (optional and found.denies):
            name = function.dotted
            return Verdict(True, f"{name}, {CONFIGURED}" if found.configured else name, configured=found.configured)
        return hinted

    def _configured_in(self, function: Function) -> str:
        """The guard of the project's settings that a function calls, "" when it calls none."""
        settings = self.run.project.settings
        if not settings.guards:
            return ""
        sites = self.run.project.calls.sites(function)
        names = (name for site in sites for name in (*site.names, *(target.dotted for target in site.targets)))
        return next((name for name in names if settings.guards_by(name)), "")

    # Exceptions

    def _refusing_exceptions(self) -> dict[str, set[int]]:
        """Exception classes that an exception handler of an application answers with 401 or 403."""
        found: dict[str, set[int]] = {}
        for inst in self.run.routers:
            for handler in inst.state.handlers if inst.state is not None else ():
                exception, function = plain(handler.exception), unwrapped(plain(handler.function))
                if isinstance(exception, (Cls, External)) and isinstance(function, Func):
                    statuses = _answers(function.function)
                    if statuses & REFUSALS and not statuses - REFUSALS:
                        found.setdefault(call_name(exception), set()).update(statuses & REFUSALS)
        return found


def _if_asked_for(verdict: Verdict, conditional: bool) -> Verdict:
    """A guard that configuration may leave out cannot be said to guard."""
    if not conditional or not verdict.guards:
        return verdict
    return replace(verdict, guards=None, by=f"{verdict.by.removesuffix(f', {CONFIGURED}')}, {CONFIGURED}")


def _answers(function: Function) -> set[int]:
    """Statuses of the responses a function makes."""
    found: set[int] = set()
    for call in function.all(ast.Call):
        given = [k.value for k in call.keywords if k.arg == "status_code"]
        found |= {s for v in given if (s := status_of(v)) is not None}
    return found


def _token_in_query(parameter: Parameter) -> bool:
    """Whether a parameter of a dependency takes a token or key from the query or path, as WebSockets must send it."""
    marks = [plain(parameter.default), *_marks(parameter)]
    if any(isinstance(m, Dep) for m in marks):
        return False
    made = [m for m in marks if isinstance(m, Made) and m.dotted.startswith("fastapi.")]
    if any(m.dotted.rsplit(".", 1)[-1] not in ("Query", "Path") for m in made):
        return False
    return bool(_QUERY_TOKEN.match(parameter.name))


def _marks(parameter: Parameter) -> list[Value]:
    annotation = parameter.annotation
    return list(map(plain, annotation.metadata)) if isinstance(annotation, AnnotatedType) else []


def credential_parameter(parameter: Parameter) -> bool:
    """Whether a parameter takes a cookie, or a header whose name says that it identifies the caller."""
    for mark in (plain(parameter.default), *_marks(parameter)):
        if isinstance(mark, Made) and mark.dotted.startswith("fastapi."):
            kind = mark.dotted.rsplit(".", 1)[-1]
            alias = text_of(mark.kwargs.get("alias")) or parameter.name
            if kind in ("Cookie", "Header") and CREDENTIAL.search(alias):
                return True
    return False
