"""Answers whose status is chosen by what the text of an exception says."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.scopes import Function, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_SAME = frozenset("lower upper casefold strip".split())
_ASKS = frozenset("startswith endswith".split())
_PATTERNS = frozenset(f"re.{name}" for name in ("search", "match", "fullmatch"))
_TEXT_FIELDS = frozenset(("message", "msg", "detail"))
_CONSTRAINT = re.compile(r"^\w*_\w+$|constraint", re.IGNORECASE)
_ANSWER = ("HTTPException", "Response")

Statuses = dict[int, int | None]  # of HTTP errors, by the id of their `raise`


@dataclass(frozen=True, slots=True)
class ErrorText:
    """A question to the text of an exception that `clause` caught (None: a parameter) and that chooses a status."""

    place: Place
    function: Function
    clause: ast.ExceptHandler | None
    asked: str


def error_texts(project: Project) -> Iterator[ErrorText]:
    """Questions that choose an HTTP status, in functions that requests reach; the first of each clause."""
    for function in project.requests.functions:
        errors = {id(e.node): e.status for e in project.http_errors.of(function)}
        for clause in function.all(ast.ExceptHandler):
            if clause.name:
                yield from _asked(project, function, clause, clause.name, errors)
        for param, _ in function.params:
            if param.annotation is not None and ast.unparse(param.annotation).endswith(("Exception", "Error")):
                yield from _asked(project, function, None, param.arg, errors)


def _asked(
    project: Project, function: Function, clause: ast.ExceptHandler | None, name: str, errors: Statuses
) -> Iterator[ErrorText]:
    inside = {id(n) for n in (subtree(clause) if clause is not None else subtree(function.node))}
    texts = {name: False}  # whether the name holds the text itself
    for assigned in function.all(ast.Assign):
        target = assigned.targets[0]
        if id(assigned) in inside and isinstance(target, ast.Name) and _is_text(assigned.value, texts):
            texts[target.id] = True
    nodes: list[ast.If | ast.IfExp] = [*function.all(ast.If), *function.all(ast.IfExp)]
    for node in nodes:
        if id(node) not in inside:
            continue
        test = next((n for n in subtree(node.test) if _asks(project, n, texts, function)), None)
        if test is not None and _chooses(node, {i: s for i, s in errors.items() if i in inside}):
            yield ErrorText(function.place(node), function, clause, ast.unparse(test))
            return


def _is_text(expr: ast.expr, texts: dict[str, bool]) -> bool:
    """Whether an expression is the text of the error: `str(error).lower()`, `error.args[0]`, a name for that."""
    if isinstance(expr, ast.Name):
        return texts.get(expr.id, False)
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and expr.func.attr in _SAME:
        return _is_text(expr.func.value, texts)
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Name) and expr.func.id in ("str", "repr"):
        return len(expr.args) == 1 and (_is_error(expr.args[0], texts) or _is_text(expr.args[0], texts))
    if isinstance(expr, ast.Subscript):
        return (
            isinstance(expr.value, ast.Attribute) and expr.value.attr == "args" and _is_error(expr.value.value, texts)
        )
    return isinstance(expr, ast.Attribute) and expr.attr in _TEXT_FIELDS and _is_error(expr.value, texts)


def _is_error(expr: ast.expr, texts: dict[str, bool]) -> bool:
    return isinstance(expr, ast.Name) and texts.get(expr.id) is False


def _asks(project: Project, node: ast.AST, texts: dict[str, bool], function: Function) -> bool:
    """Whether a test compares the text with words, or looks for them in it."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1:
        left, right = node.left, node.comparators[0]
        if isinstance(node.ops[0], (ast.In, ast.NotIn)):
            asked = _is_text(right, texts) and not _is_constraint(left)
            return asked or (_is_text(left, texts) and isinstance(right, (ast.Tuple, ast.Set, ast.List)))
        same = isinstance(node.ops[0], (ast.Eq, ast.NotEq))
        return same and any(_is_text(a, texts) and _is_word(b) for a, b in ((left, right), (right, left)))
    if not isinstance(node, ast.Call):
        return False
    if isinstance(node.func, ast.Attribute) and node.func.attr in _ASKS:
        return _is_text(node.func.value, texts)
    found = project.names.canonical(node.func, function) in _PATTERNS
    return found and len(node.args) > 1 and _is_text(node.args[1], texts)


def _is_constraint(expr: ast.expr) -> bool:
    """Whether what is looked for is a name from the schema: drivers tell which constraint failed in no better way."""
    if isinstance(expr, ast.Constant):
        return isinstance(expr.value, str) and bool(_CONSTRAINT.search(expr.value))
    return isinstance(expr, ast.Attribute)


def _is_word(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and isinstance(expr.value, str) and bool(expr.value)


def _chooses(node: ast.If | ast.IfExp, errors: Statuses) -> bool:
    """Whether a branch is an answer with a status of its own, or a value that becomes the status of one.

    `errors`: the HTTP errors raised where the exception is known.
    """
    if isinstance(node, ast.IfExp):
        return _is_status(node.body) and _is_status(node.orelse)
    branch = [n for statement in node.body for n in subtree(statement)]
    raised = {id(n) for n in branch if id(n) in errors}
    if raised:
        others = {status for key, status in errors.items() if key not in raised}
        return not others or {errors[key] for key in raised} != others or None in others
    return any((isinstance(n, ast.Return) and _is_answer(n.value)) or _sets(n) for n in branch)


def _is_status(expr: ast.expr) -> bool:
    named = ast.unparse(expr) if isinstance(expr, (ast.Name, ast.Attribute)) else ""
    known = isinstance(expr, ast.Constant) and type(expr.value) is int and 400 <= expr.value < 600
    return known or "HTTP_4" in named or "HTTP_5" in named or "HTTPStatus." in named


def _is_answer(expr: ast.expr | None) -> bool:
    if expr is None or _is_status(expr):
        return expr is not None
    if not isinstance(expr, ast.Call):
        return False
    func = expr.func.attr if isinstance(expr.func, ast.Attribute) else getattr(expr.func, "id", "")
    return func.endswith(_ANSWER) and (any(k.arg == "status_code" for k in expr.keywords) or func == "HTTPException")


def _sets(node: ast.AST) -> bool:
    return isinstance(node, ast.Assign) and _is_status(node.value)
