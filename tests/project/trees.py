"""Small project trees for the tests of facts."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

from project import Function, Module, Project, Scope


def make(folder: Path, files: dict[str, str]) -> Project:
    """A project with these files below `folder`; texts are dedented."""
    for path, text in files.items():
        target = folder / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(textwrap.dedent(text), encoding="utf-8")
    return Project.at(folder)


def module(project: Project, path: str) -> Module:
    found = project.module(path)
    assert found is not None, f"{path} was not read: {project.unread}"
    return found


def function(project: Project, path: str, qualname: str) -> Function:
    return next(f for f in module(project, path).functions if f.qualname == qualname)


def expression(scope: Scope, text: str) -> ast.expr:
    """The first expression in a scope that is written like this."""
    for nodes in scope.nodes.values():
        for node in nodes:
            if isinstance(node, ast.expr) and ast.unparse(node) == text:
                return node
    raise AssertionError(f"{text!r} does not stand in {scope.dotted}")
