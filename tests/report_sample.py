"""A report that passes, and the tree it is about."""

from __future__ import annotations

USERS = '''\
from fastapi import APIRouter

router = APIRouter()


@router.post("/users")
async def create_user(payload: dict) -> dict:
    """Create one."""
    name = payload["name"]
    email = payload["email"]
    checked = name and email
    if not checked:
        return {}
    response = requests.post(
        "https://example.org",
        timeout=None,
    )
    return response.json()
'''
NOTES = """\
@router.post(
    "/notes",
    response_model=Note,
    status_code=201,
    tags=["notes"],
    summary="Take a note",
)
async def create_note(note: Note) -> Note:
    return note
"""
DIMENSIONS = [
    "API Design",
    "Data Architecture",
    "Security",
    "Async Performance",
    "Code Organization",
    "Testing & Quality",
]
ISSUE = """\
1. **Blocking call in a path operation**
   - Location: `app/users.py:14`
   - Code: `requests.post(`
   - Impact: High
   - Recommendation: Await an async client.
   - Reference: [ASYNC_PERFORMANCE.md#asy001](ASYNC_PERFORMANCE.md#asy001)
"""


def report(issue: str = ISSUE, priority: str = "- [ ] Blocking call in a path operation, app/users.py:14") -> str:
    """A report that passes, with one issue under Async Performance."""
    related = dict.fromkeys(DIMENSIONS, "No findings") | {"Async Performance": issue.rstrip()}
    parts = [
        "# Backend Architecture Review Report",
        "## Project Overview\n- Framework: FastAPI 0.165.0",
        "## Architecture Scores\n| Dimension | Score | Notes |\n|---|---|---|",
        "\n".join(f"| {name} | ⭐⭐⭐☆☆ | fair |" for name in DIMENSIONS),
        "## Issues Found",
        *(f"### {name} Related\n{text}" for name, text in related.items()),
        "## Improvement Priorities",
        f"### P0 (Must fix immediately)\n{priority}",
        "### P1 (Should fix short-term)\nNone",
        "### P2 (Medium to long-term optimization)\n- [ ] None",
        "## Architecture Recommendations\n### Short-term Improvements\n1. Use httpx.",
        "### Medium-term Optimizations\n1. Measure.\n### Long-term Planning\n1. Nothing.",
        "## Coverage\n| Dimension | Read | Signals | Not assessed |\n|---|---|---|---|",
        "\n".join(f"| {name} | all of app/ | 1 seen, 1 reported | - |" for name in DIMENSIONS),
    ]
    return "\n\n".join(parts).replace("|\n\n| API", "|\n| API") + "\n"
