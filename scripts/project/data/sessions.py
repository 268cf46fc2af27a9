"""Engines, session factories and sessions: how they are made, who opens, commits and closes them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from project.data.statements import ASYNC_SESSIONS, SESSIONS, is_session_class
from project.language.literals import keyword, text
from project.language.names import External, Variable
from project.language.scopes import Class, Function, Module, Scope, parent, parents, subtree
from project.language.value_types import Bound, Instance, Value
from project.place import Place

if TYPE_CHECKING:
    from project import Project

SYNC_ENGINES = frozenset(
    "sqlalchemy.create_engine sqlalchemy.engine_from_config sqlalchemy.create_pool_from_url".split()
)
ASYNC_ENGINES = frozenset(
    "sqlalchemy.ext.asyncio.create_async_engine sqlalchemy.ext.asyncio.async_engine_from_config "
    "sqlmodel.ext.asyncio.create_async_engine".split()
)
SYNC_FACTORIES = frozenset(("sqlalchemy.orm.sessionmaker",))
ASYNC_FACTORIES = frozenset(("sqlalchemy.ext.asyncio.async_sessionmaker",))
SCOPED = frozenset(("sqlalchemy.orm.scoped_session", "sqlalchemy.ext.asyncio.async_scoped_session"))
DIALECTS = ("postgresql", "mysql", "mariadb", "sqlite", "oracle", "mssql")
_DRIVERS = {
    **dict.fromkeys("asyncpg psycopg psycopg2 pg8000".split(), "postgresql"),
    **dict.fromkeys("aiomysql asyncmy pymysql MySQLdb".split(), "mysql"),
    **dict.fromkeys("aiosqlite sqlite3 pysqlcipher3".split(), "sqlite"),
}
_URL_IN_TEXT = re.compile(r"[\"'](postgres(?:ql)?|mysql|mariadb|sqlite|oracle|mssql)(?:\+\w+)?:")
_OPENING_WORDS = ("session", "factory", "maker", "local", "db")
_URL = re.compile(r"^(postgres(?:ql)?|mysql|mariadb|sqlite|oracle|mssql)(?:\+\w+)?:")


@dataclass(frozen=True, slots=True, eq=False)
class Engine:
    """A call that makes an engine. `dialect` is "" when the URL is not a literal; `options` are its keywords."""

    call: ast.Call
    scope: Scope
    asynchronous: bool
    dialect: str
    options: dict[str, ast.expr]
    more_options: bool = False

    @property
    def place(self) -> Place:
        return self.scope.place(self.call)


@dataclass(frozen=True, slots=True, eq=False)
class Factory:
    """A `sessionmaker(...)` or `async_sessionmaker(...)` call. `scoped`: inside `scoped_session(...)`."""

    call: ast.Call
    scope: Scope
    asynchronous: bool
    options: dict[str, ast.expr]
    scoped: bool

    @property
    def place(self) -> Place:
        return self.scope.place(self.call)


@dataclass(slots=True, eq=False)
class Opening:
    """A call that opens a session, and what becomes of it.

    held: with (closed by the statement), name or self (kept in `name`, a variable or attribute), returned, passed
    (handed on).
    closed: with, finally, plain (by a `close()` that an exception skips), "" for never.
    yielded: handed out by `yield`.
    """

    call: ast.Call
    scope: Scope
    asynchronous: bool
    held: str
    name: str = ""
    closed: str = ""
    yielded: bool = False
    scoped: bool = False
    uses: list[ast.Name] = field(default_factory=list)

    @property
    def place(self) -> Place:
        return self.scope.place(self.call)


class Sessions:
    """Everything about engines and sessions of the project."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names

    @property
    def _modules(self) -> Iterable[Module]:
        return (m for m in self._project.modules.values() if m.kind == "app")

    @cached_property
    def engines(self) -> list[Engine]:
        """Engines made in the application."""
        found = []
        for call, scope, dotted in self._calls(
            "create_engine", "create_async_engine", "engine_from_config", "async_engine_from_config"
        ):
            if dotted in SYNC_ENGINES or dotted in ASYNC_ENGINES:
                given = call.args[0] if call.args else keyword(call, "url")
                given_options, more = options(call)
                found.append(
                    Engine(call, scope, dotted in ASYNC_ENGINES, self._dialect(given, scope), given_options, more)
                )
        return found

    @cached_property
    def factories(self) -> list[Factory]:
        """Session factories made in the application."""
        found = []
        for call, scope, dotted in self._calls("sessionmaker", "async_sessionmaker"):
            if dotted in SYNC_FACTORIES or dotted in ASYNC_FACTORIES:
                given, _ = options(call)
                holder = parent(call)
                scoped = isinstance(holder, ast.Call) and self._names.canonical(holder.func, scope) in SCOPED
                found.append(
                    Factory(call, scope, dotted in ASYNC_FACTORIES or self._makes_async(given, scope), given, scoped)
                )
        return found

    def _calls(self, *names: str) -> Iterator[tuple[ast.Call, Scope, str]]:
        """Calls of library functions with these last names, aliases included: (call, scope, canonical name)."""
        calls = self._project.spelled.calls(*names)
        for call, scope in sorted(calls, key=lambda c: (c[1].module.path, c[0].lineno, c[0].col_offset)):
            dotted = self._names.canonical(call.func, scope)
            if dotted:
                yield call, scope, dotted

    def _makes_async(self, options: dict[str, ast.expr], scope: Scope) -> bool:
        made = options.get("class_")
        return made is not None and any(
            self._is_session(v) and self._is_async(v) for v in self._project.values.of(made, scope)
        )

    def _dialect(self, url: ast.expr | None, scope: Scope) -> str:
        literal = text(url, scope, self._names)
        if (
            literal is None
            and isinstance(url, ast.JoinedStr)
            and url.values
            and isinstance(url.values[0], ast.Constant)
        ):
            literal = str(url.values[0].value)
        if literal is None and isinstance(url, (ast.Name, ast.Attribute)):
            written = ast.unparse(url)
            values = (a.value for a in scope.all(ast.Assign) if any(ast.unparse(t) == written for t in a.targets))
            found = {self._dialect(v, scope) for v in values if isinstance(v, (ast.Constant, ast.JoinedStr))}
            return found.pop() if len(found) == 1 else ""
        match = _URL.match(literal or "")
        return {"postgres": "postgresql"}.get(match[1], match[1]) if match else ""

    @cached_property
    def dialects(self) -> frozenset[str]:
        """Databases the application talks to: by engine URLs, URLs in its text, drivers and dialects it imports."""
        found = {e.dialect for e in self.engines if e.dialect}
        for module in self._modules:
            if _URL_IN_TEXT.search(module.source.text):
                literals = (n.value for s in module.walk() for n in s.all(ast.Constant) if isinstance(n.value, str))
                matches = [m[1] for value in literals if (m := _URL.match(value))]
                found.update({"postgres": "postgresql"}.get(m, m) for m in matches)
            for imported in module.all(ast.Import):
                found.update(_DRIVERS[a.name.split(".")[0]] for a in imported.names if a.name.split(".")[0] in _DRIVERS)
            for source in module.all(ast.ImportFrom):
                parts = (source.module or "").split(".")
                if parts[:2] == ["sqlalchemy", "dialects"]:
                    found.update(d for d in DIALECTS if d in (*parts, *(a.name for a in source.names)))
                elif not source.level and parts[0] in _DRIVERS:
                    found.add(_DRIVERS[parts[0]])
        return frozenset(found)

    @cached_property
    def asynchronous(self) -> bool:
        """Whether the application uses an AsyncSession or async engine at all."""
        return any(e.asynchronous for e in self.engines) or any(f.asynchronous for f in self.factories)

    @cached_property
    def has_sync_sessions(self) -> bool:
        """Whether it also opens plain sessions."""
        return any(not f.asynchronous for f in self.factories) or any(not o.asynchronous for o in self.openings)

    # Openings

    @cached_property
    def openings(self) -> list[Opening]:
        """Sessions opened in the application, in order of files and lines."""
        spelled = self._project.spelled
        names = [
            n
            for n in spelled.call_names
            if n in self._factory_names or any(part in n.lower() for part in _OPENING_WORDS)
        ]
        found: list[Opening] = []
        for call, scope in spelled.calls(*names):
            kind = self._opens(call, scope)
            if kind is not None:
                found.append(self._opening(call, scope, *kind))
        return sorted({id(o.call): o for o in found}.values(), key=lambda o: o.place)

    @cached_property
    def _factory_names(self) -> frozenset[str]:
        """Names that session factories are assigned to, and those of session classes of the project."""
        found: set[str] = set()
        for factory in self.factories:
            holder = parent(factory.call)
            while isinstance(holder, ast.Call):
                holder = parent(holder)
            targets = (
                holder.targets
                if isinstance(holder, ast.Assign)
                else [holder.target]
                if isinstance(holder, ast.AnnAssign)
                else []
            )
            found.update(
                t.id if isinstance(t, ast.Name) else t.attr for t in targets if isinstance(t, (ast.Name, ast.Attribute))
            )
        return frozenset(found)

    def _opens(self, call: ast.Call, scope: Scope) -> tuple[bool, bool] | None:
        """(asynchronous, scoped) when the call itself opens a session."""
        if not isinstance(call.func, (ast.Name, ast.Attribute)):
            return None
        for value in self._project.values.of(call.func, scope):
            if isinstance(value, Instance) and value.dotted in SYNC_FACTORIES | ASYNC_FACTORIES:
                made = value.args[0] if value.args else None
                return value.dotted in ASYNC_FACTORIES or (made is not None and self._is_async(made)), self._is_scoped(
                    call.func, scope
                )
            if isinstance(value, (Class, External)) and value.dotted not in SCOPED and self._is_session(value):
                return self._is_async(value), False
        return None

    def _is_session(self, value: Value) -> bool:
        if isinstance(value, Class):
            return self._names.derives(value, *SESSIONS)
        return isinstance(value, External) and value.dotted in SESSIONS

    def _is_async(self, value: Value) -> bool:
        if isinstance(value, Class):
            return self._names.derives(value, *ASYNC_SESSIONS)
        return isinstance(value, External) and value.dotted in ASYNC_SESSIONS

    def _is_scoped(self, func: ast.expr, scope: Scope) -> bool:
        entity = self._names.resolve(func, scope)
        values = [b.value for b in entity.bindings] if isinstance(entity, Variable) else []
        holder = entity.scope if isinstance(entity, Variable) else scope
        return any(isinstance(v, ast.Call) and self._names.canonical(v.func, holder) in SCOPED for v in values)

    def _opening(self, call: ast.Call, scope: Scope, asynchronous: bool, scoped: bool) -> Opening:
        opening = Opening(call, scope, asynchronous, "passed", scoped=scoped)
        holder = parent(call)
        if isinstance(holder, ast.Await):
            holder = parent(holder)
        if isinstance(holder, ast.withitem):
            opening.held = opening.closed = "with"
            opening.name = holder.optional_vars.id if isinstance(holder.optional_vars, ast.Name) else ""
            opening.yielded = any(isinstance(n, (ast.Yield, ast.YieldFrom)) for n in subtree(parent(holder) or holder))
        elif isinstance(holder, (ast.Return, ast.Lambda)):
            opening.held = "returned"
        elif isinstance(holder, (ast.Assign, ast.AnnAssign, ast.NamedExpr)):
            self._assigned(opening, holder)
        elif isinstance(holder, ast.Yield):
            opening.held, opening.yielded = "yielded", True
        elif isinstance(holder, ast.Attribute):
            opening.held = (
                "with"
                if holder.attr in ("begin",) and isinstance(parent(parent(holder) or holder), ast.withitem)
                else "unnamed"
            )
        elif isinstance(holder, ast.Call) and _is_closing_call(holder, call):
            opening.held = opening.closed = "with"
        return opening

    def _assigned(self, opening: Opening, holder: ast.Assign | ast.AnnAssign | ast.NamedExpr) -> None:
        target = holder.targets[0] if isinstance(holder, ast.Assign) else holder.target
        if isinstance(target, ast.Attribute):
            opening.held, opening.name = "self", ast.unparse(target)
            return
        if not isinstance(target, ast.Name):
            return
        opening.held, opening.name = "name", target.id
        scopes = [s for s in opening.scope.walk() if s is opening.scope or target.id not in s.bindings]
        opening.uses = [n for s in scopes for n in s.all(ast.Name) if n.id == target.id and isinstance(n.ctx, ast.Load)]
        for use in opening.uses:
            self._follow(opening, use)

    def _follow(self, opening: Opening, use: ast.Name) -> None:
        """What one use says: closed, yielded, returned, entered, or handed on to someone who may close it."""
        holder = parent(use)
        if isinstance(holder, ast.withitem):
            opening.closed = "with"
        elif isinstance(holder, ast.Yield):
            opening.yielded = True
        elif isinstance(holder, (ast.Return, ast.Tuple, ast.Dict, ast.List, ast.Assign)):
            opening.held = "returned" if opening.held == "name" else opening.held
        elif isinstance(holder, ast.Attribute) and holder.attr in ("close", "aclose", "remove", "close_all"):
            how = "finally" if _in_finally(use) else "plain"
            opening.closed = opening.closed or how if how == "plain" else how
        elif (
            isinstance(holder, ast.Attribute)
            and holder.attr == "begin"
            and isinstance(parent(parent(holder) or holder), ast.withitem)
        ):
            opening.closed = opening.closed
        elif isinstance(holder, ast.Call) and holder.func is not use and _closes(holder):
            opening.closed = "finally" if _in_finally(use) else "with"

    # Dependencies

    def generators(self) -> Iterator[tuple[Function, Opening]]:
        """Generator functions that hand out a session they open."""
        for opening in self.openings:
            if isinstance(opening.scope, Function) and opening.scope.is_generator and opening.yielded:
                yield opening.scope, opening

    @cached_property
    def dependencies(self) -> dict[Function, list[ast.Call]]:
        """Functions that `Depends(...)` names, each with those calls."""
        found: dict[Function, list[ast.Call]] = {}
        values = self._project.values
        for call, scope in self._project.spelled.calls("Depends", "Security"):
            for value in values.depends(call, scope) or ():
                target = value.function if isinstance(value, Bound) else value
                if isinstance(target, Function):
                    found.setdefault(target, []).append(call)
        return found


