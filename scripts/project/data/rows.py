"""Where ORM objects come from: which query gave the object an expression holds, through variables, calls and
arguments.
"""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from project.data.models import Model
from project.data.queries import Execution
from project.data.statements import PARAMETER, READS, Selected, Statement, argument
from project.language.calls import CallSite
from project.language.conditions import skipped
from project.language.dataflow import reaching
from project.language.scopes import Binding, Class, Function, Scope
from project.language.value_types import Bound
from project.place import Place

if TYPE_CHECKING:
    from project import Project

MAX_ALTERNATIVES = 6
MAX_DEPTH = 24
MAX_CALLERS = 12
RESULT, SCALARS, LIST, TUPLES, TUPLE, ONE, DICT = "result scalars list tuples tuple one dict".split()
_TO_ONE = {SCALARS: ONE, LIST: ONE, RESULT: TUPLE, TUPLES: TUPLE}
_TO_LIST = {SCALARS: LIST, LIST: LIST, RESULT: TUPLES, TUPLES: TUPLES}
_SAME = frozenset("unique yield_per partitions execution_options freeze columns copy tuples".split())
_FIRST = frozenset("first one one_or_none fetchone".split())
_MANY = frozenset("all fetchall fetchmany to_list".split())
_SCALAR = frozenset("scalar scalar_one scalar_one_or_none scalar_one_or_none".split())
_PASS = frozenset("list tuple set sorted reversed iter enumerate".split())
_QUERYSET_ONE = frozenset("get get_or_none first get_one find_one".split())


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Objects of `model` (None: of a generic repository) that `execution` gave.

    shape: one, list, scalars or result (cursor results), tuple and tuples of rows, dict. `path`: relationships followed
    from the rows of the query. `each`: the loop that takes them one by one, which stands in `looped_in`; `parts` when
    it goes over what belongs to one object. `hops`: places passed on the way.
    """

    execution: Execution
    statement: Statement | None
    model: Model | None
    shape: str
    path: tuple[str, ...] = ()
    each: Place | None = None
    looped_in: Scope | None = None
    parts: bool = False
    hops: tuple[Place, ...] = ()
    selected: tuple[Selected, ...] = ()
    parameter: str = ""
    site: CallSite | None = None

    @property
    def key(self) -> tuple[object, ...]:
        return (
            id(self.execution.node),
            self.model.dotted if self.model else "",
            self.shape,
            self.path,
            self.each,
            self.parameter,
            id(self.site),
        )


class RowFacts:
    """Rows by expression."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[int, list[Rows]] = {}
        self._open: set[object] = set()
        self._returned: dict[Function, list[Rows]] = {}
        self._depth = 0

    def of(self, expr: ast.AST | None, scope: Scope) -> list[Rows]:
        """Queries whose objects an expression may hold; [] when that is unknown."""
        if expr is None or expr.__class__ not in _HANDLERS or self._depth > MAX_DEPTH:
            return []
        key = id(expr)
        known = self._known.get(key)
        if known is not None:
            return known
        if key in self._open:
            return []
        self._open.add(key)
        self._depth += 1
        try:
            found = _unique(_HANDLERS[expr.__class__](self, expr, scope))
        finally:
            self._open.discard(key)
            self._depth -= 1
        self._known[key] = found
        return found

    # Names

    def _name(self, expr: ast.Name, scope: Scope) -> Iterator[Rows]:
        holder: Scope | None = scope
        while holder is not None and (expr.id not in holder.bindings or isinstance(holder, Class)):
            holder = holder.parent
        if not isinstance(holder, Function):
            return
        for binding in reaching(holder, expr.id, expr):
            yield from self.of_binding(binding, holder)

    def of_binding(self, binding: Binding, scope: Function) -> Iterator[Rows]:
        """What a name holds after one binding."""
        if binding.kind == "param":
            yield from self.of_parameter(scope, binding.name)
        elif binding.kind == "for" and binding.value is not None:
            loop = scope.place(binding.value, f"loop over {_short(binding.value)}")
            for rows in self.of(binding.value, scope):
                yield from self._item(_looped(rows, loop, scope), binding.index)
        elif binding.kind in ("assign", "with") and binding.value is not None:
            for rows in self.of(binding.value, scope):
                yield from self._unpacked(rows, binding.index)

    def _item(self, rows: Rows, index: int | None) -> Iterator[Rows]:
        one = _TO_ONE.get(rows.shape)
        if one is not None:
            yield from self._unpacked(replace(rows, shape=one), index)
        elif rows.shape == DICT and index == 1:
            yield replace(rows, shape=ONE)

    def _unpacked(self, rows: Rows, index: int | None) -> Iterator[Rows]:
        if index is None:
            yield rows
        elif rows.shape == TUPLE and 0 <= index < len(rows.selected):
            chosen = rows.selected[index]
            if not chosen.column and (chosen.model is not None or chosen.generic):
                yield replace(rows, shape=ONE, model=chosen.model)
        elif rows.shape == ONE and index == 1 and rows.each is not None:  # for i, row in enumerate(rows)
            yield rows

    # Parameters

    def of_parameter(self, function: Function, name: str) -> Iterator[Rows]:
        """What callers hand over, or what a dependency of FastAPI provides."""
        key = (function, name)
        if key in self._open:
            return
        self._open.add(key)
        try:
            provided = self._provided(function, name)
            yield from provided
            callers = self._project.calls.callers(function)
            if not provided and len(callers) <= MAX_CALLERS:
                for site in callers:
                    yield from self._handed(site, function, name)
        finally:
            self._open.discard(key)

    def _handed(self, site: CallSite, function: Function, name: str) -> Iterator[Rows]:
        call = site.call
        me = function.params[0][0].arg if function.owner is not None and function.params else ""
        given: ast.expr | None
        if call is None:
            given = site.node.value if name == me and isinstance(site.node, ast.Attribute) else None
        else:
            offset = self._project.queries.statements.offset(call, function, site.scope)
            if name == me and offset:
                given = call.func.value if isinstance(call.func, ast.Attribute) else None
            else:
                given = argument(call, function, name, offset)
        for rows in self.of(given, site.scope):
            hop = site.place(f"calls {function.qualname}")
            yield replace(rows, hops=(*rows.hops, hop), site=site)

    def _provided(self, function: Function, name: str) -> list[Rows]:
        param = function.param(name)
        if param is None:
            return []
        values = self._project.values
        outer = function.parent or function.module
        providers = list(values.depends(param[1], outer) or ())
        annotation = param[0].annotation
        if isinstance(annotation, ast.Constant):
            annotation = values.parsed(annotation)
        if isinstance(annotation, ast.Subscript):
            items = annotation.slice.elts[1:] if isinstance(annotation.slice, ast.Tuple) else []
            providers.extend(p for item in items for p in values.depends(item, outer) or ())
        found: list[Rows] = []
        for provider in providers:
            target = provider.function if isinstance(provider, Bound) else provider
            if isinstance(target, Function):
                found.extend(self.returned(target))
        return found

    # Calls

    def _call(self, call: ast.Call, scope: Scope) -> Iterator[Rows]:
        execution = self._project.queries.at(call, scope)
        if execution is not None:
            yield from self._executed(execution)
            return
        func = call.func
        if isinstance(func, ast.Attribute):
            below = self.of(func.value, scope)
            if below:
                passed = [r for rows in below for r in self._method(rows, func.attr)]
                if passed or func.attr in _RESULT_METHODS:
                    yield from passed
                    return
        elif isinstance(func, ast.Name) and func.id in _PASS and call.args:
            for rows in self.of(call.args[0], scope):
                yield replace(rows, shape=_TO_LIST.get(rows.shape, rows.shape))
            return
        yield from self._function(call, scope)

    def _executed(self, execution: Execution) -> Iterator[Rows]:
        method = execution.method
        if method in ("get", "get_one", "merge") and not execution.statements:
            if execution.model is not None:
                yield Rows(execution, None, execution.model, ONE)
            return
        if method == "refresh":
            return
        for statement in execution.statements:
            if statement.kind == PARAMETER:
                yield Rows(execution, statement, None, _shape(method, False), parameter=statement.parameter)
            elif statement.kind in READS:
                yield from self._selected(execution, statement)

    def _selected(self, execution: Execution, statement: Statement) -> Iterator[Rows]:
        whole = len(statement.selected) == 1 and not statement.selected[0].column
        model = statement.selected[0].model if whole else None
        shape = _shape(execution.method, whole, statement.kind == "queryset")
        if shape in (SCALARS, LIST, ONE) and not whole:
            first = statement.selected[0] if statement.selected else None
            if execution.method in ("scalar", "scalars") and first is not None and not first.column:
                model, whole = first.model, True
            else:
                shape = TUPLES if shape != ONE else TUPLE
        if whole or any(not s.column for s in statement.selected):
            yield Rows(execution, statement, model, shape, selected=statement.selected)

    def _method(self, rows: Rows, name: str) -> Iterator[Rows]:
        """Methods of results and lists."""
        if name in _SAME:
            yield rows
        elif name in ("scalars", "scalar", "scalar_one", "scalar_one_or_none") and rows.shape in (RESULT, TUPLES):
            first = rows.selected[0] if rows.selected else None
            if (first is None and not rows.parameter) or (first is not None and first.column):
                return
            yield replace(
                rows, shape=SCALARS if name == "scalars" else ONE, model=first.model if first is not None else None
            )
        elif name in _MANY and rows.shape in _TO_LIST:
            yield replace(rows, shape=_TO_LIST[rows.shape])
        elif name in _FIRST and rows.shape in _TO_ONE:
            yield replace(rows, shape=_TO_ONE[rows.shape])
        elif rows.shape == DICT and name in ("values", "items"):
            yield replace(rows, shape=LIST) if name == "values" else rows
        elif rows.shape == DICT and name in ("get", "pop", "setdefault"):
            yield replace(rows, shape=ONE)
        elif name in ("pop", "copy") and rows.shape == LIST:
            yield replace(rows, shape=ONE if name == "pop" else LIST)

    def _function(self, call: ast.Call, scope: Scope) -> Iterator[Rows]:
        for value in self._project.values.of(call.func, scope):
            function = value.function if isinstance(value, Bound) else value
            if isinstance(function, Function) and not function.is_generator:
                hop = scope.place(call, f"calls {function.qualname}")
                for rows in self.given_back(function, call, scope):
                    yield from self.bound(rows, value, function, call, scope, hop)

    def bound(
        self, rows: Rows, value: object, function: Function, call: ast.Call, scope: Scope, hop: Place
    ) -> Iterator[Rows]:
        """Rows a function returns, seen from one of its calls: the statement handed over, the model of the
        repository.
        """
        statements = self._project.queries.statements
        if rows.parameter:
            given = argument(call, function, rows.parameter, statements.offset(call, function, scope))
            for statement in statements.of(given, scope):
                model = statement.model
                if statement.kind == PARAMETER:
                    yield replace(rows, parameter=statement.parameter, statement=statement, hops=(*rows.hops, hop))
                elif statement.kind in READS and (model is not None or rows.shape in (RESULT, TUPLES, TUPLE)):
                    yield replace(
                        rows,
                        parameter="",
                        statement=statement,
                        model=model,
                        selected=statement.selected,
                        hops=(*rows.hops, hop),
                    )
            return
        if rows.model is None and any(s.generic for s in rows.selected):
            bound = self._type_argument(rows, function, call, scope)
            if bound is None and isinstance(value, Bound):
                bound = statements.bound_model(value.owner) or statements.given_model(call.func, scope)
            selected = tuple(Selected(bound) if s.generic else s for s in rows.selected)
            yield replace(
                rows,
                model=bound if rows.shape not in (TUPLE, TUPLES, RESULT) else None,
                selected=selected,
                hops=(*rows.hops, hop),
            )
            return
        yield replace(rows, hops=(*rows.hops, hop))

    def _type_argument(self, rows: Rows, function: Function, call: ast.Call, scope: Scope) -> Model | None:
        """The model that is handed over for `select(schema_class)`."""
        statements = self._project.queries.statements
        name = next((s.name for s in rows.selected if s.generic and s.name), "")
        given = argument(call, function, name, statements.offset(call, function, scope)) if name else None
        if isinstance(given, ast.Constant):
            named = [m for m in self._project.models.all if given.value in (m.name, m.table)]
            return named[0] if len(named) == 1 else None
        return statements.model_of(given, scope) if given is not None else None

    def given_back(self, function: Function, call: ast.Call, scope: Scope) -> list[Rows]:
        """Rows a function gives back to this call: not those of a query that the arguments keep from running."""
        found = self.returned(function)
        if not any(r.execution.scope is function for r in found):
            return found
        known = self._project.conditions.given(self._project.calls.site(call, scope), function)
        return [r for r in found if r.execution.scope is not function or not skipped(r.execution.node, known)]

    def returned(self, function: Function) -> list[Rows]:
        """Rows a function gives back, also as the first or only part of a tuple."""
        if function not in self._returned:
            if function in self._open:
                return []
            self._open.add(function)
            try:
                found = [r for given in function.all(ast.Return) for r in self.of(given.value, function)]
            finally:
                self._open.discard(function)
            self._returned[function] = _unique(found)
        return self._returned[function]

    # Other expressions

    def _await(self, expr: ast.Await, scope: Scope) -> Iterator[Rows]:
        execution = self._project.queries.at(expr, scope)
        if execution is not None:
            for statement in execution.statements:
                single = any(b.name in _QUERYSET_ONE for b in statement.built)
                if statement.model is not None:
                    yield Rows(
                        execution, statement, statement.model, ONE if single else LIST, selected=statement.selected
                    )
            return
        yield from self.of(expr.value, scope)

    def _attribute(self, expr: ast.Attribute, scope: Scope) -> Iterator[Rows]:
        if expr.attr not in self._project.models.relationship_names:
            return
        for rows in self.of(expr.value, scope):
            if rows.shape != ONE or rows.model is None:
                continue
            relationship = rows.model.relationships.get(expr.attr)
            target = self._project.models.target(rows.model, relationship) if relationship is not None else None
            if relationship is not None and target is not None and len(rows.path) < 4:
                shape = LIST if self._project.models.is_collection(rows.model, relationship) else ONE
                yield replace(rows, model=target, shape=shape, path=(*rows.path, expr.attr))

    def _subscript(self, expr: ast.Subscript, scope: Scope) -> Iterator[Rows]:
        for rows in self.of(expr.value, scope):
            if isinstance(expr.slice, ast.Slice):
                yield rows
            elif rows.shape == TUPLE and isinstance(expr.slice, ast.Constant) and isinstance(expr.slice.value, int):
                yield from self._unpacked(rows, expr.slice.value)
            elif rows.shape in (LIST, SCALARS, DICT):
                yield replace(rows, shape=ONE)
            elif rows.shape in (TUPLES, RESULT):
                yield replace(rows, shape=TUPLE)

    def _comprehension(self, expr: ast.ListComp | ast.SetComp | ast.GeneratorExp, scope: Scope) -> Iterator[Rows]:
        for rows in self.of(expr.elt, scope):
            if rows.shape in (ONE, TUPLE):
                yield replace(rows, shape=LIST if rows.shape == ONE else TUPLES, each=None)

    def _dict_comprehension(self, expr: ast.DictComp, scope: Scope) -> Iterator[Rows]:
        for rows in self.of(expr.value, scope):
            if rows.shape == ONE:
                yield replace(rows, shape=DICT, each=None)

    def _either(self, expr: ast.IfExp | ast.BoolOp, scope: Scope) -> Iterator[Rows]:
        for part in [expr.body, expr.orelse] if isinstance(expr, ast.IfExp) else expr.values:
            yield from self.of(part, scope)

    def _display(self, expr: ast.List | ast.Tuple | ast.Set, scope: Scope) -> Iterator[Rows]:
        for item in expr.elts:
            if isinstance(item, ast.Starred):
                yield from self.of(item.value, scope)

    def _walrus(self, expr: ast.NamedExpr, scope: Scope) -> Iterator[Rows]:
        yield from self.of(expr.value, scope)


