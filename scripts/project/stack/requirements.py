"""What a project declares that it needs: single requirements, requirements files, lock files."""

from __future__ import annotations

import posixpath
import re
from dataclasses import dataclass, field, replace

from project.place import Place
from project.stack.config_files import ConfigFiles, logical_lines
from project.stack.versions import ANY, Range, Version

_REQUIREMENT = re.compile(
    r"""\s*(?P<name>[A-Za-z0-9][\w.-]*)\s*(?:\[(?P<extras>[^\]]*)\])?
        \s*(?:@\s*(?P<url>\S+)|\(?(?P<spec>(?:[<>=!~^*\d][^;@()]*)?)\)?)\s*(?:;\s*(?P<marker>.*))?$""",
    re.VERBOSE,
)
_EGG = re.compile(r"[#&]egg=([\w.-]+)")
_OPTION = re.compile(r"\s--?[\w-]+.*$")
_INCLUDE = re.compile(r"-(?:r|-requirement)[ =]*(\S+)")
_COMMENT = re.compile(r"\s#.*$")
_COMPILED = re.compile(r"^#.*\b(pip-compile|uv pip compile|uv export|pip-tools)\b|\s--hash=", re.MULTILINE)
_REQUIREMENTS_FILE = re.compile(r"(^|/)([\w.-]*requirements[\w.-]*|requirements/([\w.-]+/)*[\w.-]+)\.(txt|in)$")
_LOCKED = re.compile(r'^\[\[packages?\]\]\nname = "([^"]+)"\nversion = "([^"]+)"', re.MULTILINE)
_DEV = re.compile(
    r"(^|[-_./ ])(dev|develop|development|tests?|testing|lint|linters?|linting|docs?|typing|types|typecheck|checks?"
    r"|ci|qa|format|style|quality|tools?|tooling|benchmarks?|debug|notebooks?|examples?|coverage|pre-?commit|release)"
    r"([-_./ ]|$)",
    re.IGNORECASE,
)
_INFO_FOLDER = re.compile(r"(^|/)[^/]+\.(dist|egg)-info$")
LOCK_FILES = ("uv.lock", "poetry.lock", "pdm.lock", "pylock.toml", "Pipfile.lock")


@dataclass(frozen=True, slots=True)
class Requirement:
    """One requirement; `group` is the extra, group or file that asks for it, "" for what always is installed."""

    name: str
    spec: str
    place: Place
    extras: frozenset[str] = frozenset()
    group: str = ""
    marker: str = ""
    locked: Version | None = None
    allowed: Range = ANY

    @property
    def folder(self) -> str:
        """What the file that has it is about: "" for the root."""
        return _folder_of(self.place.path)

    @property
    def dev(self) -> bool:
        """Not installed where the application runs, as far as the name of its group says."""
        return is_dev(self.group)

    @property
    def minimum(self) -> Version | None:
        return self.allowed.minimum

    @property
    def version(self) -> Version | None:
        """The locked version, else the lowest that is allowed."""
        return self.locked or self.minimum

    def at_least(self, version: Version) -> bool | None:
        """None when the constraint leaves it open and nothing is locked."""
        return self.locked >= version if self.locked else self.allowed.at_least(version)


@dataclass(slots=True)
class Manifest:
    """One file that declares dependencies. `folder` is what it is about: "" for the root."""

    path: str
    dependencies: list[Requirement] = field(default_factory=list)
    python: str = ""
    python_place: Place | None = None
    name: str = ""

    @property
    def folder(self) -> str:
        return _folder_of(self.path)

    def declares(self, name: str) -> bool:
        return any(dependency.name == name for dependency in self.dependencies)


@dataclass(slots=True)
class Lock:
    """Exact versions of everything that is installed, by normalised name."""

    path: str
    versions: dict[str, Version]

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.path)


def _folder_of(path: str) -> str:
    return _INFO_FOLDER.sub("", posixpath.dirname(path))


