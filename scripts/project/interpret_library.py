"""What of Python's own library router-building code uses: text, lists, files of the project, imports by name."""

from __future__ import annotations

import ast
import fnmatch
import json
from collections.abc import Callable
from typing import TYPE_CHECKING

from project.interpret_values import (
    ATOMS,
    Bound,
    Choice,
    Cls,
    Dep,
    Entry,
    Func,
    Inst,
    Made,
    Maybe,
    Member,
    ModuleValue,
    Native,
    Partial,
    PathValue,
    Setting,
    Site,
    Unknown,
    Value,
    combine,
    is_unknown,
    plain,
    text_of,
    truth,
)
from project.names import External
from project.place import Place

if TYPE_CHECKING:
    from project.interpret_calls import Calls

Args = list[Value]
Kwargs = dict[str, Value]
Library = Callable[["Calls", Args, Kwargs, Site], Value]

_TEXT_METHODS = frozenset(
    "strip lstrip rstrip lower upper title capitalize split rsplit startswith endswith removeprefix removesuffix partition rpartition "
    "count find swapcase isdigit isalpha isidentifier splitlines casefold".split()
)
MAX_TEXT = 20_000
_DIV = ast.Div()


# Attributes of plain values


def library_attribute(run: Calls, value: Value, name: str) -> Value:
    """Attributes of text, lists, dicts, paths, functions, dependencies and routes."""
    if isinstance(value, ModuleInfo):
        return run.attribute(value.fields, name)
    if isinstance(value, str):
        return Native(f"str.{name}", lambda run, args, kwargs, _: _text_method(run, value, name, args, kwargs))  # type: ignore[arg-type]
    if isinstance(value, list):
        return Native(f"list.{name}", lambda run, args, _, __: _list_method(run, value, name, args))  # type: ignore[arg-type]
    if isinstance(value, dict):
        return Native(f"dict.{name}", lambda run, args, kwargs, _: _dict_method(run, value, name, args, kwargs))  # type: ignore[arg-type]
    if isinstance(value, PathValue):
        return _path_attribute(run, value, name)
    if isinstance(value, (Func, Bound, Partial)):
        return _function_attribute(run, value, name)
    if isinstance(value, Entry):
        return _entry_attribute(value, name)
    if isinstance(value, Member):
        return value.value if name in ("value", "_value_") else value.name if name == "name" else run.attribute(value.cls, name)
    if isinstance(value, Dep):
        return value.call if name == "dependency" else list(value.scopes) if name == "scopes" else Unknown()
    if isinstance(value, Made):
        return Unknown(f"{value.dotted}().{name}")
    return Unknown()


def _text_method(run: Calls, text: str, name: str, args: Args, kwargs: Kwargs) -> Value:
    known = [plain(a) for a in args]
    if name in ("format", "join", "replace"):
        return _text_building(run, text, name, known, kwargs)
    if name in ("encode", "decode"):
        return text
    if name not in _TEXT_METHODS or not all(isinstance(a, (str, int, tuple, type(None))) for a in known):
        return Unknown()
    try:
        return getattr(text, name)(*known)
    except (TypeError, ValueError):
        return Unknown()


def _text_building(run: Calls, text: str, name: str, args: Args, kwargs: Kwargs) -> Value:
    if name == "join":
        parts = [run.as_text(v) for v in run.items(args[0]) or []] if args and run.items(args[0]) is not None else [None]
        whole = text.join(p for p in parts if p is not None)
        return whole if None not in parts and len(whole) < MAX_TEXT else Unknown()
    if name == "replace":
        if len(args) < 2 or not isinstance(args[0], str) or not isinstance(args[1], str) or not args[0] or len(text) * (len(args[1]) + 1) > MAX_TEXT:
            return Unknown()
        return text.replace(args[0], args[1])
    texts = [run.as_text(v) for v in args]
    named = {k: run.as_text(v) for k, v in kwargs.items()}
    if None in texts or None in named.values() or "{" in text.replace("{{", "") and any(c in text for c in ":!"):
        return Unknown()
    try:
        return text.format(*texts, **named)
    except (ValueError, IndexError, KeyError, AttributeError):
        return Unknown()


