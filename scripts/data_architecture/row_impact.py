"""How much an N+1 weighs: by what the loop goes over, and by who waits for it."""

from __future__ import annotations

import ast
import re

from check import HIGH, LOW, MEDIUM
from data_architecture.wording import has_few_rows, is_admin_path, is_for_admins
from project import Project, Scope
from project.data.filters import equalities
from project.data.lazy_reads import LazyRead
from project.data.loops import Loop
from project.data.rows import LIST, RESULT, SCALARS, TUPLES, Rows
from project.language.dataflow import reaching
from project.language.scopes import Binding, subtree
from project.language.value_types import Instance
from project.serving.roots import Root

SHORT_PAGE = 20
_MEMBERSHIP = re.compile(r"Member|UserRole|UserGroup|UserTeam|UserOrg|UserWorkspace|UserTenant")
_ONE_USER = frozenset(("user_id", "member_id", "account_id"))
MANY = frozenset((LIST, SCALARS, TUPLES, RESULT))
_WAITED_FOR = frozenset(("handler", "dependency", "middleware", "exception handler", "hook"))
_LATER = frozenset("submit create_task ensure_future add_task start_soon run_coroutine_threadsafe delay spawn".split())
_PARSERS = frozenset(("loads", "parse_raw", "parse_raw_as", "validate_json", "model_validate_json", "parse_obj_as"))


def loop_impact(project: Project, loop: Loop, reads: bool, rare: bool, stores: bool) -> str:
    """High when a request that reads sends a query for each row of a table. Less in routes that write, for lists that
    are often short, for the parts of one object that the request brings, for the different keys of other rows, for
    writes (`stores`: the query is a part of one), and when a condition lets few items through. Low in the background,
    for administrators, and for few rows: a short page, what one user belongs to, what was just added.
    """
    root = _root(project, loop.scope)
    if root is None or not _is_waited_for(project, root, loop.scope) or _serves_admins_only(project, loop.scope):
        return LOW
    rows = [r for r in project.rows.of(loop.iterable, loop.scope) if r.shape in MANY and not r.path]
    if _is_just_added(loop.iterable, loop.scope) or (rows and all(_is_short(project, r) for r in rows)):
        return LOW
    few = stores or all(r.model is not None and has_few_rows(project, r.model) for r in rows)  # or none
    many = _is_reading(root) and not few
    parts = not _is_reading(root) and _is_part_of_request(project, loop.iterable, loop.scope)
    steps = (not many) + (not reads) + rare + parts + is_admin_path(root) + _is_distinct(loop.iterable)
    return (HIGH, MEDIUM, LOW)[min(steps, 2)]


def read_impact(project: Project, read: LazyRead) -> str:
    """High when a request loads a collection for each row of a table. Less for the parts of one object, for a
    many-to-one, which the session loads once for each different parent, when these are few or the request writes, and
    where nothing in sight calls. Low in the background, for administrators, for a short page, and for the parts that
    are few anyway.
    """
    root = _root(project, read.looped_in)
    if root is not None and not _is_waited_for(project, root, read.looped_in):
        return LOW
    if _serves_admins_only(project, read.looped_in) or _is_short(project, read.rows):
        return LOW
    target = project.models.target(read.model, read.relationship)
    many = project.models.is_collection(read.model, read.relationship)
    few = target is not None and has_few_rows(project, target)
    parts = read.rows.parts or _of_one_owner(project, read.rows)
    seldom = root is None or is_admin_path(root)
    steps = parts + (read.rows.parts and has_few_rows(project, read.model)) + seldom
    steps += 0 if many else 2 if few else not _is_reading(root)
    return (HIGH, MEDIUM, LOW)[min(steps, 2)]


def _serves_admins_only(project: Project, scope: Scope | None) -> bool:
    """Whether every request that comes to a scope is made by an administrator."""
    function = project.requests.within(scope) if scope is not None else None
    roots = project.requests.roots_reaching(function) if function is not None else []
    return bool(roots) and all(is_for_admins(project, root) for root in roots)


