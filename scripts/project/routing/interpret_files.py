"""Files and modules of the reviewed project, as router-building code finds them: paths, globs, imports by name."""

from __future__ import annotations

import ast
import fnmatch
import json
import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING

from project.language.names import External
from project.place import Place
from project.routing.interpret_values import Given, Made, Native, PathValue, Unknown, Value, plain, text_of
from project.stack.toml_reader import loads as _loads_toml

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

MAX_CONFIGURATION = 1_000_000
_DIV = ast.Div()
NOWHERE = Place("", 0, 0)


class ModuleInfo(tuple):  # type: ignore[type-arg]
    """What pkgutil yields: a tuple whose fields also have names."""

    fields: Made

    @classmethod
    def of(cls, name: str, is_package: bool) -> ModuleInfo:
        made = cls((Unknown(), name, is_package))
        fields: dict[str, Value] = {"name": name, "ispkg": is_package, "module_finder": Unknown()}
        made.fields = Made("pkgutil.ModuleInfo", [], {}, NOWHERE, fields)
        return made


# Paths


def path_attribute(run: Calls, path: PathValue, name: str) -> Value:
    """An attribute of a path; methods of text read it as its text."""
    parts = path.parts
    last = parts[-1] if parts else ""
    simple: dict[str, Value] = {
        "parent": PathValue(parts[:-1]),
        "parents": [PathValue(parts[:i]) for i in range(len(parts) - 1, -1, -1)],
        "name": last,
        "stem": posixpath.splitext(last)[0],
        "suffix": posixpath.splitext(last)[1],
        "parts": parts,
    }
    if name in simple:
        return simple[name]
    if name in _PATH_METHODS:
        method = _PATH_METHODS[name]
        return Native(f"Path.{name}", lambda call: method(call, path))
    return run.attribute("/".join(parts), name)


def _with_suffix(call: Given, path: PathValue) -> Value:
    suffix = call.text(0)
    if suffix is None or not path.parts:
        return Unknown("Path.with_suffix()")
    return PathValue((*path.parts[:-1], posixpath.splitext(path.parts[-1])[0] + suffix))


def _relative_to(call: Given, path: PathValue) -> Value:
    base = _as_path(call.plain(0))
    if base is not None and path.parts[: len(base.parts)] == base.parts:
        return PathValue(path.parts[len(base.parts) :])
    return Unknown("Path.relative_to()")


def _joined(call: Given, path: PathValue) -> Value:
    made: Value = path
    for part in call.args:
        made = call.run.binary(_DIV, made, part)
    return made


def _read(call: Given, path: PathValue) -> Value:
    text = call.run.project.tree.text("/".join(path.parts))
    return text if text is not None else Unknown("Path.read_text()")


def _globbed(deep: bool) -> Callable[[Given, PathValue], Value]:
    def method(call: Given, path: PathValue) -> Value:
        return list(files_below(call.run, path, ("**/" if deep else "") + (call.text(0) or "*")))

    return method


def _exists(kind: str) -> Callable[[Given, PathValue], Value]:
    """Whether a file or folder is there; of files that are not read that is not known."""

    def method(call: Given, path: PathValue) -> Value:
        files = call.run.project.files
        text = "/".join(path.parts)
        if text in files:
            return kind != "folder"
        if any(f.startswith(text + "/") for f in files):
            return kind != "file"
        is_read = posixpath.splitext(text)[1].lower() in (".py", ".toml", ".json")
        return False if is_read or kind == "folder" else Unknown("exists()")

    return method


_PATH_METHODS: dict[str, Callable[[Given, PathValue], Value]] = {
    **dict.fromkeys(("resolve", "absolute", "expanduser", "as_posix"), lambda _, path: path),
    "with_suffix": _with_suffix,
    "relative_to": _relative_to,
    "joinpath": _joined,
    "open": lambda _, path: Made("builtins.open", [path], {}, NOWHERE),
    "read_text": _read,
    "read_bytes": _read,
    "glob": _globbed(False),
    "iterdir": _globbed(False),
    "rglob": _globbed(True),
    "exists": _exists(""),
    "is_file": _exists("file"),
    "is_dir": _exists("folder"),
}


def files_below(run: Calls, folder: PathValue, pattern: str) -> list[PathValue]:
    """Files and folders below a folder of the project that fit a glob pattern, in name order."""
    base = "/".join(folder.parts)
    start = base + "/" if base else ""
    wanted = pattern.split("/")
    found: set[str] = set()
    for file in run.project.files:
        if file.startswith(start):
            pieces = file[len(start) :].split("/")
            depths = range(1, len(pieces) + 1) if "**" in pattern else [len(wanted)]
            found.update(start + "/".join(pieces[:n]) for n in depths if n <= len(pieces) and _fits(pieces[:n], wanted))
    return [PathValue(tuple(f.split("/"))) for f in sorted(found)]


