"""The redesign draft: domains, layout, moves with their risk, cuts, steps; and what is well cut is left alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from catalogue import CHECKS
from check import Selection, run
from project import Project
from redesign import target
from redesign.cuts import FAT_ROUTE
from redesign.domains import group, singular, subject
from redesign.proposal import Proposal, propose
from report.redesign import LIMIT, redesign_json, redesign_text

Write = Callable[[Mapping[str, str]], Path]
APPS = Path(__file__).parent / "apps"
MAIN = "from fastapi import FastAPI\nfrom shop.routers import {names}\napp = FastAPI()\n"
ROUTER = """\
from fastapi import APIRouter
from shop.services.{one}_service import find
from shop.models.{one} import Row
router = APIRouter(prefix="/{name}")
@router.get("/")
def read_{name}() -> list[int]:
    return find(Row)
"""
MODEL = """\
from sqlalchemy.orm import Mapped, mapped_column
from shop.database import Base
class Row(Base):
    __tablename__ = "{name}"
    id: Mapped[int] = mapped_column(primary_key=True)
"""
DATABASE = "from sqlalchemy.orm import DeclarativeBase\nclass Base(DeclarativeBase): pass\n"


def shop(*names: str, **extra: str) -> dict[str, str]:
    """An application by layer with these subjects."""
    main = MAIN.format(names=", ".join(names)) + "".join(f"app.include_router({name}.router)\n" for name in names)
    files = {"pyproject.toml": "[project]\nname = 'shop'\ndependencies = ['fastapi']\n", "shop/main.py": main}
    files |= {f"shop/{folder}__init__.py": "" for folder in ("", "routers/", "services/", "models/")}
    files["shop/database.py"] = DATABASE
    for name in names:
        one = singular(name)
        files[f"shop/routers/{name}.py"] = ROUTER.format(name=name, one=one)
        files[f"shop/services/{one}_service.py"] = "def find(row: type) -> list[int]:\n    return []\n"
        files[f"shop/models/{one}.py"] = MODEL.format(name=name)
    return files | {path.replace("__", "/") + ".py": text for path, text in extra.items()}


def proposal(root: Path) -> Proposal:
    project = Project.at(root)
    return propose(project, run(project, Selection(tuple(c for c in CHECKS if c.id == FAT_ROUTE))).signals)


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Count a handful of lines and domains as large."""
    monkeypatch.setattr(target, "LARGE_LINES", 20)
    monkeypatch.setattr(target, "MANY_DOMAINS", 2)


@pytest.mark.parametrize(
    ("name", "about"),
    [
        ("user_service", "user"),
        ("crud_item", "item"),
        ("routes", ""),
        ("utils", ""),
        ("v1", ""),
        ("rate_limits", "rate_limits"),
    ],
)
def test_subject_of_a_name(name: str, about: str) -> None:
    assert subject(name) == about


@pytest.mark.parametrize(
    ("many", "one"),
    [("orders", "order"), ("categories", "category"), ("status", "status"), ("boxes", "box"), ("address", "address")],
)
def test_singular(many: str, one: str) -> None:
    assert singular(many) == one


def test_domains_by_router_name_and_use(write_tree: Write) -> None:
    extra = {"shop__utils__tax": "RATE = 1\n"}
    files = shop("orders", "users", **extra)
    files["shop/services/order_service.py"] = (
        "from shop.utils.tax import RATE\n" + files["shop/services/order_service.py"]
    )
    grouping = group(Project.at(write_tree(files)))
    found = {domain.name: {m.path: why for m, why in domain.modules.items()} for domain in grouping.domains}
    assert found["orders"] == {
        "shop/routers/orders.py": "its routes",
        "shop/services/order_service.py": "its name",
        "shop/models/order.py": "its name",
        "shop/utils/tax.py": "only this domain imports it",
    }
    assert sorted(found) == ["orders", "users"]
    assert [m.path for m in grouping.shared] == ["shop/database.py"]


def test_folder_below_the_layer_is_the_domain(write_tree: Write) -> None:
    files = shop("orders", "users")
    for name in ("refunds", "fees"):
        files[f"shop/routers/money/{name}.py"] = ROUTER.format(name=name, one="order")
        files["shop/main.py"] += f"from shop.routers.money import {name}\napp.include_router({name}.router)\n"
    grouping = group(Project.at(write_tree(files)))
    assert [len(d.routes) for d in grouping.domains if d.name == "money"] == [2]


