"""Attributes and methods of plain values: text, lists, dicts, functions, enum members, routes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from project.routing.generated import library_member
from project.routing.interpret_fields import field_attribute
from project.routing.interpret_files import ModuleInfo, path_attribute
from project.routing.interpret_signatures import PARAMETER, SIGNATURE, replaced
from project.routing.interpret_values import (
    MAX_TEXT,
    Bound,
    Dep,
    Entry,
    Func,
    Given,
    Made,
    Maybe,
    Member,
    Native,
    Partial,
    PathValue,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
    same,
    truth,
)

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

_TEXT_METHODS = frozenset(
    [
        "strip",
        "lstrip",
        "rstrip",
        "lower",
        "upper",
        "title",
        "capitalize",
        "split",
        "rsplit",
        "startswith",
        "endswith",
        "removeprefix",
        "removesuffix",
        "partition",
        "rpartition",
        "count",
        "find",
        "swapcase",
        "isdigit",
        "isalpha",
        "isidentifier",
        "splitlines",
        "casefold",
    ]
)


def plain_attribute(run: Calls, value: Value, name: str) -> Value:
    """`value.name` of anything but modules, classes, objects and library names."""
    if isinstance(value, ModuleInfo):
        return run.attribute(value.fields, name)
    if isinstance(value, str):
        return Native(f"str.{name}", lambda call: _text_method(call, value, name))
    if isinstance(value, list):
        return Native(f"list.{name}", lambda call: _list_method(call, value, name))
    if isinstance(value, dict):
        return Native(f"dict.{name}", lambda call: _dict_method(call, value, name))
    if isinstance(value, PathValue):
        return path_attribute(run, value, name)
    if isinstance(value, (Func, Bound, Partial)):
        return _function_attribute(value, name)
    if isinstance(value, Entry):
        return _entry_attribute(value, name)
    if isinstance(value, Member):
        if name in ("value", "_value_"):
            return value.value
        return value.name if name == "name" else run.attribute(value.cls, name)
    if isinstance(value, Dep):
        return value.call if name == "dependency" else list(value.scopes) if name == "scopes" else Unknown()
    return _made_attribute(value, name) if isinstance(value, Made) else Unknown()


def _made_attribute(value: Made, name: str) -> Value:
    if value.dotted in (SIGNATURE, PARAMETER) and name == "replace":
        return replaced(value)
    member = field_attribute(value, name) or library_member(value.dotted, name, value)
    return member or Unknown(f"{value.dotted}().{name}")


# Text


def _text_method(call: Given, text: str, name: str) -> Value:
    if name in _BUILDING:
        return _BUILDING[name](call, text)
    known = [plain(a) for a in call.args]
    if name not in _TEXT_METHODS or not all(isinstance(a, (str, int, tuple, type(None))) for a in known):
        return text if name in ("encode", "decode") else Unknown()
    try:
        return getattr(text, name)(*known)
    except (TypeError, ValueError):
        return Unknown()


def _join(call: Given, text: str) -> Value:
    found = call.items(0)
    parts = [call.run.as_text(v) for v in found] if found is not None else [None]
    whole = text.join(p for p in parts if p is not None)
    return whole if None not in parts and len(whole) < MAX_TEXT else Unknown("str.join()")


def _replace(call: Given, text: str) -> Value:
    old, new = call.run.as_text(call.value(0)), call.run.as_text(call.value(1))
    if not old or new is None or len(text) * (len(new) + 1) > MAX_TEXT:
        return Unknown("str.replace()")
    return text.replace(old, new)


def _format(call: Given, text: str) -> Value:
    """`str.format` without format specifications."""
    texts = [call.run.as_text(v) for v in call.args]
    named = {k: call.run.as_text(v) for k, v in call.kwargs.items()}
    longest = max((len(t) for t in (*texts, *named.values()) if t is not None), default=0)
    if None in texts or None in named.values() or ":" in text or "!" in text:
        return Unknown("str.format()")
    if len(text) + text.count("{") * longest > MAX_TEXT:
        return Unknown("str.format()")
    try:
        return text.format(*texts, **named)
    except (ValueError, IndexError, KeyError, AttributeError):
        return Unknown("str.format()")


_BUILDING: dict[str, Callable[[Given, str], Value]] = {"join": _join, "replace": _replace, "format": _format}


# Lists (sets are lists without doubles) and dicts


def _list_method(call: Given, items: list[Value], name: str) -> Value:
    """What is added where a condition is not known is only maybe there."""
    maybe = call.run.conditional > 0
    given = [Maybe(a) if maybe and not isinstance(a, Maybe) else a for a in call.args]
    if name == "append" and given:
        items.append(given[0])
    elif name == "insert" and len(given) == 2:
        position = call.plain(0)
        items.insert(position if isinstance(position, int) else len(items), given[1])
    elif name in ("extend", "update"):
        items.extend(Maybe(v) if maybe else v for v in call.items(0) or [])
    elif name == "add" and given:
        add_once(items, given[0])
    elif name in _LIST_METHODS:
        return _LIST_METHODS[name](call, items)
    else:
        return Unknown(f"list.{name}")
    return None


def add_once(items: list[Value], value: Value) -> None:
    """Add to a set."""
    if not any(same(plain(i), plain(value)) for i in items):
        items.append(value)


def _pop(call: Given, items: list[Value]) -> Value:
    index = call.plain(0, "", -1)
    return items.pop(index) if isinstance(index, int) and -len(items) <= index < len(items) else Unknown()


def _remove(call: Given, items: list[Value]) -> Value:
    found = next((i for i, v in enumerate(items) if same(plain(v), call.plain(0))), None)
    if found is not None and not call.run.conditional:
        del items[found]
    return None


def _sort(call: Given, items: list[Value]) -> Value:
    items[:] = ordered(call, items)
    return None


def ordered(call: Given, items: list[Value]) -> list[Value]:
    """Sorted by `key=` when every key is known to be text or a number, else in the order given."""
    by = call.kwargs.get("key")
    keys = [plain(call.run.call(by, [v], {}, call.site)) if by is not None else plain(v) for v in items]
    texts = ["/".join(k.parts) if isinstance(k, PathValue) else k for k in keys]
    backwards = truth(call.kwargs.get("reverse")) is True
    if not all(map(_sortable, texts)):
        return items
    try:
        order = sorted(range(len(items)), key=lambda i: texts[i], reverse=backwards)  # type: ignore[arg-type,return-value]
    except TypeError:
        return items
    return [items[i] for i in order]


def _sortable(key: Value) -> bool:
    return all(map(_sortable, key)) if isinstance(key, tuple) else isinstance(key, (str, int, float))


_LIST_METHODS: dict[str, Callable[[Given, list[Value]], Value]] = {
    "pop": _pop,
    "remove": _remove,
    "discard": _remove,
    "sort": lambda call, items: _sort(call, items),
    "copy": lambda _, items: list(items),
    "clear": lambda _, items: items.clear(),
    "reverse": lambda _, items: items.reverse(),
    "union": lambda call, items: [*items, *(call.items(0) or [])],
}


def _dict_method(call: Given, items: dict[Value, Value], name: str) -> Value:
    if name in ("get", "pop", "setdefault"):
        return _dict_item(call, items, name)
    if name == "items":
        return list(items.items())
    if name in ("keys", "values"):
        return list(items) if name == "keys" else list(items.values())
    if name == "copy":
        return dict(items)
    if name == "update":
        other = call.plain(0, "", {})
        items.update(other if isinstance(other, dict) else {})
        items.update(call.kwargs)
    elif name == "clear":
        items.clear()
    else:
        return Unknown(f"dict.{name}")
    return None


def _dict_item(call: Given, items: dict[Value, Value], name: str) -> Value:
    key, default = call.run.key(call.value(0)), call.value(1, "default")
    if is_unknown(key):
        return combine(*items.values(), default) if len(items) < 20 else Unknown()
    if name == "setdefault":
        return items.setdefault(key, default)
    return items.pop(key, default) if name == "pop" else items.get(key, default)


# Functions and routes


def _function_attribute(value: Func | Bound | Partial, name: str) -> Value:
    if isinstance(value, (Bound, Partial)) and name in ("func", "__func__"):
        return value.func
    if isinstance(value, Bound) and name == "__self__":
        return value.receiver
    func: Value = value
    while isinstance(func, (Bound, Partial)):
        func = func.func
    if not isinstance(func, Func):
        return Unknown(f"function.{name}")
    if func.attrs is not None and name in func.attrs:
        return func.attrs[name]
    if name == "__dict__":
        func.attrs = func.attrs if func.attrs is not None else {}
        return func.attrs
    if name == "__wrapped__" and func.wrapped is not None:
        return func.wrapped
    facts = {
        "__name__": func.function.name,
        "__qualname__": func.function.qualname,
        "__module__": func.function.module.dotted,
        "__doc__": func.function.name,
    }
    return facts.get(name, Unknown(f"{func.function.dotted}.{name}"))


def _entry_attribute(entry: Entry, name: str) -> Value:
    facts: dict[str, Value] = {
        "path": entry.path,
        "path_format": entry.path,
        "methods": list(entry.methods),
        "endpoint": entry.endpoint,
        "app": entry.endpoint,
        "dependencies": entry.dependencies,
        "tags": entry.tags,
    }
    return facts[name] if name in facts else entry.options.get(name, Unknown(f"route.{name}"))
