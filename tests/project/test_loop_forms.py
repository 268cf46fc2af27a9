"""Every way in which code comes to hold the event loop, or does not: `on_the_loop.txt` and `off_the_loop.txt`.

A section starts with `### what it shows -> the call that must be found`; its code follows a common head.
"""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project.serving.loop_holds import SERIOUS

HEAD = """
import asyncio, functools, time, requests, contextlib, httpx, anyio
from typing import Annotated, Protocol
from abc import ABC, abstractmethod
from fastapi import BackgroundTasks, Depends, FastAPI, APIRouter, Request, WebSocket, UploadFile, File
from fastapi.concurrency import run_in_threadpool
from fastapi.responses import StreamingResponse
from starlette.middleware.base import BaseHTTPMiddleware
from contextlib import asynccontextmanager, contextmanager
app = FastAPI()
"""


def sections(name: str) -> list[tuple[str, str]]:
    text = Path(__file__).with_name(name).read_text(encoding="utf-8")
    parts = [part.split("\n", 1) for part in text.split("### ")[1:]]
    return [(title, code) for title, code in parts]


def held(folder: Path, code: str) -> list[str]:
    project = make(folder, {"main.py": HEAD + code})
    return [h.name for h in project.loop_holds.of(SERIOUS)]


ON, OFF = sections("on_the_loop.txt"), sections("off_the_loop.txt")


@pytest.mark.parametrize(("title", "code"), ON, ids=[title for title, _ in ON])
def test_held(tmp_path: Path, title: str, code: str) -> None:
    assert title.split(" -> ")[1] in held(tmp_path, code)


@pytest.mark.parametrize(("title", "code"), OFF, ids=[title for title, _ in OFF])
def test_not_held(tmp_path: Path, title: str, code: str) -> None:
    assert held(tmp_path, code) == []


def test_the_forms_are_read() -> None:
    assert len(ON) > 100
    assert len(OFF) > 30
