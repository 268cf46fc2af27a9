"""Tests that a value passes on every way to a place, worked out through the functions that test it."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest
from tests.project.test_origins import ways

from project.serving.origins import ADDRESS, FILE_PATH

HELPERS = """
import asyncio
import ipaddress
import os
import re
import uuid
from pathlib import Path
from fastapi import HTTPException

KNOWN = {"a": "/srv/a"}

def in_folder(file: Path, folder: Path) -> bool:
    return file.is_file() and file.parent.samefile(folder)

def require_inside(file, folder):
    resolved = os.path.realpath(file)
    if os.path.commonpath([resolved, folder]) != folder:
        raise HTTPException(404)

def require_through(file):
    require_inside(file, "/srv")

def inside_or_none(file):
    path = Path("/srv") / file
    if not path.resolve().is_relative_to("/srv"):
        return None
    return path

def flawless(file):
    if ".." in file:
        return False
    return True

def load_checkpoint(file):
    return file

def seen(file):
    return file in KNOWN

async def public_only(host):
    for *_, address in await asyncio.getaddrinfo(host, None):
        found = ipaddress.ip_address(address[0])
        if found.is_private or found.is_loopback:
            raise HTTPException(400)

def without_marks(file):
    for mark in ["/", "@", ":"]:
        file = file.replace(mark, "_")
    return file

def renamed(file):
    for old, new in {"from a": "from b"}.items():
        file = file.replace(old, new)
    return file

def refuse(reason):
    raise HTTPException(400, reason)

def parts(file):
    return Path(file).parts

def loopback_only(file):
    first = parts(file)[0]
    if first == "readme":
        return
    try:
        if first.isalnum():
            return
    except ValueError:
        pass
    refuse("unknown")

def kind_of(file):
    kind = None
    for key, known in KNOWN.items():
        if file in known:
            kind = key
            break
    if kind is None:
        raise HTTPException(404)
    return kind

def same(file, other):
    if file != other:
        raise HTTPException(409)

class Store:
    def _refuse(self, file):
        for part in Path(file).parts:
            if part == "..":
                raise ValueError(file)

    def path(self, file):
        self._refuse(file)
        return Path("/srv") / file
