"""How many items a loop goes over, as far as the code says: a fixed number, batches, what is configured."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING

from project.data import gates
from project.language.names import External, Variable
from project.language.scopes import LOOPS, Class, Function, Scope, parents, subtree
from project.language.value_types import Instance

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 4
_BATCHES = frozenset(
    "itertools.batched more_itertools.chunked more_itertools.batched more_itertools.ichunked "
    "toolz.partition_all".split()
)
_SAME_ITEMS = frozenset(
    "builtins.enumerate builtins.reversed builtins.sorted builtins.list builtins.tuple builtins.set "
    "builtins.zip tqdm.tqdm builtins.iter".split()
)
_GROWING = frozenset("append extend add update insert setdefault".split())
_ONE_MORE = frozenset("append add insert".split())
_CONFIGURATION = re.compile(r"_*(settings|config|conf|cfg|configuration)$", re.IGNORECASE)
# Parts of the program that a class or module keeps a few of.
_CODE_PARTS = re.compile(
    r"(handler|plugin|provider|backend|strateg(y|ie)|validator|hook|listener|adapter|checker|processor|middleware"
    r"|extension|driver|scheduler|observer|subscriber|notifier|loader|route)s$",
    re.IGNORECASE,
)


class Sizes:
    """Sizes of what loops go over."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def fixed(self, expr: ast.expr, scope: Scope, depth: int = 0) -> bool:
        """Whether a loop runs over something of fixed size, over batches, or over what is configured."""
        if isinstance(expr, (ast.List, ast.Tuple, ast.Set)):  # an empty one is filled somewhere
            return bool(expr.elts) and not any(isinstance(e, ast.Starred) for e in expr.elts)
        if isinstance(expr, ast.Dict):
            return bool(expr.keys) and None not in expr.keys
        if isinstance(expr, ast.Constant) or gates.is_short_slice(expr) or self._configured(expr, scope):
            return True
        if isinstance(expr, ast.Call):
            return self._call(expr, scope, depth)
        if isinstance(expr, (ast.Name, ast.Attribute)) and depth < MAX_DEPTH:
            return self._name(expr, scope, depth)
        return False

    def _configured(self, expr: ast.expr, scope: Scope) -> bool:
        """`settings.shops`, `config["shops"]`, `config.get("shops")`, `self._handlers`."""
        if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute):
            return expr.func.attr == "get" and _CONFIGURATION.match(_last(expr.func.value)) is not None
        if isinstance(expr, ast.Subscript):
            return _CONFIGURATION.match(_last(expr.value)) is not None
        if not isinstance(expr, ast.Attribute):
            return False
        return self._is_settings(expr.value, scope) or self._is_code_part(expr, scope)

    def _is_settings(self, expr: ast.expr, scope: Scope) -> bool:
        for value in self._project.values.of(expr, scope):
            schema = self._project.schemas.of(value.cls) if isinstance(value, Instance) else None
            if schema is not None and schema.is_settings:
                return True
        return False

    def _is_code_part(self, expr: ast.Attribute, scope: Scope) -> bool:
        """A list that an object of the program keeps (`self._handlers`, `app.routes`): no rows and no request body."""
        if not _CODE_PARTS.search(expr.attr) or not isinstance(expr.value, ast.Name):
            return False
        if expr.value.id in ("self", "cls"):
            owner = next((s for s in _outward(scope) if isinstance(s, Class)), None)
            return owner is not None and self._project.models.of(owner) is None and not self._is_schema(owner)
        return expr.value.id in ("app", "registry") or expr.value.id.isupper()

    def _is_schema(self, cls: Class) -> bool:
        return self._project.schemas.of(cls) is not None

    def _call(self, expr: ast.Call, scope: Scope, depth: int) -> bool:
        dotted = self._project.names.canonical(expr.func, scope) or ""
        if dotted == "builtins.range":
            return not any(map(_is_len, subtree(expr))) or len(expr.args) == 3
        if dotted in _BATCHES or dotted in ("builtins.vars", "typing.get_args"):
            return True
        if isinstance(expr.func, ast.Attribute) and expr.func.attr in ("model_dump", "dict"):
            return True
        if dotted in _SAME_ITEMS and expr.args:
            return self.fixed(expr.args[0], scope, depth + 1)
        if isinstance(expr.func, ast.Attribute) and expr.func.attr in ("items", "keys", "values") and not expr.args:
            return self.fixed(expr.func.value, scope, depth + 1)
        called = _last(expr.func).lower()
        entity = self._project.names.resolve(expr.func, scope)
        return "batch" in called or "chunk" in called or (isinstance(entity, Function) and _makes_batches(entity))

    def _name(self, expr: ast.Name | ast.Attribute, scope: Scope, depth: int) -> bool:
        entity = self._project.names.resolve(expr, scope)
        if isinstance(entity, Class):
            return any(
                isinstance(b, External) and b.dotted.startswith("enum.") for b in self._project.names.mro(entity)
            )
        if isinstance(entity, External):
            return entity.dotted.rsplit(".", 1)[-1].isupper()
        if isinstance(entity, Variable):
            values = [b.value for b in entity.bindings]
            if any(b.kind not in ("assign",) or b.index is not None for b in entity.bindings) or _grows(entity):
                return False
            return bool(values) and all(
                v is not None and (self.fixed(v, entity.scope, depth + 1) or _slices(v)) for v in values
            )
        return False


def _grows(variable: Variable) -> bool:
    """Whether a list display is added to afterwards, in a function more than once for each place that adds."""
    for scope in variable.scope.walk():
        for call in scope.all(ast.Call):
            if (
                isinstance(call.func, ast.Attribute)
                and call.func.attr in _GROWING
                and isinstance(call.func.value, ast.Name)
                and call.func.value.id == variable.name
                and not _adds_one(call, variable, scope)
            ):
                return True
        for item in scope.all(ast.Subscript):
            if isinstance(item.ctx, ast.Store) and isinstance(item.value, ast.Name) and item.value.id == variable.name:
                return True
    return False


def _adds_one(call: ast.Call, variable: Variable, scope: Scope) -> bool:
    """`chain.append(root)` outside every loop of the function that made the list."""
    return (
        isinstance(call.func, ast.Attribute)
        and call.func.attr in _ONE_MORE
        and scope is variable.scope
        and isinstance(scope, Function)
        and not any(isinstance(h, LOOPS) for h in parents(call))
    )


def _makes_batches(function: Function) -> bool:
    """A generator that yields slices."""
    yields = [y.value for y in function.all(ast.Yield)]
    return any(isinstance(v, ast.Subscript) and isinstance(v.slice, ast.Slice) for v in yields)


def _slices(expr: ast.expr) -> bool:
    """`[ids[i:i + 100] for i in ...]`."""
    return (
        isinstance(expr, ast.ListComp) and isinstance(expr.elt, ast.Subscript) and isinstance(expr.elt.slice, ast.Slice)
    )


def _is_len(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "len"


def _last(expr: ast.expr) -> str:
    return expr.attr if isinstance(expr, ast.Attribute) else expr.id if isinstance(expr, ast.Name) else ""


def _outward(scope: Scope) -> Iterator[Scope]:
    current: Scope | None = scope
    while current is not None:
        yield current
        current = current.parent