def test_small_backend_by_layer_keeps_its_layout(write_tree: Write) -> None:
    found = proposal(write_tree(shop("orders", "users")))
    assert (found.layout.name, found.layout.changes, found.moves, found.steps) == ("by layer", False, [], [])
    assert "Nothing in the code asks for another layout" in redesign_text(found, "")


@pytest.mark.usefixtures("large")
def test_large_backend_by_layer_moves_to_domains(write_tree: Write) -> None:
    found = proposal(write_tree(shop("orders", "users")))
    assert (found.layout.name, found.layout.changes, found.layout.root) == ("by domain", True, "shop")
    assert {move.module.path: move.target for move in found.moves} == {
        "shop/models/order.py": "shop/orders/models.py",
        "shop/models/user.py": "shop/users/models.py",
        "shop/routers/orders.py": "shop/orders/router.py",
        "shop/routers/users.py": "shop/users/router.py",
        "shop/services/order_service.py": "shop/orders/service.py",
        "shop/services/user_service.py": "shop/users/service.py",
    }
    text = redesign_text(found, " src")
    assert "Target: by domain." in text
    assert "shop/orders/  models.py, router.py, service.py" in text
    assert re.findall(r"^(\d)\. (\w+)", text, re.MULTILINE) == [
        ("1", "Save"),
        ("2", "Move"),
        ("3", "Move"),
        ("4", "Delete"),
    ]


