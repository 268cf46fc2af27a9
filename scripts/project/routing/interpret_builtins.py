"""Python's own functions that router-building code uses."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import TYPE_CHECKING

from project.language.names import External
from project.routing.interpret_text import add_once, ordered
from project.routing.interpret_values import (
    ATOMS,
    Bound,
    Choice,
    Cls,
    Entry,
    Func,
    Given,
    Inst,
    Made,
    Maybe,
    Member,
    ModuleValue,
    Native,
    Partial,
    PathValue,
    Setting,
    UnionType,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
    truth,
)

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

_TYPES: dict[str, tuple[type, ...]] = {
    "builtins.str": (str, PathValue),
    "builtins.int": (int,),
    "builtins.bool": (bool,),
    "builtins.float": (float,),
    "builtins.list": (list,),
    "builtins.set": (list,),
    "builtins.tuple": (tuple,),
    "builtins.dict": (dict,),
    "builtins.type": (Cls,),
    "types.FunctionType": (Func,),
    "types.ModuleType": (ModuleValue,),
    "types.MethodType": (Bound,),
    "enum.Enum": (Member,),
    "functools.partial": (Partial,),
    "pathlib.Path": (PathValue,),
}
_WELL_KNOWN = sys.stdlib_module_names | frozenset(
    "fastapi starlette pydantic pydantic_settings sqlalchemy sqlmodel typing_extensions".split()
)
_ROUTE_TYPES = {
    "route": ("APIRoute", "Route", "BaseRoute"),
    "mount": ("Mount", "BaseRoute"),
    "websocket": ("APIWebSocketRoute", "WebSocketRoute", "BaseRoute"),
}
_STARLETTE_BASES = {
    "starlette.routing.Router": "fastapi.APIRouter",
    "starlette.applications.Starlette": "fastapi.FastAPI",
}


# Attributes and types


def _getattr(call: Given) -> Value:
    name = call.text(1)
    if name is None:
        return Unknown("getattr()")
    found = call.run.attribute(call.value(0), name)
    if not is_unknown(found) or len(call.args) < 3:
        return found
    default = call.plain(2)
    if not isinstance(call.plain(0), Unknown):
        return call.args[2]
    if default is None:
        return found
    return Setting(default, name) if isinstance(default, ATOMS) else combine(found, default)


def _setattr(call: Given) -> Value:
    name = call.text(1)
    if name is not None and len(call.args) == 3:
        call.run.set_attribute(call.args[0], name, call.args[2])
    return None


def _hasattr(call: Given) -> Value:
    name, owner = call.text(1), call.plain(0)
    if name is None or isinstance(owner, (Unknown, Made, External, Choice)):
        return Unknown("hasattr()")
    return not is_unknown(call.run.attribute(owner, name))


def _isinstance(call: Given) -> Value:
    value = call.plain(0)
    return _any_of([_is_a(call.run, value, w) for w in _alternatives(call)], "isinstance()")


def _issubclass(call: Given) -> Value:
    cls = call.plain(0)
    return _any_of([_derives(call.run, cls, w) for w in _alternatives(call)], "issubclass()")


def _alternatives(call: Given) -> list[Value]:
    wanted = call.plain(1)
    if isinstance(wanted, UnionType):
        return [plain(w) for w in wanted.options]
    return [plain(w) for w in wanted] if isinstance(wanted, (tuple, list)) else [wanted]


def _any_of(answers: list[bool | None], name: str) -> Value:
    return True if True in answers else Unknown(name) if None in answers else False


def _is_a(run: Calls, value: Value, wanted: Value) -> bool | None:
    if is_unknown(value) or isinstance(value, Choice) or not isinstance(wanted, (Cls, External)):
        return None
    if isinstance(value, Entry) and isinstance(wanted, External):
        return wanted.dotted.rsplit(".", 1)[-1] in _ROUTE_TYPES.get(value.kind, ("BaseRoute",))
    if isinstance(wanted, External) and wanted.dotted in _TYPES:
        return isinstance(value, _TYPES[wanted.dotted])
    cls = run.class_of(value)
    return False if cls is None else _derives(run, cls, wanted)


def _derives(run: Calls, cls: Value, wanted: Value) -> bool | None:
    name = wanted.dotted if isinstance(wanted, External) else ""
    if isinstance(cls, External):
        if name and cls.dotted in (name, _STARLETTE_BASES.get(name)):
            return True
        return False if isinstance(wanted, Cls) or cls.dotted.startswith(("fastapi.", "types.")) else None
    if not isinstance(cls, Cls):
        return None
    bases = run.mro(cls)
    if wanted in bases or (name and any(b in (name, _STARLETTE_BASES.get(name)) for b in run.library_bases(cls))):
        return True
    foreign = isinstance(wanted, External) and not all(map(_has_known_bases, run.library_bases(cls)))
    return None if foreign or any(isinstance(b, Unknown) for b in bases) else False


def _has_known_bases(dotted: str) -> bool:
    """Whether a library class is of those whose own bases cannot come as a surprise; others may have any."""
    return dotted.partition(".")[0] in _WELL_KNOWN


def _type(call: Given) -> Value:
    found = call.run.class_of(call.plain(0)) if len(call.args) == 1 else None
    return found if found is not None else Unknown("type()")


def _callable(call: Given) -> Value:
    value = call.plain(0)
    if isinstance(value, Inst):
        return not is_unknown(call.run.attribute(value, "__call__"))
    if is_unknown(value) or isinstance(value, (Made, External)):
        return Unknown("callable()")
    return isinstance(value, (Func, Bound, Cls, Partial, Native))


def _is_function(call: Given) -> Value:
    value = call.plain(0)
    return Unknown() if is_unknown(value) else isinstance(value, (Func, Bound))


def _is_coroutine(call: Given) -> Value:
    """`inspect.iscoroutinefunction(f)`, also of a partial function or a method."""
    value = call.plain(0)
    while isinstance(value, (Bound, Partial)):
        value = value.func
    if isinstance(value, Inst):
        value = call.run.attribute(value, "__call__")
        return _is_coroutine(Given(call.run, [value], {}, call.site)) if isinstance(value, Bound) else False
    if isinstance(value, Func):
        return value.function.is_async and not value.function.is_generator
    return False if isinstance(value, (Cls, Native)) else Unknown("iscoroutinefunction()")


def _is_class(call: Given) -> Value:
    value = call.plain(0)
    return Unknown() if is_unknown(value) or isinstance(value, External) else isinstance(value, Cls)


def _members(call: Given) -> Value:
    """`inspect.getmembers(x, predicate)`: pairs in the order of names; what is not known is left out."""
    value, predicate = call.plain(0), call.value(1, "predicate")
    names = names_of(call.run, value)
    if names is None:
        return Unknown("inspect.getmembers()")
    found: list[Value] = []
    for name in sorted(names):
        member = call.run.attribute(value, name)
        if is_unknown(member):
            continue
        keep = truth(call.run.call(predicate, [member], {}, call.site)) if predicate is not None else True
        if keep is not False:
            found.append((name, member) if keep else Maybe((name, member)))
    return found


def names_of(run: Calls, value: Value) -> list[str] | None:
    """Names of the attributes of a module, object or class, None for anything else."""
    if isinstance(value, ModuleValue):
        run.run_module(value)
        return list(value.env.vars)
    if isinstance(value, Inst):
        return list(dict.fromkeys([*value.attrs, *(names_of(run, value.cls) or [])]))
    if not isinstance(value, Cls):
        return None
    names: dict[str, None] = {}
    for base in run.mro(value):
        if isinstance(base, Cls):
            run.run_class_body(base)
            names.update(dict.fromkeys(base.body.vars))
    return list(names)


def _vars(call: Given) -> Value:
    return call.run.attribute(call.args[0], "__dict__") if call.args else call.site[0].vars


def _dir(call: Given) -> Value:
    names = names_of(call.run, call.plain(0))
    return sorted(names) if names is not None else Unknown("dir()")


# Conversions


def _len(call: Given) -> Value:
    value = call.plain(0)
    return len(value) if isinstance(value, (str, list, tuple, dict)) else Unknown("len()")


def _str(call: Given) -> Value:
    value = call.plain(0, "", "")
    text = value if isinstance(value, PathValue) else call.run.as_text(value)
    return text if text is not None else Unknown("str()")


def _int(call: Given) -> Value:
    value = call.plain(0, "", 0)
    if isinstance(value, Member):
        value = plain(value.value)
    try:
        return int(value) if isinstance(value, (str, int, float)) and len(str(value)) < 20 else Unknown("int()")
    except (ValueError, OverflowError):
        return Unknown("int()")


def _bool(call: Given) -> Value:
    value = call.value(0, "", False)
    known = truth(value)
    if known is None and isinstance(value, Setting):
        return Setting(truth(plain(value)), value.name)
    return Unknown("bool()") if known is None else known


def _list(call: Given) -> Value:
    found = call.items(0)
    return found if found is not None else Unknown("list()")


def _tuple(call: Given) -> Value:
    found = call.items(0)
    return tuple(found) if found is not None else Unknown("tuple()")


def _set(call: Given) -> Value:
    found = call.items(0) or []
    if all(isinstance(v, ATOMS) for v in found):
        return list(dict.fromkeys(found))
    made: list[Value] = []
    for item in found:
        add_once(made, item)
    return made


def _dict(call: Given) -> Value:
    base = call.plain(0, "", {})
    if isinstance(base, list):
        pairs = [call.run.items(p) for p in base]
        base = {call.run.key(p[0]): p[1] for p in pairs if p and len(p) == 2}
    return {**base, **call.kwargs} if isinstance(base, dict) else Unknown("dict()")


# Loops


def _range(call: Given) -> Value:
    bounds = [b for a in call.args if isinstance(b := plain(a), int) and abs(b) < 1_000_000]
    if 1 <= len(bounds) == len(call.args) <= 3 and (len(bounds) < 3 or bounds[2]):
        return range(*bounds)
    return Unknown("range()")


def _enumerate(call: Given) -> Value:
    found = call.items(0)
    return list(enumerate(found)) if found is not None else Unknown("enumerate()")


def _zip(call: Given) -> Value:
    columns = [c for a in call.args if (c := call.run.items(a)) is not None]
    return list(zip(*columns, strict=False)) if len(columns) == len(call.args) else Unknown("zip()")


def _sorted(call: Given) -> Value:
    found = call.items(0)
    return ordered(call, found) if found is not None else Unknown("sorted()")


def _reversed(call: Given) -> Value:
    found = call.items(0)
    return found[::-1] if found is not None else Unknown("reversed()")


def _chain(call: Given) -> Value:
    return [v for a in call.args for v in call.run.items(a) or []]


def _chain_iterable(call: Given) -> Value:
    return [v for a in call.items(0) or [] for v in call.run.items(a) or []]


def _map(call: Given) -> Value:
    found = call.items(1) if len(call.args) == 2 else None
    return [call.run.call(call.args[0], [v], {}, call.site) for v in found] if found is not None else Unknown("map()")


def _filter(call: Given) -> Value:
    found = call.items(1)
    if found is None:
        return Unknown("filter()")
    kept: list[Value] = []
    for value in found:
        keep = truth(call.run.call(call.args[0], [value], {}, call.site) if call.args[0] is not None else value)
        if keep is not False:
            kept.append(value if keep else Maybe(value))
    return kept


def _decided_by(wanted: bool) -> Callable[[Given], Value]:
    """`any` (wanted True) and `all` (wanted False)."""

    def native(call: Given) -> Value:
        found = call.items(0)
        answers = [truth(v) for v in found] if found is not None else [None]
        return wanted if wanted in answers else Unknown() if None in answers else not wanted

    return native


def _next(call: Given) -> Value:
    found = call.items(0)
    if found:
        return plain(found[0])
    return call.args[1] if found is not None and len(call.args) > 1 else Unknown("next()")


_COROUTINE_CHECKS = (
    "inspect.iscoroutinefunction",
    "asyncio.iscoroutinefunction",
    "starlette._utils.is_async_callable",
)
BUILTINS: dict[str, Callable[[Given], Value]] = {
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.hasattr": _hasattr,
    "builtins.isinstance": _isinstance,
    "builtins.issubclass": _issubclass,
    "builtins.callable": _callable,
    "builtins.type": _type,
    "builtins.vars": _vars,
    "builtins.dir": _dir,
    "builtins.globals": lambda call: call.site[0].module.vars,
    "inspect.getmembers": _members,
    "inspect.isfunction": _is_function,
    "inspect.ismethod": _is_function,
    **dict.fromkeys(_COROUTINE_CHECKS, _is_coroutine),
    "inspect.isclass": _is_class,
    "builtins.len": _len,
    "builtins.str": _str,
    "builtins.int": _int,
    "builtins.bool": _bool,
    "builtins.list": _list,
    "builtins.iter": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict,
    "collections.OrderedDict": _dict,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.sorted": _sorted,
    "builtins.reversed": _reversed,
    "builtins.map": _map,
    "builtins.filter": _filter,
    "builtins.any": _decided_by(True),
    "builtins.all": _decided_by(False),
    "builtins.next": _next,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_iterable,
}