"""

PASSED = [
    "if not in_folder(Path(name), BASE): raise HTTPException(404)\nsink(name)",
    "path = BASE / name\nif not in_folder(path, BASE): raise HTTPException(404)\nsink(path)",
    "require_inside(name, '/srv')\nsink(name)",
    "path = BASE / name\nrequire_through(path)\nsink(path)",
    "path = inside_or_none(name)\nif path is None: raise HTTPException(404)\nsink(path)",
    "sink(without_marks(name))",
    "public_only(name)\nsink(name)",
    "loopback_only(name)\nsink(name)",
    "kind_of(name)\nsink(name)",
    "if name not in KNOWN:\n    refuse('unknown')\nsink(name)",
    "if flawless(name):\n    sink(name)",
    "ok = flawless(name)\nif not ok:\n    return None\nsink(name)",
    "sink(Store().path(name))",
    "try:\n    (BASE / name).resolve().relative_to(BASE)\nexcept ValueError:\n    return None\nsink(BASE / name)",
    "full = (BASE / name).resolve()\nif full.parent != BASE: raise HTTPException(404)\nsink(full)",
    "sink(KNOWN[name])",
    "if name in KNOWN:\n    sink(name)",
    "if name not in KNOWN:\n    name = 'a'\nsink(name)",
    "if name == 'readme':\n    sink(name)",
    "uuid.UUID(name)\nsink(name)",
    "stem = name.replace('.log', '')\nif '.' in stem: raise HTTPException(400)\nsink(name)",
    "if name:\n    require_inside(name, '/srv')\nsink(name)",
    "sink(name if flawless(name) else 'a')",
    "flawless(name) and sink(name)",
    "if any(part == '..' for part in Path(name).parts): raise HTTPException(400)\nsink(name)",
    "with open('/srv/log') as log:\n    require_inside(name, '/srv')\nsink(name)",
    "if body.get('file') not in KNOWN: raise HTTPException(400)\nsink(body['file'])",
    "path = os.path.normpath(os.path.join('/srv', name))\nif not path.startswith('/srv/'): return None\nsink(path)",
    "path = BASE / name\npath = path.resolve()\nif not path.is_relative_to(BASE): return None\nsink(path)",
    "path = BASE / name\nif '..' in name or not path.is_relative_to(BASE): return None\nsink(path)",
]
NOT_PASSED = [
    "path = BASE / name\nif not path.is_relative_to(BASE): raise HTTPException(404)\nsink(path)",
    "path = BASE.resolve() / name\nif BASE not in path.parents: raise HTTPException(404)\nsink(path)",
    "try:\n    (BASE / name).relative_to(BASE)\nexcept ValueError:\n    return None\nsink(BASE / name)",
    "path = os.path.join('/srv', name)\nif os.path.commonpath(['/srv', path]) != '/srv': return None\nsink(path)",
    "path = os.path.join('/srv', name)\nif not path.startswith('/srv'): raise HTTPException(404)\nsink(path)",
    "sink(name)\nrequire_inside(name, '/srv')",
    "if flag:\n    require_inside(name, '/srv')\nsink(name)",
    "try:\n    require_inside(name, '/srv')\nexcept HTTPException:\n    pass\nsink(name)",
    "if name in KNOWN:\n    return KNOWN[name]\nsink(name)",
    "if seen(name): log(name)\nsink(name)",
    "if not flawless(name): log(name)\nsink(name)",
    "if name == 'a': raise HTTPException(409)\nsink(name)",
    "load_checkpoint(name)\nsink(name)",
    "same(name, item.name)\nsink(name)",
    "if not name.endswith('.pdf'): raise HTTPException(400)\nsink(name)",
    "sink(load_checkpoint(name))",
    "sink(renamed(name))",
    "uuid.UUID(item.code)\nsink(item.name)",
    "if not (BASE / name).exists(): raise HTTPException(404)\nsink(name)",
    "if 'file' not in body: raise HTTPException(400)\nsink(body['file'])",
    "if body['kind'] not in KNOWN: raise HTTPException(400)\nsink(body['file'])",
    "if item.kind not in KNOWN: raise HTTPException(400)\nsink(item.name)",
]


def reached(tmp_path: Path, body: str) -> list[bool]:
    handler = """
        from helpers import *

        @app.post("/x")
        def handler(name: str, flag: bool, item: Item, body: dict = Body()):
    """
    code = textwrap.dedent(handler).rstrip() + "\n" + textwrap.indent(body, "    ") + "\n"
    return [way is not None for way in ways(tmp_path, code, FILE_PATH, helpers=HELPERS)]


@pytest.mark.parametrize("body", PASSED)
def test_a_test_on_every_way_ends_it(tmp_path: Path, body: str) -> None:
    assert reached(tmp_path, body) == [False]


@pytest.mark.parametrize("body", NOT_PASSED)
def test_a_test_that_lets_the_value_on_does_not(tmp_path: Path, body: str) -> None:
    assert reached(tmp_path, body) == [True]


def test_a_function_named_like_a_check_counts_by_what_it_does(tmp_path: Path) -> None:
    code = """
        import httpx
        from urllib.parse import urlparse
        from partner import verify_target

        def check_address(url):
            httpx.head(url)

        def check_scheme(url):
            if urlparse(url).scheme not in ("http", "https"):
                raise HTTPException(400)

        @app.get("/a")
        def a(url: str):
            check_address(url)
            sink(url)

        @app.get("/b")
        def b(url: str):
            check_scheme(url)
            sink(url)

        @app.get("/c")
        def c(url: str):
            verify_target(url)
            sink(url)
        """
    found = ways(tmp_path, code, ADDRESS)
    assert [way is not None for way in found] == [True, True, False]


def test_a_dependency_that_refuses_the_same_input(tmp_path: Path) -> None:
    code = """
        def known(name: str):
            if name not in ALLOWED:
                raise HTTPException(404)

        def logged(name: str):
            print(name)

        @app.get("/a", dependencies=[Depends(known)])
        def a(name: str):
            sink(name)

        @app.get("/b", dependencies=[Depends(logged)])
        def b(name: str):
            sink(name)
        """
    found = ways(tmp_path, code, FILE_PATH)
    assert [way is not None for way in found] == [False, True]
