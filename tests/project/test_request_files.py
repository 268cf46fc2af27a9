"""Requests in test files that are not Python."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import make

APP = """
from fastapi import FastAPI

app = FastAPI()

@app.get("/orders/{order_id}")
def read_order(order_id: int): ...

@app.post("/orders")
def create_order(): ...

@app.delete("/orders/{order_id}")
def delete_order(order_id: int): ...
"""
TAVERN = """
---
test_name: orders
marks:
  - usefixtures: [server]
stages:
  - name: read one
    request:
      url: "{server}/orders/{order_id:d}"
    response:
      status_code: 200
      json:
        id: !anyint
  - name: make one
    request: &create
      method: POST
      url: '{server}/orders'
      json:
        url: /orders/1
    response:
      status_code: 201
"""
LINES = "@host = http://localhost\n\n### make one\nPOST {{host}}/orders HTTP/1.1\n\n{}\n\nGET {{host}}/orders/{{id}}\n"
POSTMAN = """{"item": [{"name": "orders", "item": [
  {"request": {"method": "POST", "url": {"raw": "{{base}}/orders"}}, "event": [{"listen": "test"}]},
  {"request": {"method": "GET", "url": "{{base}}/orders/:id"}, "event": [{"listen": "test"}]},
  {"request": {"method": "DELETE", "url": "{{base}}/orders/1"}}
]}]}"""


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("tests/test_orders.tavern.yaml", TAVERN),
        ("tests/orders.http", LINES),
        ("checks/orders.hurl", LINES),
        ("docs/shop.postman_collection.json", POSTMAN),
    ],
)
def test_requests_of_other_forms_are_tests(tmp_path: Path, path: str, text: str) -> None:
    project = make(tmp_path, {"main.py": APP, path: text})
    assert [r.handler for r in project.tests.unmentioned(project.routes)] == ["main.delete_order"]


@pytest.mark.parametrize("path", ["docs/orders.http", "tests/orders.yaml"])
def test_what_only_looks_like_a_test(tmp_path: Path, path: str) -> None:
    project = make(tmp_path, {"main.py": APP, path: LINES if path.endswith("http") else TAVERN})
    assert len(project.tests.unmentioned(project.routes)) == 3


@pytest.mark.parametrize(
    ("line", "all_of_them"),
    [
        ("run: schemathesis run http://localhost/openapi.json", True),
        ("run: st run app/openapi.json", True),
        ("# run: schemathesis run x", False),
        ("run: pytest", False),
    ],
)
def test_a_tool_that_requests_every_operation(tmp_path: Path, line: str, all_of_them: bool) -> None:
    project = make(tmp_path, {"main.py": APP, ".github/workflows/ci.yml": f"jobs:\n  test:\n    - {line}\n"})
    assert (project.tests.everything is not None) is all_of_them


def test_forms_that_are_not_read_are_named(tmp_path: Path) -> None:
    files = dict.fromkeys(("load/k6/a.js", "load/k6/b.js", "e2e/login.spec.ts", "src/login.spec.ts"), "")
    assert make(tmp_path, {"main.py": APP, **files}).tests.files.unread == ["2 k6 files", "1 Playwright file"]


@pytest.mark.parametrize("text", ["", "{", "[]", '{"item": 3}', "request:\n  url:\n", "request:\nurl: /orders\n"])
def test_broken_files_say_nothing(tmp_path: Path, text: str) -> None:
    files = {"tests/a.postman_collection.json": text, "tests/a.tavern.yml": text, "tests/a.hurl": text}
    assert make(tmp_path, {"main.py": APP, **files}).tests.files.requests == []
