"""Credentials that the code itself holds: what a caller sends is compared with a text written there."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from project import Function, Project
from project.language.scopes import parents
from project.place import Place
from security.around import last_name, under_main

SENT = re.compile(
    r"(^|[_-])(authorization|auth|token|secret|passw(or)?d|pwd|pass|credentials?|(api|access|admin)[_-]?key)$",
    re.IGNORECASE,
)
SCHEME = re.compile(r"^(Bearer|Basic|Token|ApiKey)\s+", re.IGNORECASE)
WORDS = re.compile(r"[A-Za-z]+([ _.:/-][A-Za-z]+)*")
SAYS_SECRET = re.compile(r"secret|passw|admin|letmein|changeme|qwerty|swordfish", re.IGNORECASE)
LEAST = 6


def compared_literals(project: Project) -> Iterator[tuple[Place, str, str]]:
    """Where a credential from a request is compared with a text: the place, what is compared, the text."""
    for module in project.app_modules:
        for function in module.functions:
            for node, given, kept in _pairs(function):
                secret, name = _text(kept), _sent_name(given)
                if not secret or not SENT.search(name) or not _is_secret(secret) or under_main(node):
                    continue
                if project.origins.way(given, function) is not None:
                    yield function.place(node), f"{name} is compared with a text in the code", secret


def _pairs(function: Function) -> Iterator[tuple[ast.expr, ast.expr, ast.expr]]:
    """Comparisons, both ways round."""
    for compare in function.all(ast.Compare):
        if len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.NotEq)) and not _rejects(compare):
            yield compare, compare.left, compare.comparators[0]
            yield compare, compare.comparators[0], compare.left
    for call in function.all(ast.Call):
        if len(call.args) == 2 and last_name(call.func) == "compare_digest":
            yield call, call.args[0], call.args[1]
            yield call, call.args[1], call.args[0]


def _rejects(compare: ast.Compare) -> bool:
    """Whether a text is turned away: `if key == "changeme": raise`."""
    holder = next((p for p in parents(compare) if isinstance(p, ast.If)), None)
    return (
        isinstance(compare.ops[0], ast.Eq)
        and holder is not None
        and any(isinstance(statement, ast.Raise) for statement in holder.body)
    )


def _sent_name(given: ast.expr) -> str:
    """`X-Token` of `request.headers.get("X-Token")`, else the last name of the expression."""
    given = _bare(given)
    if isinstance(given, ast.Call):
        asks = isinstance(given.func, ast.Attribute) and given.func.attr == "get" and given.args
        return (_text(given.args[0]) or "") if asks else ""
    return last_name(given)


def _bare(node: ast.expr) -> ast.expr:
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("encode", "strip"):
        node = node.func.value
    return node


def _text(node: ast.expr) -> str | None:
    node = _bare(node)
    value = node.value if isinstance(node, ast.Constant) else None
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value if isinstance(value, str) else None


def _is_secret(text: str) -> bool:
    """Whether a text can be a credential rather than a word for a kind of one."""
    rest = SCHEME.sub("", text)
    if len(rest) < LEAST or rest.startswith(("/", "http")):
        return False
    return not WORDS.fullmatch(rest) or SAYS_SECRET.search(rest) is not None
