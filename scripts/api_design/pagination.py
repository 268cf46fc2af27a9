"""Lists that grow with the table: routes without page parameters, and page sizes without an upper bound."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from api_design.dimension import api
from api_design.effects import queries
from api_design.page_sizes import SIZES, bounds_rows, is_open, open_sizes
from api_design.routes import Handler, handlers, is_parent, segments
from api_design.wording import counted
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.data.models import Model
from project.data.rows import LIST, SCALARS, TUPLES, Rows
from project.data.statements import Statement, argument
from project.language.dataflow import reaching
from project.language.scopes import Scope
from project.language.shapes import SEQUENCES, Shape
from project.routing.parameters import Parameter

PAGES = SIZES | frozenset(
    "offset skip page page_no page_num page_number pagenumber cursor after before page_token next_token start marker "
    "since pagination params paging since_id until last last_id next page_params range start_index end_index".split()
)
_MANY = frozenset((LIST, SCALARS, TUPLES))
_TIMES = ("datetime", "date", "timestamp")
EXPORTS = frozenset("export download dump backup".split())
_GROWING = re.compile(
    r"(?:User|Customer|Account|Order|Event|Message|Log|Transaction|History|Audit|Notification|Comment|Post|Payment|Invoice"
    r"|Record|Entry|Activity|Chat|Job|Task|Run|Visit|Metric|Feedback|Review|Ticket|Session|Booking|Item|Product)s?"
    r"(?:DB|ORM|Db|Orm|Model|Table|Entity|Schema|V\d+)*$"
)
_SUPERUSER = re.compile(r"super_?user|super_?admin|is_?admin|current_?admin|admin_?(user|only|required)|require_?admin")
_FILTERS = ("where", "filter", "filter_by")
_PAGINATION_LIBRARIES = ("fastapi_pagination.", "fastapi_filter.", "fastcrud.")
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

        class Page:
            def __init__(self, size: int) -> None:
                self.size = size

            def rows(self, db: Session) -> list[Line]:
                return db.scalars(select(Line).limit(min(1000, self.size))).all()

        def page(size: int = 50) -> Page:
            return Page(size=size)

        @app.get("/lines/pages")
        def pages(db: DB, page: Annotated[Page, Depends(page)]) -> list[LineOut]:
            return page.rows(db)

        @app.get("/tools")
        def list_tools() -> list[str]:
            return ["hammer", "saw"]
    """
    lists = [h for h in handlers(project) if any("GET" in r.methods for r in h.routes)]
    paged = [h for h in lists if _parameter_names(h, project) & PAGES]
    yield from _whole_tables([h for h in lists if h not in paged], project)
    yield from _sizes(paged, project)


def _whole_tables(found: list[Handler], project: Project) -> Iterator[Hit]:
    """Lists without any page parameter: a hit for each table that grows, one for small ones, one for filtered ones."""
    filtered: list[tuple[Handler, Rows]] = []
    small: list[tuple[Handler, Rows]] = []
    for handler in found:
        rows = _whole_table(handler, project)
        if rows is None or rows.statement is None or rows.model is None:
            continue
        if rows.statement.calls(*_FILTERS) or _joins_by_value(rows.statement):
            filtered.append((handler, rows))
        elif _is_kept_small(rows.model):
            small.append((handler, rows))
        else:
            yield _unlimited(handler, rows)
    if filtered:
        yield _filtered(filtered)
    if small:
        yield _small(small)


def _sizes(found: list[Handler], project: Project) -> Iterator[Hit]:
    """Page sizes without upper bound: a hit for each file or shared dependency, one for parts of one parent."""
    sizes: dict[str, list[tuple[Handler, Parameter]]] = defaultdict(list)
    parts: list[tuple[Handler, Parameter]] = []
    for handler in found:
        parameters = project.usage.parameters(handler.route)
        for parameter in parameters:
            if not is_open(parameter, project) or not queries(handler.function, project):
                continue
            owner = parameter.function.place()
            shared = parameter.function is not handler.function
            if not shared and not bounds_rows(handler.function, parameter.name, project):
                continue
            if any(is_parent(p, project) for p in parameters):
                parts.append((handler, parameter))
            else:
                sizes[f"{owner.path}:{owner.line}" if shared else owner.path].append((handler, parameter))
    for group in sizes.values():
        yield open_sizes(group, LOW if _is_all_on_purpose(group, project) else MEDIUM)
    if parts:
        yield open_sizes(parts, LOW, "every row of one parent at once")


def _is_all_on_purpose(found: list[tuple[Handler, Parameter]], project: Project) -> bool:
    """Whether no size means all rows, in an application without accounts: it serves one user's own data."""
    optional = all(isinstance(p.default, ast.Constant) and p.default.value is None for _, p in found)
    return optional and not any(route.auth is not False for route in project.routes)


def _is_for_superusers(handler: Handler) -> bool:
    names = [*(d.rpartition(".")[2] for r in handler.routes for d in r.dependencies)]
    return any(_SUPERUSER.search(name) for name in names)


def _joins_by_value(statement: Statement) -> bool:
    """Whether the ON of an inner join compares a column with a value, as a filter does."""
    for built in statement.calls("join"):
        if any(k.arg in ("isouter", "full") for k in built.call.keywords):
            continue
        for given in (*built.call.args[1:], *(k.value for k in built.call.keywords)):
            compared = [n for n in ast.walk(given) if isinstance(n, ast.Compare)]
            if any(_is_value(side) for c in compared for side in (c.left, *c.comparators)):
                return True
    return False


def _is_value(side: ast.expr) -> bool:
    """`user_id`, `user.id`: not a column, which stands below a class or an alias of more than one part."""
    root = side.value if isinstance(side, ast.Attribute) else side
    return isinstance(root, ast.Name) and root.id[:1].islower() and not root.id.endswith("alias")


def _parameter_names(handler: Handler, project: Project) -> set[str]:
    parameters = project.usage.parameters(handler.route)
    return {p.name.lower() for p in parameters} | {f.lower() for p in parameters for f in _fields(p, project)}


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
    nested = any(is_parent(p, project) for p in project.usage.parameters(route))
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


def _unlimited(handler: Handler, rows: Rows) -> Hit:
    assert rows.model is not None
    message = f"{handler.label} returns all rows of {rows.model.name}, without limit or page parameter"
    impact = LOW if _is_for_superusers(handler) else HIGH if _GROWING.search(rows.model.name) else MEDIUM
    trace = (
        handler.function.place(label=handler.label),
        rows.execution.place(f"reads {rows.model.name} without limit"),
    )
    return Hit(handler.function.place(), message, trace, impact, rows.execution.certainty)


def _small(found: list[tuple[Handler, Rows]]) -> Hit:
    (first, rows), *more = found
    assert rows.model is not None
    message = f"{first.label} returns all rows of {rows.model.name}, without limit or page parameter"
    if more:
        message += f"; {counted(len(more), 'more route')} of tables that may stay small"
    places = tuple(h.function.place(label=h.label) for h, _ in more)
    return Hit(first.function.place(), message, impact=LOW, places=places)


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


def _is_kept_small(model: Model) -> bool:
    """Whether nothing says that the table grows with use: not its name, nor whose row it is and when it was made."""
    belongs = any(c.foreign_key or n.endswith("_id") for n, c in model.columns.items())
    dated = _has_times(model) or any(n.startswith(("created", "timestamp")) for n in model.columns)
    return not _GROWING.search(model.name) and not (belongs and dated)


def _has_times(model: Model) -> bool:
    return any(word in c.type_name.lower() for c in model.columns.values() for word in _TIMES)