def _list_method(run: Calls, items: list[Value], name: str, args: Args) -> Value:
    marked = [Maybe(a) if run.conditional and not isinstance(a, Maybe) else a for a in args]
    if name == "append" and args:
        items.append(marked[0])
    elif name == "insert" and len(args) == 2 and isinstance(plain(args[0]), int):
        items.insert(plain(args[0]), marked[1])  # type: ignore[arg-type]
    elif name in ("extend", "update") and args:
        added = run.items(args[0]) or []
        items.extend(Maybe(v) if run.conditional else v for v in added)
    elif name == "add" and args:
        if not any(plain(i) is plain(args[0]) or isinstance(plain(i), ATOMS) and plain(i) == plain(args[0]) for i in items):
            items.append(marked[0])
    elif name == "pop":
        index = plain(args[0]) if args else -1
        return items.pop(index) if isinstance(index, int) and -len(items) <= index < len(items) else Unknown()
    elif name in ("remove", "discard") and args:
        found = next((i for i, v in enumerate(items) if v is args[0] or isinstance(v, ATOMS) and v == plain(args[0])), None)
        if found is not None and not run.conditional:
            del items[found]
    elif name == "copy":
        return list(items)
    elif name == "clear":
        items.clear()
    elif name == "reverse":
        items.reverse()
    elif name in ("index", "count"):
        return Unknown()
    elif name in ("union", "__or__"):
        return [*items, *(run.items(args[0]) or [])] if args else items
    elif name == "sort":
        return None
    else:
        return Unknown(f"list.{name}")
    return None


def _dict_method(run: Calls, items: dict[Value, Value], name: str, args: Args, kwargs: Kwargs) -> Value:
    key = run.key(args[0]) if args else None
    if name in ("get", "pop", "setdefault"):
        default = args[1] if len(args) > 1 else kwargs.get("default")
        if is_unknown(key):
            return combine(*items.values(), default) if len(items) < 20 else Unknown()
        if name == "setdefault":
            return items.setdefault(key, default)
        return items.pop(key, default) if name == "pop" else items.get(key, default)
    if name == "items":
        return [(k, v) for k, v in items.items()]
    if name in ("keys", "values", "copy"):
        return list(items) if name == "keys" else list(items.values()) if name == "values" else dict(items)
    if name == "update":
        other = plain(args[0]) if args else {}
        items.update(other if isinstance(other, dict) else {})
        items.update(kwargs)
        return None
    if name == "clear":
        items.clear()
        return None
    return Unknown(f"dict.{name}")


def _function_attribute(run: Calls, value: Func | Bound | Partial, name: str) -> Value:
    if isinstance(value, Func) and value.attrs is not None and name in value.attrs:
        return value.attrs[name]
    func = value
    while not isinstance(func, Func):
        inner = func.func if isinstance(func, (Bound, Partial)) else None
        if name in ("func", "__func__") and isinstance(func, (Bound, Partial)):
            return inner
        if name == "__self__" and isinstance(func, Bound):
            return func.receiver
        if not isinstance(inner, (Func, Bound, Partial)):
            return Unknown(f"function.{name}")
        func = inner
    if name == "__name__":
        return func.function.name
    if name == "__qualname__":
        return func.function.qualname
    if name == "__module__":
        return func.function.module.dotted
    if name == "__doc__":
        return "documentation"
    if name == "__wrapped__":
        return func.wrapped if func.wrapped is not None else Unknown("__wrapped__")
    if name == "__dict__":
        func.attrs = func.attrs if func.attrs is not None else {}
        return func.attrs
    return Unknown(f"{func.function.dotted}.{name}")


def _entry_attribute(entry: Entry, name: str) -> Value:
    if name in ("path", "path_format"):
        return entry.path
    if name == "methods":
        return list(entry.methods)
    if name in ("endpoint", "app"):
        return entry.endpoint
    if name == "dependencies":
        return entry.dependencies
    if name == "tags":
        return entry.tags
    return entry.options.get(name, Unknown(f"route.{name}"))


# Files and modules of the project


def _path_attribute(run: Calls, path: PathValue, name: str) -> Value:
    parts = path.parts
    if name == "parent":
        return PathValue(parts[:-1])
    if name == "parents":
        return [PathValue(parts[:i]) for i in range(len(parts) - 1, -1, -1)]
    if name == "name":
        return parts[-1] if parts else ""
    if name == "stem":
        return parts[-1].rsplit(".", 1)[0] if parts else ""
    if name == "suffix":
        return "." + parts[-1].rsplit(".", 1)[1] if parts and "." in parts[-1] else ""
    if name == "parts":
        return parts
    return Native(f"Path.{name}", lambda run, args, kwargs, _: _path_method(run, path, name, args))  # type: ignore[arg-type]


