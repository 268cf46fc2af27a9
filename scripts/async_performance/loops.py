"""The event loop itself: started twice, asked for in a thread, stopped by a lock."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import HIGH, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.language.scopes import parent, parents
from project.language.value_types import Instance
from project.serving.blocking import kind_of
from project.serving.roots import calls_to

NEEDS_LOOP = frozenset(
    "asyncio.create_task asyncio.get_running_loop asyncio.get_event_loop asyncio.ensure_future".split()
)
THREAD_LOCKS = frozenset(
    "threading.Lock threading.RLock threading.Semaphore threading.BoundedSemaphore threading.Condition "
    "multiprocessing.Lock".split()
)


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
    that has no loop. A threading lock that is held over an await stops the loop as soon as a second task wants it.

    Source: Python, asyncio.run, https://docs.python.org/3/library/asyncio-runner.html#asyncio.run

    Bad:
        import asyncio
        import threading
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

        lock = threading.Lock()

        @app.get("/c")
        async def locked():
            with lock:  # ASY013
                return await load()
    Good:
        from fastapi import FastAPI

        app = FastAPI()

        async def load(): ...

        @app.get("/a")
        async def direct():
            return await load()
    Not this:
        import asyncio
        import threading
        from fastapi import FastAPI

        app = FastAPI()

        async def load(): ...

        @app.get("/b")
        def in_a_thread():
            return asyncio.run(load())

        def main():
            asyncio.run(load())

        def anywhere():
            try:
                asyncio.get_running_loop()
            except RuntimeError:
                return asyncio.run(load())
            raise RuntimeError("await load() instead")

        lock = threading.Lock()
        count = 0

        @app.get("/c")
        async def counted():
            global count
            with lock:
                count += 1
            anywhere()
            return await load()
    """
    yield from _started_twice(project)
    yield from _asked_in_thread(project)
    yield from _locked_while_awaiting(project)


def _started_twice(project: Project) -> Iterator[Hit]:
    loop = project.event_loop
    nested = any(
        "nest_asyncio.apply" in project.calls.site(call, scope).names
        for call, scope in calls_to(project, frozenset(("apply",)))
    )
    for function, site, name in loop.calls_of(lambda n: kind_of(n) == "loop"):
        if site.awaited or _handled(site):
            continue
        harm = "holds the loop until it ends (nest_asyncio)" if nested else "raises RuntimeError: a loop is running"
        certain = "inferred" if "inferred" in (site.certainty, loop.certainty(function)) else "resolved"
        spelled = name.replace("AbstractEventLoop", "loop").replace("()", "").removesuffix(".__call__")
        message = f"{spelled} {harm} (in {loop.root(function).label})"
        yield Hit(site.place(), message, loop.trace(function), None, certain)


def _asked_in_thread(project: Project) -> Iterator[Hit]:
    threads = project.thread_side
    for function, site, name in threads.calls_of(NEEDS_LOOP.__contains__):
        if threads.certainty(function) == "resolved" and not any(isinstance(p, ast.Try) for p in parents(site.node)):
            label = threads.root(function).label
            message = f"{name} raises RuntimeError: {label} runs in a thread, where no loop is running"
            yield Hit(site.place(), message, threads.trace(function))


def _handled(site: CallSite) -> bool:
    """Whether the error of a loop that already runs is caught."""
    for holder in parents(site.node):
        if isinstance(holder, ast.Try):
            caught = {ast.unparse(h.type) if h.type is not None else "" for h in holder.handlers}
            if any("RuntimeError" in c for c in caught):
                return True
    return False


def _locked_while_awaiting(project: Project) -> Iterator[Hit]:
    for function in project.event_loop.functions:
        if not function.is_async:
            continue
        for item in function.all(ast.withitem):
            statement = parent(item)
            if isinstance(statement, ast.With) and _awaits(function, statement):
                values = project.values.of(item.context_expr, function)
                if any(isinstance(v, Instance) and v.dotted in THREAD_LOCKS for v in values):
                    message = f"{ast.unparse(item.context_expr)} is a lock for threads and is held over an await"
                    place = function.place(item.context_expr)
                    yield Hit(place, message, project.event_loop.trace(function))


def _awaits(function: Function, statement: ast.With) -> bool:
    waits: list[ast.AST] = [*function.all(ast.Await), *function.all(ast.AsyncFor), *function.all(ast.AsyncWith)]
    return any(holder is statement for node in waits for holder in parents(node))
