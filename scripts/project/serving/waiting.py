"""Awaited calls that wait for other services: which library names they are, and which functions lead to one."""

from __future__ import annotations

import re
from functools import cached_property
from typing import TYPE_CHECKING

from project.language.calls import CallSite
from project.language.scopes import Function

if TYPE_CHECKING:
    from project import Project

_VERBS = "(?:get|post|put|patch|delete|head|options|request|send|stream)"
HTTP = re.compile(rf"(?:httpx2?\.AsyncClient|aiohttp\.ClientSession)\.{_VERBS}")
MODEL = re.compile(
    r"(?:openai\.Async\w+|anthropic\.Async\w+|google\.genai\.Client\.aio|mistralai\.Mistral|groq\.AsyncGroq|"
    r"cohere\.AsyncClient\w*)\.(?:\w+\.)*(?:create|stream|parse|generate_content|generate_content_stream|chat|"
    r"complete|embed|transcribe|generate)(?:_async)?"
    r"|langchain\w*\.(?:\w+\.)*[A-Z]\w*\.(?:ainvoke|astream|abatch|astream_events)"
    r"|litellm\.(?:acompletion|aembedding|aresponses)"
)


def waits(dotted: str) -> str:
    """http or model for a coroutine that waits for another service, "" for anything else."""
    if HTTP.fullmatch(dotted):
        return "http"
    return "model" if MODEL.fullmatch(dotted) else ""


class Waiting:
    """Functions that wait for another service, directly or through coroutines they await."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def functions(self) -> dict[Function, str]:
        """Coroutines of the requests that wait, with http or model."""
        reach = self._project.requests
        found: dict[Function, str] = {}
        for function, _, name in reach.calls_of(lambda n: bool(waits(n))):
            if found.get(function) != "model":
                found[function] = waits(name)
        stack = list(found)
        while stack:
            current = stack.pop()
            for caller in reach.callers(current):
                if caller.is_async and current.is_async and found.get(caller) not in (found[current], "model"):
                    found[caller] = found[current]
                    stack.append(caller)
        return found

    def at(self, site: CallSite) -> str:
        """What a call waits for: http, model, or "" when it does not wait for a service (or is not awaited here)."""
        direct = next((w for n in site.names if (w := waits(n))), "")
        if direct:
            return direct
        return next((self.functions[t] for t in site.targets if t in self.functions), "")
