"""Alembic: revision files, the graph they form, what each operation does, and the `env.py` that drives them."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.columns import Declarations
from project.data.table_parts import Column
from project.language.literals import keyword, text, texts
from project.language.scopes import Function, Module, Scope, child_nodes, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project

_INDEX_SQL = re.compile(
    r"CREATE\s+(?:UNIQUE\s+)?INDEX\b.{0,200}?\bON\s+(?:ONLY\s+)?[\"`\w.]*?(\w+)[\"`]?\s*(?:USING\s+\w+\s*)?\(\s*[\"`]?(\w+)",
    re.IGNORECASE | re.DOTALL,
)
_MIGRATES = re.compile(r"(^|[/_])(migrations?|migrate)([/_.]|$)", re.IGNORECASE)
_NUMBERED = re.compile(r"(m|v|migration|migrate|upgrade|version|step|to)?_?\d{1,4}(_|$)", re.IGNORECASE)
_OPERATIONS = frozenset(
    "add_column alter_column drop_column create_table drop_table rename_table create_index drop_index "
    "create_foreign_key create_unique_constraint create_check_constraint create_primary_key drop_constraint "
    "execute bulk_insert run_async batch_alter_table create_table_comment drop_table_comment invoke".split()
)


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """One `op.<name>(...)` call, or the same on a batch; `table` and `column` where they are literals."""

    name: str
    table: str | None
    column: str | None
    call: ast.Call
    scope: Scope
    place: Place
    declared: Column | None = None
    columns: tuple[str, ...] = ()
    sql: str = ""


@dataclass(slots=True, eq=False)
class Revision:
    """A revision file. `down` are its parents, () for a base; `depends_on` and `labels` as Alembic has them."""

    id: str
    down: tuple[str, ...]
    module: Module
    place: Place
    labels: tuple[str, ...] = ()
    depends_on: tuple[str, ...] = ()
    upgrade: list[Operation] = field(default_factory=list)
    downgrade: list[Operation] = field(default_factory=list)
    downgrade_place: Place | None = None
    downgrade_empty: bool = False

    @property
    def folder(self) -> str:
        return self.module.path.rsplit("/", 1)[0] if "/" in self.module.path else ""

    @property
    def created(self) -> set[str]:
        """Tables that upgrade makes."""
        return {o.table for o in self.upgrade if o.name == "create_table" and o.table}


@dataclass(frozen=True, slots=True, eq=False)
class Environment:
    """An `env.py`: what it gives to `context.configure`."""

    module: Module
    target: ast.expr | None
    target_place: Place | None
    options: dict[str, ast.expr]


class Migrations:
    """Revisions and environments of the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names
        self._declarations = Declarations(project.names, project.values)

    @cached_property
    def revisions(self) -> list[Revision]:
        """Every revision file, by path."""
        found = [
            r
            for m in self._project.modules.values()
            if m.kind not in ("test", "example") and (r := self._revision(m)) is not None
        ]
        return sorted(found, key=lambda r: r.module.path)

    @cached_property
    def own(self) -> dict[str, int]:
        """Modules of numbered functions (`m001_initial`) that a runner of the project's own applies: how many each."""
        found: dict[str, int] = {}
        for module in self._project.app_modules:
            numbered = [f for f in module.children if isinstance(f, Function) and _NUMBERED.match(f.name)]
            if len(numbered) > 1 and _MIGRATES.search(module.path):
                found[module.path] = len(numbered)
        return found

    @cached_property
    def groups(self) -> list[list[Revision]]:
        """Revisions that belong to one graph: those that share a folder, and folders that one follows out of.

        The same id in two folders says nothing: a copied first revision starts two histories.
        """
        together: dict[str, str] = {}

        def root(name: str) -> str:
            while together.setdefault(name, name) != name:
                name = together[name]
            return name

        folders: dict[str, list[str]] = defaultdict(list)
        for revision in self.revisions:
            folders[revision.id].append(revision.folder)
        for revision in self.revisions:
            for other in revision.down:
                if folders[other] and revision.folder not in folders[other]:
                    together[root(folders[other][0])] = root(revision.folder)
        groups: dict[str, list[Revision]] = defaultdict(list)
        for revision in self.revisions:
            groups[root(revision.folder)].append(revision)
        return list(groups.values())

    def heads(self, group: Iterable[Revision]) -> list[Revision]:
        """Revisions no other one follows."""
        members = list(group)
        followed = {d for r in members for d in r.down}
        return [r for r in members if r.id not in followed]

    @cached_property
    def newest_first(self) -> list[Revision]:
        """Every revision, those nearest to a head first."""
        ordered: list[Revision] = []
        for group in self.groups:
            by_id = {r.id: r for r in group}
            level = self.heads(group)
            seen: set[str] = set()
            while level:
                following: list[Revision] = []
                for revision in level:
                    if revision.id not in seen:
                        seen.add(revision.id)
                        ordered.append(revision)
                        following.extend(by_id[d] for d in revision.down if d in by_id)
                level = following
        return ordered

    @cached_property
    def indexed(self) -> frozenset[tuple[str, str]]:
        """(table, first column) of every index, key and unique constraint that the migrations make and keep."""
        made: dict[str, tuple[str, str]] = {}
        extra: set[tuple[str, str]] = set()
        for revision in reversed(self.newest_first):
            for operation in revision.upgrade:
                if (
                    operation.name in ("create_index", "create_unique_constraint", "create_primary_key")
                    and operation.table
                    and operation.columns
                ):
                    name = _name_of(operation) or f"{operation.place.path}:{operation.place.line}"
                    made[name] = (operation.table, operation.columns[0])
                elif operation.name == "create_index" and not (operation.table and operation.columns):
                    extra.update(_pairs(operation.scope))
                elif operation.name in ("drop_index", "drop_constraint"):
                    made.pop(_name_of(operation) or "", None)
                elif operation.name == "create_table" and operation.table:
                    extra.update((operation.table, c) for c in self._keyed(operation))
                elif operation.sql:
                    extra.update(_indexes_in_sql(operation.sql))
        return frozenset(made.values()) | extra

    def _keyed(self, operation: Operation) -> Iterator[str]:
        """First columns of keys, unique columns and constraints inside `create_table`."""
        for given in operation.call.args[1:]:
            if not isinstance(given, ast.Call):
                continue
            last = self._declarations.last_name(given.func, operation.scope)
            if last == "Column":
                column = self._declarations.column("", given, operation.scope, None, operation.scope, operation.place)
                if column.index or column.unique or column.primary_key:
                    yield column.column
            elif last in ("PrimaryKeyConstraint", "UniqueConstraint", "Index"):
                columns = self._declarations.index(last, given, operation.scope).columns
                yield from columns[:1]

    @cached_property
    def tables(self) -> frozenset[str]:
        """Tables that some migration makes."""
        return frozenset(t for r in self.revisions for t in r.created)

    @cached_property
    def environments(self) -> list[Environment]:
        """Every `env.py` that imports `alembic.context`."""
        files = [m for m in self._project.modules.values() if m.path.rsplit("/", 1)[-1] == "env.py"]
        return [self._environment(m) for m in files if m.kind != "example" and self._is_env(m)]

    # Reading

    def _is_env(self, module: Module) -> bool:
        return any(
            self._names.canonical(c.func, s) == "alembic.context.configure"
            for s in module.walk()
            for c in s.all(ast.Call)
        )

    def _environment(self, module: Module) -> Environment:
        target: ast.expr | None = None
        place: Place | None = None
        for binding in module.bindings.get("target_metadata", []):
            target, place = binding.value, module.place(binding.node)
        options: dict[str, ast.expr] = {}
        for scope in module.walk():
            for call in scope.all(ast.Call):
                if self._names.canonical(call.func, scope) == "alembic.context.configure":
                    options.update({k.arg: k.value for k in call.keywords if k.arg})
                    given = options.get("target_metadata")
                    if (
                        target is None
                        and given is not None
                        and not (isinstance(given, ast.Name) and given.id == "target_metadata")
                    ):
                        target, place = given, scope.place(given)
        return Environment(module, target, place, options)

    def _revision(self, module: Module) -> Revision | None:
        if "revision" not in module.bindings or "down_revision" not in module.bindings:
            return None
        binding = module.bindings["revision"][-1]
        identity = text(binding.value, module, self._names)
        if identity is None:
            return None
        revision = Revision(
            identity,
            self._ids(module, "down_revision"),
            module,
            module.place(binding.node),
            self._ids(module, "branch_labels"),
            self._ids(module, "depends_on"),
        )
        functions = {c.name: c for c in module.children if isinstance(c, Function)}
        upgrade, downgrade = functions.get("upgrade"), functions.get("downgrade")
        if upgrade is not None:
            revision.upgrade = list(self._operations(upgrade, functions, set()))
        if downgrade is not None:
            revision.downgrade = list(self._operations(downgrade, functions, set()))
            revision.downgrade_place = downgrade.place()
            revision.downgrade_empty = _is_empty(downgrade)
        return revision

    def _ids(self, module: Module, name: str) -> tuple[str, ...]:
        bindings = module.bindings.get(name, [])
        return tuple(texts(bindings[-1].value, module, self._names) or ()) if bindings else ()

    def _operations(self, function: Function, functions: dict[str, Function], seen: set[str]) -> Iterator[Operation]:
        """Operations of a function and of the helpers of the same file it calls, in the order they are written."""
        seen.add(function.name)
        for scope in function.walk():
            for call in scope.all(ast.Call):
                func = call.func
                if isinstance(func, ast.Attribute) and func.attr in _OPERATIONS:
                    operation = self._operation(func, call, scope)
                    if operation is not None:
                        yield operation
                elif isinstance(func, ast.Attribute) and func.attr in ("execute", "exec_driver_sql"):
                    yield self._made("execute", None, call, scope)
                elif isinstance(func, ast.Name) and func.id in functions and func.id not in seen:
                    yield from self._operations(functions[func.id], functions, seen)

    def _operation(self, func: ast.Attribute, call: ast.Call, scope: Scope) -> Operation | None:
        if isinstance(func.value, ast.Name):
            batch = self._batch_table(func.value, scope)
            if batch is not None:
                return self._made(func.attr, batch[0], call, scope)
        dotted = self._names.canonical(func.value, scope)
        if dotted == "alembic.op":
            return self._made(func.attr, None, call, scope)
        return self._made("execute", None, call, scope) if func.attr == "execute" else None

    def _batch_table(self, name: ast.Name, scope: Scope) -> tuple[str | None] | None:
        """(table,) when the name is a batch (`with op.batch_alter_table("t") as batch_op`)."""
        for holder in parents(name):
            if isinstance(holder, ast.With):
                for item in holder.items:
                    opened = item.context_expr
                    if (
                        (
                            isinstance(item.optional_vars, ast.Name)
                            and item.optional_vars.id == name.id
                            and isinstance(opened, ast.Call)
                        )
                        and isinstance(opened.func, ast.Attribute)
                        and opened.func.attr == "batch_alter_table"
                    ):
                        given = opened.args[0] if opened.args else keyword(opened, "table_name")
                        return (text(given, scope, self._names),)
        return None

    def _made(self, name: str, batch: str | None, call: ast.Call, scope: Scope) -> Operation:
        given = list(call.args)
        place = scope.place(call)
        if name == "execute":
            return Operation(name, None, None, call, scope, place, sql=self._sql(call, scope))
        batched = self._is_batched(call, scope)
        if name in ("create_table", "drop_table", "rename_table"):
            return Operation(
                name,
                text(given[0] if given else keyword(call, "table_name"), scope, self._names),
                None,
                call,
                scope,
                place,
            )
        if name in (
            "create_index",
            "create_unique_constraint",
            "create_primary_key",
            "create_foreign_key",
            "drop_index",
            "drop_constraint",
            "create_check_constraint",
        ):
            table_arg = keyword(call, "table_name", "source_table", "source") or (given[1] if len(given) > 1 else None)
            table = batch if batched else text(table_arg, scope, self._names)
            at = 1 if batched else 2
            listed = keyword(call, "columns") or (given[at] if len(given) > at else None)
            return Operation(name, table, None, call, scope, place, columns=self._listed(listed, scope))
        table = batch if batched else text(given[0] if given else keyword(call, "table_name"), scope, self._names)
        column_arg = keyword(call, "column", "column_name") or (
            given[0 if batched else 1] if len(given) > (0 if batched else 1) else None
        )
        declared: Column | None = None
        column = text(column_arg, scope, self._names)
        if name == "add_column" and isinstance(column_arg, ast.Call):
            declared = self._declarations.column("", column_arg, scope, None, scope, place)
            column = declared.column
        return Operation(name, table, column, call, scope, place, declared)

    def _is_batched(self, call: ast.Call, scope: Scope) -> bool:
        return (
            isinstance(call.func, ast.Attribute)
            and isinstance(call.func.value, ast.Name)
            and self._batch_table(call.func.value, scope) is not None
        )

    def _listed(self, expr: ast.expr | None, scope: Scope) -> tuple[str, ...]:
        if not isinstance(expr, (ast.List, ast.Tuple)):
            return tuple(texts(expr, scope, self._names) or ())
        return tuple(text(e, scope, self._names) or "" for e in expr.elts)

    def _sql(self, call: ast.Call, scope: Scope) -> str:
        """Text of what is executed, with names of variables looked up; built statements as they are written."""
        if not call.args:
            return ""
        found: list[str] = []
        stack: list[ast.AST] = [call.args[0]]
        seen = 0
        while stack and seen < 200:
            node = stack.pop()
            seen += 1
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
            elif isinstance(node, ast.Name):
                bindings = [
                    b
                    for b in (*scope.bindings.get(node.id, []), *scope.module.bindings.get(node.id, []))
                    if b.kind == "assign"
                ]
                stack.extend(b.value for b in bindings if b.value is not None and b.value is not call)
                found.append(node.id)
            elif isinstance(node, ast.Attribute):
                found.append(node.attr)
                stack.append(node.value)
            elif isinstance(node, ast.keyword):
                found.append(node.arg or "")
                stack.append(node.value)
            else:
                stack.extend(child_nodes(node))
        return " ".join(found)


