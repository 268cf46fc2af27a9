"""One walk over each file: every node goes to the scope it stands in, sorted by type, with a link to its parent.

A scope is a module, a class, a function or a lambda. Comprehensions belong to the scope that holds them.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any, TypeVar, cast

from project.files.source import Source
from project.place import Place

Node = TypeVar("Node", bound=ast.AST)
FunctionNode = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda
FUNCTION_DEFS = (ast.FunctionDef, ast.AsyncFunctionDef)
COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)
LOOPS = (ast.For, ast.AsyncFor, ast.While)

_NOT_NODES = frozenset(
    "ctx op ops id attr arg kind conversion type_comment lineno col_offset end_lineno end_col_offset level "
    "asname is_async simple type_ignores rest kwd_attrs str".split()
)
_NO_CHILDREN = (ast.Import, ast.ImportFrom, ast.Global, ast.Nonlocal, ast.Constant, ast.Name, ast.MatchSingleton)


def _fields(cls: type[ast.AST]) -> tuple[str, ...]:
    if issubclass(cls, _NO_CHILDREN):
        return ()
    return tuple(
        f for f in reversed(cls._fields) if f not in _NOT_NODES and (f != "name" or cls.__name__ == "TypeAlias")
    )


class _Fields(dict[type[ast.AST], tuple[str, ...]]):
    """Fields of each node type that the walk goes into, the last first."""

    def __missing__(self, cls: type[ast.AST]) -> tuple[str, ...]:
        self[cls] = _fields(cls)
        return self[cls]


_FIELDS = _Fields()


@dataclass(slots=True, eq=False)
class Binding:
    """One place where a scope gives a name a value.

    kind: import, from, function, class, assign, augmented, for, with, except, param, match.
    value: what is assigned, iterated over (for) or entered (with). index: position inside a tuple target.
    target: dotted module for import and from (relative ones resolved), name for from.
    """

    name: str
    kind: str
    node: ast.AST
    value: ast.expr | None = None
    annotation: ast.expr | None = None
    index: int | None = None
    target: str = ""
    imported: str = ""


_STANDS = attrgetter("node.lineno", "node.col_offset")


class Scope:
    """A module, class, function or lambda, with the nodes that stand directly in it."""

    def __init__(self, module: Module | None, node: ast.AST, parent: Scope | None, name: str, qualname: str) -> None:
        self.module = module if module is not None else cast("Module", self)
        self.node = node
        self.parent = parent
        self.name = name
        self.qualname = qualname
        self.nodes: dict[type[ast.AST], list[ast.AST]] = {}
        self.children: list[Scope] = []

    def all(self, kind: type[Node], *others: type[Node]) -> list[Node]:
        """Nodes of these types directly in this scope, in source order for each type."""
        found: list[Any] = self.nodes.get(kind) or []
        if not others:
            return found
        found = found + [n for other in others for n in self.nodes.get(other, ())]
        return sorted(found, key=lambda n: (n.lineno, n.col_offset))

    @property
    def dotted(self) -> str:
        """Canonical dotted name, as the run time has it (`pkg.mod.Class.method`, `pkg.mod.f.<locals>.g`)."""
        return f"{self.module.dotted}.{self.qualname}" if self.qualname else self.module.dotted

    def place(self, node: ast.AST | None = None, label: str = "") -> Place:
        """Place of a node of this scope (of the scope's own head line without one)."""
        node = node if node is not None else self.node
        line = getattr(node, "lineno", 1)
        end = (
            line if isinstance(node, (*FUNCTION_DEFS, ast.ClassDef, ast.Module)) else getattr(node, "end_lineno", line)
        )
        return Place(self.module.path, line, end or line, self.dotted, label)

    def walk(self) -> Iterator[Scope]:
        """This scope and all scopes inside it."""
        stack: list[Scope] = [self]
        while stack:
            scope = stack.pop()
            yield scope
            stack.extend(reversed(scope.children))

    @cached_property
    def called(self) -> dict[str, list[ast.Call]]:
        """Calls directly in this scope by the last name they are written with, "" for `f()()` and the like."""
        found: dict[str, list[ast.Call]] = {}
        for call in self.all(ast.Call):
            func = call.func
            name = func.attr if isinstance(func, ast.Attribute) else func.id if isinstance(func, ast.Name) else ""
            found.setdefault(name, []).append(call)
        return found

    @cached_property
    def bindings(self) -> dict[str, list[Binding]]:
        """Every name this scope binds, in source order."""
        found: dict[str, list[Binding]] = {}
        for binding in sorted(_bindings(self), key=_STANDS):
            found.setdefault(binding.name, []).append(binding)
        return found


class Function(Scope):
    """A def, async def or lambda."""

    node: FunctionNode

    @property
    def is_async(self) -> bool:
        return isinstance(self.node, ast.AsyncFunctionDef)

    @property
    def is_lambda(self) -> bool:
        return isinstance(self.node, ast.Lambda)

    @property
    def is_generator(self) -> bool:
        return ast.Yield in self.nodes or ast.YieldFrom in self.nodes

    @property
    def owner(self) -> Class | None:
        """The class this is a method of."""
        return self.parent if isinstance(self.parent, Class) else None

    @property
    def decorators(self) -> list[ast.expr]:
        return [] if isinstance(self.node, ast.Lambda) else self.node.decorator_list

    @property
    def body(self) -> list[ast.stmt]:
        return [] if isinstance(self.node, ast.Lambda) else self.node.body

    @property
    def returns(self) -> ast.expr | None:
        return None if isinstance(self.node, ast.Lambda) else self.node.returns

    @cached_property
    def params(self) -> list[tuple[ast.arg, ast.expr | None]]:
        """Parameters with their defaults, in order; *args and **kwargs left out."""
        a = self.node.args
        positional = [*a.posonlyargs, *a.args]
        gap = len(positional) - len(a.defaults)
        pairs: list[tuple[ast.arg, ast.expr | None]] = [
            (arg, a.defaults[i - gap] if i >= gap else None) for i, arg in enumerate(positional)
        ]
        pairs.extend(zip(a.kwonlyargs, a.kw_defaults, strict=True))
        return pairs

    def param(self, name: str) -> tuple[ast.arg, ast.expr | None] | None:
        return next((p for p in self.params if p[0].arg == name), None)


class Class(Scope):
    """A class definition."""

    node: ast.ClassDef

    @cached_property
    def methods(self) -> dict[str, Function]:
        """Functions defined in the class body by name; the last definition wins."""
        return {c.name: c for c in self.children if isinstance(c, Function) and not c.is_lambda}


class Module(Scope):
    """A parsed file. `dotted` is its canonical module name, set by names.py."""

    node: ast.Module

    def __init__(self, source: Source) -> None:
        super().__init__(None, source.tree, None, source.path.rsplit("/", 1)[-1], "")
        self.source = source
        self.path = source.path
        self.kind = source.kind
        self.is_package = source.path.endswith("__init__.py")
        stem = source.path[: -len("/__init__.py")] if source.path.endswith("/__init__.py") else source.path[:-3]
        self.parts: tuple[str, ...] = () if source.path == "__init__.py" else tuple(stem.split("/"))
        self.name_dotted = ".".join(self.parts)
        index(self, source.tree.body)

    @property
    def dotted(self) -> str:
        return self.name_dotted

    @property
    def lines(self) -> list[str]:
        return self.source.lines

    def walk(self) -> Iterator[Scope]:
        return iter(self._scopes)

    @cached_property
    def _scopes(self) -> list[Scope]:
        return list(super().walk())

    @cached_property
    def importing(self) -> list[Scope]:
        """The scopes with import statements."""
        return [s for s in self._scopes if ast.ImportFrom in s.nodes or ast.Import in s.nodes]

    @cached_property
    def functions(self) -> list[Function]:
        """Every function and lambda of the file, nested ones too."""
        return [s for s in self._scopes if isinstance(s, Function)]

    @cached_property
    def classes(self) -> list[Class]:
        """Every class of the file, nested ones too."""
        return [s for s in self.walk() if isinstance(s, Class)]


def index(module: Module, body: list[ast.stmt]) -> None:
    """Sort every node of the file into its scope and set `parent` on it."""
    for statement in body:
        statement.parent = module.node  # type: ignore[attr-defined]
    pending: list[tuple[Scope, Iterable[ast.AST]]] = [(module, body)]
    while pending:
        scope, statements = pending.pop()
        inner: list[tuple[Scope, Iterable[ast.AST]]] = []
        _index_scope(scope, statements, inner)
        pending.extend(inner)


def _index_scope(scope: Scope, statements: Iterable[ast.AST], inner: list[tuple[Scope, Iterable[ast.AST]]]) -> None:
    nodes, fields_of = scope.nodes, _FIELDS
    stack: list[ast.AST] = list(statements)
    stack.reverse()
    take, put = stack.pop, stack.append
    while stack:
        node = take()
        cls = node.__class__
        if cls in nodes:
            nodes[cls].append(node)
        else:
            nodes[cls] = [node]
        fields = fields_of[cls]
        if not fields:
            continue
        if cls in _OPENERS:
            fields = _open(scope, node, fields, inner)
        data = node.__dict__
        for name in fields:
            value = data.get(name)
            if not value:
                continue
            if value.__class__ is list:
                for item in reversed(value):
                    if item is not None:
                        item.parent = node
                        put(item)
            else:
                value.parent = node
                put(value)


_OPENERS = frozenset((ast.FunctionDef, ast.AsyncFunctionDef, ast.Lambda, ast.ClassDef))


def _open(
    scope: Scope, node: ast.AST, fields: tuple[str, ...], inner: list[tuple[Scope, Iterable[ast.AST]]]
) -> tuple[str, ...]:
    """Make the scope a def, lambda or class opens; its body waits in `inner`, the rest stays with the outer scope."""
    name = getattr(node, "name", "<lambda>")
    prefix = (
        f"{scope.qualname}.<locals>." if isinstance(scope, Function) else f"{scope.qualname}." if scope.qualname else ""
    )
    made = (Class if isinstance(node, ast.ClassDef) else Function)(scope.module, node, scope, name, prefix + name)
    node.scope = made  # type: ignore[attr-defined]
    scope.children.append(made)
    body = node.body  # type: ignore[attr-defined]
    for item in body if isinstance(body, list) else [body]:
        item.parent = node
    inner.append((made, body if isinstance(body, list) else [body]))
    return tuple(f for f in fields if f != "body")


def parent(node: ast.AST) -> ast.AST | None:
    """The node that holds this one; None for the module."""
    return node.__dict__.get("parent")


def parents(node: ast.AST) -> Iterator[ast.AST]:
    """Holders of this node, inside out, up to the function, class or lambda it stands in (that one included)."""
    current = node.__dict__.get("parent")
    while current is not None:
        yield current
        if current.__class__ in _OPENERS:
            return
        current = current.__dict__.get("parent")


def subtree(node: ast.AST) -> list[ast.AST]:
    """The node and everything in it, in the order of `ast.walk`; the marks Load, Store and Del left out."""
    found = [node]
    for current in found:  # grows meanwhile
        fields = _CHILDREN[current.__class__]
        data = current.__dict__
        for name in fields:
            value = data.get(name)
            if value.__class__ is list:
                found += [item for item in value if item is not None]
            elif value is not None:
                found.append(value)
    return found


def child_nodes(node: ast.AST) -> list[ast.AST]:
    """What stands directly in the node, in the order of `ast.iter_child_nodes`; Load, Store and Del left out."""
    data = node.__dict__
    found: list[ast.AST] = []
    for name in _CHILDREN[node.__class__]:
        value = data.get(name)
        if value.__class__ is list:
            found += [item for item in value if item is not None]
        elif value is not None:
            found.append(value)
    return found


class _ChildFields(dict[type[ast.AST], tuple[str, ...]]):
    """Fields of each node type that hold nodes; `name` of a type alias is one, of anything else it is text."""

    def __missing__(self, cls: type[ast.AST]) -> tuple[str, ...]:
        no_nodes = _NOT_NODES - {"op", "ops"} | {"module"} | (set() if cls.__name__ == "TypeAlias" else {"name"})
        childless = cls in (ast.Constant, ast.Global, ast.Nonlocal, ast.MatchSingleton)
        self[cls] = () if childless else tuple(f for f in cls._fields if f not in no_nodes)
        return self[cls]


_CHILDREN = _ChildFields()


def own_scope(node: ast.AST) -> Scope | None:
    """The scope that a def, lambda or class opens."""
    return node.__dict__.get("scope")


_ASSIGNMENTS = frozenset(
    getattr(ast, name) for name in "Assign AnnAssign AugAssign NamedExpr TypeAlias".split() if hasattr(ast, name)
)
_OTHER_BINDINGS = frozenset(
    (ast.For, ast.AsyncFor, ast.comprehension, ast.withitem, ast.ExceptHandler, ast.MatchAs, ast.MatchStar)
)


def _bindings(scope: Scope) -> Iterator[Binding]:
    if isinstance(scope, Function):
        yield from _params(scope)
    for child in scope.children:
        if not (isinstance(child, Function) and child.is_lambda):
            yield Binding(child.name, "class" if isinstance(child, Class) else "function", child.node)
    nodes = scope.nodes
    if ast.Import in nodes or ast.ImportFrom in nodes:
        yield from _imports(scope)
    if not _ASSIGNMENTS.isdisjoint(nodes):
        yield from _assignments(scope)
    if not _OTHER_BINDINGS.isdisjoint(nodes):
        yield from _other_bindings(scope)


def _other_bindings(scope: Scope) -> Iterator[Binding]:
    loops: list[ast.For | ast.AsyncFor] = [*scope.all(ast.For), *scope.all(ast.AsyncFor)]
    for loop in loops:
        yield from _targets(loop.target, "for", loop, loop.iter)
    for comprehension in scope.all(ast.comprehension):
        yield from _targets(comprehension.target, "for", comprehension.target, comprehension.iter)
    for item in scope.all(ast.withitem):
        if item.optional_vars is not None:
            yield from _targets(item.optional_vars, "with", item.context_expr, item.context_expr)
    for handler in scope.all(ast.ExceptHandler):
        if handler.name:
            yield Binding(handler.name, "except", handler, handler.type)
    captures: list[ast.MatchAs | ast.MatchStar] = [*scope.all(ast.MatchAs), *scope.all(ast.MatchStar)]
    for capture in captures:
        if capture.name:
            yield Binding(capture.name, "match", capture)


def _params(function: Function) -> Iterator[Binding]:
    for arg, default in function.params:
        yield Binding(arg.arg, "param", arg, default, arg.annotation)
    for extra in (function.node.args.vararg, function.node.args.kwarg):
        if extra is not None:
            yield Binding(extra.arg, "param", extra, None, None)


def _imports(scope: Scope) -> Iterator[Binding]:
    for node in scope.all(ast.Import):
        for alias in node.names:
            target = alias.name if alias.asname else alias.name.split(".")[0]
            yield Binding(alias.asname or target, "import", node, target=target, imported=alias.name)
    for source in scope.all(ast.ImportFrom):
        base = absolute(scope.module, source)
        for alias in source.names:
            yield Binding(alias.asname or alias.name, "from", source, target=base, imported=alias.name)


def absolute(module: Module, node: ast.ImportFrom) -> str:
    """Module a from-import names. Relative ones come as `/path/parts` below the root, so that no name is guessed."""
    if not node.level:
        return node.module or ""
    parts = module.parts if module.is_package else module.parts[:-1]
    parts = parts[: len(parts) - (node.level - 1)] if node.level > 1 else parts
    return "/" + "/".join((*parts, *(node.module.split(".") if node.module else ())))


def _assignments(scope: Scope) -> Iterator[Binding]:
    for node in scope.all(ast.Assign):
        for target in node.targets:
            yield from _targets(target, "assign", node, node.value)
    for annotated in scope.all(ast.AnnAssign):
        if isinstance(annotated.target, ast.Name):
            yield Binding(annotated.target.id, "assign", annotated, annotated.value, annotated.annotation)
    for augmented in scope.all(ast.AugAssign):
        if isinstance(augmented.target, ast.Name):
            yield Binding(augmented.target.id, "augmented", augmented, augmented.value)
    for walrus in scope.all(ast.NamedExpr):
        yield Binding(walrus.target.id, "assign", walrus, walrus.value)
    alias = getattr(ast, "TypeAlias", None)
    for stated in scope.nodes.get(alias, []) if alias else []:
        yield Binding(stated.name.id, "assign", stated, stated.value)  # type: ignore[attr-defined]


def _targets(target: ast.expr, kind: str, node: ast.AST, value: ast.expr) -> Iterator[Binding]:
    stack: list[tuple[ast.expr, int | None]] = [(target, None)]
    while stack:
        current, position = stack.pop()
        if isinstance(current, ast.Name):
            yield Binding(current.id, kind, node, value, index=position)
        elif isinstance(current, ast.Starred):
            stack.append((current.value, -1))
        elif isinstance(current, (ast.Tuple, ast.List)):
            stack.extend((item, i) for i, item in enumerate(current.elts))