def _fits(pieces: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not pieces
    if wanted[0] == "**":
        return any(_fits(pieces[i:], wanted[1:]) for i in range(len(pieces) + 1))
    return bool(pieces) and fnmatch.fnmatchcase(pieces[0], wanted[0]) and _fits(pieces[1:], wanted[1:])


def _as_path(value: Value) -> PathValue | None:
    if isinstance(value, str):
        return PathValue(tuple(p for p in value.split("/") if p not in ("", ".")))
    return value if isinstance(value, PathValue) else None


def _path(call: Given) -> Value:
    made: Value = _as_path(call.plain(0, "", ""))
    for part in call.args[1:]:
        made = call.run.binary(_DIV, made, part)
    return made if isinstance(made, PathValue) else Unknown("Path()")


def _on_path(act: Callable[[Given, PathValue], Value]) -> Callable[[Given], Value]:
    """A function that takes a path as its first argument."""

    def native(call: Given) -> Value:
        path = _as_path(call.plain(0, "", "."))
        return act(call, path) if path is not None else Unknown("path")

    return native


def _listed(call: Given, path: PathValue) -> Value:
    return [p.parts[-1] for p in files_below(call.run, path, "*")]


def _walked(call: Given, path: PathValue) -> Value:
    """`os.walk`: (folder, names of folders, names of files), outermost first."""
    below = [f.parts for f in files_below(call.run, path, "**/*")]
    files = {tuple(f.split("/")) for f in call.run.project.files}
    folders = [path.parts, *(p for p in below if p not in files)]
    return [
        (
            PathValue(folder),
            [p[-1] for p in below if p[:-1] == folder and p not in files],
            [p[-1] for p in below if p[:-1] == folder and p in files],
        )
        for folder in folders
    ]


def _globbed_text(call: Given) -> Value:
    path = _as_path(call.plain(0))
    return list(files_below(call.run, PathValue(()), "/".join(path.parts))) if path is not None else Unknown("glob()")


def _split_suffix(call: Given) -> Value:
    text = call.run.as_text(call.value(0))
    return posixpath.splitext(text) if text is not None else (Unknown(), Unknown())


def _relative_text(call: Given) -> Value:
    path, base = _as_path(call.plain(0)), _as_path(call.plain(1, "start", ""))
    if path is None or base is None:
        return Unknown("os.path.relpath()")
    return posixpath.relpath("/" + "/".join(path.parts), "/" + "/".join(base.parts))


# Imports by name


def _import_module(call: Given) -> Value:
    name = call.text(0, "name")
    if name is None:
        return Unknown("importlib.import_module()")
    importer = call.site[0].scope.module
    if name.startswith("."):
        package = call.text(1, "package") or (
            importer.dotted if importer.is_package else importer.dotted.rpartition(".")[0]
        )
        base = package.split(".")
        level = len(name) - len(name.lstrip("."))
        name = ".".join([*base[: len(base) - level + 1], name.lstrip(".")]).strip(".")
    parts = call.run.names.module_parts(importer, name)
    found = call.run.names.modules.get(parts) if parts is not None else None
    if found is None:
        return External(name) if parts is None else Unknown(name)
    value = call.run.module_value(found)
    call.run.run_module(value)
    return value


def _modules_below(walk: bool) -> Callable[[Given], Value]:
    def native(call: Given) -> Value:
        folders = call.items(0, "path")
        prefix = call.text(1, "prefix") or ""
        parts = [_as_path(plain(f)) for f in folders] if folders is not None else [None]
        modules = call.run.names.modules
        found: list[Value] = []
        for folder in parts:
            if folder is None:
                return Unknown("pkgutil.iter_modules()")
            for module in sorted(modules):
                below = module[len(folder.parts) :]
                if module[: len(folder.parts)] == folder.parts and below and (walk or len(below) == 1):
                    found.append(ModuleInfo.of(prefix + ".".join(below), modules[module].is_package))
        return found

    return native


# Configuration files


def _parsed(parse: Callable[[str], object]) -> Callable[[Given], Value]:
    """`json.load(file)`, `tomllib.loads(text)` of a file of the project."""

    def native(call: Given) -> Value:
        source = call.plain(0)
        if isinstance(source, Made) and source.dotted == "builtins.open" and source.args:
            source = source.args[0]
        path = source if isinstance(source, PathValue) else None
        text = call.run.project.tree.text("/".join(path.parts)) if path is not None else text_of(source)
        if text is None or len(text) > MAX_CONFIGURATION:
            return Unknown("configuration file")
        try:
            return parse(text)
        except (ValueError, RecursionError):
            return Unknown("configuration file")

    return native


def _open(call: Given) -> Value:
    path = _as_path(call.plain(0, "file"))
    return Made("builtins.open", [path], {}, NOWHERE) if path is not None else Unknown("open()")


_TOML = _parsed(_loads_toml)
_JSON = _parsed(json.loads)
FILES: dict[str, Callable[[Given], Value]] = {
    "builtins.open": _open,
    "builtins.__import__": _import_module,
    "importlib.import_module": _import_module,
    "pkgutil.iter_modules": _modules_below(False),
    "pkgutil.walk_packages": _modules_below(True),
    **dict.fromkeys(("pathlib.Path", "pathlib.PurePath", "pathlib.PosixPath", "anyio.Path"), _path),
    **dict.fromkeys((f"os.path.{n}" for n in ("join", "abspath", "realpath", "normpath", "expanduser")), _path),
    "os.fspath": _path,
    "os.path.dirname": _on_path(lambda _, path: PathValue(path.parts[:-1])),
    "os.path.basename": _on_path(lambda _, path: path.parts[-1] if path.parts else ""),
    "os.path.exists": _on_path(_exists("")),
    "os.path.isfile": _on_path(_exists("file")),
    "os.path.isdir": _on_path(_exists("folder")),
    "os.path.splitext": _split_suffix,
    "os.path.relpath": _relative_text,
    "os.listdir": _on_path(_listed),
    "os.walk": _on_path(_walked),
    "glob.glob": _globbed_text,
    "glob.iglob": _globbed_text,
    **dict.fromkeys(("json.load", "json.loads"), _JSON),
    **dict.fromkeys((f"{lib}.{f}" for lib in ("tomllib", "tomli", "toml", "rtoml") for f in ("load", "loads")), _TOML),
}
