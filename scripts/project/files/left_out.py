"""Folders that are not read for what they are called, although code of the project imports from them."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from typing import NamedTuple

from project.files.source import Tree

_IMPORT = re.compile(
    r"^[ \t]*(?:from[ \t]+(?P<dots>\.*)[ \t]*(?P<module>[\w.]*)[ \t]+import[ \t]+(?P<names>[^\r\n#;]*)"
    r"|import[ \t]+(?P<modules>[^\r\n#;]+))",
    re.MULTILINE,
)
_WORD = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)*")
_MOST_LOOKED_AT = 2_000
_LIBRARIES = frozenset(("venv", "build"))  # as well the names of a module of Python, and of a tool


class LeftOut(NamedTuple):
    """A folder that was not read, and where its code is imported."""

    folder: str
    path: str
    line: int


def imported(tree: Tree) -> list[LeftOut]:
    """The first import from each folder that was left out and holds Python files, by folder."""
    waiting = {folder: folder.rsplit("/", 1)[-1] for folder in tree.left_out if folder.replace("/", "").isidentifier()}
    found = []
    for path, source in sorted(tree.sources.items()) if waiting else ():
        named = [folder for folder, name in waiting.items() if name in source.text]
        for match in _IMPORT.finditer(source.text) if named else ():
            for folder in [one for one in named if one in waiting and _is_from(match, path, one)]:
                if _holds_python(tree, folder):
                    found.append(LeftOut(folder, path, source.text.count("\n", 0, match.start()) + 1))
                del waiting[folder]
    return sorted(found)


def _is_from(match: re.Match[str], path: str, folder: str) -> bool:
    """Whether an import statement of the file `path` means the folder or what lies in it."""
    return any(f"{module}/".startswith(f"{folder}/") for module in _meant(match, path, folder))


def _meant(match: re.Match[str], path: str, folder: str) -> Iterator[str]:
    """Paths without suffix that an import may mean, absolute ones from every folder above both."""
    around = path.split("/")[:-1]
    if match["dots"]:
        level = len(match["dots"]) - 1
        base = [*around[: len(around) - level], *filter(None, match["module"].split("."))]
        yield from ("/".join([*base, name.split(".")[0]]) for name in _WORD.findall(match["names"]))
        return
    modules = [match["module"]] if match["modules"] is None else _WORD.findall(match["modules"])
    for module in modules:
        if module not in _LIBRARIES:
            shared = os.path.commonpath(["/" + "/".join(around), "/" + folder]).strip("/").split("/")
            for depth in range(len(shared) + 1):
                yield "/".join([*filter(None, shared[:depth]), *module.split(".")])


def _holds_python(tree: Tree, folder: str) -> bool:
    looked_at = 0
    for _, _, files in os.walk(tree.root / folder):
        if any(name.endswith(".py") for name in files):
            return True
        looked_at += len(files) + 1
        if looked_at > _MOST_LOOKED_AT:
            return False
    return False
