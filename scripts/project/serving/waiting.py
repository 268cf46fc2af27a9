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
    r"|pydantic_ai\.(?:\w+\.)*\w*Agent\.(?:run|run_stream|run_stream_events|iter)"
    r"|agents\.(?:\w+\.)*Runner\.run"
    r"|langgraph\.(?:\w+\.)*\w*Graph\.(?:ainvoke|astream|astream_events)"
)
WORKFLOW = re.compile(
    r"temporalio\.client\.(?:Client\.(?:execute_workflow|execute_update_with_start_workflow)|"
    r"WorkflowHandle\.(?:result|execute_update))"
)
_BY_LENGTH = ("", "http", "workflow", "model")


def waits(dotted: str) -> str:
    """http, workflow or model for a coroutine that waits for another service, "" for anything else."""
    if HTTP.fullmatch(dotted):
        return "http"
    if WORKFLOW.fullmatch(dotted):
        return "workflow"
    return "model" if MODEL.fullmatch(dotted) else ""


class Waiting:
    """Functions that wait for another service, directly or through coroutines they await."""

    def __init__(self, project: Project) -> None:
        self._project = project

    @cached_property
    def functions(self) -> dict[Function, str]:
        """Coroutines of the requests that wait, with http, workflow or model."""
        reach = self._project.requests
        found: dict[Function, str] = {}
        for function, _, name in reach.calls_of(lambda n: bool(waits(n))):
            found[function] = max(found.get(function, ""), waits(name), key=_BY_LENGTH.index)
        stack = list(found)
        while stack:
            current = stack.pop()
            for caller in reach.callers(current):
                longer = _BY_LENGTH.index(found[current]) > _BY_LENGTH.index(found.get(caller, ""))
                if caller.is_async and current.is_async and longer:
                    found[caller] = found[current]
                    stack.append(caller)
        return found

    def at(self, site: CallSite) -> str:
        """What a call waits for: http, workflow, model, or "" when it does not wait or is not awaited here."""
        direct = next((w for n in site.names if (w := waits(n))), "")
        if direct:
            return direct
        return next((self.functions[t] for t in site.targets if t in self.functions), "")
