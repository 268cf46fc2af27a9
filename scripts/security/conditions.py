"""Conditions that ask nothing: a value compared with itself."""

from __future__ import annotations

import ast
import re

from check import HIGH, MEDIUM, Found, Hit
from project import Project
from project.data.same_sides import same_sides
from security.around import last_name
from security.dimension import security

IDENTITY = re.compile(
    r"(^|_)(id|uuid|owner|user|tenant|role|email|username|password|passwd|token|secret|key|signature)$", re.IGNORECASE
)


@security.check(
    "SEC030",
    "condition-compares-with-itself",
    title="Condition that compares a value with itself",
    impact=HIGH,
    anti_pattern=8,
    fix="Compare the column, Model.column == value; verify passwords in Python by their hash.",
)
def condition_compares_with_itself(project: Project) -> Found:
    """`where(password == password)` compares the parameter with itself: always true.

    Source: SQLAlchemy, Operator Reference, https://docs.sqlalchemy.org/en/20/core/operators.html

    Bad:
        from sqlalchemy import and_, select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str]
            password: Mapped[str]

        def find(session: Session, email: str, password: str):
            found = and_(User.email == email, password == password)  # SEC030
            return session.scalars(select(User).where(found)).first()

        def of_owner(session: Session, email: str):
            return session.scalars(select(User).where(email == email)).all()  # SEC030

        def may_write(user, row):
            return user.id == user.id  # SEC030
    Good:
        from sqlalchemy import select
        from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

        class Base(DeclarativeBase): ...

        class User(Base):
            __tablename__ = "user"
            id: Mapped[int] = mapped_column(primary_key=True)
            email: Mapped[str]

        def find(session: Session, email: str):
            return session.scalars(select(User).where(User.email == email)).first()

        def may_write(user, row):
            return user.id == row.owner_id
    Not this:
        def is_number(value):
            return value == value

        def is_nan(price):
            return price != price

        def valid_rows(frame):
            return frame.where(frame == frame)

        def fresh(items):
            return next(items).id == next(items).id
    """
    for same in same_sides(project):
        always = "false" if isinstance(same.node.ops[0], (ast.NotEq, ast.IsNot, ast.Lt, ast.Gt)) else "true"
        place = same.scope.place(same.node)
        if same.in_query and same.column:
            yield Hit(place, f"{same.text} is {always} for every row that has a value: it selects nothing", (), MEDIUM)
        elif same.in_query:
            yield Hit(place, f"{same.text} compares a value with itself and no column: it is always {always}")
        elif isinstance(same.node.ops[0], (ast.Eq, ast.NotEq)) and IDENTITY.search(last_name(same.node.left)):
            yield Hit(place, f"{same.text} compares a value with itself: it is always {always}", (), MEDIUM)
