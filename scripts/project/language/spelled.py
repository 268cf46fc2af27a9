"""Calls and attributes by the last name they are written with: where a fact or check looks before it resolves
anything.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from functools import cached_property

from project.language.scopes import Module, Scope


class Spelled:
    """Nodes of some modules by spelling, each with its scope, in order of files and lines."""

    def __init__(self, modules: Iterable[Module]) -> None:
        self._modules = list(modules)

    @cached_property
    def _calls(self) -> dict[str, list[tuple[ast.Call, Scope]]]:
        found: dict[str, list[tuple[ast.Call, Scope]]] = defaultdict(list)
        for module in self._modules:
            for scope in module.walk():
                for name, calls in scope.called.items() if ast.Call in scope.nodes else ():
                    found[name] += [(call, scope) for call in calls]
        return found

    @cached_property
    def _attributes(self) -> dict[str, list[tuple[ast.Attribute, Scope]]]:
        found: dict[str, list[tuple[ast.Attribute, Scope]]] = defaultdict(list)
        for module in self._modules:
            for scope in module.walk():
                for node in scope.all(ast.Attribute):
                    found[node.attr].append((node, scope))
        return found

    @cached_property
    def _renamed(self) -> dict[str, set[str]]:
        """Other spellings that imports give to a name (`from x import create_engine as make`)."""
        found: dict[str, set[str]] = defaultdict(set)
        for module in self._modules:
            for scope in module.importing:
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
            yield from self._calls.get(name, ())

    def written(self, name: str) -> Sequence[tuple[ast.Call, Scope]]:
        """Calls written `name(...)` or `x.name(...)`, and no other."""
        return self._calls.get(name, ())

    def attributes(self, *names: str) -> Iterator[tuple[ast.Attribute, Scope]]:
        """Attributes written `x.name`."""
        for name in names:
            yield from self._attributes.get(name, ())
