"""Ways from request input to expressions: what passes it on, what ends the way, through which functions it goes."""

from __future__ import annotations

import ast
import textwrap
from pathlib import Path

import pytest
from tests.project.trees import function, make

from project import Project, Scope
from project.serving.origins import ADDRESS, ANYTHING, FILE_PATH, Aim, Way

HEAD = """
    import asyncio, os, re, uuid, shlex
    from enum import Enum
    from pathlib import Path
    from typing import Annotated, Literal, Optional
    from fastapi import Body, Cookie, Depends, FastAPI, Header, HTTPException, Query, Request, UploadFile, WebSocket
    from fastapi.security import HTTPBearer
    from pydantic import BaseModel, Field, field_validator

    app = FastAPI()
    BASE = Path("/srv")
    ALLOWED = {"a", "b"}
    scheme = HTTPBearer()

    class Color(str, Enum):
        red = "red"

    class Item(BaseModel):
        name: str
        amount: int
        code: str = Field(pattern="^[a-z]+$")
        kind: Literal["x"]
        checked: str

        @field_validator("checked")
        @classmethod
        def check(cls, value):
            if value != "x":
                raise ValueError(value)
            return value
"""


def ways(folder: Path, handler: str, aim: Aim = ANYTHING, **others: str) -> list[Way | None]:
    """The way to the argument of each `sink(...)`, in source order; `handler` follows HEAD in app.py."""
    files = {"app.py": textwrap.dedent(HEAD) + textwrap.dedent(handler)}
    project = make(folder, files | {f"{name}.py": text for name, text in others.items()})
    assert project.unread == []
    calls = [(c, s) for s in scopes(project) for c in s.all(ast.Call) if getattr(c.func, "id", "") == "sink"]
    calls.sort(key=lambda found: (found[1].module.path, found[0].lineno))
    return [project.origins.way(call.args[0], scope, aim) for call, scope in calls]


def scopes(project: Project) -> list[Scope]:
    return [scope for module in project.modules.values() for scope in module.walk()]


@pytest.mark.parametrize(
    "expression",
    [
        "name",
        "f'select {name}'",
        "'select ' + name",
        "'%s' % name",
        "'{}'.format(name)",
        "name.strip().lower()",
        "str(name)",
        "name or 'x'",
        "name if name else 'x'",
        "[name][0]",
        "os.path.join('/srv', name)",
        "Path('/srv') / name",
        "item.name",
        "item.model_dump()",
        "request.headers['x']",
        "request.query_params.get('x')",
        "await request.json()",
        "(await request.form())['x']",
        "upload.filename",
        "await upload.read()",
        "token.credentials",
        "header",
        "cookie",
    ],
)
def test_what_passes_input_on(tmp_path: Path, expression: str) -> None:
    found = ways(
        tmp_path,
        f"""
        @app.post("/x")
        async def handler(
            name: str, item: Item, request: Request, upload: UploadFile,
            token=Depends(scheme), header: str = Header(), cookie: str = Cookie(),
        ):
            sink({expression})
        """,
    )
    assert found[0] is not None


@pytest.mark.parametrize(
    "expression",
    [
        "'constant'",
        "number",
        "optional",
        "key",
        "color",
        "color.value",
        "word",
        "matched",
        "item.amount",
        "item.code",
        "item.kind",
        "item.checked",
        "int(name)",
        "uuid.UUID(name)",
        "shlex.quote(name)",
        "Path(name).name",
        "os.path.basename(name)",
        "name.replace('/', '')",
        "re.sub('[^a-z]', '', name)",
        "name == 'x'",
        "f'{number}'",
        "f'{name:d}'",
        "'%d' % name",
        "{'a': 1}[name]",
        "TABLE",
        "unknown(name)",
        "sanitize(name)",
    ],
)
def test_what_ends_a_way(tmp_path: Path, expression: str) -> None:
    found = ways(
        tmp_path,
        f"""
        TABLE = "item"

        def sanitize(text):
            return "".join(c for c in text if c.isalnum())

        @app.post("/x/{{key}}")
        async def handler(
            name: str, number: int, optional: Optional[int], key: uuid.UUID, color: Color, word: Literal["a"],
            item: Item, matched: Annotated[str, Query(pattern="^a$")],
        ):
            sink({expression})
        """,
    )
    assert found == [None]


