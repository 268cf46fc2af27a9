"""Reads of relationships that the query did not load: each sends a statement of its own, or fails under AsyncSession.

A read is an attribute access on an object whose query is known, or a field of a Pydantic model that is made from it
(`model_validate(row)`, or the response model of a route that returns it).
"""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.envelopes import ANY_LIST, Envelopes
from project.data.loads import Loads
from project.data.models import DOCUMENT, TORTOISE, Model
from project.data.queries import Execution
from project.data.rows import LIST, ONE, SCALARS, Rows
from project.data.statements import Statement
from project.data.table_parts import Relationship
from project.language.conditions import skipped
from project.language.scopes import Class, Function, Scope, parent, parents, subtree
from project.language.shapes import Shape
from project.language.value_types import Instance
from project.place import Place
from project.routing.routes import Route
from project.routing.schemas import Schema

if TYPE_CHECKING:
    from project import Project

MAX_NESTING = 3
_FROM_OBJECT = frozenset("model_validate from_orm parse_obj validate".split())
_LISTS = frozenset(
    "builtins.list builtins.set builtins.tuple builtins.frozenset typing.Sequence typing.Iterable "
    "collections.abc.Sequence collections.abc.Iterable".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class LazyRead:
    """A relationship of `model` read at `place` on rows of a query that did not load it.

    `each` is the loop that reads it row by row, None for a single object. `field` names the schema field that reads it,
    "" for an attribute access; `route` is set when that happens while FastAPI makes the response.
    """

    place: Place
    scope: Scope
    rows: Rows
    model: Model
    relationship: Relationship
    each: Place | None
    field: str = ""
    route: Route | None = None

    @property
    def execution(self) -> Execution:
        return self.rows.execution

    @property
    def looped_in(self) -> Scope:
        """The function whose loop reads it, the reading one itself when there is none."""
        return self.rows.looped_in or self.scope


class LazyReads:
    """Every lazy read of the application."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def all(self) -> list[LazyRead]:
        """In order of files and lines, each place, relationship and query once."""
        found: dict[tuple[object, ...], LazyRead] = {}
        if any(m.relationships for m in self._project.models.all):
            for read in (*self._attributes(), *self._conversions(), *self._responses()):
                key = (
                    read.place.path,
                    read.place.line,
                    read.model.dotted,
                    read.relationship.name,
                    id(read.execution.node),
                )
                found.setdefault(key, read)
        return sorted(found.values(), key=lambda r: (r.place.path, r.place.line, r.relationship.name))

    @cached_property
    def unfetched(self) -> list[LazyRead]:
        """Tortoise: fields read on a relation that was never fetched (`row.team.name`)."""
        found: list[LazyRead] = []
        if not any(m.orm == TORTOISE for m in self._project.models.all):
            return found
        names = self._project.models.relationship_names
        for node, scope in self._project.spelled.attributes(*sorted(names)):
            if isinstance(scope, Function) and isinstance(node.ctx, ast.Load) and self._read_through(node):
                found.extend(self._unfetched(node, scope))
        return found

    def _unfetched(self, node: ast.Attribute, scope: Function) -> Iterator[LazyRead]:
        for rows in self._project.rows.of(node.value, scope):
            relationship = (
                rows.model.relationships.get(node.attr) if rows.model is not None and rows.shape == ONE else None
            )
            if rows.model is None or relationship is None or rows.model.orm != TORTOISE or rows.path:
                continue
            if self._project.models.is_collection(rows.model, relationship) or not self._is_lazy(rows, relationship):
                continue
            if not self._is_ready(node, scope, rows, relationship) and not rows.hops:
                yield LazyRead(scope.place(node), scope, rows, rows.model, relationship, rows.each)

    def _read_through(self, node: ast.Attribute) -> bool:
        """`row.rel.field`, where the field is a column of the target."""
        holder = parent(node)
        if not isinstance(holder, ast.Attribute) or isinstance(parent(holder), ast.Call):
            return False
        return not any(isinstance(h, ast.Await) for h in (parent(holder), parent(node)))

    # Attribute access

    def _attributes(self) -> Iterator[LazyRead]:
        names = self._project.models.relationship_names
        for node, scope in self._project.spelled.attributes(*sorted(names)):
            if isinstance(scope, Function) and isinstance(node.ctx, ast.Load):
                yield from self._attribute(node, scope)

    def _attribute(self, node: ast.Attribute, scope: Function) -> Iterator[LazyRead]:
        if isinstance(parent(node), ast.Call) and getattr(parent(node), "func", None) is node:
            return  # a method of that name
        for rows in self._project.rows.of(node.value, scope):
            if rows.shape != ONE or rows.model is None:
                continue
            relationship = rows.model.relationships.get(node.attr)
            if relationship is None or not self._is_lazy(rows, relationship):
                continue
            if rows.model.orm == TORTOISE and not self._awaited(node):
                continue
            if self._is_ready(node, scope, rows, relationship) or self._is_skipped(node, scope, rows):
                continue
            yield LazyRead(scope.place(node), scope, rows, rows.model, relationship, rows.each)

    def _is_skipped(self, node: ast.Attribute, scope: Function, rows: Rows) -> bool:
        """Whether the call that handed the row over keeps the read from running (`include_members=False`)."""
        return (
            rows.site is not None
            and scope in rows.site.targets
            and skipped(node, self._project.conditions.given(rows.site, scope))
        )

    def _awaited(self, node: ast.Attribute) -> bool:
        """Tortoise: `await row.rel`, `await row.rel.all()`, `async for x in row.rel`."""
        child: ast.AST = node
        for holder in parents(node):
            if isinstance(holder, ast.Await):
                return True
            if isinstance(holder, ast.AsyncFor):
                return holder.iter is child
            if not isinstance(holder, (ast.Attribute, ast.Call)) or (
                isinstance(holder, ast.Call) and holder.func is not child
            ):
                return False
            child = holder
        return False

    def _is_lazy(self, rows: Rows, relationship: Relationship) -> bool:
        model = rows.model
        if model is None or model.orm == DOCUMENT or relationship.lazy != "select":
            return False
        if self._comes_back(rows, relationship):
            return False
        return not self._loads(rows).covers(model, relationship.name)

    def _loads(self, rows: Rows) -> Loads:
        statements = self._project.queries.statements
        if rows.statement is not None:
            return statements.loads(rows.statement)
        call = rows.execution.call
        options = next((k.value for k in call.keywords if k.arg == "options"), None) if call is not None else None
        if call is None or options is None:
            return Loads()
        return statements.loads_of(options, rows.execution.scope)

    def _comes_back(self, rows: Rows, relationship: Relationship) -> bool:
        """Whether a many-to-one leads back to the object that the row was reached from: that is in memory."""
        if not rows.path or rows.model is None:
            return False
        if rows.path[-1] == relationship.back_populates:
            return True
        target = self._project.models.target(rows.model, relationship)
        forward = target.relationships.get(rows.path[-1]) if target is not None else None
        if target is None or forward is None:
            return False
        back = self._project.models.target(target, forward)
        return back is rows.model and not self._project.models.is_collection(rows.model, relationship)

    def _is_ready(self, node: ast.Attribute, scope: Function, rows: Rows, relationship: Relationship) -> bool:
        """Whether the value was set, refreshed or loaded before, or all rows share one parent."""
        model = rows.model
        assert model is not None
        name = relationship.name
        for holder in _enclosing(scope):
            for other in holder.all(ast.Attribute):
                if other.attr == name and (
                    isinstance(other.ctx, ast.Store)
                    or (isinstance(other.value, ast.Attribute) and other.value.attr == "awaitable_attrs")
                ):
                    return True
            if self._refreshed(holder, name) or self._in_greenlet(holder):
                return True
        if self._refreshed(rows.execution.scope, name) or self._tests_loaded(node, name):
            return True
        if model.orm == TORTOISE or self._project.models.is_collection(model, relationship):
            return False
        return self._shares_parent(rows, relationship) or self._parent_at_hand(scope, rows, relationship)

    def _refreshed(self, scope: Scope, name: str) -> bool:
        """`session.refresh(obj, ["rel"])`, `attribute_names=[...]`, `fetch_related("rel")`."""
        for call in scope.all(ast.Call):
            if (
                isinstance(call.func, ast.Attribute)
                and call.func.attr
                in (
                    "refresh",
                    "fetch_related",
                    "fetch_link",
                    "set_committed_value",
                    "expire",
                )
                and any(isinstance(n, ast.Constant) and n.value == name for n in subtree(call))
            ):
                return True
        return False

    @cached_property
    def _greenlet_functions(self) -> frozenset[Function]:
        """Functions handed to `run_sync`, where lazy loading works."""
        found: set[Function] = set()
        for call, scope in self._project.spelled.calls("run_sync", "greenlet_spawn"):
            if call.args:
                found.update(self._project.calls.passed(call.args[0], scope))
        return frozenset(found)

    def _in_greenlet(self, scope: Scope) -> bool:
        return scope in self._greenlet_functions

    def _tests_loaded(self, node: ast.Attribute, name: str) -> bool:
        """`"rel" in inspect(obj).unloaded`, `"rel" in obj.__dict__`, `self._rel_loaded()` around the read."""
        for holder in parents(node):
            for n in subtree(holder.test) if isinstance(holder, (ast.If, ast.IfExp)) else ():
                if isinstance(n, ast.Constant) and n.value == name:
                    return True
                if isinstance(n, ast.Attribute) and "loaded" in n.attr:
                    return True
        return False

    def _shares_parent(self, rows: Rows, relationship: Relationship) -> bool:
        """Rows filtered by the very key of a many-to-one have one parent, one statement at most; or several that the
        code had in hand to list their keys.
        """
        if rows.statement is None or rows.path:
            return False
        model = rows.model
        target = self._project.models.target(model, relationship) if model is not None else None
        if model is None or target is None:
            return False
        names = {target.table, target.name}
        keys = {
            c.name
            for c in model.columns.values()
            if c.foreign_key and c.foreign_key.rsplit(".", 1)[0].rsplit(".", 1)[-1] in names
        }
        keys |= set(relationship.foreign_keys) | {f"{relationship.name}_id"}
        narrowed = equal_columns(rows.statement) | listed_columns(rows.statement)
        return bool(keys & narrowed) or self._joined_on_target(rows.statement, target)

    def _joined_on_target(self, statement: Statement, target: Model) -> bool:
        """A filter on the target's own key or unique name."""
        for built in statement.calls("where", "filter", "join"):
            for compare in (n for a in built.call.args for n in subtree(a) if isinstance(n, ast.Compare)):
                left = compare.left
                if isinstance(left, ast.Attribute) and len(compare.ops) == 1 and isinstance(compare.ops[0], ast.Eq):
                    owner = self._project.queries.statements.model_of(left.value, built.scope)
                    column = owner.columns.get(left.attr) if owner is target and owner is not None else None
                    if (
                        column is not None
                        and (column.unique or column.primary_key)
                        and not isinstance(compare.comparators[0], ast.Attribute)
                    ):
                        return True
        return False

    def _parent_at_hand(self, scope: Function, rows: Rows, relationship: Relationship) -> bool:
        """Whether objects of the target are already in the session where the row is read or queried."""
        model = rows.model
        target = self._project.models.target(model, relationship) if model is not None else None
        if target is None or target is model:
            return False
        if rows.statement is not None and self._loads_target(rows.statement, target):
            return True
        for holder in {*_enclosing(scope), *_enclosing(rows.execution.scope)}:
            if isinstance(holder, Function):
                if any(self._is_of(target, arg.annotation, holder) for arg, _ in holder.params):
                    return True
                if any(e is not rows.execution and self._gives(e, target) for e in self._project.queries.of(holder)):
                    return True
        return False

    def _loads_target(self, statement: Statement, target: Model) -> bool:
        """Whether the statement loads objects of the target along another relationship."""
        for name, relationship in self._project.queries.statements.loads(statement).pairs:
            for model in self._project.models.by_name.get(name, ()):
                other = model.relationships.get(relationship)
                if other is not None and self._project.models.target(model, other) is target:
                    return True
        return False

    def _is_of(self, target: Model, annotation: ast.expr | None, scope: Function) -> bool:
        values = self._project.values.annotated(annotation, scope.parent or scope.module)
        inner = [a for v in values if isinstance(v, Instance) for a in v.args]
        return any(isinstance(v, Instance) and v.cls is target.cls for v in (*values, *inner))

    def _gives(self, execution: Execution, target: Model) -> bool:
        return execution.model is target or any(s.model is target for st in execution.statements for s in st.selected)

    # Pydantic models made from rows

    def _conversions(self) -> Iterator[LazyRead]:
        """`Schema.model_validate(row)`."""
        for call, scope in self._project.spelled.calls(*sorted(_FROM_OBJECT)):
            if isinstance(scope, Function) and isinstance(call.func, ast.Attribute) and call.args:
                schema = self._project.schemas.of(self._project.names.resolve(call.func.value, scope))
                if schema is not None and schema.from_attributes:
                    for rows in self._project.rows.of(call.args[0], scope):
                        yield from self._fields(schema, rows, scope, scope.place(call), None, 0)

    def _fields(
        self, schema: Schema, rows: Rows, scope: Function, place: Place, route: Route | None, depth: int
    ) -> Iterator[LazyRead]:
        model = rows.model
        if model is None or rows.shape != ONE or depth > MAX_NESTING:
            return
        for field in schema.fields.values():
            if field.excluded:
                continue
            name = next(iter(a for a in field.aliases if a in model.relationships), field.name)
            relationship = model.relationships.get(name)
            if relationship is None:
                continue
            label = f"{schema.name}.{field.name}"
            if self._is_lazy(rows, relationship):
                if not self._is_ready_for_schema(scope, rows, relationship):
                    yield LazyRead(place, scope, rows, model, relationship, rows.each, label, route)
                continue
            target = self._project.models.target(model, relationship)
            inner = self._inner(self._project.shapes.of(field.annotation, field.owner))
            if target is not None and inner is not None and target is not model:
                many = self._project.models.is_collection(model, relationship)
                nested = replace(rows, model=target, path=(*rows.path, name))
                if many and rows.each is None:
                    nested = replace(nested, each=place, looped_in=scope, parts=True)
                yield from self._fields(inner, nested, scope, place, route, depth + 1)

    def _is_ready_for_schema(self, scope: Function, rows: Rows, relationship: Relationship) -> bool:
        for holder in {*_enclosing(scope), *_enclosing(rows.execution.scope)}:
            if self._refreshed(holder, relationship.name):
                return True
            for other in holder.all(ast.Attribute):
                if other.attr == relationship.name and isinstance(other.ctx, ast.Store):
                    return True
        if rows.model is not None and self._project.models.is_collection(rows.model, relationship):
            return False
        return self._shares_parent(rows, relationship) or self._parent_at_hand(scope, rows, relationship)

    def _inner(self, shape: Shape) -> Schema | None:
        return next((s for c in shape.classes() if (s := self._project.schemas.of(c)) is not None), None)

    # Response models

    def _responses(self) -> Iterator[LazyRead]:
        """Rows that a route returns as they are, read by its response model."""
        for route in self._project.routes:
            if route.function is None or route.websocket:
                continue
            shape = self._response_shape(route)
            schema = self._inner(shape) if shape is not None else None
            if schema is None or schema.is_table or shape is None:
                continue
            listed = shape.dotted in _LISTS
            for rows in self._project.rows.returned(route.function):
                if rows.model is None or (rows.shape == ONE) is listed:
                    continue
                place = route.function.place()
                each = place if listed else None
                one = replace(rows, shape=ONE, each=each, looped_in=route.function, parts=False)
                yield from self._fields(schema, one, route.function, place, route, 0)
            yield from self._pages(route, route.function, shape)

    def _pages(self, route: Route, function: Function, shape: Shape) -> Iterator[LazyRead]:
        """Rows that stand in a field of the response model: `{"items": rows}` for `class Page: items: list[Item]`."""
        place = function.place()
        for part in self._envelopes.of(function):
            schema = self._inner_of_part(shape, part.key)
            if schema is None or part.rows.model is None or part.rows.shape not in (ONE, LIST, SCALARS):
                continue
            one = part.rows
            if one.shape != ONE:
                one = replace(one, shape=ONE, each=place, looped_in=function, parts=False)
            yield from self._fields(schema, one, function, place, route, 0)

    def _inner_of_part(self, shape: Shape, key: str) -> Schema | None:
        """The model of the items under a key of the response, whose type is an argument of a generic page or stands in
        the field.
        """
        argument = next((s for a in shape.args if (s := self._inner(a)) is not None), None)
        page = self._project.schemas.of(shape.cls)
        if page is None or key == ANY_LIST:
            return argument
        field = page.fields.get(key)
        if field is None:
            return None
        return self._inner(self._project.shapes.of(field.annotation, field.owner)) or argument

    @cached_property
    def _envelopes(self) -> Envelopes:
        return Envelopes(self._project)

    def _response_shape(self, route: Route) -> Shape | None:
        function = route.function
        if function is None or isinstance(function.node, ast.Lambda):
            return None
        for decorator in function.decorators:
            if isinstance(decorator, ast.Call):
                for given in decorator.keywords:
                    if given.arg == "response_model":
                        stated = self._project.shapes.of(given.value, function.parent or function.module)
                        return None if isinstance(given.value, ast.Constant) else stated
        if route.response_model is None or function.returns is None:
            return None
        return self._project.shapes.of(function.returns, function.parent or function.module)


def equal_columns(statement: Statement) -> set[str]:
    """Columns of the statement's filters that are compared with one value (`==`, `filter_by(x=...)`)."""
    found: set[str] = set()
    for built in statement.built:
        if built.name in ("where", "filter"):
            for given in built.call.args:
                for node in subtree(given):
                    if (
                        isinstance(node, ast.Compare)
                        and isinstance(node.left, ast.Attribute)
                        and isinstance(node.ops[0], ast.Eq)
                    ) and not _is_column(node.comparators[0]):
                        found.add(node.left.attr)
        if built.name in ("filter_by", "filter"):
            found.update(k.arg for k in built.call.keywords if k.arg)
    return found


def listed_columns(statement: Statement) -> set[str]:
    """Columns of the statement's filters that are one of a list (`Model.column.in_(keys)`)."""
    return {
        node.func.value.attr
        for built in statement.calls("where", "filter")
        for node in ast.walk(built.call)
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "in_"
        and isinstance(node.func.value, ast.Attribute)
    }


def _is_column(expr: ast.expr) -> bool:
    """`Other.column`: a join condition, not a value."""
    return isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name) and expr.value.id[:1].isupper()


def _enclosing(scope: Scope) -> list[Scope]:
    """The scope and the functions around it."""
    found: list[Scope] = []
    current: Scope | None = scope
    while current is not None and not isinstance(current, Class) and current is not scope.module:
        found.append(current)
        current = current.parent
    return found or [scope]
