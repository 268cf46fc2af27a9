"""What expressions are, through constructors, annotations, returns, `self` and `Depends`."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import expression, function, make

LIBRARY = {
    "app/__init__.py": "",
    "app/clients.py": """
        import contextlib
        import requests
        from sqlalchemy.orm import sessionmaker
        from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker

        SessionLocal = sessionmaker()
        AsyncLocal = async_sessionmaker()

        class Gateway:
            timeout: int = 3
            def __init__(self):
                self.session = requests.Session()
            @property
            def http(self):
                return self.session
            def me(self):
                return self

        class Sub(Gateway): ...

        def make() -> "Gateway":
            return None

        def guessed():
            return Gateway()

        async def later() -> Gateway: ...

        def get_db():
            with SessionLocal() as db:
                yield db

        @contextlib.contextmanager
        def opened():
            yield Gateway()

        async def get_async() -> AsyncSession:
            async with AsyncLocal() as session:
                yield session
        """,
}


@pytest.mark.parametrize(
    ("signature", "body", "asked", "dotted"),
    [
        ("", "g = clients.Gateway()\ng.session.get('u')", "g.session.get", "requests.Session.get"),
        ("", "clients.make().session.get('u')", "clients.make().session.get", "requests.Session.get"),
        ("", "clients.guessed().http.get('u')", "clients.guessed().http.get", "requests.Session.get"),
        ("", "clients.Sub().me().session.get('u')", "clients.Sub().me().session.get", "requests.Session.get"),
        ("g: clients.Gateway", "g.session.get('u')", "g.session.get", "requests.Session.get"),
        ("g: 'clients.Gateway | None' = None", "g.session.get('u')", "g.session.get", "requests.Session.get"),
        ("g=Depends(clients.make)", "g.session.get('u')", "g.session.get", "requests.Session.get"),
        ("db=Depends(clients.get_db)", "db.execute('q')", "db.execute", "sqlalchemy.orm.Session.execute"),
        (
            "db: Annotated[Any, Depends(clients.get_db)]",
            "db.execute('q')",
            "db.execute",
            "sqlalchemy.orm.Session.execute",
        ),
        ("db: Alias", "db.execute('q')", "db.execute", "sqlalchemy.ext.asyncio.AsyncSession.execute"),
        ("", "with clients.SessionLocal() as s:\n    s.execute('q')", "s.execute", "sqlalchemy.orm.Session.execute"),
        ("", "with clients.opened() as g:\n    g.session.get('u')", "g.session.get", "requests.Session.get"),
        ("gs: list[clients.Gateway]", "for g in gs:\n    g.session.get('u')", "g.session.get", "requests.Session.get"),
        ("", "gs = {'a': clients.Gateway()}\ngs['a'].session.get('u')", "gs['a'].session.get", "requests.Session.get"),
        (
            "",
            "Path('a').parent.joinpath('b').read_text()",
            "Path('a').parent.joinpath('b').read_text",
            "pathlib.Path.read_text",
        ),
    ],
)
def test_receiver(tmp_path: Path, signature: str, body: str, asked: str, dotted: str) -> None:
    indented = "\n".join("    " + line for line in body.splitlines())
    main = (
        "from pathlib import Path\nfrom typing import Annotated, Any\nfrom fastapi import Depends\n"
        "from app import clients\n"
        "from sqlalchemy.ext.asyncio import AsyncSession\n"
        f"Alias = Annotated[AsyncSession, Depends(clients.get_async)]\ndef f({signature}):\n{indented}\n"
    )
    project = make(tmp_path, {**LIBRARY, "app/main.py": main})
    scope = function(project, "app/main.py", "f")
    assert [v.dotted for v in project.values.of(expression(scope, asked), scope)] == [dotted]


def test_await_unwraps(tmp_path: Path) -> None:
    main = "from app import clients\nasync def f():\n    g = await clients.later()\n    g.session.get('u')\n"
    project = make(tmp_path, {**LIBRARY, "app/main.py": main})
    scope = function(project, "app/main.py", "f")
    assert [v.dotted for v in project.values.of(expression(scope, "g.session.get"), scope)] == ["requests.Session.get"]


def test_unknown_is_empty_and_recursion_ends(tmp_path: Path) -> None:
    project = make(tmp_path, {"main.py": "def f(x):\n    y = f(y)\n    return x.get(y)\n"})
    scope = function(project, "main.py", "f")
    assert project.values.of(expression(scope, "x.get"), scope) == ()
    assert project.values.of(expression(scope, "f(y)"), scope) == ()


REDIS = "import redis\n"


@pytest.mark.parametrize(
    ("code", "asked"),
    [
        ("c = None\ndef init():\n    global c\n    c = redis.Redis()\ndef f():\n    c.get('k')\n", "c.get"),
        ("def init():\n    global c\n    c = redis.Redis()\ndef f():\n    c.get('k')\n", "c.get"),
        ("def f(c):\n    c.get('k')\ndef g():\n    f(redis.Redis())\n", "c.get"),
        ("def f(a, c=None):\n    c.get('k')\ndef g():\n    f(1, c=redis.Redis())\n", "c.get"),
        (
            (
                "class S:\n    def __init__(self, c):\n        self.c = c\ndef g():\n    return S(redis.Redis())\n"
                "def f(s: S):\n    s.c.get('k')\n"
            ),
            "s.c.get",
        ),
        ("from typing import cast\ndef f(x):\n    cast('redis.Redis', x).get('k')\n", "cast('redis.Redis', x).get"),
        ("from typing import Final\nc: Final = redis.Redis()\ndef f():\n    c.get('k')\n", "c.get"),
        (
            (
                "class S:\n    def __init__(self):\n        self.c = redis.Redis()\n"
                "def f(s: S):\n    getattr(s, 'c').get('k')\n"
            ),
            "getattr(s, 'c').get",
        ),
        ("def make():\n    return 1, redis.Redis()\ndef f():\n    n, c = make()\n    c.get('k')\n", "c.get"),
        ("def make() -> tuple[int, redis.Redis]: ...\ndef f():\n    n, c = make()\n    c.get('k')\n", "c.get"),
        ("def f():\n    n, c = 1, redis.Redis()\n    c.get('k')\n", "c.get"),
        ("class S:\n    c = None\ns = S()\ns.c = redis.Redis()\ndef f():\n    s.c.get('k')\n", "s.c.get"),
        ("class S:\n    c = None\ndef init():\n    S.c = redis.Redis()\ndef f():\n    S.c.get('k')\n", "S.c.get"),
        (
            (
                "from contextlib import ExitStack\ndef f(stack: ExitStack):\n"
                "    c = stack.enter_context(redis.Redis())\n    c.get('k')\n"
            ),
            "c.get",
        ),
        (
            (
                "from contextvars import ContextVar\nv: ContextVar[redis.Redis] = ContextVar('v')\ndef f():\n"
                "    v.get().get('k')\n"
            ),
            "v.get().get",
        ),
        ("def f(cs: list[redis.Redis]):\n    next(iter(cs)).get('k')\n", "next(iter(cs)).get"),
        ("def f(cs: dict[str, redis.Redis]):\n    for k, c in cs.items():\n        c.get('k')\n", "c.get"),
        ("def f(cs: dict[str, redis.Redis]):\n    for c in cs.values():\n        c.get('k')\n", "c.get"),
        ("def f(cs: list[redis.Redis]):\n    for i, c in enumerate(cs):\n        c.get('k')\n", "c.get"),
        ("cs = {}\ncs['a'] = redis.Redis()\ndef f():\n    cs['a'].get('k')\n", "cs['a'].get"),
        ("cs = []\ncs.append(redis.Redis())\ndef f():\n    for c in cs:\n        c.get('k')\n", "c.get"),
    ],
)
def test_client(tmp_path: Path, code: str, asked: str) -> None:
    project = make(tmp_path, {"main.py": REDIS + code})
    scope = function(project, "main.py", "f")
    assert [v.dotted for v in project.values.of(expression(scope, asked), scope)] == ["redis.Redis.get"]


@pytest.mark.parametrize(
    ("set_up", "asked"),
    [
        ("app.state.c = redis.Redis()\n", "request.app.state.c.get"),
        ("@asynccontextmanager\nasync def life(app):\n    yield {'c': redis.Redis()}\n", "request.state.c.get"),
        (
            "@app.middleware('http')\nasync def m(request, go):\n    request.state.c = redis.Redis()\n",
            "request.state.c.get",
        ),
    ],
)
def test_application_state(tmp_path: Path, set_up: str, asked: str) -> None:
    main = (
        "import redis\nfrom contextlib import asynccontextmanager\n"
        "from fastapi import FastAPI, Request\napp = FastAPI()\n"
        f"{set_up}\ndef f(request: Request):\n    {asked}('k')\n"
    )
    project = make(tmp_path, {"main.py": main})
    scope = function(project, "main.py", "f")
    assert [v.dotted for v in project.values.of(expression(scope, asked), scope)] == ["redis.Redis.get"]


def test_positions_of_tuples_are_kept_apart(tmp_path: Path) -> None:
    code = "import redis\ndef f():\n    for i, (a, c) in enumerate([(1, redis.Redis())]):\n        c.get(a)\n"
    project = make(tmp_path, {"main.py": code})
    scope = function(project, "main.py", "f")
    assert [v.dotted for v in project.values.of(expression(scope, "c"), scope)] == ["redis.Redis"]
    assert [v.dotted for v in project.values.of(expression(scope, "a"), scope)] == ["builtins.int"]
    assert project.values.of(expression(scope, "i"), scope) == ()
