"""Dependencies that do not do what they look like."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from check import HIGH, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Class, Function, Project, Scope
from project.language.literals import keyword
from project.language.names import Variable
from project.language.value_types import CONTEXT_MANAGERS, DEPENDS, Awaitable, Instance
from project.place import Place

_CALLABLE = frozenset(
    "builtins.function builtins.type typing.Callable collections.abc.Callable functools.partial".split()
)
_PLAIN = (
    "builtins.",
    "sqlalchemy.orm.Session",
    "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlmodel.",
    "contextlib.manager",
)


@organization.check(
    "ORG009",
    "di-misuse",
    title="Dependency used wrongly",
    impact=HIGH,
    anti_pattern=3,
    fix="Hand the plain function to Depends; share one Annotated alias; pass arguments to what you call yourself.",
)
def di_misuse(project: Project) -> Found:
    """Depends wants the function, not its result; and only FastAPI fills parameters that depend on something.

    A function called by your own code gets the Depends object itself as default. An Annotated alias given to Depends
    never runs: `args` and `kwargs` become query parameters.

    Source: FastAPI, Dependencies, https://fastapi.tiangolo.com/tutorial/dependencies/

    Bad:
        from contextlib import contextmanager
        from typing import Annotated
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def get_db():
            yield 1

        @contextmanager
        def get_cache():
            yield 2

        Db = Annotated[int, Depends(get_db)]

        @app.get("/a")
        def read_a(db: int = Depends(get_db())) -> int:  # ORG009
            return db

        @app.get("/b")
        def read_b(cache: int = Depends(get_cache)) -> int:  # ORG009
            return cache

        @app.get("/c")
        def read_c(db: int = Depends(Db)) -> int:  # ORG009
            return db

        @app.get("/d")
        def read_d(db: int = Depends(get_db)) -> int:
            return db.real

        @app.get("/e")
        def read_e() -> int:
            return read_d()  # ORG009
    Good:
        from typing import Annotated
        from fastapi import Depends, FastAPI

        app = FastAPI()

        def get_db():
            yield 1

        Db = Annotated[int, Depends(get_db)]

        @app.get("/a")
        def read_a(db: Db) -> int:
            return db

        @app.get("/e")
        def read_e(db: Db) -> int:
            return read_a(db)
    Not this:
        from fastapi import Depends, FastAPI

        app = FastAPI()

        class Pages:
            def __call__(self, page: int = 1) -> int:
                return page

        def require(role: str):
            def check(name: str) -> str:
                return name + role
            return check

        def get_db():
            yield 1

        def signed_in(db: int = Depends(get_db)) -> None:
            return None

        @app.get("/a", dependencies=[Depends(require("admin"))])
        def read_a(page: int = Depends(Pages()), db: int = Depends(get_db, use_cache=False)) -> int:
            signed_in()
            return page + db

        @app.get("/b")
        def read_b(db: int = Depends(get_db)) -> int:
            return read_a(1, db) + read_a(page=1, db=db)
    """
    limits: dict[str, list[tuple[Scope, ast.Call]]] = defaultdict(list)
    for scope, call in _depends_calls(project):
        given = call.args[0] if call.args else keyword(call, "dependency")
        if given is not None:
            wrong = _wrong(project, given, scope)
            if wrong:
                yield Hit(scope.place(call), wrong)
            if keyword(call, "max_concurrency") is not None:
                limits[ast.unparse(given)].append((scope, call))
    for name, calls in limits.items():
        if len(calls) > 1:
            first, rest = calls[0], calls[1:]
            message = f"{len(calls)} Depends({name}, max_concurrency=...) objects: each has a limit of its own"
            yield Hit(first[0].place(first[1]), message, impact=MEDIUM, places=tuple(s.place(c) for s, c in rest))
    yield from _called_by_hand(project)


def _depends_calls(project: Project) -> Iterator[tuple[Scope, ast.Call]]:
    for module in project.app_modules:
        for scope in module.walk() if "Depends" in module.source.text or "Security" in module.source.text else ():
            for call in scope.all(ast.Call):
                last = call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")
                if last in ("Depends", "Security") and project.names.canonical(call.func, scope) in DEPENDS:
                    yield scope, call


def _wrong(project: Project, given: ast.expr, scope: Scope) -> str:
    """What is wrong with the argument of Depends, "" when nothing is."""
    if isinstance(given, ast.Call):
        called = project.names.resolve(given.func, scope)
        if isinstance(called, Function) and _gives_no_callable(project, called, given, scope):
            return f"Depends gets what {called.name}() returns instead of the function: TypeError, it cannot be called"
        return ""
    entity = project.names.resolve(given, scope)
    if isinstance(entity, Function):
        outer = entity.parent or entity.module
        if any(project.names.canonical(d, outer) in CONTEXT_MANAGERS for d in entity.decorators):
            return (
                f"{entity.name} is a context manager: FastAPI wants the plain generator function, without the decorator"
            )
    if isinstance(entity, Variable) and len(entity.bindings) == 1:
        value = entity.bindings[0].value
        if (
            isinstance(value, ast.Subscript)
            and project.names.canonical(value.value, entity.scope) == "typing.Annotated"
        ):
            return f"{entity.name} is an Annotated alias: inside Depends it never runs and adds query parameters"
    return ""


def _gives_no_callable(project: Project, called: Function, call: ast.Call, scope: Scope) -> bool:
    if called.is_async or (called.is_generator and not called.decorators):
        return True
    values = project.values.of(call, scope)
    return bool(values) and all(
        isinstance(v, Awaitable)
        or (
            isinstance(v, Instance)
            and not isinstance(v.cls, Class)
            and v.dotted.startswith(_PLAIN)
            and v.dotted not in _CALLABLE
        )
        for v in values
    )


def _called_by_hand(project: Project) -> Iterator[Hit]:
    """Calls that leave out an argument whose default is `Depends(...)` and that the function uses."""
    waiting: dict[str, list[tuple[Function, list[str]]]] = defaultdict(list)
    for module in project.app_modules:
        for function in module.functions:
            needed = [
                a.arg
                for a, default in function.params
                if _is_depends(project, default, function)
                and _is_used(function, a.arg)
                and len(function.bindings.get(a.arg, ())) == 1  # not what the function replaces when it is a Depends
            ]
            if needed:
                waiting[function.name].append((function, needed))
    found: dict[Function, list[tuple[Place, list[str]]]] = defaultdict(list)
    for name, functions in waiting.items():
        for call, scope in project.spelled.written(name):
            for function, needed in functions:
                missing = _missing(project, call, scope, function, needed)
                if missing:
                    found[function].append((scope.place(call), missing))
    for function, calls in found.items():
        place, missing = calls[0]
        named = ", ".join(missing[:3]) + (", ..." if len(missing) > 3 else "")
        message = f"{function.qualname} is called without {named}: it gets the Depends object itself"
        impact = HIGH if any(_is_opened(function, name) for name in missing) else MEDIUM
        origin = function.place(label=f"def {function.name}")
        yield Hit(place, message, (origin,), impact, places=tuple(p for p, _ in calls[1:]))


def _is_opened(function: Function, name: str) -> bool:
    """Whether a function uses a parameter itself, instead of only passing it on."""
    opened = [a.value for s in function.walk() for a in s.all(ast.Attribute)]
    opened += [a.value for s in function.walk() for a in s.all(ast.Subscript)]
    return any(isinstance(value, ast.Name) and value.id == name for value in opened)


def _is_depends(project: Project, default: ast.expr | None, function: Function) -> bool:
    return (
        isinstance(default, ast.Call)
        and project.names.canonical(default.func, function.parent or function.module) in DEPENDS
    )


def _is_used(function: Function, name: str) -> bool:
    return any(n.id == name and isinstance(n.ctx, ast.Load) for s in function.walk() for n in s.all(ast.Name))


def _missing(project: Project, call: ast.Call, scope: Scope, function: Function, needed: list[str]) -> list[str]:
    starred = any(isinstance(a, ast.Starred) for a in call.args) or any(k.arg is None for k in call.keywords)
    site = project.calls.site(call, scope)
    if starred or function not in site.targets or len(site.targets) > 1 or site.certainty != "resolved":
        return []
    names = [a.arg for a, _ in function.params]
    bound = 1 if function.owner is not None and isinstance(call.func, ast.Attribute) else 0
    given = set(names[bound : bound + len(call.args)]) | {k.arg for k in call.keywords}
    return [name for name in needed if name not in given]
