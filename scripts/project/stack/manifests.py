"""What is declared by pyproject.toml, Pipfile, setup.cfg, setup.py, environment.yml and the metadata of a wheel."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from project.files.syntax import parse
from project.place import Place
from project.stack.config_files import ConfigFiles, IniFile, IniValue, TomlFile
from project.stack.requirements import Manifest, Requirement, normalised, requirement
from project.stack.versions import Range

_METADATA = re.compile(r"(^|/)([^/]+\.(dist|egg)-info/METADATA|PKG-INFO)$")
_EXTRA = re.compile(r"""\bextra\s*==\s*["']([^"']+)["']""")
_CONDA = re.compile(r"(?:[\w-]+::)?([A-Za-z0-9][\w.-]*)\s*(.*)$")
_CONDA_FILE = re.compile(r"(^|/)(conda[-_])?env(ironment)?[\w.-]*\.ya?ml$")


def manifests(files: ConfigFiles) -> list[Manifest]:
    """Every manifest that declares a dependency or a Python version, those nearest to the root first."""
    found = [_pyproject(files.toml(path)) for path in files.named("pyproject.toml")]
    found += [_pipfile(files.toml(path)) for path in files.named("Pipfile")]
    found += [_setup_cfg(files.ini(path)) for path in files.named("setup.cfg")]
    found += [_setup_py(path, files.text(path)) for path in files.named("setup.py") if "setup(" in files.text(path)]
    found += [_conda(files, path) for path in files.matching(_CONDA_FILE)]
    found += [_metadata(path, files.text(path)) for path in files.matching(_METADATA)]
    return [manifest for manifest in found if manifest.dependencies or manifest.python]


def _pyproject(file: TomlFile) -> Manifest:
    made = Manifest(file.path)
    project = file.table("project")
    made.name = str(project.get("name") or file.table("tool", "poetry").get("name") or "")
    if isinstance(project.get("requires-python"), str):
        made.python, made.python_place = project["requires-python"], file.place("project", "requires-python")
    found: dict[tuple[str, str], Requirement] = {}
    for dependency in (*_standard_groups(file), *_tool_groups(file), *_poetry(file, made)):
        found.setdefault((dependency.name, dependency.group), dependency)
    made.dependencies = list(found.values())
    return made


def _standard_groups(file: TomlFile) -> Iterator[Requirement]:
    """PEP 621 and PEP 735."""
    yield from _listed(file, file.table("project").get("dependencies"), "", "project", "dependencies")
    for keys in (("project", "optional-dependencies"), ("dependency-groups",)):
        for group, items in file.table(*keys).items():
            yield from _listed(file, items, group, *keys, group)


def _tool_groups(file: TomlFile) -> Iterator[Requirement]:
    for tool in ("uv", "rye"):
        items = file.table("tool", tool).get("dev-dependencies")
        yield from _listed(file, items, "dev", "tool", tool, "dev-dependencies")
    for group, items in file.table("tool", "pdm", "dev-dependencies").items():
        yield from _listed(file, items, f"dev/{group}", "tool", "pdm", "dev-dependencies", group)
    for environment in file.table("tool", "hatch", "envs"):
        keys = ("tool", "hatch", "envs", environment)
        for key in ("dependencies", "extra-dependencies"):
            yield from _listed(file, file.table(*keys).get(key), f"dev/{environment}", *keys, key)


def _listed(file: TomlFile, items: Any, group: str, *keys: str) -> Iterator[Requirement]:
    for item in items if isinstance(items, list) else ():
        if isinstance(item, str):
            made = requirement(item, file.place_of_text(item, *keys), group)
            if made:
                yield made


def _poetry(file: TomlFile, manifest: Manifest) -> Iterator[Requirement]:
    groups: list[tuple[tuple[str, ...], str]] = [
        (("tool", "poetry", "dependencies"), ""),
        (("tool", "poetry", "dev-dependencies"), "dev"),
    ]
    for group in file.table("tool", "poetry", "group"):
        groups += [(("tool", "poetry", "group", group, "dependencies"), "" if group == "main" else group)]
    for keys, group in groups:
        for name, value in file.table(*keys).items():
            made = _with_table(name, value, file.place(*keys, name), group)
            if made.name == "python":
                manifest.python = manifest.python or made.spec
                manifest.python_place = manifest.python_place or made.place
            else:
                yield made


def _with_table(name: str, value: Any, place: Place, group: str) -> Requirement:
    """`"^1.2"`, `{version = "^1.2", extras = ["x"]}` or a list of such tables, one for each Python version."""
    options = value if isinstance(value, list) else [value]
    specs, extras = [], set()
    for option in options:
        table = option if isinstance(option, dict) else {"version": option}
        version = table.get("version")
        specs.append(version if isinstance(version, str) else "")
        listed = table.get("extras")
        extras |= {str(extra).lower() for extra in listed} if isinstance(listed, list) else set()
    spec = " || ".join(specs)
    allowed = Range.either([Range.parse(part) for part in specs]) if specs else Range()
    return Requirement(normalised(name), spec, place, frozenset(extras), group, allowed=allowed)


def _pipfile(file: TomlFile) -> Manifest:
    made = Manifest(file.path)
    for section, group in (("packages", ""), ("dev-packages", "dev")):
        for name, value in file.table(section).items():
            made.dependencies.append(_with_table(name, value, file.place(section, name), group))
    for key in ("python_version", "python_full_version"):
        version = file.table("requires").get(key)
        if isinstance(version, str):
            made.python, made.python_place = f"=={version}.*", file.place("requires", key)
    return made


def _setup_cfg(file: IniFile) -> Manifest:
    made = Manifest(file.path)
    name = file.get("metadata", "name")
    made.name = name.text if name else ""
    python = file.get("options", "python_requires")
    if python:
        made.python, made.python_place = python.text, Place(file.path, python.line, python.line)
    _add_lines(made, file.get("options", "install_requires"), "")
    _add_lines(made, file.get("options", "tests_require"), "test")
    for extra, value in file.sections.get("options.extras_require", {}).items():
        _add_lines(made, value, extra)
    return made


def _add_lines(manifest: Manifest, value: IniValue | None, group: str) -> None:
    for line, text in value.lines if value else ():
        made = requirement(text, Place(manifest.path, line, line), group) if text else None
        if made:
            manifest.dependencies.append(made)


def _setup_py(path: str, text: str) -> Manifest:
    """What `setup(...)` is given as literals, or as module variables that hold literals. Nothing is run."""
    made = Manifest(path)
    try:
        tree, _ = parse(text, path)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return made
    variables = {
        target.id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
        for target in node.targets
        if isinstance(target, ast.Name)
    }
    for call in ast.walk(tree):
        if isinstance(call, ast.Call) and _called(call) == "setup":
            arguments = {k.arg: k.value for k in call.keywords if k.arg}
            _add_setup_arguments(made, arguments, variables)
    return made


def _called(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def _add_setup_arguments(made: Manifest, arguments: dict[str, ast.expr], variables: dict[str, ast.expr]) -> None:
    groups: list[tuple[str, ast.expr | None]] = [("", arguments.get("install_requires"))]
    groups.append(("test", arguments.get("tests_require")))
    extras = arguments.get("extras_require")
    extras = variables.get(extras.id) if isinstance(extras, ast.Name) else extras
    if isinstance(extras, ast.Dict):
        for key, value in zip(extras.keys, extras.values, strict=True):
            if isinstance(key, ast.Constant):
                groups.append((str(key.value), value))
    for group, node in groups:
        for text, line in _strings(node, variables):
            dependency = requirement(text, Place(made.path, line, line), group)
            if dependency:
                made.dependencies.append(dependency)
    python = arguments.get("python_requires")
    name = arguments.get("name")
    if isinstance(python, ast.Constant) and isinstance(python.value, str):
        made.python, made.python_place = python.value, Place(made.path, python.lineno, python.lineno)
    if isinstance(name, ast.Constant):
        made.name = str(name.value)


def _strings(node: ast.expr | None, variables: dict[str, ast.expr]) -> list[tuple[str, int]]:
    """Strings of a list or tuple display, or of several joined by `+`, in the order of the text."""
    found: list[tuple[str, int]] = []
    waiting, known = [node], dict(variables)
    while waiting:
        current = waiting.pop()
        if isinstance(current, (ast.List, ast.Tuple)):
            items = [item for item in current.elts if isinstance(item, ast.Constant)]
            found += [(item.value, item.lineno) for item in items if isinstance(item.value, str)]
        elif isinstance(current, ast.BinOp):
            waiting += [current.right, current.left]
        elif isinstance(current, ast.Name):
            waiting.append(known.pop(current.id, None))
    return found


def _conda(files: ConfigFiles, path: str) -> Manifest:
    made = Manifest(path)
    for entry in files.yaml(path):
        place = Place(path, entry.line, entry.line)
        if entry.keys[:1] != ("dependencies",):
            continue
        is_conda = len(entry.keys) == 2
        dependency = _conda_package(entry.value, place) if is_conda else requirement(entry.value, place)
        if dependency and dependency.name == "python":
            made.python, made.python_place = dependency.spec, place
        elif dependency:
            made.dependencies.append(dependency)
    return made


def _conda_package(text: str, place: Place) -> Requirement | None:
    """`fastapi=0.95`, `conda-forge::fastapi >=0.95`, `numpy=1.26.4=py311h64a7726_0`."""
    match = _CONDA.match(text)
    if match is None:
        return None
    spec = re.sub(r"^(=?=[^=,<>]+)=.*", r"\1", match[2].strip())
    spec = spec if re.match(r"[=<>!~*]|$", spec) else "=" + spec
    return Requirement(normalised(match[1]), spec, place, allowed=Range.parse(spec))


def _metadata(path: str, text: str) -> Manifest:
    """The headers of a built distribution; an extra is a group."""
    made = Manifest(path)
    for number, line in enumerate(text.split("\n"), 1):
        if not line:
            break
        key, _, value = line.partition(": ")
        place = Place(path, number, number)
        if key == "Name":
            made.name = value
        elif key == "Requires-Python":
            made.python, made.python_place = value, place
        elif key == "Requires-Dist":
            dependency = requirement(value, place)
            if dependency:
                extra = _EXTRA.search(dependency.marker)
                made.dependencies.append(replace(dependency, group=extra[1] if extra else ""))
    return made
