"""Where the code talks to the database: every call that sends a statement, and what the statement is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from typing import TYPE_CHECKING

from project.data.models import DOCUMENT, TORTOISE, Model
from project.data.statements import (
    ASYNC_SESSIONS,
    DELETE,
    INSERT,
    QUERY,
    QUERYSET,
    READS,
    SESSIONS,
    TEXT,
    UPDATE,
    Statement,
    Statements,
)
from project.language.calls import CallSite
from project.language.names import External
from project.language.scopes import Class, Scope, parent
from project.language.value_types import Instance, Values
from project.place import Place

if TYPE_CHECKING:
    from project import Project

READ, WRITE, UNKNOWN = "read", "write", "unknown"
_STORES = re.compile(
    r"(sqlalchemy\.orm|sqlalchemy\.ext\.asyncio|sqlmodel|sqlmodel\.ext\.asyncio)\."
    r"((Async)?Session|(async_)?(scoped_session|sessionmaker)(\(\))?)\.(?P<method>add|add_all|delete|merge)$"
)
_SESSION_METHODS = frozenset("execute scalar scalars get get_one refresh stream stream_scalars exec merge".split())
_OWNERS = SESSIONS | frozenset(
    "sqlalchemy.Connection sqlalchemy.engine.Connection sqlalchemy.ext.asyncio.AsyncConnection "
    "sqlalchemy.engine.base.Connection".split()
)
_DRIVER_METHODS = {
    **{
        f"asyncpg.{owner}.{m}": READ
        for owner in ("Pool", "Connection", "pool.Pool", "connection.Connection", "pool.PoolConnectionProxy")
        for m in ("fetch", "fetchrow", "fetchval")
    },
    **{
        f"asyncpg.{owner}.execute": UNKNOWN
        for owner in ("Pool", "Connection", "pool.Pool", "connection.Connection", "pool.PoolConnectionProxy")
    },
    **{f"databases.Database.{m}": READ for m in ("fetch_all", "fetch_one", "fetch_val")},
    "databases.Database.execute": UNKNOWN,
    **{
        f"fastcrud.FastCRUD.{m}": READ
        for m in ("get", "get_multi", "exists", "count", "get_joined", "get_multi_joined", "select")
    },
    **{f"fastcrud.FastCRUD.{m}": WRITE for m in ("create", "update", "delete", "db_delete", "upsert")},
}
_QUERY_ENDS = {
    **dict.fromkeys("all first one one_or_none scalar scalars count get exists".split(), READ),
    **dict.fromkeys(("delete", "update"), WRITE),
}
_QUERYSET_ENDS = {
    **dict.fromkeys(
        "get get_or_none first count exists values values_list to_list find_one in_bulk aggregate explain".split(), READ
    ),
    **dict.fromkeys(
        "delete update create get_or_create update_or_create bulk_create bulk_update insert save replace".split(), WRITE
    ),
}
_MODEL_CALLS = {
    TORTOISE: {
        **dict.fromkeys("get get_or_none first exists in_bulk raw".split(), READ),
        **dict.fromkeys("create get_or_create update_or_create bulk_create bulk_update".split(), WRITE),
    },
    DOCUMENT: {
        **dict.fromkeys("get find_one count aggregate distinct get_or_none".split(), READ),
        **dict.fromkeys("insert_one insert_many delete_all update_all".split(), WRITE),
    },
}
_ROW_CALLS = {
    TORTOISE: {"fetch_related": READ, "refresh_from_db": READ, "save": WRITE, "delete": WRITE},
    DOCUMENT: {
        "fetch_link": READ,
        "fetch_all_links": READ,
        "sync": READ,
        "save": WRITE,
        "insert": WRITE,
        "delete": WRITE,
        "replace": WRITE,
        "set": WRITE,
    },
}
_FETCHES = frozenset("fetch_related fetch_link fetch_all_links".split())
_ENGINE_METHODS = {
    **dict.fromkeys("find find_one count get_collection".split(), READ),
    **dict.fromkeys("save save_all delete remove".split(), WRITE),
}
_DOCUMENT_ENGINES = frozenset(
    "odmantic.AIOEngine odmantic.SyncEngine odmantic.engine.AIOEngine odmantic.engine.SyncEngine".split()
)
_BULK = frozenset("bulk_create bulk_update in_bulk insert_many delete_all update_all".split())
_CANDIDATES = (
    _SESSION_METHODS
    | frozenset(_QUERY_ENDS)
    | frozenset(_QUERYSET_ENDS)
    | frozenset(n for calls in (*_MODEL_CALLS.values(), *_ROW_CALLS.values()) for n in calls)
    | frozenset(n.rsplit(".", 1)[-1] for n in _DRIVER_METHODS)
    | frozenset(_ENGINE_METHODS)
)


@cache
def _stored(name: str) -> str:
    found = _STORES.match(name)
    return found["method"] if found else ""


@dataclass(frozen=True, slots=True, eq=False)
class Execution:
    """A call that sends a statement. `method` as written, `effect` read, write or unknown.

    `model` is the entity of `get`, `refresh` or a row method; `statements` what else may be sent. `session` is the
    expression of the session or connection, None where the library keeps it. `certainty` is inferred when only the
    statement, not the type of the session, told.
    """

    node: ast.expr
    scope: Scope
    method: str
    effect: str
    library: str
    statements: tuple[Statement, ...]
    model: Model | None
    asynchronous: bool
    session: ast.expr | None
    certainty: str

    def place(self, label: str = "") -> Place:
        return self.scope.place(self.node, label)

    @property
    def call(self) -> ast.Call | None:
        return self.node if isinstance(self.node, ast.Call) else None

    @property
    def arguments(self) -> list[ast.expr]:
        """What is handed over, for a legacy query or a query set every argument of its builder calls too."""
        found: list[ast.expr] = []
        current: ast.expr = self.node.value if isinstance(self.node, ast.Await) else self.node
        while isinstance(current, ast.Call):
            found.extend(current.args)
            found.extend(k.value for k in current.keywords)
            if not isinstance(current.func, ast.Attribute):
                break
            current = current.func.value
            if (isinstance(current, (ast.Name, ast.Attribute)) and self.library != "sqlalchemy") or (
                self.session is not current and isinstance(current, ast.Name)
            ):
                found.append(current)
        return found


class Queries:
    """Executions by scope."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._values = project.values
        self._known: dict[Scope, list[Execution]] = {}

    @cached_property
    def statements(self) -> Statements:
        return Statements(self._project.names, self._project.values, self._project.models)

    def of(self, scope: Scope) -> list[Execution]:
        """Calls directly in a scope that send a statement, in source order."""
        if scope not in self._known:
            self._known[scope] = list(self._find(scope))
        return self._known[scope]

    @cached_property
    def all(self) -> list[Execution]:
        """Every execution of the application's modules."""
        scopes = {id(s): s for _, s in self._project.spelled.calls(*sorted(_CANDIDATES))}
        if self._has_querysets:
            scopes.update((id(s), s) for m in self._project.app_modules for s in m.walk() if ast.Await in s.nodes)
        found = [e for s in scopes.values() for e in self.of(s)]
        return sorted(found, key=lambda e: (e.scope.module.path, e.node.lineno, e.node.col_offset))

    @cached_property
    def functions(self) -> frozenset[Scope]:
        """Scopes that send a statement themselves."""
        return frozenset(e.scope for e in self.all)

    def stored(self, site: CallSite) -> str:
        """What a call does to a session's objects: `add`, `add_all`, `delete` or `merge`; "" for any other call."""
        return next(filter(None, map(_stored, site.names)), "") if site.names else ""

    def stores(self, scope: Scope) -> bool:
        """Whether a scope changes stored data itself, by a statement or by a session."""
        return any(e.effect == WRITE for e in self.of(scope)) or any(map(self.stored, self._project.calls.sites(scope)))

    def at(self, node: ast.AST, scope: Scope) -> Execution | None:
        """The execution a node is."""
        return next((e for e in self.of(scope) if e.node is node), None)

    @cached_property
    def _has_querysets(self) -> bool:
        return any(m.orm in (TORTOISE, DOCUMENT) for m in self._project.models.all)

    def _find(self, scope: Scope) -> Iterator[Execution]:
        if not _CANDIDATES.isdisjoint(scope.called):
            for call in scope.all(ast.Call):
                func = call.func
                if isinstance(func, ast.Attribute) and func.attr in _CANDIDATES:
                    found = self._execution(call, func, scope)
                    if found is not None:
                        yield found
        if self._has_querysets:
            yield from self._awaited_querysets(scope)

    def _execution(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        if func.attr in _SESSION_METHODS:
            found = self._on_session(call, func, scope)
            if found is not None:
                return found
        if func.attr in _QUERY_ENDS or func.attr in _QUERYSET_ENDS:
            found = self._on_statement(call, func, scope)
            if found is not None:
                return found
        found = self._on_model(call, func, scope) or self._on_driver(call, func, scope)
        return found or self._on_document_engine(call, func, scope)

    def _on_session(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        owner = self._owner(func.value, scope)
        first = (
            call.args[0]
            if call.args
            else next((k.value for k in call.keywords if k.arg in ("statement", "entity")), None)
        )
        statements: list[Statement] = []
        model: Model | None = None
        if func.attr in ("get", "get_one"):
            model = self.statements.model_of(first, scope) if first is not None and len(call.args) >= 2 else None
            generic = isinstance(first, ast.Attribute) and len(call.args) >= 2
            if (not owner and model is None) or (
                owner and model is None and not generic and len(call.args) < 2 and not call.keywords
            ):
                return None
        elif func.attr not in ("refresh", "merge"):
            statements = self.statements.of(first, scope)
        if not owner and model is None and not any(s.kind != "parameter" for s in statements):
            return None
        awaited = isinstance(parent(call), (ast.Await, ast.AsyncFor))
        asynchronous = owner in ASYNC_SESSIONS or "async" in owner or (not owner and awaited)
        return Execution(
            call,
            scope,
            func.attr,
            _effect(func.attr, statements),
            "sqlalchemy",
            tuple(statements),
            model,
            asynchronous,
            func.value,
            "resolved" if owner else "inferred",
        )

    def _owner(self, expr: ast.expr, scope: Scope) -> str:
        """Canonical name of the session or connection class an expression is an object of, "" when it is none."""
        for value in self._values.of(expr, scope):
            if not isinstance(value, Instance):
                continue
            bases = self._project.names.mro(value.cls) if isinstance(value.cls, Class) else [value.cls]
            found = next((b.dotted for b in bases if b.dotted in _OWNERS), "")
            if found:
                return found
        return ""

    def _on_statement(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        statements = [s for s in self.statements.of(func.value, scope) if s.kind in (QUERY, QUERYSET)]
        if not statements:
            return None
        kind = statements[0].kind
        effect = _QUERY_ENDS.get(func.attr) if kind == QUERY else _QUERYSET_ENDS.get(func.attr)
        if effect is None:
            return None
        library = (
            "sqlalchemy"
            if kind == QUERY
            else (statements[0].model.orm if statements[0].model is not None else TORTOISE)
        )
        session = _session_of(statements[0]) if kind == QUERY else None
        return Execution(
            call, scope, func.attr, effect, library, tuple(statements), None, kind != QUERY, session, "resolved"
        )

    def _on_model(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        values = self._values.of(func.value, scope)
        if self._is_any_tortoise(func.value, scope, values):
            effect = _MODEL_CALLS[TORTOISE].get(func.attr)
            if effect is not None and func.attr not in _BULK:
                return Execution(call, scope, func.attr, effect, TORTOISE, (), None, True, None, "inferred")
        for value in values:
            instance = isinstance(value, Instance)
            model = self._project.models.of(value.cls if isinstance(value, Instance) else value)
            if model is None or model.orm not in _MODEL_CALLS:
                continue
            effect = (_ROW_CALLS if instance else _MODEL_CALLS)[model.orm].get(func.attr)
            if effect is not None and func.attr not in _BULK:
                return Execution(call, scope, func.attr, effect, model.orm, (), model, True, None, "resolved")
        if func.attr in _FETCHES and self._has_querysets and not values:
            return Execution(call, scope, func.attr, READ, TORTOISE, (), None, True, None, "inferred")
        return None

    def _is_any_tortoise(self, expr: ast.expr, scope: Scope, values: Values) -> bool:
        """`self.model` of a generic repository over Tortoise models."""
        if any(isinstance(v, External) and v.dotted in ("tortoise.models.Model", "tortoise.Model") for v in values):
            return True
        return (
            not values
            and self.statements.is_own_model(expr, scope)
            and any(m.orm == TORTOISE for m in self._project.models.all)
        )

    def _on_driver(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        for value in self._values.of(func, scope):
            effect = _DRIVER_METHODS.get(value.dotted)
            if effect is not None:
                library = value.dotted.split(".", 1)[0]
                return Execution(call, scope, func.attr, effect, library, (), None, True, func.value, "resolved")
        return None

    def _on_document_engine(self, call: ast.Call, func: ast.Attribute, scope: Scope) -> Execution | None:
        """ODMantic: `await engine.find_one(Model, ...)`."""
        effect = _ENGINE_METHODS.get(func.attr)
        if effect is None or not call.args or not self._has_querysets:
            return None
        for value in self._values.of(func.value, scope):
            if value.dotted in _DOCUMENT_ENGINES:
                model = self.statements.model_of(call.args[0], scope)
                asynchronous = "AIO" in value.dotted
                return Execution(
                    call, scope, func.attr, effect, DOCUMENT, (), model, asynchronous, func.value, "resolved"
                )
        return None

    def _awaited_querysets(self, scope: Scope) -> Iterator[Execution]:
        """`await Model.filter(...)` sends its query without a closing call; so does `async for` over it."""
        for node in scope.all(ast.Await):
            inner = node.value
            if not isinstance(inner, ast.Call) or (
                isinstance(inner.func, ast.Attribute) and inner.func.attr in _QUERYSET_ENDS
            ):
                continue
            statements = [s for s in self.statements.of(inner, scope) if s.kind == QUERYSET]
            if statements:
                orm = statements[0].model.orm if statements[0].model is not None else TORTOISE
                yield Execution(node, scope, "await", READ, orm, tuple(statements), None, True, None, "resolved")


def _session_of(statement: Statement) -> ast.expr | None:
    func = statement.node.func if isinstance(statement.node, ast.Call) else None
    return func.value if isinstance(func, ast.Attribute) else None


def _effect(method: str, statements: list[Statement]) -> str:
    if method in ("get", "get_one", "refresh", "scalars", "stream_scalars", "merge"):
        return READ
    kinds = {s.kind for s in statements}
    if kinds & {INSERT, UPDATE, DELETE}:
        return WRITE
    if kinds & READS:
        return READ
    if kinds == {TEXT}:
        return _text_effect(statements)
    return UNKNOWN


def _text_effect(statements: list[Statement]) -> str:
    for statement in statements:
        call = statement.node
        first = call.args[0] if isinstance(call, ast.Call) and call.args else None
        if isinstance(first, ast.JoinedStr) and first.values:
            first = first.values[0]
        if isinstance(first, ast.Constant) and isinstance(first.value, str):
            return READ if first.value.lstrip()[:6].upper() in ("SELECT", "WITH R", "WITH ") else WRITE
    return UNKNOWN