def _is_short(project: Project, rows: Rows) -> bool:
    """Whether a query gives few rows for good: a page of a literal size, or what one user belongs to."""
    if rows.statement is None or rows.path:
        return False
    for built in rows.statement.calls("limit"):
        size = built.call.args[0] if built.call.args else None
        if isinstance(size, ast.Constant) and isinstance(size.value, int) and size.value <= SHORT_PAGE:
            return True
    if rows.model is None or not _MEMBERSHIP.search(rows.model.name):
        return False
    many = any(n.attr == "in_" for b in rows.statement.built for n in subtree(b.call) if isinstance(n, ast.Attribute))
    compared = equalities(project.queries.statements, rows.statement)
    return not many and any(c.model is rows.model and c.column in _ONE_USER and not c.null for c in compared)


def _is_just_added(iterable: ast.expr, scope: Scope) -> bool:
    """Whether a loop goes over rows that the same function hands to the session: `session.add_all(rows)`."""
    calls = (*scope.called.get("add_all", ()), *scope.called.get("bulk_save_objects", ()))
    added = {a.id for c in calls for a in c.args if isinstance(a, ast.Name)}
    return isinstance(iterable, ast.Name) and iterable.id in added


def _is_distinct(expr: ast.expr) -> bool:
    """`{row.team_id for row in rows}`: each different key once, on purpose."""
    if isinstance(expr, ast.Call) and isinstance(expr.func, ast.Name) and expr.func.id == "set" and expr.args:
        return isinstance(expr.args[0], (ast.ListComp, ast.GeneratorExp)) and isinstance(
            expr.args[0].elt, ast.Attribute
        )
    return isinstance(expr, ast.SetComp) and isinstance(expr.elt, ast.Attribute)


def _of_one_owner(project: Project, rows: Rows) -> bool:
    """Whether the query of the rows asks for those of one object: `where(Line.order_id == order_id)`."""
    if rows.statement is None:
        return False
    compared = equalities(project.queries.statements, rows.statement)
    return any(not c.null and (c.column.endswith("id") or c.model.columns[c.column].foreign_key) for c in compared)


def _is_part_of_request(project: Project, expr: ast.expr, scope: Scope, named: bool = True) -> bool:
    """Whether a loop goes over a field of one Pydantic model (`order.tags`), a list that the function is handed, or
    what it parses of a form field, unless that is a list of ids. A name stands for what it was assigned (`named`).
    """
    if isinstance(expr, ast.IfExp):
        return _is_part_of_request(project, expr.body, scope, named)
    if isinstance(expr, ast.BoolOp):
        return _is_part_of_request(project, expr.values[0], scope, named)
    if isinstance(expr, (ast.ListComp, ast.SetComp, ast.DictComp)):
        return _is_part_of_request(project, expr.generators[0].iter, scope, named)
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
    bindings = [b for b in reaching(scope, name.id, name) if not _is_own_change(b)]
    if {b.kind for b in bindings} == {"param"}:
        return True
    given = [b.value for b in bindings if b.kind == "assign" and b.index is None and b.value is not None]
    return named and len(given) == 1 == len(bindings) and _is_part_of_request(project, given[0], scope, named=False)


def _is_own_change(binding: Binding) -> bool:
    """`tags = {tag: 1 for tag in tags}`: another form of what the name held."""
    value = binding.value
    return (
        binding.kind == "assign"
        and isinstance(value, (ast.ListComp, ast.SetComp, ast.DictComp))
        and isinstance(value.generators[0].iter, ast.Name)
        and value.generators[0].iter.id == binding.name
    )


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


def _is_waited_for(project: Project, root: Root, scope: Scope) -> bool:
    """Whether a request waits for a scope, which nothing on the way there leaves to a task or thread."""
    function = project.requests.within(scope)
    sites = project.requests.sites(function) if function is not None else []
    return root.kind in _WAITED_FOR and not any(_last(s.node) in _LATER and not s.awaited for s in sites)


def _last(node: ast.expr) -> str:
    func = node.func if isinstance(node, ast.Call) else node
    return func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""


def _is_reading(root: Root | None) -> bool:
    """Whether the code serves requests that read, which come most often: GET routes, and what runs before routes."""
    return root is not None and (root.kind != "handler" or root.label.startswith("GET "))
