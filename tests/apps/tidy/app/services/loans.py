from datetime import UTC, datetime, timedelta

from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncSession

from app.errors import ConflictError, NotFoundError
from app.models import LIBRARIAN, Book, Hold, Loan, User
from app.repositories.books import BookRepository
from app.repositories.loans import LoanRepository
from app.schemas.loans import OverdueLoan
from app.settings import Settings

HOLD_DAYS = 7


class LoanService:
    def __init__(self, session: AsyncSession, settings: Settings) -> None:
        self.session = session
        self.settings = settings
        self.loans = LoanRepository(session)
        self.books = BookRepository(session)

    async def lend(self, book_id: int, user: User) -> Loan:
        book = await self.existing_book(book_id)
        today = datetime.now(UTC).date()
        due = today + timedelta(days=self.settings.loan_days)
        loan = Loan(book=book, user_id=user.id, lent_on=today, due_on=due)
        try:
            await self.loans.add(loan)
        except IntegrityError as error:
            raise ConflictError("This book is lent") from error
        await self.session.commit()
        return loan

    async def of_user(self, user: User, limit: int, offset: int) -> tuple[list[Loan], int]:
        return await self.loans.of_user(user.id, limit, offset)

    async def visible(self, loan_id: int, user: User) -> Loan:
        """A member sees their own loans only; whose loan it is does not leak through the status code."""
        loan = await self.loans.get(loan_id)
        if loan is None or (loan.user_id != user.id and user.role != LIBRARIAN):
            raise NotFoundError("No such loan")
        return loan

    async def give_back(self, loan_id: int, user: User) -> Loan:
        loan = await self.visible(loan_id, user)
        if loan.returned_on is not None:
            raise ConflictError("This book is back already")
        loan.returned_on = datetime.now(UTC).date()
        await self.session.commit()
        return loan

    async def overdue(self, limit: int, offset: int) -> list[OverdueLoan]:
        today = datetime.now(UTC).date()
        loans = await self.loans.overdue(today, limit, offset)
        titles = await self.books.titles({loan.book_id for loan in loans})
        members = await self.loans.member_names({loan.user_id for loan in loans})
        overdue = []
        for loan in loans:
            title = titles.get(loan.book_id, "unknown")
            member = members.get(loan.user_id, "unknown")
            late = (today - loan.due_on).days
            overdue.append(OverdueLoan(loan_id=loan.id, title=title, member=member, days_late=late))
        return overdue

    async def hold(self, book_id: int, user: User) -> Hold:
        book = await self.existing_book(book_id)
        expires = datetime.now(UTC).date() + timedelta(days=HOLD_DAYS)
        hold = Hold(book_id=book.id, user_id=user.id, expires_on=expires)
        try:
            await self.loans.add(hold)
        except IntegrityError as error:
            raise ConflictError("You hold this book already") from error
        await self.session.commit()
        return hold

    async def drop_hold(self, hold_id: int, user: User) -> None:
        hold = await self.loans.hold_of_user(hold_id, user.id)
        if hold is None:
            raise NotFoundError("No such hold")
        await self.loans.delete_hold(hold)
        await self.session.commit()

    async def existing_book(self, book_id: int) -> Book:
        book = await self.books.get(book_id)
        if book is None:
            raise NotFoundError("No such book")
        return book
