"""Relationships that fail at run time: deletes that break keys, joined collections without unique()."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import HIGH, MEDIUM, Hit
from data_architecture.wording import request_hop
from project import Place, Project, Scope
from project.data.models import SQLALCHEMY, SQLMODEL, Model
from project.data.queries import Execution
from project.data.rows import ONE
from project.data.statements import DELETE, SELECT
from project.data.table_parts import Relationship
from project.language.scopes import parent

_WHOLE = frozenset("all one one_or_none scalar_one scalar_one_or_none fetchall".split())


def deletes_that_fail(project: Project) -> Iterator[Hit]:
    """`session.delete(parent)` where the children's key cannot be NULL and nothing cascades: SQLAlchemy sets it to NULL
    first, which raises IntegrityError.
    """
    told: set[tuple[str, str]] = set()
    for call, scope in project.spelled.calls("delete"):
        if not (isinstance(call.func, ast.Attribute) and len(call.args) == 1):
            continue
        for rows in project.rows.of(call.args[0], scope):
            model = rows.model
            if model is None or rows.shape != ONE or model.orm not in (SQLALCHEMY, SQLMODEL):
                continue
            for relationship in _stranding(project, model):
                target = project.models.target(model, relationship)
                if (model.dotted, relationship.name) in told or _clears_first(project, scope, call, relationship.name):
                    continue
                if target is not None and _refuses_first(scope, call, target.name):
                    continue
                told.add((model.dotted, relationship.name))
                yield _delete_hit(project, model, relationship, scope.place(call, f"deletes {model.name}"), scope)


def _delete_hit(project: Project, model: Model, relationship: Relationship, at: Place, scope: Scope) -> Hit:
    target = project.models.target(model, relationship)
    child = target.name if target is not None else relationship.target
    return Hit(
        relationship.place,
        f"deleting a {model.name} that has {relationship.name} fails: the key of {child} cannot be NULL and nothing "
        "cascades",
        (*request_hop(project, scope), at),
        HIGH if project.requests.within(scope) is not None else MEDIUM,
        "inferred",
    )


def _stranding(project: Project, model: Model) -> Iterator[Relationship]:
    """Collections whose children would be left with a key that must not be NULL."""
    for relationship in model.relationships.values():
        plain = not (relationship.cascades or relationship.view_only or relationship.secondary)
        target = project.models.target(model, relationship)
        loads = relationship.lazy not in ("dynamic", "write_only", "noload", "unknown")
        if not (plain and loads and target is not None and relationship.owner is model.cls):
            continue
        if target is model or not project.models.is_collection(model, relationship):
            continue
        keys = [c for c in target.columns.values() if c.foreign_key and _points(c.foreign_key, model)]
        if len(keys) == 1 and keys[0].nullable is False:
            yield relationship


def _points(key: str, model: Model) -> bool:
    return (key.rpartition(".")[0] or key).rpartition(".")[2] in (model.table, model.name)


def _clears_first(project: Project, scope: Scope, call: ast.Call, name: str) -> bool:
    """Whether the function deletes something else too, or touches the collection: it may take care of the children."""
    others = [c for c in scope.all(ast.Call) if c is not call and isinstance(c.func, ast.Attribute)]
    if any(c.func.attr in ("delete", "delete_all", "clear") for c in others if isinstance(c.func, ast.Attribute)):
        return True
    if any(s.kind == DELETE for e in project.queries.of(scope) for s in e.statements):
        return True
    return any(n.attr == name for n in scope.all(ast.Attribute))


def _refuses_first(scope: Scope, call: ast.Call, child: str) -> bool:
    """Whether the function asks for children before the delete and leaves when there are some."""
    asked = [n.lineno for n in scope.all(ast.Name) if n.id == child and n.lineno < call.lineno]
    guards = [i for i in scope.all(ast.If) if isinstance(i.body[-1], (ast.Raise, ast.Return))]
    return any(min(asked) <= i.lineno < call.lineno for i in guards) if asked else False


def joined_without_unique(project: Project) -> Iterator[Hit]:
    """`joinedload` of a collection read by `all()` or `one()` without `unique()`: raises InvalidRequestError."""
    for execution in project.queries.all:
        if execution.library != "sqlalchemy" or execution.method not in ("execute", "scalars", "exec"):
            continue
        for statement in execution.statements:
            if statement.kind != SELECT or statement.opaque or any(b.name == "unique" for b in statement.built):
                continue
            name = _joined_collection(project, statement.built, statement.model)
            ending = _ending(execution) if name else ""
            if ending:
                yield Hit(
                    execution.place(),
                    f"joinedload({name}) gives a row for each item: {ending}() without unique() raises",
                    request_hop(project, execution.scope),
                    HIGH,
                )
                break


def _joined_collection(project: Project, built: tuple[object, ...], model: Model | None) -> str:
    """`Model.rel` of a collection that the options load by a join from the selected rows themselves."""
    if model is None:
        return ""
    for part in built:
        call = getattr(part, "call", None)
        for option in call.args if isinstance(call, ast.Call) and getattr(part, "name", "") == "options" else ():
            inner = option
            while isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                inner = inner.func.value  # the first loader of a chain
            if not (isinstance(inner, ast.Call) and isinstance(inner.func, ast.Name) and inner.func.id == "joinedload"):
                continue
            given = inner.args[0] if inner.args else None
            relationship = model.relationships.get(given.attr) if isinstance(given, ast.Attribute) else None
            if relationship is not None and project.models.is_collection(model, relationship):
                return f"{model.name}.{relationship.name}"
    return ""


def _ending(execution: Execution) -> str:
    """The method that reads the rows in the same expression, "" when that is elsewhere or `unique` comes before."""
    node: ast.AST = execution.node
    holder = parent(node)
    while isinstance(holder, (ast.Await, ast.Attribute, ast.Call)):
        if isinstance(holder, ast.Call) and holder.func is not node:
            return ""
        if isinstance(holder, ast.Attribute):
            if holder.attr == "unique":
                return ""
            if holder.attr in _WHOLE:
                return holder.attr
        node, holder = holder, parent(holder)
    return ""
