"""State and collaborators that handlers reach for instead of getting them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import LOW, MEDIUM, Found, Hit
from code_organization.dimension import organization
from project import Function, Project
from project.language.scopes import parent, parents
from project.place import Place
from project.serving.shared_state import CONTAINER, OBJECT, REBOUND, Change, Shared

_SERVICE = re.compile(r"(?!https?:)[a-z][a-z0-9+.\-]*://\S+$")
_INTERNAL = re.compile(
    r"https?://(localhost|127\.\d+\.\d+\.\d+|10\.\d+\.\d+\.\d+|192\.168\.\d+\.\d+|172\.(1[6-9]|2\d|3[01])\.\d+\.\d+|"
    r"host\.docker\.internal|[a-z][a-z0-9_-]*|[\w.-]+\.(local|internal|lan|svc|cluster\.local))(:\d+)?(/\S*)?$"
)
_CLIENTS = frozenset("httpx httpx2 requests aiohttp urllib urllib3".split())
CACHES = frozenset(("functools.lru_cache", "functools.cache"))
_EMPTY = frozenset("clear popleft popitem".split())
_ASIDE = re.compile(r"task|refs?$|lock|_pool$|executor", re.IGNORECASE)


@organization.check(
    "ORG008",
    "missing-dependency-injection",
    title="Handler reaches for what it should be given",
    impact=MEDIUM,
    anti_pattern=3,
    fix="Make it in the lifespan or a factory and hand it over with Depends; keep state where workers share it.",
)
def missing_injection(project: Project) -> Found:
    """What a handler takes from its module no test can replace, and state in a process is another in each worker.

    Source: FastAPI, Dependencies, https://fastapi.tiangolo.com/tutorial/dependencies/

    Bad:
        # main.py
        import os
        import httpx
        from fastapi import FastAPI
        from users import Users

        app = FastAPI()
        users = Users("postgresql://admin@db/prod")  # ORG008
        seen: dict[str, str] = {}  # ORG008

        @app.get("/users/{name}")
        def read_user(name: str) -> str:
            return users.find(name)

        @app.get("/fetch/{name}")
        async def fetch(name: str) -> str:
            key = os.environ["PARTNER_KEY"]  # ORG008
            async with httpx.AsyncClient(base_url="http://10.0.0.7:9000") as client:  # ORG008
                seen[name] = (await client.get(name, headers={"k": key})).text
            return seen[name]
        # users.py
        class Users:
            def __init__(self, dsn: str) -> None:
                self.dsn = dsn

            def find(self, name: str) -> str:
                return name
    Good:
        # main.py
        from typing import Annotated
        from fastapi import Depends, FastAPI, Request
        from users import Users

        app = FastAPI()

        def get_users(request: Request) -> Users:
            return request.state.users

        @app.get("/users/{name}")
        def read_user(name: str, users: Annotated[Users, Depends(get_users)]) -> str:
            return users.find(name)
        # users.py
        class Users:
            def find(self, name: str) -> str:
                return name
    Not this:
        # main.py
        import logging
        from fastapi import FastAPI
        from fastapi.templating import Jinja2Templates
        from sqlalchemy import create_engine
        from sqlalchemy.orm import sessionmaker
        from users import Users

        app = FastAPI()
        log = logging.getLogger(__name__)
        templates = Jinja2Templates(directory="templates")
        engine = create_engine("sqlite://")
        SessionLocal = sessionmaker(engine)
        PAGE_SIZE = 50
        HANDLERS = {}
        repository = Users()

        def register(name, handler):
            HANDLERS[name] = handler

        register("x", len)
        _parsed = {}

        def parse(text: str) -> str:
            if text not in _parsed:
                _parsed[text] = text.upper()
            return _parsed[text]

        @app.get("/users/{name}")
        def read_user(name: str) -> str:
            found = {}
            found[name] = repository.find(parse(name))
            return found[name]
        # users.py
        class Users:
            def find(self, name: str) -> str:
                return name
    """
    yield from _built_with_addresses(project)
    yield from _changed(project)
    yield from _environment(project)
    yield from _addresses(project)


def _direct(project: Project, function: Function) -> bool:
    """Whether FastAPI calls a function (or the one it stands in) as a path operation or dependency."""
    outer: Function | None = function
    while outer is not None:
        if outer in project.exceptions.handlers or outer in project.exceptions.dependencies:
            return True
        outer = outer.parent if isinstance(outer.parent, Function) else None
    return False


def _built_with_addresses(project: Project) -> Iterator[Hit]:
    for variable, call, address in project.shared_state.built_with_addresses:
        if _SERVICE.match(address) or _INTERNAL.match(address):
            users = project.shared_state.users(variable)
            if users:
                place = variable.scope.place(call)
                message = f"{variable.name} is made at import with a fixed address; {_named(users)} from the module"
                yield Hit(place, message, tuple(f.place(node, f"uses {variable.name}") for f, node in users[:5]))


def _named(users: list[tuple[Function, ast.AST]]) -> str:
    """Who takes it, with the verb: `read_user takes it`."""
    first = users[0][0].name
    return f"{first} and {len(users) - 1} more take it" if len(users) > 1 else f"{first} takes it"


def _changed(project: Project) -> Iterator[Hit]:
    rest: list[Place] = []
    yield from _filled_at_start(project)
    for shared in project.shared_state.all:
        if shared.kind == REBOUND:
            continue
        serving = [c for c in shared.changes if not c.guarded and project.requests.within(c.function) is not None]
        direct = [c for c in serving if _direct(project, c.function)]
        aside = _ASIDE.search(shared.name) or _is_emptied(shared, serving)
        if (shared.kind == OBJECT and serving) or (direct and not aside):
            names = ", ".join(dict.fromkeys(c.function.name for c in serving[:3]))
            message = (
                f"{shared.name} lives in the module and {names} change it: each worker has its own, tests share it"
            )
            places = tuple(c.place(f"changes {shared.name}") for c in serving)
            impact = LOW if all(_runs_once(project, c.function) for c in serving) else None
            yield Hit(shared.place(), message, places[:1], impact, places=places)
        elif shared.kind == CONTAINER and serving and not aside:
            rest.append(shared.place(shared.name))
    if rest:
        names = ", ".join(place.label for place in rest[:4])
        message = f"{len(rest)} module variables change while requests are served ({names}): each worker has its own"
        yield Hit(rest[0], message, impact=LOW, places=tuple(rest[1:]))


def _runs_once(project: Project, function: Function) -> bool:
    """Whether a function is only called to make what is still missing: `if self._client is None:`."""
    sites = project.calls.callers(function)
    return bool(sites) and all(any(map(_asks_for_missing, parents(site.node))) for site in sites)


def _asks_for_missing(holder: ast.AST) -> bool:
    test = holder.test if isinstance(holder, ast.If) else None
    if isinstance(test, ast.UnaryOp):
        return isinstance(test.op, ast.Not) and isinstance(test.operand, ast.Attribute)
    return isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.Is) and isinstance(test.left, ast.Attribute)


def _is_emptied(shared: Shared, serving: list[Change]) -> bool:
    """Whether something else than requests empties a container: a buffer that each process writes out by itself."""
    requests = {c.function for c in serving}
    others = [c.node for c in shared.changes if c.function not in requests]
    return any(isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute) and n.func.attr in _EMPTY for n in others)


def _filled_at_start(project: Project) -> Iterator[Hit]:
    """Variables that start-up fills and handlers read from the module, together for each function that fills them."""
    groups: dict[tuple[str, Function], list[tuple[Shared, list[tuple[Function, ast.AST]]]]] = {}
    for shared in project.shared_state.all:
        readers = _readers(project, shared) if shared.kind == REBOUND else []
        if readers:
            groups.setdefault((shared.module.path, shared.changes[0].function), []).append((shared, readers))
    for (_, filling), group in groups.items():
        first, readers = group[0]
        more = f" and {len(group) - 1} more are" if len(group) > 1 else " is"
        message = f"{first.name}{more} filled at start-up by {filling.name}; {_named(readers)} from the module"
        places = [shared.place(shared.name) for shared, _ in group[1:]]
        places += [f.place(node, f"uses {shared.name}") for shared, found in group for f, node in found]
        yield Hit(first.place(), message, (first.changes[0].place("filled here"),), places=tuple(places))


def _readers(project: Project, shared: Shared) -> list[tuple[Function, ast.AST]]:
    """Who reads a variable for requests, when start-up and nothing else fills it."""
    state = project.shared_state
    started = any(c.function in state.starting for c in shared.changes)
    if not started or any(project.requests.within(c.function) is not None for c in shared.changes):
        return []
    return [(f, node) for f, node in state.readers(shared) if not _hands_out(f, shared.name)]


def _hands_out(function: Function, name: str) -> bool:
    """Whether a function is there to return the variable."""
    return any(
        isinstance(r.value, (ast.Name, ast.Attribute)) and name in ast.unparse(r.value)
        for r in function.all(ast.Return)
    )


def _environment(project: Project) -> Iterator[Hit]:
    by_file: dict[str, list[tuple[str, Place]]] = {}
    for read in project.environment.reads:
        if (
            isinstance(read.scope, Function)
            and _direct(project, read.scope)
            and not _makes_settings(project, read.scope)
        ):
            by_file.setdefault(read.module.path, []).append((read.name or "a variable", read.place()))
    for reads in by_file.values():
        names = ", ".join(dict.fromkeys(name for name, _ in reads))
        message = f"the environment ({names}) is read for each request, past every setting a test could replace"
        yield Hit(reads[0][1], message, places=tuple(place for _, place in reads[1:]))


def _makes_settings(project: Project, function: Function) -> bool:
    """Whether a dependency is the one place that makes the settings, or keeps what it read."""
    scope = function.parent or function.module
    called = [d.func if isinstance(d, ast.Call) else d for d in function.decorators]
    return "setting" in function.name or any(project.names.canonical(d, scope) in CACHES for d in called)


def _addresses(project: Project) -> Iterator[Hit]:
    for function in project.requests.functions:
        for node in function.all(ast.Constant):
            if (
                isinstance(node.value, str)
                and "://" in node.value
                and _INTERNAL.match(node.value)
                and _is_called_with(project, node, function)
            ):
                yield Hit(function.place(node), f"the address {node.value} of a service stands in {function.name}")


def _is_called_with(project: Project, node: ast.Constant, function: Function) -> bool:
    """Whether a text is the address that an HTTP client gets."""
    call = next((h for h in parents(node) if isinstance(h, ast.Call)), None)
    if call is None or isinstance(parent(node), (ast.Compare, ast.JoinedStr, ast.BoolOp, ast.IfExp)):
        return False
    names = project.calls.site(call, function).names
    return any(name.split(".")[0] in _CLIENTS and not name.endswith((".Request", ".URL")) for name in names)
