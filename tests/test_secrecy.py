"""No secret of a reviewed project is ever printed whole: in any command and any format."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from check import RESOLVED, Check, Dimension, Found, Hit, Selection, run
from project import Place, Project
from secrecy import masked, without_secrets

Write = Callable[[Mapping[str, str]], Path]
Review = Callable[..., "subprocess.CompletedProcess[str]"]

KEY = "8f42a73054b1749f8f58848be5e6502c"
STRIPE = "sk_live_" + "4eC39HqLyjWDarjtT1zdp7dc"
PEM = "MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7"
SECRETS = (
    KEY,
    STRIPE,
    PEM,
    "hunter22xy",
    "dev-key-0123456789",
    "changeme!2024",
    "compose-pa55word",
    "w0rkerpass",
    "plain-s3cret",
    "pa55-w0rd-of-basic",
    "k3y-of-a-header-1",
    "k3y-of-a-query-2",
    "t0ken-compared-3",
)
FILES = {
    "requirements.txt": "fastapi==0.165.0\nsqlalchemy==2.1.9\npyjwt==2.15.1\n",
    "docker-compose.yml": """services:
  api:
    environment:
      JWT_SECRET: compose-pa55word
      DATABASE_URL: postgresql://app:w0rkerpass@db/app
""",
    "app/__init__.py": "",
    "app/settings.py": f'''import os
from pydantic_settings import BaseSettings

SECRET_KEY = "{KEY}"
PRIVATE = """-----BEGIN PRIVATE KEY-----
{PEM}
-----END PRIVATE KEY-----"""
API_KEY = os.getenv("API_KEY", "dev-key-0123456789")


class Settings(BaseSettings):
    database_url: str = "postgresql://app:hunter22xy@db/app"
    admin_password: str = "changeme!2024"


settings = Settings()
''',
    "app/main.py": f'''import os
import jwt
import requests
from fastapi import FastAPI, Header, HTTPException
from sqlalchemy import create_engine
from app.settings import SECRET_KEY

app = FastAPI(debug=True)
engine = create_engine("postgresql://app:hunter22xy@db/app")
STRIPE = "{STRIPE}"


@app.get("/getToken")
async def issue(name: str):
    requests.get("https://user:hunter22xy@api.test", headers={{"Authorization": "{STRIPE}"}})
    os.getenv("API_KEY", "dev-key-0123456789")
    return jwt.encode({{"sub": name}}, "plain-s3cret", algorithm="HS256")


@app.delete("/items/{{key}}")
async def remove(key: int):
    engine.connect(); requests.post("https://api.test", json={{"api_key": "{KEY}"}})


@app.post("/calls")
async def call(url: str, token: str = Header("t0ken-compared-3")):
    if token == "t0ken-compared-3":
        requests.post(url, auth=("admin", "pa55-w0rd-of-basic"), headers={{"X-Api-Key": "k3y-of-a-header-1"}})
    try:
        return requests.get(f"https://api.test/{{token}}?api_key=k3y-of-a-query-2").json()
    except Exception as error:
        raise HTTPException(500, detail=f"token=t0ken-compared-3 {{error}}")
''',
}
COMMANDS = [
    ("signals", "--limit", "0"),
    ("signals",),
    *(("signals", "--format", name) for name in ("json", "sarif", "github", "markdown", "brief")),
    ("overview",),
    ("routes",),
    ("routes", "--format", "json"),
    ("reading-list",),
]


@pytest.mark.parametrize("command", COMMANDS, ids=" ".join)
def test_no_command_prints_a_secret(write_tree: Write, review: Review, command: tuple[str, ...]) -> None:
    done = review(command[0], write_tree(FILES), *command[1:])
    assert done.returncode == 0, done.stderr
    assert done.stdout
    assert [secret for secret in SECRETS if secret in done.stdout + done.stderr] == []
    assert SECRETS[0][:16] not in done.stdout


def test_formats_are_all_tried(review: Review) -> None:
    offered = re.search(r"--format \{([^}]*)\}", review("signals", "--help").stdout)
    assert offered is not None
    tried = {command[command.index("--format") + 1] for command in COMMANDS if "--format" in command} | {"text"}
    assert set(offered[1].split(",")) <= tried


def test_the_secrets_are_found(write_tree: Write, review: Review) -> None:
    """The test above proves nothing unless lines with secrets are printed at all."""
    printed = review("signals", write_tree(FILES), "--limit", "0").stdout
    for beginning in ('SECRET_KEY = "8f…', "app:hu…@db", '"de…"', 'admin_password: str = "ch…"', '"sk…"'):
        assert beginning in printed


def test_a_check_names_secrets_that_look_like_none(write_tree: Write) -> None:
    dimension = Dimension("SEC", "security", "Security", "SECURITY.md")

    @dimension.check("SEC900", "says-a-word", title="Says a word", impact="low", fix="Do not.")
    def says(project: Project) -> Found:
        """Why.

        Source: here
        """
        yield Hit(Place("a.py", 1, 1), "found", (), None, RESOLVED, (), ("open sesame",))
        yield Hit(Place("a.py", 2, 2), "found", secrets=("abc",))

    tree = write_tree({"a.py": 'word = "open sesame"\nparts = "ab" "c"\n'})
    checks: tuple[Check, ...] = tuple(dimension.checks)
    outcome = run(Project.at(tree), Selection(checks))
    assert [signal.source for signal in outcome.signals] == ['word = "op…"', 'parts = "…" "…"']


@pytest.mark.parametrize(
    ("line", "printed"),
    [
        ("password = form.password", "password = form.password"),
        ('scheme = OAuth2PasswordBearer(tokenUrl="/auth/token")', None),
        ('raise HTTPException(401, "Incorrect email or password")', None),
        ('exclude={"password", "hashed_password"}', None),
        ('SECRET_KEY = os.environ["SECRET_KEY"]', None),
        ('jwt.decode(token, options={"verify_signature": False})', None),
        ('url = "https://api.test/v1/users?page=2"', None),
        ('revision = "ab12cd34ef56"', None),
        ('get(url, auth=("admin", "hunter22-xxyy"))', 'get(url, auth=("admin", "hu…"))'),
        ('get(url, headers={"X-Api-Key": "k3y-aa11bb22cc"})', 'get(url, headers={"X-Api-Key": "k3…"})'),
        (
            'get(f"https://api.test/{name}?api_key=k3y-dd44ee55ff&x=1")',
            'get(f"https://api.test/{name}?api_key=k3…&x=1")',
        ),
        (
            'raise HTTPException(500, f"password=hunter22-qqqq {error}")',
            'raise HTTPException(500, f"password=hu… {error}")',
        ),
        ('get(f"{base}?api_key={key}", auth=(user, password))', None),
        ('log("password=%s token=%d", password, token)', None),
        ('db_password: str = "postgres"', 'db_password: str = "po…"'),
        ('token = "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmN"', 'token = "ey…"'),
        ('connect("amqp://guest:guest123@mq")', 'connect("amqp://guest:gu…@mq")'),
    ],
)
def test_lines(line: str, printed: str | None) -> None:
    assert without_secrets(line) == (line if printed is None else printed)


def test_other_files_have_values_without_quotes() -> None:
    assert without_secrets("POSTGRES_PASSWORD=postgres", python=False) == "POSTGRES_PASSWORD=po…"
    assert without_secrets("  jwt_secret: ${JWT_SECRET}", python=False) == "  jwt_secret: ${JWT_SECRET}"


def test_a_line_of_a_private_key() -> None:
    assert without_secrets(f"  {PEM}") == "  MI…"
    assert without_secrets(f'    "{PEM}\\n"') == '    "MI…\\n"'
    assert without_secrets("    return await create_a_rather_long_name_of_a_function()").endswith("function()")
    assert without_secrets("a_name_of_forty_and_more_characters_in_one_line") == (
        "a_name_of_forty_and_more_characters_in_one_line"
    )


def test_masked_shows_at_most_two_characters() -> None:
    assert masked("short") == "…"
    assert masked("rather long") == "ra…"


def test_long_lines_are_quick() -> None:
    assert without_secrets("a" * 1000 + "://" * 300 + "password=" * 100)
