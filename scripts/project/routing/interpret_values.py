"""What the interpreter of router-building code computes with.

Strings, numbers, booleans, None, lists, tuples, sets and dicts stand for themselves; everything else is one of these.
"""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, TypeAlias

from project.language.names import External
from project.language.scopes import Class, Function, Module, Scope
from project.place import Place

if TYPE_CHECKING:
    from project.routing.interpret_calls import Calls

Value: TypeAlias = object

MAX_OPTIONS = 6
MAX_TEXT = 20_000
_NOT_GIVEN = object()
LIBRARY_INIT = "__init__ of the library"
ENTRY_POINTS = "entry_points("
ATOMS = (str, int, float, bool, type(None), bytes)


class Env:
    """Names of one running module, class body or function call."""

    __slots__ = ("elsewhere", "module", "owner", "parent", "returns", "scope", "vars", "yields")

    def __init__(self, scope: Scope, parent: Env | None = None) -> None:
        self.vars: dict[str, Value] = {}
        self.parent = parent
        self.scope = scope
        self.module: Env = parent.module if parent is not None else self
        self.elsewhere: dict[str, Env] = {}
        self.returns: list[Value] = []
        self.yields: list[Value] | None = None
        self.owner: Cls | None = None


Site: TypeAlias = "tuple[Env, ast.AST]"


@dataclass(slots=True, eq=False)
class Unknown:
    """A value that is not known; `dotted` says where it came from, if anything is known of that."""

    dotted: str = ""


@dataclass(slots=True, eq=False)
class ModuleValue:
    """A module of the project. state: 0 not run, 1 running, 2 done."""

    module: Module
    env: Env
    state: int = 0


@dataclass(slots=True, eq=False)
class Lazy:
    """A name of a module that is looked up when it is used."""

    source: ModuleValue
    name: str


@dataclass(slots=True, eq=False)
class Func:
    """A function of the project with the environment it closes over. kind: "", static, class, property."""

    function: Function
    env: Env
    defaults: dict[str, Value] | None = None
    wrapped: Value = None
    kind: str = ""
    cached: bool = False
    memo: dict[tuple[object, ...], Value] = field(default_factory=dict)
    attrs: dict[str, Value] | None = None
    owner: Cls | None = None
    wrappers: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Bound:
    """A method together with its object (or class)."""

    func: Value
    receiver: Value


@dataclass(slots=True, eq=False)
class Given:
    """A call of a library function: the interpreter, the arguments, where it stands."""

    run: Calls
    args: list[Value]
    kwargs: dict[str, Value]
    site: Site

    def value(self, position: int, name: str = "", default: Value = None) -> Value:
        """An argument by position or name, as it is."""
        if position < len(self.args):
            return self.args[position]
        return self.kwargs.get(name, default) if name else default

    def plain(self, position: int, name: str = "", default: Value = None) -> Value:
        """The same without marks."""
        return plain(self.value(position, name, default))

    def text(self, position: int, name: str = "") -> str | None:
        return text_of(self.value(position, name))

    def items(self, position: int, name: str = "") -> list[Value] | None:
        """What iterating over an argument yields; [] when it is not given, None when it is not known."""
        value = self.value(position, name, _NOT_GIVEN)
        return [] if value is _NOT_GIVEN else self.run.items(value)

    def place(self) -> Place:
        return self.run.place(self.site)


@dataclass(slots=True, eq=False)
class LibraryFunction:
    """A handler or dependency that a library defines, by its run-time name. `guards`: whether it refuses a caller
    who does not say who they are, as the library's documentation has it; None when that is not known.
    """

    dotted: str
    is_async: bool
    guards: bool | None = None


@dataclass(slots=True, eq=False)
class Native:
    """A library function whose effect is modelled."""

    name: str
    run: Callable[[Given], Value]


