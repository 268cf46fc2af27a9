"""Proofs of the statements in TESTING.md about asynchronous tests, pytest, mypy and ruff."""

import shutil
import subprocess
from pathlib import Path

import pytest

from .registry import ROOT, fact
from .tools import mypy, ruff, run, run_pytest, write


@fact("tst-async-test-without-plugin")
def test_an_async_test_without_a_plugin_fails(tmp_path: Path) -> None:
    write(tmp_path, "test_plain.py", "async def test_plain(): assert True\n")
    output = run_pytest(tmp_path, "-p", "no:asyncio", "-p", "no:anyio")
    assert "async def functions are not natively supported" in output
    assert "1 failed" in output


@fact("tst-anyio-marker", "tst-event-loop-fixture")
def test_the_anyio_mark_is_enough_and_the_event_loop_fixture_is_gone(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_plain.py",
        """
        import pytest
        @pytest.fixture
        def anyio_backend(): return "asyncio"
        @pytest.mark.anyio
        async def test_marked(): assert True
        def test_old(event_loop): assert True
        """,
    )
    output = run_pytest(tmp_path)
    assert "fixture 'event_loop' not found" in output
    assert "1 passed, 1 error" in output


@fact("tst-anyio-session-loop")
def test_session_fixtures_and_tests_share_the_loop_of_a_session_wide_backend(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_loops.py",
        """
        import asyncio, pytest
        pytestmark = pytest.mark.anyio
        @pytest.fixture(scope="session")
        def anyio_backend(): return "asyncio"
        @pytest.fixture(scope="session")
        async def loop(): yield asyncio.get_running_loop()
        async def test_one(loop): assert loop is asyncio.get_running_loop()
        async def test_two(loop): assert loop is asyncio.get_running_loop()
        """,
    )
    assert "2 passed" in run_pytest(tmp_path)


@fact("tst-strict-async-fixture")
def test_a_plain_fixture_mark_on_an_async_fixture_fails_in_strict_mode(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_plain.py",
        """
        import pytest
        @pytest.fixture
        async def user(): return "a"
        @pytest.mark.asyncio
        async def test_user(user): assert user == "a"
        """,
    )
    assert "requested an async fixture 'user'" in run_pytest(tmp_path, "-p", "no:anyio")
    assert "1 passed" in run_pytest(tmp_path, "-p", "no:anyio", "-o", "asyncio_mode=auto")


@fact("tst-loop-scope")
def test_a_session_fixture_lives_on_another_loop_than_the_tests_unless_both_are_told(tmp_path: Path) -> None:
    write(
        tmp_path,
        "test_loops.py",
        """
        import asyncio, pytest_asyncio, pytest
        @pytest_asyncio.fixture(scope="session")
        async def loop(): return asyncio.get_running_loop()
        @pytest.mark.asyncio
        async def test_same(loop): assert loop is asyncio.get_running_loop()
        """,
    )
    options = [f"--override-ini=asyncio_default_{what}_loop_scope=session" for what in ("fixture", "test")]
    assert "1 failed" in run_pytest(tmp_path)
    assert "1 passed" in run_pytest(tmp_path, *options)


@fact("tst-toml-options", "tst-strict-option")
def test_pytest_reads_its_own_toml_table_and_strict_turns_on_the_strict_options(tmp_path: Path) -> None:
    write(tmp_path, "test_xfail.py", "import pytest\n@pytest.mark.xfail\ndef test_works(): pass\n")
    write(tmp_path, "test_mark.py", "import pytest\n@pytest.mark.typo\ndef test_mark(): pass\n")
    assert "1 passed, 1 xpassed" in run_pytest(tmp_path)
    write(tmp_path, "pyproject.toml", "[tool.pytest]\nstrict = true\n")
    assert "'typo' not found in `markers` configuration option" in run_pytest(tmp_path, "test_mark.py")
    assert "1 failed" in run_pytest(tmp_path, "test_xfail.py")


@fact("tst-returned-value")
def test_a_test_that_returns_its_comparison_passes_with_a_warning(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "def test_compare(): return 1 == 2\n")
    output = run_pytest(tmp_path)
    assert "1 passed" in output
    assert "PytestReturnNotNoneWarning" in output


@fact("tst-warnings-as-errors")
def test_warnings_can_be_made_to_fail(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "import warnings\ndef test_old(): warnings.warn('old', DeprecationWarning)\n")
    assert "1 passed" in run_pytest(tmp_path)
    write(tmp_path, "pyproject.toml", '[tool.pytest]\nfilterwarnings = ["error"]\n')
    assert "1 failed" in run_pytest(tmp_path, "-p", "no:asyncio")


@fact("tst-loop-scope-unset")
def test_warnings_as_errors_stop_the_run_until_the_fixture_loop_scope_is_set(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "def test_nothing(): pass\n")
    strict = '[tool.pytest]\nfilterwarnings = ["error"]\n'
    write(tmp_path, "pyproject.toml", strict)
    assert "asyncio_default_fixture_loop_scope" in run_pytest(tmp_path)
    write(tmp_path, "pyproject.toml", strict + 'asyncio_default_fixture_loop_scope = "session"\n')
    assert "1 passed" in run_pytest(tmp_path)


