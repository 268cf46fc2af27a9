"""Injection with a way in: request input that becomes SQL text, a command, code or markup."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import replace
from functools import partial

from check import HIGH, MEDIUM, Found, Hit
from project import Class, Project, Scope
from project.language.calls import CallSite
from project.language.names import External
from security.dimension import security
from security.reached import lowered, only_admins, reached

SQL_TEXT = frozenset(
    "sqlalchemy.text sqlalchemy.literal_column sqlalchemy.sql.literal_column sqlalchemy.DDL pandas.read_sql "
    "pandas.read_sql_query sqlmodel.text".split()
)
DRIVERS = frozenset(
    "psycopg2 psycopg pymysql MySQLdb mysql sqlite3 aiosqlite asyncpg aiomysql asyncmy databases duckdb "
    "clickhouse_connect clickhouse_driver snowflake pyodbc oracledb cx_Oracle trino neo4j tortoise".split()
)
DRIVER_METHODS = frozenset(
    "execute executemany executescript execute_many execute_query execute_query_dict execute_script exec_driver_sql "
    "fetch fetchrow fetchval fetch_all fetch_one fetch_val iterate copy_from_query sql query run raw".split()
)
SHELLS = frozenset(
    "os.system os.popen asyncio.create_subprocess_shell subprocess.getoutput subprocess.getstatusoutput".split()
)
PROCESSES = frozenset(f"subprocess.{n}" for n in ("run", "call", "check_call", "check_output", "Popen")) | frozenset(
    ("asyncio.create_subprocess_exec",)
)
EVALUATES = frozenset(
    "builtins.eval builtins.exec builtins.compile pickle.loads pickle.load cloudpickle.loads marshal.loads dill.loads "
    "dill.load shelve.open jsonpickle.decode yaml.unsafe_load joblib.load".split()
)
SHELL_NAMES = frozenset("sh bash zsh /bin/sh /bin/bash cmd powershell pwsh".split())
TEMPLATES = frozenset("jinja2.Template jinja2.Environment.from_string mako.template.Template".split())
MARKUP = frozenset("starlette.responses.HTMLResponse markupsafe.Markup jinja2.Markup".split())


@security.check(
    "SEC003",
    "sql-injection",
    title="Request input in SQL text",
    impact=HIGH,
    anti_pattern=8,
    fix="Pass the value as a bound parameter; take names of columns and tables from a fixed set.",
)
def sql_injection(project: Project) -> Found:
    """Text that is put together with request input lets the client write the statement. Bound parameters do not.

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
    yield from lowered(project, reached(project, is_sql, lambda site: site.argument(0, "query"), "SQL text"))


def is_sql(name: str) -> bool:
    """Whether a library function takes SQL text first."""
    root, _, rest = name.partition(".")
    last = rest.rsplit(".", 1)[-1]
    if name in SQL_TEXT or last == "exec_driver_sql":
        return True
    return root in DRIVERS and last in DRIVER_METHODS and "." in rest


@security.check(
    "SEC011",
    "command-injection",
    title="Request input run as a command or code",
    impact=HIGH,
    anti_pattern=8,
    fix="Give a list of arguments, no shell; parse with json or yaml.safe_load.",
)
def command_injection(project: Project) -> Found:
    """A shell, eval or pickle runs what the client sends.

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
    yield from lowered(project, reached(project, SHELLS, lambda site: site.argument(0), "a shell"))
    yield from lowered(project, reached(project, PROCESSES, _shell_command, "a shell"))
    yield from lowered(project, reached(project, EVALUATES, lambda site: site.argument(0), "code that is run"))
    yield from lowered(
        project, reached(project, ("yaml.load",), partial(_unsafe_yaml, project), "an unsafe loader of YAML")
    )


def _shell_command(site: CallSite) -> ast.expr | None:
    """What a shell runs: the command with `shell=True`, or the text after `sh -c`."""
    shell = site.argument(-1, "shell")
    first = site.argument(0, "args")
    if isinstance(shell, ast.Constant) and shell.value is True:
        return first
    words = first.elts if isinstance(first, (ast.List, ast.Tuple)) else site.call.args if site.call is not None else []
    texts = [w.value if isinstance(w, ast.Constant) else None for w in words]
    return words[2] if len(words) > 2 and texts[0] in SHELL_NAMES and texts[1] in ("-c", "/c", "-lc") else None


def _unsafe_yaml(project: Project, site: CallSite) -> ast.expr | None:
    loader = site.argument(1, "Loader")
    return None if loader is not None and _is_safe(project, loader, site.scope) else site.argument(0, "stream")


def _is_safe(project: Project, loader: ast.expr, scope: Scope) -> bool:
    """Whether a loader of YAML, or what it derives from, makes plain values only."""
    entity = project.names.resolve(loader, scope)
    if not isinstance(entity, (Class, External)):
        return True
    order = project.names.mro(entity) if isinstance(entity, Class) else [entity]
    return any("Safe" in c.dotted or c.dotted == "yaml.BaseLoader" for c in order)


@security.check(
    "SEC015",
    "template-injection",
    title="Request input becomes a template or markup",
    impact=HIGH,
    anti_pattern=8,
    fix="Give input to a template as a variable; escape it in HTML.",
)
def template_injection(project: Project) -> Found:
    """A template of input runs on the server, unescaped input in the visitor's browser.

    Source: Jinja, Security Considerations, https://jinja.palletsprojects.com/en/stable/sandbox/#security-considerations

    Bad:
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse
        from jinja2 import Template

        app = FastAPI()

        @app.post("/render")
        def render(source: str):
            return Template(source).render()  # SEC015

        @app.get("/hello")
        def hello(name: str):
            return HTMLResponse(f"<h1>Hello {name}</h1>")  # SEC015
    Good:
        from fastapi import FastAPI, Request
        from fastapi.templating import Jinja2Templates

        app = FastAPI()
        templates = Jinja2Templates(directory="templates")

        @app.get("/hello")
        def hello(request: Request, name: str):
            return templates.TemplateResponse(request, "hello.html", {"name": name})
    Not this:
        import html
        from fastapi import FastAPI
        from fastapi.responses import HTMLResponse, PlainTextResponse
        from jinja2 import Template

        app = FastAPI()

        @app.get("/hello")
        def hello(name: str, times: int):
            Template("Hello {{ name }}").render(name=name)
            if times:
                return PlainTextResponse(f"Hello {name}")
            return HTMLResponse(f"<h1>Hello {html.escape(name)}, {times}</h1>")
    """
    yield from lowered(project, reached(project, TEMPLATES, lambda site: site.argument(0, "source"), "a template"))
    for _, way, hit in reached(project, MARKUP, lambda site: site.argument(0, "content"), "HTML without escaping"):
        if not only_admins(project, way):
            yield replace(hit, impact=MEDIUM)
    yield from _returned_markup(project)


def _returned_markup(project: Project) -> Iterator[Hit]:
    """Text made of input and returned by a route that answers with HTML."""
    for route in project.routes:
        function = route.function
        if function is None or not (route.response_class or "").endswith("HTMLResponse"):
            continue
        for returned in function.all(ast.Return):
            value = returned.value
            if isinstance(value, ast.Name):
                value = next((b.value for b in function.bindings.get(value.id, []) if b.kind == "assign"), value)
            way = (
                project.origins.way(returned.value, function) if isinstance(value, (ast.JoinedStr, ast.BinOp)) else None
            )
            if way is not None and not only_admins(project, way):
                message = f"{way.source} reaches HTML without escaping"
                yield Hit(function.place(returned), message, way.places, MEDIUM, way.certainty)