@pytest.mark.parametrize(
    "check",
    [
        "if name not in ALLOWED: raise HTTPException(400)",
        "if not name.isalnum(): raise HTTPException(400)",
        "if '..' in name: raise HTTPException(400)",
        "if not re.fullmatch('[a-z]+', name): raise HTTPException(400)",
        "found = re.match('[a-z]+$', name)\n            if found is None: raise HTTPException(400)",
        "assert name in ALLOWED",
        "validate_name(name)",
        "asyncio.to_thread(validate_name, name)",
    ],
)
def test_a_check_in_the_function_ends_the_way(tmp_path: Path, check: str) -> None:
    found = ways(
        tmp_path,
        f"""
        def validate_name(name): ...

        @app.get("/x")
        def handler(name: str):
            {check}
            sink(name)
        """,
    )
    assert found == [None]


def test_looking_whether_a_file_exists_is_no_check(tmp_path: Path) -> None:
    (found,) = ways(
        tmp_path,
        """
        @app.get("/x")
        def handler(name: str):
            if not os.path.exists(name):
                raise HTTPException(404)
            sink(name)
        """,
    )
    assert found is not None


def test_a_checking_function_is_followed_into(tmp_path: Path) -> None:
    """`check_address(url)` that makes the request itself is no check of it."""
    (found,) = ways(
        tmp_path,
        """
        def check_address(address):
            return sink(address)

        @app.get("/x")
        def handler(url: str):
            return check_address(url)
        """,
        ADDRESS,
    )
    assert found is not None


def test_trace_goes_from_the_parameter_through_modules(tmp_path: Path) -> None:
    (way,) = ways(
        tmp_path,
        """
        from service import Service
        from text import build

        @app.get("/x")
        def handler(name: str):
            return Service().find(build(name))
        """,
        service="class Service:\n    def find(self, query):\n        return sink(query)\n",
        text="def build(value):\n    return 'select ' + value\n",
    )
    assert way is not None
    assert [(p.path, p.label) for p in way.places] == [
        ("app.py", "query parameter name of /x"),
        ("text.py", "built by build"),
        ("app.py", "passed to Service.find as query"),
    ]
    assert way.function is not None
    assert way.function.qualname == "handler"


def test_attributes_that_init_takes_from_arguments(tmp_path: Path) -> None:
    (way,) = ways(
        tmp_path,
        """
        class Job:
            def __init__(self, target, times):
                self.target = target
                self.times = times
            def run(self):
                sink(self.target)

        @app.get("/x")
        def handler(name: str):
            Job(name, 1).run()
        """,
    )
    assert way is not None


def test_dependencies(tmp_path: Path) -> None:
    found = ways(
        tmp_path,
        """
        class Paging(BaseModel):
            sort: str

        def filters(q: str = ""):
            return {"q": q}

        def current_user(token=Depends(scheme)):
            return look_up(token)

        @app.get("/x")
        def handler(filters=Depends(filters), paging: Paging = Depends(), user=Depends(current_user)):
            sink(filters["q"])
            sink(paging.sort)
            sink(user.name)
        """,
    )
    assert [way is not None for way in found] == [True, True, False]


def test_conditional_assignments_and_loops(tmp_path: Path) -> None:
    found = ways(
        tmp_path,
        """
        @app.post("/x")
        def handler(name: str, names: list[str], flag: bool):
            sql = "select 1"
            if flag:
                sql += " where name = '" + name + "'"
            sink(sql)
            for one in names:
                sink(one)
            name = "fixed"
            sink(name)
        """,
    )
    assert [way is not None for way in found] == [True, True, False]


