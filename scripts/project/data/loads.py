"""Which relationships come with the rows of a statement."""

from __future__ import annotations

import ast
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from project.data.models import Model
from project.language.literals import text
from project.language.names import Variable
from project.language.scopes import Class, Function, Scope
from project.language.value_types import Bound

if TYPE_CHECKING:
    from project.data.statements import Built, Statement, Statements

MAX_OPTIONS = 5  # variables and functions between `options(...)` and the loader

LOADERS = frozenset("joinedload selectinload subqueryload contains_eager immediateload defaultload noload".split())
NO_LOADERS = frozenset(
    "load_only defer undefer lazyload raiseload with_loader_criteria selectin_polymorphic undefer_group "
    "with_expression Load".split()
)


@dataclass(slots=True)
class Loads:
    """Relationships a statement loads with its rows: (model name or "", relationship). `everything` when unknown."""

    pairs: set[tuple[str, str]] = field(default_factory=set)
    everything: bool = False

    def covers(self, model: Model, relationship: str) -> bool:
        return self.everything or ("", relationship) in self.pairs or (model.name, relationship) in self.pairs


class Options:
    """What `options(...)`, `prefetch_related(...)` and their like load, through variables and functions."""

    def __init__(self, statements: Statements) -> None:
        self._statements = statements
        self._known: dict[Statement, Loads] = {}

    def of(self, statement: Statement) -> Loads:
        """Relationships that come with the rows of a statement."""
        if statement not in self._known:
            found = Loads(everything=statement.opaque)
            for built in statement.built:
                if built.name == "options":
                    for given in built.call.args:
                        self._option(given, built.scope, found, 0)
                elif built.name in ("prefetch_related", "select_related", "fetch_links"):
                    self._prefetched(built, found)
            self._known[statement] = found
        return self._known[statement]

    def given(self, options: ast.expr, scope: Scope) -> Loads:
        """What an `options=[...]` argument loads."""
        found = Loads()
        self._option(options, scope, found, 0)
        return found

    def _prefetched(self, built: Built, found: Loads) -> None:
        if built.name == "fetch_links":
            found.everything = True
        for given in built.call.args:
            path = text(given, built.scope, self._statements.names)
            if path is None:
                found.everything = True
            else:
                found.pairs.update(("", part) for part in path.split("__"))

    def _option(self, expr: ast.expr, scope: Scope, found: Loads, depth: int) -> None:
        if isinstance(expr, (ast.List, ast.Tuple)):
            for item in expr.elts:
                self._option(item, scope, found, depth + 1)
            return
        if isinstance(expr, ast.Call) and isinstance(expr.func, (ast.Name, ast.Attribute)):
            last = expr.func.attr if isinstance(expr.func, ast.Attribute) else self._last(expr.func, scope)
            if isinstance(expr.func, ast.Attribute) and isinstance(expr.func.value, ast.Call):
                self._option(expr.func.value, scope, found, depth)
            if last in LOADERS:
                for given in expr.args:
                    self._loaded(given, scope, found)
                return
            if last == "options":
                for given in expr.args:
                    self._option(given, scope, found, depth + 1)
                return
            if last in NO_LOADERS:
                return
        self._unread_option(expr, scope, found, depth)

    def _last(self, func: ast.Name, scope: Scope) -> str:
        return (self._statements.names.canonical(func, scope) or func.id).rsplit(".", 1)[-1]

    def _loaded(self, given: ast.expr, scope: Scope, found: Loads) -> None:
        while isinstance(given, ast.Call) and isinstance(given.func, ast.Attribute):  # of_type(...), and_(...)
            if isinstance(given.func.value, ast.Call) or given.func.attr in ("of_type", "and_"):
                given = given.func.value
            else:
                break
        if isinstance(given, ast.Constant):
            found.everything = found.everything or given.value == "*"
            found.pairs.update(("", part) for part in str(given.value).split("."))
        elif isinstance(given, ast.Attribute):
            model = self._statements.model_of(given.value, scope)
            found.pairs.add((model.name if model is not None else "", given.attr))
            if model is not None and model.cls is not None:
                found.pairs.update(
                    (c.name, given.attr) for c in self._statements.names.mro(model.cls) if isinstance(c, Class)
                )
                found.pairs.update((c.name, given.attr) for c in self._statements.names.subclasses(model.cls))
        else:
            found.everything = True

    def _unread_option(self, expr: ast.expr, scope: Scope, found: Loads, depth: int) -> None:
        """An option that is a variable, a star or a call: what it may hold counts as applied, and everything when that
        cannot be read.
        """
        inner = expr.value if isinstance(expr, ast.Starred) else expr
        if depth > MAX_OPTIONS:
            found.everything = True
        elif isinstance(inner, (ast.List, ast.Tuple)):
            for item in inner.elts:
                self._option(item, scope, found, depth + 1)
        elif isinstance(inner, (ast.IfExp, ast.BoolOp)):
            for part in (inner.body, inner.orelse) if isinstance(inner, ast.IfExp) else inner.values:
                self._unread_option(part, scope, found, depth + 1)
        elif isinstance(inner, ast.Name):
            self._named_option(inner, scope, found, depth)
        elif isinstance(inner, ast.Call):
            functions = [v for v in self._statements.values.of(inner.func, scope) if isinstance(v, (Function, Bound))]
            found.everything = found.everything or not functions
            for value in functions:
                self._written_in(value.function if isinstance(value, Bound) else value, found, depth)
        elif not (isinstance(inner, ast.Constant) and inner.value is None):
            found.everything = True

    def _named_option(self, name: ast.Name, scope: Scope, found: Loads, depth: int) -> None:
        entity = self._statements.names.lookup(scope, name.id)
        if not isinstance(entity, Variable):
            found.everything = True
            return
        for binding in entity.bindings:
            value = binding.value
            if binding.kind != "assign" or value is None:  # a parameter: the caller decides
                found.everything = True
            elif isinstance(value, (ast.List, ast.Tuple, ast.ListComp)):  # it may grow: every loader of the function
                self._written_in(entity.scope, found, depth)
            else:
                self._option(value, entity.scope, found, depth + 1)

    def _written_in(self, scope: Scope, found: Loads, depth: int) -> None:
        """Every loader that a function writes, and those of functions it calls for options."""
        calls = scope.all(ast.Call)
        loaders = [c for c in calls if _name(c.func) in LOADERS]
        for call in loaders:
            for given in call.args:
                self._loaded(given, scope, found)
        others = [c for c in calls if "option" in _name(c.func) and _name(c.func) != "options"]
        for call in others:
            self._unread_option(call, scope, found, depth + 1)
        if not loaders and not others:
            found.everything = True


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
