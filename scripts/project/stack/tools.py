"""Tools that watch over the code (type checkers, linters, formatters, pytest, coverage) and how they are set."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from project.place import Place
from project.stack.config_files import ConfigFiles, IniFile, Table, TomlFile

# Files that may configure a tool, the one that wins first: (name, tables or sections in it, "" for the whole file).
_SOURCES: dict[str, tuple[tuple[str, str], ...]] = {
    "ruff": ((".ruff.toml", ""), ("ruff.toml", ""), ("pyproject.toml", "tool.ruff")),
    "flake8": (
        (".flake8", "flake8"),
        ("setup.cfg", "flake8"),
        ("tox.ini", "flake8"),
        ("pyproject.toml", "tool.flake8"),
    ),
    "pylint": (
        (".pylintrc", "MAIN,MASTER,MESSAGES CONTROL,FORMAT"),
        ("pylintrc", "MAIN,MASTER,MESSAGES CONTROL,FORMAT"),
        ("pyproject.toml", "tool.pylint"),
    ),
    "black": (("pyproject.toml", "tool.black"),),
    "isort": (
        (".isort.cfg", "settings"),
        ("pyproject.toml", "tool.isort"),
        ("setup.cfg", "isort"),
        ("tox.ini", "isort"),
    ),
    "bandit": ((".bandit", "bandit"), ("pyproject.toml", "tool.bandit")),
    "mypy": (("mypy.ini", "mypy"), (".mypy.ini", "mypy"), ("pyproject.toml", "tool.mypy"), ("setup.cfg", "mypy")),
    "pyright": (("pyrightconfig.json", ""), ("pyproject.toml", "tool.pyright")),
    "basedpyright": (("pyproject.toml", "tool.basedpyright"),),
    "ty": (("ty.toml", ""), ("pyproject.toml", "tool.ty")),
    "pyrefly": (("pyrefly.toml", ""), ("pyproject.toml", "tool.pyrefly")),
    "pytest": (
        ("pytest.toml", "pytest"),
        (".pytest.toml", "pytest"),
        ("pytest.ini", "pytest"),
        (".pytest.ini", "pytest"),
        ("pyproject.toml", "tool.pytest.ini_options"),
        ("pyproject.toml", "tool.pytest"),
        ("tox.ini", "pytest"),
        ("setup.cfg", "tool:pytest"),
    ),
    "coverage": (
        (".coveragerc", "run,report"),
        ("setup.cfg", "coverage:run,coverage:report"),
        ("tox.ini", "coverage:run,coverage:report"),
        ("pyproject.toml", "tool.coverage"),
    ),
}
_SHARED = frozenset(("pyproject.toml", "setup.cfg", "tox.ini"))
_PREFIXES = ("lint_", "run_", "report_", "main_")
_TRUE = frozenset(("true", "yes", "on", "1"))

# What a hook or a command of the CI runs.
COMMANDS: dict[str, re.Pattern[str]] = {
    name: re.compile(pattern)
    for name, pattern in {
        "ruff": r"\bruff\b",
        "flake8": r"\bflake8\b|\bflakeheaven\b",
        "pylint": r"\bpylint\b",
        "black": r"(?<![\w-])black\b",
        "isort": r"\bisort\b",
        "autopep8": r"\bautopep8\b",
        "yapf": r"\byapf\b",
        "mypy": r"\b(d?mypy)\b",
        "pyright": r"(?<!based)\bpyright\b",
        "basedpyright": r"\bbasedpyright\b",
        "ty": r"(?<![\w/.-])ty check\b|^(local-)?ty(-check)?\b",
        "pyrefly": r"\bpyrefly\b",
        "bandit": r"\bbandit\b",
        "pip-audit": r"\bpip-audit\b|\bpip_audit\b",
        "safety": r"\bsafety (check|scan)\b",
        "detect-secrets": r"\bdetect-secrets\b|\bgitleaks\b|\btrufflehog\b",
        "pytest": r"\bpy\.?test\b",
        "coverage": r"\bcoverage (run|report|xml|combine|html)\b|--cov\b",
    }.items()
}
TYPE_CHECKERS = ("mypy", "pyright", "basedpyright", "ty", "pyrefly")
LINTERS = ("ruff", "flake8", "pylint")
FORMATTERS = ("ruff", "black", "yapf", "autopep8")


@dataclass(frozen=True, slots=True)
class Setting:
    """A value as the file has it (text only, in INI files) and where it stands."""

    value: Any
    place: Place


@dataclass(slots=True)
class Tool:
    """A tool and its settings; keys have `_` for `-`, without `lint.`, `run.` and `report.` before them.

    `place` is where it is configured, else what shows that it is used: a hook, a command of the CI, a dependency.
    """

    name: str
    place: Place
    settings: dict[str, Setting] = field(default_factory=dict)
    configured: bool = True

    @property
    def folder(self) -> str:
        return posixpath.dirname(self.place.path)

    def __contains__(self, key: str) -> bool:
        return key in self.settings

    def flag(self, key: str) -> bool | None:
        """None when it is not set."""
        setting = self.settings.get(key)
        return None if setting is None else str(setting.value).strip().lower() in _TRUE

    def text(self, key: str) -> str:
        """A list as its items with blanks between."""
        setting = self.settings.get(key)
        value = setting.value if setting else ""
        return " ".join(map(str, value)) if isinstance(value, list) else str(value)

    def number(self, key: str) -> float | None:
        try:
            return float(self.text(key))
        except ValueError:
            return None

    def items(self, key: str) -> list[str]:
        """A list, or a text split at commas, blanks and line breaks."""
        setting = self.settings.get(key)
        value = setting.value if setting else []
        if isinstance(value, list):
            return [str(item) for item in value]
        return [item for item in re.split(r"[,\s]+", str(value)) if item]

    def place_of(self, key: str) -> Place:
        """Where the key is set, else where the tool is configured."""
        setting = self.settings.get(key)
        return setting.place if setting else self.place


@dataclass(frozen=True, slots=True)
class Hook:
    """A pre-commit hook; `runs` is its id and what it calls."""

    id: str
    repository: str
    revision: str
    runs: str
    place: Place


def configured_tools(files: ConfigFiles) -> list[Tool]:
    """One for each tool and folder that configures it, those nearest to the root first."""
    found: dict[tuple[str, str], Tool] = {}
    for name, sources in _SOURCES.items():
        for file_name, sections in sources:
            for path in files.named(file_name):
                tool = _tool(files, name, path, sections)
                if tool:
                    found.setdefault((name, tool.folder), tool)
    return list(found.values())


def _tool(files: ConfigFiles, name: str, path: str, sections: str) -> Tool | None:
    shared = path.rsplit("/", 1)[-1] in _SHARED
    if path.endswith(".toml"):
        return _of_toml(name, files.toml(path), tuple(filter(None, sections.split("."))), shared)
    if path.endswith(".json"):
        data = files.json(path)
        place = Place(path, 1, 1)
        return Tool(name, place, _flat(data, lambda _keys: place) if isinstance(data, dict) else {})
    return _of_ini(name, files.ini(path), sections.split(","), shared)


def _of_toml(name: str, file: TomlFile, keys: tuple[str, ...], shared: bool) -> Tool | None:
    table = file.table(*keys)
    if shared and not table:
        return None
    return Tool(name, file.place(*keys), _flat(table, lambda inner: file.place(*keys, *inner)))


def _flat(table: Table, place: Callable[[tuple[str, ...]], Place]) -> dict[str, Setting]:
    """Settings of a table and of the tables in it, `lint.select` as `select`; a table is a setting too."""
    found: dict[str, Setting] = {}
    waiting: list[tuple[tuple[str, ...], Any]] = [((key,), value) for key, value in table.items()]
    while waiting:
        keys, value = waiting.pop(0)
        found.setdefault(_key("_".join(keys)), Setting(value, place(keys)))
        if isinstance(value, dict):
            waiting.extend(((*keys, key), inner) for key, inner in value.items())
    return found


def _key(text: str) -> str:
    key = text.replace("-", "_").replace(".", "_").lower()
    return next((key[len(p) :] for p in _PREFIXES if key.startswith(p)), key)


def _of_ini(name: str, file: IniFile, sections: list[str], shared: bool) -> Tool | None:
    present = [section for section in sections if section in file.sections]
    if shared and not present:
        return None
    tool = Tool(name, file.places[present[0]] if present else Place(file.path, 1, 1))
    for section in present:
        for key, value in file.sections[section].items():
            tool.settings.setdefault(key, Setting(value.text, Place(file.path, value.line, value.line)))
    overrides = [section for section in file.sections if section.startswith(f"{name}-")]
    if overrides:
        tables = [{"module": s[len(name) + 1 :]} | {k: v.text for k, v in file.sections[s].items()} for s in overrides]
        tool.settings["overrides"] = Setting(tables, file.places[overrides[0]])
    return tool


def hooks(files: ConfigFiles) -> list[Hook]:
    """Hooks of pre-commit (and prek) configurations."""
    return [
        hook
        for path in files.named(".pre-commit-config.yaml", ".pre-commit-config.yml")
        for hook in _hooks(files, path)
    ]


def _hooks(files: ConfigFiles, path: str) -> Iterator[Hook]:
    texts: dict[tuple[str | int, ...], dict[str, str]] = {}
    lines: dict[tuple[str | int, ...], int] = {}
    for keys, value, line in files.yaml(path):
        if len(keys) >= 3 and keys[0] == "repos":
            holder, key = (keys[:4], str(keys[4])) if len(keys) > 4 and keys[2] == "hooks" else (keys[:2], str(keys[2]))
            held = texts.setdefault(holder, {})
            held[key] = f"{held[key]} {value}" if key in held else value
            if key == "id":
                lines[holder] = line
    for holder, line in lines.items():
        hook, repository = texts[holder], texts.get(holder[:2], {})
        runs = f"{hook['id']} {hook.get('entry', '')} {hook.get('args', '')}".strip()
        place = Place(path, line, line)
        yield Hook(hook["id"], repository.get("repo", ""), repository.get("rev", ""), runs, place)


def used_by(text: str) -> Iterator[str]:
    """Names of the tools that a command or hook runs."""
    return (name for name, pattern in COMMANDS.items() if pattern.search(text))