def test_items_of_returned_tuples(tmp_path: Path) -> None:
    found = ways(
        tmp_path,
        """
        def target(name):
            return name, "https://api.test"

        @app.get("/x")
        def handler(name: str):
            label, address = target(name)
            sink(address)
            sink(label)
            first, second = name, "x"
            sink(second)
            host, port = name.split(":")
            sink(host)
        """,
    )
    assert [way is not None for way in found] == [False, True, False, True]


def test_functions_nobody_calls_have_no_input(tmp_path: Path) -> None:
    assert ways(tmp_path, "def helper(name):\n    sink(name)\n") == [None]


def test_long_chains_of_reassignment_are_quick(tmp_path: Path) -> None:
    lines = "\n".join(f"    if flag:\n        sql = sql + '{n}' + sql" for n in range(200))
    code = f'@app.get("/x")\ndef handler(flag: bool):\n    sql = "a"\n{lines}\n    sink(sql)\n'
    assert ways(tmp_path, code) == [None]


# Aims


@pytest.mark.parametrize(
    ("expression", "reached"),
    [
        ("url", True),
        ("f'https://{host}/x'", True),
        ("'https://' + host", True),
        ("'https://%s/x' % host", True),
        ("f'{BASE}/{host}'", False),
        ("f'https://api.test/{host}'", False),
        ("'https://api.test/' + host", False),
        ("'/items/{}'.format(host)", False),
        ("settings_base + '/' + host", False),
    ],
)
def test_only_the_start_of_an_address_counts(tmp_path: Path, expression: str, reached: bool) -> None:
    code = f"""
        settings_base = os.environ["BASE"]

        @app.get("/x")
        def handler(url: str, host: str):
            address = {expression}
            sink(address)
        """
    (found,) = ways(tmp_path, code, ADDRESS)
    assert (found is not None) is reached


def test_the_scheme_of_an_address_is_no_check(tmp_path: Path) -> None:
    code = """
        from urllib.parse import urlparse

        @app.get("/x")
        def handler(url: str):
            if not url.startswith(("http://", "https://")) or urlparse(url).scheme not in ("http", "https"):
                raise HTTPException(400)
            sink(url)

        @app.get("/y")
        def other(url: str):
            if urlparse(url).hostname not in ALLOWED:
                raise HTTPException(400)
            sink(url)
        """
    found = ways(tmp_path, code, ADDRESS)
    assert [way is not None for way in found] == [True, False]


@pytest.mark.parametrize(
    ("expression", "reached"),
    [
        ("f'/srv/{name}'", True),
        ("f'/srv/{name}.json'", True),
        ("'/srv/' + name", True),
        ("f'/srv/report_{name}'", False),
        ("'/srv/report_' + name", False),
        ("f'/srv/{plain}'", False),
        ("f'/srv/{whole}'", True),
        ("upload.filename", True),
        ("await upload.read()", False),
    ],
)
def test_file_paths(tmp_path: Path, expression: str, reached: bool) -> None:
    code = f"""
        @app.post("/x/{{plain}}/{{whole:path}}")
        async def handler(plain: str, whole: str, name: str, upload: UploadFile):
            sink({expression})
        """
    (found,) = ways(tmp_path, code, FILE_PATH)
    assert (found is not None) is reached


def test_entered_by(tmp_path: Path) -> None:
    project = make(
        tmp_path,
        {
            "app.py": """
                from fastapi import Depends, FastAPI

                app = FastAPI()

                def dependency(): ...

                @app.get("/x")
                def handler(value=Depends(dependency)): ...

                def other(): ...
            """
        },
    )
    routes = [project.origins.entered_by(function(project, "app.py", n)) for n in ("handler", "dependency", "other")]
    assert [route.path if route else None for route in routes] == ["/x", "/x", None]
