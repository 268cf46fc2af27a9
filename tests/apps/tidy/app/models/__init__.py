"""Importing this package registers every table, which is what alembic/env.py relies on."""

from app.models.base import Base
from app.models.book import Author, Book, Subject, book_subjects
from app.models.loan import Hold, Loan
from app.models.user import LIBRARIAN, MEMBER, User

__all__ = ["LIBRARIAN", "MEMBER", "Author", "Base", "Book", "Hold", "Loan", "Subject", "User", "book_subjects"]
