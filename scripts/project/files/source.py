"""Which files the reviewed project has; each is read and parsed once. What cannot be read is listed as unread."""

from __future__ import annotations

import ast
import io
import os
import re
import tokenize
from collections.abc import Iterable, Iterator
from dataclasses import astuple, dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Any

from project.files.reading import read_regular
from project.files.syntax import parse
from project.place import Unread

MAX_PYTHON_BYTES = 2_000_000
MAX_TREE_BYTES = 200_000_000  # four times a million lines
MAX_PYTHON_FILES = 100_000
MAX_TEXT_BYTES = 8_000_000
MAX_DIGESTED_BYTES = 1_000_000

LEFT_OUT = frozenset(
    ".git .hg .svn .venv venv virtualenv .virtualenv node_modules bower_components __pycache__ site-packages "
    "dist-packages .tox .nox .eggs .mypy_cache .ruff_cache .pytest_cache .hypothesis .ipynb_checkpoints .idea "
    ".vscode .terraform vendor _vendor vendored third_party thirdparty __pypackages__ .pixi .conda".split()
)
LEFT_OUT_UNLESS_PACKAGE = frozenset("build dist env htmlcov target out".split())
_ENVIRONMENT_PARTS = ("bin", "Scripts", "lib", "Lib")
TEXT_SUFFIXES = tuple(
    ".toml .cfg .ini .txt .in .lock .yml .yaml .json .env .conf .md .rst .sh .html .mako .dockerfile .http .rest "
    ".hurl".split()
)
TEXT_NAMES = re.compile(
    r"(Dockerfile.*|Containerfile|Caddyfile|Procfile|Makefile|Jenkinsfile|Pipfile|METADATA|\.env.*|\.python-version|\.coveragerc"
    r"|\.flake8|\.pylintrc|\.dockerignore|\.gitignore)$"
)
KINDS: tuple[tuple[str, re.Pattern[str]], ...] = (
    ("test", re.compile(r"(^|/)(tests?|testing|e2e|conftest\.py|test_[^/]*\.py|[^/]*_tests?\.py)(/|$)")),
    ("migration", re.compile(r"(^|/)(alembic|migrations?)/([^/]+/)*[^/]+\.py$")),
    ("example", re.compile(r"(^|/)(examples?|samples?|demos?|docs?|tutorials?|cookbook|docs_src)/")),
    (
        "script",
        re.compile(
            r"(^|/)(scripts?|bin|benchmarks?|\.github|seeds?|fixtures|noxfiles)/|^(tools|dev|qa)/|^(setup|manage|tasks)\.py$|(^|/)(fabfile|noxfile)\.py$"
        ),
    ),
)

_VERSIONS = re.compile(r"(^|/)versions/([^/]+/)*[^/]+\.py$")


@dataclass(slots=True)
class Source:
    """One Python file that can be parsed. `kind` is app, test, script, migration or example."""

    path: str
    kind: str
    text: str
    rewritten: bool
    _tree: ast.Module | None = field(default=None, repr=False)
    _lines: list[str] | None = field(default=None, repr=False)

    @property
    def tree(self) -> ast.Module:
        """Parsed now when a snapshot said that it can be."""
        if self._tree is None:
            self._tree, _ = parse(self.text, self.path)
        return self._tree

    @property
    def lines(self) -> list[str]:
        """Source lines without their ends, split as Python counts them (not at form feeds)."""
        if self._lines is None:
            self._lines = re.split(r"\r\n|\r|\n", self.text) if "\r" in self.text else self.text.split("\n")
        return self._lines


