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
        ("api_keys", "api_keys"),
        ("web_search", "web_search"),
        ("api_v1", ""),
        ("orders_api", "orders"),
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


def test_file_called_like_a_layer_is_about_its_folder(write_tree: Write) -> None:
    files = shop("orders", "users")
    for name in ("pats", "tokens"):
        files[f"shop/server/{name}/api.py"] = ROUTER.format(name=name, one="order")
        files["shop/main.py"] += f"from shop.server.{name} import api as {name}\n"
        files["shop/main.py"] += f"app.include_router({name}.router, prefix='/admin')\n"
    names = [d.name for d in group(Project.at(write_tree(files))).domains]
    assert sorted(names) == ["orders", "pats", "tokens", "users"]
    files["shop/server/tokens/oauth.py"] = ROUTER.format(name="oauth", one="order")
    files["shop/main.py"] += "from shop.server.tokens import oauth\napp.include_router(oauth.router)\n"
    domains = group(Project.at(write_tree(files))).domains
    assert [len(d.routes) for d in domains if d.name == "tokens"] == [2]
    assert "oauth" not in [d.name for d in domains]


def test_what_shared_modules_need_is_shared(write_tree: Write) -> None:
    files = shop("orders", "users", shop__engine="URL = ''\n", shop__commands="from shop.database import Base\n")
    files["shop/database.py"] = "from shop.engine import URL\n" + DATABASE
    grouping = group(Project.at(write_tree(files)))
    assert [m.path for m in grouping.shared] == ["shop/database.py", "shop/engine.py"]
    assert [m.path for m in grouping.other] == ["shop/commands.py"]


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
    assert "- shop/orders/  models.py, router.py, service.py" in text
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
def test_no_package_hides_a_module(write_tree: Write) -> None:
    """`shop/orders/` beside `shop/orders.py` would hide it, and every import of it would fail."""
    files = shop("orders", "users", "news", shop__orders="LATER = 1\n", shop__news="SOON = 1\n")
    files["shop/main.py"] += "from shop.orders import LATER\nfrom shop.news import SOON\n"
    targets = [move.target for move in proposal(write_tree(files)).moves]
    assert sorted({target.rpartition("/")[0] for target in targets}) == ["shop/new", "shop/order", "shop/users"]
    files |= {"shop/order.py": "A = 1\n", "shop/new.py": "A = 1\n"}
    files["shop/main.py"] += "from shop.order import A\nfrom shop.new import A as B\n"
    targets = [move.target for move in proposal(write_tree(files)).moves]
    assert sorted({target.rpartition("/")[0] for target in targets}) == ["shop/users"]


@pytest.mark.usefixtures("large")
def test_types_beside_tables_of_the_same_name(write_tree: Write) -> None:
    types = "from pydantic import BaseModel\nclass {0}(BaseModel):\n    id: int\n"
    files = shop("orders", "users")
    files |= {"shop/models/db/__init__.py": "", "shop/models/db/order.py": files["shop/models/order.py"]}
    files["shop/models/order.py"] = types.format("OrderOut") + "from shop.models.db.order import Row\n"
    files |= {f"shop/schemas/{folder}/__init__.py": "" for folder in ("", "in", "out")}
    files |= {"shop/schemas/in/user.py": types.format("UserIn"), "shop/schemas/out/user.py": types.format("UserOut")}
    moved = {move.module.path: move.target for move in proposal(write_tree(files)).moves}
    assert moved["shop/models/order.py"] == "shop/orders/schemas.py"
    assert moved["shop/models/db/order.py"] == "shop/orders/models.py"
    assert moved["shop/schemas/in/user.py"] == "shop/users/schemas/in_user.py"
    assert moved["shop/schemas/out/user.py"] == "shop/users/schemas/out_user.py"


