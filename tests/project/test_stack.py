"""Facts from configuration files: dependencies and their versions, Python, databases, the summary."""

from __future__ import annotations

import json
import random
import textwrap
from pathlib import Path

import pytest

from project.place import Place
from project.stack.stack import Stack
from project.stack.versions import Version


def stack_of(files: dict[str, str]) -> Stack:
    texts = {path: textwrap.dedent(text) for path, text in files.items()}
    return Stack(Path("/project"), list(texts), texts.get)


def version(text: str) -> Version | None:
    return Version.parse(text)


PEP_621 = """\
[project]
name = "shop"
requires-python = ">=3.11"
dependencies = [
    "FastAPI[standard] >=0.115,<1.0",
    "SQLAlchemy[asyncio]==2.0.36; python_version < '3.13'",
    "Typing.Extensions",
    "own @ git+https://example.com/own.git",
]

[project.optional-dependencies]
postgres = ["asyncpg>=0.30"]
dev = ["pytest>=8"]

[dependency-groups]
lint = ["ruff==0.6.0", {include-group = "types"}]
types = ["mypy"]
"""


def test_dependencies_of_a_standard_pyproject() -> None:
    stack = stack_of({"pyproject.toml": PEP_621})
    fastapi = stack.dependencies["fastapi"]
    assert fastapi.place == Place("pyproject.toml", 5, 5)
    assert (fastapi.spec, fastapi.extras, fastapi.minimum) == (">=0.115,<1.0", {"standard"}, version("0.115"))
    assert stack.dependencies["sqlalchemy"].marker == "python_version < '3.13'"
    assert list(stack.dependencies) == [
        "fastapi", "sqlalchemy", "typing-extensions", "own", "asyncpg", "pytest", "ruff", "mypy",
    ]  # fmt: skip
    assert [r.name for r in stack.dependencies.values() if r.dev] == ["pytest", "ruff", "mypy"]
    assert stack.dependencies["asyncpg"].group == "postgres"
    assert stack.dependencies["ruff"].place.line == 16
    assert stack.has("typing_extensions") and not stack.has("flask")


def test_questions_about_versions() -> None:
    stack = stack_of({"pyproject.toml": PEP_621})
    assert stack.version("fastapi") == version("0.115") and stack.version("own") is None
    assert stack.at_least("fastapi", "0.115") is True
    assert stack.at_least("fastapi", "0.118") is None  # may be installed, may not
    assert stack.at_least("fastapi", "1.0") is False
    assert stack.before("fastapi", "1.0") is True
    assert stack.at_least("SQLAlchemy", "2.1") is False and stack.at_least("sqlalchemy", "2.0") is True
    assert stack.at_least("own", "1") is None and stack.before("flask", "3") is None
    with pytest.raises(ValueError, match="no version"):
        stack.at_least("fastapi", "new")


UV_LOCK = """\
version = 1

[[package]]
name = "fastapi"
version = "0.128.0"
source = { registry = "https://example.com" }

[[package]]
name = "starlette"
version = "0.50.0"

[[package]]
name = "numpy"
version = "2.0.2"
[[package]]
name = "numpy"
version = "2.3.1"

[[package]]
name = "shop"
source = { editable = "." }
"""


@pytest.mark.parametrize("lock", ["uv.lock", "poetry.lock", "pdm.lock"])
def test_a_lock_file_decides(lock: str) -> None:
    stack = stack_of({"pyproject.toml": PEP_621, lock: UV_LOCK})
    assert stack.version("fastapi") == version("0.128.0") == stack.dependencies["fastapi"].locked
    assert stack.at_least("fastapi", "0.118") is True and stack.before("fastapi", "0.129") is True
    assert stack.has("starlette") and stack.version("starlette") == version("0.50")
    assert stack.at_least("starlette", "1.0") is False
    assert stack.version("numpy") == version("2.3.1")
    assert [found.path for found in stack.locks] == [lock]


