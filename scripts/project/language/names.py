"""Canonical names: what a name in one file means, through imports, aliases, re-exports and relative imports.

A name means a `Module`, `Class` or `Function` of the project, a `Variable` (a name some scope of the project assigns),
or an `External` dotted name of a library. Nothing is guessed from spelling.
"""

from __future__ import annotations

import ast
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache, cached_property

from project.language.libraries import KNOWN_LIBRARIES, canonical_external
from project.language.scopes import Binding, Class, Function, Module, Scope, own_scope

MAX_DEPTH = 40


@dataclass(frozen=True, slots=True)
class External:
    """A dotted name outside the project, spelled canonically (`fastapi.APIRouter`)."""

    dotted: str


@cache
def external(dotted: str) -> External:
    """The name under its canonical spelling."""
    return External(canonical_external(dotted))


@dataclass(slots=True, unsafe_hash=True)  # very many are made, and a frozen one takes twice as long
class Variable:
    """A name that `scope` assigns."""

    scope: Scope
    name: str

    @property
    def bindings(self) -> list[Binding]:
        return self.scope.bindings.get(self.name, [])

    @property
    def dotted(self) -> str:
        return f"{self.scope.dotted}.{self.name}"


Entity = Module | Class | Function | Variable | External


class Names:
    """Resolution over all modules of the project."""

    def __init__(self, modules: Iterable[Module], third_party: frozenset[str] = frozenset()) -> None:
        self.modules: dict[tuple[str, ...], Module] = {}
        for module in modules:
            if module.is_package or module.parts not in self.modules:
                self.modules[module.parts] = module
        self._third_party = third_party | KNOWN_LIBRARIES
        self._packages = {m.parts for m in self.modules.values() if m.is_package}
        self._parents: dict[str, set[tuple[str, ...]]] = defaultdict(set)
        self._folders: set[tuple[str, ...]] = {()}
        for parts in self.modules:
            for i, part in enumerate(parts):
                self._parents[part].add(parts[:i])
                self._folders.add(parts[:i])
        self._found: dict[tuple[tuple[str, ...], str], tuple[str, ...] | None] = {}
        self._members: dict[tuple[Module, str], Entity | None] = {}
        self._subclasses: dict[str, list[Class]] | None = None
        self._like: dict[Class, list[Class]] = {}
        self._mro: dict[Class, list[Class | External]] = {}
        self._resolving: set[int] = set()
        self._meanings: dict[tuple[Scope, str], Entity | None] = {}
        self._namespace: dict[tuple[str, ...], Module] = {}
        self._own_name = ""
        self._own_name = self._find_own_name()
        self.roots = self._find_roots()
        for module in self.modules.values():
            module.name_dotted = ".".join(module.parts[len(self._root_of(module.parts)) :])

    # Roots: the folders from which absolute imports are resolved.

    def _find_roots(self) -> list[tuple[str, ...]]:
        votes: Counter[tuple[str, ...]] = Counter()
        for module in self.modules.values():
            for dotted, names in _absolute_imports(module):
                for root in self._candidates(module, dotted):
                    parts = self._below(root, dotted)
                    if parts is not None and (not root or self._offers(root, parts, names)):
                        votes[root] += 1
                        break
        self._votes = votes
        return [root for root, _ in votes.most_common()]

    def _find_own_name(self) -> str:
        """What imports call the reviewed folder when that is a package itself (its name on the disk need not be the
        one); "" when they do not.
        """
        found: Counter[str] = Counter()
        missing: Counter[str] = Counter()
        for module in self.modules.values() if () in self._packages else ():
            for dotted, _ in _absolute_imports(module):
                first, _, rest = dotted.partition(".")
                if rest and first not in self._parents and first not in self._third_party:
                    (missing if self._below((), rest) is None else found)[first] += 1
        return next((name for name, count in found.most_common(1) if count > missing[name]), "")

    def _candidates(self, importer: Module, dotted: str) -> list[tuple[str, ...]]:
        """Folders from which this import may be resolved, the likeliest first."""
        first = dotted.split(".", 1)[0]
        if first in sys.stdlib_module_names:
            return []
        if first == self._own_name:
            return [()]
        places = self._parents.get(first)
        if not places:
            return []
        known = first in self._third_party
        found = []
        for folder in places:
            above = importer.parts[: len(folder)] == folder
            inside_package = folder in self._packages
            itself = (*folder, first) == importer.parts and not (importer.is_package and "." in dotted)
            if itself or (known and (folder or not self._has_source((*folder, first)))):
                continue
            if inside_package and not above:
                continue
            shared = _shared(folder, importer.parts)
            found.append((inside_package, not above, -shared, len(folder), folder))
        return [f[-1] for f in sorted(found)]

    def _has_source(self, parts: tuple[str, ...]) -> bool:
        return parts in self.modules

    def _offers(self, root: tuple[str, ...], parts: tuple[str, ...], names: list[str]) -> bool:
        """Whether a module defines one of the imported names itself, or has it as a submodule."""
        module = self.modules.get(parts)
        for name in names:
            if (*parts, name) in self.modules or (
                module and any(b.kind not in ("import", "from") for b in module.bindings.get(name, ()))
            ):
                return True
        return not names and module is not None and root not in self._packages

    def _below(self, root: tuple[str, ...], dotted: str) -> tuple[str, ...] | None:
        first, *rest = dotted.split(".")
        parts = tuple(rest) if not root and first == self._own_name else (*root, first, *rest)
        return parts if parts in self.modules or parts in self._folders else None

    def _root_of(self, parts: tuple[str, ...]) -> tuple[str, ...]:
        """The sys.path folder a module belongs to: by the project's own imports, else above its outermost package."""
        proven = [parts[:i] for i in range(len(parts)) if self._votes.get(parts[:i])]
        outside = [r for r in proven if r not in self._packages]
        if outside or proven:
            return max(outside or proven, key=lambda r: (self._votes[r], -len(r)))
        i = len(parts) - 1
        while i > 0 and parts[:i] in self._packages:
            i -= 1
        return parts[:i] if parts[:i] not in self._packages and i and parts[: i + 1] in self._packages else ()

    # Modules

    def module_parts(self, importer: Module, dotted: str) -> tuple[str, ...] | None:
        """Folder or file that an import of `dotted` in `importer` reaches, as path parts."""
        if dotted.startswith("/"):
            parts = tuple(p for p in dotted[1:].split("/") if p)
            return parts if parts in self.modules or parts in self._folders else None
        key = (importer.parts[:-1], dotted)
        if key not in self._found:
            candidates = [root for root in self._candidates(importer, dotted) if not root or root in self._votes]
            self._found[key] = next((p for root in candidates if (p := self._below(root, dotted)) is not None), None)
        return self._found[key]

    def module(self, dotted: str) -> Module | None:
        """The module of this canonical dotted name."""
        return next((m for m in self.modules.values() if m.dotted == dotted), None)

    # Names

    def lookup(self, scope: Scope, name: str) -> Entity | None:
        """What a bare name means in a scope: local, enclosing functions, module, builtins."""
        key = (scope, name)
        known = self._meanings.get(key)
        if known is not None or key in self._meanings:
            return known
        found = self._look_up(scope, name)
        if not self._resolving:  # while an alias is followed, it may seem to mean nothing
            self._meanings[key] = found
        return found

    def _look_up(self, scope: Scope, name: str) -> Entity | None:
        current: Scope | None = scope
        while current is not None:
            if (current is scope or not isinstance(current, Class)) and name in current.bindings:
                return self.entity(current, name)
            current = current.parent
        starred = self._through_stars(scope.module, name, 0)
        if starred is not None:
            return starred
        return External(f"builtins.{name}") if name in _BUILTINS else None

    def resolve(self, expr: ast.AST, scope: Scope) -> Entity | None:
        """What a dotted expression (`a.b.c`) means; None for anything else or unknown."""
        if isinstance(expr, ast.Name):
            return self.lookup(scope, expr.id)
        chain: list[str] = []
        current = expr
        while isinstance(current, ast.Attribute):
            chain.append(current.attr)
            current = current.value
        if not isinstance(current, ast.Name):
            return None
        entity = self.lookup(scope, current.id)
        while chain and entity is not None:
            entity = self.member(entity, chain.pop())
        return entity

    def canonical(self, expr: ast.AST, scope: Scope) -> str | None:
        """Canonical dotted name of an expression, None when it has none."""
        entity = self.resolve(expr, scope)
        return None if entity is None else entity.dotted

    def member(self, entity: Entity, name: str) -> Entity | None:
        """Attribute of a module, class or library name."""
        if isinstance(entity, External):
            return external(f"{entity.dotted}.{name}")
        if isinstance(entity, Module):
            return self.module_member(entity, name)
        if isinstance(entity, Class):
            return self.class_member(entity, name)
        return None

    def module_member(self, module: Module, name: str, depth: int = 0) -> Entity | None:
        """A name of a module: what it binds, imports with a star, or a submodule."""
        key = (module, name)
        if key in self._members:
            return self._members[key]
        self._members[key] = None
        found: Entity | None = None
        if name in module.bindings:
            found = self.entity(module, name, depth)
        if found is None:
            found = self._through_stars(module, name, depth)
        if found is None and module.is_package:
            found = self.modules.get((*module.parts, name))
        self._members[key] = found
        return found

    def class_member(self, cls: Class, name: str) -> Entity | None:
        """A name of a class or of its bases (method resolution order); External when a library base may have it."""
        for base in self.mro(cls):
            if isinstance(base, Class):
                if name in base.bindings:
                    return self.entity(base, name)
            elif base.dotted not in _BARE_BASES:
                return external(f"{base.dotted}.{name}")
        return None

    def entity(self, scope: Scope, name: str, depth: int = 0) -> Entity | None:
        """What the bindings of a name in this very scope mean."""
        bindings = scope.bindings.get(name, [])
        if depth > MAX_DEPTH or not bindings:
            return None
        for binding in reversed(bindings):
            if binding.kind in ("function", "class"):
                defined = own_scope(binding.node)
                return defined if isinstance(defined, (Function, Class)) else None
            if binding.kind in ("import", "from"):
                found = self._imported(scope.module, binding, depth)
                if found is not None:
                    return found
        if (
            len(bindings) == 1
            and bindings[0].kind == "assign"
            and bindings[0].index is None
            and bindings[0].annotation is None
        ):
            value = bindings[0].value
            if isinstance(value, (ast.Name, ast.Attribute)) and not (isinstance(value, ast.Name) and value.id == name):
                alias = self._alias(value, scope, depth)
                if alias is not None:
                    return alias
        return None if all(b.kind in ("import", "from") for b in bindings) else Variable(scope, name)

    def _alias(self, value: ast.expr, scope: Scope, depth: int) -> Entity | None:
        if depth >= MAX_DEPTH:
            return None
        target = self._resolve_guarded(value, scope)
        return target if isinstance(target, (Module, Class, Function, External)) else None

    def _resolve_guarded(self, value: ast.expr, scope: Scope) -> Entity | None:
        key = id(value)
        if key in self._resolving or len(self._resolving) >= MAX_DEPTH:
            return None
        self._resolving.add(key)
        try:
            return self.resolve(value, scope)
        finally:
            self._resolving.discard(key)

    def _imported(self, module: Module, binding: Binding, depth: int) -> Entity | None:
        if binding.kind == "import":
            parts = self.module_parts(module, binding.imported)
            if parts is None:
                return external(binding.target)
            if binding.target != binding.imported:
                parts = parts[: len(parts) - binding.imported.count(".")]
            return self.modules.get(parts) or self._folder(parts)
        parts = self.module_parts(module, binding.target)
        if parts is not None:
            submodule = self.modules.get((*parts, binding.imported))
            owner = self.modules.get(parts)
            if owner is not None and owner is not module and binding.imported in owner.bindings:
                return self.module_member(owner, binding.imported, depth + 1) or submodule
            if owner is not None and submodule is None:
                return self._through_stars(owner, binding.imported, depth + 1)
            return submodule or self._folder((*parts, binding.imported))
        if binding.target.startswith("/"):
            return None
        return external(f"{binding.target}.{binding.imported}")

    def _folder(self, parts: tuple[str, ...]) -> Module | None:
        """A package without `__init__.py`, as an empty module."""
        if parts not in self._folders:
            return None
        if parts not in self._namespace:
            self._namespace[parts] = _NamespacePackage(parts, len(self._root_of((*parts, "x"))))
        return self._namespace[parts]

    def _through_stars(self, module: Module, name: str, depth: int) -> Entity | None:
        if "*" not in module.bindings or depth > MAX_DEPTH or name.startswith("_"):
            return None
        for binding in module.bindings["*"]:
            parts = self.module_parts(module, binding.target)
            owner = self.modules.get(parts) if parts is not None else None
            if owner is not None and owner is not module:
                found = self.module_member(owner, name, depth + 1)
                if found is not None:
                    return found
        return None

    # Classes

    def bases(self, cls: Class) -> Iterator[Class | External]:
        """Direct bases, subscripts (`Base[T]`) taken off."""
        for expr in cls.node.bases:
            base = self.resolve(expr.value if isinstance(expr, ast.Subscript) else expr, cls.parent or cls.module)
            if isinstance(base, (Class, External)):
                yield base

    def mro(self, cls: Class) -> list[Class | External]:
        """The class, then its bases depth first, each once."""
        if cls not in self._mro:
            self._mro[cls] = [cls]  # for bases that are named through the class itself
            order: list[Class | External] = []
            stack: list[Class | External] = [cls]
            while stack and len(order) < 200:
                current = stack.pop()
                if current in order:
                    continue
                order.append(current)
                if isinstance(current, Class):
                    stack.extend(reversed(list(self.bases(current))))
            self._mro[cls] = order
        return self._mro[cls]

    def derives(self, cls: Class | External, *dotted: str) -> bool:
        """Whether the class is, or inherits from, one of these canonical names."""
        order = self.mro(cls) if isinstance(cls, Class) else [cls]
        return any(c.dotted in dotted for c in order)

    def subclasses(self, cls: Class) -> list[Class]:
        """Project classes that inherit from it, directly or not."""
        if self._subclasses is None:
            self._subclasses = defaultdict(list)
            for module in self.modules.values():
                for other in module.classes:
                    for base in self.mro(other)[1:]:
                        if isinstance(base, Class):
                            self._subclasses[base.dotted].append(other)
        return self._subclasses.get(cls.dotted, [])

    def like_protocol(self, cls: Class) -> list[Class]:
        """The class that has every method of a Protocol without inheriting from it, when there is exactly one."""
        if cls not in self._like:
            wanted = cls.methods.keys()
            protocol = bool(wanted) and self.derives(cls, "typing.Protocol")
            others = min((self._having[name] for name in wanted if name in self._having), key=len, default=[])
            found = [c for c in others if c is not cls and wanted <= c.methods.keys()] if protocol else []
            self._like[cls] = found if len(found) == 1 else []
        return self._like[cls]

    @cached_property
    def _having(self) -> dict[str, list[Class]]:
        """Classes of the application by the name of a method."""
        found: dict[str, list[Class]] = defaultdict(list)
        for module in self.modules.values():
            for cls in module.classes if module.kind == "app" else ():
                for name in cls.methods:
                    found[name].append(cls)
        return found


