"""Routes on which every call costs money, without anything that counts."""

from __future__ import annotations

import ast
import re
from collections import defaultdict

from check import LOW, MEDIUM, RESOLVED, Found, Hit
from project import Function, Project
from project.language.calls import CallSite
from project.place import Place
from project.routing.routes import Route
from security.around import last_name
from security.callers import is_for_admins, named
from security.dimension import security
from security.throttles import limits_everything

PAID = re.compile(
    r"(openai|anthropic|cohere|mistralai|groq|together|replicate)\.(\w+\.)*(create|acreate|stream|parse|run|async_run|"
    r"chat|complete|generate|embed|process|process_async)$|"
    r"litellm\.a?(completion|embedding|image_generation|transcription|speech|responses)$|"
    r"google\.(genai|generativeai)\.(\w+\.)*(generate_\w+|send_message\w*|embed_content)$|"
    r"langchain\.(chains\.)?LLMChain$|"
    r"langchain\w*\.(\w+\.)*Chat(OpenAI|Anthropic|\w*AI)\.(a?invoke|a?stream|a?predict|a?generate)$|"
    r"twilio\.rest\.Client\.(\w+\.)*create$|sendgrid\.SendGridAPIClient\.(send|client\.mail\.send\.post)$|"
    r"resend\.Emails\.send\w*$|fastapi_mail\.FastMail\.send_message$"
)
COUNTS = re.compile(
    r"rate_?limit|limiter|throttl|quota|(^|_)credits(_|$)|credit_(balance|limit|used|cost)|budget|usage_?limit|spend_?limit|"
    r"captcha|turnstile",
    re.IGNORECASE,
)
REFUSALS = ("Error", "Exception", "Exceeded")


@security.check(
    "SEC036",
    "paid-call-without-limit",
    title="Paid service called without any limit",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Count calls by account or address and refuse above a limit.",
)
def paid_call_without_limit(project: Project) -> Found:
    """Each call costs money: a loop around the route runs up the bill.

    Source: OWASP API4:2023, https://owasp.org/API-Security/editions/2023/en/0xa4-unrestricted-resource-consumption/

    Bad:
        from fastapi import FastAPI
        from openai import AsyncOpenAI

        app = FastAPI()
        client = AsyncOpenAI()

        async def ask(text: str):
            return await client.responses.create(model="small", input=text)  # SEC036

        @app.post("/answers")
        async def answer(text: str):
            return await ask(text)
    Good:
        from fastapi import FastAPI, Request
        from openai import AsyncOpenAI
        from slowapi import Limiter
        from slowapi.util import get_remote_address

        app = FastAPI()
        client = AsyncOpenAI()
        limiter = Limiter(key_func=get_remote_address, storage_uri="redis://cache")

        @app.post("/answers")
        @limiter.limit("5/minute")
        async def answer(request: Request, text: str):
            return await client.chat.completions.create(model="small", messages=[{"role": "user", "content": text}])
    Not this:
        from fastapi import FastAPI, HTTPException
        from openai import AsyncOpenAI, RateLimitError

        app = FastAPI()
        client = AsyncOpenAI()

        @app.get("/models")
        async def models():
            return await client.models.list()

        @app.post("/answers")
        async def answer(account: str, text: str):
            if await used_quota(account) > 100:
                raise HTTPException(429)
            return await client.responses.create(model="small", input=text)

        async def used_quota(account): ...
    """
    paid = _paid_routes(project)
    if not paid or limits_everything(project) or _counts(project):
        return
    known = "nothing in this repository counts" if project.is_repository else "nothing in this code counts"
    for is_open, impact, who in ((True, MEDIUM, "anyone"), (False, LOW, "a user")):
        found = [row for row in paid if (row[0].auth is False) is is_open]
        if found:
            route, name, site, trace = found[0]
            more = f" and {len(found) - 1} more" if len(found) > 1 else ""
            message = f"{named(route)}{more} call a paid service ({name}); {known} how often {who} does it"
            places = dict.fromkeys(row[2].place() for row in found)
            certainty = project.requests.certainty(site.scope, site) if isinstance(site.scope, Function) else RESOLVED
            yield Hit(site.place(), message, trace, impact, certainty, tuple(places)[1:])


def _counts(project: Project) -> bool:
    """Whether anything in the application is called a limit of calls; what a paid service raises is none."""
    for scope in (scope for module in project.app_modules for scope in module.walk()):
        words = [scope.name, *scope.bindings, *(last_name(a) for a in scope.all(ast.Attribute))]
        if any(COUNTS.search(word) and not word.endswith(REFUSALS) for word in words):
            return True
    return False


def _paid_routes(project: Project) -> list[tuple[Route, str, CallSite, tuple[Place, ...]]]:
    """Routes that end in a paid call: its name, the call and the way there; those for administrators left out."""
    by_function: dict[Function, list[Route]] = defaultdict(list)
    for route in project.routes:
        for function in (route.function, *route.dependency_functions):
            if isinstance(function, Function):
                by_function[function].append(route)
    found: dict[int, tuple[Route, str, CallSite, tuple[Place, ...]]] = {}
    for function, site, name in project.requests.calls_of(lambda called: PAID.match(called) is not None):
        for root in project.requests.roots_reaching(function, site):
            for route in by_function.get(root.function, ()):
                if id(route) not in found and not is_for_admins(project, route):
                    found[id(route)] = (route, name, site, project.requests.way_from(root, function))
    return sorted(found.values(), key=lambda row: (row[0].file, row[0].line))
