"""Phrases and hops that the messages of several checks share."""

from __future__ import annotations

import ast
from collections.abc import Sequence

from project import Function, Module, Place, Project, Scope


def joined(names: Sequence[str], most: int = 4) -> str:
    """`a, b and c`; what is beyond `most` is counted."""
    shown = list(names[:most])
    if len(names) > most:
        shown.append(f"{len(names) - most} more")
    return shown[0] if len(shown) == 1 else f"{', '.join(shown[:-1])} and {shown[-1]}"


def counted(number: int, one: str, many: str = "") -> str:
    """`1 column`, `3 columns`."""
    return f"{number} {one if number == 1 else many or one + 's'}"


def request_hop(project: Project, scope: Scope) -> tuple[Place, ...]:
    """The route or other root from which a scope is reached, as the first hop of a trace."""
    function = project.requests.within(scope)
    return (
        ()
        if function is None or project.requests.root(function).function is function
        else (project.requests.root(function).place(),)
    )


def is_command_line(scope: Scope) -> bool:
    """Whether a file belongs to the command line: a folder or file named so, typer or click at its top, or a
    `__main__` block.
    """
    parts = set(scope.module.path.removesuffix(".py").split("/"))
    if parts & {"cli", "commands", "management", "__main__"} or any(p.endswith("_cli") for p in parts):
        return True
    return has_main_block(scope.module) or any(
        b.kind in ("import", "from") and b.target.split(".")[0] in ("typer", "click")
        for bs in scope.module.bindings.values()
        for b in bs
    )


def has_main_block(module: Module) -> bool:
    """Whether a file is started as a script: `if __name__ == "__main__":` at its top, unless that starts a server."""
    blocks = [n for n in module.node.body if isinstance(n, ast.If) and "__name__" in ast.unparse(n.test)]
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
