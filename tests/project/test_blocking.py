"""Which library names hold the thread that calls them."""

from __future__ import annotations

from pathlib import Path

import pytest
from tests.project.trees import function, make

from project.serving.blocking import blocking, kind_of


@pytest.mark.parametrize(
    ("dotted", "kind"),
    [
        ("time.sleep", "sleep"),
        ("requests.get", "network"),
        ("requests.Session.post", "network"),
        ("httpx.Client.stream", "network"),
        ("subprocess.run", "subprocess"),
        ("builtins.open", "file"),
        ("pathlib.Path.read_text", "file"),
        ("sqlalchemy.orm.Session.execute", "database"),
        ("sqlalchemy.orm.Query.first", "database"),
        ("psycopg2.connect", "database"),
        ("sqlite3.Cursor.fetchall", "database"),
        ("redis.Redis.get", "database"),
        ("pymongo.MongoClient.db.users.find_one", "database"),
        ("boto3.Client.put_object", "network"),
        ("openai.OpenAI.chat.completions.create", "network"),
        ("azure.search.documents.SearchClient.search", "network"),
        ("kubernetes.client.CoreV1Api.list_node", "network"),
        ("stripe.Customer.create", "network"),
        ("stripe.checkout.Session.create", "network"),
        ("langchain_openai.ChatOpenAI.invoke", "network"),
        ("bcrypt.checkpw", "hashing"),
        ("fastapi_users.password.PasswordHelper.verify_and_update", "hashing"),
        ("pandas.read_csv", "compute"),
        ("pandas.DataFrame.to_sql", "compute"),
        ("concurrent.futures.Future.result", "lock"),
        ("asyncio.run", "loop"),
        ("typing.BinaryIO.read", "upload"),
    ],
)
def test_blocks(dotted: str, kind: str) -> None:
    assert kind_of(dotted) == kind


@pytest.mark.parametrize(
    "dotted",
    [
        "asyncio.sleep",
        "httpx.AsyncClient.get",
        "redis.asyncio.Redis.get",
        "redis.Redis.from_url",
        "redis.Redis.pipeline",
        "sqlalchemy.orm.Session.add",
        "sqlalchemy.ext.asyncio.AsyncSession.execute",
        "boto3.Client.generate_presigned_url",
        "boto3.Client.generate_db_auth_token",
        "openai.OpenAI._custom_query.setdefault",
        "azure.storage.blob.aio.BlobServiceClient.get_account_information",
        "stripe.Webhook.construct_event",
        "langchain_openai.ChatOpenAI.ainvoke",
        "os.path.join",
        "requests.codes",
        "hashlib.sha256",
    ],
)
def test_does_not_block(dotted: str) -> None:
    assert blocking(dotted) is None


@pytest.mark.parametrize(
    ("code", "name"),
    [
        (
            "from sqlalchemy.orm import Session\ndef f(db: Session):\n    db.query(int).filter(1).order_by(2).all()\n",
            "sqlalchemy.orm.Query.all",
        ),
        (
            "import sqlite3\ndef f():\n    c = sqlite3.connect('x').cursor()\n    c.execute('q')\n",
            "sqlite3.Cursor.execute",
        ),
        ("import boto3\ndef f():\n    boto3.session.Session().client('s3').put_object()\n", "boto3.Client.put_object"),
        ("import requests as r\ns = r.session()\ndef f():\n    s.get('u')\n", "requests.Session.get"),
        ("from redis import StrictRedis\nc = StrictRedis.from_url('u')\ndef f():\n    c.get('k')\n", "redis.Redis.get"),
        ("import pandas as pd\ndef f():\n    pd.read_csv('x').to_csv('y')\n", "pandas.DataFrame.to_csv"),
        ("import smtplib\ndef f():\n    with smtplib.SMTP('h') as s:\n        s.sendmail()\n", "smtplib.SMTP.sendmail"),
    ],
)
def test_code_reaches_the_name(tmp_path: Path, code: str, name: str) -> None:
    project = make(tmp_path, {"main.py": code})
    names = [n for site in project.calls.sites(function(project, "main.py", "f")) for n in site.names]
    assert name in names
    assert blocking(name) is not None