@pytest.mark.usefixtures("large")
def test_package_that_is_moved_keeps_its_init(write_tree: Write) -> None:
    files = shop("orders", "users") | {"shop/models/order/__init__.py": "from shop.models.order.order import Row\n"}
    files["shop/models/order/order.py"] = files.pop("shop/models/order.py")
    found = {move.module.path: move for move in proposal(write_tree(files)).moves}
    assert found["shop/models/order/__init__.py"].why.startswith("a package: move all of it")
    moved = {path: move.target for path, move in found.items()}
    assert moved["shop/models/order/__init__.py"] == "shop/orders/models/__init__.py"
    assert moved["shop/models/order/order.py"] == "shop/orders/models/order.py"


def test_lesser_fat_routes_are_counted_too(write_tree: Write) -> None:
    lines = "".join(f"    if db.scalar(select(Row).where(Row.id == {n})): x += {n}\n" for n in range(2))
    lines += "    if x > 1: x += 1\n" * 2
    body = "    x = 0\n" + lines + "    x += 1\n" * 8 + "    return x\n"
    text = "from sqlalchemy import select\nfrom sqlalchemy.orm import Session\n" + ROUTER.format(
        name="orders", one="order"
    )
    for name in "ab":
        text += f"@router.get('/{name}')\ndef {name}(db: Session) -> int:\n{body}"
    found = proposal(write_tree(shop("orders", "users") | {"shop/routers/orders.py": text}))
    (signal,) = found.fat_routes
    assert len(signal.places) == 1
    assert [s.what.partition(":")[0] for s in found.steps[1:]] == ["Split 2 fat path operations in 1 file"]


@pytest.mark.usefixtures("large")
def test_package_beside_the_application_stays_whole(write_tree: Write) -> None:
    files = shop("orders", "users")
    files |= {"users/__init__.py": "", "users/sync.py": "from users.user_service import A\n"}
    files["users/user_service.py"] = "A = 1\n"
    files["shop/routers/users.py"] += "from users.user_service import A\n"
    found = proposal(write_tree(files))
    assert found.layout.root == "shop"
    assert {move.module.path for move in found.moves if move.module.path.startswith("users/")} == set()
    alone = "from fastapi import FastAPI\napp = FastAPI()\n@app.get('/orders')\ndef f() -> int: return 1\n"
    files |= {
        "shop/more/__init__.py": "",
        "other/orders.py": alone.replace("app", "router").replace("FastAPI", "APIRouter"),
    }
    files["other/main.py"] = "from fastapi import FastAPI\nfrom other.orders import router\napp = FastAPI()\n"
    files["other/main.py"] += "app.include_router(router)\n"
    paths = [move.module.path for move in proposal(write_tree(files)).moves]
    assert "shop/routers/orders.py" in paths
    assert "other/orders.py" not in paths


@pytest.mark.usefixtures("large")
def test_no_package_hides_a_library(write_tree: Write) -> None:
    files = {path.replace("shop/", ""): text.replace("shop.", "") for path, text in shop("calendar", "users").items()}
    files = {path: text for path, text in files.items() if path != "__init__.py"}
    found = proposal(write_tree(files))
    assert found.layout.root == ""
    assert {move.target.partition("/")[0] for move in found.moves} == {"users"}


