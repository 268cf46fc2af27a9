"""Operators on values: items, keys, subscripts, arithmetic, comparison."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable
from itertools import islice

from project.language.names import External
from project.routing.interpret_attributes import Attributes
from project.routing.interpret_values import (
    ATOMS,
    MAX_TEXT,
    AnnotatedType,
    Choice,
    Cls,
    Env,
    Generic,
    Inst,
    Made,
    Maybe,
    Member,
    PathValue,
    Setting,
    UnionType,
    Unknown,
    Value,
    combine,
    is_unknown,
    item_of,
    plain,
    same,
    text_of,
    truth,
)

MAX_ITEMS = 3000

_BINARY: dict[type[ast.operator], Callable[..., object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_COMPARE: dict[type[ast.cmpop], Callable[..., object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


_MISSING = object()


class Operators(Attributes):
    """What operators give; Unknown where the operands are not known well enough."""

    def as_text(self, value: Value) -> str | None:
        """What `str(value)` gives, None when not known."""
        value = plain(value)
        if isinstance(value, Member):
            mixed = any(b in ("enum.StrEnum", "builtins.str") for b in self.library_bases(value.cls))
            return text_of(value.value) if mixed else f"{value.cls.scope.name}.{value.name}"
        if isinstance(value, PathValue):
            return "/".join(value.parts)
        if isinstance(value, Inst) and isinstance(value.cls, Cls):
            found = self.class_variable(value.cls, "__str__")
            return (
                text_of(self.call(self.bind(found[0], value, value.cls), [], {}, (value.cls.env, value.cls.scope.node)))
                if found
                else None
            )
        return str(value) if isinstance(value, ATOMS) else None

    def key(self, value: Value) -> Value:
        """A value as a dictionary key: atoms and tuples by equality, everything else by identity."""
        value = plain(value)
        if isinstance(value, Member) and any(
            b in ("enum.StrEnum", "builtins.str") for b in self.library_bases(value.cls)
        ):
            value = plain(value.value)
        if isinstance(value, tuple):
            return tuple(self.key(v) for v in value)
        try:
            hash(value)
        except TypeError:
            return id(value)
        return value

    def items(self, value: Value) -> list[Value] | None:
        """What iterating over a value yields, None when not known."""
        value = plain(value)
        if isinstance(value, (list, tuple, str, range, dict)):
            return list(islice(value, MAX_ITEMS))
        if isinstance(value, Choice):
            found = [i for o in value.options if o is not None for i in self.items(o) or []]
            return [Maybe(i) for i in found] if found else None
        if isinstance(value, Cls) and any(b.startswith("enum.") for b in self.library_bases(value)):
            if not value.ready:
                self.run_class_body(value)
            return [v for v in value.body.vars.values() if isinstance(v, Member)]
        if isinstance(value, Inst) and isinstance(value.cls, Cls):
            found_iter = self.class_variable(value.cls, "__iter__")
            if found_iter is not None:
                return self.items(
                    self.call(self.bind(found_iter[0], value, value.cls), [], {}, (value.cls.env, value.cls.scope.node))
                )
        return None

    def _slice(self, base: Value, node: ast.Slice, env: Env) -> Value:
        parts = (node.lower, node.upper, node.step)
        values = [plain(self.eval(b, env)) if b is not None else None for b in parts]
        bounds = [b for b in values if b is None or isinstance(b, int)]
        if isinstance(base, (str, list, tuple)) and len(bounds) == 3 and bounds[2] != 0:
            return base[slice(*bounds)]
        return Unknown()

    def subscript(self, base: Value, index: Value) -> Value:
        """`base[index]`, types and generic aliases included."""
        if isinstance(base, (External, Cls)):
            return self._type_subscript(base, index)
        base, index = plain(base), plain(index)
        if isinstance(base, dict):
            key = self.key(index)
            found = base.get(key, _MISSING)
            if found is not _MISSING:
                return found
            return combine(*base.values()) if is_unknown(index) and 0 < len(base) <= 20 else Unknown()
        if isinstance(base, (list, tuple, str)):
            if isinstance(index, int) and -len(base) <= index < len(base):
                return base[index]
            return Unknown()
        if isinstance(base, Choice):
            return combine(*[self.subscript(o, index) for o in base.options if o is not None])
        if isinstance(base, (Generic, UnionType)):
            return (
                base
                if isinstance(base, UnionType)
                else Generic(base, list(index) if isinstance(index, tuple) else [index])
            )
        if isinstance(base, AnnotatedType):
            return base
        if isinstance(base, Unknown) and base.dotted == "os.environ":
            return Setting(Unknown(f"os.environ[{index!r}]"), str(index))
        if isinstance(base, Inst) and isinstance(base.cls, Cls):
            found_item = self.class_variable(base.cls, "__getitem__")
            if found_item is not None:
                return self.call(
                    self.bind(found_item[0], base, base.cls), [index], {}, (base.cls.env, base.cls.scope.node)
                )
        return Unknown()

    def _type_subscript(self, base: External | Cls, index: Value) -> Value:
        if isinstance(base, External):
            if base.dotted == "typing.Annotated":
                parts = list(index) if isinstance(index, tuple) else [index]
                inner = parts[0] if parts else Unknown()
                outer = inner.metadata if isinstance(inner, AnnotatedType) else []
                return AnnotatedType(inner.type if isinstance(inner, AnnotatedType) else inner, [*outer, *parts[1:]])
            if base.dotted == "os.environ":
                return Setting(Unknown(f"os.environ[{index!r}]"), str(index))
        if isinstance(base, Cls) and any(b.startswith("enum.") for b in self.library_bases(base)):
            return self.attribute(base, index) if isinstance(index, str) else Unknown()
        if isinstance(base, Cls):
            getter = self.class_variable(base, "__class_getitem__")
            if getter is not None:
                found = self.call(self.bind(getter[0], None, base), [index], {}, (base.env, base.scope.node))
                if isinstance(found, (Cls, AnnotatedType)):
                    return found
        return Generic(base, list(index) if isinstance(index, tuple) else [index])

    def binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        """Arithmetic on what is known; `A | B` of types."""
        a, b = plain(left), plain(right)
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self._binary_choice(op, a, b)
        if isinstance(a, PathValue) and isinstance(op, ast.Div):
            part = self.as_text(b)
            return _join(a, part) if part is not None else Unknown()
        if (
            isinstance(op, ast.BitOr)
            and (_is_type(a) or _is_type(b))
            and not (isinstance(a, dict) or isinstance(b, dict))
        ):
            return UnionType([*_union(a), *_union(b)])
        if isinstance(op, ast.Add) and isinstance(a, (list, tuple)) and isinstance(b, (Unknown, Made)):
            return [*a, Maybe(item_of(b))]
        a, b = (plain(v.value) if isinstance(v, Member) else v for v in (a, b))
        if isinstance(op, ast.Mod) and isinstance(a, str):
            return self._percent(a, b)
        run = _BINARY.get(type(op))
        if run is None or not _small(op, a, b):
            return Unknown()
        try:
            return run(a, b)
        except (TypeError, ValueError, ZeroDivisionError, OverflowError):
            return Unknown()

    def _binary_choice(self, op: ast.operator, a: Value, b: Value) -> Value:
        lefts = a.options if isinstance(a, Choice) else [a]
        rights = b.options if isinstance(b, Choice) else [b]
        return combine(*[self.binary(op, x, y) for x in lefts[:4] for y in rights[:4]])

    def _percent(self, template: str, value: Value) -> Value:
        """`template % values` with nothing but `%s` in it."""
        texts = [self.as_text(v) for v in (value if isinstance(value, tuple) else (value,))]
        pieces = template.split("%s")
        known = [t for t in texts if t is not None]
        if len(known) != len(texts) or template.count("%") != len(texts) or len(pieces) != len(texts) + 1:
            return Unknown("%")
        whole = pieces[0] + "".join(t + piece for t, piece in zip(known, pieces[1:], strict=True))
        return whole if len(whole) <= MAX_TEXT else Unknown("%")

    def _compare_pair(self, op: ast.cmpop, left: Value, right: Value) -> bool | None:
        a, b = plain(left), plain(right)
        if is_unknown(a) or is_unknown(b) or isinstance(a, Choice) or isinstance(b, Choice):
            return None
        if isinstance(op, (ast.Is, ast.IsNot)):
            answer = self._is(a, b)
            return answer if answer is None or isinstance(op, ast.Is) else not answer
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self._contains(b, a)
            return found if found is None or isinstance(op, ast.In) else not found
        a, b = (
            plain(v.value) if isinstance(v, Member) and not isinstance(w, Member) else v for v, w in ((a, b), (b, a))
        )
        if isinstance(op, (ast.Eq, ast.NotEq)) and not (_comparable(a) and _comparable(b)):
            answer = (
                True
                if same(a, b)
                else None
                if isinstance(a, (Made, External)) or isinstance(b, (Made, External))
                else False
            )
            return answer if answer is None or isinstance(op, ast.Eq) else not answer
        if not (_comparable(a) and _comparable(b)):
            return None
        try:
            return bool(_COMPARE[type(op)](a, b))
        except (TypeError, KeyError, RecursionError):
            return None

    def _is(self, a: Value, b: Value) -> bool | None:
        if same(a, b):
            return True
        for one, other in ((a, b), (b, a)):
            if one is None:
                return (
                    None if (isinstance(other, Made) and truth(other) is None) or isinstance(other, External) else False
                )
        return None if isinstance(a, Made) or isinstance(b, Made) else False

    def _contains(self, container: Value, item: Value) -> bool | None:
        value = plain(item.value) if isinstance(item, Member) else item
        if isinstance(container, str):
            return value in container if isinstance(value, str) else None
        if isinstance(container, dict):
            return self.key(item) in container
        found = self.items(container)
        if found is None:
            return None
        answers = {self._compare_pair(ast.Eq(), f, item) for f in found}
        if True in answers:
            return True
        return None if None in answers or any(isinstance(f, (Maybe, Choice)) for f in found) else False


def _comparable(value: Value) -> bool:
    if isinstance(value, (list, tuple, set, frozenset)):
        return all(_comparable(v) for v in value)
    if isinstance(value, dict):
        return all(_comparable(v) for v in value.values())
    return isinstance(value, ATOMS)


def _is_type(value: Value) -> bool:
    return isinstance(value, (Cls, External, Generic, UnionType, AnnotatedType))


def _union(value: Value) -> Iterable[Value]:
    return value.options if isinstance(value, UnionType) else [value]


def _join(path: PathValue, part: str) -> PathValue:
    parts = list(path.parts)
    for piece in part.split("/"):
        if piece == "..":
            parts = parts[:-1]
        elif piece not in ("", "."):
            parts.append(piece)
    return PathValue(tuple(parts))


def _small(op: ast.operator, a: Value, b: Value) -> bool:
    """Whether an operation is on plain values and cannot grow beyond bounds."""
    for value in (a, b):
        if not isinstance(value, (str, int, float, list, tuple, dict, set)) or (
            isinstance(value, int) and abs(value) > 1 << 62
        ):
            return False
    if isinstance(op, ast.Mult):
        return (isinstance(a, (int, float)) and isinstance(b, (int, float))) or (
            any(isinstance(v, int) and v <= 100 for v in (a, b))
            and all(isinstance(v, int) or (hasattr(v, "__len__") and len(v) <= 100) for v in (a, b))
        )
    return not isinstance(op, ast.Add) or all(not hasattr(v, "__len__") or len(v) <= MAX_TEXT for v in (a, b))
