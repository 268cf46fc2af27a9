"""Whether an object that a call makes outlives the request: kept in a global, a mapping or a cache."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.conditions import preventing
from project.language.names import Variable
from project.language.scopes import Class, Function, Module, Scope, parent, parents, subtree

if TYPE_CHECKING:
    from project import Project
    from project.serving.reach import Reach

CACHES = frozenset(
    "functools.lru_cache functools.cache functools.cached_property async_lru.alru_cache cachetools.cached "
    "aiocache.cached cachetools.func.ttl_cache cachetools.func.lru_cache".split()
)
_BY_ARGUMENTS = CACHES - {"functools.cached_property"}
FOR_EVER = frozenset("functools.lru_cache functools.cache async_lru.alru_cache".split())
MAX_LOCALS = 3
PASSED_ON = frozenset("typing.cast builtins.next contextlib.closing".split())
_HARMLESS = (ast.Attribute, ast.withitem, ast.Yield, ast.Compare)
_SINGLETON = frozenset(("__new__", "_instance", "instance", "_instances"))


class Lifetimes:
    """Follows an object from the call that makes it along the shortest way up to the request."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._makes_once: dict[Function, list[ast.AST]] = {}

    def outlives_request(self, site: CallSite, reach: Reach) -> bool:
        """Whether what `site` makes is still there when the request that made it is over."""
        current = site
        for _ in range(20):
            function = current.scope
            if not isinstance(function, Function) or self._is_cached(function) or self._fills_cache(function):
                return True
            if self._is_kept_by_class(current, function):
                return True
            where = self._goes(current, function)
            if where != "up":
                return where == "kept"
            above = reach.step(function)
            if above is None or above.site is None:
                return above is None or self._lasts(function)
            current = above.site
        return True

    def _is_kept_by_class(self, site: CallSite, function: Function) -> bool:
        """Whether it is made below `if Class.x is None:`, for an attribute of a class that is then set."""
        for branch in (h for h in parents(site.node) if isinstance(h, ast.If)):
            kept = set(self._kept_in(branch.body, function))
            for missing in _missing(branch.test):
                holder = missing.value if isinstance(missing, ast.Attribute) else None
                if ast.unparse(missing) in kept and holder is not None and self._is_class(holder, function):
                    return True
        return False

    def _is_class(self, holder: ast.expr, function: Function) -> bool:
        first = function.params[0][0].arg if function.params else ""
        classmethod_of_own = isinstance(holder, ast.Name) and holder.id == first == "cls"
        return classmethod_of_own or isinstance(self._project.names.resolve(holder, function), Class)

    def is_made_once(self, site: CallSite) -> bool:
        """Whether a call stands where something that is kept is made the first time: `if self.x is None: self.x = ...`.

        Functions without arguments that keep their result (`lru_cache`, `cached_property`) are such places, too.
        """
        function = site.scope
        if not isinstance(function, Function):
            return False
        if function not in self._makes_once:
            self._makes_once[function] = list(self._once_branches(function))
        branches = self._makes_once[function]
        return bool(branches) and any(h in branches for h in parents(site.node))

    def is_made_per_key(self, site: CallSite) -> bool:
        """Whether what a call makes is kept for each key: the function keeps its results (`lru_cache`, also where it is
        emptied now and then), or the call follows a look into the mapping that the function fills.
        """
        function = site.scope
        if not isinstance(function, Function):
            return False
        if self._is_cached(function, _BY_ARGUMENTS):
            return True
        kept = {ast.unparse(m) for m in self._filled_mappings(function)}
        return bool(kept) and any(_asks(test, kept, function) for test, _ in preventing(site.node))

    def _filled_mappings(self, function: Function) -> Iterator[ast.expr]:
        """Mappings of the module or class, not of an object, that a function fills: `cache[key] = value`."""
        shared = function.owner.bindings if function.owner is not None else {}
        for item in function.all(ast.Subscript):
            held = item.value if isinstance(item.ctx, ast.Store) else None
            if (isinstance(held, ast.Name) and self._is_global(held, function)) or (
                isinstance(held, ast.Attribute) and isinstance(held.value, ast.Name) and held.attr in shared
            ):
                yield held

    def _once_branches(self, function: Function) -> Iterator[ast.AST]:
        """Nodes of a function whose inside runs once in the life of the process or object."""
        takes_nothing = len(function.params) <= int(function.owner is not None)
        kept = self._is_cached(function) and function not in self._emptied
        if kept and (takes_nothing or (self._is_cached(function, FOR_EVER) and self._is_called_alike(function))):
            yield function.node
        for branch in function.all(ast.If):
            missing = {ast.unparse(m) for m in _missing(branch.test)}
            if missing and missing & set(self._kept_in(branch.body, function)):
                yield branch
            there = {ast.unparse(p) for p in _present(branch.test)}
            if there and isinstance(branch.body[-1], ast.Return):
                rest = _after(branch)
                if there & set(self._kept_in(rest, function)):
                    yield from rest

    def _is_called_alike(self, function: Function) -> bool:
        """Whether every call hands over what stays the same: constants, settings, never what a caller was given."""
        calls = [
            (call, scope)
            for call, scope in self._project.values.written_calls(function.name)
            if self._project.names.resolve(call.func, scope) is function
        ]
        given = [(g, s) for c, s in calls for g in (*c.args, *(k.value for k in c.keywords))]
        return bool(calls) and not any(self._varies(expr, scope) for expr, scope in given)

    def _varies(self, expr: ast.expr, scope: Scope, depth: int = 0) -> bool:
        """Whether a value depends on what a function is given, through locals; not on defaults that all calls keep."""
        if not isinstance(scope, Function) or depth > MAX_LOCALS:
            return False
        params = {arg.arg: (i, default) for i, (arg, default) in enumerate(scope.params)}
        for name in (n.id for n in subtree(expr) if isinstance(n, ast.Name)):
            if name in params and (params[name][1] is None or self._is_handed(name, params[name][0], scope)):
                return True
            values = [b.value for b in scope.bindings.get(name, ()) if b.kind != "param"]
            if any(v is not None and self._varies(v, scope, depth + 1) for v in values):
                return True
        return False

    def _is_handed(self, name: str, position: int, function: Function) -> bool:
        """Whether a call written with the name of a function hands over a parameter that has a default."""
        calls = (call for call, _ in self._project.values.written_calls(function.name))
        return any(len(c.args) > position or any(k.arg in (name, None) for k in c.keywords) for c in calls)

    @cached_property
    def _emptied(self) -> frozenset[Function]:
        """Functions whose cache the application empties while it runs (`load.cache_clear()`)."""
        found = (
            self._project.names.resolve(call.func.value, scope)
            for call, scope in self._project.values.written_calls("cache_clear")
            if isinstance(call.func, ast.Attribute) and isinstance(scope, Function) and scope.module.kind == "app"
        )
        return frozenset(f for f in found if isinstance(f, Function))

    def _kept_in(self, body: list[ast.stmt], function: Function) -> Iterator[str]:
        """Globals and attributes that statements assign, or that a method of the same object called here assigns."""
        inside = {id(n) for s in body for n in subtree(s)}
        for assign in function.all(ast.Assign):
            for target in assign.targets if id(assign) in inside else ():
                if isinstance(target, ast.Attribute) or (
                    isinstance(target, ast.Name) and any(target.id in g.names for g in function.all(ast.Global))
                ):
                    yield ast.unparse(target)
        for call in function.all(ast.Call):
            if id(call) in inside and isinstance(call.func, ast.Attribute) and isinstance(call.func.value, ast.Name):
                owner = function.owner
                method = owner.methods.get(call.func.attr) if owner is not None else None
                if method is not None and function.params and call.func.value.id == function.params[0][0].arg:
                    yield from (
                        f"{call.func.value.id}.{t.attr}"
                        for a in method.all(ast.Assign)
                        for t in a.targets
                        if isinstance(t, ast.Attribute)
                    )

    def _goes(self, site: CallSite, function: Function) -> str:
        """kept, dropped, or up: handed to the caller, or a part of an object whose own fate decides."""
        node: ast.AST = site.node
        holder = parent(node)
        while isinstance(holder, (ast.Await, ast.BoolOp, ast.IfExp)) or (
            isinstance(holder, ast.Call) and self._hands_back(holder, function)
        ):
            node, holder = holder, parent(holder)
        if isinstance(holder, ast.Return):
            return "up"
        if isinstance(holder, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            targets = holder.targets if isinstance(holder, ast.Assign) else [holder.target]
            return max((self._assigned(t, function) for t in targets), key=("dropped", "up", "kept").index)
        if isinstance(holder, (ast.withitem, ast.Expr, ast.Attribute, ast.Yield)):
            return "dropped"
        return "kept"

    def _hands_back(self, call: ast.Call, function: Function) -> bool:
        return any(v.dotted in PASSED_ON for v in self._project.values.of(call.func, function))

    def _assigned(self, target: ast.expr, function: Function) -> str:
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and function.owner is not None:
            me = function.params[0][0].arg if function.params else ""
            if target.value.id == me and function.name == "__init__":
                return "kept" if _is_singleton(function.owner) else "up"
            return "kept"
        if not isinstance(target, ast.Name):
            return "kept"
        if any(target.id in s.names for s in function.all(ast.Global)):
            return "kept"
        return self._local(target.id, function)

    def _local(self, name: str, function: Function) -> str:
        """What becomes of a local: only its methods are called, it is returned, or it goes elsewhere."""
        worst = "dropped"
        for scope in function.walk():
            for use in scope.all(ast.Name):
                if use.id != name or not isinstance(use.ctx, ast.Load):
                    continue
                holder = parent(use)
                if isinstance(holder, ast.Return):
                    worst = "up"
                elif scope is not function or not isinstance(holder, _HARMLESS):
                    return "kept"
        return worst

    def _is_cached(self, function: Function, by: frozenset[str] = CACHES) -> bool:
        scope = function.parent or function.module
        targets = (d.func if isinstance(d, ast.Call) else d for d in function.decorators)
        return any(self._project.names.canonical(t, scope) in by for t in targets)

    def _fills_cache(self, function: Function) -> bool:
        """Whether a function keeps what it makes in a mapping or name that outlives it."""
        for assign in function.all(ast.Assign):
            for target in assign.targets:
                held = target.value if isinstance(target, ast.Subscript) else None
                if isinstance(held, ast.Attribute) or (isinstance(held, ast.Name) and self._is_global(held, function)):
                    return True
        return False

    def _is_global(self, name: ast.Name, function: Function) -> bool:
        entity = self._project.names.lookup(function, name.id)
        return isinstance(entity, Variable) and isinstance(entity.scope, (Module, Class))

    def _lasts(self, root: Function) -> bool:
        """A class or provider that FastAPI calls itself gives a new object each time."""
        return root.owner is not None and root.name == "__init__" and _is_singleton(root.owner)


def _asks(test: ast.expr, mappings: set[str], function: Function) -> bool:
    """Whether a condition tells if a mapping has a key: `key in cache`, or a name that holds `cache.get(key)`."""
    for node in subtree(test):
        if isinstance(node, ast.Compare) and isinstance(node.ops[0], (ast.In, ast.NotIn)):
            if ast.unparse(node.comparators[0]) in mappings:
                return True
        elif isinstance(node, ast.Name):
            values = [b.value for b in function.bindings.get(node.id, ()) if b.kind == "assign"]
            if any(_looked_up(v) in mappings for v in values if v is not None):
                return True
    return False


def _looked_up(expr: ast.expr) -> str:
    """The mapping that `cache.get(key)` or `cache[key]` looks into, as written."""
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr == "get":
        return ast.unparse(expr.func.value)
    return ast.unparse(expr.value) if isinstance(expr, ast.Subscript) else ""


def _missing(test: ast.expr) -> Iterator[ast.expr]:
    """What a condition says is not there yet: `x is None`, `not x`, `not hasattr(...)`, also as a part of `and`."""
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        for value in test.values:
            yield from _missing(value)
    elif isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        if isinstance(test.operand, (ast.Name, ast.Attribute)):
            yield test.operand
        yield from _has_attribute(test.operand)
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is) and len(test.ops) == 1:
        other = test.comparators[0]
        if isinstance(other, ast.Constant) and other.value is None:
            yield test.left


