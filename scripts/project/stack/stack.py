"""What a project is built with: versions, Python, databases, servers, tools, continuous integration, configuration."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from project.place import Place
from project.stack.ci import Step, Workflow, workflows
from project.stack.commands import Server
from project.stack.config_files import ConfigFiles, Note, is_side
from project.stack.containers import Containers, containers
from project.stack.manifests import manifests
from project.stack.requirements import (
    Lock,
    Manifest,
    Requirement,
    is_compiled,
    lock_files,
    locked,
    normalised,
    requirements_files,
)
from project.stack.stack_summary import summary
from project.stack.storage import ORMS, Store, stores
from project.stack.tools import (
    FORMATTERS,
    LINTERS,
    TYPE_CHECKERS,
    Hook,
    Setting,
    Tool,
    configured_tools,
    hooks,
    used_by,
)
from project.stack.versions import Range, Version

_ENV_EXAMPLE = re.compile(
    r"(^|/)(\.?env[._-](example|sample|template|dist|defaults?)|[\w.-]*(example|sample|template)\.env|\.env\.[\w.-]+\.example)$"
)
_COMPOSE = re.compile(r"(^|/)(docker-)?compose[\w.-]*\.ya?ml$")
_FAIL_UNDER = re.compile(r"--(?:cov-)?fail-under[= ](\d+(?:\.\d+)?)")
_TOOL_PACKAGES = {"coverage": ("coverage", "pytest-cov"), "pytest": ("pytest",), "pyright": ("pyright",)}


@dataclass(frozen=True, slots=True)
class PythonUse:
    """A Python version that some file names; `source` is requires-python, version file, image or CI."""

    source: str
    version: Version
    text: str
    place: Place


@dataclass(frozen=True, slots=True)
class AlembicConfig:
    """An alembic.ini or [tool.alembic]; `script_location` is relative to the reviewed folder."""

    place: Place
    script_location: str
    settings: dict[str, str] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class Coverage:
    """Whether and how test coverage is measured; None where no file says it."""

    measured: Place | None
    minimum: Setting | None
    branch: Setting | None
    omit: Setting | None


class Stack:
    """Facts from the configuration of one project.

    `files` are all its files (posix, relative to `root`), `read` gives the text of one, None when it cannot. Where a
    question takes `near`, the manifest and lock file nearest above that path answer it; else those of the application:
    the manifest that declares FastAPI, nearest to the root.
    """

    def __init__(self, root: Path, files: Sequence[str], read: Callable[[str], str | None]) -> None:
        self.root = root
        self.config = ConfigFiles(files, read)

    # Dependencies

    @cached_property
    def _requirements_files(self) -> list[Manifest]:
        return requirements_files(self.config)

    @cached_property
    def locks(self) -> list[Lock]:
        """Lock files and compiled requirements files."""
        return lock_files(self.config, self._requirements_files)

    @cached_property
    def manifests(self) -> list[Manifest]:
        """Files that declare dependencies, each requirement with its locked version."""
        found = manifests(self.config)
        declaring = {manifest.folder for manifest in found if manifest.dependencies}
        declaring |= {m.folder for m in self._requirements_files if m.path.endswith(".in")}
        for manifest in self._requirements_files:
            compiled = is_compiled(self.config.text(manifest.path))
            if manifest.dependencies and not (compiled and manifest.folder in declaring):
                found.append(manifest)
        found = [m for m in found if m.declares("fastapi") or not self.config.is_part(m.path)]
        for manifest in found:
            manifest.dependencies = [locked(r, manifest.folder, self.locks) for r in manifest.dependencies]
        return found

    @cached_property
    def manifest(self) -> Manifest | None:
        """The application's: it declares FastAPI and stands nearest to the root."""
        declaring = [m for m in self.manifests if m.declares("fastapi")] or [
            m for m in self.manifests if m.dependencies
        ]
        return min(declaring, key=lambda m: (is_side(m.path), _depth(m.folder), not m.name), default=None)

    @cached_property
    def declarations(self) -> dict[str, list[Requirement]]:
        """Every requirement by normalised name, the one that counts for the application first."""
        main = self.manifest
        folder = main.folder if main else ""

        def rank(manifest: Manifest) -> tuple[bool, bool, bool, int]:
            return is_side(manifest.path), manifest is not main, manifest.folder != folder, _depth(manifest.folder)

        found: dict[str, list[Requirement]] = {}
        for manifest in sorted(self.manifests, key=rank):
            for requirement in sorted(manifest.dependencies, key=lambda r: (r.dev, bool(r.group))):
                found.setdefault(requirement.name, []).append(requirement)
        return found

    @cached_property
    def dependencies(self) -> dict[str, Requirement]:
        """The requirement that counts for the application, by normalised name."""
        return {name: requirements[0] for name, requirements in self.declarations.items()}

    def dependency(self, name: str, near: str = "") -> Requirement | None:
        """How a distribution is required; None when no manifest names it."""
        found = self.declarations.get(normalised(name), [])
        above = [r for r in found if near and _is_above(r.folder, near)]
        return max(above, key=lambda r: len(r.folder), default=None) or (found[0] if found else None)

    def has(self, name: str, near: str = "") -> bool:
        """Whether it is required, or installed with something that is (as far as a lock file says)."""
        return self.dependency(name, near) is not None or self._locked(name, near) is not None

    def version(self, name: str, near: str = "") -> Version | None:
        """The locked version, else the exact or lowest allowed one; None when unknown."""
        requirement = self.dependency(name, near)
        return (requirement and requirement.version) or self._locked(name, near)

    def at_least(self, name: str, version: str, near: str = "") -> bool | None:
        """Whether every version that may be installed is that new; None when it may or may not, or is unknown."""
        wanted = Version.parse(version)
        requirement = self.dependency(name, near)
        if wanted is None:
            raise ValueError(f"{version!r} is no version")
        if requirement is None or requirement.locked is None:
            found = self._locked(name, near)
            if found is not None:
                return found >= wanted
        return requirement.at_least(wanted) if requirement else None

    def before(self, name: str, version: str, near: str = "") -> bool | None:
        """The opposite of `at_least`; None when unknown."""
        found = self.at_least(name, version, near)
        return None if found is None else not found

    def _locked(self, name: str, near: str) -> Version | None:
        folder = posixpath.dirname(near) if near else self.manifest.folder if self.manifest else ""
        above = [lock for lock in self.locks if _is_above(lock.folder, f"{folder}/" if folder else "")]
        for lock in sorted(above, key=lambda lock: -len(lock.folder)):
            if normalised(name) in lock.versions:
                return lock.versions[normalised(name)]
        return None

    # Python

    @cached_property
    def pythons(self) -> list[PythonUse]:
        """Every Python version the project names, what it requires first."""
        return list(self._pythons())

    def _pythons(self) -> Iterator[PythonUse]:
        ordered = sorted(self.manifests, key=lambda m: (m is not self.manifest, is_side(m.path)))
        for manifest in ordered:
            minimum = Range.parse(manifest.python).minimum
            if minimum and manifest.python_place:
                yield PythonUse("requires-python", minimum, manifest.python, manifest.python_place)
        for path in self.config.named(".python-version", "runtime.txt"):
            text = self.config.text(path).strip().split("\n")[0]
            version = Version.parse(text.removeprefix("python-"))
            if version:
                yield PythonUse("version file", version, text, Place(path, 1, 1))
        for dockerfile in self.containers.dockerfiles:
            for image in dockerfile.bases:
                if image.python:
                    yield PythonUse("image", image.python, f"{image.name}:{image.tag}", image.place)
        for workflow in self.workflows:
            for version, place in workflow.pythons:
                yield PythonUse("CI", version, str(version), place)

    @cached_property
    def python(self) -> Version | None:
        """The oldest Python the application must run on, as far as known."""
        return self.pythons[0].version if self.pythons else None

    # Storage

    @cached_property
    def stores(self) -> list[Store]:
        """Signs of databases, caches and brokers: drivers, addresses in configuration, containers."""
        images = [image for compose in self.containers.composes for image in compose.images]
        images += [image for workflow in self.workflows for image in workflow.images]
        runtime = [r for r in self.dependencies.values() if not r.dev]
        return stores(self.config, runtime, images)

    @cached_property
    def databases(self) -> list[str]:
        """Kinds of databases, the best proved first: drivers and containers, then addresses."""
        signs = [store for store in self.stores if store.is_database]
        strong = [store.kind for store in signs if store.evidence != "address"]
        return list(dict.fromkeys([*strong, *(store.kind for store in signs)]))

    @cached_property
    def orms(self) -> list[tuple[str, Requirement]]:
        """(name, requirement) of each ORM the application declares."""
        return [(title, self.dependencies[name]) for name, title in ORMS.items() if name in self.dependencies]

    @cached_property
    def alembics(self) -> list[AlembicConfig]:
        """Alembic configurations, those of the application first."""
        return list(self._alembics())

    def _alembics(self) -> Iterator[AlembicConfig]:
        for path in self.config.named("alembic.ini"):
            file = self.config.ini(path)
            sections = [name for name, values in file.sections.items() if "script_location" in values] or ["alembic"]
            for section in sections:
                values = file.sections.get(section, {})
                settings = {key: value.text for key, value in values.items()}
                line = values["script_location"].line if "script_location" in values else 1
                location = self._script_location(path, settings.get("script_location", ""))
                yield AlembicConfig(Place(path, line, line), location, settings)
        for path in self.config.named("pyproject.toml"):
            table = self.config.toml(path).table("tool", "alembic")
            if table:
                settings = {key: str(value) for key, value in table.items()}
                place = self.config.toml(path).place("tool", "alembic", "script_location")
                yield AlembicConfig(place, self._script_location(path, settings.get("script_location", "")), settings)

    def _script_location(self, path: str, text: str) -> str:
        """The folder with env.py: beside the configuration, below the root, or in a package (`app:migrations`)."""
        location = posixpath.normpath(re.sub(r"%%?\(here\)s/?", "", text).replace(":", "/").strip())
        beside = posixpath.normpath(posixpath.join(posixpath.dirname(path), location))
        known = [posixpath.dirname(env) for env in self.config.named("env.py")]
        in_package = [folder for folder in known if ":" in text and folder.endswith(f"/{location}")]
        candidates = [folder for folder in (beside, location, *in_package) if folder in known]
        return candidates[0] if candidates else beside if text else ""

    # Tools

    @cached_property
    def hooks(self) -> list[Hook]:
        """pre-commit hooks."""
        return hooks(self.config)

    @cached_property
    def all_tools(self) -> list[Tool]:
        """Every configured tool, once for each folder that configures it."""
        return configured_tools(self.config)

    @cached_property
    def tools(self) -> dict[str, Tool]:
        """By name: configured where it counts for the application, else run by a hook or the CI, else declared."""
        folder = self.manifest.folder if self.manifest else ""
        found: dict[str, Tool] = {}
        for tool in sorted(self.all_tools, key=lambda t: self._distance(t.folder, folder)):
            found.setdefault(tool.name, tool)
        for hook in self.hooks:
            for name in used_by(hook.runs):
                found.setdefault(name, Tool(name, hook.place, configured=False))
        for workflow in self.workflows:
            for step in workflow.steps:
                for name in used_by(step.text):
                    found.setdefault(name, Tool(name, step.place, configured=False))
        for name in (*TYPE_CHECKERS, *LINTERS, *FORMATTERS, *_TOOL_PACKAGES):
            for package in _TOOL_PACKAGES.get(name, (name,)):
                if package in self.dependencies and not _is_needed(self.dependencies[package]):
                    found.setdefault(name, Tool(name, self.dependencies[package].place, configured=False))
        return found

    def tool_of(self, name: str, path: str) -> Tool | None:
        """A tool as it is configured nearest above a file, else as it is for the application."""
        near = [t for t in self.all_tools if t.name == name and t.configured and _is_above(t.folder, path)]
        return max(near, key=lambda t: len(t.folder)) if near else self.tools.get(name)

    @staticmethod
    def _distance(tool_folder: str, folder: str) -> tuple[bool, bool, int]:
        above = _is_above(tool_folder, f"{folder}/" if folder else "")
        return is_side(f"{tool_folder}/"), not above, -len(tool_folder) if above else len(tool_folder)

    @property
    def type_checkers(self) -> list[Tool]:
        return [self.tools[name] for name in TYPE_CHECKERS if name in self.tools]

    @property
    def linters(self) -> list[Tool]:
        return [self.tools[name] for name in LINTERS if name in self.tools]

    @cached_property
    def coverage(self) -> Coverage:
        """From coverage's own settings, pytest's options and the commands of the CI."""
        tool, pytest = self.tools.get("coverage"), self.tools.get("pytest")
        step = self.runs("coverage")
        settings = tool.settings if tool else {}
        options = pytest.text("addopts") if pytest else ""
        measured = tool.place if tool else step.place if step else None
        minimum, branch = settings.get("fail_under"), settings.get("branch")
        if pytest and "--cov" in options:
            measured = measured or pytest.place_of("addopts")
            limit = _FAIL_UNDER.search(options)
            minimum = minimum or (Setting(limit[1], pytest.place_of("addopts")) if limit else None)
            branch = branch or (Setting(True, pytest.place_of("addopts")) if "--cov-branch" in options else None)
        for workflow in self.workflows:
            for run in workflow.steps:
                limit = _FAIL_UNDER.search(run.text)
                minimum = minimum or (Setting(limit[1], run.place) if limit else None)
        return Coverage(measured, minimum, branch, settings.get("omit"))

    # Continuous integration, containers

    @cached_property
    def workflows(self) -> list[Workflow]:
        """Files of the continuous integration and what they run."""
        return workflows(self.config, self.hooks)

    def runs(self, kind: str) -> Step | None:
        """The first step of the CI that runs tests, lint, format, types, migrations, audit, ... (see ci.KINDS)."""
        return next((workflow.runs[kind] for workflow in self.workflows if kind in workflow.runs), None)

    @cached_property
    def containers(self) -> Containers:
        """Dockerfiles, compose files, and the servers that these, Procfiles and scripts start."""
        return containers(self.config)

    @property
    def servers(self) -> list[Server]:
        return self.containers.servers

    @property
    def has_servers(self) -> bool:
        """Whether a file of the application, not of its tests or examples, starts a known server."""
        return any(not is_side(server.place.path) for server in self.servers)

    # Configuration files

    @cached_property
    def configuration(self) -> dict[str, list[str]]:
        """Kinds of configuration and the files that hold them; an empty list where there is none."""
        named, matching = self.config.named, self.config.matching
        uses_alembic = self.has("alembic") or bool({"sqlalchemy", "sqlmodel"} & self.dependencies.keys())
        found = {
            "dependencies": [manifest.path for manifest in self.manifests if manifest.dependencies],
            "lock file": [lock.path for lock in self.locks],
            "environment example": matching(_ENV_EXAMPLE),
            "Dockerfile": [dockerfile.path for dockerfile in self.containers.dockerfiles],
            "compose file": [compose.path for compose in self.containers.composes],
            "CI": [workflow.path for workflow in self.workflows],
            "pytest settings": [tool.place.path for tool in self.all_tools if tool.name == "pytest"],
            "linter settings": [tool.place.path for tool in self.all_tools if tool.name in LINTERS],
            "type checker settings": [tool.place.path for tool in self.all_tools if tool.name in TYPE_CHECKERS],
            "pre-commit": named(".pre-commit-config.yaml", ".pre-commit-config.yml"),
        }
        if uses_alembic or self.alembics:
            found["alembic.ini"] = [alembic.place.path for alembic in self.alembics]
        return found

    @property
    def notes(self) -> list[Note]:
        """What could not be read, or only in part; sorted."""
        _ = (self.dependencies, self.pythons, self.stores, self.alembics, self.tools, self.configuration)
        return sorted(self.config.notes)

    def summary(self) -> list[tuple[str, str]]:
        """(label, text) for the overview."""
        return summary(self)


def _is_needed(requirement: Requirement) -> bool:
    """Whether an installed package needs it to run, so that it is no tool of those who write the package."""
    return requirement.place.path.endswith(("METADATA", "PKG-INFO")) and not requirement.group


def _depth(folder: str) -> int:
    return len(folder.split("/")) if folder else 0


def _is_above(folder: str, path: str) -> bool:
    return not folder or path.startswith(f"{folder}/")
