"""--since: signals on or caused by changed lines, and a repository that cannot make git run anything."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import git_objects
from churn import changed_files

RunReview = Callable[..., Any]
pytestmark = pytest.mark.skipif(shutil.which("git") is None, reason="git is not installed")

FILES = {
    "main.py": """\
from fastapi import Depends, FastAPI, HTTPException, Request

import orders


def gate(request: Request) -> None:
    if request.headers.get("authorization") != "x":
        raise HTTPException(401)


app = FastAPI()
app.include_router(orders.router, dependencies=[Depends(gate)])
""",
    "orders.py": """\
import requests
from fastapi import APIRouter
from sqlalchemy import text

import remote

router = APIRouter()


@router.delete("/orders/{order_id}")
async def remove(order_id: int) -> int:
    requests.delete(f"https://example.org/{order_id}", timeout=5)
    return order_id


@router.post("/orders")
def create() -> int:
    return remote.send()
""",
    "remote.py": """\
import requests


def send() -> int:
    return requests.post("https://example.org", timeout=5).status_code
""",
}
NEW = """\
import requests
from fastapi import APIRouter

router = APIRouter()


@router.get("/new")
async def new() -> int:
    return requests.get("https://example.org", timeout=5).status_code
"""


def git(folder: Path, *arguments: str) -> str:
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder.parent),
        "GIT_CONFIG_NOSYSTEM": "1",
        **{f"GIT_{who}_{what}": "x@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")},
    }
    command = ["git", "-c", "init.defaultBranch=main", "-c", "core.autocrlf=false", *arguments]
    return subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout


def commit(folder: Path, message: str = "work") -> None:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)


def write(folder: Path, files: Mapping[str, str]) -> None:
    for path, text in files.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, encoding="utf-8", newline="")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """One commit on main, a branch on top of it, checked out."""
    root = tmp_path / "shop"
    write(root, FILES)
    git(root, "init", "-q")
    commit(root)
    git(root, "checkout", "-q", "-b", "work")
    return root


def since(review: RunReview, root: Path, ref: str = "main", *arguments: str) -> dict[tuple[str, str, int], str]:
    done = review(
        "signals", root, "--since", ref, "--format", "json", "--check", "ASY001", "--check", "SEC001", *arguments
    )
    assert (done.returncode, done.stderr) == (0, "")
    content = json.loads(done.stdout)
    return {(s["check"], s["path"], s["line"]): content["notes"][0] for s in content["signals"]}


def test_nothing_changed_is_nothing_to_say(repository: Path, review: RunReview) -> None:
    assert since(review, repository) == {}
    write(repository, {"README.md": "new"})
    assert since(review, repository) == {}
    said = review("signals", repository, "--since", "main").stdout
    assert "0 of" in said
    assert "1 file changed or new" in said


def test_changed_line_committed_or_not(repository: Path, review: RunReview) -> None:
    write(repository, {"orders.py": FILES["orders.py"].replace("timeout=5", "timeout=6")})
    assert list(since(review, repository)) == [("ASY001", "orders.py", 12)]
    commit(repository)
    assert list(since(review, repository)) == [("ASY001", "orders.py", 12)]


def test_lines_that_only_move_are_unchanged(repository: Path, review: RunReview) -> None:
    write(repository, {"orders.py": "# one\n# two\n\n" + FILES["orders.py"]})
    assert since(review, repository) == {}


def test_line_ends_are_no_change(repository: Path, review: RunReview) -> None:
    write(repository, {path: text.replace("\n", "\r\n") for path, text in FILES.items()})
    assert since(review, repository) == {}


def test_untracked_file_counts_and_ignored_one_does_not(repository: Path, review: RunReview) -> None:
    write(repository, {"new.py": NEW, ".gitignore": "local.py\n", "local.py": NEW})
    more = "import new\nimport local\n\napp.include_router(new.router)\napp.include_router(local.router)\n"
    write(repository, {"main.py": FILES["main.py"] + more})
    assert ("ASY001", "new.py", 9) in since(review, repository)
    commit(repository)
    write(repository, {"local.py": NEW + "\n\n# later\n"})
    assert ("ASY001", "local.py", 9) not in since(review, repository, "HEAD")


def test_hop_of_a_trace_counts(repository: Path, review: RunReview) -> None:
    write(repository, {"orders.py": FILES["orders.py"].replace("\ndef create", "\nasync def create")})
    assert list(since(review, repository)) == [("ASY001", "remote.py", 5)]


def test_deleted_guard_counts_where_it_opens_a_route(repository: Path, review: RunReview) -> None:
    assert since(review, repository) == {}
    write(repository, {"main.py": FILES["main.py"].replace(", dependencies=[Depends(gate)]", "")})
    found = since(review, repository)
    assert {path for check, path, _ in found if check == "SEC001"} == {"orders.py"}
    assert not [check for check, *_ in found if check == "ASY001"]


def test_what_others_did_on_the_branch_is_not_mine(repository: Path, review: RunReview) -> None:
    git(repository, "checkout", "-q", "main")
    write(repository, {"orders.py": FILES["orders.py"].replace("timeout=5", "timeout=9")})
    commit(repository)
    git(repository, "checkout", "-q", "work")
    assert since(review, repository) == {}


@pytest.mark.parametrize("committed", [True, False])
def test_moved_file_is_not_new(repository: Path, review: RunReview, committed: bool) -> None:
    git(repository, "mv", "orders.py", "sales.py")
    write(repository, {"main.py": FILES["main.py"].replace("orders", "sales")})
    if committed:
        commit(repository)
    assert since(review, repository) == {}
    write(repository, {"sales.py": FILES["orders.py"].replace("timeout=5", "timeout=6")})
    assert not committed or list(since(review, repository)) == [("ASY001", "sales.py", 12)]


def test_project_in_a_folder_of_the_repository(repository: Path, review: RunReview) -> None:
    inner = repository / "back end"
    inner.mkdir()
    for path in FILES:
        git(repository, "mv", path, "back end/")
    commit(repository)
    write(inner, {"orders.py": FILES["orders.py"].replace("timeout=5", "timeout=6")})
    assert list(since(review, inner, "HEAD")) == [("ASY001", "orders.py", 12)]


def test_no_backend_at_the_earlier_commit(tmp_path: Path, review: RunReview) -> None:
    root = tmp_path / "shop"
    write(root, {"README.md": "x"})
    git(root, "init", "-q")
    commit(root)
    write(root, FILES)
    assert ("ASY001", "orders.py", 12) in since(review, root, "HEAD")


def test_fail_on_counts_what_is_printed(repository: Path, review: RunReview) -> None:
    asked = ("signals", repository, "--check", "ASY001", "--fail-on", "high")
    assert review(*asked).returncode == 1
    assert review(*asked, "--since", "main").returncode == 0


def test_configuration_of_today_holds_for_both(repository: Path, review: RunReview) -> None:
    write(repository, {"pyproject.toml": "[tool.backend-architecture-design]\ndisable = ['SEC001']\n"})
    write(repository, {"main.py": FILES["main.py"].replace(", dependencies=[Depends(gate)]", "")})
    assert since(review, repository) == {}
    assert since(review, repository, "main", "--no-config") != {}


def test_nothing_is_written_and_nothing_stays(repository: Path, review: RunReview, tmp_path: Path) -> None:
    write(repository, {"orders.py": FILES["orders.py"].replace("timeout=5", "timeout=6")})
    before = {file: file.read_bytes() for file in sorted(repository.rglob("*")) if file.is_file()}
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    environment = {"PATH": os.environ["PATH"], "TMPDIR": str(scratch), "HOME": str(tmp_path)}
    done = review("signals", repository, "--since", "main", "--no-cache", env=environment)
    assert (done.returncode, done.stderr) == (0, "")
    assert {file: file.read_bytes() for file in sorted(repository.rglob("*")) if file.is_file()} == before
    assert list(scratch.iterdir()) == []


# What cannot be compared


@pytest.mark.parametrize(
    ("ref", "said"),
    [
        ("mian", "did you mean main?"),
        ("HEAD~7", "knows no commit"),
        ("main:orders.py", "knows no commit"),
        ("--output=/tmp/x", "expected one argument"),
        ("x\ny", "knows no commit"),
    ],
)
def test_unknown_commit(repository: Path, review: RunReview, ref: str, said: str) -> None:
    done = review("signals", repository, "--since", ref)
    assert (done.returncode, done.stdout) == (2, "")
    assert said in done.stderr
    assert done.stderr.count("\n") == 1


def test_an_option_is_no_commit(repository: Path, review: RunReview) -> None:
    done = review("signals", repository, "--since=--output=x")
    assert (done.returncode, done.stdout) == (2, "")
    assert "knows no commit" in done.stderr


def test_no_repository_no_git_no_history(repository: Path, review: RunReview, tmp_path: Path) -> None:
    plain = tmp_path / "plain"
    write(plain, FILES)
    done = review("signals", plain, "--since", "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "is no git repository" in done.stderr
    done = review("signals", repository, "--since", "main", env={"PATH": str(tmp_path)})
    assert (done.returncode, done.stdout) == (2, "")
    assert "needs git" in done.stderr
    write(repository, {"a.txt": "a"})
    commit(repository)
    git(tmp_path, "clone", "-q", "--depth", "1", f"file://{repository}", "shallow")
    done = review("signals", tmp_path / "shallow", "--since", "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "shallow" in done.stderr
    assert "fetch-depth: 0" in done.stderr


def test_unrelated_history(repository: Path, review: RunReview) -> None:
    git(repository, "checkout", "-q", "--orphan", "other")
    commit(repository, "another beginning")
    done = review("signals", repository, "--since", "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "no commit in common" in done.stderr


def test_not_with_a_baseline(repository: Path, review: RunReview, tmp_path: Path) -> None:
    (tmp_path / "b.json").write_text('{"version": 1, "signals": []}', encoding="utf-8")
    done = review("signals", repository, "--since", "main", "--baseline", tmp_path / "b.json")
    assert (done.returncode, done.stdout) == (2, "")
    assert "choose one" in done.stderr


# A repository that tries to run something


@pytest.fixture
def trap(repository: Path, tmp_path: Path) -> Path:
    """Everything in the repository's configuration that git can be told to run touches the file that is returned."""
    marker, program = tmp_path / "ran", tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch '{marker}'\ncat\n", encoding="utf-8")
    program.chmod(0o755)
    write(repository, {".gitattributes": "*.py filter=trap diff=trap merge=trap\n"})
    git(repository, "add", "-A")
    git(repository, "commit", "-q", "-m", "attributes")
    _sign(repository)
    write(repository, {"orders.py": FILES["orders.py"].replace("timeout=5", "timeout=6"), "new.py": NEW})
    hooks = repository / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-index-change", "fsmonitor-watchman", "reference-transaction", "pre-auto-gc", "post-checkout"):
        shutil.copy(program, hooks / name)
    settings = {
        **dict.fromkeys(
            ("core.fsmonitor", "core.pager", "core.sshCommand", "core.askPass", "core.editor"), str(program)
        ),
        **dict.fromkeys(("diff.external", "diff.trap.command", "diff.trap.textconv"), str(program)),
        **dict.fromkeys(("gpg.program", "gpg.ssh.program", "gpg.x509.program"), str(program)),
        "log.showSignature": "true",
        **dict.fromkeys(("filter.trap.clean", "filter.trap.smudge", "filter.trap.process"), str(program)),
        **dict.fromkeys(("credential.helper", "core.alternateRefsCommand", "core.gitProxy"), str(program)),
        **{f"alias.{name}": f"!{program}" for name in ("rev-parse", "merge-base", "ls-tree", "cat-file", "diff-tree")},
        **{f"pager.{name}": str(program) for name in ("rev-parse", "ls-tree", "cat-file", "diff-tree", "merge-base")},
        "core.hooksPath": str(hooks),
        "core.untrackedCache": "true",
        "extensions.partialClone": "origin",
        "remote.origin.promisor": "true",
        "remote.origin.url": f"ext::{program}",
        "remote.origin.uploadpack": str(program),
        "protocol.ext.allow": "always",
        "core.repositoryFormatVersion": "1",
    }
    for name, value in settings.items():
        git(repository, "config", name, value)
    return marker


