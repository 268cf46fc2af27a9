"""How often files changed lately, where git history is at hand."""

from __future__ import annotations

from pathlib import Path

from git_objects import Repository
from target import CommandError

COMMITS = 300


def changed_files(folder: Path) -> tuple[dict[str, int], int]:
    """In how many of the last 300 commits each file changed, and how many commits there were; ({}, 0) without git.

    Paths are relative to `folder`; merges do not count. git is only started when a repository lies around the folder,
    and only to read objects.
    """
    around = folder.resolve()
    if not any((holder / ".git").exists() for holder in (around, *around.parents)):
        return {}, 0
    try:
        return Repository(folder).changes(COMMITS)
    except CommandError:
        return {}, 0