@pytest.mark.usefixtures("large")
def test_risk_of_a_move(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["tests/test_orders.py"] = (
        "from unittest.mock import patch\ndef test_a():\n    patch('shop.services.order_service.find')\n"
    )
    risks = {m.module.path: (m.risk, m.why, len(m.importers)) for m in proposal(write_tree(files)).moves}
    assert risks["shop/services/order_service.py"][0] == "high"
    assert "tests/test_orders.py:3" in risks["shop/services/order_service.py"][1]
    assert risks["shop/models/order.py"][0] == "medium"
    assert risks["shop/routers/orders.py"] == ("low", "imports can be renamed by a tool", 1)


@pytest.mark.usefixtures("large")
def test_configuration_that_names_a_module_is_a_risk(write_tree: Write) -> None:
    files = shop("orders", "users") | {"worker.ini": "[worker]\ntask = shop.services.user_service:find\n"}
    (move,) = [m for m in proposal(write_tree(files)).moves if m.module.path == "shop/services/user_service.py"]
    assert [(p.path, p.line) for p in move.named] == [("worker.ini", 2)]


@pytest.mark.usefixtures("large")
def test_what_lies_in_domains_already_stays(write_tree: Write) -> None:
    files = {"pyproject.toml": "[project]\nname = 'shop'\n", "shop/__init__.py": "", "shop/database.py": DATABASE}
    main = "from fastapi import FastAPI\napp = FastAPI()\n"
    for name in ("orders", "users"):
        files[f"shop/{name}/__init__.py"] = ""
        files[f"shop/{name}/router.py"] = (
            ROUTER.format(name=name, one=name)
            .replace(f"shop.services.{name}_service", f"shop.{name}.service")
            .replace(f"shop.models.{name}", f"shop.{name}.models")
        )
        files[f"shop/{name}/service.py"] = "def find(row: type) -> list[int]:\n    return []\n"
        files[f"shop/{name}/models.py"] = MODEL.format(name=name)
        main += f"from shop.{name}.router import router as {name}\napp.include_router({name})\n"
    found = proposal(write_tree(files | {"shop/main.py": main}))
    assert (found.layout.name, found.layout.changes, found.moves) == ("by domain", False, [])
    assert sorted(d.name for d in found.grouping.domains) == ["orders", "users"]


def cycle(first: str, second: str) -> dict[str, str]:
    files = shop("orders", "users")
    return files | {"shop/services/order_service.py": first, "shop/services/user_service.py": second}


@pytest.mark.parametrize(
    ("use", "how"),
    [
        ("def find(row: type) -> list[int]:\n    return user_service.find(row)\n", "one use inside functions"),
        ("find = user_service.find\n", "the module uses it when it is loaded"),
        ("def find(row: user_service.Row) -> list[int]:\n    return []\n", "only annotations of functions use it"),
        ("def find(row: type) -> list[int]:\n    return []\n", "nothing uses it by name"),
    ],
)
def test_how_a_cycle_is_cut(write_tree: Write, use: str, how: str) -> None:
    second = "from shop.services import order_service\nRow = int\nfind = keep = order_service.find\n"
    found = proposal(write_tree(cycle(f"from shop.services import user_service\n{use}", second)))
    assert len(found.cuts) == 1
    hows = {target.importer.path: None for target in found.cuts[0].cycle.hops}
    assert sorted(hows) == ["shop/services/order_service.py", "shop/services/user_service.py"]
    if found.cuts[0].item.importer.path == "shop/services/order_service.py":
        assert found.cuts[0].how.startswith(how)
    else:
        assert how == "the module uses it when it is loaded"


def test_router_layer_is_cut_before_others(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/services/order_service.py"] = (
        "from shop.routers.orders import router\ndef find(row: type) -> list[int]:\n    return [len(router.routes)]\n"
    )
    (cut,) = proposal(write_tree(files)).cuts
    assert cut.item.importer.path == "shop/services/order_service.py"
    assert cut.how.startswith("a service should not know a router")


def test_tables_in_a_file_with_routes_are_to_move(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/routers/users.py"] += "from shop.database import Base\nclass Extra(Base):\n    __tablename__ = 'x'\n"
    found = proposal(write_tree(files)).misplaced
    assert [(m.module.path, m.kind, [s.name for s in m.found]) for m in found] == [
        ("shop/routers/users.py", "tables", ["Extra"])
    ]


def test_routes_in_the_entry_point_are_to_move(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/main.py"] += "".join(f"@app.get('/x{n}')\ndef x{n}() -> int:\n    return 1\n" for n in range(8))
    (found,) = proposal(write_tree(files)).misplaced
    assert (found.module.path, found.kind, len(found.found)) == ("shop/main.py", "routes", 8)


def test_messy_application_gets_its_causes() -> None:
    found = proposal(APPS / "messy")
    assert [(c.item.importer.path, c.item.target.path) for c in found.cuts] == [
        ("src/workshop/services/inventory.py", "src/workshop/services/pricing.py")
    ]
    assert [signal.symbol.rpartition(".")[2] for signal in found.fat_routes] == ["close_order"]
    assert [step.what.split()[0] for step in found.steps] == ["Save", "Cut", "Move", "Split"]


def test_tidy_application_is_left_alone() -> None:
    found = proposal(APPS / "tidy")
    assert (found.steps, found.moves, found.layout.changes) == ([], [], False)


@pytest.mark.usefixtures("large")
def test_text_is_bounded_and_json_whole(write_tree: Write) -> None:
    names = [f"subject{letter}{other}s" for letter in "abcdefghij" for other in "klmnopqr"]
    found = proposal(write_tree(shop(*names)))
    text = redesign_text(found, "")
    assert len(text) <= LIMIT
    assert "redesign --format json" in text
    content = json.loads(redesign_json(found))
    assert len(content["domains"]) == len(names)
    assert len(content["moves"]) == 3 * len(names)
    assert content["steps"][-1]["what"].startswith("Delete")


def test_pictures_draw_packages_layers_and_cycles(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/services/order_service.py"] = (
        "from shop.routers.orders import router\ndef find(row: type) -> list[int]:\n    return [len(router.routes)]\n"
    )
    picture = proposal(write_tree(files)).today
    assert picture.startswith("flowchart TD\n")
    labels = dict(re.findall(r'(n\d+)\["([\w/.]+)<br/>', picture))
    assert {"shop/routers", "shop/services", "shop/models", "shop"} == set(labels.values())
    assert "shop/routers<br/>routers, 2 files" in picture
    arrows = re.findall(r"(n\d+) -->\|\d+\| (n\d+)", picture)
    red = {int(n) for n in re.findall(r"\d+", re.findall(r"linkStyle (\S+)", picture)[0])}
    assert {tuple(labels[end] for end in arrows[n]) for n in red} == {
        ("shop/routers", "shop/services"),
        ("shop/services", "shop/routers"),
    }


def test_command(review: Callable[..., object]) -> None:
    done = review("redesign", str(APPS / "messy"))
    assert (done.returncode, done.stderr) == (0, "")  # type: ignore[attr-defined]
    assert done.stdout.startswith("# Redesign draft\n")  # type: ignore[attr-defined]
    done = review("redesign", str(APPS / "messy"), "--format", "json")
    assert json.loads(done.stdout)["layout"]["name"] == "by layer"  # type: ignore[attr-defined]
