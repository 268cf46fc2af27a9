"""The overview: what the project is made of, said in lines that hold on small and large projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
import tomllib  # type: ignore[import-not-found,unused-ignore]

from catalogue import CHECKS
from check import Outcome, Selection
from project import Project
from project.stack.stack_summary import DESCRIBED
from report.overview import LIMIT, overview_text
from report.overview_parts import data_lines, entry_lines, monitoring_lines, package_line
from reviewing import run

Write = Callable[[Mapping[str, str]], Path]
REPOSITORY = Path(__file__).resolve().parents[1]
APP = "from fastapi import Depends, FastAPI\nfrom shop.db import get_db\napp = FastAPI()\n"
DB = """\
from sqlalchemy import create_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column, relationship, sessionmaker
engine = create_engine("postgresql+psycopg://localhost/shop", echo=True)
make = sessionmaker(engine)
class Base(DeclarativeBase): pass
class Order(Base):
    __tablename__ = "orders"
    id: Mapped[int] = mapped_column(primary_key=True)
    lines: Mapped[list["Line"]] = relationship()
class Line(Base):
    __tablename__ = "lines"
    id: Mapped[int] = mapped_column(primary_key=True)
def get_db():
    with make() as session:
        yield session
def helper(session: Session):
    with make() as other:
        yield other
"""
ROUTES = """\
from sqlalchemy import delete, select
from sqlalchemy.orm import Session
from shop.db import Order
@app.get("/orders")
def orders(db: Session = Depends(get_db)) -> list[int]:
    db.execute(delete(Order))
    db.add(Order())
    return list(db.scalars(select(Order.id)))
"""
FILES = {"shop/__init__.py": "", "shop/main.py": APP + ROUTES, "shop/db.py": DB}


def test_entry_points_packages_and_data(write_tree: Write) -> None:
    project = Project.at(write_tree(FILES))
    assert list(entry_lines(project)) == ["entry points: shop.main:app (shop/main.py:3)"]
    assert re.fullmatch(r"lines by package: shop \d+", package_line(project))
    assert list(data_lines(project)) == [
        "tables: 2 (sqlalchemy) in 1 file; relationships: 1 (select 1)",
        "engines: sync postgresql shop/db.py:3",
        "sessions come from: shop.db.get_db",
        "statements sent: 2 (1 write, besides objects added to a session), by layer: entry point 2",
    ]


def test_package_that_holds_most_is_split(write_tree: Write) -> None:
    files = {f"shop/{name}/__init__.py": "X = 1\n" * 40 for name in ("orders", "users")}
    files |= {f"{name}/__init__.py": "X = 1\n" for name in ("a", "b", "c", "d")}
    line = package_line(Project.at(write_tree(FILES | files)))
    packages = re.sub(r" \d+", "", line)
    assert packages == "lines by package: shop/orders, shop/users, shop, a, b, c, d"


def test_migrations_are_counted(write_tree: Write) -> None:
    revision = "revision = {0!r}\ndown_revision = {1!r}\ndef upgrade(): pass\ndef downgrade(): pass\n"
    files = {
        "alembic.ini": "[alembic]\nscript_location = migrations\n",
        "migrations/versions/a.py": revision.format("a", None),
        "migrations/versions/b.py": revision.format("b", "a"),
        "migrations/versions/c.py": revision.format("c", "a"),
    }
    assert "migrations: 3 revisions, 2 heads" in list(data_lines(Project.at(write_tree(FILES | files))))


def test_heads_of_several_histories_are_told_apart(write_tree: Write) -> None:
    revision = "revision = {0!r}\ndown_revision = None\ndef upgrade(): pass\ndef downgrade(): pass\n"
    env = "from alembic import context\nfrom sqlalchemy import create_engine\nengine = create_engine('sqlite://')\n"
    env += "context.configure(connection=engine.connect())\n"
    files = {f"{name}/versions/{name}.py": revision.format(name) for name in ("core", "tenant")}
    files |= {f"{name}/env.py": env for name in ("core", "tenant")}
    ini = "[core]\nscript_location = core\n[tenant]\nscript_location = tenant\n"
    lines = list(data_lines(Project.at(write_tree(FILES | files | {"alembic.ini": ini}))))
    assert "migrations: 2 revisions in 2 histories of their own, 1 head each" in lines
    assert "engines: sync postgresql shop/db.py:3" in lines


def test_classes_of_one_table_are_one_table(write_tree: Write) -> None:
    below = "class Rush(Order):\n    __mapper_args__ = {'polymorphic_identity': 'rush'}\n"
    (line, *_) = data_lines(Project.at(write_tree(FILES | {"shop/db.py": DB + below})))
    assert line == "tables: 2 (sqlalchemy, 3 classes) in 1 file; relationships: 2 (select 2)"


def test_providers_give_a_session_and_nothing_else(write_tree: Write) -> None:
    code = """\
