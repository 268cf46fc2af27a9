from datetime import datetime
from typing import TYPE_CHECKING

from sqlalchemy import JSON, CheckConstraint, DateTime, String
from sqlalchemy.ext.mutable import MutableDict
from sqlalchemy.orm import Mapped, mapped_column, relationship

from app.models.base import Base, now_utc

if TYPE_CHECKING:
    from app.models.loan import Loan

MEMBER = "member"
LIBRARIAN = "librarian"


class User(Base):
    __tablename__ = "users"
    __table_args__ = (CheckConstraint("role IN ('member', 'librarian')", name="known_role"),)

    id: Mapped[int] = mapped_column(primary_key=True)
    email: Mapped[str] = mapped_column(String(254), unique=True)
    full_name: Mapped[str] = mapped_column(String(120))
    role: Mapped[str] = mapped_column(String(20), default=MEMBER)
    password_hash: Mapped[str] = mapped_column(String(255))
    password_changed_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now_utc)
    created_at: Mapped[datetime] = mapped_column(DateTime(timezone=True), default=now_utc)
    preferences: Mapped[dict[str, bool]] = mapped_column(
        MutableDict.as_mutable(JSON), default=dict, server_default="{}"
    )

    loans: Mapped[list["Loan"]] = relationship(back_populates="user", lazy="raise", passive_deletes=True)
