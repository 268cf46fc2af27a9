import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

database = Path(tempfile.mkdtemp()) / "test.db"
os.environ["WORKSHOP_DATABASE_URL"] = f"sqlite:///{database}"
os.environ["WORKSHOP_ASYNC_DATABASE_URL"] = f"sqlite+aiosqlite:///{database}"


@pytest.fixture(autouse=True)
def tables() -> Iterator[None]:
    """Every test starts with empty tables and one manager."""
    from workshop.db import SessionLocal, engine
    from workshop.models import Base, Mechanic

    Base.metadata.create_all(engine)
    with SessionLocal.begin() as db:
        db.add(
            Mechanic(email="boss@workshop.example", name="Boss", role="manager", password_hash="", pin_hash="")
        )
    yield
    Base.metadata.drop_all(engine)


@pytest.fixture
def manager() -> dict[str, str]:
    from workshop.security import issue_token

    return {"Authorization": f"Bearer {issue_token(1, 'manager')}"}


@pytest.fixture
def staff() -> dict[str, str]:
    from workshop.security import issue_token

    return {"Authorization": f"Bearer {issue_token(1, 'staff')}"}
