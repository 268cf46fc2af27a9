from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from fastapi.testclient import TestClient
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncSession, create_async_engine

from app.models import Loan, User
from app.services.loans import LoanService
from app.settings import Settings
from tests.conftest import Headers, SilentNotifier


@pytest.fixture
def loan_id(client: TestClient, book_id: int, member: Headers) -> int:
    response = client.post("/api/v1/loans", json={"book_id": book_id}, headers=member)
    assert response.status_code == 201, response.text
    created: int = response.json()["id"]
    return created


def test_a_loan_is_confirmed_by_mail(client: TestClient, loan_id: int, notices: SilentNotifier) -> None:
    assert notices.confirmed == [loan_id]


def test_my_loans(client: TestClient, loan_id: int, member: Headers, other_member: Headers) -> None:
    mine = client.get("/api/v1/loans", headers=member).json()
    assert (mine["total"], mine["items"][0]["book"]["title"]) == (1, "The Left Hand of Darkness")
    assert client.get("/api/v1/loans", headers=other_member).json() == {"items": [], "total": 0}
    assert client.get("/api/v1/loans", params={"limit": -1}, headers=member).status_code == 422


def test_a_lent_book_cannot_be_lent_again(
    client: TestClient, loan_id: int, book_id: int, other_member: Headers
) -> None:
    response = client.post("/api/v1/loans", json={"book_id": book_id}, headers=other_member)
    assert (response.status_code, response.json()) == (409, {"detail": "This book is lent"})
    assert client.post("/api/v1/loans", json={"book_id": 999}, headers=other_member).status_code == 404


def test_loans_of_others_are_hidden(
    client: TestClient, loan_id: int, member: Headers, other_member: Headers, librarian: Headers
) -> None:
    path = f"/api/v1/loans/{loan_id}"
    assert client.get(path, headers=member).status_code == 200
    assert client.get(path, headers=librarian).status_code == 200
    assert client.get(path, headers=other_member).status_code == 404
    assert client.post(f"/api/v1/loans/{loan_id}/return", headers=other_member).status_code == 404


def test_return_a_book(client: TestClient, loan_id: int, member: Headers) -> None:
    response = client.post(f"/api/v1/loans/{loan_id}/return", headers=member)
    assert (response.status_code, response.json()["returned_on"]) == (200, str(datetime.now(UTC).date()))
    assert client.post(f"/api/v1/loans/{loan_id}/return", headers=member).status_code == 409


def test_overdue_loans_are_for_librarians(
    client: TestClient, loan_id: int, member: Headers, librarian: Headers
) -> None:
    assert client.get("/api/v1/loans/overdue", headers=member).status_code == 403
    assert client.get("/api/v1/loans/overdue", headers=librarian).json() == []


async def test_overdue_loans_name_title_and_member(settings: Settings, client: TestClient, loan_id: int) -> None:
    engine = create_async_engine(settings.database_url.get_secret_value())
    async with AsyncSession(engine, expire_on_commit=False) as session:
        loan = await session.scalar(select(Loan).where(Loan.id == loan_id))
        member = await session.scalar(select(User).where(User.email == "ada@readers.example"))
        assert loan is not None
        assert member is not None
        loan.due_on = datetime.now(UTC).date() - timedelta(days=3)
        await session.flush()
        overdue = await LoanService(session, settings).overdue(limit=10, offset=0)
    await engine.dispose()
    assert [(o.title, o.member, o.days_late) for o in overdue] == [("The Left Hand of Darkness", member.full_name, 3)]


def test_holds(client: TestClient, book_id: int, member: Headers, new_member: Callable[[str], Headers]) -> None:
    created = client.post("/api/v1/holds", json={"book_id": book_id}, headers=member)
    assert (created.status_code, created.json()["book_id"]) == (201, book_id)
    assert client.post("/api/v1/holds", json={"book_id": book_id}, headers=member).status_code == 409
    path = f"/api/v1/holds/{created.json()['id']}"
    assert client.delete(path, headers=new_member("eve@readers.example")).status_code == 404
    assert client.delete(path).status_code == 401
    assert client.delete(path, headers=member).status_code == 204
