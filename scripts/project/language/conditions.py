"""What a call says about conditions on the parameters of the function it calls: which branches it cannot take."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import lru_cache
from typing import TYPE_CHECKING

from project.data.statements import argument
from project.language.calls import CallSite
from project.language.flags import Flags
from project.language.names import External
from project.language.narrowing import (
    SOME,
    Narrowing,
    State,
    States,
    before_in_block,
    exactly,
    holds,
    is_given,
    leaves,
    truth,
)
from project.language.scopes import Class, Function, Scope, parents, subtree

if TYPE_CHECKING:
    from project import Project

MAX_PASSES = 2
_MAY_BE_NOTHING = (ast.Constant, ast.Name, ast.IfExp)
Known = frozenset[tuple[str, State]]  # what is sure of parameters, by name
NOTHING: Known = frozenset()
_NEVER_NONE = frozenset(f"builtins.{n}" for n in "str int float bool list tuple set dict frozenset bytes len".split())


class Conditions:
    """Parameters of calls as far as their truth is known."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._narrowing = Narrowing(self._makes)
        self._flags = Flags(project)
        self._known: dict[int, State | None] = {}
        self._relevant: dict[tuple[Function, int], frozenset[str]] = {}
        self._given: dict[tuple[int, Function, Known, bool], Known] = {}

    def given(self, site: CallSite, target: Function, known: Known = NOTHING, certain: bool = False) -> Known:
        """What the call says about those parameters of the callee that its conditions, or those of what it calls, test.

        Also what is left at a default, what the call that made a closure says of its variables, and attributes that
        have one value for good (`self.flag`). Where an optional parameter is given something that may be None, it
        counts as given all the same, unless only what is `certain` is asked for.
        """
        call = site.call
        relevant = self.relevant(target) if call is not None else frozenset()
        if call is None or not relevant:
            return self._flags.of(target)
        key = (id(call), target, known, certain)
        if key not in self._given:
            found = self._find(call, site.scope, target, known, certain, relevant) if target in site.targets else ()
            around = self._around(site, target, known, relevant)
            self._given[key] = frozenset((*found, *around)) | self._flags.of(target)
        return self._given[key]

    def _around(
        self, site: CallSite, target: Function, known: Known, relevant: frozenset[str]
    ) -> Iterator[tuple[str, State]]:
        """What is sure of the variables that a closure has from the functions around it."""
        wanted = {name: owner for name, owner in enclosing(target).items() if name in relevant}
        if not wanted:
            return
        here = enclosing(site.scope) if isinstance(site.scope, Function) else {}
        shared = {name for name, owner in wanted.items() if owner in (site.scope, here.get(name))}
        yield from ((name, state) for name, state in known if name in shared)
        for factory in {owner for name, owner in wanted.items() if name not in shared}:
            made = list(self._made_by(factory, site, target))
            if len(made) == 1:
                names = frozenset(name for name, owner in wanted.items() if owner is factory)
                call, scope = made[0]
                yield from self._find(call, scope, factory, known if scope is site.scope else NOTHING, True, names)

    def _made_by(self, factory: Function, site: CallSite, target: Function) -> Iterator[tuple[ast.Call, Scope]]:
        """Calls of a factory that give the closure called here: `factory(...)(...)`, `x = factory(...)` and `x(...)`,
        or a decorator of what is called.
        """
        if target not in site.targets:
            makers = [(d, f.parent or f.module) for f in site.targets for d in f.decorators]
        else:
            func = site.call.func if site.call is not None else None
            bound = site.scope.bindings.get(func.id, []) if isinstance(func, ast.Name) else []
            makers = [(v, site.scope) for v in (func, *(b.value for b in bound if b.kind == "assign")) if v]
        for made, scope in makers:
            if isinstance(made, ast.Call) and factory in self._project.calls.site(made, scope).targets:
                yield made, scope

    def _find(
        self, call: ast.Call, scope: Scope, target: Function, known: Known, certain: bool, relevant: frozenset[str]
    ) -> Iterator[tuple[str, State]]:
        if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
            return
        states = dict(known)
        aliases = _aliases(target)
        offset = self._project.queries.statements.offset(call, target, scope)
        for arg, default in target.params[offset:]:
            if arg.arg in relevant:
                given = argument(call, target, arg.arg, offset)
                state = self._state_of(given, default, scope, states, certain)
                if state is None:
                    continue
                if _stays(arg.arg, target, state):
                    yield arg.arg, state
                kept = (a for a, param in aliases.items() if param == arg.arg)
                yield from ((alias, state) for alias in kept if _keeps(alias, target, state))
        for name, key, default in _taken_from_keywords(target):
            if name in relevant:
                given = next((k.value for k in call.keywords if k.arg == key), None)
                state = self._state_of(given, default, scope, states, certain)
                if state is not None:
                    yield name, state

    def _state_of(
        self, given: ast.expr | None, default: ast.expr | None, scope: Scope, states: States, certain: bool
    ) -> State | None:
        if given is None:
            return exactly(default)
        if isinstance(given, ast.Name) and given.id in states and _is_known_by_name(given.id, scope):
            return states[given.id]
        may_be_left_out = truth(exactly(default)) is False
        if may_be_left_out and not certain and not isinstance(given, _MAY_BE_NOTHING):
            return True
        sure = self._sure(given, scope)
        if sure is not None or certain:
            return True if sure == SOME and not certain else sure
        handed_on = isinstance(given, ast.Name) and self._optional(given.id, scope)
        return True if may_be_left_out and not handed_on else None

    def _sure(self, given: ast.expr, scope: Scope) -> State | None:
        """What is sure of an argument where it stands."""
        key = id(given)
        if key not in self._known:
            self._known[key] = self._narrowing.of(given, scope)
        return self._known[key]

    @staticmethod
    def _optional(name: str, scope: Scope) -> bool:
        param = scope.param(name) if isinstance(scope, Function) else None
        return param is not None and isinstance(param[1], ast.Constant) and not param[1].value

    def _makes(self, func: ast.expr, scope: Scope) -> bool | None:
        """True for a class whose objects are true, False for what gives back something that may be empty."""
        made = self._project.names.resolve(func, scope)
        if isinstance(made, Class):
            sized = any(self._project.names.class_member(made, n) is not None for n in ("__bool__", "__len__"))
            return not sized
        return False if isinstance(made, External) and made.dotted in _NEVER_NONE else None

    def relevant(self, function: Function, passes: int = MAX_PASSES) -> frozenset[str]:
        """Parameters whose state decides a condition of the function, or of one it hands them on to."""
        key = (function, passes)
        if key not in self._relevant:
            self._relevant[key] = frozenset()
            aliases = _aliases(function)
            found = {aliases.get(name, name) for name in tested(function)}
            if passes and function.params:
                found.update(self._handed_on(function, passes - 1))
            self._relevant[key] = frozenset(found)
        return self._relevant[key]

    def _handed_on(self, function: Function, passes: int) -> Iterator[str]:
        aliases = _aliases(function)
        params = {arg.arg for arg, _ in function.params} | enclosing(function).keys()
        for site in self._project.calls.sites(function):
            if site.call is None or not site.targets:
                continue
            given = [*site.call.args, *(k.value for k in site.call.keywords)]
            named = {aliases.get(g.id, g.id) for g in given if isinstance(g, ast.Name)} & params
            for target in site.targets:
                if named and self.relevant(target, passes):
                    yield from named
                    named = set()
                if target.parent is function:
                    yield from self.relevant(target, passes) & params


