"""Status and detail of HTTP errors, through helpers, subclasses and constants."""

from __future__ import annotations

from pathlib import Path

from tests.project.trees import function, make

ERRORS = """
    from http import HTTPStatus
    from fastapi import HTTPException, status

    GONE = 410

    class NotFound(HTTPException):
        def __init__(self, what: str):
            super().__init__(status_code=status.HTTP_404_NOT_FOUND, detail=what)

    class Plain(HTTPException):
        status_code = 409

    def forbidden(detail: str = "Forbidden") -> HTTPException:
        return HTTPException(status_code=status.HTTP_403_FORBIDDEN, detail=detail)

    def f(n, code):
        if n == 1: raise HTTPException(400, "first")
        if n == 2: raise HTTPException(status_code=HTTPStatus.CONFLICT, detail=f"no {n} here")
        if n == 3: raise NotFound("user")
        if n == 4: raise forbidden()
        if n == 5: raise forbidden("Invalid token")
        if n == 6: raise HTTPException(GONE)
        if n == 7: raise HTTPException(code)
        if n == 8: raise Plain("x")
        if n == 9: raise ValueError("no HTTP error")
        error = HTTPException(418, "teapot")
        raise error
"""


def test_status_and_detail(tmp_path: Path) -> None:
    project = make(tmp_path, {"m.py": ERRORS})
    found = [(e.status, e.text) for e in project.http_errors.of(function(project, "m.py", "f"))]
    assert found == [
        (400, "first"),
        (409, "no  here"),
        (404, "user"),
        (403, "Forbidden"),
        (403, "Invalid token"),
        (410, ""),
        (None, ""),
        (409, ""),
        (418, "teapot"),
    ]