def _path_method(run: Calls, path: PathValue, name: str, args: Args) -> Value:
    text = "/".join(path.parts)
    if name in ("resolve", "absolute", "expanduser", "as_posix", "__str__", "with_suffix", "relative_to"):
        return _relative(path, args) if name == "relative_to" else PathValue((*path.parts[:-1], path.parts[-1].rsplit(".", 1)[0] + str(args[0]))) \
            if name == "with_suffix" and args and path.parts else path
    if name == "joinpath":
        made = path
        for arg in args:
            joined = run.binary(_DIV, made, arg)
            if not isinstance(joined, PathValue):
                return Unknown()
            made = joined
        return made
    if name in ("read_text", "read_bytes", "open"):
        return Made("builtins.open", [path], {}, _nowhere()) if name == "open" else run.project.tree.text(text) or Unknown()
    if name in ("glob", "rglob", "iterdir"):
        pattern = text_of(args[0]) if args else "*"
        return files_below(run, path, ("**/" if name == "rglob" else "") + (pattern or "*"))
    if name in ("is_dir", "is_file", "exists"):
        is_file = text in run.project.tree.sources or text in run.project.files
        is_dir = any(f.startswith(text + "/") for f in run.project.files)
        return is_file if name == "is_file" else is_dir if name == "is_dir" else is_file or is_dir or Unknown()
    return Unknown(f"Path.{name}")


def _relative(path: PathValue, args: Args) -> Value:
    base = plain(args[0]) if args else None
    if isinstance(base, PathValue) and path.parts[: len(base.parts)] == base.parts:
        return PathValue(path.parts[len(base.parts) :])
    return Unknown()


def files_below(run: Calls, folder: PathValue, pattern: str) -> list[Value]:
    """Files and folders below a folder of the project that fit a glob pattern, in name order."""
    base = "/".join(folder.parts)
    start = base + "/" if base else ""
    found: set[str] = set()
    deep = "**" in pattern
    wanted = pattern.split("/")
    for file in run.project.files:
        if not file.startswith(start):
            continue
        pieces = file[len(start) :].split("/")
        for i in range(1, len(pieces) + 1):
            if _fits(pieces[:i], wanted) if deep else len(wanted) == i and all(fnmatch.fnmatchcase(p, w) for p, w in zip(pieces, wanted)):
                found.add(start + "/".join(pieces[:i]))
    return [PathValue(tuple(f.split("/"))) for f in sorted(found)]


def _fits(pieces: list[str], wanted: list[str]) -> bool:
    if not wanted:
        return not pieces
    if wanted[0] == "**":
        return any(_fits(pieces[i:], wanted[1:]) for i in range(len(pieces) + 1))
    return bool(pieces) and fnmatch.fnmatchcase(pieces[0], wanted[0]) and _fits(pieces[1:], wanted[1:])


