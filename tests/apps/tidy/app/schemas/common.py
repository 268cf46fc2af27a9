from typing import Annotated, Generic, TypeVar

from pydantic import BaseModel, Field, StringConstraints

Item = TypeVar("Item")

Isbn = Annotated[str, StringConstraints(pattern=r"^\d{13}$")]
Email = Annotated[str, StringConstraints(pattern=r"^[^@\s]+@[^@\s]+\.[^@\s]+$", max_length=254, to_lower=True)]
Password = Annotated[str, StringConstraints(min_length=12, max_length=128)]


class ErrorOut(BaseModel):
    detail: str


class Page(BaseModel, Generic[Item]):
    items: list[Item]
    total: Annotated[int, Field(ge=0)]