def normalised(name: str) -> str:
    """`Typing_Extensions` and `typing.extensions` are one name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", name).lower().strip("-")


def is_dev(group: str) -> bool:
    return bool(group and _DEV.search(group))


def requirement(text: str, place: Place, group: str = "") -> Requirement | None:
    """One PEP 508 requirement, tolerantly; None for what names no distribution (a path, an address)."""
    match = _REQUIREMENT.match(text)
    if match is None:
        egg = _EGG.search(text)
        return Requirement(normalised(egg[1]), "", place, group=group) if egg else None
    spec = (match["spec"] or "").strip()
    extras = frozenset(extra.strip().lower() for extra in (match["extras"] or "").split(",") if extra.strip())
    return Requirement(
        normalised(match["name"]),
        spec,
        place,
        extras,
        group,
        (match["marker"] or "").strip(),
        allowed=Range.parse(spec),
    )


def requirements_files(files: ConfigFiles) -> list[Manifest]:
    """Files named like requirements, and those they include, wherever in the project these are."""
    waiting = files.matching(_REQUIREMENTS_FILE)
    known = set(files.files)
    found: dict[str, Manifest] = {}
    while waiting:
        path = waiting.pop(0)
        if path in found:
            continue
        manifest = found[path] = Manifest(path)
        for number, whole in logical_lines(files.text(path)):
            line = _COMMENT.sub("", whole)
            include = _INCLUDE.match(line)
            if include:
                target = posixpath.normpath(posixpath.join(manifest.folder, include[1]))
                if target in known:
                    waiting.append(target)
                else:
                    files.note(path, number, f"includes {include[1][:100]}, which is not in the project")
            elif not line.startswith(("-", ".", "/")):
                made = requirement(_OPTION.sub("", line), Place(path, number, number), _group_of(path))
                if made:
                    manifest.dependencies.append(made)
    return list(found.values())


def _group_of(path: str) -> str:
    """The path when it names a group for development, else nothing."""
    stem = path.rsplit(".", 1)[0]
    return stem if is_dev(stem) else ""


def is_compiled(text: str) -> bool:
    """Whether a requirements file was written by a tool that pins everything."""
    return bool(_COMPILED.search(text))


def lock_files(files: ConfigFiles, requirements: list[Manifest]) -> list[Lock]:
    """Lock files of every tool, and compiled requirements files."""
    found = []
    for path in files.named(*LOCK_FILES):
        if path.endswith("Pipfile.lock"):
            versions = _pipfile_lock(files.json(path))
        else:
            versions = _versions(_LOCKED.findall(files.text(path)))
        found.append(Lock(path, versions))
    for manifest in requirements:
        if is_compiled(files.text(manifest.path)):
            pins = {d.name: d.minimum for d in manifest.dependencies if d.allowed.pinned}
            found.append(Lock(manifest.path, {name: version for name, version in pins.items() if version}))
    return found


def _pipfile_lock(data: object) -> dict[str, Version]:
    pairs = []
    for section in ("default", "develop"):
        packages = data.get(section) if isinstance(data, dict) else None
        for name, package in packages.items() if isinstance(packages, dict) else ():
            version = package.get("version") if isinstance(package, dict) else None
            if isinstance(version, str):
                pairs.append((str(name), version.lstrip("= ")))
    return _versions(pairs)


def _versions(pairs: list[tuple[str, str]]) -> dict[str, Version]:
    """The highest of a package that is locked more than once (for several Pythons)."""
    found: dict[str, Version] = {}
    for name, text in pairs:
        version, key = Version.parse(text), normalised(name)
        if version and (key not in found or found[key] < version):
            found[key] = version
    return found


def locked(dependency: Requirement, folder: str, locks: list[Lock]) -> Requirement:
    """With the version from the nearest lock file at or above `folder` that has it."""
    above = [lock for lock in locks if folder == lock.folder or not lock.folder or folder.startswith(lock.folder + "/")]
    for lock in sorted(above, key=lambda lock: -len(lock.folder)):
        if dependency.name in lock.versions:
            return replace(dependency, locked=lock.versions[dependency.name])
    return dependency