@pytest.mark.usefixtures("large")
def test_module_that_looks_beside_itself_is_a_risk(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/services/user_service.py"] += "from pathlib import Path\nTEXTS = Path(__file__).parent / 'texts'\n"
    (move,) = [m for m in proposal(write_tree(files)).moves if m.module.path == "shop/services/user_service.py"]
    assert (move.risk, move.why) == ("high", "line 4 looks for files from its own place (`__file__`)")


@pytest.mark.usefixtures("large")
def test_domains_of_one_file_come_last_in_one_step(write_tree: Write) -> None:
    files = shop("orders", "users")
    for name in ("health", "status"):
        files[f"shop/routers/{name}.py"] = (
            f"from fastapi import APIRouter\nrouter = APIRouter()\n@router.get('/{name}')\n"
            f"def {name}() -> int:\n    return 1\n"
        )
        files["shop/main.py"] += f"from shop.routers import {name}\napp.include_router({name}.router)\n"
    steps = [step.what.partition(";")[0] for step in proposal(write_tree(files)).steps]
    assert [step.partition(":")[0] for step in steps[1:3]] == ["Move orders", "Move users"]
    assert steps[3] == "Move the 2 domains of one file, or leave them where they are: health, status"


@pytest.mark.usefixtures("large")
def test_domains_that_import_each_other(write_tree: Write) -> None:
    files = shop("orders", "users")
    files["shop/services/order_service.py"] += "from shop.services import user_service\nuser_service.find(int)\n"
    files["shop/routers/orders.py"] += "from shop.models import user\nfrom shop.services import user_service\n"
    files["shop/services/user_service.py"] += "def late() -> None:\n    from shop.models import order\n"
    found = proposal(write_tree(files))
    assert "- users imports orders 1x (shop/services/user_service.py:4), orders it 3x: the 1 to cut" in redesign_text(
        found, ""
    )
    assert [s.what for s in found.steps if s.what.startswith("Cut")] == [
        "Cut 1 import between 1 pair of domains, as listed"
    ]
    files["shop/services/user_service.py"] = files["shop/services/user_service.py"].partition("def late")[0]
    files["shop/routers/users.py"] += "from shop.models import order\n"
    assert "users imports orders 1x, orders it 3x: only its routers do" in redesign_text(
        proposal(write_tree(files)), ""
    )
    (row,) = json.loads(redesign_json(found))["domains_tied"]
    assert row["fewer"] == [{"path": "shop/services/user_service.py", "line": 4, "imports": "shop/models/order.py"}]


@pytest.mark.usefixtures("large")
def test_names_of_files_break_out_of_nothing(write_tree: Write) -> None:
    evil = '```mermaid <img src=x onerror=alert(1)>"]; click n0 href'
    files = shop("orders", "users")
    files = {path.replace("shop/", f"{evil}/shop/", 1): text for path, text in files.items()}
    files[f"{evil}/shop/routers/```# evil.py"] = ROUTER.format(name="evil", one="order")
    text = redesign_text(proposal(write_tree(files)), "")
    assert "Target: by domain." in text
    assert [line for line in text.splitlines() if re.match(r"\s*(- )?(```|#{1,6} |~~~)", line)] == [
        line for line in text.splitlines() if re.fullmatch(r"```mermaid|```|# Redesign draft|## [A-Z][\w ,()]+", line)
    ]
    pictures = "".join(re.findall(r"^```mermaid\n(.*?)^```$", text, re.MULTILINE | re.DOTALL))
    assert "<img" not in pictures
    assert all(re.fullmatch(r'  n\d+\["[^"\[\]<>]+<br/>[^"<>]+"\]', x) for x in pictures.splitlines() if '"' in x)


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
    files["shop/backoffice/order/router.py"] = files["shop/orders/router.py"]
    main += "from shop.backoffice.order.router import router as more\napp.include_router(more)\n"
    grouping = group(Project.at(write_tree(files | {"shop/main.py": main})))
    assert sorted(d.name for d in grouping.domains) == ["backoffice/order", "orders", "users"]


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


def test_import_through_a_package_is_told_as_such(write_tree: Write) -> None:
    files = shop("orders", "users") | {"shop/chores/__init__.py": "from shop.metrics import push\npush()\n"}
    files |= {"shop/chores/queue.py": "def size() -> int: return 1\n"}
    files["shop/metrics.py"] = "from shop.chores.queue import size\ndef push() -> int: return size()\n"
    (cut,) = proposal(write_tree(files)).cuts
    assert (cut.item.importer.path, cut.item.target.path) == ("shop/metrics.py", "shop/chores/__init__.py")
    assert "whose `__init__` runs first" in cut.how


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
    alone = "from fastapi import FastAPI\napp = FastAPI()\n" + files["shop/main.py"][files["shop/main.py"].index("@") :]
    assert proposal(write_tree({"daemon/main.py": alone})).misplaced == []


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
