"""Modules of the project: their top levels, run once in the order of imports, and import statements."""

from __future__ import annotations

import ast
from abc import abstractmethod
from collections.abc import Iterator
from typing import TYPE_CHECKING

from project.language.names import External
from project.language.scopes import Module, absolute
from project.routing.interpret_calls import Calls
from project.routing.interpret_machine import STATEMENT_STEPS, OutOfBudgetError
from project.routing.interpret_values import (
    Env,
    Lazy,
    ModuleValue,
    Unknown,
    Value,
    plain,
)

if TYPE_CHECKING:
    from project import Project


class Imports(Calls):
    """Runs modules; what they import is run before them, without recursion along the imports."""

    def __init__(self, project: Project) -> None:
        super().__init__(project)
        self.eager: frozenset[str] = frozenset()
        self.scheduled: set[str] = set()
        self._imported_by: dict[str, list[Module]] = {}

    @abstractmethod
    def run(self, node: ast.stmt, env: Env) -> str: ...

    def run_module(self, value: ModuleValue) -> None:
        """Run the top level of a module once, after what it imports (without recursion along the imports)."""
        if value.state:
            return
        order = [value] if value.module.path in self.scheduled else self._import_order(value)
        self.scheduled.update(m.module.path for m in order)
        for module in order:
            if module.state:
                continue
            module.state = 1
            saved = self.conditional, self.limit, self.depth, self.steps
            self.conditional = self.steps = 0
            try:
                self._run_top_level(module)
            finally:
                self.spent += self.steps
                self.conditional, self.limit, self.depth, self.steps = saved
                module.state = 2

    def _run_top_level(self, module: ModuleValue) -> None:
        """Each statement has its own budget; what it imports is not counted in it."""
        for statement in module.module.node.body:
            if self.spent > self.max_steps:
                return
            self.limit = self.steps + STATEMENT_STEPS
            try:
                if self.run(statement, module.env) == "raise":
                    return
            except (OutOfBudgetError, RecursionError):
                continue

    def _import_order(self, value: ModuleValue) -> list[ModuleValue]:
        """The module and what it imports at its top level, in the order Python would run them."""
        order: list[ModuleValue] = []
        entered = {value.module.path}
        stack: list[tuple[ModuleValue, Iterator[Module]]] = [(value, iter(self.imports(value.module)))]
        while stack:
            current, pending = stack[-1]
            for module in pending:
                if module.path in entered or module.path not in self.eager or module.path in self.scheduled:
                    continue
                entered.add(module.path)
                inner = self.module_value(module)
                if not inner.state:
                    stack.append((inner, iter(self.imports(module))))
                    break
            else:
                order.append(current)
                stack.pop()
        return order

    def imports(self, module: Module) -> list[Module]:
        """What a module imports at its top level, outermost packages first."""
        if module.path not in self._imported_by:
            self._imported_by[module.path] = list(dict.fromkeys(self._imports(module)))
        return self._imported_by[module.path]

    def _imports(self, module: Module) -> Iterator[Module]:
        for statement in module.node.body:
            for node in (
                [statement, *getattr(statement, "body", ())]
                if isinstance(statement, (ast.If, ast.Try))
                else [statement]
            ):
                if isinstance(node, ast.Import):
                    for alias in node.names:
                        yield from self._chain(module, alias.name)
                elif isinstance(node, ast.ImportFrom):
                    base = absolute(module, node)
                    yield from self._chain(module, base)
                    parts = self.names.module_parts(module, base)
                    for alias in node.names if parts is not None else ():
                        found = self.names.modules.get((*parts, alias.name)) if parts is not None else None
                        if found is not None:
                            yield found

    def _chain(self, importer: Module, dotted: str) -> Iterator[Module]:
        """A module with the packages above it, outermost first."""
        parts = self.names.module_parts(importer, dotted)
        for i in range(1, len(parts) + 1) if parts else ():
            found = self.names.modules.get(parts[:i]) if parts else None
            if found is not None:
                yield found

    def _import(self, node: ast.Import, env: Env) -> None:
        for alias in node.names:
            parts = self.names.module_parts(env.scope.module, alias.name)
            if parts is None:
                dotted = alias.name if alias.asname else alias.name.split(".")[0]
                env.vars[alias.asname or dotted] = External(dotted)
                continue
            module = self.names.modules.get(parts)
            if module is not None:
                self._run_imported(self.module_value(module))
            if not alias.asname:
                parts = parts[: len(parts) - alias.name.count(".")]
            top = self.names.modules.get(parts) or self.names._folder(parts)
            if top is not None:
                env.vars[alias.asname or alias.name.split(".")[0]] = self.module_value(top)

    def _import_from(self, node: ast.ImportFrom, env: Env) -> None:
        module = env.scope.module
        base = absolute(module, node)
        parts = self.names.module_parts(module, base)
        if parts is None:
            if not node.level:
                self._import_external(node, env)
            return
        found = self.names.modules.get(parts)
        source = self.module_value(found) if found is not None and found is not module else None
        if source is not None:
            self._run_imported(source)
        for alias in node.names:
            if alias.name == "*":
                self._import_star(source, env)
                continue
            env.elsewhere.get(alias.asname or alias.name, env).vars[alias.asname or alias.name] = self._imported(
                parts, source, alias.name
            )

    def _imported(self, parts: tuple[str, ...], source: ModuleValue | None, name: str) -> Value:
        if source is not None and name in source.env.vars:
            return source.env.vars[name]
        inner = self.names.modules.get((*parts, name))
        if inner is not None and (source is None or name not in source.module.bindings):
            value = self.module_value(inner)
            self._run_imported(value)
            return value
        if source is not None:
            return Lazy(source, name)
        folder = self.names._folder((*parts, name))
        return self.module_value(folder) if folder is not None else Unknown(name)

    def _import_external(self, node: ast.ImportFrom, env: Env) -> None:
        for alias in node.names:
            if alias.name == "*":
                continue
            name = alias.asname or alias.name
            env.elsewhere.get(name, env).vars[name] = self.attribute(External(node.module or ""), alias.name)

    def _import_star(self, source: ModuleValue | None, env: Env) -> None:
        if source is None:
            return
        self.run_module(source)
        chosen = plain(source.env.vars.get("__all__"))
        names = (
            [n for n in chosen if isinstance(n, str)]
            if isinstance(chosen, list)
            else [n for n in source.env.vars if n[:1] != "_"]
        )
        for name in names:
            env.vars[name] = Lazy(source, name)

    def _run_imported(self, value: ModuleValue) -> None:
        """Run an imported module now, unless it waits its turn among those an outer import has begun with (a cycle)."""
        if value.state == 0 and value.module.path in self.eager and value.module.path not in self.scheduled:
            self.run_module(value)
