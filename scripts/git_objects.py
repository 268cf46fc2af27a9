"""What git knows of the reviewed folder, read so that nothing configured in its repository can run.

Only objects are read: no working tree (so no filter, no text conversion, no external diff), no index refresh (so no
file system monitor and no hook), no network (objects that a partial clone lacks are not fetched), no pager.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from check import clean
from report.wording import nearest
from target import CommandError

_SETTINGS = (
    "core.fsmonitor=false",
    "core.hooksPath=/dev/null",
    "core.untrackedCache=false",
    "core.attributesFile=/dev/null",
    "core.pager=cat",
    "core.sshCommand=false",
    "credential.helper=",
    "diff.external=",
    "gpg.program=false",
    "gpg.ssh.program=false",
    "gpg.x509.program=false",
    "log.showSignature=false",
    "protocol.allow=never",
    "safe.bareRepository=explicit",
)
_ENVIRONMENT = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_NO_REPLACE_OBJECTS": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
    "GIT_SSH_COMMAND": "false",
    "GIT_TERMINAL_PROMPT": "0",
    "LC_ALL": "C",
}
# Of another repository than the one around the folder; set while hooks of git run.
_FOREIGN = frozenset(
    "GIT_DIR GIT_WORK_TREE GIT_INDEX_FILE GIT_OBJECT_DIRECTORY GIT_ALTERNATE_OBJECT_DIRECTORIES GIT_COMMON_DIR "
    "GIT_NAMESPACE GIT_PREFIX GIT_EXTERNAL_DIFF GIT_SHALLOW_FILE GIT_GRAFT_FILE GIT_EXEC_PATH".split()
)
_TIMEOUT = 300
_PATIENCE = 20
_HISTORY = "fetch its history first (`git fetch --unshallow`; in a workflow: actions/checkout with fetch-depth: 0)"


@dataclass(frozen=True, slots=True)
class Blob:
    """A file of a commit. `mode` is 100644, 100755, 120000 (link) or 160000 (submodule); `size` in bytes."""

    mode: str
    id: str
    size: int


class Repository:
    """The repository around a folder; every path is posix and relative to the folder. Raises CommandError."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder.resolve()
        found = shutil.which("git")
        if found is None or Path(found).resolve().is_relative_to(self.folder):
            raise CommandError(2, "review.py: --since needs git, and there is none on the PATH")
        self._git = found
        done = self._run("rev-parse", "--git-dir", "--is-shallow-repository")
        if done.returncode:
            raise CommandError(2, f"review.py: --since: {_refused(done.stderr, folder)}")
        self.is_shallow = done.stdout.split()[-1:] == [b"true"]

    def base_of(self, ref: str) -> str:
        """The commit that the work since `ref` started from: the merge base of it and HEAD."""
        commit, head = self._commit(ref), self._commit("HEAD")
        done = self._run("merge-base", commit, head)
        found = done.stdout.decode("ascii", "replace").split()
        if found:
            return found[0]
        if self.is_shallow:
            raise CommandError(2, f"review.py: --since {ref}: this clone is shallow, with no common commit; {_HISTORY}")
        raise CommandError(2, f"review.py: --since {ref}: it has no commit in common with HEAD")

    def _commit(self, ref: str) -> str:
        done = self._run("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}")
        if done.returncode == 0:
            return done.stdout.decode("ascii", "replace").strip()
        hint = f"; this clone is shallow: {_HISTORY}" if self.is_shallow else nearest(ref, self._refs())
        raise CommandError(2, f"review.py: --since: git knows no commit {clean(ref, 100)}{hint}")

    def _refs(self) -> list[str]:
        done = self._run("for-each-ref", "--count=500", "--format=%(refname:short)")
        return [clean(name, 100) for name in done.stdout.decode("utf-8", "replace").splitlines()]

    def files(self, commit: str) -> dict[str, Blob]:
        """Every file of a commit below the folder."""
        done = self._run("ls-tree", "-r", "-l", "-z", commit)
        self._check(done, "its files cannot be listed")
        found = {}
        for row in done.stdout.split(b"\0")[:-1]:
            head, _, path = row.partition(b"\t")
            mode, _, name, size = head.decode("ascii").split()
            found[os.fsdecode(path)] = Blob(mode, name, int(size) if size.isdecimal() else 0)
        return found

    def contents(self, blobs: Iterable[Blob]) -> Iterator[bytes]:
        """The bytes of each blob, in order."""
        wanted = [blob.id for blob in blobs]
        if not wanted:
            return
        done = self._run("cat-file", "--batch", stdin="".join(f"{name}\n" for name in wanted).encode("ascii"))
        self._check(done, "its files cannot be read")
        at = 0
        for _ in wanted:
            end = done.stdout.index(b"\n", at)
            header = done.stdout[at:end].split()
            if len(header) != 3:
                raise CommandError(2, f"review.py: --since: this clone lacks files of its history; {_HISTORY}")
            start, size = end + 1, int(header[2])
            yield done.stdout[start : start + size]
            at = start + size + 1

    def renamed(self, commit: str) -> dict[str, str]:
        """Files that commits since have moved and perhaps changed: the path now -> the path then."""
        done = self._run(
            *("diff-tree", "-r", "-M", "-z", "--name-status", "--diff-filter=R", "--relative"),
            *("--no-ext-diff", "--no-textconv", "--ignore-submodules=all", commit, "HEAD"),
        )
        rows = done.stdout.split(b"\0")[:-1] if done.returncode == 0 else []
        return {os.fsdecode(rows[i + 2]): os.fsdecode(rows[i + 1]) for i in range(0, len(rows) - 2, 3)}

    def changes(self, commits: int) -> tuple[dict[str, int], int]:
        """In how many of the last commits each file changed, and how many commits there were (at most `commits`)."""
        done = self._run(
            *("log", f"--max-count={commits}", "--no-merges", "--format=%x00", "--name-only", "-z", "--relative"),
            *("--no-renames", "--no-ext-diff", "--no-textconv", "--ignore-submodules=all", "HEAD", "--", "."),
        )
        if done.returncode:
            return {}, 0
        rows = done.stdout.split(b"\0\0")[1:] if done.stdout.startswith(b"\0\0") else done.stdout.split(b"\0\0")
        found: dict[str, int] = {}
        for row in rows:
            for name in {part.strip(b"\n") for part in row.split(b"\0")} - {b""}:
                found[os.fsdecode(name)] = found.get(os.fsdecode(name), 0) + 1
        return found, len(rows)

    def ignored(self, paths: Iterable[str]) -> set[str]:
        """Those of the paths that git is told to ignore; none where that takes long: a .gitignore may be a pipe."""
        asked = b"".join(os.fsencode(path) + b"\0" for path in paths)
        if not asked:
            return set()
        try:
            done = self._run("check-ignore", "-z", "--stdin", stdin=asked, timeout=_PATIENCE)
        except CommandError:
            return set()
        return set(map(os.fsdecode, done.stdout.split(b"\0")[:-1]))

    def _run(
        self, *arguments: str, stdin: bytes = b"", timeout: float = _TIMEOUT
    ) -> subprocess.CompletedProcess[bytes]:
        settings = [word for setting in _SETTINGS for word in ("-c", setting)]
        command = [self._git, "--no-pager", "--no-optional-locks", *settings]
        environment = {name: value for name, value in os.environ.items() if name not in _FOREIGN} | _ENVIRONMENT
        try:
            return subprocess.run(
                [*command, "-C", str(self.folder), *arguments],
                input=stdin,
                capture_output=True,
                env=environment,
                timeout=timeout,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            raise CommandError(2, f"review.py: --since: git cannot be run ({type(error).__name__})") from error

    def _check(self, done: subprocess.CompletedProcess[bytes], what: str) -> None:
        if done.returncode:
            said = clean(done.stderr.decode("utf-8", "replace").strip(), 200)
            raise CommandError(2, f"review.py: --since: {what}: {said}")


def _refused(said: bytes, folder: Path) -> str:
    text = said.decode("utf-8", "replace")
    if "dubious ownership" in text:
        return (
            f"git does not trust {folder}, which belongs to another user; "
            f"if you do: git config --global --add safe.directory {folder}"
        )
    if "not a git repository" in text:
        return f"{folder} is no git repository, nor is a folder around it"
    return f"git refuses {folder}: {clean(text.strip(), 200)}"
