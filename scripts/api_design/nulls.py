"""Request models that let None through to columns that refuse it."""

from __future__ import annotations

import ast
from collections import defaultdict

from api_design.dimension import api
from api_design.wording import listed
from check import BY_NAME, LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.data.models import Model
from project.language.shapes import NONE
from project.routing.schemas import Field, Schema

_CREATES = ("Create", "In", "Input", "Request", "New", "Add")
_UPDATES = ("Update", "Patch", "Edit", "UpdateMe")
_DATABASE_ERRORS = ("IntegrityError", "SQLAlchemyError", "DBAPIError")


@api.check(
    "API025",
    "null-for-not-null-column",
    title="Request model that lets None into a NOT NULL column",
    impact=MEDIUM,
    anti_pattern=4,
    fix="Make the field required or give it a value; in PATCH `x: str = Field(default=None)` refuses null only.",
)
def null_for_not_null_column(project: Project) -> Found:
    """The model accepts what the table refuses: the IntegrityError of the database becomes a 500 instead of a 422.

    Source: Pydantic, Fields - Default values, https://docs.pydantic.dev/latest/concepts/fields/ ; SQLAlchemy,
    mapped_column nullable,
    https://docs.sqlalchemy.org/en/20/orm/declarative_tables.html

    Bad:
        # app/models.py
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            note: Mapped[str | None]
        # app/schemas.py
        from pydantic import BaseModel

        class TierCreate(BaseModel):
            name: str | None = None  # API025
            note: str | None = None

        class TierUpdate(BaseModel):
            name: str | None = None  # API025
        # app/api.py
        from fastapi import FastAPI
        from app.schemas import TierCreate, TierUpdate

        app = FastAPI()

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> int:
            return store(tier.model_dump())

        @app.patch("/tiers/{tier_id}")
        def update_tier(tier_id: int, tier: TierUpdate) -> int:
            return change(tier_id, tier.model_dump(exclude_unset=True))
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]

        class TierCreate(BaseModel):
            name: str

        app = FastAPI()

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> int:
            return 1
    Not this:
        from fastapi import FastAPI
        from pydantic import BaseModel, field_validator
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str]
            rank: Mapped[int] = mapped_column(default=1)

        class TierCreate(BaseModel):
            rank: int | None = None
            other: str | None = None

        class TierUpdate(BaseModel):
            name: str | None = None

            @field_validator("name")
            @classmethod
            def some(cls, value: str | None) -> str:
                if value is None:
                    raise ValueError("name cannot be null")
                return value

        class TierPatch(BaseModel):
            name: str | None = None

        app = FastAPI()

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> int:
            return 1

        @app.put("/tiers/{tier_id}")
        def update_tier(tier_id: int, tier: TierUpdate) -> int:
            return 1

        @app.patch("/tiers/{tier_id}")
        def patch_tier(tier_id: int, tier: TierPatch) -> dict:
            return tier.model_dump(exclude_none=True)
    """
    if any(getattr(kind, "dotted", "").endswith(_DATABASE_ERRORS) for kind, _ in project.exceptions.registered):
        return
    updates: list[tuple[Schema, Model, Field]] = []
    for schema in project.schemas.all:
        found = _model_of(schema, project)
        if found is None:
            continue
        model, is_update = found
        fields = [f for f in schema.fields.values() if _may_be_none(f, schema, model, is_update, project)]
        fields = [f for f in fields if not _fills(f, schema, model, project)]
        if is_update and fields and _passes_null(schema, project):
            updates.extend((schema, model, f) for f in fields)
        elif fields and not is_update:
            names = listed([f"`{f.name}`" for f in fields])
            message = (
                f"{schema.name} may leave out {names}, but the column of {model.name} is NOT NULL without "
                f"default: 500 instead of 422"
            )
            yield Hit(fields[0].place, message, certainty=BY_NAME, places=tuple(f.place for f in fields[1:]))
    if updates:
        yield _null_updates(updates)


def _model_of(schema: Schema, project: Project) -> tuple[Model, bool] | None:
    """The table a request model is named after (`UserUpdate`, `User`), and whether it updates."""
    uses = project.usage.bodies.get(schema.cls, [])
    methods = {m for use in uses if not use.path for m in use.route.methods}
    for endings, is_update, wanted in ((_UPDATES, True, {"PATCH", "PUT"}), (_CREATES, False, {"POST"})):
        for ending in endings:
            if schema.name.endswith(ending) and methods & wanted:
                models = project.models.by_name.get(schema.name[: -len(ending)], [])
                return (models[0], is_update) if len(models) == 1 else None
    return None


