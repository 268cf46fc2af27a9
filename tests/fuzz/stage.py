"""Where a project is put for the commands, what they are given beside it, and every way to call them."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests import report_sample
from tests.fuzz.watch import Watch

import commands
from catalogue import CHECKS

CACHE = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "backend-architecture-design"
_CITED = ("main.py:5", "app/main.py:3-9", "a.py:1", "src/workshop/main.py:10", "../outside.py:1", "/etc/passwd:1")
_ISSUES = [
    report_sample.ISSUE.replace("1. **", f"{n}. **").replace("app/users.py:14", place)
    for n, place in enumerate(_CITED, 1)
]
GIVEN = {
    "report.md": report_sample.report("\n".join(_ISSUES)),
    "settings.toml": """\
[tool.backend-architecture-design]
disable = ["API010"]
exclude = ["zz*"]
guards = ["main.x", "app.deps.current_user"]
layers = { service = ["app"] }
thresholds = { route-statements = 1 }
""",
    "baseline.json": '{"version": 1, "signals": [{"id": "0", "check": "ASY001", "path": "main.py", "line": 1, '
    '"message": "gone", "impact": "high"}]}',
}
_APPENDIX = ("--check", "ASY001", "--report-appendix")
# What an option needs besides its own value.
_WITH: dict[str, tuple[str, ...]] = {
    "--report-appendix": ("--check", "ASY001"),
    "--without": _APPENDIX,
    "--appendix-file": _APPENDIX,
    "--allow-inside": (),
}


@dataclass(frozen=True, slots=True)
class Stage:
    """`root` holds the project; `given` and `out`, in a folder of their own, what commands read and write besides."""

    root: Path
    given: Path
    out: Path

    @classmethod
    def at(cls, folder: Path, root: Path | None = None) -> Stage:
        """Folders made, `root` is "project" in `folder` unless it stands elsewhere."""
        made = cls(root or folder / "project", folder / "given", folder / "out")
        for part in (made.root, made.given, made.out):
            part.mkdir(exist_ok=True)
        for name, text in GIVEN.items():
            (made.given / name).write_text(text, encoding="utf-8")
        return made

    def put(self, files: Mapping[str, bytes]) -> None:
        """The project is these files and nothing else."""
        shutil.rmtree(self.root)
        self.root.mkdir()
        write_tree(self.root, files)

    def commit(self, author: str = "x <x@example.org>") -> None:
        """What lies there becomes the one commit of a repository, written by `author`; its name has no line break."""

        def git(*arguments: str, given: str = "") -> str:
            command = ["git", "-c", "init.defaultBranch=main", "-C", str(self.root), *arguments]
            clean = {"PATH": os.environ["PATH"], "HOME": str(self.out), "GIT_CONFIG_NOSYSTEM": "1"}
            done = subprocess.run(command, input=given.encode(), env=clean, capture_output=True, check=True)
            return done.stdout.decode().strip()

        git("init", "-q")
        git("add", "-A", "-f", ".")
        text = f"tree {git('write-tree')}\nauthor {author} 1 +0000\ncommitter {author} 1 +0000\n\n{author}\n"
        git("update-ref", "HEAD", git("hash-object", "-t", "commit", "-w", "--stdin", given=text))

    def allow(self, watch: Watch) -> None:
        """Reading the project and what is given, writing into `out` and the cache, and nothing else."""
        watch.allow([self.root, self.given], [self.out, CACHE])

    def lines(self) -> Iterator[list[str]]:
        """Every command on the project, plain and with each of its options, their choices and formats."""
        _, parsers = commands._parsers()
        given = {"path": str(self.root), "report": str(self.given / "report.md"), "check": CHECKS[0].id}
        for name, parser in parsers.items():
            actions = [action for action in parser._actions if not isinstance(action, argparse._HelpAction)]
            base = [name, *(given[action.dest] for action in actions if not action.option_strings)]
            yield base
            if name == "report":
                base += ["-o", str(self.out / "report.html")]
            for action in actions:
                if action.option_strings:
                    yield from ([*base, *option] for option in self._uses(action))

    def _uses(self, action: argparse.Action) -> Iterator[list[str]]:
        """How one option is tried: a switch as it is, each of its choices, or each value that is known here."""
        name = action.option_strings[-1]
        needed = list(_WITH.get(name, ()))
        if action.nargs == 0:
            yield [*needed, name]
        for choice in action.choices or self._values.get(name, ()):
            yield [*needed, name, str(choice)]

    @property
    def _values(self) -> dict[str, tuple[str, ...]]:
        return {
            "--config": (str(self.given / "settings.toml"),),
            "--dimension": ("security",),
            "--check": ("ASY001",),
            "--path": ("*a*",),
            "--impact": ("high",),
            "--limit": ("0",),
            "--offset": ("1",),
            "--also": (f"json={self.out / 'also.json'}",),
            "--relative-to": (str(self.root.parent),),
            "--since": ("HEAD",),
            "--baseline": (str(self.given / "baseline.json"),),
            "--without": ("main.py:1",),
            "--appendix-file": (str(self.out / "appendix.md"),),
            "--fail-on": ("low",),
            "--budget": ("200",),
            "--output": (str(self.out / "out.html"), "-"),
        }


def write_tree(root: Path, files: Mapping[str, bytes]) -> None:
    """Write files by path; what the file system refuses is left out."""
    for path, content in files.items():
        target = root / path
        try:
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
        except (OSError, ValueError):
            continue


def snapshot(root: Path) -> dict[str, tuple[int, int]]:
    """Size and time of change of everything below a folder, by path."""
    found = {}
    for folder, folders, files in os.walk(root):
        for name in (*folders, *files):
            state = os.lstat(f"{folder}/{name}")
            found[f"{folder}/{name}"] = (state.st_size, state.st_mtime_ns)
    return found
