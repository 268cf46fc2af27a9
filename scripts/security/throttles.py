"""Limits on how often a route may be called: what sets them, and limits that never count."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from check import HIGH, LOW, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.routing.routes import Route
from security.around import last_name
from security.callers import named
from security.openness import reached_functions

RATE_LIMITS = re.compile(
    r"limit_req|limit-(rps|rpm|connections)|averageRate|ratelimit\.average|rateLimit:|rate_limit\s*\{|fail2ban|crowdsec",
    re.IGNORECASE,
)
LIMITERS = re.compile(
    r"rate_?limit|limiter|throttl|too_many|attempts?|lock_?out|backoff|cooldown|captcha|turnstile", re.I
)
SLOWAPI = "slowapi.Limiter"
LIMIT_METHODS = frozenset(f"slowapi.Limiter.{name}" for name in ("limit", "shared_limit"))
SLOWAPI_MIDDLEWARE = ("SlowAPIMiddleware", "SlowAPIASGIMiddleware")
_ASKED = re.compile(r"limit\w*\.(shared_limit|limit|hit|test|_check_request_limit)\(", re.IGNORECASE)
MAX_TEXT = 400_000
NOT_CONFIGURATION = tuple(f".{kind}" for kind in "py pyi md lock json rst svg csv ts tsx js html css ipynb".split())


def any_text(project: Project, pattern: re.Pattern[str]) -> bool:
    """Whether a configuration file of the project speaks of it; data files of its packages are no configuration."""
    packages = tuple(path.removesuffix("__init__.py") for path in project.files if path.endswith("/__init__.py"))
    for path in project.files:
        if path.startswith(packages):
            continue
        if path.endswith(NOT_CONFIGURATION) or path.rsplit("/", 1)[-1].startswith(("requirements", "pyproject")):
            continue
        text = "\n".join(project.text_of(path))
        if len(text) < MAX_TEXT and pattern.search(text):
            return True
    return False


def limited_by(route: Route) -> str:
    """The decorator or dependency that limits a route, "" for none."""
    found = [name.rsplit(".", 1)[-1].rstrip("()") for name in route.dependencies]
    if route.function is not None:
        found += [ast.unparse(d.func if isinstance(d, ast.Call) else d) for d in route.function.decorators]
    return next((name for name in found if LIMITERS.search(name)), "")


def is_throttled(project: Project, route: Route) -> bool:
    """Whether a limit stands on the route, or what it runs counts attempts, locks out or asks for a captcha."""
    assert route.function is not None
    if limited_by(route):
        return True
    functions = [f for f in route.dependency_functions if isinstance(f, Function)]
    for function in (*reached_functions(project, route.function), *functions):
        for scope in function.walk():
            words = [*scope.all(ast.Name), *scope.all(ast.Attribute)]
            if any(LIMITERS.search(last_name(word)) for word in words):
                return True
    return False


def limits_everything(project: Project) -> bool:
    """Whether a proxy's configuration, a middleware or a default of the limiter covers all routes."""
    if any_text(project, RATE_LIMITS):
        return True
    limiters = project.calls.named((SLOWAPI,)) if _has_slowapi_middleware(project) else []
    if any(_common_limits(project, site) for site in limiters):
        return True
    middleware = [m.value for app in project.route_map.apps for m in app.middleware]
    names = [getattr(m, "dotted", "") or getattr(getattr(m, "scope", None), "dotted", "") for m in middleware]
    return any(LIMITERS.search(name) and "SlowAPI" not in name for name in names)


def ineffective(project: Project) -> Iterator[Hit]:
    """Limits of slowapi that do not limit: above the route decorator, or by a header that is never there."""
    handlers = {r.function: r for r in project.routes if r.function is not None}
    for function, route in handlers.items():
        scope = function.parent or function.module
        registered = False
        for decorator in reversed(function.decorators):
            call = decorator if isinstance(decorator, ast.Call) else None
            names = set(project.calls.site(call, scope).names) if call is not None else set()
            if names & LIMIT_METHODS and registered:
                message = f"the limit of {named(route)} stands above the route decorator, so it never counts"
                yield Hit(function.place(decorator), message, impact=HIGH)
            registered = registered or any(n.startswith(("fastapi.FastAPI.", "fastapi.APIRouter.")) for n in names)
    for site in project.calls.named((SLOWAPI,)):
        key = site.argument(0, "key_func")
        if key is not None and project.names.canonical(key, site.scope) == "slowapi.util.get_ipaddr":
            message = "get_ipaddr reads X_FORWARDED_FOR with underscores: behind a proxy all clients count as one"
            yield Hit(site.place(), message, impact=LOW)
        yield from _never_counting(project, site)


def _never_counting(project: Project, site: CallSite) -> Iterator[Hit]:
    """A limiter whose limits for all routes nothing applies, or that has none and no route names one."""
    if site.scope.module.kind != "app":
        return
    if _common_limits(project, site):
        if not _has_slowapi_middleware(project):
            yield Hit(site.place(), "default_limits count only with SlowAPIMiddleware, which is not added")
    elif not _is_asked_for(project):
        yield Hit(site.place(), "this limiter limits nothing: it has no default limits and no route names one")


def _common_limits(project: Project, site: CallSite) -> bool:
    """Whether a limiter has limits for routes that name none, unless a setting makes them empty by default."""
    given = [site.argument(-1, name) for name in ("default_limits", "application_limits")]
    known = [project.defaults.of(expr, site.scope) for expr in given if expr is not None]
    return any(default is None or bool(default.value) for default in known)


def _has_slowapi_middleware(project: Project) -> bool:
    return any(name in module.source.text for module in project.app_modules for name in SLOWAPI_MIDDLEWARE)


def _is_asked_for(project: Project) -> bool:
    """Whether anything names a limit: `@limiter.limit(...)`, `limiter.shared_limit(...)`, or a check by hand."""
    if project.calls.named(lambda name: name.startswith(f"{SLOWAPI}.")):
        return True
    return any(_ASKED.search(module.source.text) for module in project.app_modules)
