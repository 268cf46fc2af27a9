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
