"""Code that runs because of a call without standing in what is called: wrappers that decorators put around a function,
functions handed over and called by the receiver; and calls whose body does not run where the call stands."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.language.calls import OFFLOADING, Calls, CallSite
from project.language.conditions import preventing
from project.language.names import External
from project.language.scopes import Class, Function, Module, Scope, parent, parents
from project.language.value_types import CONTEXT_MANAGERS, Bound, Instance, Value

MAX_PASSES = 3
_ASKS_FOR_COROUTINES = ("iscoroutinefunction", "is_async_callable")
# These iterate over a synchronous generator in the threadpool.
ITERATE_IN_THREAD = frozenset(
    "starlette.responses.StreamingResponse sse_starlette.EventSourceResponse sse_starlette.sse.EventSourceResponse "
    "starlette.concurrency.iterate_in_threadpool".split()
)
ENTER_IN_THREAD = frozenset(
    f"{package}.concurrency.contextmanager_in_threadpool" for package in ("fastapi", "starlette")
)

Uses = tuple[dict[str, list[ast.Call]], dict[str, list[tuple[ast.Call, "int | str | None", Scope]]]]


class Indirect:
    """Answers about call sites, each worked out once."""

    def __init__(self, calls: Calls) -> None:
        self._calls = calls
        self._names = calls.names
        self._values = calls.values
        self._wrappers: dict[Function, list[Function]] = {}
        self._called: dict[tuple[Function, str, bool], bool] = {}
        self._uses: dict[Function, Uses] = {}
        self._asking: dict[Module, bool] = {}

    # Decorators

    def wrappers(self, function: Function) -> list[Function]:
        """Functions of the project that decorators put around a function: they run when it is called."""
        if function not in self._wrappers:
            self._wrappers[function] = []
            scope = function.parent or function.module
            found = [w for d in function.decorators for w in self._wrappers_of(d, scope)]
            like = [w for w in found if w.is_async == function.is_async]
            self._wrappers[function] = [w for w in found if w in like or not _has_variant(w, like)]
        return self._wrappers[function]

    def _wrappers_of(self, decorator: ast.expr, scope: Scope) -> Iterator[Function]:
        for value in self._values.of(decorator.func if isinstance(decorator, ast.Call) else decorator, scope):
            if isinstance(value, Class):
                member = self._names.class_member(value, "__call__")
                if isinstance(member, Function):
                    yield from self._made_by(member, 0) or [member]
            elif isinstance(value, (Function, Bound)):
                yield from self._made_by(value.function if isinstance(value, Bound) else value, 0)

    def _made_by(self, factory: Function, depth: int) -> list[Function]:
        """The innermost functions that a decorator, or a factory of decorators, makes and returns."""
        inside = {s for child in factory.children for s in child.walk()}
        made = [v for v in self._values.returned(factory, None) if isinstance(v, Function) and v in inside]
        deeper = [w for m in made for w in (self._made_by(m, depth + 1) if depth < MAX_PASSES else ())]
        return deeper or made

    def is_called_inside(self, function: Function) -> bool:
        """Whether a coroutine that decorators put around a plain function calls it itself, on the event loop."""
        for wrapper in self.wrappers(function):
            outer = wrapper.parent
            names = {arg.arg for arg, _ in outer.params} if isinstance(outer, Function) else set()
            called = {call.func.id for call in wrapper.all(ast.Call) if isinstance(call.func, ast.Name)}
            if wrapper.is_async and called & names:
                return True
        return False

    # Functions handed over

    def called_back(self, site: CallSite) -> list[Function]:
        """Functions among the arguments of a call that the called function calls itself, on the same thread."""
        call = site.call
        if call is None or not site.targets or not (call.args or call.keywords):
            return []
        found: list[Function] = []
        for given, key in [*((a, i) for i, a in enumerate(call.args)), *((k.value, k.arg) for k in call.keywords)]:
            if not isinstance(given, (ast.Name, ast.Attribute, ast.Lambda, ast.Call)):
                continue
            if not self._may_be_function(given, site.scope):
                continue
            calling = [
                k for k in (False, True) if self._any_calls(site, key, k) and not self._kept_out(call, k, site.scope)
            ]
            if calling:
                passed = self._calls.passed(given, site.scope)
                found.extend(f for f in passed if f.is_async in calling and f not in found)
        return found

    def _any_calls(self, site: CallSite, key: int | str | None, is_async: bool) -> bool:
        return any(self.calls_parameter(t, parameter_at(t, key, site), is_async) for t in site.targets)

    def _may_be_function(self, given: ast.expr, scope: Scope) -> bool:
        if isinstance(given, ast.Call):
            called = self._values.of(given.func, scope)
            return any(isinstance(v, External) and v.dotted == "functools.partial" for v in called)
        return any(isinstance(v, (Function, Bound)) for v in self._values.of(given, scope))

    def calls_parameter(self, function: Function, name: str, is_async: bool = False, depth: int = 0) -> bool:
        """Whether a function calls what one of its parameters holds, directly or by handing it on.

        `is_async`: what it does with a coroutine function, where it asks for that.
        """
        if not name or depth > MAX_PASSES:
            return False
        key = (function, name, is_async)
        if key not in self._called:
            self._called[key] = False
            called, handed = self._uses_of_names(function)
            self._called[key] = any(
                not self._kept_out(call, is_async, function) for call in called.get(name, ())
            ) or any(
                self.calls_parameter(target, parameter_at(target, position, site), is_async, depth + 1)
                for call, position, scope in handed.get(name, ())
                if not self._kept_out(call, is_async, scope)
                for site in (self._calls.site(call, scope),)
                for target in site.targets
            )
        return self._called[key]

    def _kept_out(self, call: ast.Call, is_async: bool, scope: Scope) -> bool:
        """Whether a test for coroutine functions keeps (no) coroutine functions from a call that handles them."""
        module = scope.module
        if module not in self._asking:
            self._asking[module] = any(name in module.source.text for name in _ASKS_FOR_COROUTINES)
        return self._asking[module] and any(_excludes(*test, is_async) for test in preventing(call))

    def _uses_of_names(self, function: Function) -> Uses:
        """Names that a function (with those nested in it) calls, and where it hands names on."""
        if function not in self._uses:
            called: dict[str, list[ast.Call]] = {}
            handed: dict[str, list[tuple[ast.Call, int | str | None, Scope]]] = {}
            for scope in function.walk():
                for call in scope.all(ast.Call):
                    if isinstance(call.func, ast.Name):
                        called.setdefault(call.func.id, []).append(call)
                    for position, given in enumerate(call.args):
                        if isinstance(given, ast.Name):
                            handed.setdefault(given.id, []).append((call, position, scope))
                    for keyword in call.keywords:
                        if isinstance(keyword.value, ast.Name):
                            handed.setdefault(keyword.value.id, []).append((call, keyword.arg, scope))
            self._uses[function] = called, handed
        return self._uses[function]

    # Calls whose body runs elsewhere

    def runs_elsewhere(self, site: CallSite, target: Function) -> bool:
        """Whether a called body runs in a thread although the call stands on the loop.

        A synchronous generator runs where it is iterated over: a StreamingResponse does that in the threadpool. A
        coroutine handed to a thread helper (`executor.submit(asyncio.run, work())`) runs there.
        """
        if target.is_async:
            return self._handed_to(site.node, site.scope, OFFLOADING)
        if not target.is_generator:
            return False
        if self._is_context(target):
            return self._handed_to(site.node, site.scope, ENTER_IN_THREAD)
        return any(self._handed_to(node, site.scope, ITERATE_IN_THREAD) for node in self._reads(site))

    def _is_context(self, function: Function) -> bool:
        scope = function.parent or function.module
        return any(self._names.canonical(d, scope) in CONTEXT_MANAGERS for d in function.decorators)

    def _reads(self, site: CallSite) -> Iterator[ast.expr]:
        """The call itself, and the reads of a local that only holds its result."""
        yield site.node
        holder = parent(site.node)
        if isinstance(holder, ast.Assign) and isinstance(holder.targets[0], ast.Name):
            name = holder.targets[0].id
            yield from (n for n in site.scope.all(ast.Name) if n.id == name and isinstance(n.ctx, ast.Load))

    def _handed_to(self, node: ast.expr, scope: Scope, receivers: frozenset[str]) -> bool:
        """Whether an expression is, or is part of, an argument of a call of one of these."""
        child: ast.AST = node
        for holder in parents(node):
            if isinstance(holder, ast.stmt):
                return False
            if isinstance(holder, ast.Call) and child is not holder.func:
                values = self._values.of(holder.func, scope)
                if any(_dotted(v) in receivers for v in values) or self._derives(values, receivers):
                    return True
            child = holder
        return False

    def _derives(self, values: tuple[Value, ...], receivers: frozenset[str]) -> bool:
        return any(isinstance(v, Class) and self._names.derives(v, *receivers) for v in values)


def _has_variant(wrapper: Function, like: list[Function]) -> bool:
    """Whether the same decorator has a wrapper of the other kind, which is taken instead."""
    return any(w.parent is wrapper.parent for w in like)


def _excludes(test: ast.expr, outcome: bool, is_async: bool) -> bool:
    """Whether a condition that must not have this outcome keeps functions of a kind away."""
    while isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        test, outcome = test.operand, not outcome
    func = test.func if isinstance(test, ast.Call) else None
    name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return name in _ASKS_FOR_COROUTINES and is_async is outcome


def parameter_at(function: Function, key: int | str | None, site: CallSite) -> str:
    """The name of the parameter that takes an argument given by position or keyword."""
    if key is None:
        return ""
    if isinstance(key, str):
        return key
    call = site.call
    bound = function.owner is not None and call is not None and not _is_static(function)
    if any(isinstance(a, ast.Starred) for a in (call.args[: key + 1] if call is not None else ())):
        return ""
    names = [arg.arg for arg, _ in function.params][int(bound) :]
    return names[key] if key < len(names) else ""


def _is_static(function: Function) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorators)


def _dotted(value: Value) -> str:
    return value.dotted if isinstance(value, (External, Instance)) else ""
