"""Functions that run without being called by the project: handlers, dependencies, middleware, tasks, start-up."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.scopes import Class, Function, Scope, parents
from project.language.value_types import Bound, Instance
from project.place import Place
from project.routing.routes import called_functions

if TYPE_CHECKING:
    from project import Project

KINDS = ("handler", "dependency", "middleware", "exception handler", "hook", "background task", "start-up")
HOOKS = (
    ("starlette.authentication.AuthenticationBackend", "authenticate"),
    ("httpx.AsyncBaseTransport", "handle_async_request"),
    ("httpx.AsyncHTTPTransport", "handle_async_request"),
    *(
        ("fastapi_users.BaseUserManager", name)
        for name in "authenticate create update get_by_email validate_password on_after_login on_after_register".split()
    ),
)
_IN_MIDDLEWARE = frozenset(("starlette.authentication.AuthenticationBackend",))
_HOOK_NAMES = frozenset(name for _, name in HOOKS)
TASK_MAKERS = frozenset(
    "fastapi.BackgroundTasks.add_task starlette.background.BackgroundTask "
    "starlette.background.BackgroundTasks.add_task".split()
)
SCHEDULERS = frozenset(
    "apscheduler.schedulers.asyncio.AsyncIOScheduler.add_job "
    "apscheduler.schedulers.asyncio.AsyncIOScheduler.scheduled_job".split()
)
SOCKET_EVENTS = frozenset(f"socketio.{n}.{m}" for n in ("AsyncServer", "AsyncNamespace") for m in ("on", "event"))
STARTS_TASK = frozenset(
    "asyncio.create_task asyncio.ensure_future asyncio.AbstractEventLoop.create_task asyncio.tasks.create_task "
    "asyncio.TaskGroup.create_task anyio.abc.TaskGroup.start_soon anyio.create_task_group().start_soon".split()
)
_REGISTER = frozenset("add_task BackgroundTask add_job".split())
_START = frozenset("create_task ensure_future start_soon".split())


@dataclass(frozen=True, slots=True)
class Root:
    """A function that FastAPI (or the event loop) calls itself. `kind` is one of KINDS, `label` names it
    (`POST /orders create_order`). An async def is awaited on the event loop; a plain def runs in the threadpool,
    except at start-up, where Starlette calls it itself."""

    function: Function
    kind: str
    label: str
    on_loop: bool

    def place(self) -> Place:
        return self.function.place(label=self.label)


def roots(project: Project) -> list[Root]:
    """Every function FastAPI calls by itself, handlers first; each function and label once."""
    found: dict[tuple[Function, str], Root] = {}
    for function, kind, label in (
        *_handlers(project), *_dependencies(project), *_by_apps(project), *_background(project), *_registered(project),
        *_hooks(project),
    ):  # fmt: skip
        wrappers = project.indirect.wrappers(function)
        on_loop = function.is_async or kind == "start-up" or project.indirect.is_called_inside(function)
        root = Root(function, kind, label, on_loop)
        found.setdefault((function, label), root)
        for wrapper in wrappers:
            if not any(known is wrapper for known, _ in found):
                found[wrapper, label] = Root(wrapper, kind, label, wrapper.is_async)
    return sorted(found.values(), key=lambda r: KINDS.index(r.kind))


Found = Iterator[tuple[Function, str, str]]


def _handlers(project: Project) -> Found:
    for route in project.routes:
        if route.function is not None:
            verb = "WS" if route.websocket else "/".join(route.methods)
            yield route.function, "handler", f"{verb} {route.path} {route.function.name}"


def _dependencies(project: Project) -> Found:
    for route in project.routes:
        for provider in route.dependency_functions:
            function = _callable(project, provider)
            if function is not None:
                yield function, "dependency", f"dependency {function.name}"


def _callable(project: Project, provider: object) -> Function | None:
    if isinstance(provider, Function):
        return provider
    if isinstance(provider, Bound):
        return provider.function
    if isinstance(provider, Class):
        made = project.names.class_member(provider, "__init__")
        return made if isinstance(made, Function) else None
    if isinstance(provider, Instance) and isinstance(provider.cls, Class):
        called = project.names.class_member(provider.cls, "__call__")
        return called if isinstance(called, Function) else None
    return None


def _by_apps(project: Project) -> Found:
    """Middleware, exception handlers and start-up of every application."""
    for app in project.route_map.apps:
        called = [(f, "middleware") for m in app.middleware for f in called_functions(project, m.value)]
        handling = [h.function for h in app.exception_handlers]
        called += [(f, "exception handler") for value in handling for f in called_functions(project, value)]
        starting = [app.kwargs.get("lifespan"), *(value for _, value, _ in app.events)]
        called += [(f, "start-up") for value in starting for f in called_functions(project, value)]
        for function, kind in called:
            yield function, kind, f"{kind} {function.owner.name if function.owner else function.name}"


def _background(project: Project) -> Found:
    """Functions given to BackgroundTasks or to a scheduler."""
    for call, scope in calls_to(project, _REGISTER):
        site = project.calls.site(call, scope)
        if TASK_MAKERS.intersection(site.names) or SCHEDULERS.intersection(site.names):
            for function in project.calls.passed(site.argument(0, "func"), scope):
                yield function, "background task", f"background task {function.name}"


def _registered(project: Project) -> Found:
    """Functions that a decorator gives to a socket server or a scheduler."""
    for module in project.app_modules:
        for function in module.functions:
            for decorator in function.decorators:
                target = decorator.func if isinstance(decorator, ast.Call) else decorator
                if not isinstance(target, ast.Attribute) or target.attr not in ("on", "event", "scheduled_job"):
                    continue
                names = {v.dotted for v in project.values.of(target, function.parent or module)}
                if names & SOCKET_EVENTS:
                    yield function, "handler", f"socket event {function.name}"
                elif names & SCHEDULERS:
                    yield function, "background task", f"scheduled job {function.name}"


def _hooks(project: Project) -> Found:
    """Coroutines that a library calls for each request or call because their class derives from one of its own."""
    for module in project.app_modules:
        for cls in module.classes:
            for base, name in HOOKS if cls.methods.keys() & _HOOK_NAMES else ():
                hook = cls.methods.get(name)
                if hook is not None and hook.is_async and project.names.derives(cls, base):
                    yield hook, "middleware" if base in _IN_MIDDLEWARE else "hook", f"{cls.name}.{name}"


def calls_to(project: Project, last: frozenset[str]) -> Iterator[tuple[ast.Call, Scope]]:
    """Calls of the application whose written name ends with one of these, unresolved, by file and line."""
    found = [c for name in last for c in project.values.written_calls(name)]
    yield from sorted(found, key=lambda c: (c[1].module.path, c[0].lineno, c[0].col_offset))


def is_task_start(project: Project, site: CallSite) -> bool:
    """Whether the coroutine that a call makes is handed to the loop as a task of its own."""
    for holder in parents(site.node):
        if isinstance(holder, ast.Call) and _last(holder.func) in _START:
            return bool(STARTS_TASK.intersection(project.calls.site(holder, site.scope).names))
        if isinstance(holder, ast.stmt):
            return False
    return False


def _last(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else func.attr if isinstance(func, ast.Attribute) else ""
