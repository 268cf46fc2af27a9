"""Coroutines and threads that run at the same time: `gather`, task groups, tasks, executors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.scopes import COMPREHENSIONS, LOOPS, Function, Scope, parent, parents
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_GATHERING = frozenset("asyncio.gather asyncio.wait asyncio.as_completed".split())
_TASK_MAKERS = frozenset("asyncio.create_task asyncio.ensure_future".split())
_COROUTINE_TASKS = frozenset(("create_task", "start_soon"))


@dataclass(frozen=True, slots=True, eq=False)
class Member:
    """One of the things that run concurrently: the call that makes it; `repeated` when made once for each item."""

    call: ast.Call
    repeated: bool


@dataclass(frozen=True, slots=True, eq=False)
class Together:
    """Calls that run at the same time, and the call that starts them."""

    start: ast.Call
    scope: Scope
    members: tuple[Member, ...]

    @property
    def place(self) -> Place:
        return self.scope.place(self.start)


class Concurrency:
    """Every group of concurrent calls of the application."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def groups(self) -> list[Together]:
        """In order of files and lines."""
        spelled = self._project.spelled
        started = {
            id(s): s for _, s in spelled.calls("gather", "wait", "as_completed", "create_task", "start_soon", "submit")
        }
        found: list[Together] = []
        for scope in started.values():
            if isinstance(scope, Function):
                found.extend(self._gathered(scope))
                found.extend(self._tasks(scope))
        return sorted(found, key=lambda t: t.place)

    def _gathered(self, scope: Function) -> Iterator[Together]:
        for call in scope.all(ast.Call):
            last = (
                call.func.attr
                if isinstance(call.func, ast.Attribute)
                else call.func.id
                if isinstance(call.func, ast.Name)
                else ""
            )
            if (
                last in ("gather", "wait", "as_completed")
                and self._project.names.canonical(call.func, scope) in _GATHERING
            ):
                members = tuple(m for given in call.args for m in self._members(given, scope, False))
                if len(members) > 1 or any(m.repeated for m in members):
                    yield Together(call, scope, members)

    def _members(self, expr: ast.expr, scope: Scope, repeated: bool) -> Iterator[Member]:
        if isinstance(expr, ast.Starred):
            yield from self._members(expr.value, scope, repeated)
        elif isinstance(expr, COMPREHENSIONS) and not isinstance(expr, ast.DictComp):
            yield from self._members(expr.elt, scope, True)
        elif isinstance(expr, (ast.List, ast.Tuple, ast.Set)):
            for item in expr.elts:
                yield from self._members(item, scope, repeated)
        elif isinstance(expr, ast.Name):
            yield from self._named(expr, scope)
        elif isinstance(expr, ast.Call):
            if self._project.names.canonical(expr.func, scope) in _TASK_MAKERS and expr.args:
                yield from self._members(expr.args[0], scope, repeated)
            else:
                yield Member(expr, repeated)

    def _named(self, name: ast.Name, scope: Scope) -> Iterator[Member]:
        """A list of coroutines: a display, a comprehension, or filled by `append`; or one coroutine."""
        for binding in scope.bindings.get(name.id, []):
            if (
                binding.kind == "assign"
                and binding.value is not None
                and not isinstance(binding.value, (ast.Name, ast.Await))
            ):
                yield from self._members(binding.value, scope, False)
        for call in scope.all(ast.Call):
            func = call.func
            if (
                isinstance(func, ast.Attribute)
                and func.attr == "append"
                and isinstance(func.value, ast.Name)
                and func.value.id == name.id
                and call.args
            ):
                yield from self._members(call.args[0], scope, _in_loop(call))

    def _tasks(self, scope: Function) -> Iterator[Together]:
        """Tasks of one task group, tasks made one after the other, and work handed to an executor."""
        groups: dict[str, list[tuple[ast.Call, Member]]] = {}
        for call in scope.all(ast.Call):
            func = call.func
            if not isinstance(func, ast.Attribute) or func.attr not in ("create_task", "start_soon", "submit"):
                continue
            if self._waited_for_at_once(call):
                continue
            inner = call.args[0] if call.args else None
            if func.attr == "create_task" and isinstance(inner, ast.Call):
                groups.setdefault(ast.unparse(func.value), []).append((call, Member(inner, _in_loop(call))))
            elif func.attr in ("start_soon", "submit") and len(call.args) > 1:
                groups.setdefault(ast.unparse(func.value), []).append((call, Member(call, _in_loop(call))))
        for made in groups.values():
            if len(made) > 1 or made[0][1].repeated:
                yield Together(made[0][0], scope, tuple(m for _, m in made))

    def _waited_for_at_once(self, call: ast.Call) -> bool:
        return isinstance(parent(call), ast.Await)


def _in_loop(node: ast.AST) -> bool:
    return any(isinstance(h, (*LOOPS, *COMPREHENSIONS)) for h in parents(node))
