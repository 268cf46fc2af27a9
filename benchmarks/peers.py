"""What other tools find on the same trees, in what time: alarms, hits on the marked lines of the sample application.

usage: python benchmarks/peers.py [--bin FOLDER] [--semgrep-rules FOLDER] [TREE ...]

Tools are looked for in FOLDER and on PATH; one that is missing is said and left out. The first table is of the bundled
applications: marked lines hit in the messy one, by dimension, and alarms in the tidy one, which has no known defect.
Each TREE gets a table of alarms, CPU time against the parse floor, and memory. Rules are those on the subjects of a
backend review (blocking calls, security, data access), not style.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from speed import FLOOR, SCRIPTS

APPS = SCRIPTS.parent / "tests" / "apps"
MARK = re.compile(r"#\s*((?:[A-Z]{3}\d{3})(?:,\s*[A-Z]{3}\d{3})*)\s*$")
DIMENSIONS = ("API", "DAT", "SEC", "ASY", "ORG", "TST")
NEAR = 2  # lines that an alarm may stand away from a mark: tools cite the call, the statement or the handler
LIMIT_SECONDS = 900

Alarm = tuple[str, int]


@dataclass(frozen=True)
class Tool:
    """A peer: program, arguments ("TREE" stands for the folder), and how its output is read."""

    name: str
    program: str
    arguments: tuple[str, ...]
    read: Callable[[str], Iterable[Alarm]]


def in_text(output: str) -> Iterable[Alarm]:
    """`path:line:` at the start of a line."""
    for match in re.finditer(r"^(\S[^:\n]*\.py):(\d+)\b", output, re.MULTILINE):
        yield match[1], int(match[2])


def in_json(*lists: str) -> Callable[[str], Iterable[Alarm]]:
    """Objects with a path and a line in these lists of a JSON answer, whatever the keys of both are called."""

    def read(output: str) -> Iterable[Alarm]:
        content: dict[str, Any] = json.JSONDecoder().raw_decode(output[output.index("{") :])[0]
        for item in (item for name in lists for item in content.get(name, ())):
            place = item.get("location", item)
            path = next(place[key] for key in ("filename", "file", "path") if key in place)
            line = next(place[key] for key in ("line_number", "line", "start") if key in place)
            yield path, line["line"] if isinstance(line, dict) else line

    return read


def own(output: str) -> Iterable[Alarm]:
    """Signals above Low: place only, as for the others."""
    for signal in json.loads(output)["signals"]:
        if signal["impact"] != "low":
            yield signal["path"], signal["line"]


def tools(semgrep_rules: str) -> list[Tool]:
    """This program and its peers, with the rules on what a backend review is about; asserts in tests are no alarm."""
    review = (str(SCRIPTS / "review.py"), "signals", "TREE", "--format", "json", "--no-cache")
    ruff = (
        "check",
        "--isolated",
        "--no-cache",
        "--select",
        "ASYNC,S",
        "--ignore",
        "S101",
        "--output-format",
        "concise",
    )
    flake8 = ("--isolated", "--select", "ASYNC1,ASYNC2", "--extend-ignore", "ASYNC124")
    semgrep = ("scan", "--metrics", "off", "--quiet", "--json", "--config", semgrep_rules, "TREE")
    found = [
        Tool("this, above Low", sys.executable, review, own),
        Tool("ruff ASYNC,S", "ruff", (*ruff, "TREE"), in_text),
        Tool("flake8-async 1xx, 2xx", "flake8", (*flake8, "TREE"), in_text),
        Tool("hydroid", "hydroid", ("--format", "json", "TREE"), in_json("diagnostics")),
        Tool("ty-async", "ty-async", ("TREE",), in_text),
        Tool("bandit", "bandit", ("-q", "-r", "-s", "B101", "-f", "json", "TREE"), in_json("results")),
        Tool(
            "skylos danger, quality, secrets",
            "skylos",
            ("TREE", "--danger", "--quality", "--secrets", "--json"),
            in_json("danger", "quality", "secrets"),
        ),
        Tool("fastapi-therapist", "fastapi-therapist", ("TREE", "--format", "json"), in_json("findings")),
    ]
    return [*found, Tool("semgrep", "semgrep", semgrep, in_json("results"))] if semgrep_rules else found


@dataclass(frozen=True)
class Ran:
    """One run: alarms with paths relative to the tree, CPU seconds, peak MiB."""

    alarms: frozenset[Alarm]
    seconds: float
    mebibytes: float


def run(tool: Tool, program: str, tree: Path) -> Ran | str:
    """Run a tool with a home of its own; what went wrong as a sentence when it found nothing and said so."""
    with tempfile.TemporaryDirectory() as home, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        command = ["timeout", str(LIMIT_SECONDS), program, *(str(tree) if a == "TREE" else a for a in tool.arguments)]
        environment = {**os.environ, "HOME": home, "PYTHONDONTWRITEBYTECODE": "1", "NO_COLOR": "1", "COLUMNS": "400"}
        child = subprocess.Popen(command, cwd=home, env=environment, stdout=out, stderr=err, stdin=subprocess.DEVNULL)
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        out.seek(0)
        err.seek(0)
        output, errors = out.read().decode("utf-8", "replace"), err.read().decode("utf-8", "replace")
    if child.returncode == 124:
        return f"stopped after {LIMIT_SECONDS} s"
    try:
        alarms = frozenset((_relative(path, tree), line) for path, line in tool.read(output))
    except (ValueError, KeyError, StopIteration) as problem:
        return f"output not understood: {problem}"
    if not alarms and child.returncode not in (0, 1):
        return f"exit status {child.returncode}: {(errors or output).strip().splitlines()[-1:]}"
    return Ran(alarms, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def _relative(path: str, tree: Path) -> str:
    return os.path.relpath(path, tree) if Path(path).is_absolute() else path.removeprefix("./")


def marks(tree: Path) -> dict[Alarm, set[str]]:
    """Marked lines and the dimensions they are marked for."""
    found: dict[Alarm, set[str]] = {}
    for file in tree.rglob("*.py"):
        for number, text in enumerate(file.read_text(encoding="utf-8").splitlines(), 1):
            match = MARK.search(text)
            if match is not None:
                found[file.relative_to(tree).as_posix(), number] = {check[:3] for check in match[1].split(", ")}
    return found


def sample_row(messy: Ran, tidy: Ran, marked: dict[Alarm, set[str]]) -> list[str]:
    hit: Counter[str] = Counter()
    whole = Counter(prefix for prefixes in marked.values() for prefix in prefixes)
    near = {(path, line + away) for path, line in messy.alarms for away in range(-NEAR, NEAR + 1)}
    for place, prefixes in marked.items():
        hit.update(prefixes if place in near else ())
    return [*(f"{hit[prefix]} of {whole[prefix]}" for prefix in DIMENSIONS), str(len(tidy.alarms))]


def row(name: str, cells: Iterable[str]) -> None:
    print(" | ".join([name, *cells]), flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--bin", default="", help="folder with the programs of other tools")
    parser.add_argument("--semgrep-rules", default="", metavar="FOLDER", help="run semgrep with these rules")
    parser.add_argument("trees", nargs="*", metavar="TREE")
    options = parser.parse_args()
    search = os.pathsep.join(filter(None, [options.bin, os.environ["PATH"]]))
    present = [(tool, shutil.which(tool.program, path=search)) for tool in tools(options.semgrep_rules)]
    for tool, program in present:
        if program is None:
            print(f"{tool.name}: not installed, left out")
    marked = marks(APPS / "messy")
    row("tool", (*(f"marks hit {prefix}" for prefix in DIMENSIONS), "alarms in tidy"))
    for tool, program in present:
        if program is not None:
            both = [run(tool, program, APPS / name) for name in ("messy", "tidy")]
            failed = next((ran for ran in both if isinstance(ran, str)), "")
            row(tool.name, [failed] if failed else sample_row(both[0], both[1], marked))  # type: ignore[arg-type]
    for name in options.trees:
        tree = Path(name).resolve()
        floor = run(Tool("floor", sys.executable, ("-c", FLOOR, str(SCRIPTS), "TREE"), in_text), sys.executable, tree)
        assert isinstance(floor, Ran)
        print(f"\n{tree.name}, parse floor {floor.seconds:.1f} s")
        row("tool", ("alarms", "time / floor", "MiB"))
        for tool, program in present:
            if program is not None:
                ran = run(tool, program, tree)
                cells = (
                    [ran]
                    if isinstance(ran, str)
                    else [str(len(ran.alarms)), f"{ran.seconds / floor.seconds:.2f}", f"{ran.mebibytes:.0f}"]
                )
                row(tool.name, cells)


if __name__ == "__main__":
    main()
