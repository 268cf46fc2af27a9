"""What belongs to the command line."""

from __future__ import annotations

import ast
from functools import lru_cache
from typing import TYPE_CHECKING

from project.language.scopes import Function, Module, Scope, parents, subtree

if TYPE_CHECKING:
    from project import Project


def is_command_line(scope: Scope) -> bool:
    """Whether a file belongs to the command line: a folder or file named so, typer or click at its top, a `__main__`
    block, or arguments that it parses when it is read.
    """
    parts = set(scope.module.path.removesuffix(".py").split("/"))
    if parts & {"cli", "commands", "management", "__main__"} or any(p.endswith("_cli") for p in parts):
        return True
    return (
        has_main_block(scope.module)
        or parses_arguments(scope.module)
        or any(
            b.kind in ("import", "from") and b.target.split(".")[0] in ("typer", "click")
            for bs in scope.module.bindings.values()
            for b in bs
        )
    )


def parses_arguments(module: Module) -> bool:
    """Whether reading a file parses the arguments of a command."""
    return any(isinstance(c.func, ast.Attribute) and c.func.attr == "parse_args" for c in module.all(ast.Call))


def in_main_block(node: ast.AST, scope: Scope) -> bool:
    """Whether a node stands in `if __name__ == "__main__":`, also in a function defined there: no server runs it."""
    current: Scope | None = scope if _may_be_started(scope.module) else None
    while current is not None:
        if any(isinstance(h, ast.If) and _asks_for_name(h.test) for h in parents(node)):
            return True
        node, current = current.node, current.parent
    return False


@lru_cache(maxsize=50_000)
def _may_be_started(module: Module) -> bool:
    return "__main__" in module.source.text


def _asks_for_name(test: ast.expr) -> bool:
    return any(isinstance(n, ast.Name) and n.id == "__name__" for n in subtree(test))


@lru_cache(maxsize=50_000)
def has_main_block(module: Module) -> bool:
    """Whether a file is started as a script: `if __name__ == "__main__":` at its top, unless that starts a server."""
    blocks = [n for n in module.node.body if isinstance(n, ast.If) and _asks_for_name(n.test)]
    return any(not any(w in ast.unparse(b) for w in ("uvicorn", "hypercorn", "granian", "gunicorn")) for b in blocks)


def runs_from_command_line(project: Project, scope: Scope) -> bool:
    """Whether only the command line calls this function, as far as its callers are known."""
    seen: set[Scope] = {scope}
    pending: list[Scope] = [scope]
    while pending:
        current = pending.pop()
        if is_command_line(current):
            continue
        callers = project.calls.callers(current) if isinstance(current, Function) else []
        if not callers:
            return False
        for site in callers:
            if site.scope not in seen:
                seen.add(site.scope)
                pending.append(site.scope)
    return True
