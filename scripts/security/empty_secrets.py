"""Guards whose secret is empty unless somebody sets it."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, LOW, Found, Hit
from project import Function, Project, Scope
from project.language.names import Variable
from project.language.scopes import parents
from project.place import Place
from security.around import last_name
from security.dimension import security
from security.tokens import DECODES, JOSE_DECODES

READS = frozenset(("os.getenv", "os.environ.get"))
COMPARES = ("hmac.compare_digest", "secrets.compare_digest")
SECRET = re.compile(r"token|secret|passw|api_?key|apikey|(auth|access|admin|master)_?key|credential", re.IGNORECASE)


@security.check(
    "SEC037",
    "secret-empty-by-default",
    title="Guard whose secret is empty unless it is set",
    impact=HIGH,
    anti_pattern=8,
    fix="Give the secret no default and a minimum length, or refuse while it is empty.",
)
def secret_empty_by_default(project: Project) -> Found:
    """Until it is set, who sends nothing passes the guard.

    Source: Python, hmac.compare_digest, https://docs.python.org/3/library/hmac.html#hmac.compare_digest

    Bad:
        import os
        import secrets
        from fastapi import Depends, FastAPI, Header, HTTPException
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            admin_token: str = ""

        settings = Settings()
        app = FastAPI()

        def admin(token: str = Header()):
            if not secrets.compare_digest(token, settings.admin_token):  # SEC037
                raise HTTPException(401)

        def internal(x_api_key: str | None = Header(None)):
            if x_api_key != os.getenv("INTERNAL_API_KEY"):  # SEC037
                raise HTTPException(401)

        @app.delete("/users", dependencies=[Depends(admin)])
        def clear(): ...

        @app.post("/jobs", dependencies=[Depends(internal)])
        def start(): ...
    Good:
        import secrets
        from fastapi import Depends, FastAPI, Header, HTTPException
        from pydantic import Field
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            admin_token: str = Field(min_length=32)

        settings = Settings()
        app = FastAPI()

        def admin(token: str = Header()):
            if not secrets.compare_digest(token.encode(), settings.admin_token.encode()):
                raise HTTPException(401)

        @app.delete("/users", dependencies=[Depends(admin)])
        def clear(): ...
    Not this:
        import os
        from fastapi import Depends, FastAPI, Header, HTTPException
        from pydantic_settings import BaseSettings

        class Settings(BaseSettings):
            admin_token: str = ""
            tenant: str = ""

        settings = Settings()
        app = FastAPI()

        def admin(token: str = Header()):
            if not settings.admin_token or token != settings.admin_token:
                raise HTTPException(401)

        def internal(x_api_key: str = Header()):
            if x_api_key != os.getenv("INTERNAL_API_KEY"):
                raise HTTPException(401)

        @app.delete("/users", dependencies=[Depends(admin), Depends(internal)])
        def clear(tenant: str):
            return tenant == settings.tenant
    """
    for function in sorted(project.requests.functions, key=lambda f: (f.module.path, f.node.lineno)):
        if function.module.kind == "app":
            for scope in function.walk():
                yield from _compared(project, scope)


def _compared(project: Project, scope: Scope) -> Iterator[Hit]:
    for compare in scope.all(ast.Compare):
        if len(compare.ops) == 1 and isinstance(compare.ops[0], (ast.Eq, ast.NotEq)):
            yield from _judged(project, scope, compare, compare.left, compare.comparators[0])
    for call in scope.all(ast.Call):
        if len(call.args) == 2 and set(COMPARES).intersection(project.calls.site(call, scope).names):
            yield from _judged(project, scope, call, *call.args)


def _judged(project: Project, scope: Scope, node: ast.expr, left: ast.expr, right: ast.expr) -> Iterator[Hit]:
    for sent, kept in ((_bare(left), _bare(right)), (_bare(right), _bare(left))):
        if not SECRET.search(_name(kept)) or _is_tested(scope, sent) or _is_tested(scope, kept):
            continue
        place, empty = _default(project, kept, scope)
        if place is None or project.origins.sanitizers.harmless(kept, scope):
            continue
        way = project.origins.way(sent, scope)
        if way is not None and (empty == "empty" or (isinstance(node, ast.Compare) and _may_be_missing(sent, scope))):
            message = f"{way.source} is compared with {_name(kept)}, which is {empty} unless it is set"
            further = _verified_behind(project, scope, node)
            message += f"; {further} stands behind it" if further else ""
            yield Hit(scope.place(node), message, (*way.places, place), LOW if further else None, way.certainty)
            return


def _verified_behind(project: Project, scope: Scope, node: ast.expr) -> str:
    """What verifies the caller after a comparison as well: a signed token, or a function that refuses with 401 or 403.

    A key that is empty by default too verifies nothing, except with PyJWT since 2.13.0, which refuses an empty one.
    """
    statement = next((p for p in parents(node) if isinstance(p, ast.stmt)), node)
    for site in project.calls.sites(scope):
        call = site.call
        if call is None or call.lineno <= (statement.end_lineno or statement.lineno):
            continue
        if DECODES.union(JOSE_DECODES).intersection(site.names):
            key = site.argument(1, "key")
            empty = key is None or _default(project, _bare(key), scope)[1] != ""
            if not empty or project.stack.at_least("pyjwt", "2.13"):
                return "a signed token"
        elif any(_may_refuse(project, target) for target in site.targets):
            return site.targets[0].name
    return ""


def _may_refuse(project: Project, function: Function) -> bool:
    """Whether a function refuses callers with 401 or 403, and lets others pass."""
    always = bool(function.body) and isinstance(function.body[-1], ast.Raise)
    return not always and any(error.status in (401, 403) for error in project.http_errors.of(function))


def _name(expr: ast.expr) -> str:
    """The name of a setting, or of the variable of the environment that is read."""
    if isinstance(expr, ast.Call):
        first = expr.args[0] if expr.args else None
        return first.value if isinstance(first, ast.Constant) and isinstance(first.value, str) else ""
    return last_name(expr)


def _default(project: Project, kept: ast.expr, scope: Scope) -> tuple[Place | None, str]:
    """Where a secret is declared that the environment may set and that is empty or None otherwise."""
    default = project.defaults.of(kept, scope)
    if default is not None:
        known = default.configurable and (default.value is None or default.value == "")
        return (default.place, "empty" if default.value == "" else "None") if known else (None, "")
    holder = scope
    if isinstance(kept, ast.Name):
        entity = project.names.resolve(kept, scope)
        if isinstance(entity, Variable) and len(entity.bindings) == 1 and entity.bindings[0].value is not None:
            kept, holder = entity.bindings[0].value, entity.scope
    reads = isinstance(kept, ast.Call) and len(kept.args) == 1 and not kept.keywords
    if reads and isinstance(kept, ast.Call) and READS.intersection(project.calls.site(kept, holder).names):
        return holder.place(kept), "None"
    return None, ""


def _is_tested(scope: Scope, value: ast.expr) -> bool:
    """Whether a condition of the function asks whether the value is there at all."""
    text = ast.unparse(value)
    tests = [n.test for n in scope.all(ast.If)] + [n.test for n in scope.all(ast.IfExp)]
    parts = [v for n in scope.all(ast.BoolOp) for v in n.values]
    return any(_asks(test, text) for test in (*tests, *parts))


def _asks(test: ast.expr, text: str) -> bool:
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        return _asks(test.operand, text)
    if isinstance(test, ast.Compare) and isinstance(test.comparators[0], ast.Constant):
        return text in ast.unparse(test.left)
    if isinstance(test, ast.Call):
        return len(test.args) == 1 and ast.unparse(test.args[0]) == text
    return ast.unparse(test) == text


def _may_be_missing(sent: ast.expr, scope: Scope) -> bool:
    """Whether what was sent is None when the client sends nothing."""
    if isinstance(sent, ast.Name) and isinstance(scope, Function):
        known = scope.param(sent.id)
        if known is None:
            values = [b.value for b in scope.bindings.get(sent.id, [])]
            return len(values) == 1 and values[0] is not None and _may_be_missing(values[0], scope)
        default = known[1]
        if isinstance(default, ast.Call):
            given = [k.value for k in default.keywords if k.arg == "default"] + default.args[:1]
            default = given[0] if given else None
        return isinstance(default, ast.Constant) and default.value is None
    return isinstance(sent, ast.Call) and last_name(sent.func) == "get" and len(sent.args) == 1


def _bare(expr: ast.expr) -> ast.expr:
    """The text that `x.encode()`, `x.get_secret_value()` and the like stand for."""
    while isinstance(expr, ast.Call) and isinstance(expr.func, ast.Attribute) and not expr.args:
        if expr.func.attr not in ("encode", "strip", "get_secret_value"):
            break
        expr = expr.func.value
    return expr
