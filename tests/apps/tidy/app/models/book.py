from decimal import Decimal
from typing import TYPE_CHECKING

from sqlalchemy import Column, ForeignKey, Integer, Numeric, String, Table
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base

if TYPE_CHECKING:
    from app.models.loan import Loan

# The primary key starts with book_id and serves look-ups by book; those by subject need their own index.
book_subjects = Table(
    "book_subjects",
    Base.metadata,
    Column("book_id", Integer, ForeignKey("books.id", ondelete="CASCADE"), primary_key=True),
    Column("subject_id", Integer, ForeignKey("subjects.id", ondelete="CASCADE"), primary_key=True, index=True),
)


class Author(Base):
    __tablename__ = "authors"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(200), unique=True)

    books: Mapped[list["Book"]] = relationship(back_populates="author", lazy="raise", passive_deletes=True)


class Subject(Base):
    __tablename__ = "subjects"

    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str] = mapped_column(String(80), unique=True)

    books: Mapped[list["Book"]] = relationship(secondary=book_subjects, back_populates="subjects", lazy="raise")


class Book(Base):
    __tablename__ = "books"

    id: Mapped[int] = mapped_column(primary_key=True)
    isbn: Mapped[str] = mapped_column(String(13), unique=True)
    title: Mapped[str] = mapped_column(String(300), index=True)
    year: Mapped[int]
    replacement_price: Mapped[Decimal] = mapped_column(Numeric(8, 2))
    author_id: Mapped[int] = mapped_column(ForeignKey("authors.id", ondelete="RESTRICT"), index=True)

    author: Mapped[Author] = relationship(back_populates="books", lazy="raise")
    subjects: Mapped[list[Subject]] = relationship(secondary=book_subjects, back_populates="books", lazy="raise")
    loans: Mapped[list["Loan"]] = relationship(back_populates="book", lazy="raise", passive_deletes=True)
