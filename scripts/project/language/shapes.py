"""Type annotations taken apart: unions flat, aliases and strings followed, `Annotated` unwrapped but remembered."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from project.language.names import Entity, External, Names, Variable
from project.language.scopes import Class, Scope
from project.language.values import ValueFacts

MAX_DEPTH = 16
UNION, NONE, ANY, LITERAL = "typing.Union", "builtins.None", "typing.Any", "typing.Literal"

_LISTS = (
    "List Sequence MutableSequence Iterable Collection Iterator Generator AsyncIterator AsyncGenerator AsyncIterable"
)
_PLAIN = {
    **{f"typing.{n}": f"collections.abc.{n}" for n in _LISTS.split() if n != "List"},
    **{f"typing.{n}": "collections.abc.Mapping" for n in ("Mapping", "MutableMapping")},
    "typing.List": "builtins.list",
    "typing.Dict": "builtins.dict",
    "typing.DefaultDict": "collections.defaultdict",
    "typing.OrderedDict": "collections.OrderedDict",
    "typing.Set": "builtins.set",
    "typing.AbstractSet": "builtins.set",
    "typing.FrozenSet": "builtins.frozenset",
    "typing.Tuple": "builtins.tuple",
    "typing.Deque": "collections.deque",
    "typing.Type": "builtins.type",
    "typing.Text": "builtins.str",
}
SEQUENCES = frozenset(
    "builtins.list builtins.set builtins.frozenset builtins.tuple collections.deque collections.abc.Sequence "
    "collections.abc.MutableSequence collections.abc.Set".split()
)
MAPPINGS = frozenset(
    "builtins.dict collections.abc.Mapping collections.defaultdict collections.OrderedDict collections.Counter".split()
)
_WRAPPERS = frozenset("typing.ClassVar typing.Final typing.Required typing.NotRequired typing.ReadOnly".split())


@dataclass(frozen=True, slots=True)
class Shape:
    """One annotation. `head` is a class, a library name or None (unknown); a union has head `typing.Union`.

    `metadata` are the further items of `Annotated[...]`, each with the scope it stands in.
    """

    head: Entity | None
    args: tuple[Shape, ...] = ()
    metadata: tuple[tuple[ast.expr, Scope], ...] = ()

    @property
    def dotted(self) -> str:
        return self.head.dotted if self.head is not None else ""

    @property
    def cls(self) -> Class | None:
        return self.head if isinstance(self.head, Class) else None

    @property
    def options(self) -> tuple[Shape, ...]:
        """Members of a union without None; the shape itself when it is none."""
        if self.dotted != UNION:
            return (self,)
        return tuple(option for option in self.args if option.dotted != NONE)

    @property
    def optional(self) -> bool:
        """Whether None is one of the alternatives."""
        return self.dotted == NONE or (self.dotted == UNION and any(a.dotted == NONE for a in self.args))

    def walk(self) -> Iterator[Shape]:
        """This shape and everything it is made of."""
        stack = [self]
        while stack:
            shape = stack.pop()
            yield shape
            stack.extend(reversed(shape.args))

    def classes(self) -> list[Class]:
        """Project classes it mentions, in order."""
        return [shape.head for shape in self.walk() if isinstance(shape.head, Class)]


UNKNOWN = Shape(None)


def plain_name(name: External) -> External:
    """One spelling for `typing.List` and `list`, `typing.Mapping` and `collections.abc.Mapping`."""
    return External(_PLAIN.get(name.dotted, name.dotted))


class Shapes:
    """Shapes of annotations, each worked out once."""

    def __init__(self, names: Names, values: ValueFacts) -> None:
        self._names = names
        self._values = values
        self._known: dict[int, Shape] = {}

    def of(self, expr: ast.expr | None, scope: Scope) -> Shape:
        """The annotation `expr` that stands in `scope`; `UNKNOWN` without one."""
        if expr is None:
            return UNKNOWN
        key = id(expr)
        if key not in self._known:
            self._known[key] = self._shape(expr, scope, 0)
        return self._known[key]

    def _shape(self, expr: ast.expr | None, scope: Scope, depth: int) -> Shape:
        if expr is None or depth > MAX_DEPTH:
            return UNKNOWN
        if isinstance(expr, ast.Constant):
            if expr.value is None:
                return Shape(External(NONE))
            parsed = self._values.parsed(expr) if isinstance(expr.value, str) else None
            return self._shape(parsed, scope, depth + 1)
        if isinstance(expr, ast.BinOp) and isinstance(expr.op, ast.BitOr):
            return self._union([expr.left, expr.right], scope, depth)
        if isinstance(expr, ast.Subscript):
            return self._generic(expr, scope, depth)
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._named(self._resolve(expr, scope), depth)
        return UNKNOWN

    def _resolve(self, expr: ast.expr, scope: Scope) -> Entity | None:
        """A name in a class body means the outer one when the class binds it to a field (`date: date | None`)."""
        entity = self._names.resolve(expr, scope)
        if isinstance(entity, Variable) and entity.scope is scope and isinstance(scope, Class) and scope.parent:
            return self._names.resolve(expr, scope.parent)
        return entity

    def _named(self, entity: Entity | None, depth: int) -> Shape:
        if isinstance(entity, Variable):
            return self._alias(entity, depth)
        return Shape(plain_name(entity) if isinstance(entity, External) else entity)

    def _alias(self, variable: Variable, depth: int) -> Shape:
        binding = variable.bindings[-1] if variable.bindings else None
        if binding is None or binding.kind != "assign" or binding.index is not None:
            return UNKNOWN
        value = binding.value
        if isinstance(value, ast.Call):
            called = self._names.canonical(value.func, variable.scope)
            if called == "typing.NewType" and len(value.args) == 2:
                return self._shape(value.args[1], variable.scope, depth + 1)
            return Shape(variable)
        if isinstance(value, (ast.Name, ast.Attribute, ast.Subscript, ast.BinOp)):
            return self._shape(value, variable.scope, depth + 1)
        return Shape(variable)

    def _union(self, parts: list[ast.expr], scope: Scope, depth: int) -> Shape:
        members: list[Shape] = []
        for part in parts:
            shape = self._shape(part, scope, depth + 1)
            members.extend(shape.args if shape.dotted == UNION and not shape.metadata else [shape])
        return Shape(External(UNION), tuple(members))

    def _generic(self, expr: ast.Subscript, scope: Scope, depth: int) -> Shape:
        items = list(expr.slice.elts) if isinstance(expr.slice, ast.Tuple) else [expr.slice]
        head = self._shape(expr.value, scope, depth + 1)
        dotted = head.dotted
        if dotted == "typing.Annotated" and items:
            inner = self._shape(items[0], scope, depth + 1)
            return Shape(inner.head, inner.args, (*inner.metadata, *((item, scope) for item in items[1:])))
        if dotted == "typing.Optional":
            return self._union([*items, ast.Constant(None)], scope, depth)
        if dotted == UNION:
            return self._union(items, scope, depth)
        if dotted in _WRAPPERS and items:
            inner = self._shape(items[0], scope, depth + 1)
            return Shape(inner.head, inner.args, inner.metadata) if dotted != "typing.ClassVar" else head
        if dotted == LITERAL:
            return head
        if head.args:
            return head
        return Shape(head.head, tuple(self._shape(item, scope, depth + 1) for item in items))
