"""Where the code itself starts a server."""

from __future__ import annotations

from typing import TYPE_CHECKING

from project.place import Place

if TYPE_CHECKING:
    from project import Project

# Canonical name of a call that serves until the process ends -> the program.
_RUNS = {
    "uvicorn.run": "uvicorn.run",
    "uvicorn.main.run": "uvicorn.run",
    "uvicorn.Server": "uvicorn.Server",
    "granian.Granian": "granian.Granian",
    "hypercorn.asyncio.serve": "hypercorn.asyncio.serve",
    "hypercorn.trio.serve": "hypercorn.trio.serve",
}


def started(project: Project) -> list[tuple[str, Place]]:
    """(what is called, where) in application and script modules, in order of path."""
    found = []
    for call, scope in project.spelled.calls("run", "Server", "Granian", "serve"):
        name = _RUNS.get(project.names.canonical(call.func, scope) or "")
        if name and scope.module.kind in ("app", "script"):
            found.append((name, scope.place(call)))
    return sorted(found, key=lambda pair: (pair[1].path.count("/"), pair[1].path, pair[1].line))
