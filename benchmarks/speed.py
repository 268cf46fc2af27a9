"""Time and memory of the commands against the floor: reading and parsing every file, trees dropped, collector off.

usage: python benchmarks/speed.py TREE [TREE ...]

TREE is a folder, or a requirement such as `name==1.2` whose wheel is downloaded with pip. Each is copied to a temporary
folder first. The columns, CPU seconds, the best of three, all measured in this run:

floor     reading and `ast.parse` of every file
cold      `signals --format json`, no snapshot yet, as a multiple of the floor; `routes` the same for the route map
second    seconds of the same command again; `other` of `overview` after it; `off` with --no-cache, / floor
changed   `signals --format json` after one file changed, as a multiple of cold
growth    time a line of three copies as a multiple of time a line of one tree (trees up to 300,000 lines)
memory    KB a line at the peak of the cold run
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

SCRIPTS = Path(__file__).resolve().parents[1] / "scripts"
RUNS = 3
GROWTH_UP_TO = 300_000
HEAD = ("tree", "lines", "floor s", "routes", "cold", "second s", "other s", "off", "changed", "growth", "KB a line")
FLOOR = """
import ast, gc, sys, warnings
sys.path.insert(0, sys.argv[1])
from project.files.source import Tree, _files
from pathlib import Path
gc.disable()
warnings.simplefilter("ignore")
root = Path(sys.argv[2])
for path, entry in _files(root, Tree(root)):
    if path.endswith(".py"):
        try:
            ast.parse(Path(entry.path).read_bytes())
        except (SyntaxError, ValueError):
            pass
"""
sys.path.insert(0, str(SCRIPTS))
sys.dont_write_bytecode = True

from project.files.source import LEFT_OUT  # noqa: E402


class Workplace:
    """A temporary folder with the trees to measure and a cache folder of its own."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cache = folder / "cache"
        self.cache.mkdir(mode=0o700)
        self.env = {**os.environ, "XDG_CACHE_HOME": str(self.cache), "LOCALAPPDATA": str(self.cache)}
        self.measured("explain", "ASY001")  # bytecode, as after any earlier command

    def tree(self, name: str) -> Path:
        """A copy of the folder, or the content of the wheel, of this name."""
        copy = self.folder / "trees" / Path(name).resolve().name
        if Path(name).is_dir():
            shutil.copytree(name, copy, symlinks=True, ignore=lambda _, names: LEFT_OUT.intersection(names))
            return copy
        command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--only-binary", ":all:"]
        subprocess.run([*command, "--dest", str(self.folder / "wheels"), name], check=True)
        wheel = max((self.folder / "wheels").glob("*.whl"), key=lambda file: file.stat().st_mtime_ns)
        zipfile.ZipFile(wheel).extractall(copy)
        return copy

    def forget(self) -> None:
        shutil.rmtree(self.cache / "backend-architecture-design" / "snapshots", ignore_errors=True)

    def measured(self, *arguments: str, before: Callable[[], object] = lambda: None) -> tuple[float, float]:
        """CPU seconds and peak KB of a command, the best of three."""
        return self._best([sys.executable, "-I", str(SCRIPTS / "review.py"), *arguments], before)

    def floor(self, tree: Path) -> float:
        return self._best([sys.executable, "-c", FLOOR, str(SCRIPTS), str(tree)], lambda: None)[0]

    def _best(self, command: list[str], before: Callable[[], object]) -> tuple[float, float]:
        best, peak = float("inf"), 0.0
        for _ in range(RUNS):
            before()
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, env=self.env) as run:
                _, status, used = os.wait4(run.pid, 0)
                run.returncode = os.waitstatus_to_exitcode(status)
            if run.returncode:
                sys.exit(f"exit status {run.returncode}: {' '.join(command)}")
            best = min(best, used.ru_utime + used.ru_stime)
            peak = max(peak, used.ru_maxrss / (1024 if sys.platform == "darwin" else 1))
        return best, peak


def lines(tree: Path) -> int:
    """Lines of all Python files below a folder."""
    return sum(file.read_bytes().count(b"\n") for file in tree.rglob("*.py") if file.is_file())


def row(work: Workplace, name: str) -> tuple[str, ...]:
    """One row of the table."""
    tree = work.tree(name)
    count = lines(tree)
    signals = ("signals", str(tree), "--format", "json")
    floor = work.floor(tree)
    routes, _ = work.measured("routes", str(tree), "--format", "json", before=work.forget)
    cold, peak = work.measured(*signals, before=work.forget)
    second, _ = work.measured(*signals)
    other, _ = work.measured("overview", str(tree))
    off, _ = work.measured(*signals, "--no-cache")
    one = max((file for file in tree.rglob("*.py") if file.is_file()), key=lambda file: file.stat().st_size)
    changed, _ = work.measured(*signals, before=lambda: one.write_bytes(one.read_bytes() + b"\n"))
    grown = growth(work, tree, cold / count) if count <= GROWTH_UP_TO else ""
    shutil.rmtree(tree)
    multiples = (f"{routes / floor:.2f}", f"{cold / floor:.2f}")
    after = (f"{second:.2f}", f"{other:.2f}", f"{off / floor:.2f}", f"{changed / cold:.2f}")
    return (tree.name, f"{count:,}", f"{floor:.2f}", *multiples, *after, grown, f"{peak / count:.2f}")


def growth(work: Workplace, tree: Path, a_line: float) -> str:
    whole = work.folder / "copies"
    for number in range(3):
        shutil.copytree(tree, whole / f"copy{number}", symlinks=True)
    time, _ = work.measured("signals", str(whole), "--format", "json", before=work.forget)
    grown = time / lines(whole) / a_line
    shutil.rmtree(whole)
    return f"{grown:.2f}"


def main() -> None:
    if len(sys.argv) < 2:
        sys.exit(__doc__)
    print(" | ".join(HEAD))
    print(" | ".join("---" for _ in HEAD))
    with tempfile.TemporaryDirectory() as folder:
        work = Workplace(Path(folder))
        for name in sys.argv[1:]:
            print(" | ".join(row(work, name)), flush=True)


if __name__ == "__main__":
    main()