@dataclass(slots=True)
class Tree:
    """Everything found under the root: parsed sources by path, all file paths, what was unread.

    `state` is a digest of all of it; `beyond` whether a file was read that the digest does not know.
    """

    root: Path
    sources: dict[str, Source] = field(default_factory=dict)
    files: list[str] = field(default_factory=list)
    unread: list[Unread] = field(default_factory=list)
    left_out: list[str] = field(default_factory=list)
    state: str = ""
    beyond: bool = False
    links: list[tuple[str, str]] = field(default_factory=list)
    _found: dict[str, bytes] = field(default_factory=dict)
    _seen: set[str] = field(default_factory=set)

    @property
    def names(self) -> Iterable[str]:
        """Paths of every file that is not left out, read or not."""
        return self._seen

    def text(self, path: str) -> str | None:
        """The text of any file of the tree, None when it is not there, too large or not text."""
        if path in self.sources:
            return self.sources[path].text
        full = self.root / path
        try:
            self.beyond = self.beyond or (path not in self._seen and full.exists())
            if not _inside(self.root, full):
                return None
            return read_regular(full.resolve(), MAX_TEXT_BYTES).decode("utf-8-sig", errors="replace")
        except (OSError, RuntimeError, ValueError):
            return None


def kind_of(path: str, text: str = "") -> str:
    """app, test, script, migration or example, by the names of folders and file; by what stands in it where a folder
    `versions` may hold migrations or versions of anything else.
    """
    for kind, pattern in KINDS:
        if pattern.search(path):
            return kind
    return "migration" if _VERSIONS.search(path) and "down_revision" in text else "app"


def is_read(name: str) -> bool:
    """Whether a file so called may hold facts: Python or configuration."""
    return name.endswith(".py") or bool(TEXT_NAMES.match(name)) or name.lower().endswith(TEXT_SUFFIXES)


def find_files(root: Path) -> Tree:
    """Every file below `root`, with the content of Python files; never follows a link out of it."""
    tree = Tree(root)
    room, left_out = MAX_TREE_BYTES, 0
    digest = blake2b(root.name.encode("utf-8", "surrogateescape"), digest_size=20)
    for path, entry in _files(root, tree):
        name = path.rsplit("/", 1)[-1]
        tree._seen.add(path)
        content: bytes | None = None
        if name.endswith(".py"):
            if room < 0 or len(tree._found) >= MAX_PYTHON_FILES:
                left_out += 1
                continue
            content = _python_bytes(tree, path, entry)
            if content is not None:
                tree._found[path] = content
                room -= len(content)
        elif is_read(name):
            tree.files.append(path)
            content = _small_text(entry)
        digest.update(f"\0{path}\0".encode("utf-8", "surrogateescape"))
        digest.update(_stat_of(entry) if content is None else b"%d\0" % len(content) + content)
    if left_out:
        why = f"{left_out:,} Python files left out, there are too many to read at once: give a folder inside this one"
        tree.unread.append(Unread(".", None, why))
    digest.update(repr((tree.unread, tree.left_out, tree.links)).encode("utf-8", "surrogateescape"))
    tree.state = digest.hexdigest()
    return tree


def parse_files(tree: Tree) -> list[Any]:
    """Parse what was found. Gives rows for `know_files`: which files were rewritten, which are unread."""
    before = len(tree.unread)
    for path, raw in tree._found.items():
        _parse_python(tree, path, raw)
    rows = [[s.path for s in tree.sources.values() if s.rewritten], [list(astuple(u)) for u in tree.unread[before:]]]
    _complete(tree)
    return rows


def know_files(tree: Tree, rows: list[Any]) -> Tree:
    """The same without parsing, from what `parse_files` once said of files with this content."""
    rewritten = set(rows[0])
    unread = [Unread(*row) for row in rows[1]]
    skipped = {u.path for u in unread}
    sources = {
        path: Source(path, kind_of(path, text := _decode(raw)), text, path in rewritten)
        for path, raw in tree._found.items()
        if path not in skipped
    }
    tree.sources.update(sources)
    tree.unread.extend(unread)
    _complete(tree)
    return tree


def _complete(tree: Tree) -> None:
    tree._found.clear()
    tree.files.extend(tree.sources)
    tree.files.sort()
    tree.unread.sort()


def _small_text(entry: os.DirEntry[str]) -> bytes | None:
    """Content of a text file whose change a digest of time and size could miss; None for large and unreadable ones."""
    try:
        return read_regular(entry.path, MAX_DIGESTED_BYTES)
    except OSError:
        return None


def _stat_of(entry: os.DirEntry[str]) -> bytes:
    try:
        found = entry.stat(follow_symlinks=False)
    except OSError as error:
        return str(error.errno).encode()
    return b"%d %d %d" % (found.st_size, found.st_mtime_ns, found.st_ctime_ns)


