from datetime import date

from pydantic import BaseModel, ConfigDict

from app.schemas.books import BookSummary


class LoanCreate(BaseModel):
    book_id: int


class LoanPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    user_id: int
    book: BookSummary
    lent_on: date
    due_on: date
    returned_on: date | None


class OverdueLoan(BaseModel):
    loan_id: int
    title: str
    member: str
    days_late: int


class HoldCreate(BaseModel):
    book_id: int


class HoldPublic(BaseModel):
    model_config = ConfigDict(from_attributes=True)

    id: int
    book_id: int
    expires_on: date