class _NamespacePackage(Module):
    def __init__(self, parts: tuple[str, ...], root_length: int) -> None:
        Scope.__init__(self, None, ast.Module(body=[], type_ignores=[]), None, parts[-1] if parts else "", "")
        self.path = "/".join(parts)
        self.kind = "app"
        self.is_package = True
        self.parts = parts
        self.name_dotted = ".".join(parts[root_length:])


_BUILTINS = frozenset(dir(__import__("builtins"))) | frozenset(
    ("BaseExceptionGroup", "ExceptionGroup", "PythonFinalizationError")  # newer than Python 3.10
)
_BARE_BASES = frozenset(
    "builtins.object typing.Generic typing.Protocol typing_extensions.Protocol typing.NamedTuple abc.ABC "
    "enum.Enum".split()
)


def _absolute_imports(module: Module) -> Iterator[tuple[str, list[str]]]:
    """Absolute imports of a module: dotted name, and the names taken from it (none for a plain import)."""
    for scope in module.importing:
        for node in scope.all(ast.Import):
            yield from ((alias.name, []) for alias in node.names)
        for source in scope.all(ast.ImportFrom):
            if not source.level and source.module:
                yield source.module, [alias.name for alias in source.names]


def _shared(a: tuple[str, ...], b: tuple[str, ...]) -> int:
    count = 0
    for x, y in zip(a, b, strict=False):
        if x != y:
            break
        count += 1
    return count
