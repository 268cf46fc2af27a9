"""A small abstract interpreter of router-building code: module top levels in import order, and what they call.

It runs nothing of the reviewed project. Conditions that cannot be decided take both branches (what they register is
marked conditional), loops over unknown things run once, and every step counts against a budget.
"""

from __future__ import annotations

import ast
from collections.abc import Callable

from project.language.scopes import Class, absolute, subtree
from project.routing.interpret_imports import Imports
from project.routing.interpret_values import (
    Choice,
    Cls,
    Env,
    Inst,
    Maybe,
    Setting,
    Unknown,
    Value,
    combine,
    default_truth,
    is_unknown,
    item_of,
    plain,
    truth,
)

ITERATIONS = 2000
WHILE_TURNS = 8
_GONE = ("return", "raise", "break", "continue")
_ENDS = {ast.Raise: "raise", ast.Break: "break", ast.Continue: "continue"}


class Interpreter(Imports):
    """Runs statements. A run of statements ends with "" or with return, raise, break, continue."""

    def run_body(self, body: list[ast.stmt], env: Env) -> str:
        for statement in body:
            ended = self.run(statement, env)
            if ended in _GONE:
                return ended
        return ""

    def run(self, node: ast.stmt, env: Env) -> str:
        self.step()
        handler = _RUN.get(node.__class__)
        return handler(self, node, env) or "" if handler is not None else _ENDS.get(node.__class__, "")

    def _expr(self, node: ast.Expr, env: Env) -> None:
        if not isinstance(node.value, ast.Constant):
            self.eval(node.value, env)

    def _assign(self, node: ast.Assign, env: Env) -> None:
        value = self.eval(node.value, env)
        for target in node.targets:
            self.assign(target, value, env)

    def _annotated(self, node: ast.AnnAssign, env: Env) -> None:
        if node.value is not None:
            self.assign(node.target, self.eval(node.value, env), env)

    def _augmented(self, node: ast.AugAssign, env: Env) -> None:
        value = self.eval(node.value, env)
        current = plain(self.eval(node.target, env))
        if isinstance(current, list) and isinstance(node.op, ast.Add):
            added = self.items(value) or []
            current.extend([Maybe(v) for v in added] if self.conditional else added)
        elif isinstance(current, dict) and isinstance(plain(value), dict):
            current.update(plain(value))  # type: ignore[call-overload]
        else:
            self.assign(node.target, self.binary(node.op, current, value), env)

    def _type_alias(self, node: ast.stmt, env: Env) -> None:
        self.assign(node.name, self.eval(node.value, env), env)  # type: ignore[attr-defined]

    def _return(self, node: ast.Return, env: Env) -> str:
        env.returns.append(self.eval(node.value, env) if node.value is not None else None)
        return "return"

    def _delete(self, node: ast.Delete, env: Env) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                env.vars.pop(target.id, None)
            elif isinstance(target, ast.Subscript):
                base = plain(self.eval(target.value, env))
                if (
                    isinstance(base, list)
                    and isinstance(target.slice, ast.Slice)
                    and target.slice.lower is None
                    and target.slice.upper is None
                ):
                    base.clear()
                elif isinstance(base, dict):
                    base.pop(self.key(self.eval(target.slice, env)), None)

    def _global(self, node: ast.Global, env: Env) -> None:
        env.elsewhere.update(dict.fromkeys(node.names, env.module))

    def _nonlocal(self, node: ast.Nonlocal, env: Env) -> None:
        for name in node.names:
            current = env.parent
            while current is not None and name not in current.vars:
                current = current.parent
            if current is not None:
                env.elsewhere[name] = current

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, env: Env) -> None:
        func = self.make_method(node.scope, env)  # type: ignore[union-attr]
        if env is env.module:
            self.functions[id(func.function)] = func
        value = self.decorate(func, node.decorator_list, env) if node.decorator_list else func
        if isinstance(node.decorator_list, list) and any(_is_overload(d) for d in node.decorator_list):
            return
        env.elsewhere.get(node.name, env).vars[node.name] = value

    def _class(self, node: ast.ClassDef, env: Env) -> None:
        scope: Class = node.scope  # type: ignore[attr-defined]
        known = self.classes.get(id(scope)) if env is env.module else None
        cls = known if known is not None else self.make_class(scope, env)
        env.vars[node.name] = cls
        watched = self.made_class(cls, (env, node))
        if watched or env is not env.module or _registers(node):
            self.run_class_body(cls)
        env.vars[node.name] = self.decorate(cls, node.decorator_list, env) if node.decorator_list else cls

    def _if(self, node: ast.If, env: Env) -> str:
        test = self.eval(node.test, env)
        known = truth(test)
        if known is not None:
            return self.run_body(node.body if known else node.orelse, env)
        default = default_truth(test)
        before = dict(env.vars)
        first = self._branch(node.body, env)
        after = dict(env.vars)
        _restore(env, before)
        second = self._branch(node.orelse, env)
        return self._join(env, after, first, second, default)

    def _branch(self, body: list[ast.stmt], env: Env) -> str:
        self.conditional += 1
        self.branches += 1
        depth, branches = self.conditional, self.branches
        try:
            return self.run_body(body, env)
        finally:
            self.conditional, self.branches = depth - 1, branches - 1

    def _join(self, env: Env, after: dict[str, Value], first: str, second: str, default: bool | None) -> str:
        """The state after both branches of an `if`: `after` the names of the first, `env` those of the second."""
        if first in _GONE and second in _GONE:
            return first if first == second else "return" if "return" in (first, second) else first
        if first in _GONE or second in _GONE:
            if second in _GONE:
                _restore(env, after)
            if "raise" not in (first, second):
                self.conditional += 1
            return ""
        for name in {*after, *env.vars}:
            one, other = after.get(name, _MISSING), env.vars.get(name, _MISSING)
            if one is other:
                continue
            if one is _MISSING or other is _MISSING:
                env.vars[name] = one if other is _MISSING else other
            else:
                env.vars[name] = _prefer(one, other, default)
        return ""

    def _try(self, node: ast.Try, env: Env) -> str:
        """The body, then the handlers as another way to go, except when the body cannot fail to import."""
        missing = self._missing_import(node.body, env)
        before = dict(env.vars)
        ended = self.run_body(node.body, env)
        if ended in ("", "raise") and not (ended == "" and missing is False and _only_imports(node.handlers)):
            after = dict(env.vars)
            outcome = ended
            for handler in node.handlers:
                _restore(env, before)
                if handler.name:
                    env.vars[handler.name] = Unknown(handler.name)
                finished = self._branch(handler.body, env)
                if finished in ("", "break", "continue"):
                    for name, value in env.vars.items():
                        known = after.get(name, _MISSING)
                        after[name] = (
                            value if known is _MISSING else known if missing is False else combine(known, value)
                        )
                    outcome = "" if finished == "" and outcome == "raise" else outcome
            _restore(env, after)
            ended = outcome
        if ended == "":
            ended = self.run_body(node.orelse, env)
        final = self.run_body(node.finalbody, env)
        return final or ended

    def _missing_import(self, body: list[ast.stmt], env: Env) -> bool | None:
        """Whether a try body imports something that is not in the project: None when it imports nothing."""
        found: bool | None = None
        for node in body:
            dotted = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                dotted = [absolute(env.scope.module, node)]
            for name in dotted:
                found = bool(found) or self.names.module_parts(env.scope.module, name) is None
        return found

    def _for(self, node: ast.For, env: Env) -> str:
        iterated = self.eval(node.iter, env)
        found = self.items(iterated)
        if found is None:
            return self._for_unknown(node, item_of(iterated), env)
        ended = ""
        for item in found[:ITERATIONS]:
            self.assign(node.target, plain(item), env)
            conditional = self.conditional
            if isinstance(item, Maybe):
                self.conditional += 1
            ended = self.run_body(node.body, env)
            self.conditional = conditional
            if ended in ("break", "return", "raise"):
                break
        if ended in ("return", "raise"):
            return ended
        return "" if ended == "break" else self.run_body(node.orelse, env)

    def _for_unknown(self, node: ast.For, item: Value, env: Env) -> str:
        self.assign(node.target, item, env)
        self._branch(node.body, env)
        return ""

    def _while(self, node: ast.While, env: Env) -> str:
        test = self.eval(node.test, env)
        for _ in range(WHILE_TURNS):
            known = truth(test)
            if known is False:
                return ""
            ended = self.run_body(node.body, env) if known else self._branch(node.body, env)
            if ended in ("return", "raise") and known:
                return ended
            if known is None or ended == "break":
                return ""
            test = self.eval(node.test, env)
        return ""

    def _with(self, node: ast.With | ast.AsyncWith, env: Env) -> str:
        for item in node.items:
            value = self.eval(item.context_expr, env)
            if item.optional_vars is not None:
                entered: Value = value
                if isinstance(value, Inst) and isinstance(value.cls, Cls):
                    method = self.class_variable(value.cls, "__enter__") or self.class_variable(value.cls, "__aenter__")
                    entered = (
                        self.call(self.bind(method[0], value, value.cls), [], {}, (env, node)) if method else value
                    )
                elif isinstance(value, list):
                    entered = value[0] if value else Unknown()
                self.assign(item.optional_vars, entered, env)
        return self.run_body(node.body, env)

    def _match(self, node: ast.Match, env: Env) -> str:
        subject = self.eval(node.subject, env)
        for case in node.cases:
            answer = self._matches(case, subject, env)
            if answer is True:
                return self.run_body(case.body, env)
            if answer is None:
                self._branch(case.body, env)
        return ""

    def _matches(self, case: ast.match_case, subject: Value, env: Env) -> bool | None:
        if isinstance(case.pattern, ast.MatchAs) and case.pattern.pattern is None and case.guard is None:
            return True
        if (
            isinstance(case.pattern, ast.MatchValue)
            and not isinstance(subject, (Setting, Choice))
            and not is_unknown(subject)
        ):
            return self._compare_pair(ast.Eq(), subject, self.eval(case.pattern.value, env))
        return None


