"""Tools that watch over the code: coverage, types, lint, continuous integration."""

from __future__ import annotations

import re
from collections import Counter

from check import LOW, MEDIUM, Found, Hit, NotAssessed
from project import Function, Project
from project.place import Place
from project.stack.stack import Stack
from project.stack.tools import Tool
from testing.dimension import testing

_STRICT = ("strict", "disallow_untyped_defs", "check_untyped_defs", "disallow_incomplete_defs")
# Rule families that find defects of web services, with what each finds.
_FAMILIES = {"ASYNC": "blocking calls in async def", "B": "likely bugs", "S": "security"}
# A script whose text is not known may run anything.
_OWN_SCRIPT = re.compile(
    r"(^|[\s/])(scripts?|bin|ci|dev|tools)/[\w-]+(\s|$)|\b(task|just|invoke|nox|tox|hatch run|pdm run|poe) \w"
)
_MANY_FUNCTIONS, _FEW_TYPED = 50, 0.5
_NOTHING = "no file here declares the project (pyproject.toml, requirements.txt)"


def _config(project: Project) -> Place | None:
    """Line 1 of the file that would hold settings of tools, None when nothing shows that it would be here."""
    manifest = project.stack.manifest
    if manifest is None or not project.is_source_tree:
        return None
    folder = f"{manifest.folder}/" if manifest.folder else ""
    beside = [name for name in ("pyproject.toml", "setup.cfg", "tox.ini") if f"{folder}{name}" in project.files]
    path = f"{folder}{beside[0]}" if beside else manifest.path
    return Place(path, 1, 1)


@testing.check(
    "TST010",
    "coverage-not-measured",
    title="Coverage not measured",
    impact=LOW,
    fix="Run pytest with --cov --cov-branch, and gate at today's value.",
)
def coverage(project: Project) -> Found:
    """Nobody sees which branches no test reaches, nor when a change brings more of them.

    Source: coverage.py, Branch coverage measurement, https://coverage.readthedocs.io/en/latest/branch.html

    Bad:
        # pyproject.toml
        # TST010
        [project]
        name = "shop"
        dependencies = ["fastapi"]
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.coverage.run]
        branch = true
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.pytest.ini_options]
        addopts = "--cov=shop --cov-fail-under=80"
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    """
    place = _config(project)
    if place is None or not project.tests.functions:
        yield NotAssessed(_NOTHING if place is None else "no tests in this folder")
    elif project.stack.coverage.measured is None and not {"coverage", "pytest-cov"} & project.stack.dependencies.keys():
        yield Hit(place, "no coverage tool is declared, configured or run in CI")


@testing.check(
    "TST011",
    "typing-completeness",
    title="Functions without types",
    impact=LOW,
    fix="Annotate package by package, core first, and have the type checker refuse untyped functions there.",
)
def typing_completeness(project: Project) -> Found:
    """A type checker does not look into functions without annotations: errors in them are found by users.

    Source: mypy, Dynamically typed code, https://mypy.readthedocs.io/en/stable/dynamic_typing.html

    Bad:
        # app/orders.py
        def a1(x): return x  # TST011
        def a2(x): return x
        def a3(x): return x
        def a4(x): return x
        def a5(x): return x
        def a6(x): return x
        def a7(x): return x
        def a8(x): return x
        def a9(x): return x
        def b1(x): return x
        def b2(x): return x
        def b3(x): return x
        def b4(x): return x
        def b5(x): return x
        def b6(x): return x
        def b7(x): return x
        def b8(x): return x
        def b9(x): return x
        def c1(x): return x
        def c2(x): return x
        def c3(x): return x
        def c4(x): return x
        def c5(x): return x
        def c6(x): return x
        def c7(x): return x
        def c8(x): return x
        def c9(x): return x
        def d1(x): return x
        def d2(x): return x
        def d3(x): return x
        def d4(x): return x
        def d5(x): return x
        def d6(x): return x
        def d7(x): return x
        def d8(x): return x
        def d9(x): return x
        def e1(x): return x
        def e2(x): return x
        def e3(x): return x
        def e4(x): return x
        def e5(x): return x
        def e6(x): return x
        def e7(x): return x
        def e8(x): return x
        def e9(x): return x
        def f1(x): return x
        def f2(x): return x
        def f3(x): return x
        def f4(x): return x
        def f5(x): return x
        def f6(x): return x
    Good:
        # app/orders.py
        def total(prices: list[int]) -> int:
            return sum(prices)
    Not this:
        # app/orders.py
        def total(prices):
            return sum(prices)
    """
    modules = [
        m for m in project.app_modules if not any("generated" in line.lower() for line in (m.path, *m.lines[:5]))
    ]
    functions = [f for m in modules for f in m.functions if not f.is_lambda]
    untyped = [f for f in functions if not _is_typed(f)]
    if len(functions) < _MANY_FUNCTIONS or len(untyped) < len(functions) * (1 - _FEW_TYPED):
        return
    folders = Counter(f.module.path.rpartition("/")[0] for f in untyped)
    worst, count = min(folders.items(), key=lambda item: (-item[1], item[0]))
    first = next(f for f in untyped if f.module.path.rpartition("/")[0] == worst)
    share = 100 * len(untyped) // len(functions)
    message = (
        f"{share} % of {len(functions)} functions lack annotations, most of them ({count}) in {worst or 'the root'}"
    )
    yield Hit(first.place(), message)


