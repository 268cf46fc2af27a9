"""Small questions about a place in the code, and signals of one cause put together."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import replace

from check import Hit
from project import Function, Project, Scope
from project.language.scopes import parents


def under_main(node: ast.AST) -> bool:
    """Whether a node stands below `if __name__ == "__main__":`."""
    tests = (holder.test for holder in parents(node) if isinstance(holder, ast.If))
    return any(isinstance(n, ast.Name) and n.id == "__name__" for test in tests for n in ast.walk(test))


def run_by_hand(project: Project, scope: Scope) -> bool:
    """Whether nothing but `if __name__ == "__main__":` of a file runs a function: an example, a script."""
    todo: list[Scope] = [scope]
    seen: set[Scope] = set()
    while todo:
        current = todo.pop()
        callers = project.calls.callers(current) if isinstance(current, Function) else []
        if not callers:
            return False
        seen.add(current)
        todo += [c.scope for c in callers if not under_main(c.node) and c.scope not in seen]
    return True


def last_name(expr: ast.AST | None) -> str:
    """`c` of `a.b.c`, `key` of `row["key"]`, "" for anything else."""
    if isinstance(expr, ast.Subscript):
        return expr.slice.value if isinstance(expr.slice, ast.Constant) and isinstance(expr.slice.value, str) else ""
    return expr.id if isinstance(expr, ast.Name) else expr.attr if isinstance(expr, ast.Attribute) else ""


def by_file(hits: Iterable[Hit]) -> Iterator[Hit]:
    """Signals of the same file with the same message as one, the others as its further places."""
    found: dict[tuple[str, str], list[Hit]] = {}
    for hit in hits:
        found.setdefault((hit.place.path, hit.message), []).append(hit)
    for (_, message), (first, *others) in found.items():
        if others:
            message = f"{message} ({len(others) + 1} places in this file)"
        yield replace(first, message=message, places=tuple(other.place for other in others))
