"""Calls and attributes by the last name they are written with: where a fact or check looks before it resolves
anything.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator
from functools import cached_property
from typing import Any

from project.language.scopes import Module, Scope

_NONE: tuple[list[Any], list[Any]] = ([], [])


class Spelled:
    """Nodes of some modules by spelling, each with its scope, in order of files and lines."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = list(modules)

    @cached_property
    def _calls(self) -> dict[str, tuple[list[ast.Call], list[Scope]]]:
        found: dict[str, tuple[list[ast.Call], list[Scope]]] = {}
        for module in self._modules:
            for scope in module.walk():
                for call in scope.all(ast.Call):
                    func = call.func
                    name = (
                        func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
                    )
                    lists = found.get(name)
                    if lists is None:
                        lists = found[name] = ([], [])
                    lists[0].append(call)
                    lists[1].append(scope)
        return found

    @cached_property
    def _attributes(self) -> dict[str, tuple[list[ast.Attribute], list[Scope]]]:
        found: dict[str, tuple[list[ast.Attribute], list[Scope]]] = {}
        for module in self._modules:
            for scope in module.walk():
                for node in scope.all(ast.Attribute):
                    lists = found.get(node.attr)
                    if lists is None:
                        lists = found[node.attr] = ([], [])
                    lists[0].append(node)
                    lists[1].append(scope)
        return found

    @cached_property
    def _renamed(self) -> dict[str, set[str]]:
        """Other spellings that imports give to a name (`from x import create_engine as make`)."""
        found: dict[str, set[str]] = defaultdict(set)
        for module in self._modules:
            for scope in module.walk():
                for source in scope.all(ast.ImportFrom):
                    for alias in source.names:
                        if alias.asname and alias.asname != alias.name:
                            found[alias.name].add(alias.asname)
        return found

    @property
    def call_names(self) -> Iterable[str]:
        """Every last name that something is called by."""
        return self._calls.keys()

    def calls(self, *names: str) -> Iterator[tuple[ast.Call, Scope]]:
        """Calls written `name(...)` or `x.name(...)`, names that imports change included."""
        wanted = dict.fromkeys(names)
        for name in names:
            wanted.update(dict.fromkeys(sorted(self._renamed.get(name, ()))))
        for name in wanted:
            yield from zip(*self._calls.get(name, _NONE), strict=True)

    def attributes(self, *names: str) -> Iterator[tuple[ast.Attribute, Scope]]:
        """Attributes written `x.name`."""
        for name in names:
            yield from zip(*self._attributes.get(name, _NONE), strict=True)