def _may_be_none(field: Field, schema: Schema, model: Model, is_update: bool, project: Project) -> bool:
    column = model.columns.get(field.name)
    if column is None or column.nullable is not False or column.primary_key or schema.cls is column.owner:
        return False
    if not is_update and (column.default is not None or column.server_default):
        return False
    if field.default is None or not isinstance(field.default, ast.Constant) or field.default.value is not None:
        return False
    if any(
        v.kind in ("field_validator", "validator") and (field.name in v.fields or "*" in v.fields)
        for v in schema.validators
    ):
        return False
    if any(v.kind in ("model_validator", "root_validator") for v in schema.validators):
        return False
    shape = project.shapes.of(field.annotation, field.owner)
    return shape.optional and any(a.dotted != NONE for a in shape.args)


def reached(schema: Schema, project: Project) -> list[Function]:
    """Handlers that take the model, and the project functions they call, three calls deep."""
    found: dict[Function, None] = {}
    level = [use.route.function for use in project.usage.bodies.get(schema.cls, []) if use.route.function is not None]
    for _ in range(4):
        fresh = [f for f in dict.fromkeys(level) if f not in found]
        found.update(dict.fromkeys(fresh))
        level = [t for f in fresh for site in project.calls.sites(f) for t in site.targets if t.module.kind == "app"]
    return list(found)


def _passes_null(schema: Schema, project: Project) -> bool:
    """Whether what was sent is stored as it is: dumped without what was not sent, and nobody drops or asks for None."""
    functions = reached(schema, project)
    keywords = {k.arg for f in functions for call in f.all(ast.Call) for k in call.keywords}
    if "exclude_none" in keywords or any(_asks_fields(f, schema) or _drops_none(f) for f in functions):
        return False
    return "exclude_unset" in keywords or any(
        n.startswith("fastcrud.") for f in functions for site in project.calls.sites(f) for n in site.names
    )


def _fills(field: Field, schema: Schema, model: Model, project: Project) -> bool:
    """Whether code that takes the model gives the column a value of its own."""
    for function in reached(schema, project):
        for node in function.all(ast.Subscript):
            if (
                isinstance(node.ctx, ast.Store)
                and isinstance(node.slice, ast.Constant)
                and node.slice.value == field.name
            ):
                return True
        for attribute in function.all(ast.Attribute):
            if isinstance(attribute.ctx, ast.Store) and attribute.attr == field.name:
                return True
        for call in function.all(ast.Call):
            if any(k.arg == field.name for k in call.keywords) and ast.unparse(call.func).endswith(
                (model.name, "update", "model_validate")
            ):
                return True
    return False


def _drops_none(function: Function) -> bool:
    """Whether a loop over what was sent asks each value for None, or a failed write is caught."""
    names = {name.id for loop in function.all(ast.For) for name in ast.walk(loop.target) if isinstance(name, ast.Name)}
    names |= {n.id for c in function.all(ast.comprehension) for n in ast.walk(c.target) if isinstance(n, ast.Name)}
    for compare in function.all(ast.Compare):
        if (
            isinstance(compare.left, ast.Name)
            and compare.left.id in names
            and isinstance(compare.ops[0], (ast.Is, ast.IsNot))
        ):
            return True
    caught = [h.type for h in function.all(ast.ExceptHandler) if h.type is not None]
    return any("IntegrityError" in ast.unparse(t) or "SQLAlchemyError" in ast.unparse(t) for t in caught)


def _asks_fields(function: Function, schema: Schema) -> bool:
    """Whether a function sets fields one by one under a condition, as `if item_in.name: item.name = item_in.name`
    does."""
    for branch in function.all(ast.If):
        asked = {n.attr for n in ast.walk(branch.test) if isinstance(n, ast.Attribute)} & schema.fields.keys()
        stored = {
            t.attr for s in branch.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Attribute)
        }
        if asked & stored:
            return True
    return False


def _null_updates(found: list[tuple[Schema, Model, Field]]) -> Hit:
    by_schema: dict[str, list[str]] = defaultdict(list)
    for schema, _, field in found:
        by_schema[schema.name].append(field.name)
    (_, _, field), *more = found
    names = listed([f"{name} ({listed(fields)})" for name, fields in by_schema.items()], 2)
    message = f"An explicit null passes {names} and reaches a NOT NULL column: a database error instead of 422"
    return Hit(field.place, message, certainty=BY_NAME, impact=LOW, places=tuple(f.place for _, _, f in more))
