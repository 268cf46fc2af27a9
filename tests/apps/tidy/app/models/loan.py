from datetime import date
from typing import TYPE_CHECKING

from sqlalchemy import Date, ForeignKey, Index, UniqueConstraint, text
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base

if TYPE_CHECKING:
    from app.models.book import Book
    from app.models.user import User


class Loan(Base):
    __tablename__ = "loans"

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id", ondelete="RESTRICT"), index=True)
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    lent_on: Mapped[date] = mapped_column(Date)
    due_on: Mapped[date] = mapped_column(Date, index=True)
    returned_on: Mapped[date | None] = mapped_column(Date)

    book: Mapped["Book"] = relationship(back_populates="loans", lazy="raise")
    user: Mapped["User"] = relationship(back_populates="loans", lazy="raise")


# A book is lent at most once at a time, also when two desks click at the same moment.
Index(
    "uq_loans_open_book",
    Loan.book_id,
    unique=True,
    postgresql_where=text("returned_on IS NULL"),
    sqlite_where=text("returned_on IS NULL"),
)


class Hold(Base):
    __tablename__ = "holds"
    # Starts with book_id, so the foreign key on it needs no second index.
    __table_args__ = (UniqueConstraint("book_id", "user_id"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    book_id: Mapped[int] = mapped_column(ForeignKey("books.id", ondelete="CASCADE"))
    user_id: Mapped[int] = mapped_column(ForeignKey("users.id", ondelete="CASCADE"), index=True)
    expires_on: Mapped[date] = mapped_column(Date)
