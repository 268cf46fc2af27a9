"""What annotations promise: names, unions, containers, `Annotated[..., Depends(...)]`, aliases and type variables."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator

from project.language.names import Entity, External, Names, Variable
from project.language.scopes import Binding, Class, Scope
from project.language.value_items import TUPLE, UNKNOWN
from project.language.value_types import (
    AWAITABLES,
    PLAIN,
    SAY_NOTHING,
    TYPES,
    UNIONS,
    Awaitable,
    Instance,
    Value,
    Values,
)

MAX_ALTERNATIVES = 8


class Annotations(ABC):
    """Annotation expressions as values. `depends` and `provided` say what `Depends` in `Annotated` injects."""

    def __init__(self, names: Names) -> None:
        self.names = names
        self._parsed: dict[int, ast.expr | None] = {}

    @abstractmethod
    def depends(self, expr: ast.expr | None, scope: Scope) -> Values | None: ...

    @abstractmethod
    def provided(self, provider: Value) -> Values: ...

    def annotated(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> Values:
        """Values that an annotation promises; () for none, Any or unknown ones."""
        if expr is None or depth > 12:
            return ()
        if isinstance(expr, ast.Constant):
            return self.annotated(self.parsed(expr), scope, depth + 1) if isinstance(expr.value, str) else ()
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._stated(self.names.resolve(expr, scope), scope, depth)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
            return unique((*self.annotated(expr.left, scope, depth + 1), *self.annotated(expr.right, scope, depth + 1)))
        if isinstance(expr, ast.Subscript):
            return unique(self._stated_generic(expr, scope, depth))
        return ()

    def parsed(self, text: ast.Constant) -> ast.expr | None:
        """A string annotation as an expression."""
        key = id(text)
        if key not in self._parsed:
            try:
                self._parsed[key] = ast.parse(str(text.value).strip(), mode="eval").body
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                self._parsed[key] = None
        return self._parsed[key]

    def _stated(self, entity: Entity | None, scope: Scope, depth: int) -> Values:
        if isinstance(entity, Class):
            return (Instance(entity, (), "inferred"),)
        if isinstance(entity, External):
            if entity.dotted == "typing.Self":
                owner = scope if isinstance(scope, Class) else getattr(scope, "owner", None)
                return (Instance(owner, (), "inferred"),) if isinstance(owner, Class) else ()
            return (
                ()
                if entity.dotted in SAY_NOTHING
                else (Instance(External(PLAIN.get(entity.dotted, entity.dotted)), (), "inferred"),)
            )
        if isinstance(entity, Variable):
            return unique(v for b in entity.bindings[-1:] for v in self._alias(b, entity.scope, depth))
        return ()

    def _alias(self, binding: Binding, scope: Scope, depth: int) -> Values:
        value = binding.value
        if isinstance(value, ast.Call):
            called = self.names.canonical(value.func, scope)
            if called == "typing.TypeVar":
                bound = next((k.value for k in value.keywords if k.arg == "bound"), None)
                return self.annotated(bound, scope, depth + 1)
            if called == "typing.NewType" and len(value.args) == 2:
                return self.annotated(value.args[1], scope, depth + 1)
            return ()
        return self.annotated(value, scope, depth + 1)

    def _stated_generic(self, expr: ast.Subscript, scope: Scope, depth: int) -> Iterator[Value]:
        entity = self.names.resolve(expr.value, scope)
        dotted = entity.dotted if entity is not None else ""
        items = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
        if dotted == "typing.Annotated":
            stated = self.annotated(items[0], scope, depth + 1)
            if stated:
                yield from stated
                return
            for extra in items[1:]:
                yield from (v for p in self.depends(extra, scope) or () for v in self.provided(p))
        elif dotted in UNIONS:
            yield from (v for item in items for v in self.annotated(item, scope, depth + 1))
        elif dotted in TYPES:
            yield from (v.cls for v in self.annotated(items[0], scope, depth + 1) if isinstance(v, Instance))
        elif dotted in AWAITABLES:
            yield from (Awaitable(v) for v in self.annotated(items[-1], scope, depth + 1))
        elif isinstance(entity, Class):
            args = tuple(v for item in items for v in self.annotated(item, scope, depth + 1)[:1])
            yield Instance(entity, args, "inferred")
        elif isinstance(entity, External) and dotted not in SAY_NOTHING:
            kind = PLAIN.get(dotted, dotted)
            if kind == TUPLE and not any(isinstance(i, ast.Constant) and i.value is ... for i in items):
                positions = (self.annotated(item, scope, depth + 1)[:1] or (UNKNOWN,) for item in items)
                yield Instance(External(kind), tuple(p[0] for p in positions), "inferred")
                return
            which = items[-1:] if kind == "builtins.dict" else items[:1]
            yield Instance(
                External(kind), unique(v for item in which for v in self.annotated(item, scope, depth + 1)), "inferred"
            )


def unique(values: Iterable[Value]) -> Values:
    """The first different ones of the values, in order."""
    if isinstance(values, (tuple, list)) and len(values) < 2:
        return tuple(values)
    found: list[Value] = []
    for value in values:
        if value not in found:
            found.append(value)
            if len(found) >= MAX_ALTERNATIVES:
                break
    return tuple(found)
