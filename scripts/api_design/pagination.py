"""Lists that grow with the table: routes without page parameters, and page sizes without an upper bound."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from api_design.dimension import api
from api_design.effects import queries
from api_design.routes import Handler, handlers, segments
from api_design.wording import counted, listed
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Place, Project
from project.data.models import Model
from project.data.rows import LIST, SCALARS, TUPLES, Rows
from project.data.statements import Statement, argument
from project.language.dataflow import reaching
from project.language.scopes import Scope
from project.language.shapes import SEQUENCES, Shape
from project.routing.parameters import Parameter

SIZES = frozenset(
    "limit size page_size pagesize per_page perpage items_per_page take page_limit max_results max_items first top "
    "count num_results n_results max_count".split()
)
PAGES = SIZES | frozenset(
    "offset skip page page_no page_num page_number pagenumber cursor after before page_token next_token start marker "
    "since pagination params paging since_id until last last_id next page_params range start_index end_index".split()
)
UPPER = frozenset(("le", "lt", "max"))
_MANY = frozenset((LIST, SCALARS, TUPLES))
_TIMES = ("datetime", "date", "timestamp")
EXPORTS = frozenset("export download dump backup".split())
_GROWING = re.compile(
    r"User|Customer|Account|Order|Event|Message|Log|Transaction|History|Audit|Notification|Comment|Post|Payment|Invoice"
    r"|Record|Entry|Activity|Chat|Job|Task|Run|Visit|Metric|Feedback|Review|Ticket|Session|Booking|Item|Product"
)
_FILTERS = ("where", "filter", "filter_by")
_PAGINATION_LIBRARIES = ("fastapi_pagination.", "fastapi_filter.", "fastcrud.")
MANY_PATHS = 10
MAX_DEPTH = 5


@api.check(
    "API006",
    "unbounded-list-endpoint",
    title="List without upper bound",
    impact=MEDIUM,
    fix="Take `limit` with le= and an offset or cursor in one pagination dependency, and order by a unique key.",
)
def unbounded_list_endpoint(project: Project) -> Found:
    """A list that returns the whole table, or as many rows as the client asks for, costs more memory and database time
    with every row stored; `?limit=10000000` is accepted as it is.

    Source: OWASP API4:2023 Unrestricted Resource Consumption,
    https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/

    Bad:
        # app/models.py
        from datetime import datetime
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)
            customer_id: Mapped[int]
            total: Mapped[int]
            created_at: Mapped[datetime]
        # app/repository.py
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import Order

        def all_orders(db: Session) -> list[Order]:
            return list(db.scalars(select(Order)))
        # app/api.py
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import Order
        from app.repository import all_orders

        class OrderOut(BaseModel):
            id: int

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.get("/orders")
        def list_orders(db: DB) -> list[OrderOut]:  # API006
            return [OrderOut(id=order.id) for order in all_orders(db)]

        @app.get("/orders/paged")
        def list_paged(db: DB, limit: int = 100) -> list[OrderOut]:  # API006
            return db.scalars(select(Order).limit(limit)).all()
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI, Query
        from pydantic import BaseModel
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Order(Base):
            __tablename__ = "orders"
            id: Mapped[int] = mapped_column(primary_key=True)

        class OrderOut(BaseModel):
            id: int

        app = FastAPI()

        def get_db() -> Session: ...

        Limit = Annotated[int, Query(ge=1, le=100)]

        @app.get("/orders")
        def list_orders(db: Annotated[Session, Depends(get_db)], limit: Limit = 50) -> list[OrderOut]:
            return db.scalars(select(Order).order_by(Order.id).limit(limit)).all()
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI, Query
        from pydantic import BaseModel, Field
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Country(Base):
            __tablename__ = "countries"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        class Line(Base):
            __tablename__ = "lines"
            id: Mapped[int] = mapped_column(primary_key=True)
            order_id: Mapped[int]
            text: Mapped[str]
            price: Mapped[int]

        class LineOut(BaseModel):
            id: int

        class Filter(BaseModel):
            limit: int = Field(50, le=100)

        app = FastAPI()

        def get_db() -> Session: ...

        DB = Annotated[Session, Depends(get_db)]

        @app.get("/countries")
        def list_countries(db: DB) -> list[LineOut]:
            return db.scalars(select(Country)).all()

        @app.get("/orders/{order_id}/lines")
        def list_lines(order_id: int, db: DB) -> list[LineOut]:
            return db.scalars(select(Line).where(Line.order_id == order_id)).all()

        @app.get("/lines/newest")
        def newest(db: DB) -> list[LineOut]:
            return db.scalars(select(Line).order_by(Line.id.desc()).limit(10)).all()

        @app.get("/lines/filtered")
        def filtered(db: DB, filter: Annotated[Filter, Query()]) -> list[LineOut]:
            return db.scalars(select(Line).limit(filter.limit)).all()

        @app.get("/lines/clamped")
        def clamped(db: DB, limit: int = 50) -> list[LineOut]:
            return db.scalars(select(Line).limit(min(limit, 100))).all()

        @app.get("/tools")
        def list_tools() -> list[str]:
            return ["hammer", "saw"]
    """
    sizes: dict[str, list[tuple[Handler, Parameter]]] = defaultdict(list)
    parts: list[tuple[Handler, Parameter]] = []
    filtered: list[tuple[Handler, Rows]] = []
    for handler in handlers(project):
        if not any("GET" in r.methods for r in handler.routes):
            continue
        parameters = project.usage.parameters(handler.route)
        names = {p.name.lower() for p in parameters} | {f.lower() for p in parameters for f in _fields(p, project)}
        if not names & PAGES:
            rows = _whole_table(handler, project)
            if rows is not None and rows.statement is not None and rows.statement.calls(*_FILTERS):
                filtered.append((handler, rows))
            elif rows is not None:
                yield _unlimited(handler, rows)
            continue
        for parameter in parameters:
            if _is_open(parameter, project) and queries(handler.function, project):
                if any(_is_parent(p, project) for p in parameters):
                    parts.append((handler, parameter))
                    continue
                owner = parameter.function.place()
                shared = parameter.function is not handler.function
                sizes[f"{owner.path}:{owner.line}" if shared else owner.path].append((handler, parameter))
    yield from (_open_sizes(found) for found in sizes.values())
    if parts:
        yield _open_sizes(parts, LOW, "every row of one parent at once")
    if filtered:
        yield _filtered(filtered)


def _fields(parameter: Parameter, project: Project) -> list[str]:
    """Fields of a query model."""
    cls = parameter.shape.cls if parameter.kind == "query" else None
    return list(project.schemas.fields_of(cls)) if cls is not None else []


# Whole tables


def _whole_table(handler: Handler, project: Project) -> Rows | None:
    """The rows a handler returns without anything that bounds them, None when it returns none."""
    function, route = handler.function, handler.route
    if segments(route.path)[-1:] and segments(route.path)[-1].lower() in EXPORTS:
        return None
    if not _may_be_list(project.usage.answer(route).shape, project) or _is_paginated(function, project):
        return None
    nested = any(_is_parent(p, project) for p in project.usage.parameters(route))
    for expr in project.usage.returned(function):
        for rows in _lists(expr, function, project):
            model = rows.model
            if (
                model is not None
                and rows.statement is not None
                and not _is_bounded(rows.statement, nested)
                and not _is_lookup(model)
            ):
                return rows
    return None


def _is_parent(parameter: Parameter, project: Project) -> bool:
    """Whether clients must name the one thing whose parts they want (`/orders/{id}/lines`, `?order_id=7`).

    What most paths start with (`/{tenant}/...`) is none: it holds whole tables.
    """
    if parameter.kind == "path":
        named = sum(f"{{{parameter.name}" in route.path for route in project.routes)
        return named < MANY_PATHS or 2 * named <= len(project.routes)
    return parameter.kind == "query" and parameter.default is None and parameter.name.endswith(("_id", "_key", "_uuid"))


def _unlimited(handler: Handler, rows: Rows) -> Hit:
    assert rows.model is not None
    message = f"{handler.label} returns all rows of {rows.model.name}, without limit or page parameter"
    impact = HIGH if _GROWING.search(rows.model.name) else MEDIUM
    trace = (
        handler.function.place(label=handler.label),
        rows.execution.place(f"reads {rows.model.name} without limit"),
    )
    return Hit(handler.function.place(), message, trace, impact, rows.execution.certainty)


def _filtered(found: list[tuple[Handler, Rows]]) -> Hit:
    (first, rows), *more = found
    assert rows.model is not None
    message = f"{first.label} returns every {rows.model.name} of its filter, without limit or page parameter"
    if more:
        message = (
            f"{len(found)} routes return every row of their filter, without limit or page parameter ({first.label} "
            f"is the first)"
        )
    return Hit(
        first.function.place(), message, impact=LOW, places=tuple(h.function.place(label=h.label) for h, _ in more)
    )


def _may_be_list(shape: Shape, project: Project) -> bool:
    """Whether the response is, or holds, a list; one that nothing is said of may be."""
    if not shape.dotted:
        return True
    for option in shape.options:
        if option.dotted in SEQUENCES or option.dotted.startswith(("typing.Any", "builtins.dict")):
            return True
        fields = project.schemas.fields_of(option.cls) if option.cls is not None else {}
        if any(
            project.shapes.of(f.annotation, f.owner).options[:1] and _is_sequence(f.annotation, f.owner, project)
            for f in fields.values()
        ):
            return True
    return False


def _is_sequence(annotation: ast.expr, owner: Scope, project: Project) -> bool:
    return any(o.dotted in SEQUENCES for o in project.shapes.of(annotation, owner).options)


def _is_paginated(function: Function, project: Project) -> bool:
    """Whether the handler calls a pagination library."""
    return any(name.startswith(_PAGINATION_LIBRARIES) for site in project.calls.sites(function) for name in site.names)


@dataclass(frozen=True, slots=True)
class _Frame:
    """The call that led into a function, and what led there."""

    target: Function
    call: ast.Call
    scope: Scope
    outer: _Frame | None


def _lists(
    expr: ast.expr, scope: Scope, project: Project, frame: _Frame | None = None, depth: int = 0
) -> Iterator[Rows]:
    """Lists of rows that go into an expression: through names, comprehensions, constructors and project functions."""
    if depth > MAX_DEPTH:
        return
    rows = [r for r in project.rows.of(expr, scope) if r.shape in _MANY and not r.path and r.site is None]
    if rows:
        yield from rows
        return
    for part, where, inner in _parts(expr, scope, project, frame):
        yield from _lists(part, where, project, inner, depth + 1)


def _parts(
    expr: ast.expr, scope: Scope, project: Project, frame: _Frame | None
) -> Iterator[tuple[ast.expr, Scope, _Frame | None]]:
    """What an expression is made from."""
    if isinstance(expr, ast.Name) and isinstance(scope, Function):
        yield from _bound(expr, scope, project, frame)
    elif isinstance(expr, (ast.ListComp, ast.SetComp, ast.GeneratorExp, ast.DictComp)):
        yield from ((generator.iter, scope, frame) for generator in expr.generators)
    elif isinstance(expr, (ast.Await, ast.Starred, ast.NamedExpr, ast.Subscript)):
        if not (isinstance(expr, ast.Subscript) and isinstance(expr.slice, ast.Slice)):
            yield expr.value, scope, frame
    elif isinstance(expr, (ast.Dict, ast.List, ast.Tuple)):
        yield from ((v, scope, frame) for v in (expr.values if isinstance(expr, ast.Dict) else expr.elts))
    elif isinstance(expr, ast.Call):
        yield from _call_parts(expr, scope, project, frame)


def _bound(
    name: ast.Name, scope: Function, project: Project, frame: _Frame | None
) -> Iterator[tuple[ast.expr, Scope, _Frame | None]]:
    for binding in reaching(scope, name.id, name):
        if binding.kind == "param" and frame is not None and frame.target is scope:
            offset = project.queries.statements.offset(frame.call, scope, frame.scope)
            given = argument(frame.call, scope, name.id, offset)
            if given is not None:
                yield given, frame.scope, frame.outer
        elif binding.value is not None and binding.kind in ("assign", "augmented", "for"):
            yield binding.value, scope, frame
    yield from ((given, scope, frame) for given in _appended(name.id, scope))


def _call_parts(
    call: ast.Call, scope: Scope, project: Project, frame: _Frame | None
) -> Iterator[tuple[ast.expr, Scope, _Frame | None]]:
    targets = [t for t in project.calls.site(call, scope).targets if t.name != "__init__" and not t.is_generator]
    for target in targets:
        inner = _Frame(target, call, scope, frame)
        yield from ((r.value, target, inner) for r in target.all(ast.Return) if r.value is not None)
    if not targets:
        yield from ((a, scope, frame) for a in (*call.args, *(k.value for k in call.keywords)))


def _appended(name: str, function: Function) -> Iterator[ast.expr]:
    """What loops put into a list: the loop's iterable stands for what is appended."""
    for call in function.all(ast.Call):
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in ("append", "extend")
            and isinstance(func.value, ast.Name)
            and func.value.id == name
        ):
            holder = call.__dict__.get("parent")
            while holder is not None and holder is not function.node:
                if isinstance(holder, (ast.For, ast.AsyncFor)):
                    yield holder.iter
                    break
                holder = holder.__dict__.get("parent")
            else:
                yield from call.args


