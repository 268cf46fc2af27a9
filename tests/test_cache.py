"""The cache: the same bytes with and without it, nothing kept that should not be, silently off where it must be."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.conftest import RunReview

import cache
import project.snapshot
from catalogue import CHECKS
from check import Outcome, Selection
from later import keep_for_later
from project import Project
from project.files import source
from reading import reading_list
from report import overview
from report.page.build import facts as facts_of_page
from reviewing import run

MESSY = Path(__file__).parent / "apps" / "messy"
PASSWORD = "Tr0ub4dor-and-3-horses"
MOUNTED = """from fastapi import FastAPI

inner, outer = FastAPI(), FastAPI()

@inner.get("/inner")
def read() -> int:
    return 1

outer.mount("/admin", inner)
"""
COMMANDS = (
    ("overview",),
    ("signals",),
    ("signals", "--format", "json"),
    ("signals", "--dimension", "security"),
    ("signals", "--check", "SEC005"),
    ("routes", "--format", "json"),
    ("routes", "--open"),
    ("reading-list",),
    ("reading-list", "--dimension", "security", "--budget", "50"),
    ("redesign",),
    ("redesign", "--format", "json"),
)


@pytest.fixture
def app(tmp_path: Path) -> Path:
    root = tmp_path / "app"
    shutil.copytree(MESSY, root)
    (root / "broken.py").write_text("def (:\n")
    (root / "mounted.py").write_text(MOUNTED)
    (root / "keys.py").write_text(f'import jwt\n\nSECRET_KEY = "{PASSWORD}"\ntoken = jwt.encode({{}}, SECRET_KEY)\n')
    return root


@pytest.fixture
def kept(tmp_path: Path) -> Iterator[Path]:
    folder = tmp_path / "cache"
    folder.mkdir(mode=0o700)
    yield folder
    cache._used.clear()


def outcome(root: Path, folder: Path | None) -> tuple[Outcome, object]:
    found = Project.at(root, folder)
    whole = run(found, Selection(CHECKS))
    routes = (found.route_list.rows, found.route_list.map, list(found.route_list.blocks.values()))
    facts = (routes, found.stack_summary, found.layers_summary(), found.unread, found.line_count, found.files)
    parts = (overview.layout(found), overview.data(found), facts_of_page(found))
    return whole, (facts, parts, reading_list(found, whole.signals, 100))


def test_every_command_prints_the_same_with_and_without_it(app: Path, tmp_path: Path, review: RunReview) -> None:
    plain = [review(command, app, *options, "--no-cache").stdout for command, *options in COMMANDS]
    for number, first in enumerate((("routes",), ("overview",))):
        env = {**os.environ, "XDG_CACHE_HOME": str(tmp_path / f"cache{number}")}
        review(first[0], app, *first[1:], env=env)
        assert [review(command, app, *options, env=env).stdout for command, *options in COMMANDS] == plain, first
    assert list((tmp_path / "cache0").rglob("*.json"))


def test_an_unchanged_project_is_not_parsed_again(app: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    before = outcome(app, None)
    first = Project.at(app, kept)
    run(first, Selection(CHECKS))
    keep_for_later(first, "")

    def refuse(*_: object) -> None:
        raise AssertionError("parsed again")

    monkeypatch.setattr(source, "parse", refuse)
    assert outcome(app, kept) == before
    assert before[0].signals


def test_any_change_counts(app: Path, kept: Path) -> None:
    before = outcome(app, kept)
    (app / "more.py").write_text('PASSWORD = "x9Kq2vLm8TzR4wYp"\n')
    changed = outcome(app, kept)
    assert changed != before
    assert changed == outcome(app, None)
    (app / "more.py").write_text('PASSWORD = "x9Kq2vLm8TzR4wYq"\n')  # as long as before
    assert outcome(app, kept) == outcome(app, None)
    (app / "more.py").unlink()
    (app / "Dockerfile").write_text("FROM python\nENV API_KEY=x9Kq2vLm8TzR4wYp\n")
    assert outcome(app, kept) == outcome(app, None)


def test_secrets_of_the_project_are_not_kept(app: Path, kept: Path) -> None:
    found, _ = outcome(app, kept)
    assert any(signal.path == "keys.py" for signal in found.signals)
    assert outcome(app, kept)[0] == found
    files = list(kept.rglob("*.json"))
    assert files
    assert not any(PASSWORD.encode() in file.read_bytes() for file in files)


def test_a_broken_snapshot_is_ignored(app: Path, kept: Path) -> None:
    before = outcome(app, kept)
    for content in (b"", b"[]", b"{}", b"\xff\n{}", None):
        for file in kept.rglob("*.json"):
            file.write_bytes(file.read_bytes()[:-9] if content is None else content)
        assert outcome(app, kept) == before


def test_the_oldest_goes_when_it_is_full(app: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project.snapshot, "MAX_BYTES", 200_000)
    for number in range(4):
        (app / "more.py").write_text(f"NUMBER = {number}\n")
        outcome(app, kept)
    assert 0 < sum(file.stat().st_size for file in kept.rglob("*.json")) <= 200_000


def test_it_is_off_where_it_must_be(app: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def used(*arguments: str) -> bool:
        cache._used.clear()
        cache.use(arguments)
        return cache.folder() is not None

    monkeypatch.setattr("sys.pycache_prefix", None)
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    monkeypatch.chdir(app)
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    assert used("signals", str(app))
    assert used("signals")
    assert not used("signals", str(app), "--no-cache")
    assert not used("signals", str(kept.parent)), "nothing is written into the reviewed project"
    monkeypatch.setenv("XDG_CACHE_HOME", str(app))
    assert not used("signals")
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    assert not used("signals", str(app))
    monkeypatch.setenv("XDG_CACHE_HOME", str(app / "main.py"))
    assert not used("signals", str(app))


@pytest.mark.skipif(os.name == "nt", reason="modes of files are those of POSIX")
def test_it_is_off_where_others_may_write(app: Path, kept: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    own = kept / "backend-architecture-design"
    own.mkdir()
    own.chmod(0o777)
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept))
    cache.use(["signals", str(app)])
    assert cache.folder() is None
