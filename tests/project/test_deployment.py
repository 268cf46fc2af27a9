"""What starts the application and what the continuous integration runs."""

from __future__ import annotations

import textwrap
from pathlib import Path

import pytest

from project.place import Place
from project.stack.commands import servers, simple_commands
from project.stack.stack import Stack

HERE = Place("run.sh", 1, 1)


def stack_of(files: dict[str, str]) -> Stack:
    texts = {path: textwrap.dedent(text) for path, text in files.items()}
    return Stack(Path("/project"), list(texts), texts.get)


@pytest.mark.parametrize(
    ("text", "commands"),
    [
        ("a b && c 'd e' | f; g & h", [["a", "b"], ["c", "d e"], ["f"], ["g"], ["h"]]),
        ("a \\\n  b\nc # d", [["a", "b"], ["c"]]),
        ('sh -c "a b && c"', [["sh", "-c", "a b && c"], ["a", "b"], ["c"]]),
        ("a 'b", [["a", "'", "b"]]),
        ("A=${B:-4} a --x=${C}", [["A=${B:-4}", "a", "--x=${C}"]]),
    ],
)
def test_commands_of_a_shell_text(text: str, commands: list[list[str]]) -> None:
    assert list(simple_commands(text)) == commands


@pytest.mark.parametrize(
    ("text", "program", "app", "workers", "reloads", "forwarded"),
    [
        ("uvicorn app.main:app --reload", "uvicorn", "app.main:app", None, True, None),
        ("exec uvicorn --workers=4 app:app --forwarded-allow-ips='*'", "uvicorn", "app:app", 4, False, "*"),
        ("uv run python -m uvicorn app:app --proxy-headers --workers 2", "uvicorn", "app:app", 2, False, None),
        ("gunicorn -w 3 -k uvicorn.workers.UvicornWorker app:app", "gunicorn", "app:app", 3, False, None),
        ("gunicorn app:app -w${WORKERS:-8} -b 0.0.0.0:80", "gunicorn", "app:app", 8, False, None),
        ("gunicorn app:app --workers $WORKERS", "gunicorn", "app:app", None, False, None),
        ("/venv/bin/fastapi run --workers 4 app/main.py", "fastapi", "run", 4, False, None),
        ("fastapi dev app/main.py", "fastapi", "dev", None, True, None),
        ("sh -c 'alembic upgrade head && hypercorn app:app'", "hypercorn", "app:app", None, False, None),
        ("opentelemetry-instrument uvicorn --factory app:make", "uvicorn", "app:make", None, False, None),
    ],
)
def test_servers(text: str, program: str, app: str, workers: int | None, reloads: bool, forwarded: str | None) -> None:
    (server,) = servers(text, HERE)
    assert (server.program, server.app, server.workers, server.reloads) == (program, app, workers, reloads)
    assert server.forwarded_allow_ips == forwarded


@pytest.mark.parametrize(
    "text", ["pip install uvicorn", "pkill -f gunicorn", "echo uvicorn", "fastapi --version", "arq app.worker"]
)
def test_what_starts_no_server(text: str) -> None:
    assert list(servers(text, HERE)) == []


def test_gunicorns_worker_class() -> None:
    (server,) = servers("gunicorn app:app -k uvicorn.workers.UvicornWorker --timeout 60", HERE)
    assert server.options == {"worker-class": "uvicorn.workers.UvicornWorker", "timeout": "60"}


def test_a_dockerfile() -> None:
    stack = stack_of(
        {
            "Dockerfile": """\
            # syntax=docker/dockerfile:1
            ARG PYTHON=3.12
            FROM --platform=linux/amd64 python:${PYTHON}-slim AS base
            ENV WEB_CONCURRENCY=4 A="b c"
            USER app
            RUN pip install uvicorn \\
                # comment
                gunicorn
            RUN <<EOF
            CMD not this
            EOF
            FROM node:20 AS web
            USER node
            FROM base AS final
            HEALTHCHECK CMD curl -f http://localhost/
            # CMD ["gunicorn", "app:app"]
            CMD ["uvicorn", "app.main:app", \\
                 "--reload"]
            """
        }
    )
    (dockerfile,) = stack.containers.dockerfiles
    assert [(i.name, i.tag, i.service, i.place.line) for i in dockerfile.bases] == [
        ("python", "3.12-slim", "base", 3), ("node", "20", "web", 12), ("base", "", "final", 14),
    ]  # fmt: skip
    assert dockerfile.user == (Place("Dockerfile", 5, 5), "app")
    assert dockerfile.health_check == Place("Dockerfile", 15, 15)
    assert stack.containers.variable("WEB_CONCURRENCY") == (Place("Dockerfile", 4, 4), "4")
    (server,) = stack.servers
    assert (server.kind, server.place.line, server.reloads) == ("dockerfile", 17, True)


