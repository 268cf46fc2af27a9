"""What the tests say: which routes they mention, which fixtures there are, what they skip, patch and override."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.dataflow import reaching
from project.language.literals import keyword, text
from project.language.names import Variable
from project.language.scopes import Class, Function, Module, Scope, parent, parents, subtree
from project.language.value_types import Instance
from project.place import Place
from project.suite.request_files import RequestFiles
from project.suite.request_helpers import OTHER_REQUESTS, VERBS, RequestHelpers, url_argument
from project.suite.tested_routes import TestedRoutes, names_of, whole_work
from project.suite.tests_doubles import Client, Doubles, Override
from project.suite.url_patterns import HOLE, Pattern

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import Route

_SPOKEN = re.compile(r"client|http|api|session|app|test", re.IGNORECASE)
_URL_MAKERS = frozenset("url_path_for url_for reverse make_url build_url".split())
_SCHEMA_DRIVEN = frozenset("schemathesis dredd_hooks".split())
FIXTURES = frozenset("pytest.fixture pytest_asyncio.fixture pytest_asyncio.plugin.fixture".split())
_SKIPS = frozenset("pytest.mark.skip unittest.skip".split())
MAX_DEPTH = 8


@dataclass(frozen=True, slots=True)
class Mention:
    """A path in a test. `method` is None when it may be any; `skipped` when the test never runs."""

    method: str | None
    pattern: Pattern
    place: Place
    skipped: bool


class TestFacts:
    """Facts of the test modules."""

    __test__ = False

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names

    @cached_property
    def modules(self) -> list[Module]:
        """Test modules, conftest and helpers beside them; none in an installed package."""
        if self._project.is_installed:
            return []
        return [m for m in self._project.modules.values() if m.kind == "test"]

    @cached_property
    def functions(self) -> list[Function]:
        """Test functions and methods."""
        return [f for m in self.modules for f in m.functions if _is_test(f)]

    @cached_property
    def fixtures(self) -> dict[str, list[Function]]:
        """Fixtures by name."""
        found: dict[str, list[Function]] = {}
        for module in self.modules:
            for function in module.functions:
                if self.fixture(function) is not None:
                    found.setdefault(function.name, []).append(function)
        return found

    def fixture(self, function: Function) -> ast.expr | None:
        """The decorator that makes a function a fixture."""
        scope = function.parent or function.module
        for decorator in function.decorators:
            called = decorator.func if isinstance(decorator, ast.Call) else decorator
            if self._names.canonical(called, scope) in FIXTURES:
                return decorator
        return None

    def is_skipped(self, scope: Scope) -> bool:
        """Whether a test, its class or its module is skipped without condition."""
        current: Scope | None = scope
        while current is not None:
            marks = getattr(current.node, "decorator_list", [])
            if isinstance(current, (Module, Class)):
                marks = [*marks, *(b.value for b in current.bindings.get("pytestmark", ()) if b.value is not None)]
            if any(self._is_skip(mark, current) for mark in marks):
                return True
            current = current.parent
        return False

    def _is_skip(self, mark: ast.expr, scope: Scope) -> bool:
        if isinstance(mark, (ast.List, ast.Tuple)):
            return any(self._is_skip(m, scope) for m in mark.elts)
        called = mark.func if isinstance(mark, ast.Call) else mark
        return self._names.canonical(called, scope.parent or scope) in _SKIPS

    @cached_property
    def files(self) -> RequestFiles:
        """Requests in test files that are not Python."""
        return RequestFiles(self._project)

    # Routes

    @cached_property
    def everything(self) -> Place | None:
        """Where tests are driven by the schema or by all routes, so that every route is mentioned."""
        if self.files.schema_driven is not None:
            return self.files.schema_driven
        for module in self.modules:
            for name, bindings in module.bindings.items():
                for b in bindings:
                    if b.kind in ("import", "from") and (b.target or name).split(".")[0] in _SCHEMA_DRIVEN:
                        return module.place(b.node)
            for scope in module.walk():
                found = self._loop_over_routes(scope)
                if found is not None:
                    return found
        return None

    def _loop_over_routes(self, scope: Scope) -> Place | None:
        loops: list[ast.For | ast.comprehension] = [*scope.all(ast.For), *scope.all(ast.comprehension)]
        for loop in loops:
            for node in subtree(self._named_value(loop.iter, scope)):
                if isinstance(node, ast.Attribute) and node.attr == "routes" and self._is_driven(scope):
                    return scope.place(loop.iter)
                if isinstance(node, ast.Constant) and node.value == "paths" and self._is_driven(scope):
                    return scope.place(loop.iter)
        return None

    def _named_value(self, expr: ast.expr, scope: Scope) -> ast.expr:
        root = expr
        while isinstance(root, (ast.Attribute, ast.Call, ast.Subscript)):
            root = root.func if isinstance(root, ast.Call) else root.value
        if isinstance(root, ast.Name):
            values = [b.value for b in scope.bindings.get(root.id, ()) if b.kind == "assign" and b.value is not None]
            if len(values) == 1:
                return values[0]
        return expr

    def _is_driven(self, scope: Scope) -> bool:
        """Whether what a loop gives is requested: in the same test, or in one that gets it as a parameter."""
        if isinstance(scope, Function) and _is_test(scope):
            return self._requests(scope, "for")
        return any(self._requests(s, "param") for s in scope.module.walk())

    def _requests(self, scope: Scope, kind: str) -> bool:
        """Whether a scope requests a path that a loop (`for`) or a parameter gives."""
        for call in scope.all(ast.Call):
            given = url_argument(call)
            if self._method(call, scope) != _NO_REQUEST and isinstance(given, ast.Name):
                bindings = scope.bindings.get(given.id, [])
                if bindings and all(b.kind == kind for b in bindings):
                    return True
        return False

    @cached_property
    def mentions(self) -> list[Mention]:
        """Every path that a test requests, or holds for some other use."""
        used: set[int] = set()
        asked: Counter[str] = Counter()
        found = [m for module in self.modules for m in self._requested(module, used, asked)]
        spoken = self._spoken - asked
        found.extend(Mention(method, pattern, place, False) for method, pattern, place in self.files.requests)
        found.extend(self._through_helpers())
        return [*found, *(m for module in self.modules for m in self._held(module, used, spoken))]

    def _requested(self, module: Module, used: set[int], asked: Counter[str]) -> Iterator[Mention]:
        """Paths in requests. `used` gets the literals they are made of, `asked` the names they stand under."""
        for scope in module.walk():
            skipped: bool | None = None
            for call in scope.all(ast.Call):
                method = self._method(call, scope)
                given = url_argument(call)
                if method == _NO_REQUEST or given is None:
                    continue
                sources: set[int] = set()
                whole = self._text(given, scope, sources)
                pattern = Pattern.of(whole)
                if pattern is not None and ("/" in whole or self._is_client(call, scope)):
                    used |= sources
                    asked.update(n for n in map(_last, subtree(given)) if n)
                    skipped = self.is_skipped(scope) if skipped is None else skipped
                    yield Mention(method, pattern, scope.place(call), skipped)

    def _through_helpers(self) -> Iterator[Mention]:
        """Paths without a slash that tests hand to a function of their own; others are found as held."""
        for module in self.modules:
            for scope in module.walk():
                for call, given in self._helpers.calls(scope):
                    whole = self._text(given, scope, set())
                    pattern = Pattern.of(whole) if "/" not in whole and HOLE not in whole else None
                    if pattern is not None:
                        yield Mention(self._helpers.method(call), pattern, scope.place(call), self.is_skipped(scope))

    @cached_property
    def _helpers(self) -> RequestHelpers:
        return RequestHelpers(
            self._project, self, lambda c, scope: self._method(c, scope) != _NO_REQUEST and self._is_client(c, scope)
        )

    @cached_property
    def requesting(self) -> frozenset[str]:
        """Dotted names of test functions that send a request themselves."""
        return frozenset(m.place.symbol for m in self.mentions if m.method is not None and m.place.symbol)

    @cached_property
    def _spoken(self) -> Counter[str]:
        """How often tests use each name."""
        nodes: Iterator[ast.AST] = (
            node
            for module in self.modules
            for scope in module.walk()
            for node in (*scope.all(ast.Name), *scope.all(ast.Attribute))
            if isinstance(getattr(node, "ctx", None), ast.Load)
        )
        return Counter(n for n in map(_last, nodes) if n)

    def _held(self, module: Module, used: set[int], spoken: Counter[str]) -> Iterator[Mention]:
        """Paths in parameters, constants, arguments; those under a name only if it has uses besides requests."""
        for scope in module.walk():
            skipped: bool | None = None
            for node in (*scope.all(ast.Constant), *scope.all(ast.JoinedStr)):
                name = self._name_of(node, scope)
                if (id(node) in used and not (name and spoken[name])) or (name and not spoken[name]):
                    continue
                found = self._loose(node, scope)
                if found is not None:
                    skipped = self.is_skipped(scope) if skipped is None else skipped
                    yield Mention(None, found, scope.place(node), skipped)

    def _name_of(self, node: ast.expr, scope: Scope) -> str:
        """The name of the constant or helper function that a literal belongs to, "" for anything else."""
        if isinstance(scope, Function):
            return "" if _is_test(scope) or self.fixture(scope) is not None or scope.is_lambda else scope.name
        for holder in parents(node):
            if isinstance(holder, ast.Assign) and len(holder.targets) == 1:
                return _last(holder.targets[0])
            if isinstance(holder, ast.AnnAssign):
                return _last(holder.target)
        return ""

    def _loose(self, node: ast.expr, scope: Scope) -> Pattern | None:
        holder = parent(node)
        if isinstance(holder, (ast.Expr, ast.JoinedStr, ast.FormattedValue)):
            return None
        if isinstance(node, ast.Constant) and not (isinstance(node.value, str) and "/" in node.value):
            return None
        whole = self._text(node, scope, set())
        return Pattern.of(whole) if "/" in whole and len(whole) < 300 else None

    def _method(self, call: ast.Call, scope: Scope) -> str | None:
        """The HTTP method of a request; None when it may be any, _NO_REQUEST for any other call."""
        func = call.func
        if not isinstance(func, ast.Attribute):
            return _NO_REQUEST
        if func.attr in VERBS:
            return VERBS[func.attr]
        if func.attr not in OTHER_REQUESTS:
            return _NO_REQUEST
        if func.attr == "websocket_connect":
            return "WS"
        given = keyword(call, "method") or (call.args[0] if len(call.args) > 1 else None)
        said = text(given, scope, self._names) if func.attr != "open" else None
        return said.upper() if said else None

    def _is_client(self, call: ast.Call, scope: Scope) -> bool:
        """Whether a request goes through a client, by its type or its name."""
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else call.func
        if any(isinstance(v, Instance) and "Client" in v.dotted for v in self._project.values.of(receiver, scope)):
            return True
        last = receiver.attr if isinstance(receiver, ast.Attribute) else getattr(receiver, "id", "")
        return bool(_SPOKEN.search(last))

    def _text(self, expr: ast.expr, scope: Scope, sources: set[int], depth: int = 0) -> str:
        """The text of an expression with HOLE for what is not known; `sources` gets the literals it is made of."""
        if depth > MAX_DEPTH:
            return HOLE
        if isinstance(expr, ast.Constant):
            sources.add(id(expr))
            return expr.value if isinstance(expr.value, str) else HOLE
        if isinstance(expr, ast.JoinedStr):
            sources.add(id(expr))
            parts = [p.value if isinstance(p, ast.FormattedValue) else p for p in expr.values]
            return "".join(self._text(p, scope, sources, depth + 1) for p in parts)
        if isinstance(expr, ast.BinOp):
            left = self._text(expr.left, scope, sources, depth + 1)
            if isinstance(expr.op, ast.Mod):
                return re.sub(r"%[sdi]", HOLE, left)
            return left + self._text(expr.right, scope, sources, depth + 1)
        if isinstance(expr, (ast.Name, ast.Attribute)):
            return self._named(expr, scope, sources, depth)
        if isinstance(expr, ast.Call):
            return self._called(expr, scope, sources, depth)
        return HOLE

    def _called(self, call: ast.Call, scope: Scope, sources: set[int], depth: int) -> str:
        func = call.func
        if isinstance(func, ast.Attribute) and func.attr in ("format", "replace"):
            return re.sub(r"{[^{}]*}", HOLE, self._text(func.value, scope, sources, depth + 1))
        if (isinstance(func, ast.Attribute) and func.attr in _URL_MAKERS) or (
            isinstance(func, ast.Name) and func.id == "str"
        ):
            return HOLE
        entity = self._names.resolve(func, scope)
        if isinstance(entity, Function) and entity.module.kind == "test":
            returned = [r.value for r in entity.all(ast.Return) if r.value is not None]
            if len(returned) == 1:
                return self._text(returned[0], entity, sources, depth + 1)
        inner = [self._text(a, scope, sources, depth + 1) for a in call.args]
        paths = [t for t in inner if "/" in t]
        return HOLE + paths[-1] + (HOLE if paths[-1].endswith("/") else "") if paths else HOLE

    def _named(self, expr: ast.Name | ast.Attribute, scope: Scope, sources: set[int], depth: int) -> str:
        if isinstance(expr, ast.Name) and expr.id in scope.bindings:
            values = [b for b in reaching(scope, expr.id, expr) if b.kind == "assign" and b.index is None]
            if len(values) == 1 and values[0].value is not None:
                return self._text(values[0].value, scope, sources, depth + 1)
            return self._of_fixture(expr.id, scope, sources, depth) if not values else HOLE
        entity = self._names.resolve(expr, scope)
        if isinstance(entity, Variable) and len(entity.bindings) == 1 and not isinstance(entity.scope, Function):
            value = entity.bindings[0].value
            if entity.bindings[0].kind == "assign" and value is not None:
                return self._text(value, entity.scope, sources, depth + 1)
        known = self._project.defaults.of(expr, scope)
        return known.value if known is not None and isinstance(known.value, str) else HOLE

    def _of_fixture(self, name: str, scope: Scope, sources: set[int], depth: int) -> str:
        """The text that the fixture of a parameter gives: one of the same class, else of the file, else of any file."""
        holder = scope if isinstance(scope, Function) else None
        if holder is None or holder.param(name) is None:
            return HOLE
        known = [f for f in self.fixtures.get(name, ()) if f is not holder]
        near = [f for f in known if f.owner is not None and f.owner is holder.owner] or [
            f for f in known if f.owner is None and f.module is holder.module
        ]
        found = near or [f for f in known if f.owner is None]
        given = [r.value for f in found for r in f.all(ast.Return) if r.value is not None]
        given += [y.value for f in found for y in f.all(ast.Yield) if y.value is not None]
        return self._text(given[0], found[0], sources, depth + 1) if len(found) == len(given) == 1 else HOLE

    @cached_property
    def names_mentioned(self) -> dict[str, list[tuple[Place, bool]]]:
        """Names of handlers that tests use, and of routes they make URLs for: where, and whether that is skipped."""
        handlers = {r.function for r in self._project.routes if r.function is not None}
        works = {work for r in self._project.routes if (work := whole_work(self._project, r)) is not None}
        found: dict[str, list[tuple[Place, bool]]] = {}
        for module in self.modules:
            by_variable = any(
                self._makes_urls(call) and not self._constant(call, s)
                for s in module.walk()
                for call in s.all(ast.Call)
            )
            for scope in module.walk():
                skipped = self.is_skipped(scope)
                held = self._route_names(scope) if by_variable else ()
                for name, node in (*self._handlers_named(scope, handlers, works), *self._urls_named(scope), *held):
                    found.setdefault(name, []).append((scope.place(node), skipped))
        return found

    def _route_names(self, scope: Scope) -> Iterator[tuple[str, ast.AST]]:
        """Texts that are the name of a route, where URLs are made from variables."""
        for constant in scope.all(ast.Constant):
            if isinstance(constant.value, str) and constant.value in self._known_names:
                yield constant.value, constant

    @cached_property
    def _known_names(self) -> frozenset[str]:
        return frozenset(name for route in self._project.routes for name in names_of(route))

    @staticmethod
    def _makes_urls(call: ast.Call) -> bool:
        return _last(call.func) in _URL_MAKERS and bool(call.args)

    def _constant(self, call: ast.Call, scope: Scope) -> str | None:
        return text(call.args[0], scope, self._names)

    def _urls_named(self, scope: Scope) -> Iterator[tuple[str, ast.AST]]:
        for call in scope.all(ast.Call):
            if self._makes_urls(call) and (name := self._constant(call, scope)):
                yield name, call

    def _handlers_named(
        self, scope: Scope, handlers: set[Function], works: set[Function]
    ) -> Iterator[tuple[str, ast.AST]]:
        """Handlers that tests name, and functions that are all the work of one, where tests call them."""
        names = {function.name for function in handlers | works}
        nodes: list[ast.Name | ast.Attribute] = [*scope.all(ast.Name), *scope.all(ast.Attribute)]
        for node in nodes:
            if (node.id if isinstance(node, ast.Name) else node.attr) in names:
                entity = self._names.resolve(node, scope)
                called = getattr(parent(node), "func", None) is node
                if isinstance(entity, Function) and (entity in handlers or (called and entity in works)):
                    yield entity.dotted, node

    def unmentioned(self, routes: Iterable[Route]) -> list[Route]:
        """Routes that no running test requests, holds the path of, calls or names."""
        if self.everything is not None:
            return []
        tested = TestedRoutes(self._project, list(routes))
        reached = tested.reached({(m.method, m.pattern) for m in self.mentions if not m.skipped})
        named = {name for name, places in self.names_mentioned.items() if any(not skipped for _, skipped in places)}
        return [r for i, r in enumerate(tested.routes) if i not in reached and not named & self._names_of(r)]

    def _names_of(self, route: Route) -> set[str]:
        work = whole_work(self._project, route)
        return names_of(route) | ({work.dotted} if work is not None else set())

    def skipped(self, routes: list[Route]) -> list[Place]:
        """Where tests that never run mention these routes."""
        tested = TestedRoutes(self._project, routes)
        found = [m.place for m in self.mentions if m.skipped and tested.reached({(m.method, m.pattern)})]
        names = set().union(*map(self._names_of, routes))
        found += [
            p for name in names & self.names_mentioned.keys() for p, skipped in self.names_mentioned[name] if skipped
        ]
        return [replace(place, label="skipped test") for place in sorted(set(found))]

    @cached_property
    def mentions_contract(self) -> bool:
        """Whether a test looks at the OpenAPI document."""
        for module in self.modules:
            for scope in module.walk():
                if any(a.attr == "openapi" for a in scope.all(ast.Attribute)):
                    return True
                if any(isinstance(c.value, str) and "openapi.json" in c.value for c in scope.all(ast.Constant)):
                    return True
        return self.everything is not None

    @cached_property
    def patched_functions(self) -> list[tuple[Place, Function]]:
        """Project functions that tests patch by name, such as `patch("app.deps.get_user")`."""
        found = []
        for module in self.modules:
            for scope in module.walk():
                for call in scope.all(ast.Call):
                    function = self._patched(call, scope)
                    if function is not None:
                        found.append((scope.place(call), function))
        return found

    def _patched(self, call: ast.Call, scope: Scope) -> Function | None:
        last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if last not in ("patch", "setattr", "object") or not call.args:
            return None
        first = text(call.args[0], scope, self._names)
        if first is not None and "." in first:
            owner, _, name = first.rpartition(".")
            entity: object = self._modules.get(owner)
        else:
            second = text(call.args[1], scope, self._names) if len(call.args) > 1 else None
            entity, name = self._names.resolve(call.args[0], scope), second or ""
        if not isinstance(entity, Module) or not name:
            return None
        member = self._names.module_member(entity, name)
        return member if isinstance(member, Function) else None

    @cached_property
    def _modules(self) -> dict[str, Module]:
        return {module.dotted: module for module in self._project.modules.values()}

    @cached_property
    def clients(self) -> list[Client]:
        """Test clients of the application under test."""
        return self._doubles.clients

    @cached_property
    def overrides(self) -> list[Override]:
        """Assignments to `dependency_overrides` in tests and fixtures."""
        return self._doubles.overrides

    @cached_property
    def _doubles(self) -> Doubles:
        return Doubles(self._project, self)


_NO_REQUEST = "-"


def _is_test(function: Function) -> bool:
    owner = function.owner
    inside = function.parent is function.module or (owner is not None and owner.parent is function.module)
    return inside and function.name.startswith("test")


def _last(node: ast.AST) -> str:
    """The last part of a name, "" for what is no name."""
    return node.id if isinstance(node, ast.Name) else node.attr if isinstance(node, ast.Attribute) else ""
