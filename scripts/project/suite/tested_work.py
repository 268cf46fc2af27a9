"""Path operations that hand their work to functions which tests call themselves."""

from __future__ import annotations

from collections import defaultdict
from typing import TYPE_CHECKING

from project.language.scopes import Function, Module

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

MAX_STATEMENTS = 10


class TestedWork:
    """Asks for each route whether tests call what does its work."""

    __test__ = False

    def __init__(self, project: Project) -> None:
        self._project = project
        self._called: dict[str, list[Module]] = defaultdict(list)
        for module in project.tests.modules:
            for name in {name for scope in module.walk() for name in scope.called}:
                self._called[name].append(module)

    def covers(self, route: Route) -> bool:
        """Whether the handler does little itself and tests call a function of another file that it calls."""
        function = route.function
        if function is None or self._project.work.of(function).own.statements > MAX_STATEMENTS:
            return False
        targets = [t for site in self._project.calls.sites(function) for t in site.targets]
        return any(self._is_tested(t) for t in targets if t.module is not function.module)

    def _is_tested(self, function: Function) -> bool:
        stem = function.module.path.rpartition("/")[2].removesuffix(".py")
        return any(stem in module.source.text for module in self._called.get(function.name, ()))
