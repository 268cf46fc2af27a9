"""Which databases and other stores a project uses: ORMs, drivers, addresses, containers."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from project.place import Place
from project.stack.config_files import ConfigFiles, is_side
from project.stack.containers import Image
from project.stack.requirements import Requirement

ORMS = {
    "sqlmodel": "SQLModel",
    "sqlalchemy": "SQLAlchemy",
    "tortoise-orm": "Tortoise ORM",
    "beanie": "Beanie",
    "odmantic": "ODMantic",
    "mongoengine": "MongoEngine",
    "peewee": "Peewee",
    "piccolo": "Piccolo",
    "ormar": "ormar",
    "django": "Django ORM",
    "pony": "Pony",
    "gino": "GINO",
    "prisma": "Prisma",
    "databases": "databases (SQLAlchemy Core)",
}
# Distribution: (what it connects to, whether its calls are awaited; None: both ways).
DRIVERS: dict[str, tuple[str, bool | None]] = {
    "asyncpg": ("PostgreSQL", True),
    "psycopg": ("PostgreSQL", None),
    "psycopg2": ("PostgreSQL", False),
    "psycopg2-binary": ("PostgreSQL", False),
    "pg8000": ("PostgreSQL", False),
    "aiopg": ("PostgreSQL", True),
    "pymysql": ("MySQL", False),
    "mysqlclient": ("MySQL", False),
    "mysql-connector-python": ("MySQL", None),
    "aiomysql": ("MySQL", True),
    "asyncmy": ("MySQL", True),
    "aiosqlite": ("SQLite", True),
    "motor": ("MongoDB", True),
    "pymongo": ("MongoDB", None),
    "redis": ("Redis", None),
    "aioredis": ("Redis", True),
    "valkey": ("Redis", None),
    "coredis": ("Redis", True),
    "pyodbc": ("Microsoft SQL Server", False),
    "aioodbc": ("Microsoft SQL Server", True),
    "pymssql": ("Microsoft SQL Server", False),
    "oracledb": ("Oracle", None),
    "cx-oracle": ("Oracle", False),
    "clickhouse-connect": ("ClickHouse", None),
    "asynch": ("ClickHouse", True),
    "elasticsearch": ("Elasticsearch", None),
    "opensearch-py": ("OpenSearch", None),
    "neo4j": ("Neo4j", None),
    "cassandra-driver": ("Cassandra", False),
    "aiocache": ("cache", True),
    "google-cloud-firestore": ("Firestore", None),
    "supabase": ("PostgreSQL (Supabase)", None),
    "snowflake-connector-python": ("Snowflake", False),
    "duckdb": ("DuckDB", False),
}
_DATABASES = frozenset(
    "PostgreSQL|MySQL|MariaDB|SQLite|MongoDB|Microsoft SQL Server|Oracle|ClickHouse|Neo4j|Cassandra|Firestore"
    "|PostgreSQL (Supabase)|Snowflake|DuckDB|CockroachDB".split("|")
)
_SCHEMES = {
    "postgres": "PostgreSQL",
    "postgresql": "PostgreSQL",
    "mysql": "MySQL",
    "mariadb": "MariaDB",
    "sqlite": "SQLite",
    "mongodb": "MongoDB",
    "redis": "Redis",
    "rediss": "Redis",
    "mssql": "Microsoft SQL Server",
    "oracle": "Oracle",
    "cockroachdb": "CockroachDB",
    "clickhouse": "ClickHouse",
}
_ADDRESS = re.compile(
    r"\b(postgres(?:ql)?|mysql|mariadb|sqlite|mongodb|rediss?|mssql|oracle|cockroachdb|clickhouse)(?:\+(\w+))?://"
)
_ADDRESS_FILES = re.compile(
    r"(^|/)(\.env[\w.-]*|[\w.-]*\.env|alembic\.ini|[\w.-]*compose[\w.-]*\.ya?ml"
    r"|[^/]*(config|settings|database|db|session|engine|env)[^/]*\.py)$"
)


@dataclass(frozen=True, slots=True)
class Store:
    """One sign of a store: `kind` (`PostgreSQL`, `Redis`, ...), `evidence` is dependency, address or container."""

    kind: str
    evidence: str
    place: Place
    driver: str = ""
    awaited: bool | None = None

    @property
    def is_database(self) -> bool:
        return self.kind in _DATABASES


def stores(files: ConfigFiles, requirements: Iterable[Requirement], images: Iterable[Image]) -> list[Store]:
    """Every sign found, drivers first."""
    found = []
    for requirement in requirements:
        kind, awaited = DRIVERS.get(requirement.name, ("", None))
        if kind:
            found.append(Store(kind, "dependency", requirement.place, requirement.name, awaited))
    found += _addresses(files)
    found += [Store(image.role, "container", image.place) for image in images if image.role]
    return found


def _addresses(files: ConfigFiles) -> Iterator[Store]:
    """Addresses like `postgresql+asyncpg://` in configuration, one for each file and kind."""
    for path in files.matching(_ADDRESS_FILES):
        text = "" if is_side(path) else files.text(path)
        seen = set()
        for match in _ADDRESS.finditer(text):
            start = text.rfind("\n", 0, match.start()) + 1
            if match[0] not in seen and not text[start : match.start()].lstrip().startswith(("#", ";")):
                seen.add(match[0])
                line = text.count("\n", 0, match.start()) + 1
                yield Store(_SCHEMES[match[1]], "address", Place(path, line, line), match[2] or "")
