"""What an expression is unless the environment says otherwise: constants, settings fields, `os.getenv` defaults."""

from __future__ import annotations

import ast
from dataclasses import dataclass

from project.names import Names, Variable
from project.place import Place
from project.scopes import Binding, Class, Function, Scope
from project.value_types import Instance
from project.values import ValueFacts

MAX_DEPTH = 10
ENVIRONMENT = frozenset("os.getenv os.environ.get os.environ.setdefault os.environ.pop".split())
READERS = frozenset("starlette.config.Config() decouple.config environs.Env().str environs.Env().list".split())
FIELDS = frozenset("pydantic.Field pydantic_settings.Field pydantic.fields.Field sqlmodel.Field".split())
CONVERSIONS = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.bool": bool,
    "pydantic.SecretStr": str,
    "builtins.list": list,
}


@dataclass(frozen=True, slots=True)
class Default:
    """A value known without running anything, where it stands, and whether the environment may replace it."""

    value: object
    place: Place
    configurable: bool = False


class Defaults:
    """Default values of expressions anywhere in the project."""

    def __init__(self, names: Names, values: ValueFacts) -> None:
        self._names = names
        self._values = values

    def of(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> Default | None:
        """The value `expr` has by default, None when that is not known."""
        if expr is None or depth > MAX_DEPTH:
            return None
        if isinstance(expr, ast.Constant):
            return Default(expr.value, scope.place(expr))
        if isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
            return self._sequence(expr, scope, depth)
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._named(expr, scope, depth)
        if isinstance(expr, ast.Call):
            return self._called(expr, scope, depth)
        if isinstance(expr, ast.BoolOp) and isinstance(expr.op, ast.Or):
            parts = [self.of(value, scope, depth + 1) for value in expr.values]
            return next((p for p in parts if p is not None and p.value), None)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.Add):
            return self._sum(expr, scope, depth)
        return None

    def _sequence(self, expr: ast.List | ast.Tuple | ast.Set, scope: Scope, depth: int) -> Default | None:
        items = [self.of(item, scope, depth + 1) for item in expr.elts]
        known = [item for item in items if item is not None]
        if len(known) != len(items):
            return None
        return Default([i.value for i in known], scope.place(expr), any(i.configurable for i in known))

    def _sum(self, expr: ast.BinOp, scope: Scope, depth: int) -> Default | None:
        left, right = self.of(expr.left, scope, depth + 1), self.of(expr.right, scope, depth + 1)
        if left is None or right is None:
            return None
        for kind in (str, list):
            if isinstance(left.value, kind) and isinstance(right.value, kind):
                return Default(left.value + right.value, left.place, left.configurable or right.configurable)
        return None

    def _named(self, expr: ast.Name | ast.Attribute, scope: Scope, depth: int) -> Default | None:
        entity = self._names.resolve(expr, scope)
        if isinstance(entity, Variable):
            return None if isinstance(entity.scope, Function) else self._bound(entity.bindings, entity.scope, depth)
        if entity is not None or not isinstance(expr, ast.Attribute):
            return None
        for value in self._values.of(expr.value, scope):
            cls = value.cls if isinstance(value, Instance) else value
            if isinstance(cls, Class):
                found = self._attribute(cls, expr.attr, depth)
                if found is not None:
                    return found
        return None

    def _attribute(self, cls: Class, name: str, depth: int) -> Default | None:
        for base in self._names.mro(cls):
            if isinstance(base, Class) and name in base.bindings:
                return self._bound(base.bindings[name], base, depth)
        return None

    def _bound(self, bindings: list[Binding], scope: Scope, depth: int) -> Default | None:
        values = [b.value for b in bindings if b.kind == "assign" and b.index is None and b.value is not None]
        if len(values) != 1 or len(bindings) != 1:
            return None
        found = self.of(values[0], scope, depth + 1)
        if (
            found is not None
            and isinstance(scope, Class)
            and self._names.derives(scope, "pydantic_settings.BaseSettings")
        ):
            return Default(found.value, found.place, True)
        return found

    def _called(self, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        names = [v.dotted for v in self._values.of(call.func, scope)]
        name = names[0] if names else ""
        if name in ENVIRONMENT or name in READERS:
            default = next(
                (k.value for k in call.keywords if k.arg == "default"), call.args[1] if len(call.args) > 1 else None
            )
            found = self.of(default, scope, depth + 1)
            return None if found is None else Default(found.value, scope.place(call), True)
        if name in FIELDS:
            default = next((k.value for k in call.keywords if k.arg == "default"), call.args[0] if call.args else None)
            return self.of(default, scope, depth + 1)
        if name in CONVERSIONS and len(call.args) == 1:
            return self._converted(name, call, scope, depth)
        if isinstance(call.func, ast.Attribute) and call.func.attr == "split":
            text = self.of(call.func.value, scope, depth + 1)
            if text is not None and isinstance(text.value, str):
                by = self.of(call.args[0], scope, depth + 1) if call.args else None
                parts = text.value.split(
                    by.value if by is not None and isinstance(by.value, str) and by.value else None
                )
                return Default(list(parts), text.place, text.configurable)
        return None

    def _converted(self, name: str, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        inner = self.of(call.args[0], scope, depth + 1)
        if inner is None:
            return None
        try:
            value = CONVERSIONS[name](inner.value)
        except (TypeError, ValueError):
            return None
        return Default(value, inner.place, inner.configurable)