def _is_bounded(statement: Statement, nested: bool) -> bool:
    """Whether a limit, a list of keys, or one parent bounds the rows."""
    filters = statement.calls(*_FILTERS)
    by_keys = any(isinstance(n, ast.Attribute) and n.attr == "in_" for b in filters for n in ast.walk(b.call))
    return (
        statement.limited
        or by_keys
        or bool(nested and filters)
        or bool(statement.calls("paginate", "group_by", "distinct"))
    )


def _is_lookup(model: Model) -> bool:
    """Whether the table looks like a list of constants: hardly any columns, no time, no reference to others."""
    return len(model.columns) <= 3 and not _has_times(model) and not any(c.foreign_key for c in model.columns.values())


def _has_times(model: Model) -> bool:
    return any(word in c.type_name.lower() for c in model.columns.values() for word in _TIMES)


# Page sizes


def _is_open(parameter: Parameter, project: Project) -> bool:
    """Whether clients may ask for any number of items."""
    if parameter.kind != "query" or parameter.name.lower() not in SIZES or not isinstance(parameter.function, Function):
        return False
    options = [o.dotted for o in parameter.shape.options]
    if (
        options != ["builtins.int"]
        or UPPER & set(parameter.info)
        or any(UPPER & _keywords(m) for m, _ in parameter.shape.metadata)
    ):
        return False
    return not _is_checked(parameter.function, parameter.name, project, 0)