def _pairs(scope: Scope) -> Iterator[tuple[str, str]]:
    """Pairs of strings that stand together in a display: what a loop over (name, table, columns) indexes."""
    for holder in (scope, scope.module):
        for group in holder.all(ast.Tuple, ast.List):
            words = [n.value for n in subtree(group) if isinstance(n, ast.Constant) and isinstance(n.value, str)]
            if 2 <= len(words) <= 6:
                yield from ((a, b) for a in words for b in words if a != b)


def _name_of(operation: Operation) -> str | None:
    given = (
        operation.call.args[0]
        if operation.call.args
        else keyword(operation.call, "index_name", "constraint_name", "name")
    )
    if isinstance(given, ast.Call) and given.args:  # op.f("name")
        given = given.args[0]
    return given.value if isinstance(given, ast.Constant) and isinstance(given.value, str) else None


def _indexes_in_sql(sql: str) -> Iterator[tuple[str, str]]:
    for match in _INDEX_SQL.finditer(sql):
        yield match[1], match[2]


def _is_empty(function: Function) -> bool:
    """Whether a function does nothing, or only refuses to run."""
    for statement in function.body:
        if (isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)) or isinstance(
            statement, ast.Pass
        ):
            continue
        if isinstance(statement, ast.Raise):
            return True
        if isinstance(statement, ast.Return) and statement.value is None:
            continue
        return False
    return True
