"""Places in a function that are only reached when no event loop is running in the thread."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from project.language.calls import Calls
from project.language.scopes import Function, Scope, parents, subtree
from project.language.value_types import Bound

_LEAVES = (ast.Return, ast.Raise, ast.Continue, ast.Break)
RAISES = frozenset(("get_running_loop", "current_async_library"))
_HINTS = frozenset(("get_running_loop", "get_event_loop", "is_running", "current_async_library"))


class RunningLoop:
    """Reads `try: asyncio.get_running_loop() except RuntimeError: ...` and `if loop.is_running(): ... else: ...`."""

    def __init__(self, calls: Calls) -> None:
        self._values = calls.values
        self._asks: dict[Scope, bool] = {}

    def is_absent_at(self, node: ast.AST, scope: Scope) -> bool:
        """Whether `node` is reached only where no loop is running."""
        if not self._looks_for_loop(scope):
            return False
        child: ast.AST = node
        for holder in parents(node):
            if isinstance(holder, ast.ExceptHandler):
                if _asked_in(holder) and _handles_absence(holder):
                    return True
            elif isinstance(holder, ast.If):
                said = self._says(holder.test, scope)
                branch = any(child is s for s in holder.body)
                if said is not None and (branch != said) and child is not holder.test:
                    return True
            if isinstance(child, ast.stmt) and self._left_before(child, holder, scope):
                return True
            child = holder
        return False

    def _looks_for_loop(self, scope: Scope) -> bool:
        if scope not in self._asks:
            self._asks[scope] = not _HINTS.isdisjoint(scope.called) or any(self._asking_helpers(scope))
        return self._asks[scope]

    def _asking_helpers(self, scope: Scope) -> Iterator[bool]:
        for branch in scope.all(ast.If):
            yield self._says(branch.test, scope) is not None

    def _says(self, test: ast.expr, scope: Scope) -> bool | None:
        """True when the test holds only while a loop runs, False when only without one, None when it says neither."""
        if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
            said = self._says(test.operand, scope)
            return None if said is None else not said
        if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
            return True if any(self._says(v, scope) for v in test.values) else None
        if isinstance(test, ast.Compare) and len(test.ops) == 1 and isinstance(test.left, ast.Name):
            nothing = isinstance(test.comparators[0], ast.Constant) and test.comparators[0].value is None
            if nothing and isinstance(test.ops[0], (ast.Is, ast.IsNot)) and self._holds_loop(test.left.id, scope):
                return isinstance(test.ops[0], ast.IsNot)
            return None
        if isinstance(test, ast.Name):
            return True if self._holds_loop(test.id, scope) else None
        if isinstance(test, ast.Call):
            if isinstance(test.func, ast.Attribute) and test.func.attr == "is_running" and not test.args:
                return True
            values = self._values.of(test.func, scope)
            functions = [v.function if isinstance(v, Bound) else v for v in values if isinstance(v, (Function, Bound))]
            return True if any(_tells_of_loop(f) for f in functions) else None
        return None

    def _holds_loop(self, name: str, scope: Scope) -> bool:
        """Whether a local holds the running loop, or None where there is none (set in the handler of the question)."""
        bindings = scope.bindings.get(name, [])
        values = [b.value for b in bindings if b.kind == "assign"]
        asked = any(isinstance(v, ast.Call) and self._gives_loop(v, scope) for v in values)
        return asked and len(values) == len(bindings)

    def _gives_loop(self, call: ast.Call, scope: Scope) -> bool:
        if _last(call.func) in ("get_running_loop", "_get_running_loop"):
            return True
        if "loop" not in _last(call.func).lower():
            return False
        made = self._values.of(call.func, scope)
        functions = [v.function if isinstance(v, Bound) else v for v in made if isinstance(v, (Function, Bound))]
        return any(_asks_in(attempt.body, _HINTS) for f in functions for attempt in f.all(ast.Try))

    def _left_before(self, child: ast.stmt, holder: ast.AST, scope: Scope) -> bool:
        """Whether a statement before `child` in its block leaves the function whenever a loop is running."""
        block = next((b for b in _blocks(holder) if any(s is child for s in b)), [])
        for statement in block:
            if statement is child:
                return False
            if isinstance(statement, ast.Try) and _asks_in(statement.body):
                last = (statement.orelse or statement.body)[-1]
                if isinstance(last, _LEAVES):
                    return True
            branch = statement if isinstance(statement, ast.If) else None
            if branch is not None and isinstance(branch.body[-1], _LEAVES) and self._says(branch.test, scope) is True:
                return True
        return False


def _blocks(holder: ast.AST) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, None)
        if isinstance(block, list):
            yield block


def _asked_in(handler: ast.ExceptHandler) -> bool:
    holder = next(iter(parents(handler)), None)
    return isinstance(holder, ast.Try) and _asks_in(holder.body)


def _asks_in(body: list[ast.stmt], by: frozenset[str] = RAISES) -> bool:
    """Whether a block begins by asking for the running loop, which raises when there is none."""
    for statement in body[:2]:
        for node in subtree(statement):
            if isinstance(node, ast.Call) and _last(node.func) in by:
                return True
    return False


def _handles_absence(handler: ast.ExceptHandler) -> bool:
    kinds = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    names = {_last(k) for k in kinds if k is not None}
    return not names or bool(names & {"RuntimeError", "Exception", "BaseException", "AsyncLibraryNotFoundError"})


def _tells_of_loop(function: Function) -> bool:
    """A helper that returns True where a loop runs and False in the handler: `def is_async() -> bool`."""
    if not any(_asks_in(attempt.body) for attempt in function.all(ast.Try)):
        return False
    returned = [r.value for r in function.all(ast.Return)]
    return {v.value for v in returned if isinstance(v, ast.Constant)} == {True, False} and len(function.body) <= 3


def _last(func: ast.AST) -> str:
    return func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
