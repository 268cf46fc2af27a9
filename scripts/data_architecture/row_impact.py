"""How much an N+1 weighs: by what the loop goes over, and by who waits for it."""

from __future__ import annotations

import ast
import re

from check import HIGH, LOW, MEDIUM
from data_architecture.wording import FEW_ROWS
from project import Project, Scope
from project.data.filters import equalities
from project.data.lazy_reads import LazyRead
from project.data.loops import Loop
from project.data.rows import LIST, RESULT, SCALARS, TUPLES, Rows
from project.language.dataflow import reaching
from project.language.value_types import Instance
from project.serving.roots import Root

MANY = frozenset((LIST, SCALARS, TUPLES, RESULT))
_WAITED_FOR = frozenset(("handler", "dependency", "middleware", "exception handler"))
_PARSERS = frozenset(("loads", "parse_raw", "parse_raw_as", "validate_json", "model_validate_json", "parse_obj_as"))
# What one owner has a few of.
_GROUPS = re.compile(r"(Department|Team|Group|Unit|Club|Site|Region)s?(Model|Schema|Table|Entity|DB|ORM)?$")


def loop_impact(project: Project, loop: Loop, reads: bool, rare: bool) -> str:
    """High when a request that reads sends a query for each row of a table. Less in routes that write, for lists that
    are often short, for the parts of one object that the request brings, for writes, for work in the background, and
    when a condition lets few items through.
    """
    root = _root(project, loop.scope)
    waited_for = root is not None and root.kind in _WAITED_FOR
    rows = [r for r in project.rows.of(loop.iterable, loop.scope) if r.shape in MANY and not r.path]
    many = bool(rows) and _is_reading(root) and not all(_stays_few(project, r) for r in rows)
    parts = root is not None and not _is_reading(root) and _is_part_of_request(project, loop.iterable, loop.scope)
    steps = (not many) + (not waited_for) + (not reads) + rare + parts
    return (HIGH, MEDIUM, LOW)[min(steps, 2)]


def read_impact(project: Project, read: LazyRead) -> str:
    """High when a request loads a collection for each row of a table. Less for the parts of one object, for work in
    the background, and for a many-to-one, which the session loads once for each different parent, when these are few
    or the request writes.
    """
    root = _root(project, read.looped_in)
    waited_for = root is not None and root.kind in _WAITED_FOR
    target = project.models.target(read.model, read.relationship)
    many = project.models.is_collection(read.model, read.relationship)
    few = target is not None and FEW_ROWS.search(target.name) is not None
    steps = (not waited_for) + read.rows.parts + (0 if many else 2 if few else not _is_reading(root))
    return (HIGH, MEDIUM, LOW)[min(steps, 2)]


def _stays_few(project: Project, rows: Rows) -> bool:
    """Whether a query gives a handful of rows: of a table that stays small, or the groups of one owner."""
    model = rows.model
    if model is None or rows.statement is None:
        return False
    if FEW_ROWS.search(model.name):
        return True
    owned = any(c.column.endswith("id") and not c.null for c in equalities(project.queries.statements, rows.statement))
    return owned and _GROUPS.search(model.name) is not None


def _is_part_of_request(project: Project, expr: ast.expr, scope: Scope, named: bool = True) -> bool:
    """Whether a loop goes over a field of one Pydantic model (`order.tags`), a list that the function is handed, or
    what it parses of a form field, unless that is a list of ids. A name stands for what it was assigned (`named`).
    """
    if isinstance(expr, ast.IfExp):
        return _is_part_of_request(project, expr.body, scope, named)
    if isinstance(expr, ast.BoolOp):
        return _is_part_of_request(project, expr.values[0], scope, named)
    if isinstance(expr, ast.Call):
        inner = _looked_through(expr)
        if inner is None:
            return isinstance(expr.func, ast.Attribute) and expr.func.attr in _PARSERS
        return _is_part_of_request(project, inner, scope, named)
    if isinstance(expr, ast.Name):
        return not expr.id.endswith("ids") and _is_handed(project, expr, scope, named)
    if not isinstance(expr, ast.Attribute) or expr.attr.endswith("ids"):
        return False
    return _in_schema(project, expr.value, scope)


def _in_schema(project: Project, expr: ast.expr, scope: Scope) -> bool:
    """Whether an expression is a Pydantic model, or stands somewhere in one (`body.data` of a generic model)."""
    schemas = (project.schemas.of(v.cls) for v in project.values.of(expr, scope) if isinstance(v, Instance))
    if any(s is not None and not s.is_table for s in schemas):
        return True
    return isinstance(expr, ast.Attribute) and _in_schema(project, expr.value, scope)


def _is_handed(project: Project, name: ast.Name, scope: Scope, named: bool) -> bool:
    bindings = list(reaching(scope, name.id, name))
    if {b.kind for b in bindings} == {"param"}:
        return True
    given = [b.value for b in bindings if b.kind == "assign" and b.index is None and b.value is not None]
    return named and len(given) == 1 == len(bindings) and _is_part_of_request(project, given[0], scope, named=False)


def _looked_through(call: ast.Call) -> ast.expr | None:
    """What a call only goes over: `order.tags.items()`, `enumerate(tags)`."""
    if isinstance(call.func, ast.Attribute) and not call.args:
        return call.func.value
    if isinstance(call.func, ast.Name) and call.func.id in ("enumerate", "set", "list", "sorted", "zip") and call.args:
        return call.args[0]
    return None


def _root(project: Project, scope: Scope) -> Root | None:
    function = project.requests.within(scope)
    return project.requests.root(function) if function is not None else None


def _is_reading(root: Root | None) -> bool:
    """Whether the code serves requests that read, which come most often: GET routes, and what runs before routes."""
    return root is not None and (root.kind != "handler" or root.label.startswith("GET "))
