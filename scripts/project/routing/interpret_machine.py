"""The state of the interpreter: modules, names, budgets. What a name or an attribute is worth."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from project.language.names import Entity, Names, Variable
from project.language.scopes import Class, Function, Module
from project.place import Place
from project.routing.interpret_values import (
    Cls,
    Env,
    Func,
    Inst,
    Lazy,
    ModuleValue,
    PathValue,
    Site,
    Unknown,
    Value,
)

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 40
MIN_STEPS = 300_000  # and one for each line; a backend of 130,000 lines takes 70,000 to 140,000
STATEMENT_STEPS = 100_000
MAX_GRANTS = 10_000


class OutOfBudgetError(Exception):
    """More steps were taken than one statement, or the whole project, may cost."""


class Machine(ABC):
    """What statements, expressions and calls share."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self.names: Names = project.names
        self.modules: dict[str, ModuleValue] = {}
        self.classes: dict[int, Cls] = {}
        self.functions: dict[int, Func] = {}
        self.conditional = 0
        self.branches = 0
        self.depth = 0
        self.steps = 0
        self.limit = STATEMENT_STEPS
        self.spent = 0
        self.max_steps = MIN_STEPS + project.line_count
        self.granted = 0
        self.grants = 0
        self.making: list[Cls] = []
        self.routers: list[Inst] = []
        self.unknown: list[tuple[str, int, str]] = []
        self.seen: set[int] = set()
        self.called: set[int] = set()
        self.builders: set[int] = set()
        self.active: list[Function] = []
        self.subclasses: dict[str, list[Cls]] = {}

    @abstractmethod
    def eval(self, node: ast.expr, env: Env) -> Value: ...

    @abstractmethod
    def call(self, value: Value, args: list[Value], kwargs: dict[str, Value], site: Site) -> Value: ...

    @abstractmethod
    def run_module(self, value: ModuleValue) -> None: ...

    @abstractmethod
    def run_class_body(self, cls: Cls) -> None: ...

    @abstractmethod
    def attribute(self, value: Value, name: str) -> Value: ...

    @abstractmethod
    def mro(self, cls: Cls) -> list[Value]: ...

    # Places and notes

    def place(self, site: Site) -> Place:
        env, node = site
        return env.scope.place(node)

    def note(self, site: Site, why: str) -> None:
        """What stands here looks like a registration and is not understood."""
        env, node = site
        if env.scope.module.kind != "test":
            self.unknown.append((env.scope.module.path, getattr(node, "lineno", 1), why))

    def step(self, count: int = 1) -> None:
        self.steps += count
        if self.steps > self.limit:
            raise OutOfBudgetError

    def grant(self, steps: int) -> None:
        """Code that registers something may go on longer, until there is more than any application registers."""
        self.grants += 1
        if self.grants > MAX_GRANTS:
            raise OutOfBudgetError
        self.granted += steps
        self.limit += steps

    # Modules

    def module_value(self, module: Module) -> ModuleValue:
        found = self.modules.get(module.path)
        if found is None:
            env = Env(module)
            env.vars["__name__"] = module.dotted
            env.vars["__file__"] = PathValue(tuple(module.path.split("/")))
            env.vars["__package__"] = module.dotted if module.is_package else module.dotted.rpartition(".")[0]
            found = self.modules[module.path] = ModuleValue(module, env)
        return found

    def module_attribute(self, value: ModuleValue, name: str) -> Value:
        self.run_module(value)
        if name in value.env.vars:
            return self.force(value.env.vars, name)
        if name == "__path__":
            return [PathValue(value.module.parts)]
        if name == "__dict__":
            return value.env.vars
        submodule = self.names.modules.get((*value.module.parts, name)) if value.module.is_package else None
        if submodule is not None:
            inner = self.module_value(submodule)
            self.run_module(inner)
            return inner
        entity = self.names.module_member(value.module, name)
        return self.of_entity(entity) if entity is not None else Unknown(f"{value.module.dotted}.{name}")

    def force(self, variables: dict[str, Value], name: str) -> Value:
        value = variables[name]
        if not isinstance(value, Lazy):
            return value
        if self.depth > MAX_DEPTH:
            return Unknown(name)
        variables[name] = Unknown(f"{value.source.module.dotted}.{value.name}")
        self.depth += 1
        try:
            found = self.module_attribute(value.source, value.name)
        finally:
            self.depth -= 1
        if isinstance(found, Unknown) and value.source.state == 1:
            variables[name] = value
        else:
            variables[name] = found
        return found

    # Names

    def lookup(self, env: Env, name: str) -> Value:
        current: Env | None = env
        while current is not None:
            if name in current.elsewhere:
                current = current.elsewhere[name]
                if name in current.vars:
                    return self.force(current.vars, name)
                break
            if name in current.vars and (current is env or not isinstance(current.scope, Class)):
                value = current.vars[name]
                return self.force(current.vars, name) if isinstance(value, Lazy) else value
            current = current.parent
        entity = self.names.lookup(env.scope, name)
        if entity is None:
            return Unknown(name)
        return self.of_entity(entity)

    def of_entity(self, entity: Entity) -> Value:
        """The value of what a name means by the imports and definitions of the project."""
        if isinstance(entity, Module):
            value = self.module_value(entity)
            self.run_module(value)
            return value
        if isinstance(entity, (Class, Function)):
            return self.definition(entity)
        if isinstance(entity, Variable):
            return self._variable(entity)
        return entity

    def definition(self, scope: Class | Function) -> Value:
        """The value of a class or function; functions inside functions are not known outside them."""
        known: Value = self.classes.get(id(scope)) if isinstance(scope, Class) else self.functions.get(id(scope))
        if known is not None:
            return known
        parent = scope.parent
        if isinstance(parent, Module):
            env = self.module_value(parent).env
        elif isinstance(parent, Class):
            outer = self.definition(parent)
            env = outer.body if isinstance(outer, Cls) else self.module_value(scope.module).env
        else:
            return Unknown(scope.dotted)
        if isinstance(scope, Class):
            return self.make_class(scope, env)
        return Func(scope, env)

    def make_class(self, scope: Class, env: Env) -> Cls:
        body = Env(scope, env)
        cls = self.classes[id(scope)] = Cls(scope, env, [], body)
        cls.bases = [self.eval(b.value if isinstance(b, ast.Subscript) else b, env) for b in scope.node.bases]
        for keyword in scope.node.keywords:
            if keyword.arg:
                cls.keywords[keyword.arg] = self.eval(keyword.value, env)
        for base in self.mro(cls)[1:]:
            if isinstance(base, Cls):
                self.subclasses.setdefault(base.scope.dotted, []).append(cls)
        return cls

    def _variable(self, variable: Variable) -> Value:
        module = self.module_value(variable.scope.module)
        if variable.scope is variable.scope.module:
            if module.state == 0:
                self.run_module(module)
            if variable.name in module.env.vars:
                return self.force(module.env.vars, variable.name)
        return Unknown(variable.dotted)