def test_poetry() -> None:
    stack = stack_of(
        {
            "pyproject.toml": """\
            [tool.poetry]
            name = "shop"
            [tool.poetry.dependencies]
            python = "^3.10"
            fastapi = "^0.98.0"
            uvicorn = { version = "~0.22", extras = ["standard"] }
            numpy = [
                { version = "^1.26", python = "<3.12" },
                { version = "^2.1", python = ">=3.12" },
            ]
            own = { path = "../own" }
            [tool.poetry.dev-dependencies]
            black = "*"
            [tool.poetry.group.test.dependencies]
            pytest = "^8"
            [tool.poetry.group.worker.dependencies]
            celery = "5.4.0"
            """
        }
    )
    assert stack.at_least("fastapi", "0.98") is True and stack.before("fastapi", "0.99") is True
    assert stack.dependencies["uvicorn"].extras == {"standard"}
    assert stack.version("numpy") == version("1.26") and stack.at_least("numpy", "2") is None
    assert stack.dependencies["black"].dev and stack.dependencies["pytest"].dev
    assert not stack.dependencies["celery"].dev and stack.dependencies["celery"].allowed.pinned
    assert "python" not in stack.dependencies and stack.python == version("3.10")
    assert stack.pythons[0].place == Place("pyproject.toml", 4, 4)


def test_other_tables_of_pyproject() -> None:
    stack = stack_of(
        {
            "pyproject.toml": """\
            [project]
            dependencies = ["fastapi"]
            [tool.uv]
            dev-dependencies = ["ruff>=0.6"]
            [tool.pdm.dev-dependencies]
            all = ["mypy"]
            [tool.hatch.envs.default]
            dependencies = ["pytest"]
            """
        }
    )
    assert {name: r.dev for name, r in stack.dependencies.items()} == {
        "fastapi": False,
        "ruff": True,
        "mypy": True,
        "pytest": True,
    }


def test_requirements_files() -> None:
    stack = stack_of(
        {
            "requirements.txt": """\
            # comment
            -r deps/base.pip
            -c constraints.txt
            --index-url https://example.com/simple
            uvicorn[standard]==0.30.0  # why
            -e .
            ./local
            git+https://example.com/x.git#egg=own_lib
            asyncpg>=0.29 ; sys_platform != "win32"
            """,
            "deps/base.pip": "fastapi==0.110.0 \\\n    --hash=sha256:abc\n-r missing.txt\n",
            "requirements-dev.txt": "pytest\n",
            "requirements/test.txt": "httpx\n",
        }
    )
    assert stack.dependencies.keys() == {"uvicorn", "own-lib", "asyncpg", "fastapi", "pytest", "httpx"}
    assert stack.dependencies["fastapi"].place == Place("deps/base.pip", 1, 1)
    assert (
        stack.dependencies["pytest"].dev and stack.dependencies["httpx"].dev and not stack.dependencies["uvicorn"].dev
    )
    assert [(n.path, n.line) for n in stack.notes] == [("deps/base.pip", 3)]


def test_a_compiled_requirements_file_is_a_lock() -> None:
    compiled = "# This file is autogenerated by pip-compile\nfastapi==0.112.0\n    # via shop\nanyio==4.4.0\n"
    stack = stack_of({"requirements.in": "fastapi>=0.100\n", "requirements.txt": compiled})
    assert list(stack.dependencies) == ["fastapi"] and stack.version("fastapi") == version("0.112")
    assert stack.has("anyio") and stack.version("anyio") == version("4.4")
    alone = stack_of({"requirements.txt": compiled})
    assert list(alone.dependencies) == ["fastapi", "anyio"]


