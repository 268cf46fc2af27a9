"""Conditions inside a guard that are decided by what it was made with, or by the path of a route."""

from __future__ import annotations

import ast
from collections.abc import Callable
from typing import TYPE_CHECKING

from project.language.scopes import Function, subtree
from project.routing.guard_behaviour import Known
from project.routing.interpret_values import Cls, Env, Func, Inst, Setting, Unknown, Value, truth

if TYPE_CHECKING:
    from project.routing.interpret import Interpreter

Limited = Callable[[Callable[[], "bool | None"]], "bool | None"]


class Within(Known):
    """Decides conditions by running them where names have the values of `env`. `limited`: within a few steps."""

    def __init__(self, run: Interpreter, limited: Limited, env: Env) -> None:
        self.run = run
        self.limited = limited
        self.env = env

    def decide(self, test: ast.expr) -> bool | None:
        return self.limited(lambda: truth(self.run.eval(test, self.env)))


class MadeWith(Within):
    """What a closure or the object of a class was made with; conditions that call something are left open."""

    def __init__(self, run: Interpreter, limited: Limited, func: Func, receiver: Value) -> None:
        env = Env(func.function, func.env)
        env.vars.update({a.arg: Unknown(a.arg) for a, _ in func.function.params})
        if receiver is not None and func.function.params:
            env.vars[func.function.params[0][0].arg] = receiver
        super().__init__(run, limited, env)
        self.receiver = receiver

    def decide(self, test: ast.expr) -> bool | None:
        return None if any(isinstance(n, (ast.Call, ast.Await)) for n in subtree(test)) else super().decide(test)

    def is_setting(self, test: ast.expr) -> bool:
        parts = [n for n in subtree(test) if isinstance(n, (ast.Name, ast.Attribute))]
        return any(map(self._comes_from_setting, parts))

    def _comes_from_setting(self, part: ast.expr) -> bool:
        return bool(self.limited(lambda: isinstance(self.run.eval(part, self.env), Setting)))

    def inside(self, method: Function) -> Known | None:
        if not isinstance(self.receiver, Inst) or not isinstance(self.receiver.cls, Cls):
            return None
        for base in self.run.mro(self.receiver.cls):
            func = base.body.vars.get(method.name) if isinstance(base, Cls) and base.ready else None
            if isinstance(func, Func) and func.function is method:
                return MadeWith(self.run, self.limited, func, self.receiver)
        return None
