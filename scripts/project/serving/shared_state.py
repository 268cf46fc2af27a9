"""Module variables that change while the application runs: containers written, objects changed, names bound anew."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.names import Variable
from project.language.scopes import Binding, Class, Function, Module, parent, parents, subtree
from project.language.value_types import Instance
from project.place import Place
from project.serving.reach import Reach

if TYPE_CHECKING:
    from project import Project

CONTAINER, OBJECT, REBOUND = "container", "object", "rebound"
MUTATORS = frozenset(
    "append appendleft add update pop popitem popleft clear setdefault extend insert remove discard sort "
    "reverse".split()
)
_CONTAINERS = frozenset(
    "builtins.dict builtins.list builtins.set collections.defaultdict collections.OrderedDict collections.Counter "
    "collections.deque".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Change:
    """One place that changes a variable; `guarded` when it only fills what is missing, as a cache does."""

    function: Function
    node: ast.AST
    guarded: bool

    def place(self, label: str = "") -> Place:
        return self.function.place(self.node, label)


@dataclass(slots=True, eq=False)
class Shared:
    """A module variable and what changes it. kind: container, object, rebound."""

    module: Module
    name: str
    kind: str
    changes: list[Change] = field(default_factory=list)

    @property
    def binding(self) -> Binding:
        return self.module.bindings[self.name][0]

    def place(self, label: str = "") -> Place:
        return self.module.place(self.binding.node, label)


class SharedState:
    """Changes of module variables in functions."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names

    @cached_property
    def all(self) -> list[Shared]:
        """Every module variable that a function changes, by path and line; each kind on its own."""
        found: dict[tuple[Module, str, str], Shared] = {}
        for module in self._project.app_modules:
            for function in module.functions:
                for variable, kind, node in self._changes(function):
                    owner = variable.scope
                    if isinstance(owner, Module) and owner.kind == "app" and variable.name in owner.bindings:
                        shared = found.setdefault((owner, variable.name, kind), Shared(owner, variable.name, kind))
                        shared.changes.append(Change(function, node, self._is_guarded(node, variable.name)))
        return sorted(found.values(), key=lambda s: (s.module.path, s.binding.node.__dict__.get("lineno", 0), s.kind))

    def _changes(self, function: Function) -> Iterator[tuple[Variable, str, ast.AST]]:
        for attribute in function.all(ast.Attribute):
            if isinstance(attribute.ctx, ast.Store) and not self._is_self(attribute.value, function):
                yield from self._stored(attribute, function)
            elif attribute.attr in MUTATORS and isinstance(parent(attribute), ast.Call):
                variable = self._variable(attribute.value, function)
                if variable is not None and self.is_container(variable):
                    yield variable, CONTAINER, parent(attribute) or attribute
        for item in function.all(ast.Subscript):
            if not isinstance(item.ctx, ast.Load):
                variable = self._variable(item.value, function)
                if variable is not None and self.is_container(variable):
                    yield variable, CONTAINER, item
        for statement in function.all(ast.Global):
            for name in statement.names:
                for binding in function.bindings.get(name, ()):
                    yield Variable(function.module, name), REBOUND, binding.node

    def _stored(self, attribute: ast.Attribute, function: Function) -> Iterator[tuple[Variable, str, ast.AST]]:
        entity = self._names.resolve(attribute.value, function) if _is_dotted(attribute.value) else None
        if isinstance(entity, Module):
            yield Variable(entity, attribute.attr), REBOUND, attribute
        elif isinstance(entity, Variable) and isinstance(entity.scope, Module) and self._is_own_object(entity):
            yield entity, OBJECT, attribute

    @staticmethod
    def _is_self(expr: ast.expr, function: Function) -> bool:
        return isinstance(expr, ast.Name) and expr.id in function.bindings

    def _variable(self, expr: ast.expr, function: Function) -> Variable | None:
        if not _is_dotted(expr) or (isinstance(expr, ast.Name) and self._is_local(expr.id, function)):
            return None
        entity = self._names.resolve(expr, function)
        return entity if isinstance(entity, Variable) and isinstance(entity.scope, Module) else None

    @staticmethod
    def _is_local(name: str, function: Function) -> bool:
        return name in function.bindings and not any(name in g.names for g in function.all(ast.Global))

    def is_container(self, variable: Variable) -> bool:
        """Whether a variable holds a dict, list, set or the like of its own."""
        values = [b.value for b in variable.bindings if b.kind == "assign" and b.value is not None]
        displays = (ast.Dict, ast.List, ast.Set, ast.DictComp, ast.ListComp, ast.SetComp)
        return any(
            isinstance(v, displays)
            or (isinstance(v, ast.Call) and self._names.canonical(v.func, variable.scope) in _CONTAINERS)
            for v in values
        )

    def _is_own_object(self, variable: Variable) -> bool:
        values = self._project.values.of_entity(variable)
        return any(isinstance(v, Instance) and isinstance(v.cls, Class) for v in values)

    def _is_guarded(self, node: ast.AST, name: str) -> bool:
        """Whether a change stands behind a look whether the value is there (`if key not in cache`, `if x is None`)."""
        for holder in parents(node):
            if isinstance(holder, ast.If) and any(
                isinstance(n, ast.Name) and n.id == name for n in subtree(holder.test)
            ):
                return True
        return False

    # Who uses it

    def readers(self, shared: Shared) -> list[tuple[Function, ast.AST]]:
        """Functions that run for a request and read the variable, with the first place in each."""
        return self._readers.get((shared.module, shared.name), [])

    @cached_property
    def _readers(self) -> dict[tuple[Module, str], list[tuple[Function, ast.AST]]]:
        wanted = {s.name for s in self.all}
        keys = {(s.module, s.name) for s in self.all}
        found: dict[tuple[Module, str], list[tuple[Function, ast.AST]]] = defaultdict(list)
        for module in self._project.app_modules:
            for function in module.functions:
                seen: set[tuple[Module, str]] = set()
                for node, _ in self._loads(function, wanted):
                    variable = self._variable(node, function)
                    key = (variable.scope.module, variable.name) if variable is not None else None
                    if key in keys and key not in seen and key is not None:
                        seen.add(key)
                        if self._project.requests.within(function) is not None:
                            found[key].append((function, node))
        return found

    @staticmethod
    def _loads(function: Function, wanted: set[str]) -> Iterator[tuple[ast.expr, str]]:
        for name in function.all(ast.Name):
            if name.id in wanted and isinstance(name.ctx, ast.Load):
                yield name, name.id
        for attribute in function.all(ast.Attribute):
            if attribute.attr in wanted and isinstance(attribute.ctx, ast.Load):
                yield attribute, attribute.attr

    @cached_property
    def starting(self) -> Reach:
        """What runs at start-up and shutdown."""
        return Reach(self._project, [r for r in self._project.roots if r.kind == "start-up"], threads=True)

    # Objects made at import

    @cached_property
    def built_with_addresses(self) -> list[tuple[Variable, ast.Call, str]]:
        """Objects of project classes that a module makes with a literal address: variable, call, the text."""
        found = []
        for module in self._project.app_modules:
            for name, bindings in module.bindings.items():
                value = bindings[0].value if bindings[0].kind == "assign" else None
                if isinstance(value, ast.Call) and isinstance(self._names.resolve(value.func, module), Class):
                    given = [*value.args, *(k.value for k in value.keywords)]
                    literals = [a.value for a in given if isinstance(a, ast.Constant) and isinstance(a.value, str)]
                    address = next((text for text in literals if "://" in text), None)
                    if address is not None:
                        found.append((Variable(module, name), value, address))
        return found

    def users(self, variable: Variable) -> list[tuple[Function, ast.AST]]:
        """Functions that run for a request and read a module variable."""
        found: list[tuple[Function, ast.AST]] = []
        for module in self._project.app_modules:
            for function in module.functions if variable.name in module.source.text else ():
                for node, _ in self._loads(function, {variable.name}):
                    if (
                        self._variable(node, function) == variable
                        and self._project.requests.within(function) is not None
                    ):
                        found.append((function, node))
                        break
        return found


def _is_dotted(expr: ast.expr) -> bool:
    while isinstance(expr, ast.Attribute):
        expr = expr.value
    return isinstance(expr, ast.Name)
