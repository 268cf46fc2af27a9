"""Which functions lead to routers: they make one, register on one, or call by name what does."""

from __future__ import annotations

import ast
from collections import Counter, defaultdict
from collections.abc import Iterable

from project.language.scopes import FUNCTION_DEFS, Function, Module, parent
from project.routing.interpret_registration import VERBS
from project.routing.interpret_routers import APP_CLASSES, REGISTERING, ROUTE_CLASSES, ROUTER_CLASSES

ROUNDS = 6
_LIBRARY = (*APP_CLASSES, *ROUTER_CLASSES, *(name for name in ROUTE_CLASSES if name.startswith("fastapi.")))
_REGISTRATIONS = REGISTERING.union(dotted.rsplit(".", 1)[-1] for dotted in _LIBRARY)
_DECORATORS = frozenset((*VERBS, "websocket"))


def builders(modules: Iterable[Module]) -> set[int]:
    """Ids of the functions of these modules that make or fill routers, directly or through what they call.

    Calls are followed by their last name; a name counts when at least a third of the functions that have it lead to
    routers. Saying too much costs time only.
    """
    functions = [f for m in modules for f in m.functions]
    defined = Counter(_called_as(f) for f in functions)
    callers: dict[str, list[Function]] = defaultdict(list)
    for function in functions:
        for name in function.called:
            callers[name].append(function)
    subclasses = _subclasses(functions)
    found: set[int] = set()
    leading: Counter[str] = Counter()
    fresh = [f for f in functions if _registers(f)]
    for _ in range(ROUNDS):
        names: set[str] = set()
        for function in fresh:
            if id(function) not in found:
                found.add(id(function))
                name = _called_as(function)
                leading[name] += 1
                names.update([name, *subclasses.get(name, ())] if leading[name] * 3 >= defined[name] else [])
        fresh = [f for name in names for f in callers.get(name, ()) if id(f) not in found]
        if not fresh:
            break
    return found


def _registers(function: Function) -> bool:
    if not _REGISTRATIONS.isdisjoint(function.called):
        return True
    verbs = _DECORATORS.intersection(function.called)  # `@router.get(...)`
    return any(isinstance(parent(call), FUNCTION_DEFS) for verb in verbs for call in function.called[verb])


def _called_as(function: Function) -> str:
    return function.owner.name if function.name == "__init__" and function.owner is not None else function.name


def _name(func: ast.expr) -> str:
    return getattr(func, "id", getattr(func, "attr", ""))


def _subclasses(functions: list[Function]) -> dict[str, list[str]]:
    """Names of the classes below a class, by its name."""
    below: dict[str, set[str]] = defaultdict(set)
    for cls in {id(f.owner): f.owner for f in functions if f.owner is not None}.values():
        for base in cls.node.bases:
            below[_name(base)].add(cls.name)
    made: dict[str, list[str]] = {}
    for name in below:
        seen: set[str] = set()
        stack = [name]
        while stack:
            for inner in below.get(stack.pop(), ()):
                if inner not in seen:
                    seen.add(inner)
                    stack.append(inner)
        made[name] = list(seen)
    return made
