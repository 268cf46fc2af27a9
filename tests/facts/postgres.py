"""A PostgreSQL server for proofs: the one that POSTGRES_URL names, or one of its own when the programs are there."""

import asyncio
import gc
import importlib.util
import os
import shutil
import subprocess
import tempfile
import uuid
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

ASYNCPG = "postgresql+asyncpg"
ACCOUNTS = ("postgres", "nobody")  # the server refuses to run as root


@contextmanager
def server() -> Iterator[str]:
    """The address of a database, for asyncpg. Skips the test that asks when there is neither server nor driver."""
    if importlib.util.find_spec("asyncpg") is None:
        pytest.skip("asyncpg is not installed")
    given = os.environ.get("POSTGRES_URL")
    if given:
        yield ASYNCPG + given[given.index("://") :]
        return
    initdb = _program("initdb")
    if initdb is None:
        pytest.skip("no PostgreSQL: neither POSTGRES_URL nor initdb")
    with tempfile.TemporaryDirectory(prefix="pg", ignore_cleanup_errors=True) as folder:
        account = _account(folder)
        start = ["-D", f"{folder}/data", "-w", "-l", f"{folder}/log", "-o", f"-k {folder} -c listen_addresses='' -F"]
        _as(account, [initdb, "-D", f"{folder}/data", "-A", "trust", "-U", "app", "-E", "UTF8", "--no-sync"])
        pg_ctl = str(Path(initdb).parent / "pg_ctl")
        _as(account, [pg_ctl, "start", *start])
        try:
            yield f"{ASYNCPG}://app@/postgres?host={folder}"
        finally:
            _as(account, [pg_ctl, "stop", "-D", f"{folder}/data", "-m", "immediate"])


def _program(name: str) -> str | None:
    installed = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    found = shutil.which(name) or (str(installed[-1]) if installed else None)
    return str(Path(found).resolve()) if found else None


def _account(folder: str) -> str | None:
    """Whose server it is: None for this user, an account of less rights when this is root."""
    if os.geteuid() != 0:
        return None
    import pwd

    names = {entry.pw_name for entry in pwd.getpwall()}
    account = next((name for name in ACCOUNTS if name in names), None)
    if account is None:
        pytest.skip("PostgreSQL does not run as root, and there is no other account")
    shutil.chown(folder, account)
    return account


def _as(account: str | None, command: list[str]) -> None:
    other: dict[str, Any] = {"user": account, "extra_groups": []} if account else {}
    done = subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, cwd="/", **other)
    assert done.returncode == 0, done.stderr


def on(url: str, work: Callable[[AsyncEngine], Awaitable[None]], **options: Any) -> None:
    """Runs `work` with an engine on a schema of its own; `options` go to the engine."""
    schema = f"proof_{uuid.uuid4().hex}"

    async def main() -> None:
        made = create_async_engine(url, connect_args={"server_settings": {"search_path": schema}}, **options)
        try:
            async with made.begin() as connection:
                await connection.execute(sa.text(f"CREATE SCHEMA {schema}"))
            try:
                await work(made)
            finally:
                await made.dispose()
                async with made.begin() as connection:
                    await connection.execute(sa.text(f"DROP SCHEMA {schema} CASCADE"))
        finally:
            await made.dispose()

    asyncio.run(main())
    gc.collect()  # a refused lazy load leaves a coroutine behind; its warning belongs to this test
