from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, NotFoundError
from app.models import Author, Book
from app.repositories.books import BookRepository
from app.schemas.books import AuthorCreate, BookCreate, BookFilter


class BookService:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session
        self.books = BookRepository(session)

    async def search(self, wanted: BookFilter) -> tuple[list[Book], int]:
        return await self.books.search(wanted.text, wanted.author_id, wanted.sort, wanted.limit, wanted.offset)

    async def get(self, book_id: int) -> Book:
        book = await self.books.get(book_id)
        if book is None:
            raise NotFoundError("No such book")
        return book

    async def create(self, new: BookCreate) -> Book:
        author = await self.session.get(Author, new.author_id)
        if author is None:
            raise NotFoundError("No such author")
        subjects = await self.books.subjects_named(new.subjects)
        book = Book(**new.model_dump(exclude={"subjects"}), author=author, subjects=subjects)
        try:
            await self.books.add(book)
        except IntegrityError as error:
            raise ConflictError("A book with this ISBN exists") from error
        await self.session.commit()
        return book

    async def delete(self, book_id: int) -> None:
        book = await self.get(book_id)
        try:
            await self.books.delete(book)
        except IntegrityError as error:
            raise ConflictError("This book has loans") from error
        await self.session.commit()

    async def create_author(self, new: AuthorCreate) -> Author:
        author = Author(name=new.name)
        try:
            await self.books.add(author)
        except IntegrityError as error:
            raise ConflictError("This author exists") from error
        await self.session.commit()
        return author
