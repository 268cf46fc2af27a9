"""Idioms of Pydantic v1 in a project that runs v2."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator

from api_design.dimension import api
from api_design.wording import counted
from check import HIGH, INFERRED, LOW, MEDIUM, Found, Hit
from project import Project
from project.routing.pydantic_v1 import DEPRECATED, IGNORED, RAISES, Leftover
from project.routing.schemas import Schema

MINOR = frozenset("schema_extra keep_untouched error_msg_templates getter_dict json_dumps json_loads".split())


@api.check(
    "API007",
    "pydantic-v1-leftover",
    title="Pydantic v1 idiom under v2",
    impact=MEDIUM,
    anti_pattern=4,
    fix="Write it the v2 way, as the message says; bump-pydantic does most of it.",
)
def pydantic_v1_leftover(project: Project) -> Found:
    """Under Pydantic v2 some v1 idioms raise, some are ignored, at best with a warning (aliases, variable names,
    limits are then lost), the others are deprecated and go with v3.

    Source: Pydantic, Migration Guide, https://docs.pydantic.dev/latest/migration/ ; pydantic 2.14

    Bad:
        # requirements.txt
        fastapi==0.165.0
        pydantic==2.14.3
        # app/schemas.py
        from pydantic import BaseModel, Field, validator

        class OrderIn(BaseModel):
            customer_id: int = Field(alias="customerId")
            note: str

            class Config:  # API007
                allow_population_by_field_name = True  # API007

            @validator("note")  # API007
            def strip(cls, value):
                return value.strip()
        # app/settings.py
        from pydantic import Field
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            database_url: str = Field("sqlite://", env="DB_URL")  # API007
        # app/legacy.py
        from fastapi import FastAPI
        from pydantic.v1 import BaseModel

        class Legacy(BaseModel):  # API007
            name: str

        app = FastAPI()

        @app.post("/legacy")
        def create(legacy: Legacy) -> int:
            return 1
        # app/api.py
        from app.schemas import OrderIn

        def store(order: OrderIn, session):
            session.execute(order.dict(exclude_unset=True))  # API007
    Good:
        # requirements.txt
        pydantic==2.14.3
        # app/schemas.py
        from pydantic import BaseModel, ConfigDict, Field, field_validator

        class OrderIn(BaseModel):
            model_config = ConfigDict(validate_by_name=True, validate_by_alias=True)
            customer_id: int = Field(alias="customerId")

            @field_validator("customer_id")
            @classmethod
            def positive(cls, value: int) -> int:
                return abs(value)

        def store(order: OrderIn, session):
            session.execute(order.model_dump(exclude_unset=True))
    Not this:
        # requirements.txt
        pydantic==2.14.3
        # app/clients.py
        import httpx
        from pydantic import BaseModel
        from pydantic.v1 import BaseModel as Frozen

        class Event(BaseModel):
            name: str

            def dict(self):
                return {"name": self.name}

        class Legacy(Frozen):
            name: str

            class Config:
                orm_mode = True

        class Parser:
            class Config:
                orm_mode = True

        def read(event: Event, defaults: dict):
            answer = httpx.get("https://rates.test").json()
            return event.dict(), defaults.copy(), answer
    """
    version = project.running.pydantic
    if version == 1:
        return
    certainty = INFERRED if version is None else ""
    left = defaultdict(list)
    for leftover in project.pydantic_v1:
        if leftover.effect == DEPRECATED:
            left[leftover.idiom, leftover.instead].append(leftover)
        else:
            yield _broken(leftover, certainty)
    for (idiom, instead), found in left.items():
        yield _deprecated(idiom, instead, found, certainty)
    yield from _required_optionals(project)
    yield from _unsupported(project)


def _broken(leftover: Leftover, certainty: str) -> Hit:
    does = "raises under Pydantic v2" if leftover.effect == RAISES else "is silently ignored by Pydantic v2"
    message = f"{leftover.idiom} {does}: {leftover.harm}; today it is {leftover.instead}"
    impact = MEDIUM if leftover.idiom in MINOR else HIGH
    return Hit(leftover.place, message, impact=impact, certainty=certainty or leftover.certainty)


def _deprecated(idiom: str, instead: str, found: list[Leftover], certainty: str) -> Hit:
    first, *more = sorted(found, key=lambda x: x.place)
    message = (
        f"{idiom} is deprecated since Pydantic v2 and goes with v3 ({counted(len(found), 'place')}); "
        f"today it is {instead}"
    )
    places = tuple(x.place for x in more)
    return Hit(first.place, message, impact=LOW, certainty=certainty or first.certainty, places=places)


def _unsupported(project: Project) -> Iterator[Hit]:
    """Models of `pydantic.v1` in routes, which FastAPI no longer takes."""
    if not project.stack.at_least("fastapi", "0.128"):
        return
    for schema in project.schemas.all:
        uses = [*project.usage.bodies.get(schema.cls, []), *project.usage.responses.get(schema.cls, [])]
        if schema.is_v1 and uses:
            message = (
                f"{schema.name} is a pydantic.v1 model in a route: FastAPI raises PydanticV1NotSupportedError at start"
            )
            yield Hit(schema.place, message, impact=HIGH)


def _required_optionals(project: Project) -> Iterator[Hit]:
    """`Optional[X]` without default in models written for v1: optional there, required now."""
    old = {id(x.cls): x.cls for x in project.pydantic_v1 if x.cls is not None and x.effect in (IGNORED, RAISES)}
    bodies = project.usage.bodies if old else {}
    for cls in old.values():
        schema = project.schemas.of(cls)
        if schema is not None and cls in bodies:
            yield from _required(schema, project)


def _required(schema: Schema, project: Project) -> Iterator[Hit]:
    fields = [f for f in schema.own_fields.values() if f.required and project.shapes.of(f.annotation, f.owner).optional]
    if fields:
        names = ", ".join(f.name for f in fields)
        message = (
            f"{schema.name}: {names} had the default None under Pydantic v1 and must be sent under v2; write `= None`"
        )
        yield Hit(fields[0].place, message, certainty=INFERRED, places=tuple(f.place for f in fields[1:]))
