"""The reading list: what it ranks first, how it groups, what it says it left out."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from tests.project.trees import make

import churn
from churn import changed_files
from reading import ranked, reading_list
from report.reading_list import reading_list_text

APP = {
    "app/main.py": """
        from fastapi import Depends, FastAPI, HTTPException, Request
        from fastapi.security import OAuth2PasswordBearer
        from app import service

        app = FastAPI()
        scheme = OAuth2PasswordBearer(tokenUrl="/login")

        def current_user(token: str = Depends(scheme)):
            if token != "known":
                raise HTTPException(401)
            return token

        @app.get("/ping")
        def ping():
            return {"ok": True}

        @app.post("/refunds/{key}")
        async def refund(key: int, request: Request):
            return service.refund_payment(key, await request.json())

        @app.get("/me")
        def me(user=Depends(current_user)):
            return user
        """,
    "app/service.py": """
        def refund_payment(key, body):
            total = 0
            for line in body:
                if line["a"] and line["b"]:
                    total += 1
                elif line["c"] or line["d"]:
                    total -= 1
                else:
                    total = 0
            return total

        def never_called():
            return 1
        """,
}


def test_what_can_break_most_comes_first(tmp_path: Path) -> None:
    entries = ranked(make(tmp_path, APP), [])
    names = [entry.name for entry in entries]
    assert names[0] == "refund"
    assert "refund_payment" in names
    assert "never_called" not in names
    assert names.index("current_user") < names.index("ping")
    reasons = "; ".join(entries[0].reasons)
    assert "POST /refunds/{key}" in reasons
    assert "raw input" in reasons
    assert "money" in reasons


def test_a_word_that_most_functions_have_says_nothing(tmp_path: Path) -> None:
    routes = "".join(f"@app.get('/{i}', dependencies=[Depends(current_user)])\ndef pay_{i}(): ...\n" for i in range(25))
    head = """from fastapi import Depends, FastAPI, HTTPException
from fastapi.security import OAuth2PasswordBearer

app = FastAPI()
scheme = OAuth2PasswordBearer(tokenUrl="/login")

def current_user(token: str = Depends(scheme)):
    if token != "known":
        raise HTTPException(401)
    return token

@app.get("/sign")
def login(): ...

"""
    entries = {entry.name: entry for entry in ranked(make(tmp_path, {"main.py": head + routes}), [])}
    assert entries["pay_3"].reasons == ["GET /3"]
    assert entries["login"].reasons == ["GET /sign", "credentials"]
    assert "guards 25 routes" in entries["current_user"].reasons
    assert next(iter(entries)) == "current_user"


def commit(folder: Path, name: str) -> None:
    words = [
        "-c",
        "user.name=a",
        "-c",
        "user.email=a@example.org",
        "-c",
        "commit.gpgsign=false",
        "commit",
        "-q",
        "-m",
        name,
    ]
    for command in (["add", "-A"], words):
        subprocess.run(["git", *command], cwd=folder, check=True, capture_output=True)


@pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")
def test_files_that_change_often_weigh_more(tmp_path: Path) -> None:
    project = make(tmp_path / "repository" / "backend", APP)
    subprocess.run(["git", "init", "-q", "-b", "main"], cwd=tmp_path / "repository", check=True)
    service = project.root / "app" / "service.py"
    for number in range(24):
        service.write_text(service.read_text(encoding="utf-8") + f"# {number}\n", encoding="utf-8")
        commit(tmp_path / "repository", str(number))
    changed, commits = changed_files(project.root)
    assert (changed, commits) == ({"app/service.py": 24, "app/main.py": 1}, 24)
    without = {entry.name: entry for entry in ranked(project, [])}
    with_churn = {entry.name: entry for entry in ranked(project, [], churn=(changed, commits))}
    assert "changed in 24 of 24 commits" in with_churn["refund_payment"].reasons
    assert with_churn["refund_payment"].score > without["refund_payment"].score
    assert with_churn["refund"].score == without["refund"].score
    groups, _, _ = reading_list(project, [], budget=1000)
    assert "changed in 24 of 24 commits" in reading_list_text(groups, 1, 1, 1000, "")


def test_without_a_repository_nothing_is_said_of_history(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: Path) -> None:
        raise AssertionError("git was started")

    monkeypatch.setattr(churn, "Repository", refuse)
    assert changed_files(tmp_path) == ({}, 0)


def test_budget_and_grouping(tmp_path: Path) -> None:
    project = make(tmp_path, APP)
    groups, listed, known = reading_list(project, [], budget=5)
    assert listed < known
    assert sum(entry.lines for group in groups for entry in group.entries) <= 5
    whole, listed, known = reading_list(project, [], budget=1000)
    assert listed == known
    assert [group.path for group in whole] == ["app/main.py", "app/service.py"]
    text = reading_list_text(groups, 1, known, 5, " app")
    assert "reading-list app --budget 10" in text
    assert "app/main.py:" in text


def test_tags_say_what_the_function_does(tmp_path: Path) -> None:
    files = {
        "app/main.py": """
            from fastapi import BackgroundTasks, FastAPI
            from sqlalchemy import select
            from sqlalchemy.orm import DeclarativeBase, Mapped, Session, mapped_column

            class Base(DeclarativeBase): ...

            class Item(Base):
                __tablename__ = "items"
                id: Mapped[int] = mapped_column(primary_key=True)

            app = FastAPI()

            @app.get("/read")
            def read(session: Session, payload: int, tasks: BackgroundTasks):
                tasks.add_task(print)
                return session.execute(select(Item)).scalars().all()

            @app.post("/keep")
            def keep(session: Session, payment: int):
                session.add(Item())
            """,
        "tests/test_items.py": """
            def test_read(client) -> None:
                assert client.get("/read").status_code == 200
            """,
    }
    project = make(tmp_path, files)
    said = {entry.name: entry.reasons for entry in ranked(project, [])}
    assert set(said) == {"read", "keep"}
    assert not {"writes", "money", "concurrency"} & set(said["read"])
    assert {"writes", "money"} <= set(said["keep"])
    about_tests = ranked(project, [], frozenset(("testing",)))
    assert ("tests/test_items.py", "tests in this file", ["requests 1 route"]) in [
        (e.path, e.name, e.reasons) for e in about_tests
    ]


def test_providers_that_no_request_is_seen_to_reach(tmp_path: Path) -> None:
    provider = """
        import httpx

        class Provider:
            def charge(self, amount):
                return httpx.post("https://pay.example", json={"amount": amount})

            def charge_label(self, amount):
                return f"{amount} EUR"
        """
    entries = ranked(make(tmp_path, APP | {"app/provider.py": provider}), [])
    found = {entry.name: entry.reasons for entry in entries if entry.path == "app/provider.py"}
    assert list(found) == ["Provider.charge"], "what neither writes nor calls out is not listed"
    assert found["Provider.charge"][0] == "no request was seen to reach it"


def test_middleware_and_exception_handlers_are_listed(tmp_path: Path) -> None:
    more = """

        @app.middleware("http")
        async def timing(request, call_next):
            return await call_next(request)

        @app.exception_handler(ValueError)
        async def bad_value(request, error):
            return None
    """
    entries = ranked(make(tmp_path, APP | {"app/main.py": APP["app/main.py"] + more}), [])
    first = {entry.name: entry.reasons for entry in entries[:4]}
    assert first["timing"] == ["middleware"]
    assert first["bad_value"] == ["exception handler"]