def test_setuptools() -> None:
    stack = stack_of(
        {
            "a/setup.cfg": """\
            [metadata]
            name = shop
            [options]
            python_requires = >=3.9
            install_requires =
                fastapi>=0.90
                sqlalchemy[asyncio]>=1.4; python_version >= "3.8"
            [options.extras_require]
            dev = pytest
            """,
            "b/setup.py": """\
            from setuptools import setup
            BASE = ["tortoise-orm>=0.20", "aerich"]
            setup(
                name="b",
                python_requires=">=3.10",
                install_requires=BASE + ["httpx"],
                extras_require={"test": ["respx"]},
            )
            """,
        }
    )
    assert stack.dependencies["fastapi"].place == Place("a/setup.cfg", 6, 6)
    assert stack.dependencies["sqlalchemy"].extras == {"asyncio"}
    assert stack.dependencies["tortoise-orm"].place == Place("b/setup.py", 2, 2)
    assert stack.has("httpx") and stack.dependencies["respx"].dev and stack.dependencies["pytest"].dev
    assert stack.python == version("3.9")


def test_pipfile_and_its_lock() -> None:
    lock = {"default": {"fastapi": {"version": "==0.111.0"}, "starlette": {"version": "==0.37.2"}}, "develop": {}}
    stack = stack_of(
        {
            "Pipfile": '[packages]\nfastapi = "*"\nuvicorn = {version = ">=0.2", extras = ["standard"]}\n'
            '[dev-packages]\npytest = "*"\n[requires]\npython_version = "3.11"\n',
            "Pipfile.lock": json.dumps(lock),
        }
    )
    assert stack.version("fastapi") == version("0.111") and stack.has("starlette")
    assert stack.dependencies["pytest"].dev and stack.python == version("3.11")


def test_conda_environment() -> None:
    stack = stack_of(
        {
            "environment.yml": """\
            name: shop
            channels: [conda-forge]
            dependencies:
              - python=3.11
              - fastapi=0.95
              - conda-forge::sqlalchemy >=2.0,<2.1
              - numpy=1.26.4=py311h64a7726_0
              - pip:
                - uvicorn[standard]==0.30.0
            """
        }
    )
    assert stack.before("fastapi", "0.96") is True and stack.at_least("fastapi", "0.95") is True
    assert stack.at_least("sqlalchemy", "2.1") is False and stack.version("numpy") == version("1.26.4")
    assert stack.dependencies["uvicorn"].place == Place("environment.yml", 9, 9)
    assert stack.python == version("3.11")


def test_metadata_of_a_wheel() -> None:
    stack = stack_of(
        {
            "shop-1.0.dist-info/METADATA": """\
            Metadata-Version: 2.1
            Name: shop
            License: MIT
                    more
            Requires-Python: <3.13,>=3.11
            Requires-Dist: fastapi==0.136.3
            Requires-Dist: redis (>=5) ; extra == 'cache'
            Requires-Dist: pytest; extra == "dev"

            Requires-Dist: text-of-the-description
            """
        }
    )
    assert stack.version("fastapi") == version("0.136.3") and stack.dependencies["fastapi"].place.line == 6
    assert (stack.dependencies["redis"].group, stack.dependencies["pytest"].dev) == ("cache", True)
    assert len(stack.dependencies) == 3 and stack.python == version("3.11")
    assert stack.version("fastapi", near="shop/main.py") == version("0.136.3")


def test_several_applications_in_one_repository() -> None:
    stack = stack_of(
        {
            "pyproject.toml": '[dependency-groups]\ndev = ["ruff"]\n',
            "services/a/pyproject.toml": '[project]\ndependencies = ["fastapi==0.100.0", "redis"]\n',
            "services/b/pyproject.toml": '[project]\ndependencies = ["fastapi>=0.120"]\n',
            "services/b/uv.lock": '[[package]]\nname = "fastapi"\nversion = "0.125.0"\n',
            "docs/requirements.txt": "fastapi==0.50\nmkdocs\n",
        }
    )
    assert stack.version("fastapi", near="services/a/app/main.py") == version("0.100.0")
    assert stack.version("fastapi", near="services/b/app/main.py") == version("0.125.0")
    assert stack.version("fastapi") == version("0.100.0")
    assert [len(stack.declarations[name]) for name in ("fastapi", "redis")] == [3, 1]
    assert stack.dependencies["mkdocs"].dev and stack.dependencies["ruff"].dev
    assert stack.at_least("fastapi", "0.118", near="services/b/x.py") is True


