"""`--since REF`: which lines changed since a commit, and which signals are on them or caused by them.

A signal counts when its place, a hop of its trace or one of its places is on a line that was changed or added, or when
the state at that commit does not have it: the whole of it is reviewed as well, so that a deleted line counts for what
it causes anywhere (a dependency taken from a router opens routes in other files).
"""

from __future__ import annotations

import difflib
import hashlib
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from types import TracebackType

from check import Outcome, Selection, Signal, clean
from configuration import NONE
from git_objects import Blob, Repository
from project import Project
from project.files.reading import read_regular
from project.files.source import LEFT_OUT, MAX_TEXT_BYTES, is_read
from report.wording import count
from target import CommandError

_FILE, _SUBMODULE = ("100644", "100755"), "160000"
_LINES = re.compile(r"\r\n|\r|\n")
_COMPARED = 20_000_000  # lines then times lines now, above which all lines between the first and last change count
_REVIEW = Path(__file__).parent / "review.py"

Lines = dict[str, frozenset[int]]


@dataclass(slots=True)
class _State:
    """The files of the commit, and what of them is there now: changed lines by path, moved files, files not in git."""

    commit: str
    files: dict[str, Blob]
    changed: Lines
    renamed: dict[str, str]
    kept: list[str]


@dataclass(frozen=True, slots=True)
class _Before:
    """Signals of the commit: their ids, and (path, check, source line) of each."""

    ids: frozenset[str]
    lines: frozenset[tuple[str, str, str]]


class Since:
    """The changes since `ref`; a context manager, within which the state at `ref` is reviewed by another process."""

    def __init__(self, project: Project, ref: str, selection: Selection, config: str | None) -> None:
        self.project, self.ref = project, ref
        self._repository = Repository(project.root)
        self._state = _state(project, self._repository, ref)
        self._arguments = _arguments(project, selection, config)
        self._folder = tempfile.TemporaryDirectory(prefix="review-since-", ignore_cleanup_errors=True)
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> Since:
        if self._state.changed or self._gone():
            root = Path(self._folder.name, self.project.name or "project")
            self._write(root)
            command = [sys.executable, "-I", str(_REVIEW), "signals", str(root), *self._arguments]
            self._process = subprocess.Popen(
                command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE
            )
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._process.communicate()
        self._folder.cleanup()

    def only(self, outcome: Outcome) -> Outcome:
        """The outcome with the signals on or caused by changed lines, and a note that says so."""
        before = self._before()
        signals = [s for s in outcome.signals if self._touched(s) or (before is not None and self._is_new(s, before))]
        gone, files = len(self._gone()), count(len(self._state.changed), "file")
        note = (
            f"since {clean(self.ref, 100)} ({self._state.commit[:10]}): {len(signals)} of "
            f"{count(len(outcome.signals), 'signal')} on or caused by changed lines; "
            f"{files} changed or new{f', {gone} gone' if gone else ''}"
        )
        return replace(outcome, signals=signals, notes=[note, *outcome.notes])

    def _gone(self) -> list[str]:
        moved = set(self._state.renamed.values())
        return [path for path in self._state.files if _is_wanted(path) and path not in moved and self._lost(path)]

    def _lost(self, path: str) -> bool:
        return self._state.files[path].mode in _FILE and not (self.project.root / path).exists()

    def _touched(self, signal: Signal) -> bool:
        changed = self._state.changed
        if any(line in changed.get(signal.path, ()) for line in range(signal.line, signal.end_line + 1)):
            return True
        return any(place.line in changed.get(place.path, ()) for place in (*signal.trace, *signal.places))

    def _is_new(self, signal: Signal, before: _Before) -> bool:
        """Whether the earlier state does not have the signal; in a moved file, one of the same check and line."""
        then = self._state.renamed.get(signal.path, "")
        return signal.id not in before.ids and (then, signal.check, signal.source) not in before.lines

    def _before(self) -> _Before | None:
        """The signals of the earlier state, none when there was no backend; None when nothing has changed."""
        if self._process is None:
            return None
        said, errors = self._process.communicate()
        if self._process.returncode == 3:
            return _Before(frozenset(), frozenset())
        if self._process.returncode != 0:
            why = errors.decode("utf-8", "replace").strip().splitlines()[-1:] or ["it ended without a word"]
            raise CommandError(2, f"review.py: --since {self.ref}: its state cannot be reviewed: {why[0][:300]}")
        rows = json.loads(said)["signals"]
        lines = frozenset((row["path"], row["check"], row["source"]) for row in rows)
        return _Before(frozenset(row["id"] for row in rows), lines)

    def _write(self, root: Path) -> None:
        """The earlier state as files below `root`, a folder of its own outside the project."""
        root.mkdir()
        if (self.project.root / ".git").exists():
            (root / ".git").mkdir()  # whether a folder is a whole repository decides what can be said to be absent
        blobs = {path: blob for path, blob in self._state.files.items() if _is_written(path, blob)}
        for path, content in zip(blobs, self._repository.contents(blobs.values()), strict=True):
            _put(root, path, content)
        for path in self._state.kept:
            found = _bytes(self.project.root / path)
            if found is not None:
                _put(root, path, found)


