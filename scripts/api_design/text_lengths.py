"""Request models that let longer text through than the column holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from api_design.dimension import api
from api_design.nulls import reached
from api_design.wording import listed
from check import BY_NAME, LOW, Found, Hit
from project import Project
from project.data.models import Model
from project.data.table_parts import Column
from project.language.scopes import subtree
from project.place import Place
from project.routing.schemas import Field, Schema

SHORTEST = 8  # what is shorter holds codes of currencies, countries, languages, which are looked up
_ASIDE = frozenset("Create Update Add New Patch Edit In Input Request Param Params Schema Body Payload".split())
_PLAIN_TEXT = frozenset(("str", "Optional", "Union", "None", "Annotated", "Field", "Body"))
_SIZED = ("String", "VARCHAR", "Unicode", "CHAR", "NVARCHAR")
_DATABASE_ERRORS = ("DataError", "SQLAlchemyError", "DBAPIError")
_CHANGED = re.compile(r"passw|secret|token|hash", re.IGNORECASE)


@api.check(
    "API033",
    "text-longer-than-column",
    title="Text that may be longer than its column",
    impact=LOW,
    anti_pattern=4,
    fix="Give the field of the request model the `max_length` of the column.",
)
def text_longer_than_column(project: Project) -> Found:
    """PostgreSQL and MySQL refuse text longer than the column: the client's mistake is a 500 instead of a 422.

    Source: PostgreSQL, Character Types, https://www.postgresql.org/docs/current/datatype-character.html

    Bad:
        # app/models.py
        from sqlalchemy import String
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(30))
            note: Mapped[str | None] = mapped_column(String(200))
        # app/api.py
        from fastapi import FastAPI
        from pydantic import BaseModel, Field

        class TierCreate(BaseModel):
            name: str = Field(examples=["free"])  # API033
            note: str | None = None

        app = FastAPI()

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> int:
            return store(tier.model_dump())
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel, Field
        from sqlalchemy import String
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(30))

        class TierCreate(BaseModel):
            name: str = Field(max_length=30)

        app = FastAPI()

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> int:
            return 1
    Not this:
        from enum import StrEnum
        from typing import Annotated, Literal

        from fastapi import FastAPI, HTTPException
        from pydantic import BaseModel, StringConstraints, field_validator
        from sqlalchemy import String, Text
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        Name = Annotated[str, StringConstraints(max_length=30)]

        class Base(DeclarativeBase): ...

        class Tier(Base):
            __tablename__ = "tiers"
            id: Mapped[int] = mapped_column(primary_key=True)
            name: Mapped[str] = mapped_column(String(30))
            kind: Mapped[str] = mapped_column(String(10))
            code: Mapped[str] = mapped_column(String(12))
            currency: Mapped[str] = mapped_column(String(3))
            note: Mapped[str] = mapped_column(Text)
            rest: Mapped[str] = mapped_column(String)
            password: Mapped[str] = mapped_column(String(255))

        class TierCreate(BaseModel):
            name: Name
            kind: Literal["a", "b"]
            code: str
            currency: str
            note: str
            rest: str
            password: str

            @field_validator("code")
            @classmethod
            def short(cls, value: str) -> str:
                return value[:12]

        class TierRead(BaseModel):
            name: str

        class TierUpdate(BaseModel):
            code: str

        app = FastAPI()

        @app.patch("/tiers/{tier_id}")
        def update_tier(tier_id: int, tier: TierUpdate) -> int:
            if len(tier.code) > 12:
                raise HTTPException(422, "too long")
            return 1

        @app.post("/tiers", status_code=201)
        def create_tier(tier: TierCreate) -> TierRead:
            return TierRead(name=tier.name)
    """
    if project.running.databases == {"sqlite"} or _answered(project):
        return
    found = [(s, m, f) for s in project.schemas.all for m, f in _unbounded(s, project)]
    places = {field.place: (schema, model, field) for schema, model, field in found}  # a field may be inherited
    if not places:
        return
    (first, (schema, model, field)), *more = places.items()
    column = model.columns[field.name]
    rest = f"; {len(more)} more fields of {listed(_names(more))}" if more else ""
    message = (
        f"`{field.name}` of {schema.name} may be of any length, {model.name} holds {_length(column)} characters{rest}"
    )
    yield Hit(first, message, (column.place,), certainty=BY_NAME, places=tuple(place for place, _ in more))


def _names(found: list[tuple[Place, tuple[Schema, Model, Field]]]) -> list[str]:
    return list(dict.fromkeys(schema.name for _, (schema, _, _) in found))


def _answered(project: Project) -> bool:
    """Whether the application answers errors of the database in a way of its own."""
    return any(getattr(kind, "dotted", "").endswith(_DATABASE_ERRORS) for kind, _ in project.exceptions.registered)


def _unbounded(schema: Schema, project: Project) -> Iterator[tuple[Model, Field]]:
    model = _model_of(schema, project)
    if model is None or any(v.kind in ("model_validator", "root_validator") for v in schema.validators):
        return
    if any(setting.name in ("str_max_length", "max_anystr_length") for setting in schema.config.values()):
        return
    checked = {name for v in schema.validators for name in v.fields}
    for field in schema.fields.values():
        column = model.columns.get(field.name)
        if column is None or _length(column) is None or {field.name, "*"} & checked or schema.cls is column.owner:
            continue
        if (
            _is_plain_text(field, project)
            and not _CHANGED.search(field.name)
            and not _looked_at(field, schema, project)
        ):
            yield model, field


def _model_of(schema: Schema, project: Project) -> Model | None:
    """The table that a request model is named after (`UserUpdate`, `CreateUserParam`: `User`)."""
    uses = project.usage.bodies.get(schema.cls, [])
    if not {m for use in uses if not use.path for m in use.route.methods} & {"POST", "PUT", "PATCH"}:
        return None
    name = "".join(word for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z0-9]*", schema.name) if word not in _ASIDE)
    models = project.models.by_name.get(name, []) if name != schema.name else []
    return models[0] if len(models) == 1 else None


def _looked_at(field: Field, schema: Schema, project: Project) -> bool:
    """Whether code that takes the model asks for the length of the text, or whether it is one of several."""
    for function in reached(schema, project):
        lengths = (c.args[0] for c in function.all(ast.Call) if ast.unparse(c.func) == "len" and c.args)
        choices = (c.left for c in function.all(ast.Compare) if isinstance(c.ops[0], (ast.In, ast.NotIn)))
        if any(getattr(e, "attr", getattr(e, "id", "")) == field.name for e in (*lengths, *choices)):
            return True
    return False


def _length(column: Column) -> int | None:
    """How many characters a column holds, None where it is no text, without a stated length or for codes."""
    kind = column.type
    if not isinstance(kind, ast.Call) or column.type_name.rsplit(".", 1)[-1] not in _SIZED:
        return None
    given = [*kind.args[:1], *(k.value for k in kind.keywords if k.arg == "length")]
    found = given[0].value if given and isinstance(given[0], ast.Constant) else None
    return found if isinstance(found, int) and found >= SHORTEST else None


def _is_plain_text(field: Field, project: Project) -> bool:
    """Whether a field takes any text: written as `str` alone, not by an alias, without length, pattern or choice."""
    names = {n.id for n in subtree(field.annotation) if isinstance(n, ast.Name)}
    shape = project.shapes.of(field.annotation, field.owner)
    heads = {shape.dotted, *(a.dotted for a in shape.args)}
    return (
        "builtins.str" in heads and names <= _PLAIN_TEXT and not {"max_length", "pattern", "regex"} & field.info.keys()
    )