def _is_only_param(name: str, scope: Scope) -> bool:
    """Whether a name of a function is a parameter that nothing assigns again."""
    return [b.kind for b in scope.bindings.get(name, [])] == ["param"]


def _is_known_by_name(name: str, scope: Scope) -> bool:
    """Whether a name of a function stands for what a call handed over: a parameter, its alias, or one around it."""
    if not isinstance(scope, Function):
        return False
    return _is_only_param(name, scope) or name in _aliases(scope) or name in enclosing(scope)


@lru_cache(maxsize=50_000)
def _aliases(function: Function) -> dict[str, str]:
    """Names first bound to a parameter that nothing assigns again: `found = rows`, then `if found is None: ...`."""
    if not function.params:
        return {}
    found: dict[str, str] = {}
    for statement in function.body:
        if isinstance(statement, (ast.Assign, ast.AnnAssign)) and isinstance(statement.value, ast.Name):
            param = statement.value.id
            targets = statement.targets if isinstance(statement, ast.Assign) else [statement.target]
            name = targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else param
            bindings = function.bindings.get(name, [])
            first = name != param and bool(bindings) and bindings[0].node is statement
            if first and _is_only_param(param, function) and function.param(param) is not None:
                found[name] = param
    return found


def _keeps(alias: str, function: Function, state: State) -> bool:
    """Whether an alias keeps what its parameter holds: nothing else is bound to it, or only where that is missing."""
    later = function.bindings[alias][1:]
    given = is_given(state) is True and truth(state) is not False
    return not later or (given and all(skipped(b.node, frozenset([(alias, True)])) for b in later))