def test_compose_files() -> None:
    stack = stack_of(
        {
            "docker-compose.yml": """\
            services:
              web:
                build: .
                command: sh -c "alembic upgrade head && uvicorn app.main:app --reload"
                environment:
                  - FORWARDED_ALLOW_IPS=*
              api:
                command: ["gunicorn", "app:app", "-w", "2"]
              db:
                image: postgres:13
              cache:
                image: "docker.io/library/redis@sha256:abc"
              mail:
                image: localhost:5000/mail
            """,
            "infra/compose.prod.yaml": "services:\n  a:\n    image: a\n    command:\n      - hypercorn\n      - a:b\n",
            ".github/workflows/docker-compose.yml": "services:\n  a:\n    image: mysql\n",
        }
    )
    assert [(s.program, s.place.path, s.place.line, s.kind) for s in stack.servers] == [
        ("uvicorn", "docker-compose.yml", 4, "compose"),
        ("gunicorn", "docker-compose.yml", 8, "compose"),
        ("hypercorn", "infra/compose.prod.yaml", 5, "compose"),
    ]
    assert stack.containers.migrations_at_start == [Place("docker-compose.yml", 4, 4)]
    images = stack.containers.composes[0].images
    assert [(i.service, i.name, i.tag, i.role) for i in images] == [
        ("db", "postgres", "13", "PostgreSQL"),
        ("cache", "docker.io/library/redis", "", "Redis"),
        ("mail", "localhost:5000/mail", "", ""),
    ]
    assert stack.containers.variable("FORWARDED_ALLOW_IPS") == (Place("docker-compose.yml", 6, 6), "*")
    assert stack.containers.composes[0].services == ["web", "api", "db", "cache", "mail"]


def test_other_ways_to_start() -> None:
    stack = stack_of(
        {
            "Procfile": "release: alembic upgrade head\nweb: gunicorn app:app --workers 2\n",
            "start.sh": "#!/bin/sh\n# uvicorn a:b\npip install uvicorn\nexec uvicorn \\\n  app:app\n",
            "Makefile": "run:\n\t@uvicorn app:app --reload\n",
            "supervisord.conf": "[program:api]\ncommand=uvicorn app:app\n",
        }
    )
    assert {(s.place.path, s.place.line, s.kind, s.program) for s in stack.servers} == {
        ("Procfile", 2, "procfile", "gunicorn"),
        ("start.sh", 4, "script", "uvicorn"),
        ("Makefile", 2, "makefile", "uvicorn"),
        ("supervisord.conf", 2, "other", "uvicorn"),
    }
    assert stack.containers.migrations_at_start == [Place("Procfile", 1, 1)]


def test_kubernetes() -> None:
    stack = stack_of({"k8s/api.yaml": "apiVersion: apps/v1\nkind: Deployment\n", "k8s/service.yaml": "kind: Service\n"})
    assert stack.containers.kubernetes == [Place("k8s/api.yaml", 2, 2)]


WORKFLOW = """\
on: push
jobs:
  test:
    strategy:
      matrix:
        python-version: ["3.11", "3.12"]
    services:
      postgres:
        image: postgres:16
    steps:
      - uses: actions/checkout@v4
      - run: pip install pytest ruff mypy
      - run: |
          # pytest
          uv run ruff check .
          uv run ruff format --check .
          uv run mypy app
      - run: uv run alembic upgrade head && uv run alembic check
      - run: uv run pytest --cov=app --cov-fail-under=80
      - uses: pypa/gh-action-pip-audit@v1
"""


