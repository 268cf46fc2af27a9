"""Injection with a way in: request input that reaches SQL text, a shell, a path, an address or a redirect."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from check import HIGH, MEDIUM, Found, Hit
from project import Project
from project.calls import CallSite
from security.dimension import security

SQL_TEXT = frozenset("sqlalchemy.text sqlalchemy.literal_column sqlalchemy.sql.literal_column sqlalchemy.DDL".split())
DRIVERS = (
    "psycopg2.Cursor psycopg.Cursor psycopg.AsyncCursor psycopg.Connection psycopg.AsyncConnection "
    "pymysql.Cursor mysql.connector.Cursor sqlite3.Connection sqlite3.Cursor aiosqlite.Connection "
    "aiosqlite.Cursor asyncpg.Connection asyncpg.Pool asyncpg.pool.Pool asyncpg.connection.Connection"
).split()
DRIVER_METHODS = "execute executemany executescript fetch fetchrow fetchval copy_from_query cursor".split()
SQL = SQL_TEXT | {f"{driver}.{method}" for driver in DRIVERS for method in DRIVER_METHODS}
SHELLS = frozenset(
    "os.system os.popen asyncio.create_subprocess_shell subprocess.getoutput subprocess.getstatusoutput".split()
)
MAYBE_SHELLS = frozenset(f"subprocess.{n}" for n in ("run", "call", "check_call", "check_output", "Popen"))
EVALUATES = frozenset(
    "builtins.eval builtins.exec builtins.compile pickle.loads pickle.load marshal.loads dill.loads "
    "shelve.open jsonpickle.decode yaml.unsafe_load".split()
)
FILES = frozenset(
    "builtins.open io.open os.open os.remove os.unlink os.rmdir os.listdir os.scandir shutil.rmtree "
    "shutil.copy shutil.copyfile shutil.move aiofiles.open anyio.open_file starlette.responses.FileResponse "
    "zipfile.ZipFile tarfile.open pathlib.Path.open pathlib.Path.read_text pathlib.Path.read_bytes "
    "pathlib.Path.write_text pathlib.Path.write_bytes pathlib.Path.unlink pathlib.Path.mkdir "
    "pathlib.Path.rmdir".split()
)
_VERBS = "get post put patch delete head options request stream".split()
FETCHES = frozenset(
    [
        f"{owner}.{verb}"
        for owner in ("requests", "requests.Session", "httpx", "httpx.Client", "httpx.AsyncClient")
        for verb in _VERBS
    ]
    + [
        f"{owner}.{verb}"
        for owner in ("httpx2", "httpx2.Client", "httpx2.AsyncClient", "aiohttp.ClientSession")
        for verb in _VERBS
    ]
    + ["urllib.request.urlopen", "urllib.request.Request", "urllib.request.urlretrieve", "aiohttp.request"]
)


@security.check(
    "SEC003",
    "sql-injection",
    title="Request input in SQL text",
    impact=HIGH,
    anti_pattern=8,
    fix="Pass the value as a bound parameter; take names of columns and tables from a fixed set.",
)
def sql_injection(project: Project) -> Found:
    """Text that is put together with request input lets the client write SQL. Bound parameters do not.

    Source: SQLAlchemy, Using Textual SQL, https://docs.sqlalchemy.org/en/21/core/sqlelement.html#sqlalchemy.sql.expression.text

    Bad:
        # app/main.py
        from fastapi import FastAPI
        from sqlalchemy import create_engine, text
        from app.sql import by_name

        app = FastAPI()
        engine = create_engine("sqlite://")

        @app.get("/direct")
        def direct(name: str):
            with engine.connect() as db:
                return db.execute(text(f"select * from item where name = '{name}'")).all()  # SEC003

        @app.get("/helper")
        def helper(name: str):
            with engine.connect() as db:
                return db.execute(text(by_name(name))).all()  # SEC003
        # app/sql.py
        def by_name(value):
            return "select * from item where name = '%s'" % value
    Good:
        from fastapi import FastAPI
        from sqlalchemy import create_engine, text

        app = FastAPI()
        engine = create_engine("sqlite://")

        @app.get("/direct")
        def direct(name: str):
            with engine.connect() as db:
                return db.execute(text("select * from item where name = :name"), {"name": name}).all()
    Not this:
        from fastapi import FastAPI
        from sqlalchemy import create_engine, select, text

        app = FastAPI()
        engine = create_engine("sqlite://")
        TABLE = "item"
        COLUMNS = {"name": "name", "age": "age"}

        @app.get("/constant")
        def constant(limit: int, order: str):
            if order not in COLUMNS:
                raise ValueError(order)
            with engine.connect() as db:
                db.execute(text(f"select * from {TABLE} limit {limit}"))
                return db.execute(text(f"select * from item order by {order}")).all()
    """
    yield from _reached(project, SQL, lambda site: site.argument(0), "SQL text")


@security.check(
    "SEC011",
    "command-injection",
    title="Request input run as a command or code",
    impact=HIGH,
    anti_pattern=8,
    fix="Call the program with a list of arguments and no shell; parse data with json or yaml.safe_load.",
)
def command_injection(project: Project) -> Found:
    """A shell, eval or pickle runs what the client sends with the rights of the server.

    Source: Python, subprocess, Security Considerations, https://docs.python.org/3/library/subprocess.html#security-considerations

    Bad:
        import subprocess
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/ping")
        def ping(host: str):
            return subprocess.call("ping -c1 " + host, shell=True)  # SEC011
    Good:
        import ipaddress
        import subprocess
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/ping")
        def ping(host: ipaddress.IPv4Address):
            return subprocess.call(["ping", "-c1", str(host)])
    Not this:
        import subprocess
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/ping")
        def ping(host: str):
            subprocess.call("uptime", shell=True)
            return subprocess.call(["ping", "-c1", host])
    """
    yield from _reached(project, SHELLS | EVALUATES, lambda site: site.argument(0), "a command or code")
    yield from _reached(project, MAYBE_SHELLS, _shell_command, "a shell")


def _shell_command(site: CallSite) -> ast.expr | None:
    shell = site.argument(-1, "shell")
    return site.argument(0, "args") if isinstance(shell, ast.Constant) and shell.value is True else None


@security.check(
    "SEC012",
    "path-traversal",
    title="Request input in a file path",
    impact=HIGH,
    anti_pattern=8,
    fix="Resolve the path and require is_relative_to(base), or make the file name yourself.",
)
def path_traversal(project: Project) -> Found:
    """`..` or an absolute path from the client leads out of the intended folder; UploadFile.filename is client text.

    Source: OWASP, Path Traversal, https://owasp.org/www-community/attacks/Path_Traversal

    Bad:
        from fastapi import FastAPI, UploadFile

        app = FastAPI()

        @app.post("/upload")
        async def upload(file: UploadFile):
            with open("/srv/up/" + (file.filename or "x"), "wb") as out:  # SEC012
                out.write(await file.read())
    Good:
        from pathlib import Path
        from fastapi import FastAPI, HTTPException
        from fastapi.responses import FileResponse

        app = FastAPI()
        BASE = Path("/srv/up")

        @app.get("/files/{name:path}")
        def download(name: str):
            path = (BASE / name).resolve()
            if not path.is_relative_to(BASE):
                raise HTTPException(404)
            return FileResponse(path)
    Not this:
        from pathlib import Path
        from uuid import UUID, uuid4
        from fastapi import FastAPI, UploadFile
        from fastapi.responses import FileResponse

        app = FastAPI()

        @app.get("/files/{key}")
        def download(key: UUID):
            return FileResponse(f"/srv/up/{key}")

        @app.get("/plain/{name}")
        def plain(name: str):
            return FileResponse(Path("/srv/up") / Path(name).name)

        @app.post("/upload")
        async def upload(file: UploadFile):
            Path(f"/srv/up/{uuid4()}").write_bytes(await file.read())
    """
    yield from _reached(project, FILES, _path, "a file path")


def _path(site: CallSite) -> ast.expr | None:
    call = site.call
    if call is not None and any(name.startswith("pathlib.Path.") for name in site.names):
        return call.func.value if isinstance(call.func, ast.Attribute) else None
    return site.argument(0, "path")


@security.check(
    "SEC013",
    "server-side-request-forgery",
    title="Request input decides which host the server calls",
    impact=HIGH,
    anti_pattern=8,
    fix="Allow only listed hosts; resolve the name and refuse private addresses.",
)
def server_side_request_forgery(project: Project) -> Found:
    """The server reaches what the client cannot: internal services and cloud metadata. A valid URL is no protection.

    Source: OWASP API7:2023, https://owasp.org/API-Security/editions/2023/en/0xa7-server-side-request-forgery/

    Bad:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()

        @app.post("/preview")
        def preview(url: str):
            return httpx.get(url).text  # SEC013
    Good:
        import httpx
        from fastapi import FastAPI, HTTPException

        app = FastAPI()
        SOURCES = {"rates": "https://rates.test/latest"}

        @app.post("/preview")
        def preview(source: str):
            return httpx.get(SOURCES[source]).text
    Not this:
        import httpx
        from fastapi import FastAPI

        app = FastAPI()
        BASE = "https://rates.test"

        @app.get("/rates/{currency}")
        def rates(currency: str):
            httpx.get(f"{BASE}/{currency}")
            return httpx.get("https://rates.test/" + currency, params={"q": currency}).text
    """
    yield from _reached(project, FETCHES, lambda site: _host_part(_address(site)), "the address the server calls")


def _address(site: CallSite) -> ast.expr | None:
    positional = 1 if any(name.rsplit(".", 1)[-1] in ("request", "stream") for name in site.names) else 0
    return site.argument(positional, "url")


def _host_part(url: ast.expr | None) -> ast.expr | None:
    """The part of an address that decides the host: its beginning."""
    while True:
        if isinstance(url, ast.JoinedStr) and url.values:
            first = url.values[0]
            url = first.value if isinstance(first, ast.FormattedValue) else first
        elif isinstance(url, ast.BinOp) and isinstance(url.op, (ast.Add, ast.Mod)):
            url = url.left
        else:
            return url


@security.check(
    "SEC014",
    "open-redirect",
    title="Redirect to an address from the request",
    impact=MEDIUM,
    anti_pattern=8,
    fix="Allow only paths of this site (one leading slash) or listed addresses.",
)
def open_redirect(project: Project) -> Found:
    """A link to the real site that leads to another one makes phishing and token theft easy.

    Source: OWASP, Unvalidated Redirects, https://cheatsheetseries.owasp.org/cheatsheets/Unvalidated_Redirects_and_Forwards_Cheat_Sheet.html

    Bad:
        from fastapi import FastAPI
        from fastapi.responses import RedirectResponse

        app = FastAPI()

        @app.get("/next")
        def go(next: str):
            return RedirectResponse(next)  # SEC014
    Good:
        from fastapi import FastAPI
        from fastapi.responses import RedirectResponse

        app = FastAPI()
        PAGES = {"home": "/", "cart": "/cart"}

        @app.get("/next")
        def go(page: str):
            return RedirectResponse(PAGES[page])
    Not this:
        from fastapi import FastAPI, Request
        from fastapi.responses import RedirectResponse

        app = FastAPI()

        @app.get("/item/{key}")
        def go(key: str, request: Request):
            if key == "a":
                return RedirectResponse(request.url_for("item", key=key))
            return RedirectResponse(f"/items/{key}")
    """
    redirects = frozenset(("starlette.responses.RedirectResponse",))
    yield from _reached(project, redirects, lambda site: _host_part(site.argument(0, "url")), "a redirect")


def _reached(
    project: Project, sinks: frozenset[str], chosen: Callable[[CallSite], ast.expr | None], what: str
) -> Iterator[Hit]:
    """Calls of `sinks` in the application whose chosen argument comes from the request, with the way it came."""
    for module in project.app_modules:
        for scope in module.walk():
            for site in project.calls.sites(scope):
                if site.call is None or not sinks.intersection(site.names):
                    continue
                way = project.origins.way(chosen(site), scope)
                if way is not None:
                    source = way[0].label or "request input"
                    yield Hit(
                        site.place(), f"{source} reaches {what} in {site.names[0]}", way, certainty=site.certainty
                    )
