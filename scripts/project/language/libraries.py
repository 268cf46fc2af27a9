"""What is known of libraries: canonical spelling of their names, and which top-level names are libraries."""

from __future__ import annotations

from functools import cache

KNOWN_LIBRARIES = frozenset(
    "fastapi starlette pydantic pydantic_settings pydantic_core sqlalchemy sqlmodel alembic tortoise aerich "
    "beanie odmantic motor pymongo mongoengine peewee redis aioredis celery kombu requests httpx httpx2 "
    "aiohttp urllib3 boto3 botocore aioboto3 aiobotocore jwt jose passlib pwdlib bcrypt argon2 cryptography "
    "uvicorn gunicorn anyio trio asyncer sniffio click typer rich yaml ujson orjson openai anthropic stripe "
    "twilio sendgrid google azure elasticsearch opensearchpy neo4j kafka aiokafka confluent_kafka pika "
    "aio_pika docker kubernetes git paramiko asyncssh asyncpg psycopg psycopg2 pymysql aiomysql asyncmy "
    "aiosqlite MySQLdb mysql pandas numpy PIL cv2 torch sklearn jinja2 markupsafe loguru structlog sentry_sdk "
    "prometheus_client opentelemetry slowapi fastapi_limiter fastapi_users fastapi_pagination fastapi_utils "
    "fastcrud sqladmin cadwyn dotenv decouple dynaconf tenacity pytest hypothesis mock respx faker setuptools "
    "pkg_resources attr attrs dateutil pytz tiktoken langchain langchain_core transformers minio websockets "
    "socketio msgpack aiofiles aiocache cachetools arq dramatiq taskiq apscheduler rq huey grpc casbin "
    "authlib itsdangerous werkzeug flask django".split()
)

_ALIASES = {
    "fastapi.applications.FastAPI": "fastapi.FastAPI",
    "fastapi.routing.APIRouter": "fastapi.APIRouter",
    "fastapi.param_functions.Depends": "fastapi.Depends",
    "fastapi.param_functions.Security": "fastapi.Security",
    "fastapi.params.Depends": "fastapi.Depends",
    "fastapi.params.Security": "fastapi.Security",
    "fastapi.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "starlette.background.BackgroundTasks": "fastapi.BackgroundTasks",
    "fastapi.exceptions.HTTPException": "fastapi.HTTPException",
    "fastapi.requests.Request": "starlette.requests.Request",
    "fastapi.Request": "starlette.requests.Request",
    "fastapi.Response": "starlette.responses.Response",
    "fastapi.WebSocket": "starlette.websockets.WebSocket",
    "fastapi.WebSocketDisconnect": "starlette.websockets.WebSocketDisconnect",
    "fastapi.websockets.WebSocket": "starlette.websockets.WebSocket",
    "fastapi.UploadFile": "fastapi.datastructures.UploadFile",
    "starlette.datastructures.UploadFile": "fastapi.datastructures.UploadFile",
    "fastapi.status": "starlette.status",
    "fastapi.concurrency.run_in_threadpool": "starlette.concurrency.run_in_threadpool",
    "fastapi.concurrency.iterate_in_threadpool": "starlette.concurrency.iterate_in_threadpool",
    "pydantic.main.BaseModel": "pydantic.BaseModel",
    "pydantic.fields.Field": "pydantic.Field",
    "pydantic_settings.main.BaseSettings": "pydantic_settings.BaseSettings",
    "sqlalchemy.orm.session.Session": "sqlalchemy.orm.Session",
    "sqlalchemy.orm.session.sessionmaker": "sqlalchemy.orm.sessionmaker",
    "sqlalchemy.ext.asyncio.session.AsyncSession": "sqlalchemy.ext.asyncio.AsyncSession",
    "sqlmodel.ext.asyncio.session.AsyncSession": "sqlmodel.ext.asyncio.AsyncSession",
    "sqlalchemy.engine.create_engine": "sqlalchemy.create_engine",
    "sqlalchemy.ext.declarative.declarative_base": "sqlalchemy.orm.declarative_base",
    "sqlalchemy.sql.text": "sqlalchemy.text",
    "sqlalchemy.sql.expression.text": "sqlalchemy.text",
    "sqlalchemy.sql.select": "sqlalchemy.select",
    "sqlalchemy.future.select": "sqlalchemy.select",
    "sqlalchemy.sql.expression.select": "sqlalchemy.select",
    "sqlalchemy.sql.func": "sqlalchemy.func",
    "sqlmodel.create_engine": "sqlalchemy.create_engine",
    "redis.client.Redis": "redis.Redis",
    "redis.StrictRedis": "redis.Redis",
    "redis.cluster.RedisCluster": "redis.RedisCluster",
    "redis.asyncio.client.Redis": "redis.asyncio.Redis",
    "fastapi_users.manager.BaseUserManager": "fastapi_users.BaseUserManager",
    "requests.sessions.Session": "requests.Session",
    "requests.session": "requests.Session",
    "requests.api.get": "requests.get",
    "pymongo.mongo_client.MongoClient": "pymongo.MongoClient",
    "pymongo.synchronous.mongo_client.MongoClient": "pymongo.MongoClient",
    "elasticsearch.client.Elasticsearch": "elasticsearch.Elasticsearch",
    "psycopg2.extensions.connection": "psycopg2.Connection",
    "psycopg2.extensions.cursor": "psycopg2.Cursor",
    "mysql.connector.connection.MySQLConnection": "mysql.connector.Connection",
    "sqlalchemy.engine.Engine": "sqlalchemy.Engine",
    "sqlalchemy.engine.base.Engine": "sqlalchemy.Engine",
    "sqlalchemy.engine.Connection": "sqlalchemy.Connection",
    "sqlalchemy.engine.base.Connection": "sqlalchemy.Connection",
    "sqlalchemy.engine.Inspector": "sqlalchemy.Inspector",
    "sqlalchemy.engine.reflection.Inspector": "sqlalchemy.Inspector",
    "sqlalchemy.orm.query.Query": "sqlalchemy.orm.Query",
    "sqlalchemy.orm.scoping.scoped_session": "sqlalchemy.orm.scoped_session",
    "sqlmodel.orm.session.Session": "sqlmodel.Session",
    "anyio.to_thread.run_sync": "anyio.to_thread.run_sync",
    "typing_extensions.Annotated": "typing.Annotated",
    "typing_extensions.Optional": "typing.Optional",
}
_MODULE_ALIASES = (
    ("fastapi.responses.", "starlette.responses."),
    ("fastapi.middleware.", "starlette.middleware."),
    ("fastapi.testclient.", "starlette.testclient."),
    ("fastapi.staticfiles.", "starlette.staticfiles."),
    ("fastapi.templating.", "starlette.templating."),
    ("pydantic.v1.", "pydantic.v1."),
    ("typing_extensions.", "typing."),
    ("sqlalchemy.ext.asyncio.engine.", "sqlalchemy.ext.asyncio."),
    ("fastapi_sqlalchemy.db.session.", "sqlalchemy.orm.Session."),
)


@cache
def canonical_external(dotted: str) -> str:
    """One spelling for names that a library offers under several (`starlette.concurrency.run_in_threadpool`)."""
    found = _ALIASES.get(dotted)
    if found is not None:
        return found
    for start, instead in _MODULE_ALIASES:
        if dotted.startswith(start):
            return instead + dotted[len(start) :]
    return dotted
