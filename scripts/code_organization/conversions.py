"""Conversions of what clients send that fail with a 500."""

from __future__ import annotations

import ast

from check import INFERRED, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.calls import CallSite
from project.language.literals import keyword
from project.language.names import External

_VALUE_ERROR = External("builtins.ValueError")
MAX_STEPS = 3
# Calls that raise on text of the wrong form, and what they raise.
CONVERSIONS = {
    **dict.fromkeys(
        "builtins.int builtins.float uuid.UUID datetime.datetime.fromisoformat datetime.datetime.strptime "
        "datetime.date.fromisoformat datetime.time.fromisoformat "
        "ipaddress.ip_address ipaddress.ip_network".split(),
        _VALUE_ERROR,
    ),
    "json.loads": External("json.JSONDecodeError"),
    **dict.fromkeys(("base64.b64decode", "base64.urlsafe_b64decode"), External("binascii.Error")),
    "bson.ObjectId": External("bson.errors.InvalidId"),
    "bson.objectid.ObjectId": External("bson.errors.InvalidId"),
    "decimal.Decimal": External("decimal.InvalidOperation"),
    "zoneinfo.ZoneInfo": External("zoneinfo.ZoneInfoNotFoundError"),
}
_TOKENIZERS = tuple(
    f"tiktoken.{maker}.encode"
    for maker in ("Encoding", "core.Encoding", "get_encoding()", "encoding_for_model()", "model.encoding_for_model()")
)


@organization.check(
    "ORG017",
    "conversion-of-input-unanswered",
    title="Conversion of input that ends in a 500",
    impact=MEDIUM,
    anti_pattern=7,
    fix="Declare the type in the signature or model, so that FastAPI answers 422; else catch the error where it rises.",
)
def conversion_unanswered(project: Project) -> Found:
    """Text that cannot be converted raises inside the handler: the client's mistake is logged as the server's.

    The tokenizer of tiktoken refuses texts with special tokens such as `<|endoftext|>` unless told otherwise.

    Source: FastAPI, Path Parameters with types, https://fastapi.tiangolo.com/tutorial/path-params/

    Bad:
        import uuid
        from datetime import datetime

        import tiktoken
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()
        encoding = tiktoken.get_encoding("cl100k_base")

        class Prompt(BaseModel):
            text: str
            since: str

        @app.get("/items/{item_id}")
        def read_item(item_id: str) -> str:
            return uuid.UUID(item_id).hex  # ORG017

        @app.post("/count")
        def count(prompt: Prompt) -> int:
            if datetime.fromisoformat(prompt.since).year < 2000:
                return 0
            return len(encoding.encode(prompt.text))  # ORG017
    Good:
        import uuid
        from datetime import datetime

        import tiktoken
        from fastapi import FastAPI
        from pydantic import BaseModel

        app = FastAPI()
        encoding = tiktoken.get_encoding("cl100k_base")

        class Prompt(BaseModel):
            text: str
            since: datetime

        @app.get("/items/{item_id}")
        def read_item(item_id: uuid.UUID) -> str:
            return item_id.hex

        @app.post("/count")
        def count(prompt: Prompt) -> int:
            return len(encoding.encode(prompt.text, disallowed_special=()))
    Not this:
        import json
        import os
        from datetime import datetime

        from fastapi import FastAPI, HTTPException, Query

        app = FastAPI()

        @app.get("/a")
        def read_a(page: int, since: str, limit: str = Query(pattern="^[0-9]+$")) -> int:
            try:
                start = datetime.fromisoformat(since)
            except ValueError as error:
                raise HTTPException(422, "since is no date") from error
            return int(page) + start.year + int(os.environ["SIZE"])

        @app.get("/c")
        def read_c(options: str) -> int:
            try:
                return len(json.loads(options))
            except json.JSONDecodeError as error:
                raise HTTPException(422, "options are no JSON") from error

        @app.get("/b")
        def read_b(size: str) -> int:
            if not size.isdigit():
                raise HTTPException(422, "size is no number")
            return int(size) + len(json.loads("[]"))
    """
    tokenized: list[CallSite] = []
    converted: list[tuple[CallSite, str, External]] = []
    for function in project.requests.functions:
        for site in project.calls.sites(function):
            name = next((n for n in site.names if n in CONVERSIONS or n in _TOKENIZERS), "")
            if not name or site.call is None or not site.call.args:
                continue
            kind = CONVERSIONS.get(name, _VALUE_ERROR)
            if project.exceptions.stopped(site.node, kind, function) or not _leaves(project, function, kind):
                continue
            if name in _TOKENIZERS:
                if not _allows_special(site.call) and not isinstance(site.call.args[0], ast.Constant):
                    tokenized.append(site)
            elif _takes_input(project, site.call, function):
                converted.append((site, name, kind))
    yield from _tokenized(tokenized)
    yield from _converted(converted)


def _leaves(project: Project, function: Function, kind: External) -> bool:
    return project.exceptions.reaches_client(function, kind)


def _allows_special(call: ast.Call) -> bool:
    return keyword(call, "disallowed_special", "allowed_special") is not None


def _takes_input(project: Project, call: ast.Call, function: Function) -> bool:
    """Whether text of the request is converted, and nothing in the function looks at its form before."""
    if not isinstance(call.args[0], (ast.Name, ast.Attribute)):
        return False
    way = project.origins.way(call.args[0], function)
    if way is None or len(way.places) > MAX_STEPS:
        return False
    names = {n.id for n in ast.walk(call.args[0]) if isinstance(n, ast.Name)}
    checks = (
        c.func.value
        for c in function.all(ast.Call)
        if isinstance(c.func, ast.Attribute) and c.func.attr in ("isdigit", "isdecimal", "isnumeric")
    )
    return not any(isinstance(n, ast.Name) and n.id in names for value in checks for n in ast.walk(value))


def _tokenized(found: list[CallSite]) -> Found:
    if found:
        first, *more = sorted(found, key=lambda site: site.place())
        message = f"encode raises ValueError when a text holds a special token such as <|endoftext|>{_more(more)}"
        yield Hit(first.place(), message, certainty=INFERRED, places=tuple(s.place() for s in more))


def _converted(found: list[tuple[CallSite, str, External]]) -> Found:
    if found:
        (site, name, kind), *more = sorted(found, key=lambda entry: entry[0].place())
        error = kind.dotted.removeprefix("builtins.")
        call = name.removeprefix("builtins.")
        message = f"{call} of what the client sends raises {error}, answered as 500 instead of 422{_more(more)}"
        yield Hit(site.place(), message, places=tuple(s.place() for s, _, _ in more))


def _more(found: list[CallSite] | list[tuple[CallSite, str, External]]) -> str:
    return f", and at {len(found)} more place{'s' if len(found) > 1 else ''}" if found else ""
