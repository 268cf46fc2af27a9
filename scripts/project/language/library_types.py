"""Types of library objects that matter for the facts: results of calls, attributes, context managers, containers."""

from __future__ import annotations

CONTAINERS = frozenset(["builtins.list", "builtins.tuple", "builtins.set", "builtins.frozenset", "builtins.dict"])
GENERATORS = frozenset(
    f"{module}.{name}"
    for module in ("typing", "collections.abc")
    for name in ("Generator", "AsyncGenerator", "Iterator", "AsyncIterator", "AsyncIterable")
)
SAME_WHEN_INDEXED = ("pymongo.", "motor.", "h5py.")

STATE = "starlette.datastructures.State"

_PATH = "pathlib.Path"
_SESSION = "sqlalchemy.orm.Session"
_ASYNC_SESSION = "sqlalchemy.ext.asyncio.AsyncSession"

# Called name -> class of what it gives. A key that ends in "()" is a call of an object of that class.
RESULTS = {
    "sqlalchemy.create_engine": "sqlalchemy.Engine",
    "sqlalchemy.engine_from_config": "sqlalchemy.Engine",
    "sqlalchemy.ext.asyncio.create_async_engine": "sqlalchemy.ext.asyncio.AsyncEngine",
    "sqlalchemy.ext.asyncio.async_engine_from_config": "sqlalchemy.ext.asyncio.AsyncEngine",
    "sqlalchemy.Engine.connect": "sqlalchemy.Connection",
    "sqlalchemy.Engine.raw_connection": "sqlalchemy.Connection",
    "sqlalchemy.ext.asyncio.AsyncEngine.connect": "sqlalchemy.ext.asyncio.AsyncConnection",
    "sqlalchemy.orm.sessionmaker()": _SESSION,
    "sqlalchemy.ext.asyncio.async_sessionmaker()": _ASYNC_SESSION,
    "sqlalchemy.orm.scoped_session()": _SESSION,
    "sqlalchemy.orm.declarative_base": "sqlalchemy.orm.DeclarativeBase",
    f"{_SESSION}.query": "sqlalchemy.orm.Query",
    **{
        f"sqlalchemy.orm.Query.{method}": "sqlalchemy.orm.Query"
        for method in (
            "filter filter_by where join outerjoin order_by limit offset options group_by having distinct select_from "
            "with_entities with_for_update execution_options populate_existing slice"
        ).split()
    },
    "boto3.client": "boto3.Client",
    "boto3.resource": "boto3.Resource",
    "boto3.session.Session": "boto3.Session",
    "boto3.Session.client": "boto3.Client",
    "boto3.Session.resource": "boto3.Resource",
    "redis.from_url": "redis.Redis",
    "redis.Redis.pipeline": "redis.Pipeline",
    "redis.asyncio.from_url": "redis.asyncio.Redis",
    "redis.asyncio.Redis.pipeline": "redis.asyncio.Pipeline",
    "psycopg2.connect": "psycopg2.Connection",
    "psycopg.connect": "psycopg.Connection",
    "psycopg.Connection.connect": "psycopg.Connection",
    "psycopg2.Connection.cursor": "psycopg2.Cursor",
    "psycopg.Connection.cursor": "psycopg.Cursor",
    "pymysql.connect": "pymysql.Connection",
    "pymysql.Connection.cursor": "pymysql.Cursor",
    "MySQLdb.connect": "MySQLdb.Connection",
    "mysql.connector.connect": "mysql.connector.Connection",
    "mysql.connector.Connection.cursor": "mysql.connector.Cursor",
    "sqlite3.connect": "sqlite3.Connection",
    "sqlite3.Connection.cursor": "sqlite3.Cursor",
    "sqlalchemy.inspect": "sqlalchemy.Inspector",
    "sqlalchemy.Inspector.from_engine": "sqlalchemy.Inspector",
    "psycopg_pool.ConnectionPool.connection": "psycopg.Connection",
    "psycopg_pool.ConnectionPool.getconn": "psycopg.Connection",
    **{
        f"psycopg2.pool.{pool}.getconn": "psycopg2.Connection"
        for pool in ("SimpleConnectionPool", "ThreadedConnectionPool", "AbstractConnectionPool")
    },
    "snowflake.connector.connect": "snowflake.connector.Connection",
    "snowflake.connector.Connection.cursor": "snowflake.connector.Cursor",
    "duckdb.connect": "duckdb.Connection",
    "clickhouse_connect.get_client": "clickhouse_connect.Client",
    "cassandra.cluster.Cluster.connect": "cassandra.cluster.Session",
    "supabase.create_client": "supabase.Client",
    "firebase_admin.firestore.client": "google.cloud.firestore.Client",
    "transformers.pipeline": "transformers.Pipeline",
    "celery.Task.delay": "celery.result.AsyncResult",
    "celery.Task.apply_async": "celery.result.AsyncResult",
    "temporalio.client.Client.connect": "temporalio.client.Client",
    "temporalio.client.Client.start_workflow": "temporalio.client.WorkflowHandle",
    "temporalio.client.Client.get_workflow_handle": "temporalio.client.WorkflowHandle",
    "docker.from_env": "docker.DockerClient",
    "builtins.open": "io.File",
    "io.open": "io.File",
    f"{_PATH}.open": "io.File",
    "asyncio.get_event_loop": "asyncio.AbstractEventLoop",
    "asyncio.get_running_loop": "asyncio.AbstractEventLoop",
    "asyncio.new_event_loop": "asyncio.AbstractEventLoop",
    "threading.Lock": "threading.Lock",
    "threading.RLock": "threading.Lock",
    "concurrent.futures.ThreadPoolExecutor.submit": "concurrent.futures.Future",
    "concurrent.futures.ProcessPoolExecutor.submit": "concurrent.futures.Future",
    "asyncio.run_coroutine_threadsafe": "concurrent.futures.Future",
    "smtplib.SMTP": "smtplib.SMTP",
    "smtplib.SMTP_SSL": "smtplib.SMTP",
    "imaplib.IMAP4": "imaplib.IMAP4",
    "ftplib.FTP": "ftplib.FTP",
    "imaplib.IMAP4_SSL": "imaplib.IMAP4",
    "socket.socket": "socket.socket",
    "multiprocessing.Pool": "multiprocessing.pool.Pool",
    "redis.Redis.from_url": "redis.Redis",
    **{
        f"pandas.read_{kind}": "pandas.DataFrame"
        for kind in ("csv", "excel", "parquet", "json", "sql", "sql_query", "feather", "table")
    },
    "jinja2.Environment.get_template": "jinja2.Template",
    **{
        f"{_PATH}.{name}": _PATH
        for name in [
            "resolve",
            "absolute",
            "joinpath",
            "with_suffix",
            "with_name",
            "expanduser",
            "relative_to",
            "cwd",
            "home",
        ]
    },
}

# Attribute of an object -> class of it.
ATTRIBUTES = {
    f"{_PATH}.parent": _PATH,
    "fastapi_sqlalchemy.db.session": _SESSION,
    "fastapi_users.BaseUserManager.password_helper": "fastapi_users.password.PasswordHelper",
    "fastapi.datastructures.UploadFile.file": "typing.BinaryIO",
    "fastapi.FastAPI.state": STATE,
    "starlette.applications.Starlette.state": STATE,
    **{
        f"starlette.{owner}.{name}": cls
        for owner in ("requests.Request", "websockets.WebSocket", "requests.HTTPConnection")
        for name, cls in (("state", STATE), ("app", "fastapi.FastAPI"))
    },
}

# Entered with `with` -> class of what `as` binds; everything else enters as itself.
ENTERED = {
    "sqlalchemy.orm.sessionmaker.begin()": _SESSION,
    "sqlalchemy.ext.asyncio.async_sessionmaker.begin()": _ASYNC_SESSION,
    "sqlalchemy.Engine.begin()": "sqlalchemy.Connection",
    "sqlalchemy.ext.asyncio.AsyncEngine.begin()": "sqlalchemy.ext.asyncio.AsyncConnection",
}
