import asyncio
import secrets
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from fastapi import FastAPI
from fastapi.testclient import TestClient

from app.create_librarian import create_librarian
from app.dependencies import notifier
from app.main import create_app
from app.settings import Settings

ROOT = Path(__file__).parent.parent
PASSWORD = "correct horse battery"  # noqa: S105
Headers = dict[str, str]


def url_of(database: Path) -> str:
    return f"sqlite+aiosqlite:///{database}"


def settings_for(database: Path) -> Settings:
    return Settings(
        database_url=url_of(database),
        token_key=secrets.token_urlsafe(32),
        cors_origins=["https://desk.library.example"],
        rate_limit_storage="async+memory://",
        login_limit="20/minute",
        metadata_url="https://metadata.library.example",
        mail_url="https://mail.library.example",
        docs_enabled=True,
    )


@pytest.fixture(scope="session")
def migrated_database(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The schema as the migrations make it, with one librarian; each test works on its own copy."""
    database = tmp_path_factory.mktemp("database") / "migrated.db"
    config = Config(ROOT / "alembic.ini")
    config.set_main_option("sqlalchemy.url", url_of(database))
    command.upgrade(config, "head")
    asyncio.run(create_librarian(settings_for(database), "desk@library.example", "Front Desk", PASSWORD))
    return database


@pytest.fixture
def settings(migrated_database: Path, tmp_path: Path) -> Settings:
    database = tmp_path / "test.db"
    shutil.copy(migrated_database, database)
    return settings_for(database)


class SilentNotifier:
    def __init__(self) -> None:
        self.confirmed: list[int] = []

    async def loan_confirmed(self, loan_id: int) -> None:
        self.confirmed.append(loan_id)


@pytest.fixture
def notices() -> SilentNotifier:
    return SilentNotifier()


@pytest.fixture
def app(settings: Settings, notices: SilentNotifier) -> Iterator[FastAPI]:
    app = create_app(settings)
    app.dependency_overrides[notifier] = lambda: notices
    yield app
    app.dependency_overrides.clear()


@pytest.fixture
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app) as client:
        yield client


@pytest.fixture
def log_in(client: TestClient) -> Callable[[str], Headers]:
    def headers_of(email: str) -> Headers:
        response = client.post("/api/v1/auth/token", data={"username": email, "password": PASSWORD})
        assert response.status_code == 200, response.text
        return {"Authorization": f"Bearer {response.json()['access_token']}"}

    return headers_of


@pytest.fixture
def librarian(log_in: Callable[[str], Headers]) -> Headers:
    return log_in("desk@library.example")


@pytest.fixture
def new_member(client: TestClient, log_in: Callable[[str], Headers]) -> Callable[[str], Headers]:
    def register(email: str) -> Headers:
        body = {"email": email, "full_name": "A Member", "password": PASSWORD}
        response = client.post("/api/v1/auth/register", json=body)
        assert response.status_code == 201, response.text
        return log_in(email)

    return register


@pytest.fixture
def member(new_member: Callable[[str], Headers]) -> Headers:
    return new_member("ada@readers.example")


@pytest.fixture
def other_member(new_member: Callable[[str], Headers]) -> Headers:
    return new_member("bob@readers.example")


@pytest.fixture
def book_id(client: TestClient, librarian: Headers) -> int:
    author = client.post("/api/v1/authors", json={"name": "Ursula K. Le Guin"}, headers=librarian).json()
    body = {
        "isbn": "9780441478125",
        "title": "The Left Hand of Darkness",
        "year": 1969,
        "replacement_price": "18.50",
        "author_id": author["id"],
        "subjects": ["Fiction", "Winter"],
    }
    response = client.post("/api/v1/books", json=body, headers=librarian)
    assert response.status_code == 201, response.text
    created: int = response.json()["id"]
    return created
