"""Functions of the tests that send a request to a path they are given, such as `send("POST", "token")`."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.literals import keyword
from project.language.scopes import Function, Scope, parent, subtree

if TYPE_CHECKING:
    from project import Project
    from project.suite.tests_facts import TestFacts

OTHER_REQUESTS = {"request": 1, "stream": 1, "websocket_connect": 0, "build_request": 1, "open": 0}
VERBS = {verb: verb.upper() for verb in "get post put patch delete head options trace".split()}
_MAX_ROUNDS = 4


def url_argument(call: ast.Call) -> ast.expr | None:
    """The argument that holds the path of a request."""
    given = keyword(call, "url", "path")
    if given is not None or not call.args:
        return given
    position = OTHER_REQUESTS.get(getattr(call.func, "attr", ""), 0)
    return call.args[position if position < len(call.args) else 0]


class RequestHelpers:
    """Which functions of the tests request the path that a parameter of theirs holds, and the calls of them."""

    def __init__(self, project: Project, tests: TestFacts, is_request: Callable[[ast.Call, Scope], bool]) -> None:
        self._project = project
        self._tests = tests
        self._is_request = is_request

    def calls(self, scope: Scope) -> Iterator[tuple[ast.Call, ast.expr]]:
        """Calls of helpers in a scope, each with the argument that is the path."""
        for call in scope.all(ast.Call) if self._known else ():
            given = self._path_given(call, scope, self._known)
            if given is not None:
                yield call, given

    @staticmethod
    def method(call: ast.Call) -> str | None:
        """The HTTP method that a call of a helper names (`"POST"`, `Method.POST`), None when it may be any."""
        for given in (*call.args, *(k.value for k in call.keywords)):
            said = given.value if isinstance(given, ast.Constant) else getattr(given, "attr", "")
            if isinstance(said, str) and said.lower() in VERBS:
                return said.upper()
        return None

    @cached_property
    def _known(self) -> dict[Function, str]:
        """The parameter of each helper that holds the path."""
        found: dict[Function, str] = {}
        for function in self._functions:
            for call in function.all(ast.Call):
                url = url_argument(call) if self._is_request(call, function) else None
                name = _parameter_in(url, function)
                if name:
                    found[function] = name
        for _ in range(_MAX_ROUNDS):
            more = {}
            for function in self._functions:
                for call in function.all(ast.Call) if function not in found else ():
                    name = _parameter_in(self._path_given(call, function, found), function)
                    if name:
                        more[function] = name
            if not more:
                break
            found |= more
        return found

    @cached_property
    def _functions(self) -> list[Function]:
        return [
            f
            for module in self._tests.modules
            for f in module.functions
            if not f.name.startswith("test") and f.params and not f.is_lambda
        ]

    def _path_given(self, call: ast.Call, scope: Scope, known: dict[Function, str]) -> ast.expr | None:
        entity = self._project.names.resolve(call.func, scope)
        function = entity if isinstance(entity, Function) else self._given_by_fixture(call, scope, known)
        name = known.get(function) if function is not None else None
        if function is None or name is None:
            return None
        given = keyword(call, name)
        names = [a.arg for a, _ in function.params if a.arg not in ("self", "cls")]
        position = names.index(name) if name in names else len(call.args)
        return given if given is not None else call.args[position] if position < len(call.args) else None

    def _given_by_fixture(self, call: ast.Call, scope: Scope, known: dict[Function, str]) -> Function | None:
        """The inner function that a fixture hands to a test under the fixture's name."""
        if not isinstance(call.func, ast.Name) or not isinstance(scope, Function):
            return None
        fixtures = self._tests.fixtures.get(call.func.id, ()) if scope.param(call.func.id) is not None else ()
        return next((f for f in known if f.parent in fixtures), None)


def _parameter_in(url: ast.expr | None, function: Function) -> str:
    """The parameter that makes the end of a path."""
    if url is None:
        return ""
    names = [n for n in subtree(url) if isinstance(n, ast.Name) and not isinstance(parent(n), ast.Attribute)]
    return next((n.id for n in reversed(names) if function.param(n.id) is not None), "")