def _keywords(expr: ast.expr) -> set[str]:
    if isinstance(expr, ast.Call):
        name = expr.func.attr if isinstance(expr.func, ast.Attribute) else getattr(expr.func, "id", "")
        return {k.arg for k in expr.keywords if k.arg} | (
            {"le"} if name in ("Le", "Lt", "Interval", "AfterValidator", "BeforeValidator") else set()
        )
    return {"le"} if isinstance(expr, ast.Name) else set()


def _is_checked(function: Function, name: str, project: Project, depth: int) -> bool:
    """Whether the value is compared or clamped here, or in a project function it is handed to."""
    if depth > 3:
        return False
    for compared in function.all(ast.Compare):
        others = [compared.left, *compared.comparators]
        if any(_is_name(o, name) for o in others) and not any(
            isinstance(o, ast.Constant) and o.value in (None, 0) for o in others
        ):
            return True
    for call in function.all(ast.Call):
        handed = [i for i, a in enumerate(call.args) if _is_name(a, name)]
        keywords = [k.arg for k in call.keywords if k.arg and _is_name(k.value, name)]
        if not handed and not keywords:
            continue
        if isinstance(call.func, ast.Name) and call.func.id in ("min", "clamp", "range"):
            return True
        for target in project.calls.site(call, function).targets:
            names = [arg.arg for arg, _ in target.params]
            offset = 1 if target.owner is not None and names[:1] in (["self"], ["cls"]) else 0
            inner = [*keywords, *(names[i + offset] for i in handed if i + offset < len(names))]
            if any(_is_checked(target, n, project, depth + 1) for n in inner if n in names):
                return True
    return False


def _is_name(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _open_sizes(found: list[tuple[Handler, Parameter]], impact: str = MEDIUM, what: str = "every row at once") -> Hit:
    names = listed(list(dict.fromkeys(f"`{p.name}`" for _, p in found)))
    routes = list(dict.fromkeys(h.label for h, _ in found))
    message = f"{names} of {listed(routes, 1)} has no upper bound: a client can ask for {what}"
    if len(routes) > 2:
        message = (
            f"{names} of {counted(len(routes), 'route')} ({routes[0]} is the first) has no upper bound: "
            f"a client can ask for {what}"
        )
    places = list(dict.fromkeys(_size_place(h, p) for h, p in found))
    return Hit(places[0], message, impact=impact, places=tuple(places[1:]))


def _size_place(handler: Handler, parameter: Parameter) -> Place:
    return handler.function.place() if parameter.function is handler.function else parameter.function.place()
