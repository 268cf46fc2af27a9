"""Which places are reached only by values that passed a test: where a condition lets on, and where it ends the way."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from project.language.scopes import FUNCTION_DEFS, parent, parents, subtree

if TYPE_CHECKING:
    from project.serving.checked import Test

NeverReturns = Callable[[ast.Call], bool]
_LEAVES = (ast.Return, ast.Continue, ast.Break)
_BLOCKS = (ast.If, ast.While, ast.IfExp)


class Passage:
    """A place where the value of `text` is used. `never_returns` says it of a call."""

    def __init__(self, at: ast.AST, text: str, never_returns: NeverReturns) -> None:
        self._never_returns = never_returns
        self._root = text.split(".", 1)[0].split("[", 1)[0]
        self._above: dict[int, ast.AST] = {}
        child = at
        for holder in parents(at):
            self._above[id(holder)] = child
            child = holder

    def after(self, test: Test) -> bool:
        """Whether the place is reached only when the test was passed."""
        holder = None if test.refuses else _holder(test.node)
        if holder is None or isinstance(holder, ast.Assert):
            return self._comes_after(test.node)
        if isinstance(holder, ast.comprehension):
            return id(parent(holder)) in self._above and test.safe is not False
        if id(holder) in self._above:
            child = self._above[id(holder)]
            if child is holder.test:
                return self._comes_after(test.node)
            return _fits(test, _holds(holder.body, child), "")
        ends = _ends_of(holder, self._root, self._never_returns)
        return any(_fits(test, not outcome, how) for outcome, how in ends) and self._comes_after(holder)

    def _comes_after(self, node: ast.AST) -> bool:
        """Whether the place is reached only after `node` has run without raising."""
        child = node
        for holder in parents(node):
            if id(holder) in self._above:
                return _in_order(holder, child, self._above[id(holder)])
            if not self._lets_through(holder, child):
                return False
            child = holder
        return False

    def _lets_through(self, holder: ast.AST, child: ast.AST) -> bool:
        """Whether what stands behind `holder` is reached only after `child` in it, where the value matters."""
        if isinstance(holder, (*FUNCTION_DEFS, ast.Lambda, ast.ExceptHandler)):
            return False
        if isinstance(holder, ast.If) and child is not holder.test:
            return any(isinstance(n, ast.Name) and n.id == self._root for n in subtree(holder.test))
        if isinstance(holder, ast.Try):
            return not _holds(holder.body, child) or all(
                _end(h.body, self._root, self._never_returns) for h in holder.handlers
            )
        return not (isinstance(holder, (ast.IfExp, ast.BoolOp)) and not _first(holder, child))


def outcomes(test: Test, never_returns: NeverReturns) -> Iterator[str]:
    """What a function does with a value that does not pass a test: "raises", "answers"."""
    holder = None if test.refuses else _holder(test.node)
    if holder is None or isinstance(holder, ast.Assert):
        tries = [p for p in _up_to_function(test.node) if isinstance(p, ast.Try)]
        ends = {_end(h.body, "", never_returns) for t in tries for h in t.handlers}
        yield "raises" if ends <= {"raise"} else "answers"
    elif isinstance(holder, (ast.If, ast.While)):
        for outcome, how in _ends_of(holder, "", never_returns):
            if _fits(test, not outcome, how):
                yield "raises" if how == "raise" else "answers"


def _holder(node: ast.AST) -> ast.If | ast.While | ast.IfExp | ast.Assert | ast.comprehension | None:
    """The statement, conditional expression or comprehension whose condition holds a node."""
    child = node
    for holder in parents(node):
        if isinstance(holder, (*_BLOCKS, ast.Assert)) and child is holder.test:
            return holder
        if isinstance(holder, ast.comprehension) and any(child is test for test in holder.ifs):
            return holder
        if isinstance(holder, ast.stmt):
            return None
        child = holder
    return None


def _fits(test: Test, outcome: bool, how: str) -> bool:
    """Whether a value is harmless where the condition had this outcome; a raise after a list of forbidden ones too."""
    return test.safe is None or test.safe is outcome or (how == "raise" and not test.known)


def _ends_of(
    holder: ast.If | ast.While | ast.IfExp, root: str, never_returns: NeverReturns
) -> Iterator[tuple[bool, str]]:
    """Outcomes of a condition that end the way, with how."""
    if isinstance(holder, (ast.If, ast.While)):
        for block, outcome in ((holder.body, True), (holder.orelse, False)):
            if block and (how := _end(block, root, never_returns)):
                yield outcome, how


def _end(block: list[ast.stmt], root: str, never_returns: NeverReturns) -> str:
    """How a block ends: "raise", "leave", or "" where it goes on. Giving the name another value ends it too."""
    last = block[-1]
    if raises(last, never_returns):
        return "raise"
    if isinstance(last, ast.If) and last.orelse:
        ends = {_end(last.body, root, never_returns), _end(last.orelse, root, never_returns)}
        return "" if "" in ends else "raise" if ends == {"raise"} else "leave"
    given = any(_gives(statement, root) for statement in block) if root else False
    return "leave" if isinstance(last, _LEAVES) or given else ""


def raises(statement: ast.stmt, never_returns: NeverReturns) -> bool:
    """Whether a statement always raises: itself, or by calling a function that never returns."""
    value = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(statement, ast.Raise) or (isinstance(value, ast.Call) and never_returns(value))


def lets_off(test: Test) -> bool:
    """Whether passing the test ends the function well: `if host == "localhost": return`."""
    holder = None if test.refuses else _holder(test.node)
    if not isinstance(holder, ast.If) or test.safe is False:
        return False
    last = holder.body[-1]
    return isinstance(last, ast.Return) and not (isinstance(last.value, ast.Constant) and last.value.value is False)


def _gives(statement: ast.stmt, name: str) -> bool:
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    return any(isinstance(t, ast.Name) and t.id == name for t in targets)


def _holds(part: object, child: ast.AST) -> bool:
    return child is part or (isinstance(part, list) and any(s is child for s in part))


def _first(holder: ast.IfExp | ast.BoolOp, child: ast.AST) -> bool:
    return child is (holder.test if isinstance(holder, ast.IfExp) else holder.values[0])


def _in_order(holder: ast.AST, first: ast.AST, second: ast.AST) -> bool:
    """Whether, of two parts of one node, the second runs only after the first."""
    for name in ("body", "orelse", "finalbody", "values"):
        block = getattr(holder, name, None)
        if isinstance(block, list) and _holds(block, first):
            if _holds(block, second):
                return next(i for i, s in enumerate(block) if s is first) < next(
                    i for i, s in enumerate(block) if s is second
                )
            return isinstance(holder, ast.Try) and name == "body" and _holds(holder.orelse, second)
    tested = first is getattr(holder, "test", None) or first is getattr(holder, "iter", None)
    return (tested and second is not first) or (isinstance(holder, (ast.With, ast.AsyncWith)) and second in holder.body)


def _up_to_function(node: ast.AST) -> Iterator[ast.AST]:
    current = parent(node)
    while current is not None and not isinstance(current, FUNCTION_DEFS):
        yield current
        current = parent(current)
