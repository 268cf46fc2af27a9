"""Fields of request models that are optional on paper only."""

from __future__ import annotations

import ast

from api_design.dimension import api
from check import LOW, Found, Hit
from project import Function, Project
from project.place import Place
from project.routing.schemas import Field, Schema


@api.check(
    "API030",
    "optional-field-always-required",
    title="Optional field that every use requires",
    impact=LOW,
    fix="Declare the field without default, in a model of its own where another route does without it.",
)
def optional_field_always_required(project: Project) -> Found:
    """OpenAPI tells clients that they may leave the field out; each handler then refuses them by hand.

    Source: FastAPI, Request Body, https://fastapi.tiangolo.com/tutorial/body/

    Bad:
        from fastapi import FastAPI, HTTPException
        from pydantic import BaseModel

        class OrderIn(BaseModel):
            sku: str | None = None  # API030
            note: str | None = None

        app = FastAPI()

        @app.post("/orders", status_code=201)
        def create_order(order: OrderIn) -> int:
            if order.sku is None:
                raise HTTPException(400, "sku is missing")
            return len(order.sku)

        @app.post("/quotes", status_code=201)
        def create_quote(order: OrderIn) -> int:
            if not order.sku:
                raise HTTPException(400, "sku is missing")
            return len(order.sku)
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel

        class OrderIn(BaseModel):
            sku: str
            note: str | None = None

        app = FastAPI()

        @app.post("/orders", status_code=201)
        def create_order(order: OrderIn) -> int:
            return len(order.sku)
    Not this:
        from fastapi import FastAPI, HTTPException
        from pydantic import BaseModel, model_validator

        class OrderIn(BaseModel):
            sku: str | None = None
            name: str | None = None

        class LineIn(BaseModel):
            name: str
            sku: str | None = None

            @model_validator(mode="after")
            def from_name(self) -> "LineIn":
                self.sku = self.sku or self.name
                return self

        class OrderPatch(BaseModel):
            sku: str | None = None
            name: str | None = None

        app = FastAPI()

        @app.post("/orders", status_code=201)
        def create_order(order: OrderIn) -> int:
            if order.sku is None:
                raise HTTPException(400, "sku is missing")
            return len(order.sku)

        @app.post("/lines", status_code=201)
        def create_line(line: LineIn) -> int:
            assert line.sku is not None
            return len(line.sku)

        @app.post("/drafts", status_code=201)
        def create_draft(order: OrderIn) -> int:
            return len(order.sku or "")

        @app.patch("/orders/{order_id}")
        def update_order(order_id: int, order: OrderPatch) -> int:
            if order.sku is None and order.name is None:
                raise HTTPException(400, "nothing to do")
            if order.name:
                if order.sku is None:
                    raise HTTPException(400, "a name needs a sku")
            return order_id
    """
    for schema in project.schemas.all:
        optional = {n: f for n, f in schema.fields.items() if _is_optional(f, schema, project)}
        uses = _uses(schema, project) if optional else []
        if not uses:
            continue
        for name, field in optional.items():
            refusals = [_refusal(function, parameter, name) for function, parameter in uses]
            places = tuple(r for r in refusals if r is not None)
            if len(places) == len(uses):
                message = f"`{name}` of {schema.name} is optional, but every handler that takes it refuses None"
                yield Hit(field.place, message, places)


def _is_optional(field: Field, schema: Schema, project: Project) -> bool:
    """Whether clients may leave the field out and no validator fills it then."""
    for validator in schema.validators:
        if validator.kind in ("model_validator", "root_validator") or {field.name, "*"} & set(validator.fields):
            return False
    none = isinstance(field.default, ast.Constant) and field.default.value is None
    return none and project.shapes.of(field.annotation, field.owner).optional


def _uses(schema: Schema, project: Project) -> list[tuple[Function, str]]:
    """Handlers that take the model as their body, with the parameter; [] when it is also used in other ways."""
    found: dict[tuple[Function, str], None] = {}
    for use in project.usage.bodies.get(schema.cls, []):
        function = use.route.function
        names = [p.name for p in project.usage.own_parameters(use.route) if p.shape.cls is schema.cls]
        if use.path or function is None or len(names) != 1:
            return []
        found[function, names[0]] = None
    return list(found)


def _refusal(function: Function, parameter: str, field: str) -> Place | None:
    """Where the function, before anything else may happen, refuses requests without the field."""
    for statement in function.body:
        if isinstance(statement, ast.Assert) and _says_given(statement.test, parameter, field):
            return function.place(statement, f"{function.name} refuses None")
        if isinstance(statement, ast.If) and isinstance(statement.body[-1], ast.Raise):
            tests = _alternatives(statement.test)
            if any(_says_missing(test, parameter, field) for test in tests):
                return function.place(statement, f"{function.name} refuses None")
        if isinstance(statement, (ast.Return, ast.Try, ast.With, ast.AsyncWith, ast.For, ast.While)):
            return None
    return None


def _alternatives(test: ast.expr) -> list[ast.expr]:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.Or):
        return test.values
    return [test]


def _says_missing(test: ast.expr, parameter: str, field: str) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _is_field(test.operand, parameter, field)
    return _compares(test, ast.Is, parameter, field)


def _says_given(test: ast.expr, parameter: str, field: str) -> bool:
    return _is_field(test, parameter, field) or _compares(test, ast.IsNot, parameter, field)


def _compares(test: ast.expr, operator: type[ast.cmpop], parameter: str, field: str) -> bool:
    if not isinstance(test, ast.Compare) or not isinstance(test.ops[0], operator):
        return False
    other = test.comparators[0]
    return isinstance(other, ast.Constant) and other.value is None and _is_field(test.left, parameter, field)


def _is_field(expr: ast.expr, parameter: str, field: str) -> bool:
    holder = expr.value if isinstance(expr, ast.Attribute) and expr.attr == field else None
    return isinstance(holder, ast.Name) and holder.id == parameter
