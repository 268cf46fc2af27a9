"""The folder to review: opened, or refused in one sentence that says what was found and what to do."""

from __future__ import annotations

import os
import re
import shlex
from collections import Counter
from pathlib import Path

import cache
from configuration import ConfigurationError, settings_of
from project import Project

_FASTAPI = re.compile(r"^\s*(?:from|import)\s+fastapi\b", re.MULTILINE)
_OTHERS = {
    "flask": "Flask",
    "django": "Django",
    "rest_framework": "Django REST framework",
    "litestar": "Litestar",
    "starlette": "Starlette",
    "aiohttp": "aiohttp",
    "sanic": "Sanic",
    "tornado": "Tornado",
    "quart": "Quart",
    "falcon": "Falcon",
    "bottle": "Bottle",
    "pyramid": "Pyramid",
    "robyn": "Robyn",
    "ninja": "Django Ninja",
}
_OTHER = re.compile(rf"^\s*(?:from|import)\s+({'|'.join(_OTHERS)})\b", re.MULTILINE)
_MANIFESTS = {
    "package.json": "JavaScript",
    "go.mod": "Go",
    "Cargo.toml": "Rust",
    "pom.xml": "Java",
    "build.gradle": "Java",
    "Gemfile": "Ruby",
    "composer.json": "PHP",
}
_SKIPPED_FOLDERS = frozenset({".git", "node_modules", ".venv", "venv", "__pycache__"})
_FILES_LOOKED_AT = 20_000


class CommandError(Exception):
    """The command cannot run: the exit status, and one sentence for the user."""

    def __init__(self, status: int, sentence: str) -> None:
        super().__init__(sentence)
        self.status = status
        self.sentence = sentence


def shown(path: str) -> str:
    """The path for a command line that is to be typed again: nothing for the default, else quoted after a space."""
    return "" if path == "." else " " + shlex.quote(path)


def prefix_of(path: str, folder: str | None) -> str:
    """What leads from `folder` to the reviewed path, with a slash behind it, or ""; raises CommandError."""
    if folder is None:
        return ""
    try:
        inner = Path(path).resolve().relative_to(Path(folder).resolve()).as_posix()
    except ValueError:
        raise CommandError(2, f"review.py: {path} does not lie in {folder}, the folder of --relative-to") from None
    return "" if inner == "." else f"{inner}/"


def open_project(path: str, config: str | None = None) -> Project:
    """The project in the folder `path`, with its configuration or that of another file (configuration.settings_of).

    Raises CommandError where there is no FastAPI project to review, or its configuration is wrong.
    """
    folder = Path(path)
    if not folder.exists():
        raise CommandError(2, f"review.py: there is no folder {path}; give the folder of the project to review")
    if not folder.is_dir():
        parent = shlex.quote(str(folder.parent))
        raise CommandError(2, f"review.py: {path} is a file; give the folder of the project, such as {parent}")
    project = Project.at(folder, cache.folder())
    if not project.sources:
        raise CommandError(3, f"review.py: nothing to analyse: {_without_sources(project, folder)}")
    if not _uses_fastapi(project):
        raise CommandError(3, f"review.py: nothing to analyse: {_without_fastapi(project, path)}")
    try:
        project.settings = settings_of(project, config)
    except ConfigurationError as error:
        raise CommandError(2, f"review.py: {error}") from error
    return project


def _uses_fastapi(project: Project) -> bool:
    return any("fastapi" in source.text and _FASTAPI.search(source.text) for source in project.sources)


def _without_fastapi(project: Project, path: str) -> str:
    found: dict[str, str] = {}
    for source in project.sources:
        for name in _OTHER.findall(source.text):
            found.setdefault(_OTHERS[name], source.path)
    instead = ", ".join(f"{name} ({where})" for name, where in list(found.items())[:3]) or "no web framework"
    return (
        f"none of the {len(project.sources):,} Python files in {path} imports fastapi; found {instead}; "
        "this reviews FastAPI backends only, give the folder that holds one"
    )


def _without_sources(project: Project, folder: Path) -> str:
    if project.unread:
        one = project.unread[0]
        return f"none of {len(project.unread)} Python files could be read, such as {one.path}: {one.why}"
    names = _file_names(folder)
    if not names:
        return f"{folder} is empty; give the folder that holds the FastAPI project"
    suffixes = Counter(Path(name).suffix or name for name in names).most_common(3)
    kinds = ", ".join(f"{number} {suffix}" for suffix, number in suffixes)
    language = next((f" ({file}: {word})" for file, word in _MANIFESTS.items() if file in names), "")
    return f"no Python file in {folder}, found {kinds}{language}; give the folder that holds the FastAPI project"


def _file_names(folder: Path) -> list[str]:
    names: list[str] = []
    for _, folders, files in os.walk(folder):
        folders[:] = sorted(name for name in folders if name not in _SKIPPED_FOLDERS)
        names += sorted(files)
        if len(names) > _FILES_LOOKED_AT:
            break
    return names
