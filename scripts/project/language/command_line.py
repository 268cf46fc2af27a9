"""Which files belong to the command line."""

from __future__ import annotations

from project.language.scopes import Scope


def is_command_line(scope: Scope) -> bool:
    """Whether a file belongs to the command line: a folder or file named so, or typer or click at its top."""
    parts = set(scope.module.path.removesuffix(".py").split("/"))
    if parts & {"cli", "commands", "management", "__main__"} or any(p.endswith("_cli") for p in parts):
        return True
    return any(
        b.kind in ("import", "from") and b.target.split(".")[0] in ("typer", "click")
        for bs in scope.module.bindings.values()
        for b in bs
    )