def _is_typed(function: Function) -> bool:
    arguments = function.node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs][1 if function.owner is not None else 0 :]
    return all(a.annotation is not None for a in named) and (
        function.returns is not None or function.name == "__init__"
    )


@testing.check(
    "TST012",
    "mypy-config",
    title="Type checker missing or lax",
    impact=LOW,
    fix="Run mypy or pyright in CI; set strict for the core and list what is excepted.",
)
def type_checker(project: Project) -> Found:
    """Without settings mypy skips every function without annotations; without a checker annotations are comments.

    Source: mypy, The mypy configuration file, https://mypy.readthedocs.io/en/stable/config_file.html

    Bad:
        # pyproject.toml
        # TST012
        [project]
        name = "shop"
        dependencies = ["fastapi"]
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.mypy]
        strict = true
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.pyright]
        typeCheckingMode = "standard"
    """
    place = _config(project)
    if place is None:
        yield NotAssessed(_NOTHING)
        return
    checkers = project.stack.type_checkers
    if not checkers:
        yield Hit(place, "no type checker is configured, declared or run in CI")
    elif checkers[0].name == "mypy" and len(checkers) == 1:
        yield from _mypy(project, checkers[0], place)


def _mypy(project: Project, mypy: Tool, place: Place) -> Found:
    plugins = mypy.text("plugins")
    if "sqlalchemy.ext.mypy" in plugins and project.stack.at_least("sqlalchemy", "2.1"):
        yield Hit(
            mypy.place_of("plugins"),
            "the mypy plugin of SQLAlchemy is gone since 2.1: mypy stops with an error",
            impact=MEDIUM,
        )
    if mypy.flag("ignore_errors"):
        yield Hit(place, "mypy runs with ignore_errors for everything", places=(mypy.place_of("ignore_errors"),))
    elif not any(mypy.flag(key) for key in _STRICT) and not _is_strict_by_command(project):
        places = (mypy.place,) if mypy.configured else ()
        message = "mypy runs without strict or check_untyped_defs: it does not look into functions without annotations"
        yield Hit(place, message, places=places)


def _is_strict_by_command(project: Project) -> bool:
    texts = [step.text for workflow in project.stack.workflows for step in workflow.steps]
    texts += [hook.runs for hook in project.stack.hooks]
    return any("mypy" in text and ("--strict" in text or "--check-untyped-defs" in text) for text in texts)