@dataclass(slots=True, eq=False)
class Cls:
    """A class of the project; its body runs when it is first looked into."""

    scope: Class
    env: Env
    bases: list[Value]
    body: Env
    ready: bool = False
    mro: list[Value] = field(default_factory=list)
    keywords: dict[str, Value] = field(default_factory=dict)
    decorators: list[str] = field(default_factory=list)


@dataclass(slots=True, eq=False)
class Inst:
    """An object of a project class, or an application or router of a library class.

    `declared`: only its class is known, from the return annotation of a function that was not understood.
    """

    cls: Cls | External
    attrs: dict[str, Value] = field(default_factory=dict)
    state: RouterState | None = None
    place: Place | None = None
    declared: bool = False


@dataclass(slots=True, eq=False)
class Member:
    """A member of a project enumeration."""

    cls: Cls
    name: str
    value: Value


@dataclass(slots=True, eq=False)
class Made:
    """What calling a library class or function gave."""

    dotted: str
    args: list[Value]
    kwargs: dict[str, Value]
    place: Place
    attrs: dict[str, Value] | None = None


@dataclass(slots=True, eq=False)
class Dep:
    """`Depends(call)` or `Security(call, scopes=...)`; call is None for `Depends()`."""

    call: Value
    scopes: tuple[str, ...]
    security: bool
    place: Place


@dataclass(slots=True, eq=False)
class AnnotatedType:
    """`Annotated[type, *metadata]`."""

    type: Value
    metadata: list[Value]


@dataclass(slots=True, eq=False)
class Generic:
    """`base[args]`."""

    base: Value
    args: list[Value]


@dataclass(slots=True, eq=False)
class UnionType:
    """`A | B`."""

    options: list[Value]


@dataclass(slots=True, eq=False)
class Setting:
    """A value from configuration: the default is known, what is deployed is not."""

    value: Value
    name: str


@dataclass(slots=True, eq=False)
class Choice:
    """One of several values, by a condition that is not known."""

    options: list[Value]


@dataclass(slots=True, eq=False)
class Maybe:
    """An item that is only in its list under a condition that is not known."""

    value: Value


@dataclass(slots=True, eq=False)
class Partial:
    func: Value
    args: list[Value]
    kwargs: dict[str, Value]


@dataclass(slots=True, eq=False)
class PathValue:
    """A file or folder of the reviewed project, by its parts below the root."""

    parts: tuple[str, ...]


@dataclass(slots=True, eq=False)
class Super:
    """`super()` of a class, for an object or class."""

    cls: Cls
    receiver: Value


@dataclass(slots=True, eq=False)
class Entry:
    """One thing a router holds, in order: kind is route, websocket, include, mount, plain or frontend.

    `path` has the router's own prefix in front, `dependencies` the router's own before those of the registration.
    """

    kind: str
    path: Value
    place: Place
    conditional: bool
    endpoint: Value = None
    methods: tuple[str, ...] = ()
    options: dict[str, Value] = field(default_factory=dict)
    router_dependencies: list[Value] = field(default_factory=list)
    dependencies: list[Value] = field(default_factory=list)
    tags: list[Value] = field(default_factory=list)
    target: Inst | None = None
    snapshot: tuple[Entry, ...] | None = None


@dataclass(slots=True, eq=False)
class Middleware:
    """One `add_middleware` or `@app.middleware("http")`: the class or function, its arguments, where."""

    value: Value
    kwargs: dict[str, Value]
    place: Place
    conditional: bool
    scope: Scope
    node: ast.AST


@dataclass(slots=True, eq=False)
class Handler:
    """An exception handler: for which exception or status code, which function."""

    exception: Value
    function: Value
    place: Place