def _import_module(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    name = text_of(args[0]) if args else text_of(kwargs.get("name"))
    if name is None:
        return Unknown("importlib.import_module()")
    importer = site[0].scope.module
    package = text_of(args[1]) if len(args) > 1 else text_of(kwargs.get("package"))
    if name.startswith("."):
        base = (package or importer.dotted if importer.is_package else package or importer.dotted.rpartition(".")[0]).split(".")
        level = len(name) - len(name.lstrip("."))
        name = ".".join([*base[: len(base) - level + 1], name.lstrip(".")]).strip(".")
    parts = run.names.module_parts(importer, name)
    found = run.names.modules.get(parts) if parts is not None else None
    if found is None:
        return External(name) if parts is None else Unknown(name)
    value = run.module_value(found)
    run.run_module(value)
    return value


def _iter_modules(walk: bool) -> Library:
    def native(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
        folders = run.items(args[0] if args else kwargs.get("path"))
        prefix = text_of(args[1] if len(args) > 1 else kwargs.get("prefix", "")) or ""
        if folders is None:
            return Unknown("pkgutil.iter_modules()")
        found: list[Value] = []
        for folder in folders:
            parts = _folder_parts(plain(folder))
            if parts is None:
                return Unknown("pkgutil.iter_modules()")
            for module in sorted(run.names.modules, key=lambda p: p):
                below = module[len(parts) :]
                if module[: len(parts)] == parts and below and (walk or len(below) == 1):
                    is_package = run.names.modules[module].is_package
                    name = prefix + ".".join(below)
                    made = Made("pkgutil.ModuleInfo", [], {}, _nowhere(), {"name": name, "ispkg": is_package, "module_finder": Unknown()})
                    found.append(ModuleInfo((Unknown(), name, is_package), made))
        return found

    return native


class ModuleInfo(tuple):  # type: ignore[type-arg]
    """What pkgutil yields: a tuple whose fields also have names."""

    fields: Made

    def __new__(cls, items: tuple[Value, ...], fields: Made) -> ModuleInfo:
        made = super().__new__(cls, items)
        made.fields = fields
        return made


def _folder_parts(value: Value) -> tuple[str, ...] | None:
    if isinstance(value, PathValue):
        return value.parts
    return tuple(p for p in value.split("/") if p) if isinstance(value, str) else None


def _nowhere() -> Place:
    return Place("", 0, 0)


# Builtins


def _getattr(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    name = text_of(args[1]) if len(args) > 1 else None
    if name is None:
        return Unknown("getattr()")
    found = run.attribute(args[0], name)
    if is_unknown(found) and len(args) > 2 and not isinstance(plain(args[0]), Unknown):
        return args[2]
    return combine(found, args[2]) if is_unknown(found) and len(args) > 2 else found


def _setattr(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    name = text_of(args[1]) if len(args) == 3 else None
    if name is not None:
        run.set_attribute(args[0], name, args[2])
    return None


def _hasattr(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    name = text_of(args[1]) if len(args) == 2 else None
    owner = plain(args[0]) if args else None
    if name is None or isinstance(owner, (Unknown, Made, External, Choice)):
        return Unknown("hasattr()")
    return not is_unknown(run.attribute(owner, name))


def _isinstance(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    if len(args) != 2:
        return Unknown()
    value = plain(args[0])
    wanted = run.items(args[1]) if isinstance(args[1], (tuple, list)) else [args[1]]
    answers = [_is_a(run, value, plain(w)) for w in wanted or []]
    return True if True in answers else Unknown("isinstance()") if None in answers else False


_BUILTIN_TYPES: dict[str, tuple[type, ...]] = {
    "builtins.str": (str, PathValue),
    "builtins.int": (int,),
    "builtins.bool": (bool,),
    "builtins.float": (float,),
    "builtins.list": (list,),
    "builtins.set": (list,),
    "builtins.tuple": (tuple,),
    "builtins.dict": (dict,),
    "types.FunctionType": (Func,),
    "types.ModuleType": (ModuleValue,),
    "types.MethodType": (Bound,),
    "builtins.type": (Cls,),
    "enum.Enum": (Member,),
    "functools.partial": (Partial,),
    "pathlib.Path": (PathValue,),
    "fastapi.routing.APIRoute": (Entry,),
    "starlette.routing.Route": (Entry,),
    "starlette.routing.BaseRoute": (Entry,),
}


def _is_a(run: Calls, value: Value, wanted: Value) -> bool | None:
    if is_unknown(value) or isinstance(value, Choice) or not isinstance(wanted, (Cls, External)):
        return None
    if isinstance(value, Entry) and isinstance(wanted, External):
        kinds = {"route": ("APIRoute", "Route", "BaseRoute"), "mount": ("Mount", "BaseRoute"), "websocket": ("APIWebSocketRoute", "WebSocketRoute", "BaseRoute")}
        return wanted.dotted.rsplit(".", 1)[-1] in kinds.get(value.kind, ("BaseRoute",))
    if isinstance(wanted, External) and wanted.dotted in _BUILTIN_TYPES:
        return isinstance(value, _BUILTIN_TYPES[wanted.dotted])
    cls = run.class_of(value)
    if cls is None:
        return False
    return _derives(run, cls, wanted)


def _derives(run: Calls, cls: Value, wanted: Value) -> bool | None:
    if isinstance(cls, External):
        if isinstance(wanted, External) and cls.dotted == wanted.dotted:
            return True
        routers = {"starlette.routing.Router": "fastapi.APIRouter", "starlette.applications.Starlette": "fastapi.FastAPI"}
        if isinstance(wanted, External) and routers.get(wanted.dotted) == cls.dotted:
            return True
        return False if isinstance(wanted, Cls) or cls.dotted.startswith("fastapi.") or cls.dotted.startswith("types.") else None
    if not isinstance(cls, Cls):
        return None
    for base in run.mro(cls):
        if base is wanted or isinstance(base, External) and isinstance(wanted, External) and base.dotted == wanted.dotted:
            return True
    return False


def _issubclass(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    wanted = run.items(args[1]) if len(args) == 2 and isinstance(args[1], (tuple, list)) else args[1:]
    answers = [_derives(run, plain(args[0]), plain(w)) for w in wanted or []]
    return True if True in answers else Unknown("issubclass()") if None in answers else False


def _members(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    """`inspect.getmembers(x, predicate)`: pairs in the order of names."""
    value = plain(args[0]) if args else None
    predicate = args[1] if len(args) > 1 else kwargs.get("predicate")
    names = _names_of(run, value)
    if names is None:
        return Unknown("inspect.getmembers()")
    found: list[Value] = []
    for name in sorted(names):
        member = run.attribute(value, name)
        keep = truth(run.call(predicate, [member], {}, site)) if predicate is not None else True
        if keep is not False:
            found.append((name, member) if keep else Maybe((name, member)))
    return found


def _names_of(run: Calls, value: Value) -> list[str] | None:
    if isinstance(value, ModuleValue):
        run.run_module(value)
        return [n for n in value.env.vars]
    if isinstance(value, Inst):
        own = list(value.attrs)
        return [*own, *(n for n in _names_of(run, value.cls) or [] if n not in own)]
    if isinstance(value, Cls):
        names: list[str] = []
        for base in run.mro(value):
            if isinstance(base, Cls):
                run.run_class_body(base)
                names.extend(n for n in base.body.vars if n not in names)
        return names
    return None


def _is_function(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else None
    return Unknown() if is_unknown(value) else isinstance(value, (Func, Bound))


def _is_class(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else None
    return Unknown() if is_unknown(value) or isinstance(value, External) else isinstance(value, Cls)


def _callable(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else None
    if isinstance(value, Inst):
        return run.attribute(value, "__call__") is not None and not is_unknown(run.attribute(value, "__call__"))
    return Unknown() if is_unknown(value) or isinstance(value, (Made, External)) else isinstance(value, (Func, Bound, Cls, Partial, Native))


def _len(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else None
    return len(value) if isinstance(value, (str, list, tuple, dict)) else Unknown()


def _str(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else ""
    if isinstance(value, PathValue):
        return value
    text = run.as_text(value)
    return text if text is not None else Unknown("str()")


def _int(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    value = plain(args[0]) if args else 0
    if isinstance(value, Member):
        value = plain(value.value)
    try:
        return int(value) if isinstance(value, (str, int, float)) and len(str(value)) < 20 else Unknown("int()")
    except (ValueError, OverflowError):
        return Unknown("int()")


def _bool(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    known = truth(args[0]) if args else False
    if known is None and args and isinstance(args[0], Setting):
        return Setting(truth(plain(args[0])), "")
    return Unknown("bool()") if known is None else known


def _list(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else []
    return found if found is not None else Unknown("list()")


def _tuple(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else []
    return tuple(found) if found is not None else Unknown("tuple()")


def _set(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    made: list[Value] = []
    for item in (run.items(args[0]) if args else []) or []:
        _list_method(run, made, "add", [item])
    return made


def _dict(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    base = plain(args[0]) if args else {}
    if isinstance(base, list):
        pairs = [run.items(p) for p in base]
        base = {run.key(p[0]): p[1] for p in pairs if p and len(p) == 2}
    return {**base, **kwargs} if isinstance(base, dict) else Unknown("dict()")


def _range(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    bounds = [plain(a) for a in args]
    if 1 <= len(bounds) <= 3 and all(isinstance(b, int) and abs(b) < 1_000_000 for b in bounds) and (len(bounds) < 3 or bounds[2]):
        return range(*bounds)  # type: ignore[arg-type]
    return Unknown("range()")


def _enumerate(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else None
    return [(i, v) for i, v in enumerate(found)] if found is not None else Unknown("enumerate()")


def _zip(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    columns = [run.items(a) for a in args]
    return [t for t in zip(*[c for c in columns if c is not None])] if None not in columns else Unknown("zip()")


def _sorted(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else None
    if found is None:
        return Unknown("sorted()")
    key = kwargs.get("key")
    keys = [plain(run.call(key, [v], {}, site)) if key is not None else plain(v) for v in found]
    keys = ["/".join(k.parts) if isinstance(k, PathValue) else k for k in keys]
    try:
        order = sorted(range(len(found)), key=lambda i: keys[i], reverse=truth(kwargs.get("reverse")) is True)  # type: ignore[arg-type, return-value]
    except TypeError:
        return found
    return [found[i] for i in order]


def _reversed(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else None
    return found[::-1] if found is not None else Unknown("reversed()")


def _chain(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return [v for a in args for v in run.items(a) or []]


def _chain_iterable(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return [v for a in (run.items(args[0]) if args else []) or [] for v in run.items(a) or []]


def _map(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[1]) if len(args) == 2 else None
    return [run.call(args[0], [v], {}, site) for v in found] if found is not None else Unknown("map()")


def _filter(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[1]) if len(args) == 2 else None
    if found is None:
        return Unknown("filter()")
    kept: list[Value] = []
    for value in found:
        keep = truth(run.call(args[0], [value], {}, site)) if args[0] is not None else truth(value)
        if keep is not False:
            kept.append(value if keep else Maybe(value))
    return kept


def _any_all(run: Calls, args: Args, wanted: bool) -> Value:
    answers = [truth(v) for v in (run.items(args[0]) if args else None) or [Unknown()]]
    return wanted if wanted in answers else Unknown() if None in answers else not wanted


def _next(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.items(args[0]) if args else None
    if found:
        return plain(found[0])
    return args[1] if found is not None and len(args) > 1 else Unknown("next()")


def _type(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    found = run.class_of(plain(args[0])) if len(args) == 1 else None
    return found if found is not None else Unknown("type()")


def _vars(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return run.attribute(args[0], "__dict__") if args else site[0].vars


def _dir(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    names = _names_of(run, plain(args[0])) if args else None
    return sorted(names) if names is not None else Unknown("dir()")  # type: ignore[return-value]


# Environment, functools, FastAPI


def _getenv(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    default = args[1] if len(args) > 1 else kwargs.get("default")
    return Setting(plain(default), text_of(args[0]) or "" if args else "")


def _partial(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return Partial(plain(args[0]), args[1:], kwargs) if args else Unknown("functools.partial()")


def _wraps(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    wrapped = args[0] if args else None

    def apply(_: Calls, targets: Args, __: Kwargs, ___: Site) -> Value:
        target = targets[0] if targets else None
        if isinstance(target, Func) and wrapped is not None:
            target.wrapped = wrapped
        return target

    return Native("functools.wraps()", apply)  # type: ignore[arg-type]


def _update_wrapper(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    if len(args) > 1 and isinstance(args[0], Func):
        args[0].wrapped = args[1]
    return args[0] if args else None


def _depends(security: bool) -> Library:
    def native(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
        call = plain(args[0] if args else kwargs.get("dependency"))
        scopes = tuple(s for v in run.items(kwargs.get("scopes")) or [] if (s := text_of(v)) is not None)
        return Dep(call, scopes, security, run.place(site))

    return native


def _first(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return args[0] if args else Unknown()


def _second(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return args[1] if len(args) > 1 else kwargs.get("val", Unknown())


def _path(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    made: Value = plain(args[0]) if args else PathValue(())
    if isinstance(made, str):
        made = PathValue(tuple(p for p in made.split("/") if p not in ("", ".")))
    for part in args[1:]:
        made = run.binary(_DIV, made, part)
    return made if isinstance(made, PathValue) else Unknown("Path()")


def _dirname(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    path = _path(run, args, kwargs, site)
    return PathValue(path.parts[:-1]) if isinstance(path, PathValue) else path


def _basename(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    path = _path(run, args, kwargs, site)
    return path.parts[-1] if isinstance(path, PathValue) and path.parts else Unknown()


def _listdir(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    path = _path(run, args, kwargs, site)
    return [p.parts[-1] for p in files_below(run, path, "*") if isinstance(p, PathValue)] if isinstance(path, PathValue) else Unknown("os.listdir()")


def _glob(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    path = _path(run, args[:1], {}, site)
    return files_below(run, PathValue(()), "/".join(path.parts)) if isinstance(path, PathValue) else Unknown("glob.glob()")


def _splitext(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    text = run.as_text(args[0]) if args else None
    stem, dot, end = text.rpartition(".") if text is not None else ("", "", "")
    return (stem, dot + end) if dot else (text if text is not None else Unknown(), "")


def _json(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    source = plain(args[0]) if args else None
    if isinstance(source, Made) and source.dotted == "builtins.open" and source.args:
        path = _path(run, source.args[:1], {}, site)
        source = run.project.tree.text("/".join(path.parts)) if isinstance(path, PathValue) else None
    if not isinstance(source, str) or len(source) > 1_000_000:
        return Unknown("json")
    try:
        return json.loads(source)  # type: ignore[no-any-return]
    except (ValueError, RecursionError):
        return Unknown("json")


def _route_path(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    scope = plain(args[0]) if args else None
    return scope.get("path", Unknown()) if isinstance(scope, dict) else Unknown()


def _namespace(run: Calls, args: Args, kwargs: Kwargs, site: Site) -> Value:
    return Made("types.SimpleNamespace", args, kwargs, run.place(site), dict(kwargs))


NATIVES: dict[str, Library] = {
    "builtins.getattr": _getattr,
    "builtins.setattr": _setattr,
    "builtins.hasattr": _hasattr,
    "builtins.isinstance": _isinstance,
    "builtins.issubclass": _issubclass,
    "builtins.callable": _callable,
    "builtins.len": _len,
    "builtins.str": _str,
    "builtins.int": _int,
    "builtins.bool": _bool,
    "builtins.list": _list,
    "builtins.iter": _list,
    "builtins.tuple": _tuple,
    "builtins.set": _set,
    "builtins.frozenset": _set,
    "builtins.dict": _dict,
    "collections.OrderedDict": _dict,
    "builtins.range": _range,
    "builtins.enumerate": _enumerate,
    "builtins.zip": _zip,
    "builtins.sorted": _sorted,
    "builtins.reversed": _reversed,
    "builtins.map": _map,
    "builtins.filter": _filter,
    "builtins.any": lambda run, args, _, __: _any_all(run, args, True),
    "builtins.all": lambda run, args, _, __: _any_all(run, args, False),
    "builtins.next": _next,
    "builtins.type": _type,
    "builtins.vars": _vars,
    "builtins.dir": _dir,
    "builtins.globals": lambda run, args, kwargs, site: site[0].module.vars,
    "builtins.__import__": _import_module,
    "itertools.chain": _chain,
    "itertools.chain.from_iterable": _chain_iterable,
    "os.getenv": _getenv,
    "os.environ.get": _getenv,
    "decouple.config": _getenv,
    "functools.partial": _partial,
    "functools.wraps": _wraps,
    "functools.update_wrapper": _update_wrapper,
    "importlib.import_module": _import_module,
    "pkgutil.iter_modules": _iter_modules(False),
    "pkgutil.walk_packages": _iter_modules(True),
    "inspect.getmembers": _members,
    "inspect.isfunction": _is_function,
    "inspect.ismethod": _is_function,
    "inspect.iscoroutinefunction": _is_function,
    "inspect.isclass": _is_class,
    "inspect.unwrap": _first,
    "typing.cast": _second,
    "copy.copy": _first,
    "copy.deepcopy": _first,
    "asyncio.run": _first,
    "pydantic.SecretStr": _first,
    "pydantic.AnyHttpUrl": _first,
    "pydantic.HttpUrl": _first,
    "pathlib.Path": _path,
    "pathlib.PurePath": _path,
    "pathlib.PosixPath": _path,
    "os.fspath": _path,
    "os.path.join": _path,
    "os.path.abspath": _path,
    "os.path.realpath": _path,
    "os.path.normpath": _path,
    "os.path.dirname": _dirname,
    "os.path.basename": _basename,
    "os.path.splitext": _splitext,
    "os.listdir": _listdir,
    "glob.glob": _glob,
    "json.load": _json,
    "json.loads": _json,
    "types.SimpleNamespace": _namespace,
    "starlette._utils.get_route_path": _route_path,
    "starlette.routing.get_route_path": _route_path,
    "fastapi.Depends": _depends(False),
    "fastapi.Security": _depends(True),
}
