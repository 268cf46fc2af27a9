"""Tasks and coroutines: started and lost, or never awaited."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from async_performance.lost_tasks import coroutines, is_harmless, tells_its_errors, tells_nearly_all
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Module, Project, Scope
from project.language.calls import CallSite
from project.language.scopes import parent, parents
from project.serving.effects import FILES, MESSAGES, OBJECTS, ROWS
from project.serving.roots import calls_to

STARTS_TASK = frozenset(
    "asyncio.create_task asyncio.ensure_future asyncio.AbstractEventLoop.create_task asyncio.tasks.create_task".split()
)
MAKES_TASK = frozenset(("create_task", "ensure_future"))
OF_COROUTINE = frozenset(("send", "close", "throw", "cr_frame", "cr_running", "cr_code", "cr_await", "__await__"))
_LOSSES = {
    ROWS: "the rows it writes",
    FILES: "the files it writes",
    OBJECTS: "the objects it stores",
    MESSAGES: "the messages it sends",
}
KEEPS_COROUTINE = frozenset(("builtins.staticmethod", "builtins.classmethod", "functools.wraps"))


@performance.check(
    "ASY005",
    "fire-and-forget-task",
    title="Task started and forgotten",
    impact=HIGH,
    anti_pattern=2,
    fix="Keep the task (in a set with add_done_callback(discard)), await it, use a TaskGroup, or use BackgroundTasks.",
)
def fire_and_forget_task(project: Project) -> Found:
    """The loop keeps only a weak reference to a task: one nobody keeps may be collected while it waits, and its
    exception appears only as a log line. It weighs most where it writes: rows, files, stored objects or messages
    are then missing.

    Source: Python, asyncio.create_task, https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task

    Bad:
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()

        async def audit(name):
            await asyncio.to_thread(open("audit.txt", "a").write, name)

        @app.post("/items")
        async def create(name: str):
            asyncio.create_task(audit(name))  # ASY005
            return {"ok": True}
    Good:
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()
        tasks = set()

        async def audit(name): ...

        @app.post("/items")
        async def create(name: str):
            task = asyncio.create_task(audit(name))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
            return {"ok": True}
    Not this:
        import asyncio
        from contextlib import asynccontextmanager
        from fastapi import FastAPI

        async def work(): ...

        @asynccontextmanager
        async def lifespan(app):
            worker = asyncio.create_task(work())
            yield
            worker.cancel()

        async def several():
            async with asyncio.TaskGroup() as group:
                group.create_task(work())
            pending = [asyncio.create_task(work())]
            await asyncio.gather(*pending)

        app = FastAPI(lifespan=lifespan)
    """
    lost: dict[tuple[Module, bool], list[CallSite]] = {}
    for call, scope in calls_to(project, MAKES_TASK):
        site = project.calls.site(call, scope)
        if STARTS_TASK.intersection(site.names) and _forgotten(site):
            lost.setdefault((scope.module, is_harmless(project, site)), []).append(site)
    for (_, harmless), sites in lost.items():
        served = [s for s in sites if project.requests.within(s.scope) or project.event_loop.within(s.scope)]
        losses = {id(s): _lost(project, s) for s in sites}
        grave = [s for s in served if losses[id(s)] and not harmless]
        site = next(iter(grave or served or sites))
        more = [s for s in sites if s is not site]
        many = f"; {len(more)} more in this file" if more else ""
        told = "" if tells_its_errors(project, site) else " and its error is lost"
        lost_too = f", {losses[id(site)]} are lost with it{told}" if losses[id(site)] and not harmless else told
        yield Hit(
            site.place(),
            f"the task is not kept: {_what(site)} may end early{lost_too}{many}",
            impact=LOW if harmless else None if grave else MEDIUM,
            places=tuple(s.place(_what(s)) for s in more),
        )


def _lost(project: Project, site: CallSite) -> str:
    """What is lost when a task fails unseen ("the rows it writes"), "" where it tells its errors or writes nothing."""
    if tells_its_errors(project, site) or tells_nearly_all(project, site):
        return ""
    return next((_LOSSES[e] for t in coroutines(project, site) if (e := project.effects.of(t))), "")


def _forgotten(site: CallSite) -> bool:
    holder = parent(site.node)
    if isinstance(holder, ast.Expr):
        return True
    if not isinstance(holder, ast.Assign) or len(holder.targets) != 1 or not isinstance(holder.targets[0], ast.Name):
        return False
    name = holder.targets[0].id
    if not isinstance(site.scope, Function) or name in _declared_elsewhere(site.scope):
        return False
    if ast.Yield in site.scope.nodes:
        return False
    return not any(_loads(inner, name) for inner in site.scope.walk())


def _declared_elsewhere(scope: Scope) -> set[str]:
    statements: list[ast.Global | ast.Nonlocal] = [*scope.all(ast.Global), *scope.all(ast.Nonlocal)]
    return {name for statement in statements for name in statement.names}


def _loads(scope: Scope, name: str) -> bool:
    return any(n.id == name and isinstance(n.ctx, ast.Load) for n in scope.all(ast.Name))


def _what(site: CallSite) -> str:
    given = site.argument(0, "coro")
    return ast.unparse(given.func) if isinstance(given, ast.Call) else "the work"


@performance.check(
    "ASY012",
    "coroutine-never-awaited",
    title="Coroutine never awaited",
    impact=HIGH,
    anti_pattern=2,
    fix="Put await in front of the call.",
)
def coroutine_never_awaited(project: Project) -> Found:
    """Calling an async def only makes a coroutine; without await its body never runs.

    Source: Python, Coroutines and Tasks, https://docs.python.org/3/library/asyncio-task.html#coroutines

    Bad:
        from fastapi import FastAPI

        app = FastAPI()

        async def audit(name): ...

        @app.post("/items")
        async def create(name: str):
            audit(name)  # ASY012
            return {"ok": True}

        async def is_admin(name): ...

        @app.delete("/items")
        async def delete(name: str):
            if not is_admin(name):  # ASY012
                return {"ok": False}
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        async def audit(name): ...

        @app.post("/items")
        async def create(name: str):
            await audit(name)
            return {"ok": True}
    Not this:
        import asyncio
        from celery import shared_task
        from fastapi import BackgroundTasks, FastAPI

        app = FastAPI()

        async def audit(name): ...

        @shared_task
        async def queued(name): ...

        @app.post("/items")
        async def create(name: str, background: BackgroundTasks):
            background.add_task(audit, name)
            queued(name)
            await asyncio.gather(audit(name), audit(name))
            return {"ok": True}
    """
    coroutines = frozenset(f.name for m in project.app_modules for f in m.functions if f.is_async)
    for call, scope in calls_to(project, coroutines):
        wrong = _use_of_result(call)
        reached = project.values.of(call.func, scope) if wrong else ()
        targets, certainty = project.calls.runs(reached[0]) if len(reached) == 1 else ([], "")
        target = targets[0] if len(targets) == 1 else None
        if target is None or not target.is_async or target.is_generator or not _stays_coroutine(project, target):
            continue
        if (certainty == "resolved" or (isinstance(scope, Function) and scope.is_async)) and not _is_dead(call):
            yield Hit(
                scope.place(call),
                f"{target.qualname} is an async def and is called without await: {wrong}",
                (target.place(label=f"async def {target.name}"),),
                certainty=certainty,
            )


def _is_dead(call: ast.Call) -> bool:
    """Whether the call stands under `if False and ...`."""
    tests = (h.test for h in parents(call) if isinstance(h, ast.If))
    firsts = (t.values[0] if isinstance(t, ast.BoolOp) and isinstance(t.op, ast.And) else t for t in tests)
    return any(isinstance(f, ast.Constant) and not f.value for f in firsts)


def _use_of_result(call: ast.Call) -> str:
    """What goes wrong when the call gives a coroutine; "" where a coroutine may be meant."""
    holder = parent(call)
    if isinstance(holder, ast.Expr):
        return "it never runs"
    if isinstance(holder, (ast.If, ast.While, ast.IfExp)):
        return "a coroutine is always true" if holder.test is call else ""
    if isinstance(holder, ast.UnaryOp) and isinstance(holder.op, ast.Not):
        return "a coroutine is always true"
    if isinstance(holder, (ast.Compare, ast.BinOp, ast.FormattedValue)):
        return "the coroutine itself is used, not its result"
    if isinstance(holder, (ast.Attribute, ast.Subscript)) and holder.value is call:
        ours = isinstance(holder, ast.Attribute) and holder.attr in OF_COROUTINE
        return "" if ours else "the coroutine itself is used, not its result"
    return ""


def _stays_coroutine(project: Project, function: Function) -> bool:
    scope = function.parent or function.module
    return all(project.names.canonical(d, scope) in KEEPS_COROUTINE for d in function.decorators)