@lru_cache(maxsize=50_000)
def enclosing(function: Function) -> dict[str, Function]:
    """Parameters of the functions around a closure that it can read and nothing assigns again, each with its owner."""
    found: dict[str, Function] = {}
    taken = set(function.bindings)
    for around in _outward(function.parent) if isinstance(function.parent, Function) else ():
        if isinstance(around, Function):
            rebound = {n for s in around.walk() for statement in s.all(ast.Nonlocal) for n in statement.names}
            for arg, _ in around.params:
                if arg.arg not in taken | rebound and _is_only_param(arg.arg, around):
                    found[arg.arg] = around
            taken |= set(around.bindings)
    return found


def _outward(scope: Scope | None) -> Iterator[Scope]:
    while scope is not None:
        yield scope
        scope = scope.parent


def _stays(name: str, target: Function, state: State) -> bool:
    """Whether a parameter keeps what it was given: nothing assigns it again, or only where it is missing."""
    if _is_only_param(name, target):
        return True
    return is_given(state) is True and truth(state) is not False and _is_filled_if_missing(name, target)


def _is_filled_if_missing(name: str, scope: Scope) -> bool:
    """Whether a parameter is assigned again only where it is missing: `if x is None: x = load()`."""
    bindings = scope.bindings.get(name, [])
    given: Known = frozenset([(name, True)])
    return [b.kind for b in bindings[:1]] == ["param"] and all(skipped(b.node, given) for b in bindings[1:])


def _taken_from_keywords(function: Function) -> Iterator[tuple[str, str, ast.expr | None]]:
    """`x = kwargs.get("key", default)` in a function that takes any keywords: name, keyword and default."""
    arguments = getattr(function.node, "args", None)
    keywords = arguments.kwarg.arg if isinstance(arguments, ast.arguments) and arguments.kwarg is not None else ""
    if not keywords:
        return
    for name, bindings in function.bindings.items():
        value = bindings[0].value if len(bindings) == 1 and bindings[0].kind == "assign" else None
        if not isinstance(value, ast.Call) or not isinstance(value.func, ast.Attribute) or not value.args:
            continue
        key, owner = value.args[0], value.func.value
        of_these = isinstance(owner, ast.Name) and owner.id == keywords and value.func.attr in ("get", "pop")
        if of_these and isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield name, key.value, value.args[1] if len(value.args) > 1 else ast.Constant(None)


@lru_cache(maxsize=50_000)
def tested(function: Function) -> frozenset[str]:
    """Names that conditions of a function test and that a call may decide."""
    if ast.If not in function.nodes and ast.IfExp not in function.nodes and ast.BoolOp not in function.nodes:
        return frozenset()
    names = {arg.arg for arg, _ in function.params}
    names.update(name for name, _, _ in _taken_from_keywords(function))
    names.update(_aliases(function))
    names.update(enclosing(function))
    if not names:
        return frozenset()
    tests: list[ast.expr] = [n.test for n in function.all(ast.If)]
    tests.extend(n.test for n in function.all(ast.IfExp))
    tests.extend(v for n in function.all(ast.BoolOp) for v in n.values)
    return frozenset(n.id for t in tests for n in subtree(t) if isinstance(n, ast.Name) and n.id in names)


def skipped(node: ast.AST, known: Known) -> bool:
    """Whether a condition on a parameter keeps this node from running, given what is known of the parameters."""
    if not known:
        return False
    tests = preventing(node)
    states = dict(known) if tests else {}
    return any(holds(test, states) is outcome for test, outcome in tests)


def preventing(node: ast.AST) -> list[tuple[ast.expr, bool]]:
    """Conditions around and before a node, each with the outcome that keeps the node from running."""
    found: list[tuple[ast.expr, bool]] | None = node.__dict__.get("preventing")
    if found is None:
        found = node.__dict__["preventing"] = list(_preventing(node))
    return found


def _preventing(node: ast.AST) -> Iterator[tuple[ast.expr, bool]]:
    child: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, (ast.If, ast.IfExp)):
            for part, outcome in ((holder.body, False), (holder.orelse, True)):
                if child is part or (isinstance(part, list) and any(s is child for s in part)):
                    yield holder.test, outcome
        elif isinstance(holder, ast.BoolOp):
            before = holder.values[: next((i for i, v in enumerate(holder.values) if v is child), 0)]
            yield from ((value, isinstance(holder.op, ast.Or)) for value in before)
        for statement in before_in_block(holder, child):
            if isinstance(statement, ast.If):
                if leaves(statement.body):
                    yield statement.test, True
                elif leaves(statement.orelse):
                    yield statement.test, False
        child = holder
