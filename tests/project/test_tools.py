"""Type checkers, linters, pytest and coverage: where they are set, and how."""

from __future__ import annotations

import textwrap
from pathlib import Path

from project.place import Place
from project.stack.stack import Stack
from project.stack.tools import Tool


def stack_of(files: dict[str, str]) -> Stack:
    texts = {path: textwrap.dedent(text) for path, text in files.items()}
    return Stack(Path("/project"), list(texts), texts.get)


PYPROJECT = """\
[project]
dependencies = ["fastapi"]

[tool.ruff]
line-length = 120
[tool.ruff.lint]
select = ["E", "F"]
extend-select = [
    "B",
]
[tool.ruff.lint.per-file-ignores]
"tests/*" = ["S101"]

[tool.mypy]
strict = true
plugins = ["pydantic.mypy"]
ignore_missing_imports = false
[[tool.mypy.overrides]]
module = "x.*"
ignore_errors = true

[tool.pytest.ini_options]
asyncio_mode = "auto"
addopts = ["--strict-markers", "--cov=app", "--cov-branch"]

[tool.coverage.run]
branch = true
omit = ["app/cli.py"]
[tool.coverage.report]
fail_under = 87.5
"""


def tool_of(stack: Stack, name: str) -> Tool:
    return stack.tools[name]


def test_settings_in_pyproject() -> None:
    stack = stack_of({"pyproject.toml": PYPROJECT})
    ruff, mypy, pytest = (tool_of(stack, name) for name in ("ruff", "mypy", "pytest"))
    assert (ruff.items("select"), ruff.items("extend_select"), ruff.number("line_length")) == (["E", "F"], ["B"], 120)
    assert ruff.place_of("extend_select") == Place("pyproject.toml", 8, 8) and ruff.place.line == 4
    assert ruff.settings["per_file_ignores"].value == {"tests/*": ["S101"]}
    assert (
        mypy.flag("strict") is True
        and mypy.flag("ignore_missing_imports") is False
        and mypy.flag("warn_return_any") is None
    )
    assert mypy.items("plugins") == ["pydantic.mypy"] and "overrides" in mypy
    assert mypy.settings["overrides"].value == [{"module": "x.*", "ignore_errors": True}]
    assert mypy.place_of("plugins").line == 16
    assert pytest.text("asyncio_mode") == "auto" and pytest.text("addopts").endswith("--cov=app --cov-branch")
    coverage = stack.coverage
    assert coverage.minimum is not None and coverage.branch is not None and coverage.omit is not None
    assert (coverage.minimum.value, coverage.minimum.place.line, coverage.omit.value) == (87.5, 30, ["app/cli.py"])
    assert [t.name for t in stack.type_checkers] == ["mypy"] and [t.name for t in stack.linters] == ["ruff"]


def test_settings_in_other_files() -> None:
    stack = stack_of(
        {
            "mypy.ini": "[mypy]\nstrict = True\nplugins = pydantic.mypy, x\n"
            "[mypy-foo.*]\nignore_missing_imports = True\n",
            "ruff.toml": 'line-length = 100\n[lint]\nselect = ["ALL"]\n',
            "setup.cfg": "[flake8]\nmax-line-length = 88\nextend-ignore =\n    E203,\n    W503\n"
            "[tool:pytest]\naddopts = -q\n",
            ".coveragerc": "[run]\nbranch = True\n[report]\nfail_under = 90\n",
            "tox.ini": "[pytest]\nasyncio_mode = strict\n",
            "pyrightconfig.json": '{"typeCheckingMode": "strict"}',
            "ty.toml": "[rules]\n",
        }
    )
    mypy, ruff, flake8 = (tool_of(stack, name) for name in ("mypy", "ruff", "flake8"))
    assert mypy.flag("strict") is True and mypy.items("plugins") == ["pydantic.mypy", "x"]
    assert mypy.settings["overrides"].value == [{"module": "foo.*", "ignore_missing_imports": "True"}]
    assert ruff.items("select") == ["ALL"] and ruff.place_of("select") == Place("ruff.toml", 3, 3)
    assert flake8.number("max_line_length") == 88 and flake8.items("extend_ignore") == ["E203", "W503"]
    assert tool_of(stack, "pytest").place == Place("tox.ini", 1, 1)
    assert stack.coverage.minimum is not None and stack.coverage.minimum.place == Place(".coveragerc", 4, 4)
    assert tool_of(stack, "pyright").text("typecheckingmode") == "strict"
    assert [t.name for t in stack.type_checkers] == ["mypy", "pyright", "ty"]


def test_the_file_that_wins() -> None:
    stack = stack_of({"pyproject.toml": PYPROJECT, "pytest.ini": "", "mypy.ini": "[mypy]\n", ".ruff.toml": ""})
    assert [tool_of(stack, name).place.path for name in ("pytest", "mypy", "ruff")] == [
        "pytest.ini",
        "mypy.ini",
        ".ruff.toml",
    ]


def test_the_settings_of_the_application_in_a_monorepo() -> None:
    stack = stack_of(
        {
            "pyproject.toml": "[tool.ruff]\nline-length = 80\n[tool.black]\nline-length = 81\n",
            "api/pyproject.toml": PYPROJECT,
            "web/ruff.toml": "line-length = 90\n",
        }
    )
    assert tool_of(stack, "ruff").number("line_length") == 120 and tool_of(stack, "black").number("line_length") == 81
    assert sorted(t.place.path for t in stack.all_tools if t.name == "ruff") == [
        "api/pyproject.toml", "pyproject.toml", "web/ruff.toml",
    ]  # fmt: skip


def test_tools_that_are_used_without_settings() -> None:
    stack = stack_of(
        {
            ".pre-commit-config.yaml": """\
            repos:
              - repo: https://example.com/mirrors-mypy
                rev: v1.0
                hooks:
                  - id: mypy
                    args: [--strict]
              - repo: local
                hooks:
                  - id: format
                    entry: poetry run black
            """,
            "requirements-dev.txt": "pytest\npytest-cov\nflake8\n",
            ".gitlab-ci.yml": "lint:\n  script:\n    - ruff check .\n",
        }
    )
    assert {name: (tool.place.path, tool.place.line) for name, tool in stack.tools.items()} == {
        "mypy": (".pre-commit-config.yaml", 5),
        "black": (".pre-commit-config.yaml", 9),
        "ruff": (".gitlab-ci.yml", 3),
        "flake8": ("requirements-dev.txt", 3),
        "pytest": ("requirements-dev.txt", 1),
        "coverage": ("requirements-dev.txt", 2),
    }
    assert not any(tool.configured for tool in stack.tools.values())
    assert [(hook.id, hook.revision, hook.runs) for hook in stack.hooks] == [
        ("mypy", "v1.0", "mypy  --strict"),
        ("format", "", "format poetry run black"),
    ]
