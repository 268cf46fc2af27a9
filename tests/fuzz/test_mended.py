"""Inputs that once made a command fail or go on for too long, each as small as it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

import pytest
from tests.fuzz import harness

_HEAD = "from fastapi import APIRouter, Depends, FastAPI\napp = FastAPI()\nrouter = APIRouter()\n"
_SERVICES = "services: &a\n  web: *a\n  command: *a\n"
MENDED: dict[str, dict[str, str]] = {
    "a handler that is a lambda and queries": {
        "main.py": _HEAD
        + "from sqlalchemy.orm import Session\nfrom sqlalchemy import select\ndb = Session()\n"
        + "app.get('/x')(lambda: db.execute(select(1)))\n"
    },
    "a query in a lambda of a handler": {
        "main.py": _HEAD
        + "from sqlalchemy import text\nfrom sqlalchemy.ext.asyncio import AsyncSession\n"
        + "@app.get('/x')\nasync def x(db: AsyncSession = Depends()):\n    db.add(x)\n    await db.commit()\n"
        + "    return await db.run_sync(lambda session: session.execute(text('select 1')))\n"
    },
    "bases named through the class itself": {"main.py": _HEAD + "class A(B.x): ...\nclass B(A.y): ...\nA().z()\n"},
    "a method that is a formatting character": {
        "main.py": _HEAD + "@app.api_route('/x', methods=['GET', '\\ufeff', '\\x1b[0m'])\ndef x(): ...\n"
    },
    "a lifetime beyond all floats": {"main.py": _HEAD + f"ACCESS_TOKEN_EXPIRE_MINUTES = {'9' * 400}\n"},
    "nested loops that register": {
        "main.py": _HEAD
        + "".join(f"{' ' * i}for i{i} in range(1000):\n" for i in range(9))
        + " " * 9
        + "app.include_router(router)\n"
    },
    "aliases of aliases": {"main.py": _HEAD + "".join(f"a{i} = a{i + 1}\n" for i in range(2_000)) + "a2000 = a0\n"},
    "a chain of four hundred bases": {
        "main.py": _HEAD + "".join(f"class C{i}(C{i + 1}): ...\n" for i in range(400)) + "class C400(C0): ...\n"
    },
    "a thousand links of a chain of calls": {"main.py": _HEAD + f"v = app{'.a()' * 1_000}\nw = 1{' + 1' * 1_000}\n"},
    "a module that is called": {
        "main.py": "import requests\n" + _HEAD + "@app.get('/x')\ndef x():\n    return requests('a').get('b')\n"
    },
    "YAML whose alias holds itself": {"main.py": _HEAD, "docker-compose.yml": _SERVICES},
    "YAML brackets without end": {"main.py": _HEAD, "docker-compose.yml": "services: " + "[" * 50_000},
    "a TOML key of many parts": {"main.py": _HEAD, "pyproject.toml": "[project]\n" + ".".join("a" * 20_000) + " = 1\n"},
}


@pytest.mark.parametrize("name", MENDED)
def test_what_once_failed(name: str, write_tree: Callable[[Mapping[str, str]], Path]) -> None:
    root = write_tree(MENDED[name])
    for arguments in (["signals", str(root), "--format", "json"], ["routes", str(root)]):
        done = harness.run(arguments)
        assert done.faults() == []
