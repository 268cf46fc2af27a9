from fastapi import APIRouter, BackgroundTasks, Depends, status

from app.dependencies import CurrentUser, LoanServiceDep, NotifierDep, PageDep, current_user, require_librarian
from app.schemas.common import ErrorOut, Page
from app.schemas.loans import LoanCreate, LoanPublic, OverdueLoan

router = APIRouter(
    prefix="/loans",
    tags=["loans"],
    dependencies=[Depends(current_user)],
    responses={401: {"model": ErrorOut}, 403: {"model": ErrorOut}, 404: {"model": ErrorOut}},
)


@router.get("")
async def list_my_loans(page: PageDep, user: CurrentUser, loans: LoanServiceDep) -> Page[LoanPublic]:
    """The caller's loans, newest first."""
    found, total = await loans.of_user(user, page.limit, page.offset)
    return Page(items=[LoanPublic.model_validate(loan) for loan in found], total=total)


@router.post("", status_code=status.HTTP_201_CREATED, responses={409: {"model": ErrorOut}})
async def create_loan(
    new: LoanCreate, user: CurrentUser, loans: LoanServiceDep, notices: NotifierDep, background_tasks: BackgroundTasks
) -> LoanPublic:
    """Borrow a book; a confirmation is mailed afterwards."""
    loan = await loans.lend(new.book_id, user)
    background_tasks.add_task(notices.loan_confirmed, loan.id)
    return LoanPublic.model_validate(loan)


@router.get("/overdue", dependencies=[Depends(require_librarian)])
async def list_overdue_loans(page: PageDep, loans: LoanServiceDep) -> list[OverdueLoan]:
    """Overdue loans with title and member, for librarians."""
    return await loans.overdue(page.limit, page.offset)


@router.get("/{loan_id}")
async def read_loan(loan_id: int, user: CurrentUser, loans: LoanServiceDep) -> LoanPublic:
    """One of the caller's loans; librarians see all."""
    return LoanPublic.model_validate(await loans.visible(loan_id, user))


@router.post("/{loan_id}/return", responses={409: {"model": ErrorOut}})
async def return_loan(loan_id: int, user: CurrentUser, loans: LoanServiceDep) -> LoanPublic:
    """Bring a book back."""
    return LoanPublic.model_validate(await loans.give_back(loan_id, user))
