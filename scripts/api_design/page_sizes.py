"""Page sizes and page numbers that clients choose: their upper and lower bounds."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from api_design.dimension import api
from api_design.routes import Handler, handlers
from api_design.wording import counted, listed
from check import LOW, MEDIUM, Found, Hit
from project import Class, Function, Place, Project
from project.data.statements import QUERY, SELECT
from project.language.scopes import parent
from project.language.shapes import NONE
from project.routing.parameters import Parameter

SIZES = frozenset(
    "limit size page_size pagesize per_page perpage items_per_page take page_limit max_results max_items first top "
    "count num_results n_results max_count".split()
)
_STARTS = frozenset("page page_no page_num page_number pagenumber offset skip start_index".split())
_UPPER = frozenset(("le", "lt", "max"))
_LOWER = frozenset(("ge", "gt", "min"))
_CLAMPS = frozenset(("min", "max", "clamp", "range"))
_LIMITS = frozenset("limit take head top fetch fetchmany islice size page_size per_page".split())
_ROW_LIMITS = frozenset(("limit",))
_OFFSETS = frozenset("offset skip compute_offset".split())


@api.check(
    "API028",
    "page-without-lower-bound",
    title="Page number or size without lower bound",
    impact=LOW,
    fix="Declare page and size with ge=1, the offset with ge=0, in one pagination dependency.",
)
def page_without_lower_bound(project: Project) -> Found:
    """`?page=0`, `?skip=-1` or `?limit=-1` becomes a negative OFFSET or LIMIT, which PostgreSQL and MySQL refuse: a 500
    instead of a 422. A cap (`if limit > 100`) lets it pass.

    Source: PostgreSQL, LIMIT and OFFSET, https://www.postgresql.org/docs/current/queries-limit.html

    Bad:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("postgresql://shop"))

        def get_db():
            with SessionLocal() as db:
                yield db

        def rows(db: Session, page: int) -> list[Item]:
            return db.scalars(select(Item).limit(50).offset((page - 1) * 50)).all()

        @app.get("/items")
        def list_items(db: Annotated[Session, Depends(get_db)], page: int = 1) -> list[int]:  # API028
            return [item.id for item in rows(db, page)]
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI, Query
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("postgresql://shop"))

        def get_db():
            with SessionLocal() as db:
                yield db

        @app.get("/items")
        def list_items(
            db: Annotated[Session, Depends(get_db)], page: Annotated[int, Query(ge=1)] = 1
        ) -> list[int]:
            found = db.scalars(select(Item).limit(50).offset((page - 1) * 50)).all()
            return [item.id for item in found]
    Not this:
        from typing import Annotated
        from fastapi import Depends, FastAPI
        from sqlalchemy import create_engine, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

        class Base(DeclarativeBase): ...

        class Item(Base):
            __tablename__ = "items"
            id: Mapped[int] = mapped_column(primary_key=True)

        app = FastAPI()
        SessionLocal = sessionmaker(create_engine("postgresql://shop"))

        def get_db():
            with SessionLocal() as db:
                yield db

        @app.get("/items")
        def list_items(db: Annotated[Session, Depends(get_db)], page: int = 1) -> list[int]:
            start = max(page - 1, 0) * 50
            return [item.id for item in db.scalars(select(Item).limit(50).offset(start)).all()]

        @app.get("/report")
        def read_page(page: int = 1) -> list[int]:
            return [1, 2, 3][page - 1 : page]
    """
    if project.running.databases == {"sqlite"}:
        return
    found: dict[Place, tuple[Handler, Parameter]] = {}
    for handler in handlers(project):
        for parameter in project.usage.parameters(handler.route):
            if _is_unbounded_below(parameter, project) and isinstance(parameter.function, Function):
                methods = _OFFSETS if parameter.name.lower() in _STARTS else _ROW_LIMITS
                where = (parameter.function, handler.function)
                if any(_goes_to(methods, f, parameter.name, project) for f in where):
                    found.setdefault(_size_place(handler, parameter), (handler, parameter))
    if found:
        places = sorted(found)
        names = listed(sorted({f"`{parameter.name}`" for _, parameter in found.values()}))
        first = found[places[0]][0].label
        more = f" and {counted(len(places) - 1, 'more place')}" if len(places) > 1 else ""
        message = f"{names} of {first}{more} has no lower bound: a negative one is a database error, answered as 500"
        yield Hit(places[0], message, places=tuple(places[1:]))


def _is_unbounded_below(parameter: Parameter, project: Project) -> bool:
    """Whether a page, offset or size may be negative: by its declaration, and by what is done before it is used."""
    if parameter.kind != "query" or parameter.name.lower() not in _STARTS | SIZES:
        return False
    metadata = [m for m, _ in parameter.shape.metadata]
    given = set(parameter.info).union(*({k.arg for k in m.keywords} for m in metadata if isinstance(m, ast.Call)))
    opaque = any(not isinstance(m, ast.Call) or _validates(m) for m in metadata)
    if [o.dotted for o in parameter.shape.options if o.dotted != NONE] != ["builtins.int"] or opaque or given & _LOWER:
        return False
    function = parameter.function
    return isinstance(function, Function) and not _is_checked(function, parameter.name, project, 0, _bounds_below)


def _bounds_below(compared: ast.Compare, name: str) -> bool:
    """Whether a comparison can be about the lower end: not `name > 100`, which only caps."""
    operands = [compared.left, *compared.comparators]
    for left, operator, right in zip(operands, compared.ops, operands[1:], strict=False):
        for side, other, caps in ((left, right, (ast.Gt, ast.GtE)), (right, left, (ast.Lt, ast.LtE))):
            small = isinstance(other, ast.Constant) and other.value in (0, 1)
            if _is_name(side, name) and not _is_none(other) and (small or not isinstance(operator, caps)):
                return True
    return False


def _is_none(expr: ast.expr) -> bool:
    return isinstance(expr, ast.Constant) and expr.value is None


def bounds_rows(function: Function, name: str, project: Project, depth: int = 0) -> bool:
    """Whether the value limits how many rows are read or given, here or where it is handed on."""
    if depth > 4:
        return False
    for call in function.all(ast.Call):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        if called in _LIMITS and any(_holds(a, name, function) for a in _given(call)):
            return True
        named = any(k.arg in _LIMITS and _holds(k.value, name, function) for k in call.keywords)
        if named and not project.calls.site(call, function).targets:
            return True
        if any(bounds_rows(f, inner, project, depth + 1) for f, inner in _handed(call, name, function, project)):
            return True
    slices = (n.slice for n in function.all(ast.Subscript))
    ends = [e for s in slices if isinstance(s, ast.Slice) for e in (s.lower, s.upper) if e is not None]
    return any(_holds(e, name, function) for e in ends)


def _goes_to(methods: frozenset[str], function: Function, name: str, project: Project, depth: int = 0) -> bool:
    """Whether a statement skips or gives as many rows as the value says, here or where it is handed on."""
    if depth > 3:
        return False
    for call in function.all(ast.Call):
        called = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
        given = called in methods and any(_holds(a, name, function) for a in _given(call))
        if given and (methods is _OFFSETS or _is_statement(call, function, project)):
            return True
        handed = _handed(call, name, function, project)
        if any(_goes_to(methods, target, inner, project, depth + 1) for target, inner in handed):
            return True
    return False


def _is_statement(call: ast.Call, function: Function, project: Project) -> bool:
    """Whether `x.limit(...)` is one of a SQL statement: document stores take a negative one in another way."""
    func = call.func
    found = project.queries.statements.of(func.value, function) if isinstance(func, ast.Attribute) else []
    return any(s.kind in (SELECT, QUERY) for s in found)


def _holds(expr: ast.expr, name: str, function: Function, depth: int = 0) -> bool:
    """Whether a value is made of the name by plain arithmetic, directly or through variables."""
    if isinstance(expr, ast.BinOp):
        return _holds(expr.left, name, function, depth) or _holds(expr.right, name, function, depth)
    if isinstance(expr, ast.Name) and expr.id != name and depth < 3:
        values = [b.value for b in function.bindings.get(expr.id, []) if b.kind == "assign" and b.value is not None]
        return any(isinstance(v, (ast.BinOp, ast.Name)) and _holds(v, name, function, depth + 1) for v in values)
    return _is_name(expr, name)


def _given(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(k.value for k in call.keywords)]


def _handed(call: ast.Call, name: str, function: Function, project: Project) -> Iterator[tuple[Function, str]]:
    """Project functions that a call hands the value to, with the name it has there."""
    positions = [i for i, a in enumerate(call.args) if _holds(a, name, function)]
    keywords = [k.arg for k in call.keywords if k.arg and _holds(k.value, name, function)]
    for target in project.calls.site(call, function).targets if positions or keywords else ():
        names = [arg.arg for arg, _ in target.params]
        offset = 1 if target.owner is not None and names[:1] in (["self"], ["cls"]) else 0
        inner = [*keywords, *(names[i + offset] for i in positions if i + offset < len(names))]
        yield from ((target, n) for n in inner if n in names)


def is_open(parameter: Parameter, project: Project) -> bool:
    """Whether clients may ask for any number of items."""
    if parameter.kind != "query" or parameter.name.lower() not in SIZES or not isinstance(parameter.function, Function):
        return False
    options = [o.dotted for o in parameter.shape.options]
    if (
        options != ["builtins.int"]
        or _UPPER & set(parameter.info)
        or any(_UPPER & _keywords(m) for m, _ in parameter.shape.metadata)
    ):
        return False
    return not _is_checked(parameter.function, parameter.name, project, 0, _bounds_either)


def _keywords(expr: ast.expr) -> set[str]:
    if isinstance(expr, ast.Call):
        name = expr.func.attr if isinstance(expr.func, ast.Attribute) else getattr(expr.func, "id", "")
        return {k.arg for k in expr.keywords if k.arg} | ({"le"} if name in ("Le", "Lt") or _validates(expr) else set())
    return {"le"} if isinstance(expr, ast.Name) else set()


def _validates(call: ast.Call) -> bool:
    """Whether metadata does more than declare: it may bound either end."""
    name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
    return name in ("Ge", "Gt", "Interval", "AfterValidator", "BeforeValidator", "WrapValidator", "PlainValidator")


def _bounds_either(compared: ast.Compare, name: str) -> bool:
    others = [compared.left, *compared.comparators]
    plain = any(isinstance(o, ast.Constant) and o.value in (None, 0) for o in others)
    return not plain and any(_is_name(o, name) for o in others)


def _is_checked(
    function: Function, name: str, project: Project, depth: int, bounds: Callable[[ast.Compare, str], bool]
) -> bool:
    """Whether the value is compared or clamped here, or in a project function it is handed to."""
    if depth > 3:
        return False
    if any(bounds(compared, name) for compared in function.all(ast.Compare)):
        return True
    for call in function.all(ast.Call):
        given = any(_is_name(a, name) for a in _given(call))
        clamps = _CLAMPS - {"min"} if bounds is _bounds_below else _CLAMPS
        if given and isinstance(call.func, ast.Name) and call.func.id in clamps:
            return True
        if any(
            _is_checked(target, inner, project, depth + 1, bounds)
            for target, inner in _handed(call, name, function, project)
        ):
            return True
        if any(
            _is_name(k.value, name) and k.arg and _keeps_bounded(call, k.arg, function, project) for k in call.keywords
        ):
            return True
    return False


def _keeps_bounded(call: ast.Call, field: str, function: Function, project: Project) -> bool:
    """Whether an object is made that bounds this field of its own: in the declaration, or where a method reads it."""
    cls = project.names.resolve(call.func, function)
    if not isinstance(cls, Class):
        return False
    declared = project.schemas.fields_of(cls).get(field)
    if declared is not None and _UPPER & set(declared.info):
        return True
    methods = [m for c in project.names.mro(cls) if isinstance(c, Class) for m in c.methods.values()]
    reads = (n for m in methods for n in m.all(ast.Attribute) if n.attr == field and isinstance(n.value, ast.Name))
    return any(_is_clamped(n) for n in reads)


def _is_clamped(read: ast.Attribute) -> bool:
    """`min(1000, self.limit)`, `if self.limit > 1000`."""
    holder = parent(read)
    if isinstance(holder, ast.Call):
        return isinstance(holder.func, ast.Name) and holder.func.id in ("min", "clamp")
    return isinstance(holder, ast.Compare) and isinstance(holder.ops[0], (ast.Gt, ast.GtE, ast.Lt, ast.LtE))


def _is_name(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def open_sizes(found: list[tuple[Handler, Parameter]], impact: str = MEDIUM, what: str = "every row at once") -> Hit:
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
