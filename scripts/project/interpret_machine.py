"""The state of the interpreter: modules, names, budgets. What a name or an attribute is worth."""

from __future__ import annotations

import ast
from abc import ABC, abstractmethod
from typing import TYPE_CHECKING

from project.interpret_values import (
    Bound,
    Choice,
    Cls,
    Dep,
    Entry,
    Env,
    Func,
    Inst,
    Lazy,
    Made,
    Maybe,
    Member,
    ModuleValue,
    Native,
    Partial,
    PathValue,
    Setting,
    Site,
    Super,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
)
from project.names import Entity, External, Names, Variable
from project.place import Place
from project.scopes import Class, Function, Module, Scope

if TYPE_CHECKING:
    from project import Project

MAX_DEPTH = 40
MAX_STEPS = 20_000_000
STATEMENT_STEPS = 150_000


class OutOfBudget(Exception):
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
        self.depth = 0
        self.steps = 0
        self.limit = STATEMENT_STEPS
        self.spent = 0
        self.routers: list[Inst] = []
        self.unknown: list[tuple[str, int, str]] = []
        self.seen: set[int] = set()
        self.called: set[int] = set()
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
    def router_attribute(self, inst: Inst, name: str) -> Value: ...

    @abstractmethod
    def library_attribute(self, value: Value, name: str) -> Value: ...

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
            raise OutOfBudget

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

    # Classes

    def mro(self, cls: Cls) -> list[Value]:
        """The class and its bases depth first, a base shared by several after the last of them."""
        if not cls.mro:
            order: list[Value] = []
            stack: list[Value] = [cls]
            while stack and len(order) < 100:
                current = stack.pop()
                if isinstance(current, Choice):
                    current = next((o for o in current.options if isinstance(o, (Cls, External))), current.options[0])
                order.append(current)
                if isinstance(current, Cls):
                    stack.extend(reversed([plain(b) for b in current.bases]))
            kept: list[Value] = []
            for base in reversed(order):
                key = base.dotted if isinstance(base, External) else base
                if not any((b.dotted if isinstance(b, External) else b) == key for b in kept):
                    kept.append(base)
            cls.mro = kept[::-1]
        return cls.mro

    def library_bases(self, cls: Cls) -> list[str]:
        return [b.dotted for b in self.mro(cls) if isinstance(b, External)]

    def class_variable(self, cls: Cls, name: str, after: Cls | None = None) -> tuple[Value, Cls] | None:
        """A name of the class or its bases, with the class that has it; `after` skips to what follows that one."""
        order = self.mro(cls)
        start = order.index(after) + 1 if after is not None and after in order else 0
        for base in order[start:]:
            if isinstance(base, Cls):
                if not base.ready:
                    self.run_class_body(base)
                if name in base.body.vars:
                    return self.force(base.body.vars, name), base
        return None

    def bind(self, found: Value, receiver: Value, cls: Value) -> Value:
        """What a class variable becomes when it is read through an object (or class)."""
        found_func = found
        if isinstance(found_func, Func):
            if found_func.kind == "static":
                return found_func
            if found_func.kind == "class":
                return Bound(found_func, cls)
            if receiver is None:
                return found_func
            if found_func.kind == "property":
                return self.call(found_func, [receiver], {}, (found_func.env, found_func.function.node))
            return Bound(found_func, receiver)
        return found

    # Attributes

    def attribute(self, value: Value, name: str) -> Value:
        """`value.name`"""
        self.step()
        if isinstance(value, ModuleValue):
            return self.module_attribute(value, name)
        if isinstance(value, External):
            return self._external_attribute(value, name)
        if isinstance(value, Inst):
            return self.inst_attribute(value, name)
        if isinstance(value, Cls):
            return self.cls_attribute(value, name)
        if isinstance(value, Choice):
            return combine(*[self.attribute(o, name) for o in value.options if o is not None])
        if isinstance(value, Unknown):
            return Unknown(f"{value.dotted}.{name}" if value.dotted else "")
        if isinstance(value, Made):
            if value.attrs is not None and name in value.attrs:
                return value.attrs[name]
        if isinstance(value, Maybe):
            return self.attribute(plain(value), name)
        if isinstance(value, Setting):
            return self._setting_attribute(value, name)
        if isinstance(value, Super):
            return self._super_attribute(value, name)
        return self.library_attribute(value, name)

    def _setting_attribute(self, value: Setting, name: str) -> Value:
        """What is read from a setting, or computed by its methods, is configuration as well."""
        found = self.attribute(plain(value), name)
        if isinstance(found, Native):
            method = found.run
            return Native(found.name, lambda run, args, kwargs, site: configured(method(run, args, kwargs, site), value.name))
        return configured(found, value.name)

    def _external_attribute(self, value: External, name: str) -> Value:
        found = self.names.member(value, name)
        return found if isinstance(found, External) else Unknown(f"{value.dotted}.{name}")

    def inst_attribute(self, inst: Inst, name: str) -> Value:
        if name in inst.attrs:
            return inst.attrs[name]
        cls = inst.cls
        if name == "__class__":
            return cls
        if name == "__dict__":
            return inst.attrs
        if isinstance(cls, Cls):
            found = self.class_variable(cls, name)
            if found is not None:
                value = self.bind(found[0], inst, cls)
                return self._configured(cls, name, value)
        if inst.state is not None:
            return self.router_attribute(inst, name)
        if isinstance(cls, Cls):
            getter = self.class_variable(cls, "__getattr__")
            if getter is not None and not name.startswith("__"):
                return self.call(Bound(getter[0], inst), [name], {}, (cls.env, cls.scope.node))
        return Unknown(f"{cls.scope.dotted if isinstance(cls, Cls) else cls.dotted}().{name}")

    def _configured(self, cls: Cls, name: str, value: Value) -> Value:
        if isinstance(value, (Bound, Func, Native)):
            return value
        return Setting(plain(value), f"{cls.scope.name}.{name}") if self.is_settings(cls) else value

    def is_settings(self, cls: Cls) -> bool:
        """Whether objects of the class take their values from the environment."""
        return any(b.rsplit(".", 1)[-1] in ("BaseSettings", "Dynaconf") for b in self.library_bases(cls))

    def cls_attribute(self, cls: Cls, name: str) -> Value:
        found = self.class_variable(cls, name)
        if found is not None:
            return self.bind(found[0], None, cls)
        if name == "__name__":
            return cls.scope.name
        if name in ("__dict__", "__annotations__"):
            return cls.body.vars if name == "__dict__" else Unknown()
        if name in ("__mro__", "__bases__"):
            return tuple(self.mro(cls) if name == "__mro__" else cls.bases)
        if name == "__subclasses__":
            return Native("__subclasses__", lambda *_: [c for c in self.subclasses.get(cls.scope.dotted, ()) if cls in c.bases])
        if name == "__members__" or not self.library_bases(cls):
            return Unknown(f"{cls.scope.dotted}.{name}")
        return External(f"{self.library_bases(cls)[0]}.{name}")

    def _super_attribute(self, value: Super, name: str) -> Value:
        receiver = value.receiver
        cls = receiver.cls if isinstance(receiver, Inst) else receiver
        if isinstance(cls, Cls):
            found = self.class_variable(cls, name, after=value.cls)
            if found is not None:
                return self.bind(found[0], receiver if isinstance(receiver, Inst) else None, cls)
        if isinstance(receiver, Inst) and receiver.state is not None:
            return self.router_attribute(receiver, name)
        if name == "__init__" and isinstance(receiver, Inst):
            return Native("object.__init__", lambda _run, _args, kwargs, _site: receiver.attrs.update(
                {k: v for k, v in kwargs.items() if k not in receiver.attrs}))
        return Unknown(f"super().{name}")

    def set_attribute(self, target: Value, name: str, value: Value) -> None:
        """`target.name = value`; what is not known never hides what is."""
        for option in target.options if isinstance(target, Choice) else [target]:
            holder = self._holder(plain(option))
            if holder is None:
                continue
            known = holder.get(name)
            if self.conditional and (value is None or is_unknown(value)) and known is not None and not is_unknown(known):
                continue
            holder[name] = value
            if isinstance(option, Inst) and option.state is not None:
                self._set_on_router(option, name, value)

    def _holder(self, target: Value) -> dict[str, Value] | None:
        if isinstance(target, ModuleValue):
            return target.env.vars
        if isinstance(target, Inst):
            return target.attrs
        if isinstance(target, Cls):
            if not target.ready:
                self.run_class_body(target)
            return target.body.vars
        if isinstance(target, (Func, Made)):
            if target.attrs is None:
                target.attrs = {}
            return target.attrs
        return None

    def _set_on_router(self, inst: Inst, name: str, value: Value) -> None:
        state = inst.state
        assert state is not None
        del inst.attrs[name]
        if name == "prefix":
            state.prefix = value
        elif name == "dependencies" and isinstance(value, list):
            state.dependencies = value
        elif name == "tags" and isinstance(value, list):
            state.tags = value
        elif name == "routes" and isinstance(value, list):
            state.entries[:] = [e for e in value if isinstance(plain(e), Entry)]
        elif name == "router" and isinstance(value, Inst) and value.state is not None:
            state.entries = value.state.entries
        else:
            inst.attrs[name] = value

    def class_of(self, value: Value) -> Value:
        """The class of an object, None when not known."""
        if isinstance(value, Inst):
            return value.cls
        if isinstance(value, Made):
            return External(value.dotted)
        if isinstance(value, Member):
            return value.cls
        if isinstance(value, Dep):
            return External("fastapi.Security" if value.security else "fastapi.Depends")
        if isinstance(value, (Func, Bound, Native, Partial)):
            return External("types.FunctionType")
        return None


def configured(value: Value, name: str) -> Value:
    return Setting(value, name) if isinstance(value, (str, int, float, type(None))) else value


def scope_of(value: Value) -> Scope | None:
    """The function or class that a value was made from."""
    if isinstance(value, Func):
        return value.function
    if isinstance(value, (Bound, Partial)):
        return scope_of(value.func)
    if isinstance(value, Cls):
        return value.scope
    if isinstance(value, Inst) and isinstance(value.cls, Cls):
        return value.cls.scope
    return None
