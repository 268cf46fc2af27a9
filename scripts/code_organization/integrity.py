"""What the database refuses and nobody answers."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from check import BY_NAME, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.data.models import Model
from project.language.names import External
from project.place import Place
from project.routing.routes import Route
from project.routing.schemas import Schema

_ENDINGS = ("Update", "UpdateRequest", "Patch", "PatchRequest", "Edit", "Create", "CreateRequest", "In", "Input")
_REFUSED = (External("sqlalchemy.exc.IntegrityError"), External("tortoise.exceptions.IntegrityError"))
MAX_HOPS = 3


@organization.check(
    "ORG019",
    "duplicate-unanswered",
    title="Duplicate that ends in a 500",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Catch IntegrityError at the flush, raise a domain error, answer 409; roll back if the session goes on.",
)
def duplicate_unanswered(project: Project) -> Found:
    """A second row with the same unique value is an IntegrityError: the client's mistake is answered as the server's.

    Source: SQLAlchemy, Core Exceptions, https://docs.sqlalchemy.org/en/20/core/exceptions.html

    Bad:
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(unique=True)

        class TierUpdate(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        @app.patch("/tiers/{tier_id}")
        def rename(tier_id: int, values: TierUpdate, db: Annotated[Session, Depends(get_db)]) -> None:  # ORG019
            tier = db.get_one(Tier, tier_id)
            for key, value in values.model_dump().items():
                setattr(tier, key, value)
            db.add(tier)
            db.commit()
    Good:
        from typing import Annotated

        from fastapi import Depends, FastAPI, HTTPException
        from pydantic import BaseModel
        from sqlalchemy.exc import IntegrityError
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(unique=True)

        class TierUpdate(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        @app.patch("/tiers/{tier_id}")
        def rename(tier_id: int, values: TierUpdate, db: Annotated[Session, Depends(get_db)]) -> None:
            tier = db.get_one(Tier, tier_id)
            for key, value in values.model_dump().items():
                setattr(tier, key, value)
            try:
                db.commit()
            except IntegrityError as error:
                db.rollback()
                raise HTTPException(409, "the name is taken") from error
    Not this:
        from typing import Annotated

        from fastapi import Depends, FastAPI, HTTPException
        from pydantic import BaseModel
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(unique=True)
            note: Mapped[str]

        class TierUpdate(BaseModel):
            note: str

        class TierCreate(BaseModel):
            name: str

        app = FastAPI()

        def get_db() -> Session: ...

        @app.patch("/tiers/{tier_id}")
        def annotate(tier_id: int, values: TierUpdate, db: Annotated[Session, Depends(get_db)]) -> None:
            db.add(Tier(id=tier_id, **values.model_dump()))
            db.commit()

        @app.post("/tiers", status_code=201)
        def create(values: TierCreate, db: Annotated[Session, Depends(get_db)]) -> None:
            if db.scalar(select(Tier).where(Tier.name == values.name)):
                raise HTTPException(409, "the name is taken")
            db.add(Tier(**values.model_dump()))
            db.commit()
    """
    found: dict[Function, tuple[Place, str]] = {}
    for route in project.routes:
        function = route.function
        if function is None or function in found or not set(route.methods) & {"POST", "PUT", "PATCH"}:
            continue
        for schema, model in _stored(route, project):
            unique = [n for n, c in model.columns.items() if c.unique and not c.primary_key and n in schema.fields]
            write = _unanswered(function, set(unique), project) if unique else None
            if write is not None:
                found[function] = (write, f"{route.path} writes `{unique[0]}` of {model.name}, which is unique")
                break
    if found:
        (first, (write, message)), *more = sorted(found.items(), key=lambda pair: pair[0].place())
        rest = f"; {len(more)} more path operation{'s' if len(more) > 1 else ''} likewise" if more else ""
        text = f"{message}: a duplicate is an IntegrityError that nothing answers{rest}"
        yield Hit(first.place(), text, (write,), certainty=BY_NAME, places=tuple(place for _, (place, _) in more))


def _stored(route: Route, project: Project) -> Iterator[tuple[Schema, Model]]:
    """Request models of a route with the table each is named after (`TierUpdate`, `Tier`)."""
    for parameter in project.usage.own_parameters(route):
        schema = project.schemas.of(parameter.shape.cls) if parameter.kind == "body" else None
        for ending in _ENDINGS if schema is not None else ():
            models = project.models.by_name.get(schema.name.removesuffix(ending), []) if schema is not None else []
            if schema is not None and schema.name.endswith(ending) and len(models) == 1:
                yield schema, models[0]


def _unanswered(function: Function, fields: set[str], project: Project) -> Place | None:
    """The write, when nobody looks at the unique fields before and nobody catches what the database says."""
    reached = _reached(function, project)
    writes = [f.place(node, "writes") for f in reached for node in project.work.of(f).writes]
    if not writes or not all(project.exceptions.reaches_client(function, kind) for kind in _REFUSED):
        return None
    for current in reached:
        attributes = (a for a in current.all(ast.Attribute) if isinstance(a.ctx, ast.Load) and a.attr in fields)
        texts = (c for c in current.all(ast.Constant) if c.value in fields)
        clauses = (h.type for h in current.all(ast.ExceptHandler))
        if any(attributes) or any(texts) or any(t is None or _catches(t) for t in clauses):
            return None
    return writes[0]


def _catches(kind: ast.expr) -> bool:
    return any(word in ast.unparse(kind) for word in ("IntegrityError", "SQLAlchemyError", "DBAPIError", "Exception"))


def _reached(function: Function, project: Project) -> list[Function]:
    """The function and those it calls, some calls deep."""
    found = {function: None}
    level = [function]
    for _ in range(MAX_HOPS):
        targets = (t for f in level for site in project.calls.sites(f) for t in site.targets if t.module.kind == "app")
        level = [t for t in dict.fromkeys(targets) if t not in found]
        found.update(dict.fromkeys(level))
    return list(found)
