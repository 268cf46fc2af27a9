"""Where the environment is read, and which modules are there to read it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.literals import text
from project.language.names import Variable
from project.language.scopes import Module, Scope, parents, subtree
from project.place import Place

if TYPE_CHECKING:
    from project import Project
    from project.routing.schemas import Schema

_CALLS = frozenset(("os.getenv", "os.environ.get"))
_LAST = frozenset(("getenv", "get"))
# Set by the system or the platform, not by whoever deploys the application.
_SYSTEM = re.compile(
    r"(PATH|PYTHONPATH|HOME|USER|USERNAME|LOGNAME|SHELL|LANG|LC_\w+|TZ|PWD|TMP|TEMP|TMPDIR|HOSTNAME|TERM|COLUMNS|EDITOR|CI|"
    r"VIRTUAL_ENV|CONDA_\w+|XDG_\w+|APPDATA|LOCALAPPDATA|PYTEST_\w+|KUBERNETES_\w+|COLAB_\w+|JPY_\w+|DISPLAY|NO_COLOR|PORT)$"
)
_NAMES = re.compile(
    r"(^|_)(config|configs|configuration|settings?|env|environ|environment|constants?|consts?|defaults|conf)(_|$)"
)
_FOLDERS = re.compile(r"(^|/)(config|configs|configuration|settings?|conf|constants)/")
_ENTRIES = frozenset(
    "__main__ main app asgi wsgi cli run server manage logging logger log celery worker gunicorn_conf".split()
)
DOTENV = "dotenv.load_dotenv"


@dataclass(frozen=True, slots=True, eq=False)
class EnvRead:
    """One read of an environment variable; `name` is "" when it is not constant."""

    name: str
    node: ast.expr
    scope: Scope

    @property
    def module(self) -> Module:
        return self.scope.module

    def place(self, label: str = "") -> Place:
        return self.scope.place(self.node, label)


class Environment:
    """Reads of the environment in the application's modules."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._names = project.names

    @cached_property
    def reads(self) -> list[EnvRead]:
        """Every read but those of variables that the system sets, by path and line."""
        return [
            r for m in self._project.app_modules for s in m.walk() for r in self._reads(s) if not _SYSTEM.match(r.name)
        ]

    def _reads(self, scope: Scope) -> Iterator[EnvRead]:
        for call in scope.all(ast.Call) if not _LAST.isdisjoint(scope.called) else ():
            func = call.func
            last = func.attr if isinstance(func, ast.Attribute) else getattr(func, "id", "")
            if last in _LAST and self._names.canonical(func, scope) in _CALLS:
                yield EnvRead(text(call.args[0] if call.args else None, scope, self._names) or "", call, scope)
        for item in scope.all(ast.Subscript):
            if isinstance(item.ctx, ast.Load) and self._names.canonical(item.value, scope) == "os.environ":
                yield EnvRead(text(item.slice, scope, self._names) or "", item, scope)

    def is_home(self, module: Module) -> bool:
        """Whether a module may read the environment: settings, entry points, command lines, set-up of logging."""
        stem = module.path.rpartition("/")[2].removesuffix(".py")
        if _NAMES.search(stem) or _FOLDERS.search(module.path) or stem in _ENTRIES or "/cli/" in f"/{module.path}":
            return True
        return module in self._settings_modules

    @cached_property
    def _settings_modules(self) -> set[Module]:
        return {schema.cls.module for schema in self._project.schemas.settings}

    @cached_property
    def scattered(self) -> list[EnvRead]:
        """Reads outside of the modules that are there for it, and not under `if __name__ == "__main__"`."""
        return [r for r in self.reads if not self.is_home(r.module) and not _is_main(r)]

    @cached_property
    def read_twice(self) -> list[tuple[Schema, Place, Place | None]]:
        """Fields of settings classes that read the environment when the class is made, past Pydantic: class, place,
        and where the object that reads is made.
        """
        found = []
        for schema in self._project.schemas.settings:
            for name, field in schema.own_fields.items():
                default = field.default
                called = default.func if isinstance(default, ast.Call) else None
                values = self._project.values.of(called, schema.cls) if called is not None else ()
                if any(v.dotted in _READERS for v in values):
                    found.append((schema, schema.cls.place(field.default, name), self._made(called, schema.cls)))
        return found

    def _made(self, expr: ast.expr | None, scope: Scope) -> Place | None:
        """Where a module makes the object that a name stands for."""
        entity = self._names.resolve(expr, scope) if expr is not None else None
        if isinstance(entity, Variable):
            return entity.scope.place(entity.bindings[0].node, f"{entity.name} is made")
        return None

    @cached_property
    def dotenvs(self) -> list[Place]:
        """Calls of `load_dotenv`."""
        found = []
        for module in self._project.app_modules:
            for scope in module.walk() if "load_dotenv" in module.source.text else ():
                for call in scope.all(ast.Call):
                    last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                    if last == "load_dotenv" and self._names.canonical(call.func, scope) in (
                        DOTENV,
                        "dotenv.main.load_dotenv",
                    ):
                        found.append(scope.place(call))
        return found


_READERS = frozenset(
    ("starlette.config.Config", "starlette.config.Config()", "decouple.config", "os.getenv", "os.environ.get")
)


def _is_main(read: EnvRead) -> bool:
    for holder in parents(read.node):
        if isinstance(holder, ast.If) and any(
            isinstance(n, ast.Name) and n.id == "__name__" for n in subtree(holder.test)
        ):
            return True
    return False
