"""Code seen in real projects that the checks of API design and testing got wrong once.

`# ID` marks a signal, `# ID low` one with that impact.
"""

from __future__ import annotations

SHOP = """
# app/db.py
from sqlalchemy import ForeignKey, create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, sessionmaker

SessionLocal = sessionmaker(create_engine("sqlite://"))

class Base(DeclarativeBase): ...

class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str]
    state: Mapped[str]

class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
    order_id: Mapped[int] = mapped_column(ForeignKey("orders.id"))
    name: Mapped[str]
    note: Mapped[str]

def get_db():
    with SessionLocal() as db:
        yield db
"""

API = {
    "one model for administrators' requests and responses": (
        "API003",
        """
from fastapi import Depends, FastAPI
from pydantic import BaseModel

class Made(BaseModel):  # API003 medium
    id: int | None = None
    password: str

class Seen(BaseModel):  # API003 high
    id: int | None = None
    password: str

def check_admin() -> None: ...

app = FastAPI()

@app.post("/made", dependencies=[Depends(check_admin)])
def make(made: Made) -> Made: ...

@app.post("/seen")
def see(seen: Seen) -> Seen: ...
""",
    ),
    "a limit below one parent is less than a whole table": (
        "API006",
        SHOP
        + """
# app/main.py
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.db import Line, Order, get_db

app = FastAPI()

class Out(BaseModel):
    id: int

@app.get("/orders/{order_id}/lines")
def list_lines(order_id: int, limit: int = 50, db: Session = Depends(get_db)) -> list[Out]:  # API006 low
    return db.scalars(select(Line).where(Line.order_id == order_id).limit(limit)).all()

@app.get("/orders")
def list_orders(limit: int = 50, db: Session = Depends(get_db)) -> list[Out]:  # API006 medium
    return db.scalars(select(Order).limit(limit)).all()
""",
    ),
    "a tenant in every path is no parent": (
        "API006",
        SHOP
        + """
# app/main.py
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.db import Order, get_db

app = FastAPI()

class Out(BaseModel):
    id: int

@app.get("/{tenant}/orders")
def list_orders(tenant: str, limit: int = 50, db: Session = Depends(get_db)) -> list[Out]:  # API006 medium
    return db.scalars(select(Order).limit(limit)).all()
"""
        + "\n".join(f'@app.get("/{{tenant}}/a{i}")\ndef read_{i}(tenant: str) -> int: ...' for i in range(12)),
    ),
    "a table that nothing says will grow may be read whole": (
        "API006",
        SHOP.replace(
            "class Line(Base)",
            """class OrderKind(Base):
    __tablename__ = "kinds"
    id: Mapped[int] = mapped_column(primary_key=True)
    name: Mapped[str]
    note: Mapped[str]
    color: Mapped[str]

class Line(Base)""",
        )
        + """
# app/main.py
from fastapi import Depends, FastAPI
from pydantic import BaseModel
from sqlalchemy import select
from sqlalchemy.orm import Session
from app.db import Order, OrderKind, get_db

app = FastAPI()

class Out(BaseModel):
    id: int

@app.get("/kinds")
def list_kinds(db: Session = Depends(get_db)) -> list[Out]:  # API006 low
    return db.scalars(select(OrderKind)).all()

@app.get("/orders")
def list_orders(db: Session = Depends(get_db)) -> list[Out]:  # API006 high
    return db.scalars(select(Order)).all()
""",
    ),
    "routes without response type in many files are one cause": (
        "API001",
        "# app/main.py\nfrom fastapi import FastAPI\n"
        + "\n".join(f"from app import r{i}" for i in range(9))
        + "\n\napp = FastAPI()\n"
        + "\n".join(f"app.include_router(r{i}.router)" for i in range(9))
        + "".join(
            f"\n# app/r{i}.py\nfrom fastapi import APIRouter\n\nrouter = APIRouter()\n\ndef load(): ...\n\n"
            f'@router.get("/r{i}")\ndef read():{"  # API001 medium" if i == 0 else ""}\n    found = load()\n'
            '    return {"a": found}\n'
            for i in range(9)
        ),
    ),
    "keys that dependencies take out of the path are known": (
        "API020",
        """
from fastapi import APIRouter, Depends, FastAPI, Request

app = FastAPI()

def tenant(request: Request) -> str:
    return request.path_params["organization"]

router = APIRouter(dependencies=[Depends(tenant)])

@router.get("/{organization}/a/{item_id}")
def read_a(item_id: int) -> None: ...

@router.get("/{organization}/b/{item_id}")
def read_b(thing_id: int) -> None: ...  # API020 medium

@router.get("/{organization}/files/{file_id}/{file_name}")
def read_file(file_id: int) -> None: ...  # API020 low

app.include_router(router)
""",
    ),
    "a GET that makes something anew changes data": (
        "API021",
        SHOP
        + """
# app/main.py
from fastapi import Depends, FastAPI
from sqlalchemy.orm import Session
from app.db import Order, get_db

app = FastAPI()

@app.get("/orders/{order_id}/regenerate")
def summary(order_id: int, db: Session = Depends(get_db)) -> None:  # API021 medium
    db.add(Order(id=order_id))
    db.commit()
""",
    ),
    "a dict spelled out in the handler is only undocumented": (
        "API001",
        """
from fastapi import FastAPI, Request

app = FastAPI()

def load(): ...

def is_open() -> bool: ...

@app.get("/a")
def read_a(item: int):  # API001 low
    return {"item": item, "left": 3}

@app.get("/c")
def read_c():
    known = is_open()
    count = int("3")
    return {"open": known, "count": count, "message": "open" if known else "closed"}

@app.get("/b")
def read_b(request: Request):  # API001 medium
    found = load()
    return {"found": found}
""",
    ),
}

