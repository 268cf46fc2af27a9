"""What callers hand over for a parameter that says nothing of its type itself."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator, Sequence

from project.language.command_line import in_main_block
from project.language.names import Names
from project.language.scopes import Binding, Class, Function, Scope
from project.language.spelled import Spelled
from project.language.value_types import Bound, Instance, Value, Values

MAX_CALLS = 24
ValuesOf = Callable[[ast.expr, Scope], Values]


class Arguments:
    """Calls written with the name of a function; which of them run it is asked of the values themselves."""

    def __init__(self, names: Names, spelled: Spelled, of: ValuesOf) -> None:
        self._names = names
        self._spelled = spelled
        self._of = of
        self._scripts: dict[Function, bool] = {}

    def given(self, binding: Binding, function: Function) -> Iterator[Value]:
        """Objects and functions that calls of `function` hand over for one of its parameters."""
        name = binding.name
        position = next((i for i, (arg, _) in enumerate(function.params) if arg.arg == name), None)
        if position is None or function.is_lambda:
            return
        calls = self._candidates(function)
        if len(calls) > MAX_CALLS:
            return
        for call, scope in calls:
            offset = self._offset(call, function, scope)
            if offset is None:
                continue
            given = _argument(call, name, position - offset)
            for value in self._of(given, scope) if given is not None else ():
                if isinstance(value, Instance) and not value.dotted.startswith("builtins."):
                    yield Instance(value.cls, value.args, "inferred")
                elif isinstance(value, (Function, Bound)):
                    yield value

    def _candidates(self, function: Function) -> Sequence[tuple[ast.Call, Scope]]:
        called = function.name
        if called == "__init__" and function.owner is not None:
            called = function.owner.name
        elif called == "__call__":
            return []
        return [(call, scope) for call, scope in self._spelled.written(called) if not self._of_script(call, scope)]

    def _of_script(self, call: ast.Call, scope: Scope) -> bool:
        """Whether a call is part of a script: in a `__main__` block, or in a function called only from there."""
        if in_main_block(call, scope):
            return True
        if not isinstance(scope, Function) or scope.parent is not scope.module:
            return False
        if scope not in self._scripts:
            calls = self._spelled.written(scope.name)
            self._scripts[scope] = bool(calls) and all(in_main_block(c, s) for c, s in calls)
        return self._scripts[scope]

    def _offset(self, call: ast.Call, function: Function, scope: Scope) -> int | None:
        """How many parameters are bound before the first argument; None when the call does not run the function."""
        for value in self._of(call.func, scope):
            if value is function:
                return 0
            if isinstance(value, Bound) and value.function is function:
                return int(not self._is_static(function))
            if isinstance(value, Class) and self._names.class_member(value, "__init__") is function:
                return 1
        return None

    def _is_static(self, function: Function) -> bool:
        scope = function.parent or function.module
        return any(self._names.canonical(d, scope) == "builtins.staticmethod" for d in function.decorators)


def _argument(call: ast.Call, name: str, position: int) -> ast.expr | None:
    for keyword in call.keywords:
        if keyword.arg == name:
            return keyword.value
    if position < 0 or any(isinstance(a, ast.Starred) for a in call.args[: position + 1]):
        return None
    return call.args[position] if position < len(call.args) else None


def given_for(name: str, call: ast.Call, target: Function) -> ast.expr | None:
    """What a call hands to a parameter of the function it runs, by name or position."""
    if not (call.args or call.keywords):
        return None
    names = [arg.arg for arg, _ in target.params]
    bound = target.owner is not None and (isinstance(call.func, ast.Attribute) or target.name == "__init__")
    position = names.index(name) - (1 if bound and not _is_static(target) else 0) if name in names else -1
    return _argument(call, name, position)


def _is_static(function: Function) -> bool:
    return any(isinstance(d, ast.Name) and d.id == "staticmethod" for d in function.decorators)
