from sqlalchemy import Select, func, or_, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload, selectinload

from app.models import Author, Book, Subject

ORDERS = {"title": (Book.title, Book.id), "year": (Book.year, Book.id)}


class BookRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, book_id: int) -> Book | None:
        return await self.session.get(Book, book_id, options=[joinedload(Book.author), selectinload(Book.subjects)])

    async def search(
        self, text: str | None, author_id: int | None, sort: str, limit: int, offset: int
    ) -> tuple[list[Book], int]:
        matching = self.matching(text, author_id)
        books = await self.session.scalars(
            matching.options(joinedload(Book.author), selectinload(Book.subjects))
            .order_by(*ORDERS[sort])
            .limit(limit)
            .offset(offset)
        )
        total = await self.session.scalar(select(func.count()).select_from(matching.subquery()))
        return list(books), total or 0

    def matching(self, text: str | None, author_id: int | None) -> Select[Book]:
        statement = select(Book)
        if text:
            statement = statement.where(or_(Book.title.ilike(f"%{text}%"), Book.isbn == text))
        if author_id is not None:
            statement = statement.where(Book.author_id == author_id)
        return statement

    async def titles(self, book_ids: set[int]) -> dict[int, str]:
        """One query for any number of books."""
        rows = await self.session.execute(select(Book.id, Book.title).where(Book.id.in_(book_ids)))
        return {row.id: row.title for row in rows}

    async def subjects_named(self, names: list[str]) -> list[Subject]:
        """Existing subjects in one query, the missing ones made."""
        found = await self.session.scalars(select(Subject).where(Subject.name.in_(names)))
        known = {subject.name: subject for subject in found}
        subjects = []
        for name in dict.fromkeys(names):
            subject = known.get(name) or Subject(name=name)
            self.session.add(subject)
            subjects.append(subject)
        return subjects

    async def add(self, record: Book | Author) -> None:
        self.session.add(record)
        await self.session.flush()

    async def delete(self, book: Book) -> None:
        await self.session.delete(book)
        await self.session.flush()