def test_a_workflow() -> None:
    stack = stack_of({".github/workflows/test.yml": WORKFLOW})
    (workflow,) = stack.workflows
    assert workflow.system == "GitHub Actions"
    assert {kind: step.place.line for kind, step in workflow.runs.items()} == {
        "lint": 15, "format": 16, "types": 17, "migrations": 18, "migration check": 18,
        "tests": 19, "coverage": 19, "audit": 20,
    }  # fmt: skip
    assert [(str(v), place.line) for v, place in workflow.pythons] == [("3.11", 6), ("3.12", 6)]
    assert [(image.role, image.place.line) for image in workflow.images] == [("PostgreSQL", 9)]
    tests = stack.runs("tests")
    assert tests is not None and tests.text == "uv run pytest --cov=app --cov-fail-under=80"
    assert stack.runs("contract") is None
    assert stack.coverage.minimum is not None and stack.coverage.minimum.value == "80"


def test_a_workflow_that_only_installs_runs_nothing() -> None:
    stack = stack_of(
        {".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n      - run: pip install pytest mypy && npm test\n"}
    )
    assert stack.workflows[0].runs == {}


def test_reusable_workflows_run_what_their_callers_hand_them() -> None:
    stack = stack_of(
        {
            ".github/workflows/ci.yml": "jobs:\n"
            "  types:\n    uses: ./.github/workflows/make.yml\n    with:\n      target: types\n"
            "  other:\n    uses: someone/else/.github/workflows/make.yml@v1\n    with:\n      target: lint\n",
            ".github/workflows/make.yml": "on:\n  workflow_call:\n    inputs:\n      target: {type: string}\n"
            "jobs:\n  make:\n    steps:\n      - run: make ${{ inputs.target }}\n",
            "Makefile": "types:\n\tmypy .\n\nlint:\n\truff check .\n",
        }
    )
    types = stack.runs("types")
    assert types is not None and (types.place.path, types.place.line) == (".github/workflows/ci.yml", 3)
    assert stack.runs("lint") is None


def test_what_commands_reach_through_scripts() -> None:
    stack = stack_of(
        {
            ".github/workflows/a.yml": "jobs:\n  a:\n    steps:\n"
            "      - run: bash scripts/all.sh\n        working-directory: api\n"
            "      - run: make check\n      - run: tox -e py\n      - uses: pre-commit/action@v3.0.1\n",
            "api/scripts/all.sh": "set -e\nbash scripts/inner.sh\n",
            "api/scripts/inner.sh": "coverage run -m pytest\nbash scripts/all.sh\n",
            "Makefile": "check: types\n\t@ruff check .\n\ntypes:\n\tmypy .\n",
            "tox.ini": "[testenv]\ncommands = pip-audit\n",
            ".pre-commit-config.yaml": "repos:\n- repo: a/black\n  rev: 1.0\n  hooks:\n  - id: black\n",
        }
    )
    runs = {kind: step.place.line for kind, step in stack.workflows[0].runs.items()}
    assert runs == {"tests": 4, "coverage": 4, "lint": 6, "types": 6, "audit": 7, "format": 8}


@pytest.mark.parametrize(
    "command", ["prek auto-update", "pre-commit autoupdate", "pip install pre-commit", "make clean", "uv sync"]
)
def test_commands_that_check_nothing(command: str) -> None:
    hooks = "repos:\n- repo: a\n  hooks:\n  - id: ruff\n"
    stack = stack_of({".gitlab-ci.yml": f"a:\n  script:\n    - {command}\n", ".pre-commit-config.yaml": hooks})
    assert stack.runs("lint") is None and stack.runs("tests") is None


@pytest.mark.parametrize(
    "command", ["make test", "poe test", "hatch run test", "just backend-test", "poetry run ./scripts/test", "nox"]
)
def test_tasks_that_say_what_they_do(command: str) -> None:
    stack = stack_of({".gitlab-ci.yml": f"a:\n  script:\n    - {command}\n"})
    assert stack.runs("tests") is not None


