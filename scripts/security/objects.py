"""Object authorisation: an object with an owner, fetched by the id in the path, and nobody asks whose it is."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Function, Project
from project.data.models import Model
from project.data.queries import Execution
from project.language.arguments import given_for
from project.language.scopes import Scope, parents
from project.place import Place
from project.routing.dependencies import Dependency
from project.routing.parameters import path_names
from project.routing.routes import Route
from security.callers import changes, is_for_few, named, place_of
from security.dimension import security
from security.openness import models_of

MAX_HOPS = 4
ID = re.compile(r"(^|_)(id|uuid|pk|guid|key|slug|number)$|[a-z](Id|Uuid)$")
OWNER = re.compile(
    r"^(user|owner|author|creator|customer|client|account|tenant|org|organi[sz]ation|workspace|team|company|patient|member|"
    r"profile|household)_?(id|uuid|pk|name)?$|^(created|owned|uploaded|submitted)_by(_user)?(_id)?$|^(user|owner)s?$",
    re.IGNORECASE,
)
PEOPLE = re.compile(
    r"user|account|member|customer|client|person|people|tenant|organi|workspace|team|compan|household|patient|owner|"
    r"principal|profile|identit|subscriber",
    re.IGNORECASE,
)
AMBIGUOUS = re.compile(r"^(author|creator|member|company|team|client|profile|patient|account)", re.IGNORECASE)
USER = re.compile(
    r"user|principal|account|subject|identity|member|viewer|caller|customer|person|profile|actor", re.IGNORECASE
)
DECIDES = re.compile(
    r"permission|access|authori[sz]|(^|_)can_|owner|member|polic|(^|_)acl|enforce|allowed|belongs|scope|tenant|ensure|"
    r"verify|check_|is_mine|for_user|by_user|of_user|_user_|protect|visible|visibility|public|share",
    re.IGNORECASE,
)
GETS = re.compile(r"^(get|find|fetch|load|read|by_?(id|pk)|one)(_|$)", re.IGNORECASE)
LOGS = frozenset("debug info warning error exception critical log bind".split())


@security.check(
    "SEC002",
    "missing-object-authorization",
    title="Object fetched by its id alone",
    impact=HIGH,
    anti_pattern=8,
    fix="Put the owner into the query, where(Item.id == item_id, Item.owner_id == user.id); answer 404 without a row.",
)
def missing_object_authorization(project: Project) -> Found:
    """Ids can be guessed or seen. Who is logged in is known here but not compared with whom the object belongs to, so
    ask: would an object of somebody else be served? Rights checked elsewhere (row-level security, a gateway) cannot be
    seen.

    Source: OWASP API1:2023, https://owasp.org/API-Security/editions/2023/en/0xa1-broken-object-level-authorization/

    Bad:
        # app/models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Invoice(Base):
            __tablename__ = "invoice"
            id: Mapped[int] = mapped_column(primary_key=True)
            owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
        # app/service.py
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import Invoice

        def find(session: Session, key: int):
            return session.scalars(select(Invoice).where(Invoice.id == key)).one()  # SEC002
        # app/main.py
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer
        from sqlalchemy.orm import Session
        from app.models import Invoice
        from app.service import find
        from app.users import lookup, get_session

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def get_current_user(token: str = Depends(scheme)):
            user = lookup(token)
            if user is None:
                raise HTTPException(401)
            return user

        @app.delete("/invoices/{invoice_id}")
        def remove(invoice_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
            session.delete(session.get(Invoice, invoice_id))  # SEC002

        @app.get("/invoices/{invoice_id}")
        def read(invoice_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
            return find(session, invoice_id)
        # app/users.py
        def lookup(token): ...

        def get_session(): ...
    Good:
        # app/models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Invoice(Base):
            __tablename__ = "invoice"
            id: Mapped[int] = mapped_column(primary_key=True)
            owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
        # app/main.py
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer
        from sqlalchemy import select
        from sqlalchemy.orm import Session
        from app.models import Invoice
        from app.users import lookup, get_session

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def get_current_user(token: str = Depends(scheme)):
            user = lookup(token)
            if user is None:
                raise HTTPException(401)
            return user

        @app.get("/invoices/{invoice_id}")
        def read(invoice_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
            mine = select(Invoice).where(Invoice.id == invoice_id, Invoice.owner_id == user.id)
            return session.scalars(mine).one()
        # app/users.py
        def lookup(token): ...

        def get_session(): ...
    Not this:
        # app/models.py
        from sqlalchemy import ForeignKey
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Country(Base):
            __tablename__ = "country"
            id: Mapped[int] = mapped_column(primary_key=True)

        class Invoice(Base):
            __tablename__ = "invoice"
            id: Mapped[int] = mapped_column(primary_key=True)
            owner_id: Mapped[int] = mapped_column(ForeignKey("user.id"), index=True)
        # app/main.py
        from fastapi import Depends, FastAPI, HTTPException
        from fastapi.security import OAuth2PasswordBearer
        from sqlalchemy.orm import Session
        from app.models import Country, Invoice
        from app.users import lookup, may_see, get_session

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def get_current_user(token: str = Depends(scheme)):
            user = lookup(token)
            if user is None:
                raise HTTPException(401)
            return user

        def require_admin(user=Depends(get_current_user)):
            if not user.is_admin:
                raise HTTPException(403)

        @app.get("/countries/{country_id}")
        def country(country_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
            return session.get(Country, country_id)

        @app.delete("/admin/invoices/{invoice_id}", dependencies=[Depends(require_admin)])
        def remove(invoice_id: int, session: Session = Depends(get_session)):
            session.delete(session.get(Invoice, invoice_id))

        @app.get("/invoices/{invoice_id}")
        def read(invoice_id: int, user=Depends(get_current_user), session: Session = Depends(get_session)):
            invoice = session.get(Invoice, invoice_id)
            if not may_see(invoice, user):
                raise HTTPException(404)
            return invoice
        # app/users.py
        def lookup(token): ...

        def get_session(): ...

        def may_see(invoice, user): ...
    """
    seen: set[tuple[str, int]] = set()
    for route in project.routes:
        if route.auth and route.function is not None and not route.websocket and not is_for_few(project, route):
            loads = _unchecked(project, route)
            key = (loads[0].place.path, loads[0].place.line) if loads else ("", 0)
            if loads and key not in seen:
                seen.add(key)
                yield _question(route, loads)


@dataclass(frozen=True, slots=True)
class _Load:
    """An object got, changed or deleted by the tracked id."""

    place: Place
    model: Model
    effect: str
    trace: tuple[Place, ...]


@dataclass(slots=True)
class _Followed:
    """What happens to the id of one route: the loads, and every function it passes through."""

    loads: list[_Load] = field(default_factory=list)
    functions: list[Function] = field(default_factory=list)


def _question(route: Route, loads: list[_Load]) -> Hit:
    first, others = loads[0], [load.place for load in loads[1:]]
    verb = "changed" if changes(route) else "read"
    guard = route.auth_by.split(",")[0].rsplit(".", 1)[-1]
    message = (
        f"{named(route)}: may whoever passes {guard} have any {first.model.name} {verb}? It is found by its id alone"
    )
    places = tuple(p for p in others if (p.path, p.line) != (first.place.path, first.place.line))
    return Hit(first.place, message, first.trace, HIGH if changes(route) else MEDIUM, INFERRED, places)


def _unchecked(project: Project, route: Route) -> list[_Load]:
    """Loads of owned objects by an id from the path that nothing on the way relates to the caller."""
    handler = route.function
    assert handler is not None
    users = _users(route)
    if users is None:
        return []
    followed = _Followed()
    for function in (handler, *(f for f in route.dependency_functions if isinstance(f, Function))):
        tracked = _ids(project, function, path_names(route.path) if function is handler else set())
        if tracked and not (function is handler and _uses(handler, users, tracked)):
            trace = (place_of(route),) if function is handler else (place_of(route), function.place())
            _follow(project, function, tracked, trace, followed, frozenset())
    loads = [load for load in followed.loads if load.model is followed.loads[0].model]
    if not loads or _decides(route, followed):
        return []
    owners = set(_owner_columns(loads[0].model))
    words = {word for function in followed.functions for word in _words(function)}
    return loads if owners and not words & owners else []


def _ids(project: Project, function: Function, in_path: Collection[str]) -> frozenset[str]:
    """Names that hold an id the client chose: parameters of the path, fields of the body (`body.item_id`)."""
    found: set[str] = set()
    for arg, _ in function.params:
        if arg.arg in in_path:
            found.add(arg.arg)
        elif arg.annotation is not None:
            classes = project.shapes.of(arg.annotation, function).classes()
            bodies = [c for c in classes if c in project.usage.bodies]
            found |= {f"{arg.arg}.{field}" for cls in bodies for field in project.schemas.fields_of(cls)}
    return frozenset(
        n for n in found if ID.search(n) and not OWNER.match(n.rpartition(".")[2]) and not n.endswith(".id")
    )


def _owner_columns(model: Model) -> Iterator[str]:
    """Columns that say whose a row is: by name, and where they are foreign keys by the table they lead to."""
    for name, column in model.columns.items():
        if OWNER.match(name):
            target = (column.foreign_key or "").rsplit(".", 1)[0].rsplit(".", 1)[-1]
            if PEOPLE.search(target) if target and target != "?" else not AMBIGUOUS.match(name):
                yield name


def _users(route: Route) -> frozenset[str] | None:
    """Parameters of the handler that hold the caller; None when the guard is not about people.

    Services that know the caller themselves are looked at where the id passes through them.
    """
    guard = route.auth_by.split(",")[0]
    if not USER.search(guard.rsplit(".", 1)[-1]):
        return None
    found: set[str] = set()
    for node in route.dependency_tree:
        if not any(inner.name == guard for inner in node.walk()):
            continue
        if node.level == "parameter":
            if USER.search(node.name.rsplit(".", 1)[-1]) or USER.search(node.param):
                found.add(node.param)
        elif not _is_plain_guard(node, guard):
            return None
    return frozenset(found)


def _is_plain_guard(node: Dependency, guard: str) -> bool:
    return node.name == guard or USER.search(node.name.rsplit(".", 1)[-1]) is not None


# Following the id


def _follow(
    project: Project,
    function: Function,
    names: frozenset[str],
    trace: tuple[Place, ...],
    into: _Followed,
    seen: frozenset[Function],
) -> None:
    if function in seen or len(seen) > MAX_HOPS:
        return
    into.functions.append(function)
    names = names | _copies(function, names)
    for execution in project.queries.of(function):
        model = next((m for m in models_of(project, execution) if m is not None), None)
        if model is not None and _by_id(execution, model, names, function):
            into.loads.append(_Load(execution.place(), model, execution.effect, trace))
    for site in project.calls.sites(function):
        if site.call is None:
            continue
        for target in site.targets[:2]:
            given = frozenset(n for arg, _ in target.params for n in _handed(arg.arg, site.call, target, names))
            model = _asked_of(project, site.call, function)
            if given and model is not None and GETS.search(target.name):
                into.loads.append(_Load(site.place(), model, "", trace))
            elif given and target.module.kind == "app":
                hop = site.place(f"calls {target.qualname}")
                _follow(project, target, given, (*trace, hop), into, seen | {function})


def _asked_of(project: Project, call: ast.Call, scope: Function) -> Model | None:
    """The model of `Item.find(session, key)`, a class method of the project's own."""
    if not isinstance(call.func, ast.Attribute):
        return None
    return project.models.of(project.names.resolve(call.func.value, scope))


def _handed(parameter: str, call: ast.Call, target: Function, names: frozenset[str]) -> Iterator[str]:
    """What holds the id inside a called function: the parameter, or the field of the body it is given."""
    given = given_for(parameter, call, target)
    if _is_one(given, names):
        yield parameter
    elif isinstance(given, ast.Name):
        yield from (f"{parameter}.{n.partition('.')[2]}" for n in names if n.startswith(f"{given.id}."))


def _copies(function: Function, names: frozenset[str]) -> frozenset[str]:
    """Names that hold the id as well (`key = UUID(item_id)`)."""
    found: set[str] = set()
    for name, bindings in function.bindings.items():
        values = [b.value for b in bindings if b.kind == "assign" and b.index is None]
        if len(bindings) == 1 and values:
            value = values[0]
            if isinstance(value, ast.Call) and len(value.args) == 1 and isinstance(value.func, ast.Name):
                value = value.args[0]
            if _is_one(value, names):
                found.add(name)
    return frozenset(found)


def _is_one(expr: ast.expr | None, names: frozenset[str]) -> bool:
    if isinstance(expr, ast.Call) and len(expr.args) == 1 and isinstance(expr.func, ast.Name):
        expr = expr.args[0]
    if isinstance(expr, ast.Attribute) and isinstance(expr.value, ast.Name):
        return f"{expr.value.id}.{expr.attr}" in names
    return isinstance(expr, ast.Name) and expr.id in names


def _by_id(execution: Execution, model: Model, names: frozenset[str], scope: Scope) -> bool:
    """Whether the primary key (or a column called id) is what the tracked name is compared with, and nothing else."""
    keys = {*model.primary_key, "id", "uuid", "pk"}
    call = execution.call
    if call is not None and execution.method in ("get", "get_one", "get_or_none", "find_one", "update", "delete"):
        if any(_is_one(a, names) for a in call.args) and execution.method in ("get", "get_one"):
            return True
        if any(k.arg in keys and _is_one(k.value, names) for k in call.keywords):
            return True
        if any(_compares(a, keys, names) for a in call.args):
            return True
    for statement in execution.statements:
        for built in statement.calls("where", "filter", "filter_by", "get", "find_one", "find"):
            if built.scope is scope:
                given = [*built.call.args, *(k.value for k in built.call.keywords if k.arg in keys)]
                if any(_compares(a, keys, names) or _is_one(a, names) for a in given):
                    return True
    return False


def _compares(expr: ast.expr, keys: set[str], names: frozenset[str]) -> bool:
    if not isinstance(expr, ast.Compare) or len(expr.ops) != 1 or not isinstance(expr.ops[0], ast.Eq):
        return False
    left, right = expr.left, expr.comparators[0]
    for column, value in ((left, right), (right, left)):
        if isinstance(column, ast.Attribute) and column.attr in keys and _is_one(value, names):
            return True
    return False


# What may relate the object to the caller


def _uses(handler: Function, users: frozenset[str], tracked: frozenset[str]) -> bool:
    """Whether the handler uses the caller for more than logs and comparisons with what the id does not lead to."""
    for scope in handler.walk():
        for name in scope.all(ast.Name):
            if name.id in users and isinstance(name.ctx, ast.Load) and not _is_harmless_use(name, handler, tracked):
                return True
    return False


def _is_harmless_use(name: ast.Name, handler: Function, tracked: frozenset[str]) -> bool:
    for holder in parents(name):
        if isinstance(holder, ast.Call):
            return isinstance(holder.func, ast.Attribute) and holder.func.attr in LOGS
        if isinstance(holder, ast.Compare):
            others = {n.id for n in ast.walk(holder) if isinstance(n, ast.Name) and n is not name}
            return bool(others) and not any(_comes_from(other, handler, tracked) for other in others)
        if isinstance(holder, ast.stmt):
            return False
    return False


def _comes_from(name: str, handler: Function, tracked: frozenset[str]) -> bool:
    """Whether a local name is the id or was made with it."""
    if name in tracked:
        return True
    values = [b.value for b in handler.bindings.get(name, []) if b.value is not None]
    return any(isinstance(n, ast.Name) and n.id in tracked for v in values for n in ast.walk(v))


def _decides(route: Route, followed: _Followed) -> bool:
    """Whether a call or a dependency on the way is about rights."""
    functions = [*followed.functions, *(f for f in route.dependency_functions if isinstance(f, Function))]
    guard = route.auth_by.split(",")[0]
    for function in functions:
        if function.dotted == guard:
            continue
        if function is not route.function and any(_is_own_user(a) for a in function.all(ast.Attribute)):
            return True
        for scope in function.walk():
            for call in scope.all(ast.Call):
                name = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if DECIDES.search(name):
                    return True
    in_path = path_names(route.path)
    others = [f for f in route.dependency_functions if isinstance(f, Function) and f.dotted != guard]
    return any(arg.arg in in_path for f in others for arg, _ in f.params)


def _is_own_user(node: ast.Attribute) -> bool:
    """`self.user`, `self.current_user`: a service that knows who calls and looks at it."""
    return isinstance(node.value, ast.Name) and node.value.id == "self" and USER.search(node.attr) is not None


def _words(function: Function) -> Iterator[str]:
    for scope in function.walk():
        yield from (a.attr for a in scope.all(ast.Attribute))
        yield from (k.arg for k in scope.all(ast.keyword) if k.arg)
        yield from (c.value for c in scope.all(ast.Constant) if isinstance(c.value, str))