def test_a_lock_file_above_the_manifest() -> None:
    stack = stack_of(
        {"backend/pyproject.toml": PEP_621, "uv.lock": UV_LOCK, "other/uv.lock": UV_LOCK.replace("0.128", "0.1")}
    )
    assert stack.version("fastapi") == version("0.128.0")


def test_pythons() -> None:
    stack = stack_of(
        {
            "pyproject.toml": PEP_621,
            ".python-version": "3.12.1\n",
            "Dockerfile": "ARG V=3.13\nFROM python:${V}-slim\n",
            ".github/workflows/t.yml": 'jobs:\n  t:\n    strategy:\n      matrix:\n        python: ["3.11", "3.10"]\n',
        }
    )
    assert [(use.source, str(use.version), use.place.line) for use in stack.pythons] == [
        ("requires-python", "3.11", 3), ("version file", "3.12.1", 1), ("image", "3.13", 2),
        ("CI", "3.11", 5), ("CI", "3.10", 5),
    ]  # fmt: skip


def test_databases_and_orms() -> None:
    stack = stack_of(
        {
            "requirements.txt": "sqlmodel==0.0.22\nsqlalchemy\nasyncpg\npsycopg2-binary\nredis\n",
            "app/config.py": 'URL = "sqlite+aiosqlite:///./test.db"\n# mysql://\n',
            "docker-compose.yml": "services:\n  db:\n    image: pgvector/pgvector:16\n  u:\n    image: mongo-express\n",
        }
    )
    assert [title for title, _ in stack.orms] == ["SQLModel", "SQLAlchemy"]
    assert stack.databases == ["PostgreSQL", "SQLite"]
    assert [(s.kind, s.driver, s.awaited) for s in stack.stores if s.evidence == "dependency"] == [
        ("PostgreSQL", "asyncpg", True), ("PostgreSQL", "psycopg2-binary", False), ("Redis", "redis", None),
    ]  # fmt: skip
    assert [(s.kind, s.driver, s.place.line) for s in stack.stores if s.evidence == "address"] == [
        ("SQLite", "aiosqlite", 1)
    ]
    assert [s.place for s in stack.stores if s.evidence == "container"] == [Place("docker-compose.yml", 3, 3)]


def test_alembic() -> None:
    stack = stack_of(
        {
            "alembic.ini": "[alembic]\nscript_location = %(here)s/migrations\nfile_template = %%(rev)s\n",
            "migrations/env.py": "",
            "src/shop/alembic.ini": "[core]\nscript_location = shop:revisions/core\n",
            "src/shop/revisions/core/env.py": "",
            "b/pyproject.toml": '[tool.alembic]\nscript_location = "db/migrations"\n',
        }
    )
    assert [(a.script_location, a.place) for a in stack.alembics] == [
        ("migrations", Place("alembic.ini", 2, 2)),
        ("src/shop/revisions/core", Place("src/shop/alembic.ini", 2, 2)),
        ("b/db/migrations", Place("b/pyproject.toml", 2, 2)),
    ]


def test_configuration_files() -> None:
    stack = stack_of(
        {"requirements.txt": "fastapi\nalembic\n", "api/.env.example": "A=1\n", "pytest.ini": "", "Dockerfile": ""}
    )
    assert stack.configuration["environment example"] == ["api/.env.example"]
    assert stack.configuration["pytest settings"] == ["pytest.ini"]
    assert stack.configuration["Dockerfile"] == ["Dockerfile"]
    missing = [kind for kind, paths in stack.configuration.items() if not paths]
    assert missing == [
        "lock file", "compose file", "CI", "linter settings", "type checker settings", "pre-commit", "alembic.ini",
    ]  # fmt: skip


