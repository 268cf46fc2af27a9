"""Time and memory of a whole run against the floor: reading and parsing every file, trees dropped, collector off.

usage: python benchmarks/speed.py TREE [TREE ...]

Prints ratios measured one after the other in this run; absolute times say little on a shared machine.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import time
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
RUNS = 3
FLOOR = """
import ast, gc, sys
sys.path.insert(0, sys.argv[1])
from project.files.source import kind_of, _files, Tree
from pathlib import Path
gc.disable()
root = Path(sys.argv[2])
for path, entry in _files(root, Tree(root)):
    if path.endswith(".py"):
        try:
            ast.parse(Path(entry.path).read_bytes())
        except (SyntaxError, ValueError):
            pass
"""


def measured(command: list[str]) -> tuple[float, float]:
    """CPU seconds and peak MiB of a command, the best of three."""
    best, peak = float("inf"), 0.0
    for _ in range(RUNS):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        best = min(best, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
        peak = max(peak, after.ru_maxrss / 1024)
    return best, peak


def lines(tree: Path) -> int:
    """Lines of all Python files below a folder."""
    return sum(file.read_bytes().count(b"\n") for file in tree.rglob("*.py") if file.is_file())


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    review = str(SCRIPTS / "review.py")
    print("tree | lines | floor | routes / floor | all checks, JSON / floor | KB a line | wall s")
    print("---|---|---|---|---|---|---")
    for name in sys.argv[1:]:
        tree = Path(name)
        floor, _ = measured([sys.executable, "-c", FLOOR, str(SCRIPTS), name])
        routes, _ = measured([sys.executable, review, "routes", name, "--format", "json"])
        start = time.perf_counter()
        whole, peak = measured([sys.executable, review, "signals", name, "--format", "json", "--limit", "0"])
        wall = (time.perf_counter() - start) / RUNS
        count = lines(tree)
        print(
            f"{tree.name} | {count:,} | {floor:.2f} s | {routes / floor:.2f} | {whole / floor:.2f} "
            f"| {peak * 1024 / count:.2f} | {wall:.1f}"
        )


if __name__ == "__main__":
    main()
