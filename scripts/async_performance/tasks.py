"""Tasks and coroutines: started and lost, never awaited, or run in the wrong place."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from check import HIGH, Found, Hit
from project import Function, Project, Scope
from project.calls import CallSite
from project.scopes import parent, parents

STARTS_TASK = frozenset(
    "asyncio.create_task asyncio.ensure_future asyncio.AbstractEventLoop.create_task asyncio.tasks.create_task".split()
)
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
    """The loop keeps only a weak reference to a task: one nobody keeps may be collected before it ends, and its
    exception is never seen.

    Source: Python, asyncio.create_task, https://docs.python.org/3/library/asyncio-task.html#asyncio.create_task

    Bad:
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()

        async def audit(name): ...

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
    for module in project.app_modules:
        for scope in module.walk():
            for site in project.calls.sites(scope):
                if STARTS_TASK.intersection(site.names) and _forgotten(site):
                    yield Hit(site.place(), f"the task is not kept: {_what(site)} may end early and its error is lost")


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
    for module in project.app_modules:
        for scope in module.walk():
            for site in project.calls.sites(scope):
                if site.call is None or not isinstance(parent(site.node), ast.Expr) or len(site.targets) != 1:
                    continue
                target = site.targets[0]
                if target.is_async and not target.is_generator and _stays_coroutine(project, target):
                    yield Hit(
                        site.place(),
                        f"{target.qualname} is an async def and is called without await: it never runs",
                        (target.place(label=f"async def {target.name}"),),
                        certainty=site.certainty,
                    )


def _stays_coroutine(project: Project, function: Function) -> bool:
    scope = function.parent or function.module
    return all(project.names.canonical(d, scope) in KEEPS_COROUTINE for d in function.decorators)


@performance.check(
    "ASY013",
    "event-loop-misuse",
    title="Event loop started or asked for in the wrong place",
    impact=HIGH,
    anti_pattern=2,
    fix="Await the coroutine on the loop; from a thread use anyio.from_thread.run.",
)
def event_loop_misuse(project: Project) -> Found:
    """asyncio.run raises where a loop already runs, and create_task raises in a plain def, which runs in a thread
    that has no loop.

    Source: Python, asyncio.run, https://docs.python.org/3/library/asyncio-runner.html#asyncio.run

    Bad:
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()

        async def load(): ...

        @app.get("/a")
        async def nested():
            return asyncio.run(load())  # ASY013

        @app.get("/b")
        def in_a_thread():
            task = asyncio.create_task(load())  # ASY013
            return str(task)
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        async def load(): ...

        @app.get("/a")
        async def direct():
            return await load()
    Not this:
        import asyncio
        from fastapi import FastAPI

        app = FastAPI()

        async def load(): ...

        @app.get("/b")
        def in_a_thread():
            return asyncio.run(load())

        def main():
            asyncio.run(load())
    """
    loop = project.event_loop
    for function, site in loop.sites():
        if "asyncio.run" in site.names and function.is_async:
            yield Hit(site.place(), "asyncio.run raises RuntimeError here: a loop is running", loop.trace(function))
    for root in project.roots:
        if root.on_loop or root.kind not in ("handler", "dependency"):
            continue
        for site in project.calls.sites(root.function):
            if {"asyncio.create_task", "asyncio.get_running_loop"}.intersection(site.names) and not _guarded(site):
                yield Hit(site.place(), f"{root.label} runs in a thread, where no loop is running", (root.place(),))


def _guarded(site: CallSite) -> bool:
    return any(isinstance(p, ast.Try) for p in parents(site.node))
