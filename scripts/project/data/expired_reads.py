"""Attributes of ORM objects that are read after `await session.commit()`, which expires them."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING, cast

from project.data.models import DOCUMENT, TORTOISE, Model
from project.data.queries import READ
from project.data.rows import ONE
from project.data.sessions import is_session
from project.language.scopes import LOOPS, Function, parent, parents, subtree
from project.language.value_types import Instance
from project.place import Place

if TYPE_CHECKING:
    from project import Project

MAX_CALLS = 3  # functions that an expired object passes on its way up


class ExpiredReads:
    """Reads of expired objects, in the function that commits and in those it gives them back to."""

    def __init__(self, project: Project) -> None:
        self._project = project

    def all(self) -> Iterator[Place]:
        """Each read in an async function; for a route that returns such an object, its `return`."""
        scopes = {id(s): s for _, s in self._project.spelled.calls("commit")}
        for function in scopes.values():
            if isinstance(function, Function) and function.is_async:
                for wait in self._commits(function):
                    after = _after(wait)
                    yield from self._reads(after, function)
                    for left in self._given_back(after, function):
                        yield from self._leaving(function, left, MAX_CALLS)

    @cached_property
    def _validated(self) -> frozenset[Function]:
        """Handlers whose answer FastAPI validates, and reads for that."""
        routes = (r for r in self._project.routes if r.response_model is not None and not r.websocket)
        return frozenset(r.function for r in routes if r.function is not None)

    def _commits(self, function: Function) -> Iterator[ast.Await]:
        for wait in function.all(ast.Await):
            call = wait.value
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "commit"):
                continue
            if is_session(self._project, call.func.value, function):
                yield wait

    def _reads(self, after: list[ast.stmt], function: Function, only: str = "") -> Iterator[Place]:
        """Columns of objects that are read in these statements, of the one that a name holds when `only` is given."""
        refreshed = _refreshed(after)
        for statement in after:
            for node in subtree(statement):
                if (
                    isinstance(node, ast.Attribute)
                    and isinstance(node.ctx, ast.Load)
                    and isinstance(node.value, ast.Name)
                    and node.value.id not in refreshed
                    and only in ("", node.value.id)
                    and self._is_column(node, function)
                ):
                    yield function.place(node, f"reads {ast.unparse(node)} after commit")

    def _is_column(self, node: ast.Attribute, function: Function) -> bool:
        return any(node.attr in m.columns for m in self._models(node.value, function))

    def _models(self, expr: ast.expr, function: Function) -> Iterator[Model]:
        """Tables of SQLAlchemy that an expression may be an object of."""
        for value in self._project.values.of(expr, function):
            model = self._project.models.of(value.cls) if isinstance(value, Instance) else None
            if model is not None and model.orm not in (TORTOISE, DOCUMENT):
                yield model
        for rows in self._project.rows.of(expr, function):
            if rows.model is not None and rows.shape == ONE and rows.model.orm not in (TORTOISE, DOCUMENT):
                yield rows.model

    # Up through returns

    def _given_back(self, after: list[ast.stmt], function: Function) -> Iterator[ast.Return]:
        """Returns of an object behind the commit that nothing loads again."""
        spans = [(s.lineno, s.end_lineno or s.lineno) for s in after]
        reads = (e.node.lineno for e in self._project.queries.of(function) if e.effect == READ)
        if any(first <= line <= last for line in reads for first, last in spans):
            return
        refreshed = _refreshed(after)
        for left in after:
            name = left.value if isinstance(left, ast.Return) else None
            if isinstance(name, ast.Name) and name.id not in refreshed and self._is_object(name, function):
                yield cast(ast.Return, left)

    def _is_object(self, name: ast.Name, function: Function) -> bool:
        """Whether a name holds an ORM object: by its type or query, or because it is added to a session."""
        for call in function.all(ast.Call):
            method = call.func.attr if isinstance(call.func, ast.Attribute) else ""
            if method == "add" and any(isinstance(a, ast.Name) and a.id == name.id for a in _given(call)):
                return True
        return bool(list(self._models(name, function)))

    def _above(self, function: Function, calls: int) -> Iterator[Place]:
        """Reads in the functions that call this one."""
        for site in self._project.calls.callers(function) if calls else ():
            caller = site.scope
            holder = parent(site.node)
            if not isinstance(caller, Function) or not caller.is_async or not isinstance(holder, ast.Await):
                continue
            kept = parent(holder)
            if isinstance(kept, ast.Return):
                yield from self._leaving(caller, kept, calls)
            elif isinstance(kept, (ast.Assign, ast.AnnAssign)) and (name := _only_name(kept)):
                after = _after(kept)
                yield from self._reads(after, caller, name)
                for left in (s for s in after if isinstance(s, ast.Return)):
                    if isinstance(left.value, ast.Name) and left.value.id == name and name not in _refreshed(after):
                        yield from self._leaving(caller, left, calls)

    def _leaving(self, function: Function, left: ast.Return, calls: int) -> Iterator[Place]:
        """A function that returns an expired object: FastAPI reads it for the response, or its callers do."""
        if function in self._validated:
            yield function.place(left, "the response reads the object after commit")
        else:
            yield from self._above(function, calls - 1)


def _after(node: ast.AST) -> list[ast.stmt]:
    """Statements that follow in the same block, and behind the `with` and `try` blocks that it ends."""
    found: list[ast.stmt] = []
    child: ast.AST = node
    for holder in parents(node):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(holder, name, None)
            if isinstance(block, list) and any(s is child for s in block):
                at = next(i for i, s in enumerate(block) if s is child)
                found += block[at + 1 :]
        left = bool(found) and isinstance(found[-1], (ast.Return, ast.Raise))
        if left or isinstance(holder, (ast.If, ast.FunctionDef, ast.AsyncFunctionDef, *LOOPS)):
            return found
        child = holder
    return found


def _refreshed(after: list[ast.stmt]) -> set[str]:
    """Names that are loaded again in these statements."""
    return {
        given.id
        for statement in after
        for call in subtree(statement)
        if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and call.func.attr == "refresh"
        for given in _given(call)
        if isinstance(given, ast.Name)
    }


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _only_name(assigned: ast.Assign | ast.AnnAssign) -> str:
    """The one plain name that is assigned."""
    targets = assigned.targets if isinstance(assigned, ast.Assign) else [assigned.target]
    return targets[0].id if len(targets) == 1 and isinstance(targets[0], ast.Name) else ""