def test_the_summary() -> None:
    stack = stack_of(
        {
            "pyproject.toml": PEP_621 + "[tool.mypy]\nstrict = true\n",
            "uv.lock": UV_LOCK,
            "Dockerfile": 'FROM python:3.12\nCMD ["uvicorn", "app.main:app", "--workers", "4"]\n',
        }
    )
    lines = dict(stack.summary())
    assert lines["Framework"] == "FastAPI[standard] 0.128.0 (locked, declared as >=0.115,<1.0 in pyproject.toml:5)"
    assert lines["Python"] == "requires-python >=3.11 (pyproject.toml:3), image python:3.12 (Dockerfile:1)"
    assert lines["ORM"] == "SQLAlchemy ==2.0.36"
    assert lines["Database"] == "PostgreSQL (asyncpg)"
    assert lines["Server"] == "uvicorn, 4 workers (Dockerfile:2)"
    assert lines["Tools"] == "mypy (strict), pytest (not configured), ruff (not configured)"
    assert lines["CI"] == "none found" and "CI" in lines["Configuration missing"]


def test_a_project_without_configuration() -> None:
    stack = stack_of({"main.py": "from fastapi import FastAPI\n"})
    assert stack.version("fastapi") is None and not stack.has("fastapi")
    assert stack.python is None and stack.tools == {} and stack.workflows == [] and stack.notes == []
    assert dict(stack.summary())["Framework"] == "FastAPI, version not declared"


def test_broken_files_are_noted() -> None:
    stack = stack_of(
        {
            "pyproject.toml": '[project]\nname = "x\n',
            "Pipfile.lock": "{",
            "docker-compose.yml": "services:\n  db:\n    image: postgres\n   x: [",
            "setup.py": "setup(install_requires=[",
            "requirements.txt": "fastapi==0.1\n<<<<<<< HEAD\n",
            "uv.lock": "x" * 8_000_001,
            "mypy.ini": "[mypy]\n" * 200_000,
        }
    )
    noted = {note.path: note for note in stack.notes}
    assert noted["pyproject.toml"].line == 2 and "TOML" in noted["pyproject.toml"].text
    assert {"Pipfile.lock", "uv.lock", "mypy.ini"} <= noted.keys()
    assert stack.version("fastapi") == version("0.1")
    assert dict(stack.summary())


def test_a_file_that_cannot_be_read_is_noted() -> None:
    stack = Stack(Path("/project"), ["pyproject.toml"], lambda _path: None)
    assert [(note.path, note.text) for note in stack.notes] == [("pyproject.toml", "cannot be read")]


NAMES = """
pyproject.toml Pipfile Pipfile.lock setup.cfg setup.py uv.lock requirements.txt environment.yml x-1.dist-info/METADATA
.pre-commit-config.yaml mypy.ini ruff.toml tox.ini pytest.ini .coveragerc .flake8 pyrightconfig.json Dockerfile
compose.yaml Procfile Makefile run.sh .github/workflows/a.yml .gitlab-ci.yml Jenkinsfile alembic.ini .env
.python-version k8s/a.yaml
""".split()
PIECES = [
    *("[project]\n", "dependencies = [", '"fastapi>=0.1"', "]\n", "[tool.poetry.dependencies]\n", "python = 3\n"),
    *("[tool]\n", "tool = 1\n", "fastapi", "==", "\x00", "\udc80", "é", "{", "}", "\\\n", "  - ", "run: |\n", " x\n"),
    *("services:\n", "command: ", "uvicorn a:b -w", "image: ", "FROM ", "CMD [", "\n", '"""', "'''", ": ", "repos:\n"),
    *("hooks:\n", "id: ruff\n", "[mypy]\n", "strict = \n", "[[a]]\n", "dependencies:\n", "[tool.ruff]\nlint = 1\n"),
    *("setup(install_requires=['a'])\n", "jobs: {a: [", "%(here)s", "make test\n", "sh -c '"),
]


@pytest.mark.parametrize("seed", range(150))
def test_no_content_makes_it_fail(seed: int) -> None:
    chance = random.Random(seed)
    files = {name: "".join(chance.choices(PIECES, k=chance.randrange(30))) for name in NAMES}
    stack = Stack(Path("/project"), list(files), files.get)
    assert len(stack.summary()) == 11
    assert stack.notes is not None and stack.coverage is not None and stack.servers is not None
