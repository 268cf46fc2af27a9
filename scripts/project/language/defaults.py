"""What an expression is unless the environment says otherwise: constants, settings fields, `os.getenv` defaults."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

from project.language.dataflow import reaching
from project.language.names import Names, Variable
from project.language.scopes import LOOPS, Binding, Class, Function, Scope, parent, parents
from project.language.value_types import Instance
from project.language.values import ValueFacts
from project.place import Place
from project.routing.schemas import SETTINGS_BASES

MAX_DEPTH = 12
ENVIRONMENT = frozenset("os.getenv os.environ.get os.environ.setdefault os.environ.pop".split())
READERS = frozenset(
    "starlette.config.Config() decouple.config decouple.Config() decouple.AutoConfig() environ.Env() environ.Env().str "
    "environ.Env().list environs.Env() environs.Env().str environs.Env().list environs.Env().bool".split()
)
FIELDS = frozenset("pydantic.Field pydantic_settings.Field sqlmodel.Field dataclasses.field".split())
SPLITTERS = frozenset(("starlette.datastructures.CommaSeparatedStrings", "decouple.Csv"))
CONVERSIONS: dict[str, Callable[[Any], object]] = {
    "builtins.str": str,
    "builtins.int": int,
    "builtins.float": float,
    "builtins.bool": bool,
    "builtins.list": list,
    "pydantic.SecretStr": str,
    "starlette.datastructures.Secret": str,
    "starlette.datastructures.URL": str,
    "builtins.tuple": list,
    "builtins.set": list,
    "json.loads": json.loads,
}
TEXT_METHODS: dict[str, Callable[..., str]] = {
    "strip": str.strip,
    "rstrip": str.rstrip,
    "lstrip": str.lstrip,
    "lower": str.lower,
    "upper": str.upper,
}
TRUE_WORDS = frozenset("true 1 yes on t y".split())


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
            return self._either(expr, scope, depth)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, (ast.Add, ast.Mult)):
            return self._sum(expr, scope, depth)
        if isinstance(expr, ast.ListComp):
            return self._comprehension(expr, scope, depth)
        if isinstance(expr, ast.Compare):
            return self._comparison(expr, scope, depth)
        if isinstance(expr, ast.IfExp):
            test = self._is_set(expr.test, scope, depth)
            found = self.of(expr.body if test else expr.orelse, scope, depth + 1) if test is not None else None
            return replace(found, configurable=True) if found is not None else None
        return None

    def _is_set(self, test: ast.expr, scope: Scope, depth: int) -> bool | None:
        """By default, whether a test holds that asks if a text or list was configured; None for other tests."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            inner = self._is_set(test.operand, scope, depth)
            return None if inner is None else not inner
        asked, negative = test, False
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.ops[0], (ast.Is, ast.IsNot)):
            nothing = test.comparators[0]
            if not isinstance(nothing, ast.Constant) or nothing.value is not None:
                return None
            asked, negative = test.left, isinstance(test.ops[0], ast.Is)
        found = self.of(asked, scope, depth + 1)
        if found is not None and not (found.value is None or isinstance(found.value, (str, list))):
            return None
        if found is None and not self._reads_nothing(asked, scope):
            return None
        value = found.value if found is not None else None
        return (value is not None if asked is not test else bool(value)) is not negative

    def _reads_nothing(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an expression is a variable of the environment without a default, or a name for one."""
        if isinstance(expr, (ast.Name, ast.Attribute)):
            entity = self._names.resolve(expr, scope)
            bindings = entity.bindings if isinstance(entity, Variable) else []
            value = bindings[0].value if len(bindings) == 1 and bindings[0].kind == "assign" else None
            where = entity.scope if isinstance(entity, Variable) else scope
            return isinstance(value, ast.Call) and self._reads_nothing(value, where)
        return isinstance(expr, ast.Call) and self._is_read(expr, scope) and len(expr.args) + len(expr.keywords) == 1

    def _either(self, expr: ast.BoolOp, scope: Scope, depth: int) -> Default | None:
        """`os.getenv("A") or "b"`: the first part that is known; what stands before it may replace it."""
        for position, value in enumerate(expr.values):
            found = self.of(value, scope, depth + 1)
            if found is not None and found.value:
                before = any(self._is_read(part, scope) for part in expr.values[:position])
                return replace(found, configurable=found.configurable or before)
        *before_last, last = expr.values
        found = self.of(last, scope, depth + 1)
        if found is not None and all(self._is_read(part, scope) for part in before_last):
            return replace(found, configurable=True)
        return None

    def _is_read(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an expression reads the environment, with a default or without."""
        if isinstance(expr, ast.Subscript):
            return self._names.canonical(expr.value, scope) == "os.environ"
        return isinstance(expr, ast.Call) and self._names.canonical(expr.func, scope) in ENVIRONMENT

    def _sequence(self, expr: ast.List | ast.Tuple | ast.Set, scope: Scope, depth: int) -> Default | None:
        items: list[object] = []
        configurable = False
        for item in expr.elts:
            starred = isinstance(item, ast.Starred)
            found = self.of(item.value if isinstance(item, ast.Starred) else item, scope, depth + 1)
            if found is None or (starred and not isinstance(found.value, list)):
                return None
            items.extend(found.value if starred and isinstance(found.value, list) else [found.value])
            configurable = configurable or found.configurable
        return Default(items, scope.place(expr), configurable)

    def _sum(self, expr: ast.BinOp, scope: Scope, depth: int) -> Default | None:
        left, right = self.of(expr.left, scope, depth + 1), self.of(expr.right, scope, depth + 1)
        if left is None or right is None:
            return None
        configurable = left.configurable or right.configurable
        if isinstance(left.value, (int, float)) and isinstance(right.value, (int, float)):
            number = left.value * right.value if isinstance(expr.op, ast.Mult) else left.value + right.value
            return Default(number, left.place, configurable)
        if isinstance(expr.op, ast.Mult):
            return None
        if isinstance(left.value, str) and isinstance(right.value, str):
            return Default(left.value + right.value, left.place, configurable)
        if isinstance(left.value, list) and isinstance(right.value, list):
            return Default(left.value + right.value, left.place, configurable)
        return None

    def _comprehension(self, expr: ast.ListComp, scope: Scope, depth: int) -> Default | None:
        """`[x.strip() for x in KNOWN]`: the known list, items without blanks around."""
        only = expr.generators[0]
        if len(expr.generators) != 1 or not isinstance(only.target, ast.Name):
            return None
        element: ast.expr = expr.elt
        while isinstance(element, ast.Call):
            if isinstance(element.func, ast.Attribute) and element.func.attr in TEXT_METHODS:
                element = element.func.value
            elif len(element.args) == 1 and not element.keywords and isinstance(element.func, ast.Name):
                element = element.args[0]
            else:
                return None
        if not isinstance(element, ast.Name) or element.id != only.target.id:
            return None
        found = self.of(only.iter, scope, depth + 1)
        if found is None or not isinstance(found.value, list):
            return None
        return replace(found, value=[v.strip() if isinstance(v, str) else v for v in found.value])

    def _comparison(self, expr: ast.Compare, scope: Scope, depth: int) -> Default | None:
        """`os.getenv("DEBUG", "false").lower() == "true"`, also with `in (...)`."""
        if len(expr.ops) != 1:
            return None
        left, right = self.of(expr.left, scope, depth + 1), self.of(expr.comparators[0], scope, depth + 1)
        if left is None or right is None:
            return None
        operator = expr.ops[0]
        configurable = left.configurable or right.configurable
        if isinstance(operator, (ast.Eq, ast.NotEq)):
            return Default((left.value == right.value) == isinstance(operator, ast.Eq), left.place, configurable)
        if isinstance(operator, (ast.In, ast.NotIn)) and isinstance(right.value, list):
            return Default((left.value in right.value) == isinstance(operator, ast.In), left.place, configurable)
        return None

    # Names

    def _named(self, expr: ast.Name | ast.Attribute, scope: Scope, depth: int) -> Default | None:
        entity = self._names.resolve(expr, scope)
        if isinstance(entity, Variable):
            if isinstance(entity.scope, Function):
                return self._local(entity, expr, depth)
            return self._bound(entity.bindings, entity.scope, depth)
        if entity is not None or not isinstance(expr, ast.Attribute):
            return None
        for value in self._values.of(expr.value, scope):
            cls = value.cls if isinstance(value, Instance) else value
            if isinstance(cls, Class):
                found = self._attribute(cls, expr.attr, depth)
                if found is not None:
                    return found
        return None

    def _local(self, variable: Variable, expr: ast.expr, depth: int) -> Default | None:
        bindings = reaching(variable.scope, variable.name, expr)
        if any(b.kind != "assign" for b in variable.bindings):
            return None
        if len(bindings) == 2:
            bindings = self._branch(bindings, variable.scope, depth)
            found = self._bound(bindings, variable.scope, depth)
            return replace(found, configurable=True) if found is not None else None
        return self._bound(bindings, variable.scope, depth)

    def _branch(self, bindings: list[Binding], scope: Scope, depth: int) -> list[Binding]:
        """The one of two assignments that counts by default: `if CONFIGURED: x = ... else: x = ...`."""
        for holder in (h for b in bindings for h in [parent(b.node)] if isinstance(h, ast.If)):
            test = self._is_set(holder.test, scope, depth)
            if test is None or any(isinstance(h, (*LOOPS, ast.Try)) for h in parents(holder)):
                return []
            taken, left = (holder.body, holder.orelse) if test else (holder.orelse, holder.body)
            inside = [b for b in bindings if b.node in taken]
            return inside or [b for b in bindings if b.node not in left]
        return []

    def _attribute(self, cls: Class, name: str, depth: int) -> Default | None:
        for base in self._names.mro(cls):
            if not isinstance(base, Class):
                continue
            method = base.methods.get(name)
            if method is not None:
                return self._property(method, cls, depth)
            if name in base.bindings:
                return self._bound(base.bindings[name], base, depth)
            assigned = list(_assigned_in_init(base, name))
            if assigned:
                return self.of(assigned[0], base.methods["__init__"], depth + 1) if len(assigned) == 1 else None
        return None

    def _property(self, method: Function, cls: Class, depth: int) -> Default | None:
        returned = [r.value for r in method.all(ast.Return)]
        if len(returned) != 1 or not self._values.is_property(method):
            return None
        found = self.of(returned[0], method, depth + 1)
        return replace(found, configurable=True) if found is not None and self._is_settings(cls) else found

    def _bound(self, bindings: list[Binding], scope: Scope, depth: int) -> Default | None:
        if len(bindings) != 1 or bindings[0].kind != "assign" or bindings[0].index is not None:
            return None
        found = self.of(bindings[0].value, scope, depth + 1)
        return replace(found, configurable=True) if found is not None and self._is_settings(scope) else found

    def _is_settings(self, scope: Scope) -> bool:
        """Whether a class reads its fields from the environment."""
        return isinstance(scope, Class) and self._names.derives(scope, *SETTINGS_BASES)

    # Calls

    def _called(self, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        names = {v.dotted + "()" if isinstance(v, Instance) else v.dotted for v in self._values.of(call.func, scope)}
        if names & ENVIRONMENT or names & READERS:
            return self._read(call, scope, depth)
        if names & FIELDS:
            return self._field(call, scope, depth)
        for name in CONVERSIONS.keys() & names:
            return self._converted(name, call, scope, depth)
        if isinstance(call.func, ast.Attribute):
            return self._method(call, call.func, scope, depth)
        return None

    def _read(self, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        """A variable of the environment, by its default."""
        given = {k.arg: k.value for k in call.keywords}
        last = call.args[-1] if len(call.args) > 1 else None
        found = self.of(given.get("default", last), scope, depth + 1)
        if found is None:
            return None
        cast = self._names.canonical(given["cast"], scope) if "cast" in given else ""
        value = found.value
        if cast in SPLITTERS and isinstance(value, str):
            value = [part.strip() for part in value.split(",")]
        elif cast == "builtins.bool" and isinstance(value, str):
            value = value.lower() in TRUE_WORDS
        return Default(value, scope.place(call), True)

    def _field(self, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        given = {k.arg: k.value for k in call.keywords}
        factory = given.get("default_factory")
        if isinstance(factory, ast.Lambda):
            return self.of(factory.body, scope, depth + 1)
        return self.of(given.get("default", call.args[0] if call.args else None), scope, depth + 1)

    def _converted(self, name: str, call: ast.Call, scope: Scope, depth: int) -> Default | None:
        inner = self.of(call.args[0], scope, depth + 1) if len(call.args) == 1 else None
        if inner is None:
            return None
        try:
            value = CONVERSIONS[name](inner.value)
        except (TypeError, ValueError, OverflowError, RecursionError):
            return None
        return replace(inner, value=value)

    def _method(self, call: ast.Call, func: ast.Attribute, scope: Scope, depth: int) -> Default | None:
        """Methods of a known text: `split`, `strip`, `lower`; and the value of a `SecretStr`."""
        if func.attr not in TEXT_METHODS and func.attr not in ("split", "get_secret_value"):
            return None
        text = self.of(func.value, scope, depth + 1)
        if text is None or not isinstance(text.value, str):
            return None
        given = [self.of(a, scope, depth + 1) for a in call.args]
        by = given[0].value if given and given[0] is not None else None
        if given and not (isinstance(by, str) and by):
            return None
        if func.attr == "split":
            return replace(text, value=text.value.split(by if isinstance(by, str) else None))
        if func.attr == "get_secret_value":
            return text
        arguments = (by,) if by is not None and "strip" in func.attr else ()
        return replace(text, value=TEXT_METHODS[func.attr](text.value, *arguments))


def _assigned_in_init(cls: Class, name: str) -> Iterator[ast.expr]:
    """What `__init__` assigns to `self.name`."""
    init = cls.methods.get("__init__")
    if init is None or not init.params:
        return
    me = init.params[0][0].arg
    pairs: list[tuple[ast.expr, ast.expr | None]] = [(t, n.value) for n in init.all(ast.Assign) for t in n.targets]
    pairs += [(n.target, n.value) for n in init.all(ast.AnnAssign)]
    for target, value in pairs:
        own = isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == me
        if own and isinstance(target, ast.Attribute) and target.attr == name and value is not None:
            yield value
