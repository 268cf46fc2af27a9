from fastapi import APIRouter, status

from app.dependencies import CurrentUser, LoanServiceDep
from app.schemas.common import ErrorOut
from app.schemas.loans import HoldCreate, HoldPublic

router = APIRouter(prefix="/holds", tags=["holds"], responses={401: {"model": ErrorOut}, 404: {"model": ErrorOut}})


@router.post("", status_code=status.HTTP_201_CREATED, responses={409: {"model": ErrorOut}})
async def create_hold(new: HoldCreate, user: CurrentUser, loans: LoanServiceDep) -> HoldPublic:
    """Ask for a book that is lent."""
    return HoldPublic.model_validate(await loans.hold(new.book_id, user))


@router.delete("/{hold_id}", status_code=status.HTTP_204_NO_CONTENT)
async def delete_hold(hold_id: int, user: CurrentUser, loans: LoanServiceDep) -> None:
    """Give up one's own hold."""
    await loans.drop_hold(hold_id, user)
