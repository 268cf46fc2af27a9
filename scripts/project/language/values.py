"""What an expression is: types followed through assignments, annotations, constructors, returns and `Depends`.

A value is an entity of names.py, or an `Instance` of a class, a `Bound` method, an `Awaitable`. Results are tuples of
alternatives; an empty tuple means unknown. Nothing is matched by the spelling of a variable.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Sequence
from functools import cache

from project.language.arguments import Arguments
from project.language.attributes import Attributes
from project.language.hints import MAX_ALTERNATIVES, unique
from project.language.library_types import ATTRIBUTES, CONTAINERS, ENTERED, GENERATORS, RESULTS, SAME_WHEN_INDEXED
from project.language.names import Entity, External, Names, Variable
from project.language.scopes import Binding, Class, Function, Module, Scope
from project.language.spelled import Spelled
from project.language.value_items import TUPLE, UNKNOWN, elements, item, method_result, pair
from project.language.value_types import (
    CONTEXT_MANAGERS,
    DEFAULTS,
    DEPENDS,
    ENTERS,
    MAKERS,
    SAME_AS_ARGUMENT,
    Awaitable,
    Bound,
    Instance,
    Value,
    Values,
)

MAX_DEPTH = 40


class ValueFacts(Attributes):
    """Inference over the whole project, each expression once."""

    def __init__(self, names: Names, spelled: Spelled) -> None:
        super().__init__(names)
        self._spelled = spelled
        self._known: dict[int, Values] = {}
        self._variables: dict[tuple[Scope, str], Values] = {}
        self._open: set[object] = set()
        self._cuts = 0  # how often an answer was left out because its question was still open
        self._returns: dict[Function, Values] = {}
        self._arguments = Arguments(names, spelled, self.of)
        self._depth = 0

    def written_calls(self, last: str) -> Sequence[tuple[ast.Call, Scope]]:
        """Calls of the application whose written name ends with this word, unresolved, each with its scope."""
        return self._spelled.written(last)

    # Expressions

    def of(self, expr: ast.expr | None, scope: Scope) -> Values:
        """What `expr`, standing in `scope`, may be."""
        key = id(expr)
        known = self._known.get(key)
        if known is not None:
            return known
        if expr is None:
            return ()
        if key in self._open or self._depth > MAX_DEPTH:
            self._cuts += 1
            return ()
        handler = _HANDLERS.get(expr.__class__)
        if handler is None:
            return ()
        self._open.add(key)
        self._depth += 1
        try:
            found = unique(handler(self, expr, scope))
        finally:
            self._depth -= 1
            self._open.discard(key)
        self._known[key] = found
        return found

    def _name(self, expr: ast.Name, scope: Scope) -> Iterable[Value]:
        entity = self.names.lookup(scope, expr.id)
        return self.of_entity(entity) if entity is not None else self.set_by_functions(scope.module, expr.id)

    def of_entity(self, entity: Entity | None) -> Values:
        """Values of what a name means; for a variable those of all its bindings."""
        if entity is None:
            return ()
        if not isinstance(entity, Variable):
            return (entity,)
        key = (entity.scope, entity.name)
        if key in self._open or self._depth > MAX_DEPTH:
            self._cuts += 1
            return ()
        known = self._variables.get(key)
        if known is not None:
            return known
        cuts = self._cuts
        self._open.add(key)
        try:
            found = [v for b in entity.bindings for v in self.of_binding(b, entity.scope)]
            if isinstance(entity.scope, Module):
                found.extend(self.set_by_functions(entity.scope, entity.name))
            values = self.filled(unique(found), key)
        finally:
            self._open.discard(key)
        if self._cuts == cuts:
            self._variables[key] = values
        return values

    def of_binding(self, binding: Binding, scope: Scope) -> Values:
        """What a name holds after this binding."""
        if binding.kind == "param" and isinstance(scope, Function):
            return self._param(binding, scope)
        if binding.annotation is not None:
            stated = self.annotated(binding.annotation, scope)
            if stated:
                return self._narrowed(stated, binding.value, scope)
        if binding.value is None or binding.kind in ("augmented", "except"):
            return self.annotated(binding.value, scope) if binding.kind == "except" else ()
        values = self.of(binding.value, scope)
        if binding.kind == "for":
            values = unique(e for v in values for e in elements(v))
        elif binding.kind == "with":
            values = unique(e for v in values for e in self.entered(v))
        for position in _path(binding):
            values = unique(e for v in values for e in item(v, position))
        return values

    def _narrowed(self, stated: Values, value: ast.expr | None, scope: Scope) -> Values:
        """What is stated, or the class derived from it of which the value is made: `store: Store = Remote()`."""
        made = self.of(value, scope) if isinstance(value, ast.Call) else ()
        bases = [v.cls for v in stated if isinstance(v, Instance) and isinstance(v.cls, Class)]
        if made and bases and all(isinstance(v, Instance) and self._is_below(v.cls, bases) for v in made):
            return made
        return stated

    def _is_below(self, cls: Class | External, bases: list[Class]) -> bool:
        return isinstance(cls, Class) and any(self.names.derives(cls, base.dotted) for base in bases)

    def _param(self, binding: Binding, function: Function) -> Values:
        owner = function.owner
        if owner is not None and function.params and function.params[0][0] is binding.node:
            decorators = {self.names.canonical(d, function.parent or function.module) for d in function.decorators}
            if "builtins.classmethod" in decorators:
                return (owner,)
            if "builtins.staticmethod" not in decorators:
                return (Instance(owner),)
        outer = function.parent or function.module
        stated = self.annotated(binding.annotation, outer)
        if stated:
            return stated
        provider = self.depends(binding.value, outer)
        if provider is not None:
            return unique(v for p in provider for v in self.provided(p))
        if binding.value is not None and not isinstance(binding.value, ast.Constant):
            found = self.of(binding.value, outer)
            if found:
                return found
        return unique(self._arguments.given(binding, function))

    def _attribute(self, expr: ast.Attribute, scope: Scope) -> Iterable[Value]:
        entity = self.names.resolve(expr, scope)
        if isinstance(entity, External) and entity.dotted in ATTRIBUTES:
            return (Instance(External(ATTRIBUTES[entity.dotted])),)
        found = self.of_entity(entity)
        if found or isinstance(entity, External):
            return found
        return [v for base in self.of(expr.value, scope) for v in self.attribute(base, expr.attr)]

    def _call(self, expr: ast.Call, scope: Scope) -> Iterable[Value]:
        if isinstance(expr.func, ast.Attribute):
            held = [v for owner in self.of(expr.func.value, scope) for v in method_result(owner, expr.func.attr)]
            if held:
                return held
        return [v for target in self.of(expr.func, scope) for v in self.result(target, expr, scope)]

    def result(self, target: Value, call: ast.Call, scope: Scope) -> Values:
        """What calling a value gives."""
        if isinstance(target, Class):
            return (Instance(target),)
        if isinstance(target, Function):
            return self.returned(target, None)
        if isinstance(target, Bound):
            return self.returned(target.function, target.owner)
        if isinstance(target, Instance):
            return self._call_instance(target)
        if isinstance(target, External):
            return self._call_external(target, call, scope)
        return ()

    def _call_instance(self, target: Instance) -> Values:
        if isinstance(target.cls, Class):
            method = self.names.class_member(target.cls, "__call__")
            return self.returned(method, target.cls) if isinstance(method, Function) else ()
        if target.args:
            return tuple(Instance(a) if isinstance(a, (Class, External)) else a for a in target.args)
        known = RESULTS.get(f"{target.dotted}()")
        return (Instance(External(known)),) if known else ()

    def _call_external(self, target: External, call: ast.Call, scope: Scope) -> Values:
        dotted = target.dotted
        if dotted == "builtins.super" and isinstance(scope, Function) and scope.owner:
            return tuple(Instance(b) for b in self.names.bases(scope.owner))
        if dotted in MAKERS:
            made = next((self.of(k.value, scope) for k in call.keywords if k.arg == "class_"), ())
            return (Instance(target, made or (External(MAKERS[dotted]),)),)
        if dotted in DEFAULTS:
            factory = next((k.value for k in call.keywords if k.arg in ("default_factory", "factory")), None)
            made = unique(v for target in self.of(factory, scope) for v in self.result(target, call, scope))
            return made or (Instance(target),)
        if call.args:
            passed_on = self._of_argument(dotted, call, scope)
            if passed_on is not None:
                return passed_on
        known = RESULTS.get(dotted)
        if known is not None:
            return (Instance(External(known)),)
        last = dotted.rsplit(".", 1)[-1]
        if last[:1].isupper() and not last.isupper():
            return (Instance(target),)
        if last.startswith("from_") and dotted.count(".") > 1 and dotted.rsplit(".", 2)[-2][:1].isupper():
            return (Instance(External(dotted.rsplit(".", 1)[0])),)
        return (Instance(External(f"{dotted}()")),)

    def _of_argument(self, dotted: str, call: ast.Call, scope: Scope) -> Values | None:
        """What library functions give that hand back an argument, a part of it, or what it says; None for others."""
        first = call.args[0]
        if dotted in SAME_AS_ARGUMENT:
            return self.of(first, scope)
        if dotted == "typing.cast" and len(call.args) == 2:
            return self.annotated(first, scope) or self.of(call.args[1], scope)
        if dotted in ENTERS:
            return unique(e for v in self.of(first, scope) for e in self.entered(v))
        if dotted in ("builtins.next", "builtins.anext"):
            return unique(e for v in self.of(first, scope) for e in elements(v))
        if dotted == "builtins.enumerate":
            pairs = pair(unique(e for v in self.of(first, scope) for e in elements(v)))
            return (Instance(External("builtins.list"), pairs),)
        if dotted == "builtins.getattr" and len(call.args) > 1 and isinstance(call.args[1], ast.Constant):
            return unique(v for o in self.of(first, scope) for v in self.attribute(o, str(call.args[1].value)))
        return None

    def returned(self, function: Function, owner: Class | None) -> Values:
        """What a call of a project function gives: `Awaitable` for an async def."""
        if function not in self._returns:
            if function in self._open or self._depth > MAX_DEPTH:
                self._cuts += 1
                return ()
            self._open.add(function)
            try:
                self._returns[function] = unique(self._returned(function))
            finally:
                self._open.discard(function)
        found = self._returns[function]
        if owner is not None and owner is not function.owner and any(_is_instance(v, function.owner) for v in found):
            found = tuple(
                Instance(owner, v.args) if isinstance(v, Instance) and _is_instance(v, function.owner) else v
                for v in found
            )
        return found

    def _returned(self, function: Function) -> Iterable[Value]:
        scope = function.parent or function.module
        stated = self.annotated(function.returns, scope)
        decorators = {self.names.canonical(d, scope) for d in function.decorators}
        if function.is_generator:
            yields = [v for v in stated if isinstance(v, Instance) and v.dotted in GENERATORS]
            made: Values = tuple(a for v in yields for a in v.args[:1]) or self._yielded(function)
            kind = "contextlib.manager" if decorators & CONTEXT_MANAGERS else "typing.Generator"
            return [Instance(External(kind), made)]
        if not stated and isinstance(function.node, ast.Lambda):
            return self.of(function.node.body, function)
        if not stated:
            stated = unique(v for r in function.all(ast.Return)[:MAX_ALTERNATIVES] for v in self.of(r.value, function))
        if function.is_async:
            return [Awaitable(v) for v in stated] or [Awaitable(None)]
        return stated

    def _yielded(self, function: Function) -> Values:
        return unique(v for y in function.all(ast.Yield) for v in self.of(y.value, function))

    def provided(self, provider: Value) -> Values:
        """What FastAPI injects for a dependency: the return value, the yielded value, an instance of a class."""
        if isinstance(provider, (Function, Bound)):
            function = provider.function if isinstance(provider, Bound) else provider
            values: Values = self.returned(function, provider.owner if isinstance(provider, Bound) else None)
        elif isinstance(provider, Instance):
            values = self._call_instance(provider)
        elif isinstance(provider, (Class, External)):
            return (Instance(provider),)
        else:
            return ()
        flat: list[Value] = []
        for value in values:
            value = value.value if isinstance(value, Awaitable) and value.value is not None else value
            flat.extend(value.args if isinstance(value, Instance) and value.dotted in GENERATORS else [value])
        return tuple(flat)

    def depends(self, expr: ast.expr | None, scope: Scope) -> Values | None:
        """Providers named by `Depends(...)`/`Security(...)`; None when the expression is neither."""
        if not isinstance(expr, ast.Call) or self.names.canonical(expr.func, scope) not in DEPENDS:
            return None
        given = expr.args[0] if expr.args else next((k.value for k in expr.keywords if k.arg == "dependency"), None)
        return self.of(given, scope)

    # Containers and wrappers

    def entered(self, value: Value) -> Values:
        """What `with value as x` binds."""
        if isinstance(value, Awaitable):
            return self.entered(value.value) if value.value is not None else ()
        if isinstance(value, External):
            return (Instance(value),)
        if not isinstance(value, Instance):
            return ()
        if value.dotted == "contextlib.manager":
            return value.args
        if isinstance(value.cls, Class):
            for name in ("__aenter__", "__enter__"):
                method = self.names.class_member(value.cls, name)
                if isinstance(method, Function):
                    found = self.returned(method, value.cls)
                    return tuple(v.value if isinstance(v, Awaitable) and v.value else v for v in found) or (value,)
            return (value,)
        known = ENTERED.get(value.dotted)
        return (Instance(External(known)),) if known else (value,)

    def _await(self, expr: ast.Await, scope: Scope) -> Iterable[Value]:
        for value in self.of(expr.value, scope):
            if not isinstance(value, Awaitable):
                yield value
            elif value.value is not None:
                yield value.value

    def _subscript(self, expr: ast.Subscript, scope: Scope) -> Iterable[Value]:
        at = expr.slice.value if isinstance(expr.slice, ast.Constant) else None
        for value in self.of(expr.value, scope):
            if isinstance(value, Instance) and value.dotted in CONTAINERS:
                if isinstance(expr.slice, ast.Slice):
                    yield value
                elif value.dotted == TUPLE:
                    yield from item(value, at if isinstance(at, int) else -1)
                else:
                    yield from value.args
            elif isinstance(value, (Class, External)) or (
                isinstance(value, Instance) and value.dotted.startswith(SAME_WHEN_INDEXED)
            ):
                yield value

    def _either(self, expr: ast.expr, scope: Scope) -> Iterable[Value]:
        parts = (
            [expr.body, expr.orelse]
            if isinstance(expr, ast.IfExp)
            else expr.values
            if isinstance(expr, ast.BoolOp)
            else []
        )
        return [v for part in parts for v in self.of(part, scope)]

    def _display(self, expr: ast.expr, scope: Scope) -> Iterable[Value]:
        inner: Values
        if isinstance(expr, ast.Tuple):
            inner = tuple(next(iter(self.of(e, scope)), UNKNOWN) for e in expr.elts[:MAX_ALTERNATIVES])
        elif isinstance(expr, (ast.List, ast.Set)):
            inner = unique(v for e in expr.elts[:MAX_ALTERNATIVES] for v in self.of(e, scope))
        elif isinstance(expr, (ast.ListComp, ast.SetComp, ast.GeneratorExp)):
            inner = self.of(expr.elt, scope)
        elif isinstance(expr, ast.DictComp):
            inner = self.of(expr.value, scope)
        else:
            inner = unique(v for e in getattr(expr, "values", [])[:MAX_ALTERNATIVES] for v in self.of(e, scope))
        return [Instance(External(_DISPLAYS[expr.__class__]), inner)]

    def _constant(self, expr: ast.Constant, _: Scope) -> Iterable[Value]:
        return () if expr.value is None else (_literal(type(expr.value).__name__),)

    def _text(self, _: ast.expr, __: Scope) -> Iterable[Value]:
        return (_literal("str"),)

    def _operator(self, expr: ast.BinOp, scope: Scope) -> Iterable[Value]:
        return [v for v in self.of(expr.left, scope) if isinstance(v, Instance)]

    def _walrus(self, expr: ast.NamedExpr, scope: Scope) -> Iterable[Value]:
        return self.of(expr.value, scope)

    def _lambda(self, expr: ast.Lambda, _: Scope) -> Iterable[Value]:
        made = expr.__dict__.get("scope")
        return (made,) if isinstance(made, Function) else ()


@cache
def _literal(type_name: str) -> Instance:
    return Instance(External(f"builtins.{type_name}"))


def _is_instance(value: Value, cls: Class | None) -> bool:
    return isinstance(value, Instance) and cls is not None and value.cls is cls


def _path(binding: Binding) -> list[int]:
    """Positions that lead to the name inside nested tuple targets, outermost first; empty for a plain target."""
    if binding.index is None:
        return []
    node = binding.node
    targets = getattr(node, "targets", None) or [getattr(node, "target", node)]
    stack: list[tuple[ast.AST, list[int]]] = [(target, []) for target in targets]
    while stack:
        target, path = stack.pop()
        if isinstance(target, ast.Name) and target.id == binding.name:
            return path
        if isinstance(target, (ast.Tuple, ast.List)):
            stack.extend((inner, [*path, i]) for i, inner in enumerate(target.elts))
    return [binding.index]


_DISPLAYS: dict[type[ast.AST], str] = {
    ast.List: "builtins.list",
    ast.ListComp: "builtins.list",
    ast.Tuple: "builtins.tuple",
    ast.Set: "builtins.set",
    ast.SetComp: "builtins.set",
    ast.GeneratorExp: "typing.Generator",
    ast.Dict: "builtins.dict",
    ast.DictComp: "builtins.dict",
}
_HANDLERS: dict[type[ast.AST], Callable[..., Iterable[Value]]] = {
    ast.Name: ValueFacts._name,
    ast.Attribute: ValueFacts._attribute,
    ast.Call: ValueFacts._call,
    ast.Await: ValueFacts._await,
    ast.Subscript: ValueFacts._subscript,
    ast.IfExp: ValueFacts._either,
    ast.BoolOp: ValueFacts._either,
    ast.Constant: ValueFacts._constant,
    ast.JoinedStr: ValueFacts._text,
    ast.BinOp: ValueFacts._operator,
    ast.NamedExpr: ValueFacts._walrus,
    ast.Lambda: ValueFacts._lambda,
    **dict.fromkeys(_DISPLAYS, ValueFacts._display),
}
