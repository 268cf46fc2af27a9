import logging

import httpx2
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

from app.models import Book, Loan, User

logger = logging.getLogger(__name__)


class Notifier:
    """Best-effort mail after the response: it opens its own short session and needs only an id."""

    def __init__(self, sessions: async_sessionmaker[AsyncSession], http: httpx2.AsyncClient) -> None:
        self.sessions = sessions
        self.http = http

    async def loan_confirmed(self, loan_id: int) -> None:
        async with self.sessions() as session:
            statement = select(User.email, Book.title, Loan.due_on).join(Loan.user).join(Loan.book)
            row = (await session.execute(statement.where(Loan.id == loan_id))).one_or_none()
        if row is None:
            return
        body = {"to": row.email, "subject": f"Lent: {row.title}", "text": f"Due on {row.due_on}"}
        try:
            response = await self.http.post("/messages", json=body)
            response.raise_for_status()
        except httpx2.HTTPError:
            logger.exception("No confirmation was sent for loan %s", loan_id)
