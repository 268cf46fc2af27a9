"""What attributes of modules, classes and objects hold, wherever in the project they are assigned."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterable, Iterator
from functools import cached_property

from project.language.hints import Annotations, unique
from project.language.library_types import ATTRIBUTES, CONTAINERS, STATE
from project.language.names import Entity, External, Variable, external
from project.language.scopes import Binding, Class, Function, Module, Scope, parent
from project.language.value_types import (
    CONTEXT_MANAGERS,
    NO_ATTRIBUTES,
    PROPERTIES,
    Bound,
    Instance,
    Value,
    Values,
)

TASK_MAKERS = frozenset(("celery.Celery.task", "celery.shared_task"))
PUTS = frozenset("append appendleft add insert setdefault put put_nowait".split())
Assigned = tuple[ast.expr, bool, Scope]  # expression, whether it is an annotation, the scope it stands in


class Attributes(Annotations):
    """Attributes as values: methods, properties, what the class body, `self.x = ...` and other code assign."""

    @abstractmethod
    def of(self, expr: ast.expr | None, scope: Scope) -> Values: ...

    @abstractmethod
    def of_binding(self, binding: Binding, scope: Scope) -> Values: ...

    @abstractmethod
    def of_entity(self, entity: Entity | None) -> Values: ...

    @abstractmethod
    def returned(self, function: Function, owner: Class | None) -> Values: ...

    def attribute(self, base: Value, name: str) -> Values:
        """What attribute `name` of a value may be."""
        if isinstance(base, Module):
            return self.of_entity(self.names.module_member(base, name)) or self._from_outside(base, name)
        if isinstance(base, Instance):
            if isinstance(base.cls, External):
                return self._library_attribute(base.cls.dotted, name, base.certainty)
            return self._instance_attribute(base.cls, name, base.certainty)
        if isinstance(base, Class):
            return self._class_attribute(base, name)
        if isinstance(base, Function) and base.decorators:
            return self._task_attribute(base, name)
        if isinstance(base, External):
            return (external(f"{base.dotted}.{name}"),)
        return ()

    def _library_attribute(self, owner: str, name: str, certainty: str) -> Values:
        if owner == STATE:
            return self._state(name)
        member = external(f"{owner}.{name}")
        known = ATTRIBUTES.get(member.dotted)
        return (Instance(External(known), (), certainty),) if known else (member,)

    def _task_attribute(self, function: Function, name: str) -> Values:
        """What a Celery decorator puts on a function: `task.delay`, `task.apply_async`."""
        if name not in ("delay", "apply_async", "apply"):
            return ()
        scope = function.parent or function.module
        makers = (d.func if isinstance(d, ast.Call) else d for d in function.decorators)
        made = any(v.dotted in TASK_MAKERS for maker in makers for v in self.of(maker, scope))
        return (External(f"celery.Task.{name}"),) if made else ()

    def _class_attribute(self, cls: Class, name: str) -> Values:
        member = self.names.class_member(cls, name)
        if isinstance(member, Function):
            return (Bound(member, cls),)
        found = self.of_entity(member)
        if found or isinstance(member, External):
            return found
        bases = [b for b in self.names.mro(cls) if isinstance(b, Class)]
        return unique(v for b in bases for v in (*self._assigned_in(b, name), *self._from_outside(b, name)))

    def _instance_attribute(self, cls: Class, name: str, certainty: str) -> Values:
        for base in self.names.mro(cls):
            if isinstance(base, External):
                member = self.names.member(base, name)
                if member is not None and base.dotted not in NO_ATTRIBUTES:
                    bases = [b.dotted for b in self.names.mro(cls) if isinstance(b, External)]
                    owner = next((b for b in bases if f"{b}.{name}" in ATTRIBUTES), base.dotted)
                    return self._library_attribute(owner, name, certainty)
                continue
            method = base.methods.get(name)
            if method is not None:
                if self.is_property(method):
                    return self.returned(method, cls)
                return (Bound(method, cls, certainty),)
            found = self._assigned_in(base, name)
            if found:
                return found
        found = unique(v for base in self.names.mro(cls) for v in self._from_outside(base, name))
        return found or self._of_inner(cls, name)

    def _of_inner(self, cls: Class, name: str) -> Values:
        if (cls, name) in self._asking_inner:
            return ()
        self._asking_inner.add((cls, name))
        try:
            return unique(v for held in self._passed_on_to(cls) for v in self.attribute(held, name))
        finally:
            self._asking_inner.discard((cls, name))

    @cached_property
    def _asking_inner(self) -> set[tuple[Class, str]]:
        return set()

    def _passed_on_to(self, cls: Class) -> Values:
        """What takes every other attribute: `def __getattr__(self, name): return getattr(self._inner, name)`."""
        method = self.names.class_member(cls, "__getattr__")
        if not isinstance(method, Function) or len(method.params) < 2:
            return ()
        calls = [r.value for r in method.all(ast.Return) if isinstance(r.value, ast.Call) and len(r.value.args) == 2]
        asked = method.params[1][0].arg
        inner = [
            c.args[0]
            for c in calls
            if isinstance(c.func, ast.Name) and c.func.id == "getattr"
            if isinstance(c.args[1], ast.Name) and c.args[1].id == asked
        ]
        return unique(v for expr in inner for v in self.of(expr, method))

    def _assigned_in(self, cls: Class, name: str) -> Values:
        assigned = self._assigned(cls).get(name, ())
        return self.filled(
            unique(v for value, stated, scope in assigned for v in self._one(value, stated, scope)), (cls, name)
        )

    def _one(self, value: ast.expr, stated: bool, scope: Scope) -> Values:
        return self.annotated(value, scope) if stated else self.of(value, scope)

    def _assigned(self, cls: Class) -> dict[str, list[Assigned]]:
        """Attributes by name, from the class body and `self.x = ...` (`cls.x = ...`) in its methods."""
        if cls in self._attributes:
            return self._attributes[cls]
        found: dict[str, list[Assigned]] = {}
        for name, bindings in cls.bindings.items():
            for b in bindings:
                if b.annotation is not None:
                    found.setdefault(name, []).append((b.annotation, True, cls))
                if b.kind == "assign" and b.value is not None and b.index is None:
                    found.setdefault(name, []).append((b.value, False, cls))
        for method in cls.methods.values():
            me = method.params[0][0].arg if method.params else ""
            for target, value, annotation in _self_targets(method, me):
                if annotation is not None:
                    found.setdefault(target, []).append((annotation, True, method))
                if value is not None:
                    found.setdefault(target, []).append((value, False, method))
        self._attributes[cls] = found
        return found

    @cached_property
    def _attributes(self) -> dict[Class, dict[str, list[Assigned]]]:
        return {}

    def is_property(self, method: Function) -> bool:
        scope = method.parent or method.module
        return any(self.names.canonical(d, scope) in PROPERTIES for d in method.decorators)

    # Containers that are made empty and filled later

    def filled(self, values: Values, holder: tuple[Scope, str]) -> Values:
        """The same values; empty containers with what `x[...] = ...`, `x.append(...)` put into what `holder` names."""
        if not [v for v in values if _is_empty(v)]:
            return values
        put = unique(v for value, scope in self._put_into(holder) for v in self.of(value, scope))
        if not put:
            return values
        return tuple(Instance(v.cls, put) if isinstance(v, Instance) and _is_empty(v) else v for v in values)

    def _put_into(self, holder: tuple[Scope, str]) -> list[tuple[ast.expr, Scope]]:
        name = holder[1]
        if name not in self._filled:
            found = self._filled[name] = {}
            for target, value, scope in self._fills.get(name, ()):
                found.setdefault(self._holder(target, scope), []).append((value, scope))
        return self._filled[name].get(holder, [])

    @cached_property
    def _filled(self) -> dict[str, dict[tuple[Scope, str] | None, list[tuple[ast.expr, Scope]]]]:
        return {}

    @cached_property
    def _fills(self) -> dict[str, list[tuple[ast.expr, ast.expr, Scope]]]:
        found: dict[str, list[tuple[ast.expr, ast.expr, Scope]]] = {}
        for module in self.names.modules.values():
            for scope in module.walk() if module.kind == "app" else ():
                for target, value in _put(scope):
                    name = target.id if isinstance(target, ast.Name) else getattr(target, "attr", "")
                    found.setdefault(name, []).append((target, value, scope))
        return found

    def _holder(self, target: ast.expr, scope: Scope) -> tuple[Scope, str] | None:
        """The variable or the attribute of the method's own object that an expression names."""
        if isinstance(target, ast.Name):
            entity = self.names.lookup(scope, target.id)
            return (entity.scope, entity.name) if isinstance(entity, Variable) else None
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and isinstance(scope, Function):
            own = scope.owner is not None and scope.params and scope.params[0][0].arg == target.value.id
            return (scope.owner, target.attr) if own and scope.owner is not None else None
        return None

    # Attributes that other code assigns: `module.client = ...`, `Holder.client = ...`, `app.state.client = ...`

    @cached_property
    def _stores(self) -> dict[str, list[tuple[ast.Attribute, ast.expr, Scope]]]:
        found: dict[str, list[tuple[ast.Attribute, ast.expr, Scope]]] = {}
        for module in self.names.modules.values():
            if module.kind == "app":
                for scope in module.walk():
                    for target, value in _attribute_targets(scope):
                        found.setdefault(target.attr, []).append((target, value, scope))
        return found

    def set_by_functions(self, module: Module, name: str) -> Values:
        """What functions of a module assign to its name after `global name`."""
        if module not in self._globals:
            found: dict[str, list[tuple[Binding, Function]]] = {}
            for function in module.functions:
                for declared in {n for statement in function.all(ast.Global) for n in statement.names}:
                    found.setdefault(declared, []).extend((b, function) for b in function.bindings.get(declared, ()))
            self._globals[module] = found
        return unique(v for b, f in self._globals[module].get(name, ()) for v in self.of_binding(b, f))

    @cached_property
    def _globals(self) -> dict[Module, dict[str, list[tuple[Binding, Function]]]]:
        return {}

    def _from_outside(self, owner: Module | Class | External, name: str) -> Values:
        if isinstance(owner, External):
            return ()
        found: list[Value] = []
        for target, value, scope in self._stores.get(name, ()):
            if any(_is_of(v, owner) for v in self.of(target.value, scope)):
                found.extend(self.of(value, scope))
        return unique(found)

    def _state(self, name: str) -> Values:
        """`app.state.x`, `request.state.x`: what `….state.x = ...` assigns, or a lifespan yields as `{"x": ...}`."""
        found: list[Value] = []
        for target, value, scope in self._stores.get(name, ()):
            if isinstance(target.value, ast.Attribute) and target.value.attr == "state":
                found.extend(self.of(value, scope))
        for value, scope in self._yielded_state.get(name, ()):
            found.extend(self.of(value, scope))
        return unique(found)

    @cached_property
    def _yielded_state(self) -> dict[str, list[tuple[ast.expr, Scope]]]:
        found: dict[str, list[tuple[ast.expr, Scope]]] = {}
        for module in self.names.modules.values():
            for function in module.functions if module.kind == "app" else ():
                if ast.Yield in function.nodes and function.decorators and self._opens_context(function):
                    for name, value in _items(y.value for y in function.all(ast.Yield)):
                        found.setdefault(name, []).append((value, function))
        return found

    def _opens_context(self, function: Function) -> bool:
        scope = function.parent or function.module
        return any(self.names.canonical(d, scope) in CONTEXT_MANAGERS for d in function.decorators)


