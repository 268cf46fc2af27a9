"""Who calls whom: every call of a scope with the project functions and library names it may reach."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property

from project.language.names import External, Names
from project.language.scopes import Class, Function, Module, Scope, parent
from project.language.value_types import Bound, Instance, Value
from project.language.values import ValueFacts
from project.place import Place

MAX_IMPLEMENTATIONS = 6
OFFLOADING = frozenset(
    "starlette.concurrency.run_in_threadpool starlette.concurrency.iterate_in_threadpool asyncio.to_thread "
    "anyio.to_thread.run_sync anyio.to_process.run_sync asyncer.asyncify "
    "asyncio.AbstractEventLoop.run_in_executor asgiref.sync.sync_to_async asgiref.sync.SyncToAsync "
    "trio.to_thread.run_sync sqlalchemy.ext.asyncio.AsyncSession.run_sync "
    "sqlalchemy.ext.asyncio.AsyncConnection.run_sync sqlmodel.ext.asyncio.AsyncSession.run_sync "
    "concurrent.futures.ThreadPoolExecutor.submit concurrent.futures.ProcessPoolExecutor.submit "
    "concurrent.futures.ThreadPoolExecutor.map concurrent.futures.ProcessPoolExecutor.map threading.Thread "
    "multiprocessing.Process".split()
)
CALLS_ITS_ARGUMENT = frozenset(
    "builtins.map builtins.filter builtins.sorted builtins.min builtins.max functools.reduce "
    "asyncio.AbstractEventLoop.call_soon asyncio.AbstractEventLoop.call_later asyncio.Task.add_done_callback "
    "asyncio.create_task().add_done_callback anyio.create_task_group().start_soon anyio.abc.TaskGroup.start_soon "
    "anyio.create_task_group().start anyio.abc.TaskGroup.start".split()
)


OPERATORS = frozenset("__getitem__ __setitem__ __delitem__ __contains__ __iter__".split())
PLAIN_OBJECTS = ("builtins.", "typing.", "collections.")
_BY_CONTEXT: dict[type, str] = {ast.Load: "__getitem__", ast.Store: "__setitem__", ast.Del: "__delitem__"}


@dataclass(slots=True, eq=False)
class CallSite:
    """One call (or property read, or entered context manager) in a scope.

    `targets`: project functions that run, `names`: canonical dotted names of library functions that run,
    `certainty`: resolved through definitions, or inferred where an annotation or an override decided.
    """

    node: ast.expr
    scope: Scope
    targets: tuple[Function, ...]
    names: tuple[str, ...]
    certainty: str
    awaited: bool
    call: ast.Call | None = field(init=False)

    def __post_init__(self) -> None:
        self.call = self.node if isinstance(self.node, ast.Call) else None

    def place(self, label: str = "") -> Place:
        return self.scope.place(self.node, label)

    def argument(self, position: int, keyword: str = "") -> ast.expr | None:
        """An argument of the call by position or keyword."""
        call = self.call
        if call is None:
            return None
        if keyword:
            for given in call.keywords:
                if given.arg == keyword:
                    return given.value
        plain = call.args if not any(isinstance(a, ast.Starred) for a in call.args[: position + 1]) else []
        return plain[position] if 0 <= position < len(plain) else None


class Calls:
    """The call graph, worked out scope by scope when asked for."""

    def __init__(self, names: Names, values: ValueFacts, modules: Iterable[Module]) -> None:
        self.names = names
        self.values = values
        self._modules = list(modules)
        self._sites: dict[Scope, list[CallSite]] = {}
        self._at: dict[int, CallSite] = {}
        self._offloaded: dict[Function, bool] = {}
        self._used: dict[Class, bool] = {}

    def sites(self, scope: Scope) -> list[CallSite]:
        """Calls that stand directly in a scope (not those in functions nested in it), in source order by kind."""
        known = self._sites.get(scope)
        if known is not None:
            return known
        found = [*self._plain(scope), *self._entered(scope), *self._property_reads(scope), *self._operated(scope)]
        self._sites[scope] = found
        for site in reversed(found):
            self._at[id(site.node)] = site
        return found

    def site(self, call: ast.Call, scope: Scope) -> CallSite:
        """The resolved form of one call."""
        self.sites(scope)
        return self._at.get(id(call)) or CallSite(call, scope, (), (), "resolved", False)

    @cached_property
    def _named(self) -> dict[str, list[CallSite]]:
        found: dict[str, list[CallSite]] = {}
        for module in self._modules:
            for scope in module.walk():
                for site in self.sites(scope):
                    for name in site.names:
                        found.setdefault(name, []).append(site)
        return found

    def named(self, names: Iterable[str] | Callable[[str], bool]) -> list[CallSite]:
        """Calls in the application of library functions by canonical names (or a test of them), by file and line."""
        wanted = filter(names, self._named) if callable(names) else names
        found = {id(site): site for name in wanted for site in self._named.get(name, ())}
        return sorted(found.values(), key=lambda s: (s.scope.module.path, s.node.lineno, s.node.col_offset))

    @cached_property
    def _callers(self) -> dict[Function, list[CallSite]]:
        found: dict[Function, list[CallSite]] = {}
        for module in self._modules:
            for scope in module.walk():
                for site in self.sites(scope):
                    for target in site.targets:
                        found.setdefault(target, []).append(site)
        return found

    def callers(self, function: Function) -> list[CallSite]:
        """Every call in the project that may run this function."""
        return self._callers.get(function, [])

    def _plain(self, scope: Scope) -> Iterator[CallSite]:
        for call in scope.all(ast.Call):
            reached = self.values.of(call.func, scope)
            if not reached:
                yield CallSite(call, scope, (), (), "resolved", isinstance(parent(call), ast.Await))
                continue
            yield self._resolved(call, reached, scope)
            for value in reached:
                if value.__class__ is External and value.dotted in CALLS_ITS_ARGUMENT:
                    yield from self._callbacks(call, scope)
                    break

    def _resolved(self, node: ast.expr, reached: Iterable[Value], scope: Scope) -> CallSite:
        targets: list[Function] = []
        names: list[str] = []
        certainty = "resolved"
        for value in reached:
            if value.__class__ is External:
                names.append(value.dotted)
                continue
            functions, how = self.runs(value)
            targets.extend(f for f in functions if f not in targets)
            if how == "inferred":
                certainty = how
            if isinstance(value, Instance) and isinstance(value.cls, External):
                names.append(f"{value.dotted}.__call__")
        if names and isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            for base in self.values.of(node.func.value, scope):
                if isinstance(base, Instance) and base.certainty == "inferred":
                    certainty = "inferred"
                    names = [] if targets else names
                    break
        awaited = isinstance(parent(node), ast.Await)
        if awaited and any(t.is_async for t in targets):
            targets = [t for t in targets if t.is_async or t.decorators]
        return CallSite(node, scope, tuple(targets), tuple(names), certainty, awaited)

    def runs(self, value: Value) -> tuple[list[Function], str]:
        """Project functions that calling this value runs, and how that was established."""
        if isinstance(value, Function):
            return [value], "resolved"
        if isinstance(value, Bound):
            return self._overridden(value.function, value.owner, value.certainty)
        if isinstance(value, Class):
            made = self.names.class_member(value, "__init__")
            return ([made] if isinstance(made, Function) else []), "resolved"
        if isinstance(value, Instance) and isinstance(value.cls, Class):
            called = self.names.class_member(value.cls, "__call__")
            return (
                self._overridden(called, value.cls, value.certainty)
                if isinstance(called, Function)
                else ([], "resolved")
            )
        return [], "resolved"

    def _overridden(self, function: Function, owner: Class, certainty: str) -> tuple[list[Function], str]:
        if not self.is_stub(function):
            return [function], certainty
        below = self.names.subclasses(owner) or self.names.like_protocol(owner)
        made = [c.methods[function.name] for c in below if function.name in c.methods]
        made = [m for m in made if not self.is_stub(m)]
        if not made:
            return [function], certainty
        if len(made) > 1:
            made = [m for m in made if m.owner is not None and self._is_used(m.owner)]
        return (made, "inferred") if len(made) <= MAX_IMPLEMENTATIONS else ([], certainty)

    def _is_used(self, cls: Class) -> bool:
        """Whether code makes an object of a class, or of a class derived from it, or hands the class itself on."""
        if cls not in self._used:
            ways = [w for c in (cls, *self.names.subclasses(cls)) for w in self._mentions.get(c.name, ())]
            found = (self.names.resolve(expr, scope) for expr, scope in ways if not _within(scope, cls))
            self._used[cls] = any(isinstance(f, Class) and self.names.derives(f, cls.dotted) for f in found)
        return self._used[cls]

    @cached_property
    def _mentions(self) -> dict[str, list[tuple[ast.expr, Scope]]]:
        """Names in places of values (called, handed over, kept, returned) by their last part."""
        classes = frozenset(cls.name for module in self.names.modules.values() for cls in module.classes)
        found: dict[str, list[tuple[ast.expr, Scope]]] = {}
        for module in self._modules:
            for scope in module.walk():
                for name in [n for n in scope.all(ast.Name) if n.id in classes]:
                    if _is_value(name):
                        found.setdefault(name.id, []).append((name, scope))
                for attribute in [a for a in scope.all(ast.Attribute) if a.attr in classes]:
                    if _is_value(attribute):
                        found.setdefault(attribute.attr, []).append((attribute, scope))
        return found

    def is_stub(self, function: Function) -> bool:
        """Whether a method only declares: abstract, `...`, `pass` or `raise NotImplementedError`."""
        scope = function.parent or function.module
        if any(self.names.canonical(d, scope) == "abc.abstractmethod" for d in function.decorators):
            return True
        body = [s for s in function.body if not (isinstance(s, ast.Expr) and isinstance(s.value, ast.Constant))]
        if not body or function.is_lambda:
            return not function.is_lambda
        only = body[0]
        raised = only.exc if isinstance(only, ast.Raise) else None
        name = raised.func if isinstance(raised, ast.Call) else raised
        return len(body) == 1 and (
            isinstance(only, ast.Pass) or (isinstance(name, ast.Name) and name.id == "NotImplementedError")
        )

    def _callbacks(self, call: ast.Call, scope: Scope) -> Iterator[CallSite]:
        for given in (*call.args, *(k.value for k in call.keywords if k.arg == "key")):
            reached = [v for v in self.values.of(given, scope) if isinstance(v, (Function, Bound))]
            if reached:
                yield self._resolved(given, reached, scope)

    def _entered(self, scope: Scope) -> Iterator[CallSite]:
        for item in scope.all(ast.withitem):
            targets: list[Function] = []
            names: list[str] = []
            asynchronous = isinstance(parent(item), ast.AsyncWith)
            for value in self.values.of(item.context_expr, scope):
                if isinstance(value, Instance) and isinstance(value.cls, Class):
                    for name in ("__aenter__", "__aexit__") if asynchronous else ("__enter__", "__exit__"):
                        method = self.names.class_member(value.cls, name)
                        targets.extend([method] if isinstance(method, Function) else [])
                elif isinstance(value, Instance) and not asynchronous:
                    names.append(f"{value.dotted}.__enter__")
            if targets or names:
                yield CallSite(item.context_expr, scope, tuple(targets), tuple(names), "resolved", False)

    @cached_property
    def _property_names(self) -> frozenset[str]:
        found: set[str] = set()
        for module in self._modules:
            for cls in module.classes:
                found.update(m.name for m in cls.methods.values() if m.decorators and self.values.is_property(m))
        return frozenset(found)

    def _property_reads(self, scope: Scope) -> Iterator[CallSite]:
        for attribute in scope.all(ast.Attribute):
            if attribute.attr not in self._property_names or not isinstance(attribute.ctx, ast.Load):
                continue
            for value in self.values.of(attribute.value, scope):
                if isinstance(value, Instance) and isinstance(value.cls, Class):
                    method = self.names.class_member(value.cls, attribute.attr)
                    if isinstance(method, Function) and self.values.is_property(method):
                        yield CallSite(attribute, scope, (method,), (), value.certainty, False)

    @cached_property
    def _operators(self) -> frozenset[str]:
        """Methods behind operators that classes of the application define."""
        return OPERATORS.intersection(n for m in self._modules for c in m.classes for n in c.methods)

    def _operated(self, scope: Scope) -> Iterator[CallSite]:
        """`x[k]`, `k in x` and `for _ in x` of objects whose class says what they do."""
        for node, operand, method in _operations(scope):
            known = method in self._operators
            if not known and method != "__iter__":
                continue
            targets: list[Function] = []
            names: list[str] = []
            for value in self.values.of(operand, scope):
                if not isinstance(value, Instance):
                    continue
                if isinstance(value.cls, External):
                    names.extend([] if value.dotted.startswith(PLAIN_OBJECTS) else [f"{value.dotted}.{method}"])
                    continue
                found = self.names.class_member(value.cls, method) if known else None
                targets.extend([found] if isinstance(found, Function) else [])
            if targets or (names and method == "__iter__"):
                yield CallSite(node, scope, tuple(targets), tuple(names), "resolved", False)

    def is_offloaded(self, function: Function) -> bool:
        """Whether a decorator of the function runs it in a thread or process (`@sync_to_async`, own wrappers)."""
        if function not in self._offloaded:
            self._offloaded[function] = False
            scope = function.parent or function.module
            self._offloaded[function] = any(self._offloads(d, scope) for d in function.decorators)
        return self._offloaded[function]

    def _offloads(self, decorator: ast.expr, scope: Scope) -> bool:
        for value in self.values.of(decorator.func if isinstance(decorator, ast.Call) else decorator, scope):
            if isinstance(value, External) and value.dotted in OFFLOADING:
                return True
            if isinstance(value, Function):
                inner = [s for s in value.walk() if isinstance(s, Function)]
                if any(name in OFFLOADING for s in inner for site in self.sites(s) for name in site.names):
                    return True
        return False

    def passed(self, expr: ast.expr | None, scope: Scope) -> list[Function]:
        """Project functions that an argument hands over without calling them (name, lambda, partial, bound method)."""
        found: list[Function] = []
        for value in self.values.of(expr, scope):
            found.extend(f for f in self.runs(value)[0] if f not in found and not isinstance(value, Class))
        return found


_OPERATING = frozenset((ast.Subscript, ast.Compare, ast.For, ast.comprehension))


def _operations(scope: Scope) -> Iterator[tuple[ast.expr, ast.expr, str]]:
    """(where it stands, the object, the method that runs)."""
    if _OPERATING.isdisjoint(scope.nodes):
        return
    for item in scope.all(ast.Subscript):
        yield item, item.value, _BY_CONTEXT[item.ctx.__class__]
    for compared in scope.all(ast.Compare):
        for operator, operand in zip(compared.ops, compared.comparators, strict=True):
            if isinstance(operator, (ast.In, ast.NotIn)):
                yield operand, operand, "__contains__"
    loops: list[ast.For | ast.comprehension] = [*scope.all(ast.For), *scope.all(ast.comprehension)]
    for loop in loops:
        if not (isinstance(loop, ast.comprehension) and loop.is_async):
            yield loop.iter, loop.iter, "__iter__"


def _within(scope: Scope | None, cls: Class) -> bool:
    while scope is not None and scope is not cls:
        scope = scope.parent
    return scope is cls


_USES_VALUES = (
    ast.Call, ast.keyword, ast.Assign, ast.AnnAssign, ast.Return, ast.List, ast.Tuple, ast.Set, ast.Dict
)  # fmt: skip


def _is_value(expr: ast.Name | ast.Attribute) -> bool:
    """Whether it is called, its attribute is called, or it is handed over, kept or returned."""
    holder = parent(expr)
    if isinstance(holder, ast.Attribute):
        outer = parent(holder)
        return isinstance(outer, ast.Call) and outer.func is holder
    if isinstance(holder, ast.keyword):
        return isinstance(parent(holder), ast.Call)
    if isinstance(holder, ast.Dict):
        return any(value is expr for value in holder.values)
    if isinstance(holder, (ast.Assign, ast.AnnAssign)):
        return holder.value is expr
    return isinstance(holder, _USES_VALUES)
