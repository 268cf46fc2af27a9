"""Examples in the OpenAPI document that the models they stand for would not take."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from api_design.dimension import api
from api_design.wording import listed
from check import LOW, Found, Hit
from project import Place, Project
from project.routing.schemas import Schema

MAX_DEPTH = 4


@api.check(
    "API027",
    "example-does-not-fit",
    title="Example that its own model refuses",
    impact=LOW,
    anti_pattern=4,
    fix="Correct the example, or build it from the model: Model(...).model_dump().",
)
def example_does_not_fit(project: Project) -> Found:
    """Examples are what people paste first. One with a misspelled or missing field gets a 422, or is half ignored.

    Source: FastAPI, Declare Request Example Data, https://fastapi.tiangolo.com/tutorial/schema-extra-example/

    Bad:
        from typing import Annotated

        from fastapi import Body, FastAPI
        from pydantic import BaseModel, ConfigDict

        class Item(BaseModel):
            model_config = ConfigDict(json_schema_extra={"examples": [{"name": "saw", "cost": 7}]})  # API027
            name: str
            price: int

        app = FastAPI()

        @app.post("/items")
        def create_item(item: Annotated[Item, Body(examples=[{"name": "saw"}])]) -> int:  # API027
            return item.price
    Good:
        from typing import Annotated

        from fastapi import Body, FastAPI
        from pydantic import BaseModel

        class Item(BaseModel):
            name: str
            price: int

        app = FastAPI()

        @app.post("/items")
        def create_item(item: Annotated[Item, Body(examples=[{"name": "saw", "price": 7}])]) -> int:
            return item.price
    Not this:
        from typing import Annotated

        from fastapi import Body, FastAPI
        from pydantic import BaseModel, ConfigDict, Field
        from pydantic.alias_generators import to_camel

        class Item(BaseModel):
            model_config = ConfigDict(json_schema_extra={"additionalProperties": True, "example": {"Name": "saw"}})
            name: str = Field(alias="Name")
            price: int = 7

        class Camel(BaseModel):
            model_config = ConfigDict(alias_generator=to_camel)
            first_name: str

        class Open(BaseModel):
            model_config = ConfigDict(extra="allow")
            name: str

        app = FastAPI()

        @app.post("/camels")
        def create_camel(camel: Annotated[Camel, Body(examples=[{"firstName": "x"}])]) -> int:
            return 1

        @app.post("/open")
        def create_open(item: Annotated[Open, Body(openapi_examples={"one": {"value": {"name": "x"}}})]) -> int:
            return 1
    """
    seen: set[Place] = set()
    for schema, example, place in _examples(project):
        if place not in seen:
            seen.add(place)
            wrong = next(_misfits(schema, example, project, ""), None)
            if wrong:
                yield Hit(place, f"The example of {schema.name} {wrong}")


def _examples(project: Project) -> Iterator[tuple[Schema, ast.Dict, Place]]:
    """Literal examples with the model they stand for, and where they stand."""
    used = project.usage.bodies.keys() | project.usage.responses.keys()
    for schema in project.schemas.all:
        for setting in project.schemas.configured(schema.cls) if schema.cls in used else ():
            if setting.name in ("json_schema_extra", "schema_extra") and isinstance(setting.value, ast.Dict):
                for example in _values(setting.value, "example", "examples"):
                    yield schema, example, setting.owner.place(example)
    for route in project.routes:
        for parameter in project.usage.parameters(route):
            found = project.schemas.of(parameter.shape.cls)
            if found is None or parameter.marker != "Body" or "embed" in parameter.info:
                continue
            for keyword in ("example", "examples", "openapi_examples"):
                for example in _unwrapped(parameter.info.get(keyword), keyword == "openapi_examples"):
                    yield found, example, parameter.function.place(example)


def _values(holder: ast.Dict, *keys: str) -> Iterator[ast.Dict]:
    for key, value in zip(holder.keys, holder.values, strict=True):
        if isinstance(key, ast.Constant) and key.value in keys:
            yield from _unwrapped(value, False)


def _unwrapped(value: ast.expr | None, named: bool) -> Iterator[ast.Dict]:
    """Examples of a list, of a dict of named ones (`{"one": {"value": ...}}`), or the one itself."""
    if isinstance(value, ast.List):
        yield from (item for item in value.elts if isinstance(item, ast.Dict))
    elif isinstance(value, ast.Dict):
        inner = [v for v in value.values if isinstance(v, ast.Dict)]
        wrapped = [example for one in inner for example in _values(one, "value")]
        if wrapped or named:
            yield from wrapped
        else:
            yield value


def _misfits(schema: Schema, example: ast.Dict, project: Project, path: str, depth: int = 0) -> Iterator[str]:
    """What the model would not take, the first things first."""
    keys = {str(k.value): v for k, v in zip(example.keys, example.values, strict=True) if isinstance(k, ast.Constant)}
    if len(keys) != len(example.keys) or not _is_readable(schema) or depth > MAX_DEPTH:
        return
    known = {name: field for field in schema.fields.values() for name in (field.name, *field.aliases)}
    unknown = [f"`{path}{key}`" for key in keys if key not in known]
    if unknown and schema.extra in ("ignore", "forbid") and not _rewrites_input(schema):
        yield f"has {listed(unknown)}, which the model {'refuses' if schema.extra == 'forbid' else 'does not have'}"
    optional_by_none = project.running.pydantic == 1
    for field in schema.fields.values():
        shape = project.shapes.of(field.annotation, field.owner)
        needed = field.required and not (optional_by_none and shape.optional)
        if needed and not {field.name, *field.aliases} & keys.keys() and not _rewrites_input(schema):
            yield f"lacks `{path}{field.name}`, which is required"
        inner = next((keys[n] for n in (field.name, *field.aliases) if n in keys), None)
        nested = project.schemas.of(shape.options[0].cls) if len(shape.options) == 1 else None
        if nested is not None and isinstance(inner, ast.Dict):
            yield from _misfits(nested, inner, project, f"{path}{field.name}.", depth + 1)


def _is_readable(schema: Schema) -> bool:
    """Whether all names of fields are known, and the model is an object."""
    return (
        "alias_generator" not in schema.config
        and schema.is_complete
        and "pydantic.RootModel" not in schema.external_bases
    )


def _rewrites_input(schema: Schema) -> bool:
    """Whether a validator may rename or fill in fields before they are read."""
    return any(v.kind in ("model_validator", "root_validator") for v in schema.validators)
