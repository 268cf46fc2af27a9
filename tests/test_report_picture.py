"""The picture of the architecture: which packages it shows, and where their boxes and lines go."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from project import Project
from report.page.layout import BOX_HEIGHT, BOX_WIDTH, Layout, layout
from report.page.packages import MOST, package_graph
from report.page.picture import picture

WriteTree = Callable[[Mapping[str, str]], Path]
TYPED = "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import app.main\n"
ROUTER = """\
from fastapi import APIRouter
from app.services import user_service

router = APIRouter()


@router.get("/u")
def users(): ...
"""
MAIN = "from fastapi import FastAPI\n{}app = FastAPI()\n"


def graph_of(boxes: int, lines: int, seed: int) -> tuple[list[str], dict[tuple[str, str], int]]:
    chance = random.Random(seed)
    names = [f"package{n}" for n in range(boxes)]
    pairs = {(a, b): chance.randint(1, 9) for a, b in (chance.sample(names, 2) for _ in range(lines))}
    return names, pairs


def overlapping(placed: Layout) -> list[tuple[str, str]]:
    boxes = sorted(placed.boxes.items())
    return [
        (a, b)
        for n, (a, (x, y)) in enumerate(boxes)
        for b, (u, v) in boxes[n + 1 :]
        if abs(x - u) < BOX_WIDTH and abs(y - v) < BOX_HEIGHT
    ]


@pytest.mark.parametrize(("boxes", "lines"), [(1, 0), (2, 1), (10, 15), (30, 60), (48, 400), (60, 60)])
def test_boxes_do_not_overlap_and_lines_end_at_them(boxes: int, lines: int) -> None:
    names, pairs = graph_of(boxes, lines, boxes) if boxes > 1 else (["alone"], {})
    placed = layout(names, pairs)
    assert sorted(placed.boxes) == sorted(names)
    assert overlapping(placed) == []
    assert placed == layout(names, pairs), "the same each time"
    for (source, target), points in placed.lines.items():
        top, bottom = (target, source) if (source, target) in placed.upward else (source, target)
        assert points[0][1] == placed.boxes[top][1] + BOX_HEIGHT
        assert points[-1][1] == placed.boxes[bottom][1]
        assert [y for _, y in points] == sorted(y for _, y in points)
    assert all(0 <= x <= placed.width - BOX_WIDTH + 1 and 0 <= y < placed.height for x, y in placed.boxes.values())


def test_layers_stand_above_each_other_and_implied_lines_are_left_out() -> None:
    pairs = {("main", "routers"): 3, ("routers", "services"): 9, ("services", "models"): 9, ("routers", "models"): 2}
    placed = layout(["main", "routers", "services", "models"], pairs)
    heights = [placed.boxes[name][1] for name in ("main", "routers", "services", "models")]
    assert heights == sorted(set(heights))
    assert set(placed.lines) == set(pairs) - {("routers", "models")}
    assert placed.upward == frozenset()


def test_the_thinner_direction_of_a_cycle_leads_up() -> None:
    placed = layout(["a", "b", "c"], {("a", "b"): 9, ("b", "c"): 9, ("c", "a"): 1})
    assert placed.upward == {("c", "a")}
    assert ("c", "a") in placed.lines
    both = layout(["a", "b"], {("a", "b"): 2, ("b", "a"): 1})
    assert both.upward == {("b", "a")}
    assert both.lines["a", "b"][0] != both.lines["b", "a"][0]


def test_small_project_shows_its_modules(write_tree: WriteTree) -> None:
    files = {
        "backend/app/__init__.py": "",
        "backend/app/main.py": MAIN.format("from app import users\n"),
        "backend/app/users.py": "from app import models\n" + TYPED,
        "backend/app/models.py": "def late():\n    from app import users\n",
    }
    graph = package_graph(Project.at(write_tree(files)))
    assert [p.name for p in graph.packages] == ["main", "models", "users"]
    assert graph.imports == {("main", "users"): 1, ("users", "models"): 1, ("models", "users"): 1}


def test_large_project_shows_few_packages_without_their_common_start(write_tree: WriteTree) -> None:
    files = {"tool/helper.py": "x = 1\n", "src/shop/__init__.py": "", "src/shop/base.py": "x = 1\n"}
    for n in range(70):
        for name in ("models", "service", "deep/more"):
            files[f"src/shop/part{n}/{name}.py"] = (
                f"from shop import base\nfrom shop.part{(n + 1) % 70} import models\n"
            )
    files["src/shop/main.py"] = MAIN.format("from shop.part1 import service\n")
    graph = package_graph(Project.at(write_tree(files)))
    names = [p.name for p in graph.packages]
    assert 12 <= len(names) <= MOST + 2
    assert {"(start)", "(top level)", "(other packages)"} < set(names)
    assert sum(p.modules for p in graph.packages) == 70 * 3 + 3
    assert "(start)" not in {target for _, target in graph.imports}
    assert all("src/shop" not in name for name in names)


def test_picture_names_layers_cycles_and_wrong_directions(write_tree: WriteTree) -> None:
    files = {
        "app/__init__.py": "",
        "app/main.py": MAIN.format("from app.routers import users\n") + "app.include_router(users.router)\n",
        "app/routers/__init__.py": "",
        "app/routers/users.py": ROUTER,
        "app/services/__init__.py": "",
        "app/services/user_service.py": "def late():\n    from app.routers import users\n",
    }
    html = picture(package_graph(Project.at(write_tree(files))))
    assert "closes a cycle" in html and "(against the layers)" in html
    assert f"router · {len(ROUTER.splitlines())} lines" in html and "service · 2 lines" in html
    assert "routers/users imports services/user_service, 1 import" in html
