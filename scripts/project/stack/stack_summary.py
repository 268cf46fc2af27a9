"""The stack of a project in a few lines."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING

from project.place import Place
from project.serving.starts import started
from project.stack.ci import KINDS
from project.stack.commands import Server
from project.stack.config_files import is_side

if TYPE_CHECKING:
    from project import Project
    from project.stack.requirements import Requirement
    from project.stack.stack import Stack

# Named first among the main dependencies, in this order.
_NOTABLE = (
    "pydantic pydantic-settings starlette sqlalchemy sqlmodel tortoise-orm beanie alembic aerich asyncpg psycopg "
    "psycopg2 psycopg2-binary aiosqlite aiomysql motor redis celery arq dramatiq taskiq rq httpx requests aiohttp "
    "pyjwt python-jose authlib fastapi-users passlib pwdlib bcrypt argon2-cffi slowapi uvicorn gunicorn "
    "python-multipart jinja2 sentry-sdk loguru structlog openai langchain boto3 stripe"
).split()
_MOST = 14
_NO_MIGRATIONS = "none found"
_NO_SERVER = "no start command found"
# Commands that only keep a container alive.
_IDLE = re.compile(r"(exec )?(tail -[fF]|sleep )")
# Versions that the six documents describe, to the minor one.
DESCRIBED = {"fastapi": "0.165", "pydantic": "2.14", "sqlalchemy": "2.1", "starlette": "1.10"}


def summary(stack: Stack) -> list[tuple[str, str]]:
    lines = [
        ("Framework", _framework(stack)),
        ("Python", _python(stack)),
        ("ORM", ", ".join(f"{title} {_version(r)}" for title, r in stack.orms) or "none declared"),
        ("Database", _databases(stack)),
        ("Main dependencies", _main_dependencies(stack)),
        *_behind(stack),
        ("Server", _servers(stack)),
        ("Migrations", _migrations(stack)),
        ("CI", _ci(stack)),
        ("Tools", _tools(stack)),
    ]
    found = {kind: paths for kind, paths in stack.configuration.items() if paths}
    missing = [kind for kind, paths in stack.configuration.items() if not paths]
    lines.append(
        ("Configuration found", "; ".join(f"{kind}: {_few(paths)}" for kind, paths in found.items()) or "none")
    )
    lines.append(("Configuration missing", ", ".join(missing) or "none"))
    return lines


def project_summary(project: Project) -> list[tuple[str, str]]:
    """The same with what the code says where no file does: the ORM it uses, the server it starts."""
    found = dict(project.stack.summary())
    if not project.stack.orms and project.models.all:
        used = ", ".join(sorted({model.orm for model in project.models.all}))
        found["ORM"] = f"{used} (used, not declared here)"
    starts = started(project)
    if starts and not project.stack.has_servers:
        known = [] if found["Server"] == _NO_SERVER else [found["Server"]]
        found["Server"] = "; ".join(known + [f"{name} ({_at(place)})" for name, place in starts[:2]])
    if found["Migrations"] == _NO_MIGRATIONS and project.migrations.own:
        own = project.migrations.own.items()
        found["Migrations"] = f"own migration functions in {_few(f'{path} ({number})' for path, number in own)}"
    if project.is_installed:
        found["Configuration missing"] = "not judged: an installed package leaves it out"
    return list(found.items())


def _at(place: Place) -> str:
    return f"{place.path}:{place.line}"


def _few(items: Iterable[str], most: int = 3) -> str:
    listed = list(dict.fromkeys(items))
    return ", ".join(listed[:most]) + (f" and {len(listed) - most} more" if len(listed) > most else "")


def _version(requirement: Requirement) -> str:
    if requirement.locked:
        return str(requirement.locked)
    return requirement.spec or "(any version)"


def _framework(stack: Stack) -> str:
    requirement = stack.dependencies.get("fastapi")
    if requirement is None:
        version = stack.version("fastapi")
        return f"FastAPI {version} (lock file; not declared directly)" if version else "FastAPI, version not declared"
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    how = f"locked, declared as {requirement.spec or 'any version'}" if requirement.locked else "declared, not locked,"
    return f"FastAPI{extras} {_version(requirement)} ({how} in {_at(requirement.place)})"


def _python(stack: Stack) -> str:
    shown: dict[str, str] = {}
    for use in stack.pythons:
        text = f"{use.source} {use.text}"
        shown.setdefault(text, f"{text} ({_at(use.place)})")
    return _few((*shown.values(),), 4) or "not declared"


def _behind(stack: Stack) -> list[tuple[str, str]]:
    """Which of the libraries that decide a review are older than what the documents describe."""
    old = [f"{name} before {newest}" for name, newest in DESCRIBED.items() if stack.before(name, newest)]
    return [("Older than described", f"{', '.join(old)}: mind the version notes of the documents")] if old else []


def _databases(stack: Stack) -> str:
    shown = []
    kinds = [*stack.databases, *(s.kind for s in stack.stores if not s.is_database)]
    for kind in dict.fromkeys(kinds):
        signs = [store for store in stack.stores if store.kind == kind]
        drivers = _few((store.driver for store in signs if store.evidence == "dependency"), 3)
        shown.append(f"{kind} ({drivers or signs[0].evidence + ' ' + _at(signs[0].place)})")
    return ", ".join(shown) or "none found"


def _main_dependencies(stack: Stack) -> str:
    direct = {name: r for name, r in stack.dependencies.items() if not r.dev and name != "fastapi"}
    names = [name for name in _NOTABLE if name in direct]
    names += [name for name in direct if name not in names and not direct[name].group]
    shown = ", ".join(f"{name} {_version(direct[name])}" for name in names[:_MOST])
    more = f" and {len(direct) - _MOST} more" if len(direct) > _MOST else ""
    return (shown + more) or "none declared"


def _servers(stack: Stack) -> str:
    servers = [server for server in stack.servers if not is_side(server.place.path)]
    if servers:
        return "; ".join(map(_server, servers[:4]))
    files = [dockerfile for dockerfile in stack.containers.dockerfiles if not is_side(dockerfile.path)]
    commands = [command for dockerfile in files for command in dockerfile.commands[-1:]]
    commands = [(place, text) for place, text in commands if not _IDLE.match(text)]
    return "; ".join(f"{text[:80]} ({_at(place)})" for place, text in commands[:2]) or _NO_SERVER


def _server(server: Server) -> str:
    details = [f"{server.workers} workers" if server.workers and server.workers > 1 else ""]
    details += ["--reload" if server.reloads else ""]
    allowed = server.forwarded_allow_ips
    details += [f"forwarded-allow-ips {allowed}" if allowed else ""]
    text = ", ".join(filter(None, (server.program, *details)))
    return f"{text} ({_at(server.place)})"


def _migrations(stack: Stack) -> str:
    if stack.alembics:
        folders = {a.script_location: a for a in reversed(stack.alembics)}
        return "; ".join(
            f"Alembic in {name or 'unknown folder'} ({_at(folders[name].place)})" for name in sorted(folders)
        )
    if stack.has("alembic"):
        return "Alembic declared, no alembic.ini found"
    return "Aerich" if stack.has("aerich") else _NO_MIGRATIONS


def _ci(stack: Stack) -> str:
    if not stack.workflows:
        return "none found"
    kinds = [kind for kind in KINDS if stack.runs(kind)]
    systems = _few(workflow.system for workflow in stack.workflows)
    return f"{systems}, {len(stack.workflows)} files; runs {', '.join(kinds) or 'nothing that is recognized'}"


def _tools(stack: Stack) -> str:
    shown = []
    for name, tool in sorted(stack.tools.items()):
        detail = "strict" if name == "mypy" and tool.flag("strict") else "" if tool.configured else "not configured"
        shown.append(f"{name} ({detail})" if detail else name)
    if stack.hooks:
        shown.append("pre-commit")
    minimum = stack.coverage.minimum
    if minimum:
        shown.append(f"coverage at least {minimum.value} %")
    return ", ".join(shown) or "none found"
