"""Awaits one after the other that could wait at the same time."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from async_performance.dimension import performance
from check import LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.language.scopes import parent, parents, subtree

READS = re.compile(r"(?:httpx2?\.AsyncClient|aiohttp\.ClientSession)\.(?:get|head)")
REDIS = re.compile(
    r"redis\.asyncio\.(?:Redis|RedisCluster)\.(?:get|set|setex|delete|unlink|exists|expire|incr|decr|hget|hset|hgetall|hdel|"
    r"sadd|srem|zadd|lpush|rpush|ttl)"
)
SLEEPS = frozenset(("asyncio.sleep", "anyio.sleep"))


@performance.check(
    "ASY011",
    "sequential-awaits",
    title="Independent waits one after the other",
    impact=MEDIUM,
    fix="Start them together in an asyncio.TaskGroup (Redis: one pipeline or one command for many keys).",
)
def sequential_awaits(project: Project) -> Found:
    """Two requests that do not need each other take as long as both; together they take as long as the slower one.

    Source: Python, Task Groups, https://docs.python.org/3/library/asyncio-task.html#task-groups

    Bad:
        # app/main.py
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        http = httpx.AsyncClient()

        @app.get("/page")
        async def page():
            user = await http.get("https://users.test/1")  # ASY011
            rates = await http.get("https://rates.test")
            return [user.json(), rates.json()]

        @app.get("/all")
        async def read_all(ids: list[int]):
            found = []
            for one in ids:
                answer = await http.get(f"https://items.test/{one}")  # ASY011
                found.append(answer.json())
            return found
    Good:
        import asyncio
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        http = httpx.AsyncClient()

        @app.get("/page")
        async def page():
            async with asyncio.TaskGroup() as group:
                user = group.create_task(http.get("https://users.test/1"))
                rates = group.create_task(http.get("https://rates.test"))
            return [user.result().json(), rates.result().json()]
    Not this:
        import asyncio
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        http = httpx.AsyncClient()

        @app.get("/page")
        async def page():
            token = await http.get("https://auth.test")
            rates = await http.get("https://rates.test", headers={"x": token.text})
            return rates.json()

        @app.get("/first")
        async def first(urls: list[str]):
            for url in urls:
                answer = await http.get(url)
                if answer.status_code == 200:
                    return answer.json()

        @app.get("/all")
        async def read_all(url: str):
            for _ in range(9):
                answer = await http.get(url)
                url = answer.json()["next"]
            for _ in range(9):
                await http.get(url)
                await asyncio.sleep(1)
    """
    redis: list[Hit] = []
    for function, site, name in project.requests.calls_of(lambda n: bool(READS.fullmatch(n) or REDIS.fullmatch(n))):
        if not site.awaited or not function.is_async or project.requests.is_rare(function):
            continue
        loop = _loop_of(site)
        if loop is not None and _is_independent(project, loop, function):
            if REDIS.fullmatch(name):
                message = f"{ast.unparse(site.node)[:60]} is one round trip for each item"
                redis.append(Hit(site.place(), message, project.requests.trace(function), LOW))
            else:
                message = f"one request after the other for each item of {ast.unparse(loop.iter)[:60]}"
                yield Hit(site.place(), message, project.requests.trace(function))
        elif READS.fullmatch(name):
            second = _next_independent(project, function, site)
            if second is not None:
                message = f"line {second.lineno} waits for this answer and does not need it"
                place = function.place(second, "could wait at the same time")
                yield Hit(site.place(), message, (*project.requests.trace(function), place))
    if redis:
        first, *more = redis
        yield Hit(first.place, first.message, first.trace, LOW, places=tuple(h.place for h in more))


def _loop_of(site: CallSite) -> ast.For | None:
    """The innermost loop over items that holds a call; None in other loops and under handlers of errors."""
    for holder in parents(site.node):
        if isinstance(holder, ast.For):
            return holder
        if isinstance(holder, (ast.While, ast.AsyncFor, ast.ExceptHandler)):
            return None
    return None


def _is_independent(project: Project, loop: ast.For, function: Function) -> bool:
    """Whether no round of a loop needs the one before, ends the loop, or waits on purpose."""
    inside = [n for s in loop.body for n in subtree(s)]
    if any(isinstance(n, (ast.Break, ast.Return, ast.AugAssign, ast.Yield)) for n in inside):
        return False
    calls = [n for n in inside if isinstance(n, ast.Call)]
    if any(SLEEPS.intersection(project.calls.site(c, function).names) for c in calls):
        return False
    assigned = {n.id: n.lineno for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    reads = (n for n in inside if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Load))
    carried = any(n.id in assigned and n.lineno <= assigned[n.id] and n.id not in _targets(loop) for n in reads)
    items = loop.iter
    repeated = isinstance(items, ast.Call) and isinstance(items.func, ast.Name) and items.func.id == "range"
    return not carried and not (repeated and not _uses_target(loop, inside))


def _targets(loop: ast.For) -> set[str]:
    return {n.id for n in subtree(loop.target) if isinstance(n, ast.Name)}


def _uses_target(loop: ast.For, inside: list[ast.AST]) -> bool:
    names = _targets(loop)
    return any(isinstance(n, ast.Name) and n.id in names for n in inside)


def _next_independent(project: Project, function: Function, site: CallSite) -> ast.stmt | None:
    """The statement right after `x = await get(...)` that is of the same kind and does not use x."""
    statement = parent(site.node)
    while statement is not None and not isinstance(statement, ast.stmt):
        statement = parent(statement)
    if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Await):
        return None
    for following in _after(statement):
        if not isinstance(following, ast.Assign) or not isinstance(following.value, ast.Await):
            return None
        call = following.value.value
        names = project.calls.site(call, function).names if isinstance(call, ast.Call) else ()
        given = {n.id for t in statement.targets for n in subtree(t) if isinstance(n, ast.Name)}
        needed = {n.id for n in subtree(following.value) if isinstance(n, ast.Name)}
        return following if any(READS.fullmatch(n) for n in names) and not given & needed else None
    return None


def _after(statement: ast.stmt) -> Iterator[ast.stmt]:
    holder = parent(statement)
    for name in ("body", "orelse", "finalbody"):
        block = getattr(holder, name, None)
        if isinstance(block, list) and any(s is statement for s in block):
            yield from block[next(i for i, s in enumerate(block) if s is statement) + 1 :]
