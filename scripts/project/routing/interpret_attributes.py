"""Classes and attributes: what `value.name` is worth, and what assigning to it changes."""

from __future__ import annotations

from abc import abstractmethod

from project.language.names import External
from project.routing.generated import library_member
from project.routing.interpret_fields import fill_fields, is_model, trait_default
from project.routing.interpret_library import CONSTANTS
from project.routing.interpret_machine import Machine
from project.routing.interpret_registration import is_endpoint
from project.routing.interpret_routers import library_attribute
from project.routing.interpret_values import (
    ATOMS,
    LIBRARY_INIT,
    Bound,
    Choice,
    Cls,
    Dep,
    Entry,
    Func,
    Inst,
    Made,
    Maybe,
    Member,
    ModuleValue,
    Native,
    Partial,
    Setting,
    Super,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
    text_of,
)


class Attributes(Machine):
    """Attribute access with method resolution order, binding, properties and settings."""

    @abstractmethod
    def plain_attribute(self, value: Value, name: str) -> Value: ...

    @abstractmethod
    def run_class_body(self, cls: Cls) -> None: ...

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
        if isinstance(value, Made) and value.attrs is not None and name in value.attrs:
            return value.attrs[name]
        if isinstance(value, Maybe):
            return self.attribute(plain(value), name)
        if isinstance(value, Setting):
            return self._setting_attribute(value, name)
        if isinstance(value, Super):
            return self._super_attribute(value, name)
        return self.plain_attribute(value, name)

    def _setting_attribute(self, value: Setting, name: str) -> Value:
        """What is read from a setting, or computed by its methods, is configuration as well."""
        found = self.attribute(plain(value), name)
        if isinstance(found, Native):
            method = found.run
            return Native(found.name, lambda call: configured(method(call), value.name))
        return configured(found, value.name)

    def _external_attribute(self, value: External, name: str) -> Value:
        found = self.names.member(value, name)
        if not isinstance(found, External):
            return Unknown(f"{value.dotted}.{name}")
        return CONSTANTS.get(found.dotted, found)

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
                value = trait_default(found[0]) or self.bind(found[0], inst, cls)
                return self._configured(cls, name, value)
        if inst.state is not None:
            return library_attribute(inst, name)
        if isinstance(cls, Cls):
            for library in self.library_bases(cls):
                member = library_member(library, name, inst)
                if member is not None:
                    return member
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
            return Native(
                "__subclasses__", lambda _: [c for c in self.subclasses.get(cls.scope.dotted, ()) if cls in c.bases]
            )
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
        if name == "__new__":
            return Native("object.__new__", lambda call: call.run.new_object(call.plain(0), call.site))
        if isinstance(receiver, Inst) and receiver.state is not None:
            return library_attribute(receiver, name)
        if name == "__init__" and isinstance(receiver, Inst):
            if LIBRARY_INIT in receiver.attrs:
                return receiver.attrs[LIBRARY_INIT]
            if isinstance(cls, Cls) and is_model(self.library_bases(cls)):
                return Native("BaseModel.__init__", lambda call: fill_fields(call.run, receiver, cls, [], call.kwargs))
            return Native("object.__init__", lambda call: receiver.attrs.update({**call.kwargs, **receiver.attrs}))
        return Unknown(f"super().{name}")

    def set_attribute(self, target: Value, name: str, value: Value) -> None:
        """`target.name = value`; what is not known never hides what is."""
        for option in target.options if isinstance(target, Choice) else [target]:
            if isinstance(plain(option), Entry):
                self._set_on_route(plain(option), name, value)  # type: ignore[arg-type]
            holder = self._holder(plain(option))
            if holder is None:
                continue
            known = self._known(option, holder, name) if self.branches else holder.get(name)
            if self.branches and isinstance(known, Setting) and isinstance(value, ATOMS) and not is_unknown(known):
                continue  # configuration at its default
            if self.branches and _are_two(known, value):
                holder[name] = combine(known, value)
                continue
            if (
                self.conditional
                and (value is None or is_unknown(value))
                and known is not None
                and not is_unknown(known)
            ):
                continue
            holder[name] = value
            if isinstance(option, Inst) and option.state is not None:
                self._set_on_router(option, name, value)

    def _known(self, target: Value, holder: dict[str, Value], name: str) -> Value:
        """What an attribute is so far, by its object or else its class."""
        if name in holder or not (isinstance(target, Inst) and isinstance(target.cls, Cls)):
            return holder.get(name)
        found = self.class_variable(target.cls, name)
        return found[0] if found is not None and isinstance(found[0], ATOMS) else None

    def _set_on_route(self, entry: Entry, name: str, value: Value) -> None:
        if name in ("path", "path_format") and text_of(value) is not None:
            entry.path = text_of(value)
        elif name == "endpoint":
            entry.endpoint = plain(value) if is_endpoint(plain(value)) else entry.endpoint
        elif name in ("dependencies", "tags") and isinstance(plain(value), list):
            setattr(entry, name, plain(value))
        else:
            entry.options[name] = value

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
            for other in self.routers:
                if other.state is not None and other.state.entries is value and other.state is not state:
                    other.state.mounted = True  # its routes are served by this one
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


def _are_two(known: Value, value: Value) -> bool:
    """Whether both are known texts, numbers or truth values, and not the same."""
    return (
        isinstance(known, (*ATOMS, Choice))
        and isinstance(value, ATOMS)
        and known is not None
        and value is not None
        and known != value
    )


def configured(value: Value, name: str) -> Value:
    return Setting(value, name) if isinstance(value, (str, int, float, type(None))) else value