def _arguments(project: Project, selection: Selection, config: str | None) -> list[str]:
    """How the earlier state is reviewed: the same checks, under the configuration of today."""
    file = config or (str(project.root / project.settings.file) if config is None and project.settings.file else NONE)
    chosen = [word for check in selection.checks for word in ("--check", check.id)]
    return ["--format", "json", "--no-cache", *(["--config", file] if file else ["--no-config"]), *chosen]


def _state(project: Project, repository: Repository, ref: str) -> _State:
    commit = repository.base_of(ref)
    then = repository.files(commit)
    submodules = tuple(f"{path}/" for path, blob in then.items() if blob.mode == _SUBMODULE)
    now = [path for path in project.files if not path.startswith(submodules or ("\0",))]
    contents = {path: content for path in now if (content := _bytes(project.root / path)) is not None}
    moved = _moved(repository, commit, then, contents)
    unknown = [path for path in contents if path not in then and path not in moved]
    ignored = repository.ignored(unknown)
    kept = [path for path in project.files if path in ignored or path not in now]
    origin = {path: then.get(moved.get(path, path)) for path in contents if path not in ignored}
    differing = {path: blob for path, blob in origin.items() if blob is None or not _same(contents[path], blob)}
    earlier = {path: blob for path, blob in differing.items() if blob is not None}
    texts = dict(zip(earlier, repository.contents(earlier.values()), strict=True))
    changed = {path: _changed_lines(texts.get(path, b""), contents[path]) for path in differing}
    return _State(commit, then, {path: lines for path, lines in changed.items() if lines is not None}, moved, kept)


def _moved(
    repository: Repository, commit: str, then: Mapping[str, Blob], contents: Mapping[str, bytes]
) -> dict[str, str]:
    """Moved files, the path now -> the path then: as commits moved them, or with the same content since."""
    gone = {blob.id: path for path, blob in then.items() if path not in contents and blob.mode in _FILE}
    hexes = len(next(iter(gone), ""))
    found = {new: old for new, old in repository.renamed(commit).items() if new in contents and old in then}
    for path in contents:
        if path not in then and path not in found:
            same = gone.get(_id_of(contents[path], hexes)) if gone else None
            if same:
                found[path] = same
    return found


def _bytes(file: Path) -> bytes | None:
    try:
        return read_regular(file, MAX_TEXT_BYTES)
    except OSError:
        return None


def _same(content: bytes, blob: Blob) -> bool:
    return _id_of(content, len(blob.id)) == blob.id


def _id_of(content: bytes, hexes: int) -> str:
    """The name that git gives a file's content, in a repository whose names have so many digits."""
    made = hashlib.sha256 if hexes == 64 else hashlib.sha1
    return made(b"blob %d\0" % len(content) + content, usedforsecurity=False).hexdigest()


def _changed_lines(then: bytes, now: bytes) -> frozenset[int] | None:
    """Lines of `now`, from 1, that `then` has not; None when nothing but line ends differs."""
    old, new = (_LINES.split(text.decode("utf-8", "replace")) for text in (then, now))
    return None if old == new else frozenset(_differences(old, new))


def _differences(then: list[str], now: list[str]) -> Iterator[int]:
    start = 0
    while start < min(len(then), len(now)) and then[start] == now[start]:
        start += 1
    tail = 0
    while tail < min(len(then), len(now)) - start and then[-1 - tail] == now[-1 - tail]:
        tail += 1
    old, new = then[start : len(then) - tail], now[start : len(now) - tail]
    if len(old) * len(new) > _COMPARED:
        yield from range(start + 1, start + len(new) + 1)
        return
    for kind, _, _, first, last in difflib.SequenceMatcher(None, old, new, autojunk=True).get_opcodes():
        if kind in ("replace", "insert"):
            yield from range(start + first + 1, start + last + 1)


def _is_wanted(path: str) -> bool:
    parts = PurePosixPath(path).parts
    return is_read(parts[-1]) and not LEFT_OUT.intersection(parts)


def _is_written(path: str, blob: Blob) -> bool:
    """Whether a file of the commit is one that a review reads, at a path that stays in its folder."""
    parts = path.split("/")
    strange = any(part in ("", ".", "..") or part.lower() == ".git" or "\\" in part or ":" in part for part in parts)
    return blob.mode in _FILE and blob.size <= MAX_TEXT_BYTES and not strange and _is_wanted(path)


def _put(root: Path, path: str, content: bytes) -> None:
    file = root / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(content)