OTHERS = {
    ".gitlab-ci.yml": ("GitLab CI", "test:\n  image: python:3.12\n  script:\n    - pytest\n", 4),
    "azure-pipelines.yml": ("Azure Pipelines", "steps:\n- script: |\n    pytest\n", 3),
    ".circleci/config.yml": (
        "CircleCI",
        "jobs:\n  a:\n    steps:\n      - run:\n          name: x\n          command: pytest\n",
        6,
    ),
    "bitbucket-pipelines.yml": (
        "Bitbucket Pipelines",
        "pipelines:\n  default:\n    - step:\n        script:\n          - pytest\n",
        5,
    ),
    "Jenkinsfile": (
        "Jenkins",
        "pipeline {\n  steps {\n    sh '''\n      pip install x\n      pytest\n    '''\n  }\n}\n",
        5,
    ),
    ".travis.yml": ("Travis CI", "script: pytest\n", 1),
}


@pytest.mark.parametrize("path", OTHERS)
def test_other_systems(path: str) -> None:
    system, text, line = OTHERS[path]
    stack = stack_of({path: text})
    tests = stack.runs("tests")
    assert stack.workflows[0].system == system and tests is not None and tests.place == Place(path, line, line)


TASKS = {
    "lefthook run ci": {"lefthook.yml": "ci:\n  jobs:\n    - group:\n        jobs:\n          - run: uv run pytest\n"},
    "lefthook run pre-push": {".lefthook.yaml": "pre-push:\n  commands:\n    all:\n      run: pytest\n"},
    "just verify": {"justfile": "verify: all\n    echo ok\n\nall arg='1':\n    @pytest\n"},
    "hatch run verify": {"pyproject.toml": '[tool.hatch.envs.default.scripts]\nverify = ["ruff check", "pytest"]\n'},
    "hatch run ci:verify": {"hatch.toml": '[envs.ci.scripts]\nverify = "pytest"\n'},
    "poetry run poe verify": {"pyproject.toml": '[tool.poe.tasks.verify]\nsequence = [{cmd = "pytest"}]\n'},
    "pdm run verify": {"pyproject.toml": '[tool.pdm.scripts]\nverify = {cmd = "pytest"}\n'},
    "task verify": {"Taskfile.yml": "tasks:\n  verify:\n    cmds:\n      - task: all\n  all:\n    cmds: [pytest]\n"},
    "npm run verify": {"package.json": '{"scripts": {"verify": "pytest"}}'},
    "inv verify": {"tasks.py": '@task\ndef verify(c):\n    c.run("pytest")\n'},
    "docker compose run api": {"compose.yml": "services:\n  api:\n    command: pytest\n"},
}


@pytest.mark.parametrize("command", TASKS)
def test_tasks_by_the_file_that_configures_them(command: str) -> None:
    ci = f"jobs:\n  a:\n    steps:\n      - run: {command}\n"
    stack = stack_of({".github/workflows/a.yml": ci} | TASKS[command])
    tests = stack.runs("tests")
    assert tests is not None and tests.place.line == 4


def test_actions_of_the_repository() -> None:
    action = "runs:\n  using: composite\n  steps:\n    - shell: bash\n"
    action += "      run: |\n        pip install hatch\n        pytest\n"
    ci = "jobs:\n  a:\n    steps:\n      - uses: ./.github/actions/outer\n"
    outer = "runs:\n  steps:\n    - uses: ./.github/actions/test\n"
    files = {".github/actions/test/action.yaml": action, ".github/actions/outer/action.yml": outer}
    stack = stack_of({".github/workflows/a.yml": ci} | files)
    tests = stack.runs("tests")
    assert tests is not None and tests.place == Place(".github/workflows/a.yml", 4, 4)
    assert stack.workflows[0].unfollowed == []


@pytest.mark.parametrize(
    ("step", "followed"),
    [
        ("uses: ./.github/actions/gone", False),
        ("uses: someone/else/.github/workflows/make.yml@v1", False),
        ("uses: someone/compose-action@v2", False),
        ("uses: actions/checkout@v4", True),
        ("uses: someone/publish-test-results@v2", True),
        ("run: just verify", False),
        ("run: docker compose up --exit-code-from api", False),
        ("run: docker compose up -d db", True),
        ("run: hatch build", True),
        ("run: npm run gone", True),
    ],
)
def test_steps_that_cannot_be_followed(step: str, followed: bool) -> None:
    stack = stack_of({".github/workflows/a.yml": f"jobs:\n  a:\n    steps:\n      - {step}\n"})
    assert bool(stack.workflows[0].unfollowed) is not followed
