"""A small abstract interpreter of router-building code: module top levels in import order, and what they call.

It runs nothing of the reviewed project. Conditions that cannot be decided take both branches (what they register is marked
conditional), loops over unknown things run once, and every step counts against a budget.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from project.interpret_calls import Calls
from project.interpret_machine import MAX_STEPS, STATEMENT_STEPS, OutOfBudget
from project.interpret_values import (
    Choice,
    Cls,
    Env,
    Func,
    Inst,
    Lazy,
    Maybe,
    ModuleValue,
    PathValue,
    Setting,
    Unknown,
    Value,
    combine,
    default_truth,
    is_unknown,
    plain,
    truth,
)
from project.names import External
from project.scopes import Class, Module, absolute

if TYPE_CHECKING:
    from project import Project

ITERATIONS = 2000
_GONE = ("return", "raise", "break", "continue")


class Interpreter(Calls):
    """Runs statements. A run of statements ends with "" or with return, raise, break, continue."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.eager: frozenset[str] = frozenset()
        self.scheduled: set[str] = set()

    # Modules

    def run_module(self, value: ModuleValue) -> None:
        """Run the top level of a module once, after what it imports (without recursion along the imports)."""
        if value.state:
            return
        order = [value] if value.module.path in self.scheduled else self._import_order(value)
        self.scheduled.update(m.module.path for m in order)
        for module in order:
            if module.state:
                continue
            module.state = 1
            saved = self.conditional, self.limit, self.depth, self.nesting, self.steps
            self.conditional = self.nesting = self.steps = 0
            try:
                self._run_top_level(module)
            finally:
                self.spent += self.steps
                self.conditional, self.limit, self.depth, self.nesting, self.steps = saved
                module.state = 2

    def _run_top_level(self, module: ModuleValue) -> None:
        """Each statement has its own budget; what it imports is not counted in it."""
        for statement in module.module.node.body:
            if self.spent > MAX_STEPS:
                return
            self.limit = self.steps + STATEMENT_STEPS
            try:
                if self.run(statement, module.env) == "raise":
                    return
            except (OutOfBudget, RecursionError):
                continue

    def _import_order(self, value: ModuleValue) -> list[ModuleValue]:
        """The module and what it imports at its top level, in the order Python would run them."""
        order: list[ModuleValue] = []
        entered = {value.module.path}
        stack: list[tuple[ModuleValue, Iterator[Module]]] = [(value, self._imports(value.module))]
        while stack:
            current, pending = stack[-1]
            for module in pending:
                if module.path in entered or module.path not in self.eager or module.path in self.scheduled:
                    continue
                entered.add(module.path)
                inner = self.module_value(module)
                if not inner.state:
                    stack.append((inner, self._imports(module)))
                    break
            else:
                order.append(current)
                stack.pop()
        return order

    def _imports(self, module: Module) -> Iterator[Module]:
        for statement in module.node.body:
            for node in [statement, *getattr(statement, "body", ())] if isinstance(statement, (ast.If, ast.Try)) else [statement]:
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        yield from self._chain(module, alias.name)
                elif isinstance(node, ast.ImportFrom):
                    base = absolute(module, node)
                    yield from self._chain(module, base)
                    parts = self.names.module_parts(module, base)
                    for alias in node.names if parts is not None else ():
                        found = self.names.modules.get((*parts, alias.name)) if parts is not None else None
                        if found is not None:
                            yield found

    def _chain(self, importer: Module, dotted: str) -> Iterator[Module]:
        """A module with the packages above it, outermost first."""
        parts = self.names.module_parts(importer, dotted)
        for i in range(1, len(parts) + 1) if parts else ():
            found = self.names.modules.get(parts[:i]) if parts else None
            if found is not None:
                yield found

    # Statements

    def run_body(self, body: list[ast.stmt], env: Env) -> str:
        for statement in body:
            ended = self.run(statement, env)
            if ended in _GONE:
                return ended
        return ""

    def run(self, node: ast.stmt, env: Env) -> str:
        self.step()
        handler = _RUN.get(node.__class__)
        return handler(self, node, env) or "" if handler is not None else ""

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

    def _raise(self, node: ast.Raise, env: Env) -> str:
        return "raise"

    def _break(self, node: ast.Break, env: Env) -> str:
        return "break"

    def _continue(self, node: ast.Continue, env: Env) -> str:
        return "continue"

    def _delete(self, node: ast.Delete, env: Env) -> None:
        for target in node.targets:
            if isinstance(target, ast.Name):
                env.vars.pop(target.id, None)
            elif isinstance(target, ast.Subscript):
                base = plain(self.eval(target.value, env))
                if isinstance(base, list) and isinstance(target.slice, ast.Slice) and target.slice.lower is None and target.slice.upper is None:
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
        if env is not env.module or _registers(node):
            self.run_class_body(cls)
        value = self.decorate(cls, node.decorator_list, env) if node.decorator_list else cls
        env.vars[node.name] = value
        for base in self.mro(cls)[1:]:
            hook = base.body.vars.get("__init_subclass__") if isinstance(base, Cls) and base.ready else None
            if isinstance(hook, Func):
                self.call(hook, [cls], dict(cls.keywords), (env, node))
                break

    # Imports

    def _import(self, node: ast.Import, env: Env) -> None:
        for alias in node.names:
            parts = self.names.module_parts(env.scope.module, alias.name)
            if parts is None:
                dotted = alias.name if alias.asname else alias.name.split(".")[0]
                env.vars[alias.asname or dotted] = External(dotted)
                continue
            module = self.names.modules.get(parts)
            if module is not None:
                self._run_imported(self.module_value(module))
            if not alias.asname:
                parts = parts[: len(parts) - alias.name.count(".")]
            top = self.names.modules.get(parts) or self.names._folder(parts)
            if top is not None:
                env.vars[alias.asname or alias.name.split(".")[0]] = self.module_value(top)

    def _import_from(self, node: ast.ImportFrom, env: Env) -> None:
        module = env.scope.module
        base = absolute(module, node)
        parts = self.names.module_parts(module, base)
        if parts is None:
            if not node.level:
                self._import_external(node, env)
            return
        found = self.names.modules.get(parts)
        source = self.module_value(found) if found is not None and found is not module else None
        if source is not None:
            self._run_imported(source)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(source, env)
                continue
            env.elsewhere.get(alias.asname or alias.name, env).vars[alias.asname or alias.name] = self._imported(parts, source, alias.name)

    def _imported(self, parts: tuple[str, ...], source: ModuleValue | None, name: str) -> Value:
        if source is not None and name in source.env.vars:
            return source.env.vars[name]
        inner = self.names.modules.get((*parts, name))
        if inner is not None and (source is None or name not in source.module.bindings):
            value = self.module_value(inner)
            self._run_imported(value)
            return value
        if source is not None:
            return Lazy(source, name)
        folder = self.names._folder((*parts, name))
        return self.module_value(folder) if folder is not None else Unknown(name)

    def _import_external(self, node: ast.ImportFrom, env: Env) -> None:
        for alias in node.names:
            if alias.name == "*":
                continue
            entity = self.names.member(External(node.module or ""), alias.name)
            name = alias.asname or alias.name
            env.elsewhere.get(name, env).vars[name] = entity if isinstance(entity, External) else Unknown(alias.name)

    def _import_star(self, source: ModuleValue | None, env: Env) -> None:
        if source is None:
            return
        self.run_module(source)
        chosen = plain(source.env.vars.get("__all__"))
        names = [n for n in chosen if isinstance(n, str)] if isinstance(chosen, list) else [n for n in source.env.vars if n[:1] != "_"]
        for name in names:
            env.vars[name] = Lazy(source, name)

    def _run_imported(self, value: ModuleValue) -> None:
        """Run an imported module now, unless it waits its turn among those an outer import has begun with (a cycle)."""
        if value.state == 0 and value.module.path in self.eager and value.module.path not in self.scheduled:
            self.run_module(value)

    # Branches

    def _if(self, node: ast.If, env: Env) -> str:
        test = self.eval(node.test, env)
        known = truth(test)
        if known is None and _type_checking(test):
            known = True
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
        depth = self.conditional
        try:
            return self.run_body(body, env)
        finally:
            self.conditional = depth - 1

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
        """The body, then the handlers as another way the same code may go, except when the body cannot fail to import."""
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
                if finished in ("", "break", "continue") :
                    for name, value in env.vars.items():
                        known = after.get(name, _MISSING)
                        after[name] = value if known is _MISSING else known if missing is False else combine(known, value)
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

    # Loops

    def _for(self, node: ast.For, env: Env) -> str:
        found = self.items(self.eval(node.iter, env))
        if found is None:
            return self._for_unknown(node, env)
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

    def _for_unknown(self, node: ast.For, env: Env) -> str:
        self.assign(node.target, Unknown("item of a loop"), env)
        self._branch(node.body, env)
        return ""

    def _while(self, node: ast.While, env: Env) -> str:
        test = self.eval(node.test, env)
        for _ in range(50):
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
                    entered = self.call(self.bind(method[0], value, value.cls), [], {}, (env, node)) if method else value
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
        if isinstance(case.pattern, ast.MatchValue) and not isinstance(subject, (Setting, Choice)) and not is_unknown(subject):
            return self._compare_pair(ast.Eq(), subject, self.eval(case.pattern.value, env))
        return None


_MISSING = object()
_RUN: dict[type[ast.stmt], Callable[..., str | None]] = {
    ast.Expr: Interpreter._expr,
    ast.Assign: Interpreter._assign,
    ast.AnnAssign: Interpreter._annotated,
    ast.AugAssign: Interpreter._augmented,
    ast.Return: Interpreter._return,
    ast.Raise: Interpreter._raise,
    ast.Break: Interpreter._break,
    ast.Continue: Interpreter._continue,
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
        isinstance(item, (ast.FunctionDef, ast.AsyncFunctionDef)) and any(isinstance(d, ast.Call) for d in item.decorator_list)
        for item in node.body
    )


def _type_checking(test: Value) -> bool:
    return isinstance(test, External) and test.dotted == "typing.TYPE_CHECKING"


def _only_imports(handlers: list[ast.ExceptHandler]) -> bool:
    names = {n.id for h in handlers if h.type is not None for n in ast.walk(h.type) if isinstance(n, ast.Name)}
    return bool(names) and names <= {"ImportError", "ModuleNotFoundError", "AttributeError"}


__all__ = ["Interpreter", "PathValue"]
