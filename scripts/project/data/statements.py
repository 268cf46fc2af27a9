"""Database statements as the code builds them through variables and helpers: selected, filtered, loaded, limited.

SQLAlchemy `select`, legacy `session.query`, `insert`, `update`, `delete`, `text`; query sets of Tortoise and Beanie.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from project.data.loads import Loads, Options
from project.data.models import DOCUMENT, TORTOISE, Model, Models
from project.language.dataflow import reaching
from project.language.names import External, Names, Variable
from project.language.scopes import Class, Function, Scope
from project.language.value_types import Bound, Instance
from project.language.values import ValueFacts

SELECT, QUERY, INSERT, UPDATE, DELETE, TEXT, QUERYSET, PARAMETER = (
    "select query insert update delete text queryset parameter".split()
)
READS = frozenset((SELECT, QUERY, QUERYSET))
MAX_DEPTH = 8
MAX_ALTERNATIVES = 4
_MAKERS = {"select": SELECT, "insert": INSERT, "update": UPDATE, "delete": DELETE, "text": TEXT}
_BUILDERS = frozenset(
    "where filter filter_by options order_by limit offset join outerjoin join_from group_by having distinct "
    "with_for_update execution_options returning values select_from with_only_columns add_columns prefix_with "
    "suffix_with with_hint correlate correlate_except union union_all intersect except_ slice params bindparams "
    "columns "
    "on_conflict_do_update on_conflict_do_nothing populate_existing yield_per enable_eagerloads autoflush "
    "exclude annotate prefetch_related select_related only using_db for_update use_index resolve_expressions "
    "apply_labels reset_joinpoint add_entity add_column with_entities sort skip find project values_list "
    "inline ordered_values from_select enable_assertions unique with_loader_criteria fetch_links find_many "
    "find_all".split()
)
_QUERYSET_STARTS = frozenset("filter all exclude annotate find find_all find_many get get_or_none first".split())


@dataclass(frozen=True, slots=True)
class Selected:
    """One thing a statement is about: a model (all of it, or one `column`), or `self.model` of a generic repository."""

    model: Model | None
    column: str = ""
    generic: bool = False
    name: str = ""  # of the parameter that holds the model


@dataclass(frozen=True, slots=True, eq=False)
class Built:
    """One builder call on a statement, such as `.where(...)`."""

    name: str
    call: ast.Call
    scope: Scope


@dataclass(frozen=True, slots=True, eq=False)
class Statement:
    """A statement: what it is about and every builder call that may have been applied.

    `opaque`: it went through something that was not read, so that an option or limit may be missing here.
    """

    kind: str
    selected: tuple[Selected, ...]
    node: ast.expr
    scope: Scope
    built: tuple[Built, ...] = ()
    opaque: bool = False
    parameter: str = ""

    @property
    def model(self) -> Model | None:
        """The one model whose objects it gives, None for columns, several entities or text."""
        if len(self.selected) == 1 and not self.selected[0].column:
            return self.selected[0].model
        return None

    def calls(self, *names: str) -> list[Built]:
        return [b for b in self.built if b.name in names]

    @property
    def limited(self) -> bool:
        return self.opaque or any(b.name in ("limit", "slice", "fetch", "first") for b in self.built)


class Statements:
    """Statements by the expressions that hold them."""

    def __init__(self, names: Names, values: ValueFacts, models: Models) -> None:
        self.names = names
        self.values = values
        self.models = models
        self._known: dict[int, list[Statement]] = {}
        self._open: set[int] = set()
        self._returned: dict[Function, list[Statement]] = {}
        self._options = Options(self)

    def of(self, expr: ast.expr | None, scope: Scope, depth: int = 0) -> list[Statement]:
        """Statements an expression may be, those that differ only in builder calls merged into one."""
        if expr is None or depth > MAX_DEPTH or expr.__class__ not in _KINDS:
            return []
        key = id(expr)
        if key in self._known:
            return self._known[key]
        if key in self._open:
            return []
        self._open.add(key)
        try:
            found = _merged(self._find(expr, scope, depth))
        finally:
            self._open.discard(key)
        self._known[key] = found
        return found

    def _find(self, expr: ast.expr, scope: Scope, depth: int) -> Iterable[Statement]:
        if isinstance(expr, ast.Call):
            return self._call(expr, scope, depth)
        if isinstance(expr, ast.NamedExpr):
            return self.of(expr.value, scope, depth + 1)
        if isinstance(expr, ast.Await):  # an awaited query set gives rows, an awaited function may give a statement
            return [s for s in self.of(expr.value, scope, depth + 1) if s.kind != QUERYSET]
        if isinstance(expr, ast.IfExp):
            return [*self.of(expr.body, scope, depth + 1), *self.of(expr.orelse, scope, depth + 1)]
        if isinstance(expr, ast.Name):
            return self._named(expr, scope, depth)
        return ()

    def _named(self, expr: ast.Name, scope: Scope, depth: int) -> Iterator[Statement]:
        holder: Scope | None = scope
        while holder is not None and (
            expr.id not in holder.bindings or (isinstance(holder, Class) and holder is not scope)
        ):
            holder = holder.parent
        if holder is None:
            return
        for binding in reaching(holder, expr.id, expr):
            if binding.kind == "param" and isinstance(holder, Function):
                yield Statement(PARAMETER, (), expr, holder, parameter=expr.id)
            elif binding.kind in ("assign", "with") and binding.value is not None and binding.index is None:
                yield from self.of(binding.value, holder, depth + 1)

    def _call(self, call: ast.Call, scope: Scope, depth: int) -> Iterator[Statement]:
        func = call.func
        if isinstance(func, ast.Attribute):
            if func.attr == "query" and call.args:
                made = self._query(call, func, scope)
                if made is not None:
                    yield made
                    return
            if func.attr in _BUILDERS:
                below = self.of(func.value, scope, depth + 1)
                if below:
                    for statement in below:
                        yield replace(statement, built=(*statement.built, Built(func.attr, call, scope)))
                    return
            if func.attr in _QUERYSET_STARTS:
                queryset = self._queryset(call, func, scope)
                if queryset is not None:
                    yield queryset
                    return
        kind = self._maker(func, scope)
        if kind:
            yield Statement(kind, self.selected(call.args, scope) if kind != TEXT else (), call, scope)
            return
        yield from self._through_function(call, scope, depth)

    def _maker(self, func: ast.expr, scope: Scope) -> str:
        last = func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
        if isinstance(func, ast.Name) and last not in _MAKERS:
            entity = self.names.lookup(scope, last)
            last = entity.dotted.rsplit(".", 1)[-1] if isinstance(entity, External) else ""
        if last not in _MAKERS:
            return ""
        dotted = self.names.canonical(func, scope) or ""
        if dotted.startswith(("sqlalchemy.", "sqlmodel.")):
            return _MAKERS[last]
        return ""

    def _query(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Statement | None:
        """`session.query(Model)`: by the type of the session, else by the model that is asked for."""
        selected = self.selected(call.args, scope)
        named = any(s.generic and s.name for s in selected) and _name(func.value).endswith(("session", "db"))
        if named or any(s.model is not None for s in selected) or self.is_session(func.value, scope):
            return Statement(QUERY, selected, call, scope)
        return None

    def is_session(self, expr: ast.expr, scope: Scope) -> bool:
        """Whether an expression is a SQLAlchemy session by its type."""
        return any(isinstance(v, Instance) and is_session_class(v, self.names) for v in self.values.of(expr, scope))

    def _queryset(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Statement | None:
        for value in self.values.of(func.value, scope):
            model = self.models.of(value)
            if model is not None and model.orm in (TORTOISE, DOCUMENT):
                return Statement(QUERYSET, (Selected(model),), call, scope, (Built(func.attr, call, scope),))
        if self.is_own_model(func.value, scope) and any(m.orm == TORTOISE for m in self.models.all):
            return Statement(QUERYSET, (Selected(None, generic=True),), call, scope, (Built(func.attr, call, scope),))
        return None

    def is_own_model(self, expr: ast.expr, scope: Scope) -> bool:
        """`self.model`/`cls.model` in a method."""
        if not (isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and isinstance(scope, Function)):
            return False
        return scope.owner is not None and bool(scope.params) and scope.params[0][0].arg == expr.value.id

    def selected(self, given: Iterable[ast.expr], scope: Scope) -> tuple[Selected, ...]:
        """What the arguments of `select(...)` name."""
        found: list[Selected] = []
        for expr in given:
            items = expr.elts if isinstance(expr, (ast.List, ast.Tuple)) else [expr]
            found.extend(self._selected(item, scope) for item in items)
        return tuple(found)

    def _selected(self, expr: ast.expr, scope: Scope) -> Selected:
        model = self.model_of(expr, scope)
        if model is not None:
            return Selected(model)
        if isinstance(expr, ast.Attribute):
            owner = self.model_of(expr.value, scope)
            if owner is not None:
                return Selected(owner, expr.attr)
            if self.is_own_model(expr, scope):
                return Selected(None, generic=True)
        name = self._class_parameter(expr, scope) if isinstance(expr, ast.Name) else ""
        return Selected(None, generic=True, name=name) if name else Selected(None, "?")

    def _class_parameter(self, expr: ast.Name, scope: Scope) -> str:
        """The parameter that holds a class (`def get(self, model: type[T])`), or a name of one that a function looks
        up (`cls = class_of(model)`), "" for none.
        """
        entity = self.names.lookup(scope, expr.id)
        if not isinstance(entity, Variable):
            return ""
        if any(b.kind == "param" for b in entity.bindings):
            return expr.id
        found = entity.bindings[0].value if len(entity.bindings) == 1 else None
        given = found.args if isinstance(found, ast.Call) and len(found.args) == 1 else []
        params = {arg.arg for arg, _ in entity.scope.params} if isinstance(entity.scope, Function) else set()
        return next((a.id for a in given if isinstance(a, ast.Name) and a.id in params), "")

    def model_of(self, expr: ast.expr, scope: Scope) -> Model | None:
        """The model an expression names as a class, `aliased(...)` and attributes of objects included."""
        if not isinstance(expr, (ast.Name, ast.Attribute, ast.Call)):
            return None
        entity = self.names.resolve(expr, scope)
        if isinstance(entity, Class):
            return self.models.of(entity)
        if isinstance(entity, Variable) and not isinstance(expr, ast.Call):
            made = self._aliased(entity)
            if made is not None:
                return made
        for value in self.values.of(expr, scope):
            if isinstance(value, Class) and (model := self.models.of(value)) is not None:
                return model
        return None

    def _aliased(self, variable: Variable) -> Model | None:
        for binding in variable.bindings:
            call = binding.value
            if (
                isinstance(call, ast.Call)
                and call.args
                and (self.names.canonical(call.func, variable.scope) or "").rsplit(".", 1)[-1] == "aliased"
            ):
                return self.model_of(call.args[0], variable.scope)
        return None

    # Through functions

    def _through_function(self, call: ast.Call, scope: Scope, depth: int) -> Iterator[Statement]:
        handed = [
            (a, s)
            for a in call.args
            if isinstance(a, (ast.Name, ast.Call))
            for s in self.of(a, scope, depth + 1)
            if s.kind in READS
        ]
        functions = [v for v in self.values.of(call.func, scope) if isinstance(v, (Function, Bound))]
        for value in functions:
            function = value.function if isinstance(value, Bound) else value
            for statement in self.returned(function):
                if statement.kind == PARAMETER:
                    given = argument(call, function, statement.parameter, self.offset(call, function, scope))
                    if given is not None:
                        for below in self.of(given, scope, depth + 1):
                            yield replace(
                                below, built=(*below.built, *statement.built), opaque=below.opaque or statement.opaque
                            )
                else:
                    yield self.bind(statement, value, self.given_model(call.func, scope))
        if not functions:
            yield from (replace(s, opaque=True) for _, s in handed)

    def returned(self, function: Function) -> list[Statement]:
        """Statements a function of the project gives back."""
        if function not in self._returned:
            self._returned[function] = []
            found: list[Statement] = []
            for given in function.all(ast.Return):
                if given.value is not None:
                    items = given.value.elts[:1] if isinstance(given.value, ast.Tuple) else [given.value]
                    found.extend(s for item in items for s in self.of(item, function))
            self._returned[function] = _merged(found)
        return self._returned[function]

    def offset(self, call: ast.Call, function: Function, scope: Scope) -> int:
        """How many leading parameters of the function the call does not write out (`self`, `cls`)."""
        if function.owner is None:
            return 0
        outer = function.parent or function.module
        kinds = {self.names.canonical(d, outer) for d in function.decorators}
        if "builtins.staticmethod" in kinds:
            return 0
        if "builtins.classmethod" in kinds or function.name == "__init__":
            return 1
        through_class = isinstance(call.func, ast.Attribute) and isinstance(
            self.names.resolve(call.func.value, scope), Class
        )
        return 0 if through_class else 1

    def bind(self, statement: Statement, value: Function | Bound, given: Model | None = None) -> Statement:
        """A statement of a generic repository, seen from the class it is called on or the model it was given."""
        if not any(s.generic for s in statement.selected) or not isinstance(value, Bound):
            return statement
        model = self.bound_model(value.owner) or given
        if model is None:
            return statement
        return replace(statement, selected=tuple(Selected(model) if s.generic else s for s in statement.selected))

    def given_model(self, func: ast.expr, scope: Scope) -> Model | None:
        """The model that the object of a method call was made with: `items = Repository(Item)`, `items.get(...)`."""
        receiver = func.value if isinstance(func, ast.Attribute) else None
        entity = self.names.resolve(receiver, scope) if isinstance(receiver, (ast.Name, ast.Attribute)) else None
        made = entity.bindings[-1].value if isinstance(entity, Variable) and entity.bindings else receiver
        if not isinstance(made, ast.Call) or not isinstance(entity, (Variable, type(None))):
            return None
        holder = entity.scope if isinstance(entity, Variable) else scope
        found = [m for a in (*made.args, *(k.value for k in made.keywords)) if (m := self.model_of(a, holder))]
        return found[0] if len(found) == 1 else None

    def bound_model(self, owner: Class) -> Model | None:
        """The model of a repository class: `model = User`, or the model among the arguments of a generic base."""
        for base in self.names.mro(owner):
            if not isinstance(base, Class):
                continue
            for name in ("model", "_model", "model_class", "entity", "table", "model_type"):
                for binding in base.bindings.get(name, []):
                    if binding.value is not None and (model := self.model_of(binding.value, base)) is not None:
                        return model
            for expr in base.node.bases:
                if isinstance(expr, ast.Subscript):
                    items = expr.slice.elts if isinstance(expr.slice, ast.Tuple) else [expr.slice]
                    found = [m for i in items if (m := self.model_of(i, base.parent or base.module)) is not None]
                    if len(found) == 1:
                        return found[0]
        return None

    # Options

    def loads(self, statement: Statement) -> Loads:
        """Relationships that come with the rows of a statement."""
        return self._options.of(statement)

    def loads_of(self, options: ast.expr, scope: Scope) -> Loads:
        """What an `options=[...]` argument loads."""
        return self._options.given(options, scope)


_KINDS = (ast.Call, ast.Await, ast.NamedExpr, ast.IfExp, ast.Name)
SESSIONS = frozenset(
    "sqlalchemy.orm.Session sqlalchemy.ext.asyncio.AsyncSession sqlmodel.Session sqlmodel.orm.session.Session "
    "sqlmodel.ext.asyncio.AsyncSession sqlalchemy.orm.scoped_session "
    "sqlalchemy.ext.asyncio.async_scoped_session".split()
)
ASYNC_SESSIONS = frozenset(s for s in SESSIONS if "async" in s)


def is_session_class(value: Instance, names: Names) -> bool:
    """Whether an object is a SQLAlchemy or SQLModel session, subclasses included."""
    return value.dotted in SESSIONS or (isinstance(value.cls, Class) and names.derives(value.cls, *SESSIONS))


def argument(call: ast.Call, function: Function, name: str, offset: int) -> ast.expr | None:
    """What a call hands over for a parameter of the function, None for its default or when it cannot be said."""
    for given in call.keywords:
        if given.arg == name:
            return given.value
    for position, (arg, _) in enumerate(function.params):
        if arg.arg == name:
            at = position - offset
            if 0 <= at < len(call.args) and not any(isinstance(a, ast.Starred) for a in call.args[: at + 1]):
                return call.args[at]
    return None


def _name(func: ast.expr) -> str:
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _merged(statements: Iterable[Statement]) -> list[Statement]:
    """One statement for each start; what any path adds counts as added."""
    found: dict[int, Statement] = {}
    for statement in statements:
        key = id(statement.node)
        known = found.get(key)
        if known is None:
            if len(found) < MAX_ALTERNATIVES:
                found[key] = statement
            continue
        more = tuple(b for b in statement.built if not any(b.call is k.call for k in known.built))
        found[key] = replace(known, built=(*known.built, *more), opaque=known.opaque or statement.opaque)
    return list(found.values())
