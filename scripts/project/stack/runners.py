"""Task runners: what a task runs, by the file that configures the runner; and steps of a CI that cannot be followed."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from project.stack.config_files import ConfigFiles

# By the program: the tables of pyproject.toml that hold its tasks; "*" is any environment.
_TABLES: dict[str, tuple[tuple[str, ...], ...]] = {
    "hatch": (("tool", "hatch", "envs", "*", "scripts"), ("envs", "*", "scripts")),
    "poe": (("tool", "poe", "tasks"),),
    "pdm": (("tool", "pdm", "scripts"),),
    "rye": (("tool", "rye", "scripts"),),
    "task": (("tool", "taskipy", "tasks"),),
}
_TABLE_FILES = ("pyproject.toml", "hatch.toml", "poe_tasks.toml")
_SCRIPT_KEYS = ("cmd", "shell", "script", "composite", "sequence", "cmds", "commands", "interpreter")
_PACKAGE_MANAGERS = frozenset("npm yarn pnpm bun".split())
_YAML_TASKS = {
    "lefthook": ("lefthook.yml", "lefthook.yaml", ".lefthook.yml", ".lefthook.yaml"),
    "task": ("Taskfile.yml", "Taskfile.yaml", "taskfile.yml", "taskfile.yaml"),
}
RUNNERS = frozenset((*_TABLES, *_PACKAGE_MANAGERS, *_YAML_TASKS, "just", "inv", "invoke"))
_JUSTFILES = ("justfile", "Justfile", ".justfile")
_NO_TASK = frozenset("run exec -- install add sync shell env python build publish version lock update".split())
_FOREIGN_WORKFLOW = re.compile(r"[\w.-]+/[\w.-]+/\.(?:github|gitea|forgejo)/workflows/")
_FOREIGN_RUNNER = re.compile(
    r"^[\w.-]+/[\w./-]*(test|tox|nox|compose|earthly|dagger|devcontainer)[\w./-]*@", re.IGNORECASE
)
_REPORTS = re.compile(r"report|result|publish|summary|coverage|setup", re.IGNORECASE)
_DETACHED = frozenset(("-d", "--detach", "-dit", "-itd"))
_CONTAINERS = re.compile(r"\bdocker[ -]compose\b.*\s(run|up|exec)\b|\bdocker run\b|\b(earthly|dagger|bazel|pants) ")
_COMPOSE = re.compile(r"\bdocker[ -]compose\b.*\s(run|up|exec)\b")
_COMPOSE_FILE = re.compile(r"(^|/)(docker-)?compose[\w.-]*\.ya?ml$")


def tasks(files: ConfigFiles, words: list[str]) -> Iterator[str]:
    """The commands of the tasks that a command line names, as far as a file of the project says them."""
    for program, names in _named(words):
        for name in names:
            yield from _of_tables(files, program, name)
            yield from _of_yaml(files, program, name)
            if program == "just":
                yield from _recipe(files, name)
            if program in _PACKAGE_MANAGERS:
                yield from _package_script(files, name)
        if program in ("inv", "invoke"):
            yield from map(files.text, files.named("tasks.py"))
    if _COMPOSE.search(" ".join(words)):
        yield from _services(files, words)


def is_unfollowed(files: ConfigFiles, words: list[str]) -> bool:
    """Whether a command leaves open what it runs: a task without a known text, containers, other build systems."""
    if _CONTAINERS.search(" ".join(words)):
        return not _DETACHED.intersection(words)
    named = [program for program, names in _named(words) if names and program not in _PACKAGE_MANAGERS]
    return bool(named) and next(tasks(files, words), None) is None


def is_foreign(action: str) -> bool:
    """Whether a `uses:` runs a workflow of another repository, or an action that by its name runs tests or services."""
    runner = _FOREIGN_RUNNER.match(action) and not _REPORTS.search(action)
    return bool(runner or _FOREIGN_WORKFLOW.match(action))


def _named(words: list[str]) -> Iterator[tuple[str, list[str]]]:
    for index, word in enumerate(words):
        program = word.rsplit("/", 1)[-1]
        if program in RUNNERS:
            rest = [w for w in words[index + 1 :] if not w.startswith("-") and w not in _NO_TASK]
            yield program, rest[:4] if program in ("just", "task", "inv", "invoke") else rest[:1]
            return


def _of_tables(files: ConfigFiles, program: str, name: str) -> Iterator[str]:
    for path in files.named(*_TABLE_FILES) if program in _TABLES else ():
        for keys in _TABLES[program]:
            for table in _tables(files.toml(path).data, keys):
                short = name.rpartition(":")[2] if program == "hatch" else name
                yield from _commands(table.get(name, table.get(short)))


def _tables(data: Any, keys: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    if not isinstance(data, dict):
        return
    if not keys:
        yield data
        return
    inner = list(data.values()) if keys[0] == "*" else [data.get(keys[0])]
    for value in inner:
        yield from _tables(value, keys[1:])


def _commands(task: Any) -> Iterator[str]:
    if isinstance(task, str):
        yield task
    elif isinstance(task, list):
        for one in task:
            yield from _commands(one)
    elif isinstance(task, dict):
        for key in _SCRIPT_KEYS:
            yield from _commands(task.get(key))


def _of_yaml(files: ConfigFiles, program: str, name: str) -> Iterator[str]:
    start: tuple[str, ...] = ("tasks", name) if program == "task" else (name,)
    for path in files.named(*_YAML_TASKS.get(program, ())):
        for keys, value, _ in files.yaml(path):
            if keys[: len(start)] == start and (program == "task" or keys[-1] == "run"):
                yield f"task {value}" if "deps" in keys or keys[-1] == "task" else value


def _recipe(files: ConfigFiles, name: str) -> Iterator[str]:
    if not re.fullmatch(r"[\w-]+", name):
        return
    head = re.compile(rf"^@?{re.escape(name)}\b[^:\n]*:(?!=)([^\n]*)\n((?:[\t ]+[^\n]*\n|\n)*)", re.MULTILINE)
    for path in files.named(*_JUSTFILES):
        found = head.search(files.text(path) + "\n")
        if found:
            yield "\n".join(line.lstrip("\t @-") for line in found[2].split("\n"))
            yield from (f"just {needed}" for needed in re.findall(r"[\w-]+", found[1].split("#")[0]))


def _package_script(files: ConfigFiles, name: str) -> Iterator[str]:
    for path in files.named("package.json"):
        data = files.json(path)
        scripts = data.get("scripts") if isinstance(data, dict) else None
        if isinstance(scripts, dict):
            yield from _commands(scripts.get(name))


def _services(files: ConfigFiles, words: list[str]) -> Iterator[str]:
    """The commands of the services in the compose files that a command line names, of all where it names none."""
    given = [word.removeprefix("./") for word in words if _COMPOSE_FILE.search(word)]
    for path in files.matching(_COMPOSE_FILE):
        if not given or any(path == one or path.endswith(f"/{one}") for one in given):
            for keys, value, _ in files.yaml(path):
                if "services" in keys[:1] and {"command", "entrypoint"} & set(keys[2:3]):
                    yield value