def options(call: ast.Call) -> tuple[dict[str, ast.expr], bool]:
    """Keywords of a call, and whether some came through `**` and are unknown."""
    found = {k.arg: k.value for k in call.keywords if k.arg}
    more = False
    for given in call.keywords:
        if given.arg is None:
            if isinstance(given.value, ast.Dict):
                found.update(
                    {
                        k.value: v
                        for k, v in zip(given.value.keys, given.value.values, strict=True)
                        if isinstance(k, ast.Constant) and isinstance(k.value, str)
                    }
                )
            else:
                more = True
    return found, more


def _in_finally(node: ast.AST) -> bool:
    child: ast.AST = node
    for holder in parents(node):
        if isinstance(holder, ast.Try) and any(s is child for s in holder.finalbody):
            return True
        child = holder
    return False


def _closes(call: ast.Call) -> bool:
    func = call.func
    last = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
    return "close" in last.lower() or last in (
        "callback",
        "push_async_callback",
        "enter_context",
        "enter_async_context",
        "addfinalizer",
    )


def _is_closing_call(holder: ast.Call, call: ast.Call) -> bool:
    """`closing(Session())`, `stack.enter_context(Session())`."""
    last = (
        holder.func.attr
        if isinstance(holder.func, ast.Attribute)
        else holder.func.id
        if isinstance(holder.func, ast.Name)
        else ""
    )
    return holder.func is not call and last in (
        "closing",
        "aclosing",
        "enter_context",
        "enter_async_context",
        "push_async_exit",
    )


def is_session(project: Project, expr: ast.expr, scope: Scope) -> bool:
    """Whether an expression is a session by its type."""
    return any(isinstance(v, Instance) and is_session_class(v, project.names) for v in project.values.of(expr, scope))