@testing.check(
    "TST013",
    "lint-config",
    title="Linter missing or narrowed",
    impact=LOW,
    fix='Use ruff; for a narrow select write `extend-select = ["ASYNC", "B", "DTZ", "FAST", "PT", "RUF006", "S"]`.',
)
def linter(project: Project) -> Found:
    """Since ruff 0.16 its default rules find blocking calls and likely bugs; an old narrow select turns them off.

    Source: Ruff, Rules, https://docs.astral.sh/ruff/rules/

    Bad:
        # pyproject.toml
        # TST013
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.ruff.lint]
        select = ["E", "F", "I"]
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.ruff.lint]
        extend-select = ["FAST", "PT"]
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]

        [tool.ruff.lint]
        select = ["E", "F", "ASYNC1", "B", "S1"]
    """
    place = _config(project)
    if place is None:
        yield NotAssessed(_NOTHING)
        return
    linters = {tool.name: tool for tool in project.stack.linters}
    if not linters:
        yield Hit(place, "no linter is configured, declared or run in CI")
        return
    ruff = linters.get("ruff")
    if ruff is not None and len(linters) == 1 and "select" in ruff:
        chosen = [*ruff.items("select"), *ruff.items("extend_select")]
        missing = [
            family for family in _FAMILIES if not any(c == "ALL" or c.rstrip("0123456789") == family for c in chosen)
        ]
        if len(missing) == len(_FAMILIES):
            listed = ", ".join(f"{family} ({_FAMILIES[family]})" for family in missing)
            message = f"ruff's select leaves out {listed}"
            yield Hit(place, message, places=(ruff.place_of("select"),))


@testing.check(
    "TST014",
    "ci-missing",
    title="Continuous integration missing or partial",
    impact=MEDIUM,
    fix="On each change run lint, types, `alembic upgrade head` with `alembic check`, and tests; let each fail.",
)
def continuous_integration(project: Project) -> Found:
    """What nobody runs on each change is broken within weeks, and the last change gets the blame.

    Source: GitHub, Building and testing Python, https://docs.github.com/en/actions/tutorials/build-and-test-code/python

    Bad:
        # pyproject.toml
        # TST014
        [project]
        name = "shop"
        dependencies = ["fastapi"]
        # CONTRIBUTING.md
        Write tests.
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    Good:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]
        # .github/workflows/ci.yml
        on: [push]
        jobs:
          test:
            steps:
              - run: ruff check .
              - run: mypy .
              - run: pytest
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    Not this:
        # pyproject.toml
        [project]
        name = "shop"
        dependencies = ["fastapi"]
        # CONTRIBUTING.md
        Write tests.
        # .gitlab-ci.yml
        test:
          script:
            - make check
        # Makefile
        check:
                pytest
        # tests/test_shop.py
        def test_shop() -> None:
            assert True
    """
    place = _config(project)
    if place is None or not project.is_repository:
        yield NotAssessed(
            _NOTHING if place is None else "this looks like a part of a repository: its CI may stand further up"
        )
        return
    stack = project.stack
    if not stack.workflows:
        yield Hit(place, "no configuration of a continuous integration in this repository")
        return
    first = Place(max(stack.workflows, key=lambda w: len(w.runs)).path, 1, 1)
    if project.tests.functions and stack.runs("tests") is None:
        yield _no_tests_run(first, stack)
    if any(_OWN_SCRIPT.search(step.text) for workflow in stack.workflows for step in workflow.steps):
        return
    missing = []
    if stack.linters and stack.runs("lint") is None and not stack.hooks:
        missing.append("linter")
    if (
        stack.type_checkers
        and stack.runs("types") is None
        and not any("mypy" in h.runs or "pyright" in h.runs for h in stack.hooks)
    ):
        missing.append("type checker")
    if stack.alembics and stack.runs("migrations") is None and not _migrates_itself(project):
        missing.append("migrations")
    if missing:
        yield Hit(first, f"configured, but not run in CI: {', '.join(missing)}", impact=LOW)


def _no_tests_run(first: Place, stack: Stack) -> Hit | NotAssessed:
    open_step = next((step for workflow in stack.workflows for step in workflow.unfollowed), None)
    if open_step is None:
        return Hit(first, "the CI runs no tests")
    where = f"{open_step.place.path}:{open_step.place.line}"
    return NotAssessed(f"what the CI runs at {where} stands elsewhere: it may well run the tests")


def _migrates_itself(project: Project) -> bool:
    """Whether the application or its tests run the migrations (`alembic.command.upgrade`)."""
    return any(
        binding.target.startswith("alembic")
        for module in (*project.app_modules, *project.tests.modules)
        for scope in module.walk()
        for bindings in scope.bindings.values()
        for binding in bindings
        if binding.kind in ("import", "from")
        and (binding.imported in ("command", "alembic.command") or "command" in binding.target)
    )
