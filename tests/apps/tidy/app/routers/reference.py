from pathlib import Path
from typing import Annotated

from fastapi import APIRouter, Query
from pydantic import BaseModel

from app.dependencies import MetadataDep
from app.schemas.books import BookMetadata
from app.schemas.common import ErrorOut, Isbn

HOUSE_RULES = Path(__file__).parent.parent / "house_rules.txt"

router = APIRouter(prefix="/reference", tags=["reference"], responses={401: {"model": ErrorOut}})


class HouseRules(BaseModel):
    text: str


@router.get("/book-metadata", responses={502: {"model": ErrorOut}})
async def list_book_metadata(
    isbn: Annotated[list[Isbn], Query(min_length=1, max_length=10)], metadata: MetadataDep
) -> list[BookMetadata]:
    """Title and author of up to ten books from the metadata service."""
    return await metadata.look_up(isbn)


@router.get("/house-rules")
def read_house_rules() -> HouseRules:
    """The rules of the house. A plain `def`: reading the file blocks, so it belongs in the threadpool."""
    return HouseRules(text=HOUSE_RULES.read_text(encoding="utf-8"))
