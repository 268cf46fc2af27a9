"""Tables that do not grow with the users: one row, or rows that only start-up, scripts and administrators add."""

from __future__ import annotations

import ast
import re
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.models import Model
from project.language.scopes import COMPREHENSIONS, LOOPS, Function, Scope, parent, parents

if TYPE_CHECKING:
    from project import Project

_READERS = frozenset(
    "select query get get_one delete update exists aliased join outerjoin select_from count joinedload selectinload "
    "subqueryload contains_eager with_loader_criteria isinstance issubclass scalar_one inspect with_entities and_ or_ "
    "relationship find find_one exec literal_column load_only raiseload of_type with_polymorphic".split()
)
_ADDERS = frozenset("insert bulk_insert_mappings bulk_save_objects".split())
_ADDING_METHODS = frozenset(
    "create insert bulk_create get_or_create update_or_create insert_many insert_one model_validate from_orm parse_obj "
    "construct model_construct".split()
)
_SEEDS = re.compile(r"(^|_)(seed|seeds|seeding|fixtures?|bootstrap|initial_data|init_data|demo_data)(_|$)")
_MANY_ADDED = 3  # tables
_AROUND = (ast.Subscript, ast.Tuple, ast.BinOp, ast.List)  # of a type: `dict[str, Order] | None`
_ONE_ROW = re.compile(r"CheckConstraint\(\s*(?:text\()?['\"]\s*\w*id\w*\s*=\s*1\s*['\"]")


class Growth:
    """Answers about tables, each worked out once."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._known: dict[str, bool] = {}
        self._left: dict[str, bool] = {}

    def is_small(self, model: Model) -> bool:
        """Whether a table stays small by what adds rows to it; False where that is not sure."""
        if model.dotted not in self._known:
            self._known[model.dotted] = self._has_one_row(model) or self._is_kept_small(model)
        return self._known[model.dotted]

    @staticmethod
    def _has_one_row(model: Model) -> bool:
        """`CheckConstraint("id = 1")`, or a key whose default is one constant."""
        if model.cls is None:
            return False
        keys = [c for c in model.columns.values() if c.primary_key]
        if len(keys) == 1 and isinstance(keys[0].default, ast.Constant) and keys[0].default.value not in (None, ""):
            return True
        node = model.cls.node
        text = "\n".join(model.cls.module.lines[node.lineno - 1 : node.end_lineno or node.lineno])
        return _ONE_ROW.search(text) is not None

    def _is_kept_small(self, model: Model) -> bool:
        if model.cls is None or self._project.names.subclasses(model.cls):
            return False
        added = False
        for name, scope in self._uses.get(model.cls.name, ()):
            if self._project.names.resolve(name, scope) is model.cls:
                adds = self._adds(name)
                if adds is None or (adds and not self._is_seldom(name, scope)):
                    return False
                added = added or adds
        return added

    def is_left(self, model: Model) -> bool:
        """Whether nothing that runs adds rows to a table, in a project that says where it adds rows to others."""
        if model.dotted not in self._left:
            self._left[model.dotted] = self._says_where_it_adds and self._is_never_added(model)
        return self._left[model.dotted]

    @cached_property
    def _says_where_it_adds(self) -> bool:
        mapped = [m for m in self._project.models.all if m.cls is not None and m.table]
        added = [m for m in mapped if any(self._adds(n) for n, _ in self._uses.get(m.name, ()))]
        return len(added) >= _MANY_ADDED and 2 * len(added) > len(mapped)

    def _is_never_added(self, model: Model) -> bool:
        if model.cls is None or self._project.names.subclasses(model.cls):
            return False
        for name, scope in self._uses.get(model.cls.name, ()):
            if self._project.names.resolve(name, scope) is model.cls:
                adds = self._adds(name)
                if adds is None or (adds and self._runs(scope)):
                    return False
        return True

    def _runs(self, scope: Scope) -> bool:
        """Whether something of the application calls a function, or nothing is known of who does."""
        if not isinstance(scope, Function) or self._project.requests.within(scope) is not None:
            return True
        sites = self._project.calls.callers(scope)
        return not sites or any(site.scope.module.kind != "test" for site in sites)

    @cached_property
    def _uses(self) -> dict[str, list[tuple[ast.expr, Scope]]]:
        """Where names of mapped classes stand, outside tests and examples."""
        wanted = {m.cls.name for m in self._project.models.all if m.cls is not None}
        found: dict[str, list[tuple[ast.expr, Scope]]] = {}
        for module in self._project.modules.values():
            for scope in module.walk() if module.kind not in ("test", "example") else ():
                for name in scope.all(ast.Name):
                    if name.id in wanted:
                        found.setdefault(name.id, []).append((name, scope))
                for part in scope.all(ast.Attribute):
                    if part.attr in wanted:
                        found.setdefault(part.attr, []).append((part, scope))
        return found

    @staticmethod
    def _adds(name: ast.expr) -> bool | None:
        """Whether rows are added where a class is named; None when it goes where they may be."""
        holder = parent(name)
        if isinstance(holder, ast.Attribute):
            called = parent(holder)
            return isinstance(called, ast.Call) and called.func is holder and holder.attr in _ADDING_METHODS
        if isinstance(holder, ast.Call):
            return True if holder.func is name else _added_by(holder)
        while isinstance(holder, _AROUND):
            name, holder = holder, parent(holder)
        if isinstance(holder, ast.Call) and holder.func is not name:
            return _added_by(holder)
        stated = isinstance(holder, (ast.arg, ast.Compare)) or getattr(holder, "annotation", None) is name
        return False if stated or getattr(holder, "returns", None) is name else None

    def _is_seldom(self, name: ast.expr, scope: Scope) -> bool:
        """Whether an addition stands in a migration, script or seed, runs at start-up, or is made one by one by an
        administrator.
        """
        if scope.module.kind != "app":
            return True
        requests = self._project.requests
        function = requests.within(scope)
        if function is None and self._project.shared_state.starting.within(scope) is not None:
            return True
        if function is None:
            return any(_SEEDS.search(part) for part in (*scope.module.parts, scope.name))
        if requests.is_rare(function):
            return True
        roots = requests.roots_reaching(function)
        handles = self._project.guard_matrix.handles_admins_only
        alone = not any(isinstance(h, (*LOOPS, *COMPREHENSIONS)) for h in parents(name))
        return alone and bool(roots) and all(r.kind == "handler" and handles(r.function) for r in roots)


def _added_by(call: ast.Call) -> bool | None:
    """Whether a call that is handed a mapped class adds rows; None for functions that are not known."""
    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return True if last.endswith("insert") or last in _ADDERS else False if last in _READERS else None
