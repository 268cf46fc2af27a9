from typing import Annotated

from fastapi import APIRouter, Depends, Query, status

from app.dependencies import BookServiceDep, current_user, require_librarian
from app.schemas.books import BookCreate, BookFilter, BookPublic
from app.schemas.common import ErrorOut, Page

router = APIRouter(
    prefix="/books",
    tags=["books"],
    dependencies=[Depends(current_user)],
    responses={401: {"model": ErrorOut}, 403: {"model": ErrorOut}, 404: {"model": ErrorOut}},
)


@router.get("")
async def list_books(wanted: Annotated[BookFilter, Query()], books: BookServiceDep) -> Page[BookPublic]:
    """Search the catalogue."""
    found, total = await books.search(wanted)
    return Page(items=[BookPublic.model_validate(book) for book in found], total=total)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(require_librarian)],
    responses={409: {"model": ErrorOut}},
)
async def create_book(new: BookCreate, books: BookServiceDep) -> BookPublic:
    """Add a book to the catalogue."""
    return BookPublic.model_validate(await books.create(new))


@router.get("/{book_id}")
async def read_book(book_id: int, books: BookServiceDep) -> BookPublic:
    """One book with its author and subjects."""
    return BookPublic.model_validate(await books.get(book_id))


@router.delete(
    "/{book_id}",
    status_code=status.HTTP_204_NO_CONTENT,
    dependencies=[Depends(require_librarian)],
    responses={409: {"model": ErrorOut}},
)
async def delete_book(book_id: int, books: BookServiceDep) -> None:
    """Take a book that was never lent out of the catalogue."""
    await books.delete(book_id)
