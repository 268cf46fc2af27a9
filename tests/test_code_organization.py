"""What the checks of code organization say beyond their examples."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

from catalogue import CHECKS
from check import MEDIUM, Check, Outcome
from project import Project

FAR = """
from fastapi import APIRouter, HTTPException
from app.sessions import load
router = APIRouter()
@router.get("/{name}")
def read():
    try:
        return outer()
    except Exception:
        raise HTTPException(500)
def outer():
    return inner()
def inner():
    return load()
"""


def test_clauses_in_several_modules_around_one_far_raise_are_one_signal(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    names = ("one", "two", "three")
    tree = {f"app/{name}.py": FAR.replace("{name}", name) for name in names}
    tree["app/sessions.py"] = "from fastapi import HTTPException\ndef load():\n    raise HTTPException(400)\n"
    includes = "".join(f"from app.{n} import router as {n}\napp.include_router({n})\n" for n in names)
    tree["app/main.py"] = "from fastapi import FastAPI\napp = FastAPI()\n" + includes
    _, outcome = run_checks(write_tree(tree), [c for c in CHECKS if c.id == "ORG002"])
    (signal,) = outcome.signals
    assert (signal.impact, len(signal.places)) == (MEDIUM, 2)
    assert signal.message.endswith("so do 2 more around the same raise")


def test_exceptions_of_one_family_are_one_signal(
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    code = """
from fastapi import FastAPI

app = FastAPI()

class Failure(Exception): ...
class Missing(Failure): ...
class Late(Failure): ...

@app.get("/a")
def a():
    raise Missing

@app.get("/b")
def b(x: int):
    if x:
        raise Missing
    raise Late
"""
    _, outcome = run_checks(write_tree({"main.py": code}), [c for c in CHECKS if c.id == "ORG010"])
    (signal,) = outcome.signals
    assert (signal.line, [p.line for p in signal.places]) == (12, [18])
    assert "Missing and Late leave GET /a and 1 more route" in signal.message
