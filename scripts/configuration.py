"""`[tool.backend-architecture-design]` of the reviewed project's pyproject.toml, read as data, and what it changes."""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from catalogue import CHECKS
from check import Check, Outcome, clean
from project import Function, Project
from project.language.layers import LAYERS
from project.settings import THRESHOLDS, Settings
from project.stack.toml_reader import loads
from report.wording import count, nearest
from suppression import written
from version import NAME

TABLE = f"[tool.{NAME}]"
PYPROJECT = "pyproject.toml"
NONE = ""  # `file` of settings_of: the project's own configuration is not read

_MAX_BYTES = 1_000_000
_MOST = 200
_DOTTED = re.compile(r"[^\W\d]\w*(?:\.[^\W\d]\w*)+$")
_SHOWN = 12


class ConfigurationError(Exception):
    """The configuration cannot be used; the message is one sentence for the user."""


def settings_of(project: Project, file: str | None = None) -> Settings:
    """Settings from the project's own pyproject.toml, or from another TOML file. Raises ConfigurationError."""
    if file == NONE:
        return Settings()
    if file is not None:
        return _parsed(file, _text_of(file))
    text = project.tree.text(PYPROJECT) if PYPROJECT in project.files else None
    if text is None or NAME not in text:
        return Settings()
    try:
        return _parsed(PYPROJECT, text)
    except _NotTomlError as error:
        return Settings(problem=f"{error}: its {TABLE} was not read")


class _NotTomlError(ConfigurationError):
    pass


def _text_of(file: str) -> str:
    path = Path(file)
    if not path.is_file():
        raise ConfigurationError(f"there is no file {file}; --config takes a TOML file with a table {TABLE}")
    if path.stat().st_size > _MAX_BYTES:
        raise ConfigurationError(f"{file} is larger than 1 MB; --config takes a TOML file with a table {TABLE}")
    return path.read_text(encoding="utf-8-sig", errors="replace")


def _parsed(file: str, text: str) -> Settings:
    try:
        data = loads(text)
    except (ValueError, RecursionError) as error:
        raise _NotTomlError(f"{file} is no valid TOML ({clean(str(error), 160)})") from error
    tools = data.get("tool")
    table = tools.get(NAME, {}) if isinstance(tools, dict) else {}
    if not isinstance(table, dict):
        raise ConfigurationError(f"{file}: {TABLE} must be a table")
    try:
        return Settings(file, **{key: _reader(key)(value) for key, value in table.items()})
    except ValueError as error:
        raise ConfigurationError(f"{file}, {TABLE}: {error}; --no-config leaves it out") from error


def _reader(key: str) -> Callable[[Any], Any]:
    if key not in _READERS:
        raise ValueError(f"unknown key {clean(key, 60)}{nearest(key, list(_READERS))}")
    return lambda value: _READERS[key](key, value)


def _texts(key: str, value: Any) -> tuple[str, ...]:
    if not isinstance(value, list) or not all(isinstance(item, str) and item.strip() for item in value):
        raise ValueError(f"{key} must be a list of texts")
    if len(value) > _MOST:
        raise ValueError(f"{key} has more than {_MOST} entries")
    return tuple(dict.fromkeys(item.strip() for item in value))


def _checks(key: str, value: Any) -> tuple[str, ...]:
    return tuple(dict.fromkeys(check_named(word).id for word in _texts(key, value)))


def check_named(word: str) -> Check:
    """The check with this id or name; raises ValueError with the nearest right one."""
    for check in CHECKS:
        if word.lower() in (check.id.lower(), check.name):
            return check
    known = [name for check in CHECKS for name in (check.id, check.name)]
    raise ValueError(f"unknown check {clean(word, 60)}{nearest(word, known)}")


def _guards(key: str, value: Any) -> tuple[str, ...]:
    names = _texts(key, value)
    for name in names:
        if not _DOTTED.match(name):
            raise ValueError(f"{key}: {clean(name, 60)} is no dotted name such as app.deps.current_user")
    return names


def _layers(key: str, value: Any) -> dict[str, tuple[str, ...]]:
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be a table of folders by layer, such as {{ service = ['app/logic'] }}")
    for layer in value:
        if layer not in LAYERS:
            raise ValueError(f"{key}: unknown layer {clean(layer, 60)}{nearest(layer, LAYERS)}")
    return {layer: _texts(f"{key}.{layer}", globs) for layer, globs in value.items()}


