"""Hints for a reader: where a function decides whom to trust, or passes that decision on."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

from project.serving.trust import hints

SETTINGS = "BASE_URL = 'https://a.example'\nsettings = object()"
HEAD = """
import httpx
import requests
from fastapi.responses import FileResponse, JSONResponse, Response, StreamingResponse
from settings import BASE_URL, settings

def load(key, user_id=None, skip_check=False, verify=True, limit=None, force_download=False, skip=0): ...

"""
CASES = {
    "def a(key): return load(key, user_id=None)": ["passes user_id=None"],
    "def a(key): return load(key, skip_check=True)": ["passes skip_check=True"],
    "def a(key): return load(key, force_download=True)": [],
    "def a(key): return load(key, verify=False)": ["passes verify=False"],
    "def a(key, user): return load(key, user_id=user.id, skip_check=False, verify=True, limit=None)": [],
    "def a(url): return requests.get('https://a.example', verify=False)": [],
    "def user_can_access_file(user, file): return file.owner == user.id": ["decides access"],
    "def verify_user_files(files): ...": ["decides access"],
    "def rescan_accessories(files): ...": [],
    "def get_token_limit_settings(): ...": [],
    "def encrypt_text(text): return text": ["encrypts or signs"],
    "def assign_owner(x): ...": [],
    "def a(name): return FileResponse(name)": ["serves stored content"],
    "def a(record): return Response(record.data, media_type=record.kind)": ["serves stored content"],
    "def a(rows): return StreamingResponse(rows, media_type='text/csv')": [],
    "def a(): return JSONResponse({}, headers={'a': 'b'})": [],
    "def a(url): return requests.get(url)": ["calls a computed address"],
    "def a(url): return requests.request('GET', url)": ["calls a computed address"],
    "def a(url): return requests.get(url=url)": ["calls a computed address"],
    "def a(name): return requests.get(f'https://{name}.example')": ["calls a computed address"],
    "def a(name): return requests.get(f'https://a.example/{name}')": [],
    "def a(host): return requests.get(f'http://{host}/x')": ["calls a computed address"],
    "def a(key): return requests.get(f'{BASE_URL}/x/{key}')": [],
    "def a(key): return requests.get(settings.BASE_URL + key)": [],
    "async def a(c: httpx.AsyncClient, url): return await c.get(url)": ["calls a computed address"],
    "async def a(q):\n    while True:\n        await q.get()": ["runs for ever"],
    "def a(q):\n    while q:\n        q.pop()": [],
    "def a(order): order.status = 'paid'": ["changes a state"],
    "def a(order): status = order.status": [],
}


@pytest.mark.parametrize("code", CASES)
def test_what_is_said(tmp_path: Path, code: str) -> None:
    project = make(tmp_path, {"app.py": HEAD + code, "settings.py": SETTINGS})
    function = project.modules["app.py"].functions[-1]
    assert [hint.text for hint in hints(function, project.calls)] == CASES[code]