@fact("tst-raises-exception")
def test_raises_of_exception_accepts_an_error_in_the_test() -> None:
    with pytest.raises(Exception):  # noqa: B017
        vars()["misspelled"]


@fact("tst-mypy-skips-untyped", "tst-mypy-strict")
def test_mypy_does_not_look_into_unannotated_functions_unless_strict(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "def total(prices):\n    return 'a' + 1\n")
    assert "Success: no issues found" in mypy(tmp_path)
    strict = mypy(tmp_path, "--strict")
    assert "[no-untyped-def]" in strict
    assert "[operator]" in strict


@fact("tst-missing-await")
def test_mypy_sees_a_missing_await_and_ruff_does_not(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "async def save() -> int:\n    return 1\n\n\nasync def handler() -> None:\n    save()\n")
    assert "[unused-coroutine]" in mypy(tmp_path)
    assert ruff(tmp_path, "a.py") == set()


@fact("tst-pydantic-plugin")
def test_the_pydantic_plugin_checks_less_by_default_than_none(tmp_path: Path) -> None:
    write(
        tmp_path,
        "a.py",
        "from pydantic import BaseModel\nclass User(BaseModel):\n    id: int\nUser(id='1')\nUser(id=1, x=2)\n",
    )
    assert "Found 2 errors" in mypy(tmp_path)
    write(tmp_path, "mypy.ini", "[mypy]\nplugins = pydantic.mypy\n")
    assert "Success" in mypy(tmp_path)
    write(
        tmp_path,
        "mypy.ini",
        "[mypy]\nplugins = pydantic.mypy\n[pydantic-mypy]\ninit_typed = True\ninit_forbid_extra = True\n",
    )
    assert "Found 2 errors" in mypy(tmp_path)


@fact("tst-sqlalchemy-plugin")
def test_the_sqlalchemy_plugin_is_gone(tmp_path: Path) -> None:
    write(tmp_path, "a.py", "")
    write(tmp_path, "mypy.ini", "[mypy]\nplugins = sqlalchemy.ext.mypy.plugin\n")
    assert "Error importing plugin" in mypy(tmp_path)


@fact("tst-ruff-default-rules", "tst-ruff-select-narrows")
def test_ruffs_defaults_are_wider_than_an_old_selection(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(
        "import asyncio\nimport time\n\n\n"
        "async def read():\n"
        "    try:\n"
        "        time.sleep(1)\n"
        "    except Exception:\n"
        "        pass\n"
        "    asyncio.create_task(asyncio.sleep(1))\n"
    )
    assert ruff(tmp_path, "a.py") == {"ASYNC251", "BLE001", "S110"}
    assert ruff(tmp_path, "a.py", "--select", "E,F") == set()
    settings = run(tmp_path, "ruff", "check", "--isolated", "--show-settings", "a.py").stdout
    enabled = settings.partition("linter.rules.enabled = [")[2].partition("]")[0]
    assert len(enabled.split(",")) > 400
    assert "RUF006" in ruff(tmp_path, "a.py", "--extend-select", "RUF006")


@fact("tst-ruff-depends-default", "tst-ruff-fast-rules")
def test_ruff_flags_depends_defaults_and_knows_the_annotated_form(tmp_path: Path) -> None:
    head = (
        "from typing import Annotated\n\nfrom fastapi import Depends, FastAPI\n\nfrom app import Session, get_session\n"
        '\napp = FastAPI()\n\n\n@app.get("/")\n'
    )
    (tmp_path / "old.py").write_text(f"{head}def read(session: Session = Depends(get_session)): ...\n")
    (tmp_path / "new.py").write_text(f"{head}def read(session: Annotated[Session, Depends(get_session)]): ...\n")
    assert "B008" in ruff(tmp_path, "old.py")
    assert "FAST002" not in ruff(tmp_path, "old.py")
    assert "FAST002" in ruff(tmp_path, "old.py", "--extend-select", "FAST")
    assert "B008" not in ruff(tmp_path, "new.py")


def test_the_configuration_of_the_document_is_accepted(tmp_path: Path) -> None:
    text = (ROOT / "TESTING.md").read_text(encoding="utf-8")
    write(tmp_path, "pyproject.toml", text.partition("```toml\n")[2].partition("```")[0])
    (tmp_path / "tests").mkdir()
    write(tmp_path, "tests/test_a.py", "def test_nothing() -> None:\n    assert True\n")
    assert "1 passed" in run_pytest(tmp_path)
    checked = run(tmp_path, "ruff", "check", "--no-cache", ".")
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "All checks passed!\n")
    assert run(tmp_path, "mypy", "--cache-dir", str(tmp_path / "cache"), "tests").returncode == 0


@fact("tst-exit-status")
def test_pytest_tells_a_failure_and_an_empty_run_by_its_status(tmp_path: Path) -> None:
    write(tmp_path, "test_a.py", "def test_a(): assert False")
    assert run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider").returncode == 1
    write(tmp_path, "test_a.py", "")
    assert run(tmp_path, "pytest", "-q", "-p", "no:cacheprovider").returncode == 5


@fact("tst-pipe-status")
@pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")
def test_a_pipe_hides_a_failure_until_pipefail() -> None:
    assert subprocess.run(["bash", "-c", "false | cat"], check=False).returncode == 0
    assert subprocess.run(["bash", "-c", "set -o pipefail; false | cat"], check=False).returncode == 1
