"""Reads that give every request the same answer."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

ROUTES = "\n".join(f'@router.get("/a{i}")\ndef read_{i}(): ...' for i in range(10))
APP = """
from fastapi import APIRouter, Depends, FastAPI
from sqlalchemy import create_engine, select
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

class Base(DeclarativeBase): ...

class Setting(Base):
    __tablename__ = "settings"
    key: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str]

SessionLocal = sessionmaker(create_engine("sqlite://"))

def get_db():
    with SessionLocal() as db:
        yield db
"""


def project_of(folder: Path, code: str, routes: str = ROUTES) -> list[tuple[str, int, int]]:
    text = f"{APP}\n{code}\n{routes}\napp = FastAPI()\napp.include_router(router)\n"
    found = make(folder, {"main.py": text}).repeated_reads.all
    return [(r.function.name, r.routes, len(r.places)) for r in found]


@pytest.mark.parametrize(
    ("guard", "found"),
    [
        ("    return db.scalars(select(Setting).where(Setting.key == 'closed')).first()", [("guard", 10, 0)]),
        ("    statement = select(Setting)\n    return db.scalars(statement).first()", [("guard", 10, 0)]),
        ("    return db.scalars(select(Setting).where(Setting.key == name)).first()", []),
        ("    wanted = name.upper()\n    return db.scalars(select(Setting).where(Setting.key == wanted)).first()", []),
        ("    if name == 'dev':\n        return db.scalars(select(Setting)).first()", []),
        ("    global cache\n    cache = db.scalars(select(Setting)).all()", []),
    ],
)
def test_dependency_of_many_routes(tmp_path: Path, guard: str, found: list[tuple[str, int, int]]) -> None:
    code = f"def guard(name: str, db: Session = Depends(get_db)):\n{guard}\n\n"
    assert project_of(tmp_path, code + "router = APIRouter(dependencies=[Depends(guard)])") == found


@pytest.mark.parametrize(("key", "found"), [("'k{i}'", [("lookup", 0, 10)]), ("name", [])])
def test_lookups_of_fixed_keys(tmp_path: Path, key: str, found: list[tuple[str, int, int]]) -> None:
    code = "def lookup(key: str, db: Session):\n    return db.get(Setting, key)\n\nrouter = APIRouter()"
    routes = "\n".join(
        f'@router.get("/a{i}")\ndef read_{i}(name: str, db: Session = Depends(get_db)):\n'
        f"    return lookup({key.format(i=i)}, db)"
        for i in range(10)
    )
    assert project_of(tmp_path, code, routes) == found