def _files(root: Path, tree: Tree) -> Iterator[tuple[str, os.DirEntry[str]]]:
    """Depth first, in name order: (relative posix path, entry) of every file that is not left out."""
    stack = [""]
    while stack:
        folder = stack.pop()
        try:
            with os.scandir(root / folder if folder else root) as scan:
                entries = sorted(scan, key=lambda e: e.name)
        except OSError as error:
            tree.unread.append(Unread(folder or ".", None, f"folder cannot be read: {error.strerror}"))
            continue
        package = any(e.name == "__init__.py" for e in entries)
        folders = []
        for entry in entries:
            path = f"{folder}/{entry.name}" if folder else entry.name
            try:
                if entry.is_dir(follow_symlinks=False):
                    if _skipped(entry, package):
                        tree.left_out.append(path)
                    else:
                        folders.append(path)
                elif entry.is_file(follow_symlinks=False):
                    yield path, entry
                elif entry.is_symlink():
                    _read_link(root, tree, path)
                elif path.endswith(".py"):
                    tree.unread.append(Unread(path, None, "it is no regular file"))
            except OSError as error:
                tree.unread.append(Unread(path, None, f"cannot be read: {error.strerror}"))
        stack.extend(reversed(folders))


def _skipped(entry: os.DirEntry[str], in_package: bool) -> bool:
    name = entry.name
    if name in LEFT_OUT or name.endswith(".egg-info"):
        return True
    if Path(entry.path, "pyvenv.cfg").exists() and any(Path(entry.path, part).is_dir() for part in _ENVIRONMENT_PARTS):
        return True
    return name in LEFT_OUT_UNLESS_PACKAGE and not in_package and not Path(entry.path, "__init__.py").exists()


def _read_link(root: Path, tree: Tree, path: str) -> None:
    """A link to what lies inside the tree is that file or folder (read once, where it stands); any other is unread."""
    full = root / path
    tree._seen.add(path)
    tree.links.append((path, _target(full)))
    is_python = path.endswith(".py")
    try:
        target = full.resolve(strict=True)
    except (OSError, RuntimeError):
        if is_python:
            tree.unread.append(Unread(path, None, "link that leads nowhere"))
        return
    is_folder = target.is_dir() and path.rsplit("/", 1)[-1] not in LEFT_OUT
    if (is_python or is_folder) and not _inside(root, target):
        tree.unread.append(Unread(path, None, "link that leads out of the reviewed folder"))


def _target(link: Path) -> str:
    try:
        found = link.stat()
        return f"{link.readlink()} {found.st_size} {found.st_mtime_ns} {found.st_ctime_ns}"
    except OSError as error:
        return str(error.errno)


def _inside(root: Path, path: Path) -> bool:
    try:
        return path.resolve().is_relative_to(root.resolve())
    except (OSError, RuntimeError):
        return False


def _python_bytes(tree: Tree, path: str, entry: os.DirEntry[str]) -> bytes | None:
    try:
        return read_regular(entry.path, MAX_PYTHON_BYTES)
    except OSError as error:
        tree.unread.append(Unread(path, None, f"cannot be read: {error.strerror}"))
    return None


def _parse_python(tree: Tree, path: str, raw: bytes) -> None:
    try:
        text = _decode(raw)
        parsed, rewritten = parse(text, path)
    except SyntaxError as error:
        tree.unread.append(Unread(path, error.lineno, f"not valid Python here: {error.msg}"))
    except (UnicodeDecodeError, LookupError):
        tree.unread.append(Unread(path, None, "its encoding cannot be read"))
    except ValueError as error:
        tree.unread.append(Unread(path, None, f"not Python source: {error}"))
    except (RecursionError, MemoryError):
        tree.unread.append(Unread(path, None, "nested too deeply to be parsed"))
    else:
        tree.sources[path] = Source(path, kind_of(path, text), text, rewritten, parsed)


def _decode(raw: bytes) -> str:
    if b"\0" in raw:
        raise ValueError("it holds null bytes")
    try:
        return raw.decode("utf-8-sig")
    except UnicodeDecodeError:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(raw).readline)
        return raw.decode(encoding)
