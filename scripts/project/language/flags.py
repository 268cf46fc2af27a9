"""Attributes that have one value as long as the program runs: set once, to a constant, or to what every call that makes
the object hands over."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from typing import TYPE_CHECKING

from project.data.statements import argument
from project.language.names import External
from project.language.narrowing import State, exactly, joined
from project.language.scopes import Binding, Class, Function, Scope, parent, subtree

if TYPE_CHECKING:
    from project import Project

_PLAIN_BASES = frozenset("builtins.object abc.ABC typing.Generic typing.Protocol".split())


class Flags:
    """What is sure of `self.flag` where a method tests it."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._of_methods: dict[Function, frozenset[tuple[str, State]]] = {}
        self._of_classes: dict[tuple[Class, str], State | None] = {}

    def of(self, method: Function) -> frozenset[tuple[str, State]]:
        """Attributes that conditions of a method test and whose value is sure, as they are written there."""
        if method not in self._of_methods:
            self._of_methods[method] = frozenset(self._find(method))
        return self._of_methods[method]

    def _find(self, method: Function) -> Iterator[tuple[str, State]]:
        if method.owner is None or not method.params or method.name == "__init__":
            return
        me = method.params[0][0].arg
        for name in sorted(set(_tested_attributes(method, me))):
            state = self._state(method.owner, name)
            if state is not None:
                yield f"{me}.{name}", state

    def _state(self, cls: Class, name: str) -> State | None:
        if (cls, name) not in self._of_classes:
            self._of_classes[cls, name] = self._of_class(cls, name)
        return self._of_classes[cls, name]

    def _of_class(self, cls: Class, name: str) -> State | None:
        """The one value of an attribute in objects of a class and its subclasses; None when another may be set."""
        names = self._project.names
        bases, below = names.mro(cls), names.subclasses(cls)
        family: list[Class] = [c for c in (*bases, *below) if isinstance(c, Class)]
        if any(c.node.decorator_list for c in family) or any(self._is_strange(b) for c in family for b in names.mro(c)):
            return None
        if self._is_set_by_name(name, frozenset(family)):
            return None
        stores = [(n, s) for n, s in self._project.spelled.attributes(name) if not isinstance(n.ctx, ast.Load)]
        stated = [b for c in family for b in c.bindings.get(name, ())]
        if len(stores) + len(stated) != 1:
            return None
        return self._of_body(stated[0]) if stated else self._of_store(*stores[0], below)

    @staticmethod
    def _is_strange(base: Class | External) -> bool:
        return isinstance(base, External) and base.dotted not in _PLAIN_BASES

    def _is_set_by_name(self, name: str, family: frozenset[Class | None]) -> bool:
        """`setattr(x, "name", ...)` anywhere; in methods of these classes `setattr` and `__dict__` of any kind."""
        for call, scope in self._project.values.written_calls("setattr"):
            key = call.args[1] if len(call.args) > 1 else None
            if isinstance(key, ast.Constant):
                if key.value == name:
                    return True
            elif _class_of(scope) in family:
                return True
        return any(_class_of(scope) in family for _, scope in self._project.spelled.attributes("__dict__"))

    @staticmethod
    def _of_body(binding: Binding) -> State | None:
        """What a class body says of a name that is not meant to be stated anew by others: `_flag = False`."""
        plain = binding.kind == "assign" and binding.index is None and binding.name.startswith("_")
        return exactly(binding.value) if plain else None

    def _of_store(self, target: ast.Attribute, scope: Scope, below: Iterable[Class]) -> State | None:
        """What `self.flag = ...` in `__init__` says: a constant, or a parameter that every call gives alike."""
        holder = parent(target)
        if not isinstance(scope, Function) or scope.name != "__init__" or scope.owner is None or not scope.params:
            return None
        mine = isinstance(target.value, ast.Name) and target.value.id == scope.params[0][0].arg
        if not mine or not isinstance(holder, (ast.Assign, ast.AnnAssign)) or holder.value is None:
            return None
        given = holder.value
        if not isinstance(given, ast.Name):
            return exactly(given)
        kinds = [b.kind for b in scope.bindings.get(given.id, ())]
        return self._given_alike(scope.owner, scope, given.id) if kinds == ["param"] and not any(below) else None

    def _given_alike(self, cls: Class, init: Function, name: str) -> State | None:
        """What every call of a class hands over for a parameter; None when the class goes elsewhere by its name."""
        values = self._project.values
        made = [(c, s) for c, s in values.written_calls(cls.name) if self._project.names.resolve(c.func, s) is cls]
        calls = self._project.calls.callers(init)
        if not made or {id(s.call) for s in calls} != {id(c) for c, _ in made} or self._goes_elsewhere(cls, made):
            return None
        default = next((d for arg, d in init.params if arg.arg == name), None)
        states: list[State | None] = []
        for call, _ in made:
            if any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords):
                return None
            given = argument(call, init, name, 1)
            states.append(exactly(default if given is None else given))
        first = states[0]
        return first if all(joined(first, s) == first for s in states) else None

    def _goes_elsewhere(self, cls: Class, made: list[tuple[ast.Call, Scope]]) -> bool:
        """Whether the class is used as a value (`kinds = [Runner]`, `make: type = Runner`), or makes more of itself."""
        called = {id(c.func) for c, _ in made}
        for module in self._project.app_modules:
            for scope in module.walk() if cls.name in module.source.text else ():
                written: list[ast.expr] = [n for n in scope.all(ast.Name) if n.id == cls.name]
                written.extend(n for n in scope.all(ast.Attribute) if n.attr == cls.name)
                if any(id(node) not in called and _is_handed_over(node) for node in written):
                    return True
        return any(
            isinstance(n, ast.Name) and n.id == "cls" and isinstance(parent(n), ast.Call) for n in subtree(cls.node)
        )


def _tested_attributes(method: Function, me: str) -> Iterator[str]:
    tests: list[ast.expr] = [n.test for n in method.all(ast.If)]
    tests.extend(n.test for n in method.all(ast.IfExp))
    tests.extend(v for n in method.all(ast.BoolOp) for v in n.values)
    for test in tests:
        for node in subtree(test):
            if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == me:
                yield node.attr


def _class_of(scope: Scope) -> Class | None:
    return scope.owner if isinstance(scope, Function) else None


def _is_handed_over(name: ast.expr) -> bool:
    holder = parent(name)
    if isinstance(holder, ast.Call):
        return holder.func is not name and getattr(holder.func, "id", "") not in ("isinstance", "issubclass", "cast")
    return isinstance(
        holder,
        (ast.Assign, ast.Return, ast.List, ast.Set, ast.Dict, ast.keyword, ast.NamedExpr, ast.IfExp, ast.BoolOp),
    )
