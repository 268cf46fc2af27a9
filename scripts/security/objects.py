"""Object authorisation: an object with an owner, fetched by the id in the path, and nobody asks whose it is."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from check import HIGH, INFERRED, MEDIUM, Found, Hit
from project import Project
from project.data.models import Model
from project.place import Place
from project.routing.routes import Route
from security.caller_use import Uses, callers, decides, words
from security.callers import changes, is_for_few, named
from security.dimension import security
from security.id_loads import OWNER, Load, followed, ids
from security.openness import models_of, reached_functions
from security.siblings import LeftOut, left_out

PEOPLE = re.compile(
    r"user|account|member|customer|client|person|people|tenant|organi|workspace|team|compan|household|patient|owner|"
    r"principal|profile|identit|subscriber",
    re.IGNORECASE,
)
ROWS = frozenset(("all", "scalars", "fetchall", "find", "to_list"))
AMBIGUOUS = re.compile(r"^(author|creator|member|company|team|client|profile|patient|account)", re.IGNORECASE)


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
    asked: set[tuple[str, int]] = set()
    listed = listed_to_all(project)
    for route in project.routes:
        if route.auth and route.function is not None and not route.websocket and not is_for_few(project, route):
            found = _unchecked(project, route)
            key = (found.loads[0].place.path, found.loads[0].place.line) if found.loads else ("", 0)
            if found.loads and key not in asked and (changes(route) or found.loads[0].model.name not in listed):
                asked.add(key)
                yield _question(route, found)
    for left in left_out(project):
        if (left.load.place.path, left.load.place.line) not in asked:
            asked.add((left.load.place.path, left.load.place.line))
            yield _beside(left)


@dataclass(frozen=True, slots=True)
class _Unchecked:
    """Loads of owned objects that nothing relates to the caller; `ignored`: where the caller is handed on in vain."""

    loads: list[Load]
    ignored: list[Place]


def _question(route: Route, found: _Unchecked) -> Hit:
    first, others = found.loads[0], [load.place for load in found.loads[1:]]
    verb = "changed" if changes(route) else "read"
    guard = route.auth_by.split(",")[0].rsplit(".", 1)[-1]
    message = (
        f"{named(route)}: may whoever passes {guard} have any {first.model.name} {verb}? It is found by its id alone"
    )
    if found.ignored:
        message += f", and the code {found.ignored[0].label}"
    places = tuple(p for p in others if (p.path, p.line) != (first.place.path, first.place.line))
    trace = (*first.trace, *found.ignored[:1])
    return Hit(first.place, message, trace, HIGH if changes(route) else MEDIUM, INFERRED, places)


def _beside(left: LeftOut) -> Hit:
    """A route among others that ask for a right to the same kind of object."""
    verb = "changed" if changes(left.route) else "read"
    message = (
        f"{named(left.route)}: may anyone logged in have any {left.load.model.name} {verb}? {left.asking} of "
        f"{left.number} routes that get one by its id ask for {left.right}, this one does not"
    )
    trace = (*left.load.trace, left.example)
    return Hit(left.load.place, message, trace, HIGH if changes(left.route) else MEDIUM, INFERRED)


def _unchecked(project: Project, route: Route) -> _Unchecked:
    """Loads of owned objects by an id from the request that nothing on the way relates to the caller."""
    users = callers(route)
    if users is None or route.function is None:
        return _Unchecked([], [])
    uses = Uses(project)
    matter = uses.matter(route.function, users, ids(project, route.function, route))
    way = followed(project, route, handler=not matter)
    loads = [load for load in way.loads if load.model is way.loads[0].model]
    if not loads or decides(project, route, way):
        return _Unchecked([], [])
    owners = set(_owner_columns(loads[0].model))
    said = {word for function in way.functions for word in words(project, function)}
    return _Unchecked(loads if owners and not said & owners else [], [] if matter else uses.ignored)


def listed_to_all(project: Project) -> set[str]:
    """Models of which some list shows everybody's rows to whoever is logged in: reading one of them tells no more."""
    found: set[str] = set()
    for route in project.routes:
        if "GET" not in route.methods or "{" in route.path or route.function is None or is_for_few(project, route):
            continue
        functions = list(reached_functions(project, route.function, 2))
        said = {word for function in functions for word in words(project, function)}
        for execution in (e for f in functions for e in project.queries.of(f) if e.method in ROWS):
            models = (m for m in models_of(project, execution) if m is not None)
            found |= {m.name for m in models if not said & set(_owner_columns(m))}
    return found


def _owner_columns(model: Model) -> Iterator[str]:
    """Columns that say whose a row is: by name, and where they are foreign keys by the table they lead to."""
    for name, column in model.columns.items():
        if OWNER.match(name):
            target = (column.foreign_key or "").rsplit(".", 1)[0].rsplit(".", 1)[-1]
            if PEOPLE.search(target) if target and target != "?" else not AMBIGUOUS.match(name):
                yield name
