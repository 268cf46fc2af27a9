"""Input that nothing validates, and packages that nobody mends."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass

from check import LOW, MEDIUM, Found, Hit
from project import Function, Project
from project.language.scopes import subtree
from project.language.shapes import ANY, MAPPINGS, Shape
from project.routing.routes import Route
from security.around import by_file, last_name
from security.callers import changes
from security.dimension import security
from security.openness import VERIFIES, called_names, has_effect

WEBHOOK_WORDS = ("webhook", "hook", "callback", "proxy", "event", "ingress")


@security.check(
    "SEC025",
    "unvalidated-input",
    title="Body taken apart by hand",
    impact=MEDIUM,
    anti_pattern=4,
    fix="Declare a Pydantic model with bounded fields as the body; no model_construct.",
)
def unvalidated_input(project: Project) -> Found:
    """A dict or raw JSON lets any type, length and key through: wrong input becomes a 500 or a row.

    Source: FastAPI, Request Body, https://fastapi.tiangolo.com/tutorial/body/

    Bad:
        from fastapi import FastAPI, Request
        from pydantic import BaseModel

        app = FastAPI()

        class Order(BaseModel):
            amount: int

        @app.post("/orders")
        async def create(request: Request, store):
            data = await request.json()  # SEC025
            store.save(data["name"], data["amount"])

        @app.put("/orders/{key}")
        def replace(key: int, payload: dict, store):  # SEC025
            store.save(payload["name"], payload.get("amount"))

        @app.patch("/orders/{key}")
        def change(key: int, payload: dict, store):
            store.save(Order.model_construct(**payload))  # SEC025

        @app.patch("/me/settings")
        async def customize(request: Request, account, store):
            changes = await request.json()  # SEC025
            account.settings = {**account.settings, **changes}
            store.save(account)
    Good:
        from fastapi import FastAPI
        from pydantic import BaseModel, Field

        app = FastAPI()

        class Order(BaseModel):
            name: str = Field(min_length=1, max_length=80)
            amount: int = Field(gt=0)

        @app.post("/orders")
        def create(order: Order, store):
            store.save(order.name, order.amount)
    Not this:
        from fastapi import FastAPI, Request
        from pydantic import BaseModel

        app = FastAPI()

        @app.post("/webhooks/payments")
        async def paid(request: Request, store):
            data = await request.json()
            store.save(data["id"], data["amount"])

        @app.post("/echo")
        def echo(payload: dict):
            return {"name": payload["name"], "amount": payload["amount"]}

        @app.put("/documents/{key}")
        def keep(key: int, document: dict, store):
            store.save(key, document)

        class Run(BaseModel):
            id: str

        @app.get("/runs/{key}")
        def read(key: str) -> Run:
            return Run.model_construct(id=key)
    """
    yield from by_file(hit for taken in _taken_apart(project) for hit in [taken.hit])
    for module in project.app_modules:
        if "construct(" in module.source.text:
            for function in module.functions:
                for call in function.all(ast.Call):
                    yield from _constructed(project, call, function)


@dataclass(frozen=True, slots=True)
class _Taken:
    """A body whose keys are read by hand."""

    route: Route
    hit: Hit


def _taken_apart(project: Project) -> Iterator[_Taken]:
    seen: set[tuple[str, int]] = set()
    for route in project.routes:
        function = route.function
        if function is None or not changes(route) or function.module.kind != "app":
            continue
        for name, node in _untyped_bodies(project, route, function):
            merged = _is_merged(function, name)
            place = function.place(node)
            if (place.path, place.line) in seen or _is_for_machines(project, route):
                continue
            if merged or (len(_keys_read(function, name)) > 1 and has_effect(project, function)):
                seen.add((place.path, place.line))
                how = "merged into an object whole" if merged else "read key by key"
                yield _Taken(route, Hit(place, f"the body is {how} without validation", impact=LOW))


def _is_merged(function: Function, name: str) -> bool:
    """`row.extra = {**row.extra, **data}`, `row.extra.update(data)`, `for key, value in data.items(): setattr(...)`."""
    for assign in function.all(ast.Assign):
        if isinstance(assign.value, ast.Dict) and any(isinstance(t, ast.Attribute) for t in assign.targets):
            starred = [v for k, v in zip(assign.value.keys, assign.value.values, strict=True) if k is None]
            if len(starred) > 1 and any(_is_name(v, name) for v in starred):
                return True
    for call in function.all(ast.Call):
        owner = call.func.value if isinstance(call.func, ast.Attribute) and call.func.attr == "update" else None
        if isinstance(owner, ast.Attribute) and call.args and _is_name(call.args[0], name):
            return True
    loops = (loop for loop in function.all(ast.For) if isinstance(loop.iter, ast.Call))
    return any(
        last_name(loop.iter.func) == "items"
        and isinstance(loop.iter.func, ast.Attribute)
        and _is_name(loop.iter.func.value, name)
        and any(isinstance(n, ast.Call) and last_name(n.func) == "setattr" for s in loop.body for n in subtree(s))
        for loop in loops
        if isinstance(loop.iter, ast.Call)
    )


def _is_name(expr: ast.expr, name: str) -> bool:
    return isinstance(expr, ast.Name) and expr.id == name


def _is_for_machines(project: Project, route: Route) -> bool:
    """Webhooks and proxies need the raw body; a signature stands for validation."""
    if any(word in route.path.lower() for word in WEBHOOK_WORDS) or route.function is None:
        return True
    return any(
        ("signature" in name or "hmac" in name) and VERIFIES.search(name)
        for name in called_names(project, route.function)
    )


def _untyped_bodies(project: Project, route: Route, function: Function) -> Iterator[tuple[str, ast.AST]]:
    """Names that hold an untyped body: parameters, and what `request.json()` gives."""
    for parameter in project.usage.own_parameters(route):
        if parameter.kind == "body" and _says_nothing(parameter.shape):
            known = function.param(parameter.name)
            if known is not None:
                yield parameter.name, function.node
    for name, bindings in function.bindings.items():
        for binding in bindings:
            if binding.kind == "assign" and _is_json(project, binding.value, function):
                yield name, binding.node


def _says_nothing(shape: Shape) -> bool:
    return shape.dotted == ANY or (shape.dotted in MAPPINGS and (not shape.args or shape.args[-1].dotted == ANY))


def _is_json(project: Project, value: ast.expr | None, function: Function) -> bool:
    call = value.value if isinstance(value, ast.Await) else value
    if not isinstance(call, ast.Call) or last_name(call.func) != "json":
        return False
    return "starlette.requests.Request.json" in project.calls.site(call, function).names


def _keys_read(function: Function, name: str) -> set[str]:
    """Constant keys that are read from a mapping."""
    found: set[str] = set()
    for subscript in function.all(ast.Subscript):
        if last_name(subscript.value) == name and isinstance(subscript.value, ast.Name) and last_name(subscript):
            found.add(last_name(subscript))
    for call in function.all(ast.Call):
        func = call.func
        if (
            isinstance(func, ast.Attribute)
            and func.attr in ("get", "pop")
            and last_name(func.value) == name
            and call.args
        ):
            first = call.args[0]
            if isinstance(func.value, ast.Name) and isinstance(first, ast.Constant) and isinstance(first.value, str):
                found.add(first.value)
    return found


def _constructed(project: Project, call: ast.Call, function: Function) -> Iterator[Hit]:
    """`Model.model_construct(**request data)`."""
    if last_name(call.func) not in ("model_construct", "construct"):
        return
    if (
        not isinstance(call.func, ast.Attribute)
        or project.schemas.of(project.names.resolve(call.func.value, function)) is None
    ):
        return
    for keyword in (keyword for keyword in call.keywords if keyword.arg is None):
        way = project.origins.way(keyword.value, function)
        if way is not None:
            yield Hit(function.place(call), f"{way.source} becomes a model without validation", way.places)
            return


OUTDATED = {
    "python-jose": ("", "python-jose needs ecdsa, which has an open advisory; with HS256 only the risk is low", LOW),
    "passlib": ("", "passlib is from 2020: it breaks with bcrypt 5, and Python 3.13 took away a module it uses", LOW),
    "fastapi-jwt-auth": ("", "fastapi-jwt-auth is not maintained", MEDIUM),
    "aioredis": ("", "aioredis is part of redis since 2021 and not maintained by itself", LOW),
    "python-multipart": ("0.0.18", "python-multipart is older than its security fix in 0.0.18", MEDIUM),
}


@security.check(
    "SEC027",
    "unmaintained-security-package",
    title="Package for security that nobody maintains",
    impact=LOW,
    anti_pattern=8,
    fix="Move to PyJWT, pwdlib and current versions; run pip-audit in CI.",
)
def unmaintained_security_package(project: Project) -> Found:
    """Holes found in it stay open, and new versions of what it rests on break it.

    Source: FastAPI, OAuth2 with Password (and hashing), https://fastapi.tiangolo.com/tutorial/security/oauth2-jwt/

    Bad:
        # requirements.txt
        fastapi==0.165.0
        python-jose[cryptography]==3.5.0  # SEC027
        python-multipart==0.0.9  # SEC027
        # main.py
        from fastapi import FastAPI

        app = FastAPI()
    Good:
        # requirements.txt
        fastapi==0.165.0
        pyjwt==2.15.1
        pwdlib[argon2]==0.3.1
        # main.py
        from fastapi import FastAPI

        app = FastAPI()
    Not this:
        # requirements.txt
        fastapi==0.165.0
        python-multipart==0.0.20
        # requirements-dev.txt
        passlib==1.7.4
        # main.py
        from fastapi import FastAPI

        app = FastAPI()
    """
    for name, (below, message, impact) in OUTDATED.items():
        requirement = project.stack.dependency(name)
        if requirement is None or requirement.dev:
            continue
        if not below or project.stack.before(name, below):
            yield Hit(requirement.place, message, impact=impact)
