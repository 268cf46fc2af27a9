"""Pydantic models that serve two purposes at once."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from api_design.dimension import api
from api_design.routes import named
from api_design.wording import listed
from check import HIGH, MEDIUM, Found, Hit
from project import Class, Place, Project
from project.routing.routes import Route
from project.routing.schemas import Field, Schema
from project.routing.usage import Use

SECRET = frozenset("password passwd hashed_password password_hash passwordhash pwd_hash".split())
PRIVILEGE = frozenset("is_admin is_superuser is_staff is_root admin superuser role balance credits".split())
OWNER = frozenset("owner_id user_id created_by created_by_id tenant_id author_id account_id".split())
TIMES = frozenset(
    "created_at updated_at createdat updatedat created_on updated_on date_created date_joined last_login".split()
)


@api.check(
    "API003",
    "shared-request-response-model",
    title="One model for table, request and response",
    impact=MEDIUM,
    anti_pattern=4,
    fix="Split it: a shared base, a model for each kind of input, and one with just what clients may see.",
)
def shared_request_response_model(project: Project) -> Found:
    """What clients may send and what they may see differ: with one model for both they can set what the server owns,
    or see what is private. A table class as request body is not validated at all.

    Source: FastAPI, Extra Models, https://fastapi.tiangolo.com/tutorial/extra-models/ ; SQLModel, Multiple Models
    with FastAPI,
    https://sqlmodel.tiangolo.com/tutorial/fastapi/multiple-models/

    Bad:
        # app/schemas.py
        from pydantic import BaseModel

        class User(BaseModel):  # API003
            id: int | None = None
            email: str
            password: str
            is_admin: bool = False
        # app/models.py
        from sqlmodel import Field, SQLModel

        class Hero(SQLModel, table=True):  # API003
            id: int | None = Field(default=None, primary_key=True)
            name: str
        # app/api.py
        from fastapi import FastAPI
        from app.models import Hero
        from app.schemas import User

        app = FastAPI()

        @app.post("/users", status_code=201)
        def create_user(user: User) -> User:
            return user

        @app.post("/heroes", status_code=201)
        def create_hero(hero: Hero) -> Hero:
            return hero
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        class UserBase(BaseModel):
            email: str

        class UserCreate(UserBase):
            password: str

        class UserPublic(UserBase):
            id: int

        app = FastAPI()

        @app.post("/users", status_code=201)
        def create_user(user: UserCreate) -> UserPublic:
            return UserPublic(id=1, email=user.email)
    Not this:
        from datetime import datetime

        from fastapi import FastAPI
        from pydantic import BaseModel, Field
        from sqlmodel import Field as Column
        from sqlmodel import SQLModel

        class Point(BaseModel):
            x: int
            y: int

        class Preferences(BaseModel):
            id: str
            theme: str

        class ItemBase(BaseModel):
            name: str

        class ItemPublic(ItemBase):
            id: int
            created_at: datetime

        class Secret(BaseModel):
            password: str = Field(exclude=True)

        class Row(SQLModel, table=True):
            id: int | None = Column(default=None, primary_key=True)

        app = FastAPI()

        @app.post("/move")
        def move(point: Point) -> Point:
            return point

        @app.put("/preferences")
        def write_preferences(preferences: Preferences) -> Preferences:
            return preferences

        @app.post("/items", status_code=201)
        def create_item(item: ItemBase) -> ItemPublic:
            return ItemPublic(id=1, name=item.name, created_at=datetime.now())

        @app.post("/secret", status_code=201)
        def create_secret(secret: Secret) -> Secret:
            return secret
    """
    for schema in project.schemas.all:
        if schema.cls.module.kind != "app":
            continue
        bodies, responses = _direct(project.usage.bodies, schema.cls), _direct(project.usage.responses, schema.cls)
        if schema.is_table:
            yield from _table(schema, bodies, responses)
        elif bodies and responses:
            yield from _shared(schema, bodies, responses, project)


def _direct(uses: dict[Class, list[Use]], cls: Class) -> list[Use]:
    """Uses as the type itself or as items of a list, not below another model."""
    return [
        use for use in uses.get(cls, []) if not use.path and (use.parameter is None or use.parameter.kind == "body")
    ]


def _table(schema: Schema, bodies: list[Use], responses: list[Use]) -> Iterator[Hit]:
    if bodies:
        message = (
            f"Table class {schema.name} is the request body of {_routes(bodies)}: nothing is validated, "
            f"every column can be set"
        )
        yield Hit(schema.place, message, impact=HIGH, places=_places([*bodies, *responses]))
    elif responses:
        message = (
            f"Table class {schema.name} is the response of {_routes(responses)}: every column goes out, new ones too"
        )
        yield Hit(schema.place, message, impact=_impact(schema.fields.values()), places=_places(responses))


def _shared(schema: Schema, bodies: list[Use], responses: list[Use], project: Project) -> Iterator[Hit]:
    fields = [f for f in schema.fields.values() if _is_servers(f, project)]
    if fields:
        names = listed([f.name for f in fields], 4)
        message = f"{schema.name} is both request ({_routes(bodies)}) and response ({_routes(responses)}), with {names}"
        few = all(project.guard_matrix.is_for_admins(use.route) for use in (*bodies, *responses))
        impact = MEDIUM if few else _impact(fields)
        yield Hit(schema.place, message, impact=impact, places=_places([*bodies, *responses]))


def _is_servers(field: Field, project: Project) -> bool:
    """Whether a field is one the server sets or hides: secrets, rights, owners, times, an id that may be missing."""
    if field.excluded:
        return False
    if field.name == "id":
        return project.shapes.of(field.annotation, field.owner).optional
    return field.name.lower() in SECRET | PRIVILEGE | OWNER | TIMES


def _impact(fields: Iterable[Field]) -> str:
    return HIGH if any(f.name.lower() in SECRET | PRIVILEGE and not f.excluded for f in fields) else MEDIUM


def _routes(uses: list[Use]) -> str:
    return listed(list(dict.fromkeys(named(use.route) for use in uses)), 1)


def _places(uses: list[Use]) -> tuple[Place, ...]:
    found: dict[tuple[str, int], Place] = {}
    for use in uses:
        place = _place(use.route)
        found.setdefault((place.path, place.line), place)
    return tuple(found.values())[:20]


def _place(route: Route) -> Place:
    assert route.function is not None
    return route.function.place(label=named(route))
