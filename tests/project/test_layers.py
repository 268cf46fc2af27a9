"""Layers by contents and names, imports against them, domain packages."""

from __future__ import annotations

from pathlib import Path

from tests.project.trees import make, module

from project import Project
from project.language.layers import BY_DOMAIN, BY_LAYER, CORE, ENTRY, MODEL, REPOSITORY, ROUTER, SCHEMA, SERVICE

MAIN = "from fastapi import FastAPI\nfrom app.api import users\napp = FastAPI()\napp.include_router(users.router)\n"
ROUTES = "from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/users')\ndef list_users(): ...\n"
TABLE = """
from sqlalchemy.orm import DeclarativeBase
class Base(DeclarativeBase): ...
class User(Base):
    __tablename__ = "users"
"""
TYPES = "from pydantic import BaseModel\nclass UserOut(BaseModel):\n    name: str\n"
LAYERED = {
    "app/__init__.py": "",
    "app/main.py": MAIN,
    "app/api/__init__.py": "",
    "app/api/users.py": ROUTES,
    "app/api/errors.py": "class NotFound(Exception): ...",
    "app/services/__init__.py": "",
    "app/services/users.py": "from app.api.errors import NotFound\n",
    "app/crud/__init__.py": "",
    "app/crud/users.py": "from app.models.user import User\n",
    "app/models/__init__.py": "",
    "app/models/user.py": TABLE,
    "app/schemas/__init__.py": "",
    "app/schemas/user.py": TYPES,
    "app/core/__init__.py": "",
    "app/core/security.py": "from app.crud import users\n",
}


def layer(project: Project, path: str) -> str:
    return project.layers.of(module(project, path))


def test_layers_by_folder(tmp_path: Path) -> None:
    project = make(tmp_path, LAYERED)
    assert project.layers.style == BY_LAYER
    assert {path: layer(project, path) for path in LAYERED if not path.endswith("__init__.py")} == {
        "app/main.py": ENTRY,
        "app/api/users.py": ROUTER,
        "app/api/errors.py": ROUTER,
        "app/services/users.py": SERVICE,
        "app/crud/users.py": REPOSITORY,
        "app/models/user.py": MODEL,
        "app/schemas/user.py": SCHEMA,
        "app/core/security.py": CORE,
    }
    assert project.layers.layer_folders[ROUTER] == ["app/api"]


def test_imports_against_the_layers(tmp_path: Path) -> None:
    project = make(tmp_path, LAYERED)
    found = [(c.lower, c.upper, c.item.importer.path) for c in project.layers.crossings]
    assert found == [(CORE, REPOSITORY, "app/core/security.py"), (SERVICE, ROUTER, "app/services/users.py")]
    lines = project.layers_summary()
    assert lines[0].startswith("layout: by layer; 1 entry point, 2 routers, 1 service, 1 repository")
    assert any("service imports router 1x" in line for line in lines)


def test_what_lies_in_the_folder_of_the_web_is_no_crossing(tmp_path: Path) -> None:
    files = {
        **LAYERED,
        "app/services/users.py": "",
        "app/api/user_service.py": "from app.api.errors import NotFound\n",
        "app/dependencies.py": "def get_session(): ...",
        "app/crud/users.py": "from app.dependencies import get_session\n",
        "app/core/security.py": "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    from app.crud import users\n",
    }
    assert make(tmp_path, files).layers.crossings == []


def test_names_are_believed_only_with_contents(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "api/main.py": "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/x')\ndef x(): ...\n",
            "api/models/user.py": TABLE,
            "api/clients.py": "",
            "ml/models/bert.py": "class Bert: ...",
            "api/billing_service.py": "def pay(): ...",
            "api/answer_service.py": TYPES,
        },
    )
    assert layer(project, "api/models/user.py") == MODEL
    assert layer(project, "api/clients.py") == ""
    assert layer(project, "ml/models/bert.py") == ""
    assert layer(project, "api/billing_service.py") == SERVICE
    assert layer(project, "api/answer_service.py") == SCHEMA


def test_domain_packages(tmp_path: Path) -> None:
    files = {"app/main.py": MAIN.replace("app.api import users", "app.orders import router as users")}
    for name in ("orders", "billing"):
        files |= {
            f"app/{name}/router.py": ROUTES.replace("/users", f"/{name}"),
            f"app/{name}/service.py": "def act(): ...",
            f"app/{name}/models.py": TABLE,
        }
    project = make(tmp_path, files)
    assert list(project.layers.domains) == ["app/billing", "app/orders"]
    assert project.layers.style == BY_DOMAIN


def domain_with_folders(name: str) -> dict[str, str]:
    """A package with a folder for each layer, as plugins and sub-applications have them."""
    main = f"from shop.{name}.api import routes\nfrom fastapi import APIRouter\nrouter = APIRouter()\n"
    files = {f"shop/{name}/{folder}__init__.py": "" for folder in ("", "api/", "model/", "schema/")}
    return files | {
        f"shop/{name}/routers.py": main + "router.include_router(routes.router)\n",
        f"shop/{name}/api/routes.py": ROUTES,
        f"shop/{name}/model/rows.py": TABLE,
        f"shop/{name}/schema/types.py": TYPES,
    }


def test_packages_with_layer_folders_are_domains(tmp_path: Path) -> None:
    main = "from fastapi import FastAPI\nfrom shop.orders.routers import router\napp = FastAPI()\n"
    main += "app.include_router(router)\n"
    files = {"shop/__init__.py": "", "shop/main.py": main, **domain_with_folders("orders")}
    assert not make(tmp_path / "one", files).layers.domains, "one such folder is the application itself"
    both = {**files, **domain_with_folders("users")}
    both["shop/main.py"] += "from shop.users.routers import router as users\napp.include_router(users)\n"
    project = make(tmp_path / "two", both)
    assert sorted(project.layers.domains) == ["shop/orders", "shop/users"]
    assert project.layers.style == BY_DOMAIN


def test_domains_whose_layers_lie_deeper(tmp_path: Path) -> None:
    """Ports and adapters: `orders/adapter/input/api`, `orders/application/service`, `orders/domain/entity`."""
    files = {"app/__init__.py": "", "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    for name in ("orders", "users"):
        files |= {
            f"app/{name}/adapter/input/api/v1/{name}.py": ROUTES.replace("users", name),
            f"app/{name}/application/service/{name}.py": "def find(): ...\n",
            f"app/{name}/domain/entity/{name}.py": TABLE,
        }
        files["app/main.py"] += (
            f"from app.{name}.adapter.input.api.v1 import {name}\napp.include_router({name}.router)\n"
        )
    project = make(tmp_path, files)
    assert project.layers.style == BY_DOMAIN
    assert sorted(project.layers.domains) == ["app/orders", "app/users"]


def test_versions_of_an_api_are_no_domains(tmp_path: Path) -> None:
    files = {"app/__init__.py": "", "app/main.py": "from fastapi import FastAPI\napp = FastAPI()\n"}
    for name in ("v1", "v2"):
        files |= {
            f"app/{name}/web/api/users.py": ROUTES.replace("users", name),
            f"app/{name}/logic/service/users.py": "def find(): ...\n",
            f"app/{name}/data/entity/users.py": TABLE,
        }
        files["app/main.py"] += f"from app.{name}.web.api.users import router as {name}\napp.include_router({name})\n"
    assert make(tmp_path, files).layers.domains == {}
