"""The python blocks of the six documents, run as they stand there among the names that the text presupposes."""

import asyncio
import re
import sys
import types
from collections.abc import AsyncIterator
from typing import Annotated, Any

import fastapi
import fastapi.security
import pydantic
from fastapi.concurrency import run_in_threadpool
from sqlalchemy.ext.asyncio import AsyncSession

from .registry import ROOT

_FENCED = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_HEADING = re.compile(r"^##+ (.+)$", re.MULTILINE)
SETTINGS = types.SimpleNamespace(
    jwt_key=pydantic.SecretStr("k" * 32),
    cors_origins=["https://shop.example"],
    redis_url="memory://",
    rates_url="https://rates.test",
)
_GIVEN: dict[str, Any] = {
    **vars(fastapi),
    **vars(fastapi.security),
    **vars(pydantic),
    "Annotated": Annotated,
    "AsyncIterator": AsyncIterator,
    "asyncio": asyncio,
    "AsyncSession": AsyncSession,
    "run_in_threadpool": run_in_threadpool,
    "settings": SETTINGS,
}


def sections(document: str) -> dict[str, list[str]]:
    """The python blocks below each heading of any level, for headings that have one."""
    parts = _HEADING.split((ROOT / document).read_text(encoding="utf-8"))
    under = {heading: _FENCED.findall(text) for heading, text in zip(parts[1::2], parts[2::2], strict=True)}
    return {heading: found for heading, found in under.items() if found}


def blocks(document: str, *headings: str) -> list[str]:
    """The python blocks of the sections under these headings, of all without any."""
    found = sections(document)
    return [block for heading in headings or found for block in found[heading]]


def executed(document: str, *headings: str, before: str = "", after: str = "", **names: Any) -> dict[str, Any]:
    """What the blocks under the headings define, run in order in one module that has `names`, between two sources."""
    module = types.ModuleType(f"blocks_of_{document.removesuffix('.md').lower()}")
    sys.modules[module.__name__] = module  # where SQLAlchemy and Pydantic look names of annotations up
    vars(module).update(_GIVEN | names | {"__name__": module.__name__})
    for source in (before, *blocks(document, *headings), after):
        exec(compile(source, document, "exec", dont_inherit=True), vars(module))
    return vars(module)
