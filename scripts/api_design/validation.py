"""Request models whose rules do not hold: validators that crash, patterns that match anything, None for NOT NULL
columns."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from api_design.dimension import api
from api_design.routes import handlers
from check import HIGH, MEDIUM, Found, Hit
from project import Function, Place, Project, Scope
from project.language.literals import text
from project.language.scopes import parents
from project.routing.schemas import Schema, Validator

_KEY_ERRORS = frozenset("builtins.KeyError builtins.LookupError builtins.Exception builtins.BaseException".split())


@api.check(
    "API023",
    "validator-key-error",
    title="Validator that crashes on invalid input",
    impact=MEDIUM,
    anti_pattern=4,
    fix="Read the other field with .get(), or check with `in` first.",
)
def validator_key_error(project: Project) -> Found:
    """A validator gets only the fields that passed before it. The key of a field that failed, or was not sent, is
    missing:
    the KeyError is no validation error, so bad input is answered with 500 instead of 422.

    Source: Pydantic, Validators - Validation data,
    https://docs.pydantic.dev/latest/concepts/validators/#validation-data ; pydantic 2.14

    Bad:
        from fastapi import FastAPI
        from pydantic import BaseModel, ValidationInfo, field_validator, model_validator

        class Range(BaseModel):
            low: int
            high: int

            @field_validator("high")
            @classmethod
            def above(cls, value: int, info: ValidationInfo) -> int:
                if value <= info.data["low"]:  # API023
                    raise ValueError("high must be above low")
                return value

            @model_validator(mode="before")
            @classmethod
            def from_text(cls, data: dict) -> dict:
                data["low"] = int(data["low"])  # API023
                return data

        app = FastAPI()

        @app.post("/ranges")
        def create_range(range: Range) -> int:
            return range.low
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel, model_validator

        class Range(BaseModel):
            low: int
            high: int

            @model_validator(mode="after")
            def above(self) -> "Range":
                if self.high <= self.low:
                    raise ValueError("high must be above low")
                return self

        app = FastAPI()

        @app.post("/ranges")
        def create_range(range: Range) -> int:
            return range.low
    Not this:
        from fastapi import FastAPI
        from pydantic import BaseModel, ValidationInfo, field_validator, model_validator

        class Range(BaseModel):
            low: int
            high: int

            @field_validator("high")
            @classmethod
            def above(cls, value: int, info: ValidationInfo) -> int:
                if "low" in info.data and value <= info.data["low"]:
                    raise ValueError("high must be above low")
                return value

            @model_validator(mode="before")
            @classmethod
            def from_text(cls, data: dict) -> dict:
                try:
                    data["low"] = int(data["low"])
                except KeyError:
                    raise ValueError("low is missing")
                return data

        class Internal(BaseModel):
            low: int

            @model_validator(mode="before")
            @classmethod
            def from_text(cls, data: dict) -> dict:
                data["low"] = int(data["low"])
                return data

        app = FastAPI()

        @app.post("/ranges")
        def create_range(range: Range) -> int:
            return Internal(low=range.low).low
    """
    bodies = project.usage.bodies
    seen: set[Function] = set()
    for schema in project.schemas.all:
        if schema.cls not in bodies:
            continue
        for validator in schema.validators:
            if validator.function in seen:
                continue
            seen.add(validator.function)
            yield from _unchecked_keys(schema, validator, project)


def _unchecked_keys(schema: Schema, validator: Validator, project: Project) -> Iterator[Hit]:
    function = validator.function
    name = _data_parameter(validator)
    if not name:
        return
    checked = _checked_keys(function, name)
    for node in function.all(ast.Subscript):
        key = node.slice.value if isinstance(node.slice, ast.Constant) else None
        if not isinstance(node.ctx, ast.Load) or not isinstance(key, str) or ast.unparse(node.value) != name:
            continue
        if key not in checked and not _is_caught(node, function, project):
            message = (
                f"{name}[{key!r}] is missing when `{key}` was not sent or failed: the KeyError makes "
                f"it a 500, not a 422"
            )
            yield Hit(function.place(node), message, (schema.place,))
            return


def _data_parameter(validator: Validator) -> str:
    """What holds the other fields in a validator, "" when none does."""
    names = [arg.arg for arg, _ in validator.function.params]
    if validator.kind == "validator":
        return "values" if "values" in names[2:] else ""
    if validator.kind == "field_validator":
        return f"{names[2]}.data" if len(names) > 2 else ""
    if validator.kind == "root_validator":
        return names[1] if len(names) > 1 else ""
    given = validator.decorator.keywords if isinstance(validator.decorator, ast.Call) else []
    before = any(k.arg == "mode" and isinstance(k.value, ast.Constant) and k.value.value == "before" for k in given)
    return names[1] if validator.kind == "model_validator" and before and len(names) > 1 else ""


def _checked_keys(function: Function, name: str) -> set[str]:
    """Keys that the function asks for with `in` or `.get`, or sets itself."""
    found: set[str] = set()
    for compare in function.all(ast.Compare):
        if (
            isinstance(compare.ops[0], (ast.In, ast.NotIn))
            and isinstance(compare.left, ast.Constant)
            and name in ast.unparse(compare.comparators[0])
        ):
            found.add(str(compare.left.value))
    for call in function.all(ast.Call):
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in ("get", "setdefault", "pop")
            and call.args
            and isinstance(call.args[0], ast.Constant)
        ):
            found.add(str(call.args[0].value))
    for node in function.all(ast.Subscript):
        if isinstance(node.ctx, ast.Store) and isinstance(node.slice, ast.Constant) and not _reads_itself(node):
            found.add(str(node.slice.value))
    return found


def _reads_itself(target: ast.Subscript) -> bool:
    """Whether the key is set from its own old value."""
    holder = target.__dict__.get("parent")
    value = getattr(holder, "value", None)
    return isinstance(value, ast.AST) and any(
        ast.unparse(n) == ast.unparse(target) for n in ast.walk(value) if isinstance(n, ast.Subscript)
    )


def _is_caught(node: ast.AST, function: Function, project: Project) -> bool:
    for holder in parents(node):
        if isinstance(holder, ast.Try):
            for handler in holder.handlers:
                types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
                if handler.type is None or any(
                    t is not None and project.names.canonical(t, function) in _KEY_ERRORS for t in types
                ):
                    return True
    return False


@api.check(
    "API024",
    "pattern-anchors-one-branch",
    title="Pattern whose anchors hold for one alternative only",
    impact=HIGH,
    anti_pattern=4,
    fix="Put the alternatives into a group, ^(?:a|b)$, or write a validator for rules that must all hold.",
)
def pattern_anchors_one_branch(project: Project) -> Found:
    """In `^a|b|c$` the anchors belong to the first and last alternative; the others match anywhere in the text, so
    nearly
    every input passes. Pydantic searches, it does not match the whole text.

    Source: Python, re - Regular Expression Syntax,
    https://docs.python.org/3/library/re.html#regular-expression-syntax ; pydantic 2.14

    Bad:
        from typing import Annotated

        from pydantic import BaseModel, Field

        class UserCreate(BaseModel):
            password: Annotated[str, Field(pattern=r"^.{8,}|[0-9]+|[A-Z]+$")]  # API024
    Good:
        from pydantic import BaseModel, Field

        class UserCreate(BaseModel):
            kind: str = Field(pattern=r"^(?:admin|guest)$")
    Not this:
        from pydantic import BaseModel, Field

        class UserCreate(BaseModel):
            kind: str = Field(pattern=r"^admin$|^guest$")
            prefix: str = Field(pattern=r"^a|^b")
            part: str = Field(pattern=r"cat|dog")
            escaped: str = Field(pattern=r"^a[|]b\\|c$")
    """
    for schema in project.schemas.all:
        if schema.cls.module.kind == "app":
            for field in schema.own_fields.values():
                yield from _pattern(field.info, field.owner, field.place, f"{schema.name}.{field.name}", project)
    seen: set[Place] = set()
    for handler in handlers(project):
        for parameter in project.usage.parameters(handler.route):
            scope = parameter.function.parent or parameter.function.module
            if parameter.marker and parameter.place not in seen:
                seen.add(parameter.place)
                yield from _pattern(parameter.info, scope, parameter.place, parameter.name, project)


def _pattern(info: dict[str, ast.expr], scope: Scope, place: Place, name: str, project: Project) -> Iterator[Hit]:
    written = text(info.get("pattern") or info.get("regex"), scope, project.names)
    if written and _is_half_anchored(written):
        yield Hit(place, f"The pattern of {name} anchors only one of its alternatives, so the others match anywhere")


def _is_half_anchored(pattern: str) -> bool:
    parts = _alternatives(pattern)
    if len(parts) < 2:
        return False
    starts, ends = {p.startswith("^") for p in parts}, {p.endswith("$") and not p.endswith("\\$") for p in parts}
    return len(starts) == 2 or len(ends) == 2


def _alternatives(pattern: str) -> list[str]:
    """Alternatives of a regular expression at its top level."""
    parts, start, depth, in_class = [], 0, 0, False
    i = 0
    while i < len(pattern):
        char = pattern[i]
        if char == "\\":
            i += 1
        elif in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        elif char in "()":
            depth += 1 if char == "(" else -1
        elif char == "|" and depth == 0:
            parts.append(pattern[start:i])
            start = i + 1
        i += 1
    return [*parts, pattern[start:]]