def _sign(repository: Path) -> None:
    """The last commit once more, with a signature to verify."""
    head, text = git(repository, "cat-file", "commit", "HEAD").split("\n\n", 1)
    signature = "gpgsig -----BEGIN PGP SIGNATURE-----\n \n iQ\n -----END PGP SIGNATURE-----"
    file = repository.parent / "commit"
    file.write_text(f"{head}\n{signature}\n\n{text}", encoding="utf-8")
    git(repository, "reset", "-q", "--hard", git(repository, "hash-object", "-t", "commit", "-w", str(file)).strip())


def test_the_trap_works(repository: Path, trap: Path) -> None:
    for command in ("status", "log"):
        subprocess.run(["git", command], cwd=repository, capture_output=True, check=False)
        assert trap.exists()
        trap.unlink()


def test_nothing_configured_in_the_repository_runs(repository: Path, trap: Path, review: RunReview) -> None:
    assert ("ASY001", "orders.py", 12) in since(review, repository)
    for command in ("overview", "routes", "reading-list", "redesign"):
        assert review(command, repository).returncode == 0
    assert changed_files(repository)[1] == 2
    assert not trap.exists()


def test_missing_objects_are_not_fetched(repository: Path, trap: Path, review: RunReview) -> None:
    name = git(repository, "rev-parse", "main:orders.py").strip()
    (repository / ".git" / "objects" / name[:2] / name[2:]).unlink()
    done = review("signals", repository, "--since", "main")
    assert (done.returncode, done.stdout) == (2, "")
    assert "--since" in done.stderr
    assert not trap.exists()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no named pipes on this system")
def test_a_pipe_in_place_of_what_is_ignored_is_not_waited_for(
    repository: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    os.mkfifo(repository / ".gitignore")
    monkeypatch.setattr(git_objects, "_PATIENCE", 0.5)
    assert git_objects.Repository(repository).ignored(["new.py"]) == set()


def test_a_git_that_lies_in_the_project_is_not_run(repository: Path, review: RunReview, tmp_path: Path) -> None:
    fake = repository / "bin" / "git"
    fake.parent.mkdir()
    fake.write_text(f"#!/bin/sh\ntouch '{tmp_path / 'ran'}'\n", encoding="utf-8")
    fake.chmod(0o755)
    done = review("signals", repository, "--since", "main", env={"PATH": str(fake.parent)})
    assert done.returncode == 2
    assert not (tmp_path / "ran").exists()