def _thresholds(key: str, value: Any) -> dict[str, int]:
    if not isinstance(value, dict):
        raise ValueError(f"{key} must be a table of numbers")
    for name, number in value.items():
        if name not in THRESHOLDS:
            raise ValueError(f"{key}: unknown threshold {clean(name, 60)}{nearest(name, list(THRESHOLDS))}")
        if not isinstance(number, int) or isinstance(number, bool) or number < 0:
            raise ValueError(f"{key}.{name} must be a whole number from 0")
    return dict(value)


_READERS: dict[str, Callable[[str, Any], Any]] = {
    "exclude": _texts,
    "disable": _checks,
    "thresholds": _thresholds,
    "guards": _guards,
    "layers": _layers,
}


# What must be said of it


def changes(project: Project, outcome: Outcome) -> list[str]:
    """Sentences on what the configuration changes."""
    return [clean(note, 400) for note in _changes(project.settings, outcome)]


def slips(project: Project) -> list[str]:
    """Sentences on comments and guards that have no effect."""
    return [clean(note, 400) for note in (*_shown(_lost_guards(project)), *_shown(_useless_comments(project)))]


def configuration_notes(settings: Settings) -> list[str]:
    """What the configuration says of the project, apart from signals that it leaves out."""
    if settings.problem:
        return [settings.problem]
    said = [
        ("guards", _listed(list(settings.guards))),
        ("layers", _listed([f"{layer} {', '.join(map(_quoted, globs))}" for layer, globs in settings.layers.items()])),
        (
            "thresholds",
            _listed([f"{name} {n} (default {THRESHOLDS[name]})" for name, n in settings.thresholds.items()]),
        ),
    ]
    return [f"{settings.file} sets {name}: {what}" for name, what in said if what]


def _changes(settings: Settings, outcome: Outcome) -> Iterator[str]:
    if settings.disable:
        names = {check.id: check.name for check in CHECKS}
        disabled = _listed([f"{known} ({names[known]})" for known in settings.disable])
        yield f"{settings.file} disables {disabled}: not run; --no-config runs all"
    if settings.exclude:
        left_out = sum(not hidden.by_comment for hidden in outcome.hidden)
        yield (
            f"{settings.file} excludes {_listed(list(map(_quoted, settings.exclude)))}: "
            f"{count(left_out, 'signal')} left out; --no-config shows all"
        )
    yield from configuration_notes(settings)


def _lost_guards(project: Project) -> Iterator[str]:
    """Guards of the configuration that no code has, so that a slip of the pen is seen."""
    if not project.settings.guards:
        return
    known = {f.dotted for m in project.app_modules for f in m.walk() if isinstance(f, Function) and not f.is_lambda}
    known |= {name.removesuffix("()") for route in project.routes for name in route.dependencies}
    for guard in project.settings.guards:
        if guard not in known and not any(name.startswith(f"{guard}.") for name in known):
            yield f"{project.settings.file} names the guard {guard}, which the code does not have{_near(guard, known)}"


def _near(guard: str, known: set[str]) -> str:
    last = guard.rpartition(".")[2]
    likely = sorted(name for name in known if name.rpartition(".")[2][:3].lower() == last[:3].lower())[:200]
    return nearest(guard, likely) if len(likely) > 12 or not likely else nearest(guard, likely).partition(", there")[0]


def _shown(said: Iterator[str]) -> Iterator[str]:
    yield from itertools.islice(said, _SHOWN)
    more = sum(1 for _ in said)
    if more:
        yield f"{more} more of the kind"


def _useless_comments(project: Project) -> Iterator[str]:
    """`review: ignore` comments that silence nothing: without a reason, without an id, or with one that is none."""
    for source in project.sources:
        for line, comment in written(source.text):
            where = f"{source.path}:{line} review: ignore"
            if not comment.checks:
                yield f"{where} names no check: it silences nothing; write ignore[ID] reason"
            elif not comment.reason:
                yield f"{where}[{', '.join(comment.checks)}] gives no reason: it silences nothing"
            yield from (f"{where}: {problem}" for problem in map(_problem_of, comment.checks) if problem)


def _problem_of(word: str) -> str:
    try:
        check_named(word)
    except ValueError as error:
        return str(error)
    return ""


def _quoted(glob: str) -> str:
    """In quotes where it has blanks, so that it is no part of the sentence."""
    return f'"{glob}"' if " " in glob else glob


def _listed(items: list[str]) -> str:
    more = f" and {len(items) - _SHOWN} more" if len(items) > _SHOWN else ""
    return ", ".join(items[:_SHOWN]) + more