def _is_empty(value: Value) -> bool:
    """Whether it is a container of which nothing is known to be in it."""
    return (
        isinstance(value, Instance)
        and not value.args
        and isinstance(value.cls, External)
        and value.cls.dotted in CONTAINERS
    )


def _self_targets(method: Function, me: str) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    for attribute in method.all(ast.Attribute):
        if not (
            isinstance(attribute.value, ast.Name) and attribute.value.id == me and isinstance(attribute.ctx, ast.Store)
        ):
            continue
        holder = parent(attribute)
        if isinstance(holder, ast.Assign):
            yield attribute.attr, holder.value, None
        elif isinstance(holder, ast.AnnAssign):
            yield attribute.attr, holder.value, holder.annotation
        elif isinstance(holder, ast.Tuple):
            yield from _unpacked(attribute, holder)


def _unpacked(attribute: ast.Attribute, target: ast.Tuple) -> Iterator[tuple[str, ast.expr | None, ast.expr | None]]:
    """`self.a, self.b = x, y`."""
    assign = parent(target)
    if isinstance(assign, ast.Assign) and isinstance(assign.value, ast.Tuple):
        for item, value in zip(target.elts, assign.value.elts, strict=False):
            if item is attribute:
                yield attribute.attr, value, None


def _attribute_targets(scope: Scope) -> Iterator[tuple[ast.Attribute, ast.expr]]:
    """Assignments to attributes of anything but the method's own object."""
    me = scope.params[0][0].arg if isinstance(scope, Function) and scope.owner is not None and scope.params else ""
    for assign in scope.all(ast.Assign):
        for target in assign.targets:
            if isinstance(target, ast.Attribute) and not (isinstance(target.value, ast.Name) and target.value.id == me):
                yield target, assign.value
    for stated in scope.all(ast.AnnAssign):
        if isinstance(stated.target, ast.Attribute) and stated.value is not None:
            yield stated.target, stated.value


def _put(scope: Scope) -> Iterator[tuple[ast.expr, ast.expr]]:
    """(container, what is put into it): `c[k] = v`, `c.append(v)`, `c.setdefault(k, v)`."""
    for assign in scope.all(ast.Assign):
        yield from ((t.value, assign.value) for t in assign.targets if isinstance(t, ast.Subscript))
    for call in scope.all(ast.Call) if not PUTS.isdisjoint(scope.called) else ():
        if isinstance(call.func, ast.Attribute) and call.func.attr in PUTS and call.args:
            yield call.func.value, call.args[-1]


def _is_of(value: Value, owner: Module | Class) -> bool:
    return value is owner or (isinstance(value, Instance) and value.cls is owner)


def _items(yielded: Iterable[ast.expr | None]) -> Iterator[tuple[str, ast.expr]]:
    """Entries of yielded dictionaries, and keywords of a yielded `State(...)`."""
    for value in yielded:
        if isinstance(value, ast.Dict):
            for key, item in zip(value.keys, value.values, strict=True):
                if isinstance(key, ast.Constant) and isinstance(key.value, str):
                    yield key.value, item
        elif isinstance(value, ast.Call):
            yield from ((k.arg, k.value) for k in value.keywords if k.arg)