TESTS = {
    "an application out of a fixture of its own is fresh": (
        "TST003",
        """
# app/main.py
from fastapi import FastAPI

def current_user() -> str: ...

def create_app() -> FastAPI:
    return FastAPI()

app = create_app()
# tests/test_x.py
import pytest
from app.main import app, create_app, current_user

@pytest.fixture
def app_and_engine():
    made = create_app()
    yield made, 1

def test_a(app_and_engine) -> None:
    fresh, _ = app_and_engine
    fresh.dependency_overrides[current_user] = lambda: "a"

def test_b() -> None:
    app.dependency_overrides[current_user] = lambda: "a"  # TST003 medium
""",
    ),
    "a handler called and nothing looked at": (
        "TST009",
        """
# app/main.py
from fastapi import FastAPI

app = FastAPI()

@app.post("/x")
def create_x() -> int:
    return 1
# tests/test_x.py
from app.main import create_x

def test_hollow() -> None:  # TST009 low
    create_x()
    assert True

def test_real() -> None:
    assert create_x() == 1
""",
    ),
    "the configuration of pytest is the one nearest to the tests": (
        "TST004",
        """
# client/pyproject.toml
[project]
name = "client"
dependencies = ["pytest-asyncio==0.23.8"]

[tool.pytest.ini_options]
testpaths = ["tests"]
# client/tests/test_client.py
async def test_client() -> None:  # TST004 high
    assert True
# server/pyproject.toml
[project]
name = "server"
dependencies = ["fastapi", "pytest-asyncio==1.2.0"]

[tool.pytest.ini_options]
asyncio_mode = "auto"
# server/tests/test_server.py
async def test_server() -> None:
    assert True
# template/{{cookiecutter.name}}/tests/test_made.py
async def test_made() -> None:
    assert True
""",
    ),
    "a make target may be a script of that name": (
        "TST014",
        """
# LICENSE
# pyproject.toml
[project]
name = "shop"
dependencies = ["fastapi"]
# .github/workflows/ci.yml
on: [push]
jobs:
  test:
    steps:
      - run: make ci
# Makefile
targets := $(shell ls hack)

$(targets):
	hack/$@.sh
# hack/ci.sh
make check
# hack/check.sh
uv run pytest
# tests/test_shop.py
def test_shop() -> None:
    assert True
""",
    ),
    "single routes without a test are one minor signal": (
        "TST001",
        "# app/main.py\nfrom fastapi import FastAPI\n"
        + "\n".join(f"from app import r{i}" for i in range(9))
        + "\n\napp = FastAPI()\n"
        + "\n".join(f"app.include_router(r{i}.router)" for i in range(9))
        + "".join(
            f'\n# app/r{i}.py\nfrom fastapi import APIRouter\n\nrouter = APIRouter()\n\n@router.get("/r{i}/all")\n'
            f'def read() -> None: ...\n\n@router.get("/r{i}/one")\n'
            f"def read_one() -> None: ...{'  # TST001 low' if i == 0 else ''}\n"
            for i in range(9)
        )
        + "# tests/test_r.py\n"
        + "\n".join(f'def test_{i}(client) -> None:\n    assert client.get("/r{i}/all").json()' for i in range(9))
        + "\n",
    ),
    "a project that hardly tests through its API gets one signal": (
        "TST001",
        "# app/main.py\nfrom fastapi import FastAPI\n"
        + "\n".join(f"from app import r{i}" for i in range(9))
        + "\n\napp = FastAPI()\n"
        + "\n".join(f"app.include_router(r{i}.router)" for i in range(9))
        + "".join(
            f'\n# app/r{i}.py\nfrom fastapi import APIRouter\n\nrouter = APIRouter()\n\n@router.get("/r{i}/all")\n'
            f"def read() -> None: ...{'  # TST001 medium' if i == 1 else ''}\n"
            for i in range(9)
        )
        + '# tests/test_r.py\ndef test_r(client) -> None:\n    assert client.get("/r0/all").status_code == 200\n',
    ),
}

CASES = {**API, **TESTS}
