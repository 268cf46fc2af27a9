"""Calls of other services that may wait for ever."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from async_performance.dimension import performance
from check import HIGH, LOW, MEDIUM, Found, Hit
from project import Function, Project, Scope
from project.language.calls import CallSite
from project.language.command_line import runs_from_command_line
from project.serving.roots import calls_to

REQUESTS = frozenset(
    f"{owner}.{verb}"
    for owner in ("requests", "requests.Session")
    for verb in ("get", "post", "put", "patch", "delete", "head", "options", "request")
)
AIOHTTP = frozenset(
    f"aiohttp.ClientSession.{verb}" for verb in "get post put patch delete head options request ws_connect".split()
)
TIMEOUT_NONE = frozenset("httpx.AsyncClient httpx.Client httpx2.AsyncClient httpx2.Client".split())
# Their default is 600 seconds: openai and anthropic, and the langchain classes over them.
MODELS = frozenset(
    "openai.OpenAI openai.AsyncOpenAI openai.AzureOpenAI openai.AsyncAzureOpenAI anthropic.Anthropic "
    "anthropic.AsyncAnthropic langchain.chat_models.ChatOpenAI langchain.chat_models.AzureChatOpenAI "
    "langchain_openai.ChatOpenAI langchain_openai.AzureChatOpenAI langchain_anthropic.ChatAnthropic".split()
)


@performance.check(
    "ASY016",
    "outbound-call-without-timeout",
    title="Outbound call without a timeout",
    impact=MEDIUM,
    fix="Pass timeout= with a connect and a read limit that the caller can bear.",
)
def outbound_call_without_timeout(project: Project) -> Found:
    """requests waits for ever by default: one silent peer takes a thread (or the loop) for good. aiohttp waits five
    minutes.

    Source: Requests, Timeouts, https://requests.readthedocs.io/en/latest/user/advanced/#timeouts ; aiohttp 3.14

    Bad:
        import requests
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        def rates():
            return requests.get("https://rates.test").json()  # ASY016
    Good:
        import requests
        from fastapi import FastAPI

        app = FastAPI()

        @app.get("/rates")
        def rates():
            return requests.get("https://rates.test", timeout=(2, 5)).json()
    Not this:
        import httpx
        import openai
        import requests
        from fastapi import FastAPI

        app = FastAPI()
        options = {"timeout": 5}

        @app.get("/rates")
        def rates(client: httpx.Client):
            client.get("https://rates.test")
            openai.OpenAI(timeout=20).chat.completions.create(model="m", messages=[])
            return requests.get("https://rates.test", **options).json()

        if __name__ == "__main__":
            print(requests.get("https://rates.test").json())
    """
    found: dict[str, list[tuple[Function, CallSite]]] = {}
    for function, site, _ in project.requests.calls_of((REQUESTS | AIOHTTP).__contains__):
        what = _waits_for_ever(site)
        if what:
            found.setdefault(what, []).append((function, site))
    yield from _elsewhere(project)
    yield from _models_without_limit(project)
    for site in _clients_without_limit(project):
        yield Hit(site.place(), f"{site.names[0]} with timeout=None waits for ever for a silent peer")
    for what, sites in found.items():
        function, site = next((s for s in sites if s[0] in project.event_loop), sites[0])
        places = tuple(s.place() for _, s in sites if s is not site)
        many = f" (and {len(places)} more places)" if places else ""
        lenient = what.startswith("aiohttp")
        impact = LOW if lenient else HIGH if function in project.event_loop and what.startswith("requests") else None
        long = "five minutes" if lenient else "for ever"
        message = f"{what} waits {long} for a silent peer{many}"
        yield Hit(site.place(), message, project.requests.trace(function), impact, places=places)


def _elsewhere(project: Project) -> Iterator[Hit]:
    """Calls that no path operation was seen to reach, as where plugins are found by name; one signal."""
    sites = [
        site
        for site in project.calls.named(REQUESTS)
        if isinstance(site.scope, Function)
        and not project.requests.within(site.scope)
        and not runs_from_command_line(project, site.scope)
        and _waits_for_ever(site)
    ]
    if sites:
        first, *more = sites
        many = f" (and {len(more)} more places)" if more else ""
        message = f"requests without timeout= waits for ever for a silent peer{many}; no path operation was seen here"
        yield Hit(first.place(), message, (), LOW, places=tuple(s.place() for s in more))


def _models_without_limit(project: Project) -> Iterator[Hit]:
    """Clients of language models made with the ten minutes that their libraries allow; one signal."""
    sites = [site for site in project.calls.named(MODELS) if _serves(project, site.scope)]
    sites += [site for site in _own_models(project) if site not in sites]
    places = [site.place() for site in sites if site.call is not None and _lacks_timeout(site.call, site.scope)]
    if places:
        many = f" (and {len(places) - 1} more places)" if len(places) > 1 else ""
        message = f"the client of a language model waits ten minutes for a silent peer, and again for each retry{many}"
        yield Hit(min(places), message, (), LOW, places=tuple(sorted(places)[1:]))


def _serves(project: Project, scope: Scope) -> bool:
    return not isinstance(scope, Function) or project.requests.within(scope) is not None


def _own_models(project: Project) -> Iterator[CallSite]:
    """Calls that serve requests and make objects of classes derived from such a client."""
    own = [c for m in project.app_modules for c in m.classes if project.names.derives(c, *MODELS)]
    for function in project.requests.functions if own else ():
        for call in function.all(ast.Call):
            if any(v in own for v in project.values.of(call.func, function)):
                yield project.calls.site(call, function)


def _lacks_timeout(call: ast.Call, scope: Scope) -> bool:
    """Whether the arguments, as far as all of them can be seen, set no timeout."""
    given = {k.arg for k in call.keywords if k.arg is not None}
    for spread in (k.value for k in call.keywords if k.arg is None):
        keys = _keys(spread, scope)
        if keys is None:
            return False
        given |= keys
    return not any("timeout" in name or name in ("http_client", "client") for name in given)


def _keys(spread: ast.expr, scope: Scope) -> set[str] | None:
    """Keys of a dictionary that the same function makes and fills with constant keys; None when unsure."""
    bindings = scope.bindings.get(spread.id, []) if isinstance(spread, ast.Name) else []
    if len(bindings) != 1 or not isinstance(spread, ast.Name):
        return None
    shown: list[ast.expr | None] = [bindings[0].value]
    for call in scope.all(ast.Call):
        func = call.func
        if isinstance(func, ast.Attribute) and isinstance(func.value, ast.Name) and func.value.id == spread.id:
            shown.extend(call.args)
    keys: set[str] = set()
    for display in shown:
        if not isinstance(display, ast.Dict):
            return None
        names = {k.value for k in display.keys if isinstance(k, ast.Constant) and isinstance(k.value, str)}
        if len(names) < len(display.keys):
            return None
        keys |= names
    stores = (s for s in scope.all(ast.Subscript) if isinstance(s.value, ast.Name) and s.value.id == spread.id)
    return keys | {str(s.slice.value) for s in stores if isinstance(s.slice, ast.Constant)}


def _clients_without_limit(project: Project) -> Iterator[CallSite]:
    """Clients that serve requests, made with `timeout=None`, wherever they are made."""
    for call, scope in calls_to(project, frozenset(n.rsplit(".", 1)[-1] for n in TIMEOUT_NONE)):
        given = next((k.value for k in call.keywords if k.arg == "timeout"), None)
        if isinstance(given, ast.Constant) and given.value is None:
            serving = project.requests.within(scope) or project.event_loop.within(scope)
            site = project.calls.site(call, scope)
            if TIMEOUT_NONE.intersection(site.names) and (serving or not isinstance(scope, Function)):
                yield site


def _waits_for_ever(site: CallSite) -> str:
    """How a call leaves the time limit out or switches it off, "" when it does neither."""
    if site.call is None or any(k.arg is None for k in site.call.keywords):
        return ""
    given = site.argument(-1, "timeout")
    if given is not None and not (isinstance(given, ast.Constant) and given.value is None):
        return ""
    if REQUESTS.intersection(site.names):
        return "requests without timeout="
    if AIOHTTP.intersection(site.names) and isinstance(site.scope, Function):
        made = [call for call in site.scope.all(ast.Call) if ast.unparse(call.func).endswith("ClientSession")]
        limited = any(k.arg in ("timeout", None) for call in made for k in call.keywords)
        return "aiohttp without timeout=" if made and not limited else ""
    return ""
