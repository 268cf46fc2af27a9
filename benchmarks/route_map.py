"""Route maps against what FastAPI itself built: rows dumped from running applications, compared one by one.

usage: python benchmarks/route_map.py TRUTH.json TREE [TRUTH.json TREE ...]

TRUTH holds one row a route (methods or method, path, handler, file, line, dependencies, response_model, status_code,
and auth or auth_required where it was established by hand), or {file: rows} for a folder of single applications. Left
out on both sides: what the framework adds, mounts, handlers outside the tree. Invented: routes of an application whose
others were found, neither in TRUTH nor conditional. Time: the route map alone, as a ratio to reading the tree.
"""

from __future__ import annotations

import json
import re
import sys
import time
from collections import defaultdict
from pathlib import Path
from typing import Any

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

from project import Project  # noqa: E402
from project.routing.routes import Route  # noqa: E402

Key = tuple[str, ...]
HEAD = ("application", "operations", "found", "invented", "place", "deps", "model", "status", "auth", "time")


def main() -> None:
    if len(sys.argv) < 3 or len(sys.argv) % 2 == 0:
        sys.exit(str(__doc__))
    rows = [HEAD, *(measure(Path(t), Path(p)) for t, p in zip(sys.argv[1::2], sys.argv[2::2], strict=True))]
    widths = [max(len(row[i]) for row in rows) for i in range(len(HEAD))]
    for row in rows:
        print("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def measure(truth: Path, tree: Path) -> tuple[str, ...]:
    """One row of the table."""
    wanted, by_file = read_truth(truth)
    start = time.process_time()
    project = Project.at(tree)
    parsed = time.process_time()
    routes = project.routes
    ratio = (time.process_time() - parsed) / max(parsed - start, 0.001)
    ours: dict[Key, list[Route]] = defaultdict(list)
    for route in routes:
        for key in keys(list(route.methods), route.path, route.websocket, route.file if by_file else ""):
            ours[key].append(route)
    found = {key: (row, best(row, ours[key])) for key, row in wanted.items() if key in ours}
    apps = {r.app for key in found for r in ours[key]}
    invented = [k for k, rs in ours.items() if k not in wanted and any(r.app in apps and not r.conditional for r in rs)]
    roots = {str(row["handler"]).split(".")[0] for row in wanted.values() if "/" not in str(row["handler"])}
    judged = [(row, r) for row, r in found.values() if isinstance(row.get("auth", row.get("auth_required")), bool)]
    unsure = sum(r.auth is None for _, r in judged)
    right = sum(r.auth is row.get("auth", row.get("auth_required")) for row, r in judged)
    return (
        truth.stem,
        str(len(wanted)),
        share(len(found), len(wanted)),
        str(len(invented)),
        share(sum(place(row, r) for row, r in found.values()), len(found)),
        share(
            sum(deps(row["dependencies"], roots) == deps(r.dependencies, roots) for row, r in found.values()),
            len(found),
        )
        if all("dependencies" in row for row in wanted.values())
        else "",
        share(
            sum(words(row.get("response_model")) == words(r.response_model) for row, r in found.values()), len(found)
        ),
        share(sum((row.get("status_code") or 200) == r.status_code for row, r in found.values()), len(found)),
        f"{right}/{len(judged)}, {unsure} unknown" if judged else "",
        f"{ratio:.2f}",
    )


def read_truth(path: Path) -> tuple[dict[Key, dict[str, Any]], bool]:
    data = json.loads(path.read_text(encoding="utf-8"))
    by_file = isinstance(data, dict) and "routes" not in data
    rows = [r for rs in data.values() for r in rs] if by_file else data["routes"] if isinstance(data, dict) else data
    found: dict[Key, dict[str, Any]] = {}
    for row in rows:
        file = file_of(row)
        if row.get("builtin") or row.get("kind", "APIRoute") not in ("APIRoute", "APIWebSocketRoute") or not file:
            continue
        if file.startswith("site-packages"):
            continue
        websocket = bool(row.get("websocket") or row.get("kind") == "APIWebSocketRoute")
        for key in keys(row.get("methods") or [row.get("method")], row["path"], websocket, file if by_file else ""):
            found.setdefault(key, row)
    return found, by_file


def file_of(row: dict[str, Any]) -> str:
    handler = row.get("handler") or ""
    text = row.get("file") or row.get("location") or (handler if ":" in handler else "")
    return re.sub(r":\d+.*$", "", text).lstrip("./")


def keys(methods: list[str], path: str, websocket: bool, file: str) -> list[Key]:
    plain = re.sub(r"\{([^}:]+)(:[^}]*)?\}", r"{\1}", path) or "/"
    names = ["WS"] if websocket else [m.upper() for m in methods if not (m == "HEAD" and "GET" in methods)]
    return [(name, plain, *(("/".join(file.split("/")[-2:]),) if file else ())) for name in names]


def best(row: dict[str, Any], routes: list[Route]) -> Route:
    return next((r for r in routes if place(row, r)), routes[0])


def place(row: dict[str, Any], route: Route) -> bool:
    file = file_of(row)
    number = re.search(r":(\d+)", str(row.get("location") or row.get("handler")))
    line = row.get("line") or (int(number[1]) if number else None)
    return (file.endswith(route.file) or route.file.endswith(file)) and route.line in (line, row.get("decorator_line"))


def deps(names: Any, roots: set[str]) -> set[str]:
    """The project's own dependencies, by last name."""
    plain = (re.sub(r"\(.*?\)$", "", str(n)).replace("<locals>.", "") for n in names or ())
    return {n.rsplit(".", 1)[-1] for n in plain if not roots or n.split(".")[0] in roots}


def words(model: Any) -> list[str]:
    return re.findall(r"\w+", re.sub(r"[\w<>]*\.", "", str(model or "")))


def share(number: int, of: int) -> str:
    return f"{number / max(1, of):.1%}"


if __name__ == "__main__":
    main()
