"""Status codes and exceptions that handlers return instead of raising them."""

from __future__ import annotations

import ast

from api_design.dimension import api
from api_design.routes import handlers
from check import HIGH, INFERRED, RESOLVED, Found, Hit
from project import Function, Project
from project.language.value_types import Awaitable, Instance


@api.check(
    "API008",
    "flask-style-return",
    title="Status code or exception returned instead of raised",
    impact=HIGH,
    anti_pattern=7,
    fix="Raise HTTPException(status, detail), or set status_code in the decorator or on an injected Response.",
)
def flask_style_return(project: Project) -> Found:
    """FastAPI sends a returned tuple as a JSON array with status 200, a returned HTTPException as a 200 too, or as a
    500 where a response model is declared.

    Source: FastAPI, Handling Errors, https://fastapi.tiangolo.com/tutorial/handling-errors/ ; fastapi 0.165

    Bad:
        from fastapi import FastAPI, HTTPException, status

        app = FastAPI()

        @app.get("/items/{item_id}")
        def read_item(item_id: int):
            if item_id == 1:
                return {"error": "not found"}, 404  # API008
            if item_id == 2:
                return "no", status.HTTP_403_FORBIDDEN  # API008
            if item_id == 3:
                return HTTPException(404, "not found")  # API008
            return {"id": item_id}
    Good:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        @app.get("/items/{item_id}")
        def read_item(item_id: int):
            if item_id == 1:
                raise HTTPException(404, "not found")
            return {"id": item_id}
    Not this:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        def not_found(what: str) -> HTTPException:
            return HTTPException(404, what)

        @app.get("/range")
        def read_range(low: int) -> tuple[int, int]:
            return low, 404

        @app.get("/pair")
        def read_pair(low: int):
            return low, 7

        @app.get("/items/{item_id}")
        def read_item(item_id: int) -> dict:
            def answer():
                return {"a": 1}, 404
            body, _ = answer()
            if item_id == 1:
                raise not_found("item")
            return body
    """
    for handler in handlers(project):
        answer = project.usage.answer(handler.route)
        tuples = answer.said and any(s.dotted == "builtins.tuple" for s in answer.shape.walk())
        for value in project.usage.returned(handler.function):
            place = handler.function.place(value)
            if isinstance(value, ast.Tuple) and not tuples and _ends_in_status(value, handler.function, project):
                message = (
                    f"{handler.label} returns a tuple: the client gets status {handler.route.status_code} "
                    f"and a JSON array of both parts"
                )
                yield Hit(place, message)
            elif sure := _is_exception(value, handler.function, project):
                message = (
                    f"{handler.label} returns an HTTPException: the client gets status {handler.route.status_code} "
                    f"with its fields as body"
                )
                yield Hit(place, message, certainty=sure)


def _ends_in_status(value: ast.Tuple, function: Function, project: Project) -> bool:
    if len(value.elts) not in (2, 3):
        return False
    status = value.elts[1]
    if isinstance(status, ast.Constant):
        return type(status.value) is int and 200 <= status.value < 600 and not isinstance(value.elts[0], ast.Constant)
    return (project.names.canonical(status, function) or "").startswith(("starlette.status.HTTP_", "http.HTTPStatus."))


def _is_exception(value: ast.expr, function: Function, project: Project) -> str:
    """How certain it is that the value is an HTTPException, "" when it is not."""
    for found in project.values.of(value, function):
        inner = found.value if isinstance(found, Awaitable) and found.value is not None else found
        if isinstance(inner, Instance) and project.names.derives(
            inner.cls, "fastapi.HTTPException", "starlette.exceptions.HTTPException"
        ):
            return INFERRED if inner.certainty == INFERRED else RESOLVED
    return ""