_MISSING = object()
_RUN: dict[type[ast.stmt], Callable[..., str | None]] = {
    ast.Expr: Interpreter._expr,
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._annotated,
    ast.AugAssign: Interpreter._augmented,
    ast.Return: Interpreter._return,
    ast.Delete: Interpreter._delete,
    ast.Global: Interpreter._global,
    ast.Nonlocal: Interpreter._nonlocal,
    ast.FunctionDef: Interpreter._function,
    ast.AsyncFunctionDef: Interpreter._function,
    ast.ClassDef: Interpreter._class,
    ast.Import: Interpreter._import,
    ast.ImportFrom: Interpreter._import_from,
    ast.If: Interpreter._if,
    ast.Try: Interpreter._try,
    ast.For: Interpreter._for,
    ast.AsyncFor: Interpreter._for,
    ast.While: Interpreter._while,
    ast.With: Interpreter._with,
    ast.AsyncWith: Interpreter._with,
    ast.Match: Interpreter._match,
}
if hasattr(ast, "TryStar"):
    _RUN[ast.TryStar] = Interpreter._try
if hasattr(ast, "TypeAlias"):
    _RUN[ast.TypeAlias] = Interpreter._type_alias


def _restore(env: Env, variables: dict[str, Value]) -> None:
    env.vars.clear()
    env.vars.update(variables)


def _prefer(one: Value, other: Value, default: bool | None) -> Value:
    """What a name is after an `if`: text and numbers by the default of the configuration, else either."""
    simple = all(isinstance(plain(v), (str, int, float, type(None))) for v in (one, other))
    if default is not None and simple:
        return Setting(plain(one if default else other), "")
    return combine(other, one) if default is False else combine(one, other)


def _is_overload(node: ast.expr) -> bool:
    return getattr(node, "id", getattr(node, "attr", "")) == "overload"


def _registers(node: ast.ClassDef) -> bool:
    """Whether a class body may register routes while it runs, or another class asks to be told of it."""
    return bool(node.decorator_list) or any(
        isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef))
        and any(isinstance(d, ast.Call) for d in item.decorator_list)
        for item in node.body
    )


def _only_imports(handlers: list[ast.ExceptHandler]) -> bool:
    names = {n.id for h in handlers if h.type is not None for n in subtree(h.type) if isinstance(n, ast.Name)}
    return bool(names) and names <= {"ImportError", "ModuleNotFoundError", "AttributeError"}
