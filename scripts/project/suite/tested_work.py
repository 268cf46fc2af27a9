"""Path operations that hand their work to functions which tests call themselves."""

from __future__ import annotations

import ast
from collections import defaultdict
from typing import TYPE_CHECKING

from project.language.scopes import Function, Scope

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

MAX_STATEMENTS = 10


class TestedWork:
    """Asks for each route whether tests call what does its work."""

    __test__ = False

    def __init__(self, project: Project) -> None:
        self._project = project
        self._called: dict[str, list[tuple[ast.Call, Scope]]] = defaultdict(list)
        for module in project.tests.modules:
            for scope in module.walk():
                for name, calls in scope.called.items():
                    self._called[name].extend((call, scope) for call in calls)

    def covers(self, route: Route) -> bool:
        """Whether the handler does little itself and tests call a function of another file that it calls."""
        function = route.function
        if function is None or self._project.work.of(function).own.statements > MAX_STATEMENTS:
            return False
        targets = [t for site in self._project.calls.sites(function) for t in site.targets]
        return any(self._is_tested(t) for t in targets if t.module is not function.module)

    def _is_tested(self, function: Function) -> bool:
        """Whether a test calls it: as far as that can be said, else one of its name in a file that names its module."""
        stem = function.module.path.rpartition("/")[2].removesuffix(".py")
        for call, scope in self._called.get(function.name, ()):
            entity = self._project.names.resolve(call.func, scope)
            if entity is function or (not isinstance(entity, Function) and stem in scope.module.source.text):
                return True
        return False
