"""Objects whose class says only what their fields are: dataclasses, attrs classes, Pydantic models, named tuples."""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

from project.routing.interpret_values import Cls, Func, Given, Inst, Made, Native, Setting, Unknown, Value, plain, truth

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

_FACTORIES = ("attr.Factory", "attrs.Factory")
_ATTRS_FIELDS = ("attr.ib", "attr.attrib", "attr.field", "attrs.field")
FIELDS = frozenset((*_ATTRS_FIELDS, "pydantic.Field", "dataclasses.field", "sqlmodel.Field"))
_TRAITS_BY_NAME = ("Instance", "Enum", "CaselessStrEnum", "Union")
_AFTER = ("__post_init__", "__attrs_post_init__")


def fill_fields(run: Calls, inst: Inst, cls: Cls, args: list[Value], kwargs: dict[str, Value]) -> None:
    """Arguments become attributes, in the order of the fields; the rest get their defaults, then hooks run."""
    declared = _declared(run, cls)
    names = [name for name in declared if not _is_left_out(declared[name])]
    inst.attrs.update(kwargs)
    inst.attrs.update({f"_{k}": v for k, v in kwargs.items() if f"_{k}" in declared and k not in declared})
    inst.attrs.update(zip(names, args, strict=False))
    for name, value in declared.items():
        if isinstance(value, Made) and value.dotted in FIELDS:
            if name not in inst.attrs:
                inst.attrs[name] = _default(run, value, inst, cls, name)
            if "converter" in value.kwargs:
                inst.attrs[name] = _converted(run, value, inst.attrs[name], cls)
    for hook in _AFTER:
        if run.class_variable(cls, hook) is not None:
            run.call(run.inst_attribute(inst, hook), [], {}, (cls.env, cls.scope.node))


def is_model(bases: list[str]) -> bool:
    """Whether a class with these library bases has a constructor that fills its fields (Pydantic)."""
    return any(base.rsplit(".", 1)[-1] in ("BaseModel", "BaseSettings", "SQLModel") for base in bases)


def field_attribute(made: Made, name: str) -> Value:
    """`@field.default` of an attrs field, which makes a method its default; None for anything else."""
    if made.dotted not in _ATTRS_FIELDS or name not in ("default", "validator"):
        return None

    def decorate(call: Given) -> Value:
        if name == "default":
            made.kwargs["default"] = Made(_FACTORIES[0], call.args[:1], {"takes_self": True}, made.place)
        return call.value(0)

    return Native(f"field.{name}()", decorate)


def trait_default(made: Value) -> Setting | None:
    """What a trait of a configurable class (traitlets) is when nothing sets it; None for anything else."""
    if not isinstance(made, Made) or not made.dotted.startswith("traitlets."):
        return None
    kind = made.dotted.rsplit(".", 1)[-1]
    first = made.args[0] if made.args and kind not in _TRAITS_BY_NAME else Unknown(made.dotted)
    return Setting(plain(made.kwargs.get("default_value", first)), kind)


def _declared(run: Calls, cls: Cls) -> dict[str, Value]:
    """Fields in order, those of base classes first, with what the class body gives them (None: nothing)."""
    found: dict[str, Value] = {}
    for base in reversed(run.mro(cls)):
        if isinstance(base, Cls):
            run.run_class_body(base)
            for name in _names(base):
                found[name] = base.body.vars.get(name)
    return found


def _names(cls: Cls) -> list[str]:
    """Annotated names of a class body and, in attrs classes, those without an annotation."""
    found = []
    for node in cls.scope.node.body:
        if isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.append(node.target.id)
        elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            value = cls.body.vars.get(node.targets[0].id)
            if isinstance(value, Made) and value.dotted in _ATTRS_FIELDS:
                found.append(node.targets[0].id)
    return found


def _is_left_out(value: Value) -> bool:
    """Whether a field is not an argument of the constructor."""
    return isinstance(value, Made) and truth(value.kwargs.get("init", True)) is False


def _default(run: Calls, made: Made, inst: Inst, cls: Cls, name: str) -> Value:
    value: Value = Unknown(f"{cls.scope.name}.{name}")
    factory = made.kwargs.get("default_factory", made.kwargs.get("factory"))
    if factory is not None:
        value = run.call(factory, [], {}, (cls.env, cls.scope.node))
    elif "default" in made.kwargs:
        value = made.kwargs["default"]
    elif made.args and made.args[0] is not ...:
        value = made.args[0]
    if isinstance(value, Made) and value.dotted in _FACTORIES:
        value = _made_by_factory(run, value, inst, cls)
    return Setting(plain(value), f"{cls.scope.name}.{name}") if run.is_settings(cls) else value


def _made_by_factory(run: Calls, factory: Made, inst: Inst, cls: Cls) -> Value:
    given = Given(run, factory.args, factory.kwargs, (cls.env, cls.scope.node))
    takes_self = truth(given.value(1, "takes_self", False)) is True
    return run.call(given.value(0, "factory"), [inst] if takes_self else [], {}, given.site)


def _converted(run: Calls, made: Made, value: Value, cls: Cls) -> Value:
    """What the converter of a field makes of its value; the value itself where that is not understood."""
    converter = plain(made.kwargs["converter"])
    result = run.call(converter, [value], {}, (cls.env, cls.scope.node)) if isinstance(converter, Func) else None
    return value if result is None or isinstance(result, Unknown) else result
