from datetime import date

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.orm import joinedload

from app.models import Hold, Loan, User


class LoanRepository:
    def __init__(self, session: AsyncSession) -> None:
        self.session = session

    async def get(self, loan_id: int) -> Loan | None:
        return await self.session.get(Loan, loan_id, options=[joinedload(Loan.book)])

    async def of_user(self, user_id: int, limit: int, offset: int) -> tuple[list[Loan], int]:
        loans = await self.session.scalars(
            select(Loan)
            .where(Loan.user_id == user_id)
            .options(joinedload(Loan.book))
            .order_by(Loan.id.desc())
            .limit(limit)
            .offset(offset)
        )
        total = await self.session.scalar(select(func.count()).where(Loan.user_id == user_id))
        return list(loans), total or 0

    async def overdue(self, today: date, limit: int, offset: int) -> list[Loan]:
        loans = await self.session.scalars(
            select(Loan)
            .where(Loan.returned_on.is_(None), Loan.due_on < today)
            .order_by(Loan.due_on, Loan.id)
            .limit(limit)
            .offset(offset)
        )
        return list(loans)

    async def member_names(self, user_ids: set[int]) -> dict[int, str]:
        rows = await self.session.execute(select(User.id, User.full_name).where(User.id.in_(user_ids)))
        return {row.id: row.full_name for row in rows}

    async def hold_of_user(self, hold_id: int, user_id: int) -> Hold | None:
        return await self.session.scalar(select(Hold).where(Hold.id == hold_id, Hold.user_id == user_id))

    async def add(self, record: Loan | Hold) -> None:
        self.session.add(record)
        await self.session.flush()

    async def delete_hold(self, hold: Hold) -> None:
        await self.session.delete(hold)
        await self.session.flush()