def _looped(rows: Rows, loop: Place, scope: Scope) -> Rows:
    """Rows taken one by one by a loop; one inside a loop over the table still runs for each row of the table."""
    return replace(rows, each=loop, looped_in=scope, parts=bool(rows.path) if rows.each is None else rows.parts)


def _shape(method: str, whole: bool, queryset: bool = False) -> str:
    """Shape of what an executing method gives."""
    if method in ("execute", "stream"):
        return RESULT
    if method == "exec":
        return SCALARS if whole else RESULT
    if method in ("scalars", "stream_scalars"):
        return SCALARS
    if method in _MANY or (queryset and method not in _QUERYSET_ONE):
        return LIST
    return ONE


def _unique(found: Iterable[Rows]) -> list[Rows]:
    kept: dict[tuple[object, ...], Rows] = {}
    for rows in found:
        if rows.key not in kept:
            kept[rows.key] = rows
            if len(kept) >= MAX_ALTERNATIVES:
                break
    return list(kept.values())


def _short(expr: ast.expr) -> str:
    written = ast.unparse(expr)
    return written if len(written) <= 60 else written[:59] + "…"


_RESULT_METHODS = _SAME | _FIRST | _MANY | _SCALAR | {"scalars", "mappings", "keys", "rowcount"}
_HANDLERS: dict[type[ast.AST], Callable[[RowFacts, Any, Scope], Iterator[Rows]]] = {
    ast.Name: RowFacts._name,
    ast.Call: RowFacts._call,
    ast.Await: RowFacts._await,
    ast.Attribute: RowFacts._attribute,
    ast.Subscript: RowFacts._subscript,
    ast.ListComp: RowFacts._comprehension,
    ast.SetComp: RowFacts._comprehension,
    ast.GeneratorExp: RowFacts._comprehension,
    ast.DictComp: RowFacts._dict_comprehension,
    ast.IfExp: RowFacts._either,
    ast.BoolOp: RowFacts._either,
    ast.List: RowFacts._display,
    ast.Tuple: RowFacts._display,
    ast.Set: RowFacts._display,
    ast.NamedExpr: RowFacts._walrus,
}
