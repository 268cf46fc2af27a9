"""Answers that depend on how an exception is worded."""

from __future__ import annotations

from collections import defaultdict

from check import LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Class, Project
from project.serving.error_texts import ErrorText, error_texts


@organization.check(
    "ORG022",
    "status-by-error-text",
    title="Status chosen by the text of an exception",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Raise and catch a class for each case, or read a code the error carries.",
)
def status_by_error_text(project: Project) -> Found:
    """A reworded message turns the 404 into a 500, and no test tells.

    Source: Python, Errors and Exceptions, https://docs.python.org/3/tutorial/errors.html#user-defined-exceptions

    Bad:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        @app.delete("/orders/{key}")
        def delete_order(key: int) -> None:
            try:
                delete(key)
            except ValueError as error:
                if "not found" in str(error).lower():  # ORG022
                    raise HTTPException(404, "no such order") from error
                raise HTTPException(400, "not now") from error

        def delete(key: int) -> None:
            raise ValueError("order not found")
    Good:
        from fastapi import FastAPI, HTTPException

        app = FastAPI()

        class OrderNotFound(Exception): ...

        @app.delete("/orders/{key}")
        def delete_order(key: int) -> None:
            try:
                delete(key)
            except OrderNotFound as error:
                raise HTTPException(404, "no such order") from error

        def delete(key: int) -> None:
            raise OrderNotFound(key)
    Not this:
        from fastapi import FastAPI, HTTPException
        from sqlalchemy.exc import IntegrityError

        app = FastAPI()

        @app.post("/orders")
        def create_order(number: str) -> None:
            try:
                store(number)
            except IntegrityError as error:
                if "uq_order_number" in str(error.orig):
                    raise HTTPException(409, "number is taken") from error
                raise
            except KeyError as error:
                raise HTTPException(400, f"no {error}") from error
            except OSError as error:
                if "timed out" in str(error):
                    note("slow disk")
                raise

        def store(number: str) -> None: ...

        def note(text: str) -> None: ...
    """
    found: dict[str, list[ErrorText]] = defaultdict(list)
    for question in error_texts(project):
        found[question.place.path].append(question)
    for questions in found.values():
        first, *more = sorted(questions, key=lambda q: (not _is_own(project, q), q.place.line))
        many = f" ({len(questions)} places in this file)" if more else ""
        message = f"{first.function.name} answers by what the exception says: {first.asked[:80]}{many}"
        impact = MEDIUM if _is_own(project, first) else LOW
        trace = project.requests.trace(first.function)
        yield Hit(first.place, message, trace, impact, places=tuple(q.place for q in more))


def _is_own(project: Project, question: ErrorText) -> bool:
    """Whether the text may be one of the project: anything but what a library alone raises can have its own class."""
    if question.clause is None:
        return True
    kinds = project.exceptions.caught_kinds(question.clause, question.function)
    return any(isinstance(kind, Class) or (kind is not None and kind.dotted.startswith("builtins.")) for kind in kinds)
