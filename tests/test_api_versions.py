"""Which Pydantic a project runs when only FastAPI is pinned: leftovers of v1 are none where v1 is installed."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import Check, Outcome
from project import Project

SCHEMA = """
from fastapi import FastAPI
from pydantic import BaseModel

app = FastAPI()

class Team(BaseModel):
    name: str

    class Config:
        orm_mode = True
"""


@pytest.mark.parametrize(("pin", "leftovers"), [("fastapi==0.65.2", False), ("fastapi==0.165.0", True)])
def test_pydantic_by_the_pin_of_fastapi(
    pin: str,
    leftovers: bool,
    write_tree: Callable[[dict[str, str]], Path],
    run_checks: Callable[[Path, Iterable[Check]], tuple[Project, Outcome]],
) -> None:
    check = next(check for check in CHECKS if check.id == "API007")
    _, outcome = run_checks(write_tree({"main.py": SCHEMA, "requirements.txt": pin + "\n"}), [check])
    assert bool(outcome.signals) is leftovers
