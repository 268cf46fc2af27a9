"""Expressions of router-building code, to values."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Iterable

from project.interpret_machine import MAX_DEPTH, Machine
from project.interpret_values import (
    ATOMS,
    AnnotatedType,
    Choice,
    Cls,
    Env,
    Func,
    Generic,
    Inst,
    Made,
    Maybe,
    Member,
    ModuleValue,
    Native,
    PathValue,
    Setting,
    Super,
    UnionType,
    Unknown,
    Value,
    combine,
    default_truth,
    is_unknown,
    plain,
    same,
    text_of,
    truth,
)
from project.names import External
from project.scopes import Function

MAX_ITEMS = 3000
MAX_TEXT = 20_000
MAX_NESTING = 120

_BINARY: dict[type[ast.operator], Callable[[object, object], object]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.FloorDiv: operator.floordiv,
    ast.Div: operator.truediv,
    ast.Mod: operator.mod,
    ast.BitOr: operator.or_,
    ast.BitAnd: operator.and_,
}
_COMPARE: dict[type[ast.cmpop], Callable[[object, object], object]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
}


class Expressions(Machine):
    """Evaluation of every kind of expression. What is not modelled is Unknown."""

    nesting = 0

    def eval(self, node: ast.expr, env: Env) -> Value:
        cls = node.__class__
        if cls is ast.Name:
            return self.lookup(env, node.id)  # type: ignore[attr-defined]
        if cls is ast.Constant:
            return node.value  # type: ignore[attr-defined]
        handler = _EVAL.get(cls)
        if handler is None:
            return Unknown()
        self.steps += 1
        if self.steps > self.limit:
            self.step()
        if self.nesting > MAX_NESTING:
            return Unknown()
        self.nesting += 1
        try:
            return handler(self, node, env)
        finally:
            self.nesting -= 1

    def eval_text(self, text: str, env: Env) -> Value:
        """The value of an annotation written as a string."""
        try:
            parsed = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return Unknown(text[:80])
        return self.eval(parsed, env)

    def _attribute(self, node: ast.Attribute, env: Env) -> Value:
        return self.attribute(self.eval(node.value, env), node.attr)

    def _joined(self, node: ast.JoinedStr, env: Env) -> Value:
        parts: list[str] = []
        for item in node.values:
            if isinstance(item, ast.Constant):
                parts.append(str(item.value))
            elif isinstance(item, ast.FormattedValue):
                value = plain(self.eval(item.value, env))
                text = self.as_text(value)
                if text is None or item.format_spec is not None:
                    return Unknown("f-string")
                parts.append(repr(text) if item.conversion == 114 else text)
        text = "".join(parts)
        return text if len(text) <= MAX_TEXT else Unknown()

    def as_text(self, value: Value) -> str | None:
        """What `str(value)` gives, None when not known."""
        value = plain(value)
        if isinstance(value, Choice):
            return next((t for o in value.options if (t := self.as_text(o)) is not None), None)
        if isinstance(value, Member):
            mixed = any(b in ("enum.StrEnum", "builtins.str") for b in self.library_bases(value.cls))
            return text_of(value.value) if mixed else f"{value.cls.scope.name}.{value.name}"
        if isinstance(value, PathValue):
            return "/".join(value.parts)
        if isinstance(value, Inst) and isinstance(value.cls, Cls):
            found = self.class_variable(value.cls, "__str__")
            return text_of(self.call(self.bind(found[0], value, value.cls), [], {}, (value.cls.env, value.cls.scope.node))) if found else None
        return str(value) if isinstance(value, ATOMS) else None

    def _sequence(self, node: ast.List | ast.Tuple | ast.Set, env: Env) -> Value:
        items: list[Value] = []
        for item in node.elts[:MAX_ITEMS]:
            if isinstance(item, ast.Starred):
                inner = self.items(self.eval(item.value, env))
                items.extend(inner if inner is not None else [])
            else:
                items.append(self.eval(item, env))
        if isinstance(node, ast.Tuple):
            return tuple(items)
        return items

    def _dict(self, node: ast.Dict, env: Env) -> Value:
        made: dict[Value, Value] = {}
        for key, value in zip(node.keys[:MAX_ITEMS], node.values):
            if key is None:
                inner = plain(self.eval(value, env))
                if isinstance(inner, dict):
                    made.update(inner)
                continue
            made[self.key(self.eval(key, env))] = self.eval(value, env)
        return made

    def key(self, value: Value) -> Value:
        """A value as a dictionary key: atoms and tuples by equality, everything else by identity."""
        value = plain(value)
        if isinstance(value, Member) and any(b in ("enum.StrEnum", "builtins.str") for b in self.library_bases(value.cls)):
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
        if isinstance(value, (list, tuple)):
            return list(value[:MAX_ITEMS])
        if isinstance(value, (dict, set, frozenset)):
            return list(value)[:MAX_ITEMS]
        if isinstance(value, str):
            return list(value)[:MAX_ITEMS]
        if isinstance(value, range):
            return list(value[:MAX_ITEMS])
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
                return self.items(self.call(self.bind(found_iter[0], value, value.cls), [], {}, (value.cls.env, value.cls.scope.node)))
        return None

    def _subscript(self, node: ast.Subscript, env: Env) -> Value:
        base = self.eval(node.value, env)
        if isinstance(node.slice, ast.Slice):
            return self._slice(plain(base), node.slice, env)
        return self.subscript(base, self.eval(node.slice, env))

    def _slice(self, base: Value, node: ast.Slice, env: Env) -> Value:
        bounds = [plain(self.eval(b, env)) if b is not None else None for b in (node.lower, node.upper, node.step)]
        if isinstance(base, (str, list, tuple)) and all(b is None or isinstance(b, int) for b in bounds) and bounds[2] != 0:
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
            return base if isinstance(base, UnionType) else Generic(base, list(index) if isinstance(index, tuple) else [index])
        if isinstance(base, AnnotatedType):
            return base
        if isinstance(base, Unknown) and base.dotted == "os.environ":
            return Setting(Unknown(f"os.environ[{index!r}]"), str(index))
        if isinstance(base, Inst) and isinstance(base.cls, Cls):
            found_item = self.class_variable(base.cls, "__getitem__")
            if found_item is not None:
                return self.call(self.bind(found_item[0], base, base.cls), [index], {}, (base.cls.env, base.cls.scope.node))
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

    def _binary(self, node: ast.BinOp, env: Env) -> Value:
        return self.binary(node.op, self.eval(node.left, env), self.eval(node.right, env))

    def binary(self, op: ast.operator, left: Value, right: Value) -> Value:
        """Arithmetic on what is known; `A | B` of types."""
        a, b = plain(left), plain(right)
        if isinstance(a, Choice) or isinstance(b, Choice):
            return self._binary_choice(op, a, b)
        if isinstance(a, PathValue) and isinstance(op, ast.Div):
            part = self.as_text(b)
            return _join(a, part) if part is not None else Unknown()
        if isinstance(op, ast.BitOr) and (_is_type(a) or _is_type(b)) and not (isinstance(a, dict) or isinstance(b, dict)):
            return UnionType([*_union(a), *_union(b)])
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
        values = value if isinstance(value, tuple) else (value,)
        texts = [self.as_text(v) for v in values]
        if any(t is None for t in texts) or template.count("%s") != template.count("%") or template.count("%s") != len(texts):
            return Unknown()
        return template.replace("%s", "{}").format(*texts) if "{" not in template else Unknown()

    def _unary(self, node: ast.UnaryOp, env: Env) -> Value:
        value = self.eval(node.operand, env)
        if isinstance(node.op, ast.Not):
            known = truth(value)
            if known is not None:
                return not known
            default = default_truth(value)
            return Setting(not default, "") if default is not None else Unknown()
        number = plain(value)
        if isinstance(number, (int, float)):
            return -number if isinstance(node.op, ast.USub) else number if isinstance(node.op, ast.UAdd) else Unknown()
        return Unknown()

    def _bool(self, node: ast.BoolOp, env: Env) -> Value:
        """`and`, `or`: configuration is taken at its default but stays marked; an unknown operand leaves it open."""
        stop_at = isinstance(node.op, ast.Or)
        open_ended = False
        value: Value = None
        for i, operand in enumerate(node.values):
            value = self.eval(operand, env)
            known = truth(value)
            default = default_truth(value)
            if known is stop_at or i == len(node.values) - 1:
                break
            if known is None:
                open_ended = True
                if default is stop_at and stop_at:
                    break
        if not open_ended:
            return value
        bare = plain(value)
        return Setting(bare, "") if isinstance(bare, ATOMS) else value

    def _compare(self, node: ast.Compare, env: Env) -> Value:
        left = self.eval(node.left, env)
        result: Value = True
        configured = False
        for op, right_node in zip(node.ops, node.comparators):
            right = self.eval(right_node, env)
            answer = self._compare_pair(op, left, right)
            if answer is None:
                return Unknown()
            configured = configured or isinstance(left, (Setting, Maybe)) or isinstance(right, (Setting, Maybe))
            if not answer:
                result = False
                break
            left = right
        return Setting(result, "") if configured else result

    def _compare_pair(self, op: ast.cmpop, left: Value, right: Value) -> bool | None:
        a, b = plain(left), plain(right)
        if is_unknown(a) or is_unknown(b) or isinstance(a, Choice) or isinstance(b, Choice):
            return None
        if isinstance(op, (ast.Is, ast.IsNot)):
            answer = self._is(a, b)
            return answer if answer is None or isinstance(op, ast.Is) else not answer
        a, b = (plain(v.value) if isinstance(v, Member) and not isinstance(w, Member) else v for v, w in ((a, b), (b, a)))
        if isinstance(op, (ast.In, ast.NotIn)):
            found = self._contains(b, a)
            return found if found is None or isinstance(op, ast.In) else not found
        if isinstance(op, (ast.Eq, ast.NotEq)) and not (_comparable(a) and _comparable(b)):
            answer = True if same(a, b) else None if isinstance(a, (Made, External)) or isinstance(b, (Made, External)) else False
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
                return None if isinstance(other, Made) and truth(other) is None or isinstance(other, External) else False
        return None if isinstance(a, Made) or isinstance(b, Made) else False

    def _contains(self, container: Value, item: Value) -> bool | None:
        if isinstance(container, str):
            return item in container if isinstance(item, str) else None
        if isinstance(container, dict):
            return self.key(item) in container
        found = self.items(container)
        if found is None:
            return None
        if any(same(plain(f), item) for f in found):
            return True
        return None if any(is_unknown(f) or isinstance(f, (Maybe, Choice)) for f in found) else False

    def _if(self, node: ast.IfExp, env: Env) -> Value:
        test = self.eval(node.test, env)
        known = truth(test)
        if known is None:
            default = default_truth(test)
            if default is not None:
                chosen = self.eval(node.body if default else node.orelse, env)
                if isinstance(chosen, ATOMS):
                    return Setting(chosen, "")
            return combine(self.eval(node.body, env), self.eval(node.orelse, env))
        return self.eval(node.body if known else node.orelse, env)

    def _call(self, node: ast.Call, env: Env) -> Value:
        if isinstance(node.func, ast.Name) and node.func.id == "super":
            return self._super(node, env)
        func = self.eval(node.func, env)
        self.seen.add(id(node))
        args: list[Value] = []
        for arg in node.args:
            if isinstance(arg, ast.Starred):
                args.extend(self.items(self.eval(arg.value, env)) or [])
            else:
                args.append(self.eval(arg, env))
        kwargs: dict[str, Value] = {}
        for keyword in node.keywords:
            value = self.eval(keyword.value, env)
            if keyword.arg is not None:
                kwargs[keyword.arg] = value
            elif isinstance(plain(value), dict):
                kwargs.update({k: v for k, v in plain(value).items() if isinstance(k, str)})  # type: ignore[attr-defined]
        return self.call(func, args, kwargs, (env, node))

    def _super(self, node: ast.Call, env: Env) -> Value:
        current: Env | None = env
        while current is not None and not (current.owner is not None and isinstance(current.scope, Function)):
            current = current.parent
        if len(node.args) == 2:
            owner, receiver = (self.eval(a, env) for a in node.args)
            return Super(owner, receiver) if isinstance(owner, Cls) else Unknown("super()")
        if current is None or current.owner is None:
            return Unknown("super()")
        params = current.scope.params if isinstance(current.scope, Function) else []
        return Super(current.owner, current.vars.get(params[0][0].arg) if params else None)

    def _lambda(self, node: ast.Lambda, env: Env) -> Value:
        func = Func(node.scope, env)  # type: ignore[attr-defined]
        self.bind_defaults(func)
        return func

    def bind_defaults(self, func: Func) -> None:
        """Defaults are values of the moment when the def runs; those of modules and classes wait until they are asked for."""
        if isinstance(func.env.scope, Function):
            self.defaults(func)

    def defaults(self, func: Func) -> dict[str, Value]:
        if func.defaults is None:
            func.defaults = {}
            for arg, default in func.function.params:
                if default is not None:
                    func.defaults[arg.arg] = self.eval(default, func.env)
        return func.defaults

    def _comprehension(self, node: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp, env: Env) -> Value:
        inner = Env(env.scope, env)
        inner.owner = env.owner
        made: list[tuple[Value, Value]] = []
        complete = self._loop(node, 0, inner, made, False)
        if not complete:
            return Unknown()
        if isinstance(node, ast.DictComp):
            return {self.key(k): v for k, v in made}
        return [v for _, v in made]

    def _loop(self, node: ast.expr, level: int, env: Env, made: list[tuple[Value, Value]], maybe: bool) -> bool:
        generators: list[ast.comprehension] = node.generators  # type: ignore[attr-defined]
        if level == len(generators):
            if isinstance(node, ast.DictComp):
                made.append((self.eval(node.key, env), self.eval(node.value, env)))
            else:
                value = self.eval(node.elt, env)  # type: ignore[attr-defined]
                made.append((None, Maybe(value) if maybe else value))
            return len(made) <= MAX_ITEMS
        generator = generators[level]
        found = self.items(self.eval(generator.iter, env.parent if level == 0 and env.parent else env))
        if found is None:
            return False
        for item in found:
            self.step()
            self.assign(generator.target, plain(item), env)
            tests = [truth(self.eval(test, env)) for test in generator.ifs]
            if False in tests:
                continue
            if not self._loop(node, level + 1, env, made, maybe or None in tests or isinstance(item, Maybe)):
                return False
        return True

    def assign(self, target: ast.expr, value: Value, env: Env) -> None:
        """Give a name, attribute, item or several of them a value."""
        if isinstance(target, ast.Name):
            home = env.elsewhere.get(target.id, env)
            home.vars[target.id] = value
        elif isinstance(target, (ast.Tuple, ast.List)):
            self._unpack(target.elts, plain(value), env)
        elif isinstance(target, ast.Starred):
            self.assign(target.value, value, env)
        elif isinstance(target, ast.Attribute):
            self.set_attribute(self.eval(target.value, env), target.attr, value)
        elif isinstance(target, ast.Subscript) and not isinstance(target.slice, ast.Slice):
            self._set_item(plain(self.eval(target.value, env)), self.eval(target.slice, env), value)

    def _unpack(self, targets: list[ast.expr], value: Value, env: Env) -> None:
        found = self.items(value) if not isinstance(value, str) else None
        star = next((i for i, t in enumerate(targets) if isinstance(t, ast.Starred)), None)
        if found is not None and star is not None and len(found) >= len(targets) - 1:
            after = len(targets) - star - 1
            end = len(found) - after
            found = [*found[:star], found[star:end], *found[end:]]
        for i, target in enumerate(targets):
            self.assign(target, found[i] if found is not None and i < len(found) else Unknown(), env)

    def _set_item(self, base: Value, index: Value, value: Value) -> None:
        if isinstance(base, dict) and len(base) < MAX_ITEMS:
            base[self.key(index)] = value
        elif isinstance(base, list) and isinstance(plain(index), int):
            position = plain(index)
            if isinstance(position, int) and -len(base) <= position < len(base):
                base[position] = value

    def _named(self, node: ast.NamedExpr, env: Env) -> Value:
        value = self.eval(node.value, env)
        self.assign(node.target, value, env)
        return value

    def _await(self, node: ast.Await, env: Env) -> Value:
        return self.eval(node.value, env)

    def _yield(self, node: ast.Yield, env: Env) -> Value:
        value = self.eval(node.value, env) if node.value is not None else None
        if env.yields is not None:
            env.yields.append(Maybe(value) if self.conditional else value)
        return Unknown()

    def _yield_from(self, node: ast.YieldFrom, env: Env) -> Value:
        found = self.items(self.eval(node.value, env))
        if env.yields is not None:
            env.yields.extend(found or [])
        return Unknown()


_MISSING = object()
_EVAL: dict[type[ast.AST], Callable[..., Value]] = {
    ast.Attribute: Expressions._attribute,
    ast.JoinedStr: Expressions._joined,
    ast.List: Expressions._sequence,
    ast.Tuple: Expressions._sequence,
    ast.Set: Expressions._sequence,
    ast.Dict: Expressions._dict,
    ast.Subscript: Expressions._subscript,
    ast.BinOp: Expressions._binary,
    ast.UnaryOp: Expressions._unary,
    ast.BoolOp: Expressions._bool,
    ast.Compare: Expressions._compare,
    ast.IfExp: Expressions._if,
    ast.Call: Expressions._call,
    ast.Lambda: Expressions._lambda,
    ast.ListComp: Expressions._comprehension,
    ast.SetComp: Expressions._comprehension,
    ast.GeneratorExp: Expressions._comprehension,
    ast.DictComp: Expressions._comprehension,
    ast.NamedExpr: Expressions._named,
    ast.Await: Expressions._await,
    ast.Yield: Expressions._yield,
    ast.YieldFrom: Expressions._yield_from,
}


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
        if not isinstance(value, (str, int, float, list, tuple, dict, set)) or isinstance(value, int) and abs(value) > 1 << 62:
            return False
    if isinstance(op, ast.Mult):
        return isinstance(a, (int, float)) and isinstance(b, (int, float)) or any(isinstance(v, int) and v <= 100 for v in (a, b)) and all(
            isinstance(v, int) or hasattr(v, "__len__") and len(v) <= 100 for v in (a, b)
        )
    return not isinstance(op, ast.Add) or all(not hasattr(v, "__len__") or len(v) <= MAX_TEXT for v in (a, b))


