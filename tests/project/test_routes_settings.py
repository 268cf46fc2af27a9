"""Routes that the configuration decides: members of an enum in a list or set of settings."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

ENUMS = """
from enum import Enum, StrEnum

class Kind(StrEnum):
    BASIC = "basic"
    OIDC = "oidc"

class Plain(Enum):
    BASIC = "basic"
"""
APP = """
from fastapi import APIRouter, FastAPI
from shop import config
from shop.kinds import Kind, Plain

router = APIRouter()

@router.get("/login")
def login(): ...

app = FastAPI()
if {test}:
    app.include_router(router)
"""
SETTINGS = """
import os
from shop.kinds import Kind, Plain

def parse() -> set[Kind]:
    found: set[Kind] = set()
    raw = os.environ.get("KINDS", "").strip()
    if not raw:
        return {Kind.BASIC}
    for word in raw.split(","):
        if not (kind := word.strip()):
            continue
        found.add(Kind(kind))
    if not found:
        raise ValueError
    return found

KINDS = parse()
LISTED = [Plain.BASIC]
WORDS = ("basic",)
"""


@pytest.mark.parametrize(
    ("test", "taken"),
    [
        ("Kind.BASIC in config.KINDS", True),
        ("Kind.OIDC in config.KINDS", False),
        ("Kind.BASIC not in config.KINDS", False),
        ("Plain.BASIC in config.LISTED", True),
        ("Kind.BASIC in config.WORDS", True),
        ("'basic' in config.WORDS", True),
        ("Kind.BASIC == Kind.BASIC", True),
    ],
)
def test_members_of_an_enum_in_settings(tmp_path: Path, test: str, taken: bool) -> None:
    files = {
        "shop/__init__.py": "",
        "shop/kinds.py": ENUMS,
        "shop/config.py": SETTINGS,
        "shop/app.py": APP.format(test=test),
    }
    assert [route.path for route in make(tmp_path, files).routes] == ["/login"] * taken
