"""The import graph: what loads what, cycles, and what fails when a module is imported first."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest
from tests.project.trees import make, module

from project.language.imports import DEFERRED, LOAD, TYPING

CYCLE = {
    "shop/__init__.py": "",
    "shop/inventory.py": "from shop.pricing import price\ndef scarce(): return price()\n",
    "shop/pricing.py": "from shop.inventory import scarce\ndef price(): return 1\n",
}


def fails(folder: Path, name: str) -> bool:
    """Whether Python itself cannot import the module first."""
    command = [sys.executable, "-B", "-c", f"import {name}"]
    return subprocess.run(command, cwd=folder, capture_output=True, check=False).returncode != 0


def test_imports_are_told_apart(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app/__init__.py": "",
            "app/a.py": """
                import sys
                from typing import TYPE_CHECKING
                from app import b
                if TYPE_CHECKING:
                    from app.c import C
                if sys.version_info > (3, 11):
                    from app.d import D
                if b.LATE:
                    from app.e import E

                def later():
                    from app.f import F
            """,
            "app/b.py": "LATE = False",
            "app/c.py": "class C: ...",
            "app/d.py": "class D: ...",
            "app/e.py": "class E: ...",
            "app/f.py": "class F: ...",
        },
    )
    found = {i.target.dotted: i.when for i in project.imports.of(module(project, "app/a.py")) if not i.package}
    assert found == {
        "app.b": LOAD,
        "app.c": TYPING,
        "app.d": LOAD,
        "app.e": DEFERRED,
        "app.f": DEFERRED,
    }
    importers = project.imports.importers[module(project, "app/b.py")]
    assert [(i.importer.path, i.node.lineno) for i in importers] == [("app/a.py", 4)]


def test_a_cycle_is_the_shortest_way_and_says_what_fails(tmp_path: Path) -> None:
    files = {
        **CYCLE,
        "shop/orders.py": "import shop.stock\n",
        "shop/stock.py": "from shop import inventory\nfrom shop import orders\n",
    }
    files["shop/pricing.py"] += "import shop.orders\n"
    project = make(tmp_path, files)
    [cycle] = project.imports.cycles
    assert [hop.importer.dotted for hop in cycle.hops] == ["shop.inventory", "shop.pricing"]
    assert len(cycle.modules) == 4
    assert cycle.failing is not None
    first, item = cycle.failing
    assert (first.dotted, item.importer.path, item.node.lineno) == ("shop.inventory", "shop/pricing.py", 1)


@pytest.mark.parametrize(
    "change",
    [
        {},
        {"shop/inventory.py": "import shop.pricing\ndef scarce(): return shop.pricing.price()\n"},
        {"shop/inventory.py": "def scarce(): return 1\nfrom shop.pricing import price\n"},
        {"shop/pricing.py": "try:\n    from shop.inventory import scarce\nexcept ImportError:\n    scarce = None\n"
                            "def price(): return 1\n"},
        {"shop/__init__.py": "from shop.pricing import price\n"},
        {"shop/__init__.py": "from shop.inventory import scarce\n"},
        {"shop/inventory.py": "from . import pricing\ndef scarce(): return pricing.price()\n"},
        {"shop/__init__.py": "from shop.inventory import scarce\nfrom shop.Kind import Kind\n",
         "shop/Kind.py": "class Kind: ...",
         "shop/inventory.py": "from shop import Kind\ndef scarce(): return 1\n"},
    ],
)  # fmt: skip
def test_failures_are_those_of_python(tmp_path: Path, change: dict[str, str]) -> None:
    project = make(tmp_path, {**CYCLE, **change})
    for name in ("shop.inventory", "shop.pricing"):
        path = f"{name.replace('.', '/')}.py"
        assert (project.imports.failure(module(project, path)) is not None) == fails(tmp_path, name)


def test_a_package_that_holds_the_importer_is_no_cycle(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "shop/__init__.py": "from shop.a import A\nfrom shop.b import B\n",
            "shop/a.py": "class A: ...",
            "shop/b.py": "import shop\nfrom shop import A\nclass B(A): ...",
        },
    )
    assert project.imports.cycles == []


def test_the_package_on_the_way_closes_a_cycle(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "core/__init__.py": "",
            "core/schemas.py": "from web.agent.analysis import Analysis\nclass Run: ...",
            "web/__init__.py": "",
            "web/agent/__init__.py": "from web.agent.views import router",
            "web/agent/views.py": "from core.schemas import Run\nrouter = 1",
            "web/agent/analysis.py": "class Analysis: ...",
        },
    )
    [cycle] = project.imports.cycles
    assert [hop.importer.path for hop in cycle.hops] == [
        "core/schemas.py",
        "web/agent/__init__.py",
        "web/agent/views.py",
    ]
    assert cycle.hops[0].package
    assert cycle.failing is not None
    assert fails(tmp_path, cycle.failing[0].dotted)


def test_imports_in_functions_that_hide_a_cycle(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "shop/__init__.py": "",
            "shop/a.py": "from shop import b\n",
            "shop/b.py": "def f():\n    from shop.a import x\n    from shop.c import y\n",
            "shop/c.py": "y = 1",
        },
    )
    assert [(i.importer.path, i.node.lineno) for i in project.imports.hidden] == [("shop/b.py", 2)]
    assert project.imports.cycles == []


def test_a_package_hides_the_module_of_its_name(tmp_path: Path) -> None:
    files = {
        "app/__init__.py": "",
        "app/providers.py": "class Ollama:\n    old = True\n",
        "app/providers/__init__.py": "from app.providers.ollama import Ollama\n",
        "app/providers/ollama.py": "class Ollama:\n    old = False\n",
        "app/main.py": "from app.providers import Ollama\nmade = Ollama()\n",
    }
    project = make(tmp_path, files)
    main = project.modules["app/main.py"]
    used = project.names.resolve(ast.Name("Ollama"), main)
    assert used is project.modules["app/providers/ollama.py"].classes[0]
    assert project.modules["app/providers.py"].kind == "script"
    assert "app/providers.py" not in {module.path for module in project.app_modules}
