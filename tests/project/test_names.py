"""Canonical names through imports, aliases, re-exports, relative imports and folders without `__init__.py`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import expression, make, module

from project import Class, Function


@pytest.mark.parametrize(
    ("statement", "name", "dotted"),
    [
        ("import requests as http", "http", "requests"),
        ("import os.path", "os", "os"),
        ("from time import sleep as zz", "zz", "time.sleep"),
        (
            "from fastapi.concurrency import run_in_threadpool",
            "run_in_threadpool",
            "starlette.concurrency.run_in_threadpool",
        ),
        ("from app.core import User", "User", "app.core.users.User"),
        ("from .core.users import User as U", "U", "app.core.users.User"),
        ("from . import core", "core", "app.core"),
        ("from app.core.stars import *", "User", "app.core.users.User"),
        ("import app.core.users as u\nAlias = u.User", "Alias", "app.core.users.User"),
        ("try:\n    import ujson as json\nexcept ImportError:\n    json = None", "json", "ujson"),
        (
            "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.core import User",
            "User",
            "app.core.users.User",
        ),
        ("def f(): ...", "f", "app.main.f"),
        ("x = 1", "x", "app.main.x"),
        ("", "open", "builtins.open"),
    ],
)
def test_lookup(tmp_path: Path, statement: str, name: str, dotted: str) -> None:
    project = make(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/main.py": statement + "\n",
            "app/core/__init__.py": "from .users import User",
            "app/core/users.py": "class User: ...",
            "app/core/stars.py": "from app.core.users import User",
        },
    )
    found = project.names.lookup(module(project, "app/main.py"), name)
    assert found is not None
    assert found.dotted == dotted


def test_folders_without_init_are_packages(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {"shop/routers/users.py": "def read(): ...", "shop/main.py": "from shop.routers import users\nusers.read"},
    )
    main = module(project, "shop/main.py")
    found = project.names.resolve(expression(main, "users.read"), main)
    assert isinstance(found, Function)
    assert found.dotted == "shop.routers.users.read"


def test_src_layout_and_two_roots(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "a/src/app/__init__.py": "",
            "a/src/app/db.py": "class Base: ...",
            "a/src/app/main.py": "from app.db import Base",
            "b/app/__init__.py": "",
            "b/app/db.py": "class Base: ...",
            "b/app/main.py": "from app.db import Base",
        },
    )
    for root in ("a/src", "b"):
        base = project.names.lookup(module(project, f"{root}/app/main.py"), "Base")
        assert isinstance(base, Class)
        assert base.module.path == f"{root}/app/db.py"
        assert base.dotted == "app.db.Base"


def test_a_project_file_named_like_a_library_does_not_hide_it(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/utils/__init__.py": "",
            "app/utils/requests.py": "import requests\nfrom requests import Session",
            "app/main.py": "import requests",
            "alembic/env.py": "from alembic import context",
        },
    )
    for path, name, dotted in (
        ("app/main.py", "requests", "requests"),
        ("app/utils/requests.py", "Session", "requests.Session"),
        ("alembic/env.py", "context", "alembic.context"),
    ):
        found = project.names.lookup(module(project, path), name)
        assert found is not None
        assert found.dotted == dotted


def test_cycles_end(tmp_path: Path) -> None:
    project = make(tmp_path, {"a.py": "from b import x", "b.py": "from a import x\ny = z\nz = y"})
    assert project.names.lookup(module(project, "a.py"), "x") is None
    assert project.names.lookup(module(project, "b.py"), "y") is not None


def test_inheritance_across_modules(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "base.py": "from fastapi import APIRouter\nclass Own(APIRouter): ...",
            "main.py": "import base\nclass Mine(base.Own): ...",
        },
    )
    mine = module(project, "main.py").classes[0]
    assert project.names.derives(mine, "fastapi.APIRouter")
    own = module(project, "base.py").classes[0]
    assert project.names.subclasses(own) == [mine]


@pytest.mark.parametrize(
    ("library", "known"),
    [
        ("", True),  # the folder on the disk has another name than the package
        ("from shop.carts import Cart\nfrom shop.prices import Price", False),  # a library that is like it by chance
    ],
)
def test_imports_by_the_name_of_the_reviewed_package_itself(tmp_path: Path, library: str, known: bool) -> None:
    files = {
        "__init__.py": "",
        "models.py": "class Order: ...",
        "api/__init__.py": "",
        "api/routes.py": f"from shop.models import Order\n{library}",
    }
    project = make(tmp_path, files)
    order = project.names.lookup(module(project, "api/routes.py"), "Order")
    assert isinstance(order, Class) is known


def test_a_package_that_holds_a_folder_of_its_own_name(tmp_path: Path) -> None:
    files = {
        "__init__.py": "",
        "shop/__init__.py": "",
        "shop/models.py": "class Order: ...",
        "models.py": "class Other: ...",
        "main.py": "from shop.models import Order",
    }
    project = make(tmp_path, files)
    order = project.names.lookup(module(project, "main.py"), "Order")
    assert isinstance(order, Class) and order.module.path == "shop/models.py"
