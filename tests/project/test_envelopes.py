"""Relationships that a response model reads on rows inside a page, and rows whose model is named by a string."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

MODELS = """
    from sqlalchemy import ForeignKey
    from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column, relationship

    class Base(DeclarativeBase):
        pass

    class Author(Base):
        __tablename__ = "authors"
        id: Mapped[int] = mapped_column(primary_key=True)
        books: Mapped[list["Book"]] = relationship(back_populates="author")

    class Book(Base):
        __tablename__ = "books"
        id: Mapped[int] = mapped_column(primary_key=True)
        author_id: Mapped[int] = mapped_column(ForeignKey("authors.id"), index=True)
        author: Mapped[Author] = relationship(back_populates="books")

    def class_of(name: str):
        return next(m.class_ for m in Base.registry.mappers if m.class_.__name__ == name)
"""
HEAD = """
    from typing import Generic, TypeVar
    from fastapi import FastAPI
    from fastapi_pagination import Page as LibraryPage
    from fastapi_pagination.ext.sqlalchemy import paginate
    from pydantic import BaseModel, ConfigDict
    from sqlalchemy import create_engine, func, select
    from sqlalchemy.orm import Session, selectinload
    from models import Author, Book, class_of

    app = FastAPI()
    T = TypeVar("T")

    class BookOut(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        id: int

    class AuthorOut(BaseModel):
        model_config = ConfigDict(from_attributes=True)
        id: int
        books: list[BookOut]

    class Authors(BaseModel):
        items: list[AuthorOut]
        total: int

    class Page(BaseModel, Generic[T]):
        items: list[T]
        total: int

    def find(session, model, limit=10):
        kind = class_of(model)
        query = session.query(kind)
        return {"items": query.limit(limit).all(), "total": query.count()}

    def load(session: Session, statement):
        return {"items": session.scalars(statement).all(), "total": 1}
"""


@pytest.mark.parametrize(
    ("response", "body", "found"),
    [
        ("Authors", 'return {"items": s.scalars(select(Author)).all(), "total": 1}', True),
        ("Authors", 'found = {"items": s.scalars(select(Author)).all(), "total": 1}\n        return found', True),
        ("Authors", "return Authors(items=s.scalars(select(Author)).all(), total=1)", True),
        ("Page[AuthorOut]", "return Page(items=s.scalars(select(Author)).all(), total=1)", True),
        ("LibraryPage[AuthorOut]", "return paginate(s, select(Author))", True),
        ("LibraryPage[AuthorOut]", "return paginate(s, select(Author).options(selectinload(Author.books)))", False),
        ("LibraryPage[BookOut]", "return paginate(s, select(Author))", False),
        ("Authors", 'return find(s, model="Author")', True),
        ("Authors", "return find(s, 'authors')", True),
        ("Authors", 'return find(s, model="Book")', False),
        ("Authors", "return load(s, select(Author))", True),
        ("Authors", "return load(s, select(Author).options(selectinload(Author.books)))", False),
        (
            "Authors",
            'return {"items": s.scalars(select(Author).options(selectinload(Author.books))).all(), "total": 1}',
            False,
        ),
        ("Authors", 'return {"total": s.scalars(select(Author)).all(), "items": []}', False),
        ("dict", 'return {"items": s.scalars(select(Author)).all(), "total": 1}', False),
    ],
)
def test_rows_in_a_page(tmp_path: Path, response: str, body: str, found: bool) -> None:
    route = f"""
    @app.get("/authors", response_model={response})
    def authors(s: Session):
        {body}
"""
    project = make(tmp_path, {"models.py": MODELS, "main.py": HEAD + route})
    reads = [(r.relationship.name, r.field) for r in project.lazy_reads]
    assert reads == ([("books", "AuthorOut.books")] if found else [])
