"""Rows that a library gives as dicts, read as objects."""

from __future__ import annotations

import ast
from collections import defaultdict

from check import HIGH, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.dataflow import reaching
from project.language.literals import keyword

_READS = frozenset(f"fastcrud.FastCRUD.{m}" for m in ("get", "get_joined", "get_multi", "get_multi_joined"))
_OF_DICTS = frozenset(dir(dict))
MAX_STEPS = 3


@organization.check(
    "ORG020",
    "dict-read-as-object",
    title="Dict read as if it were an object",
    impact=HIGH,
    anti_pattern=7,
    fix="Read it as a dict, or pass return_as_model=True with schema_to_select.",
)
def dict_read_as_object(project: Project) -> Found:
    """FastCRUD's reads give dicts unless return_as_model is set: an attribute of one is an AttributeError, so a 500.

    `cast` tells type checkers otherwise and changes nothing; tests that replace the read by a model hide it.

    Source: FastCRUD, https://github.com/benavlabs/fastcrud ; fastcrud 0.15 and 0.23, FastCRUD.get

    Bad:
        from typing import Annotated, cast

        from fastapi import Depends, FastAPI
        from fastcrud import FastCRUD
        from pydantic import BaseModel
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)

        class UserRead(BaseModel):
            id: int

        app = FastAPI()
        crud_users = FastCRUD(User)

        async def get_db() -> AsyncSession: ...

        @app.get("/users/{user_id}")
        async def read_user(user_id: int, db: Annotated[AsyncSession, Depends(get_db)]) -> int:
            user = await crud_users.get(db=db, id=user_id, schema_to_select=UserRead)
            user = cast(UserRead, user)
            return user.id  # ORG020
    Good:
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from fastcrud import FastCRUD
        from pydantic import BaseModel
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)

        class UserRead(BaseModel):
            id: int

        app = FastAPI()
        crud_users = FastCRUD(User)

        async def get_db() -> AsyncSession: ...

        @app.get("/users/{user_id}")
        async def read_user(user_id: int, db: Annotated[AsyncSession, Depends(get_db)]) -> int:
            user = await crud_users.get(db=db, id=user_id, schema_to_select=UserRead)
            return user["id"] if user else 0
    Not this:
        from typing import Annotated

        from fastapi import Depends, FastAPI
        from fastcrud import FastCRUD
        from pydantic import BaseModel
        from sqlalchemy.ext.asyncio import AsyncSession
        from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "users"
            id: Mapped[int] = mapped_column(primary_key=True)

        class UserRead(BaseModel):
            id: int

        app = FastAPI()
        crud_users = FastCRUD(User)

        async def get_db() -> AsyncSession: ...

        @app.get("/users/{user_id}")
        async def read_user(user_id: int, db: Annotated[AsyncSession, Depends(get_db)]) -> list[str]:
            user = await crud_users.get(db=db, id=user_id, schema_to_select=UserRead, return_as_model=True)
            found = await crud_users.get(db=db, id=user_id)
            if user.id == 1:
                found = UserRead(id=1)
                return [str(found.id)]
            return list(found.keys())
    """
    found: dict[Function, list[ast.Attribute]] = defaultdict(list)
    reading = dict.fromkeys(site.scope for site in project.calls.named(_READS))
    for function in (scope for scope in reading if isinstance(scope, Function)):
        for node in function.all(ast.Attribute):
            wanted = isinstance(node.ctx, ast.Load) and node.attr not in _OF_DICTS
            if wanted and isinstance(node.value, ast.Name) and _is_dict_row(node.value, function, project):
                found[function].append(node)
    if found:
        reads = sorted((f.place(node), node) for f, nodes in found.items() for node in nodes[:1])
        (first, node), *more = reads
        rest = f"; {len(more)} more functions do likewise" if more else ""
        message = f"FastCRUD gives a dict here: .{node.attr} is an AttributeError, answered as 500{rest}"
        yield Hit(first, message, places=tuple(place for place, _ in more))


def _is_dict_row(name: ast.Name, function: Function, project: Project, depth: int = 0) -> bool:
    """Whether all that the name may be at this place are dicts of FastCRUD."""
    bindings = reaching(function, name.id, name) if depth < MAX_STEPS else []
    return bool(bindings) and all(
        b.kind == "assign" and b.index is None and _is_read(b.value, function, project, depth) for b in bindings
    )


def _is_read(value: ast.expr | None, function: Function, project: Project, depth: int) -> bool:
    value = value.value if isinstance(value, ast.Await) else value
    if isinstance(value, ast.Name):
        return _is_dict_row(value, function, project, depth + 1)
    if not isinstance(value, ast.Call):
        return False
    site = project.calls.site(value, function)
    if "typing.cast" in site.names and len(value.args) == 2:
        return _is_read(value.args[1], function, project, depth + 1)
    return bool(_READS.intersection(site.names)) and keyword(value, "return_as_model") is None