def _present(test: ast.expr) -> Iterator[ast.expr]:
    """What a condition says is there already: `x is not None`, `x`, `hasattr(...)`."""
    if isinstance(test, (ast.Name, ast.Attribute)):
        yield test
    elif isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot) and len(test.ops) == 1:
        yield test.left
    yield from _has_attribute(test)


def _has_attribute(test: ast.expr) -> Iterator[ast.expr]:
    """`hasattr(self, "engine")`, as the attribute."""
    if (
        isinstance(test, ast.Call)
        and isinstance(test.func, ast.Name)
        and test.func.id == "hasattr"
        and len(test.args) == 2
        and isinstance(test.args[1], ast.Constant)
    ):
        yield ast.Attribute(test.args[0], str(test.args[1].value), ast.Load())


def _after(statement: ast.stmt) -> list[ast.stmt]:
    """Statements that follow in the same block."""
    holder = parent(statement)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, None)
        if isinstance(block, list) and any(s is statement for s in block):
            return block[next(i for i, s in enumerate(block) if s is statement) + 1 :]
    return []


def _is_singleton(cls: Class) -> bool:
    if any(k.arg == "metaclass" and "ingleton" in ast.unparse(k.value) for k in cls.node.keywords):
        return True
    return bool(_SINGLETON.intersection(cls.bindings))
