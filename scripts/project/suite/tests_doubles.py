"""Test clients and overrides: for which application clients are made, who enters its lifespan, who clears overrides."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.literals import keyword
from project.language.names import External, Variable
from project.language.scopes import Function, Module, Scope, parent, parents
from project.place import Place

if TYPE_CHECKING:
    from project import Project
    from project.routing.routes import App
    from project.suite.tests_facts import TestFacts

TEST_CLIENT = "starlette.testclient.TestClient"
TRANSPORTS = frozenset(("httpx.ASGITransport", "httpx2.ASGITransport"))
ASYNC_CLIENTS = frozenset(("httpx.AsyncClient", "httpx2.AsyncClient"))
MAX_DEPTH = 5
_VERBS = frozenset("get post put patch delete head options request websocket websocket_connect api_route".split())
_TEARDOWNS = ("tearDown", "teardown_method", "asyncTearDown", "teardown_class", "teardown_module")


@dataclass(frozen=True, slots=True, eq=False)
class Client:
    """A test client: where it is made, for which application, and whether its lifespan is entered."""

    node: ast.Call
    scope: Scope
    asynchronous: bool
    app: App | None
    entered: bool

    def place(self) -> Place:
        return self.scope.place(self.node)

    @property
    def asks_own_routes(self) -> bool:
        """Whether a test only requests paths that it has added to the application itself."""
        added = {path for child in self.scope.children if isinstance(child, Function) for path in _added(child)}
        calls = [c for c in self.scope.all(ast.Call) if getattr(c.func, "attr", "") in _VERBS and c.args]
        asked = [c.args[0].value for c in calls if isinstance(c.args[0], ast.Constant)]
        return bool(asked) and len(asked) == len(calls) and added.issuperset(asked)


@dataclass(frozen=True, slots=True, eq=False)
class Override:
    """`app.dependency_overrides[...] = ...`; `cleared` when something takes it back, or it holds for the whole run."""

    node: ast.AST
    scope: Scope
    cleared: bool

    def place(self) -> Place:
        return self.scope.place(self.node)


class Doubles:
    """What tests put in place of the real thing, and how they call it."""

    def __init__(self, project: Project, tests: TestFacts) -> None:
        self._project = project
        self._names = project.names
        self._tests = tests

    @cached_property
    def clients(self) -> list[Client]:
        """Test clients of the application under test."""
        return [c for module in self._tests.modules for scope in module.walk() for c in self._clients(scope)]

    def _clients(self, scope: Scope) -> Iterator[Client]:
        for call in scope.all(ast.Call):
            names = {v.dotted for v in self._project.values.of(call.func, scope) if isinstance(v, External)}
            if TEST_CLIENT in names:
                app = call.args[0] if call.args else keyword(call, "app")
                yield Client(call, scope, False, self._app(app, scope, 0), self._is_entered(call, scope))
            elif names & TRANSPORTS or (names & ASYNC_CLIENTS and keyword(call, "app") is not None):
                app = keyword(call, "app") or (call.args[0] if call.args else None)
                yield Client(call, scope, True, self._app(app, scope, 0), self.runs_lifespan)

    @cached_property
    def runs_lifespan(self) -> bool:
        """Whether tests enter the lifespan themselves (`LifespanManager`, `lifespan_context`, a `with TestClient`)."""
        for module in self._tests.modules:
            if any(b.target.split(".")[0] == "asgi_lifespan" for bs in module.bindings.values() for b in bs):
                return True
            for scope in module.walk():
                if any(a.attr in ("lifespan_context", "startup", "lifespan") for a in scope.all(ast.Attribute)):
                    return True
                if any(n.id == "lifespan" for n in scope.all(ast.Name)):
                    return True
        return False

    def _is_entered(self, call: ast.Call, scope: Scope) -> bool:
        holder = parent(call)
        if isinstance(holder, ast.withitem):
            return True
        if isinstance(holder, ast.Call) and isinstance(holder.func, ast.Attribute):
            return holder.func.attr.startswith(("enter_", "__enter__"))
        names = {t.id for t in getattr(holder, "targets", []) if isinstance(t, ast.Name)}
        names |= {t.attr for t in getattr(holder, "targets", []) if isinstance(t, ast.Attribute)}
        names |= {scope.name} if isinstance(scope, Function) else set()
        return bool(names & self._entered_names)

    @cached_property
    def _entered_names(self) -> frozenset[str]:
        """Names and attributes that some test enters (`with client:`, `client.__enter__()`)."""
        found = set()
        for module in self._tests.modules:
            for scope in module.walk():
                entered = [item.context_expr for item in scope.all(ast.withitem)]
                entered += [a.value for a in scope.all(ast.Attribute) if a.attr in ("__enter__", "__aenter__")]
                entered += [
                    a for c in scope.all(ast.Call) if getattr(c.func, "attr", "") == "enter_context" for a in c.args
                ]
                for expr in entered:
                    inner = expr.func if isinstance(expr, ast.Call) else expr
                    found.add(inner.attr if isinstance(inner, ast.Attribute) else getattr(inner, "id", ""))
        return frozenset(found - {""})

    def _app(self, expr: ast.expr | None, scope: Scope, depth: int) -> App | None:
        """The application an expression in a test stands for."""
        if expr is None or depth > MAX_DEPTH:
            return None
        if isinstance(expr, ast.Call):
            made = self._made.get((scope.module.path, expr.lineno))
            entity = self._names.resolve(expr.func, scope)
            if made is not None or not isinstance(entity, Function):
                return made
            found = self._apps.get(f"{entity.module.dotted}:{entity.qualname}")
            return found or self._app_of(entity, depth)
        entity = self._names.resolve(expr, scope) if isinstance(expr, (ast.Name, ast.Attribute)) else None
        if not isinstance(entity, Variable):
            return None
        found = self._apps.get(f"{entity.scope.dotted}:{entity.name}")
        if found is not None:
            return found
        for binding in entity.bindings:
            if binding.kind == "param":
                for fixture in self._tests.fixtures.get(entity.name, ()):
                    return self._app_of(fixture, depth)
            elif binding.kind == "assign" and binding.value is not None:
                return self._app(binding.value, entity.scope, depth + 1)
        return None

    def _app_of(self, function: Function, depth: int) -> App | None:
        given = [*(r.value for r in function.all(ast.Return)), *(y.value for y in function.all(ast.Yield))]
        return next((a for expr in given if (a := self._app(expr, function, depth + 1)) is not None), None)

    @cached_property
    def _apps(self) -> dict[str, App]:
        return {app.name: app for app in self._project.route_map.apps}

    @cached_property
    def _made(self) -> dict[tuple[str, int], App]:
        return {(app.place.path, app.place.line): app for app in self._project.route_map.apps}

    # Overrides

    @cached_property
    def overrides(self) -> list[Override]:
        """Assignments to `dependency_overrides` in tests and fixtures."""
        return [o for module in self._tests.modules for scope in module.walk() for o in self._overrides(scope)]

    def _overrides(self, scope: Scope) -> Iterator[Override]:
        for attribute in scope.all(ast.Attribute):
            if attribute.attr != "dependency_overrides":
                continue
            holder = parent(attribute)
            stored = isinstance(holder, ast.Subscript) and isinstance(holder.ctx, ast.Store)
            updated = isinstance(holder, ast.Attribute) and holder.attr == "update"
            if stored or updated:
                made = Override(
                    holder or attribute, scope, self._is_cleared(scope) or self._is_fresh(attribute.value, scope)
                )
                yield replace(made, cleared=made.cleared or self.is_wide(made))

    def _is_fresh(self, app: ast.expr, scope: Scope) -> bool:
        """Whether the application is made in the same function, or anew by a fixture for each test."""
        if not isinstance(app, ast.Name) or not isinstance(scope, Function):
            return False
        bindings = scope.bindings.get(app.id, [])
        if any(b.kind == "assign" and isinstance(b.value, ast.Call) for b in bindings):
            return True
        for fixture in self._tests.fixtures.get(_parameter(app.id, scope), ()):
            decorator = self._tests.fixture(fixture)
            wide = keyword(decorator, "scope") if isinstance(decorator, ast.Call) else None
            given = [*(r.value for r in fixture.all(ast.Return)), *(y.value for y in fixture.all(ast.Yield))]
            parts = [p for g in given for p in (g.elts if isinstance(g, ast.Tuple) else [g])]
            made = any(isinstance(p, ast.Call) or (isinstance(p, ast.Name) and p.id in fixture.bindings) for p in parts)
            if wide is None and made:
                return True
        return False

    def _is_cleared(self, scope: Scope) -> bool:
        """Whether the function, a fixture it asks for, a teardown or an autouse fixture takes overrides back."""
        if isinstance(scope, Module):
            return self._clears(scope)
        asked = self._asked(scope) if isinstance(scope, Function) else []
        beside = scope.parent.children if scope.parent is not None else []
        around = [s for s in beside if s.name in _TEARDOWNS]
        outer = [scope.parent] if isinstance(scope.parent, Function) else []
        return any(self._clears(s) for s in (scope, *scope.children, *asked, *around, *outer)) or self._always_cleared

    def _asked(self, function: Function) -> list[Function]:
        """Fixtures that a test or fixture asks for, and those they ask for."""
        found: list[Function] = []
        waiting = [function]
        while waiting:
            for arg, _ in waiting.pop().params:
                new = [f for f in self._tests.fixtures.get(arg.arg, ()) if f not in found]
                found += new
                waiting += new
        return found

    def is_wide(self, override: Override) -> bool:
        """Whether a fixture sets it for the whole run, by intent."""
        decorator = self._tests.fixture(override.scope) if isinstance(override.scope, Function) else None
        wide = keyword(decorator, "scope") if isinstance(decorator, ast.Call) else None
        return isinstance(wide, ast.Constant) and wide.value in ("session", "package", "module")

    @cached_property
    def _always_cleared(self) -> bool:
        for function in (f for fixtures in self._tests.fixtures.values() for f in fixtures):
            decorator = self._tests.fixture(function)
            if isinstance(decorator, ast.Call) and keyword(decorator, "autouse") is not None and self._clears(function):
                return True
        return False

    @staticmethod
    def _clears(scope: Scope) -> bool:
        for attribute in scope.all(ast.Attribute):
            if attribute.attr != "dependency_overrides":
                continue
            holder = parent(attribute)
            if isinstance(attribute.ctx, ast.Store) or isinstance(getattr(holder, "ctx", None), ast.Del):
                return True
            if isinstance(holder, ast.Attribute) and holder.attr in ("clear", "pop", "popitem"):
                return True
            if any(
                isinstance(h, ast.Call) and getattr(h.func, "attr", "") in ("setitem", "dict")
                for h in parents(attribute)
            ):
                return True
        return False


def _added(function: Function) -> Iterator[object]:
    """Paths that the decorators of a function give it: `@app.get("/boom")`."""
    for decorator in function.decorators:
        if isinstance(decorator, ast.Call) and getattr(decorator.func, "attr", "") in _VERBS and decorator.args:
            path = decorator.args[0]
            if isinstance(path, ast.Constant):
                yield path.value


def _parameter(name: str, function: Function) -> str:
    """The parameter that a name is, or is taken out of (`app, engine = made`, `app = made[0]`); "" for no parameter."""
    bindings = function.bindings.get(name, [])
    if any(b.kind == "param" for b in bindings):
        return name
    values = [b.value.value if isinstance(b.value, ast.Subscript) else b.value for b in bindings]
    taken = [v.id for v in values if isinstance(v, ast.Name)]
    return next((t for t in taken if any(b.kind == "param" for b in function.bindings.get(t, []))), "")