@dataclass(slots=True, eq=False)
class RouterState:
    """What an application or router holds. Of an application, `kwargs` are the arguments it was made with."""

    is_app: bool
    place: Place
    scope: Scope
    node: ast.AST
    prefix: Value = ""
    tags: list[Value] = field(default_factory=list)
    dependencies: list[Value] = field(default_factory=list)
    entries: list[Entry] = field(default_factory=list)
    kwargs: dict[str, Value] = field(default_factory=dict)
    middleware: list[Middleware] = field(default_factory=list)
    handlers: list[Handler] = field(default_factory=list)
    events: list[tuple[str, Value, Place]] = field(default_factory=list)
    router: Inst | None = None
    owner: Inst | None = None
    included: bool = False
    mounted: bool = False
    conditional: bool = False
    factory: Function | None = None

    @property
    def registered(self) -> list[Entry]:
        """What is registered, those under an unknown condition as well; `entries` is the list that code may change."""
        return [entry for entry in map(plain, self.entries) if isinstance(entry, Entry)]


def plain(value: Value) -> Value:
    """The value itself without the mark that it comes from configuration or may be missing."""
    while True:
        if isinstance(value, (Setting, Maybe)):
            value = value.value
        else:
            return value


def is_unknown(value: Value) -> bool:
    return isinstance(value, Unknown) or (isinstance(value, Setting) and isinstance(value.value, Unknown))


def combine(*values: Value) -> Value:
    """One value for several that a program may reach: unknown ones give way, text keeps the first."""
    options: list[Value] = []
    for value in values:
        for option in value.options if isinstance(value, Choice) else [value]:
            if not any(same(option, other) for other in options):
                options.append(option)
    known = [o for o in options if not is_unknown(o)]
    if not known:
        return options[0] if options else None
    return known[0] if len(known) == 1 else Choice(known[:MAX_OPTIONS])


def same(a: Value, b: Value) -> bool:
    if a is b:
        return True
    if isinstance(a, External) and isinstance(b, External):
        return a.dotted == b.dotted
    if isinstance(a, ATOMS) and isinstance(b, ATOMS):
        return type(a) is type(b) and a == b
    if isinstance(a, Lazy) and isinstance(b, Lazy):
        return a.source is b.source and a.name == b.name
    if isinstance(a, Bound) and isinstance(b, Bound):
        return a.func is b.func and a.receiver is b.receiver
    if isinstance(a, tuple) and isinstance(b, tuple):
        return len(a) == len(b) and all(same(plain(x), plain(y)) for x, y in zip(a, b, strict=True))
    return False


def item_of(value: Value) -> Unknown:
    """One of what iterating over an unknown value yields; plugins stay known as such."""
    dotted = value.dotted if isinstance(value, (Unknown, Made)) else ""
    return Unknown(dotted if ENTRY_POINTS in dotted else f"item of {dotted}" if dotted else "item of a loop")


def text_of(value: Value) -> str | None:
    """The string a value is, None when it is not known to be one."""
    value = plain(value)
    if isinstance(value, Member):
        value = plain(value.value)
    return value if isinstance(value, str) else None


def options_of(value: Value) -> list[Value]:
    return list(value.options) if isinstance(value, Choice) else [value]


def truth(value: Value) -> bool | None:
    """Whether a condition holds, None when that depends on what is not known."""
    if isinstance(value, ATOMS):
        return bool(value)
    if isinstance(value, (list, tuple)):
        return None if value and all(isinstance(v, Maybe) for v in value) else bool(value)
    if isinstance(value, (dict, set, frozenset)):
        return bool(value)
    if isinstance(
        value, (Func, Bound, Native, LibraryFunction, Cls, Inst, ModuleValue, Dep, Partial, PathValue, Entry)
    ):
        return True
    if isinstance(value, Made):
        if value.attrs is not None and "value" in value.attrs:
            return truth(value.attrs["value"])
        return True if value.dotted.rsplit(".", 1)[-1][:1].isupper() else None
    if isinstance(value, Choice):
        answers = {truth(o) for o in value.options}
        return answers.pop() if len(answers) == 1 else None
    return None


def default_truth(value: Value) -> bool | None:
    """As `truth`, taking configuration at its default."""
    return truth(plain(value))