from collections.abc import Generator
from typing import NewType
from fastapi import Request
from sqlalchemy.orm import Session
Own = NewType("Own", Session)
class Server:
    def __init__(self, session: Session) -> None: ...
def get_own(request: Request) -> Generator[Own]:
    yield request.state.session
def get_server(request: Request) -> Generator[Server]:
    from shop.db import make
    with make() as session:
        yield Server(session)
"""
    main = "from shop.more import get_own, get_server\n@app.get('/x')\n"
    main += "def x(a=Depends(get_own), b=Depends(get_server)) -> int: return 1\n"
    files = FILES | {"shop/more.py": code, "shop/main.py": APP + ROUTES + main}
    lines = list(data_lines(Project.at(write_tree(files))))
    assert "sessions come from: shop.db.get_db, shop.more.get_own" in lines


def test_mounted_applications_are_named_apart(write_tree: Write) -> None:
    code = "admin = FastAPI()\napp.mount('/admin', admin)\n"
    lines = list(entry_lines(Project.at(write_tree(FILES | {"shop/main.py": APP + code}))))
    assert lines == [
        "entry points: shop.main:app (shop/main.py:3)",
        "mounted in them: shop.main:admin (shop/main.py:4)",
    ]


def test_application_with_most_routes_comes_first(write_tree: Write) -> None:
    small = "from fastapi import FastAPI\napp = FastAPI()\n"
    lines = list(entry_lines(Project.at(write_tree(FILES | {"a/__init__.py": "", "a/daemon.py": small}))))
    assert lines == ["entry points: shop.main:app (shop/main.py:3), a.daemon:app (a/daemon.py:2)"]


def stack_row(root: Path, label: str) -> str:
    text = overview_text(Project.at(root), Outcome([], [], []), "")
    return next(line.removeprefix(f"  {label}").strip() for line in text.splitlines() if line.startswith(f"  {label}"))


def test_server_that_the_code_starts(write_tree: Write) -> None:
    start = "import uvicorn\ndef run() -> None:\n    uvicorn.run('shop.main:app', reload=True)\n"
    files = FILES | {"shop/__main__.py": start}
    assert stack_row(write_tree(files), "Server") == "uvicorn.run (shop/__main__.py:3)"
    files["tests/mock/Dockerfile"] = 'FROM python:3.12\nCMD ["uvicorn", "mock:app"]\n'
    assert stack_row(write_tree(files), "Server") == "uvicorn.run (shop/__main__.py:3)"
    files["Dockerfile"] = 'FROM python:3.12\nCMD ["uvicorn", "shop.main:app"]\n'
    assert stack_row(write_tree(files), "Server") == "uvicorn (Dockerfile:2)"


def test_orm_that_is_used_and_not_declared(write_tree: Write) -> None:
    assert stack_row(write_tree(FILES), "ORM") == "sqlalchemy (used, not declared here)"


def test_files_of_a_plugin_are_not_about_the_application(write_tree: Write) -> None:
    compose = "services:\n  db:\n    image: mongo:7\n"
    files = FILES | {"shop/plugins/__init__.py": "", "shop/plugins/flux/__init__.py": ""}
    files |= {"shop/plugins/flux/requirements.txt": "pydantic<2\n", "shop/plugins/flux/docker-compose.yml": compose}
    root = write_tree(files)
    assert stack_row(root, "Main dependencies") == "none declared"
    assert "MongoDB" not in stack_row(root, "Database")
    assert "dependencies" not in stack_row(root, "Configuration found")


def test_installed_package_misses_no_configuration(write_tree: Write) -> None:
    metadata = "Metadata-Version: 2.1\nName: shop\nRequires-Dist: fastapi==0.120\nRequires-Dist: black==26\n"
    root = write_tree(FILES | {"shop-1.0.dist-info/METADATA": metadata})
    assert stack_row(root, "Configuration missing") == "not judged: an installed package leaves it out"
    assert stack_row(root, "Tools") == "none found"


def test_page_is_bounded_and_says_what_was_not_understood(write_tree: Write) -> None:
    routes = "".join(f"from shop.{'r' * 60}{n} import router as r{n}\napp.include_router(r{n})\n" for n in range(30))
    router = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/{0}')\ndef f() -> int: return 1\n"
    files = {f"shop/{'r' * 60}{n}.py": router.replace("{0}", f"{'x' * 90}{n}") for n in range(30)}
    main = APP + routes + "import os\n@app.get(os.environ['X'])\ndef y() -> int: return 1\n"
    text = overview_text(Project.at(write_tree(FILES | files | {"shop/main.py": main})), Outcome([], [], []), "")
    assert len(text) <= LIMIT
    assert "shop/main.py:65 " in text


@pytest.mark.parametrize(
    ("code", "said"),
    [
        ("", "monitoring: no logging configuration seen; queries: nothing seen that watches them"),
        (
            "import logging.config\nlogging.config.dictConfig({'version': 1})\n",
            "monitoring: logging.config.dictConfig (logging, shop/watch.py:2); queries: nothing seen that watches them",
        ),
        (
            "import structlog\nfrom sentry_sdk.integrations.sqlalchemy import SqlalchemyIntegration\n",
            (
                "monitoring: Sentry (error reports, shop/watch.py:2), structlog (logging, shop/watch.py:1); "
                "queries: watched by sentry_sdk for SQLAlchemy (shop/watch.py:2)"
            ),
        ),
        (
            "from sqlalchemy import event\n@event.listens_for(object, 'before_cursor_execute')\ndef time(*_): ...\n",
            "monitoring: no logging configuration seen; queries: watched by SQLAlchemy cursor events (shop/watch.py:2)",
        ),
    ],
)
def test_monitoring(write_tree: Write, code: str, said: str) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/main.py": "from fastapi import FastAPI\napp = FastAPI()\n",
        "shop/watch.py": code,
    }
    assert "; ".join(monitoring_lines(Project.at(write_tree(files)))) == said


def test_engine_option_counts_as_watching(write_tree: Write) -> None:
    assert monitoring_lines(Project.at(write_tree(FILES)))[1] == "queries: watched by engine option echo (shop/db.py:3)"
    files = FILES | {"shop/db.py": DB.replace("echo=True", "echo=False")}
    assert monitoring_lines(Project.at(write_tree(files)))[1] == "queries: nothing seen that watches them"


def test_old_versions_are_named(write_tree: Write) -> None:
    declared = "[project]\nname='a'\ndependencies=['fastapi==0.110.0', 'sqlalchemy>=2.1', 'pydantic<2']\n"
    text = overview_text(Project.at(write_tree(FILES | {"pyproject.toml": declared})), Outcome([], [], []), "")
    (line,) = [line for line in text.splitlines() if "Older than described" in line]
    assert "fastapi before 0.165" in line
    assert "pydantic before 2.14" in line
    assert "sqlalchemy" not in line


def test_described_versions_are_the_pinned_ones() -> None:
    pins = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["dependency-groups"]["dev"]
    pinned = {re.split(r"[\[=]", pin)[0]: pin.partition("==")[2] for pin in pins}
    assert {name: ".".join(pinned[name].split(".")[:2]) for name in DESCRIBED} == DESCRIBED


def test_names_of_files_start_no_markdown(write_tree: Write) -> None:
    router = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/a')\ndef f() -> int: return 1\n"
    main = "app = FastAPI()\nfrom api import router\napp.include_router(router)\n"
    files = {"```evil/api.py": router, "# Stack/main.py": "from fastapi import FastAPI\n" + main}
    text = overview_text(Project.at(write_tree(files)), Outcome([], [], []), "")
    assert "```evil" in text
    assert re.findall(r"^ *(?:```|~~~|#{1,6} ).*", text, re.MULTILINE)[1:] == re.findall(
        r"^## (?:Stack|Layout|Data|Routes|Signals|Next)$", text, re.MULTILINE
    )


@pytest.mark.parametrize(("lost", "said"), [(0, []), (3, ["only 1 of 4 registrations"])])
def test_routes_not_understood_are_said_with_every_output(write_tree: Write, lost: int, said: list[str]) -> None:
    router = "from fastapi import APIRouter\nr = APIRouter()\n@r.get('/{n}')\ndef f{n}() -> int:\n    return 1\n"
    files = {f"shop/r{n}.py": router.replace("{n}", str(n)) for n in range(lost)}
    main = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/')\ndef home() -> int:\n    return 1\n"
    project = Project.at(write_tree(files | {"shop/__init__.py": "", "shop/main.py": main}))
    notes = run(project, Selection(CHECKS[:1])).notes
    assert [note[: len("only 1 of 4 registrations")] for note in notes] == said
