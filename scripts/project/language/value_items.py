"""What containers hold: elements, items of tuples by position, what `dict.get` and the like give."""

from __future__ import annotations

from project.language.library_types import CONTAINERS, GENERATORS
from project.language.names import External
from project.language.value_types import Awaitable, Instance, Value, Values

UNKNOWN = External("typing.Any")
TUPLE = "builtins.tuple"
_HELD = frozenset(
    "builtins.dict.get builtins.dict.pop builtins.dict.setdefault builtins.list.pop builtins.set.pop "
    "collections.deque.pop collections.deque.popleft contextvars.ContextVar.get queue.Queue.get "
    "weakref.WeakValueDictionary.get".split()
)
_LISTED = frozenset(("builtins.dict.values", "builtins.list.copy", "builtins.dict.copy"))


def elements(value: Value) -> Values:
    """What iterating over a value gives."""
    if isinstance(value, Awaitable):
        return elements(value.value) if value.value is not None else ()
    if isinstance(value, Instance) and (value.dotted in CONTAINERS or value.dotted in GENERATORS):
        return tuple(a for a in value.args if a != UNKNOWN) if value.dotted != "builtins.dict" else ()
    return ()


def item(value: Value, index: int) -> Values:
    """What unpacking or indexing a tuple gives at a position; a tuple with one known item has it everywhere."""
    if isinstance(value, Awaitable):
        return item(value.value, index) if value.value is not None else ()
    if not isinstance(value, Instance) or value.dotted not in CONTAINERS:
        return ()
    if value.dotted != TUPLE or len(value.args) == 1:
        return value.args if value.dotted in (TUPLE, "builtins.list") else ()
    known = value.args[index] if 0 <= index < len(value.args) else UNKNOWN
    return () if known == UNKNOWN else (known,)


def pair(second: Values) -> Values:
    """Tuples of something unknown and each of these."""
    return tuple(Instance(External(TUPLE), (UNKNOWN, v)) for v in second)


def method_result(owner: Value, name: str) -> Values:
    """What a method of a container gives back of what the container holds."""
    if not isinstance(owner, Instance) or not owner.args:
        return ()
    dotted = f"{owner.dotted}.{name}"
    if dotted in _HELD:
        return owner.args
    if dotted in _LISTED:
        kind = "builtins.dict" if dotted == "builtins.dict.copy" else "builtins.list"
        return (Instance(External(kind), owner.args, owner.certainty),)
    if dotted == "builtins.dict.items":
        return (Instance(External("builtins.list"), pair(owner.args), owner.certainty),)
    return ()
