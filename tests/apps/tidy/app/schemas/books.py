from decimal import Decimal
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from app.schemas.common import Isbn

Title = Annotated[str, Field(min_length=1, max_length=300)]
Year = Annotated[int, Field(ge=1400, le=2100)]
Price = Annotated[Decimal, Field(ge=0, max_digits=8, decimal_places=2)]
SubjectNames = Annotated[list[Annotated[str, Field(min_length=1, max_length=80)]], Field(max_length=20)]


class AuthorCreate(BaseModel):
    name: Annotated[str, Field(min_length=1, max_length=200)]


class AuthorPublic(AuthorCreate):
    model_config = ConfigDict(from_attributes=True)

    id: int


class SubjectPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    name: str


class BookCreate(BaseModel):
    isbn: Isbn
    title: Title
    year: Year
    replacement_price: Price
    author_id: int
    subjects: SubjectNames = []


class BookSummary(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    isbn: str
    title: str


class BookPublic(BookSummary):
    year: int
    replacement_price: Decimal
    author: AuthorPublic
    subjects: list[SubjectPublic]


class BookFilter(BaseModel):
    """Query parameters of the catalogue."""

    text: Annotated[str | None, Field(max_length=100)] = None
    author_id: int | None = None
    sort: Literal["title", "year"] = "title"
    limit: Annotated[int, Field(ge=1, le=100)] = 50
    offset: Annotated[int, Field(ge=0)] = 0


class BookMetadata(BaseModel):
    isbn: str
    title: str
    author: str
