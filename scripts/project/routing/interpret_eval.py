"""Expressions of router-building code, to values."""

from __future__ import annotations

import ast
from collections.abc import Callable

from project.language.scopes import Function
from project.routing.interpret_operators import MAX_ITEMS, Operators
from project.routing.interpret_values import (
    ATOMS,
    MAX_OPTIONS,
    MAX_TEXT,
    Cls,
    Env,
    Func,
    Maybe,
    Setting,
    Super,
    Unknown,
    Value,
    combine,
    default_truth,
    item_of,
    options_of,
    plain,
    text_of,
    truth,
)


class Expressions(Operators):
    """Evaluation of every kind of expression. What is not modelled is Unknown."""

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
        return handler(self, node, env)

    def eval_text(self, text: str, env: Env) -> Value:
        """The value of an annotation written as a string."""
        try:
            parsed = ast.parse(text.strip(), mode="eval").body
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            return Unknown(text[:80])
        return self.eval(parsed, env)

    def annotation(self, node: ast.expr, env: Env) -> Value:
        """The value of an annotation, strings read as the expression they hold."""
        value = self.eval(node, env)
        for _ in range(3):
            text = text_of(value)
            if text is None:
                break
            value = self.eval_text(text, env)
        return value

    def _attribute(self, node: ast.Attribute, env: Env) -> Value:
        return self.attribute(self.eval(node.value, env), node.attr)

    def _joined(self, node: ast.JoinedStr, env: Env) -> Value:
        """An f-string; one text for each value that a part may have."""
        texts = [""]
        for item in node.values:
            value: Value = item.value if isinstance(item, ast.Constant) else Unknown()
            if isinstance(item, ast.FormattedValue) and item.format_spec is None:
                value = plain(self.eval(item.value, env))
            parts = [t for o in options_of(value) if (t := self.as_text(o)) is not None]
            if not parts:
                return Unknown("f-string")
            texts = [text + part for text in texts for part in parts][:MAX_OPTIONS]
            if len(texts[0]) > MAX_TEXT:
                return Unknown("f-string")
        return combine(*texts)

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
        for key, value in zip(node.keys[:MAX_ITEMS], node.values, strict=False):
            if key is None:
                inner = plain(self.eval(value, env))
                if isinstance(inner, dict):
                    made.update(inner)
                continue
            made[self.key(self.eval(key, env))] = self.eval(value, env)
        return made

    def _subscript(self, node: ast.Subscript, env: Env) -> Value:
        base = self.eval(node.value, env)
        if isinstance(node.slice, ast.Slice):
            return self._slice(plain(base), node.slice, env)
        return self.subscript(base, self.eval(node.slice, env))

    def _binary(self, node: ast.BinOp, env: Env) -> Value:
        return self.binary(node.op, self.eval(node.left, env), self.eval(node.right, env))

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
        for op, right_node in zip(node.ops, node.comparators, strict=False):
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

    def _choose(self, node: ast.IfExp, env: Env) -> Value:
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
        """Defaults are values of the moment when the def runs; those of modules and classes wait until asked for."""
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
        if not self._loop(node, 0, inner, made, False):
            return item_of(self.eval(node.generators[0].iter, env))
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
        elif isinstance(target, ast.Subscript) and isinstance(target.slice, ast.Slice):
            base, found = plain(self.eval(target.value, env)), self.items(value)
            if isinstance(base, list) and found is not None and target.slice.lower is target.slice.upper is None:
                base[:] = found
        elif isinstance(target, ast.Subscript):
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
    ast.IfExp: Expressions._choose,
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
