"""Caches that keep the wrong thing."""

from __future__ import annotations

import ast

from async_performance.dimension import performance
from check import HIGH, Found, Hit
from project import Function, Project
from project.data.statements import is_session_class
from project.language.names import Names
from project.language.value_types import Instance

CACHES = frozenset("functools.lru_cache functools.cache functools.cached_property".split())
REQUESTS = frozenset("starlette.requests.Request starlette.websockets.WebSocket".split())


@performance.check(
    "ASY014",
    "cache-misuse",
    title="Cache that keeps a coroutine or a session",
    impact=HIGH,
    fix="Cache the result, not the coroutine (async-lru, aiocache or a dictionary), and key it by plain values.",
)
def cache_misuse(project: Project) -> Found:
    """lru_cache on an async def keeps the coroutine: the second await raises RuntimeError. With a session or request
    among the arguments each call is a new key, and the cache keeps sessions alive that should be closed.

    Source: Python, functools.lru_cache, https://docs.python.org/3/library/functools.html#functools.lru_cache

    Bad:
        from functools import lru_cache
        from fastapi import FastAPI
        from sqlalchemy.orm import Session

        app = FastAPI()

        @lru_cache
        async def load_rates():  # ASY014
            return {}

        @lru_cache(maxsize=100)
        def load_user(session: Session, user_id: int):  # ASY014
            return session.get(object, user_id)

        @app.get("/rates")
        async def rates():
            return await load_rates()
    Good:
        from functools import lru_cache
        from fastapi import FastAPI

        app = FastAPI()

        @lru_cache
        def settings():
            return {}

        @app.get("/rates")
        async def rates():
            return settings()
    Not this:
        from async_lru import alru_cache
        from functools import cached_property, lru_cache
        from fastapi import FastAPI
        from sqlalchemy.orm import Session

        app = FastAPI()

        @alru_cache
        async def load_rates():
            return {}

        @lru_cache
        def parse(text: str):
            return text

        class Store:
            def __init__(self, session: Session):
                self.session = session

            @cached_property
            def name(self):
                return "x"

        @app.get("/rates")
        async def rates():
            return await load_rates()
    """
    for module in project.app_modules:
        for function in module.functions:
            cache = _cache_of(project.names, function) if function.decorators else ""
            if not cache:
                continue
            if function.is_async and not function.is_generator:
                message = f"{cache} keeps the coroutine of {function.name}: the second await raises RuntimeError"
                yield Hit(function.place(), message)
            else:
                held = next((arg.arg for arg, _ in function.params if _is_of_request(project, arg, function)), "")
                if held:
                    yield Hit(function.place(), f"{cache} keeps {held} of each request, and never finds it again")


def _cache_of(names: Names, function: Function) -> str:
    scope = function.parent or function.module
    for decorator in function.decorators:
        target = decorator.func if isinstance(decorator, ast.Call) else decorator
        dotted = names.canonical(target, scope)
        if dotted in CACHES:
            return dotted.rsplit(".", 1)[-1]
        if dotted is not None and not dotted.startswith(("fastapi.", "builtins.")):
            return ""  # what stands above may make something else of it
    return ""


def _is_of_request(project: Project, arg: ast.arg, function: Function) -> bool:
    stated = project.values.annotated(arg.annotation, function.parent or function.module)
    return any(isinstance(v, Instance) and (is_session_class(v, project.names) or v.dotted in REQUESTS) for v in stated)
