from fastapi import APIRouter, Depends, status

from app.dependencies import BookServiceDep, SessionDep, current_user, require_librarian
from app.errors import NotFoundError
from app.models import Author
from app.schemas.books import AuthorCreate, AuthorPublic
from app.schemas.common import ErrorOut

router = APIRouter(
    prefix="/authors",
    tags=["authors"],
    dependencies=[Depends(current_user)],
    responses={401: {"model": ErrorOut}, 403: {"model": ErrorOut}, 404: {"model": ErrorOut}},
)


@router.get("/{author_id}")
async def read_author(author_id: int, session: SessionDep) -> AuthorPublic:
    """One author."""
    author = await session.get(Author, author_id)
    if author is None:
        raise NotFoundError("No such author")
    return AuthorPublic.model_validate(author)


@router.post(
    "",
    status_code=status.HTTP_201_CREATED,
    dependencies=[Depends(require_librarian)],
    responses={409: {"model": ErrorOut}},
)
async def create_author(new: AuthorCreate, books: BookServiceDep) -> AuthorPublic:
    """Add an author to the catalogue."""
    return AuthorPublic.model_validate(await books.create_author(new))
